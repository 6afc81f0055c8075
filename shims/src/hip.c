/* hip.c - libamdhip64.so: HIP's names of the runtime's functions, which are part of this file. Its
 * errors, flags and kinds of copy have CUDA's numbers; attributes and properties are its own. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cuda_registration.h"
#include "cudart.h"
#include "hip_types.h"

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

/* ---- what a device and a pointer are ----------------------------------------------------------- */

cudaError_t hipDeviceGetAttribute(int *value, hipDeviceAttribute_t attribute, int device) {
  ocu_device_info info;
  REQUIRE(OUT(value), cudaErrorInvalidValue);
  REQUIRE(shim_device_exists(device), cudaErrorInvalidDevice);
  ocu_status status = ocu_device_query(device, &info);
  if (status != OCU_OK) return done(status);
  switch ((int)attribute) {
#include "hip_attributes.inc"
    default: return fail(cudaErrorInvalidValue);
  }
  return done(OCU_OK);
}

/* What CUDA 12's structure has, and more behind it. */
_Static_assert(offsetof(hipDeviceProp_tR0600, hipReserved) == sizeof(struct cudaDeviceProp), "");
cudaError_t hipGetDevicePropertiesR0600(hipDeviceProp_tR0600 *prop, int device) {
  ocu_device_info info;
  REQUIRE(OUT(prop), cudaErrorInvalidValue);
  cudaError_t error = cudaGetDeviceProperties((struct cudaDeviceProp *)prop, device);
  if (error) return error;
  ocu_status status = ocu_device_query(device, &info);
  if (status != OCU_OK) return done(status);
  memset(prop->hipReserved, 0, sizeof *prop - offsetof(hipDeviceProp_tR0600, hipReserved));
  snprintf(prop->gcnArchName, sizeof prop->gcnArchName, "%s", info.target);
  prop->maxSharedMemoryPerMultiProcessor = prop->sharedMemPerMultiprocessor;
  prop->clockInstructionRate = prop->clockRate;
  prop->arch.hasDoubles = 1; /* the rest is about device code, which cannot run here */
  prop->isLargeBar = ocu_reaches_host(device);
  return cudaSuccess;
}

cudaError_t hipGetDevicePropertiesR0000(hipDeviceProp_tR0000 *prop, int device) {
  hipDeviceProp_tR0600 new;
  REQUIRE(OUT(prop), cudaErrorInvalidValue);
  cudaError_t error = hipGetDevicePropertiesR0600(&new, device);
  if (error) return error;
  memset(prop, 0, sizeof *prop);
#include "hip_r0000.inc"
  return cudaSuccess;
}

cudaError_t hipGetDeviceProperties(hipDeviceProp_tR0000 *prop, int device) {
  return hipGetDevicePropertiesR0000(prop, device);
}

cudaError_t hipPointerGetAttributes(hipPointerAttribute_t *attributes, const void *ptr) {
  struct cudaPointerAttributes is;
  unsigned flags = 0;
  REQUIRE(OUT(attributes), cudaErrorInvalidValue);
  cudaError_t error = cudaPointerGetAttributes(&is, ptr);
  if (!error && is.type == cudaMemoryTypeHost) error = cudaHostGetFlags(&flags, (void *)ptr);
  if (error) return error;
  *attributes = (hipPointerAttribute_t){
      .type = is.type, .device = is.device, .devicePointer = is.devicePointer,
      .hostPointer = is.type ? is.hostPointer : NULL,
      .isManaged = is.type == cudaMemoryTypeManaged, .allocationFlags = flags};
  return cudaSuccess;
}
