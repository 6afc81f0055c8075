/* plan.c - plans: validation of untrusted bytes, mapping, and the registry that calls read. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "core.h"

_Static_assert(sizeof(ocu_plan_header) == 112 && sizeof(ocu_expr) == 16 && sizeof(ocu_launch) == 16,
               "the plan format");

/* Every step is one-to-one in the state for a given word, and the other way round: a change within
 * any one word always changes the result. */
uint64_t ocu_checksum(const void *data, size_t bytes) {
  const uint64_t k = 0x9e3779b97f4a7c15u;
  const char *p = data;
  uint64_t h = bytes * k, w;
  for (; bytes >= 8; bytes -= 8, p += 8) {
    memcpy(&w, p, 8);
    h = (h ^ w) * k;
    h ^= h >> 32;
  }
  w = 0;
  memcpy(&w, p, bytes);
  h = (h ^ w) * k;
  return h ^ h >> 29;
}

void ocu_spec_hex(const ocu_spec *spec, char out[33]) {
  for (int i = 0; i < 16; i++) sprintf(out + 2 * i, "%02x", spec->f[i]);
}

/* ---- validation ---------------------------------------------------------------------------- */

/* Checks the launches in [at, end) and, if there is room for them, lists them. */
static const char *steps_flaw(const char *at, const char *end, const ocu_plan_header *h,
                              ocu_step *steps) {
  int n_slots = h->n_args + h->n_exprs;
  for (int i = 0; i < h->n_launches; i++) {
    ocu_launch l;
    if ((size_t)(end - at) < sizeof l) return "launches beyond its end";
    memcpy(&l, at, sizeof l);
    size_t params = (l.n_params * sizeof(uint16_t) + 7) & ~(size_t)7;
    if ((size_t)(end - at) - sizeof l < params) return "parameters beyond its end";
    if (l.entry >= h->code_bytes) return "an entry point outside its code";
    if (l.n_params > OCU_MAX_SLOTS) return "too many parameters";
    if (l.grid >= n_slots || l.scratch >= n_slots || l.cost >= n_slots) return "unknown slots";
    for (int j = 0; j < l.n_params; j++) {
      uint16_t slot;
      memcpy(&slot, at + sizeof l + 2 * (size_t)j, 2);
      if (slot >= n_slots) return "unknown slots";
    }
    if (steps) steps[i] = (ocu_step){l, (const uint16_t *)(at + sizeof l)};
    at += sizeof l + params;
  }
  return NULL;
}

/* Checks every byte of a plan and gives its header; or says what it has that no plan may have. */
static const char *flaw_of(const void *plan, size_t bytes, ocu_plan_header *h) {
  const char *p = plan;
  if (bytes < sizeof *h) return "too few bytes";
  memcpy(h, p, sizeof *h);
  if (memcmp(h->magic, "OCUPLAN1", 8)) return "no plan";
  if (h->bytes != bytes) return "not the length it says";
  size_t summed = offsetof(ocu_plan_header, checksum) + sizeof h->checksum;
  if (h->checksum != ocu_checksum(p + summed, bytes - summed)) return "a wrong checksum";
  if (memcmp(h->build_id, ocu_build_id(), 16)) return "another build of opencu";
  if (!memchr(h->target, 0, sizeof h->target)) return "no target";
  if (h->n_args + h->n_exprs > OCU_MAX_SLOTS) return "too many slots";
  size_t exprs_end = sizeof *h + h->n_exprs * sizeof(ocu_expr);
  if (h->code_offset % 64 || h->code_offset < exprs_end || h->code_offset > bytes ||
      h->code_bytes > bytes - h->code_offset)
    return "code outside its bytes";
  for (int i = 0; i < h->n_exprs; i++) {
    ocu_expr x;
    memcpy(&x, p + sizeof *h + (size_t)i * sizeof x, sizeof x);
    if (x.op > OCU_X_MAX) return "an unknown expression";
    int slot = h->n_args + i;
    if (x.op >= OCU_X_ADD && (x.a >= slot || x.b >= slot)) return "an expression of later slots";
  }
  return steps_flaw(p + exprs_end, p + h->code_offset, h, NULL);
}

