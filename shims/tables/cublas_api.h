/* Functions of cuBLAS that opencu implements. {T:SDCZ} stands for one of these type letters, {t} for
   its C type, {types} for the types that it multiplies; {int} and {_64} for the 32-bit and the
   64-bit twin; "=>" is the call that serves the row. */
typedef struct cublasContext *cublasHandle_t;
typedef void (*cublasLogCallback)(const char *msg);

/* The library and its handle */
cublasStatus_t cublasCreate_v2(cublasHandle_t *handle);
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle);
/* As documented, the version needs no handle. */
cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int *version) => TELL(version, VERSION);
cublasStatus_t cublasGetProperty(libraryPropertyType type, int *value) => property(type, value);
size_t cublasGetCudartVersion(void) => CUDART;
const char *cublasGetStatusName(cublasStatus_t status) => status_name(status);
const char *cublasGetStatusString(cublasStatus_t status) => status_text(status);
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t streamId)
  => SET(stream, streamId, ocu_stream_device(stream_of(streamId)) >= 0);
cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, cudaStream_t *streamId)
  => GET(stream, streamId);
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void *workspace,
    size_t workspaceSizeInBytes);
cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode)
  => SET(pointer_mode, mode, mode <= CUBLAS_POINTER_MODE_DEVICE);
cublasStatus_t cublasGetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t *mode)
  => GET(pointer_mode, mode);
cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode)
  => SET(math, mode, math_exists(mode));
cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t *mode) => GET(math, mode);
cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t mode)
  => SET(atomics, mode, mode <= CUBLAS_ATOMICS_ALLOWED);
cublasStatus_t cublasGetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t *mode)
  => GET(atomics, mode);
cublasStatus_t cublasSetSmCountTarget(cublasHandle_t handle, int smCountTarget)
  => SET(sm_target, smCountTarget, smCountTarget >= 0);
cublasStatus_t cublasGetSmCountTarget(cublasHandle_t handle, int *smCountTarget)
  => GET(sm_target, smCountTarget);
cublasStatus_t cublasLoggerConfigure(int logIsOn, int logToStdOut, int logToStdErr,
    const char *logFileName);
cublasStatus_t cublasSetLoggerCallback(cublasLogCallback userCallback);
cublasStatus_t cublasGetLoggerCallback(cublasLogCallback *userCallback);

/* Emulated arithmetic: a permission that is kept, and never used */
cublasStatus_t cublasSetEmulationStrategy(cublasHandle_t handle,
    cublasEmulationStrategy_t emulationStrategy)
  => SET(emulation, emulationStrategy, emulationStrategy <= CUBLAS_EMULATION_STRATEGY_EAGER);
cublasStatus_t cublasGetEmulationStrategy(cublasHandle_t handle,
    cublasEmulationStrategy_t *emulationStrategy) => GET(emulation, emulationStrategy);
cublasStatus_t cublasSetEmulationSpecialValuesSupport(cublasHandle_t handle,
    cudaEmulationSpecialValuesSupport mask)
  => SET(special_values, mask, mask <= CUDA_EMULATION_SPECIAL_VALUES_SUPPORT_DEFAULT);
cublasStatus_t cublasGetEmulationSpecialValuesSupport(cublasHandle_t handle,
    cudaEmulationSpecialValuesSupport *mask) => GET(special_values, mask);
cublasStatus_t cublasSetFixedPointEmulationMantissaControl(cublasHandle_t handle,
    cudaEmulationMantissaControl mantissaControl)
  => SET(mantissa_control, mantissaControl,
      mantissaControl <= CUDA_EMULATION_MANTISSA_CONTROL_FIXED);
cublasStatus_t cublasGetFixedPointEmulationMantissaControl(cublasHandle_t handle,
    cudaEmulationMantissaControl *mantissaControl) => GET(mantissa_control, mantissaControl);
cublasStatus_t cublasSetFixedPointEmulationMaxMantissaBitCount(cublasHandle_t handle,
    int maxMantissaBitCount) => SET(mantissa_bits, maxMantissaBitCount, maxMantissaBitCount >= 0);
cublasStatus_t cublasGetFixedPointEmulationMaxMantissaBitCount(cublasHandle_t handle,
    int *maxMantissaBitCount) => GET(mantissa_bits, maxMantissaBitCount);
cublasStatus_t cublasSetFixedPointEmulationMantissaBitOffset(cublasHandle_t handle,
    int mantissaBitOffset) => SET(mantissa_offset, mantissaBitOffset, 1);
cublasStatus_t cublasGetFixedPointEmulationMantissaBitOffset(cublasHandle_t handle,
    int *mantissaBitOffset) => GET(mantissa_offset, mantissaBitOffset);
cublasStatus_t cublasSetFixedPointEmulationMantissaBitCountPointer(cublasHandle_t handle,
    int *mantissaBitCount);
cublasStatus_t cublasGetFixedPointEmulationMantissaBitCountPointer(cublasHandle_t handle,
    int **mantissaBitCount)
  => is_live(handle) ? TELL(mantissaBitCount, NULL) : CUBLAS_STATUS_NOT_INITIALIZED;

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

