/* lt.c KIND - cublasLtMatmul and cublasLtMatrixTransform of these types against sums in double
 * precision: orders, operations, C apart from D, batches, epilogues, both pointer modes, descriptors
 * of the library's and of the program's, and a heuristic that always has an answer. */
#include "lt_layout.h"

static cublasLtHandle_t lt;
static const struct kind *kind;
static char *A, *B, *C, *D, *bias, *scalars;

struct test {
  int ta, tb, row_a, row_b, row_c, row_d, batch, in_place, on_device;
  cublasLtEpilogue_t epilogue;
};

static double complex at(cudaDataType type, const char *x, int op, int by_rows, int b, int i,
                         int j) {
  const int t = op != CUBLAS_OP_N, row = t ? j : i, column = t ? i : j;
  const double complex value =
      get(type, x, b * MOST + (by_rows ? row * LD + column : row + column * LD));
  return op == CUBLAS_OP_C ? conj(value) : value;
}

static double after(cublasLtEpilogue_t epilogue, double x, double with) {
  if (epilogue & CUBLASLT_EPILOGUE_BIAS) x += with;
  if (epilogue & CUBLASLT_EPILOGUE_RELU) return x > 0 ? x : 0;
  if (epilogue & CUBLASLT_EPILOGUE_GELU)
    return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
  return x;
}

static void expect_near(double complex got, double complex wanted, double size) {
  if (cabs(got - wanted) <= kind->tolerance * size) return;
  printf("%g%+gi, expected %g%+gi\n", creal(got), cimag(got), creal(wanted), cimag(wanted));
  exit(1);
}

static void compare(const struct test *t, const char *old, double complex alpha,
                    double complex beta) {
  EXPECT(cudaDeviceSynchronize(), cudaSuccess);
  const char *result = t->in_place ? C : D;
  for (int b = 0; b < t->batch; b++)
    for (int i = 0; i < M; i++)
      for (int j = 0; j < N; j++) {
        const double complex c = at(kind->c, old, 0, t->row_c, b, i, j);
        double complex sum = 0;
        double size = cabs(beta * c);
        for (int p = 0; p < K; p++) {
          const double complex term = at(kind->ab, A, t->ta, t->row_a, b, i, p) *
                                      at(kind->ab, B, t->tb, t->row_b, b, p, j);
          sum += term, size += cabs(alpha * term);
        }
        sum = alpha * sum + beta * c;
        const double with = creal(get(kind->c, bias, b * M + i));
        if (t->epilogue != CUBLASLT_EPILOGUE_DEFAULT)
          sum = after(t->epilogue, creal(sum), with), size += fabs(with);
        expect_near(at(kind->c, result, 0, t->row_d, b, i, j), sum, 2 * size);
      }
}

#define SET(attribute, value) \
  EXPECT(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_##attribute, &(value), \
                                        sizeof(value)), 0)

static void describe(cublasLtMatmulDesc_t desc, const struct test *t) {
  const int32_t ta = t->ta, tb = t->tb, mode = t->on_device;
  const uint32_t epilogue = t->epilogue;
  const int64_t bias_stride = M;
  const void *p = bias;
  SET(TRANSA, ta);
  SET(TRANSB, tb);
  SET(POINTER_MODE, mode);
  SET(EPILOGUE, epilogue);
  SET(BIAS_POINTER, p);
  SET(BIAS_BATCH_STRIDE, bias_stride);
}

static void multiply(const struct test *t) {
  static char old[16 * BATCH * MOST];
  cublasLtMatmulDescOpaque_t mine;
  cublasLtMatmulDesc_t desc = &mine;
  cublasLtMatmulPreference_t preference;
  cublasLtMatmulHeuristicResult_t found[2];
  int count = 0;
  const double complex alpha = is_integer(kind->scale) ? 3 : 1.5 + (is_complex(kind->scale) ? I : 0);
  const double complex beta = is_integer(kind->scale) ? -2 : 0.5;
  fill(kind->c, C, BATCH * MOST);
  memcpy(old, C, sizeof old);
  put(kind->scale, scalars, 0, alpha), put(kind->scale, scalars, 1, beta);
  if (t->in_place)
    EXPECT(cublasLtMatmulDescCreate(&desc, kind->compute, kind->scale), 0);
  else
    EXPECT(cublasLtMatmulDescInit(desc, kind->compute, kind->scale), 0);
  describe(desc, t);
  cublasLtMatrixLayout_t a = layout(kind->ab, t->ta ? K : M, t->ta ? M : K, t->row_a, t->batch);
  cublasLtMatrixLayout_t b = layout(kind->ab, t->tb ? N : K, t->tb ? K : N, t->row_b, t->batch);
  cublasLtMatrixLayout_t c = layout(kind->c, M, N, t->row_c, t->batch);
  cublasLtMatrixLayout_t d = layout(kind->c, M, N, t->row_d, t->batch);
  EXPECT(cublasLtMatmulPreferenceCreate(&preference), 0);
  EXPECT(cublasLtMatmulAlgoGetHeuristic(lt, desc, a, b, c, d, preference, 2, found, &count), 0);
  EXPECT(count, 1);
  EXPECT(found[0].state, CUBLAS_STATUS_SUCCESS);
  EXPECT(found[0].workspaceSize, 0);
  EXPECT(cublasLtMatmul(lt, desc, scalars, A, a, B, b, scalars + bytes_of(kind->scale), C, c,
                        t->in_place ? C : D, d, t->in_place ? NULL : &found[0].algo, NULL, 0, 0), 0);
  compare(t, old, alpha, beta);
  EXPECT(cublasLtMatmulDescDestroy(desc), 0);
  EXPECT(cublasLtMatmulPreferenceDestroy(preference), 0);
  cublasLtMatrixLayout_t layouts[] = {a, b, c, d};
  for (int i = 0; i < 4; i++) EXPECT(cublasLtMatrixLayoutDestroy(layouts[i]), 0);
}

