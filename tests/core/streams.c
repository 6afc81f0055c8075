/* streams.c - cases of test_streams.py. */
#include "core_test.h"

static gate blocker;
static int64_t order[64];
static _Atomic int n_order;

static void note(const int64_t *params, int64_t pid, void *scratch) {
  (void)pid, (void)scratch;
  order[atomic_fetch_add(&n_order, 1)] = params[2];
}

static ocu_stream *new_stream(int flags) {
  ocu_stream *s;
  OK(ocu_stream_create(0, flags, &s));
  return s;
}

/* A stream that is busy until the gate opens. */
static void block(ocu_stream *s) { OK(launch(s, gate_kernel, &blocker, 0, 0, 1, LONG, 0)); }
static void unblock(void) { atomic_store(&blocker.open, 1); }
static void number(ocu_stream *s, int64_t n) { OK(launch(s, note, NULL, n, 0, 1, SHORT, 0)); }
static int noted(void) { return atomic_load(&n_order); }

static void in_order(void) {
  ocu_stream *s = new_stream(0);
  block(s);
  for (int i = 0; i < 50; i++) number(s, i);
  CHECK(noted() == 0);
  unblock();
  OK(ocu_stream_sync(s));
  CHECK(noted() == 50);
  for (int i = 0; i < 50; i++) CHECK(order[i] == i);
}

static pthread_t work_thread;
static void note_thread(const int64_t *params, int64_t pid, void *scratch) {
  (void)params, (void)pid, (void)scratch;
  work_thread = pthread_self();
}

static void short_work_inline(void) {
  OK(launch(NULL, note_thread, NULL, 0, 0, 1, SHORT, 0));
  CHECK(pthread_equal(work_thread, pthread_self()));
  CHECK(ocu_counter("launches") == 1 && ocu_counter("launches.inline") == 1);
}

static void long_work_returns(void) {
  double t = seconds();
  block(NULL);
  CHECK(seconds() - t < 0.5);
  IS(OCU_NOT_READY, ocu_stream_query(NULL));
  wait_until(&blocker.entered, 1);
  unblock();
  OK(ocu_stream_sync(NULL));
  OK(ocu_stream_query(NULL));
}

static void legacy_waits_for_blocking(void) {
  ocu_stream *s = new_stream(0);
  block(s);
  number(NULL, 1);
  IS(OCU_NOT_READY, ocu_stream_query(NULL));
  sleep_ms(20);
  CHECK(noted() == 0);
  unblock();
  OK(ocu_stream_sync(NULL));
  CHECK(noted() == 1 && atomic_load(&blocker.left) == 1);
}

static void blocking_waits_for_legacy(void) {
  ocu_stream *s = new_stream(0);
  block(NULL);
  number(s, 1);
  sleep_ms(20);
  CHECK(noted() == 0);
  unblock();
  OK(ocu_stream_sync(s));
  CHECK(noted() == 1);
}

static void blocking_legacy_blocking(void) {
  ocu_stream *a = new_stream(0), *b = new_stream(0);
  block(a);
  number(NULL, 1);
  number(b, 2);
  sleep_ms(20);
  CHECK(noted() == 0);
  unblock();
  OK(ocu_device_sync(0));
  CHECK(noted() == 2 && order[0] == 1 && order[1] == 2);
}

static void legacy_sync_waits_for_blocking(void) {
  ocu_stream *s = new_stream(0);
  block(s);
  IS(OCU_NOT_READY, ocu_stream_query(NULL));
  unblock();
  OK(ocu_stream_sync(NULL));
  CHECK(atomic_load(&blocker.left) == 1);
}

static void nonblocking_is_free(void) {
  ocu_stream *s = new_stream(OCU_STREAM_NONBLOCKING);
  block(NULL);
  number(s, 1);
  OK(ocu_stream_sync(s));
  CHECK(noted() == 1 && atomic_load(&blocker.left) == 0);
  unblock();
  OK(ocu_device_sync(0));
}

