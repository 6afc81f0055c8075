"""AMD's GPUs, through libamdhip64's module calls alone: code objects from our compiler."""

from opencu.drivers.core import CoreDriver
from opencu.drivers.interface import Target

TARGETS = {
    name: Target(name, "simt", "amdgcn-amd-amdhsa", name, "", 16, 255, 256, wave, 64 << 10, "elf")
    for name, wave in (("gfx90a", 64), ("gfx942", 64), ("gfx1100", 32))
}

SOURCE = r"""
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "driver.h"

enum { NEEDED = 60000000 };  /* HIP 6.0: its device properties are those below */

typedef struct { char bytes[64]; } ipc_handle;
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

/* All but those of strings return a hipError_t, whose numbers are CUDA's. */
#define FUNCTIONS(F) \
  F(hipDriverGetVersion, (int *version)) F(hipInit, (unsigned flags)) \
  F(hipGetDeviceCount, (int *out)) F(hipGetDevice, (int *out)) F(hipSetDevice, (int device)) \
  F(hipGetDevicePropertiesR0600, (properties *out, int device)) \
  F(hipMemGetInfo, (size_t *free, size_t *total)) F(hipMalloc, (void **out, size_t bytes)) \
  F(hipMallocManaged, (void **out, size_t bytes, unsigned flags)) \
  F(hipHostMalloc, (void **out, size_t bytes, unsigned flags)) F(hipFree, (void *p)) \
  F(hipHostFree, (void *p)) F(hipStreamCreateWithFlags, (void **out, unsigned flags)) \
  F(hipStreamDestroy, (void *stream)) F(hipStreamSynchronize, (void *stream)) \
  F(hipStreamQuery, (void *stream)) \
  F(hipStreamWaitEvent, (void *stream, void *event, unsigned flags)) \
  F(hipEventCreateWithFlags, (void **out, unsigned flags)) F(hipEventDestroy, (void *event)) \
  F(hipEventRecord, (void *event, void *stream)) F(hipEventSynchronize, (void *event)) \
  F(hipEventQuery, (void *event)) F(hipEventElapsedTime, (float *ms, void *from, void *to)) \
  F(hipLaunchHostFunc, (void *stream, void (*fn)(void *), void *arg)) \
  F(hipMemcpyAsync, (void *dst, const void *src, size_t bytes, int kind, void *stream)) \
  F(hipMemcpy2DAsync, (void *dst, size_t dst_pitch, const void *src, size_t src_pitch, \
    size_t width, size_t height, int kind, void *stream)) \
  F(hipMemsetD8Async, (void *dst, unsigned char value, size_t n, void *stream)) \
  F(hipMemsetD16Async, (void *dst, unsigned short value, size_t n, void *stream)) \
  F(hipMemsetD32Async, (void *dst, int value, size_t n, void *stream)) \
  F(hipMemset2DAsync, (void *dst, size_t pitch, int value, size_t n, size_t rows, void *stream)) \
  F(hipModuleLoadData, (void **out, const void *image)) \
  F(hipModuleGetFunction, (void **out, void *module, const char *name)) \
  F(hipModuleUnload, (void *module)) \
  F(hipModuleLaunchKernel, (void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, \
    unsigned by, unsigned bz, unsigned shared, void *stream, void **params, void **extra)) \
  F(hipDeviceCanAccessPeer, (int *out, int device, int other)) \
  F(hipDeviceEnablePeerAccess, (int other, unsigned flags)) \
  F(hipIpcGetMemHandle, (ipc_handle *out, void *p)) \
  F(hipIpcOpenMemHandle, (void **out, ipc_handle handle, unsigned flags)) \
  F(hipMemGetAddressRange, (void **base, size_t *bytes, void *p)) \
  F(hipIpcCloseMemHandle, (void *p)) F(hipStreamBeginCapture, (void *stream, int mode)) \
  F(hipStreamEndCapture, (void *stream, void **graph)) \
  F(hipGraphInstantiateWithFlags, (void **out, void *graph, unsigned long long flags)) \
  F(hipGraphDestroy, (void *graph)) F(hipGraphLaunch, (void *executable, void *stream)) \
  F(hipGraphExecDestroy, (void *executable))

#define POINTER(name, parameters) int (*name) parameters;
#define NAME(name, parameters) #name,
static struct {
  FUNCTIONS(POINTER)
  const char *(*hipGetErrorName)(int error);
  const char *(*hipGetErrorString)(int error);
} hip;
static const char *const names[] = {FUNCTIONS(NAME) "hipGetErrorName", "hipGetErrorString"};

static ocu_status failed(int d, const char *call, int error) {
  ocu_status status = ocu_vendor_status(error);
  if (!status || status == OCU_NOT_READY) return status;
  return ocu_fail(status, "hip:%d: %s returned %s (%s)", d, call,
                  hip.hipGetErrorName(error), hip.hipGetErrorString(error));
}

/* One call with the device as the thread's current one; the caller's own is put back. */
#define CALL(d, name, ...) ({ \
  int own_ = d, error_ = hip.hipGetDevice(&own_); \
  if (!error_ && own_ != d) error_ = hip.hipSetDevice(d); \
  if (!error_) error_ = hip.name(__VA_ARGS__); \
  if (own_ != d) hip.hipSetDevice(own_); \
  failed(d, #name, error_); })

static int open_driver(char *why, size_t bytes) {
  char path[512];
  const char *folders = "/opt/rocm/lib:/usr/lib/x86_64-linux-gnu:/usr/lib64:/usr/lib";
  void *library = NULL;
  for (int major = 7; major >= 6 && !library; major--) {
    char name[] = "libamdhip64.so.0";
    name[sizeof name - 2] = (char)('0' + major);
    library = ocu_vendor_open("OPENCU_HIP_DRIVER", name, folders, path, sizeof path);
  }
  if (!library) return snprintf(why, bytes, "%s", path), 0;
  const char *missing =
      ocu_vendor_functions(library, names, sizeof names / sizeof *names, (void **)&hip);
  int version = 0, n = 0;
  if (hip.hipDriverGetVersion) hip.hipDriverGetVersion(&version);
  if (missing || version < NEEDED) {
    snprintf(why, bytes, "%s is HIP %d.%d%s%s; needed is HIP %d.%d or newer", path,
             version / 10000000, version / 100000 % 100, missing ? " and has no " : "",
             missing ? missing : "", NEEDED / 10000000, NEEDED / 100000 % 100);
    return 0;
  }
  int error = hip.hipInit(0);
  if (!error) error = hip.hipGetDeviceCount(&n);
  const char *name = error ? hip.hipGetErrorName(error) : "it finds no device";
  if (error || !n) snprintf(why, bytes, "%s (HIP %d.%d): %s", path, version / 10000000,
                            version / 100000 % 100, name);
  return error ? 0 : n;
}

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

static ocu_status alloc(int d, size_t bytes, ocu_mem_kind kind, void **out) {
  if (kind == OCU_MEM_HOST) return CALL(d, hipHostMalloc, out, bytes, 3);  /* portable, mapped */
  if (kind == OCU_MEM_MANAGED) return CALL(d, hipMallocManaged, out, bytes, 1);
  return CALL(d, hipMalloc, out, bytes);
}

static ocu_status free_memory(int d, void *p, ocu_mem_kind kind) {
  return kind == OCU_MEM_HOST ? CALL(d, hipHostFree, p) : CALL(d, hipFree, p);
}

static ocu_status stream_create(int d, int flags, void **out) {
  return CALL(d, hipStreamCreateWithFlags, out, flags & OCU_STREAM_NONBLOCKING);
}
static ocu_status stream_destroy(int d, void *s) { return CALL(d, hipStreamDestroy, s); }
static ocu_status stream_sync(int d, void *s) { return CALL(d, hipStreamSynchronize, s); }
static ocu_status stream_query(int d, void *s) { return CALL(d, hipStreamQuery, s); }

static ocu_status event_create(int d, int flags, void **out) {
  return CALL(d, hipEventCreateWithFlags, out, flags & OCU_EVENT_NO_TIMING ? 2 : 0);
}
static ocu_status event_destroy(int d, void *e) { return CALL(d, hipEventDestroy, e); }
static ocu_status event_record(int d, void *e, void *s) { return CALL(d, hipEventRecord, e, s); }
static ocu_status event_sync(int d, void *e) { return CALL(d, hipEventSynchronize, e); }
static ocu_status event_query(int d, void *e) { return CALL(d, hipEventQuery, e); }
static ocu_status event_elapsed(int d, void *from, void *to, float *ms) {
  return CALL(d, hipEventElapsedTime, ms, from, to);
}
static ocu_status stream_wait(int d, void *s, void *e) {
  return CALL(d, hipStreamWaitEvent, s, e, 0);
}
static ocu_status host_call(int d, void *s, void (*fn)(void *), void *arg) {
  return CALL(d, hipLaunchHostFunc, s, fn, arg);
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
                      : CALL(d, hipMemsetD32Async, row, (int)v, r->width / 4, s);
  }
  return status;
}

typedef struct { void *module, *function; unsigned threads; } loaded;

static ocu_status load(int d, const ocu_group_code *code, void **out) {
  loaded *l = malloc(sizeof *l);
  if (!l) return ocu_fail(OCU_OUT_OF_MEMORY, "there is no host memory for a kernel");
  l->threads = code->threads;
  ocu_status status = CALL(d, hipModuleLoadData, &l->module, code + 1);
  if (!status) {
    status = CALL(d, hipModuleGetFunction, &l->function, l->module, "opencu_kernel");
    if (status) hip.hipModuleUnload(l->module);
  }
  if (status) free(l);
  else *out = l;
  return status;
}

static ocu_status unload(int d, void *code) {
  void *module = ((loaded *)code)->module;
  free(code);
  return CALL(d, hipModuleUnload, module);
}

static ocu_status launch(int d, void *s, const ocu_work *w) {
  const loaded *l = w->code;
  void *params[256];
  if (w->programs > INT_MAX / l->threads || w->n_params > 256)  /* HIP counts threads */
    return ocu_fail(OCU_UNSUPPORTED, "hip:%d takes %d programs of 256 words, not %lld of %d", d,
                    INT_MAX / l->threads, (long long)w->programs, w->n_params);
  for (int i = 0; i < w->n_params; i++) params[i] = (void *)&w->params[i];
  return CALL(d, hipModuleLaunchKernel, l->function, (unsigned)w->programs, 1, 1, l->threads, 1, 1,
              0, s, params, NULL);
}

static ocu_status peer(int d, int other, int *can) {
  ocu_status status = CALL(d, hipDeviceCanAccessPeer, can, d, other);
  return status || !*can ? status : CALL(d, hipDeviceEnablePeerAccess, other, 0);
}

static ocu_status ipc_get(int d, void *p, char handle[64]) {
  return CALL(d, hipIpcGetMemHandle, (ipc_handle *)handle, p);
}
static ocu_status ipc_open(int d, const char handle[64], void **out, size_t *bytes) {
  ocu_status status = CALL(d, hipIpcOpenMemHandle, out, *(const ipc_handle *)handle, 1);
  return status ? status : CALL(d, hipMemGetAddressRange, out, bytes, *out);
}
static ocu_status ipc_close(int d, void *p) { return CALL(d, hipIpcCloseMemHandle, p); }

static ocu_status graph_begin(int d, void *s) {
  return CALL(d, hipStreamBeginCapture, s, 2);  /* relaxed: other calls stay allowed */
}
static ocu_status graph_end(int d, void *s, void **graph) {
  void *recorded = NULL;
  ocu_status status = CALL(d, hipStreamEndCapture, s, &recorded);
  if (status) return status;
  status = CALL(d, hipGraphInstantiateWithFlags, graph, recorded, 0);
  hip.hipGraphDestroy(recorded);
  return status;
}
static ocu_status graph_launch(int d, void *graph, void *s) {
  return CALL(d, hipGraphLaunch, graph, s);
}
static ocu_status graph_destroy(int d, void *graph) { return CALL(d, hipGraphExecDestroy, graph); }

const ocu_driver ocu_hip_driver = {
    "hip", open_driver, info, alloc, free_memory, stream_create, stream_destroy, stream_sync,
    stream_query, event_create, event_destroy, event_record, event_sync, event_query, event_elapsed,
    stream_wait, host_call, copy, fill, load, unload, launch, 1, peer, ipc_get, ipc_open, ipc_close,
    graph_begin, graph_end, graph_launch, graph_destroy};
"""

driver = CoreDriver("hip", TARGETS)
