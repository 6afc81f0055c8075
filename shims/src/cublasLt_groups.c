/* cublasLt_groups.c - products of groups: pointers, sizes and leading dimensions are in arrays in device
 * memory, read when the work queued before has made them; each group is a product like any. */
#include "cublasLt_internal.h"

#include <stdlib.h>

struct call {
  struct problem problem;
  struct matmul desc;
  struct layout layouts[4];
};

/* The arrays, as wide words: of A, B, C, D each four; NULL is all zero. */
enum { POINTER, ROWS, COLUMNS, LD, OF_MATRIX, BIAS = 4 * OF_MATRIX, ALPHA, BETA, ARRAYS };

static ocu_status read_array(ocu_stream *stream, const void *from, int narrow, int64_t count,
                             int64_t *to) {
  if (!from) return OCU_OK;
  int32_t *half = (int32_t *)(void *)to + (narrow ? count : 0);
  ocu_status status = ocu_copy(stream, half, from, (size_t)count * (narrow ? 4 : 8), 1);
  for (int64_t i = 0; narrow && i < count; i++) to[i] = half[i];
  return status;
}

static ocu_status read_arrays(ocu_stream *stream, const struct call *call, int64_t *words) {
  const ocu_product *g = &call->problem.product;
  const void *const matrices[] = {g->a.p, g->b.p, g->c.p, g->d.p};
  const int64_t count = call->layouts[3].batch;
  struct { const void *p; int narrow; } arrays[ARRAYS] = {
      [BIAS] = {g->bias, 0}, [ALPHA] = {call->desc.alpha_stride ? g->alpha : NULL, 0},
      [BETA] = {call->desc.beta_stride ? g->beta : NULL, 0}};
  for (int i = 0; i < 4; i++) {
    const struct layout *x = &call->layouts[i];
    const void *const p[] = {matrices[i], x->rows_array, x->cols_array, x->ld_array};
    for (int j = 0; j < OF_MATRIX; j++) {
      arrays[i * OF_MATRIX + j].p = p[j];
      arrays[i * OF_MATRIX + j].narrow = j && !(j == LD ? x->ld_width : x->size_width);
    }
  }
  for (int i = 0; i < ARRAYS; i++) {
    ocu_status status = read_array(stream, arrays[i].p, arrays[i].narrow, count, words + i * count);
    if (status != OCU_OK) return status;
  }
  return OCU_OK;
}

static const void *address(int64_t word) { return (const void *)(uintptr_t)word; }

static cublasStatus_t group(const struct call *call, const int64_t *words, int64_t i,
                            ocu_product *one) {
  const int64_t count = call->layouts[3].batch;
  struct layout x[4];
  ocu_matrix *const matrices[] = {&one->a, &one->b, &one->c, &one->d};
  *one = call->problem.product;
  for (int j = 0; j < 4; j++) {
    const int64_t *of = words + j * OF_MATRIX * count + i;
    x[j] = call->layouts[j];
    x[j].rows = (uint64_t)of[ROWS * count], x[j].cols = (uint64_t)of[COLUMNS * count];
    x[j].ld = x[j].rows && x[j].cols ? of[LD * count] : INT64_MAX; /* no lines are far enough apart */
    x[j].batch = 1, x[j].batch_mode = CUBLASLT_BATCH_MODE_STRIDED;
  }
  const struct layout *const layouts[] = {&x[0], &x[1], &x[2], &x[3]};
  cublasStatus_t status = set_matrices("cublasLtMatmul", &call->desc, layouts, one);
  for (int j = 0; j < 4; j++) matrices[j]->p = address(words[j * OF_MATRIX * count + i]);
  one->bias = address(words[BIAS * count + i]);
  if (call->desc.alpha_stride) one->alpha = address(words[ALPHA * count + i]);
  if (call->desc.beta_stride) one->beta = address(words[BETA * count + i]);
  const int moves = one->c.p && one->c.p == one->d.p && !same_place(&one->c, &one->d);
  return moves ? CUBLAS_STATUS_INVALID_VALUE : status;
}

/* Nothing is launched before every group has been checked. */
static ocu_status run_call(ocu_stream *stream, void *data) {
  const struct call *call = data;
  const struct problem *problem = &call->problem;
  const int64_t count = call->layouts[3].batch;
  int64_t *words = calloc((size_t)count * ARRAYS + 1, sizeof *words);
  ocu_status status = words ? read_arrays(stream, call, words) : OCU_OUT_OF_MEMORY;
  for (int launching = 0; launching < 2; launching++)
    for (int64_t i = 0; i < count && status == OCU_OK; i++) {
      ocu_product one;
      if (group(call, words, i, &one) != CUBLAS_STATUS_SUCCESS) {
        log_at(1, "cublasLtMatmul", "the matrices of group %lld do not fit", (long long)i);
        status = OCU_INVALID_VALUE;
      } else if (launching) {
        status = gemm_run(stream, problem->on_device, problem->scalars, &one, ocu_multiply);
      }
    }
  free(words);
  return status;
}

ocu_status multiply_groups(ocu_stream *stream, const struct descriptors *given,
                           const struct problem *problem) {
  const void *const layouts[] = {given->a, given->b, given->c, given->d};
  struct call call = {.problem = *problem, .desc = *(const struct matmul *)given->product};
  for (int i = 0; i < 4; i++) call.layouts[i] = *(const struct layout *)layouts[i];
  return read_and_run(stream, run_call, &call, sizeof call);
}
