/* capture.c - streams that capture: what they are given is kept, not run.
 *
 * While a stream captures, ocu_submit hands its operations here: function and data, as the queue
 * would keep them, go to the end of the recording. The calls' order is a valid order of the graph.
 * A driver's stream captures into the vendor's graph meanwhile.
 *
 * Streams join a capture by waiting for an event recorded in it. before[i][j] counts the operations
 * of stream j that precede stream i's next one; an event keeps such a row. All work is joined when
 * the first stream's row is as far as every stream.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "graph.h"

enum { MAX_STREAMS = 64 };

struct ocu_capture {
  ocu_capture *next;
  uint64_t id;
  const ocu_thread *thread;
  int mode, n_streams;
  bool broken;
  ocu_graph *graph;
  size_t n_moments, most_moments;
  uint32_t (*moments)[MAX_STREAMS];
  ocu_stream *streams[MAX_STREAMS];  /* the first one began it; NULL: destroyed since */
  uint32_t before[MAX_STREAMS][MAX_STREAMS];
};

_Atomic int ocu_graph_work;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ocu_capture *captures;

/* Holds the lock to the end of the block. */
static void unlock(int *unused) { (void)unused, pthread_mutex_unlock(&lock); }
#define GUARD() __attribute__((cleanup(unlock))) int guard_ = pthread_mutex_lock(&lock)

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
      if (c->streams[i] && c->streams[i]->device == device &&
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
  if (c->broken) return broken();
  if (sub->how & OCU_WAIT || sub->more_bytes)
    return refuse(c, OCU_CAPTURE_UNSUPPORTED, "the call would wait, as it uses ordinary memory of "
                  "the host or is synchronous: a stream that is capturing cannot");
  if (sub->how & OCU_MARK) return OCU_OK;
  int i = index_of(c, s);
  c->before[i][i]++;
  return ocu_recording_add(c->graph->work, sub, ocu_is_native(s))
             ? OCU_OK : refuse(c, OCU_OUT_OF_MEMORY, "no memory for an operation");
}

/* Ends it: the streams run again. */
static void unlink_capture(ocu_capture *c) {
  ocu_capture **at = &captures;
  while (*at != c) at = &(*at)->next;
  *at = c->next;
  for (int i = 0; i < c->n_streams; i++)
    if (c->streams[i]) atomic_store(&c->streams[i]->capture, NULL);
  atomic_fetch_sub(&ocu_graph_work, 1);
}

/* What comes of a native one is in the driver's books until it is asked for. */
static ocu_status end_native(ocu_capture *c) {
  const ocu_stream *s = c->streams[0];
  const ocu_device *d = ocu_device_of(s);
  if (!d->driver) return OCU_OK;
  ocu_status e = d->driver->graph_end(d->index, s->native, &c->graph->work->native);
  return ocu_native_seen(atomic_load(&s->device), e);
}

/* Without the lock. */
static void discard(ocu_capture *c, bool with_graph) {
  if (with_graph) ocu_graph_give(c->graph);
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

ocu_status ocu_capture_frees(ocu_stream *s, void *p, bool *taken) {
  GUARD();
  ocu_capture *c = s->capture;
  int device;
  if (!(*taken = c && !ocu_self.turn)) return OCU_OK;
  OCU_TRY(ocu_pool_overlaps(p, 1) ? ocu_pool_retire(p, &device) : ocu_native_retire(p, &device));
  if (ocu_recording_own(c->graph->work, p)) return OCU_OK;
  return refuse(c, OCU_OUT_OF_MEMORY, "no memory to keep what was freed");  /* and it is lost */
}

bool ocu_capture_keeps(ocu_stream *s, void *p) {
  GUARD();
  return s->capture && ocu_recording_own(((ocu_capture *)s->capture)->graph->work, p);
}

/* The vendor would have it wait for a capture, or break it. What it was given before is done. */
bool ocu_capture_bars(const ocu_stream *s) {
  GUARD();
  return s->capture || (is_legacy(s) && capture_on(s->device, true));
}

void ocu_capture_failed(ocu_stream *s) {
  GUARD();
  if (s->capture) ((ocu_capture *)s->capture)->broken = true;
}

/* ---- events ------------------------------------------------------------------------------------ */

/* A vendor does not let us ask for what a capturing stream was given before, nor the default stream
 * beside a blocking one; but memory that is freed meanwhile must wait for it. So it is done first. */
static ocu_status settle(ocu_stream *s) {
  if (!ocu_is_native(s) || atomic_load(&s->capture)) return OCU_OK;
  if (!(s->flags & OCU_STREAM_NONBLOCKING)) OCU_TRY(ocu_native_wait(ocu_legacy_stream(s->device)));
  return ocu_native_wait(s);
}

ocu_status ocu_capture_moment(ocu_stream *s, ocu_captured *out) {
  GUARD();
  ocu_capture *c = s->capture;
  *out = (ocu_captured){0, 0};
  if (!c) return OCU_OK;
  if (c->broken) return broken();
  if (!OCU_ROOM(c->moments, c->most_moments, c->n_moments + 1))
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
  OCU_TRY(settle(s));
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
  int i = index_of(c, s);
  if (i == MAX_STREAMS || ocu_device_of(s)->driver != ocu_devices[c->graph->work->device].driver)
    return refuse(c, OCU_CAPTURE_UNSUPPORTED, "a graph holds at most 64 streams of one driver");
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
  if (d->driver) OCU_TRY(ocu_native_seen(s->device, d->driver->graph_begin(d->index, s->native)));
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
  OCU_TRY(settle(s));
  ocu_capture *c = calloc(1, sizeof *c);
  ocu_recording *w = calloc(1, sizeof *w);
  if (!c || !w || !(c->graph = ocu_graph_take(w, false))) {
    free(c), free(w);
    return ocu_fail(OCU_OUT_OF_MEMORY, "no memory for a capture");
  }
  w->users = 1;
  w->device = s->device;
  c->mode = mode, c->thread = &ocu_self;
  ocu_status e = begin(s, c);
  if (e) discard(c, true);
  return e;
}

static ocu_status end(ocu_stream *s, ocu_capture **ended) {
  GUARD();
  ocu_capture *c = s->capture;
  if (!c) return ocu_fail(OCU_ILLEGAL_STATE, "the stream is not capturing");
  if (c->streams[0] != s)
    return refuse(c, OCU_CAPTURE_UNMATCHED, "the capture began on another stream");
  if (c->mode != OCU_CAPTURE_RELAXED && c->thread != &ocu_self)
    return ocu_fail(OCU_CAPTURE_WRONG_THREAD, "another thread began the capture");
  *ended = c;
  unlink_capture(c);
  ocu_status native = end_native(c);
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

/* The first stream takes its capture with it. What others were given stays, and must be joined. */
void ocu_capture_abandon(ocu_stream *s) {
  ocu_capture *c = NULL;
  {
    GUARD();
    if (!(c = s->capture)) return;
    if (c->streams[0] != s) {
      if (ocu_is_native(s)) return;  /* the driver's lives until the capture ends */
      c->streams[index_of(c, s)] = NULL;
      atomic_store(&s->capture, NULL);
      return;
    }
    unlink_capture(c);
    end_native(c);
  }
  discard(c, true);
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

