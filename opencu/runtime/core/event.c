/* event.c - events: a moment of a stream, and when it was reached. */
#include "core.h"

enum { MAX_EVENTS = 1 << 20 };

struct ocu_event {
  void *unused;
  _Atomic ocu_stamp stamp;  /* the last record; 0: none yet */
  _Atomic int64_t reached;  /* CLOCK_MONOTONIC, ns */
  _Atomic uint32_t live;
  int device, flags;
  void *native;             /* the driver's event */
  ocu_captured captured;    /* where in a capture it was recorded last */
} __attribute__((aligned(64)));

static ocu_slab slab;

ocu_status ocu_event_start(void) {
  return ocu_slab_start(&slab, sizeof(ocu_event), MAX_EVENTS);
}

static bool alive(ocu_event *e) {
  if (ocu_slab_holds(&slab, e) && atomic_load_explicit(&e->live, memory_order_acquire)) return true;
  ocu_fail(OCU_INVALID_HANDLE, "%p is not an event, or was destroyed", (void *)e);
  return false;
}

ocu_status ocu_event_create(int device, int flags, ocu_event **out) {
  OCU_ENTER();
  if (!out) return ocu_fail(OCU_INVALID_VALUE, "out is NULL");
  *out = NULL;
  OCU_TRY(ocu_check_device(device));
  if (flags & ~OCU_EVENT_NO_TIMING)
    return ocu_fail(OCU_INVALID_VALUE, "flags %#x: only OCU_EVENT_NO_TIMING is known",
                    (unsigned)flags);
  const ocu_device *d = &ocu_devices[device];
  void *native = NULL;
  if (d->driver) {
    OCU_TRY(ocu_native_alive(device));
    OCU_TRY(ocu_native_seen(device, d->driver->event_create(d->index, flags, &native)));
  }
  ocu_lock();
  ocu_event *e = *out = ocu_slab_take(&slab, NULL);
  if (e) {
    e->native = native;
    e->device = device;
    e->flags = flags;
    e->captured = (ocu_captured){0, 0};
    atomic_store(&e->stamp, 0);
    atomic_store(&e->live, 1);
  }
  ocu_unlock();
  if (e) return OCU_OK;
  if (native) d->driver->event_destroy(d->index, native);
  return ocu_fail(OCU_OUT_OF_MEMORY, "too many events are alive");
}

ocu_status ocu_event_destroy(ocu_event *e) {
  OCU_ENTER();
  uint32_t one = 1;
  if (!alive(e)) return OCU_INVALID_HANDLE;
  if (!atomic_compare_exchange_strong(&e->live, &one, 0))
    return ocu_fail(OCU_INVALID_HANDLE, "the event was destroyed by another thread");
  const ocu_device *d = &ocu_devices[e->device];
  if (e->native) d->driver->event_destroy(d->index, e->native);
  ocu_lock();
  ocu_slab_give(&slab, e);
  ocu_unlock();
  return OCU_OK;
}

/* ---- a driver's: its stamp says only whether it was recorded --------------------------------- */

static ocu_status native_record(const ocu_turn *turn, void *data) {
  ocu_event *e = *(ocu_event **)data;
  const ocu_device *d = ocu_device_of(turn->stream);
  OCU_TRY(d->driver->event_record(d->index, e->native, turn->stream->native));
  atomic_store(&e->stamp, 1);
  return OCU_OK;
}

static ocu_status native_follow(const ocu_turn *turn, void *data) {
  const ocu_device *d = ocu_device_of(turn->stream);
  return d->driver->stream_wait(d->index, turn->stream->native, (*(ocu_event **)data)->native);
}

/* The driver's answer about an event, or another function of one. */
static ocu_status ask(ocu_event *e, ocu_status (*function)(int, void *)) {
  if (!atomic_load(&e->stamp)) return OCU_OK;
  OCU_TRY(ocu_native_alive(e->device));
  ocu_status status = function(ocu_devices[e->device].index, e->native);
  if (status == OCU_NOT_READY) return ocu_fail(status, "the event was not reached yet");
  return ocu_native_seen(e->device, status);
}

/* Under the lock, and only if the event was not recorded anew or destroyed and reused since. */
static ocu_status record_op(const ocu_turn *turn, void *data) {
  ocu_event *e = *(ocu_event **)data;
  int64_t now = ocu_now();
  ocu_lock();
  if (atomic_load(&e->stamp) == ocu_stamp_of(turn->stream, turn->seq))
    atomic_store(&e->reached, now);
  ocu_unlock();
  return OCU_OK;
}

