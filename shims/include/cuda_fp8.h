/* cuda_fp8.h - 8-bit floating numbers as storage types: their bits. */
#ifndef OPENCU_CUDA_FP8_H
#define OPENCU_CUDA_FP8_H

typedef unsigned char __nv_fp8_storage_t;
typedef struct __nv_fp8_e4m3 {
  __nv_fp8_storage_t __x;
} __nv_fp8_e4m3;
typedef struct __nv_fp8_e5m2 {
  __nv_fp8_storage_t __x;
} __nv_fp8_e5m2;
#endif
