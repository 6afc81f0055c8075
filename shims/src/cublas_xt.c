/* cublas_xt.c - handles of cuBLASXt, and the copies of host matrices that its calls work on. Its level
 * 3 is cuBLAS's (shims/tables/cublasXt.h), on one device: where that is the host's own processor, on
 * the matrices where they lie. */
#include "cublas_xt.h"

cublasStatus_t cublasXtCreate(cublasXtHandle_t *handle) {
  return create_handle((cublasHandle_t *)handle, HANDLE_XT, __func__);
}

cublasStatus_t cublasXtDestroy(cublasXtHandle_t handle) {
  if (!xt_context(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  atomic_store(&xt_context(handle)->kind, HANDLE_FREE);
  return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t devices_exist(int count, const int *devices) {
  if (count <= 0 || !IN_ARRAY(devices, count)) return CUBLAS_STATUS_INVALID_VALUE;
  for (int i = 0; i < count; i++)
    if (!shim_device_exists(devices[i])) return CUBLAS_STATUS_INVALID_VALUE;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasXtGetNumBoards(int nbDevices, int deviceId[], int *nbBoards) {
  CHECK(devices_exist(nbDevices, deviceId));
  return TELL(nbBoards, nbDevices);
}

/* Of several devices the first does all. */
cublasStatus_t cublasXtDeviceSelect(cublasXtHandle_t handle, int nbDevices, int deviceId[]) {
  if (!xt_context(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  CHECK(devices_exist(nbDevices, deviceId));
  xt_context(handle)->device = deviceId[0];
  return CUBLAS_STATUS_SUCCESS;
}

/* Bytes of a copy, which has the leading dimension that the call is given too; 0: there is nothing to
 * copy, or not what the arguments say. */
static size_t bytes_of(const struct xt_matrix *x) {
  size_t bytes;
  if (x->rows <= 0 || x->columns <= 0 || x->ld < x->rows ||
      __builtin_mul_overflow((size_t)x->ld, (size_t)x->columns, &bytes) ||
      __builtin_mul_overflow(bytes, x->size, &bytes) || bytes > PTRDIFF_MAX)
    return 0;
  return bytes;
}

static ocu_status copy(const struct xt_matrix *x, int back) {
  const size_t width = (size_t)x->rows * x->size, pitch = (size_t)x->ld * x->size;
  void *to = back ? (void *)x->host : x->there;
  const void *from = back ? x->there : x->host;
  return ocu_copy_2d(NULL, to, pitch, from, pitch, width, (size_t)x->columns, 1);
}

cublasStatus_t xt_begin(cublasXtHandle_t xt, struct xt_matrix *list, cublasHandle_t *handle,
                        int *before) {
  if (!xt_context(xt)) return CUBLAS_STATUS_NOT_INITIALIZED;
  CHECK(create_handle(handle, HANDLE_CUBLAS, "cublasXt"));
  *before = ocu_device_get();
  const int device = xt_context(xt)->device < 0 ? *before : xt_context(xt)->device;
  ocu_status status = ocu_device_set(device);
  for (struct xt_matrix *x = list; x < list + XT_MATRICES && status == OCU_OK; x++) {
    const size_t bytes = bytes_of(x);
    const int own = x->how == XT_SCRATCH || !ocu_reaches_host(device);
    if (!own) x->there = (void *)x->host;
    if (!own || !bytes || !x->host) continue;
    status = ocu_alloc(device, bytes, OCU_MEM_DEVICE, &x->there);
    if (status == OCU_OK && x->how != XT_SCRATCH) status = copy(x, 0);
  }
  if (status == OCU_OK) return CUBLAS_STATUS_SUCCESS;
  return xt_end(finish(status, "cublasXt"), list, *handle, *before);
}

cublasStatus_t xt_end(cublasStatus_t result, struct xt_matrix *list, cublasHandle_t handle,
                      int before) {
  ocu_status status = ocu_stream_sync(NULL);
  for (struct xt_matrix *x = list; x < list + XT_MATRICES; x++) {
    if (!x->there || x->there == x->host) continue;
    if (x->how == XT_UPDATE && status == OCU_OK && result == CUBLAS_STATUS_SUCCESS)
      status = copy(x, 1);
    const ocu_status freed = ocu_free(x->there);
    if (status == OCU_OK) status = freed;
  }
  atomic_store(&handle->kind, HANDLE_FREE);
  ocu_device_set(before);
  return result == CUBLAS_STATUS_SUCCESS ? finish(status, "cublasXt") : result;
}
