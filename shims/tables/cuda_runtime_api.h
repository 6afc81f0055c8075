/* Functions of the CUDA runtime that opencu implements. What "=>" gives is the whole of a call. */
#define CUDART_VERSION 12090 //12
#define CUDART_VERSION 13000 //13
#define cudaGetDeviceProperties cudaGetDeviceProperties_v2 //12

/* Devices */
cudaError_t cudaGetDeviceCount(int *count);
cudaError_t cudaGetDevice(int *device) => TELL(device, ocu_device_get());
cudaError_t cudaSetDevice(int device) => done(ocu_device_set(device));
cudaError_t cudaInitDevice(int device, unsigned int deviceFlags, unsigned int flags);
cudaError_t cudaChooseDevice(int *device, const struct cudaDeviceProp *prop)
    => IN(prop) ? TELL(device, 0) : fail(cudaErrorInvalidValue);
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *prop, int device); //13
cudaError_t cudaGetDeviceProperties_v2(struct cudaDeviceProp *prop, int device); //12
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attr, int device)
    => end(ocu_shim_attribute(value, attr, device));
cudaError_t cudaDeviceGetPCIBusId(char *pciBusId, int len, int device)
    => end(ocu_shim_bus_id(pciBusId, len, device));
cudaError_t cudaDeviceGetByPCIBusId(int *device, const char *pciBusId)
    => end(ocu_shim_device_at(device, pciBusId));
cudaError_t cudaDeviceCanAccessPeer(int *canAccessPeer, int device, int peerDevice)
    => end(ocu_shim_can_access(canAccessPeer, device, peerDevice));
cudaError_t cudaDeviceEnablePeerAccess(int peerDevice, unsigned int flags)
    => end(ocu_shim_peer_enable(ocu_device_get(), peerDevice, flags));
cudaError_t cudaDeviceDisablePeerAccess(int peerDevice)
    => end(ocu_shim_peer_disable(ocu_device_get(), peerDevice));
cudaError_t cudaDeviceGetP2PAttribute(int *value, enum cudaDeviceP2PAttr attr, int srcDevice,
    int dstDevice) => end(ocu_shim_p2p(value, attr, srcDevice, dstDevice));
cudaError_t cudaDeviceFlushGPUDirectRDMAWrites(enum cudaFlushGPUDirectRDMAWritesTarget target,
    enum cudaFlushGPUDirectRDMAWritesScope scope) => end(ocu_shim_flush_writes(target, scope));
cudaError_t cudaSetValidDevices(int *device_arr, int len);
cudaError_t cudaSetDeviceFlags(unsigned int flags);
cudaError_t cudaGetDeviceFlags(unsigned int *flags);
cudaError_t cudaDeviceSetLimit(enum cudaLimit limit, size_t value)
    => end(ocu_shim_limit_set(limit, value));
cudaError_t cudaDeviceGetLimit(size_t *pValue, enum cudaLimit limit)
    => end(ocu_shim_limit_get(pValue, limit));
cudaError_t cudaDeviceSetCacheConfig(enum cudaFuncCache cacheConfig)
    => end(ocu_shim_setting_set(cacheConfig, SHIM_CACHE_CONFIG));
cudaError_t cudaDeviceGetCacheConfig(enum cudaFuncCache *pCacheConfig)
    => end(ocu_shim_setting_get((int *)pCacheConfig, SHIM_CACHE_CONFIG));
cudaError_t cudaDeviceSetSharedMemConfig(enum cudaSharedMemConfig config)
    => end(ocu_shim_setting_set(config, SHIM_BANK_CONFIG));
cudaError_t cudaDeviceGetSharedMemConfig(enum cudaSharedMemConfig *pConfig)
    => end(ocu_shim_setting_get((int *)pConfig, SHIM_BANK_CONFIG));
cudaError_t cudaDeviceGetStreamPriorityRange(int *leastPriority, int *greatestPriority)
    => end(ocu_shim_priorities(leastPriority, greatestPriority));
cudaError_t cudaDeviceSynchronize(void) => done(ocu_device_sync(ocu_device_get()));
cudaError_t cudaDeviceReset(void);
cudaError_t cudaThreadSynchronize(void) => cudaDeviceSynchronize(); //12
cudaError_t cudaThreadExit(void) => cudaDeviceReset(); //12
cudaError_t cudaThreadSetLimit(enum cudaLimit limit, size_t value) //12
    => cudaDeviceSetLimit(limit, value); //12
