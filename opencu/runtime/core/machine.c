/* machine.c - facts about the machine: processors, caches, memory, the limits of cgroups. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core.h"

/* The first bytes of a small text file; false if it cannot be read. */
static bool read_text(char *out, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool read_text(char *out, size_t bytes, const char *format, ...) {
  char path[1024];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(path, sizeof path, format, args);
  va_end(args);
  if (n < 0 || (size_t)n >= sizeof path) return false;
  FILE *f = fopen(path, "re");
  if (!f) return false;
  size_t got = fread(out, 1, bytes - 1, f);
  out[got] = 0;
  fclose(f);
  return got > 0;
}

/* The number behind a key at the start of a line; -1: not there. */
static int64_t field(const char *text, const char *key) {
  size_t n = strlen(key);
  for (const char *line = text; line; line = strchr(line, '\n')) {
    line += *line == '\n';
    if (!strncmp(line, key, n)) return strtoll(line + n + strspn(line + n, ": \t"), NULL, 10);
  }
  return -1;
}

/* ---- cgroups: a limit holds in a folder and in all above it ------------------------------- */

typedef void (*visit_fn)(const char *folder, bool v2, void *out);

static void visit_upwards(const char *mount, char *path, bool v2, visit_fn visit, void *out) {
  for (;;) {
    char folder[1024];
    if ((size_t)snprintf(folder, sizeof folder, "%s%s", mount, path) < sizeof folder)
      visit(folder, v2, out);
    char *slash = strrchr(path, '/');
    if (!slash) return;
    *slash = 0;  /* in a container the deep path may not be visible; the mount's root always is */
  }
}

static void each_cgroup(const char *root, const char *controller, visit_fn visit, void *out) {
  char text[4096], mount[512];
  if (!read_text(text, sizeof text, "%s/proc/self/cgroup", root)) return;
  char *rest = NULL;
  for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
    char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
    if (!path) continue;
    *path++ = 0;
    names++;
    if (!*names) {
      snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
      visit_upwards(mount, path, true, visit, out);
    }
    char *more = NULL;
    for (char *name = strtok_r(names, ",", &more); name; name = strtok_r(NULL, ",", &more))
      if (!strcmp(name, controller)) {
        snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/%s", root, controller);
        visit_upwards(mount, path, false, visit, out);
        break;
      }
  }
}

static void limit_memory(const char *folder, bool v2, void *out) {
  int64_t *total = out, *available = total + 1;
  char text[8192];
  const char *limit_file = v2 ? "memory.max" : "memory.limit_in_bytes";
  if (!read_text(text, sizeof text, "%s/%s", folder, limit_file)) return;
  char *end;
  int64_t limit = strtoll(text, &end, 10);
  if (end == text || limit <= 0) return;  /* "max" */
  const char *used_file = v2 ? "memory.current" : "memory.usage_in_bytes";
  int64_t used = read_text(text, sizeof text, "%s/%s", folder, used_file) ? atoll(text) : 0;
  if (read_text(text, sizeof text, "%s/memory.stat", folder)) {
    int64_t cache = field(text, v2 ? "inactive_file" : "total_inactive_file");
    if (cache > 0) used -= cache < used ? cache : used;  /* given back under pressure */
  }
  if (limit < *total) *total = limit;
  if (limit - used < *available) *available = limit > used ? limit - used : 0;
}

void ocu_machine_memory(const char *root, int64_t *total, int64_t *available) {
  int64_t found[2] = {0, 0};
  char text[4096];
  if (read_text(text, sizeof text, "%s/proc/meminfo", root)) {
    found[0] = field(text, "MemTotal") * 1024;
    found[1] = field(text, "MemAvailable") * 1024;
  }
  if (found[0] <= 0) found[0] = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
  if (found[1] <= 0) found[1] = (int64_t)sysconf(_SC_AVPHYS_PAGES) * sysconf(_SC_PAGESIZE);
  each_cgroup(root, "memory", limit_memory, found);
  *total = found[0];
  *available = found[1];
}

