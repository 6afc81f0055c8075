/* graph.c - graphs: work that streams were given, kept and run again.
 *
 * While a stream captures, ocu_submit hands its operations here: function and data, as the queue
 * would keep them, go to the end of one flat array. The calls' order is a valid order of the graph,
 * so a CPU replays the array in one turn of a stream. A driver's stream captures into the vendor's
 * graph meanwhile, and that is what is launched.
 *
 * Streams join a capture by waiting for an event recorded in it. before[i][j] counts the operations
 * of stream j that precede stream i's next one; an event keeps such a row. All work is joined when
 * the first stream's row is as far as every stream.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "core.h"

enum { MAX_GRAPHS = 1 << 16, MAX_STREAMS = 64 };
enum { INLINE_MOST_NS = 20000 };  /* as for a call: longer work is not for the caller's thread */

/* What was recorded. A graph, its executables and their launches under way share it. */
typedef struct {
  _Atomic int users;
  int device;
  bool host;                       /* it calls host functions */
  int64_t cost;                    /* estimated nanoseconds on one thread */
  size_t n_nodes, most_nodes, bytes, most_bytes, n_used, most_used, n_owned, most_owned;
  struct { ocu_op run; size_t data; } *nodes;
  char *data;
  struct { char *base; size_t bytes; } *used;  /* allocations, by their addresses */
  void **owned;                    /* freed in the capture: they go with the graph */
  void *native;                    /* the driver's graph */
} work;

struct ocu_graph {
  void *unused;
  _Atomic uint32_t live;
  bool executable;
  work *work;
  _Atomic ocu_stamp last;          /* an executable does not run beside itself */
} __attribute__((aligned(64)));

struct ocu_capture {
  ocu_capture *next;
  uint64_t id;
  const ocu_thread *thread;
  int mode, n_streams;
  bool broken;
  work *work;
  ocu_graph *graph;
  size_t n_moments, most_moments;
  uint32_t (*moments)[MAX_STREAMS];
  ocu_stream *streams[MAX_STREAMS];  /* the first one began it */
  uint32_t before[MAX_STREAMS][MAX_STREAMS];
};

_Atomic int ocu_graph_work;
static ocu_slab slab;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ocu_capture *captures;

/* Holds the lock to the end of the block. */
static void unlock(int *unused) { (void)unused, pthread_mutex_unlock(&lock); }
#define GUARD() __attribute__((cleanup(unlock))) int guard_ = pthread_mutex_lock(&lock)

ocu_status ocu_graph_start(void) { return ocu_slab_start(&slab, sizeof(ocu_graph), MAX_GRAPHS); }

/* Room for n elements: the array, perhaps elsewhere, or NULL and the array as it was. */
static void *room_for(void *array, size_t *most, size_t n, size_t each) {
  if (n <= *most) return array;
  void *grown = realloc(array, (n + n / 2 + 8) * each);
  if (grown) *most = n + n / 2 + 8;
  return grown;
}
#define ROOM(array, most, n) \
  ({ \
    void *grown_ = room_for(array, &(most), n, sizeof *(array)); \
    if (grown_) (array) = grown_; \
    grown_ != NULL; \
  })

/* ---- what was recorded ----------------------------------------------------------------------- */

static void release(work *w) {
  if (atomic_fetch_sub(&w->users, 1) > 1) return;
  const ocu_device *d = &ocu_devices[w->device];
  if (w->native) d->driver->graph_destroy(d->index, w->native);
  for (size_t i = 0; i < w->n_owned; i++)
    if (ocu_pool_overlaps(w->owned[i], 1)) ocu_pool_release(w->owned[i]);
    else ocu_native_release(w->owned[i], NULL);
  free(w->nodes), free(w->data), free(w->used), free(w->owned);
  free(w);
}

/* The same by a thread of the program's: work from before the capture may use what it owns. */
static void release_waiting(work *w) {
  if (w->n_owned && atomic_load(&w->users) == 1) ocu_wait_all();
  release(w);
}

static bool find_live(const void *p, ocu_pointer_info *in) {
  return ocu_pool_find(p, in) > 0 || ocu_native_find(p, in) > 0;
}

