/* handles.c - the handles of cuBLAS, cuBLASLt and cuBLASXt, for all shim libraries of a process. */
#include "cublas.h"

struct cublasContext ocu_shim_handles[HANDLES];

/* The search goes on where the last one ended: a destroyed handle stays unknown for long. */
static atomic_uint next_handle;

struct cublasContext *ocu_shim_handle(int kind) {
  for (int i = 0; i < HANDLES; i++) {
    struct cublasContext *slot = &ocu_shim_handles[atomic_fetch_add(&next_handle, 1) % HANDLES];
    int free = HANDLE_FREE;
    if (!atomic_compare_exchange_strong(&slot->kind, &free, kind)) continue;
    slot->stream = NULL;
    slot->pointer_mode = CUBLAS_POINTER_MODE_HOST;
    slot->math = CUBLAS_DEFAULT_MATH;
    slot->atomics = CUBLAS_ATOMICS_NOT_ALLOWED;
    slot->sm_target = 0;
    slot->emulation = CUBLAS_EMULATION_STRATEGY_DEFAULT;
    slot->special_values = CUDA_EMULATION_SPECIAL_VALUES_SUPPORT_DEFAULT;
    slot->mantissa_control = CUDA_EMULATION_MANTISSA_CONTROL_DYNAMIC;
    slot->mantissa_bits = slot->mantissa_offset = 0;
    slot->block_dim = 4096;
    slot->pinning = 0;
    slot->device = -1;
    slot->offload = NULL;
    slot->least = 0;
    return slot;
  }
  return NULL;
}
