/* opencu.h - the C core of opencu: devices, memory, streams, events, plans.
 *
 * Plain C11, no Python. Everything below is exported by libopencu.so and used alike by the
 * vendor-shaped shims and by Python (opencu._core, cffi). Every function that can fail returns an
 * ocu_status; ocu_error() then says in one sentence what went wrong in this thread.
 */
#ifndef OPENCU_H
#define OPENCU_H
#include <stddef.h>
#include <stdint.h>

#define OCU_API __attribute__((visibility("default")))

typedef enum {
  OCU_OK = 0,
  OCU_INVALID_VALUE,    /* an argument is wrong; ocu_error() names it */
  OCU_OUT_OF_MEMORY,
  OCU_INVALID_DEVICE,
  OCU_INVALID_HANDLE,   /* a stream or event that is unknown or was destroyed */
  OCU_INVALID_POINTER,  /* not the start of a live allocation */
  OCU_ILLEGAL_ADDRESS,  /* an operand lies in freed or unmapped memory */
  OCU_NOT_READY,        /* a query: work is still pending */
  OCU_FORKED,           /* child of fork(): the context belongs to the parent */
  OCU_NO_PLAN,          /* the class was never planned, and planning was not asked for or failed */
  OCU_UNSUPPORTED,
  OCU_SYSTEM,           /* an operating-system call failed */
  OCU_LOST,             /* the device failed, and fails from now on */
  OCU_CAPTURE_UNSUPPORTED, /* a capturing stream cannot do that */
  OCU_CAPTURE_INVALIDATED, /* the capture failed before */
  OCU_CAPTURE_MERGE,    /* it would make one of two captures */
  OCU_CAPTURE_UNMATCHED, /* the capture began on another stream */
  OCU_CAPTURE_UNJOINED, /* a stream that joined has work which the first does not wait for */
  OCU_CAPTURE_ISOLATION, /* a wait for work outside of the capture */
  OCU_CAPTURE_IMPLICIT, /* the default stream would wait for a capture */
  OCU_CAPTURED_EVENT,   /* the event was last recorded in a capture */
  OCU_CAPTURE_WRONG_THREAD, /* another thread began the capture */
  OCU_ILLEGAL_STATE,    /* the stream is capturing already, or is not */
  OCU_UPDATE_FAILED     /* the graph differs too much from the executable one */
} ocu_status;

typedef enum {
  OCU_F32 = 1, OCU_F64, OCU_F16, OCU_BF16, OCU_I8, OCU_I32, OCU_C64, OCU_C128, OCU_I64,
  OCU_E4M3, OCU_E5M2, OCU_DTYPES
} ocu_dtype;

OCU_API size_t ocu_dtype_bytes(ocu_dtype dtype);

typedef struct ocu_stream ocu_stream;  /* NULL: the current device's legacy default stream */
typedef struct ocu_event ocu_event;

OCU_API const char *ocu_error(void);        /* this thread's last failure; never NULL */
OCU_API const char *ocu_status_name(ocu_status s);

/* ---- devices ------------------------------------------------------------------------------- */

typedef struct {
  char name[96];          /* the model's name */
  char target[32];        /* what code objects must be built for: "x86-64-avx2" */
  int threads;            /* worker threads, the caller included (OPENCU_THREADS) */
  int cores;              /* cores this process may run on */
  int64_t memory_total;   /* bytes: the smaller of MemTotal and the cgroup's limit */
  int64_t memory_free;    /* bytes: the smaller of MemAvailable and what the cgroup has left */
  int64_t l1, l2, l3;     /* data cache sizes in bytes, as the OS reports them; 0: unknown */
} ocu_device_info;

/* Devices are numbered over all drivers that were opened: first those of the driver that OPENCU_DEVICE
 * names ("cpu", OPENCU_CPU_DEVICES of them, unless set), which are all that a C program sees. */
OCU_API int ocu_device_count(void);                       /* of that driver */
/* Opens a driver, once: its devices get the next numbers, `count` from `first` on. Says why the
 * driver (count 0) or some of its devices are absent, else ""; NULL: as ocu_alive fails. */
