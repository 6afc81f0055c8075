/* stream.c - the public functions of streams. */
#include <stdlib.h>
#include "core.h"

ocu_status ocu_stream_create(int device, int flags, ocu_stream **out) {
  OCU_ENTER();
  if (!out) return ocu_fail(OCU_INVALID_VALUE, "out is NULL");
  *out = NULL;
  OCU_TRY(ocu_check_device(device));
  if (flags & ~OCU_STREAM_NONBLOCKING)
    return ocu_fail(OCU_INVALID_VALUE, "flags %#x: only OCU_STREAM_NONBLOCKING is known",
                    (unsigned)flags);
  return ocu_stream_new(device, flags, out);
}

ocu_status ocu_stream_destroy(ocu_stream *s) {
  OCU_ENTER();
  if (s && !ocu_stream_get(s)) return OCU_INVALID_HANDLE;
  if (s && atomic_load(&s->capture)) ocu_capture_abandon(s);
  if (!s || !ocu_stream_retire(s))
    return ocu_fail(OCU_INVALID_HANDLE, "the default stream cannot be destroyed");
  return OCU_OK;
}

ocu_status ocu_stream_sync(ocu_stream *s) {
  OCU_ENTER_STREAM(s);
  if (atomic_load(&ocu_graph_work)) OCU_TRY(ocu_capture_waited(s));
  /* The legacy stream's own place in the order comes after all blocking streams. */
  if (atomic_load(&s->order) == OCU_ORDER_LEGACY && !ocu_stream_idle(s))
    return ocu_submit(s, &(ocu_submission){.how = OCU_WAIT});
  return ocu_wait(s, atomic_load(&s->head));
}

ocu_status ocu_stream_query(ocu_stream *s) {
  OCU_ENTER_STREAM(s);
  if (atomic_load(&ocu_graph_work)) OCU_TRY(ocu_capture_waited(s));
  if (ocu_is_native(s)) return ocu_native_query(s);
  if (ocu_stream_idle(s)) return ocu_wait(s, 0);
  return ocu_fail(OCU_NOT_READY, "work is pending on the stream");
}

typedef struct { void (*fn)(void *); void *arg; bool again; } host_call;

static ocu_status host_op(const ocu_turn *turn, void *data) {
  (void)turn;
  host_call *h = data;
  ocu_self.in_host_call++;
  h->fn(h->arg);
  ocu_self.in_host_call--;
  return OCU_OK;
}

static void called_by_driver(void *data) {
  bool again = ((host_call *)data)->again;
  host_op(NULL, data);
  if (!again) free(data);
}

static ocu_status put_host_call(const ocu_turn *turn, void *data) {
  const ocu_device *d = ocu_device_of(turn->stream);
  return d->driver->host_call(d->index, turn->stream->native, called_by_driver, data);
}

/* In a capture it is the graph's, whose launches call it again and again. */
static ocu_status native_host_call(ocu_stream *s, const host_call *h) {
  host_call *kept = malloc(sizeof *kept);
  bool captured = atomic_load(&s->capture), owned = kept && captured && ocu_capture_keeps(s, kept);
  if (!kept || captured != owned) {
    free(kept);
    return ocu_fail(OCU_OUT_OF_MEMORY, "no memory to queue an operation");
  }
  *kept = (host_call){h->fn, h->arg, owned};
  ocu_status e = ocu_submit(s, &(ocu_submission){.run = put_host_call, .data = kept});
  if (e && !owned) free(kept);
  return e;
}

ocu_status ocu_stream_host_call(ocu_stream *s, void (*fn)(void *), void *arg) {
  OCU_ENTER_STREAM(s);
  if (!fn) return ocu_fail(OCU_INVALID_VALUE, "the host function is NULL");
  host_call h = {fn, arg, false};
  if (ocu_is_native(s)) return native_host_call(s, &h);
  return ocu_submit(s, &(ocu_submission){.run = host_op, .data = &h, .bytes = sizeof h,
                                         .how = OCU_HOST});
}

int ocu_stream_device(ocu_stream *s) {
  if (ocu_start() || !(s = ocu_stream_get(s))) return -1;
  return atomic_load(&s->device);
}

int ocu_stream_flags(ocu_stream *s) {
  if (ocu_start() || !(s = ocu_stream_get(s))) return -1;
  return s->flags;
}
