/* per_thread.c - programs built with a default stream for each thread: NAME_ptsz, NAME_ptds. */
#include <cuda.h>
#include <cuda_runtime.h>
#include <stdint.h>
#include <pthread.h>
#include <unistd.h>

#include "check.h"

cudaError_t cudaLaunchHostFunc_ptsz(cudaStream_t, cudaHostFn_t, void *);
cudaError_t cudaStreamQuery_ptsz(cudaStream_t);
cudaError_t cudaStreamSynchronize_ptsz(cudaStream_t);
cudaError_t cudaMemcpy_ptds(void *, const void *, size_t, enum cudaMemcpyKind);
cudaError_t cudaStreamGetId_ptsz(cudaStream_t, unsigned long long *);
cudaError_t cudaGetDriverEntryPoint_ptsz(const char *, void **, unsigned long long,
                                         enum cudaDriverEntryPointQueryResult *);
CUresult cuMemcpy_ptds(CUdeviceptr, CUdeviceptr, size_t);
CUresult cuStreamQuery_ptsz(CUstream);

static _Atomic int go;
static void wait_for_go(void *data) {
  while (!go) usleep(100);
  *(int *)data = 1;
}

static void *other_thread(void *data) {
  unsigned long long mine, its = *(unsigned long long *)data;
  EXPECT(cudaStreamGetId_ptsz(0, &mine), cudaSuccess);
  TRUE(mine != its);
  EXPECT(cudaStreamQuery_ptsz(0), cudaSuccess); /* that thread's stream is busy, not ours */
  return NULL;
}

int main(void) {
  int source = 5, copied = 0, called = 0;
  unsigned long long mine, legacy;
  pthread_t thread;
  void *plain, *own;
  enum cudaDriverEntryPointQueryResult found;
  EXPECT(cuInit(0), CUDA_SUCCESS);
  EXPECT(cudaStreamGetId_ptsz(0, &mine), cudaSuccess);
  EXPECT(cudaStreamGetId(0, &legacy), cudaSuccess);
  TRUE(mine != legacy);
  EXPECT(cudaLaunchHostFunc_ptsz(0, wait_for_go, &called), cudaSuccess);
  EXPECT(cudaStreamQuery_ptsz(0), cudaErrorNotReady);
  EXPECT(cuStreamQuery_ptsz(0), CUDA_ERROR_NOT_READY);
  EXPECT(pthread_create(&thread, NULL, other_thread, &mine), 0);
  EXPECT(pthread_join(thread, NULL), 0);
  go = 1;
  EXPECT(cudaMemcpy_ptds(&copied, &source, sizeof copied, cudaMemcpyDefault), cudaSuccess);
  EXPECT(called, 1); /* the copy came after what was on this thread's stream */
  EXPECT(copied, 5);
  copied = 0;
  EXPECT(cuMemcpy_ptds((uintptr_t)&copied, (uintptr_t)&source, sizeof copied), CUDA_SUCCESS);
  EXPECT(copied, 5);
  EXPECT(cudaStreamSynchronize_ptsz(0), cudaSuccess);

  EXPECT(cudaGetDriverEntryPoint("cuStreamQuery", &plain, cudaEnableDefault, &found), cudaSuccess);
  TRUE(plain == (void *)cuStreamQuery);
  EXPECT(cudaGetDriverEntryPoint_ptsz("cuStreamQuery", &own, cudaEnableDefault, &found), 0);
  TRUE(own == (void *)cuStreamQuery_ptsz);
  EXPECT(cuGetProcAddress("cuMemcpy", &own, 13000, CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM,
                          NULL), CUDA_SUCCESS);
  TRUE(own == (void *)cuMemcpy_ptds);
  EXPECT(cudaGetDriverEntryPoint("cuNoSuchThing", &own, cudaEnableDefault, &found), cudaSuccess);
  EXPECT(found, cudaDriverEntryPointSymbolNotFound);
  EXPECT(cudaGetDriverEntryPoint((const char *)16, &own, 0, &found), cudaErrorInvalidValue);
  puts("ok");
  return 0;
}
