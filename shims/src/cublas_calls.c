/* cublas_calls.c - cuBLAS's copies and settings, and the entry points that are a row of a table, or
 * one for each type letter and integer width: made from shims/tables/cublas_api.h. */
#include "cublas_xt.h"
#include "gemm.h"

/* ---- vectors and matrices between host and device -------------------------------------------- */

static cublasStatus_t copied(ocu_status status) {
  return status == OCU_ILLEGAL_ADDRESS ? CUBLAS_STATUS_MAPPING_ERROR
                                       : finish(status, "cublasSetMatrix");
}

static cublasStatus_t copy_matrix(cudaStream_t stream, int64_t rows, int64_t cols,
                                  int64_t elemSize, const void *from, int64_t from_ld, void *to,
                                  int64_t to_ld, int host_sync) {
  int64_t width, from_pitch, to_pitch;
  if (rows < 0 || cols < 0 || elemSize <= 0 || from_ld < at_least_1(rows) ||
      to_ld < at_least_1(rows) || __builtin_mul_overflow(rows, elemSize, &width) ||
      __builtin_mul_overflow(from_ld, elemSize, &from_pitch) ||
      __builtin_mul_overflow(to_ld, elemSize, &to_pitch))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (!rows || !cols) return finish(ocu_alive(), "cublasSetMatrix");
  return copied(ocu_copy_2d(stream_of(stream), to, (size_t)to_pitch, from, (size_t)from_pitch,
                            (size_t)width, (size_t)cols, host_sync));
}

/* A vector with a step is a matrix of one row. */
static cublasStatus_t copy_vector(cudaStream_t stream, int64_t n, int64_t elemSize,
                                  const void *from, int64_t from_step, void *to, int64_t to_step,
                                  int host_sync) {
  if (n < 0 || elemSize <= 0 || from_step <= 0 || to_step <= 0) return CUBLAS_STATUS_INVALID_VALUE;
  if (from_step == 1 && to_step == 1)
    return copy_matrix(stream, n, n != 0, elemSize, from, at_least_1(n), to, at_least_1(n),
                       host_sync);
  return copy_matrix(stream, 1, n, elemSize, from, from_step, to, to_step, host_sync);
}

/* ---- settings: a field of the handle each ---------------------------------------------------- */

/* Every mode allows at least what we do: full precision in the type of the operands. */
static int math_exists(cublasMath_t mode) {
  unsigned base = (unsigned)mode & ~(unsigned)CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
  return base <= CUBLAS_FP32_EMULATED_BF16X9_MATH || base == CUBLAS_FP64_EMULATED_FIXEDPOINT_MATH;
}

#define GET(field, out) (is_live(handle) ? TELL(out, handle->field) : CUBLAS_STATUS_NOT_INITIALIZED)
#define VALID(condition, result) \
  (!is_live(handle) ? CUBLAS_STATUS_NOT_INITIALIZED \
   : !(condition)   ? CUBLAS_STATUS_INVALID_VALUE \
                    : (result))
#define SET(field, value, condition) \
  VALID(condition, (handle->field = (value), CUBLAS_STATUS_SUCCESS))

/* ---- products: of the types that are given, the rest under the names that all rows have -------- */

#define ONE(call, k, ...) \
  call(&(struct gemm){handle, __func__, {__VA_ARGS__}, transa, transb, m, n, k, alpha, {A, lda, 0}, \
                      {B, ldb, 0}, beta, {C, ldc, 0}, 1, 0})
#define GEMM(...) ONE(gemm, k, __VA_ARGS__)
#define GEAM(...) ONE(geam, 0, __VA_ARGS__)
#define STRIDED(...) \
  gemm(&(struct gemm){handle, __func__, {__VA_ARGS__}, transa, transb, m, n, k, alpha, \
                      {A, lda, strideA}, {B, ldb, strideB}, beta, {C, ldc, strideC}, batchCount, 0})
#define BATCHED(...) \
  gemm(&(struct gemm){handle, __func__, {__VA_ARGS__}, transa, transb, m, n, k, alpha, \
                      {Aarray, lda, 0}, {Barray, ldb, 0}, beta, {Carray, ldc, 0}, batchCount, 1})
#define GROUPED(...) \
  gemm_grouped(&(struct groups){handle, __func__, {__VA_ARGS__}, sizeof *m_array, group_count, \
                                transa_array, transb_array, m_array, n_array, k_array, alpha_array, \
                                Aarray, lda_array, Barray, ldb_array, beta_array, Carray, \
                                ldc_array, group_size})

/* ---- other routines: of the operands that are given, under the names that all rows have --------- */

