/* acme.c - the Acme One: one core that takes everything it is given from one queue.
 *
 *   cc -shared -fPIC -pthread acme.c -o libacme.so -I$(opencu shims --include) \
 *      -L$(opencu shims --lib) -lopencu
 *
 * One queue for all streams makes order simple: an event is a place in it, waiting for one that was
 * recorded needs no work at all. What stands for the vendor's library here is a thread. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include "driver.h"

enum { MEMORY = 1 << 28 };

typedef struct { void (*run)(const int64_t *params, int64_t pid, void *scratch); size_t bytes; void *scratch; } kernel;
typedef struct { long at; double ms; } event;
typedef struct { long last; } stream;
typedef struct work {
  struct work *next;
  enum { COPY, FILL, LAUNCH, CALL, RECORD } kind;
  ocu_rect r;
  const kernel *code;
  int64_t programs;
  void (*fn)(void *);
  void *arg;
  int64_t params[];
} work;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static work *first, *last;
static long put, done;
static size_t used;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void execute(work *w) {
  for (size_t i = 0; w->kind <= FILL && i < w->r.height; i++) {
    char *row = w->r.dst + i * w->r.dst_pitch;
    if (w->kind == COPY) memmove(row, w->r.src + i * w->r.src_pitch, w->r.width);
    else
      for (size_t j = 0; j < w->r.width; j++) row[j] = ((char *)&w->r.pattern)[j % 8];
  }
  for (int64_t pid = 0; w->kind == LAUNCH && pid < w->programs; pid++)
    w->code->run(w->params, pid, w->code->scratch);
  if (w->kind == CALL) w->fn(w->arg);
  if (w->kind == RECORD) ((event *)w->arg)->ms = now();
}

static void *core(void *unused) {
  pthread_mutex_lock(&lock);
  for (;;) {
    while (!first) pthread_cond_wait(&changed, &lock);
    work *w = first;
    pthread_mutex_unlock(&lock);
    execute(w);
    pthread_mutex_lock(&lock);
    if (!(first = w->next)) last = NULL;
    free(w);
    done++;
    pthread_cond_broadcast(&changed);
  }
  return unused;
}

/* Queues a copy of w, with its words; the place that it got. */
static ocu_status submit(void *s, const work *w, const int64_t *params, int n, long *at) {
  size_t words = (size_t)n * sizeof *params;
  work *own = malloc(sizeof *own + words);
  if (!own) return ocu_fail(OCU_OUT_OF_MEMORY, "acme: there is no host memory for work");
  *own = *w;
  own->next = NULL;
  if (n) memcpy(own->params, params, words);
  pthread_mutex_lock(&lock);
  if (last) last->next = own;
  else first = own;
  last = own;
  ((stream *)s)->last = ++put;
  if (at) *at = put;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  return OCU_OK;
}

static ocu_status wait_for(long at) {
  pthread_mutex_lock(&lock);
  while (done < at) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
  return OCU_OK;
}

static ocu_status is_done(long at) {
  pthread_mutex_lock(&lock);
  ocu_status status = done < at ? OCU_NOT_READY : OCU_OK;
  pthread_mutex_unlock(&lock);
  return status;
}

static int open_acme(char *why, size_t bytes) {
  pthread_t thread;
  if (!pthread_create(&thread, NULL, core, NULL)) return 1;
  return strncpy(why, "the Acme One does not answer", bytes), 0;
}

static ocu_status info(int d, ocu_device_info *out) {
  (void)d;
  strcpy(out->name, "Acme One");
  strcpy(out->target, "acme1");
  out->threads = out->cores = 1;
  out->memory_total = MEMORY;
  out->memory_free = (int64_t)(MEMORY - used);
  return OCU_OK;
}

/* A real driver asks its vendor's library; this one keeps the size before what it hands out. */
static ocu_status alloc(int d, size_t bytes, ocu_mem_kind kind, void **out) {
  (void)d, (void)kind;
  if (bytes > MEMORY - used)
    return ocu_fail(OCU_OUT_OF_MEMORY, "acme:0 has %zu bytes left, not %zu", MEMORY - used, bytes);
  char *p = aligned_alloc(256, (bytes + 511) & ~(size_t)255);
  if (!p) return ocu_fail(OCU_OUT_OF_MEMORY, "acme: there is no host memory behind the chip's");
  *(size_t *)p = bytes;
  used += bytes;
  *out = p + 256;
  return OCU_OK;
}

