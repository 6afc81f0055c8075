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
/* The value of a device attribute that exists, numbered alike by runtime and driver. */
OCU_API int ocu_shim_answer(int attribute, int device, const ocu_device_info *info);
OCU_API void ocu_shim_uuid(int device, char uuid[16]);
OCU_API ocu_stream *ocu_shim_own_stream(void);
OCU_API extern atomic_bool ocu_shim_started; /* cuInit or any runtime call was made */

/* Says on stderr, once for each name and reason, what was refused and why; OPENCU_STRICT=1 aborts.
 * Returns the runtime's and the driver's error for "not supported". */
OCU_API int ocu_shim_refuse(const char *name, const char *reason);

/* ---- what the runtime and the driver do alike. Both number their errors, attributes and flags the
 * same and lay their structures out the same, so these return an error of either. ---- */
OCU_API int ocu_shim_code(ocu_status status);

OCU_API int ocu_shim_attribute(int *value, int attribute, int device);
OCU_API int ocu_shim_memory_info(size_t *free, size_t *total); /* either may be NULL */
OCU_API int ocu_shim_bus_id(char *text, int length, int device);
OCU_API int ocu_shim_device_at(int *device, const char *text);

/* pools.c: memory pools; pool NULL is the current one of the stream's device. */
typedef struct CUmemPoolHandle_st shim_pool;
struct shim_place { int type, id; }; /* cudaMemLocation */
struct shim_pool_props {             /* cudaMemPoolProps */
  int type, handle_types;
  struct shim_place place;
  void *security;
  size_t most;
  unsigned short usage;
  unsigned char reserved[54];
};
struct shim_access { struct shim_place place; int flags; }; /* cudaMemAccessDesc */
OCU_API int ocu_shim_pool_create(shim_pool **out, const struct shim_pool_props *p,
                                 const char *name);
OCU_API int ocu_shim_pool_destroy(shim_pool *pool);
OCU_API int ocu_shim_pool_get(shim_pool *pool, int attribute, void *value);
OCU_API int ocu_shim_pool_set(shim_pool *pool, int attribute, const void *value);
OCU_API int ocu_shim_pool_trim(shim_pool *pool, size_t keep);
OCU_API int ocu_shim_pool_set_access(shim_pool *pool, const struct shim_access *list, size_t n);
OCU_API int ocu_shim_pool_get_access(int *flags, shim_pool *pool, const struct shim_place *place);
OCU_API int ocu_shim_pool_of_device(shim_pool **out, int device, int original);
OCU_API int ocu_shim_pool_of_place(shim_pool **out, const struct shim_place *place, int type,
                                   int original);
OCU_API int ocu_shim_pool_choose(int device, shim_pool *pool);
OCU_API int ocu_shim_pool_choose_place(const struct shim_place *place, int type, shim_pool *pool);
OCU_API shim_pool *ocu_shim_pool_holding(const void *p); /* NULL: no pool does */
OCU_API int ocu_shim_alloc_async(shim_pool *pool, size_t bytes, ocu_stream *stream, void **out);
OCU_API int ocu_shim_free_async(void *p, ocu_stream *stream);
/* Memory that is freed at once; host: pinned, and the flags are kept for ocu_shim_host_flags. */
OCU_API int ocu_shim_alloc(size_t bytes, ocu_mem_kind kind, unsigned flags, void **out);
OCU_API int ocu_shim_alloc_pitch(size_t width, size_t height, size_t *pitch, void **out);
OCU_API int ocu_shim_free(void *p, int host);

OCU_API int ocu_shim_note_flags(const void *p, unsigned *flags);