OCU_API const char *ocu_driver_open(const char *name, int *first, int *count);
OCU_API ocu_status ocu_device_query(int device, ocu_device_info *out);
OCU_API ocu_status ocu_device_set(int device);            /* the calling thread's current device */
OCU_API int ocu_device_get(void);
OCU_API ocu_status ocu_device_sync(int device);
OCU_API ocu_status ocu_alive(void);                       /* OCU_OK, or OCU_FORKED */

/* A setting: a number of `what` from 1 to `most`; another text is told on stderr. */
OCU_API int ocu_env_number(const char *name, const char *what, int most, int otherwise);

/* ---- memory -------------------------------------------------------------------------------- */

typedef enum { OCU_MEM_UNKNOWN = 0, OCU_MEM_DEVICE, OCU_MEM_HOST, OCU_MEM_MANAGED } ocu_mem_kind;

typedef struct {
  void *base;        /* start of the allocation that holds the pointer */
  size_t bytes;
  int device;
  ocu_mem_kind kind; /* OCU_MEM_UNKNOWN: ordinary memory of the process */
  int freed;         /* 1: inside the pool, but not in a live allocation */
  void *handle;      /* the driver's own name of the allocation */
} ocu_pointer_info;

/* At least 256-byte aligned; bytes == 0 gives *out = NULL and OCU_OK. */
OCU_API ocu_status ocu_alloc(int device, size_t bytes, ocu_mem_kind kind, void **out);
OCU_API ocu_status ocu_free(void *p);            /* waits for the device's work; NULL is OK */
OCU_API ocu_status ocu_alloc_async(ocu_stream *s, size_t bytes, void **out);
OCU_API ocu_status ocu_free_async(ocu_stream *s, void *p);  /* freed in stream order */
OCU_API ocu_status ocu_trim(size_t keep);        /* give cached pages back, but `keep` bytes */
OCU_API ocu_status ocu_pointer_query(const void *p, ocu_pointer_info *out);
/* Are bytes [p, p + bytes) accessible? In the pool this is a look-up; other memory is probed. */
OCU_API ocu_status ocu_check(const void *p, size_t bytes, int write);
/* The same of any memory of this process, as the kernel sees it: 1 or 0. */
OCU_API int ocu_accessible(const void *p, size_t bytes, int write);
/* From now on no result is written there: memory that holds handles. */
OCU_API void ocu_keep(const void *p, size_t bytes);

/* Can kernels on the device use memory of the other one? If they can, they may from now on. */
OCU_API ocu_status ocu_peer(int device, int other, int *can);
/* Do kernels on the device use the host's ordinary memory where it lies? 1 or 0. */
OCU_API int ocu_reaches_host(int device);
/* Device memory of another process, by a handle that it got; the whole allocation, from its start.
 * OCU_UNSUPPORTED: the driver has none. */
OCU_API ocu_status ocu_ipc_get(const void *p, char handle[64]);
OCU_API ocu_status ocu_ipc_open(int device, const char handle[64], void **out);
OCU_API ocu_status ocu_ipc_close(void *p);   /* waits for the work of all devices */

/* ---- streams and events --------------------------------------------------------------------- */

enum { OCU_STREAM_NONBLOCKING = 1 };
enum { OCU_EVENT_NO_TIMING = 1 };

OCU_API ocu_status ocu_stream_create(int device, int flags, ocu_stream **out);
OCU_API ocu_status ocu_stream_destroy(ocu_stream *s);  /* returns at once; queued work still runs */
OCU_API ocu_status ocu_stream_sync(ocu_stream *s);
OCU_API ocu_status ocu_stream_query(ocu_stream *s);         /* OCU_OK or OCU_NOT_READY */
OCU_API ocu_status ocu_stream_wait(ocu_stream *s, ocu_event *e);
OCU_API ocu_status ocu_stream_host_call(ocu_stream *s, void (*fn)(void *), void *arg);
OCU_API int ocu_stream_device(ocu_stream *s);               /* -1: not a live stream */
OCU_API int ocu_stream_flags(ocu_stream *s);

