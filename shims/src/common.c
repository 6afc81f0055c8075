/* common.c - state and tables that all shim libraries of a process share. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda.h"
#include "shim.h"

atomic_bool ocu_shim_started;
_Thread_local int default_is_own; /* never set here */

/* ---- refusals -------------------------------------------------------------------------------- */

void ocu_shim_refuse(atomic_bool *said, const char *name, const char *reason) {
  if (!atomic_exchange(said, 1))
    fprintf(stderr, "opencu: %s: %s\n", name, reason ? reason : "not implemented yet; refused");
  const char *strict = getenv("OPENCU_STRICT");
  if (strict && !strcmp(strict, "1")) abort();
}

/* ---- errors, by number, in ascending order --------------------------------------------------- */

static const struct shim_error errors[] = {
#include "errors.inc"
};

static int by_code(const void *key, const void *entry) {
  int code = *(const int *)key, at = ((const struct shim_error *)entry)->code;
  return (code > at) - (code < at);
}

const struct shim_error *ocu_shim_error(int code) {
  return bsearch(&code, errors, sizeof errors / sizeof *errors, sizeof *errors, by_code);
}

/* ---- device attributes ----------------------------------------------------------------------- */

static int answer(int attribute, int device, const ocu_device_info *info, int *known) {
  switch (attribute) {
#include "attributes.inc"
  }
  return *known = 0;
}

int ocu_shim_answer(int attribute, int device, const ocu_device_info *info, int *value) {
  int known = 1, result = answer(attribute, device, info, &known);
  if (known) *value = result;
  return known;
}

void ocu_shim_uuid(int device, char uuid[16]) {
  static const char prefix[16] = "opencu-device-";
  memcpy(uuid, prefix, 16);
  uuid[14] = (char)(device >> 8);
  uuid[15] = (char)device;
}

/* The number on the bus is the device's own. */
int ocu_shim_bus_id(char *text, int length, int device) {
  if (device < 0 || device >= ocu_device_count()) return CUDA_ERROR_INVALID_DEVICE;
  if (length < 13 || !ocu_accessible(text, (size_t)length, 1)) return CUDA_ERROR_INVALID_VALUE;
  snprintf(text, (size_t)length, "0000:%02X:00.0", (unsigned)device & 0xff);
  return ocu_shim_code(ocu_alive());
}

int ocu_shim_device_at(int *device, const char *text) {
  unsigned domain = 0, bus = 0, slot = 0;
  if (!OUT(device) || !ocu_shim_text(text)) return CUDA_ERROR_INVALID_VALUE;
  if (sscanf(text, "%x:%x:%x", &domain, &bus, &slot) != 3) {
    domain = 0;
    if (sscanf(text, "%x:%x", &bus, &slot) != 2) return CUDA_ERROR_INVALID_VALUE;
  }
  if (domain || slot || bus >= (unsigned)ocu_device_count()) return CUDA_ERROR_INVALID_DEVICE;
  *device = (int)bus;
  return ocu_shim_code(ocu_alive());
}

/* ---- host functions that are told a stream and a status ------------------------------------- */

struct callback {
  shim_callback *function;
  void *stream, *data;
};

static void call_back(void *argument) {
  struct callback callback = *(struct callback *)argument;
  free(argument);
  callback.function(callback.stream, CUDA_SUCCESS, callback.data);
}

int ocu_shim_callback(void *stream, shim_callback *function, void *data) {
  struct callback *argument = function ? malloc(sizeof *argument) : NULL;
  if (!argument) return function ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_INVALID_VALUE;
  *argument = (struct callback){function, stream, data};
  ocu_status status = ocu_stream_host_call(stream_of(stream), call_back, argument);
  if (status != OCU_OK) free(argument);
  return ocu_shim_code(status);
}

/* ---- per-thread default streams, one for each device that the thread used -------------------- */

struct own_streams {
  int count;
  ocu_stream *stream[];
};

static pthread_key_t own_key;
static pthread_once_t own_once = PTHREAD_ONCE_INIT;
static int own_ready;

static void destroy_own(void *data) {
  struct own_streams *own = data;
  for (int i = 0; i < own->count; i++)
    if (own->stream[i]) ocu_stream_destroy(own->stream[i]);
  free(own);
}

static void make_key(void) { own_ready = pthread_key_create(&own_key, destroy_own) == 0; }

/* NULL when none can be made: the legacy stream orders work no less strictly. */
ocu_stream *ocu_shim_own_stream(void) {
  pthread_once(&own_once, make_key);
  if (!own_ready) return NULL;
  struct own_streams *own = pthread_getspecific(own_key);
  if (!own) {
    int count = ocu_device_count();
    own = calloc(1, sizeof *own + (size_t)count * sizeof *own->stream);
    if (!own) return NULL;
    own->count = count;
    if (pthread_setspecific(own_key, own)) {
      free(own);
      return NULL;
    }
  }
  int device = ocu_device_get();
  if (device < 0 || device >= own->count) return NULL;
  if (!own->stream[device]) ocu_stream_create(device, 0, &own->stream[device]);
  return own->stream[device];
}
