/* streams.c - what the runtime and the driver tell and keep alike of streams and events. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "shared.h"

enum { LEAST_PRIORITY = 0, GREATEST_PRIORITY = -5 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what is kept for streams */

/* ---- per-thread default streams, one for each device that the thread used -------------------- */

struct own_streams {
  ocu_stream *stream[SHIM_DEVICES];
};

static pthread_key_t own_key;
static pthread_once_t own_once = PTHREAD_ONCE_INIT;
static int own_ready;

static void destroy_own(void *data) {
  struct own_streams *own = data;
  for (int i = 0; i < SHIM_DEVICES; i++)
    if (own->stream[i]) ocu_stream_destroy(own->stream[i]);
  free(own);
}

static void make_key(void) { own_ready = pthread_key_create(&own_key, destroy_own) == 0; }

/* NULL when none can be made: the legacy stream orders work no less strictly. */
ocu_stream *ocu_shim_own_stream(void) {
  pthread_once(&own_once, make_key);
  if (!own_ready) return NULL;
  struct own_streams *own = pthread_getspecific(own_key);
  if (!own) {
    own = calloc(1, sizeof *own);
    if (!own || pthread_setspecific(own_key, own)) {
      free(own);
      return NULL;
    }
  }
  int device = ocu_device_get();
  if (device >= SHIM_DEVICES) return NULL;
  if (!own->stream[device]) ocu_stream_create(device, 0, &own->stream[device]);
  return own->stream[device];
}

/* ---- host functions that are told a stream and a status ------------------------------------- */

struct callback {
  shim_callback *function;
  void *stream, *data;
};

static void call_back(void *argument) {
  struct callback callback = *(struct callback *)argument;
  free(argument);
  callback.function(callback.stream, CUDA_SUCCESS, callback.data);
}

int ocu_shim_callback(void *stream, shim_callback *function, void *data) {
  int state;
  CHECK(ocu_shim_code(ocu_capture_query(stream_of(stream), &state, NULL, NULL)));
  REQUIRE(state == OCU_CAPTURE_NONE, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED); /* as documented */
  struct callback *argument = function ? malloc(sizeof *argument) : NULL;
  if (!argument) return function ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_INVALID_VALUE;
  *argument = (struct callback){function, stream, data};
  ocu_status status = ocu_stream_host_call(stream_of(stream), call_back, argument);
  if (status != OCU_OK) free(argument);
  return ocu_shim_code(status);
}

/* ---- attached memory -------------------------------------------------------------------------- */

