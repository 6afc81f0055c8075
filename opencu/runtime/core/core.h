/* core.h - what the core's files share with one another; nothing here is exported.
 *
 *   error.c     messages                        queue.c    tickets, queues, runner threads
 *   sys.c       futexes, threads, slabs, files  stream.c   the public functions of streams
 *   machine.c   facts about the machine         event.c    events
 *   device.c    start, devices, fork, counters  copy.c     copies and fills
 *   pool.c      pool, look-up, charging         plan.c     plan validation, registry
 *   memory.c    the public functions of memory  call.c     expressions, ocu_call
 *   check.c     is this memory accessible?      store.c    plans on disk
 *   workers.c   compute threads, scratch        pack.c     plans that came with the package
 *   env.c       settings                        build.c    build id, the package's folder
 *   capture.c   what capturing streams get      planner.c  asking the planner process
 *   graph.c     the same, run again             reach.c    peers, memory of other processes
 *   native.c    over other drivers: streams' order, memory, code
 */
#ifndef OCU_CORE_H
#define OCU_CORE_H
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include "driver.h"
#include "opencu.h"

#define OCU_LIKELY(x) __builtin_expect(!!(x), 1)
#define OCU_MAX_DEVICES 128

/* ---- env.c: an empty variable is not set ---- */
const char *ocu_env(const char *name);
/* Says "<name>=<value> is not <expected>"; the text goes on with what is used instead. */
void ocu_env_refuse(const char *name, const char *expected, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- per thread; initial-exec keeps an access at one instruction ---- */
typedef struct {
  int chosen;            /* the current device + 1; 0: not chosen */
  int in_host_call;      /* inside a host function: waiting on a stream could never end */
  void *scratch;
  size_t scratch_bytes;
  char *message;         /* ocu_error() */
  uintptr_t stack_low, stack_end;  /* 0: not asked yet */
  ocu_spec missing;      /* ocu_last_spec() */
  int capture_mode;
  const struct ocu_turn *turn;  /* of a deferred call: what it puts on streams runs in it */
} ocu_thread;
extern _Thread_local ocu_thread ocu_self __attribute__((tls_model("initial-exec")));
void ocu_self_owns(void);  /* this thread has scratch or a message to give back when it ends */

/* ---- machine.c: root is "" but in tests ---- */
int ocu_machine_cores(const char *root);
void ocu_machine_memory(const char *root, int64_t *total, int64_t *available);
void ocu_machine_caches(int64_t *l1, int64_t *l2, int64_t *l3);
void ocu_machine_name(char *out, size_t bytes);
const char *ocu_machine_target(void);

/* ---- device.c ---- */
enum { OCU_COLD, OCU_READY, OCU_DEAD };
extern _Atomic int ocu_state;
extern bool ocu_debug_launches, ocu_debug_times;
extern ocu_device_info ocu_cpu;          /* the fixed facts of this processor */
typedef struct ocu_target ocu_target;
typedef struct {
  const ocu_driver *driver;              /* NULL: a CPU device */
  int index;                             /* as the driver counts */
  int threads;                           /* OCU_X_THREADS */
  int64_t memory;                        /* bytes */
  bool counted;                          /* the driver cannot tell what of them is free: we count */
  ocu_target *target;                    /* whose plans it runs */
  _Atomic int lost;
} ocu_device;
extern ocu_device ocu_devices[OCU_MAX_DEVICES];
/* Of the package, NULL behind the last; setup.py makes it. */
extern const ocu_driver *const ocu_own_drivers[] __attribute__((weak));
ocu_status ocu_check_device(int device);
ocu_status ocu_start(void);

static inline bool ocu_is_ready(void) {
  return OCU_LIKELY(atomic_load_explicit(&ocu_state, memory_order_acquire) == OCU_READY);
}

/* Returns what a call fails with. */
#define OCU_TRY(call)         \
  do {                        \
    ocu_status try_ = (call); \
    if (try_) return try_;    \
  } while (0)

/* The first line of every entry point: starts the library, and refuses a forked child. */
#define OCU_ENTER() OCU_TRY(ocu_is_ready() ? OCU_OK : ocu_start())

/* The same where work is put on the stream s, which is the default one if it is NULL. */
#define OCU_ENTER_STREAM(s)                                  \
  do {                                                       \
    OCU_ENTER();                                             \
    if (!(s = ocu_stream_get(s))) return OCU_INVALID_HANDLE; \
  } while (0)

extern _Atomic int64_t ocu_plans_mapped, ocu_plans_stored, ocu_planner_calls;

/* ---- workers.c ---- */
void ocu_team_start(void);
ocu_status ocu_team_run(ocu_kernel fn, const ocu_work *w);

/* ---- pool.c ---- */
ocu_status ocu_pool_start(void);
/* *out must be NULL; it stays so for no bytes. */
ocu_status ocu_pool_alloc(int device, size_t bytes, ocu_mem_kind kind, void **out);
void ocu_pool_trim(size_t keep);
/* 1: p is in the live allocation *out; 0: p is not the pool's; -1: in the pool, not live. */
int ocu_pool_find(const void *p, ocu_pointer_info *out);
ocu_status ocu_pool_retire(void *p, int *device);  /* dead from now on; its memory is still kept */
void ocu_pool_release(void *p);                    /* a retired allocation's memory is free again */
bool ocu_pool_overlaps(const void *p, size_t bytes);
int64_t ocu_pool_free_bytes(void);
extern _Atomic int64_t ocu_pool_in_use, ocu_pool_committed, ocu_pool_cached;  /* bytes */

/* ---- check.c ---- */
bool ocu_scalar_readable(const void *p, size_t bytes);

/* ---- queue.c: streams as ticket queues ---- */
enum { OCU_ORDER_FREE, OCU_ORDER_BLOCKING, OCU_ORDER_LEGACY, OCU_ORDER_NATIVE };

struct ocu_item;
struct ocu_stream {
  void *unused;
  _Atomic uint64_t head, tail;       /* tickets given, tickets done; equal: the stream is idle */
  _Atomic uint32_t waiters, notify;  /* sleeping threads; 1: another stream's queue waits on us */
  _Atomic uint32_t live;
  _Atomic int order, device, error;
  _Atomic int64_t launches, inlined; /* written by whoever holds the turn */
  int flags;
  _Atomic(struct ocu_capture *) capture;
  struct ocu_item *first, *last;     /* from here on: under the scheduler's lock */
  bool running, ready, blocked;
  ocu_stream *next_ready, *next_blocked;
  void *native;                      /* the driver's stream, and from here on: its books */
  pthread_mutex_t turn;
  _Atomic uint64_t work, waited;     /* operations so far, and of them, those known to be done */
  void *mark;                        /* an event behind the first `marked` operations, or NULL */
  uint64_t marked;
  uint64_t followed;                 /* between this blocking stream and the legacy one: how many */
  uint64_t followed_by_legacy;       /* operations of the other are known to be waited for */
} __attribute__((aligned(64)));

static inline bool ocu_is_native(const ocu_stream *s) {
  return !OCU_LIKELY(atomic_load_explicit(&s->order, memory_order_relaxed) != OCU_ORDER_NATIVE);
}
static inline const ocu_device *ocu_device_of(const ocu_stream *s) {
  return &ocu_devices[atomic_load_explicit(&s->device, memory_order_relaxed)];
}

/* A turn: the right to run one operation of a stream. */
typedef struct ocu_turn {
  ocu_stream *stream;
  uint64_t seq;
  bool queued;                       /* false: on the caller, at the call */
} ocu_turn;
typedef ocu_status (*ocu_op)(const ocu_turn *turn, void *data);

/* A moment of a stream: its slot number and a ticket in one word, so that it is read whole. */
typedef uint64_t ocu_stamp;
ocu_stamp ocu_stamp_of(const ocu_stream *s, uint64_t seq);
bool ocu_stamp_done(ocu_stamp stamp);

enum { OCU_MOST_RANGES = 10 };
enum { OCU_INLINE = 1, OCU_WAIT = 2, OCU_HOST = 4, OCU_MARK = 8 };
typedef struct {
  ocu_op run;                        /* NULL: nothing, the operation is its place in the order */
  void *data;                        /* copied if the operation is queued */
  size_t bytes;
  const void *more;                  /* copied behind data */
  size_t more_bytes;
  int how;                           /* may run on the caller; return when done; a host function;
                                        no node of a graph */
  int64_t cost;                      /* nanoseconds, for a graph's */
  /* Which bytes the data makes it touch: how many ranges; NULL, or 0: it does not know. */
  int (*ranges)(const void *data, ocu_range out[OCU_MOST_RANGES]);
  ocu_stamp after;                   /* 0, or a moment to wait for */
  _Atomic ocu_stamp *stamp;          /* gets the operation's own moment before it runs */
} ocu_submission;
ocu_status ocu_enqueue(ocu_stream *s, const ocu_submission *sub);
ocu_status ocu_submit(ocu_stream *s, const ocu_submission *sub);
ocu_status ocu_wait(ocu_stream *s, uint64_t seq);
ocu_status ocu_wait_stamp(ocu_stamp stamp);
ocu_status ocu_wait_device(int device);
bool ocu_all_idle(void);
void ocu_wait_all(void);             /* leaves the streams' errors to whoever asks for them */

ocu_status ocu_queue_start(void);
ocu_status ocu_queue_add(int device);        /* the device's legacy stream */
ocu_stream *ocu_legacy_stream(int device);
ocu_stream *ocu_stream_each(uint32_t i);     /* NULL: there are fewer than i + 1 */
ocu_status ocu_stream_new(int device, int flags, ocu_stream **out);
bool ocu_stream_retire(ocu_stream *s);
ocu_stream *ocu_stream_get(ocu_stream *s);   /* NULL: not a live stream */
bool ocu_stream_idle(ocu_stream *s);         /* for the legacy stream: and all that it waits for */
void ocu_lock(void);
void ocu_unlock(void);
void ocu_count_launches(int64_t *all, int64_t *inlined);

ocu_status ocu_event_start(void);

/* ---- capture.c, graph.c ---- */
typedef struct ocu_capture ocu_capture;
typedef struct { uint64_t capture; uint32_t moment; } ocu_captured;  /* 0: not in a capture */
extern _Atomic int ocu_graph_work;   /* captures and deferred calls under way: mostly 0 */
ocu_status ocu_graph_start(void);
/* Is the submission kept, run in a deferred call's turn, or refused? Then *status is its end. */
bool ocu_capture_takes(ocu_stream *s, const ocu_submission *sub, ocu_status *status);
/* Refuse what a capture cannot bear: waits, and allocations of threads that must not. */
ocu_status ocu_capture_waited(ocu_stream *s);
ocu_status ocu_capture_device_waited(int device);
ocu_status ocu_capture_unsafe(const char *what);
ocu_status ocu_capture_frees(ocu_stream *s, void *p, bool *taken);
bool ocu_capture_keeps(ocu_stream *s, void *p);  /* malloc'ed for an operation: it is the graph's */
bool ocu_capture_bars(const ocu_stream *s);      /* may the driver's stream not be asked? */
void ocu_capture_failed(ocu_stream *s);          /* an operation was recorded that is not there */
void ocu_capture_abandon(ocu_stream *s);
ocu_status ocu_capture_moment(ocu_stream *s, ocu_captured *out);
ocu_status ocu_capture_join(ocu_stream *s, const ocu_captured *of);
ocu_status ocu_captured_asked(const ocu_captured *of);

/* ---- sys.c ---- */
int64_t ocu_now(void);               /* CLOCK_MONOTONIC, nanoseconds */
void ocu_futex_wait(_Atomic uint32_t *word, uint32_t seen);
void ocu_futex_wake(_Atomic uint32_t *word, int n);
bool ocu_read_all(int fd, void *out, size_t bytes);
void *ocu_slurp(int fd, size_t limit, size_t *bytes);

/* Slabs: handles at addresses that only ever hold handles. An object is zero when it is new, and
 * its first member belongs to the slab. Taking and giving back need a lock of the caller's. */
typedef struct {
  char *base;
  uint32_t size, capacity;           /* bytes of an object, objects */
  _Atomic uint32_t used;             /* objects ever handed out */
  void **first, **last;              /* given back, the longest ago first */
  int unused;
} ocu_slab;
ocu_status ocu_slab_start(ocu_slab *slab, uint32_t size, uint32_t capacity);
void *ocu_slab_take(ocu_slab *slab, bool (*reusable)(const void *object));
void ocu_slab_give(ocu_slab *slab, void *object);
void *ocu_slab_at(const ocu_slab *slab, uint32_t index);
bool ocu_slab_holds(const ocu_slab *slab, const void *p);

/* ---- plan.c, call.c ---- */
enum { OCU_MAX_SLOTS = 256 };  /* two such arrays on the caller's stack */
typedef struct { ocu_launch l; const uint16_t *params; } ocu_step;
typedef struct {
  ocu_spec spec;
  uint64_t checksum;
  int n_args, n_slots, n_steps;
  const ocu_expr *exprs;
  const ocu_step *steps;
  const void *code;
  _Atomic(void *) *loaded;   /* native: what load gave, for each step and device */
} ocu_plan;
ocu_target *ocu_target_of(const char *name, bool native);  /* made if it is new; NULL: too many */
const ocu_plan *ocu_plan_lookup(const ocu_target *target, const ocu_spec *spec);
ocu_status ocu_plan_obtain(ocu_target *target, const ocu_spec *spec, int flags,
                           const ocu_plan **out);
void ocu_spec_hex(const ocu_spec *spec, char out[33]);

/* ---- native.c: what a driver does for a device that is not this processor ---- */
ocu_status ocu_native_submit(ocu_stream *s, const ocu_submission *sub);
ocu_status ocu_native_wait(ocu_stream *s);
ocu_status ocu_native_query(ocu_stream *s);
void ocu_native_reap(void);              /* gives retired streams back whose work is done */
ocu_status ocu_native_seen(int device, ocu_status e);  /* notes a lost device; returns e */
ocu_status ocu_native_alive(int device);
ocu_status ocu_native_code(const ocu_plan *p, int step, int device, const void **out);
extern _Atomic bool ocu_native_devices;  /* are there any? */
/* s: in whose order the memory is used, or NULL. */
ocu_status ocu_native_alloc(int device, ocu_stream *s, size_t bytes, ocu_mem_kind kind, void **out);
ocu_status ocu_native_retire(void *p, int *device);
void ocu_native_release(void *p, ocu_stream *s);  /* NULL: at once */
void ocu_native_trim(int device, size_t keep);    /* -1: of all devices */
int ocu_native_find(const void *p, ocu_pointer_info *out);  /* as ocu_pool_find */
/* What may still be allocated, from what the driver says is free (0: it cannot tell). */
int64_t ocu_native_free_bytes(int device, int64_t reported);
/* Memory of another process, at p from now on; false: p is known already, or there is no room. */
bool ocu_native_adopt(int device, void *p, size_t bytes);
bool ocu_native_disown(void *p);         /* false: it was not adopted */

/* ---- reach.c ---- */
ocu_status ocu_native_follows(const ocu_stream *s);  /* may kernels there read pointers? */
/* May work on the stream touch what p points to? A copy may touch the host's memory, too. */
ocu_status ocu_reach(ocu_stream *s, const void *p, bool copy);

/* As ocu_pool_find, of any allocation. */
static inline int ocu_find(const void *p, ocu_pointer_info *out) {
  int found = ocu_pool_find(p, out);
  return OCU_LIKELY(found) ? found : ocu_native_find(p, out);
}

/* ---- operands.c ---- */
extern const uint8_t ocu_sizes[OCU_DTYPES];  /* bytes of a dtype */
static inline bool ocu_is_complex(int dtype) { return dtype == OCU_C64 || dtype == OCU_C128; }
static inline bool ocu_is_float8(int dtype) { return dtype == OCU_E4M3 || dtype == OCU_E5M2; }
/* Is it summed in f32? */
static inline bool ocu_is_narrow(int dtype) {
  return dtype == OCU_F16 || dtype == OCU_BF16 || ocu_is_float8(dtype);
}
/* In the class of a product, B's dtype stands above A's, or 0 where it is the same. */
static inline ocu_dtype ocu_dtype_of_a(uint8_t ab) { return ab & 15; }
typedef struct { int64_t re, im; } ocu_scalar_bits;
ocu_scalar_bits ocu_read_scalar(const void *p, ocu_dtype dtype);
bool ocu_is_zero(ocu_scalar_bits x, ocu_dtype dtype);
/* What a kernel may know of an ocu_matrix: 1 rows, 2 columns lie side by side, 0 neither. */
static inline uint8_t ocu_layout(const ocu_matrix *x) { return x->cs == 1 ? 2 : x->rs == 1 ? 1 : 0; }
bool ocu_pooled(const void *p);  /* does work on it outlast the call? */
/* Are all elements of a batch in accessible memory? */
ocu_status ocu_check_matrix(const char *name, const ocu_matrix *x, int64_t batch, int64_t rows,
                            int64_t columns, int64_t size, int write);
/* The arrays of pointers of a call on the CPU, which no result may overlap: a program would follow
 * what another one wrote. */
typedef struct { int count; uintptr_t at[4]; size_t bytes; } ocu_arrays;
ocu_status ocu_check_arrays(const char *name, const ocu_matrix *x, int64_t batch, int64_t rows,
                            int64_t columns, int64_t size, const ocu_arrays *arrays);
/* The matrices that an array leads to; x: its address, and 2 and 3 words on, their steps. */
ocu_status ocu_check_pointed(const char *name, const int64_t *x, int64_t batch, int64_t rows,
                             int64_t columns, int64_t size, int write, const ocu_arrays *arrays);
/* routine.c: are the matrices there that arrays of pointers name? */
ocu_status ocu_routine_pointed(const ocu_spec *spec, const int64_t *args);

/* ---- gemm.c: are the matrices there that arrays of pointers name? ---- */
ocu_status ocu_gemm_pointed(const ocu_spec *spec, const int64_t *args);

/* triangle.c: a product with a factor of which one side is stored, once that is written out */
ocu_status ocu_multiply_expanded(ocu_stream *s, const ocu_product *g, int flags);
ocu_status ocu_vector_triangle(ocu_stream *s, const ocu_routine *r, int flags);

/* split.c */
enum { OCU_GEMM_ARGS = 26, OCU_BUCKET_SUM = 7 };
int64_t ocu_split_parts(int64_t m, int64_t n, int64_t k);  /* 1: one product */
/* A product with g->scaling; its kind is one that there is. */
ocu_status ocu_multiply_scaled(ocu_stream *s, const ocu_product *g, int flags);
ocu_status ocu_split(ocu_stream *s, const ocu_spec *spec, const int64_t *args, int64_t parts,
                     int flags);

/* ---- store.c, pack.c, build.c, planner.c: plans are in new memory, NULL if there is none ---- */
int ocu_store_open(void);                /* the folder of this build's plans; -1 and ocu_error() */
void *ocu_store_read(const char *target, const ocu_spec *spec, size_t *bytes);
void ocu_store_write(const ocu_plan_header *header, const void *plan);
void ocu_store_drop(const char *target, const ocu_spec *spec);
void *ocu_pack_read(const char *target, const ocu_spec *spec, size_t *bytes);
const char *ocu_package_path(void);      /* the folder of the Python package */
void *ocu_planner_ask(const ocu_spec *spec, const char *target, size_t *bytes);  /* ocu_error() */
#endif
