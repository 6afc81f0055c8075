/* cublas_factor.c - batches of small systems: getrf, getrs, getri, matinv, geqrf, gels, trsm. */
#include "gemm.h"

static ocu_operand matrices(const struct operand *x, int64_t m, int64_t n, int turned,
                            uint8_t dtype, int how) {
  const ocu_matrix at = turned ? (ocu_matrix){x->p, 0, x->ld, 1} : (ocu_matrix){x->p, 0, 1, x->ld};
  return (ocu_operand){at, turned ? n : m, turned ? m : n, dtype, (uint8_t)(x->ld ? how : 0)};
}

/* A vector for each matrix: pointed to, or for integers one behind another. */
static ocu_operand vectors(const void *p, int64_t n, uint8_t dtype, int how) {
  return (ocu_operand){{p, n, n, 1}, 1, n, dtype, (uint8_t)how};
}

/* What is wrong with arguments of LAPACK's has in info the number that LAPACK gives it. */
cublasStatus_t systems(const struct systems *g, int wrong) {
  if (!is_live(g->handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (g->host_info && !OUT(g->host_info)) return CUBLAS_STATUS_INVALID_VALUE;
  if (g->host_info) *g->host_info = -wrong;
  if (wrong || g->batch < 0) return CUBLAS_STATUS_INVALID_VALUE;
  const int updates = g->op == OCU_OP_GETRF || g->op == OCU_OP_GEQRF || g->op == OCU_OP_GELS;
  const int inverts = g->op == OCU_OP_GETRI || g->op == OCU_OP_MATINV;
  const size_t each = (size_t)g->n * ((size_t)g->n * ocu_dtype_bytes(g->dtype) + sizeof(int));
  ocu_routine r = {
      .op = g->op, .form = {(uint8_t)g->trans}, .batch = g->batch, .pointers = 1,
      .x = {matrices(&g->a, g->m, g->n, 0, g->dtype, OCU_READS | (updates ? OCU_WRITES : 0)),
            {.how = 0},
            matrices(&g->b, g->m, g->columns, 0, g->dtype, OCU_WRITES | (inverts ? 0 : OCU_READS)),
            vectors(g->info, 1, OCU_I32, g->info ? OCU_WRITES : 0)},
      .workspace = g->op == OCU_OP_MATINV ? (size_t)g->batch * each : 0};
  if (g->pivots)
    r.x[1] = vectors(g->pivots, g->n, OCU_I32, g->op == OCU_OP_GETRF ? OCU_WRITES : OCU_READS);
  if (g->op == OCU_OP_GEQRF)
    r.x[1] = vectors(g->tau, g->m < g->n ? g->m : g->n, g->dtype, OCU_WRITES);
  return routine(g->handle, g->name, &r);
}

/* X op(A) = alpha B is op(A)^T X^T = alpha B^T. */
cublasStatus_t trsm_batched(const struct sided *g, uint8_t dtype, int64_t batch) {
  if (!is_live(g->handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  const int right = g->side == CUBLAS_SIDE_RIGHT, turned = (g->trans != CUBLAS_OP_N) ^ right;
  const int64_t order = right ? g->n : g->m;
  if (g->side > CUBLAS_SIDE_RIGHT || g->uplo > CUBLAS_FILL_MODE_UPPER || g->m < 0 || g->n < 0 ||
      (unsigned)g->trans > CUBLAS_OP_C || g->diag > CUBLAS_DIAG_UNIT || !g->alpha || batch < 0 ||
      g->a.ld < at_least_1(order) || g->b.ld < at_least_1(g->m))
    return CUBLAS_STATUS_INVALID_VALUE;
  const int lower = (g->uplo == CUBLAS_FILL_MODE_LOWER) ^ turned;
  return routine(g->handle, g->name, &(ocu_routine){
      .op = OCU_OP_TRSM_BATCHED, .batch = batch, .pointers = 1,
      .form = {(uint8_t)lower, g->diag == CUBLAS_DIAG_UNIT, g->trans == CUBLAS_OP_C},
      .x = {matrices(&g->a, order, order, turned, dtype, OCU_READS), {.how = 0},
            matrices(&g->b, g->m, g->n, right, dtype, OCU_READS | OCU_WRITES)},
      .factor = {{g->alpha, dtype, 1}}});
}
