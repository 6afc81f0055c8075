"""OpenCL devices that take SPIR-V: GPUs through the system's libOpenCL, and any x86 processor
through Intel's runtime from PyPI (`pip install opencu[opencl-cpu]`)."""

from opencu.drivers.core import CoreDriver
from opencu.drivers.interface import Target

# Every OpenCL device has 32 KiB of local memory; most hold 128 threads of 128 registers.
TARGETS = {
    "spirv64": Target(
        "spirv64", "simt", "spirv64-unknown-unknown", "", "", 16, 128, 128, 1, 32 << 10, "spirv"
    )
}

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "driver.h"
enum { MOST = 16, PLATFORMS = 8, GONE = -2, NO_MEMORY = -4, NO_HOST_MEMORY = -6 };
typedef struct { size_t x, y, z; } triple;
typedef void callback(void *event, int status, void *data);
/* Those that return a status; those that return what they make. */
#define WAITS unsigned n, void **events, void **event
#define INFO unsigned what, size_t bytes, void *out, size_t *size
#define RECT triple *buffer, triple *other, triple *region, size_t, size_t, size_t, size_t
#define NONE 0, NULL, NULL
#define CALLS(F) \
  F(clGetPlatformIDs, (unsigned n, void **out, unsigned *found)) F(clRetainEvent, (void *)) \
  F(clGetDeviceIDs, (void *platform, uint64_t type, unsigned n, void **out, unsigned *found)) \
  F(clGetDeviceInfo, (void *device, INFO)) F(clGetEventInfo, (void *event, INFO)) \
  F(clGetEventProfilingInfo, (void *event, INFO)) F(clFinish, (void *queue)) \
  F(clGetProgramBuildInfo, (void *program, void *device, INFO)) F(clFlush, (void *queue)) \
  F(clReleaseMemObject, (void *)) F(clReleaseCommandQueue, (void *)) F(clReleaseEvent, (void *)) \
  F(clReleaseProgram, (void *)) F(clReleaseKernel, (void *)) F(clWaitForEvents, (int, void **)) \
  F(clEnqueueMarkerWithWaitList, (void *, WAITS)) F(clEnqueueBarrierWithWaitList, (void *, WAITS)) \
  F(clSetEventCallback, (void *, int, callback *, void *)) F(clSetUserEventStatus, (void *, int)) \
  F(clEnqueueCopyBufferRect, (void *queue, void *src, void *dst, RECT, WAITS)) \
  F(clEnqueueReadBufferRect, (void *queue, void *, unsigned wait, RECT, void *to, WAITS)) \
  F(clEnqueueWriteBufferRect, (void *queue, void *, unsigned wait, RECT, const void *, WAITS)) \
  F(clEnqueueFillBuffer, (void *, void *, const void *, size_t unit, size_t, size_t, WAITS)) \
  F(clBuildProgram, (void *program, unsigned, void **, const char *options, void *, void *)) \
  F(clSetKernelArg, (void *kernel, unsigned i, size_t bytes, const void *value)) \
  F(clSetKernelArgSVMPointer, (void *kernel, unsigned i, const void *p)) \
  F(clEnqueueNDRangeKernel, (void *, void *kernel, unsigned, void *, void *all, void *local, WAITS))
#define MAKERS(F) \
  F(clCreateContext, (void *, unsigned n, void **devices, void *, void *, int *error)) \
  F(clCreateCommandQueueWithProperties, (void *, void *device, const uint64_t *, int *error)) \
  F(clCreateBuffer, (void *context, uint64_t flags, size_t bytes, void *host, int *error)) \
  F(clCreateUserEvent, (void *, int *error)) F(clSVMFree, (void *context, void *p)) \
  F(clCreateProgramWithIL, (void *context, const void *code, size_t bytes, int *error)) \
  F(clCreateKernel, (void *program, const char *name, int *error)) \
  F(clSVMAlloc, (void *context, uint64_t flags, size_t bytes, unsigned align))