cudaError_t cudaThreadGetLimit(size_t *pValue, enum cudaLimit limit) //12
    => cudaDeviceGetLimit(pValue, limit); //12
cudaError_t cudaThreadSetCacheConfig(enum cudaFuncCache cacheConfig) //12
    => cudaDeviceSetCacheConfig(cacheConfig); //12
cudaError_t cudaThreadGetCacheConfig(enum cudaFuncCache *pCacheConfig) //12
    => cudaDeviceGetCacheConfig(pCacheConfig); //12
cudaError_t cudaCtxResetPersistingL2Cache(void) => done(ocu_alive());
/* No profiler is ever attached. */
cudaError_t cudaProfilerStart(void) => done(ocu_alive());
cudaError_t cudaProfilerStop(void) => done(ocu_alive());

/* Errors and versions */
cudaError_t cudaGetLastError(void);
cudaError_t cudaPeekAtLastError(void);
const char *cudaGetErrorName(cudaError_t error);
const char *cudaGetErrorString(cudaError_t error);
cudaError_t cudaRuntimeGetVersion(int *runtimeVersion) => TELL(runtimeVersion, CUDART_VERSION);
cudaError_t cudaDriverGetVersion(int *driverVersion) => TELL(driverVersion, SHIM_DRIVER_VERSION);
cudaError_t cudaGetDriverEntryPoint(const char *symbol, void **funcPtr, unsigned long long flags,
    enum cudaDriverEntryPointQueryResult *driverStatus /*=NULL*/)
    => cudaGetDriverEntryPointByVersion(symbol, funcPtr, CUDART_VERSION, flags, driverStatus);
cudaError_t cudaGetDriverEntryPointByVersion(const char *symbol, void **funcPtr,
    unsigned int cudaVersion, unsigned long long flags,
    enum cudaDriverEntryPointQueryResult *driverStatus /*=NULL*/);

/* Memory */
cudaError_t cudaMalloc(void **devPtr, size_t size)
    => end(ocu_shim_alloc(size, OCU_MEM_DEVICE, 0, devPtr));
cudaError_t cudaMallocHost(void **ptr, size_t size)
    => end(ocu_shim_alloc(size, OCU_MEM_HOST, 0, ptr));
cudaError_t cudaMallocManaged(void **devPtr, size_t size,
    unsigned int flags /*=cudaMemAttachGlobal*/)
    => end(size && (flags == cudaMemAttachGlobal || flags == cudaMemAttachHost)
    ? ocu_shim_alloc(size, OCU_MEM_MANAGED, 0, devPtr) : cudaErrorInvalidValue);
cudaError_t cudaMallocPitch(void **devPtr, size_t *pitch, size_t width, size_t height)
    => end(ocu_shim_alloc_pitch(width, height, pitch, devPtr));
cudaError_t cudaMalloc3D(struct cudaPitchedPtr *pitchedDevPtr, struct cudaExtent extent);
cudaError_t cudaMallocAsync(void **devPtr, size_t size, cudaStream_t hStream)
    => end(ocu_shim_alloc_async(NULL, size, stream_of(hStream), devPtr));
cudaError_t cudaMallocFromPoolAsync(void **ptr, size_t size, cudaMemPool_t memPool,
    cudaStream_t stream)
    => end(memPool ? ocu_shim_alloc_async(memPool, size, stream_of(stream), ptr) : 1);
cudaError_t cudaFree(void *devPtr) => end(ocu_shim_free(devPtr, 0));
cudaError_t cudaFreeHost(void *ptr) => end(ocu_shim_free(ptr, 1));
cudaError_t cudaFreeAsync(void *devPtr, cudaStream_t hStream)
    => end(ocu_shim_free_async(devPtr, stream_of(hStream)));
cudaError_t cudaHostAlloc(void **pHost, size_t size, unsigned int flags)
    => end(flags <= 7 ? ocu_shim_alloc(size, OCU_MEM_HOST, flags, pHost) : 1);
cudaError_t cudaHostRegister(void *ptr, size_t size, unsigned int flags)
    => end(ocu_shim_register(ptr, size, flags, "cudaHostRegister"));