/* host.c: registered host memory, peers, settings. */
OCU_API int ocu_shim_register(void *p, size_t bytes, unsigned flags, const char *name);
OCU_API int ocu_shim_unregister(void *p);
OCU_API int ocu_shim_registered(const void *p, unsigned *flags);
OCU_API void ocu_shim_registered_range(const void *p, void **start, size_t *bytes);
OCU_API int ocu_shim_host_flags(unsigned *flags, const void *p);
OCU_API int ocu_shim_host_pointer(void **out, void *p, unsigned flags);
OCU_API int ocu_shim_can_access(int *result, int device, int peer);
OCU_API int ocu_shim_peer_enable(int device, int peer, unsigned flags);
OCU_API int ocu_shim_peer_disable(int device, int peer);
OCU_API int ocu_shim_ipc_get(void *handle, const void *p, const char *name);
OCU_API int ocu_shim_ipc_open(void **p, const char *handle, unsigned flags, const char *name);
OCU_API int ocu_shim_ipc_close(void *p, const char *name);
OCU_API int ocu_shim_p2p(int *value, int attribute, int device, int peer);
OCU_API int ocu_shim_flush_writes(int target, int scope);
OCU_API int ocu_shim_limit_set(int limit, size_t value);
OCU_API int ocu_shim_limit_get(size_t *value, int limit);
enum shim_setting { SHIM_CACHE_CONFIG, SHIM_BANK_CONFIG };
OCU_API int ocu_shim_setting_get(int *value, enum shim_setting which);
OCU_API int ocu_shim_setting_set(int value, enum shim_setting which);

/* streams.c: streams, events, host functions. */
typedef void shim_callback(void *stream, int status, void *data);
OCU_API int ocu_shim_callback(void *stream, shim_callback *function, void *data);
OCU_API int ocu_shim_attach(ocu_stream *stream, void *p, size_t bytes, unsigned flags);
OCU_API int ocu_shim_stream_create(ocu_stream **out, unsigned flags, int priority, void *context);
OCU_API int ocu_shim_priorities(int *least, int *greatest);
OCU_API int ocu_shim_stream_priority(ocu_stream *stream, int *priority);
OCU_API int ocu_shim_stream_flags(ocu_stream *stream, unsigned *flags);
OCU_API int ocu_shim_stream_device(ocu_stream *stream, int *device);
OCU_API int ocu_shim_stream_id(ocu_stream *stream, unsigned long long *id);
OCU_API int ocu_shim_stream_destroy(void *handle);
OCU_API int ocu_shim_stream_get(ocu_stream *stream, int attribute, void *value);
OCU_API int ocu_shim_stream_set(ocu_stream *stream, int attribute, const void *value);
OCU_API int ocu_shim_stream_copy(ocu_stream *dst, ocu_stream *src);
OCU_API void *ocu_shim_stream_context(ocu_stream *stream);
OCU_API int ocu_shim_event_create(ocu_event **out, unsigned flags, const char *name,
                                  const char *refusal);
OCU_API int ocu_shim_event_elapsed(float *ms, void *start, void *end);

/* graphs.c: captures and graphs. */
struct shim_update { int result; void *node, *from; }; /* cudaGraphExecUpdateResultInfo */
OCU_API int ocu_shim_capture_info(ocu_stream *stream, int *status, void **graph,
                                  const void **nodes, const void **edges, size_t *count,
                                  unsigned long long *id, const char *name);
OCU_API int ocu_shim_capture_mode(int *mode);
OCU_API int ocu_shim_capture_end(ocu_stream *stream, ocu_graph **graph);
OCU_API int ocu_shim_graph_instantiate(ocu_graph **out, ocu_graph *graph,
                                       unsigned long long flags, const char *name);
OCU_API int ocu_shim_graph_nodes(ocu_graph *graph, void *nodes, size_t *count, const char *name);
OCU_API int ocu_shim_graph_upload(ocu_graph *executable, ocu_stream *stream);
OCU_API int ocu_shim_graph_update(ocu_graph *executable, ocu_graph *graph,
                                  struct shim_update *said);
#define GRAPH(handle) ((ocu_graph *)(handle))

/* boxes.c: copies and fills of up to three dimensions. */
struct shim_side { /* rows at start + z * slice + y * pitch */
  const void *base;
  size_t pitch, rows, x, y, z; /* rows: of a slice */
};
OCU_API int ocu_shim_copy_box(ocu_stream *stream, const struct shim_side *dst,
                              const struct shim_side *src, size_t width, size_t height,
                              size_t depth, int host_sync);
