/* graph.c - graphs: what captures recorded, run again.
 *
 * A CPU replays the recording's one flat array in one turn of a stream. A driver's device launches
 * the vendor's graph. Either is refused once memory that a node touches is gone.
 */
#include <stdlib.h>
#include <string.h>
#include "graph.h"

enum { MAX_GRAPHS = 1 << 16 };
enum { INLINE_MOST_NS = 20000 };  /* as for a call: longer work is not for the caller's thread */

static ocu_slab slab;

ocu_status ocu_graph_start(void) { return ocu_slab_start(&slab, sizeof(ocu_graph), MAX_GRAPHS); }

/* ---- recordings -------------------------------------------------------------------------------- */

bool ocu_room(void **array, size_t *most, size_t n, size_t each) {
  if (n <= *most) return true;
  size_t more = n + n / 2 + 8;
  void *grown = realloc(*array, more * each);
  if (grown) *array = grown, *most = more;
  return grown;
}

static void release(ocu_recording *w) {
  if (atomic_fetch_sub(&w->users, 1) > 1) return;
  const ocu_device *d = &ocu_devices[w->device];
  if (w->native) d->driver->graph_destroy(d->index, w->native);
  for (size_t i = 0; i < w->n_owned; i++) {
    ocu_pointer_info in;
    if (ocu_pool_overlaps(w->owned[i], 1)) ocu_pool_release(w->owned[i]);
    else if (ocu_native_find(w->owned[i], &in)) ocu_native_release(w->owned[i], NULL);
    else free(w->owned[i]);
  }
  free(w->nodes), free(w->data), free(w->ranges), free(w->used), free(w->owned);
  free(w);
}

/* The same by a thread of the program's: work from before the capture may use what it owns. */
static void release_waiting(ocu_recording *w) {
  if (w->n_owned && atomic_load(&w->users) == 1) ocu_wait_all();
  release(w);
}

static bool find_live(const void *p, ocu_pointer_info *in) {
  return ocu_pool_find(p, in) > 0 || ocu_native_find(p, in) > 0;
}

