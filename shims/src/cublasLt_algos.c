/* cublasLt_algos.c - cuBLASLt's search for an algorithm. There is one, number 0: how a product is
 * computed is its plan's affair, so tiles, stages and splits are kept for who asks and steer
 * nothing. */
#include "cublasLt_internal.h"

#include <string.h>

/* ---- search ---------------------------------------------------------------------------------- */

static void init_algo(cublasLtMatmulAlgo_t *algo, const ocu_gemm_kind *kind) {
  const struct algo x = {.mark = ALGO, .splits = 1, .ab = kind->ab, .c = kind->c,
                         .scale = kind->scale};
  memset(algo, 0, sizeof *algo);
  memcpy(algo, &x, sizeof x);
}

/* An answer for one problem: the algorithm where it works. */
static cublasStatus_t find(const char *name, cublasLtMatmulDesc_t operationDesc,
                           cublasLtMatrixLayout_t Adesc, cublasLtMatrixLayout_t Bdesc,
                           cublasLtMatrixLayout_t Cdesc, cublasLtMatrixLayout_t Ddesc,
                           struct problem *problem) {
  cublasStatus_t status = problem_of(name, operationDesc, Adesc, Bdesc, Cdesc, Ddesc, problem);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  ocu_status known = has_kernel(&problem->product.kind);
  return known == OCU_OK ? CUBLAS_STATUS_SUCCESS : finish(known, name);
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t lightHandle, cublasLtMatmulDesc_t operationDesc, cublasLtMatrixLayout_t Adesc,
    cublasLtMatrixLayout_t Bdesc, cublasLtMatrixLayout_t Cdesc, cublasLtMatrixLayout_t Ddesc,
    cublasLtMatmulPreference_t preference, int requestedAlgoCount,
    cublasLtMatmulHeuristicResult_t heuristicResultsArray[], int *returnAlgoCount) {
  struct problem problem;
  if (!is_lt(lightHandle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!OUT(returnAlgoCount)) return CUBLAS_STATUS_INVALID_VALUE;
  *returnAlgoCount = 0;
  if (requestedAlgoCount < 1 || !OUT(heuristicResultsArray) ||
      (preference && !described(preference, PREFERENCE)))
    return CUBLAS_STATUS_INVALID_VALUE;
  cublasStatus_t status = find("cublasLtMatmulAlgoGetHeuristic", operationDesc, Adesc, Bdesc,
                               Cdesc, Ddesc, &problem);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  cublasLtMatmulHeuristicResult_t result = {.state = CUBLAS_STATUS_SUCCESS, .wavesCount = 1};
  init_algo(&result.algo, &problem.product.kind);
  heuristicResultsArray[0] = result;
  *returnAlgoCount = 1;
  log_at(4, "cublasLtMatmulAlgoGetHeuristic", "m=%lld n=%lld k=%lld batch=%lld: algorithm 0",
         (long long)problem.product.m, (long long)problem.product.n,
         (long long)problem.product.k, (long long)problem.product.batch);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristicForStream(
    cublasLtHandle_t lightHandle, cublasLtMatmulDesc_t operationDesc, cublasLtMatrixLayout_t Adesc,
    cublasLtMatrixLayout_t Bdesc, cublasLtMatrixLayout_t Cdesc, cublasLtMatrixLayout_t Ddesc,
    cublasLtMatmulPreference_t preference, int requestedAlgoCount,
    cublasLtMatmulHeuristicResult_t heuristicResultsArray[], int *returnAlgoCount,
    cudaStream_t stream) {
  if (ocu_stream_device(stream_of(stream)) < 0) return CUBLAS_STATUS_INVALID_VALUE;
  return cublasLtMatmulAlgoGetHeuristic(lightHandle, operationDesc, Adesc, Bdesc, Cdesc, Ddesc,
                                        preference, requestedAlgoCount, heuristicResultsArray,
                                        returnAlgoCount);
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t lightHandle,
                                       cublasLtMatmulDesc_t operationDesc,
                                       cublasLtMatrixLayout_t Adesc, cublasLtMatrixLayout_t Bdesc,
                                       cublasLtMatrixLayout_t Cdesc, cublasLtMatrixLayout_t Ddesc,
                                       const cublasLtMatmulAlgo_t *algo,
                                       cublasLtMatmulHeuristicResult_t *result) {
  struct problem problem;
  if (!is_lt(lightHandle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!OUT(result) || !described(algo, ALGO)) return CUBLAS_STATUS_INVALID_VALUE;
  cublasStatus_t status =
      find("cublasLtMatmulAlgoCheck", operationDesc, Adesc, Bdesc, Cdesc, Ddesc, &problem);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  cublasLtMatmulHeuristicResult_t checked = {.algo = *algo, .wavesCount = 1};
  *result = checked;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheckForStream(
    cublasLtHandle_t lightHandle, cublasLtMatmulDesc_t operationDesc, cublasLtMatrixLayout_t Adesc,
    cublasLtMatrixLayout_t Bdesc, cublasLtMatrixLayout_t Cdesc, cublasLtMatrixLayout_t Ddesc,
    const cublasLtMatmulAlgo_t *algo, cublasLtMatmulHeuristicResult_t *result,
    cudaStream_t stream) {
  if (ocu_stream_device(stream_of(stream)) < 0) return CUBLAS_STATUS_INVALID_VALUE;
  return cublasLtMatmulAlgoCheck(lightHandle, operationDesc, Adesc, Bdesc, Cdesc, Ddesc, algo,
                                 result);
}

/* ---- by types alone -------------------------------------------------------------------------- */

static cublasStatus_t kind_of(const char *name, cublasComputeType_t computeType,
                              cudaDataType_t scaleType, cudaDataType_t Atype, cudaDataType_t Btype,
                              cudaDataType_t Ctype, cudaDataType_t Dtype, ocu_gemm_kind *kind) {
  ocu_dtype scalars;
  const struct gemm_types types = {Atype, Btype, Ctype, computeType, scaleType};
  const char *reason = Ctype == Dtype ? gemm_kind(&types, kind, &scalars) : "Dtype: must be Ctype";
  if (reason) return refuse(name, reason);
  ocu_status known = has_kernel(kind);
  return known == OCU_OK ? CUBLAS_STATUS_SUCCESS : finish(known, name);
}

cublasStatus_t cublasLtMatmulAlgoGetIds(cublasLtHandle_t lightHandle,
                                        cublasComputeType_t computeType, cudaDataType_t scaleType,
                                        cudaDataType_t Atype, cudaDataType_t Btype,
                                        cudaDataType_t Ctype, cudaDataType_t Dtype,
                                        int requestedAlgoCount, int algoIdsArray[],
                                        int *returnAlgoCount) {
  ocu_gemm_kind kind;
  if (!is_lt(lightHandle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (requestedAlgoCount < 1 || !OUT(algoIdsArray) || !OUT(returnAlgoCount))
    return CUBLAS_STATUS_INVALID_VALUE;
  *returnAlgoCount = 0;
  cublasStatus_t status = kind_of("cublasLtMatmulAlgoGetIds", computeType, scaleType, Atype, Btype,
                                  Ctype, Dtype, &kind);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  algoIdsArray[0] = 0;
  *returnAlgoCount = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoInit(cublasLtHandle_t lightHandle,
                                      cublasComputeType_t computeType, cudaDataType_t scaleType,
                                      cudaDataType_t Atype, cudaDataType_t Btype,
                                      cudaDataType_t Ctype, cudaDataType_t Dtype, int algoId,
                                      cublasLtMatmulAlgo_t *algo) {
  ocu_gemm_kind kind;
  if (!is_lt(lightHandle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!OUT(algo) || algoId != 0) return CUBLAS_STATUS_INVALID_VALUE;
  cublasStatus_t status = kind_of("cublasLtMatmulAlgoInit", computeType, scaleType, Atype, Btype,
                                  Ctype, Dtype, &kind);
  if (status == CUBLAS_STATUS_SUCCESS) init_algo(algo, &kind);
  return status;
}

/* ---- capabilities and configuration ---------------------------------------------------------- */

static uint64_t numerics(const struct algo *x) {
  uint64_t flags = CUBLASLT_NUMERICAL_IMPL_FLAGS_FMA;
  switch (x->ab) {
    case OCU_F16: flags |= CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_16F; break;
    case OCU_BF16: flags |= CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_16BF; break;
    case OCU_I8: flags |= CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_8I; break;
    case OCU_F64:
    case OCU_C128: flags |= CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_64F; break;
    default: flags |= CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_32F;
  }
  switch (x->scale) {
    case OCU_I32: return flags | CUBLASLT_NUMERICAL_IMPL_FLAGS_ACCUMULATOR_32I;
    case OCU_F64:
    case OCU_C128: return flags | CUBLASLT_NUMERICAL_IMPL_FLAGS_ACCUMULATOR_64F;
    default: return flags | CUBLASLT_NUMERICAL_IMPL_FLAGS_ACCUMULATOR_32F;
  }
}

/* All are 32 bits wide but one; lists of tiles and stages hold one entry, 0 for "undefined". */
struct capabilities {
  uint64_t numerics;
  uint32_t none, one, pointer_modes, epilogues, align_ab, align_c;
};
static const struct attribute capability_attributes[] = {
    FIELD(CUBLASLT_ALGO_CAP_SPLITK_SUPPORT, capabilities, none),
    FIELD(CUBLASLT_ALGO_CAP_REDUCTION_SCHEME_MASK, capabilities, none),
    FIELD(CUBLASLT_ALGO_CAP_CTA_SWIZZLING_SUPPORT, capabilities, none),
    FIELD(CUBLASLT_ALGO_CAP_STRIDED_BATCH_SUPPORT, capabilities, one),
    FIELD(CUBLASLT_ALGO_CAP_OUT_OF_PLACE_RESULT_SUPPORT, capabilities, one),
    FIELD(CUBLASLT_ALGO_CAP_UPLO_SUPPORT, capabilities, none),
    FIELD(CUBLASLT_ALGO_CAP_TILE_IDS, capabilities, none),
    FIELD(CUBLASLT_ALGO_CAP_CUSTOM_OPTION_MAX, capabilities, none),
    FIELD(CUBLASLT_ALGO_CAP_CUSTOM_MEMORY_ORDER, capabilities, none),
    FIELD(CUBLASLT_ALGO_CAP_POINTER_MODE_MASK, capabilities, pointer_modes),
    FIELD(CUBLASLT_ALGO_CAP_EPILOGUE_MASK, capabilities, epilogues),
    FIELD(CUBLASLT_ALGO_CAP_STAGES_IDS, capabilities, none),
    FIELD(CUBLASLT_ALGO_CAP_LD_NEGATIVE, capabilities, none),
    FIELD(CUBLASLT_ALGO_CAP_NUMERICAL_IMPL_FLAGS, capabilities, numerics),
    FIELD(CUBLASLT_ALGO_CAP_MIN_ALIGNMENT_A_BYTES, capabilities, align_ab),
    FIELD(CUBLASLT_ALGO_CAP_MIN_ALIGNMENT_B_BYTES, capabilities, align_ab),
    FIELD(CUBLASLT_ALGO_CAP_MIN_ALIGNMENT_C_BYTES, capabilities, align_c),
    FIELD(CUBLASLT_ALGO_CAP_MIN_ALIGNMENT_D_BYTES, capabilities, align_c),
    FIELD(CUBLASLT_ALGO_CAP_POINTER_ARRAY_BATCH_SUPPORT, capabilities, one),
    FIELD(CUBLASLT_ALGO_CAP_FLOATING_POINT_EMULATION_SUPPORT, capabilities, none),
#if OPENCU_CUDA_MAJOR == 12
    FIELD(CUBLASLT_ALGO_CAP_ATOMIC_SYNC, capabilities, none),
#else
    FIELD(CUBLASLT_ALGO_CAP_POINTER_ARRAY_GROUPED_SUPPORT, capabilities, none),
#endif
};

cublasStatus_t cublasLtMatmulAlgoCapGetAttribute(const cublasLtMatmulAlgo_t *algo,
                                                 cublasLtMatmulAlgoCapAttributes_t attr, void *buf,
                                                 size_t sizeInBytes, size_t *sizeWritten) {
  const struct algo *x = described(algo, ALGO);
  if (!x || x->ab > OCU_C128 || x->c > OCU_C128) return CUBLAS_STATUS_INVALID_VALUE;
  int plain = is_complex(x->scale) || x->scale == OCU_I32;
  const struct capabilities capabilities = {
      .numerics = numerics(x),
      .one = 1,
      .pointer_modes = CUBLASLT_POINTER_MODE_MASK_HOST | CUBLASLT_POINTER_MODE_MASK_DEVICE,
      .epilogues = CUBLASLT_EPILOGUE_DEFAULT |
                   (plain ? 0u : CUBLASLT_EPILOGUE_RELU_BIAS | CUBLASLT_EPILOGUE_GELU),
      .align_ab = (uint32_t)dtype_bytes(x->ab),
      .align_c = (uint32_t)dtype_bytes(x->c)};
  /* A program offers room for as many tiles as there may be. */
  int list = attr == CUBLASLT_ALGO_CAP_TILE_IDS || attr == CUBLASLT_ALGO_CAP_STAGES_IDS;
  if (list && sizeInBytes > sizeof(uint32_t)) sizeInBytes = sizeof(uint32_t);
  return attribute_get(&capabilities, capability_attributes,
                       sizeof capability_attributes / sizeof *capability_attributes, (int)attr,
                       buf, sizeInBytes, sizeWritten);
}

static const struct attribute config_attributes[] = {
    FIELD(CUBLASLT_ALGO_CONFIG_ID, algo, id),
    FIELD(CUBLASLT_ALGO_CONFIG_TILE_ID, algo, tile),
    FIELD(CUBLASLT_ALGO_CONFIG_SPLITK_NUM, algo, splits),
    FIELD(CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, algo, reduction),
    FIELD(CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING, algo, swizzle),
    FIELD(CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION, algo, custom),
    FIELD(CUBLASLT_ALGO_CONFIG_STAGES_ID, algo, stages),
    FIELD(CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID, algo, inner),
    FIELD(CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID, algo, cluster),
};
enum { CONFIGS = sizeof config_attributes / sizeof *config_attributes };

cublasStatus_t cublasLtMatmulAlgoConfigSetAttribute(cublasLtMatmulAlgo_t *algo,
                                                    cublasLtMatmulAlgoConfigAttributes_t attr,
                                                    const void *buf, size_t sizeInBytes) {
  if (!described(algo, ALGO) || !OUT(algo) || attr == CUBLASLT_ALGO_CONFIG_ID)
    return CUBLAS_STATUS_INVALID_VALUE;
  return attribute_set(algo, config_attributes, CONFIGS, (int)attr, buf, sizeInBytes);
}

cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t *algo,
                                                    cublasLtMatmulAlgoConfigAttributes_t attr,
                                                    void *buf, size_t sizeInBytes,
                                                    size_t *sizeWritten) {
  return attribute_get(described(algo, ALGO), config_attributes, CONFIGS, (int)attr, buf,
                       sizeInBytes, sizeWritten);
}
