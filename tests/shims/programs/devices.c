/* devices.c - two devices: each thread's current one, memory and streams that belong to one. */
#include <cuda_runtime.h>

#include "check.h"

int main(void) {
  int count, device, can, numbers[4] = {1, 2, 3, 4}, back[4];
  void *first, *second;
  cudaStream_t stream;
  struct cudaPointerAttributes attributes;
  EXPECT(cudaGetDeviceCount(&count), cudaSuccess);
  EXPECT(count, 2);
  EXPECT(cudaMalloc(&first, sizeof numbers), cudaSuccess);
  EXPECT(cudaSetDevice(1), cudaSuccess);
  EXPECT(cudaMalloc(&second, sizeof numbers), cudaSuccess);
  EXPECT(cudaPointerGetAttributes(&attributes, second), cudaSuccess);
  EXPECT(attributes.device, 1);
  EXPECT(cudaPointerGetAttributes(&attributes, first), cudaSuccess);
  EXPECT(attributes.device, 0);
  EXPECT(cudaStreamCreate(&stream), cudaSuccess);
  EXPECT(cudaStreamGetDevice(stream, &device), cudaSuccess);
  EXPECT(device, 1);
  EXPECT(cudaDeviceCanAccessPeer(&can, 1, 0), cudaSuccess);
  EXPECT(can, 1);
  EXPECT(cudaDeviceEnablePeerAccess(0, 0), cudaSuccess);
  EXPECT(cudaDeviceEnablePeerAccess(0, 0), cudaErrorPeerAccessAlreadyEnabled);
  EXPECT(cudaDeviceEnablePeerAccess(1, 0), cudaErrorInvalidDevice);
  EXPECT(cudaMemcpy(first, numbers, sizeof numbers, cudaMemcpyHostToDevice), cudaSuccess);
  EXPECT(cudaMemcpyPeerAsync(second, 1, first, 0, sizeof numbers, stream), cudaSuccess);
  EXPECT(cudaMemcpyAsync(back, second, sizeof back, cudaMemcpyDeviceToHost, stream), cudaSuccess);
  EXPECT(cudaStreamSynchronize(stream), cudaSuccess);
  TRUE(!memcmp(numbers, back, sizeof back));
  EXPECT(cudaMemcpyPeer(second, 2, first, 0, 4), cudaErrorInvalidDevice);
  EXPECT(cudaDeviceDisablePeerAccess(0), cudaSuccess);
  EXPECT(cudaDeviceDisablePeerAccess(0), cudaErrorPeerAccessNotEnabled);
  EXPECT(cudaStreamDestroy(stream), cudaSuccess);
  EXPECT(cudaFree(first), cudaSuccess);
  EXPECT(cudaFree(second), cudaSuccess);
  puts("ok");
  return 0;
}
