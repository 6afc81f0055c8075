/* cuda.c - the few calls of the CUDA driver that programs make around the libraries. */
#define _GNU_SOURCE
#include "cuda.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "shim.h"

/* One context a device, the primary one; the runtime's use of a device makes it current too. */
struct CUctx_st {
  char unused;
};
static struct CUctx_st contexts[SHIM_DEVICES];
static _Thread_local int no_context; /* cuCtxSetCurrent(NULL) */

static const CUresult status_map[] = {
#include "cuda_driver_status.inc"
};
_Static_assert(sizeof status_map / sizeof *status_map == OCU_SYSTEM + 1, "status.csv: a row each");

#define REQUIRE(condition, error) \
  do { \
    if (!(condition)) return error; \
  } while (0)
#define STARTED() REQUIRE(ocu_shim_started && ocu_alive() == OCU_OK, CUDA_ERROR_NOT_INITIALIZED)
#define DEVICE(device) \
  do { \
    STARTED(); \
    REQUIRE(device >= 0 && device < ocu_device_count() && device < SHIM_DEVICES, \
            CUDA_ERROR_INVALID_DEVICE); \
  } while (0)

int refused(atomic_bool *said, const char *name, const char *reason) {
  ocu_shim_refuse(said, name, reason);
  return CUDA_ERROR_NOT_SUPPORTED;
}

