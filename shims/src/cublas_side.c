/* cublas_side.c - symm, syrk, trmm, trsm and their kin: products with a matrix of which one side is
 * stored, or written. */
#include "gemm.h"

#include <string.h>

const void *number(ocu_dtype dtype, int n) {
  static const float narrow[3][2] = {{-1}, {0}, {1}};
  static const double wide[3][2] = {{-1}, {0}, {1}};
  return dtype == OCU_F32 || dtype == OCU_C64 ? (const void *)narrow[n + 1] : wide[n + 1];
}

static ocu_matrix columns(const struct operand *x, int turned) {
  return turned ? (ocu_matrix){x->p, 0, x->ld, 1} : (ocu_matrix){x->p, 0, 1, x->ld};
}

static cublasStatus_t kind_of(const struct sided *g, ocu_gemm_kind *kind) {
  ocu_dtype scalars;
  const char *reason = gemm_kind(&g->types, kind, &scalars);
  if (!reason && kind->ab != kind->c) reason = "Atype, Ctype: must be the same";
  if (!reason && kind->ab < OCU_C64 && g->types.scale == CUDA_C_32F)
    reason = "Atype: no product of this routine has this one";
  return reason ? (cublasStatus_t)refused(g->name, reason) : CUBLAS_STATUS_SUCCESS;
}

static int on_device(const struct sided *g) {
  return g->handle->pointer_mode == CUBLAS_POINTER_MODE_DEVICE;
}

