/* device.c - starting the library, devices, the forked child, counters. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core.h"

_Atomic int ocu_state = OCU_COLD;
bool ocu_debug_launches, ocu_debug_times;
ocu_device_info ocu_cpu;
int ocu_n_devices = 1;
static int first_device;                 /* of a thread that has not chosen one */
static char bad_device[200];             /* why OPENCU_DEVICE cannot be obeyed */
_Atomic int64_t ocu_plans_mapped, ocu_plans_stored, ocu_planner_calls;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static ocu_status started = OCU_SYSTEM;
static _Atomic bool begun;

/* Threads, queues and locks of the parent mean nothing here: from now on every call is refused. */
static void in_child(void) {
  if (atomic_load(&begun)) atomic_store(&ocu_state, OCU_DEAD);
}

static bool listed(const char *list, const char *word, size_t n) {
  for (; list && *list; list += *list == ',') {
    size_t len = strcspn(list, ",");
    if (len == n && !memcmp(list, word, n)) return true;
    list += len;
  }
  return false;
}

/* OPENCU_DEBUG; the last three words are the compiler's. */
static void choose_debug(const char *list) {
  static const char known[] = "launches,times,ir,llvm,asm";
  char used[sizeof known] = "";
  bool wrong = false;
  for (const char *word = list; word && *word; word += *word == ',') {
    size_t n = strcspn(word, ","), at = strlen(used);
    if (!listed(known, word, n)) wrong = true;
    else if (!listed(used, word, n))
      snprintf(used + at, sizeof used - at, "%s%.*s", at ? "," : "", (int)n, word);
    word += n;
  }
  if (wrong)
    ocu_env_refuse("OPENCU_DEBUG", "a list of %s; using %s", known, *used ? used : "none of them");
  ocu_debug_times = listed(used, "times", 5);
  ocu_debug_launches = ocu_debug_times || listed(used, "launches", 8);
}

/* OPENCU_DEVICE: "cpu", or "cpu:1" for a device that is not the first. */
static bool choose_device(const char *name) {
  if (!name || !strcmp(name, "cpu")) return true;
  char *end = NULL;
  bool number = !strncmp(name, "cpu:", 4) && name[4] >= '0' && name[4] <= '9';
  long n = number ? strtol(name + 4, &end, 10) : -1;
  if (n >= 0 && n < ocu_n_devices && !*end) {
    first_device = (int)n;
    return true;
  }
  snprintf(bad_device, sizeof bad_device,
           "OPENCU_DEVICE is '%.50s': expected cpu, or cpu:0 to cpu:%d (OPENCU_CPU_DEVICES shows "
           "the CPU as more devices)", name, ocu_n_devices - 1);
  fprintf(stderr, "opencu: %s\n", bad_device);  /* a C program would only see a status */
  return false;
}

/* Threads of ours outlive a dlclose of the library, so its code must stay mapped. */
static void stay_loaded(void) {
  Dl_info self;
  if (dladdr((void *)&stay_loaded, &self) && self.dli_fname)
    dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

static void start(void) {
  atomic_store(&begun, true);
  pthread_atfork(NULL, NULL, in_child);
  stay_loaded();
  choose_debug(ocu_env("OPENCU_DEBUG"));
  ocu_n_devices = ocu_env_number("OPENCU_CPU_DEVICES", "devices", OCU_MAX_DEVICES, 1);
  if (!choose_device(ocu_env("OPENCU_DEVICE"))) {
    started = OCU_INVALID_DEVICE;
    return;
  }
  int64_t available;
  ocu_machine_name(ocu_cpu.name, sizeof ocu_cpu.name);
  strcpy(ocu_cpu.target, ocu_machine_target());
  ocu_machine_caches(&ocu_cpu.l1, &ocu_cpu.l2, &ocu_cpu.l3);
  ocu_machine_memory("", &ocu_cpu.memory_total, &available);
  ocu_cpu.cores = ocu_machine_cores("");
  ocu_team_start();
  ocu_cpu.threads = ocu_env_number("OPENCU_THREADS", "threads", 1024, ocu_cpu.cores);
  started = ocu_pool_start();
  if (!started) started = ocu_queue_start();
  if (!started) started = ocu_event_start();
  int cold = OCU_COLD;  /* a fork in the middle of this stays dead */
  if (!started) atomic_compare_exchange_strong(&ocu_state, &cold, OCU_READY);
}

ocu_status ocu_start(void) {
  if (atomic_load(&ocu_state) == OCU_COLD) pthread_once(&once, start);
  if (atomic_load(&ocu_state) == OCU_DEAD)
    return ocu_fail(OCU_FORKED, "opencu was in use before fork(): its devices belong to the parent "
                                "process; use them there, or start this process with exec");
  if (started == OCU_INVALID_DEVICE) return ocu_fail(started, "%s", bad_device);
  if (started) return ocu_fail(started, "opencu could not reserve address space at its start; "
                                        "raise the limit on virtual memory (ulimit -v)");
  return OCU_OK;
}

ocu_status ocu_alive(void) {
  OCU_ENTER();
  return OCU_OK;
}

int ocu_device_count(void) { return ocu_start() ? 0 : ocu_n_devices; }

ocu_status ocu_check_device(int device) {
  if (device >= 0 && device < ocu_n_devices) return OCU_OK;
  return ocu_fail(OCU_INVALID_DEVICE, "device %d does not exist: there are %d, counted from 0",
                  device, ocu_n_devices);
}

ocu_status ocu_device_query(int device, ocu_device_info *out) {
  OCU_ENTER();
  if (!out) return ocu_fail(OCU_INVALID_VALUE, "out is NULL");
  OCU_TRY(ocu_check_device(device));
  *out = ocu_cpu;
  out->memory_free = ocu_pool_free_bytes();
  return OCU_OK;
}

ocu_status ocu_device_set(int device) {
  OCU_ENTER();
  OCU_TRY(ocu_check_device(device));
  ocu_self.chosen = device + 1;
  return OCU_OK;
}

int ocu_device_get(void) { return ocu_self.chosen ? ocu_self.chosen - 1 : first_device; }

ocu_status ocu_device_sync(int device) {
  OCU_ENTER();
  OCU_TRY(ocu_check_device(device));
  return ocu_wait_device(device);
}

ocu_spec ocu_last_spec(void) { return ocu_self.missing; }

int64_t ocu_counter(const char *name) {
  if (!name || ocu_start()) return -1;
  int64_t launches, inlined;
  ocu_count_launches(&launches, &inlined);
  const struct { const char *name; int64_t value; } counters[] = {
      {"plans.mapped", atomic_load(&ocu_plans_mapped)},
      {"plans.stored", atomic_load(&ocu_plans_stored)},
      {"planner.calls", atomic_load(&ocu_planner_calls)},
      {"launches", launches},
      {"launches.inline", inlined},
      {"memory.in_use", atomic_load(&ocu_pool_in_use)},
      {"memory.committed", atomic_load(&ocu_pool_committed)},
      {"memory.cached", atomic_load(&ocu_pool_cached)},
  };
  for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
    if (!strcmp(name, counters[i].name)) return counters[i].value;
  return -1;
}
