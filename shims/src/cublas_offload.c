/* cublas_offload.c - products of matrices in host memory, on a device that does not reach it. It gets
 * copies, of pieces where the whole does not fit:
 *
 *   a product          halves of the longest of m, n, k; the second along k adds to the first
 *   D's one side       two such, and a product for the block between them
 *   M of which one side is stored, times B:
 *     [M11    ] [B1]   D2 = M22 B2, D2 += M21 B1, D1 = M11 B1   M triangular; B may be D
 *     [M21 M22] [B2]   the same, and D1 += M21^T B2             M symmetric
 *                      X1, D2 -= M21 X1, X2                     M triangular, solved
 */
#include "gemm.h"

#include <stdio.h>
#include <stdlib.h>

enum {
  ALIGNED = 32,         /* elements: pieces, and the steps of matrices on the device, are multiples */
  LEAST_ROOM = 1 << 20, /* bytes, for several of the smallest pieces */
};

struct offload {
  cublasHandle_t handle;
  ocu_stream *stream;
  char *room; /* all memory of the device that copies take: none is missing halfway */
  size_t bytes;
};

int cpu_device(void) {
  int first = 0, count;
  ocu_driver_open("cpu", &first, &count);
  return first;
}

static ocu_status on_cpu(const ocu_product *p, gemm_function *run) {
  const int before = ocu_device_get();
  ocu_status status = ocu_device_set(cpu_device());
  ocu_stream *stream = ocu_shim_own_stream();
  if (status == OCU_OK) status = run(stream, p, 0);
  if (status == OCU_OK) status = ocu_stream_sync(stream);
  ocu_device_set(before);
  return status;
}

/* What the device could not do is the processor's, of BLAS's calls; cuBLASXt's fail. */
static ocu_status tried(ocu_status status, const struct offload *o, const ocu_product *p,
                        gemm_function *run) {
  if (status == OCU_OK || !o->handle->least) return status;
  if (getenv("OPENCU_DEBUG")) fprintf(stderr, "opencu: BLAS on the CPU: %s\n", ocu_error());
  return on_cpu(p, run);
}

static int is_zero(const void *x, ocu_dtype dtype) {
  const float *narrow = x;
  const double *wide = x;
  if (dtype == OCU_F32 || dtype == OCU_C64)
    return narrow[0] == 0 && (dtype == OCU_F32 || narrow[1] == 0);
  return wide[0] == 0 && (dtype == OCU_F64 || wide[1] == 0);
}

/* ---- copies ------------------------------------------------------------------------------------- */

/* A matrix here: contiguous along its rows or its columns. */
struct place {
  ocu_matrix x;
  int64_t width, height, pitch; /* elements along, lines across, elements from one line to the next */
};

/* Triangular products and solutions may be in the place of their other operand. */
static int in_place(const ocu_product *p) {
  return p->kind.form & OCU_TRIANGULAR && (p->a.p == p->d.p || p->b.p == p->d.p);
}

/* B is A^T, as in syrk. */
static int of_one(const ocu_product *p) {
  return p->kind.d_form && p->a.p == p->b.p && p->a.rs == p->b.cs && p->a.cs == p->b.rs;
}

/* Those of D, A and B; 0 lines of what is where D or A is. */
static void find_places(const ocu_product *p, struct place place[3]) {
  const ocu_matrix *x[3] = {&p->d, &p->a, &p->b};
  const int64_t rows[3] = {p->m, p->m, p->k}, columns[3] = {p->n, p->k, p->n};
  for (int i = 0; i < 3; i++) {
    const int along = x[i]->rs == 1;
    place[i] = (struct place){*x[i], along ? rows[i] : columns[i], along ? columns[i] : rows[i],
                              along ? x[i]->cs : x[i]->rs};
    if ((i && in_place(p) && x[i]->p == p->d.p) || (i == 2 && of_one(p))) place[i].height = 0;
  }
}

static int64_t pitch_there(const struct place *x) {
  return (x->width + ALIGNED - 1) / ALIGNED * ALIGNED;
}

static double room_for(const ocu_product *p) {
  struct place place[3];
  double elements = 0;
  find_places(p, place);
  for (int i = 0; i < 3; i++) elements += (double)pitch_there(&place[i]) * (double)place[i].height;
  return elements * (double)ocu_dtype_bytes(p->kind.ab);
}