OCU_API ocu_status ocu_event_create(int device, int flags, ocu_event **out);
OCU_API ocu_status ocu_event_destroy(ocu_event *e);
OCU_API ocu_status ocu_event_record(ocu_event *e, ocu_stream *s);
OCU_API ocu_status ocu_event_sync(ocu_event *e);
OCU_API ocu_status ocu_event_query(ocu_event *e);
OCU_API ocu_status ocu_event_elapsed(ocu_event *from, ocu_event *to, float *ms);

/* Stream-ordered. host_sync != 0: return only when done. A pageable source has been read when a
 * copy returns. The ranges are checked (ocu_check) before anything is queued. */
OCU_API ocu_status ocu_copy(ocu_stream *s, void *dst, const void *src, size_t bytes, int host_sync);
OCU_API ocu_status ocu_copy_2d(ocu_stream *s, void *dst, size_t dpitch, const void *src,
                               size_t spitch, size_t width, size_t height, int host_sync);
OCU_API ocu_status ocu_fill(ocu_stream *s, void *dst, int byte, size_t bytes, int host_sync);
OCU_API ocu_status ocu_fill_2d(ocu_stream *s, void *dst, size_t pitch, int byte, size_t width,
                               size_t height, int host_sync);
/* Rows of `width` bytes of a value that is 1, 2 or 4 bytes (unit) wide; dst and pitch fit it. */
OCU_API ocu_status ocu_fill_units(ocu_stream *s, void *dst, size_t pitch, uint32_t value,
                                  size_t unit, size_t width, size_t height, int host_sync);

/* ---- graphs --------------------------------------------------------------------------------- *
 *
 * A stream that captures keeps its operations, in a graph, and runs none. Others join it when they
 * wait for an event recorded in it, and must be joined back. What could not be replayed is refused
 * and breaks the capture: waiting, ordinary memory of the host, the default stream beside a blocking
 * one. Launches fail once memory that the graph uses was freed; what is freed in the capture's own
 * order (ocu_free_async) stays the graph's. A graph is not to be used by two threads at a time. */

typedef struct ocu_graph ocu_graph;
enum { OCU_READS = 1, OCU_WRITES = 2 };
typedef struct { const void *p; size_t bytes; int how; } ocu_range;
/* Which threads may not allocate and free meanwhile: all, the capturing one, none. */
enum { OCU_CAPTURE_GLOBAL, OCU_CAPTURE_THREAD, OCU_CAPTURE_RELAXED };
enum { OCU_CAPTURE_NONE, OCU_CAPTURE_ACTIVE, OCU_CAPTURE_BROKEN };

OCU_API ocu_status ocu_capture_begin(ocu_stream *s, int mode);
OCU_API ocu_status ocu_capture_end(ocu_stream *s, ocu_graph **out);
/* id and graph may be NULL; they are set if the stream captures. */
OCU_API ocu_status ocu_capture_query(ocu_stream *s, int *state, uint64_t *id, ocu_graph **graph);
OCU_API int ocu_capture_mode(int mode);  /* this thread's from now on; returns what it was */
OCU_API ocu_status ocu_graph_nodes(ocu_graph *g, int executable, size_t *out);
/* The bytes that a node reads and writes, by all that the library knows; they are the graph's. */
OCU_API ocu_status ocu_graph_ranges(ocu_graph *g, int executable, size_t node,
                                    const ocu_range **out, size_t *n);
OCU_API ocu_status ocu_graph_instantiate(ocu_graph *g, ocu_graph **out); /* g may be destroyed */
OCU_API ocu_status ocu_graph_update(ocu_graph *executable, ocu_graph *g);
OCU_API ocu_status ocu_graph_launch(ocu_graph *executable, ocu_stream *s);
OCU_API ocu_status ocu_graph_destroy(ocu_graph *g, int executable); /* launches go on */
/* Calls fn in the stream's turn with a copy of the data; what fn puts on the stream runs within. */
OCU_API ocu_status ocu_stream_defer(ocu_stream *s, ocu_status (*fn)(ocu_stream *, void *),
                                    const void *data, size_t bytes);

