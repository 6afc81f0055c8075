/* cublas_gemm.c - cuBLAS's products: column-major C = alpha op(A) op(B) + beta C, one or many; and
 * sums C = alpha op(A) + beta op(B).
 * Their entry points, one for each type letter and integer width, are made from cublas_api.h. */
#include "gemm.h"

#include <string.h>

/* A kind with what its class must know of this call. */
struct plan {
  ocu_gemm_kind kind;
  ocu_dtype scalars;
};

/* Of a product, or of a sum, which has no k: A and B are as large as C. */
static cublasStatus_t check(const struct gemm *g, int sum, struct plan *plan) {
  if ((unsigned)g->transa > CUBLAS_OP_C || (unsigned)g->transb > CUBLAS_OP_C || g->m < 0 ||
      g->n < 0 || g->k < 0 || g->batch < 0)
    return CUBLAS_STATUS_INVALID_VALUE;
  int64_t a_rows = g->transa == CUBLAS_OP_N ? g->m : sum ? g->n : g->k;
  int64_t b_rows = g->transb != CUBLAS_OP_N ? g->n : sum ? g->m : g->k;
  if (g->a.ld < at_least_1(a_rows) || g->b.ld < at_least_1(b_rows) ||
      g->c.ld < at_least_1(g->m) || !g->alpha || !g->beta)
    return CUBLAS_STATUS_INVALID_VALUE;
  /* Products of a batch that all write the same C would race. */
  if (g->batch > 1 && !g->pointers && !g->c.stride) return CUBLAS_STATUS_INVALID_VALUE;
  const char *reason = gemm_kind(&g->types, &plan->kind, &plan->scalars);
  if (reason) return refused(g->name, reason);
  plan->kind.pointers = (uint8_t)g->pointers;
  if (is_complex(plan->kind.ab))
    plan->kind.conj = (uint8_t)((g->transa == CUBLAS_OP_C) | (g->transb == CUBLAS_OP_C) << 1);
  return CUBLAS_STATUS_SUCCESS;
}

static ocu_matrix column_major(const struct operand *x, cublasOperation_t op) {
  if (op == CUBLAS_OP_N) return (ocu_matrix){x->p, x->stride, 1, x->ld};
  return (ocu_matrix){x->p, x->stride, x->ld, 1};
}

/* The call is right: run it, as a product or, without a k, as a sum. */
static cublasStatus_t launch(const struct gemm *g, const struct plan *plan,
                             gemm_function *run) {
  if (!g->m || !g->n || !g->batch) return finish(ocu_alive(), g->name);
  const ocu_matrix c = column_major(&g->c, CUBLAS_OP_N);
  const ocu_product product = {.kind = plan->kind,
                               .batch = g->batch,
                               .m = g->m,
                               .n = g->n,
                               .k = g->k,
                               .alpha = g->alpha,
                               .beta = g->beta,
                               .a = column_major(&g->a, g->transa),
                               .b = column_major(&g->b, g->transb),
                               .c = c,
                               .d = c};
  ocu_status status = handle_run(g->handle, plan->scalars, &product, run);
  return status == OCU_OK ? CUBLAS_STATUS_SUCCESS : finish(status, g->name);
}

static void log_gemm(const struct gemm *g) {
  log_line("%s m=%lld n=%lld k=%lld lda=%lld ldb=%lld ldc=%lld batch=%lld", g->name,
           (long long)g->m, (long long)g->n, (long long)g->k, (long long)g->a.ld,
           (long long)g->b.ld, (long long)g->c.ld, (long long)g->batch);
}

static cublasStatus_t begin(const struct gemm *g, int sum, struct plan *plan) {
  if (__builtin_expect(atomic_load_explicit(&logging, memory_order_relaxed), 0)) log_gemm(g);
  return is_live(g->handle) ? check(g, sum, plan) : CUBLAS_STATUS_NOT_INITIALIZED;
}

cublasStatus_t gemm(const struct gemm *g) {
  struct plan plan;
  cublasStatus_t status = begin(g, 0, &plan);
  return status == CUBLAS_STATUS_SUCCESS ? launch(g, &plan, ocu_multiply) : status;
}

/* n elements a step apart, as a row. */
static ocu_matrix row(const struct operand *x, int64_t n, size_t size) {
  uintptr_t p = (uintptr_t)x->p;
  if (x->ld < 0) p -= (uintptr_t)(n - 1) * (uintptr_t)x->ld * size; /* the core checks */
  return (ocu_matrix){(const void *)p, x->stride, 0, x->ld};
}

