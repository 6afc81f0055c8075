/* graphs.c - capture, replay and what both refuse; one name of the driver's for each. */
#include <cublas_v2.h>
#include <cublasLt.h>
#include <cuda.h>
#include <cuda_runtime.h>
#include <pthread.h>
#include <stdint.h>

#include "check.h"

enum { N = 8, BYTES = N * N * 4, CHAIN = 100, LONG = 1 << 16 };
static cublasHandle_t h;
static cudaStream_t s, t;
static float *a, *b, *c, *d, host[N * N];
static cudaGraph_t graph;
static cudaGraphExec_t exec;

#define OK(call) EXPECT(call, 0)
#define BEGIN(mode) OK(cudaStreamBeginCapture(s, cudaStreamCaptureMode##mode))
#define BROKEN() \
  do { \
    EXPECT(cudaStreamEndCapture(s, &graph), cudaErrorStreamCaptureInvalidated); \
    TRUE(graph == NULL); \
  } while (0)

static void finish(void) {
  OK(cudaStreamEndCapture(s, &graph));
  OK(cudaGraphInstantiate(&exec, graph, 0));
  OK(cudaGraphDestroy(graph));
}

static void launch(void) {
  OK(cudaGraphLaunch(exec, s));
  OK(cudaStreamSynchronize(s));
}

static void drop(void) { OK(cudaGraphExecDestroy(exec)); }

static void set(float *p, float value) {
  for (int i = 0; i < N * N; i++) host[i] = value;
  OK(cudaMemcpy(p, host, BYTES, cudaMemcpyHostToDevice));
}

static float get(const float *p) {
  OK(cudaMemcpy(host, p, BYTES, cudaMemcpyDeviceToHost));
  for (int i = 1; i < N * N; i++) EXPECT(host[i], host[0]);
  return host[0];
}

/* The symbol's first form, which no header names any more. */
CUresult capture_info_of_cuda_10(CUstream, CUstreamCaptureStatus *, cuuint64_t *)
    __asm__("cuStreamGetCaptureInfo");

static cublasStatus_t multiply(const float *alpha, const float *x, const float *y,
                               const float *beta, float *z) {
  return cublasSgemm(h, CUBLAS_OP_N, CUBLAS_OP_N, N, N, N, alpha, x, N, y, N, beta, z, N);
}

static void scalars_are_copied_and_nothing_runs_before_a_launch(void) {
  float alpha = 1, beta = 1;
  size_t nodes;
  set(a, 1), set(b, 2), set(c, 5);
  BEGIN(Global);
  OK(multiply(&alpha, a, b, &beta, c));
  OK(cudaMemcpyAsync(d, c, BYTES, cudaMemcpyDeviceToDevice, s));
  alpha = beta = 77;
  OK(cudaStreamEndCapture(s, &graph));
  EXPECT(get(c), 5);
  OK(cudaGraphGetNodes(graph, NULL, &nodes));
  EXPECT(nodes, 2);
  OK(cudaGraphInstantiateWithFlags(&exec, graph, cudaGraphInstantiateFlagUpload));
  OK(cudaGraphUpload(exec, s));
  EXPECT(cudaGraphLaunch((cudaGraphExec_t)graph, s), cudaErrorInvalidResourceHandle);
  OK(cudaGraphDestroy(graph));
  EXPECT(cudaGraphDestroy(graph), cudaErrorInvalidResourceHandle);
  launch(), launch();
  EXPECT(get(d), 5 + 2 * 16);
  OK(cudaGraphLaunch(exec, s));
  OK(cudaGraphLaunch(exec, t)); /* waits for the launch before it */
  drop();                       /* which both outlive */
  OK(cudaDeviceSynchronize());
  EXPECT(get(d), 5 + 4 * 16);
}

static void scalars_on_the_device_are_read_at_each_launch(void) {
  float *scalars, two[] = {2, 0}, none[] = {0, 3};
  OK(cudaMalloc((void **)&scalars, 8));
  OK(cublasSetPointerMode(h, CUBLAS_POINTER_MODE_DEVICE));
  set(a, 1), set(b, 2), set(c, NAN);
  BEGIN(Global);
  OK(multiply(scalars, a, b, scalars + 1, c));
  OK(cublasSgeam(h, CUBLAS_OP_N, CUBLAS_OP_N, N, N, scalars, a, N, scalars + 1, a, N, d, N));
  finish();
  OK(cudaMemcpy(scalars, two, 8, cudaMemcpyHostToDevice));
  launch();
  EXPECT(get(c), 32); /* beta 0: the NaN is not read */
  EXPECT(get(d), 2);
  OK(cudaMemcpy(scalars, none, 8, cudaMemcpyHostToDevice));
  set(b, NAN);
  launch();
  EXPECT(get(c), 96); /* alpha 0: neither is b */
  EXPECT(get(d), 3);
  OK(cublasSetPointerMode(h, CUBLAS_POINTER_MODE_HOST));
  OK(cudaFree(scalars));
  EXPECT(cudaGraphLaunch(exec, s), cudaErrorInvalidValue); /* the graph uses them */
  drop();
}

