/* hip.c - libamdhip64.so: HIP's names of the runtime's functions, which are part of this file. Its
 * errors, flags and kinds of copy have CUDA's numbers. */
#include <stdio.h>
#include <string.h>

#include "cudart.h"

#undef cudaStreamGetCaptureInfo /* for HIP, the first of its forms */
#include "shape.inc"

/* Where HIP has another name for an error than "hip" for "cuda". */
const char *hipGetErrorName(cudaError_t error) {
  static const struct {
    cudaError_t error;
    const char *name;
  } others[] = {
      {cudaErrorMemoryAllocation, "hipErrorOutOfMemory"},
      {cudaErrorInitializationError, "hipErrorNotInitialized"},
      {cudaErrorCudartUnloading, "hipErrorDeinitialized"},
      {cudaErrorDeviceUninitialized, "hipErrorInvalidContext"},
      {cudaErrorInvalidResourceHandle, "hipErrorInvalidHandle"},
  };
  static _Thread_local char name[96];
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (others[i].error == error) return others[i].name;
  const char *theirs = cudaGetErrorName(error);
  if (strncmp(theirs, "cuda", 4)) return theirs;
  snprintf(name, sizeof name, "hip%s", theirs + 4);
  return name;
}

cudaError_t hipHostMalloc(void **p, size_t size, unsigned flags) {
  /* Coherence and NUMA are hints here. */
  return cudaHostAlloc(p, size, flags & ~0xE0000000u);
}
cudaError_t hipHostFree(void *p) { return cudaFreeHost(p); }
cudaError_t hipInit(unsigned flags) {
  return flags ? fail(cudaErrorInvalidValue) : done(ocu_alive());
}
cudaError_t hipMemcpyWithStream(void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind,
                                cudaStream_t stream) {
  cudaError_t error = cudaMemcpyAsync(dst, src, bytes, kind, stream);
  return error ? error : cudaStreamSynchronize(stream);
}
