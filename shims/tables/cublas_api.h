/* Types and functions of cuBLAS that opencu implements. {T} stands for a type letter, {t} for its C
 * type,
    {int} and {_64} for the 32-bit and the 64-bit twin; "=>" is the call that serves the row. */
typedef enum {
  CUBLAS_STATUS_SUCCESS = 0,
  CUBLAS_STATUS_NOT_INITIALIZED = 1,
  CUBLAS_STATUS_ALLOC_FAILED = 3,
  CUBLAS_STATUS_INVALID_VALUE = 7,
  CUBLAS_STATUS_ARCH_MISMATCH = 8,
  CUBLAS_STATUS_MAPPING_ERROR = 11,
  CUBLAS_STATUS_EXECUTION_FAILED = 13,
  CUBLAS_STATUS_INTERNAL_ERROR = 14,
  CUBLAS_STATUS_NOT_SUPPORTED = 15,
  CUBLAS_STATUS_LICENSE_ERROR = 16
} cublasStatus_t;

typedef enum {
  CUBLAS_OP_N = 0,
  CUBLAS_OP_T = 1,
  CUBLAS_OP_C = 2,
  CUBLAS_OP_HERMITAN = 2,
  CUBLAS_OP_CONJG = 3
} cublasOperation_t;

typedef enum { CUBLAS_FILL_MODE_LOWER = 0, CUBLAS_FILL_MODE_UPPER = 1, CUBLAS_FILL_MODE_FULL = 2 }
    cublasFillMode_t;
typedef enum { CUBLAS_DIAG_NON_UNIT = 0, CUBLAS_DIAG_UNIT = 1 } cublasDiagType_t;
typedef enum { CUBLAS_SIDE_LEFT = 0, CUBLAS_SIDE_RIGHT = 1 } cublasSideMode_t;
typedef enum { CUBLAS_POINTER_MODE_HOST = 0, CUBLAS_POINTER_MODE_DEVICE = 1 } cublasPointerMode_t;
typedef enum { CUBLAS_ATOMICS_NOT_ALLOWED = 0, CUBLAS_ATOMICS_ALLOWED = 1 } cublasAtomicsMode_t;

typedef enum {
  CUBLAS_DEFAULT_MATH = 0,
  CUBLAS_TENSOR_OP_MATH = 1,
  CUBLAS_PEDANTIC_MATH = 2,
  CUBLAS_TF32_TENSOR_OP_MATH = 3,
  CUBLAS_FP32_EMULATED_BF16X9_MATH = 4,
  CUBLAS_FP64_EMULATED_FIXEDPOINT_MATH = 8,
  CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION = 16
} cublasMath_t;

typedef struct cublasContext *cublasHandle_t;
typedef void (*cublasLogCallback)(const char *msg);

/* The library and its handle */
cublasStatus_t cublasCreate_v2(cublasHandle_t *handle);
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle);
cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int *version);
cublasStatus_t cublasGetProperty(libraryPropertyType type, int *value);
size_t cublasGetCudartVersion(void);
const char *cublasGetStatusName(cublasStatus_t status);
const char *cublasGetStatusString(cublasStatus_t status);
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t streamId);
cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, cudaStream_t *streamId);
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void *workspace,
    size_t workspaceSizeInBytes);
cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode);
cublasStatus_t cublasGetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t *mode);
cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode);
cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t *mode);
cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t mode);
cublasStatus_t cublasGetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t *mode);
cublasStatus_t cublasSetSmCountTarget(cublasHandle_t handle, int smCountTarget);
cublasStatus_t cublasGetSmCountTarget(cublasHandle_t handle, int *smCountTarget);
cublasStatus_t cublasLoggerConfigure(int logIsOn, int logToStdOut, int logToStdErr,
    const char *logFileName);
cublasStatus_t cublasSetLoggerCallback(cublasLogCallback userCallback);
cublasStatus_t cublasGetLoggerCallback(cublasLogCallback *userCallback);

/* Copies between host and device */
cublasStatus_t cublasSetVector{_64}({int} n, {int} elemSize, const void *x, {int} incx,
    void *devicePtr, {int} incy)
  => copy_vector(NULL, n, elemSize, x, incx, devicePtr, incy, 1);
cublasStatus_t cublasGetVector{_64}({int} n, {int} elemSize, const void *x, {int} incx, void *y,
    {int} incy)
  => copy_vector(NULL, n, elemSize, x, incx, y, incy, 1);
cublasStatus_t cublasSetMatrix{_64}({int} rows, {int} cols, {int} elemSize, const void *A, {int}
    lda, void *B, {int} ldb)
  => copy_matrix(NULL, rows, cols, elemSize, A, lda, B, ldb, 1);
cublasStatus_t cublasGetMatrix{_64}({int} rows, {int} cols, {int} elemSize, const void *A, {int}
    lda, void *B, {int} ldb)
  => copy_matrix(NULL, rows, cols, elemSize, A, lda, B, ldb, 1);
cublasStatus_t cublasSetVectorAsync{_64}({int} n, {int} elemSize, const void *hostPtr, {int} incx,
    void *devicePtr, {int} incy, cudaStream_t stream)
  => copy_vector(stream, n, elemSize, hostPtr, incx, devicePtr, incy, 0);
cublasStatus_t cublasGetVectorAsync{_64}({int} n, {int} elemSize, const void *devicePtr, {int} incx,
    void *hostPtr, {int} incy, cudaStream_t stream)
  => copy_vector(stream, n, elemSize, devicePtr, incx, hostPtr, incy, 0);
cublasStatus_t cublasSetMatrixAsync{_64}({int} rows, {int} cols, {int} elemSize, const void *A,
    {int} lda, void *B, {int} ldb, cudaStream_t stream)
  => copy_matrix(stream, rows, cols, elemSize, A, lda, B, ldb, 0);
cublasStatus_t cublasGetMatrixAsync{_64}({int} rows, {int} cols, {int} elemSize, const void *A,
    {int} lda, void *B, {int} ldb, cudaStream_t stream)
  => copy_matrix(stream, rows, cols, elemSize, A, lda, B, ldb, 0);

/* Level 3 */
cublasStatus_t cublas{T}gemm_v2{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, {int} k, const {t} *alpha, const {t} *A, {int} lda,
    const {t} *B, {int} ldb, const {t} *beta, {t} *C, {int} ldc)
  => gemm(handle, "{name}", {dtype}, transa, transb, m, n, k, alpha, A, lda, 0, B, ldb, 0, beta, C,
      ldc, 0, 1);
cublasStatus_t cublas{T}gemmStridedBatched{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, {int} k, const {t} *alpha, const {t} *A, {int} lda,
    long long int strideA, const {t} *B, {int} ldb, long long int strideB, const {t} *beta, {t} *C,
    {int} ldc, long long int strideC, {int} batchCount)
  => gemm(handle, "{name}", {dtype}, transa, transb, m, n, k, alpha, A, lda, strideA, B, ldb,
      strideB, beta, C, ldc, strideC, batchCount);