cudaError_t cudaHostUnregister(void *ptr) => end(ocu_shim_unregister(ptr));
cudaError_t cudaHostGetFlags(unsigned int *pFlags, void *pHost)
    => end(ocu_shim_host_flags(pFlags, pHost));
cudaError_t cudaHostGetDevicePointer(void **pDevice, void *pHost, unsigned int flags)
    => end(ocu_shim_host_pointer(pDevice, pHost, flags));
cudaError_t cudaMemGetInfo(size_t *free, size_t *total) => end(ocu_shim_memory_info(free, total));
cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *attributes, const void *ptr);
cudaError_t cudaMemPrefetchAsync(const void *devPtr, size_t count, int dstDevice, //12
    cudaStream_t stream /*=0*/) //12
    => end(ocu_shim_hint(devPtr, count, dstDevice, stream_of(stream))); //12
cudaError_t cudaMemPrefetchAsync(const void *devPtr, size_t count, //13
    struct cudaMemLocation location, unsigned int flags, cudaStream_t stream /*=0*/) //13
    => prefetch(devPtr, count, location, flags, stream); //13
cudaError_t cudaMemPrefetchAsync_v2(const void *devPtr, size_t count, //12
    struct cudaMemLocation location, unsigned int flags, cudaStream_t stream /*=0*/) //12
    => prefetch(devPtr, count, location, flags, stream); //12
cudaError_t cudaMemAdvise(const void *devPtr, size_t count, enum cudaMemoryAdvise advice, //12
    int device) => end(ocu_shim_advise(devPtr, count, (int)advice, device)); //12
cudaError_t cudaMemAdvise(const void *devPtr, size_t count, enum cudaMemoryAdvise advice, //13
    struct cudaMemLocation location) //13
    => end(ocu_shim_advise(devPtr, count, (int)advice, place_of(location))); //13
cudaError_t cudaMemAdvise_v2(const void *devPtr, size_t count, enum cudaMemoryAdvise advice, //12
    struct cudaMemLocation location) //12
    => end(ocu_shim_advise(devPtr, count, (int)advice, place_of(location))); //12

/* Memory pools */
cudaError_t cudaMemPoolCreate(cudaMemPool_t *memPool, const struct cudaMemPoolProps *poolProps)
    => end(ocu_shim_pool_create(memPool, (const void *)poolProps, "cudaMemPoolCreate"));
cudaError_t cudaMemPoolDestroy(cudaMemPool_t memPool) => end(ocu_shim_pool_destroy(memPool));
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t memPool, enum cudaMemPoolAttr attr, void *value)
    => end(ocu_shim_pool_set(memPool, attr, value));
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t memPool, enum cudaMemPoolAttr attr, void *value)
    => end(ocu_shim_pool_get(memPool, attr, value));
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t memPool, size_t minBytesToKeep)
    => end(ocu_shim_pool_trim(memPool, minBytesToKeep));
cudaError_t cudaMemPoolSetAccess(cudaMemPool_t memPool, const struct cudaMemAccessDesc *descList,
    size_t count) => end(ocu_shim_pool_set_access(memPool, (const void *)descList, count));
cudaError_t cudaMemPoolGetAccess(enum cudaMemAccessFlags *flags, cudaMemPool_t memPool,
    struct cudaMemLocation *location)
    => end(ocu_shim_pool_get_access((void *)flags, memPool, (void *)location));
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *memPool, int device)
    => end(ocu_shim_pool_of_device(memPool, device, 1));
cudaError_t cudaDeviceGetMemPool(cudaMemPool_t *memPool, int device)
    => end(ocu_shim_pool_of_device(memPool, device, 0));
cudaError_t cudaDeviceSetMemPool(int device, cudaMemPool_t memPool)
    => end(ocu_shim_pool_choose(device, memPool));
cudaError_t cudaMemGetDefaultMemPool(cudaMemPool_t *memPool, struct cudaMemLocation *location, //13
    enum cudaMemAllocationType type) //13
    => end(ocu_shim_pool_of_place(memPool, (void *)location, type, 1)); //13
cudaError_t cudaMemGetMemPool(cudaMemPool_t *memPool, struct cudaMemLocation *location, //13
    enum cudaMemAllocationType type) //13
    => end(ocu_shim_pool_of_place(memPool, (void *)location, type, 0)); //13
