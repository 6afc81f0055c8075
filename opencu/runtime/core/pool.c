/* pool.c - the caching pool.
 *
 * One large address range, cut into chunks of 2 MiB (a huge page). An allocation is a run of
 * chunks, or a block of a chunk that is cut into equal blocks:
 *
 *   range  | blocks of 1280 | run of 3 chunks ----------> | free, dirty | free, clean ....
 *   word[] | slab 1280      | live | tail 1 | tail 2      | 0           | 0
 *
 * word[] (one for each chunk) and block[] (one for each 256 bytes) say what an address is; they are
 * read without a lock. A clean run has no memory; a dirty one was freed and keeps its pages for the
 * next allocation, until memory is short or more than an eighth of it is cached.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include "core.h"

enum { CHUNK_BITS = 21, BLOCK_BITS = 8, N_CLASSES = 40 };
#define CHUNK ((size_t)1 << CHUNK_BITS)
#define BLOCKS (CHUNK >> BLOCK_BITS)
#define SMALL_MAX (CHUNK / 4)

/* The low two bits of a word; live: bytes << 16 | device << 8 | kind << 2. */
enum { DEAD = 0, LIVE = 1, TAIL = 2 /* chunks back << 2 */, SLAB = 3 /* block bytes << 2 */ };
enum { CLEAN, DIRTY, USED };

typedef struct {
  uint32_t run;                /* chunks, at both ends of a run */
  uint8_t state;               /* at both ends of a run */
  uint32_t live, fresh, freed; /* slab: blocks in use, blocks never used begin, freed list + 1 */
  int32_t prev, next;          /* in a list of runs, or of slabs with room */
} chunk;

typedef struct { int32_t first, last; } list;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *base;
static size_t range;           /* bytes */
static _Atomic uint64_t *word, *block;
static chunk *chunks;
static list runs[2], room[N_CLASSES];
static int64_t headroom, measured_at, margin;
_Atomic int64_t ocu_pool_in_use, ocu_pool_committed, ocu_pool_cached;

/* ---- lists --------------------------------------------------------------------------------- */

static void list_add(list *l, int32_t i) {
  chunks[i].prev = -1;
  chunks[i].next = l->first;
  if (l->first >= 0) chunks[l->first].prev = i;
  else l->last = i;
  l->first = i;
}

static void list_remove(list *l, int32_t i) {
  chunk *c = &chunks[i];
  if (c->prev >= 0) chunks[c->prev].next = c->next;
  else l->first = c->next;
  if (c->next >= 0) chunks[c->next].prev = c->prev;
  else l->last = c->prev;
}

/* ---- runs of chunks ------------------------------------------------------------------------ */

static void mark_run(int32_t at, uint32_t n, int state) {
  chunk *first = &chunks[at], *last = &chunks[at + n - 1];
  first->run = last->run = n;
  first->state = last->state = (uint8_t)state;
}

static void put_run(int32_t at, uint32_t n, int state) {
  if (at > 0 && chunks[at - 1].state == state) {
    uint32_t before = chunks[at - 1].run;
    at -= (int32_t)before;
    n += before;
    list_remove(&runs[state], at);
  }
  if (((size_t)at + n) << CHUNK_BITS < range && chunks[at + n].state == state) {
    list_remove(&runs[state], at + (int32_t)n);
    n += chunks[at + n].run;
  }
  mark_run(at, n, state);
  list_add(&runs[state], at);
}

static int32_t best_fit(int state, uint32_t n) {
  int32_t best = -1;
  for (int32_t i = runs[state].first; i >= 0; i = chunks[i].next)
    if (chunks[i].run >= n && (best < 0 || chunks[i].run < chunks[best].run)) {
      best = i;
      if (chunks[i].run == n) break;
    }
  return best;
}

static void cut_run(int32_t at, uint32_t n) {
  uint32_t rest = chunks[at].run - n;
  int state = chunks[at].state;
  list_remove(&runs[state], at);
  mark_run(at, n, USED);
  if (rest) put_run(at + (int32_t)n, rest, state);
}

/* Give pages of freed runs back, the longest freed first, until at most `keep` bytes are cached.
 * Not while work runs: it may use, by mistake, what was freed on another stream. */
