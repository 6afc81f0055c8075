/* cudart_device.c - devices, errors and versions of the runtime. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cudart.h"

/* ---- errors ---------------------------------------------------------------------------------- */

static _Thread_local cudaError_t last_error;

cudaError_t fail(cudaError_t error) {
  ocu_status alive = ocu_alive();
  if (alive == OCU_SYSTEM) ocu_shim_refuse("the CUDA runtime", ocu_error());
  return last_error = alive == OCU_OK ? error : cudaErrorInitializationError;
}

cudaError_t done(ocu_status status) {
  if (!atomic_load_explicit(&ocu_shim_started, memory_order_relaxed)) ocu_shim_started = 1;
  return status == OCU_OK ? cudaSuccess : fail((cudaError_t)ocu_shim_code(status));
}

int refused(const char *name, const char *reason) {
  return fail((cudaError_t)ocu_shim_refuse(name, reason));
}

cudaError_t cudaPeekAtLastError(void) {
  return ocu_alive() == OCU_OK ? last_error : cudaErrorInitializationError;
}

cudaError_t cudaGetLastError(void) {
  cudaError_t error = cudaPeekAtLastError();
  last_error = cudaSuccess;
  return error;
}

const char *cudaGetErrorName(cudaError_t error) {
  const struct shim_error *known = ocu_shim_error(error);
  return known && known->runtime ? known->runtime : "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t error) {
  const struct shim_error *known = ocu_shim_error(error);
  return known && known->runtime ? known->text : "unrecognized error code";
}

/* ---- versions -------------------------------------------------------------------------------- */

/* From the libcuda.so.1 next to this library. */
cudaError_t cudaGetDriverEntryPointByVersion(const char *symbol, void **funcPtr,
                                             unsigned int cudaVersion, unsigned long long flags,
                                             enum cudaDriverEntryPointQueryResult *driverStatus) {
  REQUIRE(ocu_shim_text(symbol) && OUT(funcPtr) && OPTIONAL_OUT(driverStatus) && flags <= 2,
          cudaErrorInvalidValue);
  Dl_info self;
  char path[PATH_MAX] = "";
  if (dladdr((void *)cudaGetDriverEntryPointByVersion, &self)) {
    const char *slash = strrchr(self.dli_fname, '/');
    int folder = slash ? (int)(slash + 1 - self.dli_fname) : 0;
    snprintf(path, sizeof path, "%.*slibcuda.so.1", folder, self.dli_fname);
  }
  void *driver = dlopen(path, RTLD_NOW | RTLD_LOCAL); /* never closed: its functions are out */
  int (*find)(const char *, void **, int, uint64_t, int *) =
      driver ? (__typeof__(find))dlsym(driver, "cuGetProcAddress_v2") : NULL;
  REQUIRE(find, cudaErrorInitializationError);
  int found, wanted = cudaVersion > INT_MAX ? INT_MAX : (int)cudaVersion;
  uint64_t mode = flags ? flags : default_is_own ? cudaEnablePerThreadDefaultStream : 0;
  int error = find(symbol, funcPtr, wanted, mode, &found);
  if (driverStatus) *driverStatus = (enum cudaDriverEntryPointQueryResult)found;
  return end(error == cudaErrorSymbolNotFound && driverStatus ? cudaSuccess : error);
}

/* ---- choosing a device ----------------------------------------------------------------------- */

cudaError_t cudaGetDeviceCount(int *count) {
  REQUIRE(OUT(count), cudaErrorInvalidValue);
  *count = ocu_device_count();
  return *count > 0 ? done(ocu_alive()) : fail(cudaErrorNoDevice);
}

/* The first of the list that exists: devices are never taken by other processes. */
cudaError_t cudaSetValidDevices(int *device_arr, int len) {
  size_t n = len > 0 ? (size_t)len : 0;
  REQUIRE(len >= 0 && (!n || IN_ARRAY(device_arr, n)),
          cudaErrorInvalidValue);
  for (size_t i = 0; i < n; i++) REQUIRE(shim_device_exists(device_arr[i]), cudaErrorInvalidDevice);
  return done(n ? ocu_device_set(device_arr[0]) : ocu_alive());
}

/* Memory stays: unlike a GPU's context, the process's own memory cannot be torn down under it. */
cudaError_t cudaDeviceReset(void) {
  last_error = cudaSuccess;
  return cudaDeviceSynchronize();
}

/* ---- properties ------------------------------------------------------------------------------ */

/* CUDA 12's header names it cudaGetDeviceProperties_v2: its plain name has an older layout. */
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *prop, int device) {
  REQUIRE(OUT(prop), cudaErrorInvalidValue);
  REQUIRE(shim_device_exists(device), cudaErrorInvalidDevice);
  ocu_device_info info;
  ocu_status status = ocu_device_query(device, &info);
  if (status != OCU_OK) return done(status);
  memset(prop, 0, sizeof *prop);
  snprintf(prop->name, sizeof prop->name, "%s", info.name);
  ocu_shim_uuid(device, prop->uuid.bytes);
  prop->totalGlobalMem = (size_t)info.memory_total;
#include "properties.inc"
  return cudaSuccess;
}

/* ---- flags, which a CPU keeps but has no use for --------------------------------------------- */

static _Atomic unsigned device_flags[SHIM_DEVICES];

cudaError_t cudaSetDeviceFlags(unsigned int flags) {
  unsigned schedule = flags & cudaDeviceScheduleMask;
  REQUIRE(!(flags & ~cudaDeviceMask) && !(schedule & (schedule - 1)), cudaErrorInvalidValue);
  device_flags[ocu_device_get() % SHIM_DEVICES] = flags;
  return done(ocu_alive());
}

cudaError_t cudaGetDeviceFlags(unsigned int *flags) {
  REQUIRE(OUT(flags), cudaErrorInvalidValue);
  *flags = device_flags[ocu_device_get() % SHIM_DEVICES] | cudaDeviceMapHost;
  return done(ocu_alive());
}