OCU_API int ocu_shim_fill_box(ocu_stream *stream, const struct shim_side *dst, int byte,
                              size_t width, size_t height, size_t depth, int host_sync);
OCU_API int ocu_shim_host_reads(const void *p); /* may the host read it without a copy? */
/* Prefetches and advice: memory is where it is, so there is nothing to move. Host: place -1. */
OCU_API int ocu_shim_hint(const void *p, size_t bytes, int place, ocu_stream *stream);
OCU_API int ocu_shim_advise(const void *p, size_t bytes, int advice, int place);
OCU_API int ocu_shim_text(const char *text); /* can it be read up to its end? */

static inline int shim_device_exists(int device) {
  return device >= 0 && device < ocu_device_count() && device < SHIM_DEVICES;
}

/* Handles of ours are slots of arrays that are never freed, so that any value can be checked: the
 * slot's number, or -1. */
#define SHIM_SLOT(array, p) shim_slot(p, array, sizeof(array), sizeof *(array))
static inline int shim_slot(const void *p, const void *array, size_t bytes, size_t each) {
  uintptr_t offset = (uintptr_t)p - (uintptr_t)array;
  return offset < bytes && offset % each == 0 ? (int)(offset / each) : -1;
}

/* Handles 0 and 1 mean the legacy default stream, 2 the calling thread's own. */
static inline ocu_stream *stream_of(void *handle) {
  if ((uintptr_t)handle > 2) return handle;
  return (uintptr_t)handle == 2 ? ocu_shim_own_stream() : NULL;
}

/* NAME_ptsz and NAME_ptds are NAME with stream 0 meaning the calling thread's own. */
extern __attribute__((visibility("hidden"))) _Thread_local int default_is_own;

static inline ocu_stream *default_stream(void) {
  return default_is_own ? ocu_shim_own_stream() : NULL;
}

#define own_stream(stream) ((stream) ? (stream) : (__typeof__(stream))2)
#define PER_THREAD(call) \
  ({ \
    default_is_own = 1; \
    __typeof__(call) result_ = call; \
    default_is_own = 0; \
    result_; \
  })

/* Can a result be written there? Asked before anything is done, so that no pointer crashes us; an
 * address that does not fit the type is refused as well. */
#define SHIM_ALIGNED(pointer) ((uintptr_t)(pointer) % _Alignof(__typeof__(*(pointer))) == 0)
#define OUT(pointer) (SHIM_ALIGNED(pointer) && ocu_accessible(pointer, sizeof *(pointer), 1))
#define IN(pointer) (SHIM_ALIGNED(pointer) && ocu_accessible(pointer, sizeof *(pointer), 0))
/* The same of n elements, n > 0. */
#define IN_ARRAY(pointer, n) \
  (SHIM_ALIGNED(pointer) && (size_t)(n) <= SIZE_MAX / sizeof *(pointer) && \
   ocu_accessible(pointer, (size_t)(n) * sizeof *(pointer), 0))
#define OPTIONAL_OUT(pointer) (!(pointer) || OUT(pointer))

/* Each library defines what a refusal, said by ocu_shim_refuse, returns. */
int refused(const char *name, const char *reason);

#define REFUSE(name, reason) \
  int name(void) { return refused(#name, reason); }
#define REFUSE_VOID(name, reason) \
  void name(void) { refused(#name, reason); }
#define REFUSE_AS(type, value, name, reason) \
  type name(void) { \
    refused(#name, reason); \
    return value; \
  }
#define REFUSE_STRING(name, reason) REFUSE_AS(const char *, "not supported", name, reason)
/* A result that no caller can take for an answer: NaN, version 0, index 0 where they start at 1. */
#define REFUSE_VALUE(type, name, reason) \
  REFUSE_AS(type, (type)_Generic((type)0, int: 0, size_t: 0, default: __builtin_nan("")), name, \
            reason)
#endif
