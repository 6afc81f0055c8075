/* cublasLt_descriptors.c - cuBLASLt's descriptors: made here or in memory of the program's, and
 * their attributes. */
#include "cublasLt_internal.h"

#include <string.h>

/* ---- memory ---------------------------------------------------------------------------------- */

/* Descriptors made here are slots of one array that is never freed, so that any value can be looked
 * at without asking the kernel whether it is memory. */
union slot {
  uint64_t mark;
  char bytes[256];
};
enum { SLOTS = 65536 };
static union slot slots[SLOTS];
static atomic_uchar taken[SLOTS];
static atomic_uint next_slot;

__attribute__((constructor)) static void keep(void) { ocu_keep(slots, sizeof slots); }

static union slot *ours(const void *p) {
  uintptr_t offset = (uintptr_t)p - (uintptr_t)slots;
  return offset < sizeof slots && offset % sizeof *slots == 0 ? &slots[offset / sizeof *slots]
                                                              : NULL;
}

static size_t size_of(enum mark mark) {
  switch (mark) {
    case LAYOUT: return sizeof(struct layout);
    case MATMUL: return sizeof(struct matmul);
    case TRANSFORM: return sizeof(struct transform);
    case PREFERENCE: return sizeof(struct preference);
    case EMULATION: return sizeof(struct emulation);
    case ALGO: return sizeof(struct algo);
  }
  return 0;
}
_Static_assert(sizeof(struct layout) <= 64 && sizeof(struct preference) <= 64 &&
                   sizeof(struct algo) <= sizeof(cublasLtMatmulAlgo_t),
               "as small as any version of the vendor's headers makes them");
_Static_assert(sizeof(struct matmul) <= sizeof(cublasLtMatmulDescOpaque_t) &&
                   sizeof(struct matmul) <= sizeof(union slot),
               "the vendor's size");
_Static_assert(sizeof(struct transform) <= 64 && sizeof(struct emulation) <= 64, "the vendor's");

static int usable(const void *p, enum mark mark, int write) {
  return (uintptr_t)p % _Alignof(uint64_t) == 0 && (ours(p) || ocu_accessible(p, size_of(mark), write));
}

/* What is there may be anything of the program's, which sanitizers guard. */
__attribute__((no_sanitize("address"))) const void *described(const void *descriptor,
                                                              enum mark mark) {
  if (!usable(descriptor, mark, 0)) return NULL;
  return *(const uint64_t *)descriptor == mark ? descriptor : NULL;
}

/* A new one, all zero but its mark; NULL: there are too many. */
static void *made(enum mark mark) {
  for (int i = 0; i < SLOTS; i++) {
    unsigned slot = atomic_fetch_add(&next_slot, 1) % SLOTS;
    unsigned char free = 0;
    if (!atomic_compare_exchange_strong(&taken[slot], &free, 1)) continue;
    memset(&slots[slot], 0, sizeof *slots);
    slots[slot].mark = mark;
    return &slots[slot];
  }
  return NULL;
}

/* The same in memory of the program's; its header may be older and its structures smaller. */
static void *placed(void *p, size_t bytes, enum mark mark) {
  if (bytes < size_of(mark) || !usable(p, mark, 1)) return NULL;
  memset(p, 0, size_of(mark));
  *(uint64_t *)p = mark;
  return p;
}

static cublasStatus_t destroy(void *descriptor, enum mark mark) {
  if (!descriptor) return CUBLAS_STATUS_SUCCESS;
  if (!described(descriptor, mark)) return CUBLAS_STATUS_INVALID_VALUE;
  union slot *slot = ours(descriptor);
  if (slot || ocu_accessible(descriptor, sizeof(uint64_t), 1)) *(uint64_t *)descriptor = 0;
  if (slot) atomic_store(&taken[slot - slots], 0);
  return CUBLAS_STATUS_SUCCESS;
}

/* ---- attributes ------------------------------------------------------------------------------ */

static const struct attribute *find(const struct attribute *attributes, int count, int number) {
  for (int i = 0; i < count; i++)
    if (attributes[i].number == number) return &attributes[i];
  return NULL;
}