ocu_status ocu_event_record(ocu_event *e, ocu_stream *s) {
  OCU_ENTER();
  if (!alive(e)) return OCU_INVALID_HANDLE;
  if (!(s = ocu_stream_get(s))) return OCU_INVALID_HANDLE;
  if (e->device != atomic_load(&s->device))
    return ocu_fail(OCU_INVALID_HANDLE, "the event is of device %d, the stream of device %d",
                    e->device, atomic_load(&s->device));
  if (atomic_load(&ocu_graph_work) || e->captured.capture) {
    OCU_TRY(ocu_capture_moment(s, &e->captured));
    if (e->captured.capture && !e->native) return OCU_OK;
  }
  if (e->native)
    return ocu_submit(s, &(ocu_submission){.run = native_record, .data = &e, .bytes = sizeof e,
                                           .how = OCU_MARK});
  return ocu_submit(s, &(ocu_submission){.run = record_op, .data = &e, .bytes = sizeof e,
                                         .how = OCU_INLINE, .stamp = &e->stamp});
}

ocu_status ocu_event_sync(ocu_event *e) {
  OCU_ENTER();
  if (!alive(e)) return OCU_INVALID_HANDLE;
  if (e->captured.capture) return ocu_captured_asked(&e->captured);
  if (!e->native) return ocu_wait_stamp(atomic_load(&e->stamp));
  if (ocu_self.in_host_call)
    return ocu_fail(OCU_UNSUPPORTED, "a host function may not wait: it would wait for itself");
  return ask(e, ocu_devices[e->device].driver->event_sync);
}

ocu_status ocu_event_query(ocu_event *e) {
  OCU_ENTER();
  if (!alive(e)) return OCU_INVALID_HANDLE;
  if (e->captured.capture) return ocu_captured_asked(&e->captured);
  if (e->native) return ask(e, ocu_devices[e->device].driver->event_query);
  if (ocu_stamp_done(atomic_load(&e->stamp))) return OCU_OK;
  return ocu_fail(OCU_NOT_READY, "the event was not reached yet");
}

ocu_status ocu_event_elapsed(ocu_event *from, ocu_event *to, float *ms) {
  OCU_ENTER();
  if (!ms) return ocu_fail(OCU_INVALID_VALUE, "ms is NULL");
  if (!alive(from) || !alive(to)) return OCU_INVALID_HANDLE;
  if (from->captured.capture) return ocu_captured_asked(&from->captured);
  if (to->captured.capture) return ocu_captured_asked(&to->captured);
  if ((from->flags | to->flags) & OCU_EVENT_NO_TIMING)
    return ocu_fail(OCU_INVALID_HANDLE, "an event made without timing has no time");
  if (from->device != to->device)
    return ocu_fail(OCU_INVALID_HANDLE, "the events are of different devices");
  ocu_stamp a = atomic_load(&from->stamp), b = atomic_load(&to->stamp);
  if (!a || !b) return ocu_fail(OCU_INVALID_HANDLE, "an event was never recorded");
  const ocu_device *d = &ocu_devices[from->device];
  if (d->driver) {
    OCU_TRY(ask(from, d->driver->event_query));
    OCU_TRY(ask(to, d->driver->event_query));
    ocu_status e = d->driver->event_elapsed(d->index, from->native, to->native, ms);
    return ocu_native_seen(from->device, e);
  }
  if (!ocu_stamp_done(a) || !ocu_stamp_done(b))
    return ocu_fail(OCU_NOT_READY, "an event was not reached yet");
  *ms = (float)((double)(atomic_load(&to->reached) - atomic_load(&from->reached)) * 1e-6);
  return OCU_OK;
}

ocu_status ocu_stream_wait(ocu_stream *s, ocu_event *e) {
  OCU_ENTER_STREAM(s);
  if (!alive(e)) return OCU_INVALID_HANDLE;
  ocu_stamp stamp = atomic_load(&e->stamp);
  const ocu_device *d = ocu_device_of(s);
  if (e->captured.capture || (atomic_load(&s->capture) && stamp)) {
    OCU_TRY(ocu_capture_join(s, &e->captured));
    if (!e->native) return OCU_OK;
  }
  bool joined = e->device == atomic_load(&s->device) || (d->driver && d->driver->peer);
  if (e->native && stamp && joined && d->driver == ocu_devices[e->device].driver)
    return ocu_submit(s, &(ocu_submission){.run = native_follow, .data = &e, .bytes = sizeof e,
                                           .how = OCU_MARK});
  if (e->native || d->driver) return ocu_event_sync(e);  /* nothing else joins them */
  if (ocu_stamp_done(stamp)) return OCU_OK;
  return ocu_enqueue(s, &(ocu_submission){.after = stamp});
}
