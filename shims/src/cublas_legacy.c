/* cublas_legacy.c - cuBLAS's first API: one handle for the process, whose last error is kept. */
#include <stdio.h>

#include "gemm.h"

static cublasHandle_t handle;
static _Atomic cublasStatus_t last;

static cublasStatus_t told(cublasStatus_t status) {
  if (status != CUBLAS_STATUS_SUCCESS) last = status;
  return status;
}

#define LETTER(c) ((c) & ~32) /* in upper case */
#define OPERATION(c) \
  ((cublasOperation_t)(LETTER(c) == 'N' ? CUBLAS_OP_N \
                       : LETTER(c) == 'T' ? CUBLAS_OP_T \
                       : LETTER(c) == 'C' ? CUBLAS_OP_C : -1))
#define ONE_OF(c, zero, one) (LETTER(c) == zero ? 0 : LETTER(c) == one ? 1 : -1)
#define FILL(c) ((cublasFillMode_t)ONE_OF(c, 'L', 'U'))
#define SIDE(c) ((cublasSideMode_t)ONE_OF(c, 'L', 'R'))
#define DIAGONAL(c) ((cublasDiagType_t)ONE_OF(c, 'N', 'U'))

#include "cublas_legacy.h"
#include "legacy.inc"

cublasStatus_t cublasInit(void) {
  cublasHandle_t made;
  if (handle) return CUBLAS_STATUS_SUCCESS;
  const cublasStatus_t status = create_handle(&made, HANDLE_CUBLAS, __func__);
  if (status == CUBLAS_STATUS_SUCCESS) handle = made;
  return told(status);
}

cublasStatus_t cublasShutdown(void) {
  cublasHandle_t old = handle;
  handle = NULL;
  return told(cublasDestroy_v2(old));
}

cublasStatus_t cublasGetError(void) {
  return atomic_exchange(&last, CUBLAS_STATUS_SUCCESS);
}

cublasStatus_t cublasGetVersion(int *version) { return TELL(version, VERSION); }

cublasStatus_t cublasAlloc(int n, int elemSize, void **devicePtr) {
  if (!is_live(handle)) return told(CUBLAS_STATUS_NOT_INITIALIZED);
  if (n <= 0 || elemSize <= 0 || !OUT(devicePtr)) return told(CUBLAS_STATUS_INVALID_VALUE);
  const size_t bytes = (size_t)n * (size_t)elemSize;
  return told(finish(ocu_alloc(ocu_device_get(), bytes, OCU_MEM_DEVICE, devicePtr), __func__));
}

cublasStatus_t cublasFree(void *devicePtr) {
  if (!is_live(handle)) return told(CUBLAS_STATUS_NOT_INITIALIZED);
  return told(finish(ocu_free(devicePtr), __func__));
}

cublasStatus_t cublasSetKernelStream(cudaStream_t stream) {
  return told(cublasSetStream_v2(handle, stream));
}

void cublasXerbla(const char *srName, int info) {
  fprintf(stderr, "** On entry to %s parameter number %d had an illegal value\n", srName, info);
}