static ocu_status free_memory(int d, void *p, ocu_mem_kind kind) {
  (void)d, (void)kind;
  char *start = (char *)p - 256;
  used -= *(size_t *)start;
  free(start);
  return OCU_OK;
}

static ocu_status stream_create(int d, int flags, void **out) {
  (void)d, (void)flags;
  *out = calloc(1, sizeof(stream));
  return OCU_OK;
}
static ocu_status stream_destroy(int d, void *s) { return (void)d, free(s), OCU_OK; }
static ocu_status stream_sync(int d, void *s) { return (void)d, wait_for(((stream *)s)->last); }
static ocu_status stream_query(int d, void *s) { return (void)d, is_done(((stream *)s)->last); }

static ocu_status event_create(int d, int flags, void **out) {
  (void)d, (void)flags;
  *out = calloc(1, sizeof(event));
  return OCU_OK;
}
static ocu_status event_destroy(int d, void *e) {
  (void)d, wait_for(((event *)e)->at);
  return free(e), OCU_OK;
}
static ocu_status event_record(int d, void *e, void *s) {
  (void)d;
  return submit(s, &(work){.kind = RECORD, .arg = e}, NULL, 0, &((event *)e)->at);
}
static ocu_status event_sync(int d, void *e) { return (void)d, wait_for(((event *)e)->at); }
static ocu_status event_query(int d, void *e) { return (void)d, is_done(((event *)e)->at); }
static ocu_status event_elapsed(int d, void *from, void *to, float *ms) {
  (void)d;
  *ms = (float)(((event *)to)->ms - ((event *)from)->ms);
  return OCU_OK;
}
static ocu_status stream_wait(int d, void *s, void *e) { return (void)d, (void)s, (void)e, OCU_OK; }

static ocu_status host_call(int d, void *s, void (*fn)(void *), void *arg) {
  (void)d;
  return submit(s, &(work){.kind = CALL, .fn = fn, .arg = arg}, NULL, 0, NULL);
}
static ocu_status copy(int d, void *s, const ocu_rect *r) {
  (void)d;
  return submit(s, &(work){.kind = COPY, .r = *r}, NULL, 0, NULL);
}
static ocu_status fill(int d, void *s, const ocu_rect *r) {
  (void)d;
  return submit(s, &(work){.kind = FILL, .r = *r}, NULL, 0, NULL);
}

static ocu_status load(int d, const ocu_group_code *code, void **out) {
  (void)d;
  kernel *k = calloc(1, sizeof *k);
  void *p = mmap(NULL, code->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (!k || p == MAP_FAILED) return ocu_fail(OCU_OUT_OF_MEMORY, "acme: no host memory for code");
  memcpy(p, code + 1, code->bytes);
  mprotect(p, code->bytes, PROT_READ | PROT_EXEC);
  *(void **)&k->run = p; /* the kernel is where the code begins */
  k->bytes = code->bytes;
  k->scratch = aligned_alloc(64, (code->shared + 64u) & ~63u);
  *out = k;
  return OCU_OK;
}

static ocu_status unload(int d, void *code) {
  (void)d;
  kernel *k = code;
  munmap(*(void **)&k->run, k->bytes);
  free(k->scratch);
  return free(k), OCU_OK;
}

static ocu_status launch(int d, void *s, const ocu_work *w) {
  (void)d;
  work own = {.kind = LAUNCH, .code = w->code, .programs = w->programs};
  return submit(s, &own, w->params, w->n_params, NULL);
}

static const ocu_driver acme = {
    "acme", open_acme, info, alloc, free_memory, stream_create, stream_destroy, stream_sync,
    stream_query, event_create, event_destroy, event_record, event_sync, event_query,
    event_elapsed, stream_wait, host_call, copy, fill, load, unload, launch};

__attribute__((constructor)) static void add(void) { ocu_driver_add(&acme); }
