/* driver.h - what a vendor's driver brings: one table of C functions.
 *
 * A driver file, drivers/X.py, holds C source that includes this header, declares by hand what it
 * uses of the vendor's library, opens that with dlopen, and ends in
 *   const ocu_driver ocu_X_driver = {.name = "X", ...};
 * Devices are counted by the driver from 0. A function that fails returns ocu_fail(status, why);
 * OCU_LOST makes every later call on the device fail alike. All may be called from any thread.
 */
#ifndef OPENCU_DRIVER_H
#define OPENCU_DRIVER_H
#include "opencu.h"

typedef struct {
  char *dst;
  size_t dst_pitch;
  const char *src;       /* a fill has none */
  size_t src_pitch, width, height;
  uint64_t pattern;      /* of a fill: eight bytes that every row repeats from its start */
} ocu_rect;

typedef struct {
  const void *code;      /* what load gave for this device */
  uint32_t entry;        /* the CPU's own: where the kernel begins in the code */
  int n_params;
  const int64_t *params; /* the launch's words in the kernel's order; read during the call */
  int64_t programs;      /* work-groups, at least 1 */
  int64_t scratch, cost; /* the CPU's own: bytes a thread; nanoseconds on one thread */
} ocu_work;

/* The head of a simt kernel's code, which lies behind it: PTX, an ELF file, SPIR-V words. The kernel
 * is named opencu_kernel. One argument for each word of the params: `ptr addrspace(1)` for pointers,
 * else i64; in SPIR-V a pointer is two, the base and an i64 of bytes to add to it. A vector chip's
 * code ("program") begins with an ocu_kernel; `shared` is the scratch that each call of it needs. */
typedef struct {
  uint64_t bytes;        /* of the code; PTX ends in a 0 byte, which counts */
  uint32_t threads;      /* of a work-group */
  uint32_t shared;       /* bytes of shared memory that the code declares: for messages */
  uint64_t pointers[4];  /* bit i: word i of the params is a pointer */
} ocu_group_code;

static inline int ocu_is_pointer(const ocu_group_code *code, int word) {
  return (int)(code->pointers[word >> 6] >> (word & 63) & 1);
}

typedef struct ocu_driver {
  const char *name;      /* "opencl": the first part of its devices' names */

  /* Opens the vendor's library: how many devices there are; if it is absent 0, and *why a sentence,
   * with the versions found and needed. Called once. */
  int (*open)(char *why, size_t bytes);
  /* All that the device can tell. `target` is a name of the driver's TARGETS; a device that cannot
   * run our code has a name, no target, and the reason by ocu_fail(OCU_UNSUPPORTED). memory_free 0:
   * the core counts what it allocates. */
  ocu_status (*info)(int d, ocu_device_info *out);

  /* At least 256-byte aligned. Memory without an address for the host (DEVICE) still has one of its
   * own: pointers into an allocation are its address plus an offset. bytes > 0. out[1] may get a
   * handle of the driver's, which ocu_pointer_query then tells of any address in the allocation.
   * OCU_UNSUPPORTED for HOST: the core's own memory will do. */
  ocu_status (*alloc)(int d, size_t bytes, ocu_mem_kind kind, void **out);
  ocu_status (*free)(int d, void *p, ocu_mem_kind kind);  /* its work is done */

  /* The legacy default stream is NULL if orders_default is set, else one with flags 0. */
  ocu_status (*stream_create)(int d, int flags, void **out);
  ocu_status (*stream_destroy)(int d, void *s);           /* may return before its work is done */
  ocu_status (*stream_sync)(int d, void *s);
  ocu_status (*stream_query)(int d, void *s);             /* OCU_OK, OCU_NOT_READY or an error; */
                                                          /* NULL: the core asks by an event */
  ocu_status (*event_create)(int d, int flags, void **out);
  ocu_status (*event_destroy)(int d, void *e);
  ocu_status (*event_record)(int d, void *e, void *s);
  ocu_status (*event_sync)(int d, void *e);
  ocu_status (*event_query)(int d, void *e);
  ocu_status (*event_elapsed)(int d, void *from, void *to, float *ms);
  ocu_status (*stream_wait)(int d, void *s, void *e);     /* of another device if there is peer */
  ocu_status (*host_call)(int d, void *s, void (*fn)(void *), void *arg);

  /* Stream-ordered and asynchronous; the core waits where host memory is pageable. Rows are at
   * least one byte, at least one row; dst and src are memory of the driver's or the host's;
   * the pitch of a single row is its width. */
  ocu_status (*copy)(int d, void *s, const ocu_rect *r);
  ocu_status (*fill)(int d, void *s, const ocu_rect *r);
  ocu_status (*load)(int d, const ocu_group_code *code, void **out);
  ocu_status (*unload)(int d, void *code);
  ocu_status (*launch)(int d, void *s, const ocu_work *w);

  /* Optional, NULL where the vendor has none. */
  int orders_default;    /* 1: the vendor has a legacy default stream, NULL, and orders it itself */
  ocu_status (*peer)(int d, int other, int *can);         /* also enables it */
  ocu_status (*ipc_get)(int d, void *p, char handle[64]);
  ocu_status (*ipc_open)(int d, const char handle[64], void **out, size_t *bytes);
  ocu_status (*ipc_close)(int d, void *p);
  ocu_status (*graph_begin)(int d, void *s);              /* work put on s is kept, not run */
  ocu_status (*graph_end)(int d, void *s, void **graph);  /* ready to launch */
  ocu_status (*graph_launch)(int d, void *graph, void *s);
  ocu_status (*graph_destroy)(int d, void *graph);
  int (*follows_pointers)(int d);  /* can a kernel follow a pointer that it reads? NULL: yes */
} ocu_driver;

/* Sets this thread's message (ocu_error) and returns the status. */
OCU_API ocu_status ocu_fail(ocu_status s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For drivers whose library may share its soname with a shim of ours: opens the vendor's own `name`,
 * by the absolute path that the variable holds, else from LD_LIBRARY_PATH, the loader's cache,
 * `folders` ("/a:/b"). `said`: the path, or why there is none. */
OCU_API void *ocu_vendor_open(const char *variable, const char *name, const char *folders,
                              char *said, size_t bytes);
/* Looks n functions up; NULL, or the first name that is missing. */
OCU_API const char *ocu_vendor_functions(void *library, const char *const *names, int n,
                                         void **out);
/* The library that a wheel brought, of a driver that named one (drivers/core.py); NULL: none. */
OCU_API const char *ocu_wheel_library(const char *driver, char *path, size_t bytes);
/* Starts a thread with all signals blocked; 0, or an errno. */
OCU_API int ocu_thread_spawn(void *(*main)(void *), void *arg);
/* The status of an error number that CUDA and HIP share. */
OCU_API ocu_status ocu_vendor_status(int code);

/* A driver that comes as a library of its own adds itself, in a constructor. The size refuses one
 * that was built for another opencu. */
OCU_API ocu_status ocu_driver_add_sized(const ocu_driver *table, size_t bytes);
static inline ocu_status ocu_driver_add(const ocu_driver *table) {
  return ocu_driver_add_sized(table, sizeof *table);
}
#endif
