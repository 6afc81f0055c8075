/* cublas.c - handles, settings, versions and logging of cuBLAS. */
#include "cublas.h"
#include "gemm.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

/* ---- handles --------------------------------------------------------------------------------- */

cublasStatus_t cublasCreate_v2(cublasHandle_t *handle) {
  if (!OUT(handle)) return CUBLAS_STATUS_INVALID_VALUE;
  ocu_status status = ocu_alive();
  if (status != OCU_OK) return finish(status, "cublasCreate_v2");
  struct cublasContext *slot = ocu_shim_handle(HANDLE_CUBLAS);
  if (!slot) return CUBLAS_STATUS_ALLOC_FAILED;
  *handle = slot;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  if (!is_live(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  ocu_status status = ocu_stream_sync(stream_of(handle->stream));
  atomic_store(&handle->kind, HANDLE_FREE);
  /* The stream may be gone by now, as it may before NVIDIA's cublasDestroy. */
  return status == OCU_INVALID_HANDLE ? CUBLAS_STATUS_SUCCESS : finish(status, "cublasDestroy_v2");
}

/* ---- versions -------------------------------------------------------------------------------- */

const char *cublasGetStatusName(cublasStatus_t status) { return status_name(status); }
const char *cublasGetStatusString(cublasStatus_t status) { return status_text(status); }

cublasStatus_t cublasGetProperty(libraryPropertyType type, int *value) {
  return property(type, value);
}

/* As documented, the version needs no handle. */
cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int *version) {
  (void)handle;
  if (!OUT(version)) return CUBLAS_STATUS_INVALID_VALUE;
  *version = VERSION;
  return CUBLAS_STATUS_SUCCESS;
}

size_t cublasGetCudartVersion(void) { return CUDART; }

/* ---- settings -------------------------------------------------------------------------------- */

#define CHECK(condition) \
  do { \
    if (!is_live(handle)) return CUBLAS_STATUS_NOT_INITIALIZED; \
    if (!(condition)) return CUBLAS_STATUS_INVALID_VALUE; \
  } while (0)

#define SETTER(function, type, field, valid) \
  cublasStatus_t function(cublasHandle_t handle, type value) { \
    CHECK(valid); \
    handle->field = value; \
    return CUBLAS_STATUS_SUCCESS; \
  }
#define GETTER(function, type, field) \
  cublasStatus_t function(cublasHandle_t handle, type *value) { \
    CHECK(OUT(value)); \
    *value = handle->field; \
    return CUBLAS_STATUS_SUCCESS; \
  }

/* Every mode allows at least what we do: full precision in the type of the operands. */
static int math_exists(cublasMath_t mode) {
  unsigned base = (unsigned)mode & ~(unsigned)CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
  return base <= CUBLAS_FP32_EMULATED_BF16X9_MATH || base == CUBLAS_FP64_EMULATED_FIXEDPOINT_MATH;
}

SETTER(cublasSetStream_v2, cudaStream_t, stream, ocu_stream_device(stream_of(value)) >= 0)
GETTER(cublasGetStream_v2, cudaStream_t, stream)
SETTER(cublasSetPointerMode_v2, cublasPointerMode_t, pointer_mode,
       (unsigned)value <= CUBLAS_POINTER_MODE_DEVICE)
GETTER(cublasGetPointerMode_v2, cublasPointerMode_t, pointer_mode)
SETTER(cublasSetMathMode, cublasMath_t, math, math_exists(value))
GETTER(cublasGetMathMode, cublasMath_t, math)
SETTER(cublasSetAtomicsMode, cublasAtomicsMode_t, atomics,
       (unsigned)value <= CUBLAS_ATOMICS_ALLOWED)
GETTER(cublasGetAtomicsMode, cublasAtomicsMode_t, atomics)
SETTER(cublasSetSmCountTarget, int, sm_target, value >= 0)
GETTER(cublasGetSmCountTarget, int, sm_target)
SETTER(cublasSetEmulationStrategy, cublasEmulationStrategy_t, emulation,
       (unsigned)value <= CUBLAS_EMULATION_STRATEGY_EAGER)
GETTER(cublasGetEmulationStrategy, cublasEmulationStrategy_t, emulation)
SETTER(cublasSetEmulationSpecialValuesSupport, cudaEmulationSpecialValuesSupport, special_values,
       (unsigned)value <= CUDA_EMULATION_SPECIAL_VALUES_SUPPORT_DEFAULT)
GETTER(cublasGetEmulationSpecialValuesSupport, cudaEmulationSpecialValuesSupport, special_values)
SETTER(cublasSetFixedPointEmulationMantissaControl, cudaEmulationMantissaControl, mantissa_control,
       (unsigned)value <= CUDA_EMULATION_MANTISSA_CONTROL_FIXED)
GETTER(cublasGetFixedPointEmulationMantissaControl, cudaEmulationMantissaControl, mantissa_control)
SETTER(cublasSetFixedPointEmulationMaxMantissaBitCount, int, mantissa_bits, value >= 0)
GETTER(cublasGetFixedPointEmulationMaxMantissaBitCount, int, mantissa_bits)
SETTER(cublasSetFixedPointEmulationMantissaBitOffset, int, mantissa_offset, 1)
GETTER(cublasGetFixedPointEmulationMantissaBitOffset, int, mantissa_offset)

cublasStatus_t cublasSetFixedPointEmulationMantissaBitCountPointer(cublasHandle_t handle,
                                                                   int *mantissaBitCount) {
  CHECK(1);
  if (!mantissaBitCount) return CUBLAS_STATUS_SUCCESS;
  return refuse("cublasSetFixedPointEmulationMantissaBitCountPointer",
                "mantissaBitCount: nothing is emulated or counted");
}

cublasStatus_t cublasGetFixedPointEmulationMantissaBitCountPointer(cublasHandle_t handle,
                                                                   int **mantissaBitCount) {
  CHECK(OUT(mantissaBitCount));
  *mantissaBitCount = NULL;
  return CUBLAS_STATUS_SUCCESS;
}

/* Checked and not needed: kernels keep their scratch in the worker threads. */
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void *workspace,
                                     size_t workspaceSizeInBytes) {
  CHECK((workspace || !workspaceSizeInBytes) && (uintptr_t)workspace % 256 == 0);
  return CUBLAS_STATUS_SUCCESS;
}

