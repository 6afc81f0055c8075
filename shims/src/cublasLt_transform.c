/* cublasLt_transform.c - C = alpha op(A) + beta op(B), between orders, types and operations. */
#include "cublasLt_internal.h"

/* A tiled one is checked as its groups of 32 columns. */
static ocu_operand operand(ocu_matrix x, uint8_t form, int64_t m, int64_t n, uint8_t dtype,
                           uint8_t how) {
  if (!x.p) return (ocu_operand){0};
  if (!form) return (ocu_operand){x, m, n, dtype, how};
  const int64_t rows = form < FORM_TURNED ? m : n, columns = form < FORM_TURNED ? n : m;
  return (ocu_operand){x, (columns + 31) / 32, group_of_32(form % FORM_TURNED, rows), dtype, how};
}

/* All but the signs of its parts. */
static int is_zero(const unsigned char *bytes, size_t part, size_t size) {
  int bits = 0;
  for (size_t i = 0; i < size; i++) bits |= bytes[i] & (i % part == part - 1 ? 0x7f : 0xff);
  return !bits;
}

ocu_status transform(ocu_stream *stream, const ocu_product *g, int flags) {
  const ocu_gemm_kind *kind = &g->kind;
  const size_t size = ocu_dtype_bytes(kind->scale);
  if (g->m < 1 || g->n < 1) return ocu_alive();
  const void *const factors[] = {g->alpha, g->beta}, *const matrices[] = {g->a.p, g->c.p};
  for (int i = 0; i < 2; i++) { /* the factor of none must be 0 */
    ocu_status status = matrices[i] ? OCU_OK : ocu_check(factors[i], size, 0);
    if (status != OCU_OK) return status;
    if (!matrices[i] && !is_zero(factors[i], size >> is_complex(kind->scale), size))
      return OCU_INVALID_VALUE;
  }
  return ocu_run(stream, &(ocu_routine){
      .op = OCU_OP_TRANSFORM, .form = {kind->form, kind->vectors, kind->d_form, kind->conj},
      .size = {g->m, g->n}, .batch = g->batch,
      .factor = {{g->alpha, kind->scale, 1}, {g->beta, kind->scale, 1}},
      .x = {operand(g->a, kind->form, g->m, g->n, kind->ab, OCU_READS),
            operand(g->c, kind->vectors, g->m, g->n, kind->c, OCU_READS),
            operand(g->d, kind->d_form, g->m, g->n, kind->c, OCU_WRITES)}}, flags);
}

static uint8_t form_of(const struct layout *x, int32_t op) {
  return is_tiled(x) ? (uint8_t)(x->order + (op == CUBLAS_OP_N ? 0 : FORM_TURNED)) : 0;
}

/* ---- products of tiled matrices ---------------------------------------------------------------- */

/* The numbers as they are, from tiles to columns, or back. */
static ocu_status reorder(ocu_stream *stream, const struct layout *x, uint8_t dtype,
                          const void *tiles, void *columns, int back) {
  static const struct { float f32[2]; double f64[2]; int32_t i32; } one = {{1}, {1}, 1};
  static const double zero[2];
  const struct layout y = by_columns(x);
  const ocu_matrix at[2] = {{tiles, x->stride, x->ld, 1}, {columns, y.stride, 1, y.ld}};
  ocu_product g = {.batch = x->batch, .m = (int64_t)x->rows, .n = (int64_t)x->cols,
                   .a = at[back], .d = at[!back], .alpha = one.f64, .beta = zero};
  g.kind = (ocu_gemm_kind){.ab = dtype, .c = dtype, .scale = dtype};
  *(back ? &g.kind.d_form : &g.kind.form) = (uint8_t)x->order;
  switch (dtype) {
    case OCU_I8:
    case OCU_I32: g.kind.scale = OCU_I32, g.alpha = &one.i32; break;
    case OCU_F16:
    case OCU_BF16:
    case OCU_F32: g.kind.scale = OCU_F32, g.alpha = one.f32; break;
    case OCU_C64: g.alpha = one.f32; break;
    default: break;
  }
  return transform(stream, &g, 0);
}

ocu_status multiply_tiled(ocu_stream *stream, const struct descriptors *given,
                          struct problem *problem) {
  const struct layout *layouts[] = {given->a, given->b, given->c, given->d};
  ocu_product *g = &problem->product;
  ocu_matrix *const x[] = {&g->a, &g->b, &g->c, &g->d};
  void *held[4] = {0}, *d = (void *)(uintptr_t)g->d.p;
  ocu_status status = g->d.p ? OCU_OK : OCU_INVALID_VALUE;
  for (int i = 0; i < 4 && status == OCU_OK; i++) {
    if (!(problem->tiled >> i & 1) || !x[i]->p) continue;
    const uint8_t dtype = i < 2 ? g->kind.ab : g->kind.c;
    const size_t numbers = (size_t)layouts[i]->batch * (size_t)by_columns(layouts[i]).stride;
    status = ocu_alloc_async(stream, numbers * ocu_dtype_bytes(dtype), &held[i]);
    if (status == OCU_OK && i < 3)
      status = reorder(stream, layouts[i], dtype, x[i]->p, held[i], 0);
    x[i]->p = held[i];
  }
  if (status == OCU_OK) status = multiply(stream, problem);
  if (status == OCU_OK && held[3])
    status = reorder(stream, layouts[3], g->kind.c, d, held[3], 1);
  for (int i = 0; i < 4; i++) {
    ocu_status freed = held[i] ? ocu_free_async(stream, held[i]) : OCU_OK;
    if (status == OCU_OK) status = freed;
  }
  return status;
}

