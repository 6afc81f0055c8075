/* cublas.h - inside libcublas and libcublasLt: their handles, and how a call ends. */
#ifndef SHIM_CUBLAS_H
#define SHIM_CUBLAS_H
#include "cublas_api.h"
#include "shim.h"

#define HIDDEN __attribute__((visibility("hidden")))

/* Runs a product. */
typedef ocu_status gemm_function(ocu_stream *, const ocu_product *, int flags);

enum { HANDLE_FREE, HANDLE_CUBLAS, HANDLE_LT, HANDLE_XT };

/* libopencu_shim.so keeps the handles, since cuBLASLt takes cuBLAS's as its own; cuBLASXt's too. */
struct cublasContext {
  atomic_int kind;
  cudaStream_t stream;
  cublasPointerMode_t pointer_mode;
  cublasMath_t math;
  cublasAtomicsMode_t atomics;
  int sm_target;
  cublasEmulationStrategy_t emulation;
  cudaEmulationSpecialValuesSupport special_values;
  cudaEmulationMantissaControl mantissa_control;
  int mantissa_bits, mantissa_offset;
  int block_dim, pinning, device; /* cuBLASXt's; device -1: the current one */
  /* NULL, or what runs products on `device` instead, of matrices that it does not reach. */
  ocu_status (*offload)(struct cublasContext *, const ocu_product *, gemm_function *);
  int least; /* 0, or the least m, n, k for which it does; the CPU has those that fail, too */
} __attribute__((aligned(64)));

enum { HANDLES = 16384 };
OCU_API extern struct cublasContext ocu_shim_handles[HANDLES];
OCU_API struct cublasContext *ocu_shim_handle(int kind); /* NULL: all are in use */

static inline int handle_kind(const void *handle) {
  if (SHIM_SLOT(ocu_shim_handles, handle) < 0) return HANDLE_FREE;
  const struct cublasContext *slot = handle;
  return atomic_load_explicit(&slot->kind, memory_order_acquire);
}

static inline int is_live(cublasHandle_t handle) { return handle_kind(handle) == HANDLE_CUBLAS; }

#if OPENCU_CUDA_MAJOR == 12
enum { VERSION_MINOR = 9, VERSION_PATCH = 3, CUDART = 12090 };
#else
enum { VERSION_MINOR = 10, VERSION_PATCH = 0, CUDART = 13000 };
#endif
enum { VERSION = OPENCU_CUDA_MAJOR * 10000 + VERSION_MINOR * 100 + VERSION_PATCH };

HIDDEN cublasStatus_t create_handle(cublasHandle_t *handle, int kind, const char *name);
HIDDEN const char *status_text(cublasStatus_t status, int long_text); /* 0: the status's name */
HIDDEN cublasStatus_t property(libraryPropertyType type, int *value);
#define CHECK(call) \
  do { \
    cublasStatus_t check_ = call; \
    if (check_ != CUBLAS_STATUS_SUCCESS) return check_; \
  } while (0)
/* A call whose whole answer is one value. */
#define TELL(out, value) \
  (OUT(out) ? (*(out) = (value), CUBLAS_STATUS_SUCCESS) : CUBLAS_STATUS_INVALID_VALUE)
/* The status of a core call; one that says nothing about the arguments is explained on stderr. */
HIDDEN cublasStatus_t finish(ocu_status status, const char *name);
#endif
