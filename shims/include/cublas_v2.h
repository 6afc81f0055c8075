/* cublas_v2.h - the cuBLAS API under its usual names. The library's own plain names, such as
 * cublasSgemm, are CUBLAS 1's calls without a handle; these macros name the calls of today. */
#ifndef CUBLAS_V2_H_
#define CUBLAS_V2_H_
#include "cublas_api.h"
#include "cublas_renames.h"
#endif