/* ---- plans ---------------------------------------------------------------------------------- *
 *
 * A spec names a class of calls, a plan says how one target runs that class. A call is a spec and
 * an array of 64-bit arguments (sizes, strides, pointers, scalars as raw bits); its plan computes
 * further slots from them and launches code. The format (little endian, offsets from its start):
 *
 *   ocu_plan_header
 *   ocu_expr   exprs[n_exprs]        slot n_args + i = exprs[i]
 *   launches   n_launches x { ocu_launch, uint16_t params[n_params], padding to 8 bytes }
 *   code       code_bytes of position-independent machine code, at code_offset (64-byte aligned)
 */

typedef struct { uint8_t f[16]; } ocu_spec;  /* f[0]: operation; the rest as that operation says */
enum { OCU_OP_GEMM = 1, OCU_OP_GEMM_USER = 2, OCU_OP_GEAM = 3, OCU_OP_SCALED = 4,
       OCU_OP_USER = 255 };

typedef struct {
  char magic[8];          /* "OCUPLAN1" */
  uint8_t build_id[16];   /* ocu_build_id() of the opencu that made it */
  uint64_t checksum;      /* ocu_checksum over everything behind this field */
  uint64_t bytes;         /* the whole plan */
  char target[32];
  ocu_spec spec;
  uint16_t n_args, n_exprs, n_launches, reserved;
  uint32_t code_offset, code_bytes;
  uint32_t pad[2];
} ocu_plan_header;

typedef enum {            /* a and b are slot numbers; division rounds down, operands are >= 0 */
  OCU_X_CONST = 0,        /* imm */
  OCU_X_THREADS,          /* the device's worker threads */
  OCU_X_ADD, OCU_X_SUB, OCU_X_MUL, OCU_X_DIV, OCU_X_CDIV, OCU_X_ALIGN, /* a rounded up to b */
  OCU_X_MIN, OCU_X_MAX
} ocu_expr_op;

typedef struct { uint8_t op; uint8_t pad; uint16_t a, b; uint16_t pad2; int64_t imm; } ocu_expr;

typedef struct {
  uint32_t entry;         /* offset of the entry point in the code */
  uint16_t grid;          /* slot: number of programs; 0 programs is fine */
  uint16_t scratch;       /* slot: bytes of scratch a thread needs, 64-byte aligned */
  uint16_t cost;          /* slot: estimated nanoseconds on one thread, all programs together */
  uint16_t n_params;
  uint32_t pad;
} ocu_launch;

/* A code object's entry point. params are the call's slots in the kernel's own order. Programs
 * may run in any order, on any thread, at the same time; scratch belongs to the thread. */
typedef void (*ocu_kernel)(const int64_t *params, int64_t pid, void *scratch);

enum {
  OCU_CALL_NO_PLANNER = 1, /* a class without a plan returns OCU_NO_PLAN at once (Python plans) */
  OCU_CALL_SYNC = 2,       /* return when done; the caller's thread works too */
  OCU_CALL_TRUSTED = 4,    /* the caller vouches for the operands' memory */
  OCU_CALL_PLAN = 8        /* make the plan, if there is none, and do nothing */
};

OCU_API ocu_status ocu_call(ocu_stream *s, const ocu_spec *spec, const int64_t *args, int n_args,
                            int flags);
OCU_API ocu_status ocu_plan_add(const void *plan, size_t bytes);    /* validate, map, register */
OCU_API ocu_status ocu_plan_store(const void *plan, size_t bytes);  /* the same, and keep on disk */
/* Find the plan in memory, the store or the pack, without a planner: OCU_OK or OCU_NO_PLAN. */
OCU_API ocu_status ocu_plan_find(const char *target, const ocu_spec *spec);
OCU_API uint64_t ocu_checksum(const void *data, size_t bytes);
OCU_API const uint8_t *ocu_build_id(void); /* 16 bytes: a hash of kernel and compiler sources */
OCU_API const char *ocu_store_path(void);    /* "" if no store can be used; ocu_error() says why */
OCU_API int64_t ocu_counter(const char *name); /* "plans.mapped", "planner.calls", "launches" */

