/* queue.c - the order of work on streams.
 *
 * A stream is a ticket queue: `head` counts tickets given, `tail` tickets done. Ticket n may run
 * when tail == n - 1. On an idle stream (head == tail) the caller takes the next ticket with one
 * compare-and-swap and runs its work itself; anything else becomes an item in the queue, which a
 * runner thread or a thread that waits for the stream works off.
 *
 * The legacy default stream and the blocking streams of a device exclude one another. An item lists
 * the moments (stream, ticket) that it must follow, found under the scheduler's lock, so such waits
 * have no cycles. A caller that took a ticket looks at the other side afterwards: of two callers at
 * least one sees the other, gives its ticket up unused and queues. It never waits holding one.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "core.h"

typedef struct after { struct after *next; ocu_stream *stream; uint64_t seq; } after;

typedef struct ocu_item {
  struct ocu_item *next;
  uint64_t seq;
  ocu_op run;
  after *after;         /* moments still to wait for */
  bool host;            /* a host function: only runner threads call it */
  _Alignas(16) char data[];
} item;

typedef struct {
  ocu_stream *legacy;
  _Alignas(64) _Atomic int64_t blocking;  /* operations not done on blocking streams */
} device_queue;

enum { MAX_STREAMS = 1 << 16, SEQ_BITS = 48 };

static device_queue devices[OCU_MAX_DEVICES];
static ocu_slab slab;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static struct { ocu_stream *first, *last; int n; } ready;
static ocu_stream *blocked;
static int n_runners, n_idle, n_hosting;       /* runner threads: all, asleep, in a host function */

void ocu_lock(void) { pthread_mutex_lock(&lock); }
void ocu_unlock(void) { pthread_mutex_unlock(&lock); }

static ocu_stream *stream_at(uint32_t i) { return ocu_slab_at(&slab, i); }

/* ---- moments ------------------------------------------------------------------------------- */

static inline bool done(const ocu_stream *s, uint64_t seq) {
  return atomic_load_explicit(&s->tail, memory_order_acquire) >= seq;
}

static inline bool idle(const ocu_stream *s) {  /* tail first: it never passes head */
  uint64_t tail = atomic_load(&s->tail);
  return atomic_load(&s->head) == tail;
}

ocu_stamp ocu_stamp_of(const ocu_stream *s, uint64_t seq) {
  return (uint64_t)(((const char *)s - slab.base) / slab.size) << SEQ_BITS | seq;
}

static ocu_stream *stamp_split(ocu_stamp stamp, uint64_t *seq) {
  *seq = stamp & (((uint64_t)1 << SEQ_BITS) - 1);
  return stream_at((uint32_t)(stamp >> SEQ_BITS));
}

bool ocu_stamp_done(ocu_stamp stamp) {
  uint64_t seq;
  ocu_stream *s = stamp_split(stamp, &seq);
  return done(s, seq);
}

/* ---- scheduling (the lock is held) --------------------------------------------------------- */

static void *runner_main(void *unused);

static void want_runner(int most) {
  if (ready.n > n_idle && n_runners < most && n_runners < 64 &&
      !ocu_thread_spawn(runner_main, NULL))
    n_runners++;
}

static void schedule(ocu_stream *s) {
  if (!s->first || s->running || s->ready || s->blocked || !done(s, s->first->seq - 1)) return;
  s->ready = true;
  s->next_ready = NULL;
  if (ready.last) ready.last->next_ready = s;
  else ready.first = s;
  ready.last = s;
  ready.n++;
  want_runner(ocu_cpu.threads + n_hosting);
  pthread_cond_signal(&work);
}

/* May the first item run? Setting `notify` before looking lets no completion slip by. */
static bool followed(item *it) {
  while (it->after) {
    after *a = it->after;
    atomic_store(&a->stream->notify, 1);
    if (!done(a->stream, a->seq)) return false;
    it->after = a->next;
    free(a);
  }
  return true;
}

static bool runnable(ocu_stream *s, bool runner) {
  item *it = s->first;
  if (!done(s, it->seq - 1)) return false;  /* a caller is in its turn; its end schedules us */
  if (!followed(it)) {
    s->blocked = true;
    s->next_blocked = blocked;
    blocked = s;
    return false;
  }
  return runner || !it->host;
}

