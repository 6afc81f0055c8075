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

void __cudaRegisterFatBinaryEnd(void **fatCubinHandle) { (void)fatCubinHandle; }

char __cudaInitModule(void **fatCubinHandle) { return fatCubinHandle != NULL; }

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
  struct module *module = (struct module *)fatCubinHandle;
  struct kernel *kernel = module ? malloc(sizeof *kernel) : NULL;
  if (!kernel) return;
  pthread_mutex_lock(&modules_lock);
  *kernel = (struct kernel){module->kernels, hostFun, deviceName};
  module->kernels = kernel;
  pthread_mutex_unlock(&modules_lock);
}

/* Device variables: nothing can reach them but kernels and the symbol copies, which are refused. */
void __cudaRegisterVar(void **fatCubinHandle, char *hostVar, char *deviceAddress,
                       const char *deviceName, int ext, size_t size, int constant, int global) {
  (void)fatCubinHandle, (void)hostVar, (void)deviceAddress, (void)deviceName;
  (void)ext, (void)size, (void)constant, (void)global;
}

void __cudaRegisterManagedVar(void **fatCubinHandle, void **hostVarPtrAddress,
                              char *deviceAddress, const char *deviceName, int ext, size_t size,
                              int constant, int global) {
  (void)fatCubinHandle, (void)hostVarPtrAddress, (void)deviceAddress, (void)deviceName;
  (void)ext, (void)size, (void)constant, (void)global;
}

void __cudaRegisterHostVar(void **fatCubinHandle, const char *deviceName, char *hostVar,
                           size_t size) {
  (void)fatCubinHandle, (void)deviceName, (void)hostVar, (void)size;
}

void __cudaRegisterUnifiedTable(void) {}

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
  REQUIRE(OUT(gridDim) && OUT(blockDim) && OUT(sharedMem) && OUT((void **)stream), cudaErrorInvalidValue);
  *gridDim = pushed.grid;
  *blockDim = pushed.block;
  *sharedMem = pushed.shared;
  *(struct CUstream_st **)stream = pushed.stream;
  return cudaSuccess;
}

static cudaError_t refuse_kernel(atomic_bool *said, const char *function, const void *host) {
  const char *name = "one that was never registered";
  char reason[512];
  pthread_mutex_lock(&modules_lock);
  for (struct module *module = modules; module; module = module->next)
    for (struct kernel *kernel = module->kernels; kernel; kernel = kernel->next)
      if (kernel->host == host) name = kernel->name;
  snprintf(reason, sizeof reason,
           "the program's own kernel, %s, is device code; it cannot run here", name);
  pthread_mutex_unlock(&modules_lock);
  return (cudaError_t)refused(said, function, reason);
}

#define REFUSE_KERNEL(name) \
  cudaError_t name(const void *host) { \
    static atomic_bool said; \
    return refuse_kernel(&said, #name, host); \
  }
REFUSE_KERNEL(cudaLaunchKernel)
REFUSE_KERNEL(cudaLaunchCooperativeKernel)
REFUSE_KERNEL(__cudaLaunchKernel)

cudaError_t cudaLaunchKernelExC(const void *config, const void *host) {
  static atomic_bool said;
  (void)config;
  return refuse_kernel(&said, "cudaLaunchKernelExC", host);
}

/* The kernel's handle is its host address, so that its launch can be refused by name. */
cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *host) {
  REQUIRE(OUT(kernel), cudaErrorInvalidValue);
  *kernel = (cudaKernel_t)host;
  return cudaSuccess;
}

struct cudaChannelFormatDesc cudaCreateChannelDesc(int x, int y, int z, int w,
                                                   enum cudaChannelFormatKind f) {
  return (struct cudaChannelFormatDesc){x, y, z, w, f};
}
