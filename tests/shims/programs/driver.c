/* driver.c - the driver calls that programs make around the libraries. */
#include <cuda.h>
#include <cuda_runtime.h>

#include "check.h"

int main(void) {
  CUdevice device;
  CUcontext context, current;
  CUuuid uuid;
  struct cudaDeviceProp properties;
  int count, value, active;
  unsigned flags;
  size_t total, free_bytes;
  char name[100];
  const char *text;
  void *function, *memory;
  CUdriverProcAddressQueryResult found;
  EXPECT(cuDriverGetVersion(&value), CUDA_SUCCESS);
  TRUE(value >= 13000);
  EXPECT(cuDeviceGetCount(&count), CUDA_ERROR_NOT_INITIALIZED);
  EXPECT(cuInit(1), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuInit(0), CUDA_SUCCESS);
  EXPECT(cuDeviceGetCount(&count), CUDA_SUCCESS);
  EXPECT(cuDeviceGet(&device, count), CUDA_ERROR_INVALID_DEVICE);
  EXPECT(cuDeviceGet(&device, 0), CUDA_SUCCESS);
  EXPECT(cuDeviceGetName(name, sizeof name, device), CUDA_SUCCESS);
  EXPECT(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
  TRUE(!strcmp(name, properties.name));
  EXPECT(cuDeviceGetUuid(&uuid, device), CUDA_SUCCESS);
  TRUE(!memcmp(uuid.bytes, properties.uuid.bytes, 16));
  EXPECT(cuDeviceTotalMem(&total, device), CUDA_SUCCESS);
  EXPECT(total, properties.totalGlobalMem);
  EXPECT(cuMemGetInfo(&free_bytes, &total), CUDA_SUCCESS);
  EXPECT(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device), 0);
  EXPECT(value, properties.major);
  EXPECT(cuDeviceGetAttribute(&value, (CUdevice_attribute)9999, device), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuDevicePrimaryCtxRetain(&context, device), CUDA_SUCCESS);
  EXPECT(cuDevicePrimaryCtxGetState(device, &flags, &active), CUDA_SUCCESS);
  EXPECT(active, 1);
  EXPECT(cuCtxSetCurrent(NULL), CUDA_SUCCESS);
  EXPECT(cuCtxGetCurrent(&current), CUDA_SUCCESS);
  TRUE(!current);
  EXPECT(cuCtxSetCurrent(context), CUDA_SUCCESS);
  EXPECT(cuCtxGetCurrent(&current), CUDA_SUCCESS);
  TRUE(current == context);
  EXPECT(cuCtxSetCurrent((CUcontext)name), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT(cuCtxGetDevice(&device), CUDA_SUCCESS);
  EXPECT(cuCtxSynchronize(), CUDA_SUCCESS);
  EXPECT(cudaMalloc(&memory, 64), cudaSuccess);
  CUdeviceptr pointer = (CUdeviceptr)(uintptr_t)memory;
  EXPECT(cuPointerGetAttribute(&value, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, pointer), CUDA_SUCCESS);
  EXPECT(value, CU_MEMORYTYPE_DEVICE);
  EXPECT(cudaFree(memory), cudaSuccess);
  EXPECT(cuPointerGetAttribute(&value, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, pointer),
         CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuGetErrorName(CUDA_ERROR_OUT_OF_MEMORY, &text), CUDA_SUCCESS);
  TRUE(!strcmp(text, "CUDA_ERROR_OUT_OF_MEMORY"));
  EXPECT(cuGetErrorString((CUresult)12345, &text), CUDA_ERROR_INVALID_VALUE);
  TRUE(!text);
  EXPECT(cuGetProcAddress("cuMemGetInfo", &function, 13000, 0, &found), CUDA_SUCCESS);
  TRUE(function == (void *)cuMemGetInfo);
  EXPECT(cuGetProcAddress("cuNoSuchThing", &function, 13000, 0, &found), CUDA_ERROR_NOT_FOUND);
  EXPECT(found, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
  EXPECT(cuGetProcAddress("cuserid", &function, 13000, 0, &found), CUDA_ERROR_NOT_FOUND);
  EXPECT(cuDevicePrimaryCtxRelease(device), CUDA_SUCCESS);
  puts("ok");
  return 0;
}
