/* shared.h - inside libopencu_shim and libcuda: calls that return a CUDA error number. */
#ifndef SHIM_SHARED_H
#define SHIM_SHARED_H
#include "cuda.h"
#include "shim.h"

#define REQUIRE(condition, error) \
  do { \
    if (!(condition)) return error; \
  } while (0)
#define CHECK(call) \
  do { \
    CUresult check_ = (CUresult)(call); \
    if (check_) return check_; \
  } while (0)
#endif
