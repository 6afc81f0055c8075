/* fuzz.c SEED SECONDS - cuBLAS's and cuBLASLt's products with arguments drawn from what programs get
 * wrong: any status is right, a crash or a write outside the operands is not. */
#include <cublasLt.h>
#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <stdint.h>
#include <time.h>

#include "check.h"

enum { ELEMENTS = 1 << 14, BYTES = ELEMENTS * 16, GUARD = 4096 };
static const double read_only[1024] = {1};
static uint64_t state;
static char *memory; /* guard, operands, guard */
static void *gone, *pool[9];
static cublasHandle_t handle;
static cublasLtHandle_t lt;
static cublasLtMatmulDesc_t descs[4];
static cublasLtMatrixLayout_t layouts[8];
static cublasLtMatrixTransformDesc_t transforms[2];

static unsigned draw(unsigned below) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(state >> 33) % below;
}
#define ONE_OF(array) (array)[draw(sizeof(array) / sizeof *(array))]

static void *pointer(void) { return draw(4) ? memory + GUARD + 16 * draw(64) : ONE_OF(pool); }
static int number(void) {
  static const int numbers[] = {0, 1, 2, 3, 4, 5, 7, 8, 13, 16, 31, 32, -1, 64, 1 << 20, INT32_MAX};
  return numbers[draw(draw(4) ? 12 : 16)];
}
static int64_t wide(void) { return draw(8) ? number() : (int64_t)(state * 0x9e3779b97f4a7c15u); }
static cudaDataType type(void) {
  static const int types[] = {0, 0, 0, 1, 1, 2, 3, 4, 5, 10, 14, 28, 99};
  return (cudaDataType)ONE_OF(types);
}
static cublasComputeType_t compute(void) {
  static const int computes[] = {68, 68, 68, 70, 70, 64, 72, 69, 77, 0, 99};
  return (cublasComputeType_t)ONE_OF(computes);
}
static cublasOperation_t op(void) { return (cublasOperation_t)(draw(20) ? draw(3) : draw(9)); }
static cublasHandle_t any_handle(void) { return draw(16) ? handle : (cublasHandle_t)pointer(); }
static cublasLtHandle_t any_lt(void) { return draw(16) ? lt : (cublasLtHandle_t)any_handle(); }
static cublasLtMatmulDesc_t desc(void) { return draw(16) ? ONE_OF(descs) : pointer(); }
static cublasLtMatrixLayout_t layout(void) { return draw(16) ? ONE_OF(layouts) : pointer(); }

static void products(void) {
  const cudaDataType t = type(), u = draw(8) ? t : type();
  const cublasComputeType_t how =
      draw(4) ? (t == CUDA_R_64F ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F) : compute();
  const int m = number(), n = number(), k = number();
  switch (draw(4)) {
    case 0:
      cublasGemmEx(any_handle(), op(), op(), m, n, k, pointer(), pointer(), t, number(), pointer(), t,
                   number(), pointer(), pointer(), u, number(), how, CUBLAS_GEMM_DEFAULT);
      break;
    case 1:
      cublasGemmStridedBatchedEx_64(any_handle(), op(), op(), m, n, k, pointer(), pointer(), t, wide(),
                                    wide(), pointer(), t, wide(), wide(), pointer(), pointer(), u,
                                    wide(), wide(), (int)draw(66) - 1, how, CUBLAS_GEMM_DEFAULT);
      break;
    case 2:
      cublasSgemm(any_handle(), op(), op(), m, n, k, pointer(), pointer(), number(), pointer(),
                  number(), pointer(), pointer(), number());
      break;
    default:
      cublasDgemmGroupedBatched(any_handle(), pointer(), pointer(), pointer(), pointer(), pointer(),
                                pointer(), pointer(), pointer(), pointer(), pointer(), pointer(),
                                pointer(), pointer(), number(), pointer());
  }
}