static void blocking_streams_are_independent(void) {
  ocu_stream *a = new_stream(0), *b = new_stream(0);
  block(a);
  number(b, 1);
  OK(ocu_stream_sync(b));
  CHECK(noted() == 1 && atomic_load(&blocker.left) == 0);
  unblock();
  OK(ocu_stream_sync(a));
}

/* No two launches of a stream, or of the default and a blocking stream, overlap. */
static _Atomic int inside;
static void alone(const int64_t *params, int64_t pid, void *scratch) {
  (void)pid, (void)scratch;
  CHECK(atomic_fetch_add(&inside, 1) == 0);
  for (volatile int i = 0; i < params[2]; i++) continue;
  atomic_fetch_sub(&inside, 1);
  atomic_fetch_add(&n_order, 1);
}

static ocu_stream *shared;
static void *hammer(void *which) {
  for (int i = 0; i < 20000; i++)
    OK(launch(which ? shared : NULL, alone, NULL, i % 50, 0, 1, i % 7 ? SHORT : LONG / 20000, 0));
  return NULL;
}

static void exclusion(void) {
  pthread_t t[4];
  shared = new_stream(0);
  for (intptr_t i = 0; i < 4; i++) CHECK(!pthread_create(&t[i], NULL, hammer, (void *)(i & 1)));
  for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
  OK(ocu_device_sync(0));
  CHECK(noted() == 80000);
}

static void *queue_one(void *s) {
  number(s, 2);
  return NULL;
}

static void *run_gate(void *s) {
  OK(launch(s, gate_kernel, &blocker, 0, 0, 1, SHORT, 0));
  return NULL;
}

static void second_thread_queues(void) {
  ocu_stream *s = new_stream(OCU_STREAM_NONBLOCKING);
  pthread_t holder, other;
  CHECK(!pthread_create(&holder, NULL, run_gate, s));  /* inline, and takes its time */
  wait_until(&blocker.entered, 1);
  CHECK(!pthread_create(&other, NULL, queue_one, s));
  pthread_join(other, NULL);
  CHECK(noted() == 0);
  unblock();
  pthread_join(holder, NULL);
  OK(ocu_stream_sync(s));
  CHECK(noted() == 1);
}

static void *host_thread;
static _Atomic int host_calls;
static void host(void *arg) {
  host_thread = (void *)pthread_self();
  *(ocu_status *)arg = ocu_stream_sync(NULL);
  atomic_fetch_add(&host_calls, 1);
}

static void host_functions(void) {
  static ocu_status waited = OCU_OK;
  ocu_stream *s = new_stream(0);
  OK(ocu_stream_host_call(s, host, &waited));
  number(s, 1);
  OK(ocu_stream_sync(s));
  CHECK(atomic_load(&host_calls) == 1 && host_thread != (void *)pthread_self());
}

static void host_may_not_wait(void) {
  static ocu_status waited = OCU_OK;
  block(NULL);
  OK(ocu_stream_host_call(NULL, host, &waited));
  unblock();
  OK(ocu_stream_sync(NULL));
  CHECK(waited == OCU_UNSUPPORTED);
}

static void blocked_host_function(void) {
  ocu_stream *a = new_stream(OCU_STREAM_NONBLOCKING), *b = new_stream(OCU_STREAM_NONBLOCKING);
  OK(ocu_stream_host_call(a, (void (*)(void *))(uintptr_t)sleep_ms, (void *)(intptr_t)300));
  sleep_ms(20);
  OK(launch(b, note, NULL, 1, 0, 1, LONG, 0));
  for (int i = 0; i < 100 && !noted(); i++) sleep_ms(1);
  CHECK(noted() == 1);  /* though nobody waits for b, and a's host function still runs */
  OK(ocu_device_sync(0));
}

static void destroyed_work_completes(void) {
  ocu_stream *s = new_stream(OCU_STREAM_NONBLOCKING);
  block(s);
  number(s, 1);
  double t = seconds();
  OK(ocu_stream_destroy(s));
  CHECK(seconds() - t < 0.5);
  IS(OCU_INVALID_HANDLE, ocu_stream_sync(s));
  unblock();
  OK(ocu_device_sync(0));
  CHECK(noted() == 1);
}

