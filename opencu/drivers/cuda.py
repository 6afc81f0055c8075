"""NVIDIA's GPUs, through libcuda alone: PTX from our compiler, no toolkit."""

from opencu.drivers.core import CoreDriver
from opencu.drivers.interface import Target

# The PTX version is the oldest that knows the chip: a driver takes those up to its own.
TARGETS = {
    name: Target(name, "simt", "nvptx64-nvidia-cuda", name, ptx, 16, 255, 256, 32, 48 << 10, "ptx")
    for name, ptx in (("sm_80", "+ptx70"), ("sm_90a", "+ptx80"), ("sm_100", "+ptx86"))
}

SOURCE = r"""
#include <pthread.h>
#include <stddef.h>

enum { NEEDED = 12000, MAJOR = 1000, MINOR = 10, MOST = 64 };  /* CUDA 12.0; devices */
#define VENDOR "cuda"
#define API "CUDA"
#define IS "a driver for CUDA"
#define NEEDED_IS "one for CUDA"
#define GPU(name) cu##name
#define cuGetDeviceCount cuDeviceGetCount
#define cuMemGetInfo cuMemGetInfo_v2
#define cuMalloc cuMemAlloc_v2
#define cuMallocManaged cuMemAllocManaged
#define cuHostMalloc cuMemHostAlloc
#define cuFree cuMemFree_v2
#define cuHostFree cuMemFreeHost
#define cuStreamCreateWithFlags cuStreamCreate
#define cuStreamDestroy cuStreamDestroy_v2
#define cuEventCreateWithFlags cuEventCreate
#define cuEventDestroy cuEventDestroy_v2
#define cuModuleLaunchKernel cuLaunchKernel
#define cuIpcOpenMemHandle cuIpcOpenMemHandle_v2
#define cuMemGetAddressRange cuMemGetAddressRange_v2
#define cuStreamBeginCapture cuStreamBeginCapture_v2

typedef unsigned long long address;  /* CUdeviceptr; contexts, streams, ... are pointers */
typedef struct {                     /* half of CUDA_MEMCPY2D */
  size_t x, y;
  int type;                          /* 4: any address of the process, host's or device's */
  const void *host;
  address device;
  void *array;
  size_t pitch;
} plane;
typedef struct { plane src, dst; size_t width, height; } copy_2d;

#define OWN(F) \
  F(cuGetErrorName, (int error, const char **out)) \
  F(cuGetErrorString, (int error, const char **out)) \
  F(cuDeviceGet, (int *out, int ordinal)) F(cuDeviceGetName, (char *out, int bytes, int device)) \
  F(cuDeviceGetAttribute, (int *out, int attribute, int device)) \
  F(cuDeviceTotalMem_v2, (size_t *out, int device)) \
  F(cuDevicePrimaryCtxRetain, (void **out, int device)) F(cuCtxPushCurrent_v2, (void *context)) \
  F(cuCtxPopCurrent_v2, (void **out)) F(cuCtxEnablePeerAccess, (void *context, unsigned flags)) \
  F(cuMemcpyAsync, (void *dst, const void *src, size_t bytes, void *stream)) \
  F(cuMemcpy2DAsync_v2, (const copy_2d *copy, void *stream)) \
  F(cuMemsetD2D8Async, (void *, size_t pitch, unsigned char, size_t n, size_t rows, void *stream)) \
  F(cuMemsetD2D16Async, (void *, size_t pitch, unsigned short, size_t n, size_t rows, void *s)) \
  F(cuMemsetD2D32Async, (void *, size_t pitch, unsigned, size_t n, size_t rows, void *stream)) \
  F(cuModuleLoadDataEx, (void **out, const void *, unsigned n, int *options, void **values))
#include "gpu.h"

static int devices[MOST];
static void *_Atomic contexts[MOST];  /* the primary ones, shared with all else in the process */

static int retain(int d) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  int error = 0;
  void *context = NULL;
  if (contexts[d]) return 0;
  pthread_mutex_lock(&lock);
  if (!contexts[d] && !(error = api.cuDevicePrimaryCtxRetain(&context, devices[d])))
    contexts[d] = context;
  pthread_mutex_unlock(&lock);
  return error;
}

static int enter(int d, void **was) {
  int error = retain(d);
  return error ? error : api.cuCtxPushCurrent_v2(contexts[d]);
}
static void leave(int d, void *was) { api.cuCtxPopCurrent_v2(&was); }

static void describe(int error, const char **name, const char **text) {
  api.cuGetErrorName(error, name);
  api.cuGetErrorString(error, text);
}

static void *open_library(char path[512]) {
  const char *folders = "/usr/lib/x86_64-linux-gnu:/usr/lib64:/usr/lib:/usr/lib/wsl/lib:"
                        "/usr/local/nvidia/lib64:/run/opengl-driver/lib";
  return ocu_vendor_open("OPENCU_CUDA_DRIVER", "libcuda.so.1", folders, path, 512);
}

static int count(int *n) {
  int error = api.cuDeviceGetCount(n);
  if (*n > MOST) *n = MOST;
  for (int i = 0; i < *n && !error; i++) error = api.cuDeviceGet(&devices[i], i);
  return error;
}

static ocu_status info(int d, ocu_device_info *out) {
  static const int numbers[] = {75, 76, 16, 38};  /* CU_DEVICE_ATTRIBUTE_* */
  int found[4], error = api.cuDeviceGetName(out->name, sizeof out->name, devices[d]);
  size_t free, total;
  for (int i = 0; i < 4 && !error; i++)
    error = api.cuDeviceGetAttribute(&found[i], numbers[i], devices[d]);
  if (!error) error = api.cuDeviceTotalMem_v2(&total, devices[d]);
  if (error) return failed(d, "cuDeviceGetAttribute", error);
  int major = found[0], minor = found[1];
  out->threads = out->cores = found[2];
  out->l2 = found[3];
  out->memory_total = out->memory_free = (int64_t)total;
  if (major < 8 || (major == 9 && minor))
    return ocu_fail(OCU_UNSUPPORTED, "there is no code for its compute capability, %d.%d", major,
                    minor);
  strcpy(out->target, major == 8 ? "sm_80" : major == 9 ? "sm_90a" : "sm_100");
  ocu_status status = CALL(d, cuMemGetInfo_v2, &free, &total);
  if (!status) out->memory_free = (int64_t)free;
  return status;
}

static ocu_status copy(int d, void *s, const ocu_rect *r) {
  ocu_status status = OCU_OK;
  if (r->height > 1 && r->dst_pitch <= INT_MAX && r->src_pitch <= INT_MAX) {
    plane src = {.type = 4, .device = (address)r->src, .pitch = r->src_pitch};
    plane dst = {.type = 4, .device = (address)r->dst, .pitch = r->dst_pitch};
    return CALL(d, cuMemcpy2DAsync_v2, &(copy_2d){src, dst, r->width, r->height}, s);
  }
  for (size_t i = 0; i < r->height && !status; i++)
    status = CALL(d, cuMemcpyAsync, r->dst + i * r->dst_pitch, r->src + i * r->src_pitch, r->width,
                  s);
  return status;
}

#define SET(bits, type, n) \
  (r->height == 1 ? CALL(d, cuMemsetD##bits##Async, r->dst, (type)v, n, s) \
                  : CALL(d, cuMemsetD2D##bits##Async, r->dst, r->dst_pitch, (type)v, n, \
                         r->height, s))
static ocu_status fill(int d, void *s, const ocu_rect *r) {
  uint32_t v = (uint32_t)r->pattern;  /* the core's patterns repeat after 1, 2 or 4 bytes */
  if (v == (v & 0xff) * 0x01010101u) return SET(8, unsigned char, r->width);
  if (v == (v & 0xffff) * 0x00010001u) return SET(16, unsigned short, r->width / 2);
  return SET(32, unsigned, r->width / 4);
}

static ocu_status load_module(int d, void **out, const void *code) {
  char log[1024] = "";
  int options[] = {5, 6};  /* the buffer for the compiler's errors, its size */
  void *values[] = {log, (void *)sizeof log};
  ocu_status status = CALL(d, cuModuleLoadDataEx, out, code, 2, options, values);
  return status && *log ? ocu_fail(status, "cuda:%d does not take the code: %s", d, log) : status;
}

static int most_programs(unsigned threads) { return INT_MAX; }

static ocu_status peer(int d, int other, int *can) {
  ocu_status status = CALL(d, cuDeviceCanAccessPeer, can, devices[d], devices[other]);
  if (!status && *can) status = failed(d, "cuDevicePrimaryCtxRetain", retain(other));
  return status || !*can ? status : CALL(d, cuCtxEnablePeerAccess, contexts[other], 0);
}

const ocu_driver ocu_cuda_driver = TABLE;
"""

driver = CoreDriver("cuda", TARGETS)