/* ---- the registry: open addressing, read without a lock; old tables and plans stay, since a
 *      reader or a queued call may still be looking at them ----------------------------------- */

typedef struct { uint32_t mask, used; _Atomic(const ocu_plan *) slot[]; } table;

struct ocu_target {
  char name[32];
  bool native;                /* its code is a driver's, and starts with an ocu_group_code */
  _Atomic(table *) registry;
};
static ocu_target targets[32];
static _Atomic int n_targets;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static ocu_target *find_target(const char *name) {
  for (ocu_target *t = targets; t < targets + atomic_load(&n_targets); t++)
    if (!strcmp(t->name, name)) return t;
  return NULL;
}

ocu_target *ocu_target_of(const char *name, bool native) {
  ocu_target *t = find_target(name);
  if (t || n_targets == sizeof targets / sizeof *targets) return t;
  t = &targets[n_targets];
  t->native = native;
  snprintf(t->name, sizeof t->name, "%s", name);
  atomic_fetch_add(&n_targets, 1);  /* devices are added one at a time */
  return t;
}

static inline bool same_spec(const ocu_spec *a, const ocu_spec *b) {
  uint64_t x[2], y[2];
  memcpy(x, a, 16);
  memcpy(y, b, 16);
  return !((x[0] ^ y[0]) | (x[1] ^ y[1]));
}

/* The slot that holds the spec, or the empty one where it would go. */
static inline _Atomic(const ocu_plan *) *find_slot(table *t, const ocu_spec *spec) {
  uint64_t x[2];
  memcpy(x, spec, 16);
  uint64_t h = (x[0] ^ x[1] * 0xff51afd7ed558ccdu) * 0x9e3779b97f4a7c15u;
  for (uint32_t i = (uint32_t)(h >> 32);; i++) {
    _Atomic(const ocu_plan *) *slot = &t->slot[i & t->mask];
    const ocu_plan *p = atomic_load_explicit(slot, memory_order_acquire);
    if (!p || same_spec(&p->spec, spec)) return slot;
  }
}

const ocu_plan *ocu_plan_lookup(const ocu_target *target, const ocu_spec *spec) {
  table *t = atomic_load_explicit(&target->registry, memory_order_acquire);
  return t ? atomic_load_explicit(find_slot(t, spec), memory_order_acquire) : NULL;
}

static table *grow(ocu_target *target) {
  table *old = atomic_load(&target->registry);
  uint32_t n = old ? 2 * (old->mask + 1) : 256;
  table *t = calloc(1, sizeof *t + n * sizeof t->slot[0]);
  if (!t) return NULL;
  t->mask = n - 1;
  for (uint32_t i = 0; old && i <= old->mask; i++) {
    const ocu_plan *p = atomic_load(&old->slot[i]);
    if (p) atomic_store(find_slot(t, &p->spec), p);
  }
  t->used = old ? old->used : 0;
  atomic_store_explicit(&target->registry, t, memory_order_release);
  return t;
}

/* The plan that is then there for p's class: p, or the same one of before; NULL: out of memory. */
static const ocu_plan *enter(ocu_target *target, const ocu_plan *p) {
  pthread_mutex_lock(&lock);
  const ocu_plan *there = NULL;
  table *t = atomic_load(&target->registry);
  if (!t || 2 * t->used > t->mask) t = grow(target);
  if (t) {
    _Atomic(const ocu_plan *) *slot = find_slot(t, &p->spec);
    there = atomic_load(slot);
    t->used += !there;
    if (!there || there->checksum != p->checksum) {
      atomic_store_explicit(slot, p, memory_order_release);
      there = p;
    }
  }
  pthread_mutex_unlock(&lock);
  return there;
}

