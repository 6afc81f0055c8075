/* call.c - one call: look its plan up, compute the slots, put its launches on the stream. */
#include <stdio.h>
#include <string.h>
#include "core.h"

enum { INLINE_MOST_NS = 20000 };  /* shorter work runs on the caller: a hop costs 6 to 14 us */
static const int64_t scratch_most = (int64_t)256 << 20, programs_most = (int64_t)1 << 48;

typedef struct {
  const ocu_plan *plan;
  int64_t slot[OCU_MAX_SLOTS];
} call;

/* ---- expressions: total functions; what would overflow stops at the largest number --------- */

static inline int64_t add(int64_t a, int64_t b) {
  int64_t r;
  return __builtin_add_overflow(a, b, &r) ? INT64_MAX : r;
}

static inline int64_t sub(int64_t a, int64_t b) {
  int64_t r;
  return __builtin_sub_overflow(a, b, &r) ? INT64_MAX : r;
}

static inline int64_t mul(int64_t a, int64_t b) {
  int64_t r;
  return __builtin_mul_overflow(a, b, &r) ? INT64_MAX : r;
}

static inline int64_t cdiv(int64_t a, int64_t b) { return b <= 0 ? 0 : a / b + (a % b > 0); }

static inline int64_t evaluate(const ocu_expr *x, const int64_t *slot, int threads) {
  if (x->op == OCU_X_CONST) return x->imm;
  if (x->op == OCU_X_THREADS) return threads;
  int64_t a = slot[x->a], b = slot[x->b];
  switch (x->op) {
    case OCU_X_ADD: return add(a, b);
    case OCU_X_SUB: return sub(a, b);
    case OCU_X_MUL: return mul(a, b);
    case OCU_X_DIV: return b <= 0 ? 0 : a / b;
    case OCU_X_CDIV: return cdiv(a, b);
    case OCU_X_ALIGN: return mul(cdiv(a, b), b);
    case OCU_X_MIN: return a < b ? a : b;
    default: return a > b ? a : b;  /* OCU_X_MAX */
  }
}

/* ---- running ------------------------------------------------------------------------------- */

static inline ocu_status launch(const ocu_work *w, const ocu_stream *s) {
  if (!ocu_is_native(s))
    return ocu_team_run((ocu_kernel)(uintptr_t)((const char *)w->code + w->entry), w);
  const ocu_device *d = ocu_device_of(s);
  return d->driver->launch(d->index, s->native, w);
}

static void report(const ocu_plan *p, const ocu_work *w, const ocu_turn *turn, int64_t ns) {
  char spec[33], took[32] = "";
  ocu_spec_hex(&p->spec, spec);
  if (ocu_debug_times) snprintf(took, sizeof took, " %.2f us", (double)ns * 1e-3);
  const ocu_device *d = ocu_device_of(turn->stream);
  fprintf(stderr, "opencu: launch %s on %s entry=%u programs=%lld scratch=%lld cost=%lld ns %s%s\n",
          spec, d->driver ? d->driver->name : "cpu", w->entry, (long long)w->programs,
          (long long)w->scratch, (long long)w->cost, turn->queued ? "queued" : "inline", took);
}

static ocu_status run_reported(const ocu_plan *p, const ocu_work *w, const ocu_turn *turn) {
  int64_t began = ocu_now();
  ocu_status e = launch(w, turn->stream);
  report(p, w, turn, ocu_now() - began);
  return e;
}

/* The turn's holder is the only writer. */
static inline void count(_Atomic int64_t *n, int64_t more) {
  atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + more,
                        memory_order_relaxed);
}

static ocu_status call_op(const ocu_turn *turn, void *data) {
  const call *c = data;
  const ocu_plan *p = c->plan;
  int64_t params[OCU_MAX_SLOTS];
  bool native = ocu_is_native(turn->stream);
  const uint8_t *f = p->spec.f;
  if (f[0] == OCU_OP_GEMM && f[12])
    OCU_TRY(native ? ocu_native_follows(turn->stream) : ocu_gemm_pointed(&p->spec, c->slot));
  else if (f[0] >= OCU_OP_COPY && f[0] < OCU_OP_USER && f[8] & 4)
    OCU_TRY(native ? ocu_native_follows(turn->stream) : ocu_routine_pointed(&p->spec, c->slot));
  for (int i = 0; i < p->n_steps; i++) {
    const ocu_step *s = &p->steps[i];
    for (int j = 0; j < s->l.n_params; j++) params[j] = c->slot[s->params[j]];
    ocu_work w = {.code = p->code, .entry = s->l.entry, .n_params = s->l.n_params, .params = params,
                  .programs = c->slot[s->l.grid], .scratch = c->slot[s->l.scratch],
                  .cost = c->slot[s->l.cost]};
    if (w.programs <= 0) continue;
    if (native) OCU_TRY(ocu_native_code(p, i, atomic_load(&turn->stream->device), &w.code));
    OCU_TRY(OCU_LIKELY(!ocu_debug_launches) ? launch(&w, turn->stream)
                                            : run_reported(p, &w, turn));
  }
  count(&turn->stream->launches, p->n_steps);
  if (!turn->queued) count(&turn->stream->inlined, p->n_steps);
  return OCU_OK;
}

