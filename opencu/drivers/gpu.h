/* gpu.h - what cuda.py and hip.py have in common: HIP's calls are CUDA's but for their names.

   A vendor's file defines, before it includes this one,

     GPU(name)             how a call's name begins. HIP's names are used here: where CUDA's differ
                           in more than that, they are macros
     OWN(F)                the calls that it alone makes, as F(name, parameters)
     VENDOR, API           the driver's name; the vendor's interface
     IS, NEEDED_IS         what a library is called in a refusal
     NEEDED, MAJOR, MINOR  the least version; what is 1.0 and 0.1 of one

   and behind it the functions that are only declared below. */
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "driver.h"

typedef struct { char bytes[64]; } ipc_handle;
#define FUNCTIONS(F) OWN(F) \
  F(GPU(DriverGetVersion), (int *version)) F(GPU(Init), (unsigned flags)) \
  F(GPU(GetDeviceCount), (int *out)) F(GPU(MemGetInfo), (size_t *free, size_t *total)) \
  F(GPU(Malloc), (void **out, size_t bytes)) F(GPU(Free), (void *p)) F(GPU(HostFree), (void *p)) \
  F(GPU(MallocManaged), (void **out, size_t bytes, unsigned flags)) \
  F(GPU(HostMalloc), (void **out, size_t bytes, unsigned flags)) \
  F(GPU(StreamCreateWithFlags), (void **out, unsigned flags)) \
  F(GPU(StreamDestroy), (void *stream)) F(GPU(StreamSynchronize), (void *stream)) \
  F(GPU(StreamQuery), (void *stream)) \
  F(GPU(StreamWaitEvent), (void *stream, void *event, unsigned flags)) \
  F(GPU(EventCreateWithFlags), (void **out, unsigned flags)) F(GPU(EventDestroy), (void *event)) \
  F(GPU(EventRecord), (void *event, void *stream)) F(GPU(EventSynchronize), (void *event)) \
  F(GPU(EventQuery), (void *event)) F(GPU(EventElapsedTime), (float *ms, void *from, void *to)) \
  F(GPU(LaunchHostFunc), (void *stream, void (*fn)(void *), void *arg)) \
  F(GPU(MemsetD8Async), (void *dst, unsigned char value, size_t n, void *stream)) \
  F(GPU(MemsetD16Async), (void *dst, unsigned short value, size_t n, void *stream)) \
  F(GPU(MemsetD32Async), (void *dst, unsigned value, size_t n, void *stream)) \
  F(GPU(ModuleGetFunction), (void **out, void *module, const char *name)) \
  F(GPU(ModuleUnload), (void *module)) \
  F(GPU(ModuleLaunchKernel), (void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, \
    unsigned by, unsigned bz, unsigned shared, void *stream, void **params, void **extra)) \
  F(GPU(DeviceCanAccessPeer), (int *out, int device, int other)) \
  F(GPU(IpcGetMemHandle), (ipc_handle *out, void *p)) F(GPU(IpcCloseMemHandle), (void *p)) \
  F(GPU(IpcOpenMemHandle), (void **out, ipc_handle handle, unsigned flags)) \
  F(GPU(MemGetAddressRange), (void **base, size_t *bytes, void *p)) \
  F(GPU(StreamBeginCapture), (void *stream, int mode)) \
  F(GPU(StreamEndCapture), (void *stream, void **graph)) \
  F(GPU(GraphInstantiateWithFlags), (void **out, void *graph, unsigned long long flags)) \
  F(GPU(GraphDestroy), (void *graph)) F(GPU(GraphLaunch), (void *executable, void *stream)) \
  F(GPU(GraphExecDestroy), (void *executable))

#define TEXT_(name) #name
#define TEXT(name) TEXT_(name)
#define POINTER(name, parameters) int (*name) parameters;
#define NAME(name, parameters) TEXT(name),
static struct { FUNCTIONS(POINTER) } api;  /* all return an error; its numbers are CUDA's */
static const char *const names[] = {FUNCTIONS(NAME)};

