/* ex_input.c - types, batches and groups that cuBLAS's products do not take: the documented status,
 * nothing is written, nothing crashes. */
#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <stdint.h>

#include "check.h"

enum { N = 4 };
static cublasHandle_t handle;
static float *A, *C;
static const float one = 1, zero = 0;
static const cublasStatus_t good = CUBLAS_STATUS_SUCCESS, invalid = CUBLAS_STATUS_INVALID_VALUE;
static const cublasOperation_t no[] = {CUBLAS_OP_N, CUBLAS_OP_N};

static cublasStatus_t ex(cudaDataType a, cudaDataType b, cudaDataType c, int compute, int algo) {
  return cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, N, N, N, &one, A, a, N, A, b, N, &zero, C, c,
                      N, (cublasComputeType_t)compute, (cublasGemmAlgo_t)algo);
}

static void types(void) {
  const cublasStatus_t no_such = CUBLAS_STATUS_NOT_SUPPORTED;
  const cudaDataType r = CUDA_R_32F, d = CUDA_R_64F;
  const int all[] = {CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_32F_PEDANTIC, CUBLAS_COMPUTE_32F_FAST_16F,
                     CUBLAS_COMPUTE_32F_FAST_16BF, CUBLAS_COMPUTE_32F_FAST_TF32,
                     CUBLAS_COMPUTE_32F_EMULATED_16BFX9};
  for (int i = 0; i < 6; i++) EXPECT(ex(r, r, r, all[i], -1), good);
  for (int algo = 0; algo < 24; algo++) EXPECT(ex(r, r, r, CUBLAS_COMPUTE_32F, algo), good);
  EXPECT(cudaDeviceSynchronize(), cudaSuccess);
  for (int i = 0; i < N * N; i++) EXPECT(C[i], N);
  for (int i = 0; i < N * N; i++) C[i] = 42;
  EXPECT(ex(r, r, r, 0, -1), no_such); /* a cudaDataType is no compute type in C */
  EXPECT(ex(d, d, d, CUBLAS_COMPUTE_32F, -1), no_such);
  EXPECT(ex(r, d, r, CUBLAS_COMPUTE_32F, -1), no_such);
  EXPECT(ex(r, r, d, CUBLAS_COMPUTE_32F, -1), no_such);
  EXPECT(ex(CUDA_R_8F_E4M3, CUDA_R_8F_E4M3, r, CUBLAS_COMPUTE_32F, -1), no_such);
  EXPECT(ex((cudaDataType)99, (cudaDataType)99, r, CUBLAS_COMPUTE_32F, -1), no_such);
  EXPECT(cublasSgemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, N, N, N, &one, A, CUDA_C_32F, N, A,
                       CUDA_C_32F, N, &zero, C, CUDA_C_32F, N), no_such);
  EXPECT(cublasCgemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, N, N, N, (const cuComplex *)(const void *)A,
                       A, r, N, A, r, N, (const cuComplex *)(const void *)A, C, r, N), no_such);
  /* Wrong arguments before types that are not supported. */
  EXPECT(cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, -1, N, N, &one, A, d, N, A, d, N, &zero, C, r,
                      N, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT), invalid);
  EXPECT(cublasGemmEx((cublasHandle_t)(uintptr_t)&one, CUBLAS_OP_N, CUBLAS_OP_N, N, N, N, &one, A, r,
                      N, A, r, N, &zero, C, r, N, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
         CUBLAS_STATUS_NOT_INITIALIZED);
  for (int i = 0; i < N * N; i++) EXPECT(C[i], 42);
}

static void batches(void) {
  EXPECT(cublasSgemmStridedBatched(handle, CUBLAS_OP_N, CUBLAS_OP_N, N, N, N, &one, A, N, 0, A, N, 0,
                                   &zero, C, N, 0, 2), invalid); /* both products into one C */
  EXPECT(cublasSgemmStridedBatched(handle, CUBLAS_OP_N, CUBLAS_OP_N, N, N, N, &one, A, N, 0, A, N, 0,
                                   &zero, C, N, 0, 0), good);
  EXPECT(cublasSgemmBatched(handle, CUBLAS_OP_N, CUBLAS_OP_N, N, N, N, &one, NULL, N, NULL, N, &zero,
                            NULL, N, 0), good);
  EXPECT(cublasSgemmBatched(handle, CUBLAS_OP_N, CUBLAS_OP_N, N, N, N, &one, NULL, N, NULL, N, &zero,
                            NULL, N, -1), invalid);
  for (int i = 0; i < N * N; i++) EXPECT(C[i], 42);
}

