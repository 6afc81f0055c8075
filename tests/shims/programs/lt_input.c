/* lt_input.c - cuBLASLt's descriptors and what it says to wrong ones: the documented status, nothing
 * is written, nothing crashes; what is not supported is refused by the attribute's name. */
#include <cublasLt.h>
#include <cublas_v2.h>
#include <cuda_runtime.h>

#include "check.h"

enum { N = 8, BYTES = N * N * sizeof(float) };
static const cublasStatus_t good = CUBLAS_STATUS_SUCCESS, invalid = CUBLAS_STATUS_INVALID_VALUE;
static cublasLtHandle_t lt;
static cublasLtMatmulDesc_t desc;
static cublasLtMatrixLayout_t square;
static cublasLtMatmulPreference_t preference;
static float *A, *D;
static const float one = 1, zero = 0;

static cublasStatus_t multiply(cublasLtMatmulDesc_t x, cublasLtMatrixLayout_t a,
                               cublasLtMatrixLayout_t d) {
  return cublasLtMatmul(lt, x, &one, A, a, A, square, &zero, D, d, D, d, NULL, NULL, 0, 0);
}

static cublasStatus_t search(cublasLtMatmulDesc_t x, cublasLtMatrixLayout_t a, int *count) {
  cublasLtMatmulHeuristicResult_t found;
  *count = 7;
  return cublasLtMatmulAlgoGetHeuristic(lt, x, a, square, square, square, preference, 1, &found,
                                        count);
}

#define DESC(attribute) CUBLASLT_MATMUL_DESC_##attribute
#define SET(x, attribute, value) \
  EXPECT(cublasLtMatmulDescSetAttribute(x, DESC(attribute), &(value), sizeof(value)), good)

/* ---- descriptors ----------------------------------------------------------------------------- */

static void sizes(void) {
  EXPECT(sizeof(cublasLtMatrixLayoutOpaque_t), OPENCU_CUDA_MAJOR == 12 ? 64 : 112);
  EXPECT(sizeof(cublasLtMatmulPreferenceOpaque_t), OPENCU_CUDA_MAJOR == 12 ? 64 : 96);
  EXPECT(sizeof(cublasLtMatmulDescOpaque_t), 256);
  EXPECT(sizeof(cublasLtMatrixTransformDescOpaque_t), 64);
  EXPECT(sizeof(cublasLtMatmulAlgo_t), 64);
  EXPECT(sizeof(cublasLtMatmulHeuristicResult_t), 96);
}

static void attributes(void) {
  int32_t value = -7, op = CUBLAS_OP_T;
  int64_t ld = 0;
  uint64_t rows = 0;
  float waves = -1;
  size_t written = 0;
  EXPECT(cublasLtMatmulDescGetAttribute(desc, DESC(TRANSA), NULL, 0, &written), good);
  EXPECT(written, sizeof op);
  EXPECT(cublasLtMatmulDescGetAttribute(desc, DESC(TRANSA), NULL, 0, NULL), invalid);
  EXPECT(cublasLtMatmulDescGetAttribute(desc, DESC(TRANSA), &value, 2, NULL), invalid);
  EXPECT(cublasLtMatmulDescGetAttribute(desc, DESC(TRANSA), NULL, 4, NULL), invalid);
  EXPECT(cublasLtMatmulDescGetAttribute(desc, DESC(TRANSA), (void *)16, 4, NULL), invalid);
  EXPECT(cublasLtMatmulDescGetAttribute(desc, DESC(TRANSA), &value, 4, (size_t *)16), invalid);
  EXPECT(value, -7);
  EXPECT(cublasLtMatmulDescSetAttribute(desc, DESC(TRANSA), NULL, 4), invalid);
  EXPECT(cublasLtMatmulDescSetAttribute(desc, DESC(TRANSA), (void *)16, 4), invalid);
  EXPECT(cublasLtMatmulDescSetAttribute(desc, DESC(TRANSA), &op, 8), invalid);
  EXPECT(cublasLtMatmulDescSetAttribute(desc, (cublasLtMatmulDescAttributes_t)99, &op, 4), invalid);
  SET(desc, TRANSA, op);
  EXPECT(cublasLtMatmulDescGetAttribute(desc, DESC(TRANSA), &value, 4, &written), good);
  EXPECT(value, CUBLAS_OP_T);
  op = CUBLAS_OP_N;
  SET(desc, TRANSA, op);
  EXPECT(cublasLtMatmulDescGetAttribute(desc, DESC(BIAS_DATA_TYPE), &value, 4, NULL), good);
  EXPECT(value, -1);
  EXPECT(cublasLtMatmulDescGetAttribute(desc, DESC(COMPUTE_TYPE), &value, 4, NULL), good);
  EXPECT(value, CUBLAS_COMPUTE_32F);
  EXPECT(cublasLtMatrixLayoutGetAttribute(square, CUBLASLT_MATRIX_LAYOUT_LD, &ld, 8, NULL), good);
  EXPECT(ld, N);
  EXPECT(cublasLtMatrixLayoutGetAttribute(square, CUBLASLT_MATRIX_LAYOUT_ROWS, &rows, 8, NULL), good);
  EXPECT(rows, N);
  EXPECT(cublasLtMatmulPreferenceGetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WAVES_COUNT,
                                              &waves, 4, NULL), good);
  EXPECT(waves, 0);
  EXPECT(cublasLtMatmulPreferenceGetAttribute(
             preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &value, 4, NULL), good);
  EXPECT(value, 256);
}

