/* cpu.c - the processor itself: address space by mmap, work on the team of workers. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include "core.h"

void *ocu_cpu_reserve(size_t *bytes) {
  const size_t huge = 2 << 20;
  /* PROT_NONE costs no memory even where the system refuses to overcommit. */
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  char *p = mmap(NULL, *bytes + huge, PROT_NONE, flags, -1, 0);
  if (p == MAP_FAILED) return NULL;
  p += -(uintptr_t)p & (huge - 1);
  madvise(p, *bytes, MADV_HUGEPAGE);
  return p;
}

bool ocu_cpu_commit(void *p, size_t bytes) {
  return !mprotect(p, bytes, PROT_READ | PROT_WRITE);
}

void ocu_cpu_release(void *p, size_t bytes) {
  madvise(p, bytes, MADV_DONTNEED);
  mprotect(p, bytes, PROT_NONE);
}

/* Bytes of the range that have memory or swap behind them. mincore would not do: it counts pages
 * that were only read, and these share one page of zeros. */
size_t ocu_cpu_resident(const void *p, size_t bytes) {
  FILE *f = fopen("/proc/self/smaps", "re");
  if (!f) return 0;
  uintptr_t from = (uintptr_t)p, to = from + bytes;
  size_t kib = 0, n;
  bool inside = false;
  char line[512];
  while (fgets(line, sizeof line, f)) {
    unsigned long start, end;
    if (sscanf(line, "%lx-%lx ", &start, &end) == 2) inside = start >= from && end <= to;
    else if (inside && (sscanf(line, "Rss: %zu", &n) == 1 || sscanf(line, "Swap: %zu", &n) == 1))
      kib += n;
  }
  fclose(f);
  return kib << 10;
}

int64_t ocu_cpu_available(void) {
  int64_t total, free_bytes;
  ocu_machine_memory("", &total, &free_bytes);
  return free_bytes;
}

/* ---- copies and fills: long rows are cut so that the workers share them -------------------- */

enum { PIECE = 1 << 18 };  /* bytes of a row for one program: fits a core's L2 */

static int64_t pieces(const ocu_rect *r) { return ((int64_t)r->width + PIECE - 1) / PIECE; }

static void fill_row(char *dst, uint64_t pattern, size_t n) {
  if (pattern == (pattern & 255) * 0x0101010101010101) {
    memset(dst, (int)(pattern & 255), n);
    return;
  }
  for (; n >= sizeof pattern; dst += sizeof pattern, n -= sizeof pattern)
    memcpy(dst, &pattern, sizeof pattern);
  memcpy(dst, &pattern, n);
}

static void rect_kernel(const int64_t *params, int64_t pid, void *scratch) {
  (void)scratch;
  const ocu_rect *r = (const void *)params;
  size_t row = (size_t)(pid / pieces(r)), from = (size_t)(pid % pieces(r)) * PIECE;
  size_t n = r->width - from < PIECE ? r->width - from : PIECE;
  char *dst = r->dst + row * r->dst_pitch + from;
  if (r->src) memcpy(dst, r->src + row * r->src_pitch + from, n);
  else fill_row(dst, r->pattern, n);
}

ocu_status ocu_cpu_fill(const ocu_rect *r) {
  return ocu_team_run(rect_kernel, &(ocu_work){
      .params = (const void *)r, .programs = pieces(r) * (int64_t)r->height,
      .cost = (int64_t)(r->width * r->height) / 8});  /* 8 bytes a nanosecond */
}

ocu_status ocu_cpu_copy(const ocu_rect *r) {
  if (r->dst == r->src && r->dst_pitch == r->src_pitch) return OCU_OK;
  size_t dst_span = r->dst_pitch * (r->height - 1) + r->width;
  size_t src_span = r->src_pitch * (r->height - 1) + r->width;
  bool apart = r->dst + dst_span <= r->src || r->src + src_span <= r->dst;
  if (apart) return ocu_cpu_fill(r);
  for (size_t i = 0; i < r->height; i++)  /* overlapping: one thread, row by row */
    memmove(r->dst + i * r->dst_pitch, r->src + i * r->src_pitch, r->width);
  return OCU_OK;
}

/* ---- code ---------------------------------------------------------------------------------- */

/* Anonymous memory, since a file in a noexec home cannot be mapped executable; never writable and
 * executable at once. */
const void *ocu_cpu_load(const void *code, size_t bytes) {
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return NULL;
  memcpy(p, code, bytes);
  if (!mprotect(p, bytes, PROT_READ | PROT_EXEC)) return p;
  munmap(p, bytes);
  return NULL;
}

void ocu_cpu_unload(const void *code, size_t bytes) { munmap((void *)code, bytes); }

ocu_status ocu_cpu_launch(const ocu_work *w) {
  ocu_kernel entry = (ocu_kernel)(uintptr_t)((const char *)w->code + w->entry);
  return ocu_team_run(entry, w);
}
