/* scaled.c - products of 8-bit numbers with factors in device memory.
 *
 *     T = alpha op(A) op(B)                                      f32, in memory of its own
 *     X = activation(a b T + beta c C + bias), amax = max |X|, D = d X
 *
 * All factors are read by the second kernel (opencu/blas/kernels/scaled.py), so nobody waits. */
#include "core.h"

enum { FACTORS = 4 };
enum { HAS_C = 16, HAS_AMAX = 32, A_ROWS = 64, B_COLUMNS = 128 };  /* in a spec, beside 4 factors */

static ocu_matrix transpose(ocu_matrix x) { return (ocu_matrix){x.p, x.bs, x.cs, x.rs}; }

/* What the second kernel reads and writes besides T. */
static ocu_status check(ocu_stream *s, const ocu_product *g, bool reads_c, int *flags) {
  const ocu_scaling *x = &g->scaling;
  const bool rows = g->kind.bias == OCU_BIAS_ROWS;
  const ocu_matrix bias = {g->bias, g->bias_bs, 0, 1};
  if (!g->d.p || (reads_c && !g->c.p) || (g->kind.bias && !g->bias))
    return ocu_fail(OCU_INVALID_VALUE, "gemm: %s is NULL",
                    !g->d.p ? "D" : reads_c && !g->c.p ? "C" : "bias");
  if (reads_c && g->c.p == g->d.p && g->kind.c != x->d)
    return ocu_fail(OCU_INVALID_VALUE, "gemm: C and D are in one place and of two dtypes");
  OCU_TRY(ocu_check_matrix("D", &g->d, g->batch, g->m, g->n, ocu_sizes[x->d], 1));
  if (reads_c)
    OCU_TRY(ocu_check_matrix("C", &g->c, g->batch, g->m, g->n, ocu_sizes[g->kind.c], 0));
  if (g->kind.bias)
    OCU_TRY(ocu_check_matrix("bias", &bias, g->batch, 1, rows ? g->m : g->n, ocu_sizes[x->bias], 0));
  const void *const factors[] = {x->a_factor, x->b_factor, x->c_factor, x->d_factor, x->amax};
  const int64_t counts[] = {x->a_rows ? g->m : 1, x->b_columns ? g->n : 1, 1, 1, 1};
  for (int i = 0; i < 5; i++)
    if (factors[i]) OCU_TRY(ocu_check(factors[i], (size_t)counts[i] * sizeof(float), i == 4));
  const void *const all[] = {g->d.p, reads_c ? g->c.p : NULL, g->kind.bias ? g->bias : NULL,
                             factors[0], factors[1], factors[2], factors[3], factors[4]};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    if (!all[i]) continue;
    if (ocu_native_devices) OCU_TRY(ocu_reach(s, all[i], false));
    if (!ocu_pooled(all[i])) *flags |= OCU_CALL_SYNC;
  }
  return OCU_OK;
}

/* D from T, which lies as D does. */
static ocu_status finish(ocu_stream *s, const ocu_product *g, ocu_matrix t, int64_t beta, int flags) {
  const ocu_scaling *x = &g->scaling;
  const void *factors[FACTORS] = {x->a_factor, x->b_factor, x->c_factor, x->d_factor};
  ocu_matrix c = beta & 0x7fffffff ? g->c : g->d, d = g->d;
  int64_t m = g->m, n = g->n;
  int bias = g->kind.bias, a_rows = x->a_rows != 0, b_columns = x->b_columns != 0;
  if (t.cs != 1) { /* kernels write rows */
    t = transpose(t), c = transpose(c), d = transpose(d);
    m = g->n, n = g->m;
    if (bias) bias = OCU_BIAS_ROWS + OCU_BIAS_COLUMNS - bias;
    factors[0] = x->b_factor, factors[1] = x->a_factor;
    a_rows = x->b_columns != 0, b_columns = x->a_rows != 0;
  }
  uint8_t wanted = (uint8_t)((beta & 0x7fffffff ? HAS_C : 0) | (x->amax ? HAS_AMAX : 0) |
                             (a_rows ? A_ROWS : 0) | (b_columns ? B_COLUMNS : 0));
  for (int i = 0; i < FACTORS; i++) wanted |= (uint8_t)((factors[i] != NULL) << i);
  const ocu_spec spec = {{OCU_OP_SCALED, g->kind.c, x->d, x->bias, ocu_layout(&c), ocu_layout(&d),
                          g->kind.activation, (uint8_t)bias, wanted}};
  const int64_t args[] = {g->batch, m, n, (int64_t)t.p, t.bs, t.rs, t.cs,
                          (int64_t)c.p, c.bs, c.rs, c.cs, (int64_t)d.p, d.bs, d.rs, d.cs,
                          (int64_t)g->bias, g->bias_bs, (int64_t)factors[0], (int64_t)factors[1],
                          (int64_t)factors[2], (int64_t)factors[3], (int64_t)x->amax, beta};
  return ocu_call(s, &spec, args, sizeof args / sizeof *args, flags);
}

ocu_status ocu_multiply_scaled(ocu_stream *s, const ocu_product *g, int flags) {
  static const float zero;
  OCU_ENTER_STREAM(s);
  const ocu_scaling *x = &g->scaling;
  if (x->d >= OCU_DTYPES || x->bias >= OCU_DTYPES || !ocu_is_float8(g->kind.ab) ||
      ocu_is_float8(g->kind.c) || g->kind.pointers || g->epilogue || (g->kind.bias && !x->bias) ||
      ocu_is_float8(x->bias))
    return ocu_fail(OCU_UNSUPPORTED, "gemm: no scaled product of dtypes %d, C of %d, D of %d, bias "
                    "of %d, pointers %d", g->kind.ab, g->kind.c, x->d, x->bias, g->kind.pointers);
  if (g->batch < 1 || g->m < 1 || g->n < 1 || !g->alpha || !g->beta) { /* as any product */
    ocu_product plain = *g;
    plain.scaling.d = 0;
    return ocu_multiply(s, &plain, flags);
  }
  if (!ocu_scalar_readable(g->beta, sizeof(float)))
    return ocu_fail(OCU_ILLEGAL_ADDRESS, "gemm: beta at %p may not be read", g->beta);
  const ocu_scalar_bits beta = ocu_read_scalar(g->beta, OCU_F32);
  OCU_TRY(check(s, g, !ocu_is_zero(beta, OCU_F32), &flags));
  void *held;
  OCU_TRY(ocu_alloc_async(s, (size_t)(g->batch * g->m * g->n) * sizeof(float), &held));
  ocu_product inner = *g;
  inner.kind.c = OCU_F32, inner.kind.activation = inner.kind.bias = 0;
  inner.beta = &zero, inner.scaling.d = 0;
  const bool by_columns = g->d.cs != 1 && g->d.rs == 1;
  inner.c = inner.d = (ocu_matrix){held, g->m * g->n, by_columns ? 1 : g->n, by_columns ? g->m : 1};
  ocu_status status = ocu_multiply(s, &inner, flags);
  if (!status && x->amax) status = ocu_fill(s, x->amax, 0, sizeof(float), 0);
  if (!status) status = finish(s, g, inner.d, beta.re, flags);
  ocu_status freed = ocu_free_async(s, held);
  return status ? status : freed;
}
