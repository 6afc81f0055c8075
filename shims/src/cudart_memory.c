/* cudart_memory.c - allocation, pinned and registered host memory, copies and fills. */
#include <pthread.h>
#include <stdlib.h>

#include "cudart.h"

/* ---- allocation ------------------------------------------------------------------------------ */

static cudaError_t allocate(void **out, size_t size, ocu_mem_kind kind) {
  REQUIRE(OUT(out), cudaErrorInvalidValue);
  return done(ocu_alloc(ocu_device_get(), size, kind, out));
}

cudaError_t cudaMalloc(void **devPtr, size_t size) {
  return allocate(devPtr, size, OCU_MEM_DEVICE);
}

cudaError_t cudaMallocHost(void **ptr, size_t size) { return allocate(ptr, size, OCU_MEM_HOST); }

cudaError_t cudaHostAlloc(void **pHost, size_t size, unsigned int flags) {
  const unsigned known = cudaHostAllocPortable | cudaHostAllocMapped | cudaHostAllocWriteCombined;
  REQUIRE(!(flags & ~known), cudaErrorInvalidValue);
  return allocate(pHost, size, OCU_MEM_HOST);
}

cudaError_t cudaMallocManaged(void **devPtr, size_t size, unsigned int flags) {
  REQUIRE(size && (flags == cudaMemAttachGlobal || flags == cudaMemAttachHost),
          cudaErrorInvalidValue);
  return allocate(devPtr, size, OCU_MEM_MANAGED);
}

cudaError_t cudaMallocPitch(void **devPtr, size_t *pitch, size_t width, size_t height) {
  REQUIRE(OUT(devPtr) && OUT(pitch), cudaErrorInvalidValue);
  size_t row, bytes;
  REQUIRE(!__builtin_add_overflow(width, 511, &row), cudaErrorMemoryAllocation);
  row = row / 512 * 512;
  REQUIRE(!__builtin_mul_overflow(row, height, &bytes), cudaErrorMemoryAllocation);
  cudaError_t error = cudaMalloc(devPtr, bytes);
  if (error == cudaSuccess) *pitch = row;
  return error;
}

cudaError_t cudaMallocAsync(void **devPtr, size_t size, cudaStream_t hStream) {
  REQUIRE(OUT(devPtr), cudaErrorInvalidValue);
  return done(ocu_alloc_async(stream_of(hStream), size, devPtr));
}

static cudaError_t release(void *ptr, int host) {
  ocu_pointer_info info;
  if (!ptr) return done(ocu_alive());
  ocu_status status = ocu_pointer_query(ptr, &info);
  if (status != OCU_OK) return done(status);
  REQUIRE(!info.freed && info.kind != OCU_MEM_UNKNOWN && (info.kind == OCU_MEM_HOST) == host,
          cudaErrorInvalidValue);
  return done(ocu_free(ptr));
}

cudaError_t cudaFree(void *devPtr) { return release(devPtr, 0); }
cudaError_t cudaFreeHost(void *ptr) { return release(ptr, 1); }

cudaError_t cudaFreeAsync(void *devPtr, cudaStream_t hStream) {
  REQUIRE(OUT(devPtr), cudaErrorInvalidValue);
  return done(ocu_free_async(stream_of(hStream), devPtr));
}

cudaError_t cudaMemGetInfo(size_t *free, size_t *total) {
  ocu_device_info info;
  REQUIRE((!free || OUT(free)) && (!total || OUT(total)), cudaErrorInvalidValue);
  ocu_status status = ocu_device_query(ocu_device_get(), &info);
  if (status != OCU_OK) return done(status);
  if (free) *free = (size_t)info.memory_free;
  if (total) *total = (size_t)info.memory_total;
  return done(OCU_OK);
}

/* ---- host memory that the program registered ------------------------------------------------- */

static struct range {
  struct range *next;
  char *start;
  size_t size;
} *ranges;
static pthread_mutex_t ranges_lock = PTHREAD_MUTEX_INITIALIZER;

/* The registered range that overlaps [p, p + size); call with the lock held. */
static struct range **find_range(const char *p, size_t size) {
  struct range **at = &ranges;
  while (*at && !(p < (*at)->start + (*at)->size && (*at)->start < p + size)) at = &(*at)->next;
  return at;
}

static int is_registered(const void *p) {
  pthread_mutex_lock(&ranges_lock);
  int found = *find_range(p, 1) != NULL;
  pthread_mutex_unlock(&ranges_lock);
  return found;
}

