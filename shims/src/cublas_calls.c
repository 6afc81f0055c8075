/* cublas_calls.c - cuBLAS calls that compute or copy. Their entry points, one for each type letter
 * and integer width, are made from shims/tables/cublas_api.h. */
#include "cublas.h"

static inline int64_t at_least_1(int64_t n) { return n > 1 ? n : 1; }

/* ---- gemm: column-major C = alpha op(A) op(B) + beta C --------------------------------------- */

/* With scalars in device memory: their values, once the work queued before has produced them. */
static ocu_status fetch(ocu_stream *stream, ocu_dtype dtype, const void **alpha, const void **beta,
                        double values[2]) {
  size_t bytes = dtype == OCU_F32 ? sizeof(float) : sizeof(double);
  ocu_status status = ocu_stream_sync(stream);
  if (status == OCU_OK) status = ocu_check(*alpha, bytes, 0);
  if (status == OCU_OK) status = ocu_check(*beta, bytes, 0);
  if (status != OCU_OK) return status;
  __builtin_memcpy(&values[0], *alpha, bytes);
  __builtin_memcpy(&values[1], *beta, bytes);
  *alpha = &values[0];
  *beta = &values[1];
  return OCU_OK;
}

static cublasStatus_t gemm(cublasHandle_t handle, const char *name, ocu_dtype dtype,
                           cublasOperation_t transa, cublasOperation_t transb, int64_t m,
                           int64_t n, int64_t k, const void *alpha, const void *A, int64_t lda,
                           int64_t strideA, const void *B, int64_t ldb, int64_t strideB,
                           const void *beta, void *C, int64_t ldc, int64_t strideC,
                           int64_t batchCount) {
  if (__builtin_expect(atomic_load_explicit(&logging, memory_order_relaxed), 0))
    log_line("%s m=%lld n=%lld k=%lld lda=%lld ldb=%lld ldc=%lld batch=%lld", name, (long long)m,
             (long long)n, (long long)k, (long long)lda, (long long)ldb, (long long)ldc,
             (long long)batchCount);
  if (!is_live(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if ((unsigned)transa > CUBLAS_OP_C || (unsigned)transb > CUBLAS_OP_C)
    return CUBLAS_STATUS_INVALID_VALUE;
  if (m < 0 || n < 0 || k < 0 || batchCount < 0) return CUBLAS_STATUS_INVALID_VALUE;
  int ta = transa != CUBLAS_OP_N, tb = transb != CUBLAS_OP_N;
  if (lda < at_least_1(ta ? k : m) || ldb < at_least_1(tb ? n : k) || ldc < at_least_1(m) ||
      !alpha || !beta)
    return CUBLAS_STATUS_INVALID_VALUE;
  if (!m || !n || !batchCount) return finish(ocu_alive(), name);
  ocu_stream *stream = stream_of(handle->stream);
  double values[2];
  if (handle->pointer_mode == CUBLAS_POINTER_MODE_DEVICE) {
    ocu_status status = fetch(stream, dtype, &alpha, &beta, values);
    if (status != OCU_OK) return finish(status, name);
  }
  ocu_status status =
      ocu_gemm(stream, dtype, batchCount, m, n, k, alpha, A, ta ? lda : 1, ta ? 1 : lda, strideA, B,
               tb ? ldb : 1, tb ? 1 : ldb, strideB, beta, C, 1, ldc, strideC, 0);
  return status == OCU_OK ? CUBLAS_STATUS_SUCCESS : finish(status, name);
}

/* ---- vectors and matrices between host and device -------------------------------------------- */

static cublasStatus_t copied(ocu_status status) {
  return status == OCU_ILLEGAL_ADDRESS ? CUBLAS_STATUS_MAPPING_ERROR
                                       : finish(status, "cublasSetMatrix");
}

static cublasStatus_t copy_matrix(cudaStream_t stream, int64_t rows, int64_t cols,
                                  int64_t elemSize, const void *from, int64_t from_ld, void *to,
                                  int64_t to_ld, int host_sync) {
  int64_t width, from_pitch, to_pitch;
  if (rows < 0 || cols < 0 || elemSize <= 0 || from_ld < at_least_1(rows) ||
      to_ld < at_least_1(rows) || __builtin_mul_overflow(rows, elemSize, &width) ||
      __builtin_mul_overflow(from_ld, elemSize, &from_pitch) ||
      __builtin_mul_overflow(to_ld, elemSize, &to_pitch))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (!rows || !cols) return finish(ocu_alive(), "cublasSetMatrix");
  return copied(ocu_copy_2d(stream_of(stream), to, (size_t)to_pitch, from, (size_t)from_pitch,
                            (size_t)width, (size_t)cols, host_sync));
}

/* A vector with a step is a matrix of one row. */
static cublasStatus_t copy_vector(cudaStream_t stream, int64_t n, int64_t elemSize,
                                  const void *from, int64_t from_step, void *to, int64_t to_step,
                                  int host_sync) {
  if (n < 0 || elemSize <= 0 || from_step <= 0 || to_step <= 0) return CUBLAS_STATUS_INVALID_VALUE;
  if (from_step == 1 && to_step == 1)
    return copy_matrix(stream, n, n != 0, elemSize, from, at_least_1(n), to, at_least_1(n),
                       host_sync);
  return copy_matrix(stream, 1, n, elemSize, from, from_step, to, to_step, host_sync);
}

#include "cublas_calls.inc"