/* y^T = alpha x^T op(A)^T + beta y^T: a product of one row. */
cublasStatus_t gemv(const struct gemm *g) {
  if (!is_live(g->handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if ((unsigned)g->transa > CUBLAS_OP_C || g->m < 0 || g->n < 0 || g->batch < 0 || !g->b.ld ||
      !g->c.ld || g->a.ld < at_least_1(g->m) || !g->alpha || !g->beta)
    return CUBLAS_STATUS_INVALID_VALUE;
  struct plan plan;
  const char *reason = gemm_kind(&g->types, &plan.kind, &plan.scalars);
  if (!reason && g->pointers && (g->b.ld < 0 || g->c.ld < 0))
    reason = "incx, incy: vectors in arrays of pointers take positive steps only";
  if (reason) return refused(g->name, reason);
  if (!g->m || !g->n || !g->batch) return finish(ocu_alive(), g->name);
  const int turned = g->transa != CUBLAS_OP_N;
  const int64_t k = turned ? g->m : g->n, n = turned ? g->n : g->m;
  plan.kind.pointers = (uint8_t)g->pointers;
  if (is_complex(plan.kind.ab) && g->transa == CUBLAS_OP_C) plan.kind.conj = 2;
  const ocu_matrix y = row(&g->c, n, ocu_dtype_bytes(plan.kind.c));
  const ocu_matrix a = column_major(&g->a, turned ? CUBLAS_OP_N : CUBLAS_OP_T);
  const ocu_product product = {.kind = plan.kind, .batch = g->batch, .m = 1, .n = n, .k = k,
                               .alpha = g->alpha, .beta = g->beta,
                               .a = row(&g->b, k, ocu_dtype_bytes(plan.kind.ab)), .b = a,
                               .c = y, .d = y};
  ocu_status status = handle_run(g->handle, plan.scalars, &product, ocu_multiply);
  return status == OCU_OK ? CUBLAS_STATUS_SUCCESS : finish(status, g->name);
}

/* C may be A or B, as it stands. */
static int apart_or_same(const struct gemm *g, const struct operand *x, cublasOperation_t op) {
  return !x->p || x->p != g->c.p || (op == CUBLAS_OP_N && x->ld == g->c.ld);
}

cublasStatus_t geam(const struct gemm *g) {
  struct plan plan;
  CHECK(begin(g, 1, &plan));
  if (!apart_or_same(g, &g->a, g->transa) || !apart_or_same(g, &g->b, g->transb))
    return CUBLAS_STATUS_INVALID_VALUE;
  return launch(g, &plan, ocu_geam);
}

/* ---- groups: batches of pointers, each with sizes and scalars of its own --------------------- */

/* Arrays may lie anywhere, misaligned too. */
static int64_t entry(const void *array, size_t integer, int64_t i) {
  int64_t wide;
  int narrow;
  const char *at = (const char *)array + (size_t)i * integer;
  if (integer == sizeof wide) return memcpy(&wide, at, sizeof wide), wide;
  return memcpy(&narrow, at, sizeof narrow), narrow;
}

static int readable(const struct groups *g, size_t scalar) {
  const struct {
    const void *p;
    size_t each;
  } arrays[] = {{g->transa, sizeof *g->transa}, {g->transb, sizeof *g->transb},
                {g->m, g->integer},             {g->n, g->integer},
                {g->k, g->integer},             {g->lda, g->integer},
                {g->ldb, g->integer},           {g->ldc, g->integer},
                {g->size, g->integer},          {g->alpha, scalar},
                {g->beta, scalar}};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
    size_t bytes, align = arrays[i].each < 8 ? arrays[i].each : 8;
    if (__builtin_mul_overflow((size_t)g->count, arrays[i].each, &bytes) || !arrays[i].p ||
        (uintptr_t)arrays[i].p % align ||
        !ocu_accessible(arrays[i].p, bytes, 0))
      return 0;
  }
  return 1;
}

/* Products before this group: `first`. */
static struct gemm group(const struct groups *g, size_t scalar, int64_t i, int64_t first) {
  const size_t integer = g->integer, skip = (size_t)first * sizeof(void *);
  struct gemm one = {.handle = g->handle, .name = g->name, .types = g->types, .pointers = 1};
  one.transa = (cublasOperation_t)entry(g->transa, sizeof *g->transa, i);
  one.transb = (cublasOperation_t)entry(g->transb, sizeof *g->transb, i);
  one.m = entry(g->m, integer, i), one.n = entry(g->n, integer, i);
  one.k = entry(g->k, integer, i), one.batch = entry(g->size, integer, i);
  one.alpha = (const char *)g->alpha + (size_t)i * scalar;
  one.beta = (const char *)g->beta + (size_t)i * scalar;
  one.a = (struct operand){(const void *)((uintptr_t)g->a + skip), entry(g->lda, integer, i), 0};
  one.b = (struct operand){(const void *)((uintptr_t)g->b + skip), entry(g->ldb, integer, i), 0};
  one.c = (struct operand){(const void *)((uintptr_t)g->c + skip), entry(g->ldc, integer, i), 0};
  return one;
}

cublasStatus_t gemm_grouped(const struct groups *g) {
  struct plan plan;
  if (!is_live(g->handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (g->count < 0) return CUBLAS_STATUS_INVALID_VALUE;
  const char *reason = gemm_kind(&g->types, &plan.kind, &plan.scalars);
  if (reason) return refused(g->name, reason);
  if (g->handle->pointer_mode == CUBLAS_POINTER_MODE_DEVICE)
    return refused(g->name, "alpha_array, beta_array: groups take scalars in host memory only");
  if (!g->count) return finish(ocu_alive(), g->name);
  size_t scalar = ocu_dtype_bytes(plan.scalars);
  if (!readable(g, scalar) || !g->a || !g->b || !g->c) return CUBLAS_STATUS_INVALID_VALUE;
  /* Nothing is launched before every group has been checked. */
  for (int launching = 0; launching < 2; launching++)
    for (int64_t i = 0, first = 0; i < g->count; i++) {
      const struct gemm one = group(g, scalar, i, first);
      cublasStatus_t status = check(&one, 0, &plan);
      if (status == CUBLAS_STATUS_SUCCESS && launching) status = launch(&one, &plan, ocu_multiply);
      if (status != CUBLAS_STATUS_SUCCESS) return status;
      first += one.batch;
    }
  return CUBLAS_STATUS_SUCCESS;
}
