/* gemm.h - inside libcublas and libcublasLt: which products there are, and how they are called. */
#ifndef SHIM_GEMM_H
#define SHIM_GEMM_H
#include "cublas.h"

/* What the vendor calls a product by; scale is the type of alpha and beta. */
struct gemm_types {
  cudaDataType a, b, c;
  cublasComputeType_t compute;
  cudaDataType scale;
};
/* As the other types imply. */
#define ANY_SCALE ((cudaDataType) - 1)
#define ANY_COMPUTE ((cublasComputeType_t) - 1)

/* NULL and the core's kind with the dtype of alpha and beta, or the argument that rules it out. */
HIDDEN const char *gemm_kind(const struct gemm_types *types, ocu_gemm_kind *kind,
                             ocu_dtype *scalars);

/* Runs a product whose alpha and beta, of the dtype `scalars`, may be in device memory (there NULL
 * is zero) or half. */
HIDDEN ocu_status gemm_run(ocu_stream *stream, int on_device, ocu_dtype scalars,
                           const ocu_product *product, gemm_function *run);
/* The same as the handle says. */
static inline ocu_status handle_run(cublasHandle_t handle, ocu_dtype scalars,
                                    const ocu_product *product, gemm_function *run) {
  if (handle->offload) return handle->offload(handle, product, run);
  return gemm_run(stream_of(handle->stream), handle->pointer_mode == CUBLAS_POINTER_MODE_DEVICE,
                  scalars, product, run);
}
HIDDEN ocu_status offload(cublasHandle_t handle, const ocu_product *p, gemm_function *run);
HIDDEN int cpu_device(void);
/* 1, 0 or -1. */
HIDDEN const void *number(ocu_dtype dtype, int n);
/* Calls what reads device memory, waiting for the work queued before; of a graph, whenever it runs. */
HIDDEN ocu_status read_and_run(ocu_stream *stream, ocu_status (*run)(ocu_stream *, void *),
                               void *data, size_t bytes);
static inline int is_complex(ocu_dtype dtype) { return dtype == OCU_C64 || dtype == OCU_C128; }
static inline int64_t at_least_1(int64_t n) { return n > 1 ? n : 1; }

/* ---- cuBLAS: column-major C = alpha op(A) op(B) + beta C ------------------------------------- */

struct operand {
  const void *p; /* or an array of pointers */
  int64_t ld, stride;
};

struct gemm {
  cublasHandle_t handle;
  const char *name;
  struct gemm_types types;
  cublasOperation_t transa, transb;
  int64_t m, n, k;
  const void *alpha;
  struct operand a, b;
  const void *beta;
  struct operand c;
  int64_t batch;
  int pointers; /* p of each operand is an array of `batch` pointers */
};

/* Arrays with a number a group in host memory; those of pointers, with one a product, anywhere. */
struct groups {
  cublasHandle_t handle;
  const char *name;
  struct gemm_types types;
  size_t integer; /* bytes of an integer: 4 or 8 */
  int64_t count;
  const cublasOperation_t *transa, *transb;
  const void *m, *n, *k, *alpha, *a, *lda, *b, *ldb, *beta, *c, *ldc, *size;
};

HIDDEN cublasStatus_t gemm(const struct gemm *g);
HIDDEN cublasStatus_t geam(const struct gemm *g); /* C = alpha op(A) + beta op(B) */
HIDDEN cublasStatus_t gemm_grouped(const struct groups *g);

/* ---- cuBLAS: a matrix of which one side is stored, or written --------------------------------- */

struct sided {
  cublasHandle_t handle;
  const char *name;
  struct gemm_types types;
  cublasSideMode_t side;
  cublasFillMode_t uplo;
  cublasOperation_t trans;
  cublasDiagType_t diag;
  int64_t m, n; /* of updates: n, k */
  const void *alpha;
  struct operand a, b;
  const void *beta; /* NULL: zero */
  struct operand c;
};
HIDDEN cublasStatus_t sided(const struct sided *g, int kind, gemm_function *run);
enum { SYRK, SYRKX, SYR2K, HERK, HERKX, HER2K };
HIDDEN cublasStatus_t trsm_batched(const struct sided *g, uint8_t dtype, int64_t batch);
HIDDEN cublasStatus_t update_side(const struct sided *g, int how);

/* ---- cuBLAS: every other routine ------------------------------------------------------------- */

/* The factors and what is staged are in host or device memory, as the pointer mode says. */
HIDDEN cublasStatus_t routine(cublasHandle_t handle, const char *name, ocu_routine *r);
/* n elements a step apart; with a negative one, p is the last of them. */
HIDDEN ocu_operand vector(uint8_t dtype, const void *p, int64_t n, int64_t step, int how);

/* A matrix of a form of level 2's, as opencu/blas/kernels/matvec.py has it: op(M) has `rows` rows. */
enum { FULL, BAND, PACKED };
enum { GENERAL, SYMMETRIC, HERMITIAN, TRIANGULAR };
struct form {
  uint8_t storage, kind, lower, op, conjugate; /* updates: op says whether there are two vectors */
  uint8_t turned;                              /* op(M) comes by its strides */
  int64_t rows, columns, k, left, right, unit, least_ld;
  int64_t stored_rows, stored_columns;
};
/* 0: an argument is not what it may be. */
HIDDEN int general_band(struct form *f, cublasOperation_t trans, int64_t m, int64_t n, int64_t kl,
                        int64_t ku);
HIDDEN int square(struct form *f, int storage, int kind, cublasFillMode_t uplo, int64_t n, int64_t k);
HIDDEN int triangle(struct form *f, int storage, cublasFillMode_t uplo, cublasOperation_t trans,
                    cublasDiagType_t diag, int64_t n, int64_t k);
HIDDEN int general(struct form *f, int64_t m, int64_t n, int conjugate);
HIDDEN int updated(struct form *f, int storage, int kind, cublasFillMode_t uplo, int64_t n, int twice);
HIDDEN ocu_operand stored(const struct form *f, const void *p, int64_t ld, uint8_t dtype, int how);

/* A batch of small systems: A (m, n), B (m, columns), what belongs to them; trans is getrs's. */
struct systems {
  cublasHandle_t handle;
  const char *name;
  uint8_t op, dtype;
  int64_t m, n;
  struct operand a, b;
  int64_t columns;
  const void *pivots, *tau, *info;
  int *host_info;
  int64_t batch;
  cublasOperation_t trans;
};
HIDDEN cublasStatus_t systems(const struct systems *g, int wrong);
HIDDEN cublasStatus_t diagonal(cublasHandle_t handle, const char *name, uint8_t dtype,
                               cublasSideMode_t mode, int64_t m, int64_t n, const void *a,
                               int64_t lda, const void *x, int64_t incx, void *c, int64_t ldc);
HIDDEN cublasStatus_t repacked(cublasHandle_t handle, const char *name, uint8_t dtype, int packs,
                               cublasFillMode_t uplo, int64_t n, int64_t lda, const void *from,
                               void *to);
/* y = alpha op(A) x + beta y: a and c of the products' structure, b is x, their ld the steps. */
HIDDEN cublasStatus_t gemv(const struct gemm *g);

HIDDEN uint8_t dtype_of(cudaDataType type);        /* 0: routines have none */
HIDDEN cudaDataType part_of(cudaDataType type);    /* of a complex number's parts */
HIDDEN cudaDataType computed(cudaDataType type);   /* f32 for half precision */

extern HIDDEN atomic_bool logging;
HIDDEN void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
#endif
