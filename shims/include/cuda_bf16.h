/* cuda_bf16.h - bfloat16 as a storage type: its bits. */
#ifndef OPENCU_CUDA_BF16_H
#define OPENCU_CUDA_BF16_H

typedef struct __nv_bfloat16 {
  unsigned short __x;
} __attribute__((aligned(2))) __nv_bfloat16;
#endif