cublasStatus_t attribute_set(void *object, const struct attribute *attributes, int count,
                             int number, const void *buf, size_t bytes) {
  const struct attribute *field = find(attributes, count, number);
  if (!object || !field || !buf || bytes != field->bytes || !ocu_accessible(buf, bytes, 0))
    return CUBLAS_STATUS_INVALID_VALUE;
  memcpy((char *)object + field->offset, buf, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

/* bytes == 0 asks how many there are. */
cublasStatus_t attribute_get(const void *object, const struct attribute *attributes, int count,
                             int number, void *buf, size_t bytes, size_t *written) {
  const struct attribute *field = find(attributes, count, number);
  if (!object || !field || (written && !OUT(written))) return CUBLAS_STATUS_INVALID_VALUE;
  if (!bytes ? !written : !buf || bytes != field->bytes || !ocu_accessible(buf, bytes, 1))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (bytes) memcpy(buf, (const char *)object + field->offset, bytes);
  if (written) memcpy(written, &field->bytes, sizeof *written); /* wherever it may point */
  return CUBLAS_STATUS_SUCCESS;
}

static const struct attribute layout_attributes[] = {
    FIELD(CUBLASLT_MATRIX_LAYOUT_TYPE, layout, type),
    FIELD(CUBLASLT_MATRIX_LAYOUT_ORDER, layout, order),
    FIELD(CUBLASLT_MATRIX_LAYOUT_ROWS, layout, rows),
    FIELD(CUBLASLT_MATRIX_LAYOUT_COLS, layout, cols),
    FIELD(CUBLASLT_MATRIX_LAYOUT_LD, layout, ld),
    FIELD(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, layout, batch),
    FIELD(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, layout, stride),
    FIELD(CUBLASLT_MATRIX_LAYOUT_PLANE_OFFSET, layout, plane),
    FIELD(CUBLASLT_MATRIX_LAYOUT_BATCH_MODE, layout, batch_mode),
};

static const struct attribute matmul_attributes[] = {
    FIELD(CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, matmul, compute),
    FIELD(CUBLASLT_MATMUL_DESC_SCALE_TYPE, matmul, scale),
    FIELD(CUBLASLT_MATMUL_DESC_POINTER_MODE, matmul, pointer_mode),
    FIELD(CUBLASLT_MATMUL_DESC_TRANSA, matmul, transa),
    FIELD(CUBLASLT_MATMUL_DESC_TRANSB, matmul, transb),
    FIELD(CUBLASLT_MATMUL_DESC_TRANSC, matmul, transc),
    FIELD(CUBLASLT_MATMUL_DESC_FILL_MODE, matmul, fill),
    FIELD(CUBLASLT_MATMUL_DESC_EPILOGUE, matmul, epilogue),
    FIELD(CUBLASLT_MATMUL_DESC_BIAS_POINTER, matmul, bias),
    FIELD(CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, matmul, bias_stride),
    FIELD(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, matmul, bias_type),
    FIELD(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, matmul, aux),
    FIELD(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, matmul, aux_ld),
    FIELD(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE, matmul, aux_stride),
    FIELD(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_DATA_TYPE, matmul, aux_type),
    FIELD(CUBLASLT_MATMUL_DESC_ALPHA_VECTOR_BATCH_STRIDE, matmul, alpha_vector_stride),
    FIELD(CUBLASLT_MATMUL_DESC_SM_COUNT_TARGET, matmul, sm_target),
    FIELD(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, matmul, a_scale),
    FIELD(CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, matmul, b_scale),
    FIELD(CUBLASLT_MATMUL_DESC_C_SCALE_POINTER, matmul, c_scale),
    FIELD(CUBLASLT_MATMUL_DESC_D_SCALE_POINTER, matmul, d_scale),
    FIELD(CUBLASLT_MATMUL_DESC_D_OUT_SCALE_POINTER, matmul, d_out_scale),
    FIELD(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_SCALE_POINTER, matmul, aux_scale),
    FIELD(CUBLASLT_MATMUL_DESC_AMAX_D_POINTER, matmul, d_amax),
    FIELD(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_AMAX_POINTER, matmul, aux_amax),
    FIELD(CUBLASLT_MATMUL_DESC_A_SCALE_MODE, matmul, a_mode),
    FIELD(CUBLASLT_MATMUL_DESC_B_SCALE_MODE, matmul, b_mode),
    FIELD(CUBLASLT_MATMUL_DESC_C_SCALE_MODE, matmul, c_mode),
    FIELD(CUBLASLT_MATMUL_DESC_D_SCALE_MODE, matmul, d_mode),
    FIELD(CUBLASLT_MATMUL_DESC_D_OUT_SCALE_MODE, matmul, d_out_mode),
    FIELD(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_SCALE_MODE, matmul, aux_mode),
    FIELD(CUBLASLT_MATMUL_DESC_FAST_ACCUM, matmul, fast_accumulation),
#if OPENCU_CUDA_MAJOR == 12
    FIELD(CUBLASLT_MATMUL_DESC_ATOMIC_SYNC_NUM_CHUNKS_D_ROWS, matmul, chunk_rows),
    FIELD(CUBLASLT_MATMUL_DESC_ATOMIC_SYNC_NUM_CHUNKS_D_COLS, matmul, chunk_cols),
    FIELD(CUBLASLT_MATMUL_DESC_ATOMIC_SYNC_IN_COUNTERS_POINTER, matmul, in_counters),
    FIELD(CUBLASLT_MATMUL_DESC_ATOMIC_SYNC_OUT_COUNTERS_POINTER, matmul, out_counters),
#else
    FIELD(CUBLASLT_MATMUL_DESC_EMULATION_DESCRIPTOR, matmul, emulation),
    FIELD(CUBLASLT_MATMUL_DESC_ALPHA_BATCH_STRIDE, matmul, alpha_stride),
    FIELD(CUBLASLT_MATMUL_DESC_BETA_BATCH_STRIDE, matmul, beta_stride),
    FIELD(CUBLASLT_MATMUL_DESC_BATCH_INVARIANCE_FLAGS, matmul, invariance),
#endif
};

static const struct attribute transform_attributes[] = {
    FIELD(CUBLASLT_MATRIX_TRANSFORM_DESC_SCALE_TYPE, transform, scale),
    FIELD(CUBLASLT_MATRIX_TRANSFORM_DESC_POINTER_MODE, transform, pointer_mode),
    FIELD(CUBLASLT_MATRIX_TRANSFORM_DESC_TRANSA, transform, transa),
    FIELD(CUBLASLT_MATRIX_TRANSFORM_DESC_TRANSB, transform, transb),
};

static const struct attribute preference_attributes[] = {
    FIELD(CUBLASLT_MATMUL_PREF_SEARCH_MODE, preference, search),
    FIELD(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, preference, workspace),
    FIELD(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, preference, reductions),
    FIELD(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, preference, alignment[0]),
    FIELD(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, preference, alignment[1]),
    FIELD(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, preference, alignment[2]),
    FIELD(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, preference, alignment[3]),
    FIELD(CUBLASLT_MATMUL_PREF_MAX_WAVES_COUNT, preference, waves),
    FIELD(CUBLASLT_MATMUL_PREF_IMPL_MASK, preference, implementations),
};

/* ---- the five kinds -------------------------------------------------------------------------- */

/* Init, Create and Destroy of a kind whose fields `fill` sets from `names`. */
#define DESCRIPTOR(Name, kind, mark, arguments, names) \
  cublasStatus_t cublasLt##Name##Init_internal(cublasLt##Name##_t descriptor, \
                                               size_t size arguments) { \
    struct kind *x = placed(descriptor, size, mark); \
    if (!x) return size < sizeof *x ? CUBLAS_STATUS_ALLOC_FAILED : CUBLAS_STATUS_INVALID_VALUE; \
    fill_##kind(x names); \
    return CUBLAS_STATUS_SUCCESS; \
  } \
  cublasStatus_t cublasLt##Name##Create(cublasLt##Name##_t *descriptor arguments) { \
    if (!OUT(descriptor)) return CUBLAS_STATUS_INVALID_VALUE; \
    struct kind *x = made(mark); \
    if (!x) return CUBLAS_STATUS_ALLOC_FAILED; \
    fill_##kind(x names); \
    *descriptor = (cublasLt##Name##_t)(void *)x; \
    return CUBLAS_STATUS_SUCCESS; \
  } \
  cublasStatus_t cublasLt##Name##Destroy(cublasLt##Name##_t descriptor) { \
    return destroy(descriptor, mark); \
  }
