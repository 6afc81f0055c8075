/* pack.c - the plans that came with the package, in lib/plans.pack:
 *
 *   "OCUPACK1", uint32 count, uint32 0, count x { uint64 offset, uint64 bytes }, plans
 *
 * Headers are read once; a plan is read when it is wanted. Read, not mapped: a file that someone
 * shortens under a mapping kills the program.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core.h"

typedef struct { char target[32]; ocu_spec spec; uint64_t offset, bytes; } entry;
static entry *index_;
static uint32_t n_entries;

static int open_pack(void) {
  char path[PATH_MAX];
  int n = snprintf(path, sizeof path, "%s/lib/plans.pack", ocu_package_path());
  return (size_t)n < sizeof path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

static void read_index(void) {
  struct { char magic[8]; uint32_t count, zero; } head;
  int fd = open_pack();
  if (fd < 0) return;
  if (ocu_read_all(fd, &head, sizeof head) && !memcmp(head.magic, "OCUPACK1", 8) &&
      head.count < 1 << 20 && (index_ = calloc(head.count + 1, sizeof *index_))) {
    for (uint32_t i = 0; i < head.count; i++) {
      uint64_t where[2];
      ocu_plan_header h;
      if (pread(fd, where, sizeof where, (off_t)(sizeof head + i * sizeof where)) != sizeof where)
        break;
      if (where[0] > INT64_MAX || pread(fd, &h, sizeof h, (off_t)where[0]) != sizeof h) continue;
      if (where[1] != h.bytes || memcmp(h.build_id, ocu_build_id(), 16)) continue;  /* stale */
      entry *e = &index_[n_entries++];
      *e = (entry){.spec = h.spec, .offset = where[0], .bytes = where[1]};
      memcpy(e->target, h.target, sizeof e->target);
    }
  }
  close(fd);
}

bool ocu_pack_read(const char *target, const ocu_spec *spec, void **plan, size_t *bytes) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, read_index);
  for (uint32_t i = 0; i < n_entries; i++) {
    const entry *e = &index_[i];
    if (memcmp(&e->spec, spec, sizeof *spec)) continue;
    if (strncmp(e->target, target, sizeof e->target)) continue;
    int fd = open_pack();
    if (fd < 0) return false;
    *plan = e->bytes < 1 << 26 ? malloc(e->bytes) : NULL;
    *bytes = e->bytes;
    bool ok = *plan && pread(fd, *plan, *bytes, (off_t)e->offset) == (ssize_t)*bytes;
    close(fd);
    if (!ok) free(*plan);
    return ok;
  }
  return false;
}
