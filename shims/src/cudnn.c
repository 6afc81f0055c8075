/* cudnn.c - cuDNN's handle, version and messages: what programs ask for when they start, whether
 * or not they run a layer later. All else refuses (absent.c). */
#include <stdlib.h>

#include "shim.h"

enum { SUCCESS = 0, NOT_INITIALIZED = 1001, BAD_PARAM = 2000, NOT_SUPPORTED = 3000,
       INTERNAL_ERROR = 4000, EXECUTION_FAILED = 5000, VERSION = 92800, LIVE = 0x6e6e6463 };

typedef struct { uint32_t live; void *stream; } handle;

static int is_live(const handle *h) { return h && OUT(h) && h->live == LIVE; }

int cudnnCreate(handle **out) {
  if (!OUT(out)) return BAD_PARAM;
  ocu_shim_started = 1;
  if (ocu_device_count() < 1) return NOT_INITIALIZED;
  handle *h = malloc(sizeof *h);
  if (!h) return INTERNAL_ERROR;
  *h = (handle){.live = LIVE};
  *out = h;
  return SUCCESS;
}

int cudnnDestroy(handle *h) {
  if (!is_live(h)) return BAD_PARAM;
  h->live = 0;
  free(h);
  return SUCCESS;
}

int cudnnSetStream(handle *h, void *stream) {
  if (!is_live(h)) return BAD_PARAM;
  h->stream = stream;
  return SUCCESS;
}

int cudnnGetStream(handle *h, void **stream) {
  if (!is_live(h) || !OUT(stream)) return BAD_PARAM;
  *stream = h->stream;
  return SUCCESS;
}

size_t cudnnGetVersion(void) { return VERSION; }
size_t cudnnGetCudartVersion(void) { return SHIM_DRIVER_VERSION; }

int cudnnGetProperty(int type, int *value) {
  if (type < 0 || type > 2 || !OUT(value)) return BAD_PARAM;
  *value = (int[]){VERSION / 10000, VERSION / 100 % 100, VERSION % 100}[type];
  return SUCCESS;
}

const char *cudnnGetErrorString(int status) {
  switch (status) {
    case SUCCESS: return "CUDNN_STATUS_SUCCESS";
    case NOT_INITIALIZED: return "CUDNN_STATUS_NOT_INITIALIZED";
    case BAD_PARAM: return "CUDNN_STATUS_BAD_PARAM";
    case NOT_SUPPORTED: return "CUDNN_STATUS_NOT_SUPPORTED";
    case INTERNAL_ERROR: return "CUDNN_STATUS_INTERNAL_ERROR";
    case EXECUTION_FAILED: return "CUDNN_STATUS_EXECUTION_FAILED";
  }
  return "an unknown CUDNN_STATUS";
}
