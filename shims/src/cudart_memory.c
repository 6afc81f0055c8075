/* cudart_memory.c - what is allocated and told by structures. */
#include "cudart.h"

cudaError_t cudaMalloc3D(struct cudaPitchedPtr *pitchedDevPtr, struct cudaExtent extent) {
  size_t rows;
  REQUIRE(OUT(pitchedDevPtr), cudaErrorInvalidValue);
  REQUIRE(!__builtin_mul_overflow(extent.height, extent.depth, &rows), cudaErrorMemoryAllocation);
  struct cudaPitchedPtr made = {.xsize = extent.width, .ysize = extent.height};
  cudaError_t error = cudaMallocPitch(&made.ptr, &made.pitch, extent.width, rows);
  if (error == cudaSuccess) *pitchedDevPtr = made;
  return error;
}

cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *attributes, const void *ptr) {
  ocu_pointer_info info;
  REQUIRE(OUT(attributes), cudaErrorInvalidValue);
  int error = ocu_shim_query(ptr, &info, NULL), known = !error && info.kind != OCU_MEM_UNKNOWN;
  if (error) return end(error);
  static const enum cudaMemoryType types[] = {
      [OCU_MEM_UNKNOWN] = cudaMemoryTypeUnregistered, [OCU_MEM_DEVICE] = cudaMemoryTypeDevice,
      [OCU_MEM_HOST] = cudaMemoryTypeHost, [OCU_MEM_MANAGED] = cudaMemoryTypeManaged};
  *attributes = (struct cudaPointerAttributes){
      .type = types[info.kind],
      .device = known ? info.device : cudaInvalidDeviceId,
      .devicePointer = known ? (void *)ptr : NULL,
      .hostPointer = info.kind == OCU_MEM_DEVICE ? NULL : (void *)ptr,
  };
  return done(OCU_OK);
}
