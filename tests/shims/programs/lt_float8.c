/* lt_float8.c - products of 8-bit floating numbers by cublasLtMatmul, against sums in double
 * precision: every row of the vendor's table of types, operations and orders, scales and the absolute
 * maximum, and what is refused, of which the search for an algorithm says the same. */
#include <cublasLt.h>
#include <cuda_fp8.h>
#include <math.h>

#include "lt_layout.h"

#define E4M3 CUDA_R_8F_E4M3
#define E5M2 CUDA_R_8F_E5M2

static cublasLtHandle_t lt;
static char *A, *B, *C, *D, *bias;
static float *factor, *amax; /* of A (M numbers), B (N), C, D */

struct test {
  cudaDataType a, b, c, d, bias;
  int ta, tb, by_rows, batch, vectors, scaled, on_device;
  cublasLtEpilogue_t epilogue;
};

static int is_float8(cudaDataType type) { return type == E4M3 || type == E5M2; }

static double number(cudaDataType type, const char *x, int i) {
  if (!is_float8(type)) return creal(get(type, x, i));
  const int fraction = type == E4M3 ? 3 : 2, bias = type == E4M3 ? 7 : 15;
  const int code = ((const __nv_fp8_e4m3 *)x)[i].__x, low = code & 127, e = low >> fraction;
  const double ones = (low & ((1 << fraction) - 1)) + (e ? 1 << fraction : 0);
  const double size = ldexp(ones, (e ? e : 1) - bias - fraction);
  if (low >= (type == E4M3 ? 0x7f : 0x7c)) return low == 0x7c ? INFINITY : NAN;
  return code >> 7 ? -size : size;
}

/* Numbers of about 1. */
static void draw(cudaDataType type, char *x, int count) {
  if (!is_float8(type)) {
    fill(type, x, count);
    return;
  }
  for (int i = 0; i < count; i++)
    x[i] = (char)((rand() % 2 * 128) | (type == E4M3 ? 0x30 + rand() % 16 : 0x38 + rand() % 8));
}

static double at(cudaDataType type, const char *x, int op, int by_rows, int b, int i, int j) {
  const int row = op ? j : i, column = op ? i : j;
  return number(type, x, b * MOST + (by_rows ? row * LD + column : row + column * LD));
}

static double after(cublasLtEpilogue_t epilogue, double x) {
  if (epilogue & CUBLASLT_EPILOGUE_RELU) return x > 0 ? x : 0;
  if (epilogue & CUBLASLT_EPILOGUE_GELU)
    return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
  return x;
}

static double rounding(cudaDataType type) {
  return type == CUDA_R_32F ? 1e-6 : type == CUDA_R_16F ? 5e-4 : type == CUDA_R_16BF ? 4e-3
         : type == E4M3                                ? 0.0625
                                                       : 0.125;
}

static void compare(const struct test *t, const char *old, double alpha, double beta) {
  const double most = t->d == E4M3 ? 448 : t->d == E5M2 ? 57344 : INFINITY;
  double largest = 0;
  EXPECT(cudaDeviceSynchronize(), cudaSuccess);
  for (int b = 0; b < t->batch; b++)
    for (int i = 0; i < M; i++)
      for (int j = 0; j < N; j++) {
        double sum = 0, size = 0;
        for (int p = 0; p < K; p++) {
          const double term = at(t->a, A, t->ta, t->by_rows, b, i, p) *
                              at(t->b, B, t->tb, t->by_rows, b, p, j);
          sum += term, size += fabs(term);
        }
        const double by = t->scaled ? alpha * factor[t->vectors ? i : 0] *
                                          factor[M + (t->vectors ? j : 0)] : alpha;
        const double c = (t->scaled ? factor[M + N] : 1) * beta * at(t->c, old, 0, t->by_rows, b, i, j);
        const double with =
            t->epilogue & CUBLASLT_EPILOGUE_BIAS ? number(t->bias, bias, b * M + i) : 0;
        const double x = after(t->epilogue, by * sum + c + with);
        double wanted = x * (t->scaled ? factor[M + N + 1] : 1);
        const double got = at(t->d, D, 0, t->by_rows, b, i, j);
        const double bound = 1e-5 * (fabs(by) * size + fabs(c) + fabs(with)) * (1 + fabs(wanted / x)) +
                             rounding(t->d) * fabs(wanted) + (t->d == E4M3 ? 1e-3 : 1e-5);
        largest = fabs(x) > largest ? fabs(x) : largest;
        wanted = wanted > most ? most : wanted < -most ? -most : wanted;
        if (!(fabs(got - wanted) <= (isnan(bound) ? 1e-3 : bound))) {
          printf("types %d %d %d %d: %g, expected %g\n", t->a, t->b, t->c, t->d, got, wanted);
          exit(1);
        }
      }
  if (t->scaled) TRUE(fabs(*amax - largest) <= 1e-4 * largest);
}

