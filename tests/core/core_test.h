/* core_test.h - what the C programs of these tests share: checks, and C functions as kernels. */
#ifndef CORE_TEST_H
#define CORE_TEST_H
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "opencu.h"

#define CHECK(x)                                                                     \
  do {                                                                               \
    if (!(x)) {                                                                      \
      fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, #x, ocu_error()); \
      _exit(1);                                                                      \
    }                                                                                \
  } while (0)
#define OK(x) CHECK((x) == OCU_OK)
#define IS(status, x) CHECK((x) == (status))

static inline double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline void sleep_ms(int ms) {
  nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

/* A plan whose code jumps to the C function that is its first argument.
 * Arguments: function, a, b, c, programs, scratch bytes, cost in ns. */
static const ocu_spec test_spec = {{OCU_OP_USER, 't', 'e', 's', 't'}};

typedef struct {
  ocu_plan_header header;
  ocu_launch launch;
  uint16_t params[4];
  char pad[56];
  uint8_t code[64];
} test_plan_bytes;

static inline test_plan_bytes test_plan(void) {
  static const uint8_t jump[] = {0x48, 0x8b, 0x07, 0xff, 0xe0}; /* mov (%rdi),%rax; jmp *%rax */
  ocu_device_info info;
  OK(ocu_device_query(0, &info));
  test_plan_bytes p = {
      .header = {.magic = "OCUPLAN1", .bytes = sizeof p, .spec = test_spec, .n_args = 7,
                 .n_launches = 1, .code_offset = offsetof(test_plan_bytes, code),
                 .code_bytes = sizeof p.code},
      .launch = {.grid = 4, .scratch = 5, .cost = 6, .n_params = 4},
      .params = {0, 1, 2, 3}};
  memcpy(p.header.magic, "OCUPLAN1", 8);
  memcpy(p.header.build_id, ocu_build_id(), 16);
  strcpy(p.header.target, info.target);
  memcpy(p.code, jump, sizeof jump);
  const char *summed = (const char *)&p.header.bytes;
  p.header.checksum = ocu_checksum(summed, (size_t)((const char *)(&p + 1) - summed));
  return p;
}

static inline void test_start(void) {
  test_plan_bytes p = test_plan();
  OK(ocu_plan_add(&p, sizeof p));
}

static inline ocu_status launch(ocu_stream *s, ocu_kernel fn, void *a, int64_t b, int64_t c,
                                int64_t programs, int64_t cost, int flags) {
  const int64_t args[] = {(int64_t)(uintptr_t)fn, (int64_t)(uintptr_t)a, b, c, programs, 0, cost};
  return ocu_call(s, &test_spec, args, 7, flags);
}

/* A kernel that takes its time and then writes what a test can look at: a flag to wait for. */
enum { LONG = 1000000000, SHORT = 100 };
typedef struct { _Atomic int open, entered, left; } gate;

static inline void gate_kernel(const int64_t *params, int64_t pid, void *scratch) {
  gate *g = (gate *)(uintptr_t)params[1];
  (void)pid, (void)scratch;
  atomic_fetch_add(&g->entered, 1);
  while (!atomic_load(&g->open)) sleep_ms(1);
  atomic_fetch_add(&g->left, 1);
}

static inline void wait_until(_Atomic int *word, int value) {
  for (int i = 0; i < 5000 && atomic_load(word) < value; i++) sleep_ms(1);
  CHECK(atomic_load(word) >= value);
}

/* A program has several cases and runs those that its arguments name. */
typedef struct { const char *name; void (*run)(void); } test_case;
#define CASE(f) {#f, f}

static inline int run_cases(int argc, char **argv, const test_case *cases, size_t n) {
  int ran = 0;
  for (int a = 1; a < argc; a++)
    for (size_t i = 0; i < n; i++)
      if (!strcmp(argv[a], cases[i].name)) cases[i].run(), ran++;
  CHECK(ran == argc - 1);
  return 0;
}
#endif