static cublasStatus_t grouped(const int *m, const float *alphas, const int *each, int count) {
  static const int n[] = {N, N};
  const float *As[] = {A, A}, betas[] = {0, 0};
  float *const Cs[] = {C, C};
  return cublasSgemmGroupedBatched(handle, no, no, m, n, n, alphas, As, n, As, n, betas, Cs, n, count,
                                   each);
}

static void groups(void) {
  static const float ones[] = {1, 1};
  static const int n[] = {N, N}, negative[] = {N, -1}, tall[] = {N, N + 1}, each[] = {1, 1};
  const int *nowhere = (const int *)(uintptr_t)0x10;
  EXPECT(grouped(n, ones, each, 0), good);
  EXPECT(grouped(n, ones, each, -1), invalid);
  EXPECT(grouped(NULL, ones, each, 2), invalid);
  EXPECT(grouped(nowhere, ones, each, 2), invalid);
  EXPECT(grouped(n, NULL, each, 2), invalid);
  EXPECT(grouped(n, ones, nowhere, 2), invalid);
  EXPECT(grouped(n, ones, negative, 2), invalid);
  EXPECT(grouped(negative, ones, each, 2), invalid); /* and the first group is not computed */
  EXPECT(grouped(tall, ones, each, 2), invalid);
  EXPECT(cublasSetPointerMode(handle, CUBLAS_POINTER_MODE_DEVICE), good);
  EXPECT(grouped(n, ones, each, 2), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT(cublasSetPointerMode(handle, CUBLAS_POINTER_MODE_HOST), good);
  EXPECT(cudaDeviceSynchronize(), cudaSuccess);
  for (int i = 0; i < N * N; i++) EXPECT(C[i], 42);
}

/* Permissions are kept; a count of what is never done is refused. */
static void emulation(void) {
  cublasEmulationStrategy_t strategy = CUBLAS_EMULATION_STRATEGY_DEFAULT;
  cudaEmulationSpecialValuesSupport special = CUDA_EMULATION_SPECIAL_VALUES_SUPPORT_NONE;
  int bits = -1, *count = &bits;
  EXPECT(cublasSetEmulationStrategy(handle, CUBLAS_EMULATION_STRATEGY_EAGER), good);
  EXPECT(cublasGetEmulationStrategy(handle, &strategy), good);
  EXPECT(strategy, CUBLAS_EMULATION_STRATEGY_EAGER);
  EXPECT(cublasSetEmulationStrategy(handle, (cublasEmulationStrategy_t)3), invalid);
  EXPECT(cublasGetEmulationSpecialValuesSupport(handle, &special), good);
  EXPECT(special, CUDA_EMULATION_SPECIAL_VALUES_SUPPORT_DEFAULT);
  EXPECT(cublasGetFixedPointEmulationMaxMantissaBitCount(handle, &bits), good);
  EXPECT(bits, 0);
  EXPECT(cublasSetFixedPointEmulationMantissaBitCountPointer(handle, &bits),
         CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT(cublasGetFixedPointEmulationMantissaBitCountPointer(handle, &count), good);
  TRUE(count == NULL);
  EXPECT(cublasLoggerConfigure(1, 0, 0, (const char *)(uintptr_t)0x10), invalid);
}

int main(void) {
  void *memory;
  EXPECT(cublasCreate(&handle), good);
  EXPECT(cudaMallocManaged(&memory, 1024, cudaMemAttachGlobal), cudaSuccess);
  A = memory, C = A + 64;
  for (int i = 0; i < 64; i++) A[i] = 1;
  types();
  batches();
  groups();
  emulation();
  EXPECT(cublasDestroy(handle), good);
  puts("ok");
  return 0;
}
