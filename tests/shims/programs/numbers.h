/* numbers.h - arrays of any of the vendor's data types, read and written as complex doubles. */
#include <complex.h>
#include <stdint.h>

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include "check.h"

/* What a product is computed with; `tolerance` is relative to the sum of absolute products. */
struct kind {
  const char *name;
  cudaDataType ab, c, scale;
  cublasComputeType_t compute;
  double tolerance;
};
static const struct kind kinds[] = {
    {"f32", CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F, 1e-6},
    {"f64", CUDA_R_64F, CUDA_R_64F, CUDA_R_64F, CUBLAS_COMPUTE_64F, 1e-15},
    {"c64", CUDA_C_32F, CUDA_C_32F, CUDA_C_32F, CUBLAS_COMPUTE_32F, 1e-6},
    {"c128", CUDA_C_64F, CUDA_C_64F, CUDA_C_64F, CUBLAS_COMPUTE_64F, 1e-15},
    {"f16", CUDA_R_16F, CUDA_R_16F, CUDA_R_32F, CUBLAS_COMPUTE_32F, 1e-3},
    {"f16-f32", CUDA_R_16F, CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F, 1e-6},
    {"f16-half", CUDA_R_16F, CUDA_R_16F, CUDA_R_16F, CUBLAS_COMPUTE_16F, 1e-3},
    {"bf16", CUDA_R_16BF, CUDA_R_16BF, CUDA_R_32F, CUBLAS_COMPUTE_32F, 8e-3},
    {"bf16-f32", CUDA_R_16BF, CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F, 1e-6},
    {"i8", CUDA_R_8I, CUDA_R_32I, CUDA_R_32I, CUBLAS_COMPUTE_32I, 0},
    {"i8-f32", CUDA_R_8I, CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F, 1e-6},
};

static inline const struct kind *kind_named(const char *name) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (!strcmp(kinds[i].name, name)) return &kinds[i];
  printf("no kind %s\n", name);
  exit(1);
}

static inline int is_complex(cudaDataType type) { return type == CUDA_C_32F || type == CUDA_C_64F; }

static inline size_t bytes_of(cudaDataType type) {
  switch (type) {
    case CUDA_R_8I: return 1;
    case CUDA_R_16F:
    case CUDA_R_16BF: return 2;
    case CUDA_R_64F:
    case CUDA_C_32F: return 8;
    case CUDA_C_64F: return 16;
    default: return 4;
  }
}

static inline void put(cudaDataType type, void *array, int64_t i, double complex value) {
  const double re = creal(value);
  const float single = (float)re;
  uint32_t bits;
  switch (type) {
    case CUDA_R_8I: ((int8_t *)array)[i] = (int8_t)re; break;
    case CUDA_R_32I: ((int32_t *)array)[i] = (int32_t)re; break;
    case CUDA_R_16F: ((_Float16 *)array)[i] = (_Float16)single; break;
    case CUDA_R_16BF:
      memcpy(&bits, &single, sizeof bits);
      ((uint16_t *)array)[i] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
      break;
    case CUDA_R_32F: ((float *)array)[i] = single; break;
    case CUDA_R_64F: ((double *)array)[i] = re; break;
    case CUDA_C_32F: ((float complex *)array)[i] = (float complex)value; break;
    default: ((double complex *)array)[i] = value;
  }
}

static inline double complex get(cudaDataType type, const void *array, int64_t i) {
  uint32_t bits;
  float single;
  switch (type) {
    case CUDA_R_8I: return ((const int8_t *)array)[i];
    case CUDA_R_32I: return ((const int32_t *)array)[i];
    case CUDA_R_16F: return (double)(float)((const _Float16 *)array)[i];
    case CUDA_R_16BF:
      bits = (uint32_t)((const uint16_t *)array)[i] << 16;
      memcpy(&single, &bits, sizeof single);
      return single;
    case CUDA_R_32F: return ((const float *)array)[i];
    case CUDA_R_64F: return ((const double *)array)[i];
    case CUDA_C_32F: return ((const float complex *)array)[i];
    default: return ((const double complex *)array)[i];
  }
}

static inline int is_integer(cudaDataType type) { return type == CUDA_R_8I || type == CUDA_R_32I; }

static inline void fill(cudaDataType type, void *array, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    put(type, array, i,
        is_integer(type) ? rand() % 255 - 127 : random_value() + random_value() * I);
}

static inline void *device(size_t bytes) {
  void *p;
  EXPECT(cudaMallocManaged(&p, bytes, cudaMemAttachGlobal), cudaSuccess);
  return p;
}

/* Element (i, j) of op(X), column-major. */
static inline double complex element(cudaDataType type, const void *x, int op, int64_t ld,
                                     int64_t i, int64_t j) {
  const double complex value = get(type, x, op ? j + i * ld : i + j * ld);
  return op == CUBLAS_OP_C ? conj(value) : value;
}

/* Exits 77 where the library has no kernel for these types: the test that ran this is skipped. */
static inline void need_kernel(cublasHandle_t handle, const struct kind *kind) {
  static const double zero[2];
  int status = cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 0, zero, NULL, kind->ab, 1,
                            NULL, kind->ab, 1, zero, device(16), kind->c, 1, kind->compute,
                            CUBLAS_GEMM_DEFAULT);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) exit(77);
  EXPECT(status, CUBLAS_STATUS_SUCCESS);
}
