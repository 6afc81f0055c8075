/* products.c KIND - every product of cuBLAS that takes these types against sums in double precision:
 * operations, leading dimensions, batches by stride and by pointer, groups, both integer widths, both
 * pointer modes. */
#include "numbers.h"

enum { M = 13, N = 9, K = 17, LDA = 20, LDB = 21, LDC = 15, BATCH = 3, MOST = LDB * 20 };

static cublasHandle_t handle;
static const struct kind *kind;
static int device_scalars;
static char *A, *B, *C;        /* BATCH matrices of MOST elements each */
static void *As[BATCH], *Bs[BATCH], *Cs[BATCH];
static double complex want[BATCH * MOST], size[BATCH * MOST];

/* ---- every way to ask for a product, as functions of one type -------------------------------- */

#define HEAD(integer) \
  cublasHandle_t, cublasOperation_t, cublasOperation_t, integer, integer, integer, const void *
#define ONE(integer) \
  HEAD(integer), const void *, integer, const void *, integer, const void *, void *, integer
#define STRIDED(integer) \
  HEAD(integer), const void *, integer, long long, const void *, integer, long long, const void *, \
      void *, integer, long long, integer
#define ARRAY(integer) \
  HEAD(integer), void *const *, integer, void *const *, integer, const void *, void *const *, \
      integer, integer
typedef cublasStatus_t (*one)(ONE(int));
typedef cublasStatus_t (*one_64)(ONE(int64_t));
typedef cublasStatus_t (*strided)(STRIDED(int));
typedef cublasStatus_t (*strided_64)(STRIDED(int64_t));
typedef cublasStatus_t (*array)(ARRAY(int));
typedef cublasStatus_t (*array_64)(ARRAY(int64_t));

struct forms {
  one plain, plain3m;
  one_64 plain_64, plain3m_64;
  strided strided, strided3m;
  strided_64 strided_64, strided3m_64;
  array array, array3m;
  array_64 array_64, array3m_64;
};
#define FORMS(T) \
  .plain = (one)cublas##T##gemm, .plain_64 = (one_64)cublas##T##gemm_64, \
  .strided = (strided)cublas##T##gemmStridedBatched, \
  .strided_64 = (strided_64)cublas##T##gemmStridedBatched_64, \
  .array = (array)cublas##T##gemmBatched, .array_64 = (array_64)cublas##T##gemmBatched_64
static const struct forms S = {FORMS(S)}, D = {FORMS(D)}, H = {FORMS(H)};
static const struct forms Z = {
    FORMS(Z), .plain3m = (one)cublasZgemm3m, .plain3m_64 = (one_64)cublasZgemm3m_64};
static const struct forms C_ = {FORMS(C),
                                .plain3m = (one)cublasCgemm3m,
                                .plain3m_64 = (one_64)cublasCgemm3m_64,
                                .strided3m = (strided)cublasCgemm3mStridedBatched,
                                .strided3m_64 = (strided_64)cublasCgemm3mStridedBatched_64,
                                .array3m = (array)cublasCgemm3mBatched,
                                .array3m_64 = (array_64)cublasCgemm3mBatched_64};

static const struct forms *forms(void) {
  static const struct forms none = {0};
  const struct {
    const char *name;
    const struct forms *forms;
  } letters[] = {{"f32", &S}, {"f64", &D}, {"c64", &C_}, {"c128", &Z}, {"f16-half", &H}};
  for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
    if (!strcmp(letters[i].name, kind->name)) return letters[i].forms;
  return &none;
}

/* ---- the reference --------------------------------------------------------------------------- */

static void reference(int ta, int tb, double complex alpha, double complex beta, int batch) {
  const size_t ab = bytes_of(kind->ab), c = bytes_of(kind->c);
  for (int64_t x = 0; x < BATCH * MOST; x++) want[x] = get(kind->c, C, x), size[x] = 0;
  for (int b = 0; b < batch; b++)
    for (int j = 0; j < N; j++)
      for (int i = 0; i < M; i++) {
        double complex sum = 0;
        double absolute = 0;
        for (int p = 0; p < K; p++) {
          const double complex term = element(kind->ab, A + ab * b * MOST, ta, LDA, i, p) *
                                      element(kind->ab, B + ab * b * MOST, tb, LDB, p, j);
          sum += term, absolute += cabs(term);
        }
        const int64_t at = b * MOST + i + j * LDC;
        const double complex old = beta != 0 ? beta * get(kind->c, C + c * b * MOST, i + j * LDC) : 0;
        want[at] = alpha * sum + old;
        size[at] = cabs(alpha) * absolute + cabs(old);
      }
}

