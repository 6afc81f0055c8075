/* cudart.h - inside libcudart: how a call ends. */
#ifndef CUDART_H
#define CUDART_H
#include "cuda_runtime_api.h"
#include "shim.h"

/* Both record a failure for cudaGetLastError. In a forked child every failure, and a success that
 * was not the core's, becomes cudaErrorInitializationError. */
cudaError_t done(ocu_status status);
cudaError_t fail(cudaError_t error);
static inline cudaError_t end(int error) {
  return error ? fail((cudaError_t)error) : done(OCU_OK);
}

#define REQUIRE(condition, error) \
  do { \
    if (!(condition)) return fail(error); \
  } while (0)

/* A call whose whole answer is one value. */
#define TELL(out, value) \
  (OUT(out) ? (*(out) = (value), done(ocu_alive())) : fail(cudaErrorInvalidValue))

#endif
