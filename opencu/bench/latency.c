/* latency.c - small and first calls through cuBLAS, as a program of its own sees them.
 *
 *   latency small    nanoseconds a call: sgemm 4 x 4 x 4, again and again
 *   latency shapes   nanoseconds that a shape's first call takes more than its second, median
 *   latency random   seconds for 1,000 random shapes up to 500
 *   latency first    milliseconds from cublasCreate to the first result
 *   latency plan     seconds for the first call of a class that no pack holds
 *   latency axpy     nanoseconds that a call on 1,000 elements takes more than a plain loop over them
 *   latency dot, latency gemv     the same, the result in host memory; of a matrix of 25 x 40
 *
 * prints the figure, then how often a planner was asked and whether libpython is in this process.
 */
#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX 512
#define CHECK(call) \
  do { int status = (int)(call); \
       if (status) { fprintf(stderr, "%s: status %d\n", #call, status); exit(1); } } while (0)

static cublasHandle_t handle;
static float *a, *b, *c;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void sgemm(int m, int n, int k, int lda) {
  const float one = 1, zero = 0;
  CHECK(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, m, n, k, &one, a, lda, b, k, &zero, c, m));
}

static int by_value(const void *x, const void *y) {
  double d = *(const double *)x - *(const double *)y;
  return (d > 0) - (d < 0);
}

static double small(void) {
  enum { CALLS = 200000 };
  for (int i = 0; i < 1000; i++) sgemm(4, 4, 4, 4);
  double start = now();
  for (int i = 0; i < CALLS; i++) sgemm(4, 4, 4, 4);
  CHECK(cudaDeviceSynchronize());
  return (now() - start) / CALLS * 1e9;
}

/* Every shape is new; odd sizes and strides keep them all in few classes, met in the first half. */
static double shapes(void) {
  enum { SHAPES = 400 };
  static double more[SHAPES];
  for (int i = 0; i < SHAPES; i++) {
    int m = 3 + 2 * (i % 8), n = 3 + 2 * (i / 8 % 8), k = 3 + 2 * (i / 64), lda = m + 2;
    double start = now();
    sgemm(m, n, k, lda);
    double middle = now();
    sgemm(m, n, k, lda);
    more[i] = (middle - start) - (now() - middle);
  }
  qsort(more + SHAPES / 2, SHAPES / 2, sizeof *more, by_value);
  return more[SHAPES * 3 / 4] * 1e9;
}

static double random_shapes(void) {
  double start = now();
  srand(1);
  for (int i = 0; i < 1000; i++) {
    int m = 1 + rand() % 500, n = 1 + rand() % 500, k = 1 + rand() % 500;
    sgemm(m, n, k, m);
  }
  CHECK(cudaDeviceSynchronize());
  return now() - start;
}

/* Strides of 2 and 3 elements come from no cuBLAS call. */
static double plan(void) {
  int (*gemm)(void *, int, int64_t, int64_t, int64_t, int64_t, const void *, const void *, int64_t,
              int64_t, int64_t, const void *, int64_t, int64_t, int64_t, const void *, void *,
              int64_t, int64_t, int64_t, int) = dlsym(RTLD_DEFAULT, "ocu_gemm");
  const float one = 1, zero = 0;
  double start = now();
  CHECK(gemm(NULL, 1, 1, 8, 8, 8, &one, a, 2, 33, 0, b, 2, 33, 0, &zero, c, 2, 33, 0, 0));
  CHECK(cudaDeviceSynchronize());
  return now() - start;
}

enum { ELEMENTS = 1000, ROWS = 25, COLUMNS = ELEMENTS / ROWS };
static float *result; /* on the stack, as most programs have it */

static void call_axpy(void) {
  const float half = 0.5f;
  CHECK(cublasSaxpy(handle, ELEMENTS, &half, a, 1, c, 1));
}

static void call_dot(void) { CHECK(cublasSdot(handle, ELEMENTS, a, 1, b, 1, result)); }

static void call_gemv(void) {
  const float one = 1, zero = 0;
  CHECK(cublasSgemv(handle, CUBLAS_OP_N, ROWS, COLUMNS, &one, a, ROWS, b, 1, &zero, c, 1));
}

__attribute__((noinline)) static void loop_axpy(void) {
  for (int i = 0; i < ELEMENTS; i++) c[i] += 0.5f * a[i];
}

__attribute__((noinline)) static void loop_dot(void) {
  float sums[16] = {0}; /* as a vectorised sum has */
  for (int i = 0; i + 16 <= ELEMENTS; i += 16)
    for (int j = 0; j < 16; j++) sums[j] += a[i + j] * b[i + j];
  for (int j = 0; j < 16; j++) *result += sums[j];
}

__attribute__((noinline)) static void loop_gemv(void) {
  float sums[ROWS] = {0};
  for (int j = 0; j < COLUMNS; j++)
    for (int i = 0; i < ROWS; i++) sums[i] += a[j * ROWS + i] * b[j];
  for (int i = 0; i < ROWS; i++) c[i] = sums[i];
}

static double seconds(void (*call)(void)) {
  enum { CALLS = 100000 };
  for (int i = 0; i < 1000; i++) call();
  CHECK(cudaDeviceSynchronize());
  double start = now();
  for (int i = 0; i < CALLS; i++) call();
  CHECK(cudaDeviceSynchronize());
  return (now() - start) / CALLS;
}

static double over(void (*call)(void), void (*loop)(void)) {
  return (seconds(call) - seconds(loop)) * 1e9;
}

static int maps_python(void) {
  char line[4096];
  int found = 0;
  FILE *maps = fopen("/proc/self/maps", "r");
  while (maps && fgets(line, sizeof line, maps)) found |= strstr(line, "libpython") != NULL;
  if (maps) fclose(maps);
  return found;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  static float host[MAX * MAX];
  for (int i = 0; i < MAX * MAX; i++) host[i] = (float)rand() / (float)RAND_MAX - 0.5f;
  CHECK(cudaMalloc((void **)&a, sizeof host));
  CHECK(cudaMalloc((void **)&b, sizeof host));
  CHECK(cudaMalloc((void **)&c, sizeof host));
  CHECK(cudaMemcpy(a, host, sizeof host, cudaMemcpyHostToDevice));
  CHECK(cudaMemcpy(b, host, sizeof host, cudaMemcpyHostToDevice));
  float sum = 0;
  result = &sum;
  double start = now(), figure;
  CHECK(cublasCreate(&handle));
  if (!strcmp(what, "small")) figure = small();
  else if (!strcmp(what, "shapes")) figure = shapes();
  else if (!strcmp(what, "random")) figure = random_shapes();
  else if (!strcmp(what, "plan")) figure = plan();
  else if (!strcmp(what, "axpy")) figure = over(call_axpy, loop_axpy);
  else if (!strcmp(what, "dot")) figure = over(call_dot, loop_dot);
  else if (!strcmp(what, "gemv")) figure = over(call_gemv, loop_gemv);
  else if (!strcmp(what, "first")) {
    sgemm(64, 64, 64, 64);
    CHECK(cudaDeviceSynchronize());
    figure = (now() - start) * 1e3;
  } else {
    fprintf(stderr, "usage: latency small|shapes|random|first|plan\n");
    return 2;
  }
  int64_t (*counter)(const char *) = dlsym(RTLD_DEFAULT, "ocu_counter");
  printf("%.9g %lld %d\n", figure, counter ? (long long)counter("planner.calls") : 0, maps_python());
  return 0;
}
