/* native.c - devices of other drivers: the order of their streams, memory, code.
 *
 * A stream of theirs is the vendor's. Work is put there by the caller, at once and under the
 * stream's lock; what keeps it in order is the vendor's queue. Where the vendor's own default stream
 * does not (orders_default), the legacy stream and the blocking ones wait for one another by events.
 *
 * Memory that is freed is kept and handed out again: allocating costs a driver too much for every
 * call to do it, and what is kept is known to be freed.
 */
#include <stdlib.h>
#include <string.h>
#include "core.h"

_Atomic bool ocu_native_devices;

ocu_status ocu_native_seen(int device, ocu_status e) {
  if (e == OCU_LOST) atomic_store(&ocu_devices[device].lost, 1);
  return e;
}

ocu_status ocu_native_alive(int device) {
  if (OCU_LIKELY(!atomic_load_explicit(&ocu_devices[device].lost, memory_order_relaxed)))
    return OCU_OK;
  return ocu_fail(OCU_LOST, "device %d (%s:%d) failed before: it is lost to this process", device,
                  ocu_devices[device].driver->name, ocu_devices[device].index);
}

/* ---- order --------------------------------------------------------------------------------- */

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;  /* no stream is given back meanwhile */

static ocu_status follow_one(ocu_stream *s, ocu_stream *other, uint64_t *followed) {
  const ocu_device *d = ocu_device_of(s);
  uint64_t work = atomic_load(&other->work);
  void *event = NULL;
  if (work == *followed) return OCU_OK;
  OCU_TRY(d->driver->event_create(d->index, OCU_EVENT_NO_TIMING, &event));
  ocu_status e = d->driver->event_record(d->index, event, other->native);
  if (!e) e = d->driver->stream_wait(d->index, s->native, event);
  d->driver->event_destroy(d->index, event);
  if (!e) *followed = work;
  return e;
}

static ocu_status follow_others(ocu_stream *s) {
  int device = atomic_load(&s->device);
  if (ocu_devices[device].driver->orders_default || s->flags & OCU_STREAM_NONBLOCKING)
    return OCU_OK;
  ocu_stream *legacy = ocu_legacy_stream(device), *b;
  ocu_status e = OCU_OK;
  pthread_mutex_lock(&order);
  if (legacy && s != legacy) e = follow_one(s, legacy, &s->followed);
  for (uint32_t i = 0; s == legacy && !e && (b = ocu_stream_each(i)); i++)
    if (b != s && ocu_is_native(b) && atomic_load(&b->device) == device && b->native &&
        !(b->flags & OCU_STREAM_NONBLOCKING))
      e = follow_one(s, b, &b->followed_by_legacy);
  pthread_mutex_unlock(&order);
  return e;
}

ocu_status ocu_native_submit(ocu_stream *s, const ocu_submission *sub) {
  int device = atomic_load(&s->device);
  OCU_TRY(ocu_native_alive(device));
  pthread_mutex_lock(&s->turn);
  ocu_status e = follow_others(s);
  if (!e && sub->run) e = sub->run(&(ocu_turn){s, 0, false}, sub->data);
  atomic_fetch_add(&s->work, 1);
  pthread_mutex_unlock(&s->turn);
  if (e && atomic_load(&s->capture)) ocu_capture_failed(s);  /* the graph would lack it */
  OCU_TRY(ocu_native_seen(device, e));
  return sub->how & OCU_WAIT ? ocu_native_wait(s) : OCU_OK;
}

static ocu_status catch_up(ocu_stream *s) {
  if (s != ocu_legacy_stream(atomic_load(&s->device))) return OCU_OK;
  pthread_mutex_lock(&s->turn);
  ocu_status e = follow_others(s);
  pthread_mutex_unlock(&s->turn);
  return e;
}

/* The driver's stream is not given back while it is waited for. */
static ocu_status sync(ocu_stream *s, const ocu_device *d) {
  atomic_fetch_add(&s->waiters, 1);
  pthread_mutex_lock(&s->turn);
  void *native = s->native;
  bool gone = !native && !atomic_load(&s->live);  /* its work is done */
  uint64_t work = atomic_load(&s->work);
  pthread_mutex_unlock(&s->turn);
  ocu_status e = gone ? OCU_OK : d->driver->stream_sync(d->index, native);
  atomic_fetch_sub(&s->waiters, 1);
  if (!e) atomic_store(&s->waited, work);
  return e;
}