static void unblock(void) {
  ocu_stream **at = &blocked;
  while (*at) {
    ocu_stream *s = *at;
    if (followed(s->first)) {
      *at = s->next_blocked;
      s->blocked = false;
      schedule(s);
    } else {
      at = &s->next_blocked;
    }
  }
}

static void after_turn(ocu_stream *s) {
  if (atomic_load(&s->waiters)) ocu_futex_wake((_Atomic uint32_t *)&s->tail, INT_MAX);
  ocu_lock();
  if (atomic_exchange(&s->notify, 0)) unblock();
  schedule(s);
  ocu_unlock();
}

static void finish(ocu_stream *s, uint64_t seq) {
  if (atomic_load_explicit(&s->order, memory_order_relaxed) == OCU_ORDER_BLOCKING)
    atomic_fetch_sub(&devices[atomic_load_explicit(&s->device, memory_order_relaxed)].blocking, 1);
  atomic_exchange(&s->tail, seq);  /* a full barrier: who saw us busy told us, or sees us done */
  if (!OCU_LIKELY(atomic_load(&s->head) == seq && !atomic_load(&s->waiters) &&
                  !atomic_load(&s->notify)))
    after_turn(s);
}

/* ---- the caller's own turn ----------------------------------------------------------------- */

static uint64_t take_turn(ocu_stream *s) {
  uint64_t tail = atomic_load_explicit(&s->tail, memory_order_acquire), seq = tail + 1;
  if (!atomic_compare_exchange_strong(&s->head, &tail, seq)) return 0;
  int order = atomic_load_explicit(&s->order, memory_order_relaxed);
  if (order == OCU_ORDER_FREE) return seq;
  device_queue *d = &devices[atomic_load_explicit(&s->device, memory_order_relaxed)];
  if (order == OCU_ORDER_LEGACY) {
    if (OCU_LIKELY(atomic_load(&d->blocking) == 0)) return seq;
  } else {
    atomic_fetch_add(&d->blocking, 1);
    if (OCU_LIKELY(idle(d->legacy))) return seq;
  }
  finish(s, seq);
  return 0;
}

/* ---- queued turns -------------------------------------------------------------------------- */

static void run_item(ocu_stream *s, item *it, bool runner) {
  bool hosting = it->host && runner;
  if (hosting) {  /* it may take long: let another runner be started for the rest */
    ocu_lock();
    n_hosting++;
    want_runner(INT_MAX);
    ocu_unlock();
  }
  ocu_status e = it->run ? it->run(&(ocu_turn){s, it->seq, true}, it->data) : OCU_OK;
  if (e) atomic_store(&s->error, (int)e);
  if (hosting) {
    ocu_lock();
    n_hosting--;
    ocu_unlock();
  }
}

/* Work the queue off until ticket `until` is done or nothing can run. The lock is held outside. */
static void drain(ocu_stream *s, uint64_t until, bool runner) {
  s->running = true;
  while (s->first && !done(s, until) && runnable(s, runner)) {
    item *it = s->first;
    if (!(s->first = it->next)) s->last = NULL;
    ocu_unlock();
    run_item(s, it, runner);
    uint64_t seq = it->seq;
    free(it);
    finish(s, seq);
    ocu_lock();
  }
  s->running = false;
  schedule(s);
}

static void *runner_main(void *unused) {
  (void)unused;
  ocu_lock();
  for (;;) {
    while (!ready.first) {
      n_idle++;
      pthread_cond_wait(&work, &lock);
      n_idle--;
    }
    ocu_stream *s = ready.first;
    if (!(ready.first = s->next_ready)) ready.last = NULL;
    ready.n--;
    s->ready = false;
    if (s->first && !s->running && !s->blocked) drain(s, UINT64_MAX, true);
  }
  return NULL;
}

static bool add_after(item *it, ocu_stream *s, uint64_t seq) {
  if (done(s, seq)) return true;
  after *a = malloc(sizeof *a);
  if (!a) return false;
  *a = (after){it->after, s, seq};
  it->after = a;
  return true;
}

/* What a new item must follow on other streams; it has its ticket already, so callers see it. */
static bool follow_others(item *it, ocu_stream *s) {
  device_queue *d = &devices[atomic_load(&s->device)];
  int order = atomic_load(&s->order);
  if (order == OCU_ORDER_BLOCKING) return add_after(it, d->legacy, atomic_load(&d->legacy->head));
  if (order == OCU_ORDER_LEGACY)
    for (uint32_t i = 0, n = atomic_load(&slab.used); i < n; i++) {
      ocu_stream *b = stream_at(i);
      if (atomic_load(&b->order) == OCU_ORDER_BLOCKING && atomic_load(&b->device) == s->device &&
          !add_after(it, b, atomic_load(&b->head)))
        return false;
    }
  return true;
}