/* Refuses sizes that no launch can have; adds up the estimated time. */
static ocu_status estimate(const call *c, int64_t *cost) {
  *cost = 0;
  for (int i = 0; i < c->plan->n_steps; i++) {
    const ocu_launch *l = &c->plan->steps[i].l;
    int64_t grid = c->slot[l->grid], scratch = c->slot[l->scratch], ns = c->slot[l->cost];
    if (grid < 0 || scratch < 0 || grid > programs_most)
      return ocu_fail(OCU_INVALID_VALUE, "the plan has no launch for these sizes: %lld programs, "
                      "%lld bytes of scratch", (long long)grid, (long long)scratch);
    if (scratch > scratch_most)
      return ocu_fail(OCU_OUT_OF_MEMORY, "%lld bytes of scratch for a thread are too many",
                      (long long)scratch);
    *cost = add(*cost, ns < 0 ? 0 : ns);
  }
  return OCU_OK;
}

/* The bytes of a product's matrices and bias, from its arguments as ocu_multiply lays them out. */
static int gemm_ranges(const void *data, ocu_range out[OCU_MOST_RANGES]) {
  const call *c = data;
  const uint8_t *f = c->plan->spec.f;
  const int64_t *x = c->slot, m = x[1], n = x[2], k = x[3];
  const int64_t sizes[4][2] = {{m, k}, {k, n}, {m, n}, {m, n}};
  if (f[0] != OCU_OP_GEMM || f[8] == OCU_BUCKET_SUM) return 0;
  for (int i = 0; i < 4; i++) {
    const int64_t *matrix = x + 4 + 4 * i, item = ocu_sizes[i < 2 ? ocu_dtype_of_a(f[1]) : f[2]];
    const int64_t last[3] = {x[0] - 1, sizes[i][0] - 1, sizes[i][1] - 1};
    int64_t low = 0, high = 0;
    for (int j = 0; j < 3; j++)
      if (last[j] > 0) *(matrix[1 + j] < 0 ? &low : &high) += last[j] * matrix[1 + j];
    out[i] = (ocu_range){(const char *)matrix[0] + low * item, (size_t)((high - low + 1) * item),
                         i < 3 ? OCU_READS : OCU_WRITES};
    if (i == 2 && !(x[22] | x[23])) out[i].p = NULL;  /* beta is 0 */
    if (f[12]) out[i] = (ocu_range){(void *)matrix[0], (size_t)x[0] * sizeof(void *), OCU_READS};
  }
  int vectors = f[11] >> 2 & 3, last = 4;  /* these to their ends */
  out[last++] = (ocu_range){(void *)x[24], SIZE_MAX, OCU_READS};
  for (int i = 0; i < vectors; i++)
    out[last++] = (ocu_range){(void *)x[20 + 2 * i], SIZE_MAX, OCU_READS};
  if (c->plan->n_args > OCU_GEMM_ARGS) /* aux */
    out[last++] = (ocu_range){(void *)x[OCU_GEMM_ARGS], SIZE_MAX, OCU_READS | OCU_WRITES};
  return last;
}

ocu_status ocu_call(ocu_stream *s, const ocu_spec *spec, const int64_t *args, int n_args,
                    int flags) {
  OCU_ENTER_STREAM(s);
  if (!spec || n_args < 0 || (n_args && !args))
    return ocu_fail(OCU_INVALID_VALUE, "spec or args is NULL");
  call c;
  const ocu_device *device = ocu_device_of(s);
  if (!OCU_LIKELY(c.plan = ocu_plan_lookup(device->target, spec)))
    OCU_TRY(ocu_plan_obtain(device->target, spec, flags, &c.plan));
  if (flags & OCU_CALL_PLAN) return OCU_OK;
  if (n_args != c.plan->n_args)
    return ocu_fail(OCU_INVALID_VALUE, "this class takes %d arguments, not %d", c.plan->n_args,
                    n_args);
  if (n_args) memcpy(c.slot, args, (size_t)n_args * sizeof *args);
  for (int i = n_args; i < c.plan->n_slots; i++)
    c.slot[i] = evaluate(&c.plan->exprs[i - n_args], c.slot, device->threads);
  int64_t cost;
  OCU_TRY(estimate(&c, &cost));
  int how = flags & OCU_CALL_SYNC ? OCU_INLINE | OCU_WAIT : cost < INLINE_MOST_NS ? OCU_INLINE : 0;
  return ocu_submit(s, &(ocu_submission){
      .run = call_op, .data = &c, .how = how, .cost = cost, .ranges = gemm_ranges,
      .bytes = offsetof(call, slot) + (size_t)c.plan->n_slots * sizeof c.slot[0]});
}
