/* cublasLt_internal.h - inside libcublasLt: what its descriptors hold. */
#ifndef SHIM_CUBLASLT_INTERNAL_H
#define SHIM_CUBLASLT_INTERNAL_H
#include "cublasLt.h"
#include "gemm.h"

/* Each descriptor starts with the mark of its kind, cleared when it is destroyed. */
enum mark {
  LAYOUT = 0x6f637501,
  MATMUL,
  TRANSFORM,
  PREFERENCE,
  EMULATION,
  ALGO
};

struct layout {
  uint64_t mark;
  uint32_t type;
  int32_t order;
  uint64_t rows, cols;
  int64_t ld;
  int32_t batch;
  uint32_t batch_mode;
  int64_t stride, plane;
};

struct matmul {
  uint64_t mark;
  int32_t compute, scale, pointer_mode, transa, transb, transc, fill;
  uint32_t epilogue;
  const void *bias;
  int64_t bias_stride;
  int32_t bias_type, aux_type;
  const void *aux;
  int64_t aux_ld, aux_stride, alpha_vector_stride, alpha_stride, beta_stride;
  const void *a_scale, *b_scale, *c_scale, *d_scale, *d_out_scale, *aux_scale, *d_amax, *aux_amax;
  int32_t a_mode, b_mode, c_mode, d_mode, d_out_mode, aux_mode;
  int32_t sm_target, chunk_rows, chunk_cols;
  uint32_t invariance;
  const void *in_counters, *out_counters, *emulation;
  int8_t fast_accumulation;
};

struct transform {
  uint64_t mark;
  int32_t scale, pointer_mode, transa, transb;
};

struct preference {
  uint64_t mark, workspace, implementations;
  uint32_t search, reductions, alignment[4];
  float waves;
};

struct emulation {
  uint64_t mark;
  int32_t strategy, special_values, mantissa_control, mantissa_bits, mantissa_offset;
  const void *bits_used;
};

/* One algorithm, number 0; what it is told beyond the types are hints. */
struct algo {
  uint64_t mark;
  int32_t id, splits;
  uint32_t tile, reduction, swizzle, custom, stages;
  uint16_t inner, cluster;
  uint8_t ab, c, scale;
};

/* The descriptor as its structure, or NULL where it is none of this mark. */
HIDDEN const void *described(const void *descriptor, enum mark mark);

/* Attributes by number: where a structure keeps them. */
struct attribute {
  int number;
  size_t offset, bytes;
};
#define FIELD(number, type, field) \
  {number, offsetof(struct type, field), sizeof(((struct type *)0)->field)}
HIDDEN cublasStatus_t attribute_set(void *object, const struct attribute *attributes, int count,
                                    int number, const void *buf, size_t bytes);
HIDDEN cublasStatus_t attribute_get(const void *object, const struct attribute *attributes,
                                    int count, int number, void *buf, size_t bytes,
                                    size_t *written);

/* A product as its descriptors give it, without pointers. */
struct problem {
  ocu_product product;
  ocu_dtype scalars;
  int on_device;
};
/* Status and, for what is not supported, a word on stderr. */
HIDDEN cublasStatus_t problem_of(const char *name, const void *desc, const void *Adesc,
                                 const void *Bdesc, const void *Cdesc, const void *Ddesc,
                                 struct problem *problem);
/* Has the core a kernel for it? */
HIDDEN ocu_status has_kernel(const ocu_gemm_kind *kind);

/* op of a matrix as its layout gives it, without its pointer. */
struct operation {
  ocu_matrix matrix;
  int64_t rows, columns;
};
HIDDEN cublasStatus_t operation_of(const char *name, const struct layout *x, int32_t op,
                                   struct operation *result);
static inline int same_place(const ocu_matrix *x, const ocu_matrix *y) {
  return x->bs == y->bs && x->rs == y->rs && x->cs == y->cs;
}

/* Refuses the first that is wanted. */
struct wish {
  int wanted;
  const char *reason;
};
HIDDEN cublasStatus_t refuse_any(const char *name, const struct wish *wishes, size_t count);

static inline int is_lt(cublasLtHandle_t handle) { return handle_kind(handle) != HANDLE_FREE; }

/* Levels: 1 errors, 2 trace, 3 hints, 4 heuristics, 5 every call. */
HIDDEN void log_at(int level, const char *function, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#endif
