"""OpenCL devices that take SPIR-V: GPUs through the system's libOpenCL, and any x86 processor through
Intel's runtime from PyPI (`pip install opencu[opencl-cpu]`)."""

from contextlib import suppress
from importlib import metadata
from pathlib import Path

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
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "driver.h"

enum { MOST = 16, PLATFORMS = 8 };  /* devices, platforms */
enum { OUT_OF_RESOURCES = -5, OUT_OF_HOST_MEMORY = -6, ALLOCATION_FAILED = -4, DEVICE_GONE = -2 };

typedef struct { size_t x, y, z; } triple;
typedef void callback(void *event, int status, void *data);

/* Those that return a status, then those that return what they make. */
#define CALLS(F) \
  F(clGetPlatformIDs, (unsigned n, void **out, unsigned *found)) \
  F(clGetDeviceIDs, (void *platform, uint64_t type, unsigned n, void **out, unsigned *found)) \
  F(clGetDeviceInfo, (void *device, unsigned what, size_t bytes, void *out, size_t *size)) \
  F(clReleaseMemObject, (void *)) F(clReleaseCommandQueue, (void *)) F(clReleaseEvent, (void *)) \
  F(clReleaseProgram, (void *)) F(clReleaseKernel, (void *)) F(clFinish, (void *queue)) \
  F(clFlush, (void *queue)) F(clWaitForEvents, (unsigned n, void **events)) \
  F(clGetEventInfo, (void *event, unsigned what, size_t bytes, void *out, size_t *size)) \
  F(clGetEventProfilingInfo, (void *event, unsigned what, size_t, void *out, size_t *size)) \
  F(clEnqueueMarkerWithWaitList, (void *queue, unsigned n, void **events, void **event)) \
  F(clEnqueueBarrierWithWaitList, (void *queue, unsigned n, void **events, void **event)) \
  F(clSetEventCallback, (void *event, int status, callback *, void *data)) \
  F(clSetUserEventStatus, (void *event, int status)) \
  F(clEnqueueCopyBufferRect, (void *queue, void *src, void *dst, triple *from, triple *to, \
    triple *region, size_t, size_t, size_t, size_t, unsigned, void **, void **)) \
  F(clEnqueueReadBufferRect, (void *queue, void *src, unsigned wait, triple *from, triple *host, \
    triple *region, size_t, size_t, size_t, size_t, void *to, unsigned, void **, void **)) \
  F(clEnqueueWriteBufferRect, (void *queue, void *dst, unsigned wait, triple *to, triple *host, \
    triple *region, size_t, size_t, size_t, size_t, const void *, unsigned, void **, void **)) \
  F(clEnqueueFillBuffer, (void *queue, void *dst, const void *pattern, size_t unit, size_t offset, \
    size_t bytes, unsigned n, void **events, void **event)) \
  F(clBuildProgram, (void *program, unsigned, void **, const char *options, void *, void *)) \
  F(clGetProgramBuildInfo, (void *program, void *device, unsigned, size_t, void *, size_t *)) \
  F(clSetKernelArg, (void *kernel, unsigned i, size_t bytes, const void *value)) \
  F(clSetKernelArgSVMPointer, (void *kernel, unsigned i, const void *p)) \
  F(clEnqueueNDRangeKernel, (void *queue, void *kernel, unsigned axes, const size_t *start, \
    const size_t *global, const size_t *local, unsigned n, void **events, void **event))
#define MAKERS(F) \
  F(clCreateContext, (void *, unsigned n, void **devices, void *, void *, int *error)) \
  F(clCreateCommandQueueWithProperties, (void *, void *device, const uint64_t *, int *error)) \
  F(clCreateBuffer, (void *context, uint64_t flags, size_t bytes, void *host, int *error)) \
  F(clCreateUserEvent, (void *context, int *error)) \
  F(clSVMAlloc, (void *context, uint64_t flags, size_t bytes, unsigned align)) \
  F(clCreateProgramWithIL, (void *context, const void *code, size_t bytes, int *error)) \
  F(clCreateKernel, (void *program, const char *name, int *error))

