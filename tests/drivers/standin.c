/* standin.c - a vendor's driver library over host memory: libcuda, or with -DHIP libamdhip64.
 *
 * Work waits in its stream until something waits for it, or 1 ms. Device memory has an address that
 * nobody can read; freeing it while work on it is queued aborts. Every call is a line in the file
 * STANDIN_LOG. STANDIN_DEVICES "9.0,7.5" or "gfx942,gfx906"; STANDIN_VERSION; STANDIN_MEMORY bytes;
 * STANDIN_FAIL "call=error" or "call@3=error": that call fails, from the third time on; an error
 * from 700 on is every later call's too. standin_kernel() sets what a launch runs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { DEVICES = 8, ALLOCATIONS = 4096, STREAMS = 256 };
enum { COPY, FILL, LAUNCH, CALL, RECORD, WAIT };
typedef struct { unsigned threads; int n_params; char *image; } module;
typedef struct event { struct stream *stream; long seq; struct graph *graph; double time; } event;
typedef struct op {
  struct op *next;
  int kind;
  char *dst;
  const char *src;
  size_t dst_pitch, src_pitch, width, height;
  unsigned value, unit, grid, block;
  void (*fn)(void *);
  void *arg;
  module *code;
  uint64_t params[256];
  event *e;
  struct stream *other;
  long seq;
} op;
typedef struct stream {
  op *first, *last;
  long put, done;
  bool live, blocking, busy;
  int device;
  struct graph *graph;
} stream;
typedef struct graph { op *first, *last; int error; } graph;
typedef struct { char *base, *alias; size_t bytes; int device, file; bool host; } allocation;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static allocation memory[ALLOCATIONS];
static stream legacy[DEVICES], streams[STREAMS];
static size_t used;
static int n_devices = 1, lost;
static char names_of[DEVICES][32];
static _Thread_local int current;
static void (*kernel)(unsigned grid, unsigned block, int n, const uint64_t *params, const char *);

static size_t limit(void) {
  const char *text = getenv("STANDIN_MEMORY");
  return text ? strtoull(text, NULL, 0) : (size_t)1 << 30;
}

/* Writes the line and tells how the call ends: 0, or the error that STANDIN_FAIL wants. */
__attribute__((format(printf, 2, 3))) static int called(const char *name, const char *format, ...) {
  static int times;
  const char *path = getenv("STANDIN_LOG"), *fail = getenv("STANDIN_FAIL");
  FILE *log = path ? fopen(path, "a") : NULL;
  va_list args;
  va_start(args, format);
  if (log) {
    fprintf(log, "%s ", name);
    vfprintf(log, format, args);
    fputc('\n', log);
    fclose(log);
  }
  va_end(args);
  if (lost) return lost;
  size_t length = strlen(name);
  if (fail && !strncmp(fail, name, length) && (fail[length] == '=' || fail[length] == '@')) {
    int from = fail[length] == '@' ? atoi(fail + length + 1) : 1, error = atoi(strchr(fail, '=') + 1);
    if (__atomic_add_fetch(&times, 1, __ATOMIC_SEQ_CST) >= from) {
      if (error >= 700) lost = error;
      return error;
    }
  }
  return 0;
}

/* Where the bytes behind an address are; NULL: outside its allocation. */
static char *real(const void *p, size_t bytes) {
  for (int i = 0; i < ALLOCATIONS; i++) {
    allocation *a = &memory[i];
    if (a->base && (char *)p >= a->base && (char *)p < a->base + a->bytes)
      return (char *)p + bytes <= a->base + a->bytes ? a->alias + ((char *)p - a->base) : NULL;
  }
  return (char *)p;
}

void *standin_real(void *p) { return real(p, 1); }
void standin_kernel(void *run) { kernel = run; }