/* Is all of the matrices memory of the program's? */
static ocu_status check(const ocu_product *p) {
  struct place place[3];
  find_places(p, place);
  ocu_status status = OCU_OK;
  for (int i = 0; i < 3 && status == OCU_OK; i++) {
    const struct place *x = &place[i];
    size_t bytes;
    if (!x->height) continue;
    if (__builtin_mul_overflow(x->height - 1, x->pitch, &bytes) ||
        __builtin_add_overflow(bytes, x->width, &bytes) ||
        __builtin_mul_overflow(bytes, ocu_dtype_bytes(p->kind.ab), &bytes))
      bytes = SIZE_MAX; /* which nothing has */
    status = ocu_check(x->x.p, bytes, !i);
  }
  return status;
}

static ocu_status copy(ocu_stream *stream, const struct place *x, void *there, size_t size, int back) {
  const size_t here = (size_t)x->pitch * size, pitch = (size_t)pitch_there(x) * size;
  const size_t width = (size_t)x->width * size, height = (size_t)x->height;
  return back ? ocu_copy_2d(stream, (void *)x->x.p, here, there, pitch, width, height, 1)
              : ocu_copy_2d(stream, there, pitch, x->x.p, here, width, height, 0);
}

static ocu_status on_copies(const struct offload *o, const ocu_product *p, gemm_function *run) {
  const size_t size = ocu_dtype_bytes(p->kind.ab);
  const int reads_d = p->kind.d_form || in_place(p) || !is_zero(p->beta, p->kind.scale);
  struct place place[3];
  ocu_product q = *p;
  ocu_matrix *const there[3] = {&q.d, &q.a, &q.b};
  char *at = o->room;
  ocu_status status = OCU_OK;
  find_places(p, place);
  for (int i = 0; i < 3 && status == OCU_OK; i++) {
    const struct place *x = &place[i];
    const int64_t pitch = pitch_there(x);
    *there[i] = x->x.rs == 1 ? (ocu_matrix){at, 0, 1, pitch} : (ocu_matrix){at, 0, pitch, 1};
    if (!x->height) *there[i] = of_one(p) ? (ocu_matrix){q.a.p, 0, q.a.cs, q.a.rs} : q.d;
    if (x->height && (i || reads_d)) status = copy(o->stream, x, at, size, 0);
    at += (size_t)(pitch * x->height) * size;
  }
  q.c = q.d;
  if (status == OCU_OK) status = run(o->stream, &q, 0);
  if (status == OCU_OK) status = ocu_stream_sync(o->stream);
  if (status != OCU_OK) return tried(status, o, p, run);
  status = copy(o->stream, &place[0], o->room, size, 1);
  if (status == OCU_OK || !o->handle->least) return status;
  fprintf(stderr, "opencu: a result of BLAS is lost on its way from the device: %s\n", ocu_error());
  abort(); /* D may be written in part: nobody else can compute it now */
}

/* ---- pieces ------------------------------------------------------------------------------------- */

static ocu_matrix from(ocu_matrix x, int64_t i, int64_t j, size_t size) {
  x.p = (const char *)x.p + (i * x.rs + j * x.cs) * (int64_t)size;
  return x;
}

/* The piece at[] of m, n and k, size[] large. */
static ocu_product piece(const ocu_product *p, const int64_t at[3], const int64_t size[3]) {
  const size_t bytes = ocu_dtype_bytes(p->kind.ab);
  ocu_product x = *p;
  x.m = size[0], x.n = size[1], x.k = size[2];
  x.a = from(p->a, at[0], at[2], bytes), x.b = from(p->b, at[2], at[1], bytes);
  x.c = x.d = from(p->d, at[0], at[1], bytes);
  return x;
}

static ocu_status pieces(const struct offload *o, const ocu_product *p, gemm_function *run);

static int64_t half_of(int64_t n) { return (n / 2 + ALIGNED - 1) / ALIGNED * ALIGNED; }

/* Halves of m, n or k: 0, 1, 2. */
static ocu_status halves(const struct offload *o, const ocu_product *p, gemm_function *run, int of) {
  int64_t at[3] = {0}, size[3] = {p->m, p->n, p->k};
  const int64_t half = half_of(size[of]), rest = size[of] - half;
  size[of] = half;
  const ocu_product first = piece(p, at, size);
  at[of] = half, size[of] = rest;
  ocu_product second = piece(p, at, size);
  if (of == 2) second.beta = number(p->kind.scale, 1);
  ocu_status status = pieces(o, &first, run);
  return status == OCU_OK ? pieces(o, &second, run) : status;
}

/* The block at (to, from) of the matrix that has sides, each 0 or 1, and what it is multiplied by and
 * added to. */
