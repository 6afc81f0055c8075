/* bad_input.c - wrong arguments get the documented status, nothing is written, nothing crashes. */
#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <stdint.h>
#include <sys/mman.h>

#include "check.h"

static float *A, *B, *C, one = 1, zero = 0;
static cublasHandle_t handle;

static cublasStatus_t sgemm(int ta, int tb, int m, int n, int k, const float *alpha, const float *a,
                            int lda, const float *b, int ldb, const float *beta, float *c,
                            int ldc) {
  return cublasSgemm(handle, (cublasOperation_t)ta, (cublasOperation_t)tb, m, n, k, alpha, a, lda,
                     b, ldb, beta, c, ldc);
}

static void gemm_arguments(void) {
  const cublasStatus_t invalid = CUBLAS_STATUS_INVALID_VALUE, good = CUBLAS_STATUS_SUCCESS;
  EXPECT(sgemm(0, 0, -1, 4, 4, &one, A, 4, B, 4, &zero, C, 4), invalid);
  EXPECT(sgemm(0, 0, 4, -1, 4, &one, A, 4, B, 4, &zero, C, 4), invalid);
  EXPECT(sgemm(0, 0, 4, 4, -1, &one, A, 4, B, 4, &zero, C, 4), invalid);
  EXPECT(sgemm(7, 0, 4, 4, 4, &one, A, 4, B, 4, &zero, C, 4), invalid);
  EXPECT(sgemm(0, -1, 4, 4, 4, &one, A, 4, B, 4, &zero, C, 4), invalid);
  EXPECT(sgemm(0, 0, 4, 4, 4, &one, A, 3, B, 4, &zero, C, 4), invalid);
  EXPECT(sgemm(1, 0, 2, 4, 4, &one, A, 3, B, 4, &zero, C, 4), invalid);
  EXPECT(sgemm(0, 0, 4, 4, 4, &one, A, 4, B, 3, &zero, C, 4), invalid);
  EXPECT(sgemm(0, 1, 4, 4, 2, &one, A, 4, B, 3, &zero, C, 4), invalid);
  EXPECT(sgemm(0, 0, 4, 4, 4, &one, A, 4, B, 4, &zero, C, 3), invalid);
  EXPECT(sgemm(0, 0, 0, 4, 4, &one, A, 0, B, 4, &zero, C, 1), invalid);
  EXPECT(sgemm(0, 0, 4, 4, 4, NULL, A, 4, B, 4, &zero, C, 4), invalid);
  EXPECT(sgemm(0, 0, 4, 4, 4, &one, A, 4, B, 4, NULL, C, 4), invalid);
  EXPECT(sgemm(0, 0, 4, 4, 4, &one, A, 4, B, 4, &one, NULL, 4), invalid);
  TRUE(sgemm(0, 0, 4, 4, 4, &one, NULL, 4, B, 4, &zero, C, 4) != good);
  EXPECT(cublasSgemmStridedBatched(handle, CUBLAS_OP_N, CUBLAS_OP_N, 4, 4, 4, &one, A, 4, 16, B, 4,
                                   16, &zero, C, 4, 16, -1),
         invalid);
  for (int i = 0; i < 16; i++) EXPECT(C[i], 42);
  EXPECT(sgemm(0, 0, 0, 4, 4, &one, A, 1, B, 4, &zero, C, 1), good);
  EXPECT(sgemm(0, 0, 4, 4, 0, &one, NULL, 4, NULL, 1, &one, C, 4), good);
  EXPECT(cudaDeviceSynchronize(), cudaSuccess);
  for (int i = 0; i < 16; i++) EXPECT(C[i], 42);
  for (int i = 0; i < 16; i++) A[i] = NAN;
  EXPECT(sgemm(0, 0, 4, 4, 4, &zero, A, 4, B, 4, &one, C, 4), good);
  EXPECT(cudaDeviceSynchronize(), cudaSuccess);
  for (int i = 0; i < 16; i++) EXPECT(C[i], 42);
  for (int i = 0; i < 16; i++) C[i] = NAN;
  EXPECT(sgemm(0, 0, 4, 4, 0, &one, A, 4, B, 1, &zero, C, 4), good);
  EXPECT(cudaDeviceSynchronize(), cudaSuccess);
  for (int i = 0; i < 16; i++) EXPECT(C[i], 0);
}