/* Without an epilogue for complex numbers and integers. */
static int takes(cublasLtEpilogue_t epilogue) {
  return epilogue == CUBLASLT_EPILOGUE_DEFAULT || !(is_complex(kind->c) || is_integer(kind->c));
}

static void transform(int ta, int tb, int row_a, int row_c, int with_b, int batch) {
  cublasLtMatrixTransformDesc_t desc;
  cublasLtMatrixLayout_t a = layout(kind->ab, ta ? N : M, ta ? M : N, row_a, batch);
  cublasLtMatrixLayout_t b = layout(kind->c, tb ? N : M, tb ? M : N, row_a, batch);
  cublasLtMatrixLayout_t c = layout(kind->c, M, N, row_c, batch);
  EXPECT(cublasLtMatrixTransformDescCreate(&desc, kind->scale), 0);
  const int32_t ops[] = {ta, tb};
  EXPECT(cublasLtMatrixTransformDescSetAttribute(desc, CUBLASLT_MATRIX_TRANSFORM_DESC_TRANSA,
                                                 &ops[0], sizeof ops[0]), 0);
  EXPECT(cublasLtMatrixTransformDescSetAttribute(desc, CUBLASLT_MATRIX_TRANSFORM_DESC_TRANSB,
                                                 &ops[1], sizeof ops[1]), 0);
  put(kind->scale, scalars, 0, 2), put(kind->scale, scalars, 1, with_b ? -1 : 0);
  fill(kind->c, C, BATCH * MOST);
  const int status = (int)cublasLtMatrixTransform(
      lt, desc, scalars, A, a, scalars + bytes_of(kind->scale), with_b ? C : NULL,
      with_b ? b : NULL, D, c, 0);
  EXPECT(status, 0);
  EXPECT(cudaDeviceSynchronize(), cudaSuccess);
  for (int x = 0; x < batch * M * N; x++) {
    const int l = x / (M * N), i = x / N % M, j = x % N;
    const double complex p = 2 * at(kind->ab, A, ta, row_a, l, i, j);
    const double complex q = with_b ? at(kind->c, C, tb, row_a, l, i, j) : 0;
    expect_near(at(kind->c, D, 0, row_c, l, i, j), p - q, cabs(p) + cabs(q));
  }
}

int main(int argc, char **argv) {
  cublasHandle_t handle;
  TRUE(argc == 2);
  kind = kind_named(argv[1]);
  EXPECT(cublasCreate(&handle), CUBLAS_STATUS_SUCCESS);
  need_kernel(handle, kind);
  A = device(16 * BATCH * MOST), B = device(16 * BATCH * MOST), C = device(16 * BATCH * MOST);
  D = device(16 * BATCH * MOST), bias = device(16 * BATCH * M), scalars = device(32);
  fill(kind->ab, A, BATCH * MOST), fill(kind->ab, B, BATCH * MOST), fill(kind->c, bias, BATCH * M);
  const cublasLtEpilogue_t epilogues[] = {CUBLASLT_EPILOGUE_DEFAULT,   CUBLASLT_EPILOGUE_RELU,
                                          CUBLASLT_EPILOGUE_BIAS,      CUBLASLT_EPILOGUE_RELU_BIAS,
                                          CUBLASLT_EPILOGUE_GELU,      CUBLASLT_EPILOGUE_GELU_BIAS};
  EXPECT(cublasLtCreate(&lt), CUBLAS_STATUS_SUCCESS);
  /* Every class of call is planned the first time: all of one type, some of the others. */
  const int step = kind->ab == CUDA_R_32F ? 1 : 17;
  for (int x = 0; x < 9 * 16; x += step) /* operations and orders */
    multiply(&(struct test){.ta = x % 3, .tb = x / 3 % 3, .row_a = x / 9 & 1, .row_b = x / 18 & 1,
                            .row_c = x / 36 & 1, .row_d = x / 72 & 1, .batch = 1,
                            .epilogue = CUBLASLT_EPILOGUE_DEFAULT});
  for (int i = 0; i < 6; i++) /* epilogues, batches, in place, where the scalars are */
    for (int x = 0; takes(epilogues[i]) && x < 16; x += step)
      multiply(&(struct test){.ta = x & 1, .row_c = x >> 1 & 1, .row_d = x >> 1 & 1,
                              .batch = 1 + (x >> 2 & 1), .in_place = x >> 3, .on_device = x & 1,
                              .epilogue = epilogues[i]});
  EXPECT(cublasLtDestroy(lt), CUBLAS_STATUS_SUCCESS);
  lt = (cublasLtHandle_t)handle; /* a cuBLAS handle is a cuBLASLt handle too */
  multiply(&(struct test){.batch = 1, .epilogue = CUBLASLT_EPILOGUE_DEFAULT});
  for (int x = 0; x < 32; x += step)
    transform(x & 1, x >> 1 & 1, x >> 2 & 1, x >> 3 & 1, x >> 4, 1 + (x & 1));
  if (is_complex(kind->ab)) transform(CUBLAS_OP_C, 0, 0, 0, 1, 1);
  EXPECT(cublasDestroy(handle), CUBLAS_STATUS_SUCCESS);
  puts("ok");
  return 0;
}