static size_t place_of(const ocu_recording *w, const void *base) {
  size_t low = 0, high = w->n_used;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (w->used[middle].base < (const char *)base) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* Of other memory than the library's nothing is kept: it stays the user's. */
static bool note_range(ocu_recording *w, ocu_range r) {
  ocu_pointer_info in;
  if (!find_live(r.p, &in)) return true;
  size_t left = in.bytes - (size_t)((const char *)r.p - (char *)in.base);
  if (r.bytes > left) r.bytes = left;
  if (!OCU_ROOM(w->ranges, w->most_ranges, w->n_ranges + 1)) return false;
  w->ranges[w->n_ranges++] = r;
  size_t i = place_of(w, in.base);
  if (i < w->n_used && w->used[i].base == in.base) return true;
  if (!OCU_ROOM(w->used, w->most_used, w->n_used + 1)) return false;
  memmove(w->used + i + 1, w->used + i, (w->n_used++ - i) * sizeof *w->used);
  w->used[i].base = in.base, w->used[i].bytes = in.bytes;
  return true;
}

/* Where the submitter does not tell, every word of its data that is an address of live memory is
 * taken for a pointer, to anything behind it. */
static bool note_ranges(ocu_recording *w, const ocu_submission *sub) {
  ocu_range told[OCU_MOST_RANGES];
  int n = sub->ranges ? sub->ranges(sub->data, told) : 0;
  for (int i = 0; i < n; i++)
    if (!note_range(w, told[i])) return false;
  for (size_t at = 0; !n && at + sizeof(void *) <= sub->bytes; at += sizeof(void *)) {
    ocu_range r = {NULL, SIZE_MAX, OCU_READS | OCU_WRITES};
    memcpy(&r.p, (char *)sub->data + at, sizeof r.p);
    if (!note_range(w, r)) return false;
  }
  return true;
}

/* The driver keeps what a native one does. */
bool ocu_recording_add(ocu_recording *w, const ocu_submission *sub, bool native) {
  size_t bytes = native ? 0 : sub->bytes, padded = (bytes + 15) & ~(size_t)15;
  if (!OCU_ROOM(w->nodes, w->most_nodes, w->n_nodes + 1) ||
      !OCU_ROOM(w->data, w->most_bytes, w->bytes + padded))
    return false;
  if (bytes) memcpy(w->data + w->bytes, sub->data, bytes);
  w->nodes[w->n_nodes].run = sub->run, w->nodes[w->n_nodes].data = w->bytes;
  w->nodes[w->n_nodes++].ranges = w->n_ranges;
  w->bytes += padded;
  w->cost += sub->cost;
  w->host |= (sub->how & OCU_HOST) != 0;
  return note_ranges(w, sub);
}

/* Memory freed in the capture's order stays the graph's: replays write it again. */
bool ocu_recording_own(ocu_recording *w, void *p) {
  if (!OCU_ROOM(w->owned, w->most_owned, w->n_owned + 1)) return false;
  w->owned[w->n_owned++] = p;
  size_t i = place_of(w, p);
  if (i < w->n_used && w->used[i].base == p)
    memmove(w->used + i, w->used + i + 1, (--w->n_used - i) * sizeof *w->used);
  return true;
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

ocu_graph *ocu_graph_take(ocu_recording *w, bool executable) {
  ocu_lock();
  ocu_graph *g = ocu_slab_take(&slab, NULL);
  if (g) g->work = w, g->executable = executable, g->last = 0;
  ocu_unlock();
  return g;
}

void ocu_graph_give(ocu_graph *g) {
  ocu_recording *w = g->work;
  ocu_lock();
  ocu_slab_give(&slab, g);
  ocu_unlock();
  release_waiting(w);
}

static ocu_recording *work_of(ocu_graph *g, bool executable) {
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
  ocu_recording *w = work_of(g, false);
  if (!w) return OCU_INVALID_HANDLE;
  if (!(*out = ocu_graph_take(w, true)))
    return ocu_fail(OCU_OUT_OF_MEMORY, "too many graphs are alive");
  atomic_fetch_add(&w->users, 1);
  atomic_store(&(*out)->live, 1);
  return OCU_OK;
}

ocu_status ocu_graph_destroy(ocu_graph *g, int executable) {
  OCU_ENTER();
  uint32_t one = 1;
  if (!work_of(g, executable) || !atomic_compare_exchange_strong(&g->live, &one, 0))
    return OCU_INVALID_HANDLE;
  ocu_graph_give(g);
  return OCU_OK;
}

ocu_status ocu_graph_nodes(ocu_graph *g, int executable, size_t *out) {
  OCU_ENTER();
  ocu_recording *w = work_of(g, executable);
  if (!w) return OCU_INVALID_HANDLE;
  if (!out) return ocu_fail(OCU_INVALID_VALUE, "out is NULL");
  *out = w->n_nodes;
  return OCU_OK;
}

static size_t ranges_end(const ocu_recording *w, size_t node) {
  return node + 1 < w->n_nodes ? w->nodes[node + 1].ranges : w->n_ranges;
}

ocu_status ocu_graph_ranges(ocu_graph *g, int executable, size_t node, const ocu_range **out,
                            size_t *n) {
  OCU_ENTER();
  const ocu_recording *w = work_of(g, executable);
  if (!w) return OCU_INVALID_HANDLE;
  if (!out || !n || node >= w->n_nodes)
    return ocu_fail(OCU_INVALID_VALUE, "node %zu of %zu, or a result is NULL", node, w->n_nodes);
  *out = w->ranges + w->nodes[node].ranges;
  *n = ranges_end(w, node) - w->nodes[node].ranges;
  return OCU_OK;
}

ocu_status ocu_graph_update(ocu_graph *executable, ocu_graph *g) {
  OCU_ENTER();
  ocu_recording *old = work_of(executable, true), *new = work_of(g, false);
  if (!old || !new) return OCU_INVALID_HANDLE;
  bool same = old->n_nodes == new->n_nodes && old->device == new->device;
  for (size_t i = 0; same && i < old->n_nodes; i++) same = old->nodes[i].run == new->nodes[i].run;
  if (!same)
    return ocu_fail(OCU_UPDATE_FAILED, "the graph has other operations than the executable one");
  atomic_fetch_add(&new->users, 1);
  executable->work = new;
  release_waiting(old);
  return OCU_OK;
}

/* ---- launches ----------------------------------------------------------------------------------- */

/* Names the first range in the allocation, which is no longer what it was. */
static ocu_status refuse_freed(const ocu_recording *w, const char *base, size_t bytes) {
  static const char *const does[] = {"", "reads", "writes", "reads or writes"};
  for (size_t i = 0, node = 0; i < w->n_ranges; i++) {
    const ocu_range *r = &w->ranges[i];
    while (ranges_end(w, node) <= i) node++;
    if ((const char *)r->p >= base && (const char *)r->p < base + bytes)
      return ocu_fail(OCU_ILLEGAL_ADDRESS, "operation %zu of the graph %s %zu bytes at %p, which "
                      "was freed", node, does[r->how], r->bytes, r->p);
  }
  return ocu_fail(OCU_ILLEGAL_ADDRESS, "the graph uses %p, which was freed", (const void *)base);
}

static ocu_status check_used(const ocu_recording *w) {
  for (size_t i = 0; i < w->n_used; i++) {
    ocu_pointer_info in;
    if (!find_live(w->used[i].base, &in) || in.base != w->used[i].base ||
        in.bytes < w->used[i].bytes)
      return refuse_freed(w, w->used[i].base, w->used[i].bytes);
  }
  return OCU_OK;
}

/* The data is the launch's own reference: taken by the turn, in place if that runs at the call. */
static ocu_status replay(const ocu_turn *turn, void *data) {
  ocu_recording *w = *(ocu_recording **)data;
  ocu_status e = OCU_OK;
  *(ocu_recording **)data = NULL;
  for (size_t i = 0; i < w->n_nodes && !e; i++)
    e = w->nodes[i].run(turn, w->data + w->nodes[i].data);
  release(w);
  return e;
}

static ocu_status launch_native(const ocu_turn *turn, void *data) {
  const ocu_device *d = ocu_device_of(turn->stream);
  return d->driver->graph_launch(d->index, (*(ocu_recording **)data)->native, turn->stream->native);
}

ocu_status ocu_graph_launch(ocu_graph *g, ocu_stream *s) {
  OCU_ENTER_STREAM(s);
  ocu_recording *w = work_of(g, true);
  if (!w) return OCU_INVALID_HANDLE;
  const ocu_device *d = ocu_device_of(s), *of = &ocu_devices[w->device];
  if (d->driver != of->driver || (d->driver && d != of))
    return ocu_fail(OCU_INVALID_VALUE, "the graph was captured on another device than the stream's");
  if (s->capture) OCU_TRY(ocu_capture_waited(s));  /* there are no graphs in graphs */
  OCU_TRY(check_used(w));
  if (d->driver)
    return ocu_submit(s, &(ocu_submission){.run = launch_native, .data = &w, .bytes = sizeof w});
  atomic_fetch_add(&w->users, 1);
  ocu_stamp last = ocu_stamp_done(g->last) ? 0 : g->last;
  int how = w->host ? OCU_HOST : w->cost < INLINE_MOST_NS && !last ? OCU_INLINE : 0;
  ocu_status e = ocu_submit(s, &(ocu_submission){.run = replay, .data = &w, .bytes = sizeof w,
                                                 .how = how, .after = last, .stamp = &g->last});
  if (e && w) release(w);  /* it was refused */
  return e;
}
