"""NVIDIA's GPUs, through libcuda alone: PTX from our compiler, no toolkit."""

from opencu.drivers.core import CoreDriver
from opencu.drivers.interface import Target

# The PTX version is the oldest that knows the chip: a driver takes those up to its own.
TARGETS = {
    name: Target(name, "simt", "nvptx64-nvidia-cuda", name, ptx, 16, 255, 256, 32, 48 << 10, "ptx")
    for name, ptx in (("sm_80", "+ptx70"), ("sm_90a", "+ptx80"), ("sm_100", "+ptx86"))
}

SOURCE = r"""
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "driver.h"

enum { NEEDED = 12000, MOST = 64 };  /* CUDA 12.0; devices */
typedef unsigned long long address;  /* CUdeviceptr; contexts, streams, ... are pointers */
typedef struct { char bytes[64]; } ipc_handle;
typedef struct {                     /* half of CUDA_MEMCPY2D */
  size_t x, y;
  int type;                          /* 4: any address of the process, host's or device's */
  const void *host;
  address device;
  void *array;
  size_t pitch;
} plane;
typedef struct { plane src, dst; size_t width, height; } copy_2d;

#define FUNCTIONS(F) \
  F(cuDriverGetVersion, (int *version)) F(cuInit, (unsigned flags)) \
  F(cuGetErrorName, (int error, const char **out)) \
  F(cuGetErrorString, (int error, const char **out)) F(cuDeviceGetCount, (int *out)) \
  F(cuDeviceGet, (int *out, int ordinal)) F(cuDeviceGetName, (char *out, int bytes, int device)) \
  F(cuDeviceGetAttribute, (int *out, int attribute, int device)) \
  F(cuDeviceTotalMem_v2, (size_t *out, int device)) \
  F(cuDevicePrimaryCtxRetain, (void **out, int device)) F(cuCtxPushCurrent_v2, (void *context)) \
  F(cuCtxPopCurrent_v2, (void **out)) F(cuMemGetInfo_v2, (size_t *free, size_t *total)) \
  F(cuMemAlloc_v2, (void **out, size_t bytes)) \
  F(cuMemAllocManaged, (void **out, size_t bytes, unsigned flags)) \
  F(cuMemHostAlloc, (void **out, size_t bytes, unsigned flags)) F(cuMemFree_v2, (void *p)) \
  F(cuMemFreeHost, (void *p)) F(cuStreamCreate, (void **out, unsigned flags)) \
  F(cuStreamDestroy_v2, (void *stream)) F(cuStreamSynchronize, (void *stream)) \
  F(cuStreamQuery, (void *stream)) \
  F(cuStreamWaitEvent, (void *stream, void *event, unsigned flags)) \
  F(cuEventCreate, (void **out, unsigned flags)) F(cuEventDestroy_v2, (void *event)) \
  F(cuEventRecord, (void *event, void *stream)) F(cuEventSynchronize, (void *event)) \
  F(cuEventQuery, (void *event)) F(cuEventElapsedTime, (float *ms, void *from, void *to)) \
  F(cuLaunchHostFunc, (void *stream, void (*fn)(void *), void *arg)) \
  F(cuMemcpyAsync, (void *dst, const void *src, size_t bytes, void *stream)) \
  F(cuMemcpy2DAsync_v2, (const copy_2d *copy, void *stream)) \
  F(cuMemsetD8Async, (void *dst, unsigned char value, size_t n, void *stream)) \
  F(cuMemsetD16Async, (void *dst, unsigned short value, size_t n, void *stream)) \
  F(cuMemsetD32Async, (void *dst, unsigned value, size_t n, void *stream)) \
  F(cuMemsetD2D8Async, (void *, size_t pitch, unsigned char, size_t n, size_t rows, void *stream)) \
  F(cuMemsetD2D16Async, (void *, size_t pitch, unsigned short, size_t n, size_t rows, void *s)) \
  F(cuMemsetD2D32Async, (void *, size_t pitch, unsigned, size_t n, size_t rows, void *stream)) \
  F(cuModuleLoadDataEx, (void **out, const void *, unsigned n, int *options, void **values)) \
  F(cuModuleGetFunction, (void **out, void *module, const char *name)) \
  F(cuModuleUnload, (void *module)) \
  F(cuLaunchKernel, (void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, \
    unsigned by, unsigned bz, unsigned shared, void *stream, void **params, void **extra)) \
  F(cuDeviceCanAccessPeer, (int *out, int device, int other)) \
  F(cuCtxEnablePeerAccess, (void *context, unsigned flags)) \
  F(cuIpcGetMemHandle, (ipc_handle *out, void *p)) \
  F(cuIpcOpenMemHandle_v2, (void **out, ipc_handle handle, unsigned flags)) \
  F(cuMemGetAddressRange_v2, (void **base, size_t *bytes, void *p)) \
  F(cuIpcCloseMemHandle, (void *p)) F(cuStreamBeginCapture_v2, (void *stream, int mode)) \
  F(cuStreamEndCapture, (void *stream, void **graph)) \
  F(cuGraphInstantiateWithFlags, (void **out, void *graph, unsigned long long flags)) \
  F(cuGraphDestroy, (void *graph)) F(cuGraphLaunch, (void *executable, void *stream)) \
  F(cuGraphExecDestroy, (void *executable))

#define POINTER(name, parameters) int (*name) parameters;
#define NAME(name, parameters) #name,
static struct { FUNCTIONS(POINTER) } cu;  /* all return a CUresult */
static const char *const names[] = {FUNCTIONS(NAME)};

static int devices[MOST];
static void *_Atomic contexts[MOST];  /* the primary ones, shared with all else in the process */

static int retain(int d) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  int error = 0;
  void *context = NULL;
  if (contexts[d]) return 0;
  pthread_mutex_lock(&lock);
  if (!contexts[d] && !(error = cu.cuDevicePrimaryCtxRetain(&context, devices[d])))
    contexts[d] = context;
  pthread_mutex_unlock(&lock);
  return error;
}

static int enter(int d) {
  int error = retain(d);
  return error ? error : cu.cuCtxPushCurrent_v2(contexts[d]);
}

static ocu_status failed(int d, const char *call, int error) {
  const char *name = "an unknown error", *text = "";
  ocu_status status = ocu_vendor_status(error);
  if (!status || status == OCU_NOT_READY) return status;
  cu.cuGetErrorName(error, &name);
  cu.cuGetErrorString(error, &text);
  return ocu_fail(status, "cuda:%d: %s returned %s (%s)", d, call, name, text);
}

/* One call on the device's context; the caller's own context is put back. */
#define CALL(d, name, ...) ({ \
  void *left_; \
  int error_ = enter(d), done_ = error_; \
  if (!error_) done_ = cu.name(__VA_ARGS__); \
  if (!error_) cu.cuCtxPopCurrent_v2(&left_); \
  failed(d, #name, done_); })

static int open_driver(char *why, size_t bytes) {
  char path[512];
  const char *folders = "/usr/lib/x86_64-linux-gnu:/usr/lib64:/usr/lib:/usr/lib/wsl/lib:"
                        "/usr/local/nvidia/lib64:/run/opengl-driver/lib";
  void *library = ocu_vendor_open("OPENCU_CUDA_DRIVER", "libcuda.so.1", folders, path, sizeof path);
  if (!library) return snprintf(why, bytes, "%s", path), 0;
  const char *missing =
      ocu_vendor_functions(library, names, sizeof names / sizeof *names, (void **)&cu);
  int version = 0, n = 0;
  if (cu.cuDriverGetVersion) cu.cuDriverGetVersion(&version);
  if (missing || version < NEEDED) {
    snprintf(why, bytes, "%s is a driver for CUDA %d.%d%s%s; needed is one for CUDA %d.%d or newer",
             path, version / 1000, version % 1000 / 10, missing ? " and has no " : "",
             missing ? missing : "", NEEDED / 1000, NEEDED % 1000 / 10);
    return 0;
  }
  int error = cu.cuInit(0);
  if (!error) error = cu.cuDeviceGetCount(&n);
  if (n > MOST) n = MOST;
  for (int i = 0; i < n && !error; i++) error = cu.cuDeviceGet(&devices[i], i);
  const char *name = "it finds no device";
  if (error) cu.cuGetErrorName(error, &name);
  if (error || !n) snprintf(why, bytes, "%s (CUDA %d.%d): %s", path, version / 1000,
                            version % 1000 / 10, name);
  return error ? 0 : n;
}

static ocu_status info(int d, ocu_device_info *out) {
  static const int numbers[] = {75, 76, 16, 38};  /* CU_DEVICE_ATTRIBUTE_* */
  int found[4], error = cu.cuDeviceGetName(out->name, sizeof out->name, devices[d]);
  size_t free, total;
  for (int i = 0; i < 4 && !error; i++)
    error = cu.cuDeviceGetAttribute(&found[i], numbers[i], devices[d]);
  if (!error) error = cu.cuDeviceTotalMem_v2(&total, devices[d]);
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

static ocu_status alloc(int d, size_t bytes, ocu_mem_kind kind, void **out) {
  if (kind == OCU_MEM_HOST) return CALL(d, cuMemHostAlloc, out, bytes, 3);  /* portable, mapped */
  if (kind == OCU_MEM_MANAGED) return CALL(d, cuMemAllocManaged, out, bytes, 1);
  return CALL(d, cuMemAlloc_v2, out, bytes);
}

static ocu_status free_memory(int d, void *p, ocu_mem_kind kind) {
  return kind == OCU_MEM_HOST ? CALL(d, cuMemFreeHost, p) : CALL(d, cuMemFree_v2, p);
}

static ocu_status stream_create(int d, int flags, void **out) {
  return CALL(d, cuStreamCreate, out, flags & OCU_STREAM_NONBLOCKING);
}
static ocu_status stream_destroy(int d, void *s) { return CALL(d, cuStreamDestroy_v2, s); }
static ocu_status stream_sync(int d, void *s) { return CALL(d, cuStreamSynchronize, s); }
static ocu_status stream_query(int d, void *s) { return CALL(d, cuStreamQuery, s); }

static ocu_status event_create(int d, int flags, void **out) {
  return CALL(d, cuEventCreate, out, flags & OCU_EVENT_NO_TIMING ? 2 : 0);
}
static ocu_status event_destroy(int d, void *e) { return CALL(d, cuEventDestroy_v2, e); }
static ocu_status event_record(int d, void *e, void *s) { return CALL(d, cuEventRecord, e, s); }
static ocu_status event_sync(int d, void *e) { return CALL(d, cuEventSynchronize, e); }
static ocu_status event_query(int d, void *e) { return CALL(d, cuEventQuery, e); }
static ocu_status event_elapsed(int d, void *from, void *to, float *ms) {
  return CALL(d, cuEventElapsedTime, ms, from, to);
}
static ocu_status stream_wait(int d, void *s, void *e) {
  return CALL(d, cuStreamWaitEvent, s, e, 0);
}
static ocu_status host_call(int d, void *s, void (*fn)(void *), void *arg) {
  return CALL(d, cuLaunchHostFunc, s, fn, arg);
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

typedef struct { void *module, *function; unsigned threads; } loaded;

static ocu_status load(int d, const ocu_group_code *code, void **out) {
  char log[1024] = "";
  int options[] = {5, 6};  /* the buffer for the compiler's errors, its size */
  void *values[] = {log, (void *)sizeof log};
  loaded *l = malloc(sizeof *l);
  if (!l) return ocu_fail(OCU_OUT_OF_MEMORY, "there is no host memory for a kernel");
  l->threads = code->threads;
  ocu_status status = CALL(d, cuModuleLoadDataEx, &l->module, code + 1, 2, options, values);
  if (status && *log) status = ocu_fail(status, "cuda:%d does not take the code: %s", d, log);
  if (!status) {
    status = CALL(d, cuModuleGetFunction, &l->function, l->module, "opencu_kernel");
    if (status) CALL(d, cuModuleUnload, l->module);
  }
  if (status) free(l);
  else *out = l;
  return status;
}

static ocu_status unload(int d, void *code) {
  void *module = ((loaded *)code)->module;
  free(code);
  return CALL(d, cuModuleUnload, module);
}

static ocu_status launch(int d, void *s, const ocu_work *w) {
  const loaded *l = w->code;
  void *params[256];
  if (w->programs > INT_MAX || w->n_params > 256)
    return ocu_fail(OCU_UNSUPPORTED, "cuda:%d takes %d programs of 256 words, not %lld of %d", d,
                    INT_MAX, (long long)w->programs, w->n_params);
  for (int i = 0; i < w->n_params; i++) params[i] = (void *)&w->params[i];
  return CALL(d, cuLaunchKernel, l->function, (unsigned)w->programs, 1, 1, l->threads, 1, 1, 0, s,
              params, NULL);
}

static ocu_status peer(int d, int other, int *can) {
  ocu_status status = CALL(d, cuDeviceCanAccessPeer, can, devices[d], devices[other]);
  if (!status && *can) status = failed(d, "cuDevicePrimaryCtxRetain", retain(other));
  return status || !*can ? status : CALL(d, cuCtxEnablePeerAccess, contexts[other], 0);
}

static ocu_status ipc_get(int d, void *p, char handle[64]) {
  return CALL(d, cuIpcGetMemHandle, (ipc_handle *)handle, p);
}
static ocu_status ipc_open(int d, const char handle[64], void **out, size_t *bytes) {
  ocu_status status = CALL(d, cuIpcOpenMemHandle_v2, out, *(const ipc_handle *)handle, 1);
  return status ? status : CALL(d, cuMemGetAddressRange_v2, out, bytes, *out);
}
static ocu_status ipc_close(int d, void *p) { return CALL(d, cuIpcCloseMemHandle, p); }

static ocu_status graph_begin(int d, void *s) {
  return CALL(d, cuStreamBeginCapture_v2, s, 2);  /* relaxed: other calls stay allowed */
}
static ocu_status graph_end(int d, void *s, void **graph) {
  void *recorded = NULL;
  ocu_status status = CALL(d, cuStreamEndCapture, s, &recorded);
  if (status) return status;
  status = CALL(d, cuGraphInstantiateWithFlags, graph, recorded, 0);
  CALL(d, cuGraphDestroy, recorded);
  return status;
}
static ocu_status graph_launch(int d, void *g, void *s) { return CALL(d, cuGraphLaunch, g, s); }
static ocu_status graph_destroy(int d, void *graph) { return CALL(d, cuGraphExecDestroy, graph); }

const ocu_driver ocu_cuda_driver = {
    "cuda", open_driver, info, alloc, free_memory, stream_create, stream_destroy, stream_sync,
    stream_query, event_create, event_destroy, event_record, event_sync, event_query, event_elapsed,
    stream_wait, host_call, copy, fill, load, unload, launch, 1, peer, ipc_get, ipc_open, ipc_close,
    graph_begin, graph_end, graph_launch, graph_destroy};
"""

driver = CoreDriver("cuda", TARGETS)