#define ATTRIBUTES(Name, Attribute, mark, attributes) \
  cublasStatus_t cublasLt##Name##SetAttribute(cublasLt##Name##_t descriptor, Attribute attr, \
                                              const void *buf, size_t sizeInBytes) { \
    void *object = (void *)(uintptr_t)described(descriptor, mark); \
    return attribute_set(object, attributes, sizeof attributes / sizeof *attributes, (int)attr, \
                         buf, sizeInBytes); \
  } \
  cublasStatus_t cublasLt##Name##GetAttribute(cublasLt##Name##_t descriptor, Attribute attr, \
                                              void *buf, size_t sizeInBytes, \
                                              size_t *sizeWritten) { \
    return attribute_get(described(descriptor, mark), attributes, \
                         sizeof attributes / sizeof *attributes, (int)attr, buf, sizeInBytes, \
                         sizeWritten); \
  }

static void fill_layout(struct layout *x, cudaDataType type, uint64_t rows, uint64_t cols,
                        int64_t ld) {
  x->type = (uint32_t)type, x->rows = rows, x->cols = cols, x->ld = ld, x->batch = 1;
}
static void fill_matmul(struct matmul *x, cublasComputeType_t compute, cudaDataType_t scale) {
  x->compute = (int32_t)compute, x->scale = (int32_t)scale;
  x->fill = CUBLAS_FILL_MODE_FULL, x->epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  x->bias_type = x->aux_type = -1;
  x->invariance = 0x8000; /* not set */
}
static void fill_transform(struct transform *x, cudaDataType scale) { x->scale = (int32_t)scale; }
static void fill_preference(struct preference *x) {
  x->reductions = CUBLASLT_REDUCTION_SCHEME_MASK, x->implementations = UINT64_MAX;
  for (int i = 0; i < 4; i++) x->alignment[i] = 256;
}

