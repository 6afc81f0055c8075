/* cudart_stream.c - streams and events. */
#include "cudart.h"

/* ---- streams --------------------------------------------------------------------------------- */

static int live(cudaStream_t stream) { return ocu_stream_device(stream_of(stream)) >= 0; }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *pStream, unsigned int flags) {
  return cudaStreamCreateWithPriority(pStream, flags, 0);
}

cudaError_t cudaStreamCreate(cudaStream_t *pStream) {
  return cudaStreamCreateWithPriority(pStream, cudaStreamDefault, 0);
}

/* Priorities are kept and told, clamped to their range; they do not change who runs first. */
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *pStream, unsigned int flags, int priority) {
  return end(ocu_shim_stream_create((ocu_stream **)pStream, flags, priority, NULL));
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *leastPriority, int *greatestPriority) {
  REQUIRE(OPTIONAL_OUT(leastPriority) && OPTIONAL_OUT(greatestPriority), cudaErrorInvalidValue);
  if (leastPriority) *leastPriority = SHIM_LEAST_PRIORITY;
  if (greatestPriority) *greatestPriority = SHIM_GREATEST_PRIORITY;
  return done(ocu_alive());
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) { return end(ocu_shim_stream_destroy(stream)); }

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
  cudaLaunchAttributeValue value;
  REQUIRE(OUT(priority), cudaErrorInvalidValue);
  int error = ocu_shim_stream_get(stream_of(hStream), cudaLaunchAttributePriority, &value);
  if (!error) *priority = value.priority;
  return end(error);
}

cudaError_t cudaStreamGetDevice(cudaStream_t hStream, int *device) {
  REQUIRE(OUT(device), cudaErrorInvalidValue);
  REQUIRE(live(hStream), cudaErrorInvalidResourceHandle);
  *device = ocu_stream_device(stream_of(hStream));
  return done(ocu_alive());
}

cudaError_t cudaStreamGetId(cudaStream_t hStream, unsigned long long *streamId) {
  return end(ocu_shim_stream_id(stream_of(hStream), streamId));
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

cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback,
                                  void *userData, unsigned int flags) {
  REQUIRE(flags == 0, cudaErrorInvalidValue);
  return end(ocu_shim_callback(stream, (shim_callback *)callback, userData));
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
