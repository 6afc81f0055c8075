/* rocblas.c - librocblas.so over cuBLAS's entry points, which are part of this file. */
#include "rocm.h"

static int status_of(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS: return 0;
    case CUBLAS_STATUS_NOT_INITIALIZED: return 1;
    case CUBLAS_STATUS_NOT_SUPPORTED: return 2;
    case CUBLAS_STATUS_INVALID_VALUE: return 4; /* of enumerators, WRONG_ENUM */
    case CUBLAS_STATUS_ALLOC_FAILED: case CUBLAS_STATUS_MAPPING_ERROR: return 5;
    case CUBLAS_STATUS_ARCH_MISMATCH: return 15;
    default: return 6;
  }
}
#define STATUS(call) status_of(call)
#define WRONG_ENUM 11

const char *rocblas_status_to_string(int status) {
  static const char *const names[] = {
      "rocblas_status_success", "rocblas_status_invalid_handle", "rocblas_status_not_implemented",
      "rocblas_status_invalid_pointer", "rocblas_status_invalid_size",
      "rocblas_status_memory_error", "rocblas_status_internal_error",
      "rocblas_status_perf_degraded", "rocblas_status_size_query_mismatch",
      "rocblas_status_size_increased", "rocblas_status_size_unchanged",
      "rocblas_status_invalid_value", "rocblas_status_continue",
      "rocblas_status_check_numerics_fail", "rocblas_status_excluded_from_build",
      "rocblas_status_arch_mismatch"};
  return (unsigned)status < sizeof names / sizeof *names ? names[status]
                                                         : "<undefined rocblas_status value>";
}

void rocblas_initialize(void) {}
int rocblas_create_handle(cublasHandle_t *handle) {
  return handle ? STATUS(cublasCreate_v2(handle)) : 1;
}
int rocblas_destroy_handle(cublasHandle_t handle) { return STATUS(cublasDestroy_v2(handle)); }

/* D = alpha op(A) op(B) + beta C. cuBLAS has no D: it must be C. */
#define GEMM_EX(name, served, ...) \
  return !OPERATION_EXISTS(transa) || !OPERATION_EXISTS(transb) || !DATA_TYPE_EXISTS(a_type) || \
                 !DATA_TYPE_EXISTS(b_type) || !DATA_TYPE_EXISTS(c_type) || c_type != d_type || \
                 !DATA_TYPE_EXISTS(type) \
             ? WRONG_ENUM \
         : (c != d || ldc != ldd) ? (refused(name, "d: only the memory of c"), 2) \
             : STATUS(served(handle, OPERATION(transa), OPERATION(transb), m, n, k, alpha, \
                             __VA_ARGS__, compute_in(type), CUBLAS_GEMM_DEFAULT))
#define HEAD cublasHandle_t handle, int transa, int transb, int m, int n, int k, const void *alpha
#define TAIL int type, int algo, int32_t solution, uint32_t flags
#define UNUSED_TAIL (void)algo, (void)solution, (void)flags

int rocblas_gemm_ex(HEAD, const void *a, int a_type, int lda, const void *b, int b_type, int ldb,
                    const void *beta, const void *c, int c_type, int ldc, void *d, int d_type,
                    int ldd, TAIL) {
  UNUSED_TAIL;
  GEMM_EX("rocblas_gemm_ex", cublasGemmEx, a, DATA_TYPE(a_type), lda, b, DATA_TYPE(b_type), ldb,
          beta, d, DATA_TYPE(d_type), ldd);
}

int rocblas_gemm_batched_ex(HEAD, const void *const *a, int a_type, int lda, const void *const *b,
                            int b_type, int ldb, const void *beta, const void *c, int c_type,
                            int ldc, void *d, int d_type, int ldd, int count, TAIL) {
  UNUSED_TAIL;
  GEMM_EX("rocblas_gemm_batched_ex", cublasGemmBatchedEx, a, DATA_TYPE(a_type), lda, b,
          DATA_TYPE(b_type), ldb, beta, (void *const *)d, DATA_TYPE(d_type), ldd, count);
}

int rocblas_gemm_strided_batched_ex(HEAD, const void *a, int a_type, int lda, int64_t stride_a,
                                    const void *b, int b_type, int ldb, int64_t stride_b,
                                    const void *beta, const void *c, int c_type, int ldc,
                                    int64_t stride_c, void *d, int d_type, int ldd,
                                    int64_t stride_d, int count, TAIL) {
  UNUSED_TAIL;
  if (stride_c != stride_d) return 4;
  GEMM_EX("rocblas_gemm_strided_batched_ex", cublasGemmStridedBatchedEx, a, DATA_TYPE(a_type),
          lda, stride_a, b, DATA_TYPE(b_type), ldb, stride_b, beta, d, DATA_TYPE(d_type), ldd,
          stride_d, count);
}

#include "shape.inc"
