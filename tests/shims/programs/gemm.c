/* gemm.c - every real gemm entry point against a plain triple loop: transposes, leading
 * dimensions, batches, both integer widths, both pointer modes. */
#include <cublas_v2.h>
#include <cuda_runtime.h>

#include "check.h"

enum { M = 13, N = 9, K = 17, LDA = 20, LDB = 21, LDC = 15, BATCH = 3 };
enum { A_SIZE = LDA * 20, B_SIZE = LDB * 20, C_SIZE = LDC * N };

/* CALL(T, t): one letter's tests. want starts as C, poisoned where gemm must not write. */
#define TESTS(T, t, tolerance) \
  static void reference_##T(int ta, int tb, t alpha, const t *A, const t *B, t beta, t *C) { \
    for (int j = 0; j < N; j++) \
      for (int i = 0; i < M; i++) { \
        double sum = 0; \
        for (int p = 0; p < K; p++) \
          sum += (double)(ta ? A[p + i * LDA] : A[i + p * LDA]) * \
                 (tb ? B[j + p * LDB] : B[p + j * LDB]); \
        C[i + j * LDC] = (t)(alpha * sum + (beta != 0 ? beta * C[i + j * LDC] : 0)); \
      } \
  } \
  static void test_##T(cublasHandle_t handle, int device_scalars) { \
    t A[BATCH * A_SIZE], B[BATCH * B_SIZE], C[BATCH * C_SIZE], want[BATCH * C_SIZE]; \
    t scalars[2], *dA, *dB, *dC, *ds; \
    EXPECT(cudaMalloc((void **)&dA, sizeof A), cudaSuccess); \
    EXPECT(cudaMalloc((void **)&dB, sizeof B), cudaSuccess); \
    EXPECT(cudaMalloc((void **)&dC, sizeof C), cudaSuccess); \
    EXPECT(cudaMalloc((void **)&ds, sizeof scalars), cudaSuccess); \
    for (int i = 0; i < BATCH * A_SIZE; i++) A[i] = (t)random_value(); \
    for (int i = 0; i < BATCH * B_SIZE; i++) B[i] = (t)random_value(); \
    EXPECT(cudaMemcpy(dA, A, sizeof A, cudaMemcpyHostToDevice), cudaSuccess); \
    EXPECT(cudaMemcpy(dB, B, sizeof B, cudaMemcpyDefault), cudaSuccess); \
    cublasSetPointerMode(handle, \
                         device_scalars ? CUBLAS_POINTER_MODE_DEVICE : CUBLAS_POINTER_MODE_HOST); \
    for (int form = 0; form < 4; form++) \
      for (int ops = 0; ops < 9; ops++) { \
        cublasOperation_t ta = (cublasOperation_t)(ops % 3), tb = (cublasOperation_t)(ops / 3); \
        int batch = form < 2 ? 1 : BATCH; \
        scalars[0] = (t)1.5, scalars[1] = (t)(ops % 2 ? 0.5 : 0); \
        for (int i = 0; i < BATCH * C_SIZE; i++) \
          C[i] = scalars[1] != 0 || i % LDC >= M ? (t)random_value() : (t)NAN; \
        memcpy(want, C, sizeof C); \
        for (int b = 0; b < batch; b++) \
          reference_##T(ta, tb, scalars[0], A + b * A_SIZE, B + b * B_SIZE, scalars[1], \
                        want + b * C_SIZE); \
        EXPECT(cudaMemcpy(dC, C, sizeof C, cudaMemcpyHostToDevice), cudaSuccess); \
        EXPECT(cudaMemcpy(ds, scalars, sizeof scalars, cudaMemcpyHostToDevice), cudaSuccess); \
        const t *alpha = device_scalars ? ds : scalars, *beta = alpha + 1; \
        cublasStatus_t status = \
            form == 0 ? cublas##T##gemm(handle, ta, tb, M, N, K, alpha, dA, LDA, dB, LDB, beta, \
                                        dC, LDC) \
            : form == 1 ? cublas##T##gemm_64(handle, ta, tb, M, N, K, alpha, dA, LDA, dB, LDB, \
                                             beta, dC, LDC) \
            : form == 2 \
                ? cublas##T##gemmStridedBatched(handle, ta, tb, M, N, K, alpha, dA, LDA, A_SIZE, \
                                                dB, LDB, B_SIZE, beta, dC, LDC, C_SIZE, BATCH) \
                : cublas##T##gemmStridedBatched_64(handle, ta, tb, M, N, K, alpha, dA, LDA, \
                                                   A_SIZE, dB, LDB, B_SIZE, beta, dC, LDC, \
                                                   C_SIZE, BATCH); \
        EXPECT(status, CUBLAS_STATUS_SUCCESS); \
        EXPECT(cudaMemcpy(C, dC, sizeof C, cudaMemcpyDeviceToHost), cudaSuccess); \
        for (int i = 0; i < batch * C_SIZE; i++) TRUE(fabs(C[i] - want[i]) <= tolerance); \
        TRUE(!memcmp(C + batch * C_SIZE, want + batch * C_SIZE, \
                     sizeof(t) * (BATCH - batch) * C_SIZE) || scalars[1] == 0); \
      } \
    EXPECT(cudaFree(dA), cudaSuccess); \
    EXPECT(cudaFree(dB), cudaSuccess); \
    EXPECT(cudaFree(dC), cudaSuccess); \
    EXPECT(cudaFree(ds), cudaSuccess); \
  }
TESTS(S, float, 1e-4)
TESTS(D, double, 1e-12)

int main(void) {
  cublasHandle_t handle;
  cudaStream_t stream;
  EXPECT(cublasCreate(&handle), CUBLAS_STATUS_SUCCESS);
  for (int device_scalars = 0; device_scalars < 2; device_scalars++) {
    test_S(handle, device_scalars);
    test_D(handle, device_scalars);
  }
  EXPECT(cudaStreamCreate(&stream), cudaSuccess);
  EXPECT(cublasSetStream(handle, stream), CUBLAS_STATUS_SUCCESS);
  test_S(handle, 0);
  EXPECT(cublasSetStream(handle, cudaStreamPerThread), CUBLAS_STATUS_SUCCESS);
  test_D(handle, 1);
  EXPECT(cudaStreamDestroy(stream), cudaSuccess);
  EXPECT(cublasDestroy(handle), CUBLAS_STATUS_SUCCESS);
  puts("ok");
  return 0;
}
