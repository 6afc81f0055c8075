/* split.c - products of small matrices over a long k, which one program would make alone.
 *
 *     W[i] = A[:, part i of k] B[part i of k, :]      one batch of equal parts, then what is left
 *     D    = act(alpha sum W + beta C + bias)         in index order
 *
 * The number of parts depends on the sizes alone, so the result's bits do too. */
#include <string.h>
#include "core.h"

enum { TILE_ROWS = 192, TILE_COLUMNS = 256, PROGRAMS = 32, LEAST_PART = 2048, PART_STEP = 64 };
enum { BATCH, M, N, K, A, B = 8, C = 12, D = 16, ALPHA = 20, BETA = 22, BIAS = 24 };  /* in args */
enum { AB_TYPE = 1, C_TYPE, SCALE_TYPE, A_LAYOUT, C_LAYOUT = 6, D_LAYOUT, BUCKET, CONJ,
       ACTIVATION, BIAS_KIND };                                                       /* in a spec */
enum { POINTER, BATCH_STRIDE, ROW_STRIDE, COLUMN_STRIDE };

static int64_t cdiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t ocu_split_parts(int64_t m, int64_t n, int64_t k) {
  int64_t longer = m > n ? m : n;
  if (k / 64 < longer || k < 4 * LEAST_PART) return 1;
  int64_t parts = PROGRAMS / (cdiv(m, TILE_ROWS) * cdiv(n, TILE_COLUMNS)), most = k / LEAST_PART;
  if (parts > most) parts = most;
  return parts < 2 ? 1 : parts;
}

static void put_matrix(int64_t *at, const void *p, int64_t batch_stride, int64_t row_stride) {
  const int64_t words[4] = {(int64_t)p, batch_stride, row_stride, 1};
  memcpy(at, words, sizeof words);
}

/* One call's parts, from args, which it may change. */
static ocu_status multiply_parts(ocu_stream *s, const ocu_spec *whole, int64_t *args, int64_t parts,
                                 char *sums, ocu_dtype dtype, size_t size, int flags) {
  int64_t m = args[M], n = args[N], k = args[K], each = k / parts / PART_STEP * PART_STEP;
  ocu_spec spec = *whole;
  spec.f[C_TYPE] = spec.f[SCALE_TYPE] = (uint8_t)dtype;
  spec.f[C_LAYOUT] = spec.f[D_LAYOUT] = 2;
  spec.f[ACTIVATION] = spec.f[BIAS_KIND] = 0;
  memset(args + ALPHA, 0, 4 * sizeof *args);
  args[ALPHA] = dtype == OCU_I32                        ? 1
                : dtype == OCU_F32 || dtype == OCU_C64 ? 0x3f800000
                                                       : 0x3ff0000000000000;
  args[BATCH] = parts, args[K] = each, args[BIAS] = 0;
  args[A + BATCH_STRIDE] = each * args[A + COLUMN_STRIDE];
  args[B + BATCH_STRIDE] = each * args[B + ROW_STRIDE];
  put_matrix(args + C, sums, m * n, n);
  put_matrix(args + D, sums, m * n, n);
  OCU_TRY(ocu_call(s, &spec, args, OCU_GEMM_ARGS, flags));
  if (k == parts * each) return OCU_OK;
  int64_t bytes = (int64_t)ocu_dtype_bytes(ocu_dtype_of_a(spec.f[AB_TYPE]));
  args[A] += parts * args[A + BATCH_STRIDE] * bytes;
  args[B] += parts * args[B + BATCH_STRIDE] * bytes;
  args[C] = args[D] = (int64_t)(sums + (size_t)(parts * m * n) * size);
  args[BATCH] = 1, args[K] = k - parts * each;
  return ocu_call(s, &spec, args, OCU_GEMM_ARGS, flags);
}

ocu_status ocu_split(ocu_stream *s, const ocu_spec *spec, const int64_t *args, int64_t parts,
                     int flags) {
  ocu_dtype ab = ocu_dtype_of_a(spec->f[AB_TYPE]);
  ocu_dtype dtype = ocu_is_narrow(ab) ? OCU_F32 : ab == OCU_I8 ? OCU_I32 : ab;
  size_t size = ocu_dtype_bytes(dtype);
  int64_t m = args[M], n = args[N], step = args[K] / parts / PART_STEP * PART_STEP;
  int64_t count = parts + (args[K] > parts * step), some[OCU_GEMM_ARGS];
  void *sums;
  OCU_TRY(ocu_alloc_async(s, (size_t)(count * m * n) * size, &sums));
  memcpy(some, args, sizeof some);
  ocu_status status =
      multiply_parts(s, spec, some, parts, sums, dtype, size, flags & ~OCU_CALL_SYNC);
  if (!status) {
    ocu_spec last = *spec;
    last.f[AB_TYPE] = (uint8_t)dtype;
    last.f[A_LAYOUT] = last.f[A_LAYOUT + 1] = 2;
    last.f[BUCKET] = OCU_BUCKET_SUM, last.f[CONJ] = 0;
    memcpy(some, args, sizeof some);
    some[K] = count;
    put_matrix(some + A, sums, m * n, n);
    put_matrix(some + B, sums, m * n, n);
    status = ocu_call(s, &last, some, OCU_GEMM_ARGS, flags);
  }
  ocu_status freed = ocu_free_async(s, sums);
  return status ? status : freed;
}