static int map_file(void **out, int file, size_t bytes, bool host) {
  size_t whole = (bytes + 4095) & ~(size_t)4095;
  for (int i = 0; i < ALLOCATIONS; i++)
    if (!memory[i].base) {
      int protection = host ? PROT_READ | PROT_WRITE : PROT_NONE;
      char *base = mmap(NULL, whole, protection, MAP_SHARED, file, 0);
      char *alias = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
      memory[i] = (allocation){base, alias, bytes, current, file, host};
      used += whole;
      *out = base;
      return i;
    }
  abort();
}

static int allocate(void **out, size_t bytes, bool host) {
  size_t whole = (bytes + 4095) & ~(size_t)4095;
  if (bytes > limit() || used + whole > limit()) return 2;
  int file = memfd_create("standin", 0);
  if (file < 0 || ftruncate(file, (off_t)whole)) abort();
  memset(memory[map_file(out, file, bytes, host)].alias, 0xcd, whole);
  return 0;
}

/* A handle says where the memory's file is open. */
struct ipc { char bytes[64]; };
static int give_handle(struct ipc *out, void *p) {
  for (int i = 0; i < ALLOCATIONS; i++)
    if (memory[i].base == p) {
      snprintf(out->bytes, sizeof out->bytes, "/proc/%d/fd/%d %zu", getpid(), memory[i].file, memory[i].bytes);
      return 0;
    }
  return 1;
}

static int open_handle(void **out, struct ipc handle) {
  char path[64];
  size_t bytes;
  if (sscanf(handle.bytes, "%63s %zu", path, &bytes) != 2) return 1;
  int file = open(path, O_RDWR);
  return file < 0 ? 1 : (map_file(out, file, bytes, false), 0);
}

static int range_of(void **base, size_t *bytes, void *p) {
  for (int i = 0; i < ALLOCATIONS; i++)
    if (memory[i].base && (char *)p >= memory[i].base && (char *)p < memory[i].base + memory[i].bytes)
      return *base = memory[i].base, *bytes = memory[i].bytes, 0;
  return 1;
}

static bool touches(const op *o, const allocation *a) {
  bool dst = o->dst >= a->base && o->dst < a->base + a->bytes;
  return dst || (o->src >= a->base && o->src < a->base + a->bytes);
}

static int release(void *p, bool host) {
  for (int i = 0; i < ALLOCATIONS; i++) {
    allocation *a = &memory[i];
    if (a->base != p || a->host != host) continue;
    for (int s = 0; s < STREAMS; s++)
      for (op *o = streams[s].first; o; o = o->next)
        if (touches(o, a)) fprintf(stderr, "standin: freed with work on it\n"), abort();
    size_t whole = (a->bytes + 4095) & ~(size_t)4095;
    munmap(a->base, whole), munmap(a->alias, whole), close(a->file);
    used -= whole;
    *a = (allocation){0};
    return 0;
  }
  return 1;
}

static void wait_for(stream *s, long seq);

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void execute(op *o) {
  for (size_t row = 0; (o->kind == COPY || o->kind == FILL) && row < o->height; row++) {
    char *to = real(o->dst + row * o->dst_pitch, o->width);
    char *from = o->kind == COPY ? real(o->src + row * o->src_pitch, o->width) : to;
    if (!to || !from) { lost = 700; return; }
    if (o->kind == COPY) memmove(to, from, o->width);
    else for (size_t i = 0; i < o->width; i += o->unit) memcpy(to + i, &o->value, o->unit);
  }
  if (o->kind == LAUNCH && kernel) {
    pthread_mutex_unlock(&lock);
    kernel(o->grid, o->block, o->code->n_params, o->params, o->code->image);
    pthread_mutex_lock(&lock);
  }
  if (o->kind == CALL) {
    pthread_mutex_unlock(&lock);
    o->fn(o->arg);
    pthread_mutex_lock(&lock);
  }
  if (o->kind == RECORD) o->e->time = now();
  if (o->kind == WAIT) wait_for(o->other, o->seq);
}

static void step(stream *s) {
  op *o = s->first;
  s->busy = true;
  execute(o);
  s->first = o->next;
  if (!s->first) s->last = NULL;
  free(o);
  s->done++, s->busy = false;
  pthread_cond_broadcast(&moved);
}