#define CALL(name, parameters) int (*name) parameters;
#define MAKER(name, parameters) void *(*name) parameters;
#define NAME(name, parameters) #name,
static struct { CALLS(CALL) MAKERS(MAKER) } cl;
static const char *const names[] = {CALLS(NAME) MAKERS(NAME)};
/* Addresses only stand for buffers; are shared; the host reads there, too; kernels follow any. */
enum { BUFFERS, COARSE, FINE, SYSTEM };
static struct { void *id, *context; const char *options; int shared; } devices[MOST];
typedef struct { pthread_mutex_t lock; void *kernel; ocu_group_code head; } code;
static ocu_status failed(int d, const char *call, int error) {
  if (!error) return OCU_OK;
  int memory = error <= NO_MEMORY && error >= NO_HOST_MEMORY;
  return ocu_fail(error == GONE ? OCU_LOST : memory ? OCU_OUT_OF_MEMORY : OCU_SYSTEM,
                  "opencl:%d: %s returned %d", d, call, error);
}
#define DO(d, name, ...) failed(d, #name, cl.name(__VA_ARGS__))
#define FLUSHED(d, s, status) ({ ocu_status e_ = status; e_ ? e_ : DO(d, clFlush, s); })
#define GET(what, value) cl.clGetDeviceInfo(devices[d].id, what, sizeof(value), &(value), NULL)
/* The library that is named, else Intel's if pip installed it, else the system's. */
static int open_driver(char *why, size_t bytes) {
  void *platforms[PLATFORMS], *ids[MOST];
  unsigned n_platforms = 0, n = 0, found;
  char wheel[4096];
  const char *path = secure_getenv("OPENCU_OPENCL_DRIVER");
  if (!path || !*path) path = ocu_wheel_library("opencl", wheel, sizeof wheel);
  void *library = dlopen(path = path ? path : "libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return snprintf(why, bytes, "%s (pip install opencu[opencl-cpu] brings one for x86 processors, "
                    "OPENCU_OPENCL_DRIVER names another)", dlerror()), 0;
  const int n_names = sizeof names / sizeof *names;
  const char *missing = ocu_vendor_functions(library, names, n_names, (void **)&cl);
  if (missing) return snprintf(why, bytes, "%s has no %s: OpenCL 2.1 needed", path, missing), 0;
  cl.clGetPlatformIDs(PLATFORMS, platforms, &n_platforms);
  for (unsigned p = 0; p < n_platforms && p < PLATFORMS; p++)
    if (!cl.clGetDeviceIDs(platforms[p], 0xFFFFFFFF, MOST, ids, &found))
      for (unsigned i = 0; i < found && n < MOST; i++) devices[n++].id = ids[i];
  if (!n) snprintf(why, bytes, "%s finds no device", path);
  return (int)n;
}
static ocu_status info(int d, ocu_device_info *out) {
  char version[64] = "OpenCL", il[256] = "";
  const char *mode = getenv("OPENCU_OPENCL_MEMORY");  /* "buffers", "coarse": for tests */
  uint64_t svm = 0, single = 0;
  int error = 0;
  GET(0x102B, out->name), GET(0x102F, version), GET(0x1002, out->cores), GET(0x105B, il);
  GET(0x101F, out->memory_total), GET(0x101E, out->l2), GET(0x1053, svm), GET(0x101B, single);
  if (mode) svm &= !strcmp(mode, "buffers") ? 0 : !strcmp(mode, "coarse") ? 1 : 7;
  if (!strstr(il, "SPIR-V"))
    return ocu_fail(OCU_UNSUPPORTED, "%s without SPIR-V: it cannot run our code", version);
  if (!devices[d].context) {
    devices[d].context = cl.clCreateContext(NULL, 1, &devices[d].id, NULL, NULL, &error);
    devices[d].shared = svm & 4 ? SYSTEM : svm & 2 ? FINE : svm & 1 ? COARSE : BUFFERS;
    devices[d].options = single & 1 << 7 ? "-cl-fp32-correctly-rounded-divide-sqrt" : "";
  }
  strcpy(out->target, "spirv64"), out->threads = out->cores;
  return failed(d, "clCreateContext", error);
}
/* ---- memory: a buffer, the handle, at an address that is shared or only stands for it ---- */
static ocu_status alloc(int d, size_t bytes, ocu_mem_kind kind, void **out) {
  void *context = devices[d].context;
  int error = NO_MEMORY, shared = devices[d].shared;
  if (kind != OCU_MEM_DEVICE && shared < FINE)
    return ocu_fail(OCU_UNSUPPORTED, "opencl:%d has no memory that it shares with the host", d);
  if (shared) {  /* CL_MEM_READ_WRITE, CL_MEM_SVM_FINE_GRAIN_BUFFER; CL_MEM_USE_HOST_PTR */
    out[0] = cl.clSVMAlloc(context, 1 | (shared >= FINE ? 1 << 10 : 0), bytes, 0);
    if (out[0]) out[1] = cl.clCreateBuffer(context, 1 | 1 << 3, bytes, out[0], &error);
    if (out[0] && error) cl.clSVMFree(context, out[0]);
  } else {
    out[0] = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (out[0] != MAP_FAILED) out[1] = cl.clCreateBuffer(context, 1, bytes, NULL, &error);
    if (out[0] != MAP_FAILED && error) munmap(out[0], bytes);
  }
  return failed(d, "clCreateBuffer", error == -61 ? NO_MEMORY : error);  /* -61: too large */
}
static ocu_status free_memory(int d, void *p, ocu_mem_kind kind) {
  ocu_pointer_info in;
  ocu_pointer_query(p, &in);
  ocu_status status = DO(d, clReleaseMemObject, in.handle);
  if (!devices[d].shared) munmap(p, in.bytes);
  else cl.clSVMFree(devices[d].context, p);
  return status;
}
/* ---- streams are in-order queues, events are boxes of a marker, which a record replaces ---- */
static pthread_mutex_t boxes = PTHREAD_MUTEX_INITIALIZER;
#define LOCK(call) ({ pthread_mutex_lock(&boxes); ocu_status s_ = call; \
                      pthread_mutex_unlock(&boxes), s_; })
