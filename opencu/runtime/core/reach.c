/* reach.c - which memory the devices of other drivers reach: their own, that of peers and of other
 * processes, pointers in arrays. */
#include <string.h>
#include "core.h"

ocu_status ocu_native_follows(const ocu_stream *s) {
  const ocu_device *d = ocu_device_of(s);
  if (!d->driver->follows_pointers || d->driver->follows_pointers(d->index)) return OCU_OK;
  return ocu_fail(OCU_UNSUPPORTED, "%s:%d has no addresses that kernels could read from an array: "
                  "pass matrices at strides", d->driver->name, d->index);
}

int ocu_reaches_host(int device) {
  return ocu_check_device(device) == OCU_OK && !ocu_devices[device].driver;
}

/* ---- peers: the driver is asked once for each pair, which also enables it ----------------------- */

ocu_status ocu_peer(int device, int other, int *can) {
  static _Atomic char known[OCU_MAX_DEVICES][OCU_MAX_DEVICES];  /* 1: no, 2: yes */
  OCU_ENTER();
  OCU_TRY(ocu_check_device(device));
  OCU_TRY(ocu_check_device(other));
  if (!can) return ocu_fail(OCU_INVALID_VALUE, "can is NULL");
  const ocu_device *d = &ocu_devices[device], *o = &ocu_devices[other];
  *can = device != other && d->driver == o->driver && !d->driver;  /* all CPUs are of one process */
  if (device == other || d->driver != o->driver || !d->driver || !d->driver->peer) return OCU_OK;
  if (!known[device][other]) {
    OCU_TRY(ocu_native_alive(device));
    OCU_TRY(ocu_native_seen(device, d->driver->peer(d->index, o->index, can)));
    known[device][other] = *can ? 2 : 1;
  }
  *can = known[device][other] == 2;
  return OCU_OK;
}

/* A copy between devices of a vendor that knows peers goes through the host where they are none. */
ocu_status ocu_reach(ocu_stream *s, const void *p, bool copy) {
  if (OCU_LIKELY(!ocu_is_native(s) && !atomic_load_explicit(&ocu_native_devices,
                                                            memory_order_relaxed)))
    return OCU_OK;
  const ocu_device *d = ocu_device_of(s);
  ocu_pointer_info in;
  if (ocu_native_find(p, &in) <= 0) {
    if (copy || !d->driver) return OCU_OK;
    return ocu_fail(OCU_ILLEGAL_ADDRESS, "%p is the host's own memory, which kernels on %s:%d do "
                    "not reach: copy it to the device", p, d->driver->name, d->index);
  }
  const ocu_device *of = &ocu_devices[in.device];
  bool same = of->driver == d->driver, visible = in.kind != OCU_MEM_DEVICE;
  int can = of == d || (visible && (copy || same || !d->driver));
  if (!can && copy && same) can = d->driver->peer != NULL;
  else if (!can) OCU_TRY(ocu_peer((int)(d - ocu_devices), in.device, &can));
  if (can) return OCU_OK;
  return ocu_fail(OCU_ILLEGAL_ADDRESS, "%p is memory of %s:%d, which %s:%d does not reach: copy it "
                  "through the host", p, of->driver->name, of->index,
                  d->driver ? d->driver->name : "cpu", d->index);
}

/* ---- memory of other processes ------------------------------------------------------------------ */

static ocu_status check_ipc(int device, const void *handle) {
  const ocu_driver *driver = ocu_devices[device].driver;
  if (!driver || !driver->ipc_get || !driver->ipc_open || !driver->ipc_close)
    return ocu_fail(OCU_UNSUPPORTED, "memory cannot be shared between processes yet%s%s",
                    driver ? " by the driver " : "", driver ? driver->name : "");
  if (!handle) return ocu_fail(OCU_INVALID_VALUE, "the handle is NULL");
  return ocu_native_alive(device);
}

ocu_status ocu_ipc_get(const void *p, char handle[64]) {
  OCU_ENTER();
  ocu_pointer_info in = {.device = ocu_device_get()};
  int found = ocu_native_find(p, &in);
  OCU_TRY(check_ipc(in.device, handle));
  if (found <= 0 || in.kind != OCU_MEM_DEVICE)
    return ocu_fail(OCU_INVALID_VALUE, "%p is not device memory that was allocated", p);
  const ocu_device *d = &ocu_devices[in.device];
  return ocu_native_seen(in.device, d->driver->ipc_get(d->index, in.base, handle));
}

ocu_status ocu_ipc_open(int device, const char handle[64], void **out) {
  OCU_ENTER();
  OCU_TRY(ocu_check_device(device));
  OCU_TRY(check_ipc(device, handle));
  if (!out) return ocu_fail(OCU_INVALID_VALUE, "out is NULL");
  const ocu_device *d = &ocu_devices[device];
  size_t bytes = 0;
  *out = NULL;
  OCU_TRY(ocu_native_seen(device, d->driver->ipc_open(d->index, handle, out, &bytes)));
  if (ocu_native_adopt(device, *out, bytes)) return OCU_OK;
  d->driver->ipc_close(d->index, *out);
  *out = NULL;
  return ocu_fail(OCU_INVALID_VALUE, "the handle is of memory that this process has already");
}

ocu_status ocu_ipc_close(void *p) {
  OCU_ENTER();
  ocu_pointer_info in = {.device = ocu_device_get()};
  int found = ocu_native_find(p, &in);
  OCU_TRY(check_ipc(in.device, &in));
  ocu_wait_all();
  if (found <= 0 || !ocu_native_disown(p))
    return ocu_fail(OCU_INVALID_VALUE, "%p was not opened from a handle", p);
  const ocu_device *d = &ocu_devices[in.device];
  return ocu_native_seen(in.device, d->driver->ipc_close(d->index, p));
}
