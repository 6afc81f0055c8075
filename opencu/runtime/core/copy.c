/* copy.c - stream-ordered copies and fills. */
#include <string.h>
#include "core.h"

enum {
  INLINE_MOST = 1 << 17,  /* bytes; moving more takes longer than a hop to another thread */
  STAGED_MOST = 1 << 16,  /* a larger pageable source is waited for instead */
};

typedef struct { ocu_rect r; bool staged; } transfer;

static ocu_status copy_op(const ocu_turn *turn, void *data) {
  (void)turn;
  transfer *t = data;
  if (t->staged && turn->queued) t->r.src = (const char *)(t + 1);
  return ocu_cpu_driver.copy(&t->r);
}

static ocu_status fill_op(const ocu_turn *turn, void *data) {
  (void)turn;
  return ocu_cpu_driver.fill(&((transfer *)data)->r);
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
  return ocu_pool_find(p, &info) == 0;
}

ocu_status ocu_copy_2d(ocu_stream *s, void *dst, size_t dpitch, const void *src, size_t spitch,
                       size_t width, size_t height, int host_sync) {
  OCU_ENTER();
  if (!(s = ocu_stream_get(s))) return OCU_INVALID_HANDLE;
  if (!width || !height) return host_sync ? ocu_stream_sync(s) : OCU_OK;
  size_t dspan = span_of(dpitch, width, height), sspan = span_of(spitch, width, height);
  if (!dspan) return bad_rect("destination", dpitch, width, height);
  if (!sspan) return bad_rect("source", spitch, width, height);
  ocu_status e = ocu_check(dst, dspan, 1);
  if (!e) e = ocu_check(src, sspan, 0);
  if (e) return e;
  bool one_row = height == 1, dense = dpitch == width && spitch == width;
  size_t bytes = width * height;
  transfer t = {.r = {dst, dpitch, src, spitch, width, height, 0}};
  if (dense && !one_row) t.r.width = bytes, t.r.height = 1;
  bool now = bytes <= INLINE_MOST || host_sync || pageable(src) || pageable(dst);
  ocu_submission sub = {.run = copy_op, .data = &t, .bytes = sizeof t,
                        .how = (now ? OCU_INLINE : 0) | (host_sync ? OCU_WAIT : 0)};
  if (!host_sync && pageable(dst)) sub.how |= OCU_WAIT;
  if (pageable(src) && !(sub.how & OCU_WAIT)) {
    if (t.r.height == 1 && bytes <= STAGED_MOST) {
      t.staged = true;
      sub.more = src;
      sub.more_bytes = bytes;
    } else {
      sub.how |= OCU_WAIT;
    }
  }
  return ocu_submit(s, &sub);
}

ocu_status ocu_copy(ocu_stream *s, void *dst, const void *src, size_t bytes, int host_sync) {
  return ocu_copy_2d(s, dst, bytes, src, bytes, bytes, 1, host_sync);
}

ocu_status ocu_fill_units(ocu_stream *s, void *dst, size_t pitch, uint32_t value, size_t unit,
                          size_t width, size_t height, int host_sync) {
  OCU_ENTER();
  if (!(s = ocu_stream_get(s))) return OCU_INVALID_HANDLE;
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
  ocu_status e = ocu_check(dst, span, 1);
  if (e) return e;
  transfer t = {.r = {.dst = dst, .dst_pitch = pitch, .width = width, .height = height,
                      .pattern = (unit < 4 ? value & ((1u << 8 * unit) - 1) : value) * ones[unit]}};
  if (pitch == width) t.r.width = width * height, t.r.height = 1;
  /* Ordinary memory may be gone when this call has returned. */
  int wait = host_sync || !ocu_pool_overlaps(dst, 1);
  int how = wait ? OCU_INLINE | OCU_WAIT : width * height <= INLINE_MOST ? OCU_INLINE : 0;
  return ocu_submit(s, &(ocu_submission){.run = fill_op, .data = &t, .bytes = sizeof t,
                                         .how = how});
}

ocu_status ocu_fill_2d(ocu_stream *s, void *dst, size_t pitch, int byte, size_t width,
                       size_t height, int host_sync) {
  return ocu_fill_units(s, dst, pitch, (uint8_t)byte, 1, width, height, host_sync);
}

ocu_status ocu_fill(ocu_stream *s, void *dst, int byte, size_t bytes, int host_sync) {
  return ocu_fill_2d(s, dst, bytes, byte, bytes, 1, host_sync);
}
