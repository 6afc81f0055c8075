/* workers.c - cases of test_workers.py. */
#include <immintrin.h>
#include <signal.h>
#include "core_test.h"

static _Atomic int ran[4096];
static pthread_t who[4096];

static void mark(const int64_t *params, int64_t pid, void *scratch) {
  (void)scratch;
  __atomic_store_n(&who[pid], pthread_self(), __ATOMIC_RELAXED);
  atomic_fetch_add(&ran[pid], 1);
  if (pid == params[2]) sleep_ms((int)params[3]);
  for (volatile int i = 0; i < 2000; i++) continue;
}

/* The thread that gets program 0 loses its core for a while; the other must take nearly all. */
static void dynamic(void) {
  OK(launch(NULL, mark, NULL, -1, 0, 400, LONG, OCU_CALL_SYNC)); /* wakes the worker */
  double t = seconds();
  OK(launch(NULL, mark, NULL, 0, 200, 400, LONG, OCU_CALL_SYNC));
  CHECK(seconds() - t < 0.4);
  int slow = 0, threads = 0;
  for (int i = 0; i < 400; i++) slow += !!pthread_equal(who[i], who[0]);
  for (int i = 0; i < 400; i++) threads += !pthread_equal(who[i], who[0]);
  CHECK(slow <= 8 && threads >= 392);
}

static void *many_launches(void *unused) {
  (void)unused;
  ocu_stream *s;
  OK(ocu_stream_create(0, OCU_STREAM_NONBLOCKING, &s));
  for (int i = 0; i < 300; i++) {
    int flags = i % 3 ? OCU_CALL_SYNC : 0;
    OK(launch(s, mark, NULL, -1, 0, 64, i % 2 ? LONG : SHORT, flags));
  }
  OK(ocu_stream_sync(s));
  return NULL;
}

static void every_program_once(void) {
  pthread_t t[20];  /* more launches at once than there are job slots */
  for (int i = 0; i < 20; i++) CHECK(!pthread_create(&t[i], NULL, many_launches, NULL));
  for (int i = 0; i < 20; i++) pthread_join(t[i], NULL);
  for (int i = 0; i < 64; i++) CHECK(atomic_load(&ran[i]) == 20 * 300);
}

static void cheap_programs(void) {
  enum { N = 4096 };
  OK(launch(NULL, mark, NULL, -1, 0, N, N * 100, OCU_CALL_SYNC));
  for (int i = 0; i < N; i++) CHECK(atomic_load(&ran[i]) == 1);
}

static void use_scratch(const int64_t *params, int64_t pid, void *scratch) {
  CHECK((uintptr_t)scratch % 64 == 0);
  memset(scratch, (int)pid, (size_t)params[2]);
  sleep_ms(1);
  for (int64_t i = 0; i < params[2]; i += 997) CHECK(((char *)scratch)[i] == (char)pid);
}

static void scratch(void) {
  for (int64_t bytes = 64; bytes <= 64 << 20; bytes *= 16) {
    const int64_t args[] = {(int64_t)(uintptr_t)use_scratch, 0, bytes, 0, 8, bytes, LONG};
    OK(ocu_call(NULL, &test_spec, args, 7, OCU_CALL_SYNC));
  }
  const int64_t args[] = {(int64_t)(uintptr_t)use_scratch, 0, 1, 0, 8, (int64_t)1 << 40, LONG};
  IS(OCU_OUT_OF_MEMORY, ocu_call(NULL, &test_spec, args, 7, OCU_CALL_SYNC));
}

static unsigned modes[64];
static void read_mode(const int64_t *params, int64_t pid, void *scratch) {
  (void)params, (void)scratch;
  modes[pid] = _mm_getcsr() & ~0x3fu;
  sleep_ms(1);
}

static void float_modes(void) {
  _mm_setcsr(0x1f80 | 0x8040 | 0x6000);  /* flush denormals, round towards zero */
  OK(launch(NULL, read_mode, NULL, 0, 0, 64, LONG, OCU_CALL_SYNC));
  OK(launch(NULL, read_mode, NULL, 0, 0, 1, SHORT, 0));
  for (int i = 0; i < 64; i++) CHECK(modes[i] == 0x1f80);
  CHECK((_mm_getcsr() & ~0x3fu) == (0x1f80 | 0x8040 | 0x6000));
}

static _Atomic int signals;
static pthread_t signalled;
static void on_signal(int n) {
  (void)n;
  signalled = pthread_self();
  atomic_fetch_add(&signals, 1);
}

static void signals_are_the_hosts(void) {
  sigset_t set, old;
  signal(SIGUSR1, on_signal);
  OK(launch(NULL, mark, NULL, -1, 0, 400, LONG, OCU_CALL_SYNC));
  OK(launch(NULL, mark, NULL, -1, 0, 400, LONG, 0));
  OK(ocu_stream_sync(NULL));
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, &old);
  kill(getpid(), SIGUSR1);  /* with this thread deaf, another one would get it */
  sleep_ms(50);
  CHECK(atomic_load(&signals) == 0);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  CHECK(atomic_load(&signals) == 1 && pthread_equal(signalled, pthread_self()));
}

static int count_threads(void) {
  char line[200];
  int n = -1;
  FILE *f = fopen("/proc/self/status", "r");
  while (f && fgets(line, sizeof line, f)) sscanf(line, "Threads: %d", &n);
  if (f) fclose(f);
  return n;
}

static void threads_start_when_needed(void) {
  ocu_device_info info;
  OK(ocu_device_query(0, &info));
  CHECK(info.threads == 3 && count_threads() == 1);
  OK(launch(NULL, mark, NULL, -1, 0, 64, SHORT, 0));
  CHECK(count_threads() == 1);
  OK(launch(NULL, mark, NULL, -1, 0, 64, LONG, OCU_CALL_SYNC));
  CHECK(count_threads() == 3);
}

int main(int argc, char **argv) {
  static const test_case cases[] = {
      CASE(dynamic), CASE(every_program_once), CASE(cheap_programs), CASE(scratch),
      CASE(float_modes), CASE(signals_are_the_hosts), CASE(threads_start_when_needed)};
  test_start();
  return run_cases(argc, argv, cases, sizeof cases / sizeof *cases);
}
