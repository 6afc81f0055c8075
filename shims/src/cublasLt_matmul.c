/* cublasLt_matmul.c - D = epilogue(alpha op(A) op(B) + beta C): from descriptors to the core's
 * product. What is not supported is refused by the attribute's name. */
#include "cublasLt_internal.h"

/* ---- what a description asks for ------------------------------------------------------------- */

cublasStatus_t refuse_any(const char *name, const struct wish *wishes, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (wishes[i].wanted) return refused(name, wishes[i].reason);
  return CUBLAS_STATUS_SUCCESS;
}

/* Emulated arithmetic is a permission, and its count of mantissa bits a result. */
static int reports_bits(const void *emulation) {
  const struct emulation *x = emulation ? described(emulation, EMULATION) : NULL;
  return emulation && (!x || x->bits_used);
}

/* One scalar for all, or with groups an array of pointers to them. */
static int strides_wrongly(int64_t stride, const struct matmul *x, int grouped) {
  return stride && (stride != 1 || !grouped || x->pointer_mode != CUBLASLT_POINTER_MODE_DEVICE);
}

static cublasStatus_t refuse_matmul(const char *name, const struct matmul *x, int float8,
                                    int grouped) {
  const int vectors = (uint32_t)x->pointer_mode > CUBLASLT_POINTER_MODE_DEVICE;
  const struct wish wishes[] = {
      {x->transc != CUBLAS_OP_N, "TRANSC: C is not transposed"},
      {x->fill != CUBLAS_FILL_MODE_FULL, "FILL_MODE: only the full matrix"},
      {float8 && vectors, "POINTER_MODE: no vectors of alpha with fp8"},
      {float8 && grouped, "BATCH_MODE: no groups of fp8"},
      {!float8 && (x->a_scale || x->a_mode), "A_SCALE_POINTER: only of fp8 products"},
      {!float8 && (x->b_scale || x->b_mode), "B_SCALE_POINTER: only of fp8 products"},
      {!float8 && (x->c_scale || x->c_mode), "C_SCALE_POINTER: only of fp8 products"},
      {!float8 && (x->d_scale || x->d_mode), "D_SCALE_POINTER: only of fp8 products"},
      {x->d_out_scale || x->d_out_mode, "D_OUT_SCALE_POINTER: no blocks of D with scales of their own"},
      {x->aux_scale || x->aux_mode, "EPILOGUE_AUX_SCALE_POINTER: no fp8 matrix of it"},
      {!float8 && x->d_amax, "AMAX_D_POINTER: only of fp8 products"},
      {!!x->aux_amax, "EPILOGUE_AUX_AMAX_POINTER: no absolute maximum"},
      {x->chunk_rows || x->chunk_cols || x->in_counters || x->out_counters,
       "ATOMIC_SYNC: no products in chunks"},
      {strides_wrongly(x->alpha_stride, x, grouped),
       "ALPHA_BATCH_STRIDE: 0, or 1 with groups and scalars in device memory"},
      {strides_wrongly(x->beta_stride, x, grouped),
       "BETA_BATCH_STRIDE: 0, or 1 with groups and scalars in device memory"},
      {x->invariance != INVARIANCE_NOT_SET && x->invariance,
       "BATCH_INVARIANCE_FLAGS: not promised"},
      {reports_bits(x->emulation), "EMULATION_DESCRIPTOR: nothing is emulated or counted"},
  };
  return refuse_any(name, wishes, sizeof wishes / sizeof *wishes);
}

/* ---- matrices -------------------------------------------------------------------------------- */

