/* cublasLt_epilogue.c - what is done to a product: by its kernel, where the numbers are not yet rounded;
 * the bit masks of ReLU, and sums over columns or k (gradients of a bias), by a call behind it. */
#include "cublasLt_internal.h"

#include <stdio.h>

enum { NO_MASK, WRITE_MASK, APPLY_MASK };
enum { NO_GRADIENT, SUM_D, SUM_A, SUM_B };

static const struct epilogue {
  uint32_t number;
  const char *name;
  uint8_t activation, bias, mask, gradient;
} epilogues[] = {
#define EPILOGUE(name, ...) {CUBLASLT_EPILOGUE_##name, #name, __VA_ARGS__}
    EPILOGUE(DEFAULT, OCU_IDENTITY, 0, NO_MASK, NO_GRADIENT),
    EPILOGUE(BIAS, OCU_IDENTITY, 1, NO_MASK, NO_GRADIENT),
    EPILOGUE(RELU, OCU_RELU, 0, NO_MASK, NO_GRADIENT),
    EPILOGUE(RELU_BIAS, OCU_RELU, 1, NO_MASK, NO_GRADIENT),
    EPILOGUE(RELU_AUX, OCU_RELU, 0, WRITE_MASK, NO_GRADIENT),
    EPILOGUE(RELU_AUX_BIAS, OCU_RELU, 1, WRITE_MASK, NO_GRADIENT),
    EPILOGUE(GELU, OCU_GELU, 0, NO_MASK, NO_GRADIENT),
    EPILOGUE(GELU_BIAS, OCU_GELU, 1, NO_MASK, NO_GRADIENT),
    EPILOGUE(GELU_AUX, OCU_GELU_AUX, 0, NO_MASK, NO_GRADIENT),
    EPILOGUE(GELU_AUX_BIAS, OCU_GELU_AUX, 1, NO_MASK, NO_GRADIENT),
    EPILOGUE(DRELU, OCU_IDENTITY, 0, APPLY_MASK, NO_GRADIENT),
    EPILOGUE(DRELU_BGRAD, OCU_IDENTITY, 0, APPLY_MASK, SUM_D),
    EPILOGUE(DGELU, OCU_DGELU, 0, NO_MASK, NO_GRADIENT),
    EPILOGUE(DGELU_BGRAD, OCU_DGELU, 0, NO_MASK, SUM_D),
    EPILOGUE(BGRADA, OCU_IDENTITY, 0, NO_MASK, SUM_A),
    EPILOGUE(BGRADB, OCU_IDENTITY, 0, NO_MASK, SUM_B),
#undef EPILOGUE
};

