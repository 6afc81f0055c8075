/* Types and functions of the CUDA driver that opencu implements. The plain names come last: a first
 * version that a later one replaced is declared before its name is taken. */
#define CUDA_VERSION 12090 //12
#define CUDA_VERSION 13000 //13
#define CU_STREAM_LEGACY ((CUstream)0x1)
#define CU_STREAM_PER_THREAD ((CUstream)0x2)
#define CU_MEMHOSTALLOC_PORTABLE 0x01
#define CU_MEMHOSTALLOC_DEVICEMAP 0x02
#define CU_MEMHOSTALLOC_WRITECOMBINED 0x04
#define CU_MEMHOSTREGISTER_PORTABLE 0x01
#define CU_MEMHOSTREGISTER_DEVICEMAP 0x02
#define CU_MEMHOSTREGISTER_IOMEMORY 0x04
#define CU_MEMHOSTREGISTER_READ_ONLY 0x08
#define CU_DEVICE_CPU ((CUdevice)-1)
#define CU_DEVICE_INVALID ((CUdevice)-2)

typedef enum cudaError_enum {
@errors driver
} CUresult;

typedef int CUdevice;
typedef int CUdevice_v1;
typedef struct CUctx_st *CUcontext;
typedef struct CUstream_st *CUstream;
typedef struct CUevent_st *CUevent;
typedef struct CUmemPoolHandle_st *CUmemoryPool;
typedef struct CUgraph_st *CUgraph;
typedef struct CUgraphExec_st *CUgraphExec;
typedef struct CUgraphNode_st *CUgraphNode;
typedef struct CUarray_st *CUarray;
typedef unsigned long long CUdeviceptr;
typedef uint64_t cuuint64_t;
typedef void (*CUhostFn)(void *userData);
typedef void (*CUstreamCallback)(CUstream hStream, CUresult status, void *userData);
#ifndef OPENCU_UUID
#define OPENCU_UUID
struct CUuuid_st { char bytes[16]; };
typedef struct CUuuid_st CUuuid;
#endif

typedef enum CUdevice_attribute_enum {
@attributes driver
} CUdevice_attribute;

typedef enum CUpointer_attribute_enum {
  CU_POINTER_ATTRIBUTE_CONTEXT = 1, CU_POINTER_ATTRIBUTE_MEMORY_TYPE = 2,
  CU_POINTER_ATTRIBUTE_DEVICE_POINTER = 3, CU_POINTER_ATTRIBUTE_HOST_POINTER = 4,
  CU_POINTER_ATTRIBUTE_P2P_TOKENS = 5, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS = 6,
  CU_POINTER_ATTRIBUTE_BUFFER_ID = 7, CU_POINTER_ATTRIBUTE_IS_MANAGED = 8,
  CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL = 9, CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE = 10,
  CU_POINTER_ATTRIBUTE_RANGE_START_ADDR = 11, CU_POINTER_ATTRIBUTE_RANGE_SIZE = 12,
  CU_POINTER_ATTRIBUTE_MAPPED = 13, CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES = 14,
  CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE = 15, CU_POINTER_ATTRIBUTE_ACCESS_FLAGS = 16,
  CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE = 17, CU_POINTER_ATTRIBUTE_MAPPING_SIZE = 18,
  CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR = 19, CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID = 20
} CUpointer_attribute;

typedef enum CUmemorytype_enum {
  CU_MEMORYTYPE_HOST = 1, CU_MEMORYTYPE_DEVICE = 2, CU_MEMORYTYPE_ARRAY = 3,
  CU_MEMORYTYPE_UNIFIED = 4
} CUmemorytype;

typedef enum CUdriverProcAddressQueryResult_enum {
  CU_GET_PROC_ADDRESS_SUCCESS = 0, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND = 1,
  CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT = 2
} CUdriverProcAddressQueryResult;

typedef enum CUdriverProcAddress_flags_enum {
  CU_GET_PROC_ADDRESS_DEFAULT = 0, CU_GET_PROC_ADDRESS_LEGACY_STREAM = 1,
  CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM = 2
} CUdriverProcAddress_flags;

typedef enum CUctx_flags_enum {
  CU_CTX_SCHED_AUTO = 0, CU_CTX_SCHED_SPIN = 1, CU_CTX_SCHED_YIELD = 2,
  CU_CTX_SCHED_BLOCKING_SYNC = 4, CU_CTX_SCHED_MASK = 7, CU_CTX_MAP_HOST = 8,
  CU_CTX_LMEM_RESIZE_TO_MAX = 16, CU_CTX_SYNC_MEMOPS = 0x80, CU_CTX_FLAGS_MASK = 0xff
} CUctx_flags;

typedef enum CUstream_flags_enum {
  CU_STREAM_DEFAULT = 0, CU_STREAM_NON_BLOCKING = 1
} CUstream_flags;

typedef enum CUevent_flags_enum {
  CU_EVENT_DEFAULT = 0, CU_EVENT_BLOCKING_SYNC = 1, CU_EVENT_DISABLE_TIMING = 2,
  CU_EVENT_INTERPROCESS = 4
} CUevent_flags;

typedef enum CUmemAttach_flags_enum {
  CU_MEM_ATTACH_GLOBAL = 1, CU_MEM_ATTACH_HOST = 2, CU_MEM_ATTACH_SINGLE = 4
} CUmemAttach_flags;

typedef enum CUlimit_enum {
  CU_LIMIT_STACK_SIZE = 0, CU_LIMIT_PRINTF_FIFO_SIZE = 1, CU_LIMIT_MALLOC_HEAP_SIZE = 2,
  CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH = 3, CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT = 4,
  CU_LIMIT_MAX_L2_FETCH_GRANULARITY = 5, CU_LIMIT_PERSISTING_L2_CACHE_SIZE = 6
} CUlimit;

typedef enum CUfunc_cache_enum {
  CU_FUNC_CACHE_PREFER_NONE = 0, CU_FUNC_CACHE_PREFER_SHARED = 1, CU_FUNC_CACHE_PREFER_L1 = 2,
  CU_FUNC_CACHE_PREFER_EQUAL = 3
} CUfunc_cache;

