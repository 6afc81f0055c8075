/* cublasLt.c - handles and logging of cuBLASLt. */
#include "cublasLt_internal.h"

#include <pthread.h>
#include <stdarg.h>

/* A cuBLAS handle is not ours to destroy. */
cublasStatus_t cublasLtDestroy(cublasLtHandle_t lightHandle) {
  if (handle_kind(lightHandle) != HANDLE_LT) return CUBLAS_STATUS_NOT_INITIALIZED;
  atomic_store(&((struct cublasContext *)lightHandle)->kind, HANDLE_FREE);
  return CUBLAS_STATUS_SUCCESS;
}

/* ---- logging --------------------------------------------------------------------------------- */

static atomic_uint log_mask; /* bit i: level i + 1 */
static atomic_bool log_disabled;
static FILE *log_file; /* NULL: stdout, as documented */
static int log_file_is_ours;
static cublasLtLoggerCallback_t log_callback;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

void log_at(int level, const char *function, const char *format, ...) {
  unsigned mask = atomic_load_explicit(&log_mask, memory_order_relaxed);
  if (__builtin_expect(!(mask >> (level - 1) & 1) || log_disabled, 1)) return;
  char line[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  pthread_mutex_lock(&log_lock);
  cublasLtLoggerCallback_t callback = log_callback;
  FILE *file = log_file ? log_file : callback ? NULL : stdout;
  if (file) fprintf(file, "[cublasLt][%d][%s] %s\n", level, function, line), fflush(file);
  pthread_mutex_unlock(&log_lock);
  if (callback) callback(level, function, line);
}

static void set_file(FILE *file, int ours) {
  pthread_mutex_lock(&log_lock);
  if (log_file && log_file_is_ours) fclose(log_file);
  log_file = file;
  log_file_is_ours = ours;
  pthread_mutex_unlock(&log_lock);
}

cublasStatus_t cublasLtLoggerSetFile(FILE *file) {
  set_file(file, 0);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtLoggerOpenFile(const char *logFile) {
  FILE *file = ocu_shim_text(logFile) ? fopen(logFile, "a") : NULL;
  if (!file) return CUBLAS_STATUS_INVALID_VALUE;
  set_file(file, 1);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtLoggerSetCallback(cublasLtLoggerCallback_t callback) {
  pthread_mutex_lock(&log_lock);
  log_callback = callback;
  pthread_mutex_unlock(&log_lock);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtLoggerSetMask(int mask) {
  if (mask < 0 || mask > 31) return CUBLAS_STATUS_INVALID_VALUE;
  log_mask = (unsigned)mask;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtLoggerForceDisable(void) {
  log_disabled = 1;
  return CUBLAS_STATUS_SUCCESS;
}
