/* gemm.c - C = alpha op(A) op(B) + beta C: from a call to its class and its plan's arguments. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "core.h"

typedef struct {
  const void *p;
  int64_t bs, rs, cs;   /* strides of batch, rows, columns, in elements */
} operand;

/* What a kernel may know of an operand: 1 rows, 2 columns lie side by side, 0 neither. */
static uint8_t layout(const operand *x) { return x->cs == 1 ? 2 : x->rs == 1 ? 1 : 0; }

static operand transpose(operand x) {
  return (operand){x.p, x.bs, x.cs, x.rs};
}

/* How the class multiplies: unpacked for products that stay in the caches, and for few rows. */
enum { BUCKET_PACKED = 0, BUCKET_SMALL = 1, BUCKET_ROWS = 2 };

static uint8_t bucket(int64_t m, int64_t n, int64_t k) {
  if (m <= 8 && n >= 64) return BUCKET_ROWS;
  if (m <= 128 && n <= 128 && k <= 128 && m * n * k <= 112 * 112 * 112) return BUCKET_SMALL;
  return BUCKET_PACKED;
}

/* The bytes of a matrix: its first, and how many to its last. */
static ocu_status extent(const char *name, const operand *x, int64_t batch, int64_t rows,
                         int64_t columns, int64_t size, int64_t *lo, int64_t *bytes) {
  int64_t low = 0, high = 0, far;
  const int64_t last[3] = {batch - 1, rows - 1, columns - 1}, step[3] = {x->bs, x->rs, x->cs};
  bool fits = true;
  for (int i = 0; i < 3; i++)
    fits = fits && !__builtin_mul_overflow(last[i], step[i], &far) &&
           !__builtin_add_overflow(far < 0 ? low : high, far, far < 0 ? &low : &high);
  if (!fits || high > INT64_MAX / size / 2 || low < -(INT64_MAX / size / 2))
    return ocu_fail(OCU_INVALID_VALUE, "gemm: %s is larger than memory can be", name);
  *lo = low * size;
  *bytes = (high - low + 1) * size;
  return OCU_OK;
}

/* Are all its elements in accessible memory? Between distant rows or columns may lie anything. */
static ocu_status check_matrix(const char *name, const operand *x, int64_t rows, int64_t columns,
                               int64_t size, int write) {
  int64_t lo, bytes, line;
  ocu_status status = extent(name, x, 1, rows, columns, size, &lo, &bytes);
  if (status) return status;
  if (llabs(x->rs) < llabs(x->cs)) {
    const operand t = transpose(*x);
    return check_matrix(name, &t, columns, rows, size, write);
  }
  int64_t gap = llabs(x->rs) - (columns - 1) * llabs(x->cs);
  if (rows < 2 || gap < 4096 / size || ocu_pool_overlaps(x->p, 1))
    return ocu_check((const char *)x->p + lo, (size_t)bytes, write);
  line = (columns - 1) * llabs(x->cs) * size + size;
  lo = x->cs < 0 ? size - line : 0;
  for (int64_t i = 0; i < rows && !status; i++)
    status = ocu_check((const char *)x->p + lo + i * x->rs * size, (size_t)line, write);
  return status;
}

static ocu_status check(const char *name, const operand *x, int64_t batch, int64_t rows,
                        int64_t columns, int64_t size, int write) {
  if (batch == 1) return check_matrix(name, x, rows, columns, size, write);
  int64_t lo, bytes;
  ocu_status status = extent(name, x, batch, rows, columns, size, &lo, &bytes);
  if (status) return status;
  if (ocu_pool_overlaps(x->p, 1) && !ocu_check((const char *)x->p + lo, (size_t)bytes, write))
    return OCU_OK;
  operand one = *x;  /* matrices of a batch may lie in allocations of their own */
  for (int64_t i = 0; i < batch && !status; i++) {
    one.p = (const char *)x->p + i * x->bs * size;
    status = check_matrix(name, &one, rows, columns, size, write);
  }
  return status;
}

