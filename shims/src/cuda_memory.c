/* cuda_memory.c - what the driver tells about memory. */
#include <string.h>

#include "cuda_driver.h"

CUresult cuMemGetAddressRange_v2(CUdeviceptr *pbase, size_t *psize, CUdeviceptr dptr) {
  ocu_pointer_info info;
  CHECK(ready());
  REQUIRE(OPTIONAL_OUT(pbase) && OPTIONAL_OUT(psize), CUDA_ERROR_INVALID_VALUE);
  CHECK(done(ocu_pointer_query(AT(dptr), &info)));
  REQUIRE(info.kind != OCU_MEM_UNKNOWN && !info.freed, CUDA_ERROR_NOT_FOUND);
  if (pbase) *pbase = (uintptr_t)info.base;
  if (psize) *psize = info.bytes;
  return CUDA_SUCCESS;
}

/* ---- attributes of pointers ----------------------------------------------------------------- */

struct answer {
  uint64_t value;
  size_t bytes;
};

/* bytes 0: there is no such attribute, or this memory has none. */
static struct answer ask(CUpointer_attribute attribute, CUdeviceptr p,
                         const ocu_pointer_info *info) {
  int host = info->kind == OCU_MEM_HOST, managed = info->kind == OCU_MEM_MANAGED;
  switch ((int)attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      return (struct answer){(uintptr_t)primary_context(info->device), sizeof(CUcontext)};
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      return (struct answer){host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE, 4};
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER: return (struct answer){p, 8};
    case CU_POINTER_ATTRIBUTE_HOST_POINTER: return (struct answer){p, host || managed ? 8 : 0};
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE: return (struct answer){0, 1};
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
    case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID:
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR: return (struct answer){(uintptr_t)info->base, 8};
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE: return (struct answer){info->bytes, 8};
    case CU_POINTER_ATTRIBUTE_IS_MANAGED: return (struct answer){(uint64_t)managed, 1};
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: return (struct answer){(unsigned)info->device, 4};
    case CU_POINTER_ATTRIBUTE_MAPPED: return (struct answer){1, 1};
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES: return (struct answer){0, 8};
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
      return (struct answer){CU_MEM_ACCESS_FLAGS_PROT_READWRITE, 4};
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
      return (struct answer){(uintptr_t)ocu_shim_pool_holding(info->base), 8};
    default: return (struct answer){0, 0};
  }
}

CUresult cuPointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr ptr) {
  ocu_pointer_info info;
  CHECK(STARTED_CODE(ocu_shim_query(AT(ptr), &info, NULL)));
  if (attribute == CU_POINTER_ATTRIBUTE_P2P_TOKENS)
    return (CUresult)refused("cuPointerGetAttribute", "P2P_TOKENS: there are none on a CPU");
  REQUIRE(info.kind != OCU_MEM_UNKNOWN, CUDA_ERROR_INVALID_VALUE);
  struct answer answer = ask(attribute, ptr, &info);
  REQUIRE(answer.bytes && ocu_accessible(data, answer.bytes, 1), CUDA_ERROR_INVALID_VALUE);
  memcpy(data, &answer.value, answer.bytes);
  return CUDA_SUCCESS;
}

/* What a pointer has not is answered by zero, of memory that we do not know as well. */
CUresult cuPointerGetAttributes(unsigned int numAttributes, CUpointer_attribute *attributes,
                                void **data, CUdeviceptr ptr) {
  ocu_pointer_info info, any = {.kind = OCU_MEM_HOST};
  size_t n = numAttributes;
  CHECK(STARTED_CODE(ocu_shim_query(AT(ptr), &info, NULL)));
  REQUIRE(n && IN_ARRAY(attributes, n) && IN_ARRAY(data, n), CUDA_ERROR_INVALID_VALUE);
  for (size_t i = 0; i < n; i++) {
    size_t bytes = ask(attributes[i], ptr, &any).bytes;
    REQUIRE(bytes && ocu_accessible(data[i], bytes, 1), CUDA_ERROR_INVALID_VALUE);
    struct answer answer = ask(attributes[i], ptr, &info);
    if (info.kind == OCU_MEM_UNKNOWN || !answer.bytes)
      answer.value = attributes[i] == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL ? (uint64_t)-2 : 0;
    memcpy(data[i], &answer.value, bytes);
  }
  return CUDA_SUCCESS;
}
