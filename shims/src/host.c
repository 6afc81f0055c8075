/* host.c - what the runtime and the driver keep alike: registered host memory, peers, limits and
 * the attributes of streams. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "shared.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- host memory that the program registered ------------------------------------------------- */

static struct range {
  struct range *next;
  uintptr_t start;
  size_t size;
  unsigned flags;
} *ranges;

/* The registered range that overlaps [p, p + size); call with the lock held. */
static struct range **find_range(const void *p, size_t size) {
  struct range **at = &ranges;
  uintptr_t first = (uintptr_t)p;
  while (*at && !(first - (*at)->start < (*at)->size || (*at)->start - first < size))
    at = &(*at)->next;
  return at;
}

int ocu_shim_registered(const void *p, unsigned *flags) {
  pthread_mutex_lock(&lock);
  struct range *range = *find_range(p, 1);
  if (range && flags) *flags = range->flags;
  pthread_mutex_unlock(&lock);
  return range != NULL;
}

void ocu_shim_registered_range(const void *p, void **start, size_t *bytes) {
  pthread_mutex_lock(&lock);
  struct range *range = *find_range(p, 1);
  if (range) {
    *start = (void *)range->start;
    *bytes = range->size;
  }
  pthread_mutex_unlock(&lock);
}

int ocu_shim_register(void *p, size_t bytes, unsigned flags, const char *name) {
  static atomic_bool said;
  ocu_pointer_info info;
  REQUIRE(p && bytes && flags <= 0xf, CUDA_ERROR_INVALID_VALUE);
  if (flags & CU_MEMHOSTREGISTER_IOMEMORY) {
    ocu_shim_refuse(&said, name, "flags: memory of an I/O device cannot be registered");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  ocu_status status = ocu_pointer_query(p, &info);
  if (status == OCU_OK) status = ocu_check(p, bytes, !(flags & CU_MEMHOSTREGISTER_READ_ONLY));
  if (status != OCU_OK) return ocu_shim_code(status);
  REQUIRE(info.kind == OCU_MEM_UNKNOWN, CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
  struct range *range = malloc(sizeof *range);
  REQUIRE(range, CUDA_ERROR_OUT_OF_MEMORY);
  pthread_mutex_lock(&lock);
  int overlaps = *find_range(p, bytes) != NULL;
  if (!overlaps) {
    *range = (struct range){ranges, (uintptr_t)p, bytes, flags};
    ranges = range;
  }
  pthread_mutex_unlock(&lock);
  if (overlaps) free(range);
  return overlaps ? CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED : CUDA_SUCCESS;
}

int ocu_shim_unregister(void *p) {
  REQUIRE(p, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(ocu_alive() == OCU_OK, CUDA_ERROR_NOT_INITIALIZED);
  pthread_mutex_lock(&lock);
  struct range **at = find_range(p, 1), *range = *at;
  if (range && range->start == (uintptr_t)p)
    *at = range->next;
  else
    range = NULL;
  pthread_mutex_unlock(&lock);
  REQUIRE(range, CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
  free(range);
  return ocu_shim_code(ocu_device_sync(ocu_device_get()));
}

/* Is p in live pinned memory, ours or registered? */
static int pinned(const void *p, unsigned *flags) {
  ocu_pointer_info info;
  if (ocu_pointer_query(p, &info) != OCU_OK) return 0;
  if (info.kind != OCU_MEM_HOST || info.freed) return ocu_shim_registered(p, flags);
  ocu_shim_note_flags(info.base, flags);
  return 1;
}

int ocu_shim_host_flags(unsigned *flags, const void *p) {
  unsigned known = 0;
  REQUIRE(OUT(flags) && p, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(ocu_alive() == OCU_OK, CUDA_ERROR_NOT_INITIALIZED);
  REQUIRE(pinned(p, &known), CUDA_ERROR_INVALID_VALUE);
  *flags = known;
  return CUDA_SUCCESS;
}

int ocu_shim_host_pointer(void **out, void *p, unsigned flags) {
  unsigned unused;
  REQUIRE(OUT(out) && p && flags == 0, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(ocu_alive() == OCU_OK, CUDA_ERROR_NOT_INITIALIZED);
  REQUIRE(pinned(p, &unused), CUDA_ERROR_INVALID_VALUE);
  *out = p;
  return CUDA_SUCCESS;
}

/* ---- peers: all CPU devices share one address space ------------------------------------------ */

static _Atomic uint64_t peers[SHIM_DEVICES];

static int exists(int device) {
  return device >= 0 && device < ocu_device_count() && device < SHIM_DEVICES;
}

int ocu_shim_peers(int a, int b) { return exists(a) && exists(b) && a != b; }

int ocu_shim_peer_enable(int device, int peer, unsigned flags) {
  REQUIRE(flags == 0, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(ocu_shim_peers(device, peer), CUDA_ERROR_INVALID_DEVICE);
  uint64_t bit = (uint64_t)1 << peer;
  REQUIRE(!(atomic_fetch_or(&peers[device], bit) & bit), CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
  return ocu_shim_code(ocu_alive());
}

int ocu_shim_peer_disable(int device, int peer) {
  REQUIRE(ocu_shim_peers(device, peer), CUDA_ERROR_INVALID_DEVICE);
  uint64_t bit = (uint64_t)1 << peer;
  REQUIRE(atomic_fetch_and(&peers[device], ~bit) & bit, CUDA_ERROR_PEER_ACCESS_NOT_ENABLED);
  return ocu_shim_code(ocu_alive());
}

int ocu_shim_p2p(int *value, int attribute, int device, int peer) {
  REQUIRE(OUT(value), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(ocu_shim_peers(device, peer), CUDA_ERROR_INVALID_DEVICE);
  switch (attribute) {
    case CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED:
    case CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED: *value = 1; break;
    case CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK:
    case CU_DEVICE_P2P_ATTRIBUTE_CUDA_ARRAY_ACCESS_SUPPORTED:
    case CU_DEVICE_P2P_ATTRIBUTE_ONLY_PARTIAL_NATIVE_ATOMIC_SUPPORTED: *value = 0; break;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  return ocu_shim_code(ocu_alive());
}

/* Writes of other devices are seen at once: they are this processor's own. */
int ocu_shim_flush_writes(int target, int scope) {
  REQUIRE(target == CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TARGET_CURRENT_CTX &&
              (scope == CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TO_OWNER ||
               scope == CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TO_ALL_DEVICES),
          CUDA_ERROR_INVALID_VALUE);
  return ocu_shim_code(ocu_alive());
}

/* ---- limits that a CPU keeps but has no use for --------------------------------------------- */

static _Atomic size_t limits[] = {1 << 10, 1 << 20, 8 << 20, 2, 2048, 64, 0};

static int limit_exists(int limit) {
  return limit >= 0 && limit < (int)(sizeof limits / sizeof *limits);
}

int ocu_shim_limit_set(int limit, size_t value) {
  REQUIRE(limit_exists(limit), CUDA_ERROR_UNSUPPORTED_LIMIT);
  limits[limit] = value;
  return ocu_shim_code(ocu_alive());
}

int ocu_shim_limit_get(size_t *value, int limit) {
  REQUIRE(OUT(value), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(limit_exists(limit), CUDA_ERROR_UNSUPPORTED_LIMIT);
  *value = limits[limit];
  return ocu_shim_code(ocu_alive());
}

/* ---- streams: capture mode, attached memory, attributes ------------------------------------- */

int ocu_shim_capture_mode(int *mode) {
  static _Thread_local int kept = CU_STREAM_CAPTURE_MODE_GLOBAL;
  REQUIRE(OUT(mode), CUDA_ERROR_INVALID_VALUE);
  int asked = *mode;
  REQUIRE(asked >= 0 && asked <= CU_STREAM_CAPTURE_MODE_RELAXED, CUDA_ERROR_INVALID_VALUE);
  *mode = kept;
  kept = asked;
  return ocu_shim_code(ocu_alive());
}

/* Managed memory can be reached from everywhere at any time, so there is nothing to restrict. */
int ocu_shim_attach(ocu_stream *stream, void *p, size_t bytes, unsigned flags) {
  ocu_pointer_info info;
  REQUIRE(ocu_stream_device(stream) >= 0, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(flags == CU_MEM_ATTACH_GLOBAL || flags == CU_MEM_ATTACH_HOST ||
              (flags == CU_MEM_ATTACH_SINGLE && stream),
          CUDA_ERROR_INVALID_VALUE);
  ocu_status status = ocu_pointer_query(p, &info);
  if (status != OCU_OK) return ocu_shim_code(status);
  REQUIRE(info.kind == OCU_MEM_MANAGED && !info.freed && (!bytes || bytes == info.bytes),
          CUDA_ERROR_INVALID_VALUE);
  return CUDA_SUCCESS;
}

/* Kept for streams of which something is not the default. Priorities are hints: streams share the
 * worker threads as they come. */
static struct kept {
  struct kept *next;
  ocu_stream *stream;
  CUlaunchAttributeValue window, policy, priority, map, domain;
  void *context;
} *kept_streams;

static const struct kept defaults = {.policy.syncPolicy = CU_SYNC_POLICY_AUTO,
                                     .map.memSyncDomainMap = {0, 1}};

static struct kept **find_kept(ocu_stream *stream) {
  struct kept **at = &kept_streams;
  while (*at && (*at)->stream != stream) at = &(*at)->next;
  return at;
}

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
  return priority > SHIM_LEAST_PRIORITY      ? SHIM_LEAST_PRIORITY
         : priority < SHIM_GREATEST_PRIORITY ? SHIM_GREATEST_PRIORITY
                                             : priority;
}

int ocu_shim_stream_create(ocu_stream **out, unsigned flags, int priority, void *context) {
  REQUIRE(OUT(out) && flags <= CU_STREAM_NON_BLOCKING, CUDA_ERROR_INVALID_VALUE);
  ocu_stream *stream;
  int nonblocking = flags == CU_STREAM_NON_BLOCKING ? OCU_STREAM_NONBLOCKING : 0;
  ocu_status status = ocu_stream_create(ocu_device_get(), nonblocking, &stream);
  if (status != OCU_OK) return ocu_shim_code(status);
  priority = clamp_priority(priority);
  if (priority || context) {
    pthread_mutex_lock(&lock);
    struct kept *kept = keep(stream);
    if (kept) {
      kept->priority.priority = priority;
      kept->context = context;
    }
    pthread_mutex_unlock(&lock);
  }
  *out = stream;
  return CUDA_SUCCESS;
}

int ocu_shim_stream_id(ocu_stream *stream, unsigned long long *id) {
  REQUIRE(OUT(id), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(ocu_stream_device(stream) >= 0, CUDA_ERROR_INVALID_HANDLE);
  *id = stream ? (uintptr_t)stream : 1 + (unsigned)ocu_device_get();
  return CUDA_SUCCESS;
}

int ocu_shim_stream_destroy(void *handle) {
  REQUIRE((uintptr_t)handle > 2 && ocu_stream_device(handle) >= 0, CUDA_ERROR_INVALID_HANDLE);
  forget(handle);
  return ocu_shim_code(ocu_stream_destroy(handle));
}

static CUlaunchAttributeValue *attribute_of(struct kept *kept, int attribute) {
  switch (attribute) {
    case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW: return &kept->window;
    case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY: return &kept->policy;
    case CU_LAUNCH_ATTRIBUTE_PRIORITY: return &kept->priority;
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP: return &kept->map;
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN: return &kept->domain;
    default: return NULL;
  }
}

int ocu_shim_stream_get(ocu_stream *stream, int attribute, void *value) {
  struct kept none = defaults;
  REQUIRE(attribute_of(&none, attribute) && ocu_accessible(value, sizeof none.window, 1),
          CUDA_ERROR_INVALID_VALUE);
  REQUIRE(ocu_stream_device(stream) >= 0, CUDA_ERROR_INVALID_HANDLE);
  pthread_mutex_lock(&lock);
  struct kept *kept = *find_kept(stream);
  memcpy(value, attribute_of(kept ? kept : &none, attribute), sizeof(CUlaunchAttributeValue));
  pthread_mutex_unlock(&lock);
  return CUDA_SUCCESS;
}

int ocu_shim_stream_set(ocu_stream *stream, int attribute, const void *value) {
  struct kept none;
  CUlaunchAttributeValue asked;
  REQUIRE(ocu_accessible(value, sizeof asked, 0) && attribute_of(&none, attribute),
          CUDA_ERROR_INVALID_VALUE);
  REQUIRE(ocu_stream_device(stream) >= 0, CUDA_ERROR_INVALID_HANDLE);
  memcpy(&asked, value, sizeof asked);
  int policy = (int)asked.syncPolicy, domain = (int)asked.memSyncDomain;
  REQUIRE(attribute != CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY || (policy >= 1 && policy <= 4),
          CUDA_ERROR_INVALID_VALUE);
  REQUIRE(attribute != CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN || domain == 0 || domain == 1,
          CUDA_ERROR_INVALID_VALUE);
  if (attribute == CU_LAUNCH_ATTRIBUTE_PRIORITY) asked.priority = clamp_priority(asked.priority);
  pthread_mutex_lock(&lock);
  struct kept *kept = keep(stream);
  if (kept) *attribute_of(kept, attribute) = asked;
  pthread_mutex_unlock(&lock);
  return kept ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

int ocu_shim_stream_copy(ocu_stream *dst, ocu_stream *src) {
  REQUIRE(ocu_stream_device(dst) >= 0 && ocu_stream_device(src) >= 0, CUDA_ERROR_INVALID_HANDLE);
  pthread_mutex_lock(&lock);
  struct kept *to = keep(dst), *from = *find_kept(src);
  for (int i = 0; to && i <= CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN; i++) {
    struct kept none = defaults;
    CUlaunchAttributeValue *value = attribute_of(from ? from : &none, i);
    if (value) *attribute_of(to, i) = *value;
  }
  pthread_mutex_unlock(&lock);
  return to ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

void *ocu_shim_stream_context(ocu_stream *stream) {
  pthread_mutex_lock(&lock);
  struct kept *kept = *find_kept(stream);
  void *context = kept ? kept->context : NULL;
  pthread_mutex_unlock(&lock);
  return context;
}