/* Two scalars are mostly neighbours: one look does. */
static ocu_status check_scalars(const void *alpha, const void *beta, size_t size) {
  uintptr_t a = (uintptr_t)alpha, b = (uintptr_t)beta, lo = a < b ? a : b, apart = (a < b ? b : a) - lo;
  if (apart < 256 && !ocu_check((const void *)lo, apart + size, 0)) return OCU_OK;
  ocu_status status = ocu_check(alpha, size, 0);
  return status ? status : ocu_check(beta, size, 0);
}

static bool is_one(const void *x, ocu_dtype dtype) {
  return dtype == OCU_F32 ? *(const float *)x == 1 : *(const double *)x == 1;
}

ocu_status ocu_gemm(ocu_stream *s, ocu_dtype dtype, int64_t batch, int64_t m, int64_t n, int64_t k,
                    const void *alpha, const void *a, int64_t a_rs, int64_t a_cs, int64_t a_bs,
                    const void *b, int64_t b_rs, int64_t b_cs, int64_t b_bs, const void *beta,
                    void *c, int64_t c_rs, int64_t c_cs, int64_t c_bs, int flags) {
  OCU_ENTER();
  if (dtype != OCU_F32 && dtype != OCU_F64)
    return ocu_fail(OCU_INVALID_VALUE, "gemm: dtype %d; expected OCU_F32 or OCU_F64", dtype);
  if (batch < 0 || m < 0 || n < 0 || k < 0)
    return ocu_fail(OCU_INVALID_VALUE, "gemm: negative size in batch %lld, m %lld, n %lld, k %lld",
                    (long long)batch, (long long)m, (long long)n, (long long)k);
  if (!alpha || !beta) return ocu_fail(OCU_INVALID_VALUE, "gemm: alpha or beta is NULL");
  if (!batch || !m || !n) return OCU_OK;

  /* Scalars travel as bits; a product that BLAS defines as zero reads neither A nor B. */
  int64_t alpha_bits = 0, beta_bits = 0, size = dtype == OCU_F32 ? 4 : 8;
  ocu_status status = flags & OCU_CALL_TRUSTED ? OCU_OK : check_scalars(alpha, beta, (size_t)size);
  if (status) return status;
  memcpy(&alpha_bits, alpha, size);
  memcpy(&beta_bits, beta, size);
  const int64_t magnitude = dtype == OCU_F32 ? 0x7fffffff : INT64_MAX;
  if (!(alpha_bits & magnitude) || !k) k = 0, alpha_bits = 0;

  operand x = {a, a_bs, a_rs, a_cs}, y = {b, b_bs, b_rs, b_cs}, z = {c, c_bs, c_rs, c_cs};
  if (!c || (k && (!a || !b)))
    return ocu_fail(OCU_INVALID_VALUE, "gemm: %s is NULL", !c ? "C" : !a ? "A" : "B");
  if (!(flags & OCU_CALL_TRUSTED)) {
    if (k) status = check("A", &x, batch, m, k, size, 0);
    if (k && !status) status = check("B", &y, batch, k, n, size, 0);
    if (!status) status = check("C", &z, batch, m, n, size, 1);
    if (status) return status;
  }

  if (!k && is_one(beta, dtype)) return OCU_OK;  /* C stays as it is, to the sign of its zeros */

  /* Kernels write rows: where C's rows are not contiguous but its columns are, compute C^T. */
  if (z.cs != 1 && z.rs == 1) {
    operand t = transpose(x);
    x = transpose(y), y = t, z = transpose(z);
    int64_t swap = m;
    m = n, n = swap;
  }
  const ocu_spec spec = {{OCU_OP_GEMM, dtype, layout(&x), layout(&y), layout(&z), bucket(m, n, k)}};
  const int64_t args[] = {
      batch, m, n, k, (int64_t)x.p, x.bs, x.rs, x.cs, (int64_t)y.p, y.bs, y.rs, y.cs,
      (int64_t)z.p, z.bs, z.rs, z.cs, alpha_bits, beta_bits};
  return ocu_call(s, &spec, args, sizeof args / sizeof *args, flags);
}