/* Managed memory can be reached from everywhere at any time, so there is nothing to restrict. */
int ocu_shim_attach(ocu_stream *stream, void *p, size_t bytes, unsigned flags) {
  ocu_pointer_info info;
  REQUIRE(ocu_stream_device(stream) >= 0, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(flags == CU_MEM_ATTACH_GLOBAL || flags == CU_MEM_ATTACH_HOST ||
              (flags == CU_MEM_ATTACH_SINGLE && stream),
          CUDA_ERROR_INVALID_VALUE);
  CHECK(ocu_shim_code(ocu_pointer_query(p, &info)));
  REQUIRE(info.kind == OCU_MEM_MANAGED && !info.freed && (!bytes || bytes == info.bytes),
          CUDA_ERROR_INVALID_VALUE);
  return CUDA_SUCCESS;
}

/* ---- what is known of a stream, and what was asked to be kept -------------------------------- */

int ocu_shim_priorities(int *least, int *greatest) {
  REQUIRE(OPTIONAL_OUT(least) && OPTIONAL_OUT(greatest), CUDA_ERROR_INVALID_VALUE);
  if (least) *least = LEAST_PRIORITY;
  if (greatest) *greatest = GREATEST_PRIORITY;
  return ocu_shim_code(ocu_alive());
}

int ocu_shim_stream_flags(ocu_stream *stream, unsigned *flags) {
  REQUIRE(OUT(flags), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(ocu_stream_device(stream) >= 0, CUDA_ERROR_INVALID_HANDLE);
  int nonblocking = ocu_stream_flags(stream) & OCU_STREAM_NONBLOCKING;
  *flags = nonblocking ? CU_STREAM_NON_BLOCKING : CU_STREAM_DEFAULT;
  return ocu_shim_code(ocu_alive());
}

int ocu_shim_stream_device(ocu_stream *stream, int *device) {
  REQUIRE(OUT(device), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(ocu_stream_device(stream) >= 0, CUDA_ERROR_INVALID_HANDLE);
  *device = ocu_stream_device(stream);
  return ocu_shim_code(ocu_alive());
}

int ocu_shim_stream_id(ocu_stream *stream, unsigned long long *id) {
  REQUIRE(OUT(id), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(ocu_stream_device(stream) >= 0, CUDA_ERROR_INVALID_HANDLE);
  *id = stream ? (uintptr_t)stream : 1 + (unsigned)ocu_device_get();
  return CUDA_SUCCESS;
}

/* Attributes that a CPU has no use for, kept for streams of which one is not the default. Priorities
 * are hints: streams share the worker threads as they come. */
enum {
  WINDOW = CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW,
  POLICY = CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY,
  PRIORITY = CU_LAUNCH_ATTRIBUTE_PRIORITY,
  MAP = CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP,
  DOMAIN = CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN,
  ATTRIBUTES
};

static struct kept {
  struct kept *next;
  ocu_stream *stream;
  void *context;
  CUlaunchAttributeValue value[ATTRIBUTES];
} *kept_streams;

static const struct kept defaults = {
    .value = {[POLICY].syncPolicy = CU_SYNC_POLICY_AUTO, [MAP].memSyncDomainMap = {0, 1}}};

static int is_kept(int attribute) {
  const unsigned all = 1 << WINDOW | 1 << POLICY | 1 << PRIORITY | 1 << MAP | 1 << DOMAIN;
  return attribute >= 0 && attribute < ATTRIBUTES && all >> attribute & 1;
}

static struct kept **find_kept(ocu_stream *stream) {
  struct kept **at = &kept_streams;
  while (*at && (*at)->stream != stream) at = &(*at)->next;
  return at;
}

static const struct kept *kept_of(ocu_stream *stream) { return *find_kept(stream) ?: &defaults; }

/* That of a stream, made when it has none; call with the lock held. */
static struct kept *keep(ocu_stream *stream) {
  struct kept *kept = *find_kept(stream);
  if (kept || !(kept = malloc(sizeof *kept))) return kept;
  *kept = defaults;
  kept->stream = stream;
  kept->next = kept_streams;
  return kept_streams = kept;
}

static void forget(ocu_stream *stream) {
  pthread_mutex_lock(&lock);
  struct kept **at = find_kept(stream), *kept = *at;
  if (kept) *at = kept->next;
  pthread_mutex_unlock(&lock);
  free(kept);
}

static int clamp_priority(int priority) {
  if (priority > LEAST_PRIORITY) return LEAST_PRIORITY;
  return priority < GREATEST_PRIORITY ? GREATEST_PRIORITY : priority;
}

int ocu_shim_stream_create(ocu_stream **out, unsigned flags, int priority, void *context) {
  REQUIRE(OUT(out) && flags <= CU_STREAM_NON_BLOCKING, CUDA_ERROR_INVALID_VALUE);
  ocu_stream *stream;
  int nonblocking = flags == CU_STREAM_NON_BLOCKING ? OCU_STREAM_NONBLOCKING : 0;
  CHECK(ocu_shim_code(ocu_stream_create(ocu_device_get(), nonblocking, &stream)));
  priority = clamp_priority(priority);
  if (priority || context) {
    pthread_mutex_lock(&lock);
    struct kept *kept = keep(stream);
    if (kept) {
      kept->value[PRIORITY].priority = priority;
      kept->context = context;
    }
    pthread_mutex_unlock(&lock);
  }
  *out = stream;
  return CUDA_SUCCESS;
}

int ocu_shim_stream_destroy(void *handle) {
  REQUIRE((uintptr_t)handle > 2 && ocu_stream_device(handle) >= 0, CUDA_ERROR_INVALID_HANDLE);
  forget(handle);
  return ocu_shim_code(ocu_stream_destroy(handle));
}

int ocu_shim_stream_get(ocu_stream *stream, int attribute, void *value) {
  REQUIRE(is_kept(attribute) && ocu_accessible(value, sizeof *defaults.value, 1),
          CUDA_ERROR_INVALID_VALUE);
  REQUIRE(ocu_stream_device(stream) >= 0, CUDA_ERROR_INVALID_HANDLE);
  pthread_mutex_lock(&lock);
  memcpy(value, &kept_of(stream)->value[attribute], sizeof *defaults.value);
  pthread_mutex_unlock(&lock);
  return CUDA_SUCCESS;
}

int ocu_shim_stream_priority(ocu_stream *stream, int *priority) {
  CUlaunchAttributeValue value;
  REQUIRE(OUT(priority), CUDA_ERROR_INVALID_VALUE);
  int error = ocu_shim_stream_get(stream, PRIORITY, &value);
  if (!error) *priority = value.priority;
  return error;
}

int ocu_shim_stream_set(ocu_stream *stream, int attribute, const void *value) {
  CUlaunchAttributeValue asked;
  REQUIRE(ocu_accessible(value, sizeof asked, 0) && is_kept(attribute), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(ocu_stream_device(stream) >= 0, CUDA_ERROR_INVALID_HANDLE);
  memcpy(&asked, value, sizeof asked);
  int policy = (int)asked.syncPolicy, domain = (int)asked.memSyncDomain;
  REQUIRE(attribute != POLICY || (policy >= 1 && policy <= 4), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(attribute != DOMAIN || domain == 0 || domain == 1, CUDA_ERROR_INVALID_VALUE);
  if (attribute == PRIORITY) asked.priority = clamp_priority(asked.priority);
  pthread_mutex_lock(&lock);
  struct kept *kept = keep(stream);
  if (kept) kept->value[attribute] = asked;
  pthread_mutex_unlock(&lock);
  return kept ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

int ocu_shim_stream_copy(ocu_stream *dst, ocu_stream *src) {
  REQUIRE(ocu_stream_device(dst) >= 0 && ocu_stream_device(src) >= 0, CUDA_ERROR_INVALID_HANDLE);
  pthread_mutex_lock(&lock);
  struct kept *to = keep(dst);
  if (to) memmove(to->value, kept_of(src)->value, sizeof to->value);
  pthread_mutex_unlock(&lock);
  return to ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

void *ocu_shim_stream_context(ocu_stream *stream) {
  pthread_mutex_lock(&lock);
  void *context = kept_of(stream)->context;
  pthread_mutex_unlock(&lock);
  return context;
}

/* ---- events ---------------------------------------------------------------------------------- */

int ocu_shim_event_create(ocu_event **out, unsigned flags, const char *name, const char *refusal) {
  const unsigned all = CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS;
  REQUIRE(OUT(out) && !(flags & ~all), CUDA_ERROR_INVALID_VALUE);
  if (flags & CU_EVENT_INTERPROCESS) return ocu_shim_refuse(name, refusal);
  int no_timing = flags & CU_EVENT_DISABLE_TIMING ? OCU_EVENT_NO_TIMING : 0;
  return ocu_shim_code(ocu_event_create(ocu_device_get(), no_timing, out));
}

/* An event that keeps no time, or was never recorded, is the wrong handle for this. */
int ocu_shim_event_elapsed(float *ms, void *start, void *end) {
  REQUIRE(OUT(ms), CUDA_ERROR_INVALID_VALUE);
  ocu_status status = ocu_event_elapsed(start, end, ms);
  return ocu_shim_code(status == OCU_INVALID_VALUE ? OCU_INVALID_HANDLE : status);
}
