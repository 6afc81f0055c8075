/* cudart_memory.c - allocation, pinned and registered host memory, hints. */
#include "cudart.h"

/* ---- allocation ------------------------------------------------------------------------------ */

cudaError_t cudaMalloc(void **devPtr, size_t size) {
  return end(ocu_shim_alloc(size, OCU_MEM_DEVICE, 0, devPtr));
}

cudaError_t cudaMallocHost(void **ptr, size_t size) {
  return end(ocu_shim_alloc(size, OCU_MEM_HOST, 0, ptr));
}

cudaError_t cudaHostAlloc(void **pHost, size_t size, unsigned int flags) {
  const unsigned known = cudaHostAllocPortable | cudaHostAllocMapped | cudaHostAllocWriteCombined;
  REQUIRE(!(flags & ~known), cudaErrorInvalidValue);
  return end(ocu_shim_alloc(size, OCU_MEM_HOST, flags, pHost));
}

cudaError_t cudaMallocManaged(void **devPtr, size_t size, unsigned int flags) {
  REQUIRE(size && (flags == cudaMemAttachGlobal || flags == cudaMemAttachHost),
          cudaErrorInvalidValue);
  return end(ocu_shim_alloc(size, OCU_MEM_MANAGED, 0, devPtr));
}

cudaError_t cudaMallocPitch(void **devPtr, size_t *pitch, size_t width, size_t height) {
  REQUIRE(OUT(devPtr) && OUT(pitch), cudaErrorInvalidValue);
  size_t row, bytes;
  int error = ocu_shim_pitch(width, height, &row, &bytes);
  REQUIRE(!error, (cudaError_t)error);
  error = cudaMalloc(devPtr, bytes);
  if (error == cudaSuccess) *pitch = row;
  return (cudaError_t)error;
}

cudaError_t cudaMalloc3D(struct cudaPitchedPtr *pitchedDevPtr, struct cudaExtent extent) {
  size_t rows;
  REQUIRE(OUT(pitchedDevPtr), cudaErrorInvalidValue);
  REQUIRE(!__builtin_mul_overflow(extent.height, extent.depth, &rows), cudaErrorMemoryAllocation);
  struct cudaPitchedPtr made = {.xsize = extent.width, .ysize = extent.height};
  cudaError_t error = cudaMallocPitch(&made.ptr, &made.pitch, extent.width, rows);
  if (error == cudaSuccess) *pitchedDevPtr = made;
  return error;
}

cudaError_t cudaFree(void *devPtr) { return end(ocu_shim_free(devPtr, 0)); }
cudaError_t cudaFreeHost(void *ptr) { return end(ocu_shim_free(ptr, 1)); }

cudaError_t cudaFreeAsync(void *devPtr, cudaStream_t hStream) {
  return end(ocu_shim_free_async(devPtr, stream_of(hStream)));
}

cudaError_t cudaMemGetInfo(size_t *free, size_t *total) {
  ocu_device_info info;
  REQUIRE((!free || OUT(free)) && (!total || OUT(total)), cudaErrorInvalidValue);
  ocu_status status = ocu_device_query(ocu_device_get(), &info);
  if (status != OCU_OK) return done(status);
  if (free) *free = (size_t)info.memory_free;
  if (total) *total = (size_t)info.memory_total;
  return done(OCU_OK);
}

/* ---- host memory that the program registered ------------------------------------------------- */

cudaError_t cudaHostRegister(void *ptr, size_t size, unsigned int flags) {
  return end(ocu_shim_register(ptr, size, flags, "cudaHostRegister"));
}

cudaError_t cudaHostGetDevicePointer(void **pDevice, void *pHost, unsigned int flags) {
  return end(ocu_shim_host_pointer(pDevice, pHost, flags));
}

cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *attributes, const void *ptr) {
  ocu_pointer_info info;
  REQUIRE(OUT(attributes), cudaErrorInvalidValue);
  ocu_status status = ocu_pointer_query(ptr, &info);
  if (status != OCU_OK) return done(status);
  static const enum cudaMemoryType types[] = {
      [OCU_MEM_UNKNOWN] = cudaMemoryTypeUnregistered, [OCU_MEM_DEVICE] = cudaMemoryTypeDevice,
      [OCU_MEM_HOST] = cudaMemoryTypeHost, [OCU_MEM_MANAGED] = cudaMemoryTypeManaged};
  enum cudaMemoryType type = types[info.freed ? OCU_MEM_UNKNOWN : info.kind];
  if (type == cudaMemoryTypeUnregistered && ocu_shim_registered(ptr, NULL)) {
    type = cudaMemoryTypeHost;
    info.device = ocu_device_get();
  }
  int known = type != cudaMemoryTypeUnregistered;
  *attributes = (struct cudaPointerAttributes){
      .type = type,
      .device = known ? info.device : cudaInvalidDeviceId,
      .devicePointer = known ? (void *)ptr : NULL,
      .hostPointer = type == cudaMemoryTypeDevice ? NULL : (void *)ptr,
  };
  return done(OCU_OK);
}

/* ---- hints ----------------------------------------------------------------------------------- */

static cudaError_t hint(const void *ptr, size_t count, int place, cudaStream_t stream) {
  return end(ocu_shim_hint(ptr, count, place, stream_of(stream)));
}

static cudaError_t advise(const void *ptr, size_t count, enum cudaMemoryAdvise advice, int place) {
  REQUIRE(advice >= cudaMemAdviseSetReadMostly && advice <= cudaMemAdviseUnsetAccessedBy,
          cudaErrorInvalidValue);
  return hint(ptr, count, advice <= cudaMemAdviseUnsetReadMostly ? cudaCpuDeviceId : place, 0);
}

static int place_of(struct cudaMemLocation location) {
  return location.type == cudaMemLocationTypeDevice ? location.id : cudaCpuDeviceId;
}

static cudaError_t prefetch(const void *ptr, size_t count, struct cudaMemLocation location,
                            unsigned int flags, cudaStream_t stream) {
  REQUIRE(flags == 0, cudaErrorInvalidValue);
  return hint(ptr, count, place_of(location), stream);
}

#if OPENCU_CUDA_MAJOR == 12
cudaError_t cudaMemPrefetchAsync(const void *devPtr, size_t count, int dstDevice,
                                 cudaStream_t stream) {
  return hint(devPtr, count, dstDevice, stream);
}

cudaError_t cudaMemPrefetchAsync_v2(const void *devPtr, size_t count,
                                    struct cudaMemLocation location, unsigned int flags,
                                    cudaStream_t stream) {
  return prefetch(devPtr, count, location, flags, stream);
}

cudaError_t cudaMemAdvise(const void *devPtr, size_t count, enum cudaMemoryAdvise advice,
                          int device) {
  return advise(devPtr, count, advice, device);
}

cudaError_t cudaMemAdvise_v2(const void *devPtr, size_t count, enum cudaMemoryAdvise advice,
                             struct cudaMemLocation location) {
  return advise(devPtr, count, advice, place_of(location));
}
#else
cudaError_t cudaMemPrefetchAsync(const void *devPtr, size_t count, struct cudaMemLocation location,
                                 unsigned int flags, cudaStream_t stream) {
  return prefetch(devPtr, count, location, flags, stream);
}

cudaError_t cudaMemAdvise(const void *devPtr, size_t count, enum cudaMemoryAdvise advice,
                          struct cudaMemLocation location) {
  return advise(devPtr, count, advice, place_of(location));
}
#endif
