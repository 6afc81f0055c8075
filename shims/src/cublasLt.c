/* cublasLt.c - cuBLASLt: programs load it together with cuBLAS, so it is there and refuses. */
#include "cublas_api.h"
#include "shim.h"

int refused(atomic_bool *said, const char *name, const char *reason) {
  ocu_shim_refuse(said, name, reason);
  return CUBLAS_STATUS_NOT_SUPPORTED;
}
