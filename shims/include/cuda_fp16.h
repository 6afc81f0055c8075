/* cuda_fp16.h - half precision as a storage type: its bits. */
#ifndef OPENCU_CUDA_FP16_H
#define OPENCU_CUDA_FP16_H

typedef struct __half {
  unsigned short __x;
} __attribute__((aligned(2))) __half;
typedef __half half;
#endif
