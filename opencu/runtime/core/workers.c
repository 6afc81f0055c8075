/* workers.c - the team of compute threads.
 *
 * A launch is a job: the calling thread and the workers take its programs from one counter, so that
 * a thread whose core is busy with something else simply takes fewer. Jobs live in static slots
 * that a late worker may look at without harm; `users` says how many are inside.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include "core.h"

enum {
  N_JOBS = 16,             /* launches that workers help at once; one more runs on its caller */
  SPIN_NS = 30000,         /* how long a thread looks for work before it sleeps, at least; */
  SPIN_MOST_NS = 1000000,  /* half a job's time after it, at most this: waking may take as long */
  ALONE_AWAKE_NS = 4000,   /* a shorter launch is not worth sharing with a spinning worker, */
  ALONE_ASLEEP_NS = 12000, /* or with one that must be woken first */
  STEP_NS = 2000,          /* programs shorter than this are taken several at a time */
};
static const size_t scratch_most = (size_t)256 << 20;

typedef struct {
  _Alignas(64) _Atomic uint32_t taken, open, users, waiting;
  ocu_kernel fn;
  const int64_t *params;
  int64_t programs, step, spin;
  size_t scratch;
  _Alignas(64) _Atomic int64_t next;
} job;

static job jobs[N_JOBS];
static _Alignas(64) _Atomic uint32_t posted;   /* counts jobs; sleeping workers wait on it */
static _Alignas(64) _Atomic uint32_t asleep;
static _Atomic uint32_t n_workers;

/* Where each worker sleeps. A kernel may wake it on the very core that woke it and leave it there,
 * behind its caller, for several milliseconds; so who wakes it sends it away first. */
enum { AWAKE = -1, MOVING = -2, MOVED = -3, N_SEATS = 64 };
static struct {
  _Atomic int core;
  int thread;
  cpu_set_t allowed;   /* what it was moved from, and goes back to */
} seats[N_SEATS];
static pthread_once_t workers_once = PTHREAD_ONCE_INIT;

