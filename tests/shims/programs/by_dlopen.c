/* by_dlopen.c - a program that knows the libraries by name only, as Python bindings do. */
#include <dlfcn.h>

#include "check.h"

typedef int (*sgemm_t)(void *, int, int, int, int, int, const float *, const float *, int,
                       const float *, int, const float *, float *, int);

static void *library(const char *name) {
  void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    printf("%s\n", dlerror());
    exit(1);
  }
  return handle;
}

int main(int argc, char **argv) {
  TRUE(argc == 3); /* the sonames of cuBLAS and of the runtime */
  void *cublas = library(argv[1]), *cudart = library(argv[2]);
  int (*create)(void **) = (int (*)(void **))dlsym(cublas, "cublasCreate_v2");
  int (*destroy)(void *) = (int (*)(void *))dlsym(cublas, "cublasDestroy_v2");
  sgemm_t sgemm = (sgemm_t)dlsym(cublas, "cublasSgemm_v2");
  int (*managed)(void **, size_t, unsigned) =
      (int (*)(void **, size_t, unsigned))dlsym(cudart, "cudaMallocManaged");
  int (*synchronize)(void) = (int (*)(void))dlsym(cudart, "cudaDeviceSynchronize");
  TRUE(create && destroy && sgemm && managed && synchronize);
  void *handle, *memory;
  EXPECT(create(&handle), 0);
  EXPECT(managed(&memory, 12 * sizeof(float), 1), 0);
  float *A = memory, *B = A + 4, *C = A + 8, one = 1, zero = 0;
  for (int i = 0; i < 8; i++) A[i] = (float)(i + 1); /* A and B follow one another */
  EXPECT(sgemm(handle, 0, 0, 2, 2, 2, &one, A, 2, B, 2, &zero, C, 2), 0);
  EXPECT(synchronize(), 0);
  const float want[] = {23, 34, 31, 46};
  for (int i = 0; i < 4; i++) EXPECT(C[i], want[i]);
  EXPECT(destroy(handle), 0);
  puts("ok");
  return 0;
}
