/* process.c - cases of test_process.py: fork, exit, unloading. */
#include <dlfcn.h>
#include <sys/wait.h>
#include "core_test.h"

static gate blocker;
static void busy(void) { OK(launch(NULL, gate_kernel, &blocker, 0, 0, 1, LONG, 0)); }

static void in_child(void) {
  void *p = NULL;
  ocu_stream *s = NULL;
  ocu_event *e = NULL;
  ocu_device_info info;
  ocu_pointer_info where;
  float ms;
  char c[2];
  alarm(10);
  IS(OCU_FORKED, ocu_alive());
  CHECK(strstr(ocu_error(), "fork"));
  CHECK(ocu_device_count() == 0);
  IS(OCU_FORKED, ocu_device_query(0, &info));
  IS(OCU_FORKED, ocu_device_set(0));
  IS(OCU_FORKED, ocu_device_sync(0));
  IS(OCU_FORKED, ocu_alloc(0, 100, OCU_MEM_DEVICE, &p));
  IS(OCU_FORKED, ocu_free(&p));
  IS(OCU_FORKED, ocu_alloc_async(NULL, 100, &p));
  IS(OCU_FORKED, ocu_free_async(NULL, &p));
  IS(OCU_FORKED, ocu_pointer_query(c, &where));
  IS(OCU_FORKED, ocu_check(c, 1, 0));
  IS(OCU_FORKED, ocu_stream_create(0, 0, &s));
  IS(OCU_FORKED, ocu_stream_destroy(NULL));
  IS(OCU_FORKED, ocu_stream_sync(NULL));
  IS(OCU_FORKED, ocu_stream_query(NULL));
  IS(OCU_FORKED, ocu_stream_wait(NULL, e));
  IS(OCU_FORKED, ocu_stream_host_call(NULL, NULL, NULL));
  CHECK(ocu_stream_device(NULL) == -1 && ocu_stream_flags(NULL) == -1);
  IS(OCU_FORKED, ocu_event_create(0, 0, &e));
  IS(OCU_FORKED, ocu_event_destroy(e));
  IS(OCU_FORKED, ocu_event_record(e, NULL));
  IS(OCU_FORKED, ocu_event_sync(e));
  IS(OCU_FORKED, ocu_event_query(e));
  IS(OCU_FORKED, ocu_event_elapsed(e, e, &ms));
  IS(OCU_FORKED, ocu_copy(NULL, c, c + 1, 1, 1));
  IS(OCU_FORKED, ocu_copy_2d(NULL, c, 1, c + 1, 1, 1, 1, 1));
  IS(OCU_FORKED, ocu_fill(NULL, c, 0, 1, 1));
  IS(OCU_FORKED, ocu_fill_2d(NULL, c, 1, 0, 1, 1, 1));
  IS(OCU_FORKED, launch(NULL, gate_kernel, &blocker, 0, 0, 1, SHORT, 0));
  IS(OCU_FORKED, ocu_plan_add(c, 1));
  IS(OCU_FORKED, ocu_plan_store(c, 1));
  IS(OCU_FORKED, ocu_plan_find("", &test_spec));
  IS(OCU_FORKED, ocu_gemm(NULL, OCU_F32, 1, 1, 1, 1, c, c, 1, 1, 1, c, 1, 1, 1, c, c, 1, 1, 1, 0));
  CHECK(ocu_counter("launches") == -1 && !*ocu_store_path());
  exit(0);
}

static void check_child(void) {
  int status;
  pid_t pid = fork();
  if (!pid) in_child();
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void forked(void) {
  busy();
  check_child();
  atomic_store(&blocker.open, 1);
  OK(ocu_stream_sync(NULL));
}

static _Atomic int stop;
static void *locks(void *unused) {
  (void)unused;
  while (!atomic_load(&stop)) {
    void *p;
    ocu_event *e;
    OK(ocu_alloc(0, 1000, OCU_MEM_DEVICE, &p));
    OK(ocu_event_create(0, 0, &e));
    OK(ocu_event_record(e, NULL));
    OK(ocu_event_destroy(e));
    OK(ocu_free(p));
  }
  return NULL;
}

static void forked_while_locked(void) {
  pthread_t t;
  CHECK(!pthread_create(&t, NULL, locks, NULL));
  for (int i = 0; i < 100; i++) check_child();
  atomic_store(&stop, 1);
  pthread_join(t, NULL);
}

static void forked_before_use(void) {
  int status;
  pid_t pid = fork();
  if (!pid) {
    test_start();
    OK(ocu_stream_sync(NULL));
    exit(0);
  }
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void use_at_exit(void) {  /* as a static destructor of a C++ host would */
  atomic_store(&blocker.open, 1);
  OK(ocu_device_sync(0));
}

static void exit_with_work_pending(void) {
  OK(launch(NULL, gate_kernel, &blocker, 0, 0, 2, LONG, 0));
  for (int i = 0; i < 100; i++) busy();
  exit(0);
}

static void use_in_destructor(void) {
  busy();
  atexit(use_at_exit);
  exit(0);
}

static void unloaded(void) {
  void *library = dlopen("libopencu.so", RTLD_NOW | RTLD_LOCAL);
  CHECK(library);
  ocu_status (*alloc)(int, size_t, ocu_mem_kind, void **) = dlsym(library, "ocu_alloc");
  ocu_status (*fill)(ocu_stream *, void *, int, size_t, int) = dlsym(library, "ocu_fill");
  void *p;
  CHECK(alloc && fill && !alloc(0, 8 << 20, OCU_MEM_DEVICE, &p));
  for (int i = 0; i < 20; i++) CHECK(!fill(NULL, p, i, 8 << 20, 0));
  CHECK(!dlclose(library));
  sleep_ms(30);
}

int main(int argc, char **argv) {
  static const test_case cases[] = {
      CASE(forked), CASE(forked_while_locked), CASE(exit_with_work_pending),
      CASE(use_in_destructor), CASE(forked_before_use), CASE(unloaded)};
  if (argc > 1 && strcmp(argv[1], "forked_before_use") && strcmp(argv[1], "unloaded")) test_start();
  return run_cases(argc, argv, cases, sizeof cases / sizeof *cases);
}
