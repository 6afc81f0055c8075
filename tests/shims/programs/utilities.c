/* utilities.c - cuBLAS around the computing calls: versions, settings, logging, vectors and
 * matrices copied between host and device with steps and leading dimensions. */
#include <cublas_v2.h>
#include <cuda_runtime.h>

#include "check.h"

static void versions(cublasHandle_t handle) {
  int version, major, minor, patch;
  EXPECT(cublasGetVersion(handle, &version), CUBLAS_STATUS_SUCCESS);
  EXPECT(cublasGetProperty(MAJOR_VERSION, &major), CUBLAS_STATUS_SUCCESS);
  EXPECT(cublasGetProperty(MINOR_VERSION, &minor), CUBLAS_STATUS_SUCCESS);
  EXPECT(cublasGetProperty(PATCH_LEVEL, &patch), CUBLAS_STATUS_SUCCESS);
  EXPECT(major, OPENCU_CUDA_MAJOR);
  EXPECT(version, major * 10000 + minor * 100 + patch);
  EXPECT(cublasGetCudartVersion(), CUDART_VERSION);
  TRUE(!strcmp(cublasGetStatusName(CUBLAS_STATUS_INVALID_VALUE), "CUBLAS_STATUS_INVALID_VALUE"));
  TRUE(strlen(cublasGetStatusString((cublasStatus_t)99)) > 0);
}

static void settings(cublasHandle_t handle) {
  cudaStream_t stream, got;
  cublasMath_t math;
  cublasAtomicsMode_t atomics;
  int target;
  void *workspace;
  const cublasMath_t tf32 = CUBLAS_TF32_TENSOR_OP_MATH;
  EXPECT(cudaStreamCreate(&stream), cudaSuccess);
  EXPECT(cublasSetStream(handle, stream), CUBLAS_STATUS_SUCCESS);
  EXPECT(cublasGetStream(handle, &got), CUBLAS_STATUS_SUCCESS);
  TRUE(got == stream);
  EXPECT(cublasSetStream(handle, NULL), CUBLAS_STATUS_SUCCESS);
  EXPECT(cudaStreamDestroy(stream), cudaSuccess);
  EXPECT(cublasSetStream(handle, stream), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT(cublasSetMathMode(handle, tf32), CUBLAS_STATUS_SUCCESS);
  EXPECT(cublasGetMathMode(handle, &math), CUBLAS_STATUS_SUCCESS);
  EXPECT(math, tf32);
  EXPECT(cublasSetAtomicsMode(handle, CUBLAS_ATOMICS_ALLOWED), CUBLAS_STATUS_SUCCESS);
  EXPECT(cublasGetAtomicsMode(handle, &atomics), CUBLAS_STATUS_SUCCESS);
  EXPECT(atomics, CUBLAS_ATOMICS_ALLOWED);
  EXPECT(cublasSetSmCountTarget(handle, 3), CUBLAS_STATUS_SUCCESS);
  EXPECT(cublasGetSmCountTarget(handle, &target), CUBLAS_STATUS_SUCCESS);
  EXPECT(target, 3);
  EXPECT(cudaMalloc(&workspace, 1 << 20), cudaSuccess);
  EXPECT(cublasSetWorkspace(handle, workspace, 1 << 20), CUBLAS_STATUS_SUCCESS);
  EXPECT(cudaFree(workspace), cudaSuccess);
}

static char logged[256];
static void on_log(const char *line) { snprintf(logged, sizeof logged, "%s", line); }

static void logger(cublasHandle_t handle) {
  const double one = 1;
  cublasLogCallback got;
  EXPECT(cublasSetLoggerCallback(on_log), CUBLAS_STATUS_SUCCESS);
  EXPECT(cublasGetLoggerCallback(&got), CUBLAS_STATUS_SUCCESS);
  TRUE(got == on_log);
  cublasDgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 0, 5, 6, &one, NULL, 1, NULL, 6, &one, NULL, 1);
  TRUE(strstr(logged, "cublasDgemm_v2") && strstr(logged, "n=5"));
  EXPECT(cublasSetLoggerCallback(NULL), CUBLAS_STATUS_SUCCESS);
  EXPECT(cublasLoggerConfigure(1, 0, 0, "/no/such/folder/log"), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT(cublasLoggerConfigure(0, 0, 0, NULL), CUBLAS_STATUS_SUCCESS);
}

static void copies(void) {
  double host[24], back[24];
  void *device;
  for (int i = 0; i < 24; i++) host[i] = i, back[i] = -1;
  EXPECT(cudaMalloc(&device, sizeof host), cudaSuccess);
  EXPECT(cudaMemset(device, 0, sizeof host), cudaSuccess);
  /* 0 3 6 9 go to 0 2 4 6 on the device, and come back side by side */
  EXPECT(cublasSetVector(4, 8, host, 3, device, 2), CUBLAS_STATUS_SUCCESS);
  EXPECT(cublasGetVector_64(7, 8, device, 1, back, 1), CUBLAS_STATUS_SUCCESS);
  for (int i = 0; i < 7; i++) EXPECT(back[i], i % 2 ? 0 : i / 2 * 3);
  /* 3 x 4 with leading dimension 6 -> 3 on the device -> 5 */
  EXPECT(cublasSetMatrix(3, 4, 8, host, 6, device, 3), CUBLAS_STATUS_SUCCESS);
  EXPECT(cublasGetMatrixAsync(3, 4, 8, device, 3, back, 5, cudaStreamPerThread), 0);
  EXPECT(cudaStreamSynchronize(cudaStreamPerThread), cudaSuccess);
  for (int j = 0; j < 4; j++)
    for (int i = 0; i < 3; i++) EXPECT(back[i + 5 * j], i + 6 * j);
  EXPECT(back[23], -1);
  EXPECT(cublasSetVector(0, 8, NULL, 1, NULL, 1), CUBLAS_STATUS_SUCCESS);
  EXPECT(cudaFree(device), cudaSuccess);
}

int main(void) {
  cublasHandle_t handle;
  EXPECT(cublasCreate(&handle), CUBLAS_STATUS_SUCCESS);
  versions(handle);
  settings(handle);
  logger(handle);
  copies();
  EXPECT(cublasDestroy(handle), CUBLAS_STATUS_SUCCESS);
  puts("ok");
  return 0;
}
