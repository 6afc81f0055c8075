/* stress.c - several threads use everything at once; argument: rounds for each thread. */
#include "core_test.h"

enum { THREADS = 4, STREAMS = 6, WORDS = 3000 };

static ocu_stream *streams[STREAMS];  /* shared by all threads */
static ocu_event *events[STREAMS];
static char common[STREAMS][64];
static _Atomic int host_calls, expected_calls;

static void add(const int64_t *params, int64_t pid, void *scratch) {
  int64_t *p = (int64_t *)(uintptr_t)params[1];
  (void)scratch;
  for (int64_t i = pid * 100; i < pid * 100 + 100; i++) p[i] += params[2];
}

static void called(void *unused) {
  (void)unused;
  atomic_fetch_add(&host_calls, 1);
}

/* On a stream of this thread alone the result must be exact, whatever the others do. */
static void own_stream(unsigned *seed, int64_t *host) {
  ocu_stream *s;
  int64_t *d, sum = 0;
  OK(ocu_stream_create(0, rand_r(seed) % 2, &s));
  OK(ocu_alloc(0, WORDS * 8, OCU_MEM_DEVICE, (void **)&d));
  OK(ocu_fill(s, d, 0, WORDS * 8, 0));
  for (int i = 0; i < 8; i++) {
    int64_t n = rand_r(seed) % 100, cost = rand_r(seed) % 2 ? 200 : 50000;
    sum += n;
    OK(launch(s, add, d, n, 0, WORDS / 100, cost, rand_r(seed) % 4 ? 0 : OCU_CALL_SYNC));
    if (rand_r(seed) % 4 == 0) OK(ocu_stream_wait(s, events[rand_r(seed) % STREAMS]));
    if (rand_r(seed) % 8 == 0) {
      OK(ocu_stream_host_call(s, called, NULL));
      atomic_fetch_add(&expected_calls, 1);
    }
  }
  OK(ocu_copy(s, host, d, WORDS * 8, rand_r(seed) % 2));
  OK(ocu_stream_sync(s));
  for (int i = 0; i < WORDS; i++) CHECK(host[i] == sum);
  if (rand_r(seed) % 2) OK(ocu_free_async(s, d));
  else OK(ocu_free(d));
  OK(ocu_stream_destroy(s));
}

static void shared_streams(unsigned *seed) {
  int at = rand_r(seed) % STREAMS;
  ocu_stream *s = streams[at];
  ocu_event *e = events[rand_r(seed) % STREAMS];
  float ms;
  switch (rand_r(seed) % 8) {
    case 0: OK(ocu_event_record(e, s)); break;
    case 1: OK(ocu_stream_wait(s, e)); break;
    case 2: OK(ocu_event_sync(e)); break;
    case 3: OK(ocu_stream_sync(s)); break;
    case 4: CHECK(ocu_stream_query(s) != OCU_INVALID_HANDLE); break;
    case 5: ocu_event_elapsed(e, events[0], &ms); break;
    case 6: OK(ocu_fill(s, common[at], 0, 64, 0)); break;
    default: OK(ocu_device_sync(0));
  }
}

static void *work(void *number) {
  struct { int rounds; unsigned seed; } me = {*(int *)number, (unsigned)(uintptr_t)pthread_self()};
  int64_t *host = malloc(WORDS * 8);
  for (int i = 0; i < me.rounds; i++) {
    own_stream(&me.seed, host);
    for (int j = 0; j < 10; j++) shared_streams(&me.seed);
  }
  OK(ocu_device_sync(0));
  free(host);
  return NULL;
}

int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 100;
  pthread_t t[THREADS];
  test_start();
  for (int i = 0; i < STREAMS; i++) {
    if (i) OK(ocu_stream_create(0, i % 3 == 1, &streams[i]));  /* the first is the legacy stream */
    OK(ocu_event_create(0, 0, &events[i]));
  }
  for (int i = 0; i < THREADS; i++) CHECK(!pthread_create(&t[i], NULL, work, &rounds));
  for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
  CHECK(atomic_load(&host_calls) == atomic_load(&expected_calls));
  CHECK(ocu_counter("memory.in_use") == 0);
  return 0;
}