static void compare(void) {
  EXPECT(cudaDeviceSynchronize(), cudaSuccess);
  for (int64_t x = 0; x < BATCH * MOST; x++) {
    const double complex got = get(kind->c, C, x);
    const int untouched = size[x] == 0 && (isnan(creal(want[x])) ? isnan(creal(got)) : got == want[x]);
    if (!untouched && !(cabs(got - want[x]) <= kind->tolerance * creal(size[x]))) {
      printf("element %lld: %g%+gi, expected %g%+gi\n", (long long)x, creal(got), cimag(got),
             creal(want[x]), cimag(want[x]));
      exit(1);
    }
  }
}

/* ---- calls ----------------------------------------------------------------------------------- */

static char *scalars; /* alpha, then beta, one element each */

/* Sets alpha, beta and C, and expects what `batch` products give. */
static void prepare(int ta, int tb, int with_c, int batch) {
  const double complex alpha = is_integer(kind->scale) ? 3 : 1.5 + (is_complex(kind->scale) ? I : 0);
  const double complex beta = !with_c ? 0 : is_integer(kind->scale) ? -2 : 0.5;
  put(kind->scale, scalars, 0, alpha);
  put(kind->scale, scalars, 1, beta);
  fill(kind->c, C, BATCH * MOST);
  for (int b = 0; !with_c && !is_integer(kind->c) && b < batch; b++) /* what nobody may read */
    for (int x = 0; x < LDC * N; x++)
      if (x % LDC < M) put(kind->c, C, b * MOST + x, NAN);
  reference(ta, tb, alpha, beta, batch);
}

enum { EVERY_FORM = 20 };

/* -1: there is no such form for these types. */
static int call(int form, cublasOperation_t ta, cublasOperation_t tb) {
  const struct forms *f = forms();
  const void *al = scalars, *be = scalars + bytes_of(kind->scale);
  const cudaDataType t = kind->ab, u = kind->c;
  const cublasComputeType_t how = kind->compute;
  const cublasGemmAlgo_t algo = CUBLAS_GEMM_DEFAULT_TENSOR_OP;
#define IF(function, ...) return f->function ? (int)f->function(handle, ta, tb, M, N, K, __VA_ARGS__) : -1
#define CALL(function, ...) return (int)function(handle, ta, tb, M, N, K, __VA_ARGS__)
  void *const *pa = As, *const *pb = Bs, *const *pc = Cs;
  const void *const *ca = (const void *const *)As, *const *cb = (const void *const *)Bs;
  switch (form) {
    case 0: IF(plain, al, A, LDA, B, LDB, be, C, LDC);
    case 1: IF(plain_64, al, A, LDA, B, LDB, be, C, LDC);
    case 2: IF(plain3m, al, A, LDA, B, LDB, be, C, LDC);
    case 3: IF(plain3m_64, al, A, LDA, B, LDB, be, C, LDC);
    case 4: CALL(cublasGemmEx, al, A, t, LDA, B, t, LDB, be, C, u, LDC, how, algo);
    case 5: CALL(cublasGemmEx_64, al, A, t, LDA, B, t, LDB, be, C, u, LDC, how, algo);
    case 6:
      if (kind->scale != CUDA_R_32F) return -1;
      CALL(cublasSgemmEx, al, A, t, LDA, B, t, LDB, be, C, u, LDC);
    case 7:
      if (kind->scale != CUDA_C_32F) return -1;
      CALL(cublasCgemmEx, al, A, t, LDA, B, t, LDB, be, C, u, LDC);
    case 8:
      if (kind->scale != CUDA_C_32F) return -1;
      CALL(cublasCgemm3mEx_64, al, A, t, LDA, B, t, LDB, be, C, u, LDC);
    case 9: IF(strided, al, A, LDA, MOST, B, LDB, MOST, be, C, LDC, MOST, BATCH);
    case 10: IF(strided_64, al, A, LDA, MOST, B, LDB, MOST, be, C, LDC, MOST, BATCH);
    case 11: IF(strided3m, al, A, LDA, MOST, B, LDB, MOST, be, C, LDC, MOST, BATCH);
    case 12: IF(strided3m_64, al, A, LDA, MOST, B, LDB, MOST, be, C, LDC, MOST, BATCH);
    case 13:
      CALL(cublasGemmStridedBatchedEx, al, A, t, LDA, MOST, B, t, LDB, MOST, be, C, u, LDC, MOST,
           BATCH, how, algo);
    case 14: IF(array, al, pa, LDA, pb, LDB, be, pc, LDC, BATCH);
    case 15: IF(array_64, al, pa, LDA, pb, LDB, be, pc, LDC, BATCH);
    case 16: IF(array3m, al, pa, LDA, pb, LDB, be, pc, LDC, BATCH);
    case 17: IF(array3m_64, al, pa, LDA, pb, LDB, be, pc, LDC, BATCH);
    case 18: CALL(cublasGemmBatchedEx, al, ca, t, LDA, cb, t, LDB, be, pc, u, LDC, BATCH, how, algo);
    default:
      CALL(cublasGemmBatchedEx_64, al, ca, t, LDA, cb, t, LDB, be, pc, u, LDC, BATCH, how, algo);
  }
}

