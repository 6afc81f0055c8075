/* blas.c - libopencu_blas.so: BLAS's Fortran names and CBLAS, over cuBLAS's entry points, which are
 * part of this file. Host pointers; done on return. Of a device that does not reach the host's memory
 * only large calls of level 3 make use, which are worth their copies. What cannot run here (a forked
 * child) is left to the program's next BLAS. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cublas.h"
#include "gemm.h"

/* ---- errors: found in BLAS's order, and told as the reference does ------------------------------- */

/* The testers of the reference set and read them. */
int CBLAS_CallFromC, RowMajorStrg;

void xerbla_(const char *name, const int *info, size_t length);
void cblas_xerbla(int info, const char *name, const char *form, ...);

/* A program's own comes first, wherever it lies behind us. */
static void *others(const char *name, void *ours) {
  void *first = dlsym(RTLD_DEFAULT, name);
  return first && first != ours ? first : dlsym(RTLD_NEXT, name);
}

void xerbla_(const char *name, const int *info, size_t length) {
  __typeof__(&xerbla_) other = (__typeof__(&xerbla_))dlsym(RTLD_NEXT, "xerbla_");
  if (other) {
    other(name, info, length);
    return;
  }
  while (length && name[length - 1] == ' ') length--;
  fprintf(stderr, " ** On entry to %.*s parameter number %2d had an illegal value\n", (int)length,
          name, *info);
}

/* In row-major order the call was made with operands exchanged: back to the caller's numbers. */
static int callers(int info, const char *name) {
  static const struct {
    const char *names;
    int a, b;
  } exchanged[] = {
      {" gemm symm hemm ", 4, 5}, {" gemm ", 9, 11}, {" trmm trsm ", 6, 7}, {" gemv gbmv ", 3, 4},
      {" gbmv ", 5, 6}, {" ger geru gerc ", 2, 3}, {" ger geru gerc her2 hpr2 ", 6, 8},
  };
  char word[16];
  snprintf(word, sizeof word, " %s ", name + strlen("cblas_s"));
  for (size_t i = 0; i < sizeof exchanged / sizeof *exchanged; i++)
    if (strstr(exchanged[i].names, word) && (info == exchanged[i].a || info == exchanged[i].b))
      return exchanged[i].a + exchanged[i].b - info;
  return info;
}

void cblas_xerbla(int info, const char *name, const char *form, ...) {
  va_list arguments;
  if (info)
    fprintf(stderr, "Parameter %d to routine %s was incorrect\n",
            RowMajorStrg ? callers(info, name) : info, name);
  va_start(arguments, form);
  vfprintf(stderr, form, arguments);
  va_end(arguments);
}

#define CBLAS_XERBLA ((__typeof__(&cblas_xerbla))others_or_ours("cblas_xerbla", (void *)cblas_xerbla))
static void *others_or_ours(const char *name, void *ours) {
  void *other = others(name, ours);
  return other ? other : ours;
}

/* The call is over: 1. */
static int report(const char *name, const char *from_c, int64_t wrong) {
  const int info = (int)wrong;
  char padded[8];
  if (from_c) {
    CBLAS_XERBLA(info + 1, from_c, "");
  } else {
    snprintf(padded, sizeof padded, "%-6s", name);
    ((__typeof__(&xerbla_))others_or_ours("xerbla_", (void *)xerbla_))(padded, &info, strlen(padded));
  }
  return 1;
}

/* ---- calls ------------------------------------------------------------------------------------------ */

enum { WORTH = 512 }; /* elements: each that is copied is then multiplied so often, or more */

static cublasHandle_t shared;
static int cpu = -1; /* the processor, where another device takes the large calls */
static _Thread_local int before;

static void make_shared(void) {
  cublasHandle_t made;
  if (cublasCreate_v2(&made) != CUBLAS_STATUS_SUCCESS) return;
  made->stream = (cudaStream_t)2; /* each thread's own */
  made->device = ocu_device_get();
  if (!ocu_reaches_host(made->device)) {
    made->offload = offload;
    made->least = ocu_env_number("OPENCU_BLAS_OFFLOAD", "rows and columns", INT_MAX, WORTH);
    cpu = cpu_device();
  }
  shared = made;
}

static cublasHandle_t handle(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_shared);
  if (cpu >= 0) before = ocu_device_get(), ocu_device_set(cpu);
  return shared;
}

static int ended(cublasStatus_t status) {
  const int done =
      status == CUBLAS_STATUS_SUCCESS && ocu_stream_sync(ocu_shim_own_stream()) == OCU_OK;
  if (cpu >= 0) ocu_device_set(before);
  return done;
}

/* The program's own BLAS: behind us, or the file that OPENCU_BLAS_NEXT names. */
static void *next_of(const char *name) {
  void *next = dlsym(RTLD_NEXT, name);
  if (!next) {
    const char *file = getenv("OPENCU_BLAS_NEXT");
    void *library = dlopen(file ? file : "libblas.so.3", RTLD_NOW | RTLD_LOCAL);
    next = library ? dlsym(library, name) : NULL;
  }
  if (!next) {
    fprintf(stderr, "opencu: %s: %s, and there is no other BLAS\n", name, ocu_error());
    abort();
  }
  return next;
}
#define NEXT(name) ((__typeof__(&name))next_of(#name))