static void *open_library(char path[512]);  /* path: why not, if it is NULL */
static int count(int *out);                 /* devices */
static ocu_status info(int d, ocu_device_info *out);
static int enter(int d, void **was);  /* make a device the thread's; an error */
static void leave(int d, void *was);  /* put the caller's back */
static void describe(int error, const char **name, const char **text);
static ocu_status copy(int d, void *s, const ocu_rect *r);
static ocu_status fill(int d, void *s, const ocu_rect *r);
static ocu_status load_module(int d, void **out, const void *code);
static int most_programs(unsigned threads);  /* of a launch */
static ocu_status peer(int d, int other, int *can);

static ocu_status failed(int d, const char *call, int error) {
  const char *name = "an unknown error", *text = "";
  ocu_status status = ocu_vendor_status(error);
  if (!status || status == OCU_NOT_READY) return status;
  describe(error, &name, &text);
  return ocu_fail(status, VENDOR ":%d: %s returned %s (%s)", d, call, name, text);
}

/* One call with the device as the thread's current one; the caller's own is put back. */
#define CALL(d, name, ...) ({ \
  void *was_ = NULL; \
  int error_ = enter(d, &was_); \
  if (!error_) error_ = api.name(__VA_ARGS__), leave(d, was_); \
  failed(d, TEXT(name), error_); })

static int open_driver(char *why, size_t bytes) {
  char path[512];
  void *library = open_library(path);
  if (!library) return snprintf(why, bytes, "%s", path), 0;
  const char *missing =
      ocu_vendor_functions(library, names, sizeof names / sizeof *names, (void **)&api);
  int version = 0, n = 0;
  if (api.GPU(DriverGetVersion)) api.GPU(DriverGetVersion)(&version);
  int major = version / MAJOR, minor = version % MAJOR / MINOR;
  if (missing || version < NEEDED) {
    snprintf(why, bytes, "%s is " IS " %d.%d%s%s; needed is " NEEDED_IS " %d.%d or newer",
             path, major, minor, missing ? " and has no " : "", missing ? missing : "",
             NEEDED / MAJOR, NEEDED % MAJOR / MINOR);
    return 0;
  }
  int error = api.GPU(Init)(0);
  if (!error) error = count(&n);
  const char *name = "it finds no device", *text;
  if (error) describe(error, &name, &text);
  if (error || !n) snprintf(why, bytes, "%s (" API " %d.%d): %s", path, major, minor, name);
  return error ? 0 : n;
}

static ocu_status alloc(int d, size_t bytes, ocu_mem_kind kind, void **out) {
  if (kind == OCU_MEM_HOST) return CALL(d, GPU(HostMalloc), out, bytes, 3);  /* portable, mapped */
  if (kind == OCU_MEM_MANAGED) return CALL(d, GPU(MallocManaged), out, bytes, 1);
  return CALL(d, GPU(Malloc), out, bytes);
}

static ocu_status free_memory(int d, void *p, ocu_mem_kind kind) {
  return kind == OCU_MEM_HOST ? CALL(d, GPU(HostFree), p) : CALL(d, GPU(Free), p);
}

static ocu_status stream_create(int d, int flags, void **out) {
  return CALL(d, GPU(StreamCreateWithFlags), out, flags & OCU_STREAM_NONBLOCKING);
}
static ocu_status stream_destroy(int d, void *s) { return CALL(d, GPU(StreamDestroy), s); }
static ocu_status stream_sync(int d, void *s) { return CALL(d, GPU(StreamSynchronize), s); }
static ocu_status stream_query(int d, void *s) { return CALL(d, GPU(StreamQuery), s); }