cudaError_t cudaMemSetMemPool(struct cudaMemLocation *location, //13
    enum cudaMemAllocationType type, cudaMemPool_t memPool) //13
    => end(ocu_shim_pool_choose_place((void *)location, type, memPool)); //13

/* Copies and fills */
cudaError_t cudaMemcpy(void *dst, const void *src, size_t count, enum cudaMemcpyKind kind)
    => copy(dst, src, count, kind, default_stream(), 1);
cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t count, enum cudaMemcpyKind kind,
    cudaStream_t stream /*=0*/) => copy(dst, src, count, kind, stream_of(stream), 0);
cudaError_t cudaMemcpy2D(void *dst, size_t dpitch, const void *src, size_t spitch, size_t width,
    size_t height, enum cudaMemcpyKind kind)
    => copy_2d(dst, dpitch, src, spitch, width, height, kind, default_stream(), 1);
cudaError_t cudaMemcpy2DAsync(void *dst, size_t dpitch, const void *src, size_t spitch,
    size_t width, size_t height, enum cudaMemcpyKind kind, cudaStream_t stream /*=0*/)
    => copy_2d(dst, dpitch, src, spitch, width, height, kind, stream_of(stream), 0);
cudaError_t cudaIpcGetMemHandle(cudaIpcMemHandle_t *handle, void *devPtr)
    => end(ocu_shim_ipc_get(handle, devPtr, __func__));
cudaError_t cudaIpcOpenMemHandle(void **devPtr, cudaIpcMemHandle_t handle, unsigned int flags)
    => end(ocu_shim_ipc_open(devPtr, handle.reserved, flags, __func__));
cudaError_t cudaIpcCloseMemHandle(void *devPtr) => end(ocu_shim_ipc_close(devPtr, __func__));
cudaError_t cudaMemcpyPeer(void *dst, int dstDevice, const void *src, int srcDevice, size_t count)
    => copy_peer(dst, dstDevice, src, srcDevice, count, NULL, 1);
cudaError_t cudaMemcpyPeerAsync(void *dst, int dstDevice, const void *src, int srcDevice,
    size_t count, cudaStream_t stream /*=0*/)
    => copy_peer(dst, dstDevice, src, srcDevice, count, stream_of(stream), 0);
cudaError_t cudaMemcpy3D(const struct cudaMemcpy3DParms *p) => copy_3d(p, default_stream(), 1);
cudaError_t cudaMemcpy3DAsync(const struct cudaMemcpy3DParms *p, cudaStream_t stream /*=0*/)
    => copy_3d(p, stream_of(stream), 0);
cudaError_t cudaMemcpy3DPeer(const struct cudaMemcpy3DPeerParms *p)
    => copy_3d_peer(p, default_stream(), 1);
cudaError_t cudaMemcpy3DPeerAsync(const struct cudaMemcpy3DPeerParms *p,
    cudaStream_t stream /*=0*/) => copy_3d_peer(p, stream_of(stream), 0);
cudaError_t cudaMemset3D(struct cudaPitchedPtr pitchedDevPtr, int value, struct cudaExtent extent)
    => fill_3d(pitchedDevPtr, value, extent, default_stream(), host_reads(pitchedDevPtr.ptr));
cudaError_t cudaMemset3DAsync(struct cudaPitchedPtr pitchedDevPtr, int value,
    struct cudaExtent extent, cudaStream_t stream /*=0*/)
    => fill_3d(pitchedDevPtr, value, extent, stream_of(stream), 0);
cudaError_t cudaMemset(void *devPtr, int value, size_t count)
    => done(ocu_fill(default_stream(), devPtr, value, count, host_reads(devPtr)));
cudaError_t cudaMemsetAsync(void *devPtr, int value, size_t count, cudaStream_t stream /*=0*/)
    => done(ocu_fill(stream_of(stream), devPtr, value, count, 0));
cudaError_t cudaMemset2D(void *devPtr, size_t pitch, int value, size_t width, size_t height)
    => fill_2d(devPtr, pitch, value, width, height, default_stream(), host_reads(devPtr));
