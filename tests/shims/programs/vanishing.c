/* vanishing.c - memory that is wild from the first call on, goes away, or was never there. */
#define _GNU_SOURCE
#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

static cublasHandle_t handle;
static float *A, *B, *C, one = 1, zero = 0;
static const size_t MIB = 1 << 20;

static cublasStatus_t square(int n, const float *alpha, const float *a, float *c) {
  return cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, n, n, n, alpha, a, n, B, n, &zero, c, n);
}

static void *ordinary(size_t bytes) {
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  TRUE(p != MAP_FAILED);
  return p;
}

static void *wild_scalar(void *unused) {
  EXPECT(square(4, (const float *)(uintptr_t)0x10, A, C), CUBLAS_STATUS_EXECUTION_FAILED);
  return unused;
}

static void scalars_that_go(void) {
  float *alpha = ordinary(4096);
  *alpha = 1;
  EXPECT(square(4, alpha, A, C), CUBLAS_STATUS_SUCCESS);
  EXPECT(munmap(alpha, 4096), 0);
  EXPECT(square(4, alpha, A, C), CUBLAS_STATUS_EXECUTION_FAILED);
}

/* The call has returned: ordinary memory may go. */
static void operands_that_go(void) {
  float *c = ordinary(4 * MIB);
  EXPECT(square(1024, &one, A, c), CUBLAS_STATUS_SUCCESS);
  EXPECT(munmap(c, 4 * MIB), 0);
  char *fill = ordinary(64 * MIB);
  EXPECT(cudaMemsetAsync(fill, 7, 64 * MIB, 0), cudaSuccess);
  EXPECT(munmap(fill, 64 * MIB), 0);
  EXPECT(cudaDeviceSynchronize(), cudaSuccess);
}

static void freed_on_another_stream(void) {
  cudaStream_t working, freeing;
  void *a, *huge;
  EXPECT(cudaStreamCreate(&working), cudaSuccess);
  EXPECT(cudaStreamCreate(&freeing), cudaSuccess);
  EXPECT(cudaMalloc(&a, 16 * MIB), cudaSuccess);
  EXPECT(cublasSetStream(handle, working), CUBLAS_STATUS_SUCCESS);
  EXPECT(square(1024, &one, a, C), CUBLAS_STATUS_SUCCESS);
  EXPECT(cudaFreeAsync(a, freeing), cudaSuccess);
  EXPECT(cudaStreamSynchronize(freeing), cudaSuccess);
  EXPECT(cudaMalloc(&huge, (size_t)1 << 46), cudaErrorMemoryAllocation);
  EXPECT(cublasSetStream(handle, 0), CUBLAS_STATUS_SUCCESS);
  EXPECT(cudaDeviceSynchronize(), cudaSuccess);
}

static void a_file_that_shrinks(void) {
  int fd = memfd_create("shrinking", 0);
  TRUE(fd >= 0 && !ftruncate(fd, 4 * MIB));
  float *a = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  TRUE(a != MAP_FAILED && !ftruncate(fd, 2 * MIB));
  EXPECT(square(1024, &one, a, C), CUBLAS_STATUS_EXECUTION_FAILED);
  EXPECT(cudaMemcpy(C, a, 4 * MIB, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT(munmap(a, 4 * MIB), 0);
  EXPECT(close(fd), 0);
}

/* What lies below the first allocation is opencu's own, or nothing. */
static void below_the_pool(void) {
  uintptr_t lowest = (uintptr_t)A & ~(2 * MIB - 1);
  for (uintptr_t p = lowest - 4096; p > lowest - 64 * MIB; p -= 1 << 20) {
    struct cudaPointerAttributes info;
    EXPECT(cudaPointerGetAttributes(&info, (void *)p), cudaSuccess);
    if (info.type == cudaMemoryTypeUnregistered)
      EXPECT(cudaMemset((void *)p, 255, 16), cudaErrorInvalidValue);
  }
}

static void endless_batches(void) {
  float *a = ordinary(4096), *c = ordinary(4096);
  EXPECT(cublasSgemmStridedBatched_64(handle, CUBLAS_OP_N, CUBLAS_OP_N, 4, 4, 4, &one, a, 4, 0, a,
                                      4, 0, &zero, c, 4, 16, INT64_MAX),
         CUBLAS_STATUS_INVALID_VALUE);
  EXPECT(munmap(a, 4096) | munmap(c, 4096), 0);
}

int main(void) {
  pthread_t thread;
  EXPECT(cublasCreate(&handle), CUBLAS_STATUS_SUCCESS);
  EXPECT(cudaMallocManaged((void **)&A, 12 * MIB, cudaMemAttachGlobal), cudaSuccess);
  B = A + MIB, C = B + MIB;
  for (size_t i = 0; i < 3 * MIB; i++) A[i] = 1;
  wild_scalar(NULL);
  EXPECT(pthread_create(&thread, NULL, wild_scalar, NULL), 0);
  EXPECT(pthread_join(thread, NULL), 0);
  scalars_that_go();
  operands_that_go();
  freed_on_another_stream();
  a_file_that_shrinks();
  below_the_pool();
  endless_batches();
  EXPECT(square(4, &one, A, C), CUBLAS_STATUS_SUCCESS);
  EXPECT(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT(C[0], 4);
  puts("ok");
  return 0;
}
