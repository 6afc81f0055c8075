/* operands.c - what a call works on: is it in memory that may be used, and its numbers
 * as bits. */
#include <stdlib.h>
#include <string.h>
#include "core.h"

const uint8_t ocu_sizes[OCU_DTYPES] = {[OCU_F32] = 4, [OCU_F64] = 8,  [OCU_F16] = 2,
                                       [OCU_BF16] = 2, [OCU_I8] = 1,  [OCU_I32] = 4,
                                       [OCU_C64] = 8, [OCU_C128] = 16, [OCU_I64] = 8,
                                       [OCU_E4M3] = 1, [OCU_E5M2] = 1};

size_t ocu_dtype_bytes(ocu_dtype dtype) { return ocu_sizes[dtype]; }

ocu_scalar_bits ocu_read_scalar(const void *p, ocu_dtype dtype) {
  ocu_scalar_bits x = {0, 0};
  bool complex = ocu_is_complex(dtype);
  size_t part = (size_t)ocu_sizes[dtype] >> complex;
  memcpy(&x.re, p, part);
  if (complex) memcpy(&x.im, (const char *)p + part, part);
  return x;
}

bool ocu_is_zero(ocu_scalar_bits x, ocu_dtype dtype) {
  int64_t value = dtype == OCU_I32                         ? -1
                  : dtype == OCU_F32 || dtype == OCU_C64 ? 0x7fffffff
                                                         : INT64_MAX;  /* all but the sign */
  return !((x.re | x.im) & value);
}

/* The bytes of a matrix: its first, and how many to its last. */
static ocu_status extent(const char *name, const ocu_matrix *x, int64_t batch, int64_t rows,
                         int64_t columns, int64_t size, int64_t *lo, int64_t *bytes) {
  int64_t low = 0, high = 0, far;
  const int64_t last[3] = {batch - 1, rows - 1, columns - 1}, step[3] = {x->bs, x->rs, x->cs};
  bool fits = true;
  for (int i = 0; i < 3; i++)
    fits = fits && !__builtin_mul_overflow(last[i], step[i], &far) &&
           !__builtin_add_overflow(far < 0 ? low : high, far, far < 0 ? &low : &high);
  if (!fits || high > INT64_MAX / size / 2 || low < -(INT64_MAX / size / 2))
    return ocu_fail(OCU_INVALID_VALUE, "%s is larger than memory can be", name);
  *lo = low * size;
  *bytes = (high - low + 1) * size;
  return OCU_OK;
}

/* A matrix in ordinary memory: between distant rows or columns may lie anything. */
static ocu_status check_lines(const char *name, const ocu_matrix *x, int64_t rows, int64_t columns,
                              int64_t size, int write) {
  if (llabs(x->rs) < llabs(x->cs)) {
    const ocu_matrix t = {x->p, x->bs, x->cs, x->rs};
    return check_lines(name, &t, columns, rows, size, write);
  }
  int64_t lo, bytes;
  OCU_TRY(extent(name, x, 1, rows, columns, size, &lo, &bytes));
  int64_t line = (columns - 1) * llabs(x->cs) * size + size;
  const ocu_status whole = ocu_check((const char *)x->p + lo, (size_t)bytes, write);
  if (whole == OCU_OK || rows < 2 || llabs(x->rs) * size - line < 4096) return whole;
  lo = x->cs < 0 ? size - line : 0;
  for (int64_t i = 0; i < rows; i++)
    OCU_TRY(ocu_check((const char *)x->p + lo + i * x->rs * size, (size_t)line, write));
  return OCU_OK;
}

bool ocu_pooled(const void *p) {
  ocu_pointer_info info;
  return ocu_pool_overlaps(p, 1) || ocu_native_find(p, &info) > 0;
}

ocu_status ocu_check_matrix(const char *name, const ocu_matrix *x, int64_t batch, int64_t rows,
                            int64_t columns, int64_t size, int write) {
  int64_t lo, bytes;
  if (!x->bs) batch = 1;
  OCU_TRY(extent(name, x, batch, rows, columns, size, &lo, &bytes));
  if (OCU_LIKELY(ocu_pooled(x->p))) {
    ocu_status status = ocu_check((const char *)x->p + lo, (size_t)bytes, write);
    if (!status || batch == 1) return status;
  }
  ocu_matrix one = *x;  /* matrices of a batch may lie in allocations of their own */
  for (int64_t i = 0; i < batch; i++) {
    one.p = (const char *)x->p + i * x->bs * size;
    OCU_TRY(extent(name, &one, 1, rows, columns, size, &lo, &bytes));
    OCU_TRY(ocu_pooled(x->p) ? ocu_check((const char *)one.p + lo, (size_t)bytes, write)
                         : check_lines(name, &one, rows, columns, size, write));
  }
  return OCU_OK;
}

ocu_status ocu_check_arrays(const char *name, const ocu_matrix *x, int64_t batch, int64_t rows,
                            int64_t columns, int64_t size, const ocu_arrays *arrays) {
  int64_t lo, bytes;
  OCU_TRY(extent(name, x, x->bs ? batch : 1, rows, columns, size, &lo, &bytes));
  const uintptr_t first = (uintptr_t)x->p + (uintptr_t)lo;
  for (int i = 0; i < arrays->count; i++)
    if (first < arrays->at[i] + arrays->bytes && arrays->at[i] < first + (uintptr_t)bytes)
      return ocu_fail(OCU_ILLEGAL_ADDRESS, "%s at %p overlaps an array of pointers", name, x->p);
  return OCU_OK;
}

ocu_status ocu_check_pointed(const char *name, const int64_t *x, int64_t batch, int64_t rows,
                             int64_t columns, int64_t size, int write, const ocu_arrays *arrays) {
  for (int64_t z = 0; z < batch; z++) {
    const ocu_matrix one = {((const void *const *)x[0])[z], 0, x[2], x[3]};
    OCU_TRY(ocu_check_matrix(name, &one, 1, rows, columns, size, write));
    if (write) OCU_TRY(ocu_check_arrays(name, &one, 1, rows, columns, size, arrays));
  }
  return OCU_OK;
}
