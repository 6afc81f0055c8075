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

static union slot *ours(const void *p) {
  int slot = SHIM_SLOT(slots, p);
  return slot < 0 ? NULL : &slots[slot];
}

/* What programs of CUDA 12 keep ends before what is about groups, and so does what is done here. */
#define KEPT(kind, groups) (OPENCU_CUDA_MAJOR == 12 ? offsetof(struct kind, groups) : sizeof(struct kind))
enum { LAYOUT_BYTES = KEPT(layout, rows_array), PREFERENCE_BYTES = KEPT(preference, mean_k) };

static size_t size_of(enum mark mark) {
  static const size_t sizes[] = {LAYOUT_BYTES,              sizeof(struct matmul),
                                 sizeof(struct transform),  PREFERENCE_BYTES,
                                 sizeof(struct emulation),  sizeof(struct algo),
                                 sizeof(struct capabilities)};
  return sizes[mark - LAYOUT];
}
_Static_assert(LAYOUT_BYTES <= sizeof(cublasLtMatrixLayoutOpaque_t) &&
                   PREFERENCE_BYTES <= sizeof(cublasLtMatmulPreferenceOpaque_t) &&
                   sizeof(struct algo) <= sizeof(cublasLtMatmulAlgo_t), "the vendor's sizes");
_Static_assert(sizeof(struct matmul) <= sizeof(cublasLtMatmulDescOpaque_t) &&
                   sizeof(struct matmul) <= sizeof(union slot),
               "the vendor's size");
_Static_assert(sizeof(struct transform) <= 64 && sizeof(struct emulation) <= 64, "the vendor's");

static int usable(const void *p, size_t bytes, int write) {
  return (uintptr_t)p % _Alignof(uint64_t) == 0 && (ours(p) || ocu_accessible(p, bytes, write));
}

/* What is there may be anything of the program's, which sanitizers guard. */
__attribute__((no_sanitize("address"))) const void *described(const void *descriptor,
                                                              enum mark mark) {
  if (!usable(descriptor, size_of(mark), 0)) return NULL;
  return *(const uint64_t *)descriptor == mark ? descriptor : NULL;
}

static cublasStatus_t create(void **descriptor, const void *fresh, size_t bytes) {
  if (!OUT(descriptor)) return CUBLAS_STATUS_INVALID_VALUE;
  for (int i = 0; i < SLOTS; i++) {
    unsigned slot = atomic_fetch_add(&next_slot, 1) % SLOTS;
    unsigned char free = 0;
    if (!atomic_compare_exchange_strong(&taken[slot], &free, 1)) continue;
    *descriptor = memcpy(&slots[slot], fresh, bytes);
    return CUBLAS_STATUS_SUCCESS;
  }
  return CUBLAS_STATUS_ALLOC_FAILED;
}

/* The same in memory of the program's; its header may be older and its structures smaller. */
static cublasStatus_t init(void *descriptor, size_t size, const void *fresh, size_t bytes) {
  if (size < bytes) return CUBLAS_STATUS_ALLOC_FAILED;
  if (!usable(descriptor, bytes, 1)) return CUBLAS_STATUS_INVALID_VALUE;
  memcpy(descriptor, fresh, bytes);
  return CUBLAS_STATUS_SUCCESS;
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

static const struct attribute {
  enum mark mark;
  int number;
  size_t offset, bytes; /* where the structure keeps it */
} attributes[] = {
#include "descriptor_attributes.inc"
};

static const struct attribute *find(enum mark mark, int number) {
  for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
    if (attributes[i].mark == mark && attributes[i].number == number) return &attributes[i];
  return NULL;
}

cublasStatus_t attribute_set(void *descriptor, enum mark mark, int number, const void *buf,
                             size_t bytes) {
  const struct attribute *field = find(mark, number);
  if (!described(descriptor, mark) || !field || !buf || bytes != field->bytes ||
      !ocu_accessible(buf, bytes, 0))
    return CUBLAS_STATUS_INVALID_VALUE;
  memcpy((char *)descriptor + field->offset, buf, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

/* bytes == 0 asks how many there are. */
cublasStatus_t attribute_get(const void *descriptor, enum mark mark, int number, void *buf,
                             size_t bytes, size_t *written) {
  const struct attribute *field = find(mark, number);
  if (!described(descriptor, mark) || !field || (written && !OUT(written)))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (!bytes ? !written : !buf || bytes != field->bytes || !ocu_accessible(buf, bytes, 1))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (bytes) memcpy(buf, (const char *)descriptor + field->offset, bytes);
  if (written) memcpy(written, &field->bytes, sizeof *written); /* wherever it may point */
  return CUBLAS_STATUS_SUCCESS;
}

/* ---- the five kinds, as Create and Init make them -------------------------------------------- */

#define FRESH(kind, ...) &(struct kind){__VA_ARGS__}, sizeof(struct kind)
#define NEW_LAYOUT(type_, rows_, cols_, ld_) \
  &(struct layout){.mark = LAYOUT, .type = (uint32_t)type_, .rows = rows_, .cols = cols_, \
                   .ld = ld_, .batch = 1}, LAYOUT_BYTES
#define NEW_GROUPS(type_, count_, rows_, cols_, ld_) \
  FRESH(layout, .mark = LAYOUT, .type = (uint32_t)type_, .batch = count_, \
        .batch_mode = MODE_GROUPED, .rows_array = rows_, .cols_array = cols_, .ld_array = ld_)
#define NEW_MATMUL(compute_, scale_) \
  FRESH(matmul, .mark = MATMUL, .compute = (int32_t)compute_, .scale = (int32_t)scale_, \
        .fill = CUBLAS_FILL_MODE_FULL, .epilogue = CUBLASLT_EPILOGUE_DEFAULT, .bias_type = -1, \
        .aux_type = -1, .invariance = INVARIANCE_NOT_SET)
#define NEW_TRANSFORM(scale_) FRESH(transform, .mark = TRANSFORM, .scale = (int32_t)scale_)
#define NEW_PREFERENCE \
  &(struct preference){.mark = PREFERENCE, .reductions = CUBLASLT_REDUCTION_SCHEME_MASK, \
                       .implementations = UINT64_MAX, .alignment_a = 256, .alignment_b = 256, \
                       .alignment_c = 256, .alignment_d = 256}, PREFERENCE_BYTES
#define NEW_EMULATION FRESH(emulation, .mark = EMULATION, .special_values = 0xffff)

static _Atomic size_t cache_capacity = 8192;
static int is_stream(cudaStream_t stream) { return ocu_stream_device(stream_of(stream)) >= 0; }

#include "calls.inc"
