/* pools.c - memory pools and stream-ordered allocation. */
#include <cuda_runtime.h>
#include <stdint.h>

#include "check.h"

static uint64_t told(cudaMemPool_t pool, enum cudaMemPoolAttr attribute) {
  uint64_t value = 12345;
  EXPECT(cudaMemPoolGetAttribute(pool, attribute, &value), cudaSuccess);
  return value;
}

static struct cudaMemPoolProps props(void) {
  struct cudaMemPoolProps p;
  memset(&p, 0, sizeof p);
  p.allocType = cudaMemAllocationTypePinned;
  p.location.type = cudaMemLocationTypeDevice;
  return p;
}

static void a_pool_counts_what_is_allocated_from_it(void) {
  cudaMemPool_t pool;
  cudaStream_t stream;
  void *a, *b;
  uint64_t zero = 0, threshold = 1 << 20;
  struct cudaMemPoolProps p = props();
  EXPECT(cudaMemPoolCreate(&pool, &p), cudaSuccess);
  EXPECT(cudaStreamCreate(&stream), cudaSuccess);
  EXPECT(cudaMallocFromPoolAsync(&a, 1000, pool, stream), cudaSuccess);
  EXPECT(cudaMallocFromPoolAsync(&b, 24, pool, stream), cudaSuccess);
  EXPECT(told(pool, cudaMemPoolAttrUsedMemCurrent), 1024);
  EXPECT(cudaFreeAsync(a, (cudaStream_t)(void *)&pool), cudaErrorInvalidResourceHandle);
  EXPECT(told(pool, cudaMemPoolAttrUsedMemCurrent), 1024); /* and it counts as before */
  EXPECT(cudaMemsetAsync(a, 1, 1000, stream), cudaSuccess);
  EXPECT(cudaFreeAsync(a, stream), cudaSuccess);
  EXPECT(cudaFree(b), cudaSuccess);
  EXPECT(told(pool, cudaMemPoolAttrUsedMemCurrent), 0);
  EXPECT(told(pool, cudaMemPoolAttrUsedMemHigh), 1024);
  EXPECT(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrUsedMemHigh, &threshold),
         cudaErrorInvalidValue);
  EXPECT(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrUsedMemHigh, &zero), cudaSuccess);
  EXPECT(told(pool, cudaMemPoolAttrUsedMemHigh), 0);
  EXPECT(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold), cudaSuccess);
  EXPECT(told(pool, cudaMemPoolAttrReleaseThreshold), threshold);
  EXPECT(cudaMemPoolTrimTo(pool, 0), cudaSuccess);
  EXPECT(cudaMemPoolDestroy(pool), cudaSuccess);
  EXPECT(cudaMemPoolDestroy(pool), cudaErrorInvalidValue);
  EXPECT(cudaMallocFromPoolAsync(&a, 8, pool, stream), cudaErrorInvalidValue);
  EXPECT(cudaStreamDestroy(stream), cudaSuccess);
}

static void a_pool_does_not_pass_its_own_limit(void) {
  cudaMemPool_t pool;
  void *a, *b = &b;
  struct cudaMemPoolProps p = props();
  p.maxSize = 4096;
  EXPECT(cudaMemPoolCreate(&pool, &p), cudaSuccess);
  EXPECT(cudaMallocFromPoolAsync(&a, 4000, pool, 0), cudaSuccess);
  EXPECT(cudaMallocFromPoolAsync(&b, 100, pool, 0), cudaErrorMemoryAllocation);
  EXPECT(cudaFreeAsync(a, 0), cudaSuccess);
  EXPECT(cudaMallocFromPoolAsync(&b, 100, pool, 0), cudaSuccess);
  EXPECT(cudaMemPoolDestroy(pool), cudaSuccess); /* what it gave stays until it is freed */
  EXPECT(cudaMemset(b, 7, 100), cudaSuccess);
  EXPECT(cudaFree(b), cudaSuccess);
  EXPECT(cudaFree(b), cudaErrorInvalidValue);
}

