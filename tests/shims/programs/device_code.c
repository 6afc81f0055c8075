/* device_code.c - what a compiler adds to a program with kernels: registered at start-up, launched
 * with <<<>>>. It must load; the launch is refused by the kernel's name. */
#include <cuda_registration.h>
#include <cuda_runtime.h>

#include "check.h"

cudaError_t cudaLaunchKernel(const void *, struct dim3, struct dim3, void **, size_t, cudaStream_t);

static void **module;
static char variable;

static void kernel(float *x) {
  struct dim3 grid, block;
  size_t shared;
  cudaStream_t stream;
  void *arguments[] = {&x};
  if (__cudaPopCallConfiguration(&grid, &block, &shared, &stream) != cudaSuccess) return;
  EXPECT(grid.y, 2);
  EXPECT(block.x, 32);
  EXPECT(shared, 128);
  cudaLaunchKernel((const void *)kernel, grid, block, arguments, shared, stream);
}

static void __attribute__((constructor)) start(void) {
  static char name[] = "kernel", image[] = "image";
  module = __cudaRegisterFatBinary(image);
  __cudaRegisterFunction(module, (const char *)kernel, name, "_Z6kernelPf", -1, 0, 0, 0, 0, 0);
  __cudaRegisterVar(module, &variable, name, "variable", 0, 4, 0, 0);
  __cudaRegisterFatBinaryEnd(module);
}

static void __attribute__((destructor)) stop(void) { __cudaUnregisterFatBinary(module); }

int main(void) {
  struct dim3 grid = {1, 2, 3}, block = {32, 1, 1};
  EXPECT(__cudaInitModule(module), 1);
  EXPECT(__cudaPushCallConfiguration(grid, block, 128, NULL), 0);
  kernel(NULL);
  EXPECT(cudaGetLastError(), cudaErrorNotSupported);
  EXPECT(cudaLaunchKernel(&variable, grid, block, NULL, 0, 0), cudaErrorNotSupported);
  puts("ok");
  return 0;
}
