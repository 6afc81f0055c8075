/* cuda_stream.c - what the driver tells about streams; events. */
#include "cuda_driver.h"

static CUresult live(CUstream stream) {
  CHECK(ready());
  return ocu_stream_device(stream_of(stream)) >= 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuStreamGetFlags(CUstream hStream, unsigned int *flags) {
  CHECK(live(hStream));
  REQUIRE(OUT(flags), CUDA_ERROR_INVALID_VALUE);
  int nonblocking = ocu_stream_flags(stream_of(hStream)) & OCU_STREAM_NONBLOCKING;
  *flags = nonblocking ? CU_STREAM_NON_BLOCKING : CU_STREAM_DEFAULT;
  return CUDA_SUCCESS;
}

CUresult cuStreamGetPriority(CUstream hStream, int *priority) {
  CUlaunchAttributeValue value;
  CHECK(ready());
  REQUIRE(OUT(priority), CUDA_ERROR_INVALID_VALUE);
  CHECK((CUresult)ocu_shim_stream_get(stream_of(hStream), CU_LAUNCH_ATTRIBUTE_PRIORITY, &value));
  *priority = value.priority;
  return CUDA_SUCCESS;
}

CUresult cuStreamGetDevice(CUstream hStream, CUdevice *device) {
  CHECK(live(hStream));
  REQUIRE(OUT(device), CUDA_ERROR_INVALID_VALUE);
  *device = ocu_stream_device(stream_of(hStream));
  return CUDA_SUCCESS;
}

CUresult cuStreamGetCtx(CUstream hStream, CUcontext *pctx) {
  CHECK(live(hStream));
  REQUIRE(OUT(pctx), CUDA_ERROR_INVALID_VALUE);
  ocu_stream *stream = stream_of(hStream);
  CUcontext context = stream ? ocu_shim_stream_context(stream) : created_context();
  *pctx = context ? context : primary_context(ocu_stream_device(stream));
  return CUDA_SUCCESS;
}

/* ---- events --------------------------------------------------------------------------------- */

CUresult cuEventCreate(CUevent *phEvent, unsigned int Flags) {
  static atomic_bool said;
  CHECK(ready());
  REQUIRE(OUT(phEvent) && Flags <= 7, CUDA_ERROR_INVALID_VALUE);
  if (Flags & CU_EVENT_INTERPROCESS)
    return (CUresult)refused(&said, "cuEventCreate", "CU_EVENT_INTERPROCESS is not supported");
  int no_timing = Flags & CU_EVENT_DISABLE_TIMING ? OCU_EVENT_NO_TIMING : 0;
  return (CUresult)ocu_shim_code(
      ocu_event_create(ocu_device_get(), no_timing, (ocu_event **)phEvent));
}

/* An event that keeps no time, or was never recorded, is the wrong handle for this. */
CUresult cuEventElapsedTime_v2(float *pMilliseconds, CUevent hStart, CUevent hEnd) {
  CHECK(ready());
  REQUIRE(OUT(pMilliseconds), CUDA_ERROR_INVALID_VALUE);
  ocu_status status = ocu_event_elapsed(EVENT(hStart), EVENT(hEnd), pMilliseconds);
  return (CUresult)ocu_shim_code(status == OCU_INVALID_VALUE ? OCU_INVALID_HANDLE : status);
}