static void lifetimes(void) {
  cublasLtMatmulDesc_t gone;
  cublasLtMatmulDescOpaque_t mine;
  cublasLtMatrixLayoutOpaque_t small;
  int32_t op = 0;
  memset(&mine, 0, sizeof mine);
  EXPECT(cublasLtMatmulDescCreate(&gone, CUBLAS_COMPUTE_32F, CUDA_R_32F), good);
  EXPECT(cublasLtMatmulDescDestroy(gone), good);
  EXPECT(cublasLtMatmulDescDestroy(gone), invalid);
  EXPECT(cublasLtMatmulDescDestroy(NULL), good);
  EXPECT(cublasLtMatmulDescCreate(NULL, CUBLAS_COMPUTE_32F, CUDA_R_32F), invalid);
  EXPECT(cublasLtMatrixLayoutCreate((cublasLtMatrixLayout_t *)16, CUDA_R_32F, 1, 1, 1), invalid);
  cublasLtMatmulDesc_t wrong[] = {NULL, gone, &mine, (void *)16, (void *)((uintptr_t)1 << 62),
                                  (cublasLtMatmulDesc_t)(void *)square, (void *)((char *)desc + 4)};
  for (int i = 0; i < 7; i++) {
    int count;
    EXPECT(multiply(wrong[i], square, square), invalid);
    EXPECT(search(wrong[i], square, &count), invalid);
    EXPECT(count, 0);
    EXPECT(cublasLtMatmulDescSetAttribute(wrong[i], DESC(TRANSA), &op, 4), invalid);
    EXPECT(cublasLtMatmulDescGetAttribute(wrong[i], DESC(TRANSA), &op, 4, NULL), invalid);
    EXPECT(multiply(desc, (cublasLtMatrixLayout_t)(i == 5 ? (void *)desc : (void *)wrong[i]), square),
           invalid);
    if (wrong[i]) EXPECT(cublasLtMatmulDescDestroy(wrong[i]), invalid);
  }
  EXPECT(cublasLtMatrixLayoutInit_internal(&small, 56, CUDA_R_32F, 1, 1, 1),
         CUBLAS_STATUS_ALLOC_FAILED);
  EXPECT(cublasLtMatrixLayoutInit_internal((void *)16, sizeof small, CUDA_R_32F, 1, 1, 1), invalid);
  /* A handle is no memory of the program's, nor is what lies behind the last one. */
  void *behind = (char *)(void *)lt + (16384 << 6);
  EXPECT(cublasLtMatrixLayoutInit_internal((void *)lt, sizeof small, CUDA_R_32F, 1, 1, 1), invalid);
  EXPECT(cublasLtMatrixLayoutInit_internal(behind, sizeof small, CUDA_R_32F, 1, 1, 1), invalid);
  EXPECT(cublasLtMatmulDescInit(&mine, CUBLAS_COMPUTE_32F, CUDA_R_32F), good);
  EXPECT(multiply(&mine, square, square), good);
}