enum { READ = OCU_READS, WRITE = OCU_WRITES, UPDATE = OCU_READS | OCU_WRITES };
#define ROUTINE(name, ...) \
  routine(handle, __func__, &(ocu_routine){.op = OCU_OP_##name, .batch = 1, __VA_ARGS__})
#define X(dtype, how) .x[0] = vector(dtype, x, n, incx, how)
#define Y(dtype, how) .x[1] = vector(dtype, y, n, incy, how)
/* Routines of one vector do nothing where its step is not positive. */
#define FORWARD(dtype, how) .x[0] = vector(dtype, x, incx > 0 ? n : 0, incx, how)
#define FACTOR(i, p, dtype, count) .factor[i] = {p, dtype, count}
/* A number, or several, where the pointer mode says. */
#define NUMBER(i, p, dtype, count) \
  .x[i] = {{p, 0, 0, 1}, 1, count, dtype, OCU_READS | OCU_WRITES | OCU_STAGED}
#define RESULT(dtype) .x[3] = {{result, 0, 0, 1}, 1, 1, dtype, OCU_WRITES | OCU_STAGED}
#define INDEX RESULT(sizeof *result == 8 ? OCU_I64 : OCU_I32)

/* The Ex calls: d is the core's dtype of `type`. */
#define TYPED(name, type, fits, ...) \
  (!is_live(handle) ? CUBLAS_STATUS_NOT_INITIALIZED : __extension__({ \
    const cudaDataType type_ = type; \
    const uint8_t d = dtype_of(type_); \
    d && (fits) ? ROUTINE(name, __VA_ARGS__) \
                : (cublasStatus_t)refused(__func__, "the types: no routine for this combination"); \
  }))
#define EXECUTED(type) ((type) == type_ || (type) == computed(type_))
#define EXECUTED_PART(type) ((type) == part_of(type_) || (type) == part_of(computed(type_)))
#define FACTOR_TYPE(type) (EXECUTED(type) || EXECUTED_PART(type))

/* ---- matrices and vectors: f is what the first argument makes it ---------------------------------- */

#define FORM(how, made, a, ld, steps, dtype, ...) \
  (!is_live(handle) ? CUBLAS_STATUS_NOT_INITIALIZED : __extension__({ \
    struct form f; \
    const size_t size_ = ocu_dtype_bytes(dtype); \
    (void)size_; \
    (made) && (steps) && ld >= f.least_ld \
        ? routine(handle, __func__, &(ocu_routine){.batch = 1, .x[0] = stored(&f, a, ld, dtype, how), \
              .form = {f.storage, f.kind, f.lower, f.op, f.conjugate}, \
              .size = {f.k, f.left, f.right, f.unit}, __VA_ARGS__}) \
        : CUBLAS_STATUS_INVALID_VALUE; \
  }))
#define MULTIPLIED(dtype) \
  .op = OCU_OP_MATVEC, .x[1] = vector(dtype, x, f.columns, incx, READ), \
  .x[2] = vector(dtype, y, f.rows, incy, UPDATE), \
  FACTOR(0, alpha, dtype, 1), FACTOR(1, beta, dtype, 1)
#define IN_PLACE(name, dtype) \
  .op = OCU_OP_##name, .x[1] = vector(dtype, x, n, incx, UPDATE), .workspace = (size_t)n * size_
#define UPDATED(dtype, factor) \
  .op = OCU_OP_RANK, .x[1] = vector(dtype, x, f.rows, incx, READ), FACTOR(0, alpha, factor, 1)
#define BY(dtype) .x[2] = vector(dtype, y, f.columns, incy, READ)
#define DIAGONAL(dtype) diagonal(handle, __func__, dtype, mode, m, n, A, lda, x, incx, C, ldc)
#define REPACKED(dtype, packs, from, to) \
  repacked(handle, __func__, dtype, packs, uplo, n, lda, from, to)

#define GEMV(...) \
  gemv(&(struct gemm){handle, __func__, {__VA_ARGS__}, trans, 0, m, n, 1, alpha, {A, lda, 0}, \
                      {x, incx, 0}, beta, {y, incy, 0}, 1, 0})
#define GEMV_STRIDED(...) \
  gemv(&(struct gemm){handle, __func__, {__VA_ARGS__}, trans, 0, m, n, 1, alpha, {A, lda, strideA}, \
                      {x, incx, stridex}, beta, {y, incy, stridey}, batchCount, 0})
#define GEMV_POINTERS(...) \
  gemv(&(struct gemm){handle, __func__, {__VA_ARGS__}, trans, 0, m, n, 1, alpha, {Aarray, lda, 0}, \
                      {xarray, incx, 0}, beta, {yarray, incy, 0}, batchCount, 1})

/* ---- one side of a matrix: cublas_side.c ------------------------------------------------------- */

#define SIDED(kind, ...) \
  sided(&(struct sided){handle, __func__, {__VA_ARGS__}, side, uplo, CUBLAS_OP_N, 0, m, n, alpha, \
                        {A, lda, 0}, {B, ldb, 0}, beta, {C, ldc, 0}}, kind, ocu_multiply)
#define TRIANGLE(function, b, ldb, c, ldc, ...) \
  sided(&(struct sided){handle, __func__, {__VA_ARGS__}, side, uplo, trans, diag, m, n, alpha, \
                        {A, lda, 0}, {b, ldb, 0}, NULL, {c, ldc, 0}}, OCU_TRIANGULAR, function)
#define UPDATE_SIDE(how, b, ldb, ...) \
  update_side(&(struct sided){handle, __func__, {__VA_ARGS__}, 0, uplo, trans, 0, n, k, alpha, \
                              {A, lda, 0}, {b, ldb, 0}, beta, {C, ldc, 0}}, how)

/* ---- batches of small systems: cublas_factor.c -------------------------------------------------- */

#define SYSTEMS(which, wrong, ...) \
  systems(&(struct systems){.handle = handle, .name = __func__, .op = OCU_OP_##which, .n = n, \
                            .batch = batchSize, __VA_ARGS__}, wrong)
#define SHORT(ld, n) (ld < at_least_1(n))

#pragma GCC diagnostic ignored "-Wunused-parameter" /* `algo` is a hint */
#include "calls.inc"
