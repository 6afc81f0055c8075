/* cudart_device.c - devices, errors and versions of the runtime. */
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

cudaError_t cudaChooseDevice(int *device, const struct cudaDeviceProp *prop) {
  REQUIRE(OUT(device) && OUT(prop), cudaErrorInvalidValue);
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
  REQUIRE(len >= 13 && ocu_accessible(pciBusId, (size_t)len, 1), cudaErrorInvalidValue);
  REQUIRE(device_exists(device), cudaErrorInvalidDevice);
  snprintf(pciBusId, (size_t)len, "0000:%02X:00.0", (unsigned)device & 0xff);
  return done(ocu_alive());
}

cudaError_t cudaDeviceGetByPCIBusId(int *device, const char *pciBusId) {
  unsigned domain = 0, bus = 0, slot = 0;
  REQUIRE(OUT(device) && pciBusId, cudaErrorInvalidValue);
  REQUIRE(sscanf(pciBusId, "%x:%x:%x", &domain, &bus, &slot) == 3 ||
              (domain = 0, sscanf(pciBusId, "%x:%x", &bus, &slot) == 2),
          cudaErrorInvalidValue);
  REQUIRE(domain == 0 && slot == 0 && device_exists((int)bus), cudaErrorInvalidDevice);
  *device = (int)bus;
  return done(ocu_alive());
}

/* ---- peers: all CPU devices share one address space ------------------------------------------ */

static _Atomic uint64_t peers[SHIM_DEVICES];

cudaError_t cudaDeviceCanAccessPeer(int *canAccessPeer, int device, int peerDevice) {
  REQUIRE(OUT(canAccessPeer), cudaErrorInvalidValue);
  REQUIRE(device_exists(device) && device_exists(peerDevice), cudaErrorInvalidDevice);
  *canAccessPeer = device != peerDevice && device < SHIM_DEVICES && peerDevice < SHIM_DEVICES;
  return done(ocu_alive());
}

cudaError_t cudaDeviceEnablePeerAccess(int peerDevice, unsigned int flags) {
  int can = 0, device = ocu_device_get();
  REQUIRE(flags == 0, cudaErrorInvalidValue);
  cudaError_t error = cudaDeviceCanAccessPeer(&can, device, peerDevice);
  if (error != cudaSuccess) return error;
  REQUIRE(can, cudaErrorInvalidDevice);
  uint64_t bit = (uint64_t)1 << peerDevice;
  REQUIRE(!(atomic_fetch_or(&peers[device], bit) & bit), cudaErrorPeerAccessAlreadyEnabled);
  return cudaSuccess;
}

cudaError_t cudaDeviceDisablePeerAccess(int peerDevice) {
  int can = 0, device = ocu_device_get();
  cudaError_t error = cudaDeviceCanAccessPeer(&can, device, peerDevice);
  if (error != cudaSuccess) return error;
  REQUIRE(can, cudaErrorInvalidDevice);
  uint64_t bit = (uint64_t)1 << peerDevice;
  REQUIRE(atomic_fetch_and(&peers[device], ~bit) & bit, cudaErrorPeerAccessNotEnabled);
  return cudaSuccess;
}

/* ---- settings that a CPU keeps but has no use for -------------------------------------------- */

static _Atomic unsigned device_flags[SHIM_DEVICES];
static _Atomic size_t limits[] = {1 << 10, 1 << 20, 8 << 20, 2, 2048, 64, 0};
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

static int limit_exists(enum cudaLimit limit) {
  return (unsigned)limit < sizeof limits / sizeof *limits;
}

cudaError_t cudaDeviceSetLimit(enum cudaLimit limit, size_t value) {
  REQUIRE(limit_exists(limit), cudaErrorUnsupportedLimit);
  limits[limit] = value;
  return done(ocu_alive());
}

cudaError_t cudaDeviceGetLimit(size_t *pValue, enum cudaLimit limit) {
  REQUIRE(OUT(pValue), cudaErrorInvalidValue);
  REQUIRE(limit_exists(limit), cudaErrorUnsupportedLimit);
  *pValue = limits[limit];
  return done(ocu_alive());
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