typedef enum CUsharedconfig_enum {
  CU_SHARED_MEM_CONFIG_DEFAULT_BANK_SIZE = 0, CU_SHARED_MEM_CONFIG_FOUR_BYTE_BANK_SIZE = 1,
  CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE = 2
} CUsharedconfig;

typedef enum CUdevice_P2PAttribute_enum {
  CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK = 1, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED = 2,
  CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED = 3,
  CU_DEVICE_P2P_ATTRIBUTE_CUDA_ARRAY_ACCESS_SUPPORTED = 4,
  CU_DEVICE_P2P_ATTRIBUTE_ONLY_PARTIAL_NATIVE_ATOMIC_SUPPORTED = 5 //13
} CUdevice_P2PAttribute;

typedef enum CUflushGPUDirectRDMAWritesTarget_enum {
  CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TARGET_CURRENT_CTX = 0
} CUflushGPUDirectRDMAWritesTarget;

typedef enum CUflushGPUDirectRDMAWritesScope_enum {
  CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TO_OWNER = 100,
  CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TO_ALL_DEVICES = 200
} CUflushGPUDirectRDMAWritesScope;

typedef enum CUexecAffinityType_enum {
  CU_EXEC_AFFINITY_TYPE_SM_COUNT = 0
} CUexecAffinityType;

typedef enum CUmem_advise_enum {
  CU_MEM_ADVISE_SET_READ_MOSTLY = 1, CU_MEM_ADVISE_UNSET_READ_MOSTLY = 2,
  CU_MEM_ADVISE_SET_PREFERRED_LOCATION = 3, CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION = 4,
  CU_MEM_ADVISE_SET_ACCESSED_BY = 5, CU_MEM_ADVISE_UNSET_ACCESSED_BY = 6
} CUmem_advise;

typedef enum CUstreamCaptureStatus_enum {
  CU_STREAM_CAPTURE_STATUS_NONE = 0, CU_STREAM_CAPTURE_STATUS_ACTIVE = 1,
  CU_STREAM_CAPTURE_STATUS_INVALIDATED = 2
} CUstreamCaptureStatus;

typedef enum CUstreamCaptureMode_enum {
  CU_STREAM_CAPTURE_MODE_GLOBAL = 0, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1,
  CU_STREAM_CAPTURE_MODE_RELAXED = 2
} CUstreamCaptureMode;

typedef enum CUmemPool_attribute_enum {
  CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES = 1,
  CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC = 2,
  CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES = 3, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD = 4,
  CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT = 5, CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH = 6,
  CU_MEMPOOL_ATTR_USED_MEM_CURRENT = 7, CU_MEMPOOL_ATTR_USED_MEM_HIGH = 8
} CUmemPool_attribute;

typedef enum CUmemAllocationType_enum {
  CU_MEM_ALLOCATION_TYPE_INVALID = 0, CU_MEM_ALLOCATION_TYPE_PINNED = 1,
  CU_MEM_ALLOCATION_TYPE_MANAGED = 2, //13
  CU_MEM_ALLOCATION_TYPE_MAX = 0x7fffffff
} CUmemAllocationType;

typedef enum CUmemAllocationHandleType_enum {
  CU_MEM_HANDLE_TYPE_NONE = 0, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR = 1,
  CU_MEM_HANDLE_TYPE_WIN32 = 2, CU_MEM_HANDLE_TYPE_WIN32_KMT = 4, CU_MEM_HANDLE_TYPE_FABRIC = 8,
  CU_MEM_HANDLE_TYPE_MAX = 0x7fffffff
} CUmemAllocationHandleType;

typedef enum CUmemAccess_flags_enum {
  CU_MEM_ACCESS_FLAGS_PROT_NONE = 0, CU_MEM_ACCESS_FLAGS_PROT_READ = 1,
  CU_MEM_ACCESS_FLAGS_PROT_READWRITE = 3, CU_MEM_ACCESS_FLAGS_PROT_MAX = 0x7fffffff
} CUmemAccess_flags;

typedef enum CUmemLocationType_enum {
  CU_MEM_LOCATION_TYPE_INVALID = 0, CU_MEM_LOCATION_TYPE_DEVICE = 1,
  CU_MEM_LOCATION_TYPE_HOST = 2, CU_MEM_LOCATION_TYPE_HOST_NUMA = 3,
  CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT = 4, CU_MEM_LOCATION_TYPE_MAX = 0x7fffffff
} CUmemLocationType;

typedef struct CUmemLocation_st {
  CUmemLocationType type;
  int id;
} CUmemLocation;

typedef struct CUmemAccessDesc_st {
  CUmemLocation location;
  CUmemAccess_flags flags;
} CUmemAccessDesc;

typedef struct CUmemPoolProps_st {
  CUmemAllocationType allocType;
  CUmemAllocationHandleType handleTypes;
  CUmemLocation location;
  void *win32SecurityAttributes;
  size_t maxSize;
  unsigned short usage;
  unsigned char reserved[54];
} CUmemPoolProps;

typedef struct CUDA_MEMCPY2D_st {
  size_t srcXInBytes, srcY;
  CUmemorytype srcMemoryType;
  const void *srcHost;
  CUdeviceptr srcDevice;
  CUarray srcArray;
  size_t srcPitch;
  size_t dstXInBytes, dstY;
  CUmemorytype dstMemoryType;
  void *dstHost;
  CUdeviceptr dstDevice;
  CUarray dstArray;
  size_t dstPitch;
  size_t WidthInBytes, Height;
} CUDA_MEMCPY2D;

typedef struct CUDA_MEMCPY3D_st {
  size_t srcXInBytes, srcY, srcZ, srcLOD;
  CUmemorytype srcMemoryType;
  const void *srcHost;
  CUdeviceptr srcDevice;
  CUarray srcArray;
  void *reserved0;
  size_t srcPitch, srcHeight;
  size_t dstXInBytes, dstY, dstZ, dstLOD;
  CUmemorytype dstMemoryType;
  void *dstHost;
  CUdeviceptr dstDevice;
  CUarray dstArray;
  void *reserved1;
  size_t dstPitch, dstHeight;
  size_t WidthInBytes, Height, Depth;
} CUDA_MEMCPY3D;