static void give_back(int64_t keep) {
  if (atomic_load(&ocu_pool_cached) <= keep || !ocu_all_idle()) return;
  while (atomic_load(&ocu_pool_cached) > keep && runs[DIRTY].last >= 0) {
    int32_t at = runs[DIRTY].last;
    uint32_t run = chunks[at].run;
    uint64_t excess = ((uint64_t)(atomic_load(&ocu_pool_cached) - keep) + CHUNK - 1) >> CHUNK_BITS;
    uint32_t n = excess < run ? (uint32_t)excess : run;
    list_remove(&runs[DIRTY], at);
    if (n < run) {
      mark_run(at, run - n, DIRTY);
      list_add(&runs[DIRTY], at);
      at += (int32_t)(run - n);
    }
    int64_t bytes = (int64_t)n << CHUNK_BITS;
    madvise(base + ((size_t)at << CHUNK_BITS), (size_t)bytes, MADV_DONTNEED);
    mprotect(base + ((size_t)at << CHUNK_BITS), (size_t)bytes, PROT_NONE);
    atomic_fetch_sub(&ocu_pool_cached, bytes);
    atomic_fetch_sub(&ocu_pool_committed, bytes);
    put_run(at, n, CLEAN);
  }
}

/* ---- charging: what was handed out and not yet touched is spoken for ----------------------- */

/* Bytes of the range that have memory or swap behind them. mincore would not do: it counts pages
 * that were only read, and these share one page of zeros. */
static int64_t resident(void) {
  FILE *f = fopen("/proc/self/smaps", "re");
  if (!f) return 0;
  uintptr_t from = (uintptr_t)base, to = from + range;
  int64_t kib = 0, n;
  bool inside = false;
  char line[512];
  while (fgets(line, sizeof line, f)) {
    unsigned long start, end;
    if (sscanf(line, "%lx-%lx ", &start, &end) == 2) inside = start >= from && end <= to;
    else if (inside && (sscanf(line, "Rss: %" SCNd64, &n) == 1 || sscanf(line, "Swap: %" SCNd64, &n) == 1))
      kib += n;
  }
  fclose(f);
  return kib << 10;
}

/* Bytes that may still be committed. The cheap answer takes nothing to be touched yet. */
static int64_t spare(int64_t want) {
  int64_t all = atomic_load(&ocu_pool_committed), total, available;
  ocu_machine_memory("", &total, &available);
  available -= margin;
  if (want <= available - all) return available - all;
  return all ? available - all + resident() : available;
}

static bool charge(int64_t bytes) {
  int64_t now = ocu_now();
  if (now - measured_at > 10000000 || bytes > headroom) {  /* others use memory as well: 10 ms */
    int64_t left = spare(bytes);
    if (left < bytes && atomic_load(&ocu_pool_cached)) {
      give_back(0);
      left = spare(bytes);
    }
    if (left < bytes) return false;
    measured_at = now;
    headroom = bytes + (left - bytes) / 4;
  }
  headroom -= bytes;
  return true;
}

int64_t ocu_pool_free_bytes(void) {
  pthread_mutex_lock(&lock);
  int64_t left = spare(INT64_MAX) + atomic_load(&ocu_pool_cached);
  pthread_mutex_unlock(&lock);
  return left > 0 ? left : 0;
}

static int32_t take_run(uint32_t n) {
  int64_t bytes = (int64_t)n << CHUNK_BITS;
  int32_t at = best_fit(DIRTY, n);
  if (at >= 0) {
    cut_run(at, n);
    atomic_fetch_sub(&ocu_pool_cached, bytes);
    return at;
  }
  if (!charge(bytes)) return -1;
  if ((at = best_fit(CLEAN, n)) < 0) {
    give_back(0);
    if ((at = best_fit(CLEAN, n)) < 0) return -1;
  }
  void *start = base + ((size_t)at << CHUNK_BITS);
  if (mprotect(start, (size_t)bytes, PROT_READ | PROT_WRITE)) return -1;
  cut_run(at, n);
  atomic_fetch_add(&ocu_pool_committed, bytes);
  return at;
}

static void free_run(int32_t at) {
  uint32_t n = chunks[at].run;
  for (uint32_t i = 0; i < n; i++)
    atomic_store_explicit(&word[at + i], DEAD, memory_order_relaxed);
  atomic_fetch_add(&ocu_pool_cached, (int64_t)n << CHUNK_BITS);
  put_run(at, n, DIRTY);
  give_back(ocu_cpu.memory_total / 8);
}

/* ---- allocations --------------------------------------------------------------------------- */

