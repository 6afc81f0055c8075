/* pools.c - memory pools and stream-ordered allocation, as the runtime and the driver show them.
 *
 * All pools of a device draw on the core's one cache. A pool counts what was allocated from it,
 * keeps its attributes and refuses to grow beyond its own limit. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "shared.h"

enum { FIRST_REUSE = CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES };

struct CUmemPoolHandle_st {
  int live, destroyed; /* destroyed: gone for the program, but memory of it is still in use */
  ocu_mem_kind kind;
  int device;
  int reuse[3];
  uint64_t threshold, most, used, used_high, reserved_high;
  signed char access[SHIM_DEVICES];
} __attribute__((aligned(64)));

enum { HOST_POOL = SHIM_DEVICES, MANAGED_POOL, FIRST_POOL, POOLS = 2048 };
static shim_pool pools[POOLS];                 /* the default pools first: each device's, host's */
static shim_pool *current[FIRST_POOL];         /* NULL: the default pool */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void set_up(shim_pool *pool, ocu_mem_kind kind, int device, uint64_t most) {
  *pool = (shim_pool){.live = 1, .kind = kind, .device = device, .most = most};
  for (int i = 0; i < 3; i++) pool->reuse[i] = 1;
  pool->access[device] = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
}

/* The default pool of a device, or of the host; call with the lock held. */
static shim_pool *original(int place) {
  if (!pools[place].live)
    set_up(&pools[place], place == HOST_POOL ? OCU_MEM_HOST
                          : place == MANAGED_POOL ? OCU_MEM_MANAGED : OCU_MEM_DEVICE,
           place < SHIM_DEVICES ? place : 0, 0);
  return &pools[place];
}

static int is_pool(const shim_pool *pool) {
  return SHIM_SLOT(pools, pool) >= 0 && pool->live && !pool->destroyed;
}

/* ---- allocations to remember: those of pools, and pinned ones with flags -------------------- */

struct note {
  struct note *next;
  void *p;
  size_t bytes;
  shim_pool *pool;
  unsigned flags;
};

enum { NOTES = 1 << 12 };
static struct note *notes[NOTES];

static struct note **find(const void *p) {
  struct note **at = &notes[((uintptr_t)p >> 8) * 0x9E3779B97F4A7C15u >> 52];
  while (*at && (*at)->p != p) at = &(*at)->next;
  return at;
}

static struct note *take(const void *p) {
  pthread_mutex_lock(&lock);
  struct note **at = find(p), *note = *at;
  if (note) *at = note->next;
  pthread_mutex_unlock(&lock);
  return note;
}

/* Call with the lock held. */
static void remember(struct note *note) {
  struct note **at = find(note->p);
  note->next = *at;
  *at = note;
}

/* Counts an allocation in its pool; 0: it would pass the pool's limit. */
static int put(struct note *note) {
  shim_pool *pool = note->pool;
  pthread_mutex_lock(&lock);
  int fits = !pool || !pool->most || note->bytes <= pool->most - pool->used;
  if (fits && pool) {
    pool->used += note->bytes;
    if (pool->used > pool->used_high) pool->used_high = pool->used;
    if (pool->used > pool->reserved_high) pool->reserved_high = pool->used;
  }
  if (fits) remember(note);
  pthread_mutex_unlock(&lock);
  return fits;
}

/* Ends what take began: the memory was freed, or is there as before. */
static int settle(struct note *note, ocu_status status) {
  if (!note) return ocu_shim_code(status);
  shim_pool *pool = note->pool;
  pthread_mutex_lock(&lock);
  if (status != OCU_OK) {
    remember(note);
  } else if (pool) {
    pool->used -= note->bytes;
    if (pool->destroyed && !pool->used) pool->live = pool->destroyed = 0;
  }
  pthread_mutex_unlock(&lock);
  if (status == OCU_OK) free(note);
  return ocu_shim_code(status);
}

