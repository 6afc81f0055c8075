/* runtime.c - the CUDA runtime as a host program uses it: memory, copies, streams, events. */
#include <cuda_runtime.h>
#include <pthread.h>

#include "check.h"

static void memory_and_copies(void) {
  int numbers[64], back[64];
  void *device, *host, *managed, *pitched;
  size_t pitch, free_bytes, total;
  struct cudaPointerAttributes attributes;
  for (int i = 0; i < 64; i++) numbers[i] = i * i;
  EXPECT(cudaMalloc(&device, sizeof numbers), cudaSuccess);
  EXPECT(cudaMemcpy(device, numbers, sizeof numbers, cudaMemcpyHostToDevice), cudaSuccess);
  EXPECT(cudaMemcpy(back, device, sizeof back, cudaMemcpyDeviceToHost), cudaSuccess);
  TRUE(!memcmp(numbers, back, sizeof back));
  EXPECT(cudaMemset(device, 0xff, 128), cudaSuccess);
  EXPECT(cudaMemcpyPeer(back, 0, device, 0, sizeof back), cudaSuccess);
  EXPECT(back[31], -1);
  EXPECT(back[32], 32 * 32);

  EXPECT(cudaPointerGetAttributes(&attributes, (char *)device + 100), cudaSuccess);
  EXPECT(attributes.type, cudaMemoryTypeDevice);
  EXPECT(attributes.device, 0);
  TRUE(attributes.devicePointer == (char *)device + 100 && !attributes.hostPointer);
  EXPECT(cudaPointerGetAttributes(&attributes, numbers), cudaSuccess);
  EXPECT(attributes.type, cudaMemoryTypeUnregistered);

  EXPECT(cudaHostAlloc(&host, 4096, cudaHostAllocMapped), cudaSuccess);
  EXPECT(cudaHostGetDevicePointer(&managed, host, 0), cudaSuccess);
  TRUE(managed == host);
  EXPECT(cudaFree(host), cudaErrorInvalidValue);
  EXPECT(cudaFreeHost(device), cudaErrorInvalidValue);
  EXPECT(cudaFreeHost(host), cudaSuccess);
  EXPECT(cudaMallocManaged(&managed, 4096, cudaMemAttachGlobal), cudaSuccess);
  ((char *)managed)[4095] = 1;
  EXPECT(cudaFree(managed), cudaSuccess);

  EXPECT(cudaMallocPitch(&pitched, &pitch, 12, 4), cudaSuccess);
  TRUE(pitch >= 12 && pitch % 512 == 0);
  EXPECT(cudaMemset2D(pitched, pitch, 7, 12, 4), cudaSuccess);
  EXPECT(cudaMemcpy2D(back, 16, pitched, pitch, 12, 4, cudaMemcpyDeviceToHost), cudaSuccess);
  EXPECT(back[2], 0x07070707);
  EXPECT(back[4 * 4 - 2], 0x07070707);
  EXPECT(cudaFree(pitched), cudaSuccess);

  EXPECT(cudaHostRegister(numbers, sizeof numbers, cudaHostRegisterDefault), cudaSuccess);
  EXPECT(cudaHostRegister(numbers, 4, 0), cudaErrorHostMemoryAlreadyRegistered);
  EXPECT(cudaPointerGetAttributes(&attributes, numbers + 3), cudaSuccess);
  EXPECT(attributes.type, cudaMemoryTypeHost);
  EXPECT(cudaHostUnregister(numbers), cudaSuccess);
  EXPECT(cudaHostUnregister(numbers), cudaErrorHostMemoryNotRegistered);
  EXPECT(cudaMemGetInfo(&free_bytes, &total), cudaSuccess);
  TRUE(free_bytes > 0 && free_bytes <= total);
  EXPECT(cudaFree(device), cudaSuccess);
}

static int calls;
static void host_function(void *data) { calls += *(int *)data; }
static void callback(cudaStream_t stream, cudaError_t status, void *data) {
  (void)stream;
  calls += status == cudaSuccess ? *(int *)data : 1000;
}

