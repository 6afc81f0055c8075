/* gemm_types.c - the vendor's types of a product and its scalars, as the core takes them. */
#include <string.h>

#include "gemm.h"

/* The types that cublasGemmEx documents and the core has kernels for. Fast and emulated compute
 * types allow less precision and demand none; ours is that of the type they stand for. */
static const struct {
  struct gemm_types types;
  ocu_gemm_kind kind;
} kinds[] = {
#define KIND(ab_, c_, compute_, scale_, of, to, sums) \
  {{CUDA_##ab_, CUDA_##ab_, CUDA_##c_, CUBLAS_COMPUTE_##compute_, CUDA_##scale_}, \
   {.ab = OCU_##of, .c = OCU_##to, .scale = OCU_##sums}}
    KIND(R_32F, R_32F, 32F, R_32F, F32, F32, F32),
    KIND(R_64F, R_64F, 64F, R_64F, F64, F64, F64),
    KIND(R_16BF, R_16BF, 32F, R_32F, BF16, BF16, F32),
    KIND(R_16BF, R_32F, 32F, R_32F, BF16, F32, F32),
    KIND(R_16F, R_16F, 32F, R_32F, F16, F16, F32),
    KIND(R_16F, R_32F, 32F, R_32F, F16, F32, F32),
    KIND(R_16F, R_16F, 16F, R_16F, F16, F16, F32),
    KIND(R_8I, R_32I, 32I, R_32I, I8, I32, I32),
    KIND(R_8I, R_32F, 32F, R_32F, I8, F32, F32),
    KIND(R_8I, R_8I, 32I, R_32F, I8, I8, F32),
    KIND(C_32F, C_32F, 32F, C_32F, C64, C64, C64),
    KIND(C_64F, C_64F, 64F, C_64F, C128, C128, C128),
#undef KIND
};

static cublasComputeType_t plain(cublasComputeType_t compute) {
  switch (compute) {
    case CUBLAS_COMPUTE_16F_PEDANTIC: return CUBLAS_COMPUTE_16F;
    case CUBLAS_COMPUTE_32F_PEDANTIC:
    case CUBLAS_COMPUTE_32F_FAST_16F:
    case CUBLAS_COMPUTE_32F_FAST_16BF:
    case CUBLAS_COMPUTE_32F_FAST_TF32:
    case CUBLAS_COMPUTE_32F_EMULATED_16BFX9: return CUBLAS_COMPUTE_32F;
    case CUBLAS_COMPUTE_64F_PEDANTIC:
    case CUBLAS_COMPUTE_64F_EMULATED_FIXEDPOINT: return CUBLAS_COMPUTE_64F;
    case CUBLAS_COMPUTE_32I_PEDANTIC: return CUBLAS_COMPUTE_32I;
    default: return compute;
  }
}

const char *gemm_kind(const struct gemm_types *types, ocu_gemm_kind *kind, ocu_dtype *scalars) {
  static const char *const reasons[] = {
      "computeType: no product has this one",
      "Atype: no product of this computeType has this one",
      "Btype: must be Atype",
      "Ctype: no product of this computeType and Atype has this one",
      "scaleType: no product of this computeType, Atype and Ctype has this one",
  };
  size_t matched = 0; /* how many arguments, in this order, some row agrees with */
  cublasComputeType_t compute = plain(types->compute);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    const struct gemm_types *row = &kinds[i].types;
    const int agree[] = {compute == ANY_COMPUTE || row->compute == compute,
                         row->a == types->a, row->b == types->b,
                         /* cuBLAS has no bytes as results */
                         row->c == types->c && (row->c != CUDA_R_8I || types->scale != ANY_SCALE),
                         types->scale == ANY_SCALE || row->scale == types->scale};
    size_t n = 0;
    while (n < 5 && agree[n]) n++;
    if (n == 5) {
      *kind = kinds[i].kind;
      *scalars = row->scale == CUDA_R_16F ? OCU_F16 : kind->scale;
      return NULL;
    }
    if (n > matched) matched = n;
  }
  return reasons[matched];
}

/* ---- scalars --------------------------------------------------------------------------------- */

static float half_to_float(uint16_t half) {
  uint32_t exponent = half >> 10 & 31, fraction = half & 1023, bits;
  float value;
  if (exponent == 0) {
    value = (float)fraction * 0x1p-24f;
  } else {
    bits = (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
    memcpy(&value, &bits, sizeof value);
  }
  return half >> 15 ? -value : value;
}

struct call {
  ocu_product product;
  ocu_dtype scalars;
  int on_device;
  gemm_function *run;
};

/* Scalars in device memory have their values once the work queued before has produced them. */
static ocu_status run_call(ocu_stream *stream, void *data) {
  struct call call = *(struct call *)data;
  const void **scalar[] = {&call.product.alpha, &call.product.beta};
  const size_t bytes = ocu_dtype_bytes(call.scalars);
  char value[2][16] = {{0}};
  for (int i = 0; i < 2; i++) {
    const void *given = *scalar[i];
    *scalar[i] = value[i];
    if (!given) continue; /* zero */
    ocu_status status = call.on_device ? ocu_copy(stream, value[i], given, bytes, 1)
                                       : ocu_check(given, bytes, 0);
    if (status != OCU_OK) return status;
    if (!call.on_device) memcpy(value[i], given, bytes);
    if (call.scalars == OCU_F16) {
      uint16_t half;
      memcpy(&half, value[i], sizeof half);
      const float wide = half_to_float(half);
      memcpy(value[i], &wide, sizeof wide);
    }
  }
  return call.run(stream, &call.product, 0);
}

ocu_status read_and_run(ocu_stream *stream, ocu_status (*run)(ocu_stream *, void *), void *data,
                        size_t bytes) {
  int state = OCU_CAPTURE_NONE;
  ocu_status status = ocu_capture_query(stream, &state, NULL, NULL);
  if (status != OCU_OK) return status;
  return state == OCU_CAPTURE_NONE ? run(stream, data)
                                   : ocu_stream_defer(stream, run, data, bytes);
}

ocu_status gemm_run(ocu_stream *stream, int on_device, ocu_dtype scalars,
                    const ocu_product *product, gemm_function *run) {
  if (!on_device && scalars != OCU_F16) return run(stream, product, 0);
  struct call call = {*product, scalars, on_device, run};
  return on_device ? read_and_run(stream, run_call, &call, sizeof call) : run_call(stream, &call);
}