static void forms_and_operations(int pointers) {
  for (int form = pointers ? 14 : 0; form < (pointers ? EVERY_FORM : 14); form++)
    for (int ops = 0; ops < 9; ops++) {
      const int ta = ops % 3, tb = ops / 3;
      prepare(ta, tb, ops % 2, form < 9 ? 1 : BATCH);
      const int status = call(form, (cublasOperation_t)ta, (cublasOperation_t)tb);
      if (status == -1) break;
      EXPECT(status, CUBLAS_STATUS_SUCCESS);
      compare();
    }
}

/* Two groups of one and two products, with the scalars of each. */
static void groups(void) {
  const int m[] = {M, M}, n[] = {N, N}, k[] = {K, K}, lda[] = {LDA, LDA}, ldb[] = {LDB, LDB};
  const int ldc[] = {LDC, LDC}, each[] = {1, 2};
  const int64_t m8[] = {M, M}, n8[] = {N, N}, k8[] = {K, K}, lda8[] = {LDA, LDA};
  const int64_t ldb8[] = {LDB, LDB}, ldc8[] = {LDC, LDC}, each8[] = {1, 2};
  const cublasOperation_t ta[] = {CUBLAS_OP_T, CUBLAS_OP_T}, tb[] = {CUBLAS_OP_N, CUBLAS_OP_N};
  char alphas[32], betas[32];
  const void *const *a = (const void *const *)As, *const *b = (const void *const *)Bs;
  for (int form = 0; form < 4; form++) {
    prepare(ta[0], tb[0], 1, BATCH);
    for (int i = 0; i < 2; i++) {
      put(kind->scale, alphas, i, get(kind->scale, scalars, 0));
      put(kind->scale, betas, i, get(kind->scale, scalars, 1));
    }
    int status = -1;
    if (form == 0)
      status = (int)cublasGemmGroupedBatchedEx(handle, ta, tb, m, n, k, alphas, a, kind->ab, lda, b,
                                               kind->ab, ldb, betas, Cs, kind->c, ldc, 2, each,
                                               kind->compute);
    else if (form == 1)
      status = (int)cublasGemmGroupedBatchedEx_64(handle, ta, tb, m8, n8, k8, alphas, a, kind->ab,
                                                  lda8, b, kind->ab, ldb8, betas, Cs, kind->c, ldc8,
                                                  2, each8, kind->compute);
    else if (form == 2 && kind->ab == CUDA_R_32F)
      status = (int)cublasSgemmGroupedBatched(handle, ta, tb, m, n, k, (float *)(void *)alphas,
                                              (const float *const *)a, lda, (const float *const *)b,
                                              ldb, (float *)(void *)betas, (float *const *)Cs, ldc, 2,
                                              each);
    else if (form == 3 && kind->ab == CUDA_R_64F)
      status = (int)cublasDgemmGroupedBatched_64(
          handle, ta, tb, m8, n8, k8, (double *)(void *)alphas, (const double *const *)a, lda8,
          (const double *const *)b, ldb8, (double *)(void *)betas, (double *const *)Cs, ldc8, 2, each8);
    if (status == -1) continue;
    EXPECT(status, CUBLAS_STATUS_SUCCESS);
    compare();
  }
}

int main(int argc, char **argv) {
  TRUE(argc == 3);
  const int pointers = !strcmp(argv[2], "pointers");
  kind = kind_named(argv[1]);
  EXPECT(cublasCreate(&handle), CUBLAS_STATUS_SUCCESS);
  need_kernel(handle, kind);
  A = device(16 * BATCH * MOST), B = device(16 * BATCH * MOST), C = device(16 * BATCH * MOST);
  fill(kind->ab, A, BATCH * MOST), fill(kind->ab, B, BATCH * MOST);
  for (int b = 0; b < BATCH; b++) {
    As[b] = A + b * MOST * bytes_of(kind->ab), Bs[b] = B + b * MOST * bytes_of(kind->ab);
    Cs[b] = C + b * MOST * bytes_of(kind->c);
  }
  char on_host[32];
  for (device_scalars = 0; device_scalars < 2; device_scalars++) {
    scalars = device_scalars ? device(32) : on_host;
    EXPECT(cublasSetPointerMode(handle, device_scalars ? CUBLAS_POINTER_MODE_DEVICE
                                                       : CUBLAS_POINTER_MODE_HOST),
           CUBLAS_STATUS_SUCCESS);
    if (pointers) {
      scalars[0] = 0;
      const int status = (prepare(0, 0, 0, 0), call(18, CUBLAS_OP_N, CUBLAS_OP_N));
      if (status == CUBLAS_STATUS_NOT_SUPPORTED) return 77;
    }
    forms_and_operations(pointers);
    if (pointers && !device_scalars) groups();
  }
  EXPECT(cublasDestroy(handle), CUBLAS_STATUS_SUCCESS);
  puts("ok");
  return 0;
}
