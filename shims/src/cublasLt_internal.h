/* cublasLt_internal.h - inside libcublasLt: what its descriptors hold. */
#ifndef SHIM_CUBLASLT_INTERNAL_H
#define SHIM_CUBLASLT_INTERNAL_H
#include "cublasLt.h"
#include "gemm.h"

/* Each descriptor starts with the mark of its kind, cleared when it is destroyed. Its fields, and
 * which attributes they answer, are in shims/tables/descriptors.csv. There is one algorithm, number
 * 0: what its structure holds beyond the types are hints. */
enum mark { LAYOUT = 0x6f637501, MATMUL, TRANSFORM, PREFERENCE, EMULATION, ALGO, CAPABILITIES };
#include "descriptors.inc"
enum { INVARIANCE_NOT_SET = 0x8000 };
enum { MODE_GROUPED = 2 }; /* CUBLASLT_BATCH_MODE_GROUPED, which CUDA 12 does not have */

/* The descriptor as its structure, or NULL where it is none of this mark. */
HIDDEN const void *described(const void *descriptor, enum mark mark);
HIDDEN cublasStatus_t attribute_set(void *descriptor, enum mark mark, int number, const void *buf,
                                    size_t bytes);
HIDDEN cublasStatus_t attribute_get(const void *descriptor, enum mark mark, int number, void *buf,
                                    size_t bytes, size_t *written);

/* A product as its descriptors give it, without pointers. */
struct descriptors {
  const void *product, *a, *b, *c, *d;
};
struct problem {
  ocu_product product;
  ocu_dtype scalars;
  cudaDataType bias; /* its type */
  int on_device;
  int grouped; /* its matrices are known when it runs */
  int beta_zero;
  uint8_t tiled; /* a bit each for A, B, C, D, whose matrices are then those of copies by columns */
  uint8_t mask, gradient; /* what follows the product, as cublasLt_epilogue.c has it */
  ocu_matrix bits, sums;
};
/* Its kind by types alone: NULL, or the argument that rules it out. */
HIDDEN const char *lt_kind(const struct gemm_types *types, cudaDataType d, struct problem *problem);
HIDDEN int is_float8(cudaDataType type);
HIDDEN cublasStatus_t set_scales(const char *name, const struct matmul *x, ocu_product *product);
/* Status and, for what is not supported, a word on stderr. */
HIDDEN cublasStatus_t problem_of(const char *name, const struct descriptors *given,
                                 struct problem *problem);
/* The sizes, matrices and batch of a product from the layouts of A, B, C, D. */
HIDDEN cublasStatus_t set_matrices(const char *name, const struct matmul *desc,
                                   const struct layout *const layouts[4], ocu_product *product);
/* The part of the epilogue that the product does, and what follows it; the layout is that of D. */
HIDDEN cublasStatus_t set_epilogue(const char *name, const struct matmul *x,
                                   const struct layout *d, struct problem *problem);
HIDDEN ocu_status check_epilogue(const struct problem *problem);
HIDDEN ocu_status run_epilogue(ocu_stream *stream, const struct problem *problem);
/* Runs a problem of groups: its matrices, bias, and with a batch stride alpha and beta, are arrays of
 * pointers. */
HIDDEN ocu_status multiply_groups(ocu_stream *stream, const struct descriptors *given,
                                  const struct problem *problem);
/* Has the core a kernel for it? */
HIDDEN ocu_status has_kernel(const ocu_gemm_kind *kind);

/* op of a matrix as its layout gives it, without its pointer. */
struct operation {
  ocu_matrix matrix;
  int64_t rows, columns;
};
HIDDEN cublasStatus_t operation_of(const char *name, const struct layout *x, int32_t op,
                                   struct operation *result);
static inline int is_tiled(const struct layout *x) { return x->order > CUBLASLT_ORDER_ROW; }
/* Elements of a group of 32 columns. */
static inline int64_t group_of_32(int32_t order, int64_t rows) {
  const int64_t tile = order == CUBLASLT_ORDER_COL32 ? 1 : order == CUBLASLT_ORDER_COL4_4R2_8C ? 8 : 32;
  return (rows + tile - 1) / tile * tile * 32;
}
static inline struct layout by_columns(const struct layout *x) {
  struct layout copy = *x;
  copy.order = CUBLASLT_ORDER_COL, copy.ld = at_least_1((int64_t)x->rows);
  copy.stride = copy.ld * (int64_t)x->cols;
  return copy;
}
/* C = alpha op(A) + beta op(B), a product's a, c and d; where kind.form, vectors, d_form are not 0 they
 * are the order of a, c, d, and FORM_TURNED more where a matrix is transposed. */
enum { FORM_TURNED = 16 };
HIDDEN ocu_status transform(ocu_stream *stream, const ocu_product *g, int flags);
/* Runs a problem; of tiled matrices on copies. */
HIDDEN ocu_status multiply(ocu_stream *stream, const struct problem *problem);
HIDDEN ocu_status multiply_tiled(ocu_stream *stream, const struct descriptors *given,
                                 struct problem *problem);
static inline int same_place(const ocu_matrix *x, const ocu_matrix *y) {
  return x->bs == y->bs && x->rs == y->rs && x->cs == y->cs;
}

/* Refuses the first that is wanted. */
struct wish {
  int wanted;
  const char *reason;
};
HIDDEN cublasStatus_t refuse_any(const char *name, const struct wish *wishes, size_t count);

/* The search for an algorithm: where it works for a problem, and where it works for types. */
HIDDEN cublasStatus_t heuristic(cublasLtHandle_t handle, const struct descriptors *given,
                                cublasLtMatmulPreference_t preference, int requested,
                                cublasLtMatmulHeuristicResult_t *results, int *count);
HIDDEN cublasStatus_t algo_check(cublasLtHandle_t handle, const struct descriptors *given,
                                 const cublasLtMatmulAlgo_t *algo,
                                 cublasLtMatmulHeuristicResult_t *result);
HIDDEN cublasStatus_t algo_ids(cublasLtHandle_t handle, const struct gemm_types *types,
                               cudaDataType d, int requested, int *ids, int *count);
HIDDEN cublasStatus_t algo_init(cublasLtHandle_t handle, const struct gemm_types *types,
                                cudaDataType d, int id, cublasLtMatmulAlgo_t *algo);

static inline int is_lt(cublasLtHandle_t handle) { return handle_kind(handle) != HANDLE_FREE; }

/* Levels: 1 errors, 2 trace, 3 hints, 4 heuristics, 5 every call. */
HIDDEN void log_at(int level, const char *function, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#endif