/* ---- logging --------------------------------------------------------------------------------- */

atomic_bool logging;
static struct {
  int on, to_stdout, to_stderr;
  FILE *file;
  cublasLogCallback callback;
} log_to;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static void update_logging(void) { logging = log_to.on || log_to.callback; }

cublasStatus_t cublasLoggerConfigure(int logIsOn, int logToStdOut, int logToStdErr,
                                     const char *logFileName) {
  if (logFileName && !ocu_shim_text(logFileName)) return CUBLAS_STATUS_INVALID_VALUE;
  FILE *file = logFileName && *logFileName ? fopen(logFileName, "a") : NULL;
  if (logFileName && *logFileName && !file) return CUBLAS_STATUS_INVALID_VALUE;
  pthread_mutex_lock(&log_lock);
  if (log_to.file) fclose(log_to.file);
  log_to.on = logIsOn;
  log_to.to_stdout = logToStdOut;
  log_to.to_stderr = logToStdErr;
  log_to.file = file;
  update_logging();
  pthread_mutex_unlock(&log_lock);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetLoggerCallback(cublasLogCallback userCallback) {
  pthread_mutex_lock(&log_lock);
  log_to.callback = userCallback;
  update_logging();
  pthread_mutex_unlock(&log_lock);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetLoggerCallback(cublasLogCallback *userCallback) {
  if (!OUT(userCallback)) return CUBLAS_STATUS_INVALID_VALUE;
  *userCallback = log_to.callback;
  return CUBLAS_STATUS_SUCCESS;
}

void log_line(const char *format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  pthread_mutex_lock(&log_lock);
  cublasLogCallback callback = log_to.callback;
  FILE *files[] = {log_to.to_stdout ? stdout : NULL, log_to.to_stderr ? stderr : NULL, log_to.file};
  for (int i = 0; log_to.on && i < 3; i++)
    if (files[i]) fprintf(files[i], "%s\n", line), fflush(files[i]);
  pthread_mutex_unlock(&log_lock);
  if (callback) callback(line);
}