ocu_status ocu_native_wait(ocu_stream *s) {
  int device = atomic_load(&s->device);
  if (atomic_load(&ocu_graph_work) && ocu_capture_bars(s)) return OCU_OK;
  if (ocu_self.in_host_call)
    return ocu_fail(OCU_UNSUPPORTED, "a host function may not wait: it would wait for itself");
  OCU_TRY(ocu_native_alive(device));
  ocu_status e = catch_up(s);
  return ocu_native_seen(device, e ? e : sync(s, &ocu_devices[device]));
}

/* With the stream's lock: is all its work done? */
static ocu_status drained(ocu_stream *s) {
  const ocu_device *d = ocu_device_of(s);
  uint64_t work = atomic_load(&s->work);
  if (d->driver->stream_query) return d->driver->stream_query(d->index, s->native);
  if (atomic_load(&s->waited) == work) return OCU_OK;
  if (!s->mark) OCU_TRY(d->driver->event_create(d->index, OCU_EVENT_NO_TIMING, &s->mark));
  if (s->marked != work) OCU_TRY(d->driver->event_record(d->index, s->mark, s->native));
  s->marked = work;
  ocu_status e = d->driver->event_query(d->index, s->mark);
  if (!e) atomic_store(&s->waited, work);
  return e;
}

ocu_status ocu_native_query(ocu_stream *s) {
  int device = atomic_load(&s->device);
  OCU_TRY(ocu_native_alive(device));
  ocu_status e = catch_up(s);
  pthread_mutex_lock(&s->turn);
  if (!e) e = drained(s);
  pthread_mutex_unlock(&s->turn);
  if (e == OCU_NOT_READY) return ocu_fail(e, "work is pending on the stream");
  return ocu_native_seen(device, e);
}

void ocu_native_reap(void) {
  ocu_stream *s;
  for (uint32_t i = 0; (s = ocu_stream_each(i)); i++) {
    if (!ocu_is_native(s) || atomic_load(&s->live)) continue;
    const ocu_device *d = ocu_device_of(s);
    pthread_mutex_lock(&s->turn);
    pthread_mutex_lock(&order);
    if (s->native && !atomic_load(&s->waiters) && !atomic_load(&s->capture) &&
        drained(s) != OCU_NOT_READY) {
      if (s->mark) d->driver->event_destroy(d->index, s->mark);
      d->driver->stream_destroy(d->index, s->native);
      s->native = s->mark = NULL;
    }
    pthread_mutex_unlock(&order);
    pthread_mutex_unlock(&s->turn);
  }
}

/* ---- code: loaded to a device by its first launch there -------------------------------------- */

ocu_status ocu_native_code(const ocu_plan *p, int step, int device, const void **out) {
  static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
  _Atomic(void *) *at = &p->loaded[step * OCU_MAX_DEVICES + device];
  void *code = atomic_load_explicit(at, memory_order_acquire);
  ocu_status e = OCU_OK;
  if (!OCU_LIKELY(code)) {
    const ocu_device *d = &ocu_devices[device];
    const char *head = (const char *)p->code + p->steps[step].l.entry;
    pthread_mutex_lock(&loading);
    code = atomic_load(at);
    if (!code) e = d->driver->load(d->index, (const ocu_group_code *)head, &code);
    if (!e) atomic_store_explicit(at, code, memory_order_release);
    pthread_mutex_unlock(&loading);
  }
  *out = code;
  return e;
}

/* ---- memory: all allocations by their address -------------------------------------------------- */

enum { LIVE, FOREIGN, RETIRED, KEPT };  /* FOREIGN: another process's, live here */
typedef struct {
  uintptr_t base;
  size_t bytes, room;   /* asked for; got from the driver */
  void *handle;
  void *event;          /* kept: NULL, or it is free behind this event of the stream */
  ocu_stream *stream;
  int device, state;
  ocu_mem_kind kind;
} block;

static block *blocks;
static size_t n_blocks, most_blocks;
static int64_t used[OCU_MAX_DEVICES], kept_bytes[OCU_MAX_DEVICES];  /* in blocks; of kept ones */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local const block *freeing;  /* out of the books, but its driver may ask */