static void bad_handles(void) {
  ocu_stream *s = new_stream(0), *bad[] = {(ocu_stream *)1, (ocu_stream *)"garbage",
                                           (ocu_stream *)((char *)s + 8), (ocu_stream *)-64, s};
  OK(ocu_stream_destroy(s));
  ocu_event *e;
  OK(ocu_event_create(0, 0, &e));
  char c[4] = {0};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    IS(OCU_INVALID_HANDLE, ocu_stream_sync(bad[i]));
    IS(OCU_INVALID_HANDLE, ocu_stream_query(bad[i]));
    IS(OCU_INVALID_HANDLE, ocu_stream_destroy(bad[i]));
    IS(OCU_INVALID_HANDLE, ocu_stream_wait(bad[i], e));
    IS(OCU_INVALID_HANDLE, ocu_event_record(e, bad[i]));
    IS(OCU_INVALID_HANDLE, ocu_copy(bad[i], c, c + 2, 1, 0));
    IS(OCU_INVALID_HANDLE, launch(bad[i], note, NULL, 0, 0, 1, SHORT, 0));
    IS(OCU_INVALID_HANDLE, ocu_event_sync((ocu_event *)bad[i]));
    IS(OCU_INVALID_HANDLE, ocu_event_destroy((ocu_event *)bad[i]));
    CHECK(ocu_stream_device(bad[i]) == -1 && ocu_stream_flags(bad[i]) == -1);
  }
  IS(OCU_INVALID_HANDLE, ocu_stream_destroy(NULL));
  IS(OCU_INVALID_HANDLE, ocu_event_query(NULL));
  OK(ocu_event_destroy(e));
  IS(OCU_INVALID_HANDLE, ocu_event_destroy(e));
  IS(OCU_INVALID_VALUE, ocu_stream_create(0, 64, &s));
  IS(OCU_INVALID_DEVICE, ocu_stream_create(7, 0, &s));
  IS(OCU_INVALID_VALUE, ocu_stream_create(0, 0, NULL));
  IS(OCU_INVALID_VALUE, ocu_stream_host_call(NULL, NULL, NULL));
}

static void many_streams(void) {
  for (int i = 0; i < 200000; i++) {
    ocu_stream *s = new_stream(i & 1);
    if (i % 64 == 0) number(s, i), atomic_store(&n_order, 0);
    OK(ocu_stream_destroy(s));
  }
}

/* ---- events -------------------------------------------------------------------------------- */

static ocu_event *new_event(int flags) {
  ocu_event *e;
  OK(ocu_event_create(0, flags, &e));
  return e;
}

static void event_waits_across_streams(void) {
  ocu_stream *a = new_stream(1), *b = new_stream(1);
  ocu_event *e = new_event(OCU_EVENT_NO_TIMING);
  block(a);
  OK(ocu_event_record(e, a));
  OK(ocu_stream_wait(b, e));
  number(b, 1);
  IS(OCU_NOT_READY, ocu_event_query(e));
  sleep_ms(20);
  CHECK(noted() == 0);
  unblock();
  OK(ocu_stream_sync(b));
  CHECK(noted() == 1);
  OK(ocu_event_query(e));
}

static void event_wait_is_of_the_last_record(void) {
  ocu_stream *a = new_stream(1), *b = new_stream(1), *c = new_stream(1);
  ocu_event *e = new_event(0);
  OK(ocu_stream_wait(b, e));  /* never recorded: nothing to wait for */
  number(b, 1);
  OK(ocu_stream_sync(b));
  block(a);
  OK(ocu_event_record(e, a));
  OK(ocu_stream_wait(b, e));
  OK(ocu_event_record(e, c));  /* b still waits for the record on a */
  OK(ocu_event_query(e));
  number(b, 2);
  sleep_ms(10);
  CHECK(noted() == 1);
  OK(ocu_event_destroy(e));
  unblock();
  OK(ocu_stream_sync(b));
  CHECK(noted() == 2);
}

