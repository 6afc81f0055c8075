/* common.c - state and tables that all shim libraries of a process share. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared.h"

atomic_bool ocu_shim_started;

int ocu_shim_code(ocu_status status) {
  static const int codes[] = {
#include "cuda_status.inc"
  };
  _Static_assert(sizeof codes / sizeof *codes == OCU_UPDATE_FAILED + 1, "status.csv: a row each");
  return codes[status];
}

/* A page at a time; short texts lie in one page or two. */
int ocu_shim_text(const char *text) {
  for (;;) {
    uintptr_t left = 4096 - ((uintptr_t)text & 4095);
    if (!ocu_accessible(text, left, 0)) return 0;
    for (; left; left--, text++)
      if (!*text) return 1;
  }
}

/* ---- refusals -------------------------------------------------------------------------------- */

/* Is this the first time? What was said is remembered by its hash (FNV-1a). */
static int is_news(const char *name, const char *reason) {
  static _Atomic uint64_t said[1 << 14];
  enum { SAID = sizeof said / sizeof *said };
  uint64_t hash = 14695981039346656037u;
  for (const char *text = name; *text; text++) hash = (hash ^ (uint8_t)*text) * 1099511628211u;
  for (const char *text = reason; *text; text++) hash = (hash ^ (uint8_t)*text) * 1099511628211u;
  for (size_t i = 0; i < SAID; i++) {
    uint64_t there = 0;
    if (atomic_compare_exchange_strong(&said[(hash + i) % SAID], &there, hash)) return 1;
    if (there == hash) return 0;
  }
  return 1;
}

int ocu_shim_refuse(const char *name, const char *reason) {
  if (!reason) reason = "not implemented yet; refused";
  if (is_news(name, reason)) fprintf(stderr, "opencu: %s: %s\n", name, reason);
  const char *strict = getenv("OPENCU_STRICT");
  if (strict && *strict && strcmp(strict, "0")) abort();
  return CUDA_ERROR_NOT_SUPPORTED;
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

int ocu_shim_answer(int attribute, int device, const ocu_device_info *info) {
  int known;
  return answer(attribute, device, info, &known);
}

int ocu_shim_attribute(int *value, int attribute, int device) {
  ocu_device_info info;
  REQUIRE(OUT(value), CUDA_ERROR_INVALID_VALUE);
  CHECK(ocu_shim_code(ocu_device_query(device, &info)));
  int known = 1, result = answer(attribute, device, &info, &known);
  REQUIRE(known, CUDA_ERROR_INVALID_VALUE);
  *value = result;
  return CUDA_SUCCESS;
}

int ocu_shim_memory_info(size_t *free, size_t *total) {
  ocu_device_info info;
  REQUIRE(OPTIONAL_OUT(free) && OPTIONAL_OUT(total), CUDA_ERROR_INVALID_VALUE);
  CHECK(ocu_shim_code(ocu_device_query(ocu_device_get(), &info)));
  if (free) *free = (size_t)info.memory_free;
  if (total) *total = (size_t)info.memory_total;
  return CUDA_SUCCESS;
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