static cublasStatus_t matrix_of(const char *name, const struct layout *x, ocu_matrix *matrix) {
  const struct wish wishes[] = {
      {x->plane != 0, "PLANE_OFFSET: no planar complex matrices"},
      {x->batch_mode > CUBLASLT_BATCH_MODE_POINTER_ARRAY, "BATCH_MODE: no groups here"},
      {is_tiled(x) && x->batch_mode, "ORDER: tiles in strided batches only"},
  };
  CHECK(refuse_any(name, wishes, sizeof wishes / sizeof *wishes));
  const uint64_t most = is_tiled(x) ? INT32_MAX : INT64_MAX;
  if (x->order < 0 || x->order > CUBLASLT_ORDER_COL32_2R_4R4 || x->rows > most || x->cols > most ||
      x->batch < 0)
    return CUBLAS_STATUS_INVALID_VALUE;
  int by_rows = x->order == CUBLASLT_ORDER_ROW || is_tiled(x);
  const int64_t rows = (int64_t)x->rows, columns = (int64_t)x->cols;
  if (x->ld < at_least_1(is_tiled(x) ? group_of_32(x->order, rows) : by_rows ? columns : rows))
    return CUBLAS_STATUS_INVALID_VALUE;
  int64_t stride = x->batch_mode == CUBLASLT_BATCH_MODE_STRIDED && x->batch > 1 ? x->stride : 0;
  *matrix = (ocu_matrix){NULL, stride, by_rows ? x->ld : 1, by_rows ? 1 : x->ld};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t operation_of(const char *name, const struct layout *x, int32_t op,
                            struct operation *result) {
  CHECK(matrix_of(name, x, &result->matrix));
  if (op < 0 || op > CUBLAS_OP_C) return CUBLAS_STATUS_INVALID_VALUE;
  result->rows = (int64_t)x->rows, result->columns = (int64_t)x->cols;
  if (op != CUBLAS_OP_N) {
    const ocu_matrix m = result->matrix;
    if (!is_tiled(x)) result->matrix = (ocu_matrix){NULL, m.bs, m.cs, m.rs};
    result->rows = (int64_t)x->cols, result->columns = (int64_t)x->rows;
  }
  return CUBLAS_STATUS_SUCCESS;
}

/* ---- products -------------------------------------------------------------------------------- */

cublasStatus_t set_matrices(const char *name, const struct matmul *desc,
                            const struct layout *const layouts[4], ocu_product *product) {
  const int32_t ops[] = {desc->transa, desc->transb, CUBLAS_OP_N, CUBLAS_OP_N};
  struct operation x[4];
  for (int i = 0; i < 4; i++) {
    cublasStatus_t status = operation_of(name, layouts[i], ops[i], &x[i]);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    if (layouts[i]->batch != layouts[3]->batch || layouts[i]->batch_mode != layouts[3]->batch_mode)
      return CUBLAS_STATUS_INVALID_VALUE;
  }
  product->batch = layouts[3]->batch;
  product->m = x[3].rows, product->n = x[3].columns, product->k = x[0].columns;
  product->a = x[0].matrix, product->b = x[1].matrix;
  product->c = x[2].matrix, product->d = x[3].matrix;
  product->kind.pointers = layouts[3]->batch_mode == CUBLASLT_BATCH_MODE_POINTER_ARRAY;
  int fits = x[0].rows == product->m && x[1].rows == product->k && x[1].columns == product->n &&
             x[2].rows == product->m && x[2].columns == product->n;
  /* Products of a batch that all write the same D would race. */
  int races = product->batch > 1 && !product->kind.pointers && !product->d.bs;
  return fits && !races ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

/* Vectors of alpha, and of beta, are read by the kernel. */
static cublasStatus_t set_scalars(const char *name, const struct matmul *x, uint32_t batch_mode,
                                  struct problem *problem) {
  const int mode = x->pointer_mode;
  if (mode < 0 || mode > CUBLASLT_POINTER_MODE_ALPHA_DEVICE_VECTOR_BETA_HOST)
    return CUBLAS_STATUS_INVALID_VALUE;
  problem->on_device = mode == CUBLASLT_POINTER_MODE_DEVICE;
  problem->beta_zero = mode == CUBLASLT_POINTER_MODE_ALPHA_DEVICE_VECTOR_BETA_ZERO;
  if (mode <= CUBLASLT_POINTER_MODE_DEVICE) return CUBLAS_STATUS_SUCCESS;
  const int batches = mode == CUBLASLT_POINTER_MODE_ALPHA_DEVICE_VECTOR_BETA_HOST;
  const struct wish wishes[] = {
      {batch_mode != CUBLASLT_BATCH_MODE_STRIDED, "POINTER_MODE: vectors with strided batches only"},
      {problem->scalars == OCU_F16, "POINTER_MODE: no vectors of half precision"},
      {x->alpha_vector_stride && !batches,
       "ALPHA_VECTOR_BATCH_STRIDE: with POINTER_MODE ALPHA_DEVICE_VECTOR_BETA_HOST only"},
  };
  CHECK(refuse_any(name, wishes, sizeof wishes / sizeof *wishes));
  problem->product.kind.vectors = mode == CUBLASLT_POINTER_MODE_DEVICE_VECTOR ? 2 : 1;
  problem->product.alpha_bs = x->alpha_vector_stride;
  return CUBLAS_STATUS_SUCCESS;
}

/* The layouts of copies by columns, for those in tiles. */
static cublasStatus_t set_untiled(const char *name, const struct matmul *x,
                                  const struct layout *const given[4], struct problem *problem) {
  const struct layout *layouts[4];
  struct layout copies[4];
  ocu_matrix matrix;
  for (int i = 0; i < 4; i++) {
    layouts[i] = given[i];
    if (!is_tiled(given[i])) continue;
    CHECK(matrix_of(name, given[i], &matrix));
    if (i == 3 && given[i]->batch > 1 && !matrix.bs) return CUBLAS_STATUS_INVALID_VALUE;
    copies[i] = by_columns(given[i]);
    layouts[i] = &copies[i], problem->tiled |= (uint8_t)(1 << i);
  }
  return set_matrices(name, x, layouts, &problem->product);
}

/* What can be told of groups before their arrays are read. */
static cublasStatus_t check_groups(const struct layout *const layouts[4]) {
  for (int i = 0; i < 4; i++) {
    const struct layout *x = layouts[i];
    if (x->batch_mode != MODE_GROUPED || (uint32_t)x->order > CUBLASLT_ORDER_ROW ||
        x->batch != layouts[3]->batch || x->batch < 0 || !x->rows_array || !x->cols_array ||
        !x->ld_array)
      return CUBLAS_STATUS_INVALID_VALUE;
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t problem_of(const char *name, const struct descriptors *given,
                          struct problem *problem) {
  const struct matmul *x = described(given->product, MATMUL);
  const struct layout *layouts[] = {described(given->a, LAYOUT), described(given->b, LAYOUT),
                                    described(given->c, LAYOUT), described(given->d, LAYOUT)};
  if (!x) return CUBLAS_STATUS_INVALID_VALUE;
  for (int i = 0; i < 4; i++)
    if (!layouts[i]) return CUBLAS_STATUS_INVALID_VALUE;
  *problem = (struct problem){0};
  ocu_product *product = &problem->product;
  const int float8 = is_float8((cudaDataType)layouts[0]->type);
  const uint32_t batch_mode = layouts[3]->batch_mode;
  problem->grouped = OPENCU_CUDA_MAJOR > 12 && batch_mode == MODE_GROUPED;
  CHECK(refuse_matmul(name, x, float8, problem->grouped));
  const struct gemm_types types = {
      (cudaDataType)layouts[0]->type, (cudaDataType)layouts[1]->type,
      (cudaDataType)layouts[2]->type, (cublasComputeType_t)x->compute, (cudaDataType)x->scale};
  const char *reason = lt_kind(&types, (cudaDataType)layouts[3]->type, problem);
  if (reason) return refused(name, reason);
  CHECK(problem->grouped ? check_groups(layouts) : set_untiled(name, x, layouts, problem));
  if (is_complex(product->kind.ab))
    product->kind.conj = (uint8_t)((x->transa == CUBLAS_OP_C) | (x->transb == CUBLAS_OP_C) << 1);
  CHECK(set_scalars(name, x, batch_mode, problem));
  CHECK(set_epilogue(name, x, layouts[3], problem));
  return float8 ? set_scales(name, x, product) : CUBLAS_STATUS_SUCCESS;
}

/* A product of nothing fails where there is no kernel, and does nothing where there is one. */
ocu_status has_kernel(const ocu_gemm_kind *kind) {
  static const char zero[16];
  return ocu_multiply(NULL, &(ocu_product){.kind = *kind, .alpha = zero, .beta = zero}, 0);
}

ocu_status multiply(ocu_stream *stream, const struct problem *problem) {
  ocu_status status = check_epilogue(problem);
  if (status == OCU_OK)
    status = gemm_run(stream, problem->on_device, problem->scalars, &problem->product, ocu_multiply);
  return status == OCU_OK ? run_epilogue(stream, problem) : status;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t lightHandle, cublasLtMatmulDesc_t computeDesc,
                              const void *alpha, const void *A, cublasLtMatrixLayout_t Adesc,
                              const void *B, cublasLtMatrixLayout_t Bdesc, const void *beta,
                              const void *C, cublasLtMatrixLayout_t Cdesc, void *D,
                              cublasLtMatrixLayout_t Ddesc, const cublasLtMatmulAlgo_t *algo,
                              void *workspace, size_t workspaceSizeInBytes, cudaStream_t stream) {
  static const char name[] = "cublasLtMatmul";
  struct problem problem;
  (void)workspace, (void)workspaceSizeInBytes; /* kernels keep their scratch in the workers */
  if (!is_lt(lightHandle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!alpha || (algo && !described(algo, ALGO))) return CUBLAS_STATUS_INVALID_VALUE;
  const struct descriptors given = {computeDesc, Adesc, Bdesc, Cdesc, Ddesc};
  CHECK(problem_of(name, &given, &problem));
  ocu_product *product = &problem.product;
  static const double zero[2];
  if (problem.beta_zero) beta = zero;
  if (!beta) return CUBLAS_STATUS_INVALID_VALUE;
  if (C == D && C && !same_place(&product->c, &product->d)) return CUBLAS_STATUS_INVALID_VALUE;
  log_at(5, name, "m=%lld n=%lld k=%lld batch=%lld epilogue=%d bias=%d", (long long)product->m,
         (long long)product->n, (long long)product->k, (long long)product->batch,
         product->kind.activation, product->kind.bias);
  ocu_stream *on = stream_of(stream);
  product->alpha = alpha, product->beta = beta;
  product->a.p = A, product->b.p = B, product->c.p = C, product->d.p = D;
  ocu_status status = problem.grouped ? multiply_groups(on, &given, &problem)
                      : problem.tiled ? multiply_tiled(on, &given, &problem)
                                      : multiply(on, &problem);
  if (status != OCU_OK) log_at(1, name, "%s", ocu_error());
  return status == OCU_OK ? CUBLAS_STATUS_SUCCESS : finish(status, name);
}
