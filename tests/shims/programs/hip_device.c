/* hip_device.c - attributes and properties of a device and of pointers, at the offsets and by the
 * numbers of HIP 6 and 7 (and, of the properties, 5), and what refuses. */
#include <hip/hip_runtime.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IS(value, expected) \
  do { \
    const long long got_ = (long long)(value); \
    if (got_ != (long long)(expected)) { \
      fprintf(stderr, "line %d: %s: %lld\n", __LINE__, #value, got_); \
      return 1; \
    } \
  } while (0)

/* The first is what hipGetDeviceProperties is to programs built for HIP 5. */
#undef hipGetDeviceProperties
int hipGetDeviceProperties(void *prop, int device);
int hipModuleLoad(void **module, const char *path);
int hipModuleLoadData(void **module, const void *image);
int hipModuleGetFunction(void **function, void *module, const char *name);
int hipModuleLaunchKernel(void *function, ...);
int hipModuleUnload(void *module);
void **__hipRegisterFatBinary(const void *data);
void __hipRegisterFunction(void **modules, const void *host, char *device, const char *name,
                           unsigned threads, void *tid, void *bid, void *block, void *grid, int *size);
void __hipUnregisterFatBinary(void **modules);
int hipLaunchKernel(const void *host, ...);

static int at(const char *p, size_t offset) {
  int value;
  memcpy(&value, p + offset, sizeof value);
  return value;
}
static size_t long_at(const char *p, size_t offset) {
  size_t value;
  memcpy(&value, p + offset, sizeof value);
  return value;
}
static int asked(int attribute) {
  int value = INT_MIN;
  return hipDeviceGetAttribute(&value, (hipDeviceAttribute_t)attribute, 0) ? INT_MIN : value;
}

#define OFFSET(type, field, offset) \
  _Static_assert(offsetof(type, field) == offset, #type " " #field)
_Static_assert(sizeof(hipDeviceProp_t) == 1472 && sizeof(hipDeviceProp_tR0000) == 792, "");
_Static_assert(sizeof(hipPointerAttribute_t) == 32, "");
OFFSET(hipDeviceProp_t, totalGlobalMem, 288);
OFFSET(hipDeviceProp_t, multiProcessorCount, 388);
OFFSET(hipDeviceProp_t, sparseHipArraySupported, 732);
OFFSET(hipDeviceProp_t, unifiedFunctionPointers, 776);
OFFSET(hipDeviceProp_t, gcnArchName, 1160);
OFFSET(hipDeviceProp_t, arch, 1428);
OFFSET(hipDeviceProp_t, asicRevision, 1468);
OFFSET(hipDeviceProp_tR0000, gcnArchName, 396);
OFFSET(hipDeviceProp_tR0000, hdpMemFlushCntl, 696);
OFFSET(hipDeviceProp_tR0000, pageableMemoryAccessUsesHostPageTables, 788);
_Static_assert(hipDeviceAttributeMaxThreadsPerBlock == 56 && hipDeviceAttributeWarpSize == 87 &&
                   hipDeviceAttributeMultiprocessorCount == 63 && hipDeviceAttributeIsLargeBar == 10011,
               "");

static int properties(void) {
  static char new[1472 + 8], old[792 + 8];
  memset(new, 0x5a, sizeof new), memset(old, 0x5a, sizeof old);
  IS(hipGetDevicePropertiesR0600((hipDeviceProp_tR0600 *)new, 0), 0);
  IS(hipGetDeviceProperties(old, 0), 0);
  IS(at(new, 1472) == 0x5a5a5a5a && at(old, 792) == 0x5a5a5a5a, 1);
  IS(strlen(new) > 0 && !strcmp(new, old), 1);                    /* name */
  IS(!strncmp(new + 1160, "x86-64", 6) && !strcmp(new + 1160, old + 396), 1); /* gcnArchName */
  IS(long_at(new, 288) > 1 << 20, 1);                             /* totalGlobalMem */
  IS(long_at(old, 256), long_at(new, 288));
  IS(at(new, 308), 32);                                           /* warpSize */
  IS(at(old, 276), 32);
  IS(at(new, 320), asked(56));                                    /* maxThreadsPerBlock */
  IS(at(new, 324), asked(26));                                    /* maxThreadsDim */
  IS(at(new, 336), asked(29));                                    /* maxGridSize */
  IS(at(new, 388), asked(63));                                    /* multiProcessorCount */
  IS(at(old, 336), asked(63));
  IS(at(new, 360), asked(23));                                    /* major */
  IS(at(new, 1424), asked(10000));                                /* clockInstructionRate */
  IS(at(new, 1428) & at(old, 356) & 1 << 7, 1 << 7);              /* arch.hasDoubles */
  IS(at(new, 1464), asked(10011));                                /* isLargeBar */
  IS(at(old, 784), asked(65));                                    /* pageableMemoryAccess */
  IS(asked(84), long_at(new, 288) < INT_MAX ? (int)long_at(new, 288) : INT_MAX);
  IS(asked(10018), 1);                                            /* NumberOfXccs */
  IS(asked(86), INT_MIN);                                         /* there is none */
  IS(hipDeviceGetAttribute(NULL, hipDeviceAttributeWarpSize, 0), hipErrorInvalidValue);
  IS(hipDeviceGetAttribute((int *)new, hipDeviceAttributeWarpSize, 9999), hipErrorInvalidDevice);
  IS(hipGetDevicePropertiesR0600(NULL, 0), hipErrorInvalidValue);
  IS(hipGetDevicePropertiesR0000((hipDeviceProp_tR0000 *)old, 9999), hipErrorInvalidDevice);
  return 0;
}

static int pointers(void) {
  char *device, *host, *managed, own[8], got[32 + 8];
  hipPointerAttribute_t *out = (hipPointerAttribute_t *)got;
  IS(hipMalloc((void **)&device, 64), 0);
  IS(hipHostMalloc((void **)&host, 64, hipHostMallocMapped), 0);
  IS(hipMallocManaged((void **)&managed, 64, 1), 0);
  memset(got, 0x5a, sizeof got);
  IS(hipPointerGetAttributes(out, device + 8), 0);
  IS(at(got, 32), 0x5a5a5a5a);
  IS(at(got, 0), 2);
  IS(at(got, 4), 0);
  IS(long_at(got, 8), (size_t)device + 8);
  IS(long_at(got, 16), 0);
  IS(at(got, 24), 0);
  IS(hipPointerGetAttributes(out, host), 0);
  IS(at(got, 0), 1);
  IS(long_at(got, 16), (size_t)host);
  IS(at(got, 28) & hipHostMallocMapped, hipHostMallocMapped);
  IS(hipPointerGetAttributes(out, managed), 0);
  IS(at(got, 0), 3);
  IS(at(got, 24), 1);
  IS(hipPointerGetAttributes(out, own), 0);
  IS(at(got, 0), 0);
  IS(at(got, 4), -2);
  IS(long_at(got, 8) | long_at(got, 16), 0);
  IS(hipPointerGetAttributes(NULL, own), hipErrorInvalidValue);
  IS(hipFree(device) | hipHostFree(host) | hipFree(managed), 0);
  return 0;
}

static int refusals(void) {
  void *made = NULL;
  const int image = 0;
  IS(hipModuleLoad(&made, "a"), 801);
  IS(hipModuleLoadData(&made, &image), 801);
  IS(hipModuleGetFunction(&made, NULL, "f"), 801);
  IS(hipModuleLaunchKernel(NULL), 801);
  IS(hipModuleUnload(NULL), 801);
  void **modules = __hipRegisterFatBinary(&image);
  __hipRegisterFunction(modules, (void *)refusals, "_Z4mineii", "_Z4mineii", 0, 0, 0, 0, 0, 0);
  IS(hipLaunchKernel((void *)refusals), 801);
  __hipUnregisterFatBinary(modules);
  IS(hipGetLastError(), 801);
  return 0;
}

int main(void) {
  if (properties() || pointers() || refusals()) return 1;
  puts("ok");
  return 0;
}
