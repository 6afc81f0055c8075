/* shim.h - what the vendor-shaped libraries share. It lives in libopencu_shim.so, once a process,
 * so that libcudart.so.12, libcudart.so.13 and libcublas agree on it. */
#ifndef SHIM_H
#define SHIM_H
#include <stdatomic.h>
#include <stdint.h>

#include "opencu.h"

/* Highest ordinal + 1 for which peer access, flags and driver contexts are kept. */
enum { SHIM_DEVICES = 64 };
/* The CUDA driver that we claim to be, and a compute capability that current libraries take. */
enum { SHIM_DRIVER_VERSION = 13000, SHIM_COMPUTE_MAJOR = 8, SHIM_COMPUTE_MINOR = 0 };

struct shim_error {
  int code;
  const char *runtime, *driver, *text; /* a side that has no such code: NULL */
};

OCU_API const struct shim_error *ocu_shim_error(int code); /* NULL: no such code */
/* The value of a device attribute, numbered alike by runtime and driver; 0: no such attribute. */
OCU_API int ocu_shim_answer(int attribute, int device, const ocu_device_info *info, int *value);
OCU_API void ocu_shim_uuid(int device, char uuid[16]);
OCU_API ocu_stream *ocu_shim_own_stream(void);
OCU_API extern atomic_bool ocu_shim_started; /* cuInit or any runtime call was made */

/* Say once per call site on stderr what was refused and why; OPENCU_STRICT=1 aborts. */
OCU_API void ocu_shim_refuse(atomic_bool *said, const char *name, const char *reason);

/* Handles 0 and 1 mean the legacy default stream, 2 the calling thread's own. */
static inline ocu_stream *stream_of(void *handle) {
  if ((uintptr_t)handle > 2) return handle;
  return (uintptr_t)handle == 2 ? ocu_shim_own_stream() : NULL;
}

/* Can a result be written there? Asked before anything is done, so that no pointer crashes us. */
#define OUT(pointer) ocu_accessible(pointer, sizeof *(pointer), 1)

/* Each library defines what a refusal does and returns. */
int refused(atomic_bool *said, const char *name, const char *reason);

#define REFUSE(name) \
  int name(void) { \
    static atomic_bool said; \
    return refused(&said, #name, NULL); \
  }
#define REFUSE_VOID(name) \
  void name(void) { \
    static atomic_bool said; \
    refused(&said, #name, NULL); \
  }
#define REFUSE_STRING(name) \
  const char *name(void) { \
    static atomic_bool said; \
    refused(&said, #name, NULL); \
    return "not supported"; \
  }
/* A result that no caller can take for an answer: NaN, version 0, index 0 where they start at 1. */
#define REFUSE_VALUE(type, name) \
  type name(void) { \
    static atomic_bool said; \
    refused(&said, #name, NULL); \
    return (type)_Generic((type)0, int: 0, size_t: 0, default: __builtin_nan("")); \
  }
#endif
