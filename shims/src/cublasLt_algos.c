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
static cublasStatus_t find(const char *name, const struct descriptors *given,
                           struct problem *problem) {
  CHECK(problem_of(name, given, problem));
  ocu_status known = has_kernel(&problem->product.kind);
  return known == OCU_OK ? CUBLAS_STATUS_SUCCESS : finish(known, name);
}

cublasStatus_t heuristic(cublasLtHandle_t handle, const struct descriptors *given,
                         cublasLtMatmulPreference_t preference, int requested,
                         cublasLtMatmulHeuristicResult_t *results, int *count) {
  static const char name[] = "cublasLtMatmulAlgoGetHeuristic";
  struct problem problem;
  if (!is_lt(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!OUT(count)) return CUBLAS_STATUS_INVALID_VALUE;
  *count = 0;
  if (requested < 1 || !OUT(results) || (preference && !described(preference, PREFERENCE)))
    return CUBLAS_STATUS_INVALID_VALUE;
  CHECK(find(name, given, &problem));
  *results = (cublasLtMatmulHeuristicResult_t){.state = CUBLAS_STATUS_SUCCESS, .wavesCount = 1};
  init_algo(&results->algo, &problem.product.kind);
  *count = 1;
  log_at(4, name, "m=%lld n=%lld k=%lld batch=%lld: algorithm 0", (long long)problem.product.m,
         (long long)problem.product.n, (long long)problem.product.k,
         (long long)problem.product.batch);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t algo_check(cublasLtHandle_t handle, const struct descriptors *given,
                          const cublasLtMatmulAlgo_t *algo,
                          cublasLtMatmulHeuristicResult_t *result) {
  struct problem problem;
  if (!is_lt(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!OUT(result) || !described(algo, ALGO)) return CUBLAS_STATUS_INVALID_VALUE;
  CHECK(find("cublasLtMatmulAlgoCheck", given, &problem));
  cublasLtMatmulHeuristicResult_t checked = {.algo = *algo, .wavesCount = 1};
  *result = checked;
  return CUBLAS_STATUS_SUCCESS;
}

/* ---- by types alone -------------------------------------------------------------------------- */

static cublasStatus_t kind_of(const char *name, const struct gemm_types *types, cudaDataType d,
                              ocu_gemm_kind *kind) {
  struct problem problem = {0};
  const char *reason = lt_kind(types, d, &problem);
  if (reason) return refused(name, reason);
  *kind = problem.product.kind;
  ocu_status known = has_kernel(kind);
  return known == OCU_OK ? CUBLAS_STATUS_SUCCESS : finish(known, name);
}

cublasStatus_t algo_ids(cublasLtHandle_t handle, const struct gemm_types *types, cudaDataType d,
                        int requested, int *ids, int *count) {
  ocu_gemm_kind kind;
  if (!is_lt(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (requested < 1 || !OUT(ids) || !OUT(count)) return CUBLAS_STATUS_INVALID_VALUE;
  *count = 0;
  CHECK(kind_of("cublasLtMatmulAlgoGetIds", types, d, &kind));
  *ids = 0;
  *count = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t algo_init(cublasLtHandle_t handle, const struct gemm_types *types, cudaDataType d,
                         int id, cublasLtMatmulAlgo_t *algo) {
  ocu_gemm_kind kind;
  if (!is_lt(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!OUT(algo) || id != 0) return CUBLAS_STATUS_INVALID_VALUE;
  cublasStatus_t status = kind_of("cublasLtMatmulAlgoInit", types, d, &kind);
  if (status == CUBLAS_STATUS_SUCCESS) init_algo(algo, &kind);
  return status;
}

/* ---- capabilities -------------------------------------------------------------------------- */

static uint64_t numerics(const struct algo *x) {
  uint64_t flags = CUBLASLT_NUMERICAL_IMPL_FLAGS_FMA;
  switch (x->ab) {
    case OCU_F16: flags |= CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_16F; break;
    case OCU_BF16: flags |= CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_16BF; break;
    case OCU_I8: flags |= CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_8I; break;
    case OCU_E4M3: flags |= CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_8F_E4M3; break;
    case OCU_E5M2: flags |= CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_8F_E5M2; break;
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
cublasStatus_t cublasLtMatmulAlgoCapGetAttribute(const cublasLtMatmulAlgo_t *algo,
                                                 cublasLtMatmulAlgoCapAttributes_t attr, void *buf,
                                                 size_t sizeInBytes, size_t *sizeWritten) {
  const struct algo *x = described(algo, ALGO);
  if (!x || x->ab >= OCU_DTYPES || x->c >= OCU_DTYPES) return CUBLAS_STATUS_INVALID_VALUE;
  int plain = is_complex(x->scale) || x->scale == OCU_I32;
  const struct capabilities capabilities = {
      .mark = CAPABILITIES,
      .numerics = numerics(x),
      .one = 1,
      .pointer_modes = 31, /* all five */
      .epilogues = CUBLASLT_EPILOGUE_DEFAULT |
                   (plain ? 0u : CUBLASLT_EPILOGUE_RELU_AUX_BIAS | CUBLASLT_EPILOGUE_GELU_AUX |
                                     CUBLASLT_EPILOGUE_DRELU_BGRAD | CUBLASLT_EPILOGUE_DGELU |
                                     CUBLASLT_EPILOGUE_BGRADA | CUBLASLT_EPILOGUE_BGRADB),
      .align_ab = (uint32_t)ocu_dtype_bytes(x->ab),
      .align_c = (uint32_t)ocu_dtype_bytes(x->c)};
  /* A program offers room for as many tiles as there may be. */
  int list = attr == CUBLASLT_ALGO_CAP_TILE_IDS || attr == CUBLASLT_ALGO_CAP_STAGES_IDS;
  if (list && sizeInBytes > sizeof(uint32_t)) sizeInBytes = sizeof(uint32_t);
  return attribute_get(&capabilities, CAPABILITIES, (int)attr, buf, sizeInBytes, sizeWritten);
}
