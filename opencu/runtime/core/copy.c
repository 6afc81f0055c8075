/* copy.c - stream-ordered copies and fills. */
#include "core.h"

enum {
  INLINE_MOST = 1 << 17,  /* bytes; moving more takes longer than a hop to another thread */
  STAGED_MOST = 1 << 16,  /* a larger pageable source is waited for instead */
};

typedef struct { ocu_rect r; bool staged; } transfer;

static ocu_status run(const ocu_turn *turn, void *data) {
  transfer *t = data;
  if (ocu_is_native(turn->stream)) {
    const ocu_device *d = ocu_device_of(turn->stream);
    return (t->r.src ? d->driver->copy : d->driver->fill)(d->index, turn->stream->native, &t->r);
  }
  if (t->staged && turn->queued) t->r.src = (const char *)(t + 1);
  return t->r.src ? ocu_cpu_copy(&t->r) : ocu_cpu_fill(&t->r);
}

static int ranges(const void *data, ocu_range out[OCU_MOST_RANGES]) {
  const ocu_rect *r = &((const transfer *)data)->r;
  size_t rows = r->height - 1;
  out[0] = (ocu_range){r->dst, rows * r->dst_pitch + r->width, OCU_WRITES};
  out[1] = (ocu_range){r->src, rows * r->src_pitch + r->width, OCU_READS};
  return r->src ? 2 : 1;
}

static ocu_status submit(ocu_stream *s, transfer *t, bool wait) {
  size_t bytes = t->r.width * t->r.height;
  int how = wait ? OCU_INLINE | OCU_WAIT : bytes <= INLINE_MOST ? OCU_INLINE : 0;
  return ocu_submit(s, &(ocu_submission){.run = run, .data = t, .bytes = sizeof *t, .how = how,
                                         .cost = (int64_t)(bytes / 8), .ranges = ranges,
                                         .more = t->r.src, .more_bytes = t->staged ? bytes : 0});
}

/* Bytes from the first row's start to the last row's end; 0: the rectangle is impossible. */
static size_t span_of(size_t pitch, size_t width, size_t height) {
  size_t span;
  if (height > 1 && pitch < width) return 0;
  if (__builtin_mul_overflow(pitch, height - 1, &span)) return 0;
  return __builtin_add_overflow(span, width, &span) ? 0 : span;
}

static ocu_status bad_rect(const char *what, size_t pitch, size_t width, size_t height) {
  return ocu_fail(OCU_INVALID_VALUE, "%s: %zu rows of %zu bytes do not fit a pitch of %zu bytes",
                  what, height, width, pitch);
}

static bool pageable(const void *p) {
  ocu_pointer_info info;
  return !ocu_pool_overlaps(p, 1) && !ocu_native_find(p, &info);
}

ocu_status ocu_copy_2d(ocu_stream *s, void *dst, size_t dpitch, const void *src, size_t spitch,
                       size_t width, size_t height, int host_sync) {
  OCU_ENTER_STREAM(s);
  if (!width || !height) return host_sync ? ocu_stream_sync(s) : OCU_OK;
  size_t dspan = span_of(dpitch, width, height), sspan = span_of(spitch, width, height);
  if (!dspan) return bad_rect("destination", dpitch, width, height);
  if (!sspan) return bad_rect("source", spitch, width, height);
  OCU_TRY(ocu_check(dst, dspan, 1));
  OCU_TRY(ocu_check(src, sspan, 0));
  if (ocu_native_devices) {
    OCU_TRY(ocu_reach(s, dst, true));
    OCU_TRY(ocu_reach(s, src, true));
  }
  transfer t = {.r = {dst, dpitch, src, spitch, width, height, 0}};
  if (dpitch == width && spitch == width) t.r.width = width * height, t.r.height = 1;
  if (t.r.height == 1) t.r.dst_pitch = t.r.src_pitch = t.r.width;
  /* Ordinary memory may be gone when this call has returned. */
  bool wait = host_sync || pageable(dst);
  t.staged = !wait && !ocu_is_native(s) && pageable(src) && t.r.height == 1 &&
             t.r.width <= STAGED_MOST;
  return submit(s, &t, wait || (pageable(src) && !t.staged));
}

ocu_status ocu_copy(ocu_stream *s, void *dst, const void *src, size_t bytes, int host_sync) {
  return ocu_copy_2d(s, dst, bytes, src, bytes, bytes, 1, host_sync);
}

ocu_status ocu_fill_units(ocu_stream *s, void *dst, size_t pitch, uint32_t value, size_t unit,
                          size_t width, size_t height, int host_sync) {
  OCU_ENTER_STREAM(s);
  static const uint64_t ones[] = {
      [1] = 0x0101010101010101, [2] = 0x0001000100010001, [4] = 0x0000000100000001};
  if (unit > 4 || !ones[unit])
    return ocu_fail(OCU_INVALID_VALUE, "a fill's value has 1, 2 or 4 bytes, not %zu", unit);
  if (((uintptr_t)dst | width | (height > 1 ? pitch : 0)) % unit)
    return ocu_fail(OCU_INVALID_VALUE, "%p, %zu bytes a row: not multiples of %zu", dst, width,
                    unit);
  if (!width || !height) return host_sync ? ocu_stream_sync(s) : OCU_OK;
  size_t span = span_of(pitch, width, height);
  if (!span) return bad_rect("destination", pitch, width, height);
  OCU_TRY(ocu_check(dst, span, 1));
  OCU_TRY(ocu_reach(s, dst, !ocu_is_native(s)));
  transfer t = {.r = {.dst = dst, .dst_pitch = pitch, .width = width, .height = height,
                      .pattern = (unit < 4 ? value & ((1u << 8 * unit) - 1) : value) * ones[unit]}};
  if (pitch == width) t.r.width = width * height, t.r.height = 1;
  return submit(s, &t, host_sync || pageable(dst));
}

ocu_status ocu_fill_2d(ocu_stream *s, void *dst, size_t pitch, int byte, size_t width,
                       size_t height, int host_sync) {
  return ocu_fill_units(s, dst, pitch, (uint8_t)byte, 1, width, height, host_sync);
}

ocu_status ocu_fill(ocu_stream *s, void *dst, int byte, size_t bytes, int host_sync) {
  return ocu_fill_2d(s, dst, bytes, byte, bytes, 1, host_sync);
}
