/* cudart_kernel.c - programs that carry device code load and register it; launching it is refused
 * by the kernel's name. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "cuda_registration.h"
#include "cudart.h"

/* ---- registration ---------------------------------------------------------------------------- */

/* The handle of a program's device code is the compiler's own image, which nobody looks at. */
static struct kernel {
  struct kernel *next;
  void **image;
  const void *host;
  const char *name;
} *kernels;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void __cudaUnregisterFatBinary(void **fatCubinHandle) {
  pthread_mutex_lock(&lock);
  for (struct kernel **at = &kernels, *kernel; (kernel = *at);) {
    if (kernel->image != fatCubinHandle) {
      at = &kernel->next;
      continue;
    }
    *at = kernel->next;
    free(kernel);
  }
  pthread_mutex_unlock(&lock);
}

void __cudaRegisterFunction(void **fatCubinHandle, const char *hostFun, char *deviceFun,
                            const char *deviceName, int thread_limit, void *tid, void *bid,
                            void *bDim, void *gDim, int *wSize) {
  (void)deviceFun, (void)thread_limit, (void)tid, (void)bid, (void)bDim, (void)gDim, (void)wSize;
  struct kernel *kernel = malloc(sizeof *kernel);
  if (!kernel) return;
  pthread_mutex_lock(&lock);
  *kernel = (struct kernel){kernels, fatCubinHandle, hostFun, deviceName};
  kernels = kernel;
  pthread_mutex_unlock(&lock);
}

/* ---- launches -------------------------------------------------------------------------------- */

static _Thread_local struct {
  struct dim3 grid, block;
  size_t shared;
  struct CUstream_st *stream;
} pushed;

unsigned int __cudaPushCallConfiguration(struct dim3 gridDim, struct dim3 blockDim,
                                         size_t sharedMem, struct CUstream_st *stream) {
  pushed.grid = gridDim;
  pushed.block = blockDim;
  pushed.shared = sharedMem;
  pushed.stream = stream;
  return 0;
}

cudaError_t __cudaPopCallConfiguration(struct dim3 *gridDim, struct dim3 *blockDim,
                                       size_t *sharedMem, void *stream) {
  REQUIRE(OUT(gridDim) && OUT(blockDim) && OUT(sharedMem) && OUT((void **)stream),
          cudaErrorInvalidValue);
  *gridDim = pushed.grid;
  *blockDim = pushed.block;
  *sharedMem = pushed.shared;
  *(struct CUstream_st **)stream = pushed.stream;
  return cudaSuccess;
}

/* ---- the program's own kernels: refused by name --------------------------------------------- */

/* Launching is not supported; to ask about a function that is none is an error of its own. */
int refuse_kernel(const char *function, const void *host, int question) {
  const char *name = NULL;
  char reason[512];
  pthread_mutex_lock(&lock);
  for (struct kernel *kernel = kernels; kernel && !name; kernel = kernel->next)
    if (kernel->host == host) name = kernel->name;
  if (name && !ocu_shim_text(name)) name = "whose name cannot be read";
  snprintf(reason, sizeof reason,
           "the program's own kernel, %s, is device code; it cannot run here",
           name ? name : "one that was never registered");
  pthread_mutex_unlock(&lock);
  int error = refused(function, reason);
  return question && !name ? (int)fail(cudaErrorInvalidDeviceFunction) : error;
}
