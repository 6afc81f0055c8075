/* gemm.c - D = activation(alpha op(A) op(B) + beta C + bias): from a call to its class and its plan's
 * arguments. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "core.h"

/* What a kernel may know of an ocu_matrix: 1 rows, 2 columns lie side by side, 0 neither. */
static uint8_t layout(const ocu_matrix *x) { return x->cs == 1 ? 2 : x->rs == 1 ? 1 : 0; }

static ocu_matrix transpose(ocu_matrix x) {
  return (ocu_matrix){x.p, x.bs, x.cs, x.rs};
}

/* How the class multiplies: unpacked for products that stay in the caches, and for few rows. */
enum { BUCKET_PACKED = 0, BUCKET_SMALL = 1, BUCKET_ROWS = 2 };

static uint8_t bucket(int64_t m, int64_t n, int64_t k) {
  if (m <= 8 && n >= 64) return BUCKET_ROWS;
  if (m <= 128 && n <= 128 && k <= 128 && m * n * k <= 112 * 112 * 112) return BUCKET_SMALL;
  return BUCKET_PACKED;
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
    return ocu_fail(OCU_INVALID_VALUE, "gemm: %s is larger than memory can be", name);
  *lo = low * size;
  *bytes = (high - low + 1) * size;
  return OCU_OK;
}

/* A matrix in ordinary memory: between distant rows or columns may lie anything. */
static ocu_status check_lines(const char *name, const ocu_matrix *x, int64_t rows, int64_t columns,
                              int64_t size, int write) {
  if (llabs(x->rs) < llabs(x->cs)) {
    const ocu_matrix t = transpose(*x);
    return check_lines(name, &t, columns, rows, size, write);
  }
  int64_t lo, bytes, line = (columns - 1) * llabs(x->cs) * size + size;
  ocu_status status = extent(name, x, 1, rows, columns, size, &lo, &bytes);
  if (rows < 2 || llabs(x->rs) * size - line < 4096)
    return status ? status : ocu_check((const char *)x->p + lo, (size_t)bytes, write);
  lo = x->cs < 0 ? size - line : 0;
  for (int64_t i = 0; i < rows && !status; i++)
    status = ocu_check((const char *)x->p + lo + i * x->rs * size, (size_t)line, write);
  return status;
}

/* Are all elements of a batch in accessible memory? */
static ocu_status check(const char *name, const ocu_matrix *x, int64_t batch, int64_t rows,
                        int64_t columns, int64_t size, int write) {
  int64_t lo, bytes;
  if (!x->bs) batch = 1;
  ocu_status status = extent(name, x, batch, rows, columns, size, &lo, &bytes);
  if (status) return status;
  bool pooled = ocu_pool_overlaps(x->p, 1);
  if (OCU_LIKELY(pooled)) {
    status = ocu_check((const char *)x->p + lo, (size_t)bytes, write);
    if (!status || batch == 1) return status;
  }
  ocu_matrix one = *x;  /* matrices of a batch may lie in allocations of their own */
  for (int64_t i = 0; i < batch; i++) {
    one.p = (const char *)x->p + i * x->bs * size;
    status = extent(name, &one, 1, rows, columns, size, &lo, &bytes);
    if (!status)
      status = pooled ? ocu_check((const char *)one.p + lo, (size_t)bytes, write)
                      : check_lines(name, &one, rows, columns, size, write);
    if (status) return status;
  }
  return OCU_OK;
}

/* Two scalars are mostly neighbours: one look does. */
static ocu_status check_scalars(const void *alpha, const void *beta, size_t size) {
  uintptr_t a = (uintptr_t)alpha, b = (uintptr_t)beta, lo = a < b ? a : b;
  size_t both = (a < b ? b : a) - lo + size;
  if (both < 256 && ocu_scalar_readable((const void *)lo, both)) return OCU_OK;
  if (ocu_scalar_readable(alpha, size) && ocu_scalar_readable(beta, size)) return OCU_OK;
  return ocu_fail(OCU_ILLEGAL_ADDRESS, "gemm: alpha at %p or beta at %p may not be read", alpha,
                  beta);
}