ocu_status ocu_enqueue(ocu_stream *s, const ocu_submission *sub) {
  item *it = malloc(sizeof *it + sub->bytes + sub->more_bytes);
  if (!it) return ocu_fail(OCU_OUT_OF_MEMORY, "no memory to queue an operation");
  *it = (item){.run = sub->run, .host = sub->how & OCU_HOST};
  if (sub->bytes) memcpy(it->data, sub->data, sub->bytes);
  if (sub->more_bytes) memcpy(it->data + sub->bytes, sub->more, sub->more_bytes);
  ocu_lock();
  uint64_t seq = it->seq = atomic_fetch_add(&s->head, 1) + 1;
  if (atomic_load(&s->order) == OCU_ORDER_BLOCKING)
    atomic_fetch_add(&devices[s->device].blocking, 1);
  uint64_t after_seq;
  ocu_stream *after_stream = stamp_split(sub->after, &after_seq);
  ocu_status e = OCU_OK;
  if (!follow_others(it, s) || (sub->after && !add_after(it, after_stream, after_seq))) {
    it->run = NULL;
    e = ocu_fail(OCU_OUT_OF_MEMORY, "no memory to queue an operation");
  }
  if (sub->stamp) atomic_store(sub->stamp, ocu_stamp_of(s, seq));
  if (s->last) s->last->next = it;
  else s->first = it;
  s->last = it;
  schedule(s);
  if (!n_runners && !s->running && !s->blocked) drain(s, UINT64_MAX, true);  /* no thread to get */
  ocu_unlock();
  return e ? e : sub->how & OCU_WAIT ? ocu_wait(s, seq) : OCU_OK;
}

ocu_status ocu_submit(ocu_stream *s, const ocu_submission *sub) {
  ocu_status e;
  if (!OCU_LIKELY(!atomic_load_explicit(&ocu_graph_work, memory_order_relaxed)) &&
      ocu_capture_takes(s, sub, &e))
    return e;
  if (ocu_is_native(s)) return ocu_native_submit(s, sub);
  uint64_t seq = sub->how & OCU_INLINE ? take_turn(s) : 0;
  if (!seq) return ocu_enqueue(s, sub);
  if (sub->stamp) atomic_store(sub->stamp, ocu_stamp_of(s, seq));
  e = sub->run ? sub->run(&(ocu_turn){s, seq, false}, sub->data) : OCU_OK;
  finish(s, seq);
  return e;
}

/* ---- waiting ------------------------------------------------------------------------------- */

static ocu_status wait_done(ocu_stream *s, uint64_t seq) {
  if (ocu_is_native(s)) return ocu_native_wait(s);
  if (done(s, seq)) return OCU_OK;
  if (ocu_self.in_host_call)
    return ocu_fail(OCU_UNSUPPORTED, "a host function may not wait: it would wait for itself");
  ocu_lock();
  if (s->first && !s->running && !s->blocked) drain(s, seq, n_runners == 0);
  ocu_unlock();
  for (uint64_t tail; (tail = atomic_load(&s->tail)) < seq;) {
    atomic_fetch_add(&s->waiters, 1);
    if (atomic_load(&s->tail) == tail)
      ocu_futex_wait((_Atomic uint32_t *)&s->tail, (uint32_t)tail);  /* its low half */
    atomic_fetch_sub(&s->waiters, 1);
  }
  return OCU_OK;
}

ocu_status ocu_wait(ocu_stream *s, uint64_t seq) {
  OCU_TRY(wait_done(s, seq));
  if (!atomic_load_explicit(&s->error, memory_order_relaxed)) return OCU_OK;
  ocu_status e = (ocu_status)atomic_exchange(&s->error, 0);
  return e ? ocu_fail(e, "an operation queued on this stream failed: %s", ocu_status_name(e)) : e;
}

ocu_status ocu_wait_stamp(ocu_stamp stamp) {
  uint64_t seq;
  ocu_stream *s = stamp_split(stamp, &seq);
  return wait_done(s, seq);
}

