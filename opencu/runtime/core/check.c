/* check.c - may these bytes be read, or written? The kernel is asked, so no answer is a crash. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "core.h"

/* A system call that reads eight bytes at p and then fails, as its first argument is no such thing.
 * Unlike process_vm_readv it is allowed in every sandbox. */
static bool readable(uintptr_t p) {
  int saved = errno;
  if (p < 8) return false;  /* to that call, NULL means nothing to read */
  bool ok = !syscall(SYS_rt_sigprocmask, ~0, p & ~(uintptr_t)7, NULL, (size_t)8) || errno != EFAULT;
  errno = saved;
  return ok;
}

/* Or zero into the aligned word around p, atomically: other threads may be writing it right now. */
static bool writable(uintptr_t p) {
  static uint32_t nobody;
  int saved = errno;
  uint32_t op = FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_EQ, 1);
  long r = syscall(SYS_futex, &nobody, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 0, (void *)0,
                   p & ~(uintptr_t)3, op);
  bool ok = r >= 0 || errno != EFAULT;
  errno = saved;
  return ok;
}

/* One mapping of this process, as Linux 6.11 and newer tell it (linux/fs.h: PROCMAP_QUERY). */
typedef struct {
  uint64_t size, query, address, start, end, permissions, page, offset, inode, unused[4];
} mapping;
enum { MAY_READ = 1, MAY_WRITE = 2 };

static int maps_file(void) {
  static _Atomic int file = -2;  /* -2: not opened yet */
  int fd = file;
  if (fd == -2) {
    fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    int first = -2;
    if (!atomic_compare_exchange_strong(&file, &first, fd)) {
      if (fd >= 0) close(fd);
      fd = first;
    }
  }
  return fd;
}

/* Asks about whole mappings where the kernel can answer that, else about every page; of a file too,
 * which may have become shorter than its mapping. */
static bool mapped(uintptr_t first, uintptr_t last, int write) {
  int saved = errno, fd = last - first < 4096 ? -1 : maps_file();
  for (uintptr_t at = first;;) {
    mapping m = {.size = sizeof m, .address = at};
    uintptr_t end;
    if (fd >= 0 && !ioctl(fd, _IOWR('f', 17, mapping), &m) && !m.inode) {
      if (!(m.permissions & (write ? MAY_WRITE : MAY_READ))) return false;
      end = m.end;
    } else {
      errno = saved;
      if (write ? !writable(at) : !readable(at)) return false;
      end = (at | 4095) + 1;
    }
    if (end > last || !end) return true;
    at = end;
  }
}

/* Between this frame and the thread's first: memory that is there as long as the call. */
static bool on_stack(uintptr_t first, uintptr_t last) {
  uintptr_t here = (uintptr_t)__builtin_frame_address(0);
  if (!ocu_self.stack_end) {
    pthread_attr_t attributes;
    void *low;
    size_t bytes;
    ocu_self.stack_end = ocu_self.stack_low = 1;  /* unknown */
    if (pthread_getattr_np(pthread_self(), &attributes)) return false;
    if (!pthread_attr_getstack(&attributes, &low, &bytes)) {
      ocu_self.stack_low = (uintptr_t)low;
      ocu_self.stack_end = (uintptr_t)low + bytes;
    }
    pthread_attr_destroy(&attributes);
  }
  return ocu_self.stack_low <= here && here <= first && last < ocu_self.stack_end;
}

/* Memory of opencu's own: a handle is an address in it, and no place for a result. */
static struct { _Atomic uintptr_t first, end; } own[64];  /* every library of ours has one */
static _Atomic unsigned n_own;

void ocu_keep(const void *p, size_t bytes) {
  unsigned i = atomic_fetch_add(&n_own, 1);
  if (i >= sizeof own / sizeof *own) abort();
  atomic_store(&own[i].end, (uintptr_t)p + bytes);
  atomic_store(&own[i].first, (uintptr_t)p);
}

static bool is_own(uintptr_t first, uintptr_t last) {
  for (unsigned i = 0; i < sizeof own / sizeof *own; i++)
    if (first < atomic_load(&own[i].end) && last >= atomic_load(&own[i].first)) return true;
  return false;
}

int ocu_accessible(const void *p, size_t bytes, int write) {
  uintptr_t first = (uintptr_t)p, last = first + bytes - 1;
  if (last < first || (write && is_own(first, last))) return 0;
  return on_stack(first, last) || mapped(first, last, write);
}

/* The program's own variables and constants, which it cannot unmap by accident. */
static struct { uintptr_t first, end; } program[8];
static int n_segments;

static int note_segments(struct dl_phdr_info *object, size_t size, void *unused) {
  (void)size, (void)unused;
  for (int i = 0; i < object->dlpi_phnum && n_segments < 8; i++) {
    const ElfW(Phdr) *s = &object->dlpi_phdr[i];
    if (s->p_type != PT_LOAD || !(s->p_flags & PF_R)) continue;
    program[n_segments].first = object->dlpi_addr + s->p_vaddr;
    program[n_segments++].end = object->dlpi_addr + s->p_vaddr + s->p_memsz;
  }
  return 1;  /* the first object is the program itself */
}

static void note_program(void) { dl_iterate_phdr(note_segments, NULL); }

/* A scalar of a call. Most lie where no question is needed: it would cost as much as a small
 * product does. */
bool ocu_scalar_readable(const void *p, size_t bytes) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  uintptr_t first = (uintptr_t)p, last = first + bytes - 1;
  if (last >= first && on_stack(first, last)) return true;
  pthread_once(&once, note_program);
  for (int i = 0; i < n_segments; i++)
    if (program[i].first <= first && first <= last && last < program[i].end) return true;
  return ocu_accessible(p, bytes, 0);
}

static ocu_status bad(const void *p, size_t bytes, const char *why) {
  return ocu_fail(OCU_ILLEGAL_ADDRESS, "the %zu bytes at %p %s", bytes, p, why);
}

ocu_status ocu_check(const void *p, size_t bytes, int write) {
  OCU_ENTER();
  if (!bytes) return OCU_OK;
  uintptr_t first = (uintptr_t)p, last = first + bytes - 1;
  ocu_pointer_info in;
  int found = ocu_find(p, &in);
  if (OCU_LIKELY(found > 0)) {
    if (bytes <= in.bytes - (first - (uintptr_t)in.base)) return OCU_OK;
    return bad(p, bytes, "reach beyond the end of their allocation");
  }
  if (found < 0) return bad(p, bytes, "lie in memory that was freed or never allocated");
  if (last < first || ocu_pool_overlaps(p, bytes) || is_own(first, last))
    return bad(p, bytes, "are not one range of memory");
  if (on_stack(first, last)) return OCU_OK;
  if (!mapped(first, last, 0)) return bad(p, bytes, "are not all mapped");
  if (write && !mapped(first, last, 1)) return bad(p, bytes, "may not be written");
  return OCU_OK;
}