enum { CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS = 1 };
typedef struct CUipcMemHandle_st { char reserved[64]; } CUipcMemHandle;
typedef struct CUDA_MEMCPY3D_PEER_st {
  size_t srcXInBytes, srcY, srcZ, srcLOD;
  CUmemorytype srcMemoryType;
  const void *srcHost;
  CUdeviceptr srcDevice;
  CUarray srcArray;
  CUcontext srcContext;
  size_t srcPitch, srcHeight;
  size_t dstXInBytes, dstY, dstZ, dstLOD;
  CUmemorytype dstMemoryType;
  void *dstHost;
  CUdeviceptr dstDevice;
  CUarray dstArray;
  CUcontext dstContext;
  size_t dstPitch, dstHeight;
  size_t WidthInBytes, Height, Depth;
} CUDA_MEMCPY3D_PEER;

typedef enum CUaccessProperty_enum {
  CU_ACCESS_PROPERTY_NORMAL = 0, CU_ACCESS_PROPERTY_STREAMING = 1,
  CU_ACCESS_PROPERTY_PERSISTING = 2
} CUaccessProperty;

typedef enum CUsynchronizationPolicy_enum {
  CU_SYNC_POLICY_AUTO = 1, CU_SYNC_POLICY_SPIN = 2, CU_SYNC_POLICY_YIELD = 3,
  CU_SYNC_POLICY_BLOCKING_SYNC = 4
} CUsynchronizationPolicy;

typedef enum CUlaunchMemSyncDomain_enum {
  CU_LAUNCH_MEM_SYNC_DOMAIN_DEFAULT = 0, CU_LAUNCH_MEM_SYNC_DOMAIN_REMOTE = 1
} CUlaunchMemSyncDomain;

/* Those of streams; the others belong to launches. */
typedef enum CUlaunchAttributeID_enum {
  CU_LAUNCH_ATTRIBUTE_IGNORE = 0, CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW = 1,
  CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY = 3, CU_LAUNCH_ATTRIBUTE_PRIORITY = 8,
  CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP = 9, CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN = 10
} CUlaunchAttributeID;

typedef struct CUaccessPolicyWindow_st {
  void *base_ptr;
  size_t num_bytes;
  float hitRatio;
  CUaccessProperty hitProp;
  CUaccessProperty missProp;
} CUaccessPolicyWindow;

typedef struct CUlaunchMemSyncDomainMap_st {
  unsigned char default_;
  unsigned char remote;
} CUlaunchMemSyncDomainMap;

typedef union CUlaunchAttributeValue_union {
  char pad[64];
  CUaccessPolicyWindow accessPolicyWindow;
  CUsynchronizationPolicy syncPolicy;
  int priority;
  CUlaunchMemSyncDomainMap memSyncDomainMap;
  CUlaunchMemSyncDomain memSyncDomain;
} CUlaunchAttributeValue;
typedef CUlaunchAttributeID CUstreamAttrID;
typedef CUlaunchAttributeValue CUstreamAttrValue;

typedef struct CUgraphEdgeData_st {
  unsigned char from_port;
  unsigned char to_port;
  unsigned char type;
  unsigned char reserved[5];
} CUgraphEdgeData;

typedef enum CUgraphInstantiate_flags_enum {
  CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH = 1, CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD = 2,
  CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH = 4,
  CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY = 8
} CUgraphInstantiate_flags;

typedef enum CUgraphExecUpdateResult_enum {
  CU_GRAPH_EXEC_UPDATE_SUCCESS = 0, CU_GRAPH_EXEC_UPDATE_ERROR = 1,
  CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED = 2,
  CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED = 3,
  CU_GRAPH_EXEC_UPDATE_ERROR_FUNCTION_CHANGED = 4,
  CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED = 5,
  CU_GRAPH_EXEC_UPDATE_ERROR_NOT_SUPPORTED = 6,
  CU_GRAPH_EXEC_UPDATE_ERROR_UNSUPPORTED_FUNCTION_CHANGE = 7,
  CU_GRAPH_EXEC_UPDATE_ERROR_ATTRIBUTES_CHANGED = 8
} CUgraphExecUpdateResult;

typedef struct CUgraphExecUpdateResultInfo_st {
  CUgraphExecUpdateResult result;
  CUgraphNode errorNode;
  CUgraphNode errorFromNode;
} CUgraphExecUpdateResultInfo;

typedef struct CUctxCreateParams_st {
  struct CUexecAffinityParam_st *execAffinityParams;
  int numExecAffinityParams;
  struct CUctxCigParam_st *cigParams;
} CUctxCreateParams;

typedef struct CUdevprop_st {
  int maxThreadsPerBlock;
  int maxThreadsDim[3];
  int maxGridSize[3];
  int sharedMemPerBlock;
  int totalConstantMemory;
  int SIMDWidth;
  int memPitch;
  int regsPerBlock;
  int clockRate;
  int textureAlign;
} CUdevprop;

/* Start, errors, entry points */
CUresult cuInit(unsigned int Flags);
CUresult cuDriverGetVersion(int *driverVersion) => TELL(driverVersion, SHIM_DRIVER_VERSION);
CUresult cuGetErrorString(CUresult error, const char **pStr);
CUresult cuGetErrorName(CUresult error, const char **pStr);
CUresult cuGetProcAddress(const char *symbol, void **pfn, int cudaVersion, cuuint64_t flags)
    => cuGetProcAddress_v2(symbol, pfn, cudaVersion, flags, NULL);
CUresult cuGetProcAddress_v2(const char *symbol, void **pfn, int cudaVersion, cuuint64_t flags,
    CUdriverProcAddressQueryResult *symbolStatus);

/* Devices */
CUresult cuDeviceGet(CUdevice *device, int ordinal)
    => device_exists(ordinal) ?: TELL(device, ordinal);
CUresult cuDeviceGetCount(int *count) => started() ?: TELL(count, ocu_device_count());
CUresult cuDeviceGetName(char *name, int len, CUdevice dev);
CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice dev) => cuDeviceGetUuid_v2(uuid, dev);
CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice dev);
CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice dev);
CUresult cuDeviceGetAttribute(int *pi, CUdevice_attribute attrib, CUdevice dev)
    => device_exists(dev) ?: (CUresult)ocu_shim_attribute(pi, (int)attrib, dev);