static void forks_are_joined(void) {
  const float one = 1, zero = 0;
  cudaEvent_t fork, join;
  enum cudaStreamCaptureStatus status;
  unsigned long long id = 0, its = 0;
  OK(cudaEventCreate(&fork));
  OK(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
  set(a, 1), set(b, 2), set(c, 0), set(d, 0);
  BEGIN(ThreadLocal);
  OK(cudaMemsetAsync(a, 0, BYTES, s));
  OK(cudaEventRecord(fork, s));
  OK(cudaStreamWaitEvent(t, fork, 0));
  OK(cudaStreamIsCapturing(t, &status));
  EXPECT(status, cudaStreamCaptureStatusActive);
  OK(cublasSetStream(h, t));
  OK(multiply(&one, b, b, &zero, c));
  OK(cublasSetStream(h, s));
  OK(multiply(&one, a, b, &zero, d));
  OK(cuStreamGetCaptureInfo_v2((CUstream)s, (void *)&status, (void *)&id, NULL, NULL, NULL));
  OK(cuStreamGetCaptureInfo_v2((CUstream)t, (void *)&status, (void *)&its, NULL, NULL, NULL));
  TRUE(id && id == its);
  OK(capture_info_of_cuda_10((CUstream)t, (void *)&status, (void *)&its));
  TRUE(status == cudaStreamCaptureStatusActive && id == its);
  EXPECT(cudaStreamEndCapture(t, &graph), cudaErrorStreamCaptureUnmatched);
  BROKEN();

  BEGIN(ThreadLocal);
  OK(cudaEventRecord(fork, s));
  OK(cudaStreamWaitEvent(t, fork, 0));
  OK(cudaMemsetAsync(d, 0, BYTES, t));
  EXPECT(cudaStreamEndCapture(s, &graph), cudaErrorStreamCaptureUnjoined);
  OK(cudaStreamIsCapturing(t, &status));
  EXPECT(status, cudaStreamCaptureStatusNone);

  BEGIN(ThreadLocal);
  OK(cudaMemsetAsync(a, 0, BYTES, s));
  OK(cudaEventRecord(fork, s));
  OK(cudaStreamWaitEvent(t, fork, 0));
  OK(cudaMemcpyAsync(d, a, BYTES, cudaMemcpyDeviceToDevice, t));
  OK(cudaEventRecord(join, t));
  OK(multiply(&one, b, b, &zero, c));
  OK(cudaStreamWaitEvent(s, join, 0));
  OK(cudaMemcpyAsync(a, c, BYTES, cudaMemcpyDeviceToDevice, s));
  finish();
  EXPECT(cudaEventQuery(join), cudaErrorCapturedEvent);
  EXPECT(cudaStreamWaitEvent(t, join, 0), cudaErrorCapturedEvent);
  for (int i = 0; i < 3; i++) launch();
  EXPECT(get(d), 0);
  EXPECT(get(a), 32);
  drop();
  OK(cudaEventRecord(join, t)); /* an ordinary one again */
  OK(cudaEventSynchronize(join));
  OK(cudaEventDestroy(join));
  OK(cudaEventDestroy(fork));
}

static void *other_thread(void *unused) {
  void *p;
  (void)unused;
  EXPECT(cudaMalloc(&p, 8), cudaErrorStreamCaptureUnsupported);
  EXPECT(cudaStreamEndCapture(s, &graph), cudaErrorStreamCaptureWrongThread);
  return NULL;
}

static void what_would_replay_wrongly_is_refused(void) {
  void *p, *pageable = host;
  cudaEvent_t e, outside;
  cudaStream_t u;
  pthread_t thread;
  int called = 0;
  enum cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  enum cudaStreamCaptureStatus status;
  OK(cudaEventCreate(&e));
  OK(cudaEventCreate(&outside));
  OK(cudaEventRecord(outside, t));
  EXPECT(cudaStreamBeginCapture(NULL, cudaStreamCaptureModeGlobal),
         cudaErrorStreamCaptureUnsupported);
  EXPECT(cudaStreamBeginCapture(s, 3), cudaErrorInvalidValue);
  EXPECT(cudaStreamEndCapture(s, &graph), cudaErrorIllegalState);
#define REFUSES(call, error) \
  do { \
    BEGIN(Global); \
    EXPECT(call, error); \
    OK(cudaStreamIsCapturing(s, &status)); \
    EXPECT(status, cudaStreamCaptureStatusInvalidated); \
    EXPECT(cudaMemsetAsync(a, 0, BYTES, s), cudaErrorStreamCaptureInvalidated); \
    BROKEN(); \
  } while (0)
  REFUSES(cudaStreamSynchronize(s), cudaErrorStreamCaptureUnsupported);
  REFUSES(cudaStreamQuery(s), cudaErrorStreamCaptureUnsupported);
  REFUSES(cudaDeviceSynchronize(), cudaErrorStreamCaptureUnsupported);
  REFUSES(cuCtxSynchronize(), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  REFUSES(cudaMalloc(&p, 8), cudaErrorStreamCaptureUnsupported);
  REFUSES(cudaMallocHost(&p, 8), cudaErrorStreamCaptureUnsupported);
  REFUSES(cudaFree(d), cudaErrorStreamCaptureUnsupported);
  REFUSES(cudaMemcpyAsync(a, pageable, 8, cudaMemcpyDefault, s),
          cudaErrorStreamCaptureUnsupported);
  REFUSES(cudaMemcpyAsync(pageable, a, 8, cudaMemcpyDefault, s),
          cudaErrorStreamCaptureUnsupported);
  REFUSES(cudaMemcpy(a, b, 8, cudaMemcpyDefault), cudaErrorStreamCaptureImplicit);
  REFUSES(cudaMemsetAsync(a, 0, 8, NULL), cudaErrorStreamCaptureImplicit);
  REFUSES(cudaStreamSynchronize(NULL), cudaErrorStreamCaptureImplicit);
  REFUSES(cudaStreamWaitEvent(s, outside, 0), cudaErrorStreamCaptureIsolation);
  REFUSES((cudaEventRecord(e, s) ?: cudaEventQuery(e)), cudaErrorCapturedEvent);
  REFUSES((cudaEventRecord(e, s) ?: cudaEventSynchronize(e)), cudaErrorCapturedEvent);
  REFUSES((cudaEventRecord(e, s) ?: cudaStreamWaitEvent(NULL, e, 0)),
          cudaErrorStreamCaptureImplicit);
  REFUSES(multiply(host, a, b, host, host), CUBLAS_STATUS_EXECUTION_FAILED);
  EXPECT(cudaEventElapsedTime((float *)&called, outside, e), cudaErrorCapturedEvent);

  BEGIN(Global); /* these leave the capture as it is */
  EXPECT(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal), cudaErrorIllegalState);
  EXPECT(cudaStreamAddCallback(s, (cudaStreamCallback_t)(uintptr_t)&called, NULL, 0),
         cudaErrorStreamCaptureUnsupported);
  EXPECT(cudaStreamIsCapturing(NULL, &status), cudaErrorStreamCaptureImplicit);
  finish();
  launch();
  drop();

  BEGIN(Global);
  OK(pthread_create(&thread, NULL, other_thread, NULL));
  OK(pthread_join(thread, NULL));
  BROKEN();
  BEGIN(Relaxed);
  OK(cudaMalloc(&p, 8));
  OK(cudaThreadExchangeStreamCaptureMode(&mode));
  EXPECT(mode, cudaStreamCaptureModeGlobal);
  OK(cudaThreadExchangeStreamCaptureMode(&mode));
  OK(cudaFree(p));
  finish();
  drop();

  BEGIN(Global);
  OK(cudaEventRecord(e, s));
  OK(cudaStreamBeginCapture(t, cudaStreamCaptureModeGlobal));
  EXPECT(cudaStreamWaitEvent(t, e, 0), cudaErrorStreamCaptureMerge);
  EXPECT(cudaStreamEndCapture(t, &graph), cudaErrorStreamCaptureInvalidated);
  BROKEN();

  OK(cudaStreamCreateWithFlags(&u, cudaStreamNonBlocking));
  OK(cudaStreamBeginCapture(u, cudaStreamCaptureModeGlobal));
  OK(cudaMemset(a, 0, BYTES)); /* the default stream is no part of it */
  OK(cudaStreamDestroy(u));    /* and that is its end */
  OK(cudaDeviceSynchronize());
  OK(cudaEventDestroy(e));
  OK(cudaEventDestroy(outside));
}

static void count(void *number) { ++*(int *)number; }

static void host_functions_and_pinned_memory(void) {
  int called = 0;
  float *pinned;
  OK(cudaMallocHost((void **)&pinned, BYTES));
  BEGIN(Global);
  OK(cudaMemcpyAsync(a, pinned, BYTES, cudaMemcpyHostToDevice, s));
  OK(cudaLaunchHostFunc(s, count, &called));
  finish();
  for (int round = 1; round < 4; round++) {
    for (int i = 0; i < N * N; i++) pinned[i] = (float)round;
    launch();
    EXPECT(called, round);
    EXPECT(get(a), round);
  }
  OK(cudaFreeHost(pinned));
  EXPECT(cudaGraphLaunch(exec, s), cudaErrorInvalidValue);
  drop();
}

static void memory_of_the_capture_and_scratch_stay_the_graphs(void) {
  const float one = 1, zero = 0;
  float *x, *y, *z, *kept, *wide = malloc(LONG * N * 4);
  for (int i = 0; i < LONG * N; i++) wide[i] = 1;
  OK(cudaMalloc((void **)&x, LONG * N * 4));
  OK(cudaMemcpy(x, wide, LONG * N * 4, cudaMemcpyHostToDevice));
  free(wide);
  BEGIN(Global);
  OK(cudaMallocAsync((void **)&y, BYTES, s));
  OK(cudaMallocAsync((void **)&kept, BYTES, s));
  /* in parts, whose sums are in memory of their own */
  OK(cublasSgemm(h, CUBLAS_OP_N, CUBLAS_OP_T, N, N, LONG, &one, x, N, x, N, &zero, y, N));
  OK(cudaMemcpyAsync(c, y, BYTES, cudaMemcpyDeviceToDevice, s));
  OK(cudaMemcpyAsync(kept, y, BYTES, cudaMemcpyDeviceToDevice, s));
  OK(cudaFreeAsync(y, s));
  finish();
  EXPECT(cudaFree(y), cudaErrorInvalidValue);
  for (int i = 0; i < 3; i++) { /* what is allocated now lies elsewhere */
    OK(cudaMalloc((void **)&z, BYTES));
    set(z, 3), set(c, 0);
    launch();
    EXPECT(get(c), LONG);
    EXPECT(get(kept), LONG);
    EXPECT(get(z), 3);
    OK(cudaFree(z));
  }
  OK(cudaFree(kept));
  EXPECT(cudaGraphLaunch(exec, s), cudaErrorInvalidValue);
  drop();
  OK(cudaFree(x));
}

static void an_executable_takes_a_graph_of_the_same_shape(void) {
  cudaGraphExecUpdateResultInfo said;
  BEGIN(Global);
  OK(cudaMemsetAsync(a, 0, BYTES, s));
  finish();
  BEGIN(Global);
  OK(cudaMemsetAsync(b, 0, BYTES, s));
  OK(cudaStreamEndCapture(s, &graph));
  OK(cudaGraphExecUpdate(exec, graph, &said));
  EXPECT(said.result, cudaGraphExecUpdateSuccess);
  OK(cudaGraphDestroy(graph));
  set(a, 1), set(b, 1);
  launch();
  EXPECT(get(a), 1);
  EXPECT(get(b), 0);
  BEGIN(Global);
  OK(cudaMemsetAsync(b, 0, BYTES, s));
  OK(cudaMemsetAsync(b, 0, BYTES, s));
  OK(cudaStreamEndCapture(s, &graph));
  EXPECT(cuGraphExecUpdate((CUgraphExec)exec, graph, (void *)&said),
         CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
  EXPECT(said.result, cudaGraphExecUpdateErrorTopologyChanged);
  OK(cuGraphDestroy(graph));
  drop();
}

static void a_chain_is_replayed_in_order(void) {
  const float half = 0.125f / 2, zero = 0;
  CUgraph made;
  CUgraphExec run;
  set(a, 2);
  OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_RELAXED));
  for (int i = 0; i < CHAIN; i++) OK(multiply(&half, i % 2 ? c : b, a, &zero, i % 2 ? b : c));
  OK(cuStreamEndCapture(s, &made));
  OK(cuGraphInstantiate(&run, made, 0));
  OK(cuGraphDestroy(made));
  for (int i = 1; i < 4; i++) {
    set(b, (float)i), set(c, 0);
    OK(cuGraphLaunch(run, s));
    OK(cuStreamSynchronize(s));
    EXPECT(get(b), i);
  }
  OK(cuGraphExecDestroy(run));
}

int main(void) {
  OK(cuInit(0));
  OK(cublasCreate(&h));
  OK(cudaStreamCreate(&s));
  OK(cudaStreamCreate(&t));
  OK(cublasSetStream(h, s));
  float **const all[] = {&a, &b, &c, &d};
  for (int i = 0; i < 4; i++) OK(cudaMalloc((void **)all[i], BYTES));
  scalars_are_copied_and_nothing_runs_before_a_launch();
  scalars_on_the_device_are_read_at_each_launch();
  forks_are_joined();
  what_would_replay_wrongly_is_refused();
  host_functions_and_pinned_memory();
  memory_of_the_capture_and_scratch_stay_the_graphs();
  an_executable_takes_a_graph_of_the_same_shape();
  a_chain_is_replayed_in_order();
  for (int i = 0; i < 4; i++) OK(cudaFree(*all[i]));
  OK(cublasDestroy(h));
  OK(cudaStreamDestroy(s));
  OK(cudaStreamDestroy(t));
  puts("ok");
  return 0;
}
