/* cublas_routine.c - cuBLAS's routines beside the products, as the core takes them. */
#include "gemm.h"

ocu_operand vector(uint8_t dtype, const void *p, int64_t n, int64_t step, int how) {
  uintptr_t first = (uintptr_t)p;
  if (step < 0 && n > 0)
    first -= (uintptr_t)(n - 1) * (uintptr_t)step * ocu_dtype_bytes(dtype); /* the core checks */
  return (ocu_operand){{(const void *)first, 0, 0, step}, 1, n > 0 ? n : 0, dtype, (uint8_t)how};
}

cublasStatus_t routine(cublasHandle_t handle, const char *name, ocu_routine *r) {
  if (__builtin_expect(atomic_load_explicit(&logging, memory_order_relaxed), 0))
    log_line("%s n=%lld incx=%lld incy=%lld", name, (long long)r->x[0].columns,
             (long long)r->x[0].x.cs, (long long)r->x[1].x.cs);
  if (!is_live(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (handle->pointer_mode == CUBLAS_POINTER_MODE_DEVICE) {
    r->factors_on_device = 1;
    for (int i = 0; i < 4; i++) r->x[i].how &= (uint8_t)~OCU_STAGED;
  }
  return finish(ocu_run(stream_of(handle->stream), r, 0), name);
}

/* ---- types ----------------------------------------------------------------------------------- */

uint8_t dtype_of(cudaDataType type) {
  switch (type) {
    case CUDA_R_16F: return OCU_F16;
    case CUDA_R_16BF: return OCU_BF16;
    case CUDA_R_32F: return OCU_F32;
    case CUDA_R_64F: return OCU_F64;
    case CUDA_C_32F: return OCU_C64;
    case CUDA_C_64F: return OCU_C128;
    default: return 0;
  }
}

cudaDataType part_of(cudaDataType type) {
  return type == CUDA_C_32F ? CUDA_R_32F : type == CUDA_C_64F ? CUDA_R_64F : type;
}

cudaDataType computed(cudaDataType type) {
  return type == CUDA_R_16F || type == CUDA_R_16BF ? CUDA_R_32F : type;
}