static void wait_for(stream *s, long seq) {
  while (s->done < seq)
    if (s->busy || !s->first) pthread_cond_wait(&moved, &lock);
    else step(s);
}

static void *work(void *unused) {
  for (;; usleep(1000)) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < STREAMS + DEVICES; i++) {
      stream *s = i < STREAMS ? &streams[i] : &legacy[i - STREAMS];
      if (s->first && !s->busy) step(s);
    }
    pthread_mutex_unlock(&lock);
  }
  return unused;
}

static stream *stream_of(void *handle) { return handle ? handle : &legacy[current]; }

/* Puts an operation at the end of its stream, or of the graph that the stream records. */
static void put(void *handle, op o) {
  stream *s = stream_of(handle);
  for (int i = 0; i < STREAMS && !s->graph; i++) /* the legacy stream's order with blocking ones */
    if (streams[i].live && streams[i].blocking && streams[i].device == s->device && s == &legacy[s->device])
      wait_for(&streams[i], streams[i].put);
  if (s != &legacy[s->device] && s->blocking && !s->graph)
    wait_for(&legacy[s->device], legacy[s->device].put);
  if (o.kind == RECORD) *o.e = (event){s, s->put + 1, s->graph, 0};
  if (o.kind == WAIT && o.e->graph) s->graph = o.e->graph;
  if (o.kind == WAIT) o.other = o.e->stream, o.seq = o.e->seq;
  if (s->graph && (o.kind == WAIT || o.kind == RECORD)) return; /* its order is that of recording */
  op *new = malloc(sizeof o);
  *new = o;
  new->next = NULL;
  op **first = s->graph ? &s->graph->first : &s->first, **last = s->graph ? &s->graph->last : &s->last;
  if (*last) (*last)->next = new;
  else *first = new;
  *last = new;
  if (!s->graph) s->put++;
}

static int create_stream(void **out, unsigned flags) {
  for (int i = 0; i < STREAMS; i++)
    if (!streams[i].live && !streams[i].first) {
      streams[i] = (stream){.live = true, .blocking = !(flags & 1), .device = current};
      *out = &streams[i];
      return 0;
    }
  return 2;
}

static int pending(stream *s, long seq) { return s && s->done < seq ? 600 : 0; }

/* What a capture forbids, and breaks it: to ask its streams, or the default one that waits for them. */
static int forbidden(stream *s) {
  for (int i = 0; i < STREAMS; i++)
    if (streams[i].graph && streams[i].device == s->device && streams[i].blocking &&
        s == &legacy[s->device])
      return streams[i].graph->error = 901, 906;
  return s->graph ? s->graph->error = 901, 900 : 0;
}

static module *load(const char *image, const char *mark, size_t bytes) {
  module *m = calloc(1, sizeof *m);
  m->image = calloc(1, bytes + 1);
  memcpy(m->image, image, bytes);
  for (const char *at = m->image; (at = memmem(at, bytes - (size_t)(at - m->image), mark, strlen(mark))); at++)
    m->n_params++;
  return m;
}

static int launch(const char *name, module *m, unsigned grid, unsigned block, void *s, void **params) {
  op o = {.kind = LAUNCH, .grid = grid, .block = block, .code = m};
  char text[8192] = "";
  for (int i = 0; i < m->n_params; i++) {
    o.params[i] = *(uint64_t *)params[i];
    snprintf(text + strlen(text), sizeof text - strlen(text), " %#llx", (unsigned long long)o.params[i]);
  }
  int error = called(name, "grid %u block %u params%s", grid, block, text);
  if (!error) put(s, o);
  return error;
}

static int start(const char *name, const char *devices) {
  static pthread_t worker;
  const char *list = getenv("STANDIN_DEVICES");
  int error = called(name, "%s", "");
  if (error || worker) return error;
  n_devices = 0;
  for (list = list ? list : devices; *list && n_devices < DEVICES; list += *list == ',') {
    size_t n = strcspn(list, ",");
    snprintf(names_of[n_devices], sizeof names_of[0], "%.*s", (int)n, list);
    legacy[n_devices] = (stream){.live = true, .device = n_devices};
    list += n, n_devices++;
  }
  pthread_create(&worker, NULL, work, NULL);
  return n_devices ? 0 : 100;
}