static ocu_status stream_create(int d, int flags, void **out) {
  const uint64_t properties[] = {0x1093, 2, 0};  /* CL_QUEUE_PROFILING_ENABLE */
  int error;
  void *context = devices[d].context;
  *out = cl.clCreateCommandQueueWithProperties(context, devices[d].id, properties, &error);
  return failed(d, "clCreateCommandQueueWithProperties", error);
}
static ocu_status stream_destroy(int d, void *s) { return DO(d, clReleaseCommandQueue, s); }
static ocu_status stream_sync(int d, void *s) { return DO(d, clFinish, s); }
static ocu_status event_create(int d, int flags, void **out) {
  *out = calloc(1, sizeof(void *));
  return *out ? OCU_OK : failed(d, "calloc", NO_HOST_MEMORY);
}
static ocu_status event_destroy(int d, void *e) {
  ocu_status status = *(void **)e ? DO(d, clReleaseEvent, *(void **)e) : OCU_OK;
  return free(e), status;
}
static ocu_status record(int d, void **box, void *s) {
  void *before = *box;
  ocu_status status = DO(d, clEnqueueMarkerWithWaitList, s, 0, NULL, box);
  if (before && !status) cl.clReleaseEvent(before);
  return FLUSHED(d, s, status);
}
static ocu_status event_record(int d, void *e, void *s) { return LOCK(record(d, e, s)); }
static ocu_status event_sync(int d, void *e) {
  void *event;
  ocu_status status = LOCK((event = *(void **)e, DO(d, clRetainEvent, event)));
  if (!status) status = DO(d, clWaitForEvents, 1, &event), cl.clReleaseEvent(event);
  return status;
}
static ocu_status event_query(int d, void *e) {
  int state;  /* CL_EVENT_COMMAND_EXECUTION_STATUS: 0 is complete, less an error */
  ocu_status status = LOCK(DO(d, clGetEventInfo, *(void **)e, 0x11D3, sizeof state, &state, NULL));
  if (status) return status;
  return state < 0 ? failed(d, "an operation", state) : state ? OCU_NOT_READY : OCU_OK;
}
static ocu_status event_elapsed(int d, void *from, void *to, float *ms) {
  int64_t a, b;  /* CL_PROFILING_COMMAND_END, nanoseconds */
  ocu_status status = LOCK(DO(d, clGetEventProfilingInfo, *(void **)from, 0x1283, 8, &a, NULL));
  if (!status) status = LOCK(DO(d, clGetEventProfilingInfo, *(void **)to, 0x1283, 8, &b, NULL));
  if (!status) *ms = (float)((double)(b - a) * 1e-6);
  return status;
}
static ocu_status stream_wait(int d, void *s, void *e) {
  return LOCK(FLUSHED(d, s, DO(d, clEnqueueBarrierWithWaitList, s, 1, e, NULL)));
}
/* ---- a host function runs in a thread of its own, while the queue waits for an event ---- */
typedef struct { void (*fn)(void *), *arg, *done; } host;
static void *run_host(void *data) {
  host h = *(host *)data;
  free(data);
  h.fn(h.arg);
  cl.clSetUserEventStatus(h.done, 0), cl.clReleaseEvent(h.done);
  return NULL;
}
static void reached(void *event, int status, void *data) {
  cl.clReleaseEvent(event);
  if (ocu_thread_spawn(run_host, data)) run_host(data);
}
static ocu_status host_call(int d, void *s, void (*fn)(void *), void *arg) {
  void *mark;
  int error = NO_HOST_MEMORY;
  host *h = malloc(sizeof *h);
  if (h) *h = (host){fn, arg, cl.clCreateUserEvent(devices[d].context, &error)};
  if (!error) error = cl.clEnqueueMarkerWithWaitList(s, 0, NULL, &mark);
  if (!error) error = cl.clEnqueueBarrierWithWaitList(s, 1, &h->done, NULL);
  if (!error) error = cl.clSetEventCallback(mark, 0, reached, h);
  if (error && h) cl.clSetUserEventStatus(h->done, 0), cl.clReleaseEvent(h->done), free(h);
  return FLUSHED(d, s, failed(d, "clSetEventCallback", error));
}
static void *buffer_of(const void *p, size_t *offset) {
  ocu_pointer_info in;
  ocu_pointer_query(p, &in);
  *offset = in.handle ? (size_t)((const char *)p - (const char *)in.base) : 0;
  return in.handle;
}
static ocu_status copy(int d, void *s, const ocu_rect *r) {
  triple from = {0}, to = {0}, host = {0}, region = {r->width, r->height, 1};
  size_t a = r->src_pitch, b = r->dst_pitch;
  void *src = buffer_of(r->src, &from.x), *dst = buffer_of(r->dst, &to.x);
  int error;
  if (src && dst)
    error = cl.clEnqueueCopyBufferRect(s, src, dst, &from, &to, &region, a, 0, b, 0, NONE);
  else if (src)
    error = cl.clEnqueueReadBufferRect(s, src, 0, &from, &host, &region, a, 0, b, 0, r->dst, NONE);
  else if (dst)
    error = cl.clEnqueueWriteBufferRect(s, dst, 0, &to, &host, &region, b, 0, a, 0, r->src, NONE);
  else error = cl.clFinish(s);
  for (size_t i = 0; !src && !dst && !error && i < r->height; i++)
    memmove(r->dst + i * b, r->src + i * a, r->width);
  return FLUSHED(d, s, failed(d, "a copy", error));
}
static ocu_status fill(int d, void *s, const ocu_rect *r) {
  size_t offset, unit = 1;
  int error = 0;
  void *dst = buffer_of(r->dst, &offset);
  if (!dst) return ocu_fail(OCU_UNSUPPORTED, "opencl:%d does not fill the host's memory", d);
  while (unit < 8 && memcmp(&r->pattern, (const char *)&r->pattern + unit, 8 - unit)) unit *= 2;
  for (size_t i = 0; i < r->height && !error; i++, offset += r->dst_pitch)
    error = cl.clEnqueueFillBuffer(s, dst, &r->pattern, unit, offset, r->width, NONE);
  return FLUSHED(d, s, failed(d, "clEnqueueFillBuffer", error));
}
static ocu_status unload(int d, void *k) {
  ocu_status status = DO(d, clReleaseKernel, ((code *)k)->kernel);
  return free(k), status;
}
static ocu_status load(int d, const ocu_group_code *head, void **out) {
  int error;
  char log[600] = "";
  code *k = calloc(1, sizeof *k);
  if (!k) return failed(d, "calloc", NO_HOST_MEMORY);
  k->head = *head;
  void *program = cl.clCreateProgramWithIL(devices[d].context, head + 1, head->bytes, &error);
  if (!error) error = cl.clBuildProgram(program, 1, &devices[d].id, devices[d].options, NULL, NULL);
  if (!error) k->kernel = cl.clCreateKernel(program, "opencu_kernel", &error);
  if (error && program) cl.clGetProgramBuildInfo(program, devices[d].id, 0x1183, 599, log, NULL);
  if (program) cl.clReleaseProgram(program);  /* the kernel keeps it */
  if (!error) return *out = k, OCU_OK;
  free(k);
  return ocu_fail(OCU_UNSUPPORTED, "opencl:%d takes no kernel of %u threads and %u bytes of shared "
                  "memory like this (%d): %.500s", d, head->threads, head->shared, error, log);
}

