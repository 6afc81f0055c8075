/* cuda_driver.h - inside libcuda: how a call begins and ends. */
#ifndef CUDA_DRIVER_H
#define CUDA_DRIVER_H
#include "shared.h"

#define HIDDEN __attribute__((visibility("hidden")))

static inline CUresult done(ocu_status status) { return (CUresult)ocu_shim_code(status); }

static inline CUresult started(void) {
  return ocu_shim_started && ocu_alive() == OCU_OK ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}
HIDDEN CUresult ready(void); /* started, and a context is current */

/* A call that needs a context, by what it returns; one that needs only cuInit. */
#define STATUS(call) (ready() ?: done(call))
#define CODE(call) (ready() ?: (CUresult)(call))
#define STARTED_CODE(call) (started() ?: (CUresult)(call))

/* A call whose whole answer is one value. */
#define TELL(out, value) (OUT(out) ? (*(out) = (value), CUDA_SUCCESS) : CUDA_ERROR_INVALID_VALUE)
#define TELL2(a, value_a, b, value_b) \
  (OUT(b) ? (TELL(a, value_a) ?: TELL(b, value_b)) : CUDA_ERROR_INVALID_VALUE)
HIDDEN CUresult tell_error(CUresult error, int text, const char **out);

static inline CUresult device_exists(CUdevice device) {
  return started() ?: shim_device_exists(device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

#define AT(pointer) ((void *)(uintptr_t)(pointer))

HIDDEN CUcontext primary_context(int device);
HIDDEN CUcontext current_context(void);
HIDDEN CUcontext created_context(void); /* the current one, unless it is a primary one: NULL */
HIDDEN CUresult meant(CUcontext *context); /* NULL becomes the current one */
HIDDEN int context_device(CUcontext context); /* -1: no such context */
HIDDEN unsigned context_flags(CUcontext context);
HIDDEN CUresult set_flags(CUcontext context, unsigned flags);
HIDDEN unsigned long long context_id(CUcontext context);
HIDDEN CUresult create_context(CUcontext *out, const CUctxCreateParams *parameters, unsigned flags,
                               CUdevice device, const char *name);

static inline CUresult known(CUcontext context) {
  return context_device(context) >= 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

static inline ocu_status contexts_live(CUcontext a, CUcontext b) {
  return context_device(a) >= 0 && context_device(b) >= 0 ? OCU_OK : OCU_INVALID_HANDLE;
}
#endif
