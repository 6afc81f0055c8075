/* check.c - may these bytes be read, or written? The kernel is asked, so no answer is a crash. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
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

/* Pages that are mapped without a hole; MS_ASYNC itself does nothing. */
static bool gapless(uintptr_t p, size_t bytes) {
  uintptr_t from = p & ~(uintptr_t)4095;
  int saved = errno;
  bool ok = !msync((void *)from, p + bytes - from, MS_ASYNC) || errno != ENOMEM;
  errno = saved;
  return ok;
}

static ocu_status bad(const void *p, size_t bytes, const char *why) {
  return ocu_fail(OCU_ILLEGAL_ADDRESS, "the %zu bytes at %p %s", bytes, p, why);
}

ocu_status ocu_check(const void *p, size_t bytes, int write) {
  OCU_ENTER();
  if (!bytes) return OCU_OK;
  uintptr_t first = (uintptr_t)p, last = first + bytes - 1;
  ocu_pointer_info in;
  int found = ocu_pool_find(p, &in);
  if (OCU_LIKELY(found > 0)) {
    if (bytes <= in.bytes - (first - (uintptr_t)in.base)) return OCU_OK;
    return bad(p, bytes, "reach beyond the end of their allocation");
  }
  if (found < 0) return bad(p, bytes, "lie in memory that was freed or never allocated");
  if (last < first || ocu_pool_overlaps(p, bytes))
    return bad(p, bytes, "are not one range of memory");
  bool one_page = first >> 12 == last >> 12;
  if (!readable(first) || (!one_page && (!readable(last) || !gapless(first, bytes))))
    return bad(p, bytes, "are not all mapped");
  if (write && (!writable(first) || (!one_page && !writable(last))))
    return bad(p, bytes, "may not be written");
  return OCU_OK;
}
