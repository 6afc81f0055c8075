/* host.c - what the runtime and the driver keep alike: registered host memory, peers, limits. */
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
  ocu_pointer_info info;
  REQUIRE(p && bytes && flags <= 0xf, CUDA_ERROR_INVALID_VALUE);
  if (flags & CU_MEMHOSTREGISTER_IOMEMORY)
    return ocu_shim_refuse(name, "flags: memory of an I/O device cannot be registered");
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

/* ---- peers, and memory of other processes ----------------------------------------------------- */

static _Atomic uint64_t peers[SHIM_DEVICES];

static int exist(int a, int b) { return shim_device_exists(a) && shim_device_exists(b); }

static int are_peers(int a, int b) {
  int can = 0;
  return exist(a, b) && ocu_peer(a, b, &can) == OCU_OK && can;
}

int ocu_shim_can_access(int *result, int device, int peer) {
  REQUIRE(OUT(result), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(exist(device, peer), CUDA_ERROR_INVALID_DEVICE);
  *result = 0;
  return ocu_shim_code(ocu_peer(device, peer, result));
}

int ocu_shim_peer_enable(int device, int peer, unsigned flags) {
  REQUIRE(flags == 0, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(exist(device, peer) && device != peer, CUDA_ERROR_INVALID_DEVICE);
  REQUIRE(are_peers(device, peer), CUDA_ERROR_PEER_ACCESS_UNSUPPORTED);
  uint64_t bit = (uint64_t)1 << peer;
  REQUIRE(!(atomic_fetch_or(&peers[device], bit) & bit), CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
  return ocu_shim_code(ocu_alive());
}

int ocu_shim_peer_disable(int device, int peer) {
  REQUIRE(are_peers(device, peer), CUDA_ERROR_INVALID_DEVICE);
  uint64_t bit = (uint64_t)1 << peer;
  REQUIRE(atomic_fetch_and(&peers[device], ~bit) & bit, CUDA_ERROR_PEER_ACCESS_NOT_ENABLED);
  return ocu_shim_code(ocu_alive());
}

static int ipc_code(ocu_status status, const char *name) {
  return status == OCU_UNSUPPORTED ? ocu_shim_refuse(name, ocu_error()) : ocu_shim_code(status);
}

int ocu_shim_ipc_get(void *handle, const void *p, const char *name) {
  char bytes[64];
  int error = ipc_code(ocu_ipc_get(p, bytes), name);
  REQUIRE(!error && ocu_accessible(handle, sizeof bytes, 1), error ?: CUDA_ERROR_INVALID_VALUE);
  memcpy(handle, bytes, sizeof bytes);
  return CUDA_SUCCESS;
}

int ocu_shim_ipc_open(void **p, const char *handle, unsigned flags, const char *name) {
  enum { LAZY_PEERS = 1 };  /* a driver enables them as it opens */
  REQUIRE(OUT(p) && flags == LAZY_PEERS, CUDA_ERROR_INVALID_VALUE);
  return ipc_code(ocu_ipc_open(ocu_device_get(), handle, p), name);
}

int ocu_shim_ipc_close(void *p, const char *name) { return ipc_code(ocu_ipc_close(p), name); }

int ocu_shim_p2p(int *value, int attribute, int device, int peer) {
  REQUIRE(OUT(value), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(exist(device, peer) && device != peer, CUDA_ERROR_INVALID_DEVICE);
  switch (attribute) {
    case CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED:
    case CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED: *value = are_peers(device, peer); break;
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

/* ---- what a CPU keeps but has no use for: limits, preferred caches and memory banks ---------- */

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

static _Atomic int settings[2];

int ocu_shim_setting_get(int *value, enum shim_setting which) {
  REQUIRE(OUT(value), CUDA_ERROR_INVALID_VALUE);
  *value = settings[which];
  return ocu_shim_code(ocu_alive());
}

int ocu_shim_setting_set(int value, enum shim_setting which) {
  static const int most[] = {CU_FUNC_CACHE_PREFER_EQUAL, CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE};
  REQUIRE(value >= 0 && value <= most[which], CUDA_ERROR_INVALID_VALUE);
  settings[which] = value;
  return ocu_shim_code(ocu_alive());
}
