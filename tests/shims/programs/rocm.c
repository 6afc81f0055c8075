/* rocm.c - a product by hipBLAS and by rocBLAS, a solve, device pointer mode, wrong arguments. */
#include <hip/hip_runtime.h>
#include <hipblas/hipblas.h>
#include <rocblas/rocblas.h>
#include <stdio.h>
#include <string.h>

#define IS(call, expected) \
  do { \
    int got_ = (int)(call); \
    if (got_ != (int)(expected)) { \
      fprintf(stderr, "line %d: %s: %d\n", __LINE__, #call, got_); \
      return 1; \
    } \
  } while (0)
#define OK(call) IS(call, 0)

enum { M = 3, N = 2, K = 4 };

static int right(const float *a, const float *b, const float *c) { /* C = 2 A^T B, A is K x M */
  for (int j = 0; j < N; j++)
    for (int i = 0; i < M; i++) {
      float sum = 0;
      for (int k = 0; k < K; k++) sum += a[k + i * K] * b[k + j * K];
      if (c[i + j * M] != 2 * sum) return 0;
    }
  return 1;
}

int main(void) {
  float a[K * M], b[K * N], c[M * N], alpha = 2, beta = 0, *da, *db, *dc, *dalpha;
  int devices, largest;
  for (int i = 0; i < K * M; i++) a[i] = (float)(i % 5 - 2);
  for (int i = 0; i < K * N; i++) b[i] = (float)(i % 7 - 3);
  OK(hipInit(0));
  OK(hipGetDeviceCount(&devices));
  OK(hipMalloc((void **)&da, sizeof a));
  OK(hipMalloc((void **)&db, sizeof b));
  OK(hipMalloc((void **)&dc, sizeof c));
  OK(hipMalloc((void **)&dalpha, 2 * sizeof alpha));
  OK(hipMemcpy(da, a, sizeof a, hipMemcpyHostToDevice));
  OK(hipMemcpy(db, b, sizeof b, hipMemcpyHostToDevice));
  OK(hipMemcpy(dalpha, &alpha, sizeof alpha, hipMemcpyHostToDevice));
  OK(hipMemset(dalpha + 1, 0, sizeof beta));
  hipStream_t stream;
  OK(hipStreamCreateWithFlags(&stream, hipStreamNonBlocking));

  hipblasHandle_t hip;
  OK(hipblasCreate(&hip));
  OK(hipblasSetStream(hip, stream));
  OK(hipblasSgemm(hip, HIPBLAS_OP_T, HIPBLAS_OP_N, M, N, K, &alpha, da, K, db, K, &beta, dc, M));
  OK(hipMemcpyWithStream(c, dc, sizeof c, hipMemcpyDeviceToHost, stream));
  IS(right(a, b, c), 1);
  OK(hipMemset(dc, 0, sizeof c));
  OK(hipblasGemmEx(hip, HIPBLAS_OP_T, HIPBLAS_OP_N, M, N, K, &alpha, da, HIP_R_32F, K, db, HIP_R_32F,
                   K, &beta, dc, HIP_R_32F, M, HIPBLAS_COMPUTE_32F, HIPBLAS_GEMM_DEFAULT));
  OK(hipStreamSynchronize(stream));
  OK(hipMemcpy(c, dc, sizeof c, hipMemcpyDeviceToHost));
  IS(right(a, b, c), 1);
  OK(hipblasIsamax(hip, K * N, db, 1, &largest));
  IS(largest, 1);
  OK(hipblasStrsv(hip, HIPBLAS_FILL_MODE_UPPER, HIPBLAS_OP_N, HIPBLAS_DIAG_UNIT, M, da, K, db, 1));
  IS(hipblasSgemm(hip, (hipblasOperation_t)0, HIPBLAS_OP_N, M, N, K, &alpha, da, K, db, K, &beta, dc,
                  M), HIPBLAS_STATUS_INVALID_ENUM);
  IS(hipblasSgemm(hip, HIPBLAS_OP_N, HIPBLAS_OP_N, -1, N, K, &alpha, da, K, db, K, &beta, dc, M),
     HIPBLAS_STATUS_INVALID_VALUE);
  IS(hipblasSgemm(NULL, HIPBLAS_OP_N, HIPBLAS_OP_N, 1, 1, 1, &alpha, da, K, db, K, &beta, dc, M),
     HIPBLAS_STATUS_NOT_INITIALIZED);
  OK(hipblasDestroy(hip));

  rocblas_handle roc;
  OK(hipMemcpy(db, b, sizeof b, hipMemcpyHostToDevice));
  OK(hipMemset(dc, 0, sizeof c));
  OK(rocblas_create_handle(&roc));
  OK(rocblas_set_pointer_mode(roc, rocblas_pointer_mode_device));
  OK(rocblas_sgemm(roc, rocblas_operation_transpose, rocblas_operation_none, M, N, K, dalpha, da, K,
                   db, K, dalpha + 1, dc, M));
  OK(hipMemcpy(c, dc, sizeof c, hipMemcpyDeviceToHost));
  IS(right(a, b, c), 1);
  OK(rocblas_set_pointer_mode(roc, rocblas_pointer_mode_host));
  OK(hipMemset(dc, 0, sizeof c));
  OK(rocblas_gemm_ex(roc, rocblas_operation_transpose, rocblas_operation_none, M, N, K, &alpha, da,
                     rocblas_datatype_f32_r, K, db, rocblas_datatype_f32_r, K, &beta, dc,
                     rocblas_datatype_f32_r, M, dc, rocblas_datatype_f32_r, M,
                     rocblas_datatype_f32_r, rocblas_gemm_algo_standard, 0, 0));
  OK(hipMemcpy(c, dc, sizeof c, hipMemcpyDeviceToHost));
  IS(right(a, b, c), 1);
  IS(rocblas_sgemm(roc, rocblas_operation_none, rocblas_operation_none, -1, N, K, &alpha, da, K, db,
                   K, &beta, dc, M), rocblas_status_invalid_size);
  IS(rocblas_sgemm(roc, (rocblas_operation)7, rocblas_operation_none, M, N, K, &alpha, da, K, db, K,
                   &beta, dc, M), rocblas_status_invalid_value);
  IS(rocblas_sgemm(NULL, rocblas_operation_none, rocblas_operation_none, M, N, K, &alpha, da, K, db,
                   K, &beta, dc, M), rocblas_status_invalid_handle);
  OK(rocblas_destroy_handle(roc));

  IS(hipMalloc(NULL, 1), hipErrorInvalidValue);
  IS(strcmp(hipGetErrorName(hipErrorOutOfMemory), "hipErrorOutOfMemory"), 0);
  IS(strcmp(hipGetErrorName(hipErrorInvalidValue), "hipErrorInvalidValue"), 0);
  OK(hipStreamDestroy(stream));
  OK(hipFree(da));
  puts("ok");
  return 0;
}
