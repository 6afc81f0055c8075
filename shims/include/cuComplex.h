/* cuComplex.h - complex numbers as the math libraries take them. */
#ifndef OPENCU_CUCOMPLEX_H
#define OPENCU_CUCOMPLEX_H

#ifndef __VECTOR_TYPES_H__ /* the vendor's header, where both are in use */
struct float2 {
  float x, y;
} __attribute__((aligned(8)));
struct double2 {
  double x, y;
} __attribute__((aligned(16)));
typedef struct float2 float2;
typedef struct double2 double2;
#endif

typedef float2 cuFloatComplex;
typedef double2 cuDoubleComplex;
typedef cuFloatComplex cuComplex;

#define OPENCU_COMPLEX(type, part, make, real, imag, conj, add, sub, mul) \
  static inline type make(part x, part y) { \
    type z; \
    z.x = x; \
    z.y = y; \
    return z; \
  } \
  static inline part real(type z) { return z.x; } \
  static inline part imag(type z) { return z.y; } \
  static inline type conj(type z) { return make(z.x, -z.y); } \
  static inline type add(type a, type b) { return make(a.x + b.x, a.y + b.y); } \
  static inline type sub(type a, type b) { return make(a.x - b.x, a.y - b.y); } \
  static inline type mul(type a, type b) { \
    return make(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x); \
  }
OPENCU_COMPLEX(cuFloatComplex, float, make_cuFloatComplex, cuCrealf, cuCimagf, cuConjf, cuCaddf,
               cuCsubf, cuCmulf)
OPENCU_COMPLEX(cuDoubleComplex, double, make_cuDoubleComplex, cuCreal, cuCimag, cuConj, cuCadd,
               cuCsub, cuCmul)
#undef OPENCU_COMPLEX
static inline cuComplex make_cuComplex(float x, float y) { return make_cuFloatComplex(x, y); }
#endif
