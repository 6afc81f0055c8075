/* entry_points.c - calls every implemented entry point with random, boundary and wild arguments.
 *
 *   entry_points SEED SECONDS [CALLS]     each round is a child process, with its own seed
 *
 * Says which call of which seed crashed or hung, and exits 1; "entry_points SEED 0" is one round. */
#include <cublasLt.h>
#include <cublasXt.h>
#include <cublas_v2.h>
#include <cuda.h>
#include <cuda_runtime.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "cuda_registration.h"

/* ---- arguments ------------------------------------------------------------------------------ */

enum { ARENA = 1 << 16, OBJECTS = 48, ROUND = 2000 };

static uint64_t state;
static char *arena, *read_only; /* memory between pages that may not be touched */
static void **objects;          /* at the arena's start: handles and pointers that calls gave */

static uint64_t next(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state * 0x2545F4914F6CDD1D;
}
static uint64_t below(uint64_t n) { return (next() >> 32) % n; }

static uint64_t small(void) { return below(4) ? below(10) : below(300); }

static uint64_t number(void) {
  static const uint64_t edges[] = {
      63, 64, 255, 256, 511, 512, 4095, 4096, 65535, 65536, 1 << 20, 1 << 24, INT32_MAX, 1u << 31,
      UINT32_MAX, 1ull << 32, 1ull << 46, 1ull << 62, INT64_MAX, 1ull << 63, -1, -2, -3, -512};
  return below(3) ? small() : edges[below(sizeof edges / sizeof *edges)];
}

static double real(void) {
  static const double edges[] = {0, 1, -1, 0.5, 1e300, 1e-320, INFINITY, NAN};
  return edges[below(sizeof edges / sizeof *edges)];
}

static uintptr_t pool_start, pool_end; /* where allocations were seen, freed ones included */

static void *allocated(void) {
  uintptr_t p = (uintptr_t)objects[below(OBJECTS)];
  return pool_start <= p && p < pool_end ? (void *)p : objects;
}

/* Never memory of the program's own but the arena, nor what a handle points to: a call may rightly
 * write there. */
static void *pointer(void) {
  static const uintptr_t wild[] = {0, 1, 2, 3, 8, 16, 4096, (uintptr_t)1 << 62, -1, -8, -4096};
  switch (below(8)) {
    case 0: return (void *)wild[below(sizeof wild / sizeof *wild)];
    case 1: return arena + below(ARENA);
    case 2: return arena + ARENA - below(64); /* and beyond its end */
    case 3: return read_only + below(4096);
    case 4: return (char *)allocated() + small();
    case 5: return objects + below(OBJECTS);
    default: return allocated();
  }
}

static void *handle(void) { return below(8) ? objects[below(OBJECTS)] : pointer(); }

/* What structures hold. As a pointer, a pair of numbers leads nowhere. */
static uint64_t word(void) {
  switch (below(4)) {
    case 0: return (uintptr_t)pointer();
    case 1: return (uint64_t)(0x80000000u + below(1u << 31)) << 32 | (uint32_t)number();
    case 2: return -small();
    default: return small();
  }
}

static void fill_words(void *p, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 8) {
    uint64_t value = word();
    memcpy((char *)p + i, &value, bytes - i < 8 ? bytes - i : 8);
  }
}

static void host_function(void) {}

/* The sanitizer's own tables are mapped at these addresses: they pass for the program's memory.
 * What calls wrote into the arena must not lead there. */
static void lead_nowhere(void) {
  uint64_t *words = (uint64_t *)(void *)arena;
  for (size_t i = 0; i < ARENA / sizeof *words; i++)
    if (words[i] >> 16 && !(words[i] >> 46)) words[i] |= (uint64_t)1 << 62;
}

/* ---- calls, made from the tables: { name, function } each ----------------------------------- */

#include "fuzz_calls.inc"

enum { CALLS = sizeof calls / sizeof *calls };

/* Something that works among what does not. */
static void refresh(void) {
  struct cudaMemPoolProps props = {.allocType = cudaMemAllocationTypePinned,
                                   .location = {cudaMemLocationTypeDevice, 0}};
  CUcontext context;
  if (!cuDevicePrimaryCtxRetain(&context, 0)) cuCtxSetCurrent(context);
  void **o = objects + below(OBJECTS - 9);
  o[0] = context;
  cudaStreamCreateWithFlags((cudaStream_t *)(void *)&o[1], below(2));
  cudaEventCreate((cudaEvent_t *)(void *)&o[2]);
  cudaMalloc(&o[3], 1 + below(1 << 16));
  cudaMallocManaged(&o[4], 1 + below(1 << 12), cudaMemAttachGlobal);
  cudaMallocHost(&o[5], 1 + below(1 << 12));
  if (!below(4)) cublasCreate((cublasHandle_t *)(void *)&o[6]);
  if (!below(4)) cublasXtCreate((cublasXtHandle_t *)(void *)&o[8]);
  cudaMemPoolCreate((cudaMemPool_t *)(void *)&o[7], &props);
  for (int i = 3; i <= 5; i++) {
    uintptr_t p = (uintptr_t)o[i];
    if (p && (!pool_start || p < pool_start)) pool_start = p;
    if (p >= pool_end) pool_end = p + 1;
  }
  fill_words(arena + OBJECTS * sizeof *objects, 4096);
  fill_words(arena + ARENA - 64, 64);
}

struct progress {
  _Atomic int call, succeeded;
  const char *_Atomic name;
};

static void run_round(uint64_t seed, int most, struct progress *progress) {
  state = seed * 0x9E3779B97F4A7C15 | 1;
  cuInit(0);
  for (int i = 0; i < most; i++) {
    progress->name = "refresh";
    if (i % 50 == 0) refresh();
    lead_nowhere();
    int at = (int)below(CALLS);
    progress->call = i;
    progress->name = calls[at].name;
    alarm(60); /* a call, with all that may have to be compiled for it */
    if (calls[at].call() == 0) progress->succeeded++;
  }
  progress->name = "the last cudaDeviceSynchronize";
  alarm(60);
  cudaSetDevice(0);
  cudaDeviceSynchronize();
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv) {
  uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  double seconds = argc > 2 ? atof(argv[2]) : 5, end = now() + seconds;
  int most = argc > 3 ? atoi(argv[3]) : ROUND, rounds = 0;
  char *p = mmap(NULL, ARENA + 5 * 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct progress *progress =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  TRUE(p != MAP_FAILED && progress != MAP_FAILED);
  arena = p + 65536, read_only = arena + ARENA + 65536, objects = (void **)(void *)arena;
  TRUE(!mprotect(arena, ARENA, PROT_READ | PROT_WRITE));
  TRUE(!mprotect(read_only, 4096, PROT_READ));
  if (!seconds) {
    run_round(seed, most, progress);
    return 0;
  }
  for (; now() < end; rounds++, seed++) {
    pid_t child = fork();
    TRUE(child >= 0);
    if (!child) {
      run_round(seed, most, progress);
      _exit(0);
    }
    int status;
    TRUE(waitpid(child, &status, 0) == child);
    if (status) {
      int hung = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
      printf("%s in call %d of seed %llu: %s\n", hung ? "hung" : "crashed", progress->call,
             (unsigned long long)seed, progress->name);
      return 1;
    }
  }
  printf("%d rounds of %d calls of %d entry points, %d calls succeeded\nok\n", rounds, most,
         (int)CALLS, progress->succeeded);
  return 0;
}