static ocu_plan *build(const char *bytes, const ocu_plan_header *h) {
  size_t lists = h->code_offset - sizeof *h;
  ocu_plan *p = malloc(sizeof *p + h->n_launches * sizeof(ocu_step) + lists);
  if (!p) return NULL;
  ocu_step *steps = (ocu_step *)(p + 1);
  char *exprs = memcpy(steps + h->n_launches, bytes + sizeof *h, lists);
  *p = (ocu_plan){.spec = h->spec, .checksum = h->checksum, .n_args = h->n_args,
                  .n_slots = h->n_args + h->n_exprs, .n_steps = h->n_launches,
                  .exprs = (const ocu_expr *)exprs, .steps = steps};
  steps_flaw(exprs + h->n_exprs * sizeof(ocu_expr), exprs + lists, h, steps);
  return p;
}

/* Anonymous memory, since a file in a noexec home cannot be mapped executable; never writable and
 * executable at once. */
static const void *make_executable(const void *code, size_t bytes) {
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return NULL;
  memcpy(p, code, bytes);
  if (!mprotect(p, bytes, PROT_READ | PROT_EXEC)) return p;
  munmap(p, bytes);
  return NULL;
}

/* A driver's code is loaded to a device when it is first launched there. */
static ocu_status keep_code(ocu_plan *p, const char *code, size_t bytes) {
  for (int i = 0; i < p->n_steps; i++) {
    ocu_group_code head;
    size_t at = p->steps[i].l.entry, left = bytes - at;
    if (left >= sizeof head) memcpy(&head, code + at, sizeof head);
    if (at % 8 || left < sizeof head || !head.bytes || head.bytes > left - sizeof head ||
        !head.threads || p->steps[i].l.n_params > 64 * sizeof head.pointers / 8)
      return ocu_fail(OCU_INVALID_VALUE, "this plan cannot be used: it has no code at %zu", at);
  }
  p->loaded = calloc((size_t)p->n_steps * OCU_MAX_DEVICES + 1, sizeof *p->loaded);
  p->code = malloc(bytes);
  if (!p->loaded || !p->code) return ocu_fail(OCU_OUT_OF_MEMORY, "no memory for a plan");
  memcpy((void *)p->code, code, bytes);
  return OCU_OK;
}

static void discard(ocu_plan *p, size_t code_bytes) {
  if (p->loaded) free((void *)p->code);
  else if (p->code) munmap((void *)p->code, code_bytes);
  free(p->loaded);
  free(p);
}

/* Checks a plan, and makes it the one that calls of its class run. */
static ocu_status map(const void *bytes, size_t n, ocu_plan_header *h) {
  const char *flaw = flaw_of(bytes, n, h);
  if (flaw) return ocu_fail(OCU_INVALID_VALUE, "this plan cannot be used: it has %s", flaw);
  ocu_target *target = find_target(h->target);
  if (!target)
    return ocu_fail(OCU_UNSUPPORTED, "the plan is for %s, this device is %s", h->target,
                    ocu_cpu.target);
  ocu_plan *p = build(bytes, h);
  if (!p) return ocu_fail(OCU_OUT_OF_MEMORY, "no memory for a plan");
  const char *code = (const char *)bytes + h->code_offset;
  ocu_status e = OCU_OK;
  if (target->native) e = keep_code(p, code, h->code_bytes);
  else if (h->code_bytes && !(p->code = make_executable(code, h->code_bytes)))
    e = ocu_fail(OCU_SYSTEM, "the system gives no executable memory to this process");
  if (e) {
    discard(p, h->code_bytes);
    return e;
  }
  const ocu_plan *there = enter(target, p);
  if (there == p) {
    atomic_fetch_add(&ocu_plans_mapped, 1);
    return OCU_OK;
  }
  discard(p, h->code_bytes);
  return there ? OCU_OK : ocu_fail(OCU_OUT_OF_MEMORY, "no memory for a plan");
}

