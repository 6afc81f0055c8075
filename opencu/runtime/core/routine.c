/* routine.c - any call but a product: its operands are checked, its class and arguments made. */
#include <string.h>
#include "core.h"

enum { OPERANDS = 4, FACTORS = 2, FACTOR_WORDS = 6 };
enum { FETCHED = 1, SEVERAL = 2, POINTERS = 4, ONE_BY_ONE = 8, MIXED = 16, LANES = 32 };
/* flags of a class; MIXED: the second factor is complex, the first one is not; LANES: a batch of
   systems that are solved side by side (interleaved.py) */
enum { DTYPES = 1, FACTOR_TYPE = 5, LAYOUTS = 6, FLAGS = 8, FORM };   /* in a spec */
enum { SIZE, BATCH = 4, X, WORDS = 6, FACTOR = X + WORDS * OPERANDS, /* in args */
       WORKSPACE = FACTOR + FACTOR_WORDS, PARTS, ARGS };
static const int64_t strip = 1 << 15, most_parts = 64;
enum { FULL = 0, TRIANGULAR = 3, LARGE = 256 }; /* forms of matvec.py; rows that are worth blocks */
static const char *const names[] = {"the first operand", "the second operand", "the third operand",
                                    "the fourth operand"};

/* How many programs add a vector up: its length alone decides, and so what the sum is. */
static int64_t parts_of(const ocu_routine *r) {
  if (r->op < OCU_OP_DOT || r->op > OCU_OP_AMIN) return 1;
  int64_t parts = (r->x[0].columns + strip - 1) / strip;
  return parts < 1 ? 1 : parts < most_parts ? parts : most_parts;
}

/* Bytes of the rooms for systems side by side, of PROGRAMS programs and lanes of up to 4 vectors; 0
 * where there are too few systems, too large ones, or a device with threads of its own. */
static size_t rooms(const ocu_stream *s, const ocu_routine *r) {
  enum { PROGRAMS = 64, LANE_BYTES = 4 * 64, ROWS = 32, SYSTEMS = 8 };
  const int64_t n = r->x[0].rows, columns = r->x[2].how ? r->x[2].columns : 0;
  const bool systems = r->op >= OCU_OP_GETRF && r->op <= OCU_OP_MATINV;
  if (!systems || n > ROWS || columns > ROWS || r->batch < SYSTEMS || ocu_is_native(s)) return 0;
  return PROGRAMS * LANE_BYTES * (size_t)(n * (n + columns)) + 64;
}

static bool empty(const ocu_routine *r, const ocu_operand *x) {
  return !x->how || r->batch < 1 || x->rows < 1 || x->columns < 1;
}

static ocu_status check_operand(ocu_stream *s, const ocu_routine *r, int i, int *flags) {
  const ocu_operand *x = &r->x[i];
  if (empty(r, x)) return OCU_OK;
  if (!x->x.p) return ocu_fail(OCU_INVALID_VALUE, "%s is NULL", names[i]);
  if (r->pointers && x->dtype != OCU_I32 && !(x->how & OCU_STAGED))
    return ocu_check(x->x.p, (size_t)r->batch * sizeof(void *), 0);
  OCU_TRY(ocu_check_matrix(names[i], &x->x, r->batch, x->rows, x->columns, ocu_sizes[x->dtype],
                           x->how & OCU_WRITES));
  if (x->how & OCU_STAGED || !ocu_pooled(x->x.p)) *flags |= OCU_CALL_SYNC;
  if (x->how & OCU_STAGED || !atomic_load(&ocu_native_devices)) return OCU_OK;
  OCU_ENTER_STREAM(s);
  return ocu_reach(s, x->x.p, false);
}

