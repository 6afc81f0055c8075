/* cuda_device.c - start, errors, entry points and devices of the CUDA driver. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "cuda_driver.h"

int refused(const char *name, const char *reason) { return ocu_shim_refuse(name, reason); }

CUresult cuInit(unsigned int Flags) {
  REQUIRE(Flags == 0, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(ocu_alive() == OCU_OK, CUDA_ERROR_NOT_INITIALIZED);
  REQUIRE(ocu_device_count() > 0, CUDA_ERROR_NO_DEVICE);
  ocu_shim_started = 1;
  return CUDA_SUCCESS;
}

/* The error's name or its text. */
CUresult tell_error(CUresult error, int text, const char **out) {
  const struct shim_error *known = ocu_shim_error(error);
  REQUIRE(OUT(out), CUDA_ERROR_INVALID_VALUE);
  *out = known && text && known->driver ? known->text : known ? known->driver : NULL;
  return *out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---- entry points by name ------------------------------------------------------------------- */

/* The symbol that a name means to a program made for a version of CUDA. */
static const char *symbol_of(const char *name, int version) {
  static const struct {
    const char *name, *symbol;
    int since;
  } names[] = {
#include "cuda_names.inc"
  };
  const char *symbol = name;
  int since = -1;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (names[i].since > since && names[i].since <= version && !strcmp(name, names[i].name)) {
      symbol = names[i].symbol;
      since = names[i].since;
    }
  return symbol;
}

/* This library's own symbol, never one of another's; NULL: there is none. */
static void *own_symbol(const char *symbol, const char *suffix) {
  char name[128];
  Dl_info self, found;
  if (snprintf(name, sizeof name, "%s%s", symbol, suffix) >= (int)sizeof name) return NULL;
  void *handle = dladdr((void *)cuInit, &self) ? dlopen(self.dli_fname, RTLD_LAZY) : NULL;
  if (!handle) return NULL;
  void *function = dlsym(handle, name);
  if (function && (!dladdr(function, &found) || found.dli_fbase != self.dli_fbase))
    function = NULL;
  dlclose(handle);
  return function;
}

CUresult cuGetProcAddress_v2(const char *symbol, void **pfn, int cudaVersion, cuuint64_t flags,
                             CUdriverProcAddressQueryResult *symbolStatus) {
  REQUIRE(ocu_shim_text(symbol) && OUT(pfn) && OPTIONAL_OUT(symbolStatus) && flags <= 2,
          CUDA_ERROR_INVALID_VALUE);
  symbol = symbol_of(symbol, cudaVersion);
  int own = flags == CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM || (!flags && default_is_own);
  void *function = own ? own_symbol(symbol, "_ptsz") : NULL;
  if (own && !function) function = own_symbol(symbol, "_ptds");
  if (!function) function = own_symbol(symbol, "");
  *pfn = function;
  if (symbolStatus)
    *symbolStatus = function ? CU_GET_PROC_ADDRESS_SUCCESS : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  return function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

/* ---- devices --------------------------------------------------------------------------------- */

CUresult cuDeviceGetName(char *name, int len, CUdevice dev) {
  ocu_device_info info;
  CHECK(device_exists(dev));
  REQUIRE(len > 0 && ocu_accessible(name, (size_t)len, 1), CUDA_ERROR_INVALID_VALUE);
  ocu_status status = ocu_device_query(dev, &info);
  if (status == OCU_OK) snprintf(name, (size_t)len, "%s", info.name);
  return done(status);
}

CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice dev) {
  CHECK(device_exists(dev));
  REQUIRE(OUT(uuid), CUDA_ERROR_INVALID_VALUE);
  ocu_shim_uuid(dev, uuid->bytes);
  return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice dev) {
  ocu_device_info info;
  CHECK(device_exists(dev));
  REQUIRE(OUT(bytes), CUDA_ERROR_INVALID_VALUE);
  ocu_status status = ocu_device_query(dev, &info);
  if (status == OCU_OK) *bytes = (size_t)info.memory_total;
  return done(status);
}

CUresult cuDeviceGetProperties(CUdevprop *prop, CUdevice dev) {
  ocu_device_info info;
  CHECK(device_exists(dev));
  REQUIRE(OUT(prop), CUDA_ERROR_INVALID_VALUE);
  CHECK(done(ocu_device_query(dev, &info)));
#define ANSWER(NAME) ocu_shim_answer(CU_DEVICE_ATTRIBUTE_##NAME, dev, &info)
  *prop = (CUdevprop){
      .maxThreadsPerBlock = ANSWER(MAX_THREADS_PER_BLOCK),
      .maxThreadsDim = {ANSWER(MAX_BLOCK_DIM_X), ANSWER(MAX_BLOCK_DIM_Y), ANSWER(MAX_BLOCK_DIM_Z)},
      .maxGridSize = {ANSWER(MAX_GRID_DIM_X), ANSWER(MAX_GRID_DIM_Y), ANSWER(MAX_GRID_DIM_Z)},
      .sharedMemPerBlock = ANSWER(MAX_SHARED_MEMORY_PER_BLOCK),
      .totalConstantMemory = ANSWER(TOTAL_CONSTANT_MEMORY),
      .SIMDWidth = ANSWER(WARP_SIZE),
      .memPitch = ANSWER(MAX_PITCH),
      .regsPerBlock = ANSWER(MAX_REGISTERS_PER_BLOCK),
      .clockRate = ANSWER(CLOCK_RATE),
      .textureAlign = ANSWER(TEXTURE_ALIGNMENT),
  };
  return CUDA_SUCCESS;
}
