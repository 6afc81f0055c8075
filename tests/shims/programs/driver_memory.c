/* driver_memory.c - the driver's contexts, memory, streams and events. */
#include <cuda.h>
#include <stdint.h>

#include "check.h"

static CUdeviceptr at(void *p) { return (CUdeviceptr)(uintptr_t)p; }

static void contexts_are_a_stack_of_each_thread(void) {
  CUcontext first, made, now, gone;
  CUstream stream;
  CUdevice device;
  unsigned version;
  unsigned long long id, other;
  EXPECT(cuDevicePrimaryCtxRetain(&first, 0), CUDA_SUCCESS);
  EXPECT(cuCtxSetCurrent(first), CUDA_SUCCESS);
#if OPENCU_CUDA_MAJOR == 12
  EXPECT(cuCtxCreate(&made, CU_CTX_SCHED_SPIN, 0), CUDA_SUCCESS);
#else
  EXPECT(cuCtxCreate(&made, NULL, CU_CTX_SCHED_SPIN, 0), CUDA_SUCCESS);
#endif
  EXPECT(cuCtxGetCurrent(&now), CUDA_SUCCESS);
  TRUE(now == made && made != first);
  EXPECT(cuCtxGetFlags(&version), CUDA_SUCCESS);
  EXPECT(version, CU_CTX_SCHED_SPIN);
  EXPECT(cuCtxGetApiVersion(made, &version), CUDA_SUCCESS);
  EXPECT(cuCtxGetId(made, &id), CUDA_SUCCESS);
  EXPECT(cuCtxGetId(first, &other), CUDA_SUCCESS);
  TRUE(id != other);
  EXPECT(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  EXPECT(cuStreamGetCtx(stream, &now), CUDA_SUCCESS);
  TRUE(now == made);
  EXPECT(cuStreamDestroy(stream), CUDA_SUCCESS);
  EXPECT(cuCtxPushCurrent(first), CUDA_SUCCESS);
  EXPECT(cuCtxPopCurrent(&gone), CUDA_SUCCESS);
  TRUE(gone == first);
  EXPECT(cuCtxDestroy(made), CUDA_SUCCESS);
  EXPECT(cuCtxDestroy(made), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT(cuCtxDestroy(first), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT(cuCtxGetCurrent(&now), CUDA_SUCCESS);
  TRUE(now == first);
  EXPECT(cuCtxSetCurrent(NULL), CUDA_SUCCESS);
  EXPECT(cuCtxGetDevice(&device), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT(cuMemAlloc((CUdeviceptr[1]){0}, 8), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT(cuCtxSetCurrent(first), CUDA_SUCCESS);
}

static void memory_is_filled_with_words_of_every_width(void) {
  unsigned char back[128];
  CUdeviceptr p;
  size_t pitch;
  EXPECT(cuMemAlloc(&p, 128), CUDA_SUCCESS);
  EXPECT(cuMemsetD8(p, 0x11, 128), CUDA_SUCCESS);
  EXPECT(cuMemsetD16(p + 2, 0x2233, 3), CUDA_SUCCESS);
  EXPECT(cuMemsetD32Async(p + 12, 0x44556677, 5, NULL), CUDA_SUCCESS);
  EXPECT(cuMemcpyDtoH(back, p, 128), CUDA_SUCCESS);
  for (int i = 0; i < 128; i++) {
    int wanted = i >= 2 && i < 8     ? (i % 2 ? 0x22 : 0x33)
                 : i >= 12 && i < 32 ? 0x77 - 0x11 * (i % 4)
                                     : 0x11;
    EXPECT(back[i], wanted);
  }
  EXPECT(cuMemsetD32(p + 1, 0, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemsetD16(p, 0, (size_t)1 << 63), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemsetD32(p, 0, 33), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemFree(p), CUDA_SUCCESS);
  EXPECT(cuMemFree(p), CUDA_ERROR_INVALID_VALUE);

  EXPECT(cuMemAllocPitch(&p, &pitch, 20, 3, 4), CUDA_SUCCESS);
  EXPECT(cuMemsetD2D8(p, pitch, 0, pitch, 3), CUDA_SUCCESS);
  EXPECT(cuMemsetD2D32(p, pitch, 0x01020304, 5, 3), CUDA_SUCCESS);
  EXPECT(cuMemcpyDtoH(back, p + 2 * pitch, 24), CUDA_SUCCESS);
  EXPECT(back[19], 1);
  EXPECT(back[20], 0);
  EXPECT(cuMemsetD2D32(p, 16, 0, 5, 3), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemAllocPitch(&p, &pitch, 20, 3, 5), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemFree(p), CUDA_SUCCESS);
  EXPECT(cuMemAlloc(&p, 0), CUDA_ERROR_INVALID_VALUE);
}

/* Larger than what one worker is handed at a time. */
static void long_fills_keep_their_pattern(void) {
  enum { WORDS = 300001 };
  static unsigned back[WORDS + 2];
  CUdeviceptr p;
  EXPECT(cuMemAlloc(&p, sizeof back), CUDA_SUCCESS);
  EXPECT(cuMemsetD8(p, 0, sizeof back), CUDA_SUCCESS);
  EXPECT(cuMemsetD32(p + 4, 0x01020304, WORDS), CUDA_SUCCESS);
  EXPECT(cuMemcpyDtoH(back, p, sizeof back), CUDA_SUCCESS);
  for (int i = 0; i < WORDS + 2; i++) EXPECT(back[i], i && i <= WORDS ? 0x01020304 : 0);
  EXPECT(cuMemFree(p), CUDA_SUCCESS);
}

static void copies_and_pointers(void) {
  int host[4] = {1, 2, 3, 4}, back[4] = {0}, ordinal;
  void *pinned, *mapped;
  unsigned flags, type;
  CUdeviceptr p, base;
  CUcontext context;
  size_t size;
  EXPECT(cuMemAllocAsync(&p, sizeof host, NULL), CUDA_SUCCESS);
  EXPECT(cuMemcpyHtoDAsync(p, host, sizeof host, NULL), CUDA_SUCCESS);
  EXPECT(cuCtxGetCurrent(&context), CUDA_SUCCESS);
  EXPECT(cuMemcpyPeer(at(back), context, p, context, 8), CUDA_SUCCESS);
  EXPECT(cuMemcpyDtoD(at(back + 2), p + 8, 8), CUDA_SUCCESS);
  EXPECT(cuCtxSynchronize(), CUDA_SUCCESS);
  TRUE(!memcmp(host, back, sizeof host));
  EXPECT(cuMemcpyPeer(at(back), (CUcontext)(void *)host, p, context, 8), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuMemGetAddressRange(&base, &size, p + 5), CUDA_SUCCESS);
  TRUE(base == p && size == sizeof host);
  EXPECT(cuMemGetAddressRange(&base, &size, at(host)), CUDA_ERROR_NOT_FOUND);

  CUpointer_attribute asked[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
                                 CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
                                 CU_POINTER_ATTRIBUTE_RANGE_SIZE, CU_POINTER_ATTRIBUTE_CONTEXT};
  void *told[] = {&type, &ordinal, &size, &context};
  EXPECT(cuPointerGetAttributes(4, asked, told, p + 4), CUDA_SUCCESS);
  TRUE(type == CU_MEMORYTYPE_DEVICE && ordinal == 0 && size == sizeof host && context);
  EXPECT(cuPointerGetAttributes(4, asked, told, at(host)), CUDA_SUCCESS);
  TRUE(type == 0 && ordinal == -2 && size == 0 && !context);
  EXPECT(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, at(host)),
         CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemFreeAsync(p, NULL), CUDA_SUCCESS);

  EXPECT(cuMemHostAlloc(&pinned, 64, CU_MEMHOSTALLOC_PORTABLE), CUDA_SUCCESS);
  EXPECT(cuMemHostGetFlags(&flags, pinned), CUDA_SUCCESS);
  EXPECT(flags, CU_MEMHOSTALLOC_PORTABLE);
  EXPECT(cuMemHostGetDevicePointer(&base, pinned, 0), CUDA_SUCCESS);
  TRUE(base == at(pinned));
  EXPECT(cuMemFree(at(pinned)), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemFreeHost(pinned), CUDA_SUCCESS);
  EXPECT(cuMemHostRegister(host, sizeof host, CU_MEMHOSTREGISTER_DEVICEMAP), CUDA_SUCCESS);
  EXPECT(cuMemHostRegister(host, 4, 0), CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
  EXPECT(cuPointerGetAttribute(&mapped, CU_POINTER_ATTRIBUTE_HOST_POINTER, at(host + 1)), 0);
  TRUE(mapped == (void *)(host + 1));
  EXPECT(cuMemHostUnregister(host), CUDA_SUCCESS);
  EXPECT(cuMemHostUnregister(host), CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
}

static int called;
static void count(void *data) { called += *(int *)data; }
static void callback(CUstream stream, CUresult status, void *data) {
  called += stream && status == CUDA_SUCCESS ? *(int *)data : 1000;
}

static void streams_and_events(void) {
  CUstream stream, other;
  CUevent start, end, plain;
  CUstreamCaptureStatus capture;
  CUstreamAttrValue value;
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
  int ten = 10, priority, least, greatest;
  float ms = -1;
  EXPECT(cuCtxGetStreamPriorityRange(&least, &greatest), CUDA_SUCCESS);
  TRUE(greatest < least);
  EXPECT(cuStreamCreateWithPriority(&stream, CU_STREAM_NON_BLOCKING, greatest - 7), CUDA_SUCCESS);
  EXPECT(cuStreamGetPriority(stream, &priority), CUDA_SUCCESS);
  EXPECT(priority, greatest);
  EXPECT(cuStreamCreate(&other, 0), CUDA_SUCCESS);
  memset(&value, 0, sizeof value);
  value.syncPolicy = CU_SYNC_POLICY_SPIN;
  EXPECT(cuStreamSetAttribute(stream, CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY, &value), 0);
  EXPECT(cuStreamCopyAttributes(other, stream), CUDA_SUCCESS);
  memset(&value, 0, sizeof value);
  EXPECT(cuStreamGetAttribute(other, CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY, &value), 0);
  EXPECT(value.syncPolicy, CU_SYNC_POLICY_SPIN);
  EXPECT(cuStreamGetAttribute(other, (CUstreamAttrID)4, &value), CUDA_ERROR_INVALID_VALUE);

  EXPECT(cuEventCreate(&start, CU_EVENT_DEFAULT), CUDA_SUCCESS);
  EXPECT(cuEventCreate(&end, CU_EVENT_BLOCKING_SYNC), CUDA_SUCCESS);
  EXPECT(cuEventCreate(&plain, CU_EVENT_DISABLE_TIMING), CUDA_SUCCESS);
  EXPECT(cuEventCreate(&plain, CU_EVENT_INTERPROCESS), CUDA_ERROR_NOT_SUPPORTED);
  EXPECT(cuEventRecord(start, stream), CUDA_SUCCESS);
  EXPECT(cuLaunchHostFunc(stream, count, &ten), CUDA_SUCCESS);
  EXPECT(cuStreamAddCallback(stream, callback, &ten, 0), CUDA_SUCCESS);
  EXPECT(cuEventRecordWithFlags(end, stream, CU_EVENT_DEFAULT), CUDA_SUCCESS);
  EXPECT(cuStreamWaitEvent(other, end, 0), CUDA_SUCCESS);
  EXPECT(cuStreamSynchronize(other), CUDA_SUCCESS);
  EXPECT(called, 20);
  EXPECT(cuEventQuery(end), CUDA_SUCCESS);
  EXPECT(cuEventElapsedTime(&ms, start, end), CUDA_SUCCESS);
  TRUE(ms >= 0);
  EXPECT(cuEventElapsedTime(&ms, start, plain), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuStreamIsCapturing(stream, &capture), CUDA_SUCCESS);
  EXPECT(capture, CU_STREAM_CAPTURE_STATUS_NONE);
  EXPECT(cuThreadExchangeStreamCaptureMode(&mode), CUDA_SUCCESS);
  EXPECT(mode, CU_STREAM_CAPTURE_MODE_GLOBAL);
  EXPECT(cuEventDestroy(start), CUDA_SUCCESS);
  EXPECT(cuEventRecord(start, stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuStreamDestroy(stream), CUDA_SUCCESS);
  EXPECT(cuStreamQuery(stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuStreamDestroy(NULL), CUDA_ERROR_INVALID_HANDLE);
}

int main(void) {
  CUdeviceptr p;
  EXPECT(cuMemAlloc(&p, 8), CUDA_ERROR_NOT_INITIALIZED);
  EXPECT(cuInit(0), CUDA_SUCCESS);
  contexts_are_a_stack_of_each_thread();
  memory_is_filled_with_words_of_every_width();
  long_fills_keep_their_pattern();
  copies_and_pointers();
  streams_and_events();
  puts("ok");
  return 0;
}