CUresult cuDeviceGetProperties(CUdevprop *prop, CUdevice dev);
CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice dev);
CUresult cuDeviceGetPCIBusId(char *pciBusId, int len, CUdevice dev)
    => STARTED_CODE(ocu_shim_bus_id(pciBusId, len, dev));
CUresult cuDeviceGetByPCIBusId(CUdevice *dev, const char *pciBusId)
    => STARTED_CODE(ocu_shim_device_at(dev, pciBusId));
CUresult cuDeviceCanAccessPeer(int *canAccessPeer, CUdevice dev, CUdevice peerDev)
    => STARTED_CODE(ocu_shim_can_access(canAccessPeer, dev, peerDev));
CUresult cuDeviceGetP2PAttribute(int *value, CUdevice_P2PAttribute attrib, CUdevice srcDevice,
    CUdevice dstDevice) => STARTED_CODE(ocu_shim_p2p(value, attrib, srcDevice, dstDevice));
/* Contexts cannot be given a part of a device. */
CUresult cuDeviceGetExecAffinitySupport(int *pi, CUexecAffinityType type, CUdevice dev)
    => device_exists(dev)
    ?: type == CU_EXEC_AFFINITY_TYPE_SM_COUNT ? TELL(pi, 0) : CUDA_ERROR_INVALID_VALUE;
CUresult cuFlushGPUDirectRDMAWrites(CUflushGPUDirectRDMAWritesTarget target,
    CUflushGPUDirectRDMAWritesScope scope) => CODE(ocu_shim_flush_writes(target, scope));

/* Contexts */
CUresult cuDevicePrimaryCtxRetain(CUcontext *pctx, CUdevice dev)
    => device_exists(dev) ?: TELL(pctx, primary_context(dev));
/* It stays: the process's own memory cannot be torn down under it. */
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice dev) => device_exists(dev);
CUresult cuDevicePrimaryCtxReset_v2(CUdevice dev)
    => device_exists(dev) ?: done(ocu_device_sync(dev));
CUresult cuDevicePrimaryCtxGetState(CUdevice dev, unsigned int *flags, int *active);
CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned int flags);
CUresult cuCtxCreate_v2(CUcontext *pctx, unsigned int flags, CUdevice dev)
    => create_context(pctx, NULL, flags, dev, "cuCtxCreate_v2");
CUresult cuCtxCreate_v4(CUcontext *pctx, CUctxCreateParams *ctxCreateParams, unsigned int flags,
    CUdevice dev) => create_context(pctx, ctxCreateParams, flags, dev, "cuCtxCreate_v4");
CUresult cuCtxDestroy_v2(CUcontext ctx);
CUresult cuCtxPushCurrent_v2(CUcontext ctx);
CUresult cuCtxPopCurrent_v2(CUcontext *pctx);
CUresult cuCtxGetCurrent(CUcontext *pctx) => started() ?: TELL(pctx, current_context());
CUresult cuCtxSetCurrent(CUcontext ctx);
CUresult cuCtxGetDevice(CUdevice *device) => cuCtxGetDevice_v2(device, NULL);
CUresult cuCtxGetDevice_v2(CUdevice *device, CUcontext ctx)
    => meant(&ctx) ?: TELL(device, context_device(ctx));
CUresult cuCtxGetId(CUcontext ctx, unsigned long long *ctxId);
CUresult cuCtxGetApiVersion(CUcontext ctx, unsigned int *version)
    => meant(&ctx) ?: TELL(version, API_VERSION);
CUresult cuCtxGetFlags(unsigned int *flags);
CUresult cuCtxSetFlags(unsigned int flags);
CUresult cuCtxSynchronize(void) => STATUS(ocu_device_sync(ocu_device_get()));
CUresult cuCtxSynchronize_v2(CUcontext ctx)
    => meant(&ctx) ?: done(ocu_device_sync(context_device(ctx)));
CUresult cuCtxSetLimit(CUlimit limit, size_t value) => CODE(ocu_shim_limit_set(limit, value));
CUresult cuCtxGetLimit(size_t *pvalue, CUlimit limit) => CODE(ocu_shim_limit_get(pvalue, limit));
CUresult cuCtxGetStreamPriorityRange(int *leastPriority, int *greatestPriority)
    => CODE(ocu_shim_priorities(leastPriority, greatestPriority));
CUresult cuCtxGetCacheConfig(CUfunc_cache *pconfig)
    => CODE(ocu_shim_setting_get((void *)pconfig, SHIM_CACHE_CONFIG));
CUresult cuCtxSetCacheConfig(CUfunc_cache config)
    => CODE(ocu_shim_setting_set((int)config, SHIM_CACHE_CONFIG));
CUresult cuCtxGetSharedMemConfig(CUsharedconfig *pConfig)
    => CODE(ocu_shim_setting_get((void *)pConfig, SHIM_BANK_CONFIG));
CUresult cuCtxSetSharedMemConfig(CUsharedconfig config)
    => CODE(ocu_shim_setting_set((int)config, SHIM_BANK_CONFIG));
CUresult cuCtxResetPersistingL2Cache(void) => ready();
CUresult cuCtxEnablePeerAccess(CUcontext peerContext, unsigned int Flags)
    => ready() ?: known(peerContext)
    ?: (CUresult)ocu_shim_peer_enable(ocu_device_get(), context_device(peerContext), Flags);
CUresult cuCtxDisablePeerAccess(CUcontext peerContext)
    => ready() ?: known(peerContext)
    ?: (CUresult)ocu_shim_peer_disable(ocu_device_get(), context_device(peerContext));
/* No profiler is ever attached. */
CUresult cuProfilerStart(void) => started();
CUresult cuProfilerStop(void) => started();

/* Memory */
CUresult cuMemGetInfo_v2(size_t *free, size_t *total)
    => CODE(free && total ? ocu_shim_memory_info(free, total) : 1);
CUresult cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize)
    => CODE(bytesize ? ocu_shim_alloc(bytesize, OCU_MEM_DEVICE, 0, (void **)dptr) : 1);
