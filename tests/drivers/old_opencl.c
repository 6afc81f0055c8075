/* An OpenCL library with all names and one device, which takes no SPIR-V. */
#include <stdint.h>
#include <string.h>

int clGetPlatformIDs(unsigned n, void **out, unsigned *found) {
  static int platform;
  if (n) *out = &platform;
  return *found = 1, 0;
}

int clGetDeviceIDs(void *platform, uint64_t type, unsigned n, void **out, unsigned *found) {
  static int device;
  if (n) *out = &device;
  return *found = 1, 0;
}

int clGetDeviceInfo(void *device, unsigned what, size_t bytes, void *out, size_t *size) {
  if (what == 0x102B) strcpy(out, "Old Chip");
  else if (what == 0x102F) strcpy(out, "OpenCL 2.1 old");
  else return -30;
  return 0;
}

#define NOT_CALLED(name) int name(void) { __builtin_trap(); }
NOT_CALLED(clGetEventInfo) NOT_CALLED(clGetEventProfilingInfo) NOT_CALLED(clFinish)
NOT_CALLED(clGetProgramBuildInfo) NOT_CALLED(clFlush) NOT_CALLED(clReleaseMemObject)
NOT_CALLED(clReleaseCommandQueue) NOT_CALLED(clReleaseEvent) NOT_CALLED(clReleaseProgram)
NOT_CALLED(clRetainEvent) NOT_CALLED(clReleaseKernel) NOT_CALLED(clWaitForEvents) NOT_CALLED(clEnqueueMarkerWithWaitList)
NOT_CALLED(clEnqueueBarrierWithWaitList) NOT_CALLED(clSetEventCallback)
NOT_CALLED(clSetUserEventStatus) NOT_CALLED(clEnqueueCopyBufferRect)
NOT_CALLED(clEnqueueReadBufferRect) NOT_CALLED(clEnqueueWriteBufferRect)
NOT_CALLED(clEnqueueFillBuffer) NOT_CALLED(clBuildProgram) NOT_CALLED(clSetKernelArg)
NOT_CALLED(clSetKernelArgSVMPointer) NOT_CALLED(clEnqueueNDRangeKernel) NOT_CALLED(clCreateContext)
NOT_CALLED(clCreateCommandQueueWithProperties) NOT_CALLED(clCreateBuffer)
NOT_CALLED(clCreateUserEvent) NOT_CALLED(clCreateProgramWithIL) NOT_CALLED(clCreateKernel)
NOT_CALLED(clSVMAlloc) NOT_CALLED(clSVMFree)