/* ---- scalars, as real and imaginary bits ----------------------------------------------------- */

static const uint8_t sizes[] = {[OCU_F32] = 4, [OCU_F64] = 8, [OCU_F16] = 2, [OCU_BF16] = 2,
                                [OCU_I8] = 1, [OCU_I32] = 4, [OCU_C64] = 8, [OCU_C128] = 16};

typedef struct { int64_t re, im; } scalar;

static scalar read_scalar(const void *p, ocu_dtype dtype) {
  scalar x = {0, 0};
  bool complex = dtype == OCU_C64 || dtype == OCU_C128;
  size_t part = (size_t)sizes[dtype] >> complex;
  memcpy(&x.re, p, part);
  if (complex) memcpy(&x.im, (const char *)p + part, part);
  return x;
}

static bool is_zero(scalar x, ocu_dtype dtype) {
  int64_t value = dtype == OCU_I32                         ? -1
                  : dtype == OCU_F32 || dtype == OCU_C64 ? 0x7fffffff
                                                         : INT64_MAX;  /* all but the sign */
  return !((x.re | x.im) & value);
}

static bool is_one(scalar x, ocu_dtype dtype) {
  if (x.im) return false;
  if (dtype == OCU_I32) return x.re == 1;
  return x.re == (dtype == OCU_F32 || dtype == OCU_C64 ? 0x3f800000 : 0x3ff0000000000000);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static bool kind_exists(const ocu_gemm_kind *x) {
  static const uint8_t known[][3] = {
      {OCU_F32, OCU_F32, OCU_F32}, {OCU_F64, OCU_F64, OCU_F64}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (!memcmp(&x->ab, known[i], 3))
      return x->conj <= 3 && x->activation <= OCU_GELU && x->bias <= OCU_BIAS_COLUMNS &&
             x->pointers <= 1;
  return false;
}

ocu_status ocu_multiply(ocu_stream *s, const ocu_product *g, int flags) {
  OCU_ENTER();
  if (!g) return ocu_fail(OCU_INVALID_VALUE, "gemm: the product is NULL");
  const ocu_gemm_kind *kind = &g->kind;
  if (!kind_exists(kind))
    return ocu_fail(OCU_UNSUPPORTED, "gemm: no kernel for A and B of dtype %d, C of %d, scale %d",
                    kind->ab, kind->c, kind->scale);
  if (kind->pointers)
    return ocu_fail(OCU_UNSUPPORTED, "gemm: arrays of pointers are not implemented yet");
  int64_t batch = g->batch, m = g->m, n = g->n, k = g->k, ab_size = sizes[kind->ab];
  int64_t size = sizes[kind->c];
  if (batch < 0 || m < 0 || n < 0 || k < 0)
    return ocu_fail(OCU_INVALID_VALUE, "gemm: negative size in batch %lld, m %lld, n %lld, k %lld",
                    (long long)batch, (long long)m, (long long)n, (long long)k);
  if (!g->alpha || !g->beta) return ocu_fail(OCU_INVALID_VALUE, "gemm: alpha or beta is NULL");
  if (!batch || !m || !n) return OCU_OK;

  /* Scalars travel as bits; a product that BLAS defines as zero reads neither A nor B. */
  bool trusted = flags & OCU_CALL_TRUSTED;
  ocu_status status = trusted ? OCU_OK : check_scalars(g->alpha, g->beta, sizes[kind->scale]);
  if (status) return status;
  scalar alpha = read_scalar(g->alpha, kind->scale), beta = read_scalar(g->beta, kind->scale);
  if (is_zero(alpha, kind->scale) || !k) k = 0, alpha = (scalar){0, 0};
  bool reads_c = !is_zero(beta, kind->scale);

  ocu_matrix x = g->a, y = g->b, z = g->c, out = g->d;
  if (!out.p || (reads_c && !z.p) || (k && (!x.p || !y.p)) || (kind->bias && !g->bias))
    return ocu_fail(OCU_INVALID_VALUE, "gemm: %s is NULL",
                    !out.p                ? "D"
                    : reads_c && !z.p     ? "C"
                    : kind->bias && !g->bias ? "bias"
                    : !x.p                ? "A"
                                          : "B");
  bool in_place = z.p == out.p && z.rs == out.rs && z.cs == out.cs && z.bs == out.bs;
  if (!reads_c) z = out;
  if (!trusted) {
    if (k) status = check("A", &x, batch, m, k, ab_size, 0);
    if (k && !status) status = check("B", &y, batch, k, n, ab_size, 0);
    if (reads_c && !in_place && !status) status = check("C", &z, batch, m, n, size, 0);
    if (!status) status = check("D", &out, batch, m, n, size, 1);
    if (kind->bias && !status) {
      const ocu_matrix bias = {g->bias, g->bias_bs, 0, 1};
      status = check("bias", &bias, batch, 1, kind->bias == OCU_BIAS_ROWS ? m : n, size, 0);
    }
    if (status) return status;
    /* Ordinary memory may be gone when this call has returned. */
    if (!(k ? ocu_pool_overlaps(x.p, 1) && ocu_pool_overlaps(y.p, 1) : true) ||
        !ocu_pool_overlaps(z.p, 1) || !ocu_pool_overlaps(out.p, 1) ||
        (kind->bias && !ocu_pool_overlaps(g->bias, 1)))
      flags |= OCU_CALL_SYNC;
  }
  /* C stays as it is, to the sign of its zeros. */
  if (!k && in_place && is_one(beta, kind->scale) && !kind->bias && !kind->activation) return OCU_OK;

  /* Kernels write rows: where D's rows are not contiguous but its columns are, compute D^T. */
  uint8_t conj = kind->conj, bias = kind->bias;
  if (out.cs != 1 && out.rs == 1) {
    ocu_matrix t = transpose(x);
    x = transpose(y), y = t, z = transpose(z), out = transpose(out);
    int64_t swap = m;
    m = n, n = swap;
    conj = (uint8_t)(conj >> 1 | (conj & 1) << 1);
    if (bias) bias = OCU_BIAS_ROWS + OCU_BIAS_COLUMNS - bias;
  }
  const ocu_spec spec = {{OCU_OP_GEMM, kind->ab, kind->c, kind->scale, layout(&x), layout(&y),
                          layout(&z), layout(&out), bucket(m, n, k), conj, kind->activation, bias,
                          kind->pointers}};
  const int64_t args[] = {batch, m, n, k,
                          (int64_t)x.p, x.bs, x.rs, x.cs, (int64_t)y.p, y.bs, y.rs, y.cs,
                          (int64_t)z.p, z.bs, z.rs, z.cs, (int64_t)out.p, out.bs, out.rs, out.cs,
                          alpha.re, alpha.im, beta.re, beta.im, (int64_t)g->bias, g->bias_bs};
  return ocu_call(s, &spec, args, sizeof args / sizeof *args, flags);
}

ocu_status ocu_gemm(ocu_stream *s, ocu_dtype dtype, int64_t batch, int64_t m, int64_t n, int64_t k,
                    const void *alpha, const void *a, int64_t a_rs, int64_t a_cs, int64_t a_bs,
                    const void *b, int64_t b_rs, int64_t b_cs, int64_t b_bs, const void *beta,
                    void *c, int64_t c_rs, int64_t c_cs, int64_t c_bs, int flags) {
  const ocu_matrix z = {c, c_bs, c_rs, c_cs};
  return ocu_multiply(s, &(ocu_product){.kind = {.ab = (uint8_t)dtype, .c = (uint8_t)dtype,
                                                 .scale = (uint8_t)dtype},
                                        .batch = batch, .m = m, .n = n, .k = k,
                                        .alpha = alpha, .beta = beta,
                                        .a = {a, a_bs, a_rs, a_cs}, .b = {b, b_bs, b_rs, b_cs},
                                        .c = z, .d = z}, flags);
}
