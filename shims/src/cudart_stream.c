/* cudart_stream.c - streams and events. */
#include <stdlib.h>

#include "cudart.h"

/* ---- streams --------------------------------------------------------------------------------- */

static int live(cudaStream_t stream) { return ocu_stream_device(stream_of(stream)) >= 0; }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *pStream, unsigned int flags) {
  REQUIRE(OUT(pStream) && flags <= cudaStreamNonBlocking, cudaErrorInvalidValue);
  int nonblocking = flags == cudaStreamNonBlocking ? OCU_STREAM_NONBLOCKING : 0;
  return done(ocu_stream_create(ocu_device_get(), nonblocking, (ocu_stream **)pStream));
}

cudaError_t cudaStreamCreate(cudaStream_t *pStream) {
  return cudaStreamCreateWithFlags(pStream, cudaStreamDefault);
}

/* Priorities are not supported, as the range 0 to 0 says; other values are clamped to it. */
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *pStream, unsigned int flags, int priority) {
  (void)priority;
  return cudaStreamCreateWithFlags(pStream, flags);
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *leastPriority, int *greatestPriority) {
  REQUIRE(!leastPriority || OUT(leastPriority), cudaErrorInvalidValue);
  REQUIRE(!greatestPriority || OUT(greatestPriority), cudaErrorInvalidValue);
  if (leastPriority) *leastPriority = 0;
  if (greatestPriority) *greatestPriority = 0;
  return done(ocu_alive());
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  REQUIRE((uintptr_t)stream > 2, cudaErrorInvalidResourceHandle);
  return done(ocu_stream_destroy((ocu_stream *)stream));
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return done(ocu_stream_sync(stream_of(stream)));
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return done(ocu_stream_query(stream_of(stream)));
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags) {
  REQUIRE(flags == cudaEventWaitDefault, cudaErrorInvalidValue);
  return done(ocu_stream_wait(stream_of(stream), (ocu_event *)event));
}

cudaError_t cudaStreamGetFlags(cudaStream_t hStream, unsigned int *flags) {
  REQUIRE(OUT(flags), cudaErrorInvalidValue);
  REQUIRE(live(hStream), cudaErrorInvalidResourceHandle);
  int nonblocking = ocu_stream_flags(stream_of(hStream)) & OCU_STREAM_NONBLOCKING;
  *flags = nonblocking ? cudaStreamNonBlocking : cudaStreamDefault;
  return done(ocu_alive());
}

cudaError_t cudaStreamGetPriority(cudaStream_t hStream, int *priority) {
  REQUIRE(OUT(priority), cudaErrorInvalidValue);
  REQUIRE(live(hStream), cudaErrorInvalidResourceHandle);
  *priority = 0;
  return done(ocu_alive());
}

cudaError_t cudaStreamGetDevice(cudaStream_t hStream, int *device) {
  REQUIRE(OUT(device), cudaErrorInvalidValue);
  REQUIRE(live(hStream), cudaErrorInvalidResourceHandle);
  *device = ocu_stream_device(stream_of(hStream));
  return done(ocu_alive());
}

cudaError_t cudaStreamGetId(cudaStream_t hStream, unsigned long long *streamId) {
  REQUIRE(OUT(streamId), cudaErrorInvalidValue);
  REQUIRE(live(hStream), cudaErrorInvalidResourceHandle);
  ocu_stream *stream = stream_of(hStream);
  *streamId = stream ? (uintptr_t)stream : 1 + (unsigned)ocu_device_get();
  return done(ocu_alive());
}

/* No stream is ever capturing: cudaStreamBeginCapture is refused. */
cudaError_t cudaStreamIsCapturing(cudaStream_t stream,
                                  enum cudaStreamCaptureStatus *pCaptureStatus) {
  REQUIRE(OUT(pCaptureStatus), cudaErrorInvalidValue);
  REQUIRE(live(stream), cudaErrorInvalidResourceHandle);
  *pCaptureStatus = cudaStreamCaptureStatusNone;
  return done(ocu_alive());
}

/* ---- host functions -------------------------------------------------------------------------- */

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t fn, void *userData) {
  REQUIRE(fn, cudaErrorInvalidValue);
  return done(ocu_stream_host_call(stream_of(stream), fn, userData));
}

struct callback {
  cudaStreamCallback_t function;
  cudaStream_t stream;
  void *data;
};

static void call_back(void *argument) {
  struct callback callback = *(struct callback *)argument;
  free(argument);
  callback.function(callback.stream, cudaSuccess, callback.data);
}

cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback,
                                  void *userData, unsigned int flags) {
  REQUIRE(callback && flags == 0, cudaErrorInvalidValue);
  struct callback *argument = malloc(sizeof *argument);
  REQUIRE(argument, cudaErrorMemoryAllocation);
  *argument = (struct callback){callback, stream, userData};
  ocu_status status = ocu_stream_host_call(stream_of(stream), call_back, argument);
  if (status != OCU_OK) free(argument);
  return done(status);
}

/* ---- events ---------------------------------------------------------------------------------- */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned int flags) {
  const unsigned known = cudaEventBlockingSync | cudaEventDisableTiming | cudaEventInterprocess;
  REQUIRE(OUT(event) && !(flags & ~known), cudaErrorInvalidValue);
  if (flags & cudaEventInterprocess)
    REFUSE_ARGUMENT("cudaEventCreateWithFlags", "cudaEventInterprocess is not supported");
  int no_timing = flags & cudaEventDisableTiming ? OCU_EVENT_NO_TIMING : 0;
  return done(ocu_event_create(ocu_device_get(), no_timing, (ocu_event **)event));
}

cudaError_t cudaEventCreate(cudaEvent_t *event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return done(ocu_event_record((ocu_event *)event, stream_of(stream)));
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned int flags) {
  REQUIRE(flags == cudaEventRecordDefault, cudaErrorInvalidValue);
  return cudaEventRecord(event, stream);
}

cudaError_t cudaEventQuery(cudaEvent_t event) { return done(ocu_event_query((ocu_event *)event)); }

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return done(ocu_event_sync((ocu_event *)event));
}

/* An event that keeps no time, or was never recorded, is the wrong handle for this. */
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start, cudaEvent_t end) {
  REQUIRE(OUT(ms), cudaErrorInvalidValue);
  ocu_status status = ocu_event_elapsed((ocu_event *)start, (ocu_event *)end, ms);
  return done(status == OCU_INVALID_VALUE ? OCU_INVALID_HANDLE : status);
}

#if OPENCU_CUDA_MAJOR == 12
cudaError_t cudaEventElapsedTime_v2(float *ms, cudaEvent_t start, cudaEvent_t end) {
  return cudaEventElapsedTime(ms, start, end);
}
#endif

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return done(ocu_event_destroy((ocu_event *)event));
}
