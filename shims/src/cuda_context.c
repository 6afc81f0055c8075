/* cuda_context.c - the driver's contexts. A thread starts with the primary context of the runtime's
 * device current, as after the runtime's first call; the two always agree on the device. */
#include <pthread.h>

#include "cuda_driver.h"

struct CUctx_st {
  _Atomic int live; /* the primary ones, which come first, always are */
  int device;
  _Atomic unsigned flags;
};

enum { CREATED = SHIM_DEVICES, CONTEXTS = CREATED + 4096, STACK = 64 };
static struct CUctx_st contexts[CONTEXTS];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static _Thread_local struct {
  CUcontext chosen; /* NULL: the primary one of the runtime's device */
  int none, depth;  /* cuCtxSetCurrent(NULL) */
  CUcontext stack[STACK];
} self;

CUcontext primary_context(int device) { return &contexts[(unsigned)device % SHIM_DEVICES]; }

static int slot_of(CUcontext context) {
  int slot = SHIM_SLOT(contexts, context);
  return slot < CREATED || context->live ? slot : -1;
}

int context_device(CUcontext context) {
  int slot = slot_of(context);
  if (slot >= CREATED) return context->device;
  return slot < ocu_device_count() ? slot : -1;
}

CUcontext current_context(void) {
  if (self.none) return NULL;
  int device = ocu_device_get();
  CUcontext chosen = self.chosen;
  if (!chosen || (context_device(chosen) >= 0 && chosen->device != device))
    return primary_context(device);
  return context_device(chosen) >= 0 ? chosen : NULL; /* destroyed meanwhile: none is current */
}

static CUresult choose(CUcontext context) {
  self.none = !context;
  self.chosen = slot_of(context) >= CREATED ? context : NULL;
  return context ? done(ocu_device_set(context_device(context))) : CUDA_SUCCESS;
}

CUresult ready(void) {
  return started() ?: current_context() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUcontext created_context(void) {
  CUcontext context = current_context();
  return slot_of(context) >= CREATED ? context : NULL;
}

/* ---- primary contexts ----------------------------------------------------------------------- */

static int good_flags(unsigned flags) {
  unsigned schedule = flags & CU_CTX_SCHED_MASK;
  return !(flags & ~(unsigned)CU_CTX_FLAGS_MASK) && !(schedule & (schedule - 1));
}

CUresult set_flags(CUcontext context, unsigned flags) {
  REQUIRE(good_flags(flags), CUDA_ERROR_INVALID_VALUE);
  context->flags = flags;
  return CUDA_SUCCESS;
}

/* ---- created contexts, and which one is current --------------------------------------------- */

CUresult create_context(CUcontext *out, const CUctxCreateParams *parameters, unsigned flags,
                        CUdevice device, const char *name) {
  CHECK(device_exists(device));
  REQUIRE(OUT(out) && (!parameters || IN(parameters)) && good_flags(flags),
          CUDA_ERROR_INVALID_VALUE);
  if (parameters && (parameters->numExecAffinityParams || parameters->cigParams))
    return (CUresult)refused(name, "ctxCreateParams: a context has the whole device");
  pthread_mutex_lock(&lock);
  CUcontext context = contexts + CREATED;
  while (context < contexts + CONTEXTS && context->live) context++;
  if (context < contexts + CONTEXTS) {
    context->device = device;
    context->flags = flags;
    context->live = 1;
  }
  pthread_mutex_unlock(&lock);
  REQUIRE(context < contexts + CONTEXTS, CUDA_ERROR_OUT_OF_MEMORY);
  CUresult error = cuCtxPushCurrent_v2(context);
  if (error)
    context->live = 0;
  else
    *out = context;
  return error;
}

/* What was made in it stays valid until it is freed, as memory belongs to the device. */
CUresult cuCtxDestroy_v2(CUcontext ctx) {
  CHECK(started());
  REQUIRE(slot_of(ctx) >= CREATED, CUDA_ERROR_INVALID_CONTEXT);
  CUresult error = done(ocu_device_sync(ctx->device));
  if (current_context() == ctx) cuCtxPopCurrent_v2(NULL);
  ctx->live = 0;
  return error;
}

CUresult cuCtxPushCurrent_v2(CUcontext ctx) {
  CHECK(started());
  CHECK(known(ctx));
  REQUIRE(self.depth < STACK, CUDA_ERROR_OUT_OF_MEMORY);
  self.stack[self.depth++] = current_context();
  return choose(ctx);
}

CUresult cuCtxPopCurrent_v2(CUcontext *pctx) {
  CHECK(ready());
  REQUIRE(OPTIONAL_OUT(pctx), CUDA_ERROR_INVALID_VALUE);
  CUcontext popped = current_context(), below = self.depth ? self.stack[--self.depth] : NULL;
  if (pctx) *pctx = popped;
  return choose(context_device(below) >= 0 ? below : NULL);
}

CUresult cuCtxSetCurrent(CUcontext ctx) {
  CHECK(started());
  if (ctx) CHECK(known(ctx));
  return choose(ctx);
}

/* ---- what is known of a context; NULL means the current one --------------------------------- */

CUresult meant(CUcontext *context) {
  CHECK(started());
  if (!*context) *context = current_context();
  return known(*context);
}

unsigned context_flags(CUcontext context) { return context->flags; }
unsigned long long context_id(CUcontext context) { return 1 + (unsigned)slot_of(context); }

CUresult cuStreamGetCtx(CUstream hStream, CUcontext *pctx) {
  int device;
  CHECK(CODE(ocu_shim_stream_device(stream_of(hStream), &device)));
  REQUIRE(OUT(pctx), CUDA_ERROR_INVALID_VALUE);
  ocu_stream *stream = stream_of(hStream);
  CUcontext context = stream ? ocu_shim_stream_context(stream) : created_context();
  *pctx = context ? context : primary_context(device);
  return CUDA_SUCCESS;
}