cudaError_t cudaMemset2DAsync(void *devPtr, size_t pitch, int value, size_t width, size_t height,
    cudaStream_t stream /*=0*/)
    => fill_2d(devPtr, pitch, value, width, height, stream_of(stream), 0);

/* Streams */
cudaError_t cudaStreamCreate(cudaStream_t *pStream)
    => end(ocu_shim_stream_create((ocu_stream **)pStream, 0, 0, NULL));
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *pStream, unsigned int flags)
    => end(ocu_shim_stream_create((ocu_stream **)pStream, flags, 0, NULL));
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *pStream, unsigned int flags, int priority)
    => end(ocu_shim_stream_create((ocu_stream **)pStream, flags, priority, NULL));
cudaError_t cudaStreamDestroy(cudaStream_t stream) => end(ocu_shim_stream_destroy(stream));
cudaError_t cudaStreamSynchronize(cudaStream_t stream) => done(ocu_stream_sync(stream_of(stream)));
cudaError_t cudaStreamQuery(cudaStream_t stream) => done(ocu_stream_query(stream_of(stream)));
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags /*=0*/)
    => done(flags ? OCU_INVALID_VALUE : ocu_stream_wait(stream_of(stream), EVENT(event)));
cudaError_t cudaStreamGetFlags(cudaStream_t hStream, unsigned int *flags)
    => end(ocu_shim_stream_flags(stream_of(hStream), flags));
cudaError_t cudaStreamGetPriority(cudaStream_t hStream, int *priority)
    => end(ocu_shim_stream_priority(stream_of(hStream), priority));
cudaError_t cudaStreamGetDevice(cudaStream_t hStream, int *device)
    => end(ocu_shim_stream_device(stream_of(hStream), device));
cudaError_t cudaStreamGetId(cudaStream_t hStream, unsigned long long *streamId)
    => end(ocu_shim_stream_id(stream_of(hStream), streamId));
cudaError_t cudaStreamIsCapturing(cudaStream_t stream,
    enum cudaStreamCaptureStatus *pCaptureStatus)
    => capture_info(stream, pCaptureStatus, NULL, NULL, NULL, NULL, NULL);
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, //12
    enum cudaStreamCaptureStatus *captureStatus_out, unsigned long long *id_out) //12
    => capture_info(stream, captureStatus_out, NULL, NULL, NULL, NULL, id_out); //12
#define cudaStreamGetCaptureInfo cudaStreamGetCaptureInfo_v2 //12
cudaError_t cudaStreamGetCaptureInfo_v2(cudaStream_t stream, //12
    enum cudaStreamCaptureStatus *captureStatus_out, unsigned long long *id_out /*=0*/, //12
    cudaGraph_t *graph_out /*=0*/, const cudaGraphNode_t **dependencies_out /*=0*/, //12
    size_t *numDependencies_out /*=0*/) //12
    => capture_info(stream, captureStatus_out, graph_out, dependencies_out, NULL, //12
    numDependencies_out, id_out); //12
cudaError_t cudaStreamGetCaptureInfo_v3(cudaStream_t stream, //12
    enum cudaStreamCaptureStatus *captureStatus_out, unsigned long long *id_out /*=0*/, //12
    cudaGraph_t *graph_out /*=0*/, const cudaGraphNode_t **dependencies_out /*=0*/, //12
    const cudaGraphEdgeData **edgeData_out /*=0*/, size_t *numDependencies_out /*=0*/) //12
    => capture_info(stream, captureStatus_out, graph_out, dependencies_out, edgeData_out, //12
    numDependencies_out, id_out); //12
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, //13
    enum cudaStreamCaptureStatus *captureStatus_out, unsigned long long *id_out /*=0*/, //13
    cudaGraph_t *graph_out /*=0*/, const cudaGraphNode_t **dependencies_out /*=0*/, //13
    const cudaGraphEdgeData **edgeData_out /*=0*/, size_t *numDependencies_out /*=0*/) //13
    => capture_info(stream, captureStatus_out, graph_out, dependencies_out, edgeData_out, //13
    numDependencies_out, id_out); //13
cudaError_t cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode *mode)
    => end(ocu_shim_capture_mode((void *)mode));
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
    => done(ocu_capture_begin(stream_of(stream), (int)mode));
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *pGraph)
    => end(ocu_shim_capture_end(stream_of(stream), (ocu_graph **)pGraph));