/* Products: C = alpha op(A) op(B) + beta C */
cublasStatus_t cublas{T:SDCZ}gemm_v2{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, {int} k, const {t} *alpha, const {t} *A, {int} lda,
    const {t} *B, {int} ldb, const {t} *beta, {t} *C, {int} ldc)
  => gemm(&(struct gemm){handle, "{name}", {{types}}, transa, transb, m, n, k, alpha, {A, lda, 0},
      {B, ldb, 0}, beta, {C, ldc, 0}, 1, 0});
cublasStatus_t cublas{T:SDCZ}geam{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, const {t} *alpha, const {t} *A, {int} lda, const {t}
    *beta, const {t} *B, {int} ldb, {t} *C, {int} ldc)
  => geam(&(struct gemm){handle, "{name}", {{types}}, transa, transb, m, n, 0, alpha, {A, lda, 0},
      {B, ldb, 0}, beta, {C, ldc, 0}, 1, 0});
cublasStatus_t cublas{T:H}gemm{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, {int} k, const {t} *alpha, const {t} *A, {int} lda,
    const {t} *B, {int} ldb, const {t} *beta, {t} *C, {int} ldc)
  => gemm(&(struct gemm){handle, "{name}", {{types}}, transa, transb, m, n, k, alpha, {A, lda, 0},
      {B, ldb, 0}, beta, {C, ldc, 0}, 1, 0});
cublasStatus_t cublas{T:CZ}gemm3m{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, {int} k, const {t} *alpha, const {t} *A, {int} lda,
    const {t} *B, {int} ldb, const {t} *beta, {t} *C, {int} ldc)
  => gemm(&(struct gemm){handle, "{name}", {{types}}, transa, transb, m, n, k, alpha, {A, lda, 0},
      {B, ldb, 0}, beta, {C, ldc, 0}, 1, 0});
cublasStatus_t cublas{T:SDCZH}gemmStridedBatched{_64}(cublasHandle_t handle, cublasOperation_t
    transa, cublasOperation_t transb, {int} m, {int} n, {int} k, const {t} *alpha, const {t} *A,
    {int} lda, long long int strideA, const {t} *B, {int} ldb, long long int strideB, const {t}
    *beta, {t} *C, {int} ldc, long long int strideC, {int} batchCount)
  => gemm(&(struct gemm){handle, "{name}", {{types}}, transa, transb, m, n, k, alpha, {A, lda,
      strideA}, {B, ldb, strideB}, beta, {C, ldc, strideC}, batchCount, 0});
cublasStatus_t cublas{T:C}gemm3mStridedBatched{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, {int} k, const {t} *alpha, const {t} *A, {int} lda,
    long long int strideA, const {t} *B, {int} ldb, long long int strideB, const {t} *beta, {t} *C,
    {int} ldc, long long int strideC, {int} batchCount)
  => gemm(&(struct gemm){handle, "{name}", {{types}}, transa, transb, m, n, k, alpha, {A, lda,
      strideA}, {B, ldb, strideB}, beta, {C, ldc, strideC}, batchCount, 0});
cublasStatus_t cublas{T:SDCZH}gemmBatched{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, {int} k, const {t} *alpha, const {t} *const
    Aarray[], {int} lda, const {t} *const Barray[], {int} ldb, const {t} *beta, {t} *const Carray[],
    {int} ldc, {int} batchCount)
  => gemm(&(struct gemm){handle, "{name}", {{types}}, transa, transb, m, n, k, alpha, {Aarray, lda,
      0}, {Barray, ldb, 0}, beta, {Carray, ldc, 0}, batchCount, 1});
cublasStatus_t cublas{T:C}gemm3mBatched{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, {int} k, const {t} *alpha, const {t} *const
    Aarray[], {int} lda, const {t} *const Barray[], {int} ldb, const {t} *beta, {t} *const Carray[],
    {int} ldc, {int} batchCount)
  => gemm(&(struct gemm){handle, "{name}", {{types}}, transa, transb, m, n, k, alpha, {Aarray, lda,
      0}, {Barray, ldb, 0}, beta, {Carray, ldc, 0}, batchCount, 1});
cublasStatus_t cublasSgemmEx{_64}(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t
    transb, {int} m, {int} n, {int} k, const float *alpha, const void *A, cudaDataType Atype, {int}
    lda, const void *B, cudaDataType Btype, {int} ldb, const float *beta, void *C, cudaDataType
    Ctype, {int} ldc)
  => gemm(&(struct gemm){handle, "{name}", {Atype, Btype, Ctype, CUBLAS_COMPUTE_32F, CUDA_R_32F}, transa,
      transb, m, n, k, alpha, {A, lda, 0}, {B, ldb, 0}, beta, {C, ldc, 0}, 1, 0});
