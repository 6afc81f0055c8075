/* cublas_routine.c - cuBLAS's routines beside the products, as the core takes them. */
#include "gemm.h"

ocu_operand vector(uint8_t dtype, const void *p, int64_t n, int64_t step, int how) {
  uintptr_t first = (uintptr_t)p;
  if (step < 0 && n > 0)
    first -= (uintptr_t)(n - 1) * (uintptr_t)step * ocu_dtype_bytes(dtype); /* the core checks */
  return (ocu_operand){{(const void *)first, 0, 0, step}, 1, n > 0 ? n : 0, dtype, (uint8_t)how};
}

cublasStatus_t routine(cublasHandle_t handle, const char *name, ocu_routine *r) {
  if (__builtin_expect(atomic_load_explicit(&logging, memory_order_relaxed), 0))
    log_line("%s n=%lld incx=%lld incy=%lld", name, (long long)r->x[0].columns,
             (long long)r->x[0].x.cs, (long long)r->x[1].x.cs);
  if (!is_live(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (handle->pointer_mode == CUBLAS_POINTER_MODE_DEVICE) {
    r->factors_on_device = 1;
    for (int i = 0; i < 4; i++) r->x[i].how &= (uint8_t)~OCU_STAGED;
  }
  return finish(ocu_run(stream_of(handle->stream), r, 0), name);
}

/* ---- the forms of matrices ------------------------------------------------------------------- */

static int form(struct form *f, int storage, int kind, int64_t rows, int64_t columns, int64_t k) {
  *f = (struct form){.storage = (uint8_t)storage, .kind = (uint8_t)kind, .rows = rows,
                     .columns = columns, .k = k};
  if (rows < 0 || columns < 0 || k < 0 || k == INT64_MAX) return 0;
  f->stored_rows = storage == BAND ? k + 1 : storage == PACKED ? 1 : rows;
  f->stored_columns = columns;
  if (storage == PACKED) {
    if (rows >= UINT32_MAX) return 0; /* more than memory can be */
    f->stored_columns = (int64_t)((uint64_t)rows * ((uint64_t)rows + 1) / 2);
  }
  f->least_ld = storage == PACKED ? 0 : at_least_1(f->stored_rows);
  return 1;
}

/* Those of the stored matrix; the form's rows and columns are op(M)'s. */
int general_band(struct form *f, cublasOperation_t trans, int64_t m, int64_t n, int64_t kl,
                 int64_t ku) {
  const int turned = trans != CUBLAS_OP_N;
  if (!form(f, BAND, GENERAL, turned ? n : m, turned ? m : n, ku) || kl < 0 ||
      (unsigned)trans > CUBLAS_OP_C || kl > INT64_MAX / 4 || ku > INT64_MAX / 4)
    return 0;
  f->op = (uint8_t)trans;
  f->left = turned ? ku : kl, f->right = turned ? kl : ku;
  f->stored_rows = f->least_ld = kl + ku + 1, f->stored_columns = n;
  if (!m || !n) f->rows = 0; /* y stays as it is */
  return 1;
}

int square(struct form *f, int storage, int kind, cublasFillMode_t uplo, int64_t n, int64_t k) {
  f->left = f->right = 0;
  if (!form(f, storage, kind, n, n, k) || uplo > CUBLAS_FILL_MODE_UPPER) return 0;
  f->lower = uplo == CUBLAS_FILL_MODE_LOWER;
  f->left = f->right = storage == BAND ? k : n;
  return 1;
}

int triangle(struct form *f, int storage, cublasFillMode_t uplo, cublasOperation_t trans,
             cublasDiagType_t diag, int64_t n, int64_t k) {
  if (!square(f, storage, TRIANGULAR, uplo, n, k) || (unsigned)trans > CUBLAS_OP_C ||
      diag > CUBLAS_DIAG_UNIT)
    return 0;
  f->op = (uint8_t)trans, f->unit = diag == CUBLAS_DIAG_UNIT;
  *(f->lower == (trans == CUBLAS_OP_N) ? &f->right : &f->left) = 0;
  f->turned = storage == FULL && trans != CUBLAS_OP_N;
  f->lower ^= f->turned;
  if (f->turned && trans == CUBLAS_OP_T) f->op = CUBLAS_OP_N;
  return 1;
}

int general(struct form *f, int64_t m, int64_t n, int conjugate) {
  int fits = form(f, FULL, GENERAL, m, n, 0);
  f->conjugate = (uint8_t)conjugate;
  return fits;
}

int updated(struct form *f, int storage, int kind, cublasFillMode_t uplo, int64_t n, int twice) {
  int fits = square(f, storage, kind, uplo, n, 0);
  f->op = (uint8_t)twice, f->conjugate = kind == HERMITIAN ? 2 : 0;
  return fits;
}

ocu_operand stored(const struct form *f, const void *p, int64_t ld, uint8_t dtype, int how) {
  const ocu_matrix x = f->storage == PACKED ? (ocu_matrix){p, 0, 0, 1}
                       : f->turned          ? (ocu_matrix){p, 0, ld, 1}
                                            : (ocu_matrix){p, 0, 1, ld};
  return (ocu_operand){x, f->stored_rows, f->stored_columns, dtype, (uint8_t)how};
}

static ocu_operand columns_of(const void *p, int64_t ld, int64_t m, int64_t n, uint8_t dtype,
                              int how) {
  return (ocu_operand){{p, 0, 1, ld}, m, n, dtype, (uint8_t)how};
}

cublasStatus_t diagonal(cublasHandle_t handle, const char *name, uint8_t dtype,
                        cublasSideMode_t mode, int64_t m, int64_t n, const void *a, int64_t lda,
                        const void *x, int64_t incx, void *c, int64_t ldc) {
  const int left = mode == CUBLAS_SIDE_LEFT;
  if (!is_live(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (m < 0 || n < 0 || mode > CUBLAS_SIDE_RIGHT || lda < at_least_1(m) || ldc < at_least_1(m))
    return CUBLAS_STATUS_INVALID_VALUE;
  return routine(handle, name, &(ocu_routine){
      .op = OCU_OP_SCALE, .form = {(uint8_t)left}, .batch = 1,
      .x = {columns_of(a, lda, m, n, dtype, OCU_READS),
            vector(dtype, x, left ? m : n, incx, OCU_READS),
            columns_of(c, ldc, m, n, dtype, OCU_WRITES)}});
}

cublasStatus_t repacked(cublasHandle_t handle, const char *name, uint8_t dtype, int packs,
                        cublasFillMode_t uplo, int64_t n, int64_t lda, const void *from, void *to) {
  struct form full, packed;
  if (!is_live(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!square(&full, FULL, TRIANGULAR, uplo, n, 0) || lda < at_least_1(n))
    return CUBLAS_STATUS_INVALID_VALUE;
  square(&packed, PACKED, TRIANGULAR, uplo, n, 0);
  return routine(handle, name, &(ocu_routine){
      .op = OCU_OP_REPACK, .form = {(uint8_t)packs, full.lower}, .batch = 1,
      .x = {stored(packs ? &full : &packed, from, lda, dtype, OCU_READS), {.how = 0},
            stored(packs ? &packed : &full, to, lda, dtype, OCU_WRITES)}});
}

/* ---- types ----------------------------------------------------------------------------------- */

uint8_t dtype_of(cudaDataType type) {
  switch (type) {
    case CUDA_R_16F: return OCU_F16;
    case CUDA_R_16BF: return OCU_BF16;
    case CUDA_R_32F: return OCU_F32;
    case CUDA_R_64F: return OCU_F64;
    case CUDA_C_32F: return OCU_C64;
    case CUDA_C_64F: return OCU_C128;
    default: return 0;
  }
}

cudaDataType part_of(cudaDataType type) {
  return type == CUDA_C_32F ? CUDA_R_32F : type == CUDA_C_64F ? CUDA_R_64F : type;
}

cudaDataType computed(cudaDataType type) {
  return type == CUDA_R_16F || type == CUDA_R_16BF ? CUDA_R_32F : type;
}

/* ---- products of 8-bit numbers ------------------------------------------------------------------ */

static ocu_operand bytes_of(const void *p, int64_t ld, int64_t rows, int64_t columns, int turned,
                            int how) {
  const ocu_matrix x = turned ? (ocu_matrix){p, 0, ld, 1} : (ocu_matrix){p, 0, 1, ld};
  return (ocu_operand){x, rows, columns, OCU_I8, (uint8_t)how};
}

/* A shift counts modulo 32, and 31 gives 0. */
cublasStatus_t cublasUint8gemmBias(cublasHandle_t handle, cublasOperation_t transa,
                                   cublasOperation_t transb, cublasOperation_t transc, int m, int n,
                                   int k, const unsigned char *A, int A_bias, int lda,
                                   const unsigned char *B, int B_bias, int ldb, unsigned char *C,
                                   int C_bias, int ldc, int C_mult, int C_shift) {
  if (!is_live(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  const int a = transa != CUBLAS_OP_N, b = transb != CUBLAS_OP_N, c = transc != CUBLAS_OP_N;
  if (transa > CUBLAS_OP_C || transb > CUBLAS_OP_C || transc > CUBLAS_OP_C || m < 0 || n < 0 ||
      k < 0 || lda < at_least_1(a ? k : m) || ldb < at_least_1(b ? n : k) ||
      ldc < at_least_1(c ? n : m))
    return CUBLAS_STATUS_INVALID_VALUE;
  const int shift = C_shift & 31, none = shift == 31;
  return routine(handle, __func__, &(ocu_routine){
      .op = OCU_OP_QUANTIZED, .batch = 1,
      .size = {A_bias, B_bias, C_bias, none ? 0 : (int64_t)C_mult * 32 + shift},
      .x = {bytes_of(A, lda, m, k, a, OCU_READS), bytes_of(B, ldb, k, n, b, OCU_READS),
            bytes_of(C, ldc, m, n, c, OCU_WRITES)}});
}
