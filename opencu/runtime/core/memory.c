/* memory.c - the public functions of memory. */
#include "core.h"

ocu_status ocu_alloc(int device, size_t bytes, ocu_mem_kind kind, void **out) {
  OCU_ENTER();
  if (!out) return ocu_fail(OCU_INVALID_VALUE, "out is NULL");
  *out = NULL;
  OCU_TRY(ocu_check_device(device));
  if (kind != OCU_MEM_DEVICE && kind != OCU_MEM_HOST && kind != OCU_MEM_MANAGED)
    return ocu_fail(OCU_INVALID_VALUE, "kind %d is not a kind of memory to allocate", (int)kind);
  if (atomic_load(&ocu_graph_work)) OCU_TRY(ocu_capture_unsafe("memory was asked for"));
  if (ocu_devices[device].driver) return ocu_native_alloc(device, NULL, bytes, kind, out);
  return ocu_pool_alloc(device, bytes, kind, out);
}

static bool in_pool(const void *p) {
  ocu_pointer_info info;
  return ocu_pool_overlaps(p, 1) || !ocu_native_find(p, &info);
}

ocu_status ocu_free(void *p) {
  OCU_ENTER();
  if (!p) return OCU_OK;
  if (ocu_self.in_host_call)
    return ocu_fail(OCU_UNSUPPORTED, "a host function may not free: it would wait for itself");
  if (atomic_load(&ocu_graph_work)) OCU_TRY(ocu_capture_unsafe("memory was freed"));
  int device;
  bool pool = in_pool(p);
  OCU_TRY(pool ? ocu_pool_retire(p, &device) : ocu_native_retire(p, &device));
  ocu_status e = ocu_wait_device(device);
  ocu_wait_all();  /* another device may use it too */
  if (pool) ocu_pool_release(p);
  else ocu_native_release(p, NULL);
  return e;
}

ocu_status ocu_alloc_async(ocu_stream *s, size_t bytes, void **out) {
  OCU_ENTER();
  if (!out) return ocu_fail(OCU_INVALID_VALUE, "out is NULL");
  *out = NULL;
  if (!(s = ocu_stream_get(s))) return OCU_INVALID_HANDLE;
  int device = atomic_load(&s->device);
  if (ocu_is_native(s)) return ocu_native_alloc(device, s, bytes, OCU_MEM_DEVICE, out);
  return ocu_pool_alloc(device, bytes, OCU_MEM_DEVICE, out);
}

ocu_status ocu_trim(size_t keep) {
  OCU_ENTER();
  ocu_pool_trim(keep);
  ocu_native_trim(-1, keep);
  return OCU_OK;
}

static ocu_status release_op(const ocu_turn *turn, void *data) {
  void *p = *(void **)data;
  if (ocu_is_native(turn->stream)) ocu_native_release(p, turn->stream);
  else ocu_pool_release(p);
  return OCU_OK;
}

ocu_status ocu_free_async(ocu_stream *s, void *p) {
  OCU_ENTER_STREAM(s);
  if (!p) return OCU_OK;
  int device;
  if (atomic_load(&s->capture)) {
    bool taken;
    ocu_status e = ocu_capture_frees(s, p, &taken);
    if (taken) return e;
  }
  bool native = ocu_is_native(s);
  if (in_pool(p) == native) return ocu_free(p);
  OCU_TRY(native ? ocu_native_retire(p, &device) : ocu_pool_retire(p, &device));
  if (native && device != atomic_load(&s->device)) ocu_wait_all();
  ocu_status e = ocu_submit(s, &(ocu_submission){.run = release_op, .data = &p,
                                                 .bytes = sizeof p, .how = OCU_INLINE});
  if (e && native) ocu_native_release(p, NULL);  /* it could not be queued */
  else if (e && !ocu_wait_device(device)) ocu_pool_release(p);
  return e;
}

ocu_status ocu_pointer_query(const void *p, ocu_pointer_info *out) {
  OCU_ENTER();
  if (!out) return ocu_fail(OCU_INVALID_VALUE, "out is NULL");
  *out = (ocu_pointer_info){.device = -1};
  if (ocu_find(p, out) < 0) out->freed = 1;
  return OCU_OK;
}
