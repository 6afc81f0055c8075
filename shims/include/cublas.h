/* cublas.h - the first cuBLAS API, calls without a handle. */
#ifndef CUBLAS_H_
#define CUBLAS_H_
#ifdef CUBLAS_V2_H_
#error "cublas.h and cublas_v2.h give the same names to different functions: include one of them"
#endif
#include "cublas_api.h"
#define cublasStatus cublasStatus_t
#ifdef __cplusplus
extern "C" {
#endif
#include "cublas_legacy.h"
#ifdef __cplusplus
}
#endif
#endif
