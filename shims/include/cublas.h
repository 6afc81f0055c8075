/* cublas.h - CUBLAS 1, calls without a handle. */
#error "opencu does not serve the CUBLAS 1 API: include cublas_v2.h and pass a handle"