cublasStatus_t sided(const struct sided *g, int kind, gemm_function *run) {
  if (!is_live(g->handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  const int right = g->side == CUBLAS_SIDE_RIGHT, turned = g->trans != CUBLAS_OP_N;
  const int64_t order = right ? g->n : g->m;
  if (g->side > CUBLAS_SIDE_RIGHT || g->uplo > CUBLAS_FILL_MODE_UPPER || g->m < 0 || g->n < 0 ||
      (unsigned)g->trans > CUBLAS_OP_C || g->diag > CUBLAS_DIAG_UNIT || !g->alpha ||
      (kind != OCU_TRIANGULAR && !g->beta) || g->a.ld < at_least_1(order) ||
      g->b.ld < at_least_1(g->m) || g->c.ld < at_least_1(g->m) ||
      (kind == OCU_TRIANGULAR && g->b.p == g->c.p && g->b.ld != g->c.ld && g->n > 1))
    return CUBLAS_STATUS_INVALID_VALUE;
  ocu_product p = {.batch = 1, .m = g->m, .n = g->n, .k = order, .alpha = g->alpha,
                   .beta = g->beta || on_device(g) ? g->beta : number(OCU_F64, 0)};
  CHECK(kind_of(g, &p.kind));
  if (!g->m || !g->n) return finish(ocu_alive(), g->name);
  const int lower = (g->uplo == CUBLAS_FILL_MODE_LOWER) ^ turned;
  p.kind.form = (uint8_t)((right ? OCU_FORM_B : OCU_FORM_A) | kind | (lower ? OCU_LOWER : 0) |
                          (g->diag == CUBLAS_DIAG_UNIT ? OCU_UNIT : 0));
  if (g->trans == CUBLAS_OP_C && is_complex(p.kind.ab)) p.kind.conj = right ? 2 : 1;
  const ocu_matrix a = columns(&g->a, turned), b = columns(&g->b, 0);
  p.a = right ? b : a, p.b = right ? a : b;
  p.c = p.d = columns(&g->c, 0);
  return finish(handle_run(g->handle, p.kind.scale, &p, run), g->name);
}

/* ---- one side of the result ------------------------------------------------------------------- */

struct update {
  struct sided g;
  ocu_product p;
  int how, on_device; /* the scalars, at the call */
};

static ocu_status one_side(const struct update *u, ocu_stream *stream) {
  const cublasHandle_t handle = u->g.handle;
  return !u->on_device && handle->offload ? handle->offload(handle, &u->p, ocu_multiply)
                                           : ocu_multiply(stream, &u->p, 0);
}

/* The real scalars of Hermitian updates as complex ones, and the two products of syr2k and her2k. */
static ocu_status run_update(ocu_stream *stream, void *data) {
  struct update *u = data;
  const struct sided *g = &u->g;
  const int real_alpha = u->how == HERK, real_beta = u->how >= HERK;
  const size_t whole = ocu_dtype_bytes(u->p.kind.scale), size = u->how >= HERK ? whole / 2 : whole;
  char alpha[16] = {0}, beta[16] = {0};
  const struct {
    char *to;
    const void *from;
    size_t bytes;
  } factors[] = {{alpha, g->alpha, real_alpha ? size : whole}, {beta, g->beta, real_beta ? size : whole}};
  for (int i = 0; i < 2; i++) {
    ocu_status status = u->on_device ? ocu_copy(stream, factors[i].to, factors[i].from, factors[i].bytes, 1)
                               : ocu_check(factors[i].from, factors[i].bytes, 0);
    if (status != OCU_OK) return status;
    if (!u->on_device) memcpy(factors[i].to, factors[i].from, factors[i].bytes);
  }
  u->p.alpha = alpha, u->p.beta = beta;
  ocu_status status = one_side(u, stream);
  if (status != OCU_OK || (u->how != SYR2K && u->how != HER2K)) return status;
  if (u->how == HER2K) alpha[whole - 1] ^= (char)0x80; /* the sign of its imaginary part */
  const ocu_matrix a = u->p.a;
  u->p.a = (ocu_matrix){u->p.b.p, 0, u->p.b.cs, u->p.b.rs};
  u->p.b = (ocu_matrix){a.p, 0, a.cs, a.rs};
  u->p.beta = number(u->p.kind.scale, 1);
  return one_side(u, stream);
}

cublasStatus_t update_side(const struct sided *g, int how) {
  if (!is_live(g->handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  const int turned = g->trans != CUBLAS_OP_N, hermitian = how >= HERK;
  const int64_t n = g->m, k = g->n;
  if (g->uplo > CUBLAS_FILL_MODE_UPPER || (unsigned)g->trans > CUBLAS_OP_C || n < 0 || k < 0 ||
      !g->alpha || !g->beta || g->a.ld < at_least_1(turned ? k : n) ||
      g->b.ld < at_least_1(turned ? k : n) || g->c.ld < at_least_1(n))
    return CUBLAS_STATUS_INVALID_VALUE;
  struct update u = {.g = *g, .how = how, .on_device = on_device(g)};
  u.p = (ocu_product){.batch = 1, .m = n, .n = n, .k = k};
  CHECK(kind_of(g, &u.p.kind));
  if (is_complex(u.p.kind.ab) && turned && (g->trans == CUBLAS_OP_C) != hermitian)
    return CUBLAS_STATUS_INVALID_VALUE;
  if (!n) return finish(ocu_alive(), g->name);
  u.p.kind.d_form = g->uplo == CUBLAS_FILL_MODE_LOWER ? OCU_D_LOWER : OCU_D_UPPER;
  if (hermitian) u.p.kind.d_form |= OCU_D_HERMITIAN, u.p.kind.conj = turned ? 1 : 2;
  u.p.a = columns(&g->a, turned), u.p.b = columns(&g->b, !turned);
  u.p.c = u.p.d = columns(&g->c, 0);
  ocu_stream *stream = stream_of(g->handle->stream);
  int state = OCU_CAPTURE_NONE;
  ocu_status status = u.on_device ? ocu_capture_query(stream, &state, NULL, NULL) : OCU_OK;
  if (status == OCU_OK)
    status = state == OCU_CAPTURE_NONE ? run_update(stream, &u)
                                       : ocu_stream_defer(stream, run_update, &u, sizeof u);
  return finish(status, g->name);
}
