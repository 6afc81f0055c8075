/* cublas_xt.c - handles of cuBLASXt. Its level 3 is cuBLAS's (shims/tables/cublasXt.h), on one device:
 * where that is the host's own processor, on the matrices where they lie, else by copies. */
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

cublasStatus_t xt_begin(cublasXtHandle_t xt, cublasHandle_t *handle, int *before) {
  if (!xt_context(xt)) return CUBLAS_STATUS_NOT_INITIALIZED;
  *before = ocu_device_get();
  const int device = xt_context(xt)->device < 0 ? *before : xt_context(xt)->device;
  CHECK(create_handle(handle, HANDLE_CUBLAS, "cublasXt"));
  (*handle)->device = device;
  if (!ocu_reaches_host(device)) (*handle)->offload = offload;
  const cublasStatus_t status = finish(ocu_device_set(device), "cublasXt");
  return status == CUBLAS_STATUS_SUCCESS ? status : xt_end(status, *handle, *before);
}

cublasStatus_t xt_end(cublasStatus_t result, cublasHandle_t handle, int before) {
  const ocu_status status = ocu_stream_sync(NULL);
  atomic_store(&handle->kind, HANDLE_FREE);
  ocu_device_set(before);
  return result == CUBLAS_STATUS_SUCCESS ? finish(status, "cublasXt") : result;
}

cublasStatus_t xt_unpack(cublasHandle_t handle, const char *name, uint8_t dtype,
                         cublasFillMode_t uplo, size_t order, const void *packed, void **full) {
  const int device = ocu_device_get();
  if (order >= UINT32_MAX) return CUBLAS_STATUS_INVALID_VALUE;
  ocu_status status = ocu_device_set(cpu_device());
  if (status == OCU_OK)
    status = ocu_alloc(ocu_device_get(), order * order * ocu_dtype_bytes(dtype), OCU_MEM_DEVICE, full);
  cublasStatus_t result = finish(status, name);
  if (result == CUBLAS_STATUS_SUCCESS)
    result = repacked(handle, name, dtype, 0, uplo, (int64_t)order, at_least_1((int64_t)order), packed,
                      *full);
  if (result == CUBLAS_STATUS_SUCCESS) result = finish(ocu_stream_sync(NULL), name);
  ocu_device_set(device);
  return result;
}