#define SET(attribute, value) \
  EXPECT(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_##attribute, &(value), \
                                        sizeof(value)), 0)

static void set_scales(cublasLtMatmulDesc_t desc, int vectors) {
  const void *a = factor, *b = factor + M, *c = factor + M + N, *d = factor + M + N + 1, *most = amax;
  const int32_t mode = vectors ? CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F
                               : CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F;
  SET(A_SCALE_POINTER, a);
  SET(B_SCALE_POINTER, b);
  SET(C_SCALE_POINTER, c);
  SET(D_SCALE_POINTER, d);
  SET(AMAX_D_POINTER, most);
  SET(A_SCALE_MODE, mode);
  SET(B_SCALE_MODE, mode);
}

/* The status, which is that of the search. */
static int multiply(const struct test *t, cublasLtMatmulDesc_t desc, cublasComputeType_t compute) {
  static char old[4 * BATCH * MOST];
  cublasLtMatmulHeuristicResult_t found;
  int count = 0, ids[1], known = 0;
  float *scalars = t->on_device ? (float *)device(8) : (float[2]){0};
  scalars[0] = 1.5f, scalars[1] = 0.5f;
  const int32_t ta = t->ta, tb = t->tb, mode = t->on_device;
  const uint32_t epilogue = t->epilogue;
  const int64_t bias_stride = M;
  const void *p = bias;
  draw(t->a, A, BATCH * MOST), draw(t->b, B, BATCH * MOST), draw(t->c, C, BATCH * MOST);
  draw(t->bias, bias, BATCH * M);
  memcpy(old, C, sizeof old);
  SET(TRANSA, ta);
  SET(TRANSB, tb);
  SET(POINTER_MODE, mode);
  SET(EPILOGUE, epilogue);
  SET(BIAS_POINTER, p);
  SET(BIAS_BATCH_STRIDE, bias_stride);
  if (t->scaled) set_scales(desc, t->vectors);
  cublasLtMatrixLayout_t layouts[] = {
      layout(t->a, t->ta ? K : M, t->ta ? M : K, t->by_rows, t->batch),
      layout(t->b, t->tb ? N : K, t->tb ? K : N, t->by_rows, t->batch),
      layout(t->c, M, N, t->by_rows, t->batch), layout(t->d, M, N, t->by_rows, t->batch)};
  const int search = (int)cublasLtMatmulAlgoGetHeuristic(
      lt, desc, layouts[0], layouts[1], layouts[2], layouts[3], NULL, 1, &found, &count);
  const int status =
      (int)cublasLtMatmul(lt, desc, scalars, A, layouts[0], B, layouts[1], scalars + 1, C, layouts[2],
                          D, layouts[3], search ? NULL : &found.algo, NULL, 0, 0);
  EXPECT(search, status);
  EXPECT(count, status == 0);
  if (!status) {
    EXPECT(cublasLtMatmulAlgoGetIds(lt, compute, CUDA_R_32F, t->a, t->b, t->c, t->d, 1, ids, &known), 0);
    uint64_t flags = 0;
    EXPECT(cublasLtMatmulAlgoCapGetAttribute(&found.algo, CUBLASLT_ALGO_CAP_NUMERICAL_IMPL_FLAGS,
                                             &flags, sizeof flags, NULL), 0);
    TRUE(flags & (t->a == E4M3 ? CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_8F_E4M3
                               : CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_8F_E5M2));
    compare(t, old, 1.5, 0.5);
  }
  for (int i = 0; i < 4; i++) EXPECT(cublasLtMatrixLayoutDestroy(layouts[i]), 0);
  if (t->on_device) EXPECT(cudaFree(scalars), cudaSuccess);
  return status;
}

static int product(const struct test *t, cublasComputeType_t compute, cudaDataType scale) {
  cublasLtMatmulDesc_t desc;
  EXPECT(cublasLtMatmulDescCreate(&desc, compute, scale), 0);
  const int status = multiply(t, desc, compute);
  EXPECT(cublasLtMatmulDescDestroy(desc), 0);
  return status;
}