static void dead_memory(void) {
  void *gone, *wild = (void *)(uintptr_t)0x10;
  EXPECT(cudaMalloc(&gone, 1 << 20), cudaSuccess);
  EXPECT(cudaFree(gone), cudaSuccess);
  EXPECT(cudaFree(gone), cudaErrorInvalidValue);
  EXPECT(cudaFree((char *)(void *)C + 16), cudaErrorInvalidValue);
  EXPECT(cudaFree(&one), cudaErrorInvalidValue);
  const cublasStatus_t failed = CUBLAS_STATUS_EXECUTION_FAILED;
  EXPECT(sgemm(0, 0, 4, 4, 4, &one, (float *)gone, 4, B, 4, &zero, C, 4), failed);
  EXPECT(sgemm(0, 0, 4, 4, 4, &one, A, 4, (float *)wild, 4, &zero, C, 4), failed);
  EXPECT(sgemm(0, 0, 4, 4, 4, &one, A, 4, B, 4, &zero, (float *)wild, 4), failed);
  EXPECT(sgemm(0, 0, 1 << 20, 1 << 10, 4, &one, A, 1 << 20, B, 4, &zero, C, 1 << 20), failed);
  EXPECT(cublasSetPointerMode(handle, CUBLAS_POINTER_MODE_DEVICE), CUBLAS_STATUS_SUCCESS);
  EXPECT(sgemm(0, 0, 4, 4, 4, (float *)gone, A, 4, B, 4, &zero, C, 4), failed);
  EXPECT(cublasSetPointerMode(handle, CUBLAS_POINTER_MODE_HOST), CUBLAS_STATUS_SUCCESS);
  EXPECT(cudaMemcpy(gone, A, 64, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT(cudaMemcpy(A, wild, 64, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  EXPECT(cudaMemset(wild, 0, 64), cudaErrorInvalidValue);
  EXPECT(cublasSetVector(4, 4, &one, 1, wild, 1), CUBLAS_STATUS_MAPPING_ERROR);
}

static void handles(void) {
  cublasHandle_t second;
  cublasPointerMode_t mode;
  cublasHandle_t wrong[] = {NULL, (cublasHandle_t)(uintptr_t)0x1234, (cublasHandle_t)&one, NULL};
  EXPECT(cublasCreate(NULL), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT(cublasCreate(&second), CUBLAS_STATUS_SUCCESS);
  EXPECT(cublasDestroy(second), CUBLAS_STATUS_SUCCESS);
  wrong[3] = second;
  for (int i = 0; i < 4; i++) {
    const cublasStatus_t unknown = CUBLAS_STATUS_NOT_INITIALIZED;
    EXPECT(cublasDestroy(wrong[i]), unknown);
    EXPECT(cublasSetStream(wrong[i], 0), unknown);
    EXPECT(cublasGetPointerMode(wrong[i], &mode), unknown);
    EXPECT(cublasSetMathMode(wrong[i], CUBLAS_DEFAULT_MATH), unknown);
    EXPECT(cublasSgemm(wrong[i], CUBLAS_OP_N, CUBLAS_OP_N, 4, 4, 4, &one, A, 4, B, 4, &zero, C, 4),
           unknown);
  }
  EXPECT(cublasSetPointerMode(handle, (cublasPointerMode_t)5), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT(cublasSetMathMode(handle, (cublasMath_t)7), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT(cublasSetAtomicsMode(handle, (cublasAtomicsMode_t)2), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT(cublasSetWorkspace(handle, (char *)(void *)A + 4, 1024), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT(cublasGetVersion(handle, NULL), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT(cublasSetMatrix(4, 4, 4, &one, 3, A, 4), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT(cublasSetVector(4, 0, &one, 1, A, 1), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT(cublasGetVector(-1, 4, A, 1, &one, 1), CUBLAS_STATUS_INVALID_VALUE);
}

/* Neither scalars nor results behind pointers that lead nowhere. */
static void wild_pointers(void) {
  const cublasStatus_t failed = CUBLAS_STATUS_EXECUTION_FAILED;
  const float *wild[] = {(const float *)(uintptr_t)0x10, (const float *)((uintptr_t)1 << 62)};
  for (int i = 0; i < 2; i++) {
    void *p = (void *)(uintptr_t)wild[i];
    float stack = 1;
    C[0] = 42;
    EXPECT(sgemm(0, 0, 4, 4, 4, wild[i], A, 4, B, 4, &zero, C, 4), failed);
    EXPECT(sgemm(0, 0, 4, 4, 4, &stack, A, 4, B, 4, wild[i], C, 4), failed);
    EXPECT(C[0], 42);
    EXPECT(cublasCreate(p), CUBLAS_STATUS_INVALID_VALUE);
    EXPECT(cublasGetVersion(handle, p), CUBLAS_STATUS_INVALID_VALUE);
    EXPECT(cublasGetStream(handle, p), CUBLAS_STATUS_INVALID_VALUE);
    EXPECT(cudaMalloc(p, 64), cudaErrorInvalidValue);
    EXPECT(cudaGetDevice(p), cudaErrorInvalidValue);
    EXPECT(cudaGetDeviceProperties(p, 0), cudaErrorInvalidValue);
    EXPECT(cudaStreamCreate(p), cudaErrorInvalidValue);
    EXPECT(cudaEventCreate(p), cudaErrorInvalidValue);
    EXPECT(cudaMemGetInfo(p, p), cudaErrorInvalidValue);
    EXPECT(cudaPointerGetAttributes(p, A), cudaErrorInvalidValue);
  }
}

/* Only the elements of a matrix in ordinary memory are touched: what lies between may be gone. */
static void holes(void) {
  const size_t column = 1 << 20;
  char *memory = mmap(NULL, 4 * column, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  TRUE(memory != MAP_FAILED);
  for (int i = 0; i < 64; i++) A[i] = 1;
  float *sparse = (float *)(void *)memory, *last = sparse + 3 * column / 4;
  int ld = (int)(column / sizeof(float));
  for (int j = 0; j < 4; j++) EXPECT(munmap(memory + j * column + 65536, 4096), 0);
  EXPECT(sgemm(0, 0, 16, 4, 4, &one, A, 16, B, 4, &zero, sparse, ld), CUBLAS_STATUS_SUCCESS);
  EXPECT(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT(last[15], 4);
  EXPECT(mprotect(memory + 3 * column, 4096, PROT_READ), 0);
  EXPECT(sgemm(0, 0, 16, 4, 4, &one, A, 16, B, 4, &zero, sparse, ld),
         CUBLAS_STATUS_EXECUTION_FAILED);
  EXPECT(sgemm(0, 0, 4, 1, 20000, &one, sparse, 4, B, 20000, &zero, C, 4),
         CUBLAS_STATUS_EXECUTION_FAILED);
  EXPECT(munmap(memory, 4 * column), 0);
}

static void runtime_arguments(void) {
  void *p;
  cudaStream_t stream;
  cudaEvent_t event;
  EXPECT(cudaMalloc(NULL, 64), cudaErrorInvalidValue);
  EXPECT(cudaMalloc(&p, (size_t)1 << 46), cudaErrorMemoryAllocation);
  EXPECT(cudaMalloc(&p, SIZE_MAX), cudaErrorMemoryAllocation);
  EXPECT(cudaMallocPitch(&p, (size_t[1]){0}, SIZE_MAX, 2), cudaErrorMemoryAllocation);
  EXPECT(cudaMallocManaged(&p, 64, 9), cudaErrorInvalidValue);
  EXPECT(cudaHostAlloc(&p, 64, 0x80), cudaErrorInvalidValue);
  EXPECT(cudaMemcpy(C, A, 4, (enum cudaMemcpyKind)9), cudaErrorInvalidMemcpyDirection);
  EXPECT(cudaMemcpy2D(C, 4, A, 16, 8, 2, cudaMemcpyDefault), cudaErrorInvalidPitchValue);
  EXPECT(cudaMemcpy(NULL, NULL, 0, cudaMemcpyDefault), cudaSuccess);
  EXPECT(cudaFree(NULL), cudaSuccess);
  EXPECT(cudaStreamCreateWithFlags(&stream, 4), cudaErrorInvalidValue);
  EXPECT(cudaStreamCreate(&stream), cudaSuccess);
  EXPECT(cudaStreamDestroy(stream), cudaSuccess);
  EXPECT(cudaStreamSynchronize(stream), cudaErrorInvalidResourceHandle);
  EXPECT(cudaStreamDestroy(stream), cudaErrorInvalidResourceHandle);
  EXPECT(cudaStreamDestroy(0), cudaErrorInvalidResourceHandle);
  EXPECT(cudaMemcpyAsync(C, A, 4, cudaMemcpyDefault, stream), cudaErrorInvalidResourceHandle);
  EXPECT(cudaEventCreateWithFlags(&event, 0x40), cudaErrorInvalidValue);
  EXPECT(cudaEventCreateWithFlags(&event, cudaEventInterprocess | cudaEventDisableTiming),
         cudaErrorNotSupported);
  EXPECT(cudaHostRegister(C, 64, cudaHostRegisterIoMemory), cudaErrorNotSupported);
  EXPECT(cudaEventCreate(&event), cudaSuccess);
  EXPECT(cudaEventDestroy(event), cudaSuccess);
  EXPECT(cudaEventRecord(event, 0), cudaErrorInvalidResourceHandle);
  EXPECT(cudaEventDestroy(event), cudaErrorInvalidResourceHandle);
  EXPECT(cudaEventDestroy(NULL), cudaErrorInvalidResourceHandle);
  EXPECT(cudaGetDeviceCount(NULL), cudaErrorInvalidValue);
  EXPECT(cudaSetDevice(-1), cudaErrorInvalidDevice);
  EXPECT(cudaLaunchHostFunc(0, NULL, NULL), cudaErrorInvalidValue);
}

int main(void) {
  void *memory;
  EXPECT(cublasCreate(&handle), CUBLAS_STATUS_SUCCESS);
  EXPECT(cudaMallocManaged(&memory, 3 * 256 * sizeof(float), cudaMemAttachGlobal), cudaSuccess);
  A = memory, B = A + 256, C = B + 256;
  for (int i = 0; i < 256; i++) A[i] = B[i] = 1, C[i] = 42;
  gemm_arguments();
  dead_memory();
  handles();
  wild_pointers();
  holes();
  runtime_arguments();
  EXPECT(cublasDestroy(handle), CUBLAS_STATUS_SUCCESS);
  puts("ok");
  return 0;
}