static void the_current_pool_serves_plain_asynchronous_allocations(void) {
  cudaMemPool_t first, pool, now;
  void *a;
  struct cudaMemPoolProps p = props();
  EXPECT(cudaDeviceGetDefaultMemPool(&first, 0), cudaSuccess);
  EXPECT(cudaDeviceGetMemPool(&now, 0), cudaSuccess);
  TRUE(now == first);
  EXPECT(cudaMemPoolDestroy(first), cudaErrorInvalidValue);
  EXPECT(cudaMemPoolCreate(&pool, &p), cudaSuccess);
  EXPECT(cudaDeviceSetMemPool(0, pool), cudaSuccess);
  EXPECT(cudaMallocAsync(&a, 64, 0), cudaSuccess);
  EXPECT(told(pool, cudaMemPoolAttrUsedMemCurrent), 64);
  EXPECT(cudaFreeAsync(a, 0), cudaSuccess);
  EXPECT(cudaMemPoolDestroy(pool), cudaSuccess);
  EXPECT(cudaDeviceGetMemPool(&now, 0), cudaSuccess);
  TRUE(now == first);
  EXPECT(cudaDeviceSetMemPool(0, pool), cudaErrorInvalidValue);
  EXPECT(cudaDeviceSetMemPool(99, first), cudaErrorInvalidDevice);
}

static void access_is_kept_and_an_own_device_keeps_it(void) {
  cudaMemPool_t pool;
  enum cudaMemAccessFlags flags;
  struct cudaMemAccessDesc wanted = {{cudaMemLocationTypeDevice, 0},
                                     cudaMemAccessFlagsProtReadWrite};
  EXPECT(cudaDeviceGetDefaultMemPool(&pool, 0), cudaSuccess);
  EXPECT(cudaMemPoolGetAccess(&flags, pool, &wanted.location), cudaSuccess);
  EXPECT(flags, cudaMemAccessFlagsProtReadWrite);
  EXPECT(cudaMemPoolSetAccess(pool, &wanted, 1), cudaSuccess);
  wanted.flags = cudaMemAccessFlagsProtNone;
  EXPECT(cudaMemPoolSetAccess(pool, &wanted, 1), cudaErrorInvalidValue);
  EXPECT(cudaMemPoolSetAccess(pool, &wanted, (size_t)1 << 60), cudaErrorInvalidValue);
  wanted.location.id = 63;
  EXPECT(cudaMemPoolSetAccess(pool, &wanted, 1), cudaErrorInvalidDevice);
}

static void wrong_properties_are_refused(void) {
  cudaMemPool_t pool;
  struct cudaMemPoolProps p = props();
  p.handleTypes = cudaMemHandleTypePosixFileDescriptor;
  EXPECT(cudaMemPoolCreate(&pool, &p), cudaErrorNotSupported);
  p = props();
  p.location.id = 77;
  EXPECT(cudaMemPoolCreate(&pool, &p), cudaErrorInvalidDevice);
  p.location.type = (enum cudaMemLocationType)9;
  EXPECT(cudaMemPoolCreate(&pool, &p), cudaErrorInvalidValue);
  EXPECT(cudaMemPoolCreate(&pool, NULL), cudaErrorInvalidValue);
  EXPECT(cudaMemPoolGetAttribute(NULL, cudaMemPoolAttrUsedMemHigh, &p), cudaErrorInvalidValue);
  EXPECT(cudaFreeAsync(&p, 0), cudaErrorInvalidValue);
}

int main(void) {
  a_pool_counts_what_is_allocated_from_it();
  a_pool_does_not_pass_its_own_limit();
  the_current_pool_serves_plain_asynchronous_allocations();
  access_is_kept_and_an_own_device_keeps_it();
  wrong_properties_are_refused();
  puts("ok");
  return 0;
}
