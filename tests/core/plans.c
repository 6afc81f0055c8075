/* plans.c - cases of test_store.py and test_planner.py: programs that look for plans. */
#include <errno.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <signal.h>
#include "core_test.h"

static int64_t ran;
static void kernel(const int64_t *params, int64_t pid, void *scratch) {
  (void)pid, (void)scratch;
  ran += params[2];
}

static ocu_status call(int flags) { return launch(NULL, kernel, NULL, 1, 0, 1, SHORT, flags); }

/* Says what a program sees: status, counters, store, message. */
static void report(ocu_status e) {
  char error[1024];
  snprintf(error, sizeof error, "%s", e ? ocu_error() : "");
  printf("%s mapped=%lld stored=%lld calls=%lld store=%s ran=%lld error=%s\n", ocu_status_name(e),
         (long long)ocu_counter("plans.mapped"), (long long)ocu_counter("plans.stored"),
         (long long)ocu_counter("planner.calls"), ocu_store_path(), (long long)ran,
         error);
  fflush(stdout);
}

static void store(void) {
  test_plan_bytes p = test_plan();
  OK(ocu_plan_store(&p, sizeof p));
  report(call(OCU_CALL_NO_PLANNER));
}

static void find(void) { report(call(OCU_CALL_NO_PLANNER)); }
static void ask(void) { report(call(0)); }

static void ask_twice(void) {
  ask();
  sleep_ms(1500);
  ocu_spec other = test_spec;
  other.f[15] = 1;
  const int64_t args[7] = {(int64_t)(uintptr_t)kernel, 0, 1, 0, 1, 0, 0};
  report(ocu_call(NULL, &other, args, 7, 0));
}

static void write_plan(void) {  /* what the stand-in planner answers with */
  test_plan_bytes p = test_plan();
  fwrite(&p, sizeof p, 1, stdout);
}

static void *ask_in_thread(void *unused) {
  (void)unused;
  IS(OCU_OK, call(0));
  return NULL;
}

static void threads_ask(void) {
  pthread_t t[8];
  for (int i = 0; i < 8; i++) CHECK(!pthread_create(&t[i], NULL, ask_in_thread, NULL));
  for (int i = 0; i < 8; i++) pthread_join(t[i], NULL);
  report(ocu_stream_sync(NULL));
}

static _Atomic int children;
static void on_child(int n) {
  (void)n;
  atomic_fetch_add(&children, 1);
}

/* A host that waits for children, and counts their signals, never sees the planner start or end. */
static void unseen(void) {
  signal(SIGCHLD, on_child);
  OK(call(0));
  CHECK(wait(NULL) == -1 && errno == ECHILD);
  sleep_ms(1500);  /* the planner leaves after a second here */
  CHECK(wait(NULL) == -1 && errno == ECHILD);
  CHECK(atomic_load(&children) == 0);
  report(OCU_OK);
}

static void privileges(void) { puts(getauxval(AT_SECURE) ? "raised" : "plain"); }

static void maps(void) {
  char line[500];
  FILE *f = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, f)) fputs(line, stdout);
  fclose(f);
}

int main(int argc, char **argv) {
  static const test_case cases[] = {CASE(store), CASE(find), CASE(ask), CASE(ask_twice),
                                    CASE(write_plan), CASE(threads_ask), CASE(unseen), CASE(maps),
                                    CASE(privileges)};
  return run_cases(argc, argv, cases, sizeof cases / sizeof *cases);
}