CUresult cuMemAllocPitch_v2(CUdeviceptr *dptr, size_t *pPitch, size_t WidthInBytes, size_t Height,
    unsigned int ElementSizeBytes)
    => CODE(WidthInBytes && Height
    && (ElementSizeBytes == 4 || ElementSizeBytes == 8 || ElementSizeBytes == 16)
    ? ocu_shim_alloc_pitch(WidthInBytes, Height, pPitch, (void **)dptr) : 1);
CUresult cuMemAllocManaged(CUdeviceptr *dptr, size_t bytesize, unsigned int flags)
    => CODE(bytesize && (flags == 1 || flags == 2)
    ? ocu_shim_alloc(bytesize, OCU_MEM_MANAGED, 0, (void **)dptr) : 1);
CUresult cuMemAllocHost_v2(void **pp, size_t bytesize)
    => CODE(bytesize ? ocu_shim_alloc(bytesize, OCU_MEM_HOST, 0, pp) : 1);
CUresult cuMemHostAlloc(void **pp, size_t bytesize, unsigned int Flags)
    => CODE(bytesize && Flags <= 7 ? ocu_shim_alloc(bytesize, OCU_MEM_HOST, Flags, pp) : 1);
CUresult cuMemFree_v2(CUdeviceptr dptr) => CODE(ocu_shim_free(AT(dptr), 0));
CUresult cuMemFreeHost(void *p) => CODE(ocu_shim_free(p, 1));
CUresult cuMemHostRegister_v2(void *p, size_t bytesize, unsigned int Flags)
    => CODE(ocu_shim_register(p, bytesize, Flags, "cuMemHostRegister_v2"));
CUresult cuMemHostUnregister(void *p) => CODE(ocu_shim_unregister(p));
CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *pdptr, void *p, unsigned int Flags)
    => CODE(ocu_shim_host_pointer((void **)pdptr, p, Flags));
CUresult cuMemHostGetFlags(unsigned int *pFlags, void *p) => CODE(ocu_shim_host_flags(pFlags, p));
CUresult cuMemGetAddressRange_v2(CUdeviceptr *pbase, size_t *psize, CUdeviceptr dptr);
CUresult cuPointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr ptr);
CUresult cuPointerGetAttributes(unsigned int numAttributes, CUpointer_attribute *attributes,
    void **data, CUdeviceptr ptr);
CUresult cuMemAdvise(CUdeviceptr devPtr, size_t count, CUmem_advise advice, CUdevice device)
    => CODE(ocu_shim_advise(AT(devPtr), count, (int)advice, device));
CUresult cuMemAdvise_v2(CUdeviceptr devPtr, size_t count, CUmem_advise advice,
    CUmemLocation location)
    => CODE(ocu_shim_advise(AT(devPtr), count, (int)advice, place_of(location)));
CUresult cuMemPrefetchAsync(CUdeviceptr devPtr, size_t count, CUdevice dstDevice, CUstream hStream)
    => CODE(ocu_shim_hint(AT(devPtr), count, dstDevice, stream_of(hStream)));
CUresult cuMemPrefetchAsync_v2(CUdeviceptr devPtr, size_t count, CUmemLocation location,
    unsigned int flags, CUstream hStream)
    => CODE(flags ? 1 : ocu_shim_hint(AT(devPtr), count, place_of(location), stream_of(hStream)));

/* Memory pools */
CUresult cuMemAllocAsync(CUdeviceptr *dptr, size_t bytesize, CUstream hStream)
    => CODE(ocu_shim_alloc_async(NULL, bytesize, stream_of(hStream), (void **)dptr));
CUresult cuMemAllocFromPoolAsync(CUdeviceptr *dptr, size_t bytesize, CUmemoryPool pool,
    CUstream hStream)
    => CODE(pool ? ocu_shim_alloc_async(pool, bytesize, stream_of(hStream), (void **)dptr) : 1);
CUresult cuMemFreeAsync(CUdeviceptr dptr, CUstream hStream)
    => CODE(ocu_shim_free_async(AT(dptr), stream_of(hStream)));
CUresult cuMemPoolCreate(CUmemoryPool *pool, const CUmemPoolProps *poolProps)
    => STARTED_CODE(ocu_shim_pool_create(pool, (const void *)poolProps, "cuMemPoolCreate"));
CUresult cuMemPoolDestroy(CUmemoryPool pool) => STARTED_CODE(ocu_shim_pool_destroy(pool));
CUresult cuMemPoolTrimTo(CUmemoryPool pool, size_t minBytesToKeep)
    => STARTED_CODE(ocu_shim_pool_trim(pool, minBytesToKeep));
CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void *value)
    => STARTED_CODE(ocu_shim_pool_set(pool, attr, value));
CUresult cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void *value)
    => STARTED_CODE(ocu_shim_pool_get(pool, attr, value));
CUresult cuMemPoolSetAccess(CUmemoryPool pool, const CUmemAccessDesc *map, size_t count)
    => STARTED_CODE(ocu_shim_pool_set_access(pool, (const void *)map, count));
CUresult cuMemPoolGetAccess(CUmemAccess_flags *flags, CUmemoryPool memPool,
    CUmemLocation *location)
    => STARTED_CODE(ocu_shim_pool_get_access((void *)flags, memPool, (void *)location));
CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *pool_out, CUdevice dev)
    => STARTED_CODE(ocu_shim_pool_of_device(pool_out, dev, 1));
CUresult cuDeviceGetMemPool(CUmemoryPool *pool, CUdevice dev)
    => STARTED_CODE(ocu_shim_pool_of_device(pool, dev, 0));
CUresult cuDeviceSetMemPool(CUdevice dev, CUmemoryPool pool)
    => STARTED_CODE(ocu_shim_pool_choose(dev, pool));
CUresult cuMemGetDefaultMemPool(CUmemoryPool *pool_out, CUmemLocation *location,
    CUmemAllocationType type)
    => STARTED_CODE(ocu_shim_pool_of_place(pool_out, (void *)location, type, 1));
CUresult cuMemGetMemPool(CUmemoryPool *pool, CUmemLocation *location, CUmemAllocationType type)
    => STARTED_CODE(ocu_shim_pool_of_place(pool, (void *)location, type, 0));
CUresult cuMemSetMemPool(CUmemLocation *location, CUmemAllocationType type, CUmemoryPool pool)
    => STARTED_CODE(ocu_shim_pool_choose_place((void *)location, type, pool));