/* In stream order, before the routine: a wild pointer fails the stream and no program runs. */
ocu_status ocu_routine_pointed(const ocu_spec *spec, const int64_t *args) {
  ocu_arrays arrays = {0, {0}, (size_t)args[BATCH] * sizeof(void *)};
  for (int check = 0; check < 2; check++) /* the arrays first */
    for (int i = 0; i < OPERANDS; i++) {
      const int64_t *x = args + X + WORDS * i, size = ocu_sizes[spec->f[DTYPES + i]];
      const int how = spec->f[LAYOUTS + i / 2] >> (4 * (i % 2) + 2) & 3, write = how & OCU_WRITES;
      const bool pointers = spec->f[DTYPES + i] != OCU_I32;
      if (!how || x[4] < 1 || x[5] < 1) continue;
      if (!check) {
        if (pointers) arrays.at[arrays.count++] = (uintptr_t)x[0];
      } else if (pointers) {
        OCU_TRY(ocu_check_pointed(names[i], x, args[BATCH], x[4], x[5], size, write, &arrays));
      } else if (write) {
        const ocu_matrix direct = {(const void *)x[0], x[1], x[2], x[3]};
        OCU_TRY(ocu_check_arrays(names[i], &direct, args[BATCH], x[4], x[5], size, &arrays));
      }
    }
  return OCU_OK;
}

/* Into the class and the arguments go an operand's dtype, layout, use, place and shape. */
static void put_operand(const ocu_operand *x, int i, bool contiguous, ocu_spec *spec,
                        int64_t *args) {
  const int64_t words[WORDS] = {(int64_t)x->x.p, x->x.bs, x->x.rs, x->x.cs, x->rows, x->columns};
  memcpy(args + X + WORDS * i, words, sizeof words);
  spec->f[DTYPES + i] = x->dtype;
  const bool column = spec->f[0] >= OCU_OP_GETRF && x->columns == 1 && x->x.rs == 1;
  const uint8_t layout = x->rows == 1 && !contiguous ? 0 : column ? 1 : ocu_layout(&x->x);
  spec->f[LAYOUTS + i / 2] |= (uint8_t)((layout | (x->how & 3) << 2) << 4 * (i % 2));
  if (x->how & OCU_WRITES && !x->x.cs && x->columns > 1) spec->f[FLAGS] |= ONE_BY_ONE;
}

static ocu_status put_factors(const ocu_routine *r, int64_t *args) {
  int word = FACTOR;
  for (int i = 0; i < FACTORS && r->factor[i].count; i++) {
    const ocu_factor *f = &r->factor[i];
    const size_t size = ocu_sizes[f->dtype], bytes = size * f->count;
    if (!f->p) return ocu_fail(OCU_INVALID_VALUE, "a factor is NULL");
    if (r->factors_on_device) {
      OCU_TRY(ocu_check(f->p, bytes, 0));
      args[word++] = (int64_t)f->p;
      continue;
    }
    if (!ocu_scalar_readable(f->p, bytes))
      return ocu_fail(OCU_ILLEGAL_ADDRESS, "the factor at %p may not be read", f->p);
    for (int j = 0; j < f->count; j++) {
      const ocu_scalar_bits x = ocu_read_scalar((const char *)f->p + j * (int64_t)size, f->dtype);
      args[word++] = x.re;
      if (ocu_is_complex(f->dtype)) args[word++] = x.im;
    }
  }
  return OCU_OK;
}

/* What lies in the host's memory has a copy on a device that does not share it. */
static ocu_status stage(ocu_stream *s, const ocu_routine *r, int64_t *args, void **temp) {
  for (int i = 0; i < OPERANDS; i++) {
    const ocu_operand *x = &r->x[i];
    const size_t bytes = (size_t)(x->rows * x->columns) * ocu_sizes[x->dtype];
    if (!(x->how & OCU_STAGED) || empty(r, x)) continue;
    OCU_TRY(ocu_alloc_async(s, bytes, &temp[i]));
    args[X + WORDS * i] = (int64_t)temp[i];
    if (x->how & OCU_READS) OCU_TRY(ocu_copy(s, temp[i], x->x.p, bytes, 0));
  }
  return OCU_OK;
}