/* ---- cublasLtMatrixTransform ------------------------------------------------------------------- */

static cublasStatus_t set_transform(const char *name, const struct transform *x,
                                    const struct layout *a, const struct layout *b,
                                    const struct layout *c, struct problem *problem) {
  struct operation A, B, C;
  ocu_product *product = &problem->product;
  const struct gemm_types types = {(cudaDataType)a->type, (cudaDataType)a->type,
                                   (cudaDataType)c->type, ANY_COMPUTE, (cudaDataType)x->scale};
  const struct wish wishes[] = {
      {(uint32_t)x->pointer_mode > CUBLASLT_POINTER_MODE_DEVICE,
       "POINTER_MODE: no vectors of alpha"},
      {b->type != c->type, "Btype: must be Ctype"},
      {a->batch_mode || b->batch_mode || c->batch_mode, "BATCH_MODE: only strided"},
  };
  CHECK(refuse_any(name, wishes, sizeof wishes / sizeof *wishes));
  const int integers = a->type == CUDA_R_32I && c->type == CUDA_R_32I && x->scale == CUDA_R_32F;
  if (integers) product->kind = (ocu_gemm_kind){.ab = OCU_I32, .c = OCU_I32, .scale = OCU_F32};
  const char *reason = integers ? NULL : gemm_kind(&types, &product->kind, &problem->scalars);
  if (reason) return refused(name, reason);
  if (integers) problem->scalars = OCU_F32;
  if (x->transb == CUBLAS_OP_C && is_complex(product->kind.c))
    return refused(name, "TRANSB: no conjugate of B");
  CHECK(operation_of(name, a, x->transa, &A));
  CHECK(operation_of(name, b, x->transb, &B));
  CHECK(operation_of(name, c, CUBLAS_OP_N, &C));
  if (A.rows != C.rows || A.columns != C.columns || B.rows != C.rows || B.columns != C.columns ||
      a->batch != c->batch || b->batch != c->batch || (c->batch > 1 && !c->stride))
    return CUBLAS_STATUS_INVALID_VALUE;
  product->kind.conj = is_complex(product->kind.ab) && x->transa == CUBLAS_OP_C;
  product->batch = c->batch, product->m = C.rows, product->n = C.columns;
  product->a = A.matrix, product->c = B.matrix, product->d = C.matrix;
  product->kind.form = form_of(a, x->transa), product->kind.vectors = form_of(b, x->transb);
  product->kind.d_form = form_of(c, CUBLAS_OP_N);
  problem->on_device = x->pointer_mode == CUBLASLT_POINTER_MODE_DEVICE;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixTransform(cublasLtHandle_t lightHandle,
                                       cublasLtMatrixTransformDesc_t transformDesc,
                                       const void *alpha, const void *A,
                                       cublasLtMatrixLayout_t Adesc, const void *beta,
                                       const void *B, cublasLtMatrixLayout_t Bdesc, void *C,
                                       cublasLtMatrixLayout_t Cdesc, cudaStream_t stream) {
  static const char name[] = "cublasLtMatrixTransform";
  struct problem problem = {0};
  if (!is_lt(lightHandle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  const struct transform *x = described(transformDesc, TRANSFORM);
  const struct layout *a = described(Adesc, LAYOUT), *c = described(Cdesc, LAYOUT);
  /* Without B its layout is any, say that of C. */
  int has_b = B || Bdesc;
  const struct layout *b = has_b ? described(Bdesc, LAYOUT) : c;
  if (!x || !a || !b || !c || !alpha || !beta || !C) return CUBLAS_STATUS_INVALID_VALUE;
  struct transform without_b = *x;
  if (!has_b) without_b.transb = CUBLAS_OP_N;
  CHECK(set_transform(name, &without_b, a, b, c, &problem));
  ocu_product *product = &problem.product;
  const ocu_gemm_kind *kind = &product->kind;
  if ((A == C && (!same_place(&product->a, &product->d) || kind->form != kind->d_form)) ||
      (B == C && (!same_place(&product->c, &product->d) || kind->vectors != kind->d_form)))
    return CUBLAS_STATUS_INVALID_VALUE;
  log_at(5, name, "rows=%lld columns=%lld batch=%lld", (long long)product->m,
         (long long)product->n, (long long)product->batch);
  ocu_stream *on = stream_of(stream);
  product->alpha = alpha, product->beta = beta;
  product->a.p = A, product->c.p = B, product->d.p = C;
  ocu_status status = gemm_run(on, problem.on_device, problem.scalars, product, transform);
  return status == OCU_OK ? CUBLAS_STATUS_SUCCESS : finish(status, name);
}
