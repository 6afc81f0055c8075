/* device.c - starting the library, drivers and their devices, the forked child, counters. */
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
ocu_device ocu_devices[OCU_MAX_DEVICES];
static _Atomic int n_devices;            /* of all drivers; the first n_visible are a C program's */
static int n_visible, first_device;      /* the device of a thread that has not chosen one */
static char bad_device[1100];            /* why OPENCU_DEVICE cannot be obeyed */
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

/* ---- drivers: the processor's own, the package's, those that were added ---------------------- */

enum { MAX_DRIVERS = 32 };
typedef struct {
  const char *name;
  const ocu_driver *table;               /* NULL: the CPU */
  bool opened;
  int first, count;
  char why[1000];                        /* it or devices of it are absent */
} driver;
static driver drivers[MAX_DRIVERS] = {{.name = "cpu"}};
static int n_drivers = 1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  /* of drivers, and devices being added */

static driver *find_driver(const char *name, size_t n) {
  for (driver *d = drivers; d < drivers + n_drivers; d++)
    if (strlen(d->name) == n && !memcmp(d->name, name, n)) return d;
  return NULL;
}

static ocu_status enter_driver(const ocu_driver *table) {
  driver *there = find_driver(table->name, strlen(table->name));
  if (there && there->table == table) return OCU_OK;
  if (there) return ocu_fail(OCU_INVALID_VALUE, "there is a driver '%s' already", table->name);
  if (n_drivers == MAX_DRIVERS)
    return ocu_fail(OCU_INVALID_VALUE, "there are %d drivers already", n_drivers);
  drivers[n_drivers++] = (driver){.name = table->name, .table = table};
  return OCU_OK;
}

ocu_status ocu_driver_add_sized(const ocu_driver *table, size_t bytes) {
  if (!table || bytes != sizeof *table)
    return ocu_fail(OCU_INVALID_VALUE, "a driver's table has %zu bytes, not %zu: it was built for "
                    "another opencu", sizeof *table, bytes);
  const void *const *must = (const void *const *)&table->open;
  for (; must < (const void *const *)&table->orders_default; must++)
    if (!*must && must != (const void *const *)&table->stream_query)
      return ocu_fail(OCU_INVALID_VALUE, "a driver's table lacks a function");
  pthread_mutex_lock(&lock);
  ocu_status e = enter_driver(table);
  pthread_mutex_unlock(&lock);
  return e;
}

/* Makes one device of a driver; or adds to its `why` why not. */
static void add_device(driver *d, int index) {
  int n = atomic_load(&n_devices);
  ocu_device_info info = ocu_cpu;
  ocu_status e = d->table ? d->table->info(index, &info) : OCU_OK;
  ocu_target *target = e ? NULL : ocu_target_of(info.target, d->table);
  if (n == OCU_MAX_DEVICES) e = ocu_fail(OCU_INVALID_VALUE, "there are %d devices already", n);
  if (!e && !target) e = ocu_fail(OCU_INVALID_VALUE, "there are too many targets");
  if (!e) {
    if (d->table) atomic_store(&ocu_native_devices, true);
    ocu_devices[n] = (ocu_device){d->table, index, info.threads, info.memory_total,
                                  !info.memory_free, target, 0};
    e = ocu_queue_add(n);
  }
  if (e) {
    size_t at = strlen(d->why);
    snprintf(d->why + at, sizeof d->why - at, "%s%.96s: %s", at ? "; " : "", info.name,
             ocu_error());
    return;
  }
  d->count++;
  atomic_store_explicit(&n_devices, n + 1, memory_order_release);
}

static driver *open_driver(const char *name, size_t bytes) {
  pthread_mutex_lock(&lock);
  driver *d = find_driver(name, bytes);
  if (d && !d->opened) {
    d->opened = true;
    d->first = atomic_load(&n_devices);
    int n = d->table ? d->table->open(d->why, sizeof d->why)
                     : ocu_env_number("OPENCU_CPU_DEVICES", "devices", 64, 1);
    for (int i = 0; i < n; i++) add_device(d, i);
  }
  pthread_mutex_unlock(&lock);
  return d;
}

const char *ocu_driver_open(const char *name, int *first, int *count) {
  if (ocu_start()) return NULL;
  driver *d = open_driver(name, strlen(name));
  *first = d ? d->first : 0;
  *count = d ? d->count : 0;
  return d ? d->why : "the core has no such driver";
}

/* Drivers that are libraries of their own: OPENCU_DRIVERS, with ':' between their paths. */
static void load_drivers(const char *paths) {
  for (const ocu_driver *const *d = ocu_own_drivers; d && *d; d++) enter_driver(*d);
  char *list = paths && *paths ? strdup(paths) : NULL, *rest;
  char *path = list ? strtok_r(list, ":", &rest) : NULL;
  for (; path; path = strtok_r(NULL, ":", &rest))
    if (!dlopen(path, RTLD_NOW)) fprintf(stderr, "opencu: OPENCU_DRIVERS: %s\n", dlerror());
  free(list);
}

/* OPENCU_DEVICE: "cpu", or "cpu:1" for a device that is not the first. */
static bool choose_device(const char *name) {
  size_t bytes = name ? strcspn(name, ":") : 3;
  driver *d = open_driver(name ? name : "cpu", bytes);
  char *end = NULL;
  const char *digits = name && name[bytes] ? name + bytes + 1 : "0";
  long n = *digits >= '0' && *digits <= '9' ? strtol(digits, &end, 10) : -1;
  if (d && n >= 0 && n < d->count && !*end) {
    n_visible = d->count;
    first_device = (int)n;
    return true;
  }
  if (!d) d = open_driver("cpu", 3);
  if (!d->count)
    snprintf(bad_device, sizeof bad_device, "OPENCU_DEVICE is '%.50s': %s", name, d->why);
  else
    snprintf(bad_device, sizeof bad_device,
             "OPENCU_DEVICE is '%.50s': expected %.50s, or %.50s:0 to %.50s:%d%s", name, d->name,
             d->name, d->name, d->count - 1,
             d->table ? "" : " (OPENCU_CPU_DEVICES shows the CPU as more devices)");
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
  if (!started) started = ocu_graph_start();
  if (!started) {
    load_drivers(secure_getenv("OPENCU_DRIVERS"));
    if (!choose_device(ocu_env("OPENCU_DEVICE"))) started = OCU_INVALID_DEVICE;
  }
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

int ocu_device_count(void) { return ocu_start() ? 0 : n_visible; }

ocu_status ocu_check_device(int device) {
  int n = atomic_load_explicit(&n_devices, memory_order_acquire);
  if (device >= 0 && device < n) return OCU_OK;
  return ocu_fail(OCU_INVALID_DEVICE, "device %d does not exist: there are %d, counted from 0",
                  device, n);
}

ocu_status ocu_device_query(int device, ocu_device_info *out) {
  OCU_ENTER();
  if (!out) return ocu_fail(OCU_INVALID_VALUE, "out is NULL");
  OCU_TRY(ocu_check_device(device));
  *out = ocu_cpu;
  const ocu_device *d = &ocu_devices[device];
  if (d->driver) {
    OCU_TRY(ocu_native_alive(device));
    *out = (ocu_device_info){0};
    OCU_TRY(ocu_native_seen(device, d->driver->info(d->index, out)));
    out->memory_free = ocu_native_free_bytes(device, out->memory_free);
  } else {
    out->memory_free = ocu_pool_free_bytes();
  }
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
  if (atomic_load(&ocu_graph_work)) OCU_TRY(ocu_capture_device_waited(device));
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
