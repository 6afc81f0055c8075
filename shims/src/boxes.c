/* boxes.c - copies and fills of up to three dimensions, over the core's rows of equal pitch. */
#include "shared.h"

int ocu_shim_hint(const void *p, size_t bytes, int place, ocu_stream *stream) {
  REQUIRE(p && bytes, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(place >= -1 && place < ocu_device_count(), CUDA_ERROR_INVALID_DEVICE);
  REQUIRE(ocu_stream_device(stream) >= 0, CUDA_ERROR_INVALID_HANDLE);
  return ocu_shim_code(ocu_check(p, bytes, 0));
}

int ocu_shim_advise(const void *p, size_t bytes, int advice, int place) {
  REQUIRE(advice >= CU_MEM_ADVISE_SET_READ_MOSTLY && advice <= CU_MEM_ADVISE_UNSET_ACCESSED_BY,
          CUDA_ERROR_INVALID_VALUE);
  int anywhere = advice <= CU_MEM_ADVISE_UNSET_READ_MOSTLY;
  return ocu_shim_hint(p, bytes, anywhere ? CU_DEVICE_CPU : place, NULL);
}

/* *sum = a * b + c, or 0 where that is too much. */
static int add(size_t a, size_t b, size_t c, size_t *sum) {
  return !__builtin_mul_overflow(a, b, sum) && !__builtin_add_overflow(*sum, c, sum);
}

/* The box's first byte, the distance of its slices and the bytes to its end; an error if it does
 * not fit its rows and slices. */
static int locate(const struct shim_side *s, size_t width, size_t height, size_t depth,
                  char **start, size_t *slice, size_t *span) {
  size_t end, at;
  int one_slice = depth == 1, one_row = height == 1 && one_slice;
  REQUIRE(add(1, s->x, width, &end) && (one_row || end <= s->pitch), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(add(1, s->y, height, &end) && (one_slice || end <= s->rows), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(add(s->pitch, s->rows, 0, slice) || (one_slice && !s->z), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(add(*slice, s->z, (uintptr_t)s->base, &at) && add(s->pitch, s->y, at, &at) &&
              add(1, at, s->x, &at) && add(*slice, depth - 1, width, span) &&
              add(s->pitch, height - 1, *span, span),
          CUDA_ERROR_INVALID_VALUE);
  *start = (char *)at;
  return CUDA_SUCCESS;
}

int ocu_shim_copy_box(ocu_stream *stream, const struct shim_side *dst,
                      const struct shim_side *src, size_t width, size_t height, size_t depth,
                      int host_sync) {
  char *to, *from;
  size_t to_slice, from_slice, to_span, from_span;
  if (!width || !height || !depth)
    return ocu_shim_code(ocu_copy(stream, NULL, NULL, 0, host_sync));
  int error = locate(dst, width, height, depth, &to, &to_slice, &to_span);
  if (!error) error = locate(src, width, height, depth, &from, &from_slice, &from_span);
  REQUIRE(!error, error);
  /* All of it before the first slice: what fails does nothing. */
  ocu_status status = ocu_check(to, to_span, 1);
  if (status == OCU_OK) status = ocu_check(from, from_span, 0);
  if (depth > 1 && height == dst->rows && height == src->rows) height *= depth, depth = 1;
  for (size_t z = 0; z < depth && status == OCU_OK; z++)
    status = ocu_copy_2d(stream, to + z * to_slice, dst->pitch, from + z * from_slice, src->pitch,
                         width, height, host_sync && z == depth - 1);
  return ocu_shim_code(status);
}

int ocu_shim_fill_box(ocu_stream *stream, const struct shim_side *dst, int byte, size_t width,
                      size_t height, size_t depth, int host_sync) {
  char *to;
  size_t slice, span;
  if (!width || !height || !depth) return ocu_shim_code(ocu_fill(stream, NULL, 0, 0, host_sync));
  CHECK(locate(dst, width, height, depth, &to, &slice, &span));
  ocu_status status = ocu_check(to, span, 1);
  if (depth > 1 && height == dst->rows) height *= depth, depth = 1;
  for (size_t z = 0; z < depth && status == OCU_OK; z++)
    status = ocu_fill_2d(stream, to + z * slice, dst->pitch, byte, width, height,
                         host_sync && z == depth - 1);
  return ocu_shim_code(status);
}
