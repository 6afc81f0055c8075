/* cublas_xt.h - inside libcublas: calls on matrices in host memory. */
#ifndef SHIM_CUBLAS_XT_H
#define SHIM_CUBLAS_XT_H
#include "cublasXt.h"
#include "gemm.h"

static inline struct cublasContext *xt_context(cublasXtHandle_t handle) {
  return handle_kind(handle) == HANDLE_XT ? (struct cublasContext *)handle : NULL;
}

/* Begins a call on the handle's device, and gives it a handle of cuBLAS's. */
HIDDEN cublasStatus_t xt_begin(cublasXtHandle_t xt, cublasHandle_t *handle, int *before);
/* Waits for the call, whose status it is given. */
HIDDEN cublasStatus_t xt_end(cublasStatus_t status, cublasHandle_t handle, int before);
/* A symmetric matrix, written out to memory of the host's; freed by the caller. */
HIDDEN cublasStatus_t xt_unpack(cublasHandle_t handle, const char *name, uint8_t dtype,
                                cublasFillMode_t uplo, size_t order, const void *packed, void **full);

/* A row's call, with a handle of cuBLAS's. */
#define XT(call) \
  __extension__({ \
    cublasHandle_t made; \
    int before; \
    cublasStatus_t status = xt_begin(handle, &made, &before); \
    if (status == CUBLAS_STATUS_SUCCESS) { \
      cublasHandle_t handle = made; \
      status = xt_end(call, handle, before); \
    } \
    status; \
  })
#define XT_PACKED(call, dtype) \
  XT(__extension__({ \
    const size_t order = side == CUBLAS_SIDE_LEFT ? m : n, lda = order ? order : 1; \
    void *A = NULL; \
    cublasStatus_t packed = xt_unpack(handle, __func__, dtype, uplo, order, AP, &A); \
    if (packed == CUBLAS_STATUS_SUCCESS) packed = call; \
    const ocu_status freed = ocu_free(A); \
    packed == CUBLAS_STATUS_SUCCESS ? finish(freed, __func__) : packed; \
  }))

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
