/* multiply.c - ocu_multiply against sums in double: D apart from C, bias, relu, batches, any strides,
 * and D by columns, of which the core computes the transpose. */
#include <math.h>
#include "core_test.h"

enum { MOST = 200000 };
static double value[5][MOST], want[MOST];
static char memory[5][MOST * 8] __attribute__((aligned(64)));

static int64_t below(int64_t n) { return rand() % n; }

/* A random layout of a batch of rows x columns: by rows, by columns or neither. */
static ocu_matrix place(int i, int64_t rows, int64_t columns) {
  ocu_matrix x = {memory[i], 0, columns + below(3), 1};
  switch (below(3)) {
    case 0: x.rs = 1, x.cs = rows + below(3); break;
    case 1: x.rs *= 2, x.cs = 2; break;
  }
  x.bs = (rows - 1) * x.rs + (columns - 1) * x.cs + 1 + below(4);
  return x;
}

static double at(const ocu_matrix *x, int i, int64_t z, int64_t r, int64_t c) {
  return value[i][z * x->bs + r * x->rs + c * x->cs];
}

static double read_back(bool wide, const ocu_matrix *x, int64_t z, int64_t r, int64_t c) {
  int64_t place = z * x->bs + r * x->rs + c * x->cs;
  return wide ? ((const double *)x->p)[place] : ((const float *)x->p)[place];
}

static void one_product(void) {
  bool wide = below(2), in_place = below(2), relu = below(2);
  uint8_t dtype = wide ? OCU_F64 : OCU_F32, bias = (uint8_t)below(3);
  int64_t batch = 1 + below(3), m = 1 + below(40), n = 1 + below(90), k = below(50);
  double alpha = below(4) ? 1.5 : 0, beta = below(3) ? -0.5 : 0;
  float alpha_f = (float)alpha, beta_f = (float)beta;
  for (int i = 0; i < 5; i++)
    for (int64_t j = 0; j < MOST; j++) {
      value[i][j] = (double)(below(2001) - 1000) / 512;
      if (wide) ((double *)memory[i])[j] = value[i][j];
      else ((float *)memory[i])[j] = (float)value[i][j];
    }
  ocu_matrix a = place(0, m, k + !k), b = place(1, k + !k, n), d = place(3, m, n);
  ocu_matrix c = in_place ? d : place(2, m, n);
  int64_t bias_bs = below(2) ? 0 : (m > n ? m : n) + 1;
  double *out = want;
  for (int64_t z = 0; z < batch; z++)
    for (int64_t i = 0; i < m; i++)
      for (int64_t j = 0; j < n; j++) {
        double x = 0;
        for (int64_t p = 0; p < k; p++) x += at(&a, 0, z, i, p) * at(&b, 1, z, p, j);
        x = alpha * x + beta * at(&c, in_place ? 3 : 2, z, i, j);
        if (bias) x += value[4][z * bias_bs + (bias == OCU_BIAS_ROWS ? i : j)];
        *out++ = relu && x < 0 ? 0 : x;
      }
  OK(ocu_multiply(NULL, &(ocu_product){
      .kind = {dtype, dtype, dtype, 0, relu ? OCU_RELU : OCU_IDENTITY, bias, 0},
      .batch = batch, .m = m, .n = n, .k = k, .alpha = wide ? (void *)&alpha : &alpha_f,
      .beta = wide ? (void *)&beta : &beta_f, .a = a, .b = b, .c = c, .d = d,
      .bias = memory[4], .bias_bs = bias_bs}, 0));
  OK(ocu_device_sync(0));
  out = want;
  for (int64_t z = 0; z < batch; z++)
    for (int64_t i = 0; i < m; i++)
      for (int64_t j = 0; j < n; j++)
        CHECK(fabs(read_back(wide, &d, z, i, j) - *out++) < (wide ? 1e-12 : 2e-4));
}

static void products(void) {
  for (int i = 0; i < 40; i++) one_product();
}

static void refusals(void) {
  float x[16] = {0}, one = 1;
  ocu_product g = {.kind = {.ab = OCU_F32, .c = OCU_F32, .scale = OCU_F32}, .batch = 1, .m = 4, .n = 4,
                   .k = 4, .alpha = &one, .beta = &one, .a = {x, 0, 4, 1}, .b = {x, 0, 4, 1},
                   .c = {x, 0, 4, 1}, .d = {x, 0, 4, 1}};
  IS(OCU_INVALID_VALUE, ocu_multiply(NULL, NULL, 0));
  g.kind.ab = 200;
  IS(OCU_UNSUPPORTED, ocu_multiply(NULL, &g, 0));
  g.kind.ab = OCU_F32, g.kind.activation = 100;
  IS(OCU_UNSUPPORTED, ocu_multiply(NULL, &g, 0));
  g.kind.activation = 0, g.kind.bias = OCU_BIAS_ROWS;
  IS(OCU_INVALID_VALUE, ocu_multiply(NULL, &g, 0));
  g.kind.bias = 0, g.d.p = NULL;
  IS(OCU_INVALID_VALUE, ocu_multiply(NULL, &g, 0));
}

int main(int argc, char **argv) {
  static const test_case cases[] = {CASE(products), CASE(refusals)};
  return run_cases(argc, argv, cases, sizeof cases / sizeof *cases);
}