/* ---- handles and products -------------------------------------------------------------------- */

static void handles(void) {
  cublasLtHandle_t gone, real = lt;
  cublasHandle_t cublas;
  int version;
  EXPECT(cublasLtCreate(NULL), invalid);
  EXPECT(cublasLtCreate(&gone), good);
  EXPECT(cublasLtDestroy(gone), good);
  cublasLtHandle_t wrong[] = {NULL, gone, (void *)16, (void *)&one};
  for (int i = 0; i < 4; i++) {
    lt = wrong[i];
    EXPECT(cublasLtDestroy(lt), CUBLAS_STATUS_NOT_INITIALIZED);
    EXPECT(multiply(desc, square, square), CUBLAS_STATUS_NOT_INITIALIZED);
  }
  lt = real;
  EXPECT(cublasCreate(&cublas), good);
  EXPECT(cublasLtDestroy((cublasLtHandle_t)cublas), CUBLAS_STATUS_NOT_INITIALIZED);
  EXPECT(cublasDestroy((cublasHandle_t)lt), CUBLAS_STATUS_NOT_INITIALIZED);
  EXPECT(cublasDestroy(cublas), good);
  EXPECT(cublasLtGetVersion() / 10000, OPENCU_CUDA_MAJOR);
  EXPECT(cublasLtGetProperty(MAJOR_VERSION, &version), good);
  EXPECT(version, OPENCU_CUDA_MAJOR);
  EXPECT(cublasLtGetProperty(MAJOR_VERSION, NULL), invalid);
  TRUE(!strcmp(cublasLtGetStatusName(invalid), "CUBLAS_STATUS_INVALID_VALUE"));
}