/* STANDIN_PEERS=0: none are. */
static int peers(int d, int other) {
  const char *text = getenv("STANDIN_PEERS");
  return d != other && !(text && *text == '0');
}

static int version_or(int otherwise) {
  const char *text = getenv("STANDIN_VERSION");
  return text ? atoi(text) : otherwise;
}

#define LOCKED(body) do { pthread_mutex_lock(&lock); body; pthread_mutex_unlock(&lock); } while (0)
#define ENTRY(name, parameters, body, ...) \
  int name parameters { \
    int error; \
    LOCKED({ error = called(#name, __VA_ARGS__); if (!error) body; if (!error) error = lost; }); \
    return error; \
  }
/* What the two libraries have in common, under a name each. */
#define COMMON(MALLOC, FREE, HOST_FREE, CREATE, DESTROY, SYNC, QUERY, WAIT_EVENT, EVENT, EVENT_DESTROY, \
               EVENT_RECORD, EVENT_SYNC, EVENT_QUERY, ELAPSED, HOST_FUNC, BEGIN, END, INSTANTIATE, \
               GRAPH_DESTROY, GRAPH_LAUNCH, EXEC_DESTROY, MANAGED, HOST_ALLOC, INFO, FUNCTION, UNLOAD, \
               IPC_GET, IPC_OPEN, IPC_CLOSE, RANGE, FILL8, FILL16, FILL32) \
  ENTRY(MALLOC, (void **out, size_t bytes), error = allocate(out, bytes, false), "%zu", bytes) \
  ENTRY(MANAGED, (void **out, size_t bytes, unsigned f), error = allocate(out, bytes, true), "%u", f) \
  ENTRY(HOST_ALLOC, (void **out, size_t bytes, unsigned f), error = allocate(out, bytes, true), "%u", f) \
  ENTRY(FREE, (void *p), error = release(p, false) && release(p, true), "%p", p) \
  ENTRY(HOST_FREE, (void *p), error = release(p, true), "%p", p) \
  ENTRY(INFO, (size_t *f, size_t *t), (*f = limit() - used, *t = limit()), "%s", "") \
  ENTRY(CREATE, (void **out, unsigned flags), error = create_stream(out, flags), "%u", flags) \
  ENTRY(DESTROY, (stream *s), { \
        if (s->graph) s->graph->error = 901; \
        s->live = false; \
        s->graph = NULL; \
        }, "%p", (void *)s) \
  ENTRY(SYNC, (void *s), { \
        error = forbidden(stream_of(s)); \
        if (!error) wait_for(stream_of(s), stream_of(s)->put); \
        }, "%p", s) \
  ENTRY(QUERY, (void *s), { \
        error = forbidden(stream_of(s)); \
        if (!error) error = pending(stream_of(s), stream_of(s)->put); \
        }, "%p", s) \
  ENTRY(WAIT_EVENT, (void *s, event *e, unsigned f), \
        if (e->stream) put(s, (op){.kind = WAIT, .e = e}), "%p %u", s, f) \
  ENTRY(EVENT, (void **out, unsigned flags), *out = calloc(1, sizeof(event)), "%u", flags) \
  ENTRY(EVENT_DESTROY, (event *e), if (e->stream && !e->graph) wait_for(e->stream, e->seq); free(e), "%p", (void *)e) \
  ENTRY(EVENT_RECORD, (event *e, void *s), put(s, (op){.kind = RECORD, .e = e}), "%p", s) \
  ENTRY(EVENT_SYNC, (event *e), if (e->stream) wait_for(e->stream, e->seq), "%p", (void *)e) \
  ENTRY(EVENT_QUERY, (event *e), error = pending(e->stream, e->seq), "%p", (void *)e) \
  ENTRY(ELAPSED, (float *ms, event *a, event *b), *ms = (float)(b->time - a->time), "%s", "") \
  ENTRY(HOST_FUNC, (void *s, void (*fn)(void *), void *arg), \
        put(s, (op){.kind = CALL, .fn = fn, .arg = arg}), "%p", s) \
  ENTRY(BEGIN, (stream *s, int mode), s->graph = calloc(1, sizeof(graph)), "%d", mode) \
  ENTRY(END, (stream *s, graph **out), { \
        *out = s->graph; \
        error = s->graph->error; \
        for (int i = 0; i < STREAMS; i++) if (streams[i].graph == *out) streams[i].graph = NULL; \
        }, "%p", (void *)s) \
  ENTRY(INSTANTIATE, (graph **out, graph *g, unsigned long long f), \
        { *out = malloc(sizeof *g); **out = *g; }, "%llu", f) \
  ENTRY(GRAPH_DESTROY, (graph *g), free(g), "%p", (void *)g) \
  ENTRY(GRAPH_LAUNCH, (graph *g, void *s), for (op *o = g->first; o; o = o->next) put(s, *o), "%p", s) \
  ENTRY(EXEC_DESTROY, (graph *g), free(g), "%p", (void *)g) \
  ENTRY(FUNCTION, (void **out, module *m, const char *symbol), \
        { error = strcmp(symbol, "opencu_kernel") ? 500 : 0; *out = m; }, "%s", symbol) \
  ENTRY(UNLOAD, (module *m), (free(m->image), free(m)), "%p", (void *)m) \
  ENTRY(IPC_GET, (struct ipc *handle, void *p), error = give_handle(handle, p), "%p", p) \
  ENTRY(IPC_OPEN, (void **out, struct ipc h, unsigned f), error = open_handle(out, h), "%u", f) \
  ENTRY(IPC_CLOSE, (void *p), error = release(p, false), "%p", p) \
  ENTRY(RANGE, (void **base, size_t *bytes, void *p), error = range_of(base, bytes, p), "%p", p) \
  ENTRY(FILL8, (void *p, unsigned char v, size_t n, void *s), \
        put(s, (op){.kind = FILL, .dst = p, .value = v, .unit = 1, .width = n, .height = 1}), "%u %zu", v, n) \
  ENTRY(FILL16, (void *p, unsigned short v, size_t n, void *s), \
        put(s, (op){.kind = FILL, .dst = p, .value = v, .unit = 2, .width = 2 * n, .height = 1}), "%u %zu", v, n) \
  ENTRY(FILL32, (void *p, unsigned v, size_t n, void *s), \
        put(s, (op){.kind = FILL, .dst = p, .value = v, .unit = 4, .width = 4 * n, .height = 1}), "%u %zu", v, n)
#define ROWS(p, spitch, q, dpitch, w, h) \
  (op){.kind = COPY, .dst = p, .dst_pitch = dpitch, .src = q, .src_pitch = spitch, .width = w, .height = h}

#ifdef HIP
COMMON(hipMalloc, hipFree, hipHostFree, hipStreamCreateWithFlags, hipStreamDestroy, hipStreamSynchronize,
       hipStreamQuery, hipStreamWaitEvent, hipEventCreateWithFlags, hipEventDestroy, hipEventRecord,
       hipEventSynchronize, hipEventQuery, hipEventElapsedTime, hipLaunchHostFunc, hipStreamBeginCapture,
       hipStreamEndCapture, hipGraphInstantiateWithFlags, hipGraphDestroy, hipGraphLaunch,
       hipGraphExecDestroy, hipMallocManaged, hipHostMalloc, hipMemGetInfo, hipModuleGetFunction,
       hipModuleUnload, hipIpcGetMemHandle, hipIpcOpenMemHandle, hipIpcCloseMemHandle,
       hipMemGetAddressRange, hipMemsetD8Async, hipMemsetD16Async, hipMemsetD32Async)
int hipDriverGetVersion(int *out) { return *out = version_or(60443482), 0; }
const char *hipGetErrorName(int error) { return error == 2 ? "hipErrorOutOfMemory" : "hipErrorSaid"; }
const char *hipGetErrorString(int error) { return error == 2 ? "out of memory" : "as told"; }
int hipInit(unsigned flags) { return (void)flags, start("hipInit", "gfx942"); }
int hipGetDeviceCount(int *out) { return *out = n_devices, n_devices ? 0 : 100; }
int hipGetDevice(int *out) { return *out = current, 0; }
int hipSetDevice(int device) { return current = device, lost; }
int hipGetDevicePropertiesR0600(char *p, int d) {
  memset(p, 0, 1472);
  snprintf(p, 256, "Stand-in %d", d);
  *(size_t *)(p + 288) = limit(), *(int *)(p + 388) = 7, *(int *)(p + 616) = 1 << 20;
  snprintf(p + 1160, 256, "%s:sramecc+:xnack-", names_of[d]);
  return lost;
}
ENTRY(hipMemcpyAsync, (char *p, const char *q, size_t n, int kind, void *s),
      put(s, ROWS(p, n, q, n, n, 1)), "%d %zu", kind, n)
ENTRY(hipMemcpy2DAsync, (char *p, size_t dp, const char *q, size_t sp, size_t w, size_t h, int kind, void *s),
      put(s, ROWS(p, sp, q, dp, w, h)), "%d %zu x %zu", kind, h, w)
ENTRY(hipMemset2DAsync, (char *p, size_t pitch, int v, size_t n, size_t rows, void *s),
      put(s, (op){.kind = FILL, .dst = p, .dst_pitch = pitch, .value = (unsigned)v, .unit = 1, .width = n,
                  .height = rows}), "%d %zu x %zu", v, rows, n)
static int assemble(void **out, const char *elf) {
  if (memcmp(elf, "\x7f" "ELF", 4)) return 200;
  return *out = load(elf, ".value_kind", *(size_t *)(elf + 40) + 64u * *(uint16_t *)(elf + 60)), 0;
}
ENTRY(hipModuleLoadData, (void **out, const char *elf), error = assemble(out, elf), "%.4s", elf)
int hipModuleLaunchKernel(module *m, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                          unsigned bz, unsigned shared, void *s, void **params, void **extra) {
  int error;
  if (gy * gz * by * bz != 1 || shared || extra) return 1;
  LOCKED(error = launch("hipModuleLaunchKernel", m, gx, bx, s, params));
  return error;
}
ENTRY(hipDeviceCanAccessPeer, (int *out, int d, int other), *out = peers(d, other), "%d %d", d, other)
ENTRY(hipDeviceEnablePeerAccess, (int other, unsigned flags), (void)0, "%d %u", other, flags)
#else
COMMON(cuMemAlloc_v2, cuMemFree_v2, cuMemFreeHost, cuStreamCreate, cuStreamDestroy_v2, cuStreamSynchronize,
       cuStreamQuery, cuStreamWaitEvent, cuEventCreate, cuEventDestroy_v2, cuEventRecord,
       cuEventSynchronize, cuEventQuery, cuEventElapsedTime, cuLaunchHostFunc, cuStreamBeginCapture_v2,
       cuStreamEndCapture, cuGraphInstantiateWithFlags, cuGraphDestroy, cuGraphLaunch,
       cuGraphExecDestroy, cuMemAllocManaged, cuMemHostAlloc, cuMemGetInfo_v2, cuModuleGetFunction,
       cuModuleUnload, cuIpcGetMemHandle, cuIpcOpenMemHandle_v2, cuIpcCloseMemHandle,
       cuMemGetAddressRange_v2, cuMemsetD8Async, cuMemsetD16Async, cuMemsetD32Async)
static _Thread_local int pushed[16], depth;
int cuDriverGetVersion(int *out) { return *out = version_or(12040), 0; }
int cuGetErrorName(int error, const char **out) {
  return *out = error == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : error == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS"
                : error == 100 ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR_SAID", 0;
}
int cuGetErrorString(int error, const char **out) {
  return *out = error == 2 ? "out of memory" : error == 700 ? "an illegal memory access" : "as told", 0;
}
int cuInit(unsigned flags) { return (void)flags, start("cuInit", "9.0"); }
int cuDeviceGetCount(int *out) { return *out = n_devices, 0; }
int cuDeviceGet(int *out, int i) { return *out = 100 + i, 0; }
int cuDeviceGetName(char *out, int n, int d) { return snprintf(out, (size_t)n, "Stand-in %d", d - 100), 0; }
int cuDeviceGetAttribute(int *out, int attribute, int d) {
  const char *name = names_of[d - 100];
  *out = attribute == 75 ? atoi(name) : attribute == 76 ? atoi(strchr(name, '.') + 1)
         : attribute == 16 ? 7 : attribute == 38 ? 1 << 20 : -1;
  return lost;
}
int cuDeviceTotalMem_v2(size_t *out, int d) { return (void)d, *out = limit(), 0; }
ENTRY(cuDevicePrimaryCtxRetain, (uintptr_t *out, int d), *out = (uintptr_t)d, "%d", d)
int cuCtxGetCurrent(uintptr_t *c) { return *c = depth ? (uintptr_t)current + 100 : 0, 0; }
int cuCtxPushCurrent_v2(uintptr_t c) { pushed[depth++] = current; current = (int)c - 100; return 0; }
int cuCtxPopCurrent_v2(uintptr_t *c) { *c = (uintptr_t)current; current = pushed[--depth]; return 0; }
typedef struct { size_t x, y; int type; void *host; char *device; void *array; size_t pitch; } plane;
ENTRY(cuMemcpyAsync, (char *p, const char *q, size_t n, void *s), put(s, ROWS(p, n, q, n, n, 1)), "%zu", n)
typedef struct { plane src, dst; size_t w, h; } copy_2d;
ENTRY(cuMemcpy2DAsync_v2, (const copy_2d *c, void *s), {
      if (c->src.type != 4 || c->dst.type != 4) error = 1;
      else put(s, ROWS(c->dst.device, c->src.pitch, c->src.device, c->dst.pitch, c->w, c->h));
      }, "%zu x %zu", c->h, c->w)
#define FILL_2D(name, unit_, type) \
  ENTRY(name, (char *p, size_t pitch, type v, size_t n, size_t rows, void *s), \
        put(s, (op){.kind = FILL, .dst = p, .dst_pitch = pitch, .value = v, .unit = unit_, \
                    .width = unit_ * n, .height = rows}), "%u %zu x %zu", (unsigned)v, rows, n)
FILL_2D(cuMemsetD2D8Async, 1, unsigned char)
FILL_2D(cuMemsetD2D16Async, 2, unsigned short)
FILL_2D(cuMemsetD2D32Async, 4, unsigned)
static int assemble(void **out, const char *ptx, unsigned n, const int *options, void **values) {
  if (n != 2 || options[0] != 5 || options[1] != 6) return 1;
  if (!strstr(ptx, "opencu_kernel")) return strcpy(values[0], "line 1: there is no kernel"), 218;
  return *out = load(ptx, ".param .", strlen(ptx)), 0;
}
ENTRY(cuModuleLoadDataEx, (void **out, const char *ptx, unsigned n, int *options, void **values),
      error = assemble(out, ptx, n, options, values), "%u", n)
int cuLaunchKernel(module *m, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *s, void **params, void **extra) {
  int error;
  if (gy * gz * by * bz != 1 || shared || extra) return 1;
  LOCKED(error = launch("cuLaunchKernel", m, gx, bx, s, params));
  return error;
}
ENTRY(cuDeviceCanAccessPeer, (int *out, int d, int other), *out = peers(d - 100, other - 100), "%d %d", d, other)
ENTRY(cuCtxEnablePeerAccess, (uintptr_t other, unsigned flags), (void)0, "%d %u", (int)other, flags)
#endif
