/* gemm.c - D = activation(alpha op(A) op(B) + beta C + bias), and D = alpha op(A) + beta op(B): from
 * a call to its class and the arguments of its plan. */
#include <stdlib.h>
#include <string.h>
#include "core.h"

static ocu_matrix transpose(ocu_matrix x) {
  return (ocu_matrix){x.p, x.bs, x.cs, x.rs};
}

/* How the class multiplies: unpacked for products that stay in the caches, and for few rows (8 or 16
 * columns: tall), which meet the other operand where it lies. */
enum { BUCKET_PACKED, BUCKET_SMALL, BUCKET_ROWS, BUCKET_DOTS, BUCKET_VECTOR, BUCKET_TALL8,
       BUCKET_TALL16 };
enum { FEW_ROWS = 16, MANY_COLUMNS = 64 };

/* Few rows of A, or columns of B, and both lie along k? */
static bool skinny(const ocu_matrix *a, const ocu_matrix *b, int64_t m, int64_t n, int64_t k) {
  return a->cs == 1 && b->rs == 1 && k >= 64 && (m < n ? m : n) <= FEW_ROWS &&
         (m < n ? n : m) >= MANY_COLUMNS;
}

/* From how many columns on a number of A on all lanes beats lanes along k. */
static int64_t tall_from(const ocu_gemm_kind *kind) {
  return kind->scale != OCU_F32 ? FEW_ROWS + 1 : kind->ab == OCU_F32 ? 5 : 9;
}

static uint8_t bucket(const ocu_matrix *a, const ocu_matrix *b, int64_t m, int64_t n, int64_t k) {
  if (skinny(a, b, m, n, k))
    return m > n ? (n > 8 ? BUCKET_TALL16 : BUCKET_TALL8) : m <= 2 ? BUCKET_VECTOR : BUCKET_DOTS;
  if (m <= FEW_ROWS / 2 && n >= MANY_COLUMNS) return m == 1 && b->cs == 1 ? BUCKET_VECTOR : BUCKET_ROWS;
  if (m <= 128 && n <= 128 && k <= 128 && m * n * k <= 112 * 112 * 112) return BUCKET_SMALL;
  return BUCKET_PACKED;
}

