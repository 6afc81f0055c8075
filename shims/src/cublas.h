/* cublas.h - inside libcublas: the handle, and how a call ends. */
#ifndef SHIM_CUBLAS_H
#define SHIM_CUBLAS_H
#include "cublas_api.h"
#include "shim.h"

#define HIDDEN __attribute__((visibility("hidden")))

/* Handles are slots of one array that is never freed: any value can be checked without reading
 * memory that may not be there. */
struct cublasContext {
  atomic_int live;
  cudaStream_t stream;
  cublasPointerMode_t pointer_mode;
  cublasMath_t math;
  cublasAtomicsMode_t atomics;
  int sm_target;
} __attribute__((aligned(64)));

enum { HANDLES = 16384 };
extern HIDDEN struct cublasContext handles[HANDLES];

static inline int is_live(cublasHandle_t handle) {
  uintptr_t offset = (uintptr_t)handle - (uintptr_t)handles;
  return offset < sizeof handles && offset % sizeof *handles == 0 &&
         atomic_load_explicit(&handle->live, memory_order_acquire);
}

/* The status of a core call; one that says nothing about the arguments is explained on stderr. */
HIDDEN cublasStatus_t finish(ocu_status status, const char *name);

extern HIDDEN atomic_bool logging;
HIDDEN void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
#endif