/* Sizes of blocks: 256 512 768 1024, then four to each doubling. */
static int size_class(size_t bytes, uint32_t *size) {
  if (bytes <= 1024) {
    *size = (uint32_t)((bytes + 255) & ~(size_t)255);
    return (int)(*size >> 8) - 1;
  }
  uint32_t n = (uint32_t)bytes - 1;
  int top = 31 - __builtin_clz(n), step = top - 2;
  *size = ((n >> step) + 1) << step;
  return 4 + (top - 10) * 4 + (int)(n >> step) - 4;
}

static char *alloc_block(size_t bytes, uint64_t live) {
  uint32_t size;
  list *l = &room[size_class(bytes, &size)];
  int32_t at = l->first;
  if (at < 0) {
    if ((at = take_run(1)) < 0) return NULL;
    chunks[at].live = chunks[at].fresh = chunks[at].freed = 0;
    atomic_store_explicit(&word[at], (uint64_t)size << 2 | SLAB, memory_order_relaxed);
    list_add(l, at);
  }
  chunk *c = &chunks[at];
  _Atomic uint64_t *words = block + (size_t)at * BLOCKS;
  uint32_t unit = size >> BLOCK_BITS, i;
  if (c->freed) {
    i = c->freed - 1;
    c->freed = (uint32_t)(atomic_load_explicit(&words[i], memory_order_relaxed) >> 2);
  } else {
    i = c->fresh;
    c->fresh += unit;
  }
  c->live++;
  if (!c->freed && c->fresh + unit > BLOCKS) list_remove(l, at);
  atomic_store_explicit(&words[i], live, memory_order_release);
  return base + ((size_t)at << CHUNK_BITS) + ((size_t)i << BLOCK_BITS);
}

static void free_block(int32_t at, uint32_t i, uint32_t size) {
  uint32_t class_size, unit = size >> BLOCK_BITS;
  list *l = &room[size_class(size, &class_size)];
  chunk *c = &chunks[at];
  bool had_room = c->freed || c->fresh + unit <= BLOCKS;
  atomic_store_explicit(&block[(size_t)at * BLOCKS + i], (uint64_t)c->freed << 2,
                        memory_order_relaxed);
  c->freed = i + 1;
  if (!had_room) list_add(l, at);
  if (!--c->live) {
    list_remove(l, at);
    free_run(at);
  }
}

static char *alloc_run(size_t bytes, uint64_t live) {
  uint32_t n = (uint32_t)((bytes + CHUNK - 1) >> CHUNK_BITS);
  int32_t at = take_run(n);
  if (at < 0) return NULL;
  for (uint32_t i = 1; i < n; i++)
    atomic_store_explicit(&word[at + i], (uint64_t)i << 2 | TAIL, memory_order_relaxed);
  atomic_store_explicit(&word[at], live, memory_order_release);
  return base + ((size_t)at << CHUNK_BITS);
}

ocu_status ocu_pool_alloc(int device, size_t bytes, ocu_mem_kind kind, void **out) {
  if (!bytes) return OCU_OK;
  if (bytes <= range) {
    uint64_t live = (uint64_t)bytes << 16 | (uint64_t)device << 8 | (uint64_t)kind << 2 | LIVE;
    for (int attempt = 0; attempt < 2 && !*out; attempt++) {
      if (attempt) ocu_wait_all();  /* then cached memory can be given back */
      pthread_mutex_lock(&lock);
      *out = bytes <= SMALL_MAX ? alloc_block(bytes, live) : alloc_run(bytes, live);
      pthread_mutex_unlock(&lock);
    }
  }
  if (!*out)
    return ocu_fail(OCU_OUT_OF_MEMORY, "%zu bytes do not fit: %lld bytes of memory are free", bytes,
                    (long long)ocu_pool_free_bytes());
  atomic_fetch_add(&ocu_pool_in_use, (int64_t)bytes);
  return OCU_OK;
}

/* The word of the allocation that would hold p, and its start. NULL: p is not the pool's. */
static inline _Atomic uint64_t *locate(const void *p, char **start) {
  size_t offset = (size_t)((uintptr_t)p - (uintptr_t)base);
  if (offset >= range) return NULL;
  size_t at = offset >> CHUNK_BITS, in = offset & (CHUNK - 1);
  uint64_t w = atomic_load_explicit(&word[at], memory_order_acquire);
  if ((w & 3) == SLAB) {
    uint32_t size = (uint32_t)(w >> 2), first = (uint32_t)in / size * size;
    *start = base + (offset - in) + first;
    return &block[at * BLOCKS + (first >> BLOCK_BITS)];
  }
  if ((w & 3) == TAIL) at -= w >> 2;
  *start = base + (at << CHUNK_BITS);
  return &word[at];
}