#define CALL_POINTER(name, parameters) int (*name) parameters;
#define MAKER_POINTER(name, parameters) void *(*name) parameters;
#define NAME(name, parameters) #name,
typedef struct { CALLS(CALL_POINTER) MAKERS(MAKER_POINTER) void (*clSVMFree)(void *, void *); } functions;
static const char *const names[] = {CALLS(NAME) MAKERS(NAME) "clSVMFree"};
static functions cl;

typedef struct {
  void *id, *context;
  int fine;                /* 0: buffers; 1: shared virtual memory; 2: which the host reads, too */
  int64_t memory;
  _Atomic int64_t used;    /* bytes */
} device;
typedef struct { void *queue, *mark; _Atomic uint64_t work, done; uint64_t marked; } stream;
typedef struct { void *event; int device; } moment;
typedef struct { pthread_mutex_t lock; void *program, *kernel; ocu_group_code head; } kernel;
static device devices[MOST];
const char *ocu_package_path(void);

static ocu_status failed(int d, const char *call, int error) {
  ocu_status status = error == DEVICE_GONE ? OCU_LOST
                      : error == OUT_OF_RESOURCES || error == OUT_OF_HOST_MEMORY ||
                              error == ALLOCATION_FAILED ? OCU_OUT_OF_MEMORY
                                                         : OCU_SYSTEM;
  return ocu_fail(status, "opencl:%d: %s returned %d", d, call, error);
}
#define TRY(d, name, ...) \
  do { \
    int error_ = cl.name(__VA_ARGS__); \
    if (error_) return failed(d, #name, error_); \
  } while (0)
#define GET(call, object, what, value) cl.call(object, what, sizeof(value), &(value), NULL)

/* ---- opening ---- */

/* 1: it takes SPIR-V and can be used. */
static int fits(void *id) {
  char il[256] = "";
  return cl.clCreateProgramWithIL && !GET(clGetDeviceInfo, id, 0x105B, il) && strstr(il, "SPIR-V");
}

/* How many devices a library shows; *useful: how many of them take SPIR-V. */
static int look(const char *path, int *useful, char *why, size_t bytes) {
  void *platforms[PLATFORMS], *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  unsigned n_platforms = 0, n = 0, found;
  *useful = 0;
  if (!library) return snprintf(why, bytes, "%s", dlerror()), 0;
  ocu_vendor_functions(library, names, sizeof names / sizeof *names, (void **)&cl);
  if (!cl.clGetPlatformIDs || !cl.clGetDeviceIDs || !cl.clGetDeviceInfo)
    return snprintf(why, bytes, "%s is no OpenCL library", path), 0;
  cl.clGetPlatformIDs(PLATFORMS, platforms, &n_platforms);
  for (unsigned p = 0; p < n_platforms && p < PLATFORMS; p++) {
    void *ids[MOST];
    if (cl.clGetDeviceIDs(platforms[p], 0xFFFFFFFF, MOST, ids, &found)) continue;
    for (unsigned i = 0; i < found && n < MOST; i++) {
      *useful += fits(ids[i]);
      devices[n++] = (device){.id = ids[i]};
    }
  }
  if (n) *why = 0;
  else snprintf(why, bytes, "%s finds no device", path);
  return (int)n;
}

/* The system's own library, unless it has nothing for us and Intel's is there. */
static int open_driver(char *why, size_t bytes) {
  const char *chosen = secure_getenv("OPENCU_OPENCL_DRIVER");
  char intel[4096] = "", file[4096];
  const char *const paths[] = {"libOpenCL.so.1", intel};
  int useful = 0, n = 0;
  if (chosen && *chosen) return look(chosen, &useful, why, bytes);
  snprintf(file, sizeof file, "%s/lib/opencl.txt", ocu_package_path());
  FILE *f = fopen(file, "re");
  if (f && fgets(intel, sizeof intel, f)) intel[strcspn(intel, "\n")] = 0;
  if (f) fclose(f);
  for (int i = 0; i < 2 && !useful && *paths[i]; i++) n = look(paths[i], &useful, why, bytes);
  if (!n)
    snprintf(why, bytes, "there is no OpenCL library with a device: pip install opencu[opencl-cpu] "
             "brings one for x86 processors, OPENCU_OPENCL_DRIVER names another");
  return n;
}

static ocu_status info(int d, ocu_device_info *out) {
  device *v = &devices[d];
  char version[64] = "OpenCL";
  unsigned units = 0;
  uint64_t total = 0, cache = 0, svm = 0;
  GET(clGetDeviceInfo, v->id, 0x102B, out->name);
  GET(clGetDeviceInfo, v->id, 0x102F, version);
  GET(clGetDeviceInfo, v->id, 0x1002, units);
  GET(clGetDeviceInfo, v->id, 0x101F, total);
  GET(clGetDeviceInfo, v->id, 0x101E, cache);
  GET(clGetDeviceInfo, v->id, 0x1053, svm);
  if (!fits(v->id))
    return ocu_fail(OCU_UNSUPPORTED, "%s takes no SPIR-V: a device of OpenCL 2.1 or newer that does "
                    "is needed", version);
  if (!v->context) {
    int error;
    v->context = cl.clCreateContext(NULL, 1, &v->id, NULL, NULL, &error);
    if (!v->context) return failed(d, "clCreateContext", error);
    v->memory = (int64_t)total;
    v->fine = svm & 2 ? 2 : (int)(svm & 1);
    const char *mode = getenv("OPENCU_OPENCL_MEMORY");  /* for tests */
    if (mode && !strcmp(mode, "buffers")) v->fine = 0;
  }
  strcpy(out->target, "spirv64");
  out->threads = out->cores = (int)units;
  out->l2 = (int64_t)cache;
  out->memory_total = v->memory;
  out->memory_free = v->memory - atomic_load(&v->used);
  return OCU_OK;
}

/* ---- memory: every allocation has a buffer, its handle; the address is shared virtual memory, or
 * stands for the buffer and is never touched ---- */

static ocu_status alloc(int d, size_t bytes, ocu_mem_kind kind, void **out) {
  device *v = &devices[d];
  int error = ALLOCATION_FAILED, plain = kind == OCU_MEM_HOST && v->fine < 2;
  if (kind == OCU_MEM_MANAGED && v->fine < 2)
    return ocu_fail(OCU_UNSUPPORTED, "opencl:%d has no memory that it shares with the host", d);
  if (atomic_fetch_add(&v->used, (int64_t)bytes) + (int64_t)bytes > v->memory) {
    error = ALLOCATION_FAILED;
  } else if (plain) {
    error = posix_memalign(out, 4096, bytes) ? ALLOCATION_FAILED : 0;
  } else if (v->fine) {  /* CL_MEM_READ_WRITE, CL_MEM_SVM_FINE_GRAIN_BUFFER; CL_MEM_USE_HOST_PTR */
    out[0] = cl.clSVMAlloc(v->context, 1 | (v->fine == 2 ? 1 << 10 : 0), bytes, 0);
    if (out[0]) out[1] = cl.clCreateBuffer(v->context, 1 | 1 << 3, bytes, out[0], &error);
    if (out[0] && error) cl.clSVMFree(v->context, out[0]);
  } else {
    out[0] = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (out[0] != MAP_FAILED) out[1] = cl.clCreateBuffer(v->context, 1, bytes, NULL, &error);
    if (out[0] != MAP_FAILED && error) munmap(out[0], bytes);
  }
  if (!error) return OCU_OK;
  int64_t left = v->memory - atomic_fetch_sub(&v->used, (int64_t)bytes) + (int64_t)bytes;
  return ocu_fail(OCU_OUT_OF_MEMORY, "%zu bytes do not fit: %lld bytes of opencl:%d are free", bytes,
                  (long long)left, d);
}

static ocu_status free_memory(int d, void *p, ocu_mem_kind kind) {
  device *v = &devices[d];
  ocu_pointer_info in;
  (void)kind;
  ocu_pointer_query(p, &in);
  if (in.handle) cl.clReleaseMemObject(in.handle);
  if (!in.handle) free(p);
  else if (v->fine) cl.clSVMFree(v->context, p);
  else munmap(p, in.bytes);
  atomic_fetch_sub(&v->used, (int64_t)((in.bytes + 255) & ~(size_t)255));
  return OCU_OK;
}

/* ---- streams: in-order queues, which count their work to know when they are idle ---- */

static ocu_status stream_create(int d, int flags, void **out) {
  const uint64_t properties[] = {0x1093, 2, 0};  /* CL_QUEUE_PROFILING_ENABLE */
  stream *s = calloc(1, sizeof *s);
  int error = OUT_OF_HOST_MEMORY;
  (void)flags;
  if (s) s->queue = cl.clCreateCommandQueueWithProperties(devices[d].context, devices[d].id,
                                                          properties, &error);
  if (!error) return *out = s, OCU_OK;
  free(s);
  return failed(d, "clCreateCommandQueueWithProperties", error);
}

static ocu_status stream_destroy(int d, void *handle) {
  stream *s = handle;
  if (s->mark) cl.clReleaseEvent(s->mark);
  int error = cl.clReleaseCommandQueue(s->queue);
  free(s);
  return error ? failed(d, "clReleaseCommandQueue", error) : OCU_OK;
}

static ocu_status stream_sync(int d, void *handle) {
  stream *s = handle;
  uint64_t work = atomic_load(&s->work);
  TRY(d, clFinish, s->queue);
  atomic_store(&s->done, work);
  return OCU_OK;
}

/* OCU_OK, OCU_NOT_READY or an error. */
static ocu_status state_of(int d, void *event) {
  int state = 0;
  int error = GET(clGetEventInfo, event, 0x11D3, state);
  if (error || state < 0) return failed(d, "clGetEventInfo", error ? error : state);
  return state ? OCU_NOT_READY : OCU_OK;
}

static ocu_status stream_query(int d, void *handle) {
  stream *s = handle;
  uint64_t work = atomic_load(&s->work);
  if (atomic_load(&s->done) >= work) return OCU_OK;
  if (!s->mark || s->marked != work) {
    if (s->mark) cl.clReleaseEvent(s->mark);
    s->mark = NULL;
    TRY(d, clEnqueueMarkerWithWaitList, s->queue, 0, NULL, &s->mark);
    TRY(d, clFlush, s->queue);
    s->marked = work;
  }
  ocu_status state = state_of(d, s->mark);
  if (!state) atomic_store(&s->done, work);
  return state;
}

/* ---- events ---- */

static ocu_status event_create(int d, int flags, void **out) {
  (void)flags;
  moment *e = *out = calloc(1, sizeof *e);
  if (!e) return ocu_fail(OCU_OUT_OF_MEMORY, "no memory for an event");
  e->device = d;
  return OCU_OK;
}

static ocu_status event_destroy(int d, void *handle) {
  moment *e = handle;
  int error = e->event ? cl.clReleaseEvent(e->event) : 0;
  free(e);
  return error ? failed(d, "clReleaseEvent", error) : OCU_OK;
}

static ocu_status event_record(int d, void *handle, void *on) {
  moment *e = handle;
  stream *s = on;
  if (e->event) cl.clReleaseEvent(e->event);
  e->event = NULL;
  TRY(d, clEnqueueMarkerWithWaitList, s->queue, 0, NULL, &e->event);
  atomic_fetch_add(&s->work, 1);
  TRY(d, clFlush, s->queue);
  return OCU_OK;
}

static ocu_status event_sync(int d, void *handle) {
  TRY(d, clWaitForEvents, 1, &((moment *)handle)->event);
  return OCU_OK;
}

static ocu_status event_query(int d, void *handle) { return state_of(d, ((moment *)handle)->event); }

static ocu_status event_elapsed(int d, void *from, void *to, float *ms) {
  uint64_t a, b;  /* CL_PROFILING_COMMAND_END, nanoseconds */
  TRY(d, clGetEventProfilingInfo, ((moment *)from)->event, 0x1283, sizeof a, &a, NULL);
  TRY(d, clGetEventProfilingInfo, ((moment *)to)->event, 0x1283, sizeof b, &b, NULL);
  *ms = (float)((double)(int64_t)(b - a) * 1e-6);
  return OCU_OK;
}

static ocu_status stream_wait(int d, void *handle, void *of) {
  stream *s = handle;
  moment *e = of;
  if (e->device != d) return event_sync(e->device, e);  /* contexts share no events */
  TRY(d, clEnqueueBarrierWithWaitList, s->queue, 1, &e->event, NULL);
  atomic_fetch_add(&s->work, 1);
  return OCU_OK;
}

/* ---- host functions: a thread of their own calls them, while the queue waits for an event ---- */

typedef struct { void (*fn)(void *); void *arg, *done; } host;

static void *run_host(void *data) {
  host h = *(host *)data;
  free(data);
  h.fn(h.arg);
  cl.clSetUserEventStatus(h.done, 0);
  cl.clReleaseEvent(h.done);
  return NULL;
}

static void reached(void *event, int status, void *data) {
  pthread_t thread;
  (void)status;
  cl.clReleaseEvent(event);
  if (pthread_create(&thread, NULL, run_host, data)) run_host(data);
  else pthread_detach(thread);
}

static ocu_status host_call(int d, void *handle, void (*fn)(void *), void *arg) {
  stream *s = handle;
  void *mark = NULL;
  int error = OUT_OF_HOST_MEMORY;
  host *h = malloc(sizeof *h);
  if (h) *h = (host){fn, arg, cl.clCreateUserEvent(devices[d].context, &error)};
  if (!error) error = cl.clEnqueueMarkerWithWaitList(s->queue, 0, NULL, &mark);
  if (!error) error = cl.clEnqueueBarrierWithWaitList(s->queue, 1, &h->done, NULL);
  if (!error) error = cl.clSetEventCallback(mark, 0, reached, h);
  atomic_fetch_add(&s->work, 1);
  if (error) return failed(d, "clEnqueueMarkerWithWaitList", error);
  TRY(d, clFlush, s->queue);
  return OCU_OK;
}

/* ---- work ---- */

static void *buffer_of(const void *p, size_t *offset) {
  ocu_pointer_info in;
  ocu_pointer_query(p, &in);
  *offset = in.handle ? (size_t)((const char *)p - (const char *)in.base) : 0;
  return in.handle;
}

static ocu_status copy(int d, void *handle, const ocu_rect *r) {
  stream *s = handle;
  triple from = {0}, to = {0}, host = {0}, region = {r->width, r->height, 1};
  void *src = buffer_of(r->src, &from.x), *dst = buffer_of(r->dst, &to.x);
  atomic_fetch_add(&s->work, 1);
  if (src && dst)
    TRY(d, clEnqueueCopyBufferRect, s->queue, src, dst, &from, &to, &region, r->src_pitch, 0,
        r->dst_pitch, 0, 0, NULL, NULL);
  else if (src)
    TRY(d, clEnqueueReadBufferRect, s->queue, src, 0, &from, &host, &region, r->src_pitch, 0,
        r->dst_pitch, 0, r->dst, 0, NULL, NULL);
  else if (dst)
    TRY(d, clEnqueueWriteBufferRect, s->queue, dst, 0, &to, &host, &region, r->dst_pitch, 0,
        r->src_pitch, 0, r->src, 0, NULL, NULL);
  else {
    TRY(d, clFinish, s->queue);
    for (size_t i = 0; i < r->height; i++)
      memmove(r->dst + i * r->dst_pitch, r->src + i * r->src_pitch, r->width);
  }
  TRY(d, clFlush, s->queue);
  return OCU_OK;
}

static ocu_status fill(int d, void *handle, const ocu_rect *r) {
  stream *s = handle;
  size_t offset, unit = 1;
  void *dst = buffer_of(r->dst, &offset);
  if (!dst) return ocu_fail(OCU_UNSUPPORTED, "opencl:%d does not fill the host's memory", d);
  while (unit < 8 && memcmp(&r->pattern, (const char *)&r->pattern + unit, 8 - unit)) unit *= 2;
  atomic_fetch_add(&s->work, 1);
  for (size_t i = 0; i < r->height; i++)
    TRY(d, clEnqueueFillBuffer, s->queue, dst, &r->pattern, unit, offset + i * r->dst_pitch,
        r->width, 0, NULL, NULL);
  TRY(d, clFlush, s->queue);
  return OCU_OK;
}

static ocu_status load(int d, const ocu_group_code *code, void **out) {
  int error = OUT_OF_HOST_MEMORY;
  char log[600] = "";
  kernel *k = calloc(1, sizeof *k);
  if (!k) return ocu_fail(OCU_OUT_OF_MEMORY, "no memory for a kernel");
  pthread_mutex_init(&k->lock, NULL);
  k->head = *code;
  k->program = cl.clCreateProgramWithIL(devices[d].context, code + 1, code->bytes, &error);
  if (!error) error = cl.clBuildProgram(k->program, 1, &devices[d].id, "", NULL, NULL);
  if (!error) k->kernel = cl.clCreateKernel(k->program, "opencu_kernel", &error);
  if (!error) return *out = k, OCU_OK;
  if (k->program)
    cl.clGetProgramBuildInfo(k->program, devices[d].id, 0x1183, sizeof log - 1, log, NULL);
  if (k->program) cl.clReleaseProgram(k->program);
  free(k);
  return ocu_fail(OCU_UNSUPPORTED, "opencl:%d does not take this kernel (%d, %u bytes of shared "
                  "memory): %.500s", d, error, code->shared, log);
}

static ocu_status unload(int d, void *code) {
  kernel *k = code;
  (void)d;
  cl.clReleaseKernel(k->kernel);
  cl.clReleaseProgram(k->program);
  free(k);
  return OCU_OK;
}

/* A pointer is a base and an offset: the address and 0, or its buffer and where it points there. */
static int set_arguments(const device *v, const kernel *k, const ocu_work *w) {
  unsigned at = 0;
  int error = 0;
  for (int i = 0; i < w->n_params && !error; i++) {
    const void *p = (const void *)w->params[i];
    int64_t word = w->params[i];
    if (ocu_is_pointer(&k->head, i)) {
      size_t offset = 0;
      void *buffer = v->fine ? NULL : buffer_of(p, &offset);
      error = v->fine ? cl.clSetKernelArgSVMPointer(k->kernel, at++, p)
                      : cl.clSetKernelArg(k->kernel, at++, sizeof buffer, &buffer);
      word = (int64_t)offset;
    }
    if (!error) error = cl.clSetKernelArg(k->kernel, at++, sizeof word, &word);
  }
  return error;
}

static ocu_status launch(int d, void *handle, const ocu_work *w) {
  stream *s = handle;
  kernel *k = (kernel *)w->code;
  size_t local = k->head.threads, global = (size_t)w->programs * local;
  pthread_mutex_lock(&k->lock);  /* a kernel holds its arguments */
  int error = set_arguments(&devices[d], k, w);
  if (!error)
    error = cl.clEnqueueNDRangeKernel(s->queue, k->kernel, 1, NULL, &global, &local, 0, NULL, NULL);
  pthread_mutex_unlock(&k->lock);
  atomic_fetch_add(&s->work, 1);
  if (error) return failed(d, "clEnqueueNDRangeKernel", error);
  TRY(d, clFlush, s->queue);
  return OCU_OK;
}

const ocu_driver ocu_opencl_driver = {
    "opencl", open_driver, info, alloc, free_memory, stream_create, stream_destroy, stream_sync,
    stream_query, event_create, event_destroy, event_record, event_sync, event_query, event_elapsed,
    stream_wait, host_call, copy, fill, load, unload, launch, .orders_default = 0};
"""


def find_library() -> None:
    """Note for the core, also of programs with no Python, where pip put Intel's library."""
    note = Path(__file__).parents[1] / "lib/opencl.txt"
    try:
        files = metadata.files("intel-opencl-rt") or []
    except metadata.PackageNotFoundError:
        files = []
    text = "".join(f"{f.locate().resolve()}\n" for f in files if f.name == "libintelocl.so")
    if text != (note.read_text() if note.exists() else ""):
        with suppress(OSError):  # another user's installation
            note.write_text(text)


driver = CoreDriver("opencl", TARGETS, find_library)