/* Can a kernel on another driver's device get at all of these? */
static ocu_status check_reach(ocu_stream *s, const void *const *operands, int n) {
  OCU_ENTER_STREAM(s);
  for (int i = 0; i < n; i++)
    if (operands[i]) OCU_TRY(ocu_reach(s, operands[i], false));
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

/* ---- scalars ---------------------------------------------------------------------------------- */

typedef ocu_scalar_bits scalar;

static bool is_one(scalar x, ocu_dtype dtype) {
  if (x.im) return false;
  if (dtype == OCU_I32) return x.re == 1;
  return x.re == (dtype == OCU_F32 || dtype == OCU_C64 ? 0x3f800000 : 0x3ff0000000000000);
}

/* Vectors, and aux, which is a step's like them. */
static ocu_status check_vectors(ocu_stream *s, const ocu_product *g) {
  const int64_t size = ocu_sizes[g->kind.scale];
  const ocu_matrix alpha = {g->alpha, g->alpha_bs, 1, 0}, beta = {g->beta, 0, 1, 0};
  const void *const operands[3] = {g->aux.p, g->kind.vectors > 0 ? g->alpha : NULL,
                                   g->kind.vectors > 1 ? g->beta : NULL};
  if (operands[1]) OCU_TRY(ocu_check_matrix("alpha", &alpha, g->batch, g->m, 1, size, 0));
  if (operands[2]) OCU_TRY(ocu_check_matrix("beta", &beta, 1, g->m, 1, size, 0));
  return ocu_native_devices ? check_reach(s, operands, 3) : OCU_OK;
}

/* ---- arrays of pointers ---------------------------------------------------------------------- */

/* The arrays themselves, at the call; what they point to is looked at when the work runs. */
static ocu_status check_arrays(const ocu_matrix *const operands[4], int64_t batch) {
  for (int i = 0; i < 4; i++)
    OCU_TRY(ocu_check(operands[i]->p, (size_t)batch * sizeof(void *), 0));
  return OCU_OK;
}

/* In stream order, before the product: a wild pointer fails the stream, as on a GPU, and no program
 * runs. spec and args are what the product was called with. */
ocu_status ocu_gemm_pointed(const ocu_spec *spec, const int64_t *args) {
  static const char *const names[] = {"A", "B", "C", "D"};
  int64_t batch = args[0], m = args[1], n = args[2], k = args[3];
  int64_t ab = ocu_sizes[ocu_dtype_of_a(spec->f[1])], c = ocu_sizes[spec->f[2]];
  const int64_t shape[4][3] = {{m, k, ab}, {k, n, ab}, {m, n, c}, {m, n, c}};
  ocu_arrays arrays = {4, {0}, (size_t)batch * sizeof(void *)};
  for (int i = 0; i < 4; i++) arrays.at[i] = (uintptr_t)args[4 + 4 * i];
  for (int i = k ? 0 : 2; i < 4; i++)
    OCU_TRY(ocu_check_pointed(names[i], args + 4 + 4 * i, batch, shape[i][0], shape[i][1],
                              shape[i][2], i == 3, &arrays));
  return OCU_OK;
}

/* ---- users' epilogues ------------------------------------------------------------------------ */

/* The class of a product with an epilogue: both, hashed into one spec. */
static ocu_spec user_spec(ocu_epilogue *e, const ocu_spec *of, const ocu_matrix *extra) {
  struct { uint8_t seed[8], key[16]; ocu_spec of; uint8_t layouts[4]; int32_t n; } all;
  memset(&all, 0, sizeof all);
  memcpy(all.key, e->key, sizeof all.key);
  all.of = e->of = *of;
  all.n = e->n;
  for (int i = 0; i < e->n; i++)
    all.layouts[i] =
        (uint8_t)(ocu_layout(&extra[i]) | (extra[i].rs == 0) << 2 | (extra[i].cs == 0) << 3);
  memcpy(e->layouts, all.layouts, sizeof e->layouts);
  uint64_t hash[2];
  for (int i = 0; i < 2; i++) {
    all.seed[0] = (uint8_t)(i + 1);
    hash[i] = ocu_checksum(&all, sizeof all);
  }
  ocu_spec spec = {{OCU_OP_GEMM_USER}};
  memcpy(spec.f + 1, hash, 15);
  return spec;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static bool forms_exist(const ocu_gemm_kind *x) {
  const bool plain = !x->bias && !x->activation && !x->pointers && !x->vectors;
  const bool same = x->ab == x->c && x->c == x->scale;
  return (!x->form && !x->d_form) ||
         (plain && same && !(x->form && x->d_form) && (x->form & 3) < 3 &&
          (!x->form || x->form & 3) && (x->form & 12) < 12 && x->form < 128 && x->d_form < 8 &&
          (x->d_form & 3) < 3 && (!x->d_form || x->d_form & 3) &&
          (ocu_is_complex(x->ab) || !(x->form & OCU_HERMITIAN || x->d_form & OCU_D_HERMITIAN)));
}

/* 8-bit numbers by others, but not E5M2 by E5M2; E5M2 results of products with E5M2 only. */
static bool float8_exists(const ocu_gemm_kind *x) {
  const bool mixed = ocu_is_float8(x->ab) && ocu_is_float8(x->b) && x->ab != x->b;
  if (x->scale != OCU_F32 || !(mixed || (x->ab == OCU_E4M3 && !x->b))) return false;
  return x->c == OCU_E5M2 ? mixed : x->c == OCU_F32 || ocu_is_narrow(x->c);
}

static bool has_aux(const ocu_gemm_kind *x) { return x->activation > OCU_GELU; }

static bool kind_exists(const ocu_gemm_kind *x) {
  static const uint8_t known[][3] = {
      {OCU_F32, OCU_F32, OCU_F32},  {OCU_F64, OCU_F64, OCU_F64},   {OCU_F16, OCU_F16, OCU_F32},
      {OCU_F16, OCU_F32, OCU_F32},  {OCU_BF16, OCU_BF16, OCU_F32}, {OCU_BF16, OCU_F32, OCU_F32},
      {OCU_I8, OCU_I32, OCU_I32},   {OCU_I8, OCU_F32, OCU_F32},    {OCU_I8, OCU_I8, OCU_F32},
      {OCU_C64, OCU_C64, OCU_C64},
      {OCU_C128, OCU_C128, OCU_C128}};
  bool complex = ocu_is_complex(x->ab);
  if ((x->conj && !complex) || (x->activation && (complex || x->c == OCU_I32))) return false;
  bool found = float8_exists(x);
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    found = found || (!memcmp(&x->ab, known[i], 3) && !x->b);
  const bool plain = !x->vectors && !has_aux(x);
  return found && x->conj <= 3 && x->activation <= OCU_DGELU && x->bias <= OCU_BIAS_COLUMNS &&
         x->pointers <= 1 && x->vectors <= 2 && (plain || !(x->pointers || ocu_is_float8(x->ab))) &&
         forms_exist(x);
}

/* Those of the transposes. */
static uint8_t turned_form(uint8_t form) {
  const uint8_t operand = form & 3;
  return form ? (uint8_t)((form & ~3 & ~OCU_LOWER) | (3 - operand) | (~form & OCU_LOWER)) : 0;
}

static uint8_t turned_d_form(uint8_t form) {
  return form ? (uint8_t)((form & OCU_D_HERMITIAN) | (3 - (form & 3))) : 0;
}

/* Is every operand square that has a form? */
static bool squares(const ocu_product *g) {
  const uint8_t form = g->kind.form;
  return (!form && !g->kind.d_form) ||
         (g->batch == 1 && (!(form & OCU_FORM_A) || g->m == g->k) &&
          (!(form & OCU_FORM_B) || g->k == g->n) && (!g->kind.d_form || g->m == g->n));
}

ocu_status ocu_multiply(ocu_stream *s, const ocu_product *g, int flags) {
  OCU_ENTER();
  if (!g) return ocu_fail(OCU_INVALID_VALUE, "gemm: the product is NULL");
  const ocu_gemm_kind *kind = &g->kind;
  if (!kind_exists(kind) || (g->epilogue && (kind->vectors || has_aux(kind))))
    return ocu_fail(OCU_UNSUPPORTED, "gemm: no kernel for A of dtype %d, B of %d, C of %d, scale "
                    "%d, conjugates %d, activation %d, bias %d", kind->ab, kind->b ? kind->b : kind->ab,
                    kind->c, kind->scale, kind->conj, kind->activation, kind->bias);
  if (g->scaling.d) return ocu_multiply_scaled(s, g, flags);
  int64_t batch = g->batch, m = g->m, n = g->n, k = g->k, ab_size = ocu_sizes[kind->ab];
  int64_t size = ocu_sizes[kind->c];
  if (batch < 0 || m < 0 || n < 0 || k < 0)
    return ocu_fail(OCU_INVALID_VALUE, "gemm: negative size in batch %lld, m %lld, n %lld, k %lld",
                    (long long)batch, (long long)m, (long long)n, (long long)k);
  if (!squares(g))
    return ocu_fail(OCU_INVALID_VALUE, "gemm: a matrix with sides is square and without a batch");
  if (!g->alpha || !g->beta) return ocu_fail(OCU_INVALID_VALUE, "gemm: alpha or beta is NULL");
  if (!batch || !m || !n) return OCU_OK;

  /* Scalars travel as bits; a product that BLAS defines as zero reads neither A nor B. */
  bool trusted = flags & OCU_CALL_TRUSTED;
  const uint8_t vectors = kind->vectors;
  const void *const scalars[2] = {vectors > 0 ? g->beta : g->alpha, vectors > 1 ? NULL : g->beta};
  if (!trusted && scalars[1])
    OCU_TRY(check_scalars(scalars[0], scalars[1], ocu_sizes[kind->scale]));
  scalar alpha = {(int64_t)g->alpha, g->alpha_bs}, beta = {(int64_t)g->beta, 0};
  if (vectors < 1) alpha = ocu_read_scalar(g->alpha, kind->scale);
  if (vectors < 2) beta = ocu_read_scalar(g->beta, kind->scale);
  if (!vectors && (!k || ocu_is_zero(alpha, kind->scale))) k = 0, alpha = (scalar){0, 0};
  bool reads_c = vectors > 1 || !ocu_is_zero(beta, kind->scale);
  if (k && kind->form && !(kind->form & OCU_TRIANGULAR)) return ocu_multiply_expanded(s, g, flags);

  ocu_matrix x = g->a, y = g->b, z = g->c, out = g->d;
  const char *missing = !out.p                   ? "D"
                        : reads_c && !z.p        ? "C"
                        : kind->bias && !g->bias ? "bias"
                        : k && !x.p              ? "A"
                        : k && !y.p              ? "B"
                        : has_aux(kind) && !g->aux.p ? "aux"
                                                 : NULL;
  if (missing) return ocu_fail(OCU_INVALID_VALUE, "gemm: %s is NULL", missing);
  bool in_place = z.p == out.p && z.rs == out.rs && z.cs == out.cs && z.bs == out.bs;
  if (!reads_c) z = out;
  if (!k) x = y = (ocu_matrix){out.p, 0, 0, 1};  /* nothing is read: of a class that is there */
  if (kind->pointers) {
    OCU_TRY(check_arrays((const ocu_matrix *const[]){&x, &y, &z, &out}, batch));
  } else if (!trusted) {
    const ocu_matrix bias = {g->bias, g->bias_bs, 0, 1};
    if (k) OCU_TRY(ocu_check_matrix("A", &x, batch, m, k, ab_size, 0));
    if (k) OCU_TRY(ocu_check_matrix("B", &y, batch, k, n, ab_size, 0));
    if (reads_c && !in_place) OCU_TRY(ocu_check_matrix("C", &z, batch, m, n, size, 0));
    OCU_TRY(ocu_check_matrix("D", &out, batch, m, n, size, 1));
    if (kind->bias)
      OCU_TRY(ocu_check_matrix("bias", &bias, batch, 1, kind->bias == OCU_BIAS_ROWS ? m : n, size, 0));
    if (has_aux(kind))
      OCU_TRY(ocu_check_matrix("aux", &g->aux, batch, m, n, size, kind->activation == OCU_GELU_AUX));
    OCU_TRY(check_vectors(s, g));
    /* Ordinary memory may be gone when this call has returned. */
    if (ocu_native_devices)
      OCU_TRY(check_reach(s, (const void *const[5]){x.p, y.p, z.p, out.p, g->bias}, 5));
    if (!ocu_pooled(x.p) || !ocu_pooled(y.p) || !ocu_pooled(z.p) || !ocu_pooled(out.p) ||
        (kind->bias && !ocu_pooled(g->bias)) || (has_aux(kind) && !ocu_pooled(g->aux.p)) ||
        (vectors && !ocu_pooled(g->alpha)) || (vectors > 1 && !ocu_pooled(g->beta)))
      flags |= OCU_CALL_SYNC;
  }
  /* C stays as it is, to the sign of its zeros. */
  if (!k && in_place && is_one(beta, kind->scale) && !kind->bias && !kind->activation &&
      !vectors && !g->epilogue)
    return OCU_OK;

  /* Kernels write rows: where D's rows are not contiguous but its columns are, compute D^T. */
  uint8_t conj = kind->conj, bias = kind->bias, ab = kind->ab, b = kind->b;
  uint8_t form = k ? kind->form : 0, d_form = kind->d_form;
  ocu_matrix extra[4] = {0};
  int n_extra = g->epilogue ? g->epilogue->n : 0;
  for (int i = 0; i < n_extra; i++) extra[i] = g->epilogue->extra[i];
  if (has_aux(kind)) extra[n_extra++] = g->aux;
  uint8_t along = vectors ? OCU_BIAS_ROWS : 0;
  bool tall = (m < n ? m : n) >= tall_from(kind);
  const bool lean = !form && !d_form && skinny(&x, &y, m, n, k);
  if (lean ? tall == (m < n) : out.cs != 1 && out.rs == 1) {
    ocu_matrix t = transpose(x);
    x = transpose(y), y = t, z = transpose(z), out = transpose(out);
    int64_t swap = m;
    m = n, n = swap;
    conj = (uint8_t)(conj >> 1 | (conj & 1) << 1);
    if (bias) bias = OCU_BIAS_ROWS + OCU_BIAS_COLUMNS - bias;
    if (b) b = kind->ab, ab = kind->b;
    if (along) along = OCU_BIAS_COLUMNS;
    form = turned_form(form), d_form = turned_d_form(d_form);
    for (int i = 0; i < n_extra; i++) extra[i] = transpose(extra[i]);
  }
  ocu_spec spec = {{OCU_OP_GEMM, (uint8_t)(ab | b << 4), kind->c, kind->scale, ocu_layout(&x), ocu_layout(&y), ocu_layout(&z),
                    ocu_layout(&out), form || d_form ? BUCKET_PACKED : bucket(&x, &y, m, n, k),
                    conj, (uint8_t)(kind->activation | (has_aux(kind) ? ocu_layout(extra) << 4 : 0)),
                    (uint8_t)(bias | vectors << 2 | along << 4), kind->pointers,
                    form & (3 | OCU_LOWER | OCU_UNIT | OCU_IN_PLACE), d_form}};
  int64_t args[OCU_GEMM_ARGS + 16] = {batch, m, n, k,
                          (int64_t)x.p, x.bs, x.rs, x.cs, (int64_t)y.p, y.bs, y.rs, y.cs,
                          (int64_t)z.p, z.bs, z.rs, z.cs, (int64_t)out.p, out.bs, out.rs, out.cs,
                          alpha.re, alpha.im, beta.re, beta.im, (int64_t)g->bias, g->bias_bs};
  for (int i = 0; i < n_extra; i++) {
    const int64_t words[4] = {(int64_t)extra[i].p, extra[i].bs, extra[i].rs, extra[i].cs};
    memcpy(args + OCU_GEMM_ARGS + 4 * i, words, sizeof words);
  }
  const bool plain = batch == 1 && !kind->pointers && !n_extra && !vectors && !g->epilogue &&
                     !form && !d_form;
  int64_t parts = plain ? ocu_split_parts(m, n, k) : 1;
  if (parts > 1) return ocu_split(s, &spec, args, parts, flags);
  if (g->epilogue) spec = user_spec(g->epilogue, &spec, extra);
  return ocu_call(s, &spec, args, OCU_GEMM_ARGS + 4 * n_extra, flags);
}

ocu_status ocu_gemm(ocu_stream *s, ocu_dtype dtype, int64_t batch, int64_t m, int64_t n, int64_t k,
                    const void *alpha, const void *a, int64_t a_rs, int64_t a_cs, int64_t a_bs,
                    const void *b, int64_t b_rs, int64_t b_cs, int64_t b_bs, const void *beta,
                    void *c, int64_t c_rs, int64_t c_cs, int64_t c_bs, int flags) {
  const ocu_matrix z = {c, c_bs, c_rs, c_cs};
  const ocu_dtype scale = ocu_is_narrow(dtype) ? OCU_F32 : dtype;
  return ocu_multiply(s, &(ocu_product){.kind = {.ab = (uint8_t)dtype, .c = (uint8_t)dtype,
                                                 .scale = (uint8_t)scale},
                                        .batch = batch, .m = m, .n = n, .k = k,
                                        .alpha = alpha, .beta = beta,
                                        .a = {a, a_bs, a_rs, a_cs}, .b = {b, b_bs, b_rs, b_cs},
                                        .c = z, .d = z}, flags);
}

/* ---- sums ------------------------------------------------------------------------------------ */

ocu_status ocu_geam(ocu_stream *s, const ocu_product *g, int flags) {
  OCU_ENTER();
  if (!g) return ocu_fail(OCU_INVALID_VALUE, "geam: the operands are NULL");
  const ocu_gemm_kind *kind = &g->kind;
  if (kind->ab != kind->c || kind->ab != kind->scale || kind->ab == OCU_I8 ||
      kind->ab == OCU_I32 || !kind_exists(kind))
    return ocu_fail(OCU_UNSUPPORTED, "geam: no kernel for dtypes %d, %d, %d, conjugates %d",
                    kind->ab, kind->c, kind->scale, kind->conj);
  int64_t m = g->m, n = g->n, size = ocu_sizes[kind->c];
  if (m < 0 || n < 0)
    return ocu_fail(OCU_INVALID_VALUE, "geam: negative size in m %lld, n %lld", (long long)m,
                    (long long)n);
  if (!g->alpha || !g->beta) return ocu_fail(OCU_INVALID_VALUE, "geam: alpha or beta is NULL");
  if (!m || !n) return OCU_OK;
  OCU_TRY(check_scalars(g->alpha, g->beta, (size_t)size));
  const scalar factor[2] = {ocu_read_scalar(g->alpha, kind->c), ocu_read_scalar(g->beta, kind->c)};
  const char *const names[] = {"A", "B", "D"};
  ocu_matrix x[3] = {g->a, g->b, g->d};
  uint8_t conj = kind->conj;
  for (int i = 2; i >= 0; i--) {
    if (i < 2 && ocu_is_zero(factor[i], kind->c)) {  /* not read: of a class that is there */
      x[i] = x[2];
      conj &= (uint8_t)~(1 << i);
      continue;
    }
    if (!x[i].p) return ocu_fail(OCU_INVALID_VALUE, "geam: %s is NULL", names[i]);
    OCU_TRY(ocu_check_matrix(names[i], &x[i], 1, m, n, size, i == 2));
    if (!ocu_pooled(x[i].p)) flags |= OCU_CALL_SYNC;
  }
  if (x[2].cs != 1 && x[2].rs == 1) {
    for (int i = 0; i < 3; i++) x[i] = transpose(x[i]);
    int64_t swap = m;
    m = n, n = swap;
  }
  ocu_spec spec = {{OCU_OP_GEAM, kind->c, ocu_layout(&x[0]), ocu_layout(&x[1]), ocu_layout(&x[2]), conj}};
  const int64_t args[] = {m, n, (int64_t)x[0].p, x[0].rs, x[0].cs, (int64_t)x[1].p, x[1].rs,
                          x[1].cs, (int64_t)x[2].p, x[2].rs, x[2].cs, factor[0].re, factor[0].im,
                          factor[1].re, factor[1].im};
  return ocu_call(s, &spec, args, sizeof args / sizeof *args, flags);
}