static void streams_and_events(void) {
  cudaStream_t stream;
  cudaEvent_t start, stop, plain;
  unsigned flags;
  int ten = 10, priority, least, greatest, value = 0;
  float ms = -1;
  void *device;
  enum cudaStreamCaptureStatus capture;
  EXPECT(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  EXPECT(cudaStreamGetFlags(stream, &flags), cudaSuccess);
  EXPECT(flags, cudaStreamNonBlocking);
  EXPECT(cudaDeviceGetStreamPriorityRange(&least, &greatest), cudaSuccess);
  EXPECT(cudaStreamGetPriority(stream, &priority), cudaSuccess);
  TRUE(greatest <= priority && priority <= least);
  EXPECT(cudaStreamIsCapturing(stream, &capture), cudaSuccess);
  EXPECT(capture, cudaStreamCaptureStatusNone);
  EXPECT(cudaEventCreate(&start), cudaSuccess);
  EXPECT(cudaEventCreateWithFlags(&stop, cudaEventBlockingSync), cudaSuccess);
  EXPECT(cudaEventCreateWithFlags(&plain, cudaEventDisableTiming), cudaSuccess);
  EXPECT(cudaMallocAsync(&device, 4096, stream), cudaSuccess);
  EXPECT(cudaEventRecord(start, stream), cudaSuccess);
  EXPECT(cudaMemsetAsync(device, 0x11, 4096, stream), cudaSuccess);
  EXPECT(cudaLaunchHostFunc(stream, host_function, &ten), cudaSuccess);
  EXPECT(cudaStreamAddCallback(stream, callback, &ten, 0), cudaSuccess);
  EXPECT(cudaMemcpyAsync(&value, device, sizeof value, cudaMemcpyDeviceToHost, stream),
         cudaSuccess);
  EXPECT(cudaFreeAsync(device, stream), cudaSuccess);
  EXPECT(cudaEventRecord(stop, stream), cudaSuccess);
  EXPECT(cudaEventRecord(plain, stream), cudaSuccess);
  EXPECT(cudaStreamWaitEvent(cudaStreamPerThread, stop, 0), cudaSuccess);
  EXPECT(cudaStreamSynchronize(cudaStreamPerThread), cudaSuccess);
  EXPECT(cudaEventQuery(stop), cudaSuccess);
  EXPECT(cudaEventSynchronize(stop), cudaSuccess);
  EXPECT(calls, 20);
  EXPECT(value, 0x11111111);
  EXPECT(cudaEventElapsedTime(&ms, start, stop), cudaSuccess);
  TRUE(ms >= 0);
  EXPECT(cudaEventElapsedTime(&ms, start, plain), cudaErrorInvalidResourceHandle);
  EXPECT(cudaEventDestroy(start), cudaSuccess);
  EXPECT(cudaEventDestroy(stop), cudaSuccess);
  EXPECT(cudaEventDestroy(plain), cudaSuccess);
  EXPECT(cudaStreamQuery(stream), cudaSuccess);
  EXPECT(cudaStreamDestroy(stream), cudaSuccess);
  EXPECT(cudaStreamSynchronize(cudaStreamLegacy), cudaSuccess);
}

static void *other_thread(void *unused) {
  int device;
  EXPECT(cudaGetDevice(&device), cudaSuccess);
  EXPECT(device, 0);
  EXPECT(cudaPeekAtLastError(), cudaSuccess);
  EXPECT(cudaStreamSynchronize(cudaStreamPerThread), cudaSuccess);
  return unused;
}

static void errors(void) {
  pthread_t thread;
  EXPECT(cudaSetDevice(99), cudaErrorInvalidDevice);
  EXPECT(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT(cudaPeekAtLastError(), cudaErrorInvalidDevice);
  pthread_create(&thread, NULL, other_thread, NULL);
  pthread_join(thread, NULL);
  EXPECT(cudaGetLastError(), cudaErrorInvalidDevice);
  EXPECT(cudaGetLastError(), cudaSuccess);
  TRUE(!strcmp(cudaGetErrorName(cudaErrorMemoryAllocation), "cudaErrorMemoryAllocation"));
  TRUE(!strcmp(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory"));
  TRUE(!strcmp(cudaGetErrorString(cudaSuccess), "no error"));
  TRUE(strlen(cudaGetErrorString((cudaError_t)12345)) > 0);
}

static void devices(void) {
  int count, value, version;
  struct cudaDeviceProp properties;
  char bus[16];
  EXPECT(cudaGetDeviceCount(&count), cudaSuccess);
  TRUE(count >= 1);
  EXPECT(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
  TRUE(strlen(properties.name) > 0 && properties.totalGlobalMem > 0);
  TRUE(properties.multiProcessorCount >= 1 && properties.maxThreadsDim[2] == 64);
  EXPECT(cudaDeviceGetAttribute(&value, cudaDevAttrMultiProcessorCount, 0), cudaSuccess);
  EXPECT(value, properties.multiProcessorCount);
  EXPECT(cudaRuntimeGetVersion(&version), cudaSuccess);
  EXPECT(version, CUDART_VERSION);
  EXPECT(cudaDeviceGetPCIBusId(bus, sizeof bus, 0), cudaSuccess);
  EXPECT(cudaDeviceGetByPCIBusId(&value, bus), cudaSuccess);
  EXPECT(value, 0);
}

int main(void) {
  devices();
  memory_and_copies();
  streams_and_events();
  cudaGetLastError();
  errors();
  EXPECT(cudaDeviceReset(), cudaSuccess);
  puts("ok");
  return 0;
}