/* ---- operations ----------------------------------------------------------------------------- */

/* D[i] = activation(alpha op(A[i]) op(B[i]) + beta C[i] + bias) for i in 0..batch-1; op(A) is m x k,
 * op(B) k x n, C and D m x n; C and D may be the same memory, and must not overlap otherwise.
 * Strides (of the batch, rows, columns) are in elements and may be anything, so a transpose is a
 * swap; alpha, beta and the sums are of the dtype `scale`. beta == 0 does not read C; alpha == 0 or
 * k == 0 does not read A and B. D of 8 bits ends at its largest finite number. */
/* gelu: with the tanh. GELU_AUX keeps its x in aux; DGELU multiplies by its slope at aux. */
typedef enum { OCU_IDENTITY, OCU_RELU, OCU_GELU, OCU_GELU_AUX, OCU_DGELU } ocu_activation;
enum { OCU_BIAS_NONE, OCU_BIAS_ROWS, OCU_BIAS_COLUMNS };          /* a number for each row, column */

typedef struct {
  uint8_t ab, c, scale;   /* ocu_dtype of A and B; of C, D and bias; of alpha, beta and the sums */
  uint8_t conj;           /* 1: the conjugate of A, 2: of B, 3: of both */
  uint8_t activation, bias;
  uint8_t pointers;       /* 1: a, b, c, d are arrays of `batch` pointers, read when it runs */
  uint8_t form, d_form;   /* of A or B; of D: below */
  uint8_t b;              /* 0, or the dtype of B if it is not A's: of E4M3 and E5M2 */
  uint8_t vectors;        /* 1: alpha has a number for each row, 2: so has beta; on the device */
} ocu_gemm_kind;

/* An operand of which one side is stored, or is not zero; a D of which one side is written. Without a
 * batch. An operand is square, and its other side is not read; the diagonal of a triangular one with
 * ones is not read either, and that of a Hermitian one, or D, is taken to be real. IN_PLACE: D is
 * the other operand of a triangular one. */
enum { OCU_FORM_A = 1, OCU_FORM_B = 2, OCU_SYMMETRIC = 0, OCU_HERMITIAN = 4, OCU_TRIANGULAR = 8,
       OCU_LOWER = 16, OCU_UNIT = 32, OCU_IN_PLACE = 64 };
enum { OCU_D_LOWER = 1, OCU_D_UPPER = 2, OCU_D_HERMITIAN = 4 };

typedef struct {
  const void *p;
  int64_t bs, rs, cs;
} ocu_matrix;

/* Of a product of 8-bit numbers: factors of A, B, C, D, all f32 in device memory and read when it runs
 * (NULL: 1), where D may be of another dtype than C, and the bias too:
 *   X = activation(alpha a op(A) b op(B) + beta c C + bias), amax = max |X|, D = d X */
typedef struct {
  uint8_t d, bias;          /* dtypes of D and bias; 0: nothing of this is wanted */
  uint8_t a_rows, b_columns; /* a has a factor for each row of op(A), b for each column of op(B) */
  const void *a_factor, *b_factor, *c_factor, *d_factor;
  void *amax;
} ocu_scaling;

typedef struct {
  ocu_gemm_kind kind;
  int64_t batch, m, n, k;
  const void *alpha, *beta; /* read at the call, unless they are vectors */
  ocu_matrix a, b, c, d;
  const void *bias;
  int64_t bias_bs;          /* elements from one matrix's bias to the next one's */
  int64_t alpha_bs;         /* the same of alpha where it is a vector */
  ocu_matrix aux;           /* m x n, of the dtype of D */
  struct ocu_epilogue *epilogue;  /* NULL, or what else is done to D's elements */
  ocu_scaling scaling;
} ocu_product;

