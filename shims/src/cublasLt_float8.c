/* cublasLt_float8.c - products of 8-bit floating numbers: which there are, their scales and their
 * absolute maximum. Any operations and orders are served, not A transposed by B alone. */
#include "cublasLt_internal.h"

#include <stdio.h>

int is_float8(cudaDataType type) { return type == CUDA_R_8F_E4M3 || type == CUDA_R_8F_E5M2; }

/* The types of C, D and the bias that cublasLtMatmul documents; D is E5M2 only if A or B is. */
static const struct {
  cudaDataType c, d, bias;
  uint8_t as[3];
} results[] = {
    {CUDA_R_16BF, CUDA_R_16BF, CUDA_R_16BF, {OCU_BF16, OCU_BF16, OCU_BF16}},
    {CUDA_R_16BF, CUDA_R_8F_E4M3, CUDA_R_16BF, {OCU_BF16, OCU_E4M3, OCU_BF16}},
    {CUDA_R_16BF, CUDA_R_8F_E5M2, CUDA_R_16BF, {OCU_BF16, OCU_E5M2, OCU_BF16}},
    {CUDA_R_16F, CUDA_R_16F, CUDA_R_16F, {OCU_F16, OCU_F16, OCU_F16}},
    {CUDA_R_16F, CUDA_R_8F_E4M3, CUDA_R_16F, {OCU_F16, OCU_E4M3, OCU_F16}},
    {CUDA_R_16F, CUDA_R_8F_E5M2, CUDA_R_16F, {OCU_F16, OCU_E5M2, OCU_F16}},
    {CUDA_R_32F, CUDA_R_32F, CUDA_R_16BF, {OCU_F32, OCU_F32, OCU_BF16}},
};

static uint8_t core_type(cudaDataType type) {
  return type == CUDA_R_8F_E4M3 ? OCU_E4M3 : OCU_E5M2;
}

static const char *float8_kind(const struct gemm_types *types, cudaDataType d,
                               struct problem *problem) {
  const int alike = types->a == types->b;
  if (types->compute != CUBLAS_COMPUTE_32F) return "computeType: of fp8 only CUBLAS_COMPUTE_32F";
  if (types->scale != CUDA_R_32F) return "scaleType: of fp8 only CUDA_R_32F";
  if (!is_float8(types->b)) return "Btype: must be fp8, as Atype is";
  if (alike && types->a == CUDA_R_8F_E5M2) return "Btype: must be CUDA_R_8F_E4M3 if Atype is not";
  for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
    if (results[i].c != types->c || results[i].d != d || (alike && d == CUDA_R_8F_E5M2)) continue;
    const uint8_t *as = results[i].as;
    problem->scalars = OCU_F32;
    problem->bias = results[i].bias;
    problem->product.kind = (ocu_gemm_kind){.ab = core_type(types->a), .c = as[0], .scale = OCU_F32,
                                            .b = alike ? 0 : core_type(types->b)};
    problem->product.scaling = (ocu_scaling){.d = as[1], .bias = as[2]};
    return NULL;
  }
  return "Dtype: no product of this Atype, Btype and Ctype has this one";
}

const char *lt_kind(const struct gemm_types *types, cudaDataType d, struct problem *problem) {
  if (is_float8(types->a)) return float8_kind(types, d, problem);
  problem->bias = types->c;
  if (types->c != d) return "Dtype: must be Ctype";
  return gemm_kind(types, &problem->product.kind, &problem->scalars);
}

/* ---- scales ---------------------------------------------------------------------------------- */

static cublasStatus_t check_mode(const char *name, char matrix, int32_t mode, int vectors) {
  static const char *const modes[] = {"SCALAR_32F",    "VEC16_UE4M3", "VEC32_UE8M0",
                                      "OUTER_VEC_32F", "VEC128_32F",  "BLK128x128_32F"};
  if (mode < 0 || mode >= (int)(sizeof modes / sizeof *modes)) return CUBLAS_STATUS_INVALID_VALUE;
  if (mode == CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F ||
      (mode == CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F && vectors))
    return CUBLAS_STATUS_SUCCESS;
  char reason[80];
  snprintf(reason, sizeof reason, "%c_SCALE_MODE: no CUBLASLT_MATMUL_MATRIX_SCALE_%s here", matrix,
           modes[mode]);
  return refused(name, reason);
}

cublasStatus_t set_scales(const char *name, const struct matmul *x, ocu_product *product) {
  ocu_scaling *to = &product->scaling;
  const int one = product->batch == 1;
  if (product->kind.pointers) return refused(name, "BATCH_MODE: no arrays of pointers to fp8");
  CHECK(check_mode(name, 'A', x->a_mode, one));
  CHECK(check_mode(name, 'B', x->b_mode, one));
  CHECK(check_mode(name, 'C', x->c_mode, 0));
  CHECK(check_mode(name, 'D', x->d_mode, 0));
  to->a_factor = x->a_scale, to->b_factor = x->b_scale;
  to->c_factor = x->c_scale, to->d_factor = x->d_scale;
  to->a_rows = x->a_mode != CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F;
  to->b_columns = x->b_mode != CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F;
  to->amax = (void *)x->d_amax;
  const int bias = product->kind.bias && to->bias != product->kind.c;
  if (!to->a_factor && !to->b_factor && !to->c_factor && !to->d_factor && !to->amax && !bias &&
      to->d == product->kind.c)
    to->d = 0; /* a plain product */
  return CUBLAS_STATUS_SUCCESS;
}
