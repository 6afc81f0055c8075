/* cublas_status.c - how the calls of cuBLAS and cuBLASLt end. */
#include "cublas.h"

static const cublasStatus_t status_map[] = {
#include "cublas_status.inc"
};
_Static_assert(sizeof status_map / sizeof *status_map == OCU_UPDATE_FAILED + 1, "status.csv: a row each");

cublasStatus_t finish(ocu_status status, const char *name) {
  if (status == OCU_NO_PLAN || status == OCU_SYSTEM || status == OCU_UNSUPPORTED)
    refused(name, ocu_error());
  return status_map[status];
}

cublasStatus_t create_handle(cublasHandle_t *handle, int kind, const char *name) {
  if (!OUT(handle)) return CUBLAS_STATUS_INVALID_VALUE;
  ocu_status status = ocu_alive();
  if (status != OCU_OK) return finish(status, name);
  cublasHandle_t made = ocu_shim_handle(kind);
  if (!made) return CUBLAS_STATUS_ALLOC_FAILED;
  *handle = made;
  return CUBLAS_STATUS_SUCCESS;
}

int refused(const char *name, const char *reason) {
  ocu_shim_refuse(name, reason);
  return CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t property(libraryPropertyType type, int *value) {
  const int parts[] = {OPENCU_CUDA_MAJOR, VERSION_MINOR, VERSION_PATCH};
  if (!OUT(value) || (unsigned)type > PATCH_LEVEL) return CUBLAS_STATUS_INVALID_VALUE;
  *value = parts[type];
  return CUBLAS_STATUS_SUCCESS;
}

static const struct {
  cublasStatus_t status;
  const char *name, *text;
} statuses[] = {
#include "cublas_errors.inc"
};

const char *status_text(cublasStatus_t status, int long_text) {
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    if (statuses[i].status == status) return long_text ? statuses[i].text : statuses[i].name;
  return "unknown status";
}
