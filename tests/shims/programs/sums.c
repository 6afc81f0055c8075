/* sums.c - cublas<t>geam: transposes, sums, what it refuses, device scalars. */
#include <stdio.h>
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include "check.h"

enum { M = 5, N = 3, LD = 7 };

int main(void) {
  cublasHandle_t h;
  float *a, *b, *c, *scalars, one = 1, two = 2, zero = 0, x[LD * LD], y[LD * LD], got[LD * LD];
  TRUE(cublasCreate(&h) == 0);
  TRUE(cudaMalloc((void **)&a, sizeof x) == 0 && cudaMalloc((void **)&b, sizeof x) == 0);
  TRUE(cudaMalloc((void **)&c, sizeof x) == 0 && cudaMalloc((void **)&scalars, 8) == 0);
  for (int i = 0; i < LD * LD; i++) x[i] = (float)i, y[i] = (float)(1000 * i);
  TRUE(cudaMemcpy(a, x, sizeof x, cudaMemcpyHostToDevice) == 0);
  TRUE(cudaMemcpy(b, y, sizeof y, cudaMemcpyHostToDevice) == 0);
  TRUE(cudaMemset(c, 0xff, sizeof x) == 0);

  /* c = 2 a^T + b, m x n */
  TRUE(cublasSgeam(h, CUBLAS_OP_T, CUBLAS_OP_N, M, N, &two, a, LD, &one, b, LD, c, LD) == 0);
  TRUE(cudaMemcpy(got, c, sizeof got, cudaMemcpyDeviceToHost) == 0);
  for (int j = 0; j < N; j++)
    for (int i = 0; i < M; i++) TRUE(got[j * LD + i] == 2 * x[i * LD + j] + y[j * LD + i]);
  TRUE(got[M] != got[M]); /* nothing between the columns is written */

  /* In place, B not read, 64-bit sizes, scalars on the device */
  TRUE(cudaMemcpy(scalars, (float[]){3, 0}, 8, cudaMemcpyHostToDevice) == 0);
  TRUE(cublasSetPointerMode(h, CUBLAS_POINTER_MODE_DEVICE) == 0);
  TRUE(cublasSgeam_64(h, CUBLAS_OP_N, CUBLAS_OP_C, M, N, scalars, c, LD, scalars + 1, NULL, LD, c,
                       LD) == 0);
  TRUE(cublasSetPointerMode(h, CUBLAS_POINTER_MODE_HOST) == 0);
  TRUE(cudaMemcpy(y, c, sizeof y, cudaMemcpyDeviceToHost) == 0);
  TRUE(y[0] == 3 * got[0] && y[LD + 1] == 3 * got[LD + 1]);

  const int bad[][5] = {/* transa, m, lda, ldb, ldc */
                        {7, M, LD, LD, LD}, {0, -1, LD, LD, LD}, {0, M, M - 1, LD, LD},
                        {1, M, N - 1, LD, LD}, {0, M, LD, M - 1, LD}, {0, M, LD, LD, M - 1}};
  for (int i = 0; i < 6; i++)
    TRUE(cublasSgeam(h, (cublasOperation_t)bad[i][0], CUBLAS_OP_N, bad[i][1], N, &one, a, bad[i][2],
                      &one, b, bad[i][3], c, bad[i][4]) == CUBLAS_STATUS_INVALID_VALUE);
  TRUE(cublasSgeam(h, CUBLAS_OP_T, CUBLAS_OP_N, N, N, &one, c, LD, &zero, b, LD, c, LD) ==
        CUBLAS_STATUS_INVALID_VALUE); /* in place, but turned */
  TRUE(cublasSgeam(h, CUBLAS_OP_N, CUBLAS_OP_N, M, N, NULL, a, LD, &one, b, LD, c, LD) ==
        CUBLAS_STATUS_INVALID_VALUE);
  TRUE(cublasSgeam(NULL, CUBLAS_OP_N, CUBLAS_OP_N, M, N, &one, a, LD, &one, b, LD, c, LD) ==
        CUBLAS_STATUS_NOT_INITIALIZED);
  TRUE(cublasDestroy(h) == 0);
  puts("ok");
  return 0;
}