/* How many blocks begin at p or before it. */
static size_t upper_bound(uintptr_t p) {
  size_t low = 0, high = n_blocks;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (blocks[middle].base <= p) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* The block that p lies in. */
static block *holder(const void *p) {
  size_t i = upper_bound((uintptr_t)p);
  return i && (uintptr_t)p - blocks[i - 1].base < blocks[i - 1].room ? &blocks[i - 1] : NULL;
}

static bool enter(const block *b) {
  if (n_blocks == most_blocks) {
    size_t more = most_blocks ? 2 * most_blocks : 64;
    block *grown = realloc(blocks, more * sizeof *blocks);
    if (!grown) return false;
    blocks = grown, most_blocks = more;
  }
  size_t i = upper_bound(b->base);
  memmove(blocks + i + 1, blocks + i, (n_blocks++ - i) * sizeof *blocks);
  blocks[i] = *b;
  used[b->device] += (int64_t)b->room;
  return true;
}

static void leave(size_t i) {
  used[blocks[i].device] -= (int64_t)blocks[i].room;
  memmove(blocks + i, blocks + i + 1, (--n_blocks - i) * sizeof *blocks);
}

/* Is a kept block free, for use in a stream's order? */
static bool free_now(const block *b, const ocu_stream *s) {
  const ocu_device *d = &ocu_devices[b->device];
  return !b->event || (s && b->stream == s) || !d->driver->event_query(d->index, b->event);
}

static void drop_event(block *b) {
  const ocu_device *d = &ocu_devices[b->device];
  if (b->event) d->driver->event_destroy(d->index, b->event);
  b->event = NULL;
}

/* Gives one that is out of the books back to its driver, which may wait there for its device. */
static void free_block(block b) {
  const ocu_device *d = &ocu_devices[b.device];
  b.bytes = b.room;
  freeing = &b;
  d->driver->free(d->index, (void *)b.base, b.kind);
  freeing = NULL;
}

/* Hands a kept block out again, if one fits that is not much too large. */
static bool reuse(int device, ocu_stream *s, size_t bytes, ocu_mem_kind kind, void **out) {
  block *best = NULL;
  pthread_mutex_lock(&lock);
  for (block *b = blocks; b < blocks + n_blocks; b++)
    if (b->state == KEPT && b->device == device && b->kind == kind && b->room >= bytes &&
        b->room / 5 * 4 <= bytes + 1024 && (!best || b->room < best->room) && free_now(b, s))
      best = b;
  if (best) {
    drop_event(best);
    best->state = LIVE;
    best->bytes = bytes;
    kept_bytes[device] -= (int64_t)best->room;
    *out = (void *)best->base;
  }
  pthread_mutex_unlock(&lock);
  return best;
}

ocu_status ocu_native_alloc(int device, ocu_stream *s, size_t bytes, ocu_mem_kind kind,
                            void **out) {
  const ocu_device *d = &ocu_devices[device];
  if (!bytes) return OCU_OK;
  OCU_TRY(ocu_native_alive(device));
  void *got[2] = {NULL, NULL};
  ocu_status e = OCU_OUT_OF_MEMORY;
  size_t room = bytes > SIZE_MAX - 255 ? bytes : (bytes + 255) & ~(size_t)255;
  for (int attempt = 0; attempt < 2 && e == OCU_OUT_OF_MEMORY; attempt++) {
    if (attempt) ocu_wait_device(device), ocu_native_trim(device, 0);
    if (reuse(device, s, bytes, kind, out)) break;
    long long unused = d->memory - (long long)used[device];
    if (d->counted && (room > INT64_MAX || (long long)room > unused))
      e = ocu_fail(OCU_OUT_OF_MEMORY, "%zu bytes do not fit: %lld bytes of memory are free", bytes,
                   unused);
    else e = ocu_native_seen(device, d->driver->alloc(d->index, room, kind, got));
  }
  if (!*out) {
    if (e == OCU_UNSUPPORTED && kind == OCU_MEM_HOST)
      return ocu_pool_alloc(device, bytes, kind, out);
    OCU_TRY(e);
    block b = {(uintptr_t)got[0], bytes, room, got[1], NULL, NULL, device, LIVE, kind};
    pthread_mutex_lock(&lock);
    bool entered = enter(&b);
    pthread_mutex_unlock(&lock);
    if (!entered) {
      free_block(b);
      return ocu_fail(OCU_OUT_OF_MEMORY, "no memory for the books of an allocation");
    }
    *out = got[0];
  }
  atomic_fetch_add(&ocu_pool_in_use, (int64_t)bytes);
  return OCU_OK;
}

int ocu_native_find(const void *p, ocu_pointer_info *out) {
  if (OCU_LIKELY(!atomic_load_explicit(&ocu_native_devices, memory_order_acquire))) return 0;
  pthread_mutex_lock(&lock);
  const block *b = freeing ? freeing : holder(p);
  int found = !b ? 0 : b->state <= FOREIGN && (uintptr_t)p - b->base < b->bytes ? 1 : -1;
  if (b) *out = (ocu_pointer_info){(void *)b->base, b->bytes, b->device, b->kind, 0, b->handle};
  pthread_mutex_unlock(&lock);
  return found;
}

bool ocu_native_adopt(int device, void *p, size_t bytes) {
  block b = {(uintptr_t)p, bytes, bytes, NULL, NULL, NULL, device, FOREIGN, OCU_MEM_DEVICE};
  pthread_mutex_lock(&lock);
  bool entered = !holder(p) && enter(&b);
  pthread_mutex_unlock(&lock);
  return entered;
}

bool ocu_native_disown(void *p) {
  pthread_mutex_lock(&lock);
  const block *b = holder(p);
  bool found = b && b->state == FOREIGN && b->base == (uintptr_t)p;
  if (found) leave((size_t)(b - blocks));
  pthread_mutex_unlock(&lock);
  return found;
}

ocu_status ocu_native_retire(void *p, int *device) {
  pthread_mutex_lock(&lock);
  block *b = holder(p);
  bool start = b && b->base == (uintptr_t)p, live = start && b->state == LIVE;
  if (live) {
    b->state = RETIRED;
    *device = b->device;
    atomic_fetch_sub(&ocu_pool_in_use, (int64_t)b->bytes);
  }
  pthread_mutex_unlock(&lock);
  if (live) return OCU_OK;
  return ocu_fail(OCU_INVALID_POINTER, "%p is not the start of a live allocation%s", p,
                  start ? ": it was freed before" : "");
}

void ocu_native_release(void *p, ocu_stream *s) {
  pthread_mutex_lock(&lock);
  block *b = holder(p);
  int device = b->device;
  const ocu_device *d = &ocu_devices[device];
  if (s && (d->driver->event_create(d->index, OCU_EVENT_NO_TIMING, &b->event) ||
            d->driver->event_record(d->index, b->event, s->native))) {
    d->driver->stream_sync(d->index, s->native);
    drop_event(b);
  }
  b->stream = s;
  b->state = KEPT;
  int64_t kept = kept_bytes[device] += (int64_t)b->room;
  pthread_mutex_unlock(&lock);
  if (kept > d->memory / 8) ocu_native_trim(device, (size_t)d->memory / 8);
}

void ocu_native_trim(int device, size_t keep) {
  pthread_mutex_lock(&lock);
  for (size_t i = n_blocks; i-- > 0;) {
    block b = blocks[i];
    if (b.state != KEPT || (device >= 0 && b.device != device) ||
        kept_bytes[b.device] <= (int64_t)(keep < INT64_MAX ? keep : INT64_MAX) ||
        !free_now(&b, NULL))
      continue;
    drop_event(&b);
    kept_bytes[b.device] -= (int64_t)b.room;
    leave(i);
    pthread_mutex_unlock(&lock);
    free_block(b);
    pthread_mutex_lock(&lock);
    if (i > n_blocks) i = n_blocks;
  }
  pthread_mutex_unlock(&lock);
}

int64_t ocu_native_free_bytes(int device, int64_t reported) {
  pthread_mutex_lock(&lock);
  int64_t bytes = (reported ? reported : ocu_devices[device].memory - used[device]);
  bytes += kept_bytes[device];
  pthread_mutex_unlock(&lock);
  return bytes;
}