static void products(void) {
  cublasLtMatrixLayout_t other;
  const void *nowhere = (void *)16;
  int32_t count = 2;
  EXPECT(cublasLtMatrixLayoutCreate(&other, CUDA_R_32F, N, N + 1, N), good);
  EXPECT(multiply(desc, other, square), invalid);
  EXPECT(multiply(desc, square, other), invalid);
  EXPECT(cublasLtMatrixLayoutDestroy(other), good);
  EXPECT(cublasLtMatrixLayoutCreate(&other, CUDA_R_32F, N, N, N - 1), good);
  EXPECT(multiply(desc, other, square), invalid);
  EXPECT(cublasLtMatrixLayoutDestroy(other), good);
  EXPECT(cublasLtMatrixLayoutCreate(&other, CUDA_R_32F, N, N, N), good);
  EXPECT(cublasLtMatrixLayoutSetAttribute(other, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, 4), good);
  EXPECT(multiply(desc, other, square), invalid);
  EXPECT(cublasLtMatmul(lt, desc, &one, A, other, A, other, &zero, D, other, D, other, NULL, NULL, 0,
                        0), invalid); /* both products into one D */
  EXPECT(cublasLtMatmul(lt, desc, NULL, A, square, A, square, &zero, D, square, D, square, NULL,
                        NULL, 0, 0), invalid);
  EXPECT(cublasLtMatmul(lt, desc, &one, A, square, A, square, &zero, D, square, NULL, square, NULL,
                        NULL, 0, 0), invalid);
  EXPECT(cublasLtMatmul(lt, desc, nowhere, A, square, A, square, &zero, D, square, D, square, NULL,
                        NULL, 0, 0), CUBLAS_STATUS_EXECUTION_FAILED);
  EXPECT(cublasLtMatmul(lt, desc, &one, nowhere, square, A, square, &zero, D, square, D, square,
                        NULL, NULL, 0, 0), CUBLAS_STATUS_EXECUTION_FAILED);
  EXPECT(cublasLtMatmul(lt, desc, &one, A, square, A, square, &zero, D, square, D, square, nowhere,
                        NULL, 0, 0), invalid);
  EXPECT(cublasLtMatrixLayoutDestroy(other), good);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void refused(cublasLtMatmulDescAttributes_t attribute, const void *value, size_t bytes) {
  cublasLtMatmulDesc_t x;
  int count;
  EXPECT(cublasLtMatmulDescCreate(&x, CUBLAS_COMPUTE_32F, CUDA_R_32F), good);
  EXPECT(cublasLtMatmulDescSetAttribute(x, attribute, value, bytes), good);
  EXPECT(multiply(x, square, square), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT(search(x, square, &count), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT(count, 0);
  EXPECT(cublasLtMatmulDescDestroy(x), good);
}

static void refusals(void) {
  const int32_t transpose = CUBLAS_OP_T, lower = CUBLAS_FILL_MODE_LOWER;
  const int32_t half = CUDA_R_16F, tiled = CUBLASLT_ORDER_COL32, mode = CUBLASLT_BATCH_MODE_POINTER_ARRAY;
  const uint32_t epilogues[] = {130, 134, 136, 152, 160, 164, 192, 208, 256, 512};
  const uint32_t bias = CUBLASLT_EPILOGUE_BIAS, nonsense = 3;
  const int64_t plane = 64, stride = 1;
  (void)stride;
  const int32_t strided = CUBLASLT_BATCH_MODE_STRIDED;
  const void *p = A;
  cublasLtMatmulDesc_t x;
  cublasLtMatrixLayout_t y;
  refused(DESC(TRANSC), &transpose, 4);
  refused(DESC(FILL_MODE), &lower, 4);
#if OPENCU_CUDA_MAJOR > 12
  refused(DESC(ALPHA_BATCH_STRIDE), &stride, 8);
  refused(DESC(BETA_BATCH_STRIDE), &stride, 8);
#endif
  const cublasLtMatmulDescAttributes_t pointers[] = {
      DESC(A_SCALE_POINTER), DESC(B_SCALE_POINTER),     DESC(C_SCALE_POINTER),
      DESC(D_SCALE_POINTER), DESC(D_OUT_SCALE_POINTER), DESC(EPILOGUE_AUX_SCALE_POINTER),
      DESC(AMAX_D_POINTER),  DESC(EPILOGUE_AUX_AMAX_POINTER)};
  for (int i = 0; i < 8; i++) refused(pointers[i], &p, sizeof p);
  EXPECT(cublasLtMatrixLayoutSetAttribute(square, CUBLASLT_MATRIX_LAYOUT_BATCH_MODE, &mode, 4), good);
  for (int i = 0; i < 10; i++) refused(DESC(EPILOGUE), &epilogues[i], 4);
  EXPECT(cublasLtMatrixLayoutSetAttribute(square, CUBLASLT_MATRIX_LAYOUT_BATCH_MODE, &strided, 4), good);
  const int32_t types[][2] = {{CUBLAS_COMPUTE_64F, CUDA_R_64F}, {CUBLAS_COMPUTE_32F, CUDA_R_64F},
                              {99, CUDA_R_32F}};
  for (int i = 0; i < 3; i++) {
    EXPECT(cublasLtMatmulDescCreate(&x, (cublasComputeType_t)types[i][0],
                                    (cudaDataType_t)types[i][1]), good);
    EXPECT(multiply(x, square, square), CUBLAS_STATUS_NOT_SUPPORTED);
    EXPECT(cublasLtMatmulDescDestroy(x), good);
  }
  EXPECT(cublasLtMatmulDescCreate(&x, CUBLAS_COMPUTE_32F, CUDA_R_32F), good);
  SET(x, EPILOGUE, bias);
  EXPECT(multiply(x, square, square), invalid); /* no bias pointer */
  SET(x, BIAS_DATA_TYPE, half);
  EXPECT(multiply(x, square, square), CUBLAS_STATUS_NOT_SUPPORTED);
  SET(x, EPILOGUE, nonsense);
  EXPECT(multiply(x, square, square), invalid);
  EXPECT(cublasLtMatmulDescDestroy(x), good);
  EXPECT(cublasLtMatrixLayoutCreate(&y, CUDA_R_32F, N, N, N), good);
  EXPECT(cublasLtMatrixLayoutSetAttribute(y, CUBLASLT_MATRIX_LAYOUT_ORDER, &tiled, 4), good);
  EXPECT(multiply(desc, y, square), invalid); /* a group of 32 columns does not fit */
  EXPECT(cublasLtMatrixLayoutSetAttribute(y, CUBLASLT_MATRIX_LAYOUT_BATCH_MODE, &mode, 4), good);
  EXPECT(multiply(desc, y, square), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT(cublasLtMatrixLayoutDestroy(y), good);
  EXPECT(cublasLtMatrixLayoutCreate(&y, CUDA_R_8F_E4M3, N, N, N), good);
  EXPECT(multiply(desc, y, square), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT(cublasLtMatrixLayoutSetAttribute(y, CUBLASLT_MATRIX_LAYOUT_PLANE_OFFSET, &plane, 8), good);
  EXPECT(cublasLtMatrixLayoutDestroy(y), good);
}

static void transforms(void) {
  cublasLtMatrixTransformDesc_t x;
  cublasLtMatrixLayout_t bytes;
  EXPECT(cublasLtMatrixTransformDescCreate(&x, CUDA_R_32F), good);
  EXPECT(cublasLtMatrixLayoutCreate(&bytes, CUDA_R_8I, N, N, N), good);
  EXPECT(cublasLtMatrixTransform(lt, x, &one, A, bytes, &zero, NULL, NULL, D, bytes, 0), good);
  EXPECT(cublasLtMatrixTransform(lt, x, &one, A, square, &zero, NULL, NULL, D, bytes, 0),
         CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT(cublasLtMatrixTransform(lt, x, &one, A, square, &zero, NULL, NULL, D, square, 0), good);
  EXPECT(cublasLtMatrixTransform(lt, x, NULL, A, square, &zero, NULL, NULL, D, square, 0), invalid);
  EXPECT(cublasLtMatrixTransform(lt, x, &one, A, square, &one, NULL, square, D, square, 0), invalid);
  EXPECT(cublasLtMatrixTransform(lt, x, &one, A, square, &zero, A, NULL, D, square, 0), invalid);
  EXPECT(cublasLtMatrixTransform(lt, (void *)desc, &one, A, square, &zero, NULL, NULL, D, square, 0),
         invalid);
  EXPECT(cublasLtMatrixLayoutDestroy(bytes), good);
  EXPECT(cublasLtMatrixTransformDescDestroy(x), good);
}

/* ---- algorithms ------------------------------------------------------------------------------ */

static void algorithms(void) {
  cublasLtMatmulAlgo_t algo;
  cublasLtMatmulHeuristicResult_t result;
  int ids[4] = {-1, -1, -1, -1}, count = 0;
  uint32_t tiles[8], tile = 20, value = 0;
  int32_t splits = 0;
  uint64_t flags = 0;
  size_t written;
  const cudaDataType_t t = CUDA_R_32F;
  const cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  EXPECT(cublasLtMatmulAlgoGetIds(lt, compute, t, t, t, t, t, 4, ids, &count), good);
  EXPECT(count, 1);
  EXPECT(cublasLtMatmulAlgoInit(lt, compute, t, t, t, t, t, 5, &algo), invalid);
  EXPECT(cublasLtMatmulAlgoInit(lt, compute, t, t, t, t, CUDA_R_64F, ids[0], &algo),
         CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT(cublasLtMatmulAlgoInit(lt, compute, t, t, t, t, t, ids[0], &algo), good);
  EXPECT(cublasLtMatmulAlgoCapGetAttribute(&algo, CUBLASLT_ALGO_CAP_TILE_IDS, tiles, sizeof tiles,
                                           &written), good);
  EXPECT(written, sizeof tile);
  EXPECT(tiles[0], CUBLASLT_MATMUL_TILE_UNDEFINED);
  EXPECT(cublasLtMatmulAlgoCapGetAttribute(&algo, CUBLASLT_ALGO_CAP_EPILOGUE_MASK, &value, 4, NULL),
         good);
  EXPECT(value, 1 | 2 | 4 | 8 | 16 | 32 | 64 | 128 | 256 | 512);
  EXPECT(cublasLtMatmulAlgoCapGetAttribute(&algo, CUBLASLT_ALGO_CAP_NUMERICAL_IMPL_FLAGS, &flags, 8,
                                           NULL), good);
  TRUE(flags & CUBLASLT_NUMERICAL_IMPL_FLAGS_ACCUMULATOR_32F);
  EXPECT(cublasLtMatmulAlgoConfigSetAttribute(&algo, CUBLASLT_ALGO_CONFIG_ID, &ids[0], 4), invalid);
  EXPECT(cublasLtMatmulAlgoConfigSetAttribute(&algo, CUBLASLT_ALGO_CONFIG_TILE_ID, &tile, 4), good);
  EXPECT(cublasLtMatmulAlgoConfigGetAttribute(&algo, CUBLASLT_ALGO_CONFIG_TILE_ID, &value, 4, NULL),
         good);
  EXPECT(value, tile);
  EXPECT(cublasLtMatmulAlgoConfigGetAttribute(&algo, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &splits, 4,
                                              NULL), good);
  EXPECT(splits, 1);
  EXPECT(cublasLtMatmulAlgoCheck(lt, desc, square, square, square, square, &algo, &result), good);
  EXPECT(result.state, good);
  EXPECT(cublasLtMatmul(lt, desc, &one, A, square, A, square, &zero, D, square, D, square, &algo,
                        NULL, 0, 0), good); /* the tile is a hint */
  memset(&algo, 0, sizeof algo);
  EXPECT(cublasLtMatmulAlgoCheck(lt, desc, square, square, square, square, &algo, &result), invalid);
}

static int said;
static void listen(int level, const char *function, const char *message) {
  said += level == 5 && !strcmp(function, "cublasLtMatmul") && strstr(message, "m=8 n=8 k=8");
}

static void logging(void) {
  size_t capacity = 0;
  EXPECT(cublasLtHeuristicsCacheSetCapacity(17), good);
  EXPECT(cublasLtHeuristicsCacheGetCapacity(&capacity), good);
  EXPECT(capacity, 17);
  EXPECT(cublasLtLoggerSetLevel(6), invalid);
  EXPECT(cublasLtLoggerSetMask(64), invalid);
  EXPECT(cublasLtLoggerOpenFile("/nowhere/at/all"), invalid);
  EXPECT(cublasLtLoggerOpenFile((const char *)16), invalid);
  EXPECT(cublasLtLoggerSetCallback(listen), good);
  EXPECT(multiply(desc, square, square), good);
  EXPECT(said, 0);
  EXPECT(cublasLtLoggerSetLevel(5), good);
  EXPECT(multiply(desc, square, square), good);
  EXPECT(said, 1);
  EXPECT(cublasLtLoggerForceDisable(), good);
  EXPECT(multiply(desc, square, square), good);
  EXPECT(said, 1);
}

int main(void) {
  void *memory;
  EXPECT(cudaMallocManaged(&memory, 2 * BYTES, cudaMemAttachGlobal), cudaSuccess);
  A = memory, D = A + N * N;
  memset(memory, 0, 2 * BYTES);
  EXPECT(cublasLtCreate(&lt), good);
  EXPECT(cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F), good);
  EXPECT(cublasLtMatrixLayoutCreate(&square, CUDA_R_32F, N, N, N), good);
  EXPECT(cublasLtMatmulPreferenceCreate(&preference), good);
  sizes();
  attributes();
  lifetimes();
  handles();
  products();
  refusals();
  transforms();
  algorithms();
  logging();
  EXPECT(cublasLtMatmulPreferenceDestroy(preference), good);
  EXPECT(cublasLtDestroy(lt), good);
  puts("ok");
  return 0;
}
