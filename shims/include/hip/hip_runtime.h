/* hip_runtime.h - of the HIP runtime, what host code uses. */
#include "hip_runtime_api.h"