/* ---- finding a plan that is not in memory -------------------------------------------------- */

/* Are these bytes the plan of a class for a target? One of ours is mapped. */
static bool adopt(const char *target, const ocu_spec *spec, const void *bytes, size_t n) {
  ocu_plan_header h;
  if (!bytes || flaw_of(bytes, n, &h) || !same_spec(&h.spec, spec) || strcmp(h.target, target))
    return false;
  return !find_target(target) || !map(bytes, n, &h);
}

static bool fetch(const char *target, const ocu_spec *spec) {
  size_t n = 0;
  void *packed = ocu_pack_read(target, spec, &n);
  bool found = adopt(target, spec, packed, n);
  free(packed);
  if (found) return true;
  void *stored = ocu_store_read(target, spec, &n);
  found = adopt(target, spec, stored, n);
  if (stored && !found) ocu_store_drop(target, spec);
  free(stored);
  return found;
}

static ocu_status ask_planner(const ocu_target *target, const ocu_spec *spec) {
  size_t n = 0;
  void *bytes = ocu_planner_ask(spec, target->name, &n);
  if (!bytes) return OCU_NO_PLAN;
  bool changed = n >= sizeof(ocu_plan_header) &&
                 memcmp((char *)bytes + offsetof(ocu_plan_header, build_id), ocu_build_id(), 16);
  ocu_status e = ocu_plan_store(bytes, n);
  free(bytes);
  if (e && changed)
    return ocu_fail(OCU_NO_PLAN, "opencu's sources changed since this program started; it has to "
                    "be started again");
  if (e) return e == OCU_INVALID_VALUE ? OCU_NO_PLAN : e;  /* the caller's arguments are right */
  if (ocu_plan_lookup(target, spec)) return OCU_OK;
  return ocu_fail(OCU_NO_PLAN, "the planner answered with the plan of another class");
}

ocu_status ocu_plan_obtain(ocu_target *target, const ocu_spec *spec, int flags,
                           const ocu_plan **out) {
  static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;
  ocu_self.missing = *spec;
  if (!fetch(target->name, spec)) {
    if (flags & OCU_CALL_NO_PLANNER) return ocu_fail(OCU_NO_PLAN, "no plan for this class yet");
    pthread_mutex_lock(&asking);
    ocu_status e = ocu_plan_lookup(target, spec) ? OCU_OK : ask_planner(target, spec);
    pthread_mutex_unlock(&asking);
    if (e) return e;
  }
  *out = ocu_plan_lookup(target, spec);
  return OCU_OK;
}

/* ---- the public functions ------------------------------------------------------------------ */

ocu_status ocu_plan_add(const void *plan, size_t bytes) {
  OCU_ENTER();
  ocu_plan_header h;
  return plan ? map(plan, bytes, &h) : ocu_fail(OCU_INVALID_VALUE, "plan is NULL");
}

ocu_status ocu_plan_store(const void *plan, size_t bytes) {
  OCU_ENTER();
  if (!plan) return ocu_fail(OCU_INVALID_VALUE, "plan is NULL");
  ocu_plan_header h;
  ocu_status e = map(plan, bytes, &h);
  if (e && e != OCU_UNSUPPORTED) return e;  /* another target's plan can be kept, not used */
  ocu_store_write(&h, plan);                /* without a store the plan lives in memory only */
  return OCU_OK;
}

ocu_status ocu_plan_find(const char *target, const ocu_spec *spec) {
  OCU_ENTER();
  if (!target || !spec) return ocu_fail(OCU_INVALID_VALUE, "target or spec is NULL");
  const ocu_target *known = find_target(target);
  if (known && ocu_plan_lookup(known, spec)) return OCU_OK;
  if (fetch(target, spec)) return OCU_OK;
  return ocu_fail(OCU_NO_PLAN, "no plan for this class and %s", target);
}
