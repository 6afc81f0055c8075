/* hipblas.c - libhipblas.so over cuBLAS's entry points, which are part of this file. */
#include <stdio.h>

#include "rocm.h"

static int status_of(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS: return 0;
    case CUBLAS_STATUS_NOT_INITIALIZED: return 1;
    case CUBLAS_STATUS_ALLOC_FAILED: return 2;
    case CUBLAS_STATUS_INVALID_VALUE: return 3;
    case CUBLAS_STATUS_MAPPING_ERROR: return 4;
    case CUBLAS_STATUS_EXECUTION_FAILED: return 5;
    case CUBLAS_STATUS_NOT_SUPPORTED: return 7;
    case CUBLAS_STATUS_ARCH_MISMATCH: return 8;
    default: return 6;
  }
}
#define STATUS(call) status_of(call)
#define WRONG_ENUM 10

const char *hipblasStatusToString(int status) {
  static const char *const names[] = {
      "SUCCESS", "NOT_INITIALIZED", "ALLOC_FAILED", "INVALID_VALUE", "MAPPING_ERROR",
      "EXECUTION_FAILED", "INTERNAL_ERROR", "NOT_SUPPORTED", "ARCH_MISMATCH", "HANDLE_IS_NULLPTR",
      "INVALID_ENUM", "UNKNOWN"};
  static char text[12][48];
  const unsigned which = (unsigned)status < 11 ? (unsigned)status : 11;
  snprintf(text[which], sizeof text[which], "HIPBLAS_STATUS_%s", names[which]);
  return text[which];
}

int hipblasCreate(cublasHandle_t *handle) {
  return handle ? STATUS(cublasCreate_v2(handle)) : 9;
}
int hipblasDestroy(cublasHandle_t handle) { return STATUS(cublasDestroy_v2(handle)); }

/* hipblasComputeType_t of hipBLAS 2 and 3, or the data type that hipBLAS 1 named. */
static cublasComputeType_t compute(int type) {
  static const cublasComputeType_t types[] = {
      CUBLAS_COMPUTE_16F, CUBLAS_COMPUTE_16F_PEDANTIC, CUBLAS_COMPUTE_32F,
      CUBLAS_COMPUTE_32F_PEDANTIC, CUBLAS_COMPUTE_32F_FAST_16F, CUBLAS_COMPUTE_32F_FAST_16BF,
      CUBLAS_COMPUTE_32F_FAST_TF32, CUBLAS_COMPUTE_64F, CUBLAS_COMPUTE_64F_PEDANTIC,
      CUBLAS_COMPUTE_32I, CUBLAS_COMPUTE_32I_PEDANTIC};
  return (unsigned)type < sizeof types / sizeof *types ? types[type] : compute_in(type);
}

#define GEMM_EX(name, served, pointer, result, strides, a_stride, b_stride, c_stride, batch, ...) \
  int name(cublasHandle_t handle, int transa, int transb, int m, int n, int k, const void *alpha, \
           pointer a, int a_type, int lda STRIDE_##strides(a), pointer b, int b_type, \
           int ldb STRIDE_##strides(b), const void *beta, result c, int c_type, \
           int ldc STRIDE_##strides(c) batch, int type, int algo) { \
    (void)algo; \
    return !OPERATION_EXISTS(transa) || !OPERATION_EXISTS(transb) || !DATA_TYPE_EXISTS(a_type) || \
                   !DATA_TYPE_EXISTS(b_type) || !DATA_TYPE_EXISTS(c_type) \
               ? WRONG_ENUM \
               : STATUS(served(handle, OPERATION(transa), OPERATION(transb), m, n, k, alpha, a, \
                               DATA_TYPE(a_type), lda a_stride, b, DATA_TYPE(b_type), \
                               ldb b_stride, beta, c, DATA_TYPE(c_type), ldc c_stride __VA_ARGS__, \
                               compute(type), CUBLAS_GEMM_DEFAULT)); \
  }
#define NONE
#define COMMA ,
#define STRIDE_NO(x)
#define STRIDE_YES(x) , long long stride_##x
#define COUNT , int count
#define FORMS(version) \
  GEMM_EX(hipblasGemmEx##version, cublasGemmEx, const void *, void *, NO, , , , ) \
  GEMM_EX(hipblasGemmBatchedEx##version, cublasGemmBatchedEx, const void *const *, \
          void *const *, NO, , , , COUNT, COMMA count) \
  GEMM_EX(hipblasGemmStridedBatchedEx##version, cublasGemmStridedBatchedEx, const void *, \
          void *, YES, COMMA stride_a, COMMA stride_b, COMMA stride_c, COUNT, COMMA count)
FORMS()
FORMS(_v2)

#include "shape.inc"