static int plain(const struct test *t) { return product(t, CUBLAS_COMPUTE_32F, CUDA_R_32F); }

/* With one more attribute. */
static int with(cublasLtMatmulDescAttributes_t attribute, const void *value, size_t bytes, int batch) {
  const struct test t = {E4M3, E4M3, CUDA_R_16BF, CUDA_R_16BF, CUDA_R_16BF, .batch = batch,
                         .epilogue = CUBLASLT_EPILOGUE_DEFAULT};
  cublasLtMatmulDesc_t desc;
  EXPECT(cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F), 0);
  EXPECT(cublasLtMatmulDescSetAttribute(desc, attribute, value, bytes), 0);
  const int status = multiply(&t, desc, CUBLAS_COMPUTE_32F);
  EXPECT(cublasLtMatmulDescDestroy(desc), 0);
  return status;
}

static const cudaDataType results[][3] = {
    {CUDA_R_16BF, CUDA_R_16BF, CUDA_R_16BF}, {CUDA_R_16BF, E4M3, CUDA_R_16BF},
    {CUDA_R_16F, E4M3, CUDA_R_16F},          {CUDA_R_16F, CUDA_R_16F, CUDA_R_16F},
    {CUDA_R_32F, CUDA_R_32F, CUDA_R_16BF},   {CUDA_R_16BF, E5M2, CUDA_R_16BF},
    {CUDA_R_16F, E5M2, CUDA_R_16F}};
static const cudaDataType factors[][2] = {{E4M3, E4M3}, {E4M3, E5M2}, {E5M2, E4M3}};

static void served(void) {
  const cublasLtEpilogue_t epilogues[] = {CUBLASLT_EPILOGUE_DEFAULT, CUBLASLT_EPILOGUE_BIAS,
                                          CUBLASLT_EPILOGUE_RELU_BIAS, CUBLASLT_EPILOGUE_GELU_BIAS};
  for (int f = 0; f < 3; f++)
    for (int r = 0; r < (f ? 7 : 5); r++) {
      struct test t = {factors[f][0], factors[f][1], results[r][0], results[r][1], results[r][2],
                       .ta = 1, .batch = 1, .scaled = 1, .epilogue = epilogues[r % 4]};
      EXPECT(plain(&t), 0);
    }
  for (int x = 0; x < 64; x += 7) { /* operations, orders, batches, scales or none, scalars */
    struct test t = {E4M3, E5M2, CUDA_R_16BF, x & 1 ? E4M3 : CUDA_R_16BF, CUDA_R_16BF,
                     .ta = x & 1, .tb = x >> 1 & 1, .by_rows = x >> 2 & 1, .batch = 1 + (x >> 3 & 1),
                     .scaled = x >> 4 & 1, .on_device = x >> 5, .epilogue = epilogues[x % 2]};
    EXPECT(plain(&t), 0);
    t.batch = t.scaled = t.vectors = 1;
    EXPECT(plain(&t), 0);
  }
}

