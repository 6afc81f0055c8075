/* cublas.c - handles and logging of cuBLAS. */
#include "cublas.h"
#include "gemm.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

/* ---- handles --------------------------------------------------------------------------------- */

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  if (!is_live(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  ocu_status status = ocu_stream_sync(stream_of(handle->stream));
  atomic_store(&handle->kind, HANDLE_FREE);
  /* The stream may be gone by now, as it may before NVIDIA's cublasDestroy. */
  return status == OCU_INVALID_HANDLE ? CUBLAS_STATUS_SUCCESS : finish(status, "cublasDestroy_v2");
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
  return TELL(userCallback, log_to.callback);
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