static void chain_of_events(void) {
  enum { N = 40 };
  ocu_stream *s[N];
  block((s[0] = new_stream(1)));
  for (int i = 1; i < N; i++) {
    ocu_event *e = new_event(0);
    OK(ocu_event_record(e, s[i - 1]));
    OK(ocu_stream_wait((s[i] = new_stream(1)), e));
    OK(ocu_event_destroy(e));
    number(s[i], i);
  }
  unblock();
  OK(ocu_stream_sync(s[N - 1]));
  for (int i = 0; i < N - 1; i++) CHECK(order[i] == i + 1);
}

static void event_times(void) {
  ocu_event *a = new_event(0), *b = new_event(0), *quiet = new_event(OCU_EVENT_NO_TIMING);
  float ms;
  IS(OCU_INVALID_HANDLE, ocu_event_elapsed(a, b, &ms));
  OK(ocu_event_record(a, NULL));
  OK(ocu_stream_host_call(NULL, (void (*)(void *))(uintptr_t)sleep_ms, (void *)(intptr_t)30));
  block(NULL);
  OK(ocu_event_record(b, NULL));
  IS(OCU_NOT_READY, ocu_event_elapsed(a, b, &ms));
  unblock();
  OK(ocu_event_sync(b));
  OK(ocu_event_elapsed(a, b, &ms));
  CHECK(ms >= 30 && ms < 2000);
  OK(ocu_event_elapsed(b, a, &ms));
  CHECK(ms <= -30);
  OK(ocu_event_record(quiet, NULL));
  IS(OCU_INVALID_HANDLE, ocu_event_elapsed(a, quiet, &ms));
  IS(OCU_INVALID_VALUE, ocu_event_elapsed(a, b, NULL));
}

static void events_of_devices(void) {
  ocu_event *e = new_event(0);
  ocu_stream *other;
  OK(ocu_stream_create(1, 0, &other));
  CHECK(ocu_stream_device(other) == 1);
  IS(OCU_INVALID_HANDLE, ocu_event_record(e, other));
  block(NULL);
  OK(ocu_event_record(e, NULL));
  OK(ocu_stream_wait(other, e));  /* waiting works across devices */
  number(other, 1);
  IS(OCU_NOT_READY, ocu_stream_query(other));
  unblock();
  OK(ocu_device_sync(1));
  CHECK(noted() == 1);
  OK(ocu_device_set(1));
  CHECK(ocu_device_get() == 1 && ocu_stream_device(NULL) == 1);
  IS(OCU_INVALID_DEVICE, ocu_device_set(2));
  IS(OCU_INVALID_DEVICE, ocu_device_sync(-1));
}

/* ---- copies -------------------------------------------------------------------------------- */

static void *device_memory(size_t bytes) {
  void *p;
  OK(ocu_alloc(0, bytes, OCU_MEM_DEVICE, &p));
  return p;
}

static void pageable_source_is_read(void) {
  char small[1000], *d = device_memory(4 << 20), back[1000];
  memset(small, 7, sizeof small);
  block(NULL);
  OK(ocu_copy(NULL, d, small, sizeof small, 0));
  memset(small, 9, sizeof small);
  unblock();
  OK(ocu_copy(NULL, back, d, sizeof back, 1));
  for (size_t i = 0; i < sizeof back; i++) CHECK(back[i] == 7);
  char *large = malloc(4 << 20);
  memset(large, 3, 4 << 20);
  OK(ocu_copy(NULL, d, large, 4 << 20, 0));
  memset(large, 4, 4 << 20);
  OK(ocu_copy(NULL, large, d, 4 << 20, 0));
  CHECK(large[0] == 3 && large[(4 << 20) - 1] == 3);
}

static void copies_are_stream_ordered(void) {
  char *a = device_memory(1 << 20), *b = device_memory(1 << 20);
  OK(ocu_fill(NULL, a, 1, 1 << 20, 1));
  block(NULL);
  OK(ocu_fill(NULL, a, 2, 1 << 20, 0));
  OK(ocu_copy(NULL, b, a, 1 << 20, 0));
  OK(ocu_fill(NULL, a, 3, 1 << 20, 0));
  CHECK(a[0] == 1);
  unblock();
  OK(ocu_stream_sync(NULL));
  CHECK(b[0] == 2 && b[(1 << 20) - 1] == 2 && a[5] == 3);
}

