/* rocblas.h - rocBLAS's types; its functions are made from cuBLAS's rows. */
#ifndef OPENCU_ROCBLAS_H
#define OPENCU_ROCBLAS_H
#include <stdint.h>

#include "../hip/hip_runtime_api.h"

typedef struct _rocblas_handle *rocblas_handle;
typedef int32_t rocblas_int;
typedef int64_t rocblas_stride;
typedef uint16_t rocblas_half;
typedef struct { uint16_t data; } rocblas_bfloat16;
typedef struct { float x, y; } rocblas_float_complex;
typedef struct { double x, y; } rocblas_double_complex;
typedef enum {
  rocblas_status_success = 0, rocblas_status_invalid_handle = 1, rocblas_status_not_implemented = 2,
  rocblas_status_invalid_pointer = 3, rocblas_status_invalid_size = 4,
  rocblas_status_memory_error = 5, rocblas_status_internal_error = 6,
  rocblas_status_invalid_value = 11, rocblas_status_arch_mismatch = 15
} rocblas_status;
typedef enum {
  rocblas_operation_none = 111, rocblas_operation_transpose = 112,
  rocblas_operation_conjugate_transpose = 113
} rocblas_operation;
typedef enum { rocblas_fill_upper = 121, rocblas_fill_lower = 122, rocblas_fill_full = 123 }
    rocblas_fill;
typedef enum { rocblas_diagonal_non_unit = 131, rocblas_diagonal_unit = 132 } rocblas_diagonal;
typedef enum { rocblas_side_left = 141, rocblas_side_right = 142, rocblas_side_both = 143 }
    rocblas_side;
typedef enum { rocblas_pointer_mode_host = 0, rocblas_pointer_mode_device = 1 }
    rocblas_pointer_mode;
typedef enum {
  rocblas_datatype_f16_r = 150, rocblas_datatype_f32_r = 151, rocblas_datatype_f64_r = 152,
  rocblas_datatype_f16_c = 153, rocblas_datatype_f32_c = 154, rocblas_datatype_f64_c = 155,
  rocblas_datatype_i8_r = 160, rocblas_datatype_u8_r = 161, rocblas_datatype_i32_r = 162,
  rocblas_datatype_bf16_r = 168, rocblas_datatype_bf16_c = 169
} rocblas_datatype;
typedef enum { rocblas_gemm_algo_standard = 0 } rocblas_gemm_algo;
#ifdef __cplusplus
extern "C" {
#endif
void rocblas_initialize(void);
const char *rocblas_status_to_string(rocblas_status status);
rocblas_status rocblas_create_handle(rocblas_handle *handle);
rocblas_status rocblas_destroy_handle(rocblas_handle handle);
rocblas_status rocblas_gemm_ex(rocblas_handle handle, rocblas_operation transA,
    rocblas_operation transB, rocblas_int m, rocblas_int n, rocblas_int k, const void *alpha,
    const void *a, rocblas_datatype a_type, rocblas_int lda, const void *b, rocblas_datatype b_type,
    rocblas_int ldb, const void *beta, const void *c, rocblas_datatype c_type, rocblas_int ldc,
    void *d, rocblas_datatype d_type, rocblas_int ldd, rocblas_datatype compute_type,
    rocblas_gemm_algo algo, int32_t solution_index, uint32_t flags);
#include "../rocblas_names.h"
#ifdef __cplusplus
}
#endif
#endif
