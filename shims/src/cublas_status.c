/* cublas_status.c - how the calls of cuBLAS and cuBLASLt end. */
#include "cublas.h"

static const cublasStatus_t status_map[] = {
#include "cublas_status.inc"
};
_Static_assert(sizeof status_map / sizeof *status_map == OCU_SYSTEM + 1, "status.csv: a row each");

cublasStatus_t finish(ocu_status status, const char *name) {
  if (status == OCU_NO_PLAN || status == OCU_SYSTEM || status == OCU_UNSUPPORTED)
    refuse(name, ocu_error());
  return status_map[status];
}

/* What was said is remembered by its hash (FNV-1a). */
cublasStatus_t refuse(const char *name, const char *reason) {
  static atomic_bool said[4096];
  uint32_t hash = 2166136261u;
  for (const char *text = name; *text; text++) hash = (hash ^ (uint8_t)*text) * 16777619u;
  for (const char *text = reason; *text; text++) hash = (hash ^ (uint8_t)*text) * 16777619u;
  ocu_shim_refuse(&said[hash % 4096], name, reason);
  return CUBLAS_STATUS_NOT_SUPPORTED;
}

int refused(atomic_bool *said, const char *name, const char *reason) {
  ocu_shim_refuse(said, name, reason);
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
    {CUBLAS_STATUS_SUCCESS, "CUBLAS_STATUS_SUCCESS", "success"},
    {CUBLAS_STATUS_NOT_INITIALIZED, "CUBLAS_STATUS_NOT_INITIALIZED",
     "the library was not initialized"},
    {CUBLAS_STATUS_ALLOC_FAILED, "CUBLAS_STATUS_ALLOC_FAILED", "the resource allocation failed"},
    {CUBLAS_STATUS_INVALID_VALUE, "CUBLAS_STATUS_INVALID_VALUE",
     "an unsupported value or parameter was passed to the function"},
    {CUBLAS_STATUS_ARCH_MISMATCH, "CUBLAS_STATUS_ARCH_MISMATCH",
     "the function requires a feature absent from the device"},
    {CUBLAS_STATUS_MAPPING_ERROR, "CUBLAS_STATUS_MAPPING_ERROR",
     "an access to device memory failed"},
    {CUBLAS_STATUS_EXECUTION_FAILED, "CUBLAS_STATUS_EXECUTION_FAILED",
     "the function failed to run on the device"},
    {CUBLAS_STATUS_INTERNAL_ERROR, "CUBLAS_STATUS_INTERNAL_ERROR",
     "an internal operation failed"},
    {CUBLAS_STATUS_NOT_SUPPORTED, "CUBLAS_STATUS_NOT_SUPPORTED",
     "the functionality requested is not supported"},
    {CUBLAS_STATUS_LICENSE_ERROR, "CUBLAS_STATUS_LICENSE_ERROR", "the licence check failed"},
};

const char *status_name(cublasStatus_t status) {
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    if (statuses[i].status == status) return statuses[i].name;
  return "unknown status";
}

const char *status_text(cublasStatus_t status) {
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    if (statuses[i].status == status) return statuses[i].text;
  return "unknown status";
}
