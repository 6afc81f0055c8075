/* cudart_device.c - devices, errors and versions of the runtime. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cudart.h"

/* ---- errors ---------------------------------------------------------------------------------- */

static _Thread_local cudaError_t last_error;

static const cudaError_t status_map[] = {
#include "cudart_status.inc"
};
_Static_assert(sizeof status_map / sizeof *status_map == OCU_SYSTEM + 1, "status.csv: a row each");

cudaError_t fail(cudaError_t error) {
  static atomic_bool said;
  ocu_status alive = ocu_alive();
  if (alive == OCU_SYSTEM) ocu_shim_refuse(&said, "the CUDA runtime", ocu_error());
  return last_error = alive == OCU_OK ? error : cudaErrorInitializationError;
}

cudaError_t done(ocu_status status) {
  if (!atomic_load_explicit(&ocu_shim_started, memory_order_relaxed)) ocu_shim_started = 1;
  return status == OCU_OK ? cudaSuccess : fail(status_map[status]);
}

int refused(atomic_bool *said, const char *name, const char *reason) {
  ocu_shim_refuse(said, name, reason);
  return fail(cudaErrorNotSupported);
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

cudaError_t cudaRuntimeGetVersion(int *runtimeVersion) {
  REQUIRE(OUT(runtimeVersion), cudaErrorInvalidValue);
  *runtimeVersion = CUDART_VERSION;
  return done(ocu_alive());
}

cudaError_t cudaDriverGetVersion(int *driverVersion) {
  REQUIRE(OUT(driverVersion), cudaErrorInvalidValue);
  *driverVersion = SHIM_DRIVER_VERSION;
  return done(ocu_alive());
}

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

cudaError_t cudaGetDevice(int *device) {
  REQUIRE(OUT(device), cudaErrorInvalidValue);
  *device = ocu_device_get();
  return done(ocu_alive());
}

cudaError_t cudaSetDevice(int device) {
  REQUIRE(device_exists(device), cudaErrorInvalidDevice);
  return done(ocu_device_set(device));
}

cudaError_t cudaInitDevice(int device, unsigned int deviceFlags, unsigned int flags) {
  (void)deviceFlags;
  REQUIRE(device_exists(device), cudaErrorInvalidDevice);
  REQUIRE(flags <= 1, cudaErrorInvalidValue);
  return done(ocu_alive());
}

/* The first of the list that exists: devices are never taken by other processes. */
cudaError_t cudaSetValidDevices(int *device_arr, int len) {
  size_t n = len > 0 ? (size_t)len : 0;
  REQUIRE(len >= 0 && (!n || IN_ARRAY(device_arr, n)),
          cudaErrorInvalidValue);
  for (size_t i = 0; i < n; i++) REQUIRE(device_exists(device_arr[i]), cudaErrorInvalidDevice);
  return done(n ? ocu_device_set(device_arr[0]) : ocu_alive());
}

cudaError_t cudaChooseDevice(int *device, const struct cudaDeviceProp *prop) {
  REQUIRE(OUT(device) && IN(prop), cudaErrorInvalidValue);
  *device = 0;
  return done(ocu_alive());
}

cudaError_t cudaDeviceSynchronize(void) { return done(ocu_device_sync(ocu_device_get())); }

/* Memory stays: unlike a GPU's context, the process's own memory cannot be torn down under it. */
cudaError_t cudaDeviceReset(void) {
  last_error = cudaSuccess;
  return cudaDeviceSynchronize();
}

#if OPENCU_CUDA_MAJOR == 12
cudaError_t cudaThreadSynchronize(void) { return cudaDeviceSynchronize(); }
cudaError_t cudaThreadExit(void) { return cudaDeviceReset(); }
#endif

/* No profiler is ever attached. */
cudaError_t cudaProfilerStart(void) { return done(ocu_alive()); }
cudaError_t cudaProfilerStop(void) { return done(ocu_alive()); }

/* ---- properties ------------------------------------------------------------------------------ */

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attr, int device) {
  REQUIRE(OUT(value), cudaErrorInvalidValue);
  REQUIRE(device_exists(device), cudaErrorInvalidDevice);
  ocu_device_info info;
  ocu_status status = ocu_device_query(device, &info);
  if (status != OCU_OK) return done(status);
  REQUIRE(ocu_shim_answer(attr, device, &info, value), cudaErrorInvalidValue);
  return done(OCU_OK);
}

static int attribute(int number, int device, const ocu_device_info *info) {
  int value = 0;
  ocu_shim_answer(number, device, info, &value);
  return value;
}

/* CUDA 12's header names it cudaGetDeviceProperties_v2: its plain name has an older layout. */
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *prop, int device) {
  REQUIRE(OUT(prop), cudaErrorInvalidValue);
  REQUIRE(device_exists(device), cudaErrorInvalidDevice);
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

cudaError_t cudaDeviceGetPCIBusId(char *pciBusId, int len, int device) {
  return end(ocu_shim_bus_id(pciBusId, len, device));
}

cudaError_t cudaDeviceGetByPCIBusId(int *device, const char *pciBusId) {
  return end(ocu_shim_device_at(device, pciBusId));
}

/* ---- peers ----------------------------------------------------------------------------------- */

cudaError_t cudaDeviceCanAccessPeer(int *canAccessPeer, int device, int peerDevice) {
  REQUIRE(OUT(canAccessPeer), cudaErrorInvalidValue);
  REQUIRE(device_exists(device) && device_exists(peerDevice), cudaErrorInvalidDevice);
  *canAccessPeer = ocu_shim_peers(device, peerDevice);
  return done(ocu_alive());
}

cudaError_t cudaDeviceEnablePeerAccess(int peerDevice, unsigned int flags) {
  return end(ocu_shim_peer_enable(ocu_device_get(), peerDevice, flags));
}

cudaError_t cudaDeviceDisablePeerAccess(int peerDevice) {
  return end(ocu_shim_peer_disable(ocu_device_get(), peerDevice));
}

/* ---- settings that a CPU keeps but has no use for -------------------------------------------- */

static _Atomic unsigned device_flags[SHIM_DEVICES];
static _Atomic int cache_config, bank_config;

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

cudaError_t cudaDeviceSetLimit(enum cudaLimit limit, size_t value) {
  return end(ocu_shim_limit_set((int)limit, value));
}

cudaError_t cudaDeviceGetLimit(size_t *pValue, enum cudaLimit limit) {
  return end(ocu_shim_limit_get(pValue, (int)limit));
}

cudaError_t cudaDeviceSetCacheConfig(enum cudaFuncCache cacheConfig) {
  REQUIRE((unsigned)cacheConfig <= cudaFuncCachePreferEqual, cudaErrorInvalidValue);
  cache_config = cacheConfig;
  return done(ocu_alive());
}

cudaError_t cudaDeviceGetCacheConfig(enum cudaFuncCache *pCacheConfig) {
  REQUIRE(OUT(pCacheConfig), cudaErrorInvalidValue);
  *pCacheConfig = (enum cudaFuncCache)cache_config;
  return done(ocu_alive());
}

cudaError_t cudaDeviceSetSharedMemConfig(enum cudaSharedMemConfig config) {
  REQUIRE((unsigned)config <= cudaSharedMemBankSizeEightByte, cudaErrorInvalidValue);
  bank_config = config;
  return done(ocu_alive());
}

cudaError_t cudaDeviceGetSharedMemConfig(enum cudaSharedMemConfig *pConfig) {
  REQUIRE(OUT(pConfig), cudaErrorInvalidValue);
  *pConfig = (enum cudaSharedMemConfig)bank_config;
  return done(ocu_alive());
}
