/* cuda_runtime.h - the CUDA runtime API, and in C++ its typed forms of the allocation calls. */
#ifndef OPENCU_CUDA_RUNTIME_H
#define OPENCU_CUDA_RUNTIME_H
#include "cuda_runtime_api.h"

#ifdef __cplusplus
template <class T> static inline cudaError_t cudaMalloc(T **p, size_t size) {
  return ::cudaMalloc((void **)p, size);
}
template <class T> static inline cudaError_t cudaMallocHost(T **p, size_t size) {
  return ::cudaMallocHost((void **)p, size);
}
template <class T> static inline cudaError_t cudaHostAlloc(T **p, size_t size, unsigned flags) {
  return ::cudaHostAlloc((void **)p, size, flags);
}
template <class T>
static inline cudaError_t cudaMallocManaged(T **p, size_t size,
                                            unsigned flags = cudaMemAttachGlobal) {
  return ::cudaMallocManaged((void **)p, size, flags);
}
template <class T>
static inline cudaError_t cudaMallocPitch(T **p, size_t *pitch, size_t width, size_t height) {
  return ::cudaMallocPitch((void **)p, pitch, width, height);
}
template <class T>
static inline cudaError_t cudaMallocAsync(T **p, size_t size, cudaStream_t stream) {
  return ::cudaMallocAsync((void **)p, size, stream);
}
template <class T>
static inline cudaError_t cudaHostGetDevicePointer(T **p, void *host, unsigned flags) {
  return ::cudaHostGetDevicePointer((void **)p, host, flags);
}
#endif
#endif