/* Copies */
CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount)
    => STATUS(ocu_copy(default_stream(), AT(dst), AT(src), ByteCount, 1));
CUresult cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount,
    CUstream hStream) => STATUS(ocu_copy(stream_of(hStream), AT(dst), AT(src), ByteCount, 0));
CUresult cuMemcpyHtoD_v2(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount)
    => STATUS(ocu_copy(default_stream(), AT(dstDevice), srcHost, ByteCount, 1));
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount,
    CUstream hStream)
    => STATUS(ocu_copy(stream_of(hStream), AT(dstDevice), srcHost, ByteCount, 0));
CUresult cuMemcpyDtoH_v2(void *dstHost, CUdeviceptr srcDevice, size_t ByteCount)
    => STATUS(ocu_copy(default_stream(), dstHost, AT(srcDevice), ByteCount, 1));
CUresult cuMemcpyDtoHAsync_v2(void *dstHost, CUdeviceptr srcDevice, size_t ByteCount,
    CUstream hStream)
    => STATUS(ocu_copy(stream_of(hStream), dstHost, AT(srcDevice), ByteCount, 0));
CUresult cuMemcpyDtoD_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount)
    => STATUS(ocu_copy(default_stream(), AT(dstDevice), AT(srcDevice), ByteCount, 1));
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount,
    CUstream hStream)
    => STATUS(ocu_copy(stream_of(hStream), AT(dstDevice), AT(srcDevice), ByteCount, 0));
CUresult cuIpcGetMemHandle(CUipcMemHandle *pHandle, CUdeviceptr dptr)
    => CODE(ocu_shim_ipc_get(pHandle, AT(dptr), __func__));
CUresult cuIpcOpenMemHandle(CUdeviceptr *pdptr, CUipcMemHandle handle, unsigned int Flags)
    => CODE(ocu_shim_ipc_open((void *)pdptr, handle.reserved, Flags, __func__));
CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *pdptr, CUipcMemHandle handle, unsigned int Flags)
    => CODE(ocu_shim_ipc_open((void *)pdptr, handle.reserved, Flags, __func__));
CUresult cuIpcCloseMemHandle(CUdeviceptr dptr) => CODE(ocu_shim_ipc_close(AT(dptr), __func__));
CUresult cuMemcpyPeer(CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice,
    CUcontext srcContext, size_t ByteCount) => STATUS(contexts_live(dstContext, srcContext)
    ?: ocu_copy(default_stream(), AT(dstDevice), AT(srcDevice), ByteCount, 1));
CUresult cuMemcpyPeerAsync(CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice,
    CUcontext srcContext, size_t ByteCount, CUstream hStream)
    => STATUS(contexts_live(dstContext, srcContext)
    ?: ocu_copy(stream_of(hStream), AT(dstDevice), AT(srcDevice), ByteCount, 0));
CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D *pCopy) => copy_2d(pCopy, default_stream(), 1);
CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *pCopy)
    => copy_2d(pCopy, default_stream(), 1);
CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *pCopy, CUstream hStream)
    => copy_2d(pCopy, stream_of(hStream), 0);
CUresult cuMemcpy3D_v2(const CUDA_MEMCPY3D *pCopy) => copy_3d(pCopy, default_stream(), 1);
CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *pCopy, CUstream hStream)
    => copy_3d(pCopy, stream_of(hStream), 0);
CUresult cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER *pCopy)
    => copy_3d_peer(pCopy, default_stream(), 1);
CUresult cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER *pCopy, CUstream hStream)
    => copy_3d_peer(pCopy, stream_of(hStream), 0);

/* Fills */
CUresult cuMemsetD8_v2(CUdeviceptr dstDevice, unsigned char uc, size_t N)
    => fill(dstDevice, 0, uc, 1, N, 1, default_stream(), host_reads(dstDevice));
CUresult cuMemsetD8Async(CUdeviceptr dstDevice, unsigned char uc, size_t N, CUstream hStream)
    => fill(dstDevice, 0, uc, 1, N, 1, stream_of(hStream), 0);
CUresult cuMemsetD2D8_v2(CUdeviceptr dstDevice, size_t dstPitch, unsigned char uc, size_t Width,
    size_t Height)
    => fill(dstDevice, dstPitch, uc, 1, Width, Height, default_stream(), host_reads(dstDevice));
CUresult cuMemsetD2D8Async(CUdeviceptr dstDevice, size_t dstPitch, unsigned char uc,
    size_t Width, size_t Height, CUstream hStream)
    => fill(dstDevice, dstPitch, uc, 1, Width, Height, stream_of(hStream), 0);
CUresult cuMemsetD16_v2(CUdeviceptr dstDevice, unsigned short us, size_t N)
    => fill(dstDevice, 0, us, 2, N, 1, default_stream(), host_reads(dstDevice));
CUresult cuMemsetD16Async(CUdeviceptr dstDevice, unsigned short us, size_t N, CUstream hStream)
    => fill(dstDevice, 0, us, 2, N, 1, stream_of(hStream), 0);
CUresult cuMemsetD2D16_v2(CUdeviceptr dstDevice, size_t dstPitch, unsigned short us, size_t Width,
    size_t Height)
    => fill(dstDevice, dstPitch, us, 2, Width, Height, default_stream(), host_reads(dstDevice));
CUresult cuMemsetD2D16Async(CUdeviceptr dstDevice, size_t dstPitch, unsigned short us,
    size_t Width, size_t Height, CUstream hStream)
    => fill(dstDevice, dstPitch, us, 2, Width, Height, stream_of(hStream), 0);
CUresult cuMemsetD32_v2(CUdeviceptr dstDevice, unsigned int ui, size_t N)
    => fill(dstDevice, 0, ui, 4, N, 1, default_stream(), host_reads(dstDevice));
CUresult cuMemsetD32Async(CUdeviceptr dstDevice, unsigned int ui, size_t N, CUstream hStream)
    => fill(dstDevice, 0, ui, 4, N, 1, stream_of(hStream), 0);
CUresult cuMemsetD2D32_v2(CUdeviceptr dstDevice, size_t dstPitch, unsigned int ui, size_t Width,
    size_t Height)
    => fill(dstDevice, dstPitch, ui, 4, Width, Height, default_stream(), host_reads(dstDevice));