static void rectangles(void) {
  enum { W = 700000, H = 5, P = 700100 };
  char *a = device_memory(P * H), *b = device_memory(P * H);
  OK(ocu_fill(NULL, a, 1, P * H, 1));
  OK(ocu_fill(NULL, b, 0, P * H, 1));
  OK(ocu_fill_2d(NULL, a, P, 5, W, H, 1));
  OK(ocu_copy_2d(NULL, b, P, a, P, W + 10, H, 1));
  for (int y = 0; y < H; y++) {
    CHECK(b[y * P] == 5 && b[y * P + W - 1] == 5 && b[y * P + W] == 1 && b[y * P + W + 9] == 1);
    CHECK(b[y * P + W + 10] == 0);
  }
  OK(ocu_copy(NULL, b + 1, b, 1000, 1));  /* overlapping */
  CHECK(b[1] == 5 && b[1000] == 5);
  IS(OCU_INVALID_VALUE, ocu_copy_2d(NULL, b, 10, a, P, 11, 2, 1));
  IS(OCU_INVALID_VALUE, ocu_fill_2d(NULL, b, 10, 0, 11, 2, 1));
  IS(OCU_INVALID_VALUE, ocu_copy_2d(NULL, b, SIZE_MAX / 2, a, SIZE_MAX / 2, 11, 9, 1));
  IS(OCU_ILLEGAL_ADDRESS, ocu_copy(NULL, b, a, P * H + 1, 1));
  IS(OCU_ILLEGAL_ADDRESS, ocu_copy(NULL, NULL, a, 1, 1));
  OK(ocu_copy(NULL, NULL, NULL, 0, 1));
}

static void freed_in_stream_order(void) {
  int64_t before = ocu_counter("memory.in_use");
  char *a;
  OK(ocu_alloc_async(NULL, 100, (void **)&a));
  block(NULL);
  OK(ocu_fill(NULL, a, 6, 100, 0));
  OK(ocu_free_async(NULL, a));
  IS(OCU_INVALID_POINTER, ocu_free_async(NULL, a));
  IS(OCU_ILLEGAL_ADDRESS, ocu_check(a, 100, 0));
  void *other = device_memory(100);
  CHECK(other != (void *)a);  /* its memory is not given to anyone while work uses it */
  unblock();
  OK(ocu_stream_sync(NULL));
  CHECK(a[99] == 6);
  OK(ocu_free(other));
  CHECK(ocu_counter("memory.in_use") == before);
}

static void *free_later(void *p) {
  OK(ocu_free(p));
  return NULL;
}

static void free_waits_for_work(void) {
  char *a = device_memory(1000);
  block(NULL);
  OK(ocu_fill(NULL, a, 6, 1000, 0));
  pthread_t t;
  CHECK(!pthread_create(&t, NULL, free_later, a));
  sleep_ms(20);
  CHECK(device_memory(1000) != (void *)a);
  unblock();
  pthread_join(t, NULL);
}

int main(int argc, char **argv) {
  static const test_case cases[] = {
      CASE(in_order), CASE(short_work_inline), CASE(long_work_returns),
      CASE(legacy_waits_for_blocking), CASE(blocking_waits_for_legacy),
      CASE(blocking_legacy_blocking), CASE(legacy_sync_waits_for_blocking),
      CASE(nonblocking_is_free), CASE(blocking_streams_are_independent), CASE(exclusion),
      CASE(second_thread_queues), CASE(host_functions), CASE(host_may_not_wait),
      CASE(blocked_host_function), CASE(destroyed_work_completes), CASE(bad_handles),
      CASE(many_streams), CASE(event_waits_across_streams),
      CASE(event_wait_is_of_the_last_record), CASE(chain_of_events), CASE(event_times),
      CASE(events_of_devices), CASE(pageable_source_is_read), CASE(copies_are_stream_ordered),
      CASE(rectangles), CASE(freed_in_stream_order), CASE(free_waits_for_work)};
  test_start();
  return run_cases(argc, argv, cases, sizeof cases / sizeof *cases);
}
