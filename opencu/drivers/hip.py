"""AMD's GPUs, through libamdhip64's module calls alone: code objects from our compiler."""

from opencu.drivers.core import CoreDriver
from opencu.drivers.interface import Target

TARGETS = {
    name: Target(name, "simt", "amdgcn-amd-amdhsa", name, "", 16, 255, 256, wave, 64 << 10, "elf")
    for name, wave in (("gfx90a", 64), ("gfx942", 64), ("gfx1100", 32))
}

SOURCE = r"""
#include <stdbool.h>
#include <stddef.h>

/* HIP 6.0: its device properties are those below */
enum { NEEDED = 60000000, MAJOR = 10000000, MINOR = 100000 };
#define VENDOR "hip"
#define API "HIP"
#define IS API
#define NEEDED_IS API
#define GPU(name) hip##name

typedef struct {             /* hipDeviceProp_tR0600; what is between is not needed here */
  char name[256], gap0[32];
  size_t memory;
  char gap1[92];
  int cores;
  char gap2[224];
  int l2;
  char gap3[540], arch[256], rest[56];
} properties;
_Static_assert(offsetof(properties, memory) == 288 && offsetof(properties, cores) == 388 &&
               offsetof(properties, l2) == 616 && offsetof(properties, arch) == 1160 &&
               sizeof(properties) == 1472, "the layout of hipDeviceProp_tR0600");

typedef const char *text_of(int error);  /* two calls return that, and no error */
#define OWN(F) \
  F(hipGetErrorName, (int error)) F(hipGetErrorString, (int error)) \
  F(hipGetDevice, (int *out)) F(hipSetDevice, (int device)) \
  F(hipGetDevicePropertiesR0600, (properties *out, int device)) \
  F(hipMemcpyAsync, (void *dst, const void *src, size_t bytes, int kind, void *stream)) \
  F(hipMemcpy2DAsync, (void *dst, size_t dst_pitch, const void *src, size_t src_pitch, \
    size_t width, size_t height, int kind, void *stream)) \
  F(hipMemset2DAsync, (void *dst, size_t pitch, int value, size_t n, size_t rows, void *stream)) \
  F(hipModuleLoadData, (void **out, const void *image)) \
  F(hipDeviceEnablePeerAccess, (int other, unsigned flags))
#include "gpu.h"

static int enter(int d, void **was) {
  int own = d, error = api.hipGetDevice(&own);
  *was = (void *)(intptr_t)own;
  return error || own == d ? error : api.hipSetDevice(d);
}
static void leave(int d, void *was) {
  if ((int)(intptr_t)was != d) api.hipSetDevice((int)(intptr_t)was);
}

static void describe(int error, const char **name, const char **text) {
  *name = ((text_of *)(void *)api.hipGetErrorName)(error);
  *text = ((text_of *)(void *)api.hipGetErrorString)(error);
}

static void *open_library(char path[512]) {
  const char *folders = "/opt/rocm/lib:/usr/lib/x86_64-linux-gnu:/usr/lib64:/usr/lib";
  void *library = ocu_vendor_open("OPENCU_HIP_DRIVER", "libamdhip64.so.7", folders, path, 512);
  if (library) return library;
  return ocu_vendor_open("OPENCU_HIP_DRIVER", "libamdhip64.so.6", folders, path, 512);
}

static int count(int *n) { return api.hipGetDeviceCount(n); }

static ocu_status info(int d, ocu_device_info *out) {
  static const char *const targets[] = {"gfx90a", "gfx942", "gfx1100"};
  properties p;
  size_t free, total;
  ocu_status status = CALL(d, hipGetDevicePropertiesR0600, &p, d);
  if (status) return status;
  snprintf(out->name, sizeof out->name, "%.*s", (int)sizeof out->name - 1, p.name);
  out->threads = out->cores = p.cores;
  out->l2 = p.l2;
  out->memory_total = out->memory_free = (int64_t)p.memory;
  *out->target = 0;
  p.arch[strcspn(p.arch, ":")] = 0;  /* "gfx90a:sramecc+:xnack-": our code is for any of these */
  for (int i = 0; i < 3; i++)
    if (!strcmp(p.arch, targets[i])) strcpy(out->target, targets[i]);
  if (!*out->target)
    return ocu_fail(OCU_UNSUPPORTED, "there is no code for a %.32s", p.arch);
  status = CALL(d, hipMemGetInfo, &free, &total);
  if (!status) out->memory_free = (int64_t)free;
  return status;
}

static ocu_status copy(int d, void *s, const ocu_rect *r) {  /* kind 4: as the addresses say */
  return r->height == 1 ? CALL(d, hipMemcpyAsync, r->dst, r->src, r->width, 4, s)
                        : CALL(d, hipMemcpy2DAsync, r->dst, r->dst_pitch, r->src, r->src_pitch,
                               r->width, r->height, 4, s);
}

static ocu_status fill(int d, void *s, const ocu_rect *r) {
  uint32_t v = (uint32_t)r->pattern;  /* the core's patterns repeat after 1, 2 or 4 bytes */
  bool bytes = v == (v & 0xff) * 0x01010101u, halves = v == (v & 0xffff) * 0x00010001u;
  ocu_status status = OCU_OK;
  if (bytes && r->height > 1)
    return CALL(d, hipMemset2DAsync, r->dst, r->dst_pitch, v & 0xff, r->width, r->height, s);
  for (size_t i = 0; i < r->height && !status; i++) {
    char *row = r->dst + i * r->dst_pitch;
    status = bytes    ? CALL(d, hipMemsetD8Async, row, (unsigned char)v, r->width, s)
             : halves ? CALL(d, hipMemsetD16Async, row, (unsigned short)v, r->width / 2, s)
                      : CALL(d, hipMemsetD32Async, row, v, r->width / 4, s);
  }
  return status;
}

static ocu_status load_module(int d, void **out, const void *code) {
  return CALL(d, hipModuleLoadData, out, code);
}

static int most_programs(unsigned threads) { return INT_MAX / threads; }  /* HIP counts threads */

static ocu_status peer(int d, int other, int *can) {
  ocu_status status = CALL(d, hipDeviceCanAccessPeer, can, d, other);
  return status || !*can ? status : CALL(d, hipDeviceEnablePeerAccess, other, 0);
}

const ocu_driver ocu_hip_driver = TABLE;
"""

driver = CoreDriver("hip", TARGETS)