static int allocate(shim_pool *pool, int device, size_t bytes, ocu_mem_kind kind, unsigned flags,
                    void **out) {
  ocu_status status = ocu_alloc(device, bytes, kind, out);
  if (status != OCU_OK || !*out || (!pool && !flags)) return ocu_shim_code(status);
  struct note *note = malloc(sizeof *note);
  if (note) *note = (struct note){NULL, *out, bytes, pool, flags};
  if (note && put(note)) return CUDA_SUCCESS;
  free(note);
  ocu_free_async(NULL, *out);
  *out = NULL;
  return CUDA_ERROR_OUT_OF_MEMORY;
}

int ocu_shim_alloc(size_t bytes, ocu_mem_kind kind, unsigned flags, void **out) {
  REQUIRE(OUT(out), CUDA_ERROR_INVALID_VALUE);
  return allocate(NULL, ocu_device_get(), bytes, kind, flags, out);
}

/* Rows are padded so that each begins at a good place. */
int ocu_shim_alloc_pitch(size_t width, size_t height, size_t *pitch, void **out) {
  size_t row, bytes;
  REQUIRE(OUT(out) && OUT(pitch), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(!__builtin_add_overflow(width, 511, &row), CUDA_ERROR_OUT_OF_MEMORY);
  row = row / 512 * 512;
  REQUIRE(!__builtin_mul_overflow(row, height, &bytes), CUDA_ERROR_OUT_OF_MEMORY);
  int error = ocu_shim_alloc(bytes, OCU_MEM_DEVICE, 0, out);
  if (!error) *pitch = row;
  return error;
}

int ocu_shim_alloc_async(shim_pool *pool, size_t bytes, ocu_stream *stream, void **out) {
  REQUIRE(OUT(out), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(ocu_alive() == OCU_OK, CUDA_ERROR_NOT_INITIALIZED);
  int device = ocu_stream_device(stream);
  REQUIRE(device >= 0, CUDA_ERROR_INVALID_HANDLE);
  pthread_mutex_lock(&lock);
  if (!pool) pool = current[device] ? current[device] : original(device);
  int known = is_pool(pool);
  pthread_mutex_unlock(&lock);
  REQUIRE(known, CUDA_ERROR_INVALID_VALUE);
  int mode = ocu_capture_mode(OCU_CAPTURE_RELAXED); /* in a stream's order it is safe in captures */
  int error = allocate(pool, pool->kind == OCU_MEM_DEVICE ? pool->device : device, bytes,
                       pool->kind, 0, out);
  ocu_capture_mode(mode);
  return error;
}

int ocu_shim_free(void *p, int host) {
  ocu_pointer_info info;
  if (!p) return ocu_shim_code(ocu_alive());
  CHECK(ocu_shim_code(ocu_pointer_query(p, &info)));
  REQUIRE(!info.freed && info.kind != OCU_MEM_UNKNOWN && (info.kind == OCU_MEM_HOST) == host,
          CUDA_ERROR_INVALID_VALUE);
  struct note *note = take(p);
  return settle(note, ocu_free(p));
}

int ocu_shim_free_async(void *p, ocu_stream *stream) {
  REQUIRE(p, CUDA_ERROR_INVALID_VALUE);
  struct note *note = take(p);
  return settle(note, ocu_free_async(stream, p));
}

shim_pool *ocu_shim_pool_holding(const void *p) {
  pthread_mutex_lock(&lock);
  struct note *note = *find(p);
  shim_pool *pool = note ? note->pool : NULL;
  pthread_mutex_unlock(&lock);
  return pool;
}

unsigned ocu_shim_note_flags(const void *p) {
  pthread_mutex_lock(&lock);
  struct note *note = *find(p);
  unsigned flags = note ? note->flags : 0;
  pthread_mutex_unlock(&lock);
  return flags;
}

/* ---- pools ---------------------------------------------------------------------------------- */

static int kind_of(const struct shim_place *place, int type, ocu_mem_kind *kind) {
  int host = place->type >= CU_MEM_LOCATION_TYPE_HOST &&
             place->type <= CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT;
  int device = place->type == CU_MEM_LOCATION_TYPE_DEVICE;
  REQUIRE(!device || shim_device_exists(place->id), CUDA_ERROR_INVALID_DEVICE);
  if (type == CU_MEM_ALLOCATION_TYPE_MANAGED && place->type >= 0 && place->type <= 4)
    *kind = OCU_MEM_MANAGED;
  else if (type == CU_MEM_ALLOCATION_TYPE_PINNED && (host || device))
    *kind = host ? OCU_MEM_HOST : OCU_MEM_DEVICE;
  else
    return CUDA_ERROR_INVALID_VALUE;
  return CUDA_SUCCESS;
}

int ocu_shim_pool_create(shim_pool **out, const struct shim_pool_props *p, const char *name) {
  ocu_mem_kind kind;
  REQUIRE(OUT(out) && IN(p), CUDA_ERROR_INVALID_VALUE);
  CHECK(kind_of(&p->place, p->type, &kind));
  if (p->handle_types)
    return ocu_shim_refuse(name, "handleTypes: memory cannot be shared between processes yet");
  REQUIRE(ocu_alive() == OCU_OK, CUDA_ERROR_NOT_INITIALIZED);
  pthread_mutex_lock(&lock);
  shim_pool *pool = pools + FIRST_POOL;
  while (pool < pools + POOLS && pool->live) pool++;
  if (pool < pools + POOLS)
    set_up(pool, kind, kind == OCU_MEM_DEVICE ? p->place.id : 0, p->most);
  pthread_mutex_unlock(&lock);
  REQUIRE(pool < pools + POOLS, CUDA_ERROR_OUT_OF_MEMORY);
  *out = pool;
  return CUDA_SUCCESS;
}

/* Memory of a destroyed pool stays valid until it is freed. */
int ocu_shim_pool_destroy(shim_pool *pool) {
  REQUIRE(is_pool(pool) && pool >= pools + FIRST_POOL, CUDA_ERROR_INVALID_VALUE);
  pthread_mutex_lock(&lock);
  for (int i = 0; i < FIRST_POOL; i++)
    if (current[i] == pool) current[i] = NULL;
  pool->destroyed = pool->used != 0;
  pool->live = pool->destroyed;
  pthread_mutex_unlock(&lock);
  return CUDA_SUCCESS;
}

/* What the core keeps for everybody counts as reserved by the default pools. */
static uint64_t reserved(const shim_pool *pool) {
  return pool->used + (pool < pools + FIRST_POOL ? (uint64_t)ocu_counter("memory.cached") : 0);
}

int ocu_shim_pool_get(shim_pool *pool, int attribute, void *value) {
  int wide = attribute >= CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
  REQUIRE(is_pool(pool) && attribute >= FIRST_REUSE && attribute <= CU_MEMPOOL_ATTR_USED_MEM_HIGH &&
              ocu_accessible(value, wide ? 8 : 4, 1),
          CUDA_ERROR_INVALID_VALUE);
  pthread_mutex_lock(&lock);
  uint64_t now = reserved(pool), high = now > pool->reserved_high ? now : pool->reserved_high;
  uint64_t answers[] = {pool->threshold, now, pool->reserved_high = high, pool->used,
                        pool->used_high};
  if (wide)
    memcpy(value, &answers[attribute - CU_MEMPOOL_ATTR_RELEASE_THRESHOLD], 8);
  else
    memcpy(value, &pool->reuse[attribute - FIRST_REUSE], 4);
  pthread_mutex_unlock(&lock);
  return CUDA_SUCCESS;
}

/* High-water marks can be reset to zero, which means: to what is in use now. */
int ocu_shim_pool_set(shim_pool *pool, int attribute, const void *value) {
  int wide = attribute >= CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
  uint64_t number = 0;
  REQUIRE(is_pool(pool) && ocu_accessible(value, wide ? 8 : 4, 0), CUDA_ERROR_INVALID_VALUE);
  memcpy(&number, value, wide ? 8 : 4);
  int error = CUDA_SUCCESS;
  pthread_mutex_lock(&lock);
  if (attribute >= FIRST_REUSE && !wide)
    pool->reuse[attribute - FIRST_REUSE] = number != 0;
  else if (attribute == CU_MEMPOOL_ATTR_RELEASE_THRESHOLD)
    pool->threshold = number;
  else if (attribute == CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH && !number)
    pool->reserved_high = reserved(pool);
  else if (attribute == CU_MEMPOOL_ATTR_USED_MEM_HIGH && !number)
    pool->used_high = pool->used;
  else
    error = CUDA_ERROR_INVALID_VALUE;
  pthread_mutex_unlock(&lock);
  return error;
}

int ocu_shim_pool_trim(shim_pool *pool, size_t keep) {
  REQUIRE(is_pool(pool), CUDA_ERROR_INVALID_VALUE);
  return ocu_shim_code(ocu_trim(keep > pool->used ? keep - pool->used : 0));
}

/* Every device reaches all memory; what is asked for is kept and told. */
int ocu_shim_pool_set_access(shim_pool *pool, const struct shim_access *list, size_t n) {
  REQUIRE(is_pool(pool) && n && IN_ARRAY(list, n), CUDA_ERROR_INVALID_VALUE);
  for (int check = 1; check >= 0; check--)
    for (size_t i = 0; i < n; i++) {
      struct shim_access a = list[i];
      int own = pool->kind == OCU_MEM_DEVICE && a.place.id == pool->device;
      if (!check) {
        pool->access[(unsigned)a.place.id % SHIM_DEVICES] = (signed char)a.flags;
        continue;
      }
      REQUIRE(a.place.type == CU_MEM_LOCATION_TYPE_DEVICE && a.flags >= 0 && a.flags <= 3 &&
                  a.flags != 2 && !(own && a.flags != 3),
              CUDA_ERROR_INVALID_VALUE);
      REQUIRE(shim_device_exists(a.place.id), CUDA_ERROR_INVALID_DEVICE);
    }
  return CUDA_SUCCESS;
}

int ocu_shim_pool_get_access(int *flags, shim_pool *pool, const struct shim_place *place) {
  REQUIRE(OUT(flags) && is_pool(pool) && IN(place) && place->type == CU_MEM_LOCATION_TYPE_DEVICE,
          CUDA_ERROR_INVALID_VALUE);
  REQUIRE(shim_device_exists(place->id), CUDA_ERROR_INVALID_DEVICE);
  *flags = pool->access[place->id];
  return CUDA_SUCCESS;
}

/* ---- default and current pools -------------------------------------------------------------- */

static int slot_of(const struct shim_place *place, int type, int *slot) {
  ocu_mem_kind kind;
  REQUIRE(IN(place), CUDA_ERROR_INVALID_VALUE);
  CHECK(kind_of(place, type, &kind));
  *slot = kind == OCU_MEM_DEVICE ? place->id : kind == OCU_MEM_HOST ? HOST_POOL : MANAGED_POOL;
  return CUDA_SUCCESS;
}

int ocu_shim_pool_of_place(shim_pool **out, const struct shim_place *place, int type,
                           int originally) {
  int slot;
  REQUIRE(OUT(out), CUDA_ERROR_INVALID_VALUE);
  CHECK(slot_of(place, type, &slot));
  pthread_mutex_lock(&lock);
  *out = originally || !current[slot] ? original(slot) : current[slot];
  pthread_mutex_unlock(&lock);
  return ocu_shim_code(ocu_alive());
}

int ocu_shim_pool_choose(const struct shim_place *place, int type, shim_pool *pool) {
  int slot;
  CHECK(slot_of(place, type, &slot));
  pthread_mutex_lock(&lock);
  int fits = is_pool(pool) && pool->kind == original(slot)->kind &&
             pool->device == pools[slot].device;
  if (fits) current[slot] = pool;
  pthread_mutex_unlock(&lock);
  return fits ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