/* An epilogue of a user's: code that the key stands for, and matrices as large as D, of its dtype,
 * that it reads (strides may be 0). OCU_NO_PLAN leaves here what the plan is for: the class, the
 * layouts of the matrices as the kernel sees them. The caller vouches for their memory. */
typedef struct ocu_epilogue {
  uint8_t key[16];
  int n;
  ocu_matrix extra[4];
  ocu_spec of;
  uint8_t layouts[4];
} ocu_epilogue;

OCU_API ocu_status ocu_multiply(ocu_stream *s, const ocu_product *g, int flags);
/* The same for one dtype (not of integers), D being C; the scale of narrow types is f32. */
OCU_API ocu_status ocu_gemm(ocu_stream *s, ocu_dtype dtype, int64_t batch, int64_t m, int64_t n,
                            int64_t k, const void *alpha, const void *a, int64_t a_rs, int64_t a_cs,
                            int64_t a_bs, const void *b, int64_t b_rs, int64_t b_cs, int64_t b_bs,
                            const void *beta, void *c, int64_t c_rs, int64_t c_cs, int64_t c_bs,
                            int flags);
/* D = alpha op(A) + beta op(B), all m x n and of one dtype, not of integers: the members a, b, d of a
 * product without a batch. D may be A or B itself. An operand whose factor is 0 is not read. */
OCU_API ocu_status ocu_geam(ocu_stream *s, const ocu_product *g, int flags);
/* With a triangular A or B, and beta 0: D = alpha A B, where the other operand may be D itself; and
 * the X of A X = alpha D, or X B = alpha D, in D's place. */
OCU_API ocu_status ocu_trmm(ocu_stream *s, const ocu_product *g, int flags);
OCU_API ocu_status ocu_trsm(ocu_stream *s, const ocu_product *g, int flags);
/* Any other routine of BLAS: an operation on up to four operands, which says what they, the sizes,
 * the scalars and the form mean (opencu/blas/kernels). Batches step by bs, or are arrays of pointers,
 * but for those of i32. */
enum {
  OCU_OP_COPY = 16, OCU_OP_SWAP, OCU_OP_SCAL, OCU_OP_AXPY, OCU_OP_ROT, OCU_OP_ROTM, OCU_OP_DOT,
  OCU_OP_ASUM, OCU_OP_NRM2, OCU_OP_AMAX, OCU_OP_AMIN, OCU_OP_ROTG, OCU_OP_ROTMG,
  OCU_OP_MATVEC, OCU_OP_SOLVE, OCU_OP_RANK, OCU_OP_SCALE, OCU_OP_REPACK,
  OCU_OP_TRSM, OCU_OP_EXPAND,
  OCU_OP_GETRF, OCU_OP_GETRS, OCU_OP_GETRI, OCU_OP_MATINV, OCU_OP_GEQRF, OCU_OP_GELS,
  OCU_OP_TRSM_BATCHED, OCU_OP_QUANTIZED, OCU_OP_MASK,
  OCU_OP_TRANSFORM
};
enum { OCU_STAGED = 4 };  /* beside OCU_READS, OCU_WRITES: in memory of the host's, done on return */

typedef struct {
  ocu_matrix x;           /* a vector is a row */
  int64_t rows, columns;
  uint8_t dtype, how;     /* how 0: there is none */
} ocu_operand;

typedef struct {
  const void *p;
  uint8_t dtype, count;   /* count 0: there is none */
} ocu_factor;

typedef struct {
  uint8_t op, form[7];
  int64_t size[4], batch;
  ocu_operand x[4];
  ocu_factor factor[2];   /* read at the call; in device memory, when it runs */
  uint8_t factors_on_device, pointers;
  size_t workspace;       /* bytes that the kernels need between their launches */
} ocu_routine;

OCU_API ocu_status ocu_run(ocu_stream *s, const ocu_routine *r, int flags);
/* The class that ocu_multiply would look up, for planning after OCU_NO_PLAN. */
OCU_API ocu_spec ocu_last_spec(void);        /* the spec of this thread's last OCU_NO_PLAN */
#endif