CUresult cuMemsetD2D32Async(CUdeviceptr dstDevice, size_t dstPitch, unsigned int ui,
    size_t Width, size_t Height, CUstream hStream)
    => fill(dstDevice, dstPitch, ui, 4, Width, Height, stream_of(hStream), 0);

/* Streams */
CUresult cuStreamCreate(CUstream *phStream, unsigned int Flags)
    => cuStreamCreateWithPriority(phStream, Flags, 0);
CUresult cuStreamCreateWithPriority(CUstream *phStream, unsigned int flags, int priority)
    => CODE(ocu_shim_stream_create((void *)phStream, flags, priority, created_context()));
CUresult cuStreamDestroy_v2(CUstream hStream) => CODE(ocu_shim_stream_destroy(hStream));
CUresult cuStreamSynchronize(CUstream hStream) => STATUS(ocu_stream_sync(stream_of(hStream)));
CUresult cuStreamQuery(CUstream hStream) => STATUS(ocu_stream_query(stream_of(hStream)));
CUresult cuStreamWaitEvent(CUstream hStream, CUevent hEvent, unsigned int Flags)
    => STATUS(Flags ? OCU_INVALID_VALUE : ocu_stream_wait(stream_of(hStream), EVENT(hEvent)));
CUresult cuStreamGetFlags(CUstream hStream, unsigned int *flags)
    => CODE(ocu_shim_stream_flags(stream_of(hStream), flags));
CUresult cuStreamGetPriority(CUstream hStream, int *priority)
    => CODE(ocu_shim_stream_priority(stream_of(hStream), priority));
CUresult cuStreamGetDevice(CUstream hStream, CUdevice *device)
    => CODE(ocu_shim_stream_device(stream_of(hStream), device));
CUresult cuStreamGetId(CUstream hStream, unsigned long long *streamId)
    => CODE(ocu_shim_stream_id(stream_of(hStream), streamId));
CUresult cuStreamGetCtx(CUstream hStream, CUcontext *pctx);
CUresult cuStreamGetAttribute(CUstream hStream, CUstreamAttrID attr, CUstreamAttrValue *value_out)
    => CODE(ocu_shim_stream_get(stream_of(hStream), attr, value_out));
CUresult cuStreamSetAttribute(CUstream hStream, CUstreamAttrID attr,
    const CUstreamAttrValue *value) => CODE(ocu_shim_stream_set(stream_of(hStream), attr, value));
CUresult cuStreamCopyAttributes(CUstream dst, CUstream src)
    => CODE(ocu_shim_stream_copy(stream_of(dst), stream_of(src)));
CUresult cuStreamAttachMemAsync(CUstream hStream, CUdeviceptr dptr, size_t length,
    unsigned int flags) => CODE(ocu_shim_attach(stream_of(hStream), AT(dptr), length, flags));
CUresult cuStreamAddCallback(CUstream hStream, CUstreamCallback callback, void *userData,
    unsigned int flags)
    => CODE(flags ? 1 : ocu_shim_callback(hStream, (shim_callback *)callback, userData));
CUresult cuLaunchHostFunc(CUstream hStream, CUhostFn fn, void *userData)
    => STATUS(ocu_stream_host_call(stream_of(hStream), fn, userData));
CUresult cuStreamIsCapturing(CUstream hStream, CUstreamCaptureStatus *captureStatus)
    => capture_info(hStream, captureStatus, NULL, NULL, NULL, NULL, NULL);
CUresult cuStreamGetCaptureInfo(CUstream hStream, CUstreamCaptureStatus *captureStatus_out,
    cuuint64_t *id_out)
    => capture_info(hStream, captureStatus_out, NULL, NULL, NULL, NULL, id_out);
CUresult cuStreamGetCaptureInfo_v2(CUstream hStream, CUstreamCaptureStatus *captureStatus_out,
    cuuint64_t *id_out, CUgraph *graph_out, const CUgraphNode **dependencies_out,
    size_t *numDependencies_out)
    => capture_info(hStream, captureStatus_out, graph_out, dependencies_out, NULL,
    numDependencies_out, id_out);
CUresult cuStreamGetCaptureInfo_v3(CUstream hStream, CUstreamCaptureStatus *captureStatus_out,
    cuuint64_t *id_out, CUgraph *graph_out, const CUgraphNode **dependencies_out,
    const CUgraphEdgeData **edgeData_out, size_t *numDependencies_out)
    => capture_info(hStream, captureStatus_out, graph_out, dependencies_out, edgeData_out,
    numDependencies_out, id_out);
CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode)
    => STARTED_CODE(ocu_shim_capture_mode((void *)mode));
CUresult cuStreamBeginCapture_v2(CUstream hStream, CUstreamCaptureMode mode)
    => STATUS(ocu_capture_begin(stream_of(hStream), (int)mode));
CUresult cuStreamEndCapture(CUstream hStream, CUgraph *phGraph)
    => CODE(ocu_shim_capture_end(stream_of(hStream), (ocu_graph **)phGraph));

/* Graphs */
CUresult cuGraphInstantiateWithFlags(CUgraphExec *phGraphExec, CUgraph hGraph,
    unsigned long long flags)
    => CODE(ocu_shim_graph_instantiate((ocu_graph **)phGraphExec, GRAPH(hGraph), flags, __func__));
CUresult cuGraphLaunch(CUgraphExec hGraphExec, CUstream hStream)
    => STATUS(ocu_graph_launch(GRAPH(hGraphExec), stream_of(hStream)));
CUresult cuGraphUpload(CUgraphExec hGraphExec, CUstream hStream)
    => CODE(ocu_shim_graph_upload(GRAPH(hGraphExec), stream_of(hStream)));
CUresult cuGraphExecUpdate_v2(CUgraphExec hGraphExec, CUgraph hGraph,
    CUgraphExecUpdateResultInfo *resultInfo)
    => CODE(ocu_shim_graph_update(GRAPH(hGraphExec), GRAPH(hGraph), (void *)resultInfo));