static void attributes(void) {
  static const size_t sizes[] = {4, 4, 8, 8, 0, 1, 2, 256};
  const int32_t small = draw(8) ? (int32_t)draw(8) : number();
  const int64_t large = draw(4) ? number() : (int64_t)(uintptr_t)pointer();
  const size_t size = ONE_OF(sizes);
  const void *value = draw(8) ? (size == 4 ? (const void *)&small : &large) : pointer();
  switch (draw(5)) {
    case 0:
      cublasLtMatmulDescSetAttribute(desc(), (cublasLtMatmulDescAttributes_t)draw(45),
                                     size > 8 ? pointer() : value, size);
      break;
    case 1:
      cublasLtMatrixLayoutSetAttribute(layout(), (cublasLtMatrixLayoutAttribute_t)draw(16),
                                       size > 8 ? pointer() : value, size);
      break;
    case 2:
      cublasLtMatmulDescGetAttribute(desc(), (cublasLtMatmulDescAttributes_t)draw(45), pointer(), size,
                                     pointer());
      break;
    case 3:
      cublasLtMatrixTransformDescSetAttribute(ONE_OF(transforms),
                                              (cublasLtMatrixTransformDescAttributes_t)draw(5),
                                              &small, size > 4 ? 0 : size);
      break;
    default:
      cublasLtMatrixLayoutGetAttribute(layout(), (cublasLtMatrixLayoutAttribute_t)draw(16), pointer(),
                                       size, pointer());
  }
}

/* Fresh ones, so that not all end up as nonsense. */
static void renew(void) {
  const unsigned i = draw(8);
  cublasLtMatrixLayoutDestroy(layouts[i]);
  cublasLtMatrixLayoutCreate(&layouts[i], draw(2) ? CUDA_R_32F : type(), (uint64_t)number(),
                             (uint64_t)number(), wide());
  cublasLtMatmulDescDestroy(descs[i % 4]);
  cublasLtMatmulDescCreate(&descs[i % 4], draw(2) ? CUBLAS_COMPUTE_32F : compute(),
                           draw(2) ? CUDA_R_32F : type());
  cublasLtMatrixTransformDescDestroy(transforms[i % 2]);
  cublasLtMatrixTransformDescCreate(&transforms[i % 2], draw(2) ? CUDA_R_32F : type());
}

static void lt_products(void) {
  cublasLtMatmulHeuristicResult_t found;
  int count;
  cublasLtMatrixLayout_t a = layout(), b = layout(), c = layout(), d = draw(2) ? c : layout();
  if (draw(2)) c = d, b = a; /* squares fit one another */
  cublasLtMatmulDesc_t x = desc();
  switch (draw(3)) {
    case 0:
      cublasLtMatmulAlgoGetHeuristic(any_lt(), x, a, b, c, d, NULL, 1,
                                     draw(16) ? &found : pointer(), draw(16) ? &count : pointer());
      break;
    case 1:
      cublasLtMatmul(any_lt(), x, pointer(), pointer(), a, pointer(), b, pointer(), pointer(), c,
                     pointer(), d, draw(8) ? NULL : pointer(), NULL, 0, 0);
      break;
    default:
      cublasLtMatrixTransform(any_lt(), ONE_OF(transforms), pointer(), pointer(), a, pointer(),
                              pointer(), b, pointer(), d, 0);
  }
}

int main(int argc, char **argv) {
  TRUE(argc == 3);
  state = strtoull(argv[1], NULL, 10);
  const time_t end = time(NULL) + atoi(argv[2]);
  EXPECT(cublasCreate(&handle), CUBLAS_STATUS_SUCCESS);
  EXPECT(cublasLtCreate(&lt), CUBLAS_STATUS_SUCCESS);
  EXPECT(cudaMallocManaged((void **)&memory, BYTES + 2 * GUARD, cudaMemAttachGlobal), cudaSuccess);
  EXPECT(cudaMalloc(&gone, BYTES), cudaSuccess);
  EXPECT(cudaFree(gone), cudaSuccess);
  void *const all[] = {NULL, (void *)16, (void *)-1, (void *)((uintptr_t)1 << 62), gone,
                       memory + GUARD + 1, memory + GUARD + BYTES, &main, (void *)(uintptr_t)read_only};
  memcpy(pool, all, sizeof pool);
  memset(memory, 1, BYTES + 2 * GUARD);
  for (int i = 0; i < 64; i++) renew();
  long calls = 0;
  for (; calls % 8 || time(NULL) < end; calls++) {
    const unsigned what = draw(10);
    what < 3 ? products() : what < 5 ? attributes() : what < 7 ? renew() : lt_products();
    if (!draw(64)) cublasSetPointerMode(handle, (cublasPointerMode_t)draw(2));
  }
  cudaDeviceSynchronize(); /* a wild pointer in an array fails its stream, if it was queued */
  EXPECT(cudaDeviceSynchronize(), cudaSuccess);
  printf("%ld calls\nok\n", calls);
  return 0;
}