static void refused(void) {
  const int no = CUBLAS_STATUS_NOT_SUPPORTED, invalid = CUBLAS_STATUS_INVALID_VALUE;
  struct test t = {E5M2, E5M2, CUDA_R_16BF, CUDA_R_16BF, CUDA_R_16BF, .batch = 1,
                   .epilogue = CUBLASLT_EPILOGUE_DEFAULT};
  EXPECT(plain(&t), no);
  t.a = E4M3, t.b = CUDA_R_16BF;
  EXPECT(plain(&t), no);
  t.a = CUDA_R_16BF, t.b = E4M3;
  EXPECT(plain(&t), no);
  t.a = E4M3, t.d = E5M2; /* E5M2 from two E4M3 */
  EXPECT(plain(&t), no);
  t.c = t.d = E4M3;
  EXPECT(plain(&t), no);
  t.c = CUDA_R_32F, t.d = CUDA_R_16BF;
  EXPECT(plain(&t), no);
  t.c = t.d = CUDA_R_32F;
  EXPECT(plain(&t), 0);
  EXPECT(product(&t, CUBLAS_COMPUTE_16F, CUDA_R_16F), no);
  EXPECT(product(&t, CUBLAS_COMPUTE_32F_FAST_16F, CUDA_R_32F), no);
  EXPECT(product(&t, CUBLAS_COMPUTE_32F, CUDA_R_64F), no);
  t = (struct test){CUDA_R_16F, CUDA_R_16F, CUDA_R_16F, CUDA_R_16F, CUDA_R_16F, .batch = 1, .scaled = 1,
                    .epilogue = CUBLASLT_EPILOGUE_DEFAULT};
  EXPECT(plain(&t), no); /* scales of other types */
  int32_t modes[] = {1, 2, 4, 5, CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F, 99};
  const cublasLtMatmulDescAttributes_t of[] = {
      CUBLASLT_MATMUL_DESC_A_SCALE_MODE, CUBLASLT_MATMUL_DESC_B_SCALE_MODE,
      CUBLASLT_MATMUL_DESC_C_SCALE_MODE, CUBLASLT_MATMUL_DESC_D_SCALE_MODE};
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 6; j++)
      EXPECT(with(of[i], &modes[j], sizeof modes[j], 2), j == 5 ? invalid : no);
  EXPECT(with(of[0], &modes[4], sizeof modes[4], 1), 0);
  const int32_t half = CUDA_R_16F;
  const void *p = amax;
  EXPECT(with(CUBLASLT_MATMUL_DESC_D_OUT_SCALE_POINTER, &p, sizeof p, 1), no);
  EXPECT(with(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &half, sizeof half, 1), 0); /* without a bias */
}

/* Scales that are not there when the call is made, and others for each launch of a graph. */
static void stream_order(void) {
  cublasLtMatmulDesc_t desc;
  cudaStream_t stream;
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  const float one = 1, zero = 0, four = 4;
  EXPECT(cudaStreamCreate(&stream), cudaSuccess);
  EXPECT(cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F), 0);
  cublasLtMatrixLayout_t square = layout(E4M3, 16, 16, 0, 1), d = layout(CUDA_R_32F, 16, 16, 0, 1);
  const void *p = factor, *most = amax;
  SET(A_SCALE_POINTER, p);
  SET(AMAX_D_POINTER, most);
  memset(A, 0x38, MOST); /* ones */
  *factor = 0;
  EXPECT(cudaMemcpyAsync(factor, &four, sizeof four, cudaMemcpyHostToDevice, stream), cudaSuccess);
  EXPECT(cublasLtMatmul(lt, desc, &one, A, square, A, square, &zero, NULL, d, D, d, NULL, NULL, 0,
                        stream), 0);
  EXPECT(cudaStreamSynchronize(stream), cudaSuccess);
  TRUE(((float *)(void *)D)[15] == 64);
  EXPECT(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), cudaSuccess);
  EXPECT(cublasLtMatmul(lt, desc, &one, A, square, A, square, &zero, NULL, d, D, d, NULL, NULL, 0,
                        stream), 0);
  EXPECT(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  EXPECT(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
  for (int i = 3; i > 0; i--) {
    *factor = (float)i;
    EXPECT(cudaGraphLaunch(exec, stream), cudaSuccess);
    EXPECT(cudaStreamSynchronize(stream), cudaSuccess);
    TRUE(((float *)(void *)D)[15] == 16 * *factor && *amax == 16 * *factor);
  }
  EXPECT(cudaGraphExecDestroy(exec), cudaSuccess);
  EXPECT(cudaGraphDestroy(graph), cudaSuccess);
  EXPECT(cudaStreamDestroy(stream), cudaSuccess);
  EXPECT(cublasLtMatrixLayoutDestroy(square), 0);
  EXPECT(cublasLtMatrixLayoutDestroy(d), 0);
  EXPECT(cublasLtMatmulDescDestroy(desc), 0);
}

int main(void) {
  A = device(4 * BATCH * MOST), B = device(4 * BATCH * MOST), C = device(4 * BATCH * MOST);
  D = device(4 * BATCH * MOST), bias = device(4 * BATCH * M), amax = device(4);
  factor = device(4 * (M + N + 2));
  for (int i = 0; i < M + N + 2; i++) factor[i] = 0.75f + 0.25f * (float)(i % 5);
  EXPECT(cublasLtCreate(&lt), CUBLAS_STATUS_SUCCESS);
  served();
  refused();
  stream_order();
  EXPECT(cublasLtDestroy(lt), CUBLAS_STATUS_SUCCESS);
  puts("ok");
  return 0;
}