cudaError_t cudaStreamGetAttribute(cudaStream_t hStream, cudaLaunchAttributeID attr,
    cudaLaunchAttributeValue *value_out)
    => end(ocu_shim_stream_get(stream_of(hStream), attr, value_out));
cudaError_t cudaStreamSetAttribute(cudaStream_t hStream, cudaLaunchAttributeID attr,
    const cudaLaunchAttributeValue *value)
    => end(ocu_shim_stream_set(stream_of(hStream), attr, value));
cudaError_t cudaStreamCopyAttributes(cudaStream_t dst, cudaStream_t src)
    => end(ocu_shim_stream_copy(stream_of(dst), stream_of(src)));
cudaError_t cudaStreamAttachMemAsync(cudaStream_t stream, void *devPtr, size_t length /*=0*/,
    unsigned int flags /*=cudaMemAttachSingle*/)
    => end(ocu_shim_attach(stream_of(stream), devPtr, length, flags));
cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback,
    void *userData, unsigned int flags)
    => end(flags ? 1 : ocu_shim_callback(stream, (shim_callback *)callback, userData));
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t fn, void *userData)
    => done(ocu_stream_host_call(stream_of(stream), fn, userData));

/* Graphs */
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *pGraphExec, cudaGraph_t graph,
    unsigned long long flags /*=0*/)
    => end(ocu_shim_graph_instantiate((ocu_graph **)pGraphExec, GRAPH(graph), flags, __func__));
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *pGraphExec, cudaGraph_t graph,
    unsigned long long flags /*=0*/)
    => end(ocu_shim_graph_instantiate((ocu_graph **)pGraphExec, GRAPH(graph), flags, __func__));
cudaError_t cudaGraphLaunch(cudaGraphExec_t graphExec, cudaStream_t stream)
    => done(ocu_graph_launch(GRAPH(graphExec), stream_of(stream)));
cudaError_t cudaGraphUpload(cudaGraphExec_t graphExec, cudaStream_t stream)
    => end(ocu_shim_graph_upload(GRAPH(graphExec), stream_of(stream)));
cudaError_t cudaGraphExecUpdate(cudaGraphExec_t hGraphExec, cudaGraph_t hGraph,
    cudaGraphExecUpdateResultInfo *resultInfo)
    => end(ocu_shim_graph_update(GRAPH(hGraphExec), GRAPH(hGraph), (void *)resultInfo));
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *numNodes)
    => end(ocu_shim_graph_nodes(GRAPH(graph), nodes, numNodes, __func__));
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graphExec)
    => done(ocu_graph_destroy(GRAPH(graphExec), 1));
cudaError_t cudaGraphDestroy(cudaGraph_t graph) => done(ocu_graph_destroy(GRAPH(graph), 0));

/* Events */
cudaError_t cudaEventCreate(cudaEvent_t *event)
    => cudaEventCreateWithFlags(event, cudaEventDefault);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned int flags)
    => end(ocu_shim_event_create((ocu_event **)event, flags,
    "cudaEventCreateWithFlags", "cudaEventInterprocess is not supported"));
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream /*=0*/)
    => done(ocu_event_record(EVENT(event), stream_of(stream)));
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream /*=0*/,
    unsigned int flags /*=0*/)
    => done(flags ? OCU_INVALID_VALUE : ocu_event_record(EVENT(event), stream_of(stream)));
cudaError_t cudaEventQuery(cudaEvent_t event) => done(ocu_event_query(EVENT(event)));
cudaError_t cudaEventSynchronize(cudaEvent_t event) => done(ocu_event_sync(EVENT(event)));
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start, cudaEvent_t stop)
    => end(ocu_shim_event_elapsed(ms, start, stop));
cudaError_t cudaEventElapsedTime_v2(float *ms, cudaEvent_t start, cudaEvent_t stop) //12
    => cudaEventElapsedTime(ms, start, stop); //12
cudaError_t cudaEventDestroy(cudaEvent_t event) => done(ocu_event_destroy(EVENT(event)));

struct cudaChannelFormatDesc cudaCreateChannelDesc(int x, int y, int z, int w,
    enum cudaChannelFormatKind f) => (struct cudaChannelFormatDesc){x, y, z, w, f};