CUresult cuGraphGetNodes(CUgraph hGraph, CUgraphNode *nodes, size_t *numNodes)
    => CODE(ocu_shim_graph_nodes(GRAPH(hGraph), nodes, numNodes, __func__));
CUresult cuGraphExecDestroy(CUgraphExec hGraphExec)
    => STATUS(ocu_graph_destroy(GRAPH(hGraphExec), 1));
CUresult cuGraphDestroy(CUgraph hGraph) => STATUS(ocu_graph_destroy(GRAPH(hGraph), 0));

/* Events */
CUresult cuEventCreate(CUevent *phEvent, unsigned int Flags)
    => CODE(ocu_shim_event_create((ocu_event **)phEvent, Flags,
    "cuEventCreate", "CU_EVENT_INTERPROCESS is not supported"));
CUresult cuEventDestroy_v2(CUevent hEvent) => STATUS(ocu_event_destroy(EVENT(hEvent)));
CUresult cuEventRecord(CUevent hEvent, CUstream hStream)
    => STATUS(ocu_event_record(EVENT(hEvent), stream_of(hStream)));
CUresult cuEventRecordWithFlags(CUevent hEvent, CUstream hStream, unsigned int flags)
    => STATUS(flags ? OCU_INVALID_VALUE : ocu_event_record(EVENT(hEvent), stream_of(hStream)));
CUresult cuEventQuery(CUevent hEvent) => STATUS(ocu_event_query(EVENT(hEvent)));
CUresult cuEventSynchronize(CUevent hEvent) => STATUS(ocu_event_sync(EVENT(hEvent)));
CUresult cuEventElapsedTime(float *pMilliseconds, CUevent hStart, CUevent hEnd)
    => cuEventElapsedTime_v2(pMilliseconds, hStart, hEnd);
CUresult cuEventElapsedTime_v2(float *pMilliseconds, CUevent hStart, CUevent hEnd)
    => CODE(ocu_shim_event_elapsed(pMilliseconds, hStart, hEnd));

/* The first versions of these took the same arguments. */
CUresult cuDevicePrimaryCtxRelease(CUdevice dev) => cuDevicePrimaryCtxRelease_v2(dev);
CUresult cuDevicePrimaryCtxReset(CUdevice dev) => cuDevicePrimaryCtxReset_v2(dev);
CUresult cuDevicePrimaryCtxSetFlags(CUdevice dev, unsigned int flags)
    => cuDevicePrimaryCtxSetFlags_v2(dev, flags);
CUresult cuCtxDestroy(CUcontext ctx) => cuCtxDestroy_v2(ctx);
CUresult cuCtxPushCurrent(CUcontext ctx) => cuCtxPushCurrent_v2(ctx);
CUresult cuCtxPopCurrent(CUcontext *pctx) => cuCtxPopCurrent_v2(pctx);
CUresult cuStreamDestroy(CUstream hStream) => cuStreamDestroy_v2(hStream);
CUresult cuEventDestroy(CUevent hEvent) => cuEventDestroy_v2(hEvent);

#define cuGetProcAddress cuGetProcAddress_v2
#define cuDeviceTotalMem cuDeviceTotalMem_v2
#define cuDevicePrimaryCtxRelease cuDevicePrimaryCtxRelease_v2
#define cuDevicePrimaryCtxReset cuDevicePrimaryCtxReset_v2
#define cuDevicePrimaryCtxSetFlags cuDevicePrimaryCtxSetFlags_v2
#define cuCtxDestroy cuCtxDestroy_v2
#define cuCtxPushCurrent cuCtxPushCurrent_v2
#define cuCtxPopCurrent cuCtxPopCurrent_v2
#define cuMemGetInfo cuMemGetInfo_v2
#define cuMemAlloc cuMemAlloc_v2
#define cuMemAllocPitch cuMemAllocPitch_v2
#define cuMemAllocHost cuMemAllocHost_v2
#define cuMemFree cuMemFree_v2
#define cuMemHostRegister cuMemHostRegister_v2
#define cuMemHostGetDevicePointer cuMemHostGetDevicePointer_v2
#define cuMemGetAddressRange cuMemGetAddressRange_v2
#define cuMemcpyHtoD cuMemcpyHtoD_v2
#define cuMemcpyHtoDAsync cuMemcpyHtoDAsync_v2
#define cuMemcpyDtoH cuMemcpyDtoH_v2
#define cuMemcpyDtoHAsync cuMemcpyDtoHAsync_v2
#define cuMemcpyDtoD cuMemcpyDtoD_v2
#define cuMemcpyDtoDAsync cuMemcpyDtoDAsync_v2
#define cuMemcpy2D cuMemcpy2D_v2
#define cuMemcpy2DUnaligned cuMemcpy2DUnaligned_v2
#define cuMemcpy2DAsync cuMemcpy2DAsync_v2
#define cuMemcpy3D cuMemcpy3D_v2
#define cuMemcpy3DAsync cuMemcpy3DAsync_v2
#define cuMemsetD8 cuMemsetD8_v2
#define cuMemsetD16 cuMemsetD16_v2
#define cuMemsetD32 cuMemsetD32_v2
#define cuMemsetD2D8 cuMemsetD2D8_v2
#define cuMemsetD2D16 cuMemsetD2D16_v2
#define cuMemsetD2D32 cuMemsetD2D32_v2
#define cuStreamDestroy cuStreamDestroy_v2
#define cuEventDestroy cuEventDestroy_v2
#define cuStreamBeginCapture cuStreamBeginCapture_v2
#define cuGraphInstantiate cuGraphInstantiateWithFlags
#define cuGraphExecUpdate cuGraphExecUpdate_v2
#define cuStreamGetCaptureInfo cuStreamGetCaptureInfo_v2 //12
#define cuStreamGetCaptureInfo cuStreamGetCaptureInfo_v3 //13
#define cuIpcOpenMemHandle cuIpcOpenMemHandle_v2
#define cuCtxCreate cuCtxCreate_v2 //12
#define cuCtxCreate cuCtxCreate_v4 //13
#define cuDeviceGetUuid cuDeviceGetUuid_v2 //13
#define cuMemAdvise cuMemAdvise_v2 //13
#define cuMemPrefetchAsync cuMemPrefetchAsync_v2 //13
#define cuEventElapsedTime cuEventElapsedTime_v2 //13