ocu_status ocu_wait_device(int device) {
  ocu_status first = OCU_OK;
  for (uint32_t i = 0, n = atomic_load_explicit(&slab.used, memory_order_acquire); i < n; i++) {
    ocu_stream *s = stream_at(i);
    if (atomic_load(&s->device) != device) continue;
    ocu_status e = ocu_wait(s, atomic_load(&s->head));
    if (!first) first = e;
  }
  return first;
}

bool ocu_all_idle(void) {
  for (uint32_t i = 0, n = atomic_load_explicit(&slab.used, memory_order_acquire); i < n; i++)
    if (!idle(stream_at(i))) return false;
  return true;
}

void ocu_wait_all(void) {
  for (uint32_t i = 0, n = atomic_load_explicit(&slab.used, memory_order_acquire); i < n; i++)
    wait_done(stream_at(i), atomic_load(&stream_at(i)->head));
}

bool ocu_stream_idle(ocu_stream *s) {
  if (!idle(s)) return false;
  return atomic_load(&s->order) != OCU_ORDER_LEGACY || !atomic_load(&devices[s->device].blocking);
}

/* ---- streams ------------------------------------------------------------------------------- */

ocu_stream *ocu_stream_get(ocu_stream *s) {
  if (!s) return devices[ocu_device_get()].legacy;
  if (OCU_LIKELY(ocu_slab_holds(&slab, s) && atomic_load_explicit(&s->live, memory_order_acquire)))
    return s;
  if (ocu_self.turn && s == ocu_self.turn->stream) return s;  /* destroyed since: its work goes on */
  ocu_fail(OCU_INVALID_HANDLE, "%p is not a stream, or was destroyed", (void *)s);
  return NULL;
}

static bool at_rest(const void *object) {
  const ocu_stream *s = object;
  return idle(s) && !s->first && !s->running && !s->ready && !s->native;
}

/* A slot that is used again goes on counting its tickets: moments stay unique. */
ocu_status ocu_stream_new(int device, int flags, ocu_stream **out) {
  const ocu_device *d = &ocu_devices[device];
  void *native = NULL;
  if (d->driver) {
    OCU_TRY(ocu_native_alive(device));
    ocu_native_reap();
    bool vendors = d->driver->orders_default && !devices[device].legacy;  /* its NULL stream */
    if (!vendors)
      OCU_TRY(ocu_native_seen(device, d->driver->stream_create(d->index, flags, &native)));
  }
  ocu_lock();
  ocu_stream *s = *out = ocu_slab_take(&slab, at_rest);
  if (s) {
    s->flags = flags;
    s->native = native;
    atomic_store(&s->device, device);
    atomic_store(&s->order, d->driver ? OCU_ORDER_NATIVE
                            : flags & OCU_STREAM_NONBLOCKING ? OCU_ORDER_FREE : OCU_ORDER_BLOCKING);
    atomic_store(&s->error, 0);
    atomic_store(&s->live, 1);
  }
  ocu_unlock();
  if (s) return OCU_OK;
  if (native) d->driver->stream_destroy(d->index, native);
  return ocu_fail(OCU_OUT_OF_MEMORY, "too many streams are alive");
}

/* A driver's stream lives on until its work is done. */
bool ocu_stream_retire(ocu_stream *s) {
  uint32_t one = 1;
  if (s == devices[s->device].legacy) return false;
  if (!atomic_compare_exchange_strong(&s->live, &one, 0)) return false;
  ocu_lock();
  ocu_slab_give(&slab, s);
  ocu_unlock();
  return true;
}

void ocu_count_launches(int64_t *all, int64_t *inlined) {
  *all = *inlined = 0;
  for (uint32_t i = 0, n = atomic_load(&slab.used); i < n; i++) {
    *all += atomic_load(&stream_at(i)->launches);
    *inlined += atomic_load(&stream_at(i)->inlined);
  }
}

ocu_status ocu_queue_start(void) {
  return ocu_slab_start(&slab, sizeof(ocu_stream), MAX_STREAMS);
}

ocu_status ocu_queue_add(int device) {
  OCU_TRY(ocu_stream_new(device, 0, &devices[device].legacy));
  if (!ocu_devices[device].driver) atomic_store(&devices[device].legacy->order, OCU_ORDER_LEGACY);
  return OCU_OK;
}

ocu_stream *ocu_legacy_stream(int device) { return devices[device].legacy; }

ocu_stream *ocu_stream_each(uint32_t i) {
  return i < atomic_load_explicit(&slab.used, memory_order_acquire) ? stream_at(i) : NULL;
}
