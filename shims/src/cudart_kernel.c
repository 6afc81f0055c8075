/* cudart_kernel.c - programs that carry device code load and register it; launching it is refused
 * by the kernel's name. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "cuda_registration.h"
#include "cudart.h"

/* ---- registration ---------------------------------------------------------------------------- */

struct kernel {
  struct kernel *next;
  const void *host;
  const char *name;
};

/* One program or library's device code. The handle that the compiler's code keeps points here. */
struct module {
  struct module *next;
  struct kernel *kernels;
};

static struct module *modules;
static pthread_mutex_t modules_lock = PTHREAD_MUTEX_INITIALIZER;

/* Is it one of ours? Call with the lock held. */
static struct module *known(void **handle) {
  struct module *module = modules;
  while (module && (void **)module != handle) module = module->next;
  return module;
}

void **__cudaRegisterFatBinary(void *fatCubin) {
  (void)fatCubin;
  struct module *module = calloc(1, sizeof *module);
  if (!module) return NULL;
  pthread_mutex_lock(&modules_lock);
  module->next = modules;
  modules = module;
  pthread_mutex_unlock(&modules_lock);
  return (void **)module;
}

void __cudaUnregisterFatBinary(void **fatCubinHandle) {
  pthread_mutex_lock(&modules_lock);
  struct module **at = &modules;
  while (*at && (void **)*at != fatCubinHandle) at = &(*at)->next;
  struct module *module = *at;
  if (module) *at = module->next;
  pthread_mutex_unlock(&modules_lock);
  if (!module) return;
  for (struct kernel *kernel = module->kernels, *next; kernel; kernel = next) {
    next = kernel->next;
    free(kernel);
  }
  free(module);
}

void __cudaRegisterFunction(void **fatCubinHandle, const char *hostFun, char *deviceFun,
                            const char *deviceName, int thread_limit, void *tid, void *bid,
                            void *bDim, void *gDim, int *wSize) {
  (void)deviceFun, (void)thread_limit, (void)tid, (void)bid, (void)bDim, (void)gDim, (void)wSize;
  pthread_mutex_lock(&modules_lock);
  struct module *module = known(fatCubinHandle);
  struct kernel *kernel = module ? malloc(sizeof *kernel) : NULL;
  if (kernel) {
    *kernel = (struct kernel){module->kernels, hostFun, deviceName};
    module->kernels = kernel;
  }
  pthread_mutex_unlock(&modules_lock);
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

static int refuse_kernel(const char *function, const void *host) {
  const char *name = NULL;
  char reason[512];
  pthread_mutex_lock(&modules_lock);
  for (struct module *module = modules; module; module = module->next)
    for (struct kernel *kernel = module->kernels; kernel; kernel = kernel->next)
      if (kernel->host == host) name = kernel->name;
  if (name && !ocu_shim_text(name)) name = "whose name cannot be read";
  snprintf(reason, sizeof reason,
           "the program's own kernel, %s, is device code; it cannot run here",
           name ? name : "one that was never registered");
  pthread_mutex_unlock(&modules_lock);
  refused(function, reason);
  return name != NULL;
}

/* Launching is not supported; to ask about a function that is none is an error of its own. */
#define REFUSE_LAUNCH(name, ...) \
  cudaError_t name(__VA_ARGS__ const void *host) { \
    refuse_kernel(#name, host); \
    return fail(cudaErrorNotSupported); \
  }
#define REFUSE_QUESTION(name, ...) \
  cudaError_t name(__VA_ARGS__ const void *host) { \
    int registered = refuse_kernel(#name, host); \
    return fail(registered ? cudaErrorNotSupported : cudaErrorInvalidDeviceFunction); \
  }
/* The result or the configuration, where the kernel is the second argument. */
#define FIRST __attribute__((unused)) void *first,
REFUSE_LAUNCH(cudaLaunchKernel)
REFUSE_LAUNCH(cudaLaunchKernel_ptsz)
REFUSE_LAUNCH(cudaLaunchCooperativeKernel)
REFUSE_LAUNCH(cudaLaunchCooperativeKernel_ptsz)
REFUSE_LAUNCH(__cudaLaunchKernel)
REFUSE_LAUNCH(__cudaLaunchKernel_ptsz)
REFUSE_LAUNCH(cudaLaunchKernelExC, FIRST)
REFUSE_LAUNCH(cudaLaunchKernelExC_ptsz, FIRST)
REFUSE_QUESTION(cudaFuncSetAttribute)
REFUSE_QUESTION(cudaFuncSetCacheConfig)
REFUSE_QUESTION(cudaFuncSetSharedMemConfig)
REFUSE_QUESTION(cudaFuncGetAttributes, FIRST)
REFUSE_QUESTION(cudaOccupancyMaxActiveBlocksPerMultiprocessor, FIRST)
REFUSE_QUESTION(cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, FIRST)
REFUSE_QUESTION(cudaOccupancyAvailableDynamicSMemPerBlock, FIRST)
REFUSE_QUESTION(cudaOccupancyMaxActiveClusters, FIRST)
REFUSE_QUESTION(cudaOccupancyMaxPotentialClusterSize, FIRST)