CUresult cuInit(unsigned int Flags) {
  REQUIRE(Flags == 0, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(ocu_alive() == OCU_OK, CUDA_ERROR_NOT_INITIALIZED);
  REQUIRE(ocu_device_count() > 0, CUDA_ERROR_NO_DEVICE);
  ocu_shim_started = 1;
  return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int *driverVersion) {
  REQUIRE(OUT(driverVersion), CUDA_ERROR_INVALID_VALUE);
  *driverVersion = SHIM_DRIVER_VERSION;
  return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult error, const char **pStr) {
  const struct shim_error *known = ocu_shim_error(error);
  REQUIRE(OUT(pStr), CUDA_ERROR_INVALID_VALUE);
  *pStr = known ? known->driver : NULL;
  return *pStr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult error, const char **pStr) {
  const struct shim_error *known = ocu_shim_error(error);
  REQUIRE(OUT(pStr), CUDA_ERROR_INVALID_VALUE);
  *pStr = known && known->driver ? known->text : NULL;
  return *pStr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* A name's current version is the one that the header defines it as. */
CUresult cuGetProcAddress_v2(const char *symbol, void **pfn, int cudaVersion, cuuint64_t flags,
                             CUdriverProcAddressQueryResult *symbolStatus) {
  static const char *const aliases[][2] = {
#include "cuda_aliases.inc"
  };
  (void)cudaVersion;
  REQUIRE(symbol && OUT(pfn) && (!symbolStatus || OUT(symbolStatus)) && flags <= 2, CUDA_ERROR_INVALID_VALUE);
  for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
    if (!strcmp(symbol, aliases[i][0])) symbol = aliases[i][1];
  Dl_info self, found;
  void *handle = dladdr((void *)cuInit, &self) ? dlopen(self.dli_fname, RTLD_LAZY) : NULL;
  *pfn = handle ? dlsym(handle, symbol) : NULL;
  if (*pfn && (!dladdr(*pfn, &found) || found.dli_fbase != self.dli_fbase)) *pfn = NULL;
  if (handle) dlclose(handle);
  if (symbolStatus)
    *symbolStatus = *pfn ? CU_GET_PROC_ADDRESS_SUCCESS : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  return *pfn ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

/* ---- devices --------------------------------------------------------------------------------- */

CUresult cuDeviceGetCount(int *count) {
  STARTED();
  REQUIRE(OUT(count), CUDA_ERROR_INVALID_VALUE);
  *count = ocu_device_count();
  return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  DEVICE(ordinal);
  REQUIRE(OUT(device), CUDA_ERROR_INVALID_VALUE);
  *device = ordinal;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char *name, int len, CUdevice dev) {
  ocu_device_info info;
  DEVICE(dev);
  REQUIRE(len > 0 && ocu_accessible(name, (size_t)len, 1), CUDA_ERROR_INVALID_VALUE);
  ocu_status status = ocu_device_query(dev, &info);
  if (status == OCU_OK) snprintf(name, (size_t)len, "%s", info.name);
  return status_map[status];
}

CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice dev) {
  DEVICE(dev);
  REQUIRE(OUT(uuid), CUDA_ERROR_INVALID_VALUE);
  ocu_shim_uuid(dev, uuid->bytes);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice dev) { return cuDeviceGetUuid_v2(uuid, dev); }

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice dev) {
  ocu_device_info info;
  DEVICE(dev);
  REQUIRE(OUT(bytes), CUDA_ERROR_INVALID_VALUE);
  ocu_status status = ocu_device_query(dev, &info);
  if (status == OCU_OK) *bytes = (size_t)info.memory_total;
  return status_map[status];
}

CUresult cuDeviceGetAttribute(int *pi, CUdevice_attribute attrib, CUdevice dev) {
  ocu_device_info info;
  DEVICE(dev);
  REQUIRE(OUT(pi), CUDA_ERROR_INVALID_VALUE);
  ocu_status status = ocu_device_query(dev, &info);
  if (status != OCU_OK) return status_map[status];
  return ocu_shim_answer(attrib, dev, &info, pi) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice dev) {
  DEVICE(dev);
  REQUIRE(OUT(major) && OUT(minor), CUDA_ERROR_INVALID_VALUE);
  *major = SHIM_COMPUTE_MAJOR;
  *minor = SHIM_COMPUTE_MINOR;
  return CUDA_SUCCESS;
}

/* ---- contexts -------------------------------------------------------------------------------- */

CUresult cuDevicePrimaryCtxRetain(CUcontext *pctx, CUdevice dev) {
  DEVICE(dev);
  REQUIRE(OUT(pctx), CUDA_ERROR_INVALID_VALUE);
  *pctx = &contexts[dev];
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice dev) {
  DEVICE(dev);
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice dev, unsigned int *flags, int *active) {
  DEVICE(dev);
  REQUIRE(OUT(flags) && OUT(active), CUDA_ERROR_INVALID_VALUE);
  *flags = 0;
  *active = 1;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice *device) {
  STARTED();
  REQUIRE(OUT(device), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(!no_context, CUDA_ERROR_INVALID_CONTEXT);
  *device = ocu_device_get();
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext *pctx) {
  STARTED();
  REQUIRE(OUT(pctx), CUDA_ERROR_INVALID_VALUE);
  *pctx = no_context ? NULL : &contexts[ocu_device_get() % SHIM_DEVICES];
  return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext ctx) {
  STARTED();
  uintptr_t device = (uintptr_t)ctx - (uintptr_t)contexts;
  REQUIRE(!ctx || device < SHIM_DEVICES, CUDA_ERROR_INVALID_CONTEXT);
  no_context = !ctx;
  return ctx ? status_map[ocu_device_set((int)device)] : CUDA_SUCCESS;
}

CUresult cuCtxSynchronize(void) {
  STARTED();
  REQUIRE(!no_context, CUDA_ERROR_INVALID_CONTEXT);
  return status_map[ocu_device_sync(ocu_device_get())];
}

/* No profiler is ever attached. */
CUresult cuProfilerStart(void) {
  STARTED();
  return CUDA_SUCCESS;
}

CUresult cuProfilerStop(void) { return cuProfilerStart(); }

/* ---- memory ---------------------------------------------------------------------------------- */

CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
  ocu_device_info info;
  STARTED();
  REQUIRE(OUT(free) && OUT(total), CUDA_ERROR_INVALID_VALUE);
  ocu_status status = ocu_device_query(ocu_device_get(), &info);
  if (status != OCU_OK) return status_map[status];
  *free = (size_t)info.memory_free;
  *total = (size_t)info.memory_total;
  return CUDA_SUCCESS;
}

CUresult cuPointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr ptr) {
  ocu_pointer_info info;
  STARTED();
  REQUIRE(ocu_accessible(data, 8, 1), CUDA_ERROR_INVALID_VALUE);
  ocu_status status = ocu_pointer_query((void *)(uintptr_t)ptr, &info);
  if (status != OCU_OK) return status_map[status];
  REQUIRE(info.kind != OCU_MEM_UNKNOWN && !info.freed, CUDA_ERROR_INVALID_VALUE);
  int managed = info.kind == OCU_MEM_MANAGED;
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      *(CUcontext *)data = &contexts[info.device % SHIM_DEVICES];
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      *(unsigned *)data = info.kind == OCU_MEM_HOST ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
      *(CUdeviceptr *)data = ptr;
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      REQUIRE(info.kind == OCU_MEM_HOST || managed, CUDA_ERROR_INVALID_VALUE);
      *(void **)data = (void *)(uintptr_t)ptr;
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
      *(unsigned char *)data = (unsigned char)managed;
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      *(int *)data = info.device;
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
      *(CUdeviceptr *)data = (uintptr_t)info.base;
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
      *(size_t *)data = info.bytes;
      return CUDA_SUCCESS;
    default: break;
  }
  static atomic_bool said;
  return (CUresult)refused(&said, "cuPointerGetAttribute", "this attribute is not implemented yet");
}
