/* sys.c - small helpers over the system: time, threads, futexes, slabs, reading files. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "core.h"

/* ---- what a thread owns, given back when it ends ------------------------------------------- */

_Thread_local ocu_thread ocu_self __attribute__((tls_model("initial-exec")));
static pthread_key_t owner;

static void give_back(void *unused) {
  (void)unused;
  free(ocu_self.scratch);
  free(ocu_self.message);
  ocu_self = (ocu_thread){.chosen = ocu_self.chosen};
}

static void make_key(void) { pthread_key_create(&owner, give_back); }

void ocu_self_owns(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_key);
  pthread_setspecific(owner, &ocu_self);
}

/* ---- time, threads and futexes -------------------------------------------------------------- */

int64_t ocu_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

void ocu_futex_wait(_Atomic uint32_t *word, uint32_t seen) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL);
}
void ocu_futex_wake(_Atomic uint32_t *word, int n) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n);
}

/* A thread of ours: detached, and deaf to the program's signals. */
int ocu_thread_spawn(void *(*main)(void *), void *arg) {
  sigset_t all, old;
  pthread_attr_t attr;
  pthread_t thread;
  sigfillset(&all);
  pthread_attr_init(&attr);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  int failed = pthread_create(&thread, &attr, main, arg);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  pthread_attr_destroy(&attr);
  return failed;
}

/* ---- slabs --------------------------------------------------------------------------------- */

ocu_status ocu_slab_start(ocu_slab *s, uint32_t size, uint32_t capacity) {
  s->base = mmap(NULL, (size_t)size * capacity, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  s->size = size;
  s->capacity = capacity;
  if (s->base == MAP_FAILED) return OCU_SYSTEM;
  ocu_keep(s->base, (size_t)size * capacity);
  return OCU_OK;
}

/* Reused late and oldest first, so that a stale handle is noticed. */
void *ocu_slab_take(ocu_slab *s, bool (*reusable)(const void *object)) {
  enum { REUSE_AFTER = 64 };
  uint32_t used = atomic_load(&s->used);
  void **p = s->first;
  if (p && (s->unused > REUSE_AFTER || used == s->capacity) && (!reusable || reusable(p))) {
    if (!(s->first = *p)) s->last = NULL;
    s->unused--;
    return p;
  }
  if (used == s->capacity) return NULL;
  atomic_store_explicit(&s->used, used + 1, memory_order_release);
  return ocu_slab_at(s, used);
}

void ocu_slab_give(ocu_slab *s, void *object) {
  void **p = object;
  *p = NULL;
  if (s->last) *s->last = p;
  else s->first = p;
  s->last = p;
  s->unused++;
}

void *ocu_slab_at(const ocu_slab *s, uint32_t i) { return s->base + (size_t)i * s->size; }

bool ocu_slab_holds(const ocu_slab *s, const void *p) {
  size_t offset = (size_t)((uintptr_t)p - (uintptr_t)s->base);
  return offset < (size_t)atomic_load_explicit(&s->used, memory_order_acquire) * s->size &&
         offset % s->size == 0;
}

/* ---- files --------------------------------------------------------------------------------- */

bool ocu_read_all(int fd, void *out, size_t bytes) {
  for (size_t at = 0; at < bytes;) {
    ssize_t n = read(fd, (char *)out + at, bytes - at);
    if (n > 0) at += (size_t)n;
    else if (n == 0 || errno != EINTR) return false;
  }
  return true;
}

/* A whole regular file in new memory; NULL if it is larger than the limit, or not a file. */
void *ocu_slurp(int fd, size_t limit, size_t *bytes) {
  struct stat st;
  if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= 0 || (size_t)st.st_size > limit)
    return NULL;
  *bytes = (size_t)st.st_size;
  void *out = malloc(*bytes);
  if (out && !lseek(fd, 0, SEEK_SET) && ocu_read_all(fd, out, *bytes)) return out;
  free(out);
  return NULL;
}