static void limit_cores(const char *folder, bool v2, void *out) {
  int *cores = out;
  char text[128], *end;
  int64_t quota, period;
  if (v2) {
    if (!read_text(text, sizeof text, "%s/cpu.max", folder)) return;
    quota = strtoll(text, &end, 10);
    if (end == text) return;  /* "max" */
    period = atoll(end);
  } else {
    if (!read_text(text, sizeof text, "%s/cpu.cfs_quota_us", folder)) return;
    quota = atoll(text);
    period = read_text(text, sizeof text, "%s/cpu.cfs_period_us", folder) ? atoll(text) : 0;
  }
  if (quota <= 0 || period <= 0) return;
  int64_t n = (quota + period - 1) / period;
  if (n < *cores) *cores = (int)n;
}

int ocu_machine_cores(const char *root) {
  int cores = 0;
  for (int room = 1024; room <= 1 << 20; room *= 4) {  /* EINVAL: more CPUs than the set holds */
    cpu_set_t *set = CPU_ALLOC(room);
    if (!set) break;
    if (!sched_getaffinity(0, CPU_ALLOC_SIZE(room), set))
      cores = CPU_COUNT_S(CPU_ALLOC_SIZE(room), set);
    CPU_FREE(set);
    if (cores) break;
  }
  if (cores < 1) cores = 1;
  each_cgroup(root, "cpu", limit_cores, &cores);
  return cores;
}

/* ---- the processor ------------------------------------------------------------------------- */

void ocu_machine_name(char *out, size_t bytes) {
  char text[4096];
  snprintf(out, bytes, "CPU");
  if (!read_text(text, sizeof text, "/proc/cpuinfo")) return;
  char *name = strstr(text, "model name");
  if (!name || !(name = strchr(name, ':'))) return;
  name += 1 + strspn(name + 1, " \t");
  snprintf(out, bytes, "%.*s", (int)strcspn(name, "\n"), name);
}

void ocu_machine_caches(int64_t *l1, int64_t *l2, int64_t *l3) {
  int64_t *size[] = {l1, l2, l3};
  const char *folder = "/sys/devices/system/cpu/cpu0/cache/index";
  for (int i = 0; i < 3; i++) *size[i] = 0;
  for (int i = 0; i < 8; i++) {
    char level[32], type[32], text[32];
    if (!read_text(level, sizeof level, "%s%d/level", folder, i)) continue;
    if (!read_text(type, sizeof type, "%s%d/type", folder, i) || type[0] == 'I') continue;
    if (!read_text(text, sizeof text, "%s%d/size", folder, i)) continue;
    char *unit;
    int64_t n = strtoll(text, &unit, 10);
    int at = atoi(level);
    int64_t scale = *unit == 'K' ? 1 << 10 : *unit == 'M' ? 1 << 20 : 1;
    if (at >= 1 && at <= 3) *size[at - 1] = n * scale;
  }
}

/* The best instruction set that the processor and the OS have; OPENCU_CPU_ISA may lower it. */
const char *ocu_machine_target(void) {
#if defined(__x86_64__)
  static const char *const targets[] = {"x86-64-sse2", "x86-64-avx2", "x86-64-avx512",
                                        "x86-64-avx512bf16"};
  int best = 0;
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi") &&
      __builtin_cpu_supports("bmi2"))
    best = 1;
  if (best == 1 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512cd"))
    best = 2;
  if (best == 2 && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16"))
    best = 3;
  const char *want = ocu_env("OPENCU_CPU_ISA");
  int most = 3;
  while (want && most >= 0 && strcmp(want, targets[most] + strlen("x86-64-"))) most--;
  if (most < 0)
    ocu_env_refuse("OPENCU_CPU_ISA", "avx512bf16, avx512, avx2 or sse2; using %s",
                   targets[best] + strlen("x86-64-"));
  return targets[most >= 0 && most < best ? most : best];
#else
  return "unknown";
#endif
}