/* A pointer is a base and an offset: the address and 0, or its buffer and where it points there. */
static int set_arguments(int d, const code *k, const ocu_work *w) {
  int error = 0;
  unsigned at = 0;
  for (int i = 0; i < w->n_params && !error; i++) {
    const void *p = (const void *)w->params[i];
    size_t word = (size_t)p;
    if (ocu_is_pointer(&k->head, i) && devices[d].shared) {
      error = cl.clSetKernelArgSVMPointer(k->kernel, at++, p);
      word = 0;
    } else if (ocu_is_pointer(&k->head, i)) {
      void *buffer = buffer_of(p, &word);
      error = cl.clSetKernelArg(k->kernel, at++, sizeof buffer, &buffer);
    }
    if (!error) error = cl.clSetKernelArg(k->kernel, at++, sizeof word, &word);
  }
  return error;
}
static ocu_status launch(int d, void *s, const ocu_work *w) {
  code *k = (code *)w->code;
  size_t local = k->head.threads, all = (size_t)w->programs * local;
  pthread_mutex_lock(&k->lock);  /* a kernel holds its arguments */
  int error = set_arguments(d, k, w);
  if (!error) error = cl.clEnqueueNDRangeKernel(s, k->kernel, 1, NULL, &all, &local, NONE);
  pthread_mutex_unlock(&k->lock);
  return FLUSHED(d, s, failed(d, "clEnqueueNDRangeKernel", error));
}
static int follows_pointers(int d) { return devices[d].shared == SYSTEM; }
const ocu_driver ocu_opencl_driver = {
    "opencl", open_driver, info, alloc, free_memory, stream_create, stream_destroy, stream_sync,
    NULL, event_create, event_destroy, event_record, event_sync, event_query, event_elapsed,
    stream_wait, host_call, copy, fill, load, unload, launch, .follows_pointers = follows_pointers};
"""

driver = CoreDriver("opencl", TARGETS, wheel=("intel-opencl-rt", "libintelocl.so"))