static inline void pause_cpu(void) {
#if defined(__x86_64__)
  _mm_pause();
#else
  atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* Spin until *word differs from `seen`; false after so many nanoseconds. */
static bool spin_while(_Atomic uint32_t *word, uint32_t seen, int64_t most) {
  int64_t began = ocu_now();
  do {
    for (int i = 0; i < 32; i++) {
      if (atomic_load_explicit(word, memory_order_acquire) != seen) return true;
      pause_cpu();
    }
  } while (ocu_now() - began < most);
  return false;
}

/* ---- scratch: one buffer for each thread, kept and grown ----------------------------------- */

static bool need_scratch(size_t bytes) {
  if (OCU_LIKELY(bytes <= ocu_self.scratch_bytes)) return true;
  if (bytes > scratch_most) return false;
  const size_t huge = 2 << 20;
  size_t unit = bytes < huge ? 1 << 16 : huge, size = (bytes + unit - 1) & -unit;
  free(ocu_self.scratch);
  ocu_self.scratch_bytes = 0;
  if (!(ocu_self.scratch = aligned_alloc(unit, size))) return false;
  if (unit == huge) madvise(ocu_self.scratch, size, MADV_HUGEPAGE);
  ocu_self.scratch_bytes = size;
  ocu_self_owns();
  return true;
}

/* ---- running programs ---------------------------------------------------------------------- */

/* Kernels run with the default rounding and denormals on: a host built with -ffast-math must not
 * change results, nor make them depend on the thread. */
static inline uint32_t plain_floats(void) {
#if defined(__x86_64__)
  uint32_t was = _mm_getcsr();
  if ((was & ~0x3fu) != 0x1f80) _mm_setcsr(0x1f80);
  return was;
#else
  return 0;
#endif
}

static inline void restore_floats(uint32_t was) {
#if defined(__x86_64__)
  if ((was & ~0x3fu) != 0x1f80) _mm_setcsr(was);
#else
  (void)was;
#endif
}

static bool share(job *j) {
  bool worked = false;
  int64_t pid;
  while ((pid = atomic_fetch_add_explicit(&j->next, j->step, memory_order_relaxed)) < j->programs) {
    int64_t end = j->programs - pid < j->step ? j->programs : pid + j->step;
    for (worked = true; pid < end; pid++) j->fn(j->params, pid, ocu_self.scratch);
  }
  return worked;
}

static bool help(job *j, int64_t *spin) {
  bool worked = false;
  if (!atomic_load_explicit(&j->open, memory_order_relaxed)) return false;
  atomic_fetch_add(&j->users, 1);  /* before looking again: the owner closes, then counts users */
  if (atomic_load(&j->open) && need_scratch(j->scratch)) {
    *spin = j->spin;
    worked = share(j);
  }
  if (atomic_fetch_sub(&j->users, 1) == 1 && atomic_load(&j->waiting)) ocu_futex_wake(&j->users, 1);
  return worked;
}

static cpu_set_t cores;   /* the process's; the first caller may have been pinned since */

void ocu_team_start(void) {
  if (sched_getaffinity(0, sizeof cores, &cores)) CPU_ZERO(&cores);
}

static void send_away(void) {
  int here = sched_getcpu(), n = ocu_cpu.threads - 1;
  for (int i = 0; i < n && i < N_SEATS; i++) {
    int core = here;
    if (here < 0 || !atomic_compare_exchange_strong(&seats[i].core, &core, MOVING)) continue;
    cpu_set_t elsewhere;
    int moved = AWAKE;
    if (!sched_getaffinity(seats[i].thread, sizeof elsewhere, &elsewhere)) {
      seats[i].allowed = elsewhere;
      CPU_CLR(here, &elsewhere);
      if (CPU_COUNT(&elsewhere) &&
          !sched_setaffinity(seats[i].thread, sizeof elsewhere, &elsewhere))
        moved = MOVED;
    }
    atomic_store(&seats[i].core, moved);
  }
}

static void sleep_on(_Atomic uint32_t *word, uint32_t seen, int seat) {
  _Atomic int *core = seat < N_SEATS ? &seats[seat].core : NULL;
  if (core) atomic_store(core, sched_getcpu());
  atomic_fetch_add(&asleep, 1);
  ocu_futex_wait(word, seen);
  atomic_fetch_sub(&asleep, 1);
  if (!core) return;
  int was = atomic_load(core);
  while (was == MOVING || !atomic_compare_exchange_strong(core, &was, AWAKE)) {
    sched_yield();  /* the sender may have lost its core in the middle of it */
    was = atomic_load(core);
  }
  if (was == MOVED) sched_setaffinity(0, sizeof seats->allowed, &seats[seat].allowed);
}

static void *worker_main(void *number) {
  int seat = (int)(intptr_t)number;
  if (seat < N_SEATS) seats[seat].thread = (int)syscall(SYS_gettid);
  if (CPU_COUNT(&cores)) sched_setaffinity(0, sizeof cores, &cores);
  plain_floats();
  for (int64_t spin = SPIN_NS;;) {
    uint32_t seen = atomic_load(&posted);
    bool worked = false;
    for (int i = 0; i < N_JOBS; i++) worked |= help(&jobs[i], &spin);
    if (worked || spin_while(&posted, seen, spin)) continue;
    spin = SPIN_NS;
    sleep_on(&posted, seen, seat);
  }
  return NULL;
}

static void start_workers(void) {
  for (int i = 0; i < N_SEATS; i++) atomic_store(&seats[i].core, AWAKE);
  for (intptr_t i = 1; i < ocu_cpu.threads; i++)
    if (!ocu_thread_spawn(worker_main, (void *)(i - 1))) atomic_fetch_add(&n_workers, 1);
}

static job *take_slot(void) {
  for (int i = 0; i < N_JOBS; i++) {
    uint32_t none = 0;
    if (!atomic_load_explicit(&jobs[i].taken, memory_order_relaxed) &&
        atomic_compare_exchange_strong(&jobs[i].taken, &none, 1))
      return &jobs[i];
  }
  return NULL;
}

static void close_slot(job *j) {
  atomic_store(&j->open, 0);
  uint32_t users = atomic_load(&j->users);
  while (users && spin_while(&j->users, users, j->spin)) users = atomic_load(&j->users);
  if (users) {
    /* Asleep, so that a worker which lost its core to another process may have ours. */
    atomic_store(&j->waiting, 1);
    while ((users = atomic_load(&j->users))) ocu_futex_wait(&j->users, users);
    atomic_store(&j->waiting, 0);
  }
  atomic_store(&j->taken, 0);
}

static void run_shared(job *j, ocu_kernel fn, const ocu_work *w) {
  int64_t each = w->cost / w->programs + 1, most = w->programs / (ocu_cpu.threads * 32) + 1;
  int64_t step = STEP_NS / each + 1;
  j->fn = fn;
  j->params = w->params;
  j->programs = w->programs;
  int64_t spin = w->cost / ocu_cpu.threads / 2;
  j->step = step < most ? step : most;
  j->spin = spin < SPIN_NS ? SPIN_NS : spin > SPIN_MOST_NS ? SPIN_MOST_NS : spin;
  j->scratch = (size_t)w->scratch;
  atomic_store_explicit(&j->next, 0, memory_order_relaxed);
  atomic_store(&j->open, 1);
  atomic_fetch_add(&posted, 1);
  if (atomic_load(&asleep)) {
    int64_t others = w->programs - 1, team = ocu_cpu.threads - 1;
    send_away();
    ocu_futex_wake(&posted, (int)(others < team ? others : team));
  }
  share(j);
  close_slot(j);
}

ocu_status ocu_team_run(ocu_kernel fn, const ocu_work *w) {
  if (!need_scratch((size_t)w->scratch))
    return ocu_fail(OCU_OUT_OF_MEMORY, "%lld bytes of scratch for a thread cannot be had",
                    (long long)w->scratch);
  uint32_t floats = plain_floats();
  job *j = NULL;
  if (w->programs > 1 && ocu_cpu.threads > 1 && w->cost > ALONE_AWAKE_NS) {
    pthread_once(&workers_once, start_workers);
    bool all_asleep = atomic_load(&asleep) >= atomic_load(&n_workers);
    if (!all_asleep || w->cost > ALONE_ASLEEP_NS) j = take_slot();
  }
  if (j) run_shared(j, fn, w);
  else
    for (int64_t pid = 0; pid < w->programs; pid++) fn(w->params, pid, ocu_self.scratch);
  restore_floats(floats);
  return OCU_OK;
}