int ocu_pool_find(const void *p, ocu_pointer_info *out) {
  char *start;
  _Atomic uint64_t *at = locate(p, &start);
  if (!at) return 0;
  uint64_t w = atomic_load_explicit(at, memory_order_acquire);
  if ((w & 3) != LIVE || (size_t)((const char *)p - start) >= w >> 16) return -1;
  *out = (ocu_pointer_info){.base = start, .bytes = w >> 16, .device = (int)(w >> 8 & 255),
                            .kind = (ocu_mem_kind)(w >> 2 & 63)};
  return 1;
}

bool ocu_pool_overlaps(const void *p, size_t bytes) {
  uintptr_t from = (uintptr_t)p, pool = (uintptr_t)base;
  return from < pool + range && from + bytes > pool;
}

ocu_status ocu_pool_retire(void *p, int *device) {
  char *start;
  _Atomic uint64_t *at = locate(p, &start);
  uint64_t w = at ? atomic_load(at) : 0;
  /* The exchange lets one of two threads that free the same pointer win. */
  if (!at || start != p || (w & 3) != LIVE || !atomic_compare_exchange_strong(at, &w, DEAD))
    return ocu_fail(OCU_INVALID_POINTER, "%p is not the start of a live allocation%s", p,
                    at && start == p ? ": it was freed before" : "");
  *device = (int)(w >> 8 & 255);
  atomic_fetch_sub(&ocu_pool_in_use, (int64_t)(w >> 16));
  return OCU_OK;
}

void ocu_pool_release(void *p) {
  size_t offset = (size_t)((char *)p - base), at = offset >> CHUNK_BITS;
  pthread_mutex_lock(&lock);
  uint64_t w = atomic_load(&word[at]);
  if ((w & 3) == SLAB)
    free_block((int32_t)at, (uint32_t)((offset & (CHUNK - 1)) >> BLOCK_BITS), (uint32_t)(w >> 2));
  else
    free_run((int32_t)at);
  pthread_mutex_unlock(&lock);
}

void ocu_pool_trim(size_t keep) {
  pthread_mutex_lock(&lock);
  give_back(keep < INT64_MAX ? (int64_t)keep : INT64_MAX);
  pthread_mutex_unlock(&lock);
}

/* Address space; PROT_NONE costs no memory even where the system refuses to overcommit. */
static void *reserve(size_t bytes) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  char *p = mmap(NULL, bytes + CHUNK, PROT_NONE, flags, -1, 0);
  if (p == MAP_FAILED) return NULL;
  p += -(uintptr_t)p & (CHUNK - 1);
  madvise(p, bytes, MADV_HUGEPAGE);
  return p;
}

static bool make_tables(size_t n) {
  size_t bytes = n * (sizeof *word + BLOCKS * sizeof *block + sizeof *chunks);
  word = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
              0);
  if (word == MAP_FAILED) return false;
  ocu_keep(word, bytes);
  block = word + n;
  chunks = (void *)(block + n * BLOCKS);
  return true;
}

ocu_status ocu_pool_start(void) {
  /* Four times the memory, so that fragmented addresses never are what runs out. */
  size_t want = (size_t)ocu_cpu.memory_total * 4, size = (size_t)1 << 34;
  while (size < want && size < (size_t)1 << 43) size *= 2;
  while (size >= (size_t)1 << 28 && !(base = reserve(size)))
    size /= 4;  /* under ulimit -v, leave the program its part */
  if (!base) return OCU_SYSTEM;
  range = size;
  size_t n = range >> CHUNK_BITS;
  if (!make_tables(n)) return OCU_SYSTEM;
  for (int i = 0; i < N_CLASSES; i++) room[i] = (list){-1, -1};
  runs[CLEAN] = runs[DIRTY] = (list){-1, -1};
  mark_run(0, (uint32_t)n, USED);
  put_run(0, (uint32_t)n, CLEAN);
  /* Page tables, kernel buffers and everybody's next few pages. */
  margin = ocu_cpu.memory_total / 50 + (16 << 20);
  return OCU_OK;
}