static ocu_status event_create(int d, int flags, void **out) {
  return CALL(d, GPU(EventCreateWithFlags), out, flags & OCU_EVENT_NO_TIMING ? 2 : 0);
}
static ocu_status event_destroy(int d, void *e) { return CALL(d, GPU(EventDestroy), e); }
static ocu_status event_record(int d, void *e, void *s) { return CALL(d, GPU(EventRecord), e, s); }
static ocu_status event_sync(int d, void *e) { return CALL(d, GPU(EventSynchronize), e); }
static ocu_status event_query(int d, void *e) { return CALL(d, GPU(EventQuery), e); }
static ocu_status event_elapsed(int d, void *from, void *to, float *ms) {
  return CALL(d, GPU(EventElapsedTime), ms, from, to);
}
static ocu_status stream_wait(int d, void *s, void *e) {
  return CALL(d, GPU(StreamWaitEvent), s, e, 0);
}
static ocu_status host_call(int d, void *s, void (*fn)(void *), void *arg) {
  return CALL(d, GPU(LaunchHostFunc), s, fn, arg);
}

typedef struct { void *module, *function; unsigned threads; } loaded;

static ocu_status load(int d, const ocu_group_code *code, void **out) {
  loaded *l = malloc(sizeof *l);
  if (!l) return ocu_fail(OCU_OUT_OF_MEMORY, "there is no host memory for a kernel");
  l->threads = code->threads;
  ocu_status status = load_module(d, &l->module, code + 1);
  if (!status) {
    status = CALL(d, GPU(ModuleGetFunction), &l->function, l->module, "opencu_kernel");
    if (status) CALL(d, GPU(ModuleUnload), l->module);
  }
  if (status) free(l);
  else *out = l;
  return status;
}

static ocu_status unload(int d, void *code) {
  void *module = ((loaded *)code)->module;
  free(code);
  return CALL(d, GPU(ModuleUnload), module);
}

static ocu_status launch(int d, void *s, const ocu_work *w) {
  const loaded *l = w->code;
  void *params[256];
  int most = most_programs(l->threads);
  if (w->programs > most || w->n_params > 256)
    return ocu_fail(OCU_UNSUPPORTED, VENDOR ":%d takes %d programs of 256 words, not %lld of %d", d,
                    most, (long long)w->programs, w->n_params);
  for (int i = 0; i < w->n_params; i++) params[i] = (void *)&w->params[i];
  return CALL(d, GPU(ModuleLaunchKernel), l->function, (unsigned)w->programs, 1, 1, l->threads, 1,
              1, 0, s, params, NULL);
}

static ocu_status ipc_get(int d, void *p, char handle[64]) {
  return CALL(d, GPU(IpcGetMemHandle), (ipc_handle *)handle, p);
}
static ocu_status ipc_open(int d, const char handle[64], void **out, size_t *bytes) {
  ocu_status status = CALL(d, GPU(IpcOpenMemHandle), out, *(const ipc_handle *)handle, 1);
  return status ? status : CALL(d, GPU(MemGetAddressRange), out, bytes, *out);
}
static ocu_status ipc_close(int d, void *p) { return CALL(d, GPU(IpcCloseMemHandle), p); }

static ocu_status graph_begin(int d, void *s) {
  return CALL(d, GPU(StreamBeginCapture), s, 2);  /* relaxed: other calls stay allowed */
}
static ocu_status graph_end(int d, void *s, void **graph) {
  void *recorded = NULL;
  ocu_status status = CALL(d, GPU(StreamEndCapture), s, &recorded);
  if (status) return status;
  status = CALL(d, GPU(GraphInstantiateWithFlags), graph, recorded, 0);
  CALL(d, GPU(GraphDestroy), recorded);
  return status;
}
static ocu_status graph_launch(int d, void *g, void *s) { return CALL(d, GPU(GraphLaunch), g, s); }
static ocu_status graph_destroy(int d, void *g) { return CALL(d, GPU(GraphExecDestroy), g); }

#define TABLE { \
    VENDOR, open_driver, info, alloc, free_memory, stream_create, stream_destroy, stream_sync, \
    stream_query, event_create, event_destroy, event_record, event_sync, event_query, \
    event_elapsed, stream_wait, host_call, copy, fill, load, unload, launch, 1, peer, ipc_get, \
    ipc_open, ipc_close, graph_begin, graph_end, graph_launch, graph_destroy}
