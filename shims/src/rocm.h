/* rocm.h - inside libhipblas and librocblas: their enumerators as cuBLAS's. */
#ifndef SHIM_ROCM_H
#define SHIM_ROCM_H
#include "cublas.h"

#define OPERATION(v) ((cublasOperation_t)((v) - 111))
#define FILL(v) ((v) == 121 ? CUBLAS_FILL_MODE_UPPER : CUBLAS_FILL_MODE_LOWER)
#define DIAGONAL_TYPE(v) ((cublasDiagType_t)((v) - 131))
#define SIDE_MODE(v) ((cublasSideMode_t)((v) - 141))
#define OPERATION_EXISTS(v) ((v) >= 111 && (v) <= 113)
#define FILL_EXISTS(v) ((v) == 121 || (v) == 122)
#define DIAGONAL_TYPE_EXISTS(v) ((v) == 131 || (v) == 132)
#define SIDE_MODE_EXISTS(v) ((v) == 141 || (v) == 142)
#define DATA_TYPE(v) data_type(v)
#define DATA_TYPE_EXISTS(v) ((int)data_type(v) != NO_TYPE)

/* hipDataType has CUDA's numbers, rocblas_datatype and the older hipblasDatatype_t those from 150. */
enum { NO_TYPE = 999 };
static inline cudaDataType data_type(int type) {
  switch (type) {
    case 150: return CUDA_R_16F;
    case 151: return CUDA_R_32F;
    case 152: return CUDA_R_64F;
    case 153: return CUDA_C_16F;
    case 154: return CUDA_C_32F;
    case 155: return CUDA_C_64F;
    case 160: return CUDA_R_8I;
    case 161: return CUDA_R_8U;
    case 162: return CUDA_R_32I;
    case 168: return CUDA_R_16BF;
    case 169: return CUDA_C_16BF;
    default: return type >= 0 && type < 64 ? (cudaDataType)type : (cudaDataType)NO_TYPE;
  }
}

/* By the type that is computed in. */
static inline cublasComputeType_t compute_in(int type) {
  switch (data_type(type)) {
    case CUDA_R_16F: return CUBLAS_COMPUTE_16F;
    case CUDA_R_64F: case CUDA_C_64F: return CUBLAS_COMPUTE_64F;
    case CUDA_R_32I: return CUBLAS_COMPUTE_32I;
    default: return CUBLAS_COMPUTE_32F;
  }
}
#endif
