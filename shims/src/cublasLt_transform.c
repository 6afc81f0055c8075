/* cublasLt_transform.c - C = alpha op(A) + beta op(B), between orders, types and operations. */
#include "cublasLt_internal.h"

/* The 1 of a dtype, in its first bytes. */
static const void *one_of(ocu_dtype dtype) {
  static const float f32[2] = {1, 0};
  static const double f64[2] = {1, 0};
  static const uint16_t f16 = 0x3c00, bf16 = 0x3f80;
  static const int8_t i8 = 1;
  switch (dtype) {
    case OCU_F16: return &f16;
    case OCU_BF16: return &bf16;
    case OCU_I8: return &i8;
    case OCU_F64:
    case OCU_C128: return f64;
    default: return f32;
  }
}

/* Each line of C, along its memory, is a product: the line of A times 1, plus the line of B. */
static ocu_status transform(ocu_stream *stream, const ocu_product *whole, int flags) {
  size_t ab_bytes = ocu_dtype_bytes(whole->kind.ab), c_bytes = ocu_dtype_bytes(whole->kind.c);
  ocu_product lines = *whole;
  if (!whole->m || !whole->n) return ocu_alive();
  int by_columns = whole->d.rs == 1;
  lines.batch = by_columns ? whole->n : whole->m;
  lines.m = by_columns ? whole->m : whole->n;
  lines.n = lines.k = 1;
  ocu_matrix *sides[] = {&lines.a, &lines.c, &lines.d};
  for (int i = 0; i < 3; i++) {
    const ocu_matrix x = *sides[i];
    *sides[i] = (ocu_matrix){x.p, by_columns ? x.cs : x.rs, by_columns ? x.rs : x.cs, lines.m};
  }
  lines.b = (ocu_matrix){one_of(whole->kind.ab), 0, 1, 1};
  ocu_status status = OCU_OK;
  for (int64_t i = 0; i < whole->batch && status == OCU_OK; i++) {
    status = ocu_multiply(stream, &lines, flags);
    lines.a.p = (const char *)lines.a.p + whole->a.bs * (int64_t)ab_bytes;
    if (lines.c.p) lines.c.p = (const char *)lines.c.p + whole->c.bs * (int64_t)c_bytes;
    lines.d.p = (const char *)lines.d.p + whole->d.bs * (int64_t)c_bytes;
  }
  return status;
}

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
  const char *reason = gemm_kind(&types, &product->kind, &problem->scalars);
  if (reason) return refused(name, reason);
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
  if ((A == C && !same_place(&product->a, &product->d)) ||
      (B == C && !same_place(&product->c, &product->d)))
    return CUBLAS_STATUS_INVALID_VALUE;
  log_at(5, name, "rows=%lld columns=%lld batch=%lld", (long long)product->m,
         (long long)product->n, (long long)product->batch);
  ocu_stream *on = stream_of(stream);
  product->alpha = alpha, product->beta = beta;
  product->a.p = A, product->c.p = B, product->d.p = C;
  ocu_status status = gemm_run(on, problem.on_device, problem.scalars, product, transform);
  return status == OCU_OK ? CUBLAS_STATUS_SUCCESS : finish(status, name);
}
