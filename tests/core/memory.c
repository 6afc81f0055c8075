/* memory.c - cases of test_memory.py. */
#include "core_test.h"

/* One thread counts up in host memory while another asks whether that may be written. */
static uint32_t words[2048];
static _Atomic int stop;

static void *counter(void *unused) {
  (void)unused;
  for (uint32_t n = 1; !atomic_load(&stop); n++) {
    __atomic_store_n(&words[0], n, __ATOMIC_RELAXED);
    CHECK(__atomic_load_n(&words[0], __ATOMIC_RELAXED) == n);
  }
  return NULL;
}

static void probe_and_write(void) {
  pthread_t t;
  CHECK(!pthread_create(&t, NULL, counter, NULL));
  for (int i = 0; i < 100000; i++) OK(ocu_check(words, sizeof words, 1));
  atomic_store(&stop, 1);
  pthread_join(t, NULL);
}

static void *churn(void *seed) {
  unsigned state = (unsigned)(uintptr_t)seed;
  struct { unsigned char *p, byte; size_t bytes; } mine[64] = {0};
  for (int i = 0; i < 30000; i++) {
    unsigned at = (unsigned)rand_r(&state) % 64;
    if (mine[at].p) {
      CHECK(mine[at].p[0] == mine[at].byte && mine[at].p[mine[at].bytes - 1] == mine[at].byte);
      OK(ocu_check(mine[at].p, mine[at].bytes, 1));
      OK(ocu_free(mine[at].p));
      mine[at].p = NULL;
    } else {
      mine[at].bytes = 1 + (size_t)rand_r(&state) % (i % 50 ? 5000 : 3000000);
      mine[at].byte = (unsigned char)i;
      OK(ocu_alloc(0, mine[at].bytes, OCU_MEM_DEVICE, (void **)&mine[at].p));
      mine[at].p[0] = mine[at].p[mine[at].bytes - 1] = mine[at].byte;
    }
  }
  for (int i = 0; i < 64; i++) OK(ocu_free(mine[i].p));
  return NULL;
}

static void threads(void) {
  pthread_t t[4];
  for (uintptr_t i = 0; i < 4; i++) CHECK(!pthread_create(&t[i], NULL, churn, (void *)(i + 1)));
  for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
  CHECK(ocu_counter("memory.in_use") == 0);
}

static void huge_pages(void) {
  char setting[100] = "", line[200], *p;
  FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
  if (!f || !fgets(setting, sizeof setting, f) || strstr(setting, "[never]")) return;
  OK(ocu_alloc(0, 32 << 20, OCU_MEM_DEVICE, (void **)&p));
  memset(p, 1, 32 << 20);
  long kib = 0, n;
  CHECK((f = fopen("/proc/self/smaps", "r")));
  while (fgets(line, sizeof line, f))
    if (sscanf(line, "AnonHugePages: %ld", &n) == 1) kib += n;
  CHECK(kib >= 16 << 10);
}

int main(int argc, char **argv) {
  static const test_case cases[] = {CASE(probe_and_write), CASE(threads), CASE(huge_pages)};
  return run_cases(argc, argv, cases, sizeof cases / sizeof *cases);
}