static ocu_status unstage(ocu_stream *s, const ocu_routine *r, void *const *temp) {
  for (int i = 0; i < OPERANDS; i++) {
    const ocu_operand *x = &r->x[i];
    const size_t bytes = (size_t)(x->rows * x->columns) * ocu_sizes[x->dtype];
    if (temp[i] && x->how & OCU_WRITES) OCU_TRY(ocu_copy(s, (void *)x->x.p, temp[i], bytes, 1));
  }
  return OCU_OK;
}

/* With memory of its own, which is given back in stream order. */
static ocu_status call_with(ocu_stream *s, const ocu_routine *r, const ocu_spec *spec,
                            int64_t *args, size_t workspace, int flags) {
  void *temp[OPERANDS + 1] = {0};
  ocu_status status = workspace ? ocu_alloc_async(s, workspace, &temp[OPERANDS]) : OCU_OK;
  args[WORKSPACE] = (int64_t)temp[OPERANDS];
  const bool native = ocu_is_native(s);
  if (!status && native) status = stage(s, r, args, temp);
  if (!status) status = ocu_call(s, spec, args, ARGS, flags);
  if (!status && native) status = unstage(s, r, temp);
  for (int i = 0; i <= OPERANDS; i++) {
    ocu_status freed = temp[i] ? ocu_free_async(s, temp[i]) : OCU_OK;
    if (!status) status = freed;
  }
  return status;
}

/* Beside a matrix there are two classes: all vectors contiguous, or none. */
static bool vectors_contiguous(const ocu_routine *r) {
  bool all = true;
  for (int i = 1; r->op >= OCU_OP_MATVEC && i < OPERANDS; i++)
    if (r->x[i].how && r->x[i].rows == 1 && r->x[i].x.cs != 1) all = false;
  return all;
}

ocu_status ocu_run(ocu_stream *s, const ocu_routine *r, int flags) {
  OCU_ENTER_STREAM(s);
  if (!r) return ocu_fail(OCU_INVALID_VALUE, "the routine is NULL");
  if ((r->op == OCU_OP_MATVEC || r->op == OCU_OP_SOLVE) && r->form[0] == FULL &&
      r->form[1] == TRIANGULAR && r->x[0].rows >= LARGE)
    return ocu_vector_triangle(s, r, flags);
  ocu_spec spec = {{r->op}};
  int64_t args[ARGS] = {r->size[0], r->size[1], r->size[2], r->size[3], r->batch};
  OCU_TRY(put_factors(r, args));
  const bool contiguous = vectors_contiguous(r);
  bool idle = true;  /* is nothing written? */
  for (int i = 0; i < OPERANDS; i++) {
    if (!r->x[i].how) continue;
    if (r->x[i].how & OCU_WRITES && !empty(r, &r->x[i])) idle = false;
    if (!(flags & OCU_CALL_TRUSTED)) OCU_TRY(check_operand(s, r, i, &flags));
    put_operand(&r->x[i], i, contiguous, &spec, args);
  }
  if (idle) return OCU_OK;
  args[PARTS] = parts_of(r);
  spec.f[FACTOR_TYPE] = r->factor[0].dtype;
  spec.f[FLAGS] |= (uint8_t)((r->factors_on_device ? FETCHED : 0) | (r->pointers ? POINTERS : 0) |
                             (args[PARTS] > 1 ? SEVERAL : 0) |
                             (r->factor[1].dtype > r->factor[0].dtype ? MIXED : 0));
  memcpy(spec.f + FORM, r->form, sizeof r->form);
  const size_t room = rooms(s, r), sums = args[PARTS] > 1 ? (size_t)args[PARTS] * 32 : 0;
  if (room) spec.f[FLAGS] |= LANES;
  if (room + sums + r->workspace || ocu_is_native(s))
    return call_with(s, r, &spec, args, room + sums + r->workspace, flags);
  return ocu_call(s, &spec, args, ARGS, flags);
}
