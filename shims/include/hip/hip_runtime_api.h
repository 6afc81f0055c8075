/* hip_runtime_api.h - the HIP runtime API. Its errors and flags are CUDA 12's, and all structures but
 * those of hip_types.h. */
#ifndef OPENCU_HIP_RUNTIME_API_H
#define OPENCU_HIP_RUNTIME_API_H
#ifndef OPENCU_CUDA_MAJOR
#define OPENCU_CUDA_MAJOR 12
#endif
#include "hip_types.h"
#include "library_types.h"
#ifdef __cplusplus
extern "C" {
#endif
#include "hip_names.h"
#define hipErrorOutOfMemory cudaErrorMemoryAllocation
#define hipErrorNotInitialized cudaErrorInitializationError
#define hipErrorInvalidHandle cudaErrorInvalidResourceHandle
#define hipErrorInvalidContext cudaErrorDeviceUninitialized
#define hipHostMallocDefault 0x0
#define hipHostMallocPortable 0x1
#define hipHostMallocMapped 0x2
#define hipHostMallocWriteCombined 0x4
#define hipHostMallocCoherent 0x40000000
#define hipHostMallocNonCoherent 0x80000000
typedef cudaDataType hipDataType;
#define HIP_R_32F CUDA_R_32F
#define HIP_R_64F CUDA_R_64F
#define HIP_R_16F CUDA_R_16F
#define HIP_R_8I CUDA_R_8I
#define HIP_C_32F CUDA_C_32F
#define HIP_C_64F CUDA_C_64F
#define HIP_R_32I CUDA_R_32I
#define HIP_R_16BF CUDA_R_16BF
const char *hipGetErrorName(hipError_t error);
hipError_t hipHostMalloc(void **p, size_t size, unsigned int flags);
hipError_t hipHostFree(void *p);
hipError_t hipInit(unsigned int flags);
typedef hipDeviceProp_tR0600 hipDeviceProp_t;
#define hipGetDeviceProperties hipGetDevicePropertiesR0600
hipError_t hipGetDevicePropertiesR0600(hipDeviceProp_tR0600 *prop, int device);
hipError_t hipGetDevicePropertiesR0000(hipDeviceProp_tR0000 *prop, int device);
hipError_t hipDeviceGetAttribute(int *value, hipDeviceAttribute_t attribute, int device);
hipError_t hipPointerGetAttributes(hipPointerAttribute_t *attributes, const void *ptr);
hipError_t hipMemcpyWithStream(void *dst, const void *src, size_t bytes, hipMemcpyKind kind,
                               hipStream_t stream);
#ifdef __cplusplus
}
#endif
#endif