cudaError_t cudaHostRegister(void *ptr, size_t size, unsigned int flags) {
  REQUIRE(ptr && size && flags <= 0xf, cudaErrorInvalidValue);
  if (flags & cudaHostRegisterIoMemory)
    REFUSE_ARGUMENT("cudaHostRegister", "cudaHostRegisterIoMemory is not supported");
  ocu_pointer_info info;
  ocu_status status = ocu_pointer_query(ptr, &info);
  if (status == OCU_OK) status = ocu_check(ptr, size, !(flags & cudaHostRegisterReadOnly));
  if (status != OCU_OK) return done(status);
  REQUIRE(info.kind == OCU_MEM_UNKNOWN, cudaErrorHostMemoryAlreadyRegistered);
  struct range *range = malloc(sizeof *range);
  REQUIRE(range, cudaErrorMemoryAllocation);
  pthread_mutex_lock(&ranges_lock);
  int overlaps = *find_range(ptr, size) != NULL;
  if (!overlaps) {
    *range = (struct range){ranges, ptr, size};
    ranges = range;
  }
  pthread_mutex_unlock(&ranges_lock);
  if (overlaps) free(range);
  REQUIRE(!overlaps, cudaErrorHostMemoryAlreadyRegistered);
  return done(OCU_OK);
}

cudaError_t cudaHostUnregister(void *ptr) {
  REQUIRE(ptr, cudaErrorInvalidValue);
  REQUIRE(ocu_alive() == OCU_OK, cudaErrorInitializationError);
  pthread_mutex_lock(&ranges_lock);
  struct range **at = find_range(ptr, 1), *range = *at;
  if (range && range->start == ptr)
    *at = range->next;
  else
    range = NULL;
  pthread_mutex_unlock(&ranges_lock);
  REQUIRE(range, cudaErrorHostMemoryNotRegistered);
  free(range);
  return done(ocu_device_sync(ocu_device_get()));
}

cudaError_t cudaHostGetDevicePointer(void **pDevice, void *pHost, unsigned int flags) {
  ocu_pointer_info info;
  REQUIRE(OUT(pDevice) && pHost && flags == 0, cudaErrorInvalidValue);
  ocu_status status = ocu_pointer_query(pHost, &info);
  if (status != OCU_OK) return done(status);
  REQUIRE((info.kind == OCU_MEM_HOST && !info.freed) || is_registered(pHost),
          cudaErrorInvalidValue);
  *pDevice = pHost;
  return done(OCU_OK);
}

cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *attributes, const void *ptr) {
  ocu_pointer_info info;
  REQUIRE(OUT(attributes), cudaErrorInvalidValue);
  ocu_status status = ocu_pointer_query(ptr, &info);
  if (status != OCU_OK) return done(status);
  static const enum cudaMemoryType types[] = {
      [OCU_MEM_UNKNOWN] = cudaMemoryTypeUnregistered, [OCU_MEM_DEVICE] = cudaMemoryTypeDevice,
      [OCU_MEM_HOST] = cudaMemoryTypeHost, [OCU_MEM_MANAGED] = cudaMemoryTypeManaged};
  enum cudaMemoryType type = types[info.freed ? OCU_MEM_UNKNOWN : info.kind];
  if (type == cudaMemoryTypeUnregistered && is_registered(ptr)) {
    type = cudaMemoryTypeHost;
    info.device = ocu_device_get();
  }
  int known = type != cudaMemoryTypeUnregistered;
  *attributes = (struct cudaPointerAttributes){
      .type = type,
      .device = known ? info.device : cudaInvalidDeviceId,
      .devicePointer = known ? (void *)ptr : NULL,
      .hostPointer = type == cudaMemoryTypeDevice ? NULL : (void *)ptr,
  };
  return done(OCU_OK);
}

/* ---- hints: memory is where it is, so there is nothing to move ------------------------------- */

static cudaError_t hint(const void *ptr, size_t count, int place, cudaStream_t stream) {
  REQUIRE(ptr && count, cudaErrorInvalidValue);
  REQUIRE(place == cudaCpuDeviceId || device_exists(place), cudaErrorInvalidDevice);
  REQUIRE(ocu_stream_device(stream_of(stream)) >= 0, cudaErrorInvalidResourceHandle);
  return done(ocu_check(ptr, count, 0));
}

#if OPENCU_CUDA_MAJOR == 12
cudaError_t cudaMemPrefetchAsync(const void *devPtr, size_t count, int dstDevice,
                                 cudaStream_t stream) {
  return hint(devPtr, count, dstDevice, stream);
}

cudaError_t cudaMemAdvise(const void *devPtr, size_t count, enum cudaMemoryAdvise advice,
                          int device) {
  REQUIRE(advice >= cudaMemAdviseSetReadMostly && advice <= cudaMemAdviseUnsetAccessedBy,
          cudaErrorInvalidValue);
  return hint(devPtr, count, advice <= cudaMemAdviseUnsetReadMostly ? cudaCpuDeviceId : device, 0);
}
#else
static int place_of(struct cudaMemLocation location) {
  return location.type == cudaMemLocationTypeDevice ? location.id : cudaCpuDeviceId;
}