static ocu_product block(const ocu_product *p, int to, int from) {
  const int row = p->kind.form & OCU_FORM_B ? 1 : 0, column = p->kind.d_form ? 1 : 2;
  int64_t at[3] = {0}, size[3] = {p->m, p->n, p->k};
  const int64_t half = half_of(size[row]), begin[2] = {0, half}, length[2] = {half, size[row] - half};
  at[row] = begin[to], size[row] = length[to];
  at[column] = begin[from], size[column] = length[from];
  ocu_product x = piece(p, at, size);
  if (to != from) x.kind.form = x.kind.d_form = 0;
  return x;
}

static ocu_status blocks(const struct offload *o, const ocu_product *p, gemm_function *run) {
  const uint8_t form = p->kind.form, d_form = p->kind.d_form;
  const int of_b = (form & OCU_FORM_B) != 0, solves = run == ocu_trsm;
  const int lower = (d_form ? d_form & OCU_D_LOWER : form & OCU_LOWER) != 0;
  const int last = lower ^ of_b; /* the stored block off the diagonal adds to this part of D */
  ocu_product first = block(p, last ^ solves, last ^ solves), between = block(p, last, !last);
  ocu_product second = block(p, !last ^ solves, !last ^ solves);
  if (solves) {
    between.alpha = number(p->kind.scale, -1), between.beta = p->alpha;
    second.alpha = number(p->kind.scale, 1);
  } else if (!d_form) {
    between.beta = number(p->kind.scale, 1);
  }
  ocu_status status = pieces(o, &first, run);
  if (status == OCU_OK) status = pieces(o, &between, ocu_multiply);
  if (status == OCU_OK) status = pieces(o, &second, run);
  if (status != OCU_OK || d_form || form & OCU_TRIANGULAR) return status;
  ocu_product mirrored = block(p, !last, last);
  const ocu_matrix x = of_b ? between.b : between.a;
  *(of_b ? &mirrored.b : &mirrored.a) = (ocu_matrix){x.p, 0, x.cs, x.rs};
  if (form & OCU_HERMITIAN) mirrored.kind.conj ^= of_b ? 2 : 1;
  mirrored.beta = between.beta;
  return pieces(o, &mirrored, ocu_multiply);
}

static ocu_status pieces(const struct offload *o, const ocu_product *p, gemm_function *run) {
  if (room_for(p) <= (double)o->bytes) return on_copies(o, p, run);
  const int64_t size[3] = {p->m, p->n, p->k};
  const uint8_t form = p->kind.form, d_form = p->kind.d_form;
  if (form || d_form) { /* two of the sizes are equal: `other` is not */
    const int other = d_form ? 2 : form & OCU_FORM_A ? 1 : 0;
    return size[other] > size[!other] ? halves(o, p, run, other) : blocks(o, p, run);
  }
  const int longer = size[0] < size[1];
  return halves(o, p, run, size[longer] < size[2] ? 2 : longer);
}

/* Half of what is free, at most: the device's kernels take workspace, too. */
static ocu_status reserve(struct offload *o, double bytes) {
  ocu_device_info info;
  ocu_status status = ocu_device_query(o->handle->device, &info);
  if (status != OCU_OK) return status;
  const double most = (double)(info.memory_free / 2);
  if (bytes > most) bytes = most > LEAST_ROOM ? most : bytes < LEAST_ROOM ? bytes : LEAST_ROOM;
  do {
    o->bytes = (size_t)bytes;
    status = ocu_alloc(o->handle->device, o->bytes, OCU_MEM_DEVICE, (void **)&o->room);
    bytes /= 2;
  } while (status == OCU_OUT_OF_MEMORY && bytes >= LEAST_ROOM);
  return status;
}

ocu_status offload(cublasHandle_t handle, const ocu_product *p, gemm_function *run) {
  const int64_t least = p->m < p->n ? p->m : p->n;
  const size_t scalar = ocu_dtype_bytes(p->kind.scale);
  ocu_status status = ocu_check(p->alpha, scalar, 0);
  if (status == OCU_OK) status = ocu_check(p->beta, scalar, 0);
  if (status != OCU_OK) return status;
  if ((least < p->k ? least : p->k) < handle->least || !p->k || is_zero(p->alpha, p->kind.scale))
    return on_cpu(p, run);
  status = check(p);
  if (status != OCU_OK) return status;
  struct offload o = {.handle = handle};
  const int before = ocu_device_get();
  status = ocu_device_set(handle->device);
  o.stream = ocu_shim_own_stream();
  if (status == OCU_OK) status = reserve(&o, room_for(p));
  if (status == OCU_OK) {
    status = pieces(&o, p, run);
    const ocu_status freed = ocu_free(o.room);
    if (status == OCU_OK) status = freed;
  } else {
    status = tried(status, &o, p, run);
  }
  ocu_device_set(before);
  return status;
}
