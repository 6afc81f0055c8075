/* triangle.c - products and solutions with a triangular matrix in B's place, made of products.
 *
 *     [A11    ] [X1]   [B1]      solve A11 X1 = B1, then B2 -= A21 X1, then solve A22 X2 = B2,
 *     [A21 A22] [X2] = [B2]      each half in the same way; blocks as substitution.py says
 *
 * A product goes the other way round: B2 = A22 B2, then B2 += A21 B1, then B1 = A11 B1. */
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

/* x = 0, m x n. */
static ocu_status clear(ocu_stream *s, const ocu_product *g, ocu_matrix x, int64_t m, int64_t n,
                        int flags) {
  ocu_product sum = {.kind = {.ab = g->kind.ab, .c = g->kind.ab, .scale = g->kind.ab}, .batch = 1,
                     .m = m, .n = n, .alpha = zero, .beta = zero, .a = x, .b = x, .d = x};
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

/* B becomes op(A) B, or op(A)^-1 B where it `divides`. */
typedef struct {
  ocu_stream *s;
  ocu_gemm_kind kind;
  ocu_matrix a, b;       /* m x m, m x n */
  int64_t m, n;
  char *blocks, *held;   /* of A's diagonal, as substitution.py says; a block of B, in rows */
  bool divides;
  int flags;
} sweep;

static ocu_status on_block(const sweep *x, int64_t at, int64_t m, const void *alpha) {
  const ocu_gemm_kind *kind = &x->kind;
  const size_t size = ocu_sizes[kind->ab];
  const char *block = x->blocks + at * (BLOCK + 1) * (int64_t)size;
  return ocu_run(x->s, &(ocu_routine){
      .op = OCU_OP_TRSM, .form = {(kind->form & OCU_LOWER) != 0, kind->conj != 0}, .batch = 1,
      .size = {(kind->form & OCU_UNIT) != 0}, .factor = {{alpha, kind->ab, 1}},
      .x = {{from(x->a, at, at, size), m, m, kind->ab, OCU_READS},
            {{block, 0, BLOCK, 1}, BLOCK + 1, BLOCK, kind->ab, OCU_READS},
            {from(x->b, at, 0, size), m, x->n, kind->ab, OCU_READS | OCU_WRITES},
            {{x->held, 0, x->n, 1}, m, x->n, kind->ab, OCU_WRITES}}}, x->flags);
}

/* Of the m rows from `at` on. */
static ocu_status on_rows(const sweep *x, int64_t at, int64_t m, const void *alpha) {
  if (m <= BLOCK) return on_block(x, at, m, alpha);
  const ocu_gemm_kind *kind = &x->kind;
  const size_t size = ocu_sizes[kind->ab];
  const bool lower = kind->form & OCU_LOWER, single = is_single(kind);
  const void *plus = single ? (const void *)one_single : one;
  const void *minus = single ? (const void *)minus_one_single : minus_one;
  const int64_t half = (m / 2 + BLOCK - 1) / BLOCK * BLOCK, middle = at + half;
  const int64_t first = lower ? at : middle, rows = lower ? half : m - half; /* on which.. */
  const int64_t last = lower ? middle : at, others = m - rows;               /* ..these depend */
  const ocu_matrix to = from(x->b, last, 0, size);
  OCU_TRY(x->divides ? on_rows(x, first, rows, alpha) : on_rows(x, last, others, alpha));
  OCU_TRY(ocu_multiply(x->s, &(ocu_product){
      .kind = {.ab = kind->ab, .c = kind->ab, .scale = kind->ab, .conj = kind->conj != 0},
      .batch = 1, .m = others, .n = x->n, .k = rows, .alpha = x->divides ? minus : alpha,
      .beta = x->divides ? alpha : plus, .a = from(x->a, last, first, size),
      .b = from(x->b, first, 0, size), .c = to, .d = to}, x->flags));
  return x->divides ? on_rows(x, last, others, plus) : on_rows(x, first, rows, alpha);
}

static ocu_status on_all(const sweep *x, const void *alpha) {
  const ocu_gemm_kind *kind = &x->kind;
  const int64_t rows = (x->m + BLOCK - 1) / BLOCK * (BLOCK + 1);
  OCU_TRY(ocu_run(x->s, &(ocu_routine){
      .op = OCU_OP_TRSM, .batch = 1, .size = {(kind->form & OCU_UNIT) != 0},
      .form = {(kind->form & OCU_LOWER) != 0, kind->conj != 0, x->divides ? 1 : 2},
      .x = {{x->a, x->m, x->m, kind->ab, OCU_READS},
            {{x->blocks, 0, BLOCK, 1}, rows, BLOCK, kind->ab, OCU_WRITES}}}, x->flags));
  return on_rows(x, 0, x->m, alpha);
}

/* In the place of D. */
static ocu_status in_place(ocu_stream *s, const ocu_product *g, const char *name, bool divides,
                           int flags) {
  sweep x = {.s = s, .kind = g->kind, .a = g->a, .b = g->d, .m = g->m, .n = g->n,
             .divides = divides};
  if (x.m < 0 || x.n < 0) return ocu_fail(OCU_INVALID_VALUE, "%s: a size is negative", name);
  if (!x.m || !x.n) return OCU_OK;
  if (x.kind.form & OCU_FORM_B) { /* X A = B is A^T X^T = B^T */
    x.a = transpose(g->b), x.b = transpose(g->d);
    x.m = g->n, x.n = g->m;
    x.kind.form ^= OCU_LOWER;
  }
  const size_t size = ocu_sizes[x.kind.ab];
  if (!x.b.p || !g->alpha) return ocu_fail(OCU_INVALID_VALUE, "%s: B or alpha is NULL", name);
  if (!ocu_scalar_readable(g->alpha, size))
    return ocu_fail(OCU_ILLEGAL_ADDRESS, "%s: alpha at %p may not be read", name, g->alpha);
  if (ocu_is_zero(ocu_read_scalar(g->alpha, x.kind.ab), x.kind.ab)) /* A may be singular */
    return clear(s, g, x.b, x.m, x.n, flags);
  if (!x.a.p) return ocu_fail(OCU_INVALID_VALUE, "%s: A is NULL", name);
  if (!(flags & OCU_CALL_TRUSTED)) {
    OCU_TRY(ocu_check_matrix("A", &x.a, 1, x.m, x.m, size, 0));
    OCU_TRY(ocu_check_matrix("B", &x.b, 1, x.m, x.n, size, 1));
  }
  const size_t blocks = (size_t)(x.m + BLOCK - 1) / BLOCK * BLOCK * (BLOCK + 1) * size;
  void *room;
  OCU_TRY(ocu_alloc_async(s, blocks + BLOCK * (size_t)x.n * size, &room));
  x.blocks = room, x.held = x.blocks + blocks;
  x.flags = flags | OCU_CALL_PLAN; /* all plans are there before B changes */
  ocu_status status = on_all(&x, g->alpha);
  x.flags = flags;
  if (!status) status = on_all(&x, g->alpha);
  ocu_status freed = ocu_free_async(s, room);
  return status ? status : freed;
}

/* Has B enough for every thread, which makes some of its columns, or rows, on its own? */
static bool shared_out(const ocu_stream *s, const ocu_product *g) {
  enum { EACH = 64 };
  return !ocu_is_native(s) && (g->kind.form & OCU_FORM_A ? g->n : g->m) >= EACH * ocu_cpu.threads;
}

ocu_status ocu_trmm(ocu_stream *s, const ocu_product *g, int flags) {
  OCU_ENTER_STREAM(s);
  OCU_TRY(check_form(g, "trmm"));
  const ocu_matrix *x = g->kind.form & OCU_FORM_A ? &g->b : &g->a;
  if (x->p != g->d.p) return ocu_multiply(s, g, flags);
  if ((g->m > 1 && x->rs != g->d.rs) || (g->n > 1 && x->cs != g->d.cs))
    return ocu_fail(OCU_INVALID_VALUE, "trmm: B and D are in one place with other strides");
  if (!shared_out(s, g)) return in_place(s, g, "trmm", false, flags);
  ocu_product product = *g;
  product.kind.form |= OCU_IN_PLACE;
  return ocu_multiply(s, &product, flags);
}

ocu_status ocu_trsm(ocu_stream *s, const ocu_product *g, int flags) {
  OCU_ENTER_STREAM(s);
  OCU_TRY(check_form(g, "trsm"));
  return in_place(s, g, "trsm", true, flags);
}

ocu_status ocu_vector_triangle(ocu_stream *s, const ocu_routine *r, int flags) {
  const ocu_operand *a = &r->x[0], *x = &r->x[1];
  const bool conj = r->form[3] == 2 && ocu_is_complex(a->dtype);
  const uint8_t form = (uint8_t)(OCU_FORM_A | OCU_TRIANGULAR | (r->form[2] ? OCU_LOWER : 0) |
                                 (r->size[3] ? OCU_UNIT : 0));
  return in_place(s, &(ocu_product){
      .kind = {.ab = a->dtype, .c = a->dtype, .scale = a->dtype, .conj = conj, .form = form},
      .m = x->columns, .n = 1, .a = a->x, .d = {x->x.p, 0, x->x.cs, x->columns},
      .alpha = ocu_sizes[a->dtype] >> ocu_is_complex(a->dtype) == 4 ? (const void *)one_single : one,
  }, "a triangular matrix", r->op == OCU_OP_SOLVE, flags);
}