cublasStatus_t cublasCgemmEx{_64}(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t
    transb, {int} m, {int} n, {int} k, const cuComplex *alpha, const void *A, cudaDataType Atype,
    {int} lda, const void *B, cudaDataType Btype, {int} ldb, const cuComplex *beta, void *C,
    cudaDataType Ctype, {int} ldc)
  => gemm(&(struct gemm){handle, "{name}", {Atype, Btype, Ctype, CUBLAS_COMPUTE_32F, CUDA_C_32F}, transa,
      transb, m, n, k, alpha, {A, lda, 0}, {B, ldb, 0}, beta, {C, ldc, 0}, 1, 0});
cublasStatus_t cublasCgemm3mEx{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, {int} k, const cuComplex *alpha, const void *A,
    cudaDataType Atype, {int} lda, const void *B, cudaDataType Btype, {int} ldb, const cuComplex
    *beta, void *C, cudaDataType Ctype, {int} ldc)
  => gemm(&(struct gemm){handle, "{name}", {Atype, Btype, Ctype, CUBLAS_COMPUTE_32F, CUDA_C_32F}, transa,
      transb, m, n, k, alpha, {A, lda, 0}, {B, ldb, 0}, beta, {C, ldc, 0}, 1, 0});
cublasStatus_t cublasGemmEx{_64}(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t
    transb, {int} m, {int} n, {int} k, const void *alpha, const void *A, cudaDataType Atype, {int}
    lda, const void *B, cudaDataType Btype, {int} ldb, const void *beta, void *C, cudaDataType
    Ctype, {int} ldc, cublasComputeType_t computeType, cublasGemmAlgo_t algo)
  => gemm(&(struct gemm){handle, "{name}", {Atype, Btype, Ctype, computeType, ANY_SCALE}, transa, transb, m, n,
      k, alpha, {A, lda, 0}, {B, ldb, 0}, beta, {C, ldc, 0}, 1, 0});
cublasStatus_t cublasGemmBatchedEx{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, {int} k, const void *alpha, const void *const
    Aarray[], cudaDataType Atype, {int} lda, const void *const Barray[], cudaDataType Btype, {int}
    ldb, const void *beta, void *const Carray[], cudaDataType Ctype, {int} ldc, {int} batchCount,
    cublasComputeType_t computeType, cublasGemmAlgo_t algo)
  => gemm(&(struct gemm){handle, "{name}", {Atype, Btype, Ctype, computeType, ANY_SCALE}, transa, transb, m, n,
      k, alpha, {Aarray, lda, 0}, {Barray, ldb, 0}, beta, {Carray, ldc, 0}, batchCount, 1});
cublasStatus_t cublasGemmStridedBatchedEx{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, {int} k, const void *alpha, const void *A,
    cudaDataType Atype, {int} lda, long long int strideA, const void *B, cudaDataType Btype, {int}
    ldb, long long int strideB, const void *beta, void *C, cudaDataType Ctype, {int} ldc, long long
    int strideC, {int} batchCount, cublasComputeType_t computeType, cublasGemmAlgo_t algo)
  => gemm(&(struct gemm){handle, "{name}", {Atype, Btype, Ctype, computeType, ANY_SCALE}, transa, transb, m, n,
      k, alpha, {A, lda, strideA}, {B, ldb, strideB}, beta, {C, ldc, strideC}, batchCount, 0});
cublasStatus_t cublas{T:SD}gemmGroupedBatched{_64}(cublasHandle_t handle, const cublasOperation_t
    transa_array[], const cublasOperation_t transb_array[], const {int} m_array[], const {int}
    n_array[], const {int} k_array[], const {t} alpha_array[], const {t} *const Aarray[], const
    {int} lda_array[], const {t} *const Barray[], const {int} ldb_array[], const {t} beta_array[],
    {t} *const Carray[], const {int} ldc_array[], {int} group_count, const {int} group_size[])
  => gemm_grouped(&(struct groups){handle, "{name}", {{types}}, sizeof({int}), group_count,
      transa_array, transb_array, m_array, n_array, k_array, alpha_array, Aarray, lda_array, Barray,
      ldb_array, beta_array, Carray, ldc_array, group_size});
cublasStatus_t cublasGemmGroupedBatchedEx{_64}(cublasHandle_t handle, const cublasOperation_t
    transa_array[], const cublasOperation_t transb_array[], const {int} m_array[], const {int}
    n_array[], const {int} k_array[], const void *alpha_array, const void *const Aarray[],
    cudaDataType_t Atype, const {int} lda_array[], const void *const Barray[], cudaDataType_t Btype,
    const {int} ldb_array[], const void *beta_array, void *const Carray[], cudaDataType_t Ctype,
    const {int} ldc_array[], {int} group_count, const {int} group_size[], cublasComputeType_t
    computeType)
  => gemm_grouped(&(struct groups){handle, "{name}", {Atype, Btype, Ctype, computeType, ANY_SCALE},
      sizeof({int}), group_count, transa_array, transb_array, m_array, n_array, k_array,
      alpha_array, Aarray, lda_array, Barray, ldb_array, beta_array, Carray, ldc_array,
      group_size});
