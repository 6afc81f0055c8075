/* cublas.c - handles, settings, versions and logging of cuBLAS. */
#include "cublas.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#if OPENCU_CUDA_MAJOR == 12
enum { VERSION_MINOR = 9, VERSION_PATCH = 3, CUDART = 12090 };
#else
enum { VERSION_MINOR = 10, VERSION_PATCH = 0, CUDART = 13000 };
#endif

/* ---- how calls end --------------------------------------------------------------------------- */

static const cublasStatus_t status_map[] = {
#include "cublas_status.inc"
};
_Static_assert(sizeof status_map / sizeof *status_map == OCU_SYSTEM + 1, "status.csv: a row each");

cublasStatus_t finish(ocu_status status, const char *name) {
  static atomic_bool said;
  if (status == OCU_NO_PLAN || status == OCU_SYSTEM || status == OCU_UNSUPPORTED)
    ocu_shim_refuse(&said, name, ocu_error());
  return status_map[status];
}

int refused(atomic_bool *said, const char *name, const char *reason) {
  ocu_shim_refuse(said, name, reason);
  return CUBLAS_STATUS_NOT_SUPPORTED;
}

static const struct {
  cublasStatus_t status;
  const char *name, *text;
} statuses[] = {
    {CUBLAS_STATUS_SUCCESS, "CUBLAS_STATUS_SUCCESS", "success"},
    {CUBLAS_STATUS_NOT_INITIALIZED, "CUBLAS_STATUS_NOT_INITIALIZED",
     "the library was not initialized"},
    {CUBLAS_STATUS_ALLOC_FAILED, "CUBLAS_STATUS_ALLOC_FAILED", "the resource allocation failed"},
    {CUBLAS_STATUS_INVALID_VALUE, "CUBLAS_STATUS_INVALID_VALUE",
     "an unsupported value or parameter was passed to the function"},
    {CUBLAS_STATUS_ARCH_MISMATCH, "CUBLAS_STATUS_ARCH_MISMATCH",
     "the function requires a feature absent from the device"},
    {CUBLAS_STATUS_MAPPING_ERROR, "CUBLAS_STATUS_MAPPING_ERROR",
     "an access to device memory failed"},
    {CUBLAS_STATUS_EXECUTION_FAILED, "CUBLAS_STATUS_EXECUTION_FAILED",
     "the function failed to run on the device"},
    {CUBLAS_STATUS_INTERNAL_ERROR, "CUBLAS_STATUS_INTERNAL_ERROR",
     "an internal operation failed"},
    {CUBLAS_STATUS_NOT_SUPPORTED, "CUBLAS_STATUS_NOT_SUPPORTED",
     "the functionality requested is not supported"},
    {CUBLAS_STATUS_LICENSE_ERROR, "CUBLAS_STATUS_LICENSE_ERROR", "the licence check failed"},
};

const char *cublasGetStatusName(cublasStatus_t status) {
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    if (statuses[i].status == status) return statuses[i].name;
  return "unknown status";
}

const char *cublasGetStatusString(cublasStatus_t status) {
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    if (statuses[i].status == status) return statuses[i].text;
  return "unknown status";
}

/* ---- handles --------------------------------------------------------------------------------- */

struct cublasContext handles[HANDLES];

/* The search goes on where the last one ended: a destroyed handle stays unknown for long. */
static atomic_uint next_handle;

cublasStatus_t cublasCreate_v2(cublasHandle_t *handle) {
  if (!OUT(handle)) return CUBLAS_STATUS_INVALID_VALUE;
  ocu_status status = ocu_alive();
  if (status != OCU_OK) return finish(status, "cublasCreate_v2");
  for (int i = 0; i < HANDLES; i++) {
    struct cublasContext *slot = &handles[atomic_fetch_add(&next_handle, 1) % HANDLES];
    int free = 0;
    if (!atomic_compare_exchange_strong(&slot->live, &free, 1)) continue;
    slot->stream = NULL;
    slot->pointer_mode = CUBLAS_POINTER_MODE_HOST;
    slot->math = CUBLAS_DEFAULT_MATH;
    slot->atomics = CUBLAS_ATOMICS_NOT_ALLOWED;
    slot->sm_target = 0;
    *handle = slot;
    return CUBLAS_STATUS_SUCCESS;
  }
  return CUBLAS_STATUS_ALLOC_FAILED;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  if (!is_live(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  ocu_status status = ocu_stream_sync(stream_of(handle->stream));
  atomic_store(&handle->live, 0);
  /* The stream may be gone by now, as it may before NVIDIA's cublasDestroy. */
  return status == OCU_INVALID_HANDLE ? CUBLAS_STATUS_SUCCESS : finish(status, "cublasDestroy_v2");
}

/* ---- versions -------------------------------------------------------------------------------- */

cublasStatus_t cublasGetProperty(libraryPropertyType type, int *value) {
  const int parts[] = {OPENCU_CUDA_MAJOR, VERSION_MINOR, VERSION_PATCH};
  if (!OUT(value) || (unsigned)type > PATCH_LEVEL) return CUBLAS_STATUS_INVALID_VALUE;
  *value = parts[type];
  return CUBLAS_STATUS_SUCCESS;
}

/* As documented, the version needs no handle. */
cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int *version) {
  (void)handle;
  if (!OUT(version)) return CUBLAS_STATUS_INVALID_VALUE;
  *version = OPENCU_CUDA_MAJOR * 10000 + VERSION_MINOR * 100 + VERSION_PATCH;
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
