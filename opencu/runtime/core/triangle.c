/* triangle.c - products and solutions with a triangular matrix, made of products.
 *
 *     [A11    ] [X1]   [B1]      solve A11 X1 = B1, then B2 -= A21 X1, then solve A22 X2 = B2,
 *     [A21 A22] [X2] = [B2]      each half in the same way; blocks as substitution.py says
 *
 * All plans are made first, so that a call which must be planned has changed nothing. */
#include <string.h>
#include "core.h"

enum { BLOCK = 64 };
static const double one[2] = {1}, minus_one[2] = {-1}, zero[2];
static const float one_single[2] = {1}, minus_one_single[2] = {-1};

static bool is_single(const ocu_gemm_kind *kind) { return ocu_sizes[kind->ab] >> ocu_is_complex(kind->ab) == 4; }

static ocu_matrix transpose(ocu_matrix x) { return (ocu_matrix){x.p, x.bs, x.cs, x.rs}; }

static ocu_matrix from(ocu_matrix x, int64_t i, int64_t j, size_t size) {
  x.p = (const char *)x.p + (i * x.rs + j * x.cs) * (int64_t)size;
  return x;
}

/* to = alpha x, m x n. */
static ocu_status copy(ocu_stream *s, const ocu_product *g, const void *alpha, ocu_matrix x,
                       ocu_matrix to, int64_t m, int64_t n, int flags) {
  ocu_product sum = {.kind = {.ab = g->kind.ab, .c = g->kind.ab, .scale = g->kind.ab}, .batch = 1,
                     .m = m, .n = n, .alpha = alpha, .beta = zero, .a = x, .b = x, .d = to};
  return ocu_geam(s, &sum, flags);
}

static ocu_status check_form(const ocu_product *g, const char *name) {
  if (!g) return ocu_fail(OCU_INVALID_VALUE, "%s: the matrices are NULL", name);
  const uint8_t form = g->kind.form;
  if (g->kind.ab >= OCU_DTYPES || (form & 12) != OCU_TRIANGULAR || (form & 3) % 3 == 0 ||
      g->kind.d_form || g->batch != 1 || g->kind.ab != g->kind.c)
    return ocu_fail(OCU_UNSUPPORTED, "%s: form %d is not that of a triangular operand", name, form);
  return OCU_OK;
}

ocu_status ocu_trmm(ocu_stream *s, const ocu_product *g, int flags) {
  OCU_ENTER_STREAM(s);
  OCU_TRY(check_form(g, "trmm"));
  ocu_product inner = *g;
  ocu_matrix *x = g->kind.form & OCU_FORM_A ? &inner.b : &inner.a;
  if (!x->p || x->p != g->d.p || g->m < 1 || g->n < 1) return ocu_multiply(s, g, flags);
  void *held;
  OCU_TRY(ocu_alloc_async(s, (size_t)g->m * (size_t)g->n * ocu_sizes[g->kind.ab], &held));
  const ocu_matrix before = *x;
  *x = g->d.rs == 1 ? (ocu_matrix){held, 0, 1, g->m} : (ocu_matrix){held, 0, g->n, 1};
  const void *alpha = is_single(&g->kind) ? (const void *)one_single : one;
  ocu_status status = copy(s, g, alpha, before, *x, g->m, g->n, flags);
  if (!status) status = ocu_multiply(s, &inner, flags);
  ocu_status freed = ocu_free_async(s, held);
  return status ? status : freed;
}

ocu_status ocu_multiply_expanded(ocu_stream *s, const ocu_product *g, int flags) {
  OCU_ENTER_STREAM(s);
  const ocu_gemm_kind *kind = &g->kind;
  const int of_a = kind->form & OCU_FORM_A, conj = kind->conj & (of_a ? 1 : 2);
  ocu_product inner = *g;
  ocu_matrix *x = of_a ? &inner.a : &inner.b;
  if (!x->p) return ocu_fail(OCU_INVALID_VALUE, "gemm: %s is NULL", of_a ? "A" : "B");
  void *held;
  OCU_TRY(ocu_alloc_async(s, (size_t)g->k * (size_t)g->k * ocu_sizes[kind->ab], &held));
  const ocu_matrix full = {held, 0, g->k, 1};
  const ocu_operand from_to[2] = {{*x, g->k, g->k, kind->ab, OCU_READS},
                                  {full, g->k, g->k, kind->ab, OCU_WRITES}};
  ocu_status status = ocu_run(s, &(ocu_routine){
      .op = OCU_OP_EXPAND, .batch = 1,
      .form = {(kind->form & OCU_HERMITIAN) != 0, (kind->form & OCU_LOWER) != 0, conj != 0},
      .x = {from_to[0], from_to[1]}}, flags);
  *x = full;
  inner.kind.conj = (uint8_t)(kind->conj & ~conj);
  inner.kind.form = 0;
  if (!status) status = ocu_multiply(s, &inner, flags);
  ocu_status freed = ocu_free_async(s, held);
  return status ? status : freed;
}

/* A solution for n columns. */
typedef struct {
  ocu_stream *s;
  const ocu_gemm_kind *kind;
  ocu_matrix a, b;
  char *inverses, *held; /* of A's blocks, as substitution.py says; a block of B, in rows */
  int64_t n;
  int flags;
} solution;