/* ---- arguments -------------------------------------------------------------------------------------- */

static int one_of(const char *letters, char c) { return c && strchr(letters, c); }
#define UPPER(c) ((char)((c) & ~32))
#define AT_LEAST_1(n) at_least_1(n)
#define ROWS(trans, plain, turned) ((trans) == 'N' ? (plain) : (turned))
#define ON_SIDE(left, right) (side == 'L' ? (left) : (right))
#define STEP(step) llabs(step)
#define TRANS(c) ((c) == 'N' ? CUBLAS_OP_N : (c) == 'T' ? CUBLAS_OP_T : CUBLAS_OP_C)
#define UPLO(c) ((c) == 'U' ? CUBLAS_FILL_MODE_UPPER : CUBLAS_FILL_MODE_LOWER)
#define DIAG(c) ((c) == 'U' ? CUBLAS_DIAG_UNIT : CUBLAS_DIAG_NON_UNIT)
#define SIDE(c) ((c) == 'L' ? CUBLAS_SIDE_LEFT : CUBLAS_SIDE_RIGHT)

/* CBLAS: an enumerator as a letter, and in row-major order the other one. */
#define LAYOUT(name) \
  int done = 0; \
  const int row = layout == 101; \
  RowMajorStrg = row; \
  if (layout != 101 && layout != 102) { \
    CBLAS_XERBLA(1, name, "Illegal layout setting, %d\n", layout); \
    return; \
  }
#define LETTER(p, first, letters, number, name) \
  const char p##_ = (unsigned)(p - first) < strlen(letters) ? letters[p - first] : 0; \
  if (!p##_) { \
    CBLAS_XERBLA(number, name, "Illegal " #p " setting, %d\n", p); \
    return; \
  }
#define OTHER_TRANS(c, letters) (!one_of(letters, c) ? c : c == 'N' ? letters[1] : 'N')
#define OTHER_UPLO(c, letters) (c == 'U' ? 'L' : 'U')
#define OTHER_SIDE(c, letters) (c == 'L' ? 'R' : 'L')

#define CONJUGATE_C(p) ((cuComplex){((const float *)p)[0], -((const float *)p)[1]})
#define CONJUGATE_Z(p) ((cuDoubleComplex){((const double *)p)[0], -((const double *)p)[1]})
static void conjugate(int doubles, void *x, int64_t n, int64_t step) {
  for (int64_t i = 0; i < n; i++)
    if (doubles)
      ((double *)x)[2 * i * llabs(step) + 1] *= -1;
    else
      ((float *)x)[2 * i * llabs(step) + 1] *= -1;
}

/* With the same step; freed by the caller. */
static void *conjugate_copy(int doubles, const void *x, int64_t n, int64_t step) {
  const size_t bytes = n > 0 ? (size_t)(1 + (n - 1) * llabs(step)) * (doubles ? 16 : 8) : 0;
  void *copy = malloc(bytes + 1);
  if (!copy) abort();
  if (bytes) conjugate(doubles, memcpy(copy, x, bytes), n, step);
  return copy;
}

/* ---- the names: made from tables/blas.csv ------------------------------------------------------------- */

#include "shape.inc"

/* The two that cuBLAS has no name for. */
static double dot_in_double(int64_t n, const float *x, int64_t incx, const float *y, int64_t incy) {
  double sum = 0;
  if (incx < 0) x -= (n - 1) * incx;
  if (incy < 0) y -= (n - 1) * incy;
  for (int64_t i = 0; i < n; i++) sum += (double)x[i * incx] * y[i * incy];
  return sum;
}

#define DOTS(fortran, suffix, integer) \
  double dsdot##fortran(const integer *n, const float *x, const integer *incx, const float *y, \
                        const integer *incy) { \
    return dot_in_double(*n, x, *incx, y, *incy); \
  } \
  float sdsdot##fortran(const integer *n, const float *b, const float *x, const integer *incx, \
                        const float *y, const integer *incy) { \
    return (float)(*b + dot_in_double(*n, x, *incx, y, *incy)); \
  } \
  CBLAS_DOTS(suffix, integer)
#define CBLAS_DOTS(suffix, integer) \
  double cblas_dsdot##suffix(integer n, const float *x, integer incx, const float *y, \
                             integer incy) { \
    return dot_in_double(n, x, incx, y, incy); \
  } \
  float cblas_sdsdot##suffix(integer n, float b, const float *x, integer incx, const float *y, \
                             integer incy) { \
    return (float)(b + dot_in_double(n, x, incx, y, incy)); \
  }
DOTS(_, , int32_t)
DOTS(_64_, 64_, int64_t)
CBLAS_DOTS(_64, int64_t)
