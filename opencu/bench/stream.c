/* stream.c - bare loops with the reads and writes of the kernels in stream.py, in plain C.

   cc -O3 -march=native -ffast-math -shared -fPIC -pthread stream.c -o stream.so */
#include <pthread.h>
#include <stdint.h>

typedef struct {
  const float *x, *r;
  float *y;
  int64_t rows, columns;
} job;

/* The reads and writes of gelu, without its arithmetic. */
static void activation(const job *j) {
  for (int64_t i = 0; i < j->rows * j->columns; i++) {
    float x = j->x[i];
    j->y[i] = x * (0.5f + x * (0.4f + x * x * -0.05f));
  }
}

static void residual(const job *j) {
  for (int64_t i = 0; i < j->rows * j->columns; i++) j->y[i] = j->x[i] + j->r[i];
}

static void in_place(const job *j) {
  for (int64_t i = 0; i < j->rows * j->columns; i++) j->y[i] += j->r[i];
}

static void row_sums(const job *j) {
  for (int64_t i = 0; i < j->rows; i++) {
    float sum = 0;
    for (int64_t k = 0; k < j->columns; k++) sum += j->x[i * j->columns + k];
    j->y[i] = sum;
  }
}

static void row_scale(const job *j) {
  for (int64_t i = 0; i < j->rows; i++) {
    const float *x = j->x + i * j->columns;
    float *y = j->y + i * j->columns, sum = 0;
    for (int64_t k = 0; k < j->columns; k++) sum += x[k] * x[k];
    float scale = 1 / (1e-6f + sum / (float)j->columns);
    for (int64_t k = 0; k < j->columns; k++) y[k] = x[k] * scale;
  }
}

/* The reads and writes of a scan: of int64 in the place of two floats, of int32 to int64. */
static void numbers(const job *j) {
  const int64_t *x = (const int64_t *)j->x;
  int64_t *y = (int64_t *)j->y;
  for (int64_t i = 0; i < j->rows * j->columns / 2; i++) y[i] = x[i] + 1;
}

static void widened(const job *j) {
  const int32_t *x = (const int32_t *)j->x;
  int64_t *y = (int64_t *)j->y;
  for (int64_t i = 0; i < j->rows * j->columns; i++) y[i] = x[i];
}

/* The reads of a dot product; the reads and writes of an update in place. */
static void row_dots(const job *j) {
  for (int64_t i = 0; i < j->rows; i++) {
    float sum = 0;
    for (int64_t k = i * j->columns; k < (i + 1) * j->columns; k++) sum += j->x[k] * j->r[k];
    j->y[i] = sum;
  }
}

static void scale(const job *j) {
  for (int64_t i = 0; i < j->rows * j->columns; i++) j->y[i] *= 0.5f;
}

enum { ROW_SUMS = 3, WIDENED = 6, ROW_DOTS };
static void (*const loops[])(const job *) = {activation, residual, in_place, row_sums, row_scale,
                                             numbers,    widened,  row_dots, scale};

typedef struct {
  int loop;
  job part;
} task;

static void *work(void *data) {
  const task *t = data;
  loops[t->loop](&t->part);
  return 0;
}

/* Run a loop over rows x columns, the rows in equal parts on so many threads. */
void run(int loop, const float *x, const float *r, float *y, int64_t rows, int64_t columns,
         int threads) {
  pthread_t thread[64];
  task part[64];
  for (int t = 0; t < threads && t < 64; t++) {
    int64_t lo = rows * t / threads, hi = rows * (t + 1) / threads;
    int64_t out = lo * (loop == ROW_SUMS || loop == ROW_DOTS ? 1 : loop == WIDENED ? 2 * columns : columns);
    part[t] = (task){loop, {x + lo * columns, r + lo * columns, y + out, hi - lo, columns}};
    if (t) pthread_create(&thread[t], 0, work, &part[t]);
  }
  work(&part[0]);
  for (int t = 1; t < threads && t < 64; t++) pthread_join(thread[t], 0);
}