/* Of the m rows from `at` on. */
static ocu_status solve(const solution *x, int64_t at, int64_t m, const void *alpha) {
  const ocu_gemm_kind *kind = x->kind;
  const size_t size = ocu_sizes[kind->ab];
  const bool lower = kind->form & OCU_LOWER;
  if (m <= BLOCK) {
    const char *inverse = x->inverses + at * (BLOCK + 1) * (int64_t)size;
    return ocu_run(x->s, &(ocu_routine){
        .op = OCU_OP_TRSM, .form = {lower, kind->conj != 0}, .batch = 1,
        .size = {(kind->form & OCU_UNIT) != 0}, .factor = {{alpha, kind->ab, 1}},
        .x = {{from(x->a, at, at, size), m, m, kind->ab, OCU_READS},
              {{inverse, 0, BLOCK, 1}, BLOCK + 1, BLOCK, kind->ab, OCU_READS},
              {from(x->b, at, 0, size), m, x->n, kind->ab, OCU_READS | OCU_WRITES},
              {{x->held, 0, x->n, 1}, m, x->n, kind->ab, OCU_WRITES}}}, x->flags);
  }
  const int64_t half = (m / 2 + BLOCK - 1) / BLOCK * BLOCK, middle = at + half, rest = m - half;
  const int64_t first = lower ? at : middle, last = lower ? middle : at;
  const int64_t before = lower ? half : rest, after = m - before;
  OCU_TRY(solve(x, first, before, alpha));
  const ocu_matrix to = from(x->b, last, 0, size);
  const ocu_product update = {
      .kind = {.ab = kind->ab, .c = kind->ab, .scale = kind->ab, .conj = kind->conj != 0},
      .batch = 1, .m = after, .n = x->n, .k = before, .alpha = is_single(kind) ?
      (const void *)minus_one_single : minus_one, .beta = alpha,
      .a = from(x->a, last, first, size), .b = from(x->b, first, 0, size), .c = to, .d = to};
  OCU_TRY(ocu_multiply(x->s, &update, x->flags));
  return solve(x, last, after, is_single(kind) ? (const void *)one_single : one);
}

static ocu_status solve_all(const solution *x, int64_t m, const void *alpha) {
  const ocu_gemm_kind *kind = x->kind;
  const int64_t rows = (m + BLOCK - 1) / BLOCK * (BLOCK + 1);
  OCU_TRY(ocu_run(x->s, &(ocu_routine){
      .op = OCU_OP_TRSM, .form = {(kind->form & OCU_LOWER) != 0, kind->conj != 0, 1}, .batch = 1,
      .size = {(kind->form & OCU_UNIT) != 0},
      .x = {{x->a, m, m, kind->ab, OCU_READS},
            {{x->inverses, 0, BLOCK, 1}, rows, BLOCK, kind->ab, OCU_WRITES}}}, x->flags));
  return solve(x, 0, m, alpha);
}

ocu_status ocu_trsm(ocu_stream *s, const ocu_product *g, int flags) {
  OCU_ENTER_STREAM(s);
  OCU_TRY(check_form(g, "trsm"));
  int64_t m = g->m, n = g->n;
  if (m < 0 || n < 0) return ocu_fail(OCU_INVALID_VALUE, "trsm: a size is negative");
  if (!m || !n) return OCU_OK;
  ocu_gemm_kind kind = g->kind;
  solution x = {.s = s, .kind = &kind, .a = g->a, .b = g->d};
  if (kind.form & OCU_FORM_B) { /* X A = B is A^T X^T = B^T */
    x.a = transpose(g->b), x.b = transpose(g->d);
    m = g->n, n = g->m;
    kind.form ^= OCU_LOWER;
  }
  if (!x.b.p || !g->alpha) return ocu_fail(OCU_INVALID_VALUE, "trsm: B or alpha is NULL");
  if (!ocu_scalar_readable(g->alpha, ocu_sizes[kind.ab]))
    return ocu_fail(OCU_ILLEGAL_ADDRESS, "trsm: alpha at %p may not be read", g->alpha);
  if (ocu_is_zero(ocu_read_scalar(g->alpha, kind.ab), kind.ab)) /* A may be singular */
    return copy(s, g, g->alpha, x.b, x.b, m, n, flags);
  if (!x.a.p) return ocu_fail(OCU_INVALID_VALUE, "trsm: A is NULL");
  const size_t size = ocu_sizes[kind.ab];
  if (!(flags & OCU_CALL_TRUSTED)) {
    OCU_TRY(ocu_check_matrix("A", &x.a, 1, m, m, size, 0));
    OCU_TRY(ocu_check_matrix("B", &x.b, 1, m, n, size, 1));
  }
  const size_t inverses = (size_t)(m + BLOCK - 1) / BLOCK * BLOCK * (BLOCK + 1) * size;
  void *room;
  OCU_TRY(ocu_alloc_async(s, inverses + BLOCK * (size_t)n * size, &room));
  x.n = n, x.inverses = room, x.held = x.inverses + inverses;
  /* All plans are there before B changes. */
  x.flags = flags | OCU_CALL_PLAN;
  ocu_status status = solve_all(&x, m, g->alpha);
  x.flags = flags;
  if (!status) status = solve_all(&x, m, g->alpha);
  ocu_status freed = ocu_free_async(s, room);
  return status ? status : freed;
}
