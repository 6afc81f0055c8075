/* fork.c - the child of a process that used the runtime is refused by every call; a child of one
 * that did not may use it. */
#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static int exit_code_of_child(void (*body)(void)) {
  int status;
  pid_t child = fork();
  if (!child) {
    body();
    fflush(stdout);
    _exit(0);
  }
  TRUE(waitpid(child, &status, 0) == child && WIFEXITED(status));
  return WEXITSTATUS(status);
}

static void *memory;
static cublasHandle_t handle;

static void uses(void) {
  void *p;
  EXPECT(cudaMalloc(&p, 64), cudaSuccess);
}

static void is_refused(void) {
  const cudaError_t refused = cudaErrorInitializationError;
  void *p;
  int i;
  float one = 1;
  cudaStream_t stream;
  EXPECT(cudaPeekAtLastError(), refused);
  EXPECT(cudaMalloc(&p, 64), refused);
  EXPECT(cudaFree(memory), refused);
  EXPECT(cudaFree(NULL), refused);
  EXPECT(cudaMemcpy(memory, &one, 4, cudaMemcpyDefault), refused);
  EXPECT(cudaDeviceSynchronize(), refused);
  EXPECT(cudaStreamCreate(&stream), refused);
  EXPECT(cudaStreamSynchronize(cudaStreamPerThread), refused);
  EXPECT(cudaGetDevice(&i), refused);
  EXPECT(cudaGetDeviceCount(&i), refused);
  EXPECT(cudaSetDevice(0), refused);
  EXPECT(cudaSetDevice(99), refused);
  EXPECT(cudaDeviceGetAttribute(&i, cudaDevAttrWarpSize, 0), refused);
  EXPECT(cudaGetLastError(), refused);
  EXPECT(cublasCreate(&handle), CUBLAS_STATUS_NOT_INITIALIZED);
  EXPECT(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, memory, 1, memory, 1, &one,
                     memory, 1),
         CUBLAS_STATUS_NOT_INITIALIZED);
}

int main(void) {
  EXPECT(exit_code_of_child(uses), 0);
  EXPECT(cudaMalloc(&memory, 64), cudaSuccess);
  EXPECT(cublasCreate(&handle), CUBLAS_STATUS_SUCCESS);
  EXPECT(exit_code_of_child(is_refused), 0);
  EXPECT(cudaFree(memory), cudaSuccess);
  puts("ok");
  return 0;
}