static size_t place_of(const work *w, const void *base) {
  size_t low = 0, high = w->n_used;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (w->used[middle].base < (const char *)base) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* Every word of an operation's data that is an address of live memory is taken for a pointer. */
static bool note_used(work *w, const char *data, size_t bytes) {
  for (const char *end = data + bytes - bytes % sizeof(void *); data < end; data += sizeof(void *)) {
    ocu_pointer_info in;
    void *p;
    memcpy(&p, data, sizeof p);
    if (!find_live(p, &in)) continue;
    size_t i = place_of(w, in.base);
    if (i < w->n_used && w->used[i].base == in.base) continue;
    if (!ROOM(w->used, w->most_used, w->n_used + 1)) return false;
    memmove(w->used + i + 1, w->used + i, (w->n_used++ - i) * sizeof *w->used);
    w->used[i].base = in.base, w->used[i].bytes = in.bytes;
  }
  return true;
}

static bool add_node(work *w, const ocu_submission *sub) {
  size_t padded = (sub->bytes + 15) & ~(size_t)15;
  if (!ROOM(w->nodes, w->most_nodes, w->n_nodes + 1) ||
      !ROOM(w->data, w->most_bytes, w->bytes + padded))
    return false;
  if (sub->bytes) memcpy(w->data + w->bytes, sub->data, sub->bytes);
  w->nodes[w->n_nodes].run = sub->run, w->nodes[w->n_nodes++].data = w->bytes;
  w->bytes += padded;
  return true;
}

/* ---- captures (the lock is held) --------------------------------------------------------------- */

static ocu_status refuse(ocu_capture *c, ocu_status status, const char *why) {
  c->broken = true;
  return ocu_fail(status, "%s; the capture is invalid now", why);
}

static ocu_status broken(void) {
  return ocu_fail(OCU_CAPTURE_INVALIDATED, "the stream's capture failed before");
}

static int index_of(const ocu_capture *c, const ocu_stream *s) {
  int i = 0;
  while (i < c->n_streams && c->streams[i] != s) i++;
  return i;
}

static bool is_legacy(const ocu_stream *s) { return s == ocu_legacy_stream(s->device); }

/* A capture that has a stream on the device, a blocking one if that is asked. */
static ocu_capture *capture_on(int device, bool blocking) {
  for (ocu_capture *c = captures; c; c = c->next)
    for (int i = 0; i < c->n_streams; i++)
      if (c->streams[i]->device == device &&
          !(blocking && c->streams[i]->flags & OCU_STREAM_NONBLOCKING))
        return c;
  return NULL;
}

/* The default stream keeps order with blocking ones, and cannot with one that captures. */
static ocu_status refuse_implicit(const ocu_stream *s) {
  ocu_capture *c = is_legacy(s) ? capture_on(s->device, true) : NULL;
  if (!c) return OCU_OK;
  return refuse(c, OCU_CAPTURE_IMPLICIT,
                "the default stream keeps order with a blocking stream that is capturing");
}

static ocu_status record(ocu_capture *c, ocu_stream *s, const ocu_submission *sub) {
  work *w = c->work;
  if (c->broken) return broken();
  if (sub->how & OCU_WAIT || sub->more_bytes)
    return refuse(c, OCU_CAPTURE_UNSUPPORTED, "the call would wait, as it uses ordinary memory of "
                  "the host or is synchronous: a stream that is capturing cannot");
  if (sub->how & OCU_MARK) return OCU_OK;
  int i = index_of(c, s);
  c->before[i][i]++;
  w->cost += sub->cost;
  w->host |= (sub->how & OCU_HOST) != 0;
  if (ocu_is_native(s)) w->n_nodes++;  /* the driver keeps it */
  else if (!add_node(w, sub)) return refuse(c, OCU_OUT_OF_MEMORY, "no memory for an operation");
  return note_used(w, sub->data, sub->bytes)
             ? OCU_OK : refuse(c, OCU_OUT_OF_MEMORY, "no memory for an operation");
}

/* Ends it: the streams run again. */
static void unlink_capture(ocu_capture *c) {
  ocu_capture **at = &captures;
  while (*at != c) at = &(*at)->next;
  *at = c->next;
  for (int i = 0; i < c->n_streams; i++) atomic_store(&c->streams[i]->capture, NULL);
  atomic_fetch_sub(&ocu_graph_work, 1);
}

static ocu_graph *take_graph(work *w, bool executable) {
  GUARD();
  ocu_graph *g = ocu_slab_take(&slab, NULL);
  if (g) g->work = w, g->executable = executable, g->last = 0;
  return g;
}

/* Without the lock. */
static void discard(ocu_capture *c, bool with_graph) {
  if (with_graph) {
    { GUARD(); ocu_slab_give(&slab, c->graph); }
    release_waiting(c->work);
  }
  free(c->moments);
  free(c);
}

/* ---- what the other files ask ------------------------------------------------------------------ */

bool ocu_capture_takes(ocu_stream *s, const ocu_submission *sub, ocu_status *status) {
  if (ocu_self.turn) {
    *status = sub->run ? sub->run(ocu_self.turn, sub->data) : OCU_OK;
    return true;
  }
  GUARD();
  ocu_capture *c = s->capture;
  *status = c ? record(c, s, sub) : refuse_implicit(s);
  return *status || (c && !ocu_is_native(s));
}

ocu_status ocu_capture_waited(ocu_stream *s) {
  GUARD();
  if (!s->capture) return refuse_implicit(s);
  return refuse(s->capture, OCU_CAPTURE_UNSUPPORTED,
                "a stream that is capturing has no end to wait for");
}

ocu_status ocu_capture_device_waited(int device) {
  GUARD();
  ocu_capture *c = capture_on(device, false);
  if (!c) return OCU_OK;
  return refuse(c, OCU_CAPTURE_UNSUPPORTED, "a stream of the device is capturing");
}

ocu_status ocu_capture_unsafe(const char *what) {
  GUARD();
  ocu_status e = OCU_OK;
  for (ocu_capture *c = ocu_self.turn ? NULL : captures; c; c = c->next)
    if (c->thread == &ocu_self
            ? c->mode != OCU_CAPTURE_RELAXED && ocu_self.capture_mode != OCU_CAPTURE_RELAXED
            : c->mode == OCU_CAPTURE_GLOBAL && ocu_self.capture_mode == OCU_CAPTURE_GLOBAL)
      e = refuse(c, OCU_CAPTURE_UNSUPPORTED, what);
  return e;
}

/* Memory freed in the capture's order stays the graph's: replays write it again. */
ocu_status ocu_capture_frees(ocu_stream *s, void *p, bool *taken) {
  GUARD();
  ocu_capture *c = s->capture;
  int device;
  if (!(*taken = c && !ocu_self.turn)) return OCU_OK;
  work *w = c->work;
  if (!ROOM(w->owned, w->most_owned, w->n_owned + 1))
    return refuse(c, OCU_OUT_OF_MEMORY, "no memory for an operation");
  OCU_TRY(ocu_pool_overlaps(p, 1) ? ocu_pool_retire(p, &device) : ocu_native_retire(p, &device));
  w->owned[w->n_owned++] = p;
  size_t i = place_of(w, p);
  if (i < w->n_used && w->used[i].base == p)
    memmove(w->used + i, w->used + i + 1, (--w->n_used - i) * sizeof *w->used);
  return OCU_OK;
}

/* ---- events ------------------------------------------------------------------------------------ */

ocu_status ocu_capture_moment(ocu_stream *s, ocu_captured *out) {
  GUARD();
  ocu_capture *c = s->capture;
  *out = (ocu_captured){0, 0};
  if (!c) return OCU_OK;
  if (c->broken) return broken();
  if (!ROOM(c->moments, c->most_moments, c->n_moments + 1))
    return refuse(c, OCU_OUT_OF_MEMORY, "no memory for an event");
  memcpy(c->moments[c->n_moments], c->before[index_of(c, s)], sizeof *c->moments);
  *out = (ocu_captured){c->id, (uint32_t)c->n_moments++};
  return OCU_OK;
}

static ocu_capture *capture_of(uint64_t id) {
  ocu_capture *c = captures;
  while (c && c->id != id) c = c->next;
  return c;
}

static ocu_status refuse_event(ocu_capture *c) {
  if (c) c->broken = true;
  return ocu_fail(OCU_CAPTURED_EVENT, "the event was recorded in a capture: it is never reached");
}

ocu_status ocu_captured_asked(const ocu_captured *of) {
  GUARD();
  return refuse_event(capture_of(of->capture));
}

ocu_status ocu_capture_join(ocu_stream *s, const ocu_captured *of) {
  GUARD();
  ocu_capture *mine = s->capture, *c = capture_of(of->capture);
  if ((mine && mine->broken) || (c && c->broken)) return broken();
  if (!c && of->capture) return refuse_event(mine);
  if (!c && mine)
    return refuse(mine, OCU_CAPTURE_ISOLATION, "the event was recorded outside of the capture");
  if (!c) return OCU_OK;  /* another thread ended it */
  if (is_legacy(s))
    return refuse(c, OCU_CAPTURE_IMPLICIT, "the default stream cannot wait for a capture");
  if (mine && mine != c) {
    mine->broken = true;
    return refuse(c, OCU_CAPTURE_MERGE, "the wait would join two captures");
  }
  if (ocu_device_of(s)->driver != ocu_devices[c->work->device].driver || c->n_streams == MAX_STREAMS)
    return refuse(c, OCU_CAPTURE_UNSUPPORTED, "a graph holds at most 64 streams of one driver");
  int i = index_of(c, s);
  if (i == c->n_streams) c->streams[c->n_streams++] = s;
  atomic_store(&s->capture, c);
  for (int j = 0; j < c->n_streams; j++)
    if (c->before[i][j] < c->moments[of->moment][j]) c->before[i][j] = c->moments[of->moment][j];
  return OCU_OK;
}

/* ---- begin and end ----------------------------------------------------------------------------- */

static ocu_status begin(ocu_stream *s, ocu_capture *c) {
  static uint64_t last_id;
  const ocu_device *d = ocu_device_of(s);
  GUARD();
  if (is_legacy(s)) return ocu_fail(OCU_CAPTURE_UNSUPPORTED, "the default stream cannot capture");
  if (s->capture) return ocu_fail(OCU_ILLEGAL_STATE, "the stream is capturing already");
  if (d->driver && !d->driver->graph_begin)
    return ocu_fail(OCU_UNSUPPORTED, "the driver %s has no graphs", d->driver->name);
  if (d->driver) OCU_TRY(d->driver->graph_begin(d->index, s->native));
  c->id = ++last_id;
  c->streams[c->n_streams++] = s;
  c->next = captures;
  captures = c;
  atomic_store(&s->capture, c);
  atomic_fetch_add(&ocu_graph_work, 1);
  return OCU_OK;
}

ocu_status ocu_capture_begin(ocu_stream *s, int mode) {
  OCU_ENTER_STREAM(s);
  if (mode < OCU_CAPTURE_GLOBAL || mode > OCU_CAPTURE_RELAXED)
    return ocu_fail(OCU_INVALID_VALUE, "%d is not a mode of capture", mode);
  ocu_capture *c = calloc(1, sizeof *c);
  work *w = calloc(1, sizeof *w);
  if (!c || !w || !(c->graph = take_graph(w, false))) {
    free(c), free(w);
    return ocu_fail(OCU_OUT_OF_MEMORY, "no memory for a capture");
  }
  w->users = 1;
  w->device = s->device;
  c->mode = mode, c->thread = &ocu_self, c->work = w;
  ocu_status e = begin(s, c);
  if (e) discard(c, true);
  return e;
}

static ocu_status end(ocu_stream *s, ocu_capture **ended) {
  const ocu_device *d = ocu_device_of(s);
  GUARD();
  ocu_capture *c = s->capture;
  if (!c) return ocu_fail(OCU_ILLEGAL_STATE, "the stream is not capturing");
  if (c->streams[0] != s)
    return refuse(c, OCU_CAPTURE_UNMATCHED, "the capture began on another stream");
  if (c->mode != OCU_CAPTURE_RELAXED && c->thread != &ocu_self)
    return ocu_fail(OCU_CAPTURE_WRONG_THREAD, "another thread began the capture");
  *ended = c;
  unlink_capture(c);
  ocu_status native =
      d->driver ? d->driver->graph_end(d->index, s->native, &c->work->native) : OCU_OK;
  if (c->broken) return broken();
  for (int i = 0; i < c->n_streams; i++)
    if (c->before[0][i] < c->before[i][i])
      return ocu_fail(OCU_CAPTURE_UNJOINED, "a stream that joined the capture has work which the "
                      "first does not wait for");
  return native;
}

ocu_status ocu_capture_end(ocu_stream *s, ocu_graph **out) {
  OCU_ENTER_STREAM(s);
  if (!out) return ocu_fail(OCU_INVALID_VALUE, "out is NULL");
  ocu_capture *c = NULL;
  ocu_status e = end(s, &c);
  *out = e ? NULL : c->graph;
  if (*out) atomic_store(&c->graph->live, 1);
  if (c) discard(c, e != OCU_OK);
  return e;
}

/* A stream that goes takes its capture with it. */
void ocu_capture_abandon(ocu_stream *s) {
  ocu_capture *c = NULL;
  {
    GUARD();
    if ((c = s->capture)) unlink_capture(c);
  }
  if (c) discard(c, true);
}

ocu_status ocu_capture_query(ocu_stream *s, int *state, uint64_t *id, ocu_graph **graph) {
  OCU_ENTER_STREAM(s);
  if (!state) return ocu_fail(OCU_INVALID_VALUE, "state is NULL");
  GUARD();
  ocu_capture *c = s->capture;
  *state = !c ? OCU_CAPTURE_NONE : c->broken ? OCU_CAPTURE_BROKEN : OCU_CAPTURE_ACTIVE;
  if (c && id) *id = c->id;
  if (c && graph) *graph = c->graph;
  if (is_legacy(s) && capture_on(s->device, true))  /* not invalid for that */
    return ocu_fail(OCU_CAPTURE_IMPLICIT, "a blocking stream of the device is capturing");
  return OCU_OK;
}

int ocu_capture_mode(int mode) {
  int before = ocu_self.capture_mode;
  ocu_self.capture_mode = mode;
  return before;
}

/* ---- calls that are made when their turn comes -------------------------------------------------- */

typedef struct { _Alignas(16) ocu_status (*fn)(ocu_stream *, void *); } deferred;

/* What fn puts on a stream runs at once, in this turn. */
static ocu_status deferred_op(const ocu_turn *turn, void *data) {
  const ocu_turn *outer = ocu_self.turn;
  ocu_self.turn = turn;
  atomic_fetch_add(&ocu_graph_work, 1);
  ocu_status e = ((deferred *)data)->fn(turn->stream, (deferred *)data + 1);
  atomic_fetch_sub(&ocu_graph_work, 1);
  ocu_self.turn = outer;
  return e;
}

ocu_status ocu_stream_defer(ocu_stream *s, ocu_status (*fn)(ocu_stream *, void *), const void *data,
                            size_t bytes) {
  OCU_ENTER_STREAM(s);
  if (!fn || (bytes && !data)) return ocu_fail(OCU_INVALID_VALUE, "fn or data is NULL");
  if (ocu_is_native(s)) {
    OCU_TRY(ocu_capture_waited(s));
    return ocu_fail(OCU_UNSUPPORTED, "a driver's stream cannot call back to launch more");
  }
  deferred *call = malloc(sizeof *call + bytes);
  if (!call) return ocu_fail(OCU_OUT_OF_MEMORY, "no memory to queue an operation");
  call->fn = fn;
  if (bytes) memcpy(call + 1, data, bytes);
  ocu_status e = ocu_submit(s, &(ocu_submission){.run = deferred_op, .data = call,
                                                 .bytes = sizeof *call + bytes});
  free(call);
  return e;
}

/* ---- graphs and executables --------------------------------------------------------------------- */

static work *work_of(ocu_graph *g, bool executable) {
  if (ocu_slab_holds(&slab, g) && atomic_load(&g->live) && g->executable == executable)
    return g->work;
  ocu_fail(OCU_INVALID_HANDLE, "%p is not %s, or was destroyed", (void *)g,
           executable ? "an executable graph" : "a graph");
  return NULL;
}

ocu_status ocu_graph_instantiate(ocu_graph *g, ocu_graph **out) {
  OCU_ENTER();
  if (!out) return ocu_fail(OCU_INVALID_VALUE, "out is NULL");
  *out = NULL;
  work *w = work_of(g, false);
  if (!w) return OCU_INVALID_HANDLE;
  if (!(*out = take_graph(w, true))) return ocu_fail(OCU_OUT_OF_MEMORY, "too many graphs are alive");
  atomic_fetch_add(&w->users, 1);
  atomic_store(&(*out)->live, 1);
  return OCU_OK;
}

ocu_status ocu_graph_destroy(ocu_graph *g, int executable) {
  OCU_ENTER();
  uint32_t one = 1;
  work *w = work_of(g, executable);
  if (!w || !atomic_compare_exchange_strong(&g->live, &one, 0)) return OCU_INVALID_HANDLE;
  { GUARD(); ocu_slab_give(&slab, g); }
  release_waiting(w);
  return OCU_OK;
}

ocu_status ocu_graph_nodes(ocu_graph *g, int executable, size_t *out) {
  OCU_ENTER();
  work *w = work_of(g, executable);
  if (!w) return OCU_INVALID_HANDLE;
  if (!out) return ocu_fail(OCU_INVALID_VALUE, "out is NULL");
  *out = w->n_nodes;
  return OCU_OK;
}

ocu_status ocu_graph_update(ocu_graph *executable, ocu_graph *g) {
  OCU_ENTER();
  work *old = work_of(executable, true), *new = work_of(g, false);
  if (!old || !new) return OCU_INVALID_HANDLE;
  bool same = old->n_nodes == new->n_nodes && old->device == new->device;
  for (size_t i = 0; same && old->nodes && i < old->n_nodes; i++)
    same = old->nodes[i].run == new->nodes[i].run;
  if (!same)
    return ocu_fail(OCU_UPDATE_FAILED, "the graph has other operations than the executable one");
  atomic_fetch_add(&new->users, 1);
  executable->work = new;
  release_waiting(old);
  return OCU_OK;
}

static ocu_status replay(const ocu_turn *turn, void *data) {
  work *w = *(work **)data;
  ocu_status e = OCU_OK;
  for (size_t i = 0; i < w->n_nodes && !e; i++)
    e = w->nodes[i].run(turn, w->data + w->nodes[i].data);
  release(w);
  return e;
}

static ocu_status launch_native(const ocu_turn *turn, void *data) {
  const ocu_device *d = ocu_device_of(turn->stream);
  return d->driver->graph_launch(d->index, (*(work **)data)->native, turn->stream->native);
}

ocu_status ocu_graph_launch(ocu_graph *g, ocu_stream *s) {
  OCU_ENTER_STREAM(s);
  work *w = work_of(g, true);
  if (!w) return OCU_INVALID_HANDLE;
  const ocu_device *d = ocu_device_of(s), *of = &ocu_devices[w->device];
  if (d->driver != of->driver || (d->driver && d != of))
    return ocu_fail(OCU_INVALID_VALUE, "the graph was captured on another device than the stream's");
  if (s->capture) OCU_TRY(ocu_capture_waited(s));  /* there are no graphs in graphs */
  for (size_t i = 0; i < w->n_used; i++) {
    ocu_pointer_info in;
    if (!find_live(w->used[i].base, &in) || in.base != w->used[i].base ||
        in.bytes < w->used[i].bytes)
      return ocu_fail(OCU_ILLEGAL_ADDRESS, "the graph uses %p, which was freed", w->used[i].base);
  }
  if (d->driver)
    return ocu_submit(s, &(ocu_submission){.run = launch_native, .data = &w, .bytes = sizeof w});
  atomic_fetch_add(&w->users, 1);
  ocu_stamp last = ocu_stamp_done(g->last) ? 0 : g->last;
  int how = w->host ? OCU_HOST : w->cost < INLINE_MOST_NS && !last ? OCU_INLINE : 0;
  return ocu_submit(s, &(ocu_submission){.run = replay, .data = &w, .bytes = sizeof w, .how = how,
                                         .after = last, .stamp = &g->last});
}