#define LAYOUT_ARGUMENTS , cudaDataType type, uint64_t rows, uint64_t cols, int64_t ld
#define LAYOUT_NAMES , type, rows, cols, ld
#define MATMUL_ARGUMENTS , cublasComputeType_t computeType, cudaDataType_t scaleType
#define MATMUL_NAMES , computeType, scaleType
DESCRIPTOR(MatrixLayout, layout, LAYOUT, LAYOUT_ARGUMENTS, LAYOUT_NAMES)
ATTRIBUTES(MatrixLayout, cublasLtMatrixLayoutAttribute_t, LAYOUT, layout_attributes)
DESCRIPTOR(MatmulDesc, matmul, MATMUL, MATMUL_ARGUMENTS, MATMUL_NAMES)
ATTRIBUTES(MatmulDesc, cublasLtMatmulDescAttributes_t, MATMUL, matmul_attributes)
#define TRANSFORM_ARGUMENTS , cudaDataType scaleType
#define TRANSFORM_NAMES , scaleType
DESCRIPTOR(MatrixTransformDesc, transform, TRANSFORM, TRANSFORM_ARGUMENTS, TRANSFORM_NAMES)
ATTRIBUTES(MatrixTransformDesc, cublasLtMatrixTransformDescAttributes_t, TRANSFORM,
           transform_attributes)
DESCRIPTOR(MatmulPreference, preference, PREFERENCE, , )
ATTRIBUTES(MatmulPreference, cublasLtMatmulPreferenceAttributes_t, PREFERENCE,
           preference_attributes)

#if OPENCU_CUDA_MAJOR == 13
static const struct attribute emulation_attributes[] = {
    FIELD(CUBLASLT_EMULATION_DESC_STRATEGY, emulation, strategy),
    FIELD(CUBLASLT_EMULATION_DESC_SPECIAL_VALUES_SUPPORT, emulation, special_values),
    FIELD(CUBLASLT_EMULATION_DESC_FIXEDPOINT_MANTISSA_CONTROL, emulation, mantissa_control),
    FIELD(CUBLASLT_EMULATION_DESC_FIXEDPOINT_MAX_MANTISSA_BIT_COUNT, emulation, mantissa_bits),
    FIELD(CUBLASLT_EMULATION_DESC_FIXEDPOINT_MANTISSA_BIT_OFFSET, emulation, mantissa_offset),
    FIELD(CUBLASLT_EMULATION_DESC_FIXEDPOINT_MANTISSA_BIT_COUNT_POINTER, emulation, bits_used),
};
static void fill_emulation(struct emulation *x) { x->special_values = 0xffff; }
DESCRIPTOR(EmulationDesc, emulation, EMULATION, , )
ATTRIBUTES(EmulationDesc, cublasLtEmulationDescAttributes_t, EMULATION, emulation_attributes)
#endif