cudaError_t cudaMemPrefetchAsync(const void *devPtr, size_t count, struct cudaMemLocation location,
                                 unsigned int flags, cudaStream_t stream) {
  REQUIRE(flags == 0, cudaErrorInvalidValue);
  return hint(devPtr, count, place_of(location), stream);
}

cudaError_t cudaMemAdvise(const void *devPtr, size_t count, enum cudaMemoryAdvise advice,
                          struct cudaMemLocation location) {
  REQUIRE(advice >= cudaMemAdviseSetReadMostly && advice <= cudaMemAdviseUnsetAccessedBy,
          cudaErrorInvalidValue);
  int anywhere = advice <= cudaMemAdviseUnsetReadMostly;
  return hint(devPtr, count, anywhere ? cudaCpuDeviceId : place_of(location), 0);
}
#endif

/* ---- copies and fills ------------------------------------------------------------------------ */

static cudaError_t copy(void *dst, const void *src, size_t count, enum cudaMemcpyKind kind,
                        ocu_stream *stream, int host_sync) {
  REQUIRE((unsigned)kind <= cudaMemcpyDefault, cudaErrorInvalidMemcpyDirection);
  return done(ocu_copy(stream, dst, src, count, host_sync));
}

cudaError_t cudaMemcpy(void *dst, const void *src, size_t count, enum cudaMemcpyKind kind) {
  return copy(dst, src, count, kind, NULL, 1);
}

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t count, enum cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return copy(dst, src, count, kind, stream_of(stream), 0);
}

static cudaError_t copy_2d(void *dst, size_t dpitch, const void *src, size_t spitch, size_t width,
                           size_t height, enum cudaMemcpyKind kind, ocu_stream *stream,
                           int host_sync) {
  REQUIRE((unsigned)kind <= cudaMemcpyDefault, cudaErrorInvalidMemcpyDirection);
  REQUIRE(width <= dpitch && width <= spitch, cudaErrorInvalidPitchValue);
  return done(ocu_copy_2d(stream, dst, dpitch, src, spitch, width, height, host_sync));
}

cudaError_t cudaMemcpy2D(void *dst, size_t dpitch, const void *src, size_t spitch, size_t width,
                         size_t height, enum cudaMemcpyKind kind) {
  return copy_2d(dst, dpitch, src, spitch, width, height, kind, NULL, 1);
}

cudaError_t cudaMemcpy2DAsync(void *dst, size_t dpitch, const void *src, size_t spitch,
                              size_t width, size_t height, enum cudaMemcpyKind kind,
                              cudaStream_t stream) {
  return copy_2d(dst, dpitch, src, spitch, width, height, kind, stream_of(stream), 0);
}

cudaError_t cudaMemcpyPeer(void *dst, int dstDevice, const void *src, int srcDevice,
                           size_t count) {
  REQUIRE(device_exists(dstDevice) && device_exists(srcDevice), cudaErrorInvalidDevice);
  return copy(dst, src, count, cudaMemcpyDeviceToDevice, NULL, 1);
}

cudaError_t cudaMemcpyPeerAsync(void *dst, int dstDevice, const void *src, int srcDevice,
                                size_t count, cudaStream_t stream) {
  REQUIRE(device_exists(dstDevice) && device_exists(srcDevice), cudaErrorInvalidDevice);
  return copy(dst, src, count, cudaMemcpyDeviceToDevice, stream_of(stream), 0);
}

/* A plain fill returns before it is done, except on memory that the host may read at once. */
static int host_reads(const void *p) {
  ocu_pointer_info info;
  return ocu_pointer_query(p, &info) != OCU_OK || info.kind != OCU_MEM_DEVICE;
}

cudaError_t cudaMemset(void *devPtr, int value, size_t count) {
  return done(ocu_fill(NULL, devPtr, value, count, host_reads(devPtr)));
}

cudaError_t cudaMemsetAsync(void *devPtr, int value, size_t count, cudaStream_t stream) {
  return done(ocu_fill(stream_of(stream), devPtr, value, count, 0));
}

static cudaError_t fill_2d(void *dst, size_t pitch, int value, size_t width, size_t height,
                           ocu_stream *stream, int host_sync) {
  REQUIRE(width <= pitch || height <= 1, cudaErrorInvalidValue);
  return done(ocu_fill_2d(stream, dst, pitch, value, width, height, host_sync));
}

cudaError_t cudaMemset2D(void *devPtr, size_t pitch, int value, size_t width, size_t height) {
  return fill_2d(devPtr, pitch, value, width, height, NULL, host_reads(devPtr));
}

cudaError_t cudaMemset2DAsync(void *devPtr, size_t pitch, int value, size_t width, size_t height,
                              cudaStream_t stream) {
  return fill_2d(devPtr, pitch, value, width, height, stream_of(stream), 0);
}
