/* cublas_xt.h - inside libcublas: calls on matrices in host memory, of which a device that does not
 * reach it has copies meanwhile. */
#ifndef SHIM_CUBLAS_XT_H
#define SHIM_CUBLAS_XT_H
#include "cublasXt.h"
#include "gemm.h"

enum { XT_READ, XT_UPDATE, XT_SCRATCH };
struct xt_matrix {
  const void *host; /* by columns */
  int64_t ld, rows, columns;
  size_t size; /* bytes of an element; 0: there is no such matrix */
  int how;
  void *there; /* for the device; NULL where the arguments are wrong: its call refuses them */
};
enum { XT_MATRICES = 4 };

static inline struct cublasContext *xt_context(cublasXtHandle_t handle) {
  return handle_kind(handle) == HANDLE_XT ? (struct cublasContext *)handle : NULL;
}

/* Begins a call on the handle's device, and gives it a handle of cuBLAS's. */
HIDDEN cublasStatus_t xt_begin(cublasXtHandle_t xt, struct xt_matrix *list, cublasHandle_t *handle,
                               int *before);
/* Waits for the call, whose status it is given, and takes everything back. */
HIDDEN cublasStatus_t xt_end(cublasStatus_t status, struct xt_matrix *list, cublasHandle_t handle,
                             int before);

/* A row's call, under the names of its parameters: the handle, A, B and C are the device's. */
#define XT_CALL(call, a, b, c, more) \
  __extension__({ \
    struct xt_matrix list[XT_MATRICES] = {a, b, c, more}; \
    cublasHandle_t made; \
    int before; \
    cublasStatus_t status = xt_begin(handle, list, &made, &before); \
    if (status == CUBLAS_STATUS_SUCCESS) { \
      cublasHandle_t handle = made; \
      __attribute__((unused)) void *A = list[0].there, *B = list[1].there, *C = list[2].there; \
      status = xt_end(call, list, handle, before); \
    } \
    status; \
  })
#define NONE ((struct xt_matrix){0})
#define XT(call, a, b, c) XT_CALL(call, a, b, c, NONE)
#define XT_MATRIX(p, ld, rows, columns, how) \
  ((struct xt_matrix){p, (int64_t)(ld), (int64_t)(rows), (int64_t)(columns), sizeof *(p), how, \
                      NULL})
/* op(p) is rows by columns; a written one is never transposed. */
#define OPERAND(p, ld, op, rows, columns) \
  XT_MATRIX(p, ld, (int)(op) ? columns : rows, (int)(op) ? rows : columns, XT_READ)
#define RESULT_OF(p, ld, rows, columns) XT_MATRIX(p, ld, rows, columns, XT_UPDATE)
#define SQUARE_BESIDE(p, ld) XT_MATRIX(p, ld, BESIDE, BESIDE, XT_READ)
#define BESIDE (side == CUBLAS_SIDE_LEFT ? m : n)
/* The packed matrix A is unpacked on the device first. */
#define XT_PACKED(call, dtype) \
  __extension__({ \
    const size_t order = BESIDE, lda = order ? order : 1; \
    const size_t length = order < UINT32_MAX ? order * (order + 1) / 2 : 0; \
    XT_CALL(__extension__({ \
              const cublasStatus_t unpacked = repacked(handle, __func__, dtype, 0, uplo, \
                                                       (int64_t)order, (int64_t)lda, A, list[3].there); \
              A = list[3].there; \
              unpacked == CUBLAS_STATUS_SUCCESS ? call : unpacked; \
            }), \
            XT_MATRIX(AP, length, length, 1, XT_READ), OPERAND(B, ldb, 0, m, n), \
            RESULT_OF(C, ldc, m, n), XT_MATRIX(AP, lda, order, order, XT_SCRATCH)); \
  })

#define XT_VALID(condition) \
  (!xt_context(handle) ? CUBLAS_STATUS_NOT_INITIALIZED \
   : (condition)       ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE)
#define XT_GET(field, out) \
  (xt_context(handle) ? TELL(out, (__typeof__(*(out)))xt_context(handle)->field) \
                      : CUBLAS_STATUS_NOT_INITIALIZED)
#define XT_SET(field, value, condition) \
  (!xt_context(handle) ? CUBLAS_STATUS_NOT_INITIALIZED \
   : !(condition)      ? CUBLAS_STATUS_INVALID_VALUE \
                       : (xt_context(handle)->field = (int)(value), CUBLAS_STATUS_SUCCESS))
#endif
