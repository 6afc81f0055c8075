/* cublas_v2.h - the cuBLAS API under its usual names. The library's own plain names, such as
 * cublasSgemm, are CUBLAS 1's calls without a handle; these macros name the calls of today. */
#ifndef CUBLAS_V2_H_
#define CUBLAS_V2_H_
#ifdef CUBLAS_H_
#error "cublas.h and cublas_v2.h give the same names to different functions: include one of them"
#endif
#include "cublas_api.h"
#include "cublas_renames.h"

#ifdef __cplusplus
/* Before CUDA 11 the type of a computation was a cudaDataType: C++ programs may still pass one. */
static inline cublasStatus_t cublasMigrateComputeType(cublasHandle_t handle, cudaDataType_t type,
                                                      cublasComputeType_t *compute) {
  cublasMath_t mode;
  cublasStatus_t status = cublasGetMathMode(handle, &mode);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  bool pedantic = (mode & 3) == CUBLAS_PEDANTIC_MATH;
  switch (type) {
    case CUDA_R_32F:
    case CUDA_C_32F: *compute = pedantic ? CUBLAS_COMPUTE_32F_PEDANTIC : CUBLAS_COMPUTE_32F; break;
    case CUDA_R_64F:
    case CUDA_C_64F: *compute = pedantic ? CUBLAS_COMPUTE_64F_PEDANTIC : CUBLAS_COMPUTE_64F; break;
    case CUDA_R_16F: *compute = pedantic ? CUBLAS_COMPUTE_16F_PEDANTIC : CUBLAS_COMPUTE_16F; break;
    case CUDA_R_32I: *compute = pedantic ? CUBLAS_COMPUTE_32I_PEDANTIC : CUBLAS_COMPUTE_32I; break;
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  return CUBLAS_STATUS_SUCCESS;
}

#define OPENCU_MIGRATED(call) \
  cublasComputeType_t migrated; \
  cublasStatus_t status = cublasMigrateComputeType(handle, computeType, &migrated); \
  return status == CUBLAS_STATUS_SUCCESS ? (call) : status
static inline cublasStatus_t cublasGemmEx(
    cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n, int k,
    const void *alpha, const void *A, cudaDataType Atype, int lda, const void *B,
    cudaDataType Btype, int ldb, const void *beta, void *C, cudaDataType Ctype, int ldc,
    cudaDataType computeType, cublasGemmAlgo_t algo) {
  OPENCU_MIGRATED(cublasGemmEx(handle, transa, transb, m, n, k, alpha, A, Atype, lda, B, Btype, ldb,
                               beta, C, Ctype, ldc, migrated, algo));
}
static inline cublasStatus_t cublasGemmBatchedEx(
    cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n, int k,
    const void *alpha, const void *const Aarray[], cudaDataType Atype, int lda,
    const void *const Barray[], cudaDataType Btype, int ldb, const void *beta,
    void *const Carray[], cudaDataType Ctype, int ldc, int batchCount, cudaDataType computeType,
    cublasGemmAlgo_t algo) {
  OPENCU_MIGRATED(cublasGemmBatchedEx(handle, transa, transb, m, n, k, alpha, Aarray, Atype, lda,
                                      Barray, Btype, ldb, beta, Carray, Ctype, ldc, batchCount,
                                      migrated, algo));
}
static inline cublasStatus_t cublasGemmStridedBatchedEx(
    cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n, int k,
    const void *alpha, const void *A, cudaDataType Atype, int lda, long long int strideA,
    const void *B, cudaDataType Btype, int ldb, long long int strideB, const void *beta, void *C,
    cudaDataType Ctype, int ldc, long long int strideC, int batchCount, cudaDataType computeType,
    cublasGemmAlgo_t algo) {
  OPENCU_MIGRATED(cublasGemmStridedBatchedEx(handle, transa, transb, m, n, k, alpha, A, Atype, lda,
                                             strideA, B, Btype, ldb, strideB, beta, C, Ctype, ldc,
                                             strideC, batchCount, migrated, algo));
}
#undef OPENCU_MIGRATED
#endif
#endif
