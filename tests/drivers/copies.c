/* copies.c - plain CUDA host code: memory there and back, on whatever device OPENCU_DEVICE names. */
#include <cuda_runtime.h>
#include <stdio.h>
#include <string.h>

#define OK(call) do { cudaError_t e = (call); \
  if (e != cudaSuccess) return printf("%s: %s\n", #call, cudaGetErrorString(e)), 1; } while (0)

int main(void) {
  enum { N = 100003 };
  static char there[N], back[N];
  struct cudaDeviceProp about;
  int n;
  void *p;
  cudaStream_t s;
  for (int i = 0; i < N; i++) there[i] = (char)(i * 7);
  OK(cudaGetDeviceCount(&n));
  OK(cudaGetDeviceProperties(&about, 0));
  OK(cudaMalloc(&p, N));
  OK(cudaStreamCreate(&s));
  OK(cudaMemcpyAsync(p, there, N, cudaMemcpyHostToDevice, s));
  OK(cudaMemsetAsync((char *)p + 1, 9, 3, s));
  OK(cudaMemcpyAsync(back, p, N, cudaMemcpyDeviceToHost, s));
  OK(cudaStreamSynchronize(s));
  memset(there + 1, 9, 3);
  printf("%d devices, %s, %s\n", n, about.name, memcmp(there, back, N) ? "wrong" : "right");
  OK(cudaStreamDestroy(s));
  OK(cudaFree(p));
  return 0;
}