/* What is kept of D, by columns: a bit an element, or a number. */
static cublasStatus_t set_aux(const char *name, const struct matmul *x, const struct layout *d,
                              struct problem *problem) {
  const int64_t unit = problem->mask ? 128 : 8, pack = problem->mask ? 8 : 1;
  const struct wish wishes[] = {
      {d->order != CUBLASLT_ORDER_COL, "EPILOGUE: what is kept is of a D by columns only"},
      {x->aux_type != -1 && (problem->mask || x->aux_type != (int32_t)d->type),
       "EPILOGUE_AUX_DATA_TYPE: must be the type of D, or unset with masks"}};
  CHECK(refuse_any(name, wishes, sizeof wishes / sizeof *wishes));
  if (x->aux_ld < (int64_t)d->rows || x->aux_ld % unit || x->aux_stride % unit ||
      (d->batch > 1 && !x->aux_stride))
    return CUBLAS_STATUS_INVALID_VALUE;
  const ocu_matrix aux = {x->aux, x->aux_stride / pack, 1, x->aux_ld / pack};
  *(problem->mask ? &problem->bits : &problem->product.aux) = aux;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t set_epilogue(const char *name, const struct matmul *x, const struct layout *d,
                            struct problem *problem) {
  char reason[80];
  ocu_product *product = &problem->product;
  const struct epilogue *e = epilogues, *end = e + sizeof epilogues / sizeof *e;
  while (e < end && e->number != x->epilogue) e++;
  if (e == end) return CUBLAS_STATUS_INVALID_VALUE;
  if (e->number == CUBLASLT_EPILOGUE_DEFAULT) return CUBLAS_STATUS_SUCCESS;
  const int aux = e->mask || e->activation > OCU_GELU;
  ocu_dtype scale = product->kind.scale;
  const int more = aux || e->gradient, plain = !d->batch_mode && !product->scaling.d;
  if (is_complex(scale) || scale == OCU_I32 || product->kind.c == OCU_I8 || (more && !plain)) {
    snprintf(reason, sizeof reason, "EPILOGUE: CUBLASLT_EPILOGUE_%s of these types or batches",
             e->name);
    return refused(name, reason);
  }
  product->kind.activation = e->activation;
  problem->mask = e->mask, problem->gradient = e->gradient;
  if (aux) CHECK(set_aux(name, x, d, problem));
  if (!e->bias && !e->gradient) return CUBLAS_STATUS_SUCCESS;
  if (x->bias_type != -1 && x->bias_type != (int32_t)problem->bias)
    return refused(name, "BIAS_DATA_TYPE: must be the type of D, or what fp8 products have");
  if (d->batch_mode && x->bias_stride != (d->batch_mode == MODE_GROUPED))
    return refused(name, "BIAS_BATCH_STRIDE: 1 with groups, 0 with arrays of pointers");
  if (e->gradient) {
    problem->sums = (ocu_matrix){x->bias, x->bias_stride, 1, 1};
    return d->batch > 1 && !x->bias_stride ? CUBLAS_STATUS_INVALID_VALUE : CUBLAS_STATUS_SUCCESS;
  }
  product->kind.bias = OCU_BIAS_ROWS;
  product->bias = x->bias;
  product->bias_bs = x->bias_stride;
  return CUBLAS_STATUS_SUCCESS;
}

/* ---- behind the product ----------------------------------------------------------------------- */

static int is_empty(const ocu_product *g) { return g->m < 1 || g->n < 1 || g->batch < 1; }

/* Before anything is written. */
ocu_status check_epilogue(const struct problem *problem) {
  const ocu_product *g = &problem->product;
  if (is_empty(g)) return OCU_OK;
  if ((problem->mask && !problem->bits.p) || (problem->gradient && !problem->sums.p))
    return OCU_INVALID_VALUE;
  const size_t bytes = (size_t)(g->n - 1) * (size_t)problem->bits.cs + ((size_t)g->m + 7) / 8;
  const int64_t sums = problem->gradient == SUM_B ? g->n : g->m;
  ocu_status status =
      problem->mask ? ocu_check(problem->bits.p, bytes, problem->mask == WRITE_MASK) : OCU_OK;
  if (status != OCU_OK || !problem->gradient) return status;
  return ocu_check(problem->sums.p, (size_t)sums * ocu_dtype_bytes(g->kind.c), 1);
}

static ocu_status run_mask(ocu_stream *stream, const struct problem *problem) {
  const ocu_product *g = &problem->product;
  const uint8_t apply = problem->mask == APPLY_MASK;
  return ocu_run(stream, &(ocu_routine){
      .op = OCU_OP_MASK, .form = {apply}, .batch = g->batch,
      .x = {{g->d, g->m, g->n, g->kind.c, apply ? OCU_READS | OCU_WRITES : OCU_READS},
            {problem->bits, (g->m + 7) / 8, g->n, OCU_I8, apply ? OCU_READS : OCU_WRITES}}}, 0);
}

/* A sum over the columns is a product with ones; there is one, in the device's memory. */
static ocu_status run_gradient(ocu_stream *stream, const struct problem *problem) {
  static const struct {
    uint32_t words[2];
    size_t unit;
  } ones[] = {[OCU_F32] = {{0x3f800000}, 4}, [OCU_F64] = {{0, 0x3ff00000}, 4},
              [OCU_F16] = {{0x3c00}, 2}, [OCU_BF16] = {{0x3f80}, 2}, [OCU_I8] = {{1}, 1}};
  static const double one = 1, zero = 0;
  static const float one_single = 1;
  const ocu_product *g = &problem->product;
  const int wide = g->kind.scale == OCU_F64;
  ocu_product sum = {.kind = {.ab = g->kind.ab, .c = g->kind.c, .scale = g->kind.scale},
                     .batch = g->batch, .m = g->m, .n = 1, .k = g->k, .a = g->a,
                     .alpha = wide ? (const void *)&one : &one_single, .beta = &zero};
  if (problem->gradient == SUM_D) sum.a = g->d, sum.k = g->n, sum.kind.ab = g->kind.c;
  if (problem->gradient == SUM_B)
    sum.a = (ocu_matrix){g->b.p, g->b.bs, g->b.cs, g->b.rs}, sum.m = g->n;
  sum.c = sum.d = problem->sums;
  sum.d.cs = sum.c.cs = at_least_1(sum.m);
  char *held;
  ocu_status status = ocu_alloc_async(stream, 8, (void **)&held);
  if (status != OCU_OK) return status;
  for (int i = 0; i <= wide && status == OCU_OK; i++) {
    const size_t unit = ones[sum.kind.ab].unit;
    status = ocu_fill_units(stream, held + 4 * i, unit, ones[sum.kind.ab].words[i], unit, unit, 1, 0);
  }
  sum.b = (ocu_matrix){held, 0, 0, 1};
  if (status == OCU_OK) status = ocu_multiply(stream, &sum, 0);
  ocu_status freed = ocu_free_async(stream, held);
  return status != OCU_OK ? status : freed;
}

ocu_status run_epilogue(ocu_stream *stream, const struct problem *problem) {
  ocu_status status = OCU_OK;
  if (is_empty(&problem->product)) return status;
  if (problem->mask) status = run_mask(stream, problem);
  if (status == OCU_OK && problem->gradient) status = run_gradient(stream, problem);
  return status;
}
