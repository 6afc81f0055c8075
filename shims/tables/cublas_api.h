/* Functions of cuBLAS that opencu implements. {T:SDCZ} stands for one of these type letters, {t} for
   its C type, {types} for the types that it multiplies; {r} for the C type of its parts, {d}, {p} for the core's
   names of both; {int} and {_64} for the 32-bit and the
   64-bit twin; "=>" is the call that serves the row. */
typedef struct cublasContext *cublasHandle_t;
typedef void (*cublasLogCallback)(const char *msg);

/* The library and its handle */
cublasStatus_t cublasCreate_v2(cublasHandle_t *handle)
  => create_handle(handle, HANDLE_CUBLAS, __func__);
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle);
/* As documented, the version needs no handle. */
cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int *version) => TELL(version, VERSION);
cublasStatus_t cublasGetProperty(libraryPropertyType type, int *value) => property(type, value);
size_t cublasGetCudartVersion(void) => CUDART;
const char *cublasGetStatusName(cublasStatus_t status) => status_text(status, 0);
const char *cublasGetStatusString(cublasStatus_t status) => status_text(status, 1);
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t streamId)
  => SET(stream, streamId, ocu_stream_device(stream_of(streamId)) >= 0);
cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, cudaStream_t *streamId)
  => GET(stream, streamId);
/* Checked and not needed: kernels keep their scratch in the worker threads. */
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void *workspace,
    size_t workspaceSizeInBytes)
  => VALID((workspace || !workspaceSizeInBytes) && (uintptr_t)workspace % 256 == 0,
           CUBLAS_STATUS_SUCCESS);
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
    int *mantissaBitCount)
  => VALID(1, mantissaBitCount ? refused(__func__,
           "mantissaBitCount: nothing is emulated or counted") : CUBLAS_STATUS_SUCCESS);
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
  => GEMM({types});
/* C = (sums of (A - A_bias) (B - B_bias) + C_bias) C_mult / 2^C_shift, rounded, from 0 to 255 */
cublasStatus_t cublasUint8gemmBias(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, cublasOperation_t transc, int m, int n, int k, const unsigned char *A,
    int A_bias, int lda, const unsigned char *B, int B_bias, int ldb, unsigned char *C, int C_bias,
    int ldc, int C_mult, int C_shift);
cublasStatus_t cublas{T:SDCZ}geam{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, const {t} *alpha, const {t} *A, {int} lda, const {t}
    *beta, const {t} *B, {int} ldb, {t} *C, {int} ldc)
  => GEAM({types});
cublasStatus_t cublas{T:H}gemm{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, {int} k, const {t} *alpha, const {t} *A, {int} lda,
    const {t} *B, {int} ldb, const {t} *beta, {t} *C, {int} ldc)
  => GEMM({types});
cublasStatus_t cublas{T:CZ}gemm3m{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, {int} k, const {t} *alpha, const {t} *A, {int} lda,
    const {t} *B, {int} ldb, const {t} *beta, {t} *C, {int} ldc)
  => GEMM({types});
cublasStatus_t cublas{T:SDCZH}gemmStridedBatched{_64}(cublasHandle_t handle, cublasOperation_t
    transa, cublasOperation_t transb, {int} m, {int} n, {int} k, const {t} *alpha, const {t} *A,
    {int} lda, long long int strideA, const {t} *B, {int} ldb, long long int strideB, const {t}
    *beta, {t} *C, {int} ldc, long long int strideC, {int} batchCount)
  => STRIDED({types});
cublasStatus_t cublas{T:C}gemm3mStridedBatched{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, {int} k, const {t} *alpha, const {t} *A, {int} lda,
    long long int strideA, const {t} *B, {int} ldb, long long int strideB, const {t} *beta, {t} *C,
    {int} ldc, long long int strideC, {int} batchCount)
  => STRIDED({types});
cublasStatus_t cublas{T:SDCZH}gemmBatched{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, {int} k, const {t} *alpha, const {t} *const
    Aarray[], {int} lda, const {t} *const Barray[], {int} ldb, const {t} *beta, {t} *const Carray[],
    {int} ldc, {int} batchCount)
  => BATCHED({types});
cublasStatus_t cublas{T:C}gemm3mBatched{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, {int} k, const {t} *alpha, const {t} *const
    Aarray[], {int} lda, const {t} *const Barray[], {int} ldb, const {t} *beta, {t} *const Carray[],
    {int} ldc, {int} batchCount)
  => BATCHED({types});
cublasStatus_t cublasSgemmEx{_64}(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t
    transb, {int} m, {int} n, {int} k, const float *alpha, const void *A, cudaDataType Atype, {int}
    lda, const void *B, cudaDataType Btype, {int} ldb, const float *beta, void *C, cudaDataType
    Ctype, {int} ldc)
  => GEMM(Atype, Btype, Ctype, CUBLAS_COMPUTE_32F, CUDA_R_32F);
cublasStatus_t cublasCgemmEx{_64}(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t
    transb, {int} m, {int} n, {int} k, const cuComplex *alpha, const void *A, cudaDataType Atype,
    {int} lda, const void *B, cudaDataType Btype, {int} ldb, const cuComplex *beta, void *C,
    cudaDataType Ctype, {int} ldc)
  => GEMM(Atype, Btype, Ctype, CUBLAS_COMPUTE_32F, CUDA_C_32F);
cublasStatus_t cublasCgemm3mEx{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, {int} k, const cuComplex *alpha, const void *A,
    cudaDataType Atype, {int} lda, const void *B, cudaDataType Btype, {int} ldb, const cuComplex
    *beta, void *C, cudaDataType Ctype, {int} ldc)
  => GEMM(Atype, Btype, Ctype, CUBLAS_COMPUTE_32F, CUDA_C_32F);
cublasStatus_t cublasGemmEx{_64}(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t
    transb, {int} m, {int} n, {int} k, const void *alpha, const void *A, cudaDataType Atype, {int}
    lda, const void *B, cudaDataType Btype, {int} ldb, const void *beta, void *C, cudaDataType
    Ctype, {int} ldc, cublasComputeType_t computeType, cublasGemmAlgo_t algo)
  => GEMM(Atype, Btype, Ctype, computeType, ANY_SCALE);
cublasStatus_t cublasGemmBatchedEx{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, {int} k, const void *alpha, const void *const
    Aarray[], cudaDataType Atype, {int} lda, const void *const Barray[], cudaDataType Btype, {int}
    ldb, const void *beta, void *const Carray[], cudaDataType Ctype, {int} ldc, {int} batchCount,
    cublasComputeType_t computeType, cublasGemmAlgo_t algo)
  => BATCHED(Atype, Btype, Ctype, computeType, ANY_SCALE);
cublasStatus_t cublasGemmStridedBatchedEx{_64}(cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, {int} m, {int} n, {int} k, const void *alpha, const void *A,
    cudaDataType Atype, {int} lda, long long int strideA, const void *B, cudaDataType Btype, {int}
    ldb, long long int strideB, const void *beta, void *C, cudaDataType Ctype, {int} ldc, long long
    int strideC, {int} batchCount, cublasComputeType_t computeType, cublasGemmAlgo_t algo)
  => STRIDED(Atype, Btype, Ctype, computeType, ANY_SCALE);
cublasStatus_t cublas{T:SD}gemmGroupedBatched{_64}(cublasHandle_t handle, const cublasOperation_t
    transa_array[], const cublasOperation_t transb_array[], const {int} m_array[], const {int}
    n_array[], const {int} k_array[], const {t} alpha_array[], const {t} *const Aarray[], const
    {int} lda_array[], const {t} *const Barray[], const {int} ldb_array[], const {t} beta_array[],
    {t} *const Carray[], const {int} ldc_array[], {int} group_count, const {int} group_size[])
  => GROUPED({types});
cublasStatus_t cublasGemmGroupedBatchedEx{_64}(cublasHandle_t handle, const cublasOperation_t
    transa_array[], const cublasOperation_t transb_array[], const {int} m_array[], const {int}
    n_array[], const {int} k_array[], const void *alpha_array, const void *const Aarray[],
    cudaDataType_t Atype, const {int} lda_array[], const void *const Barray[], cudaDataType_t Btype,
    const {int} ldb_array[], const void *beta_array, void *const Carray[], cudaDataType_t Ctype,
    const {int} ldc_array[], {int} group_count, const {int} group_size[], cublasComputeType_t
    computeType)
  => GROUPED(Atype, Btype, Ctype, computeType, ANY_SCALE);

/* Vectors */
cublasStatus_t cublas{T:SDCZ}copy_v2{_64}(cublasHandle_t handle, {int} n, const {t} *x, {int} incx,
    {t} *y, {int} incy)
  => ROUTINE(COPY, X({d}, READ), Y({d}, WRITE));
cublasStatus_t cublas{T:SDCZ}swap_v2{_64}(cublasHandle_t handle, {int} n, {t} *x, {int} incx, {t}
    *y, {int} incy)
  => ROUTINE(SWAP, X({d}, UPDATE), Y({d}, UPDATE));
cublasStatus_t cublas{T:SDCZ}scal_v2{_64}(cublasHandle_t handle, {int} n, const {t} *alpha, {t} *x,
    {int} incx)
  => ROUTINE(SCAL, FACTOR(0, alpha, {d}, 1), FORWARD({d}, UPDATE));
cublasStatus_t cublas{T:Cs,Zd}scal_v2{_64}(cublasHandle_t handle, {int} n, const {r} *alpha, {t} *x,
    {int} incx)
  => ROUTINE(SCAL, FACTOR(0, alpha, {p}, 1), FORWARD({d}, UPDATE));
cublasStatus_t cublas{T:SDCZ}axpy_v2{_64}(cublasHandle_t handle, {int} n, const {t} *alpha, const
    {t} *x, {int} incx, {t} *y, {int} incy)
  => ROUTINE(AXPY, FACTOR(0, alpha, {d}, 1), X({d}, READ), Y({d}, UPDATE));
cublasStatus_t cublas{T:SD}dot_v2{_64}(cublasHandle_t handle, {int} n, const {t} *x, {int} incx,
    const {t} *y, {int} incy, {t} *result)
  => ROUTINE(DOT, X({d}, READ), Y({d}, READ), RESULT({d}));
cublasStatus_t cublas{T:CZ}dotu_v2{_64}(cublasHandle_t handle, {int} n, const {t} *x, {int} incx,
    const {t} *y, {int} incy, {t} *result)
  => ROUTINE(DOT, X({d}, READ), Y({d}, READ), RESULT({d}));
cublasStatus_t cublas{T:CZ}dotc_v2{_64}(cublasHandle_t handle, {int} n, const {t} *x, {int} incx,
    const {t} *y, {int} incy, {t} *result)
  => ROUTINE(DOT, .form = {1}, X({d}, READ), Y({d}, READ), RESULT({d}));
cublasStatus_t cublas{T:S,D,Sc,Dz}nrm2_v2{_64}(cublasHandle_t handle, {int} n, const {t} *x, {int}
    incx, {r} *result)
  => ROUTINE(NRM2, FORWARD({d}, READ), RESULT({p}));
cublasStatus_t cublas{T:S,D,Sc,Dz}asum_v2{_64}(cublasHandle_t handle, {int} n, const {t} *x, {int}
    incx, {r} *result)
  => ROUTINE(ASUM, FORWARD({d}, READ), RESULT({p}));
cublasStatus_t cublasI{T:s,d,c,z}amax_v2{_64}(cublasHandle_t handle, {int} n, const {t} *x, {int}
    incx, {int} *result)
  => ROUTINE(AMAX, FORWARD({d}, READ), INDEX);
cublasStatus_t cublasI{T:s,d,c,z}amin_v2{_64}(cublasHandle_t handle, {int} n, const {t} *x, {int}
    incx, {int} *result)
  => ROUTINE(AMIN, FORWARD({d}, READ), INDEX);
cublasStatus_t cublas{T:SDCZ}rot_v2{_64}(cublasHandle_t handle, {int} n, {t} *x, {int} incx, {t} *y,
    {int} incy, const {r} *c, const {t} *s)
  => ROUTINE(ROT, FACTOR(0, c, {p}, 1), FACTOR(1, s, {d}, 1), X({d}, UPDATE), Y({d}, UPDATE));
cublasStatus_t cublas{T:Cs,Zd}rot_v2{_64}(cublasHandle_t handle, {int} n, {t} *x, {int} incx, {t}
    *y, {int} incy, const {r} *c, const {r} *s)
  => ROUTINE(ROT, FACTOR(0, c, {p}, 1), FACTOR(1, s, {p}, 1), X({d}, UPDATE), Y({d}, UPDATE));
cublasStatus_t cublas{T:SDCZ}rotg_v2(cublasHandle_t handle, {t} *a, {t} *b, {r} *c, {t} *s)
  => ROUTINE(ROTG, NUMBER(0, a, {d}, 1), NUMBER(1, b, {d}, 1), NUMBER(2, c, {p}, 1),
             NUMBER(3, s, {d}, 1));
cublasStatus_t cublas{T:SD}rotm_v2{_64}(cublasHandle_t handle, {int} n, {t} *x, {int} incx, {t} *y,
    {int} incy, const {t} *param)
  => ROUTINE(ROTM, FACTOR(0, param, {d}, 5), X({d}, UPDATE), Y({d}, UPDATE));
cublasStatus_t cublas{T:SD}rotmg_v2(cublasHandle_t handle, {t} *d1, {t} *d2, {t} *x1, const {t} *y1,
    {t} *param)
  => ROUTINE(ROTMG, FACTOR(0, y1, {d}, 1), NUMBER(0, d1, {d}, 1), NUMBER(1, d2, {d}, 1),
             NUMBER(2, x1, {d}, 1), NUMBER(3, param, {d}, 5));
cublasStatus_t cublasCopyEx{_64}(cublasHandle_t handle, {int} n, const void *x, cudaDataType xType,
    {int} incx, void *y, cudaDataType yType, {int} incy)
  => TYPED(COPY, xType, yType == xType, X(d, READ), Y(d, WRITE));
cublasStatus_t cublasSwapEx{_64}(cublasHandle_t handle, {int} n, void *x, cudaDataType xType, {int}
    incx, void *y, cudaDataType yType, {int} incy)
  => TYPED(SWAP, xType, yType == xType, X(d, UPDATE), Y(d, UPDATE));
cublasStatus_t cublasScalEx{_64}(cublasHandle_t handle, {int} n, const void *alpha, cudaDataType
    alphaType, void *x, cudaDataType xType, {int} incx, cudaDataType executionType)
  => TYPED(SCAL, xType, EXECUTED(executionType) && FACTOR_TYPE(alphaType),
           FACTOR(0, alpha, dtype_of(alphaType), 1), FORWARD(d, UPDATE));
cublasStatus_t cublasAxpyEx{_64}(cublasHandle_t handle, {int} n, const void *alpha, cudaDataType
    alphaType, const void *x, cudaDataType xType, {int} incx, void *y, cudaDataType yType, {int}
    incy, cudaDataType executiontype)
  => TYPED(AXPY, xType, yType == xType && EXECUTED(executiontype) && FACTOR_TYPE(alphaType),
           FACTOR(0, alpha, dtype_of(alphaType), 1), X(d, READ), Y(d, UPDATE));
cublasStatus_t cublasDotEx{_64}(cublasHandle_t handle, {int} n, const void *x, cudaDataType xType,
    {int} incx, const void *y, cudaDataType yType, {int} incy, void *result, cudaDataType
    resultType, cudaDataType executionType)
  => TYPED(DOT, xType, yType == xType && resultType == xType && EXECUTED(executionType),
           X(d, READ), Y(d, READ), RESULT(d));
cublasStatus_t cublasDotcEx{_64}(cublasHandle_t handle, {int} n, const void *x, cudaDataType xType,
    {int} incx, const void *y, cudaDataType yType, {int} incy, void *result, cudaDataType
    resultType, cudaDataType executionType)
  => TYPED(DOT, xType, yType == xType && resultType == xType && EXECUTED(executionType),
           .form = {1}, X(d, READ), Y(d, READ), RESULT(d));
cublasStatus_t cublasNrm2Ex{_64}(cublasHandle_t handle, {int} n, const void *x, cudaDataType xType,
    {int} incx, void *result, cudaDataType resultType, cudaDataType executionType)
  => TYPED(NRM2, xType, resultType == part_of(xType) && EXECUTED_PART(executionType),
           FORWARD(d, READ), RESULT(dtype_of(resultType)));
cublasStatus_t cublasAsumEx{_64}(cublasHandle_t handle, {int} n, const void *x, cudaDataType xType,
    {int} incx, void *result, cudaDataType resultType, cudaDataType executiontype)
  => TYPED(ASUM, xType, resultType == part_of(xType) && EXECUTED_PART(executiontype),
           FORWARD(d, READ), RESULT(dtype_of(resultType)));
cublasStatus_t cublasIamaxEx{_64}(cublasHandle_t handle, {int} n, const void *x, cudaDataType xType,
    {int} incx, {int} *result)
  => TYPED(AMAX, xType, 1, FORWARD(d, READ), INDEX);
cublasStatus_t cublasIaminEx{_64}(cublasHandle_t handle, {int} n, const void *x, cudaDataType xType,
    {int} incx, {int} *result)
  => TYPED(AMIN, xType, 1, FORWARD(d, READ), INDEX);
cublasStatus_t cublasRotEx{_64}(cublasHandle_t handle, {int} n, void *x, cudaDataType xType, {int}
    incx, void *y, cudaDataType yType, {int} incy, const void *c, const void *s, cudaDataType
    csType, cudaDataType executiontype)
  => TYPED(ROT, xType, yType == xType && EXECUTED(executiontype) &&
           (csType == xType || csType == part_of(xType)),
           FACTOR(0, c, dtype_of(csType), 1), FACTOR(1, s, dtype_of(csType), 1), X(d, UPDATE),
           Y(d, UPDATE));
cublasStatus_t cublasRotgEx(cublasHandle_t handle, void *a, void *b, cudaDataType abType, void *c,
    void *s, cudaDataType csType, cudaDataType executiontype)
  => TYPED(ROTG, abType, EXECUTED(executiontype) && (csType == abType || csType == part_of(abType)),
           NUMBER(0, a, d, 1), NUMBER(1, b, d, 1), NUMBER(2, c, dtype_of(part_of(csType)), 1),
           NUMBER(3, s, d, 1));
cublasStatus_t cublasRotmEx{_64}(cublasHandle_t handle, {int} n, void *x, cudaDataType xType, {int}
    incx, void *y, cudaDataType yType, {int} incy, const void *param, cudaDataType paramType,
    cudaDataType executiontype)
  => TYPED(ROTM, xType, yType == xType && EXECUTED(executiontype) && FACTOR_TYPE(paramType) &&
           paramType == part_of(paramType),
           FACTOR(0, param, dtype_of(paramType), 5), X(d, UPDATE), Y(d, UPDATE));
cublasStatus_t cublasRotmgEx(cublasHandle_t handle, void *d1, cudaDataType d1Type, void *d2,
    cudaDataType d2Type, void *x1, cudaDataType x1Type, const void *y1, cudaDataType y1Type, void
    *param, cudaDataType paramType, cudaDataType executiontype)
  => TYPED(ROTMG, d1Type, d2Type == d1Type && x1Type == d1Type && y1Type == d1Type &&
           paramType == d1Type && executiontype == d1Type && part_of(d1Type) == d1Type &&
           d1Type != CUDA_R_16F && d1Type != CUDA_R_16BF,
           FACTOR(0, y1, d, 1), NUMBER(0, d1, d, 1), NUMBER(1, d2, d, 1), NUMBER(2, x1, d, 1),
           NUMBER(3, param, d, 5));

/* Matrices and vectors */
cublasStatus_t cublas{T:SDCZ}gemv_v2{_64}(cublasHandle_t handle, cublasOperation_t trans, {int} m,
    {int} n, const {t} *alpha, const {t} *A, {int} lda, const {t} *x, {int} incx, const {t} *beta,
    {t} *y, {int} incy)
  => GEMV({types});
cublasStatus_t cublas{T:SDCZ}gemvBatched{_64}(cublasHandle_t handle, cublasOperation_t trans, {int}
    m, {int} n, const {t} *alpha, const {t} *const Aarray[], {int} lda, const {t} *const xarray[],
    {int} incx, const {t} *beta, {t} *const yarray[], {int} incy, {int} batchCount)
  => GEMV_POINTERS({types});
cublasStatus_t cublas{T:SDCZ}gemvStridedBatched{_64}(cublasHandle_t handle, cublasOperation_t trans,
    {int} m, {int} n, const {t} *alpha, const {t} *A, {int} lda, long long int strideA, const {t}
    *x, {int} incx, long long int stridex, const {t} *beta, {t} *y, {int} incy, long long int
    stridey, {int} batchCount)
  => GEMV_STRIDED({types});
cublasStatus_t cublasHSHgemvBatched{_64}(cublasHandle_t handle, cublasOperation_t trans, {int} m,
    {int} n, const float *alpha, const __half *const Aarray[], {int} lda, const __half *const
    xarray[], {int} incx, const float *beta, __half *const yarray[], {int} incy, {int} batchCount)
  => GEMV_POINTERS(CUDA_R_16F, CUDA_R_16F, CUDA_R_16F, CUBLAS_COMPUTE_32F, CUDA_R_32F);
cublasStatus_t cublasHSHgemvStridedBatched{_64}(cublasHandle_t handle, cublasOperation_t trans,
    {int} m, {int} n, const float *alpha, const __half *A, {int} lda, long long int strideA, const
    __half *x, {int} incx, long long int stridex, const float *beta, __half *y, {int} incy, long
    long int stridey, {int} batchCount)
  => GEMV_STRIDED(CUDA_R_16F, CUDA_R_16F, CUDA_R_16F, CUBLAS_COMPUTE_32F, CUDA_R_32F);
cublasStatus_t cublasHSSgemvBatched{_64}(cublasHandle_t handle, cublasOperation_t trans, {int} m,
    {int} n, const float *alpha, const __half *const Aarray[], {int} lda, const __half *const
    xarray[], {int} incx, const float *beta, float *const yarray[], {int} incy, {int} batchCount)
  => GEMV_POINTERS(CUDA_R_16F, CUDA_R_16F, CUDA_R_32F, CUBLAS_COMPUTE_32F, CUDA_R_32F);
cublasStatus_t cublasHSSgemvStridedBatched{_64}(cublasHandle_t handle, cublasOperation_t trans,
    {int} m, {int} n, const float *alpha, const __half *A, {int} lda, long long int strideA, const
    __half *x, {int} incx, long long int stridex, const float *beta, float *y, {int} incy, long long
    int stridey, {int} batchCount)
  => GEMV_STRIDED(CUDA_R_16F, CUDA_R_16F, CUDA_R_32F, CUBLAS_COMPUTE_32F, CUDA_R_32F);
cublasStatus_t cublasTSTgemvBatched{_64}(cublasHandle_t handle, cublasOperation_t trans, {int} m,
    {int} n, const float *alpha, const __nv_bfloat16 *const Aarray[], {int} lda, const __nv_bfloat16
    *const xarray[], {int} incx, const float *beta, __nv_bfloat16 *const yarray[], {int} incy, {int}
    batchCount)
  => GEMV_POINTERS(CUDA_R_16BF, CUDA_R_16BF, CUDA_R_16BF, CUBLAS_COMPUTE_32F, CUDA_R_32F);
cublasStatus_t cublasTSTgemvStridedBatched{_64}(cublasHandle_t handle, cublasOperation_t trans,
    {int} m, {int} n, const float *alpha, const __nv_bfloat16 *A, {int} lda, long long int strideA,
    const __nv_bfloat16 *x, {int} incx, long long int stridex, const float *beta, __nv_bfloat16 *y,
    {int} incy, long long int stridey, {int} batchCount)
  => GEMV_STRIDED(CUDA_R_16BF, CUDA_R_16BF, CUDA_R_16BF, CUBLAS_COMPUTE_32F, CUDA_R_32F);
cublasStatus_t cublasTSSgemvBatched{_64}(cublasHandle_t handle, cublasOperation_t trans, {int} m,
    {int} n, const float *alpha, const __nv_bfloat16 *const Aarray[], {int} lda, const __nv_bfloat16
    *const xarray[], {int} incx, const float *beta, float *const yarray[], {int} incy, {int}
    batchCount)
  => GEMV_POINTERS(CUDA_R_16BF, CUDA_R_16BF, CUDA_R_32F, CUBLAS_COMPUTE_32F, CUDA_R_32F);
cublasStatus_t cublasTSSgemvStridedBatched{_64}(cublasHandle_t handle, cublasOperation_t trans,
    {int} m, {int} n, const float *alpha, const __nv_bfloat16 *A, {int} lda, long long int strideA,
    const __nv_bfloat16 *x, {int} incx, long long int stridex, const float *beta, float *y, {int}
    incy, long long int stridey, {int} batchCount)
  => GEMV_STRIDED(CUDA_R_16BF, CUDA_R_16BF, CUDA_R_32F, CUBLAS_COMPUTE_32F, CUDA_R_32F);
cublasStatus_t cublas{T:SDCZ}gbmv_v2{_64}(cublasHandle_t handle, cublasOperation_t trans, {int} m,
    {int} n, {int} kl, {int} ku, const {t} *alpha, const {t} *A, {int} lda, const {t} *x, {int}
    incx, const {t} *beta, {t} *y, {int} incy)
  => FORM(READ, general_band(&f, trans, m, n, kl, ku), A, lda, incx && incy, {d},
          MULTIPLIED({d}));
cublasStatus_t cublas{T:SDCZ}symv_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo, {int} n,
    const {t} *alpha, const {t} *A, {int} lda, const {t} *x, {int} incx, const {t} *beta, {t} *y,
    {int} incy)
  => FORM(READ, square(&f, FULL, SYMMETRIC, uplo, n, 0), A, lda, incx && incy, {d},
          MULTIPLIED({d}));
cublasStatus_t cublas{T:CZ}hemv_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo, {int} n, const
    {t} *alpha, const {t} *A, {int} lda, const {t} *x, {int} incx, const {t} *beta, {t} *y, {int}
    incy)
  => FORM(READ, square(&f, FULL, HERMITIAN, uplo, n, 0), A, lda, incx && incy, {d},
          MULTIPLIED({d}));
cublasStatus_t cublas{T:SD}sbmv_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo, {int} n, {int}
    k, const {t} *alpha, const {t} *A, {int} lda, const {t} *x, {int} incx, const {t} *beta, {t} *y,
    {int} incy)
  => FORM(READ, square(&f, BAND, SYMMETRIC, uplo, n, k), A, lda, incx && incy, {d},
          MULTIPLIED({d}));
cublasStatus_t cublas{T:CZ}hbmv_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo, {int} n, {int}
    k, const {t} *alpha, const {t} *A, {int} lda, const {t} *x, {int} incx, const {t} *beta, {t} *y,
    {int} incy)
  => FORM(READ, square(&f, BAND, HERMITIAN, uplo, n, k), A, lda, incx && incy, {d},
          MULTIPLIED({d}));
cublasStatus_t cublas{T:SD}spmv_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo, {int} n, const
    {t} *alpha, const {t} *AP, const {t} *x, {int} incx, const {t} *beta, {t} *y, {int} incy)
  => FORM(READ, square(&f, PACKED, SYMMETRIC, uplo, n, 0), AP, 0, incx && incy, {d},
          MULTIPLIED({d}));
cublasStatus_t cublas{T:CZ}hpmv_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo, {int} n, const
    {t} *alpha, const {t} *AP, const {t} *x, {int} incx, const {t} *beta, {t} *y, {int} incy)
  => FORM(READ, square(&f, PACKED, HERMITIAN, uplo, n, 0), AP, 0, incx && incy, {d},
          MULTIPLIED({d}));
cublasStatus_t cublas{T:SDCZ}trmv_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo,
    cublasOperation_t trans, cublasDiagType_t diag, {int} n, const {t} *A, {int} lda, {t} *x, {int}
    incx)
  => FORM(READ, triangle(&f, FULL, uplo, trans, diag, n, 0), A, lda, incx, {d}, IN_PLACE(MATVEC,
          {d}));
cublasStatus_t cublas{T:SDCZ}trsv_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo,
    cublasOperation_t trans, cublasDiagType_t diag, {int} n, const {t} *A, {int} lda, {t} *x, {int}
    incx)
  => FORM(READ, triangle(&f, FULL, uplo, trans, diag, n, 0), A, lda, incx, {d}, IN_PLACE(SOLVE,
          {d}));
cublasStatus_t cublas{T:SDCZ}tbmv_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo,
    cublasOperation_t trans, cublasDiagType_t diag, {int} n, {int} k, const {t} *A, {int} lda, {t}
    *x, {int} incx)
  => FORM(READ, triangle(&f, BAND, uplo, trans, diag, n, k), A, lda, incx, {d}, IN_PLACE(MATVEC,
          {d}));
cublasStatus_t cublas{T:SDCZ}tbsv_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo,
    cublasOperation_t trans, cublasDiagType_t diag, {int} n, {int} k, const {t} *A, {int} lda, {t}
    *x, {int} incx)
  => FORM(READ, triangle(&f, BAND, uplo, trans, diag, n, k), A, lda, incx, {d}, IN_PLACE(SOLVE,
          {d}));
cublasStatus_t cublas{T:SDCZ}tpmv_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo,
    cublasOperation_t trans, cublasDiagType_t diag, {int} n, const {t} *AP, {t} *x, {int} incx)
  => FORM(READ, triangle(&f, PACKED, uplo, trans, diag, n, 0), AP, 0, incx, {d}, IN_PLACE(MATVEC,
          {d}));
cublasStatus_t cublas{T:SDCZ}tpsv_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo,
    cublasOperation_t trans, cublasDiagType_t diag, {int} n, const {t} *AP, {t} *x, {int} incx)
  => FORM(READ, triangle(&f, PACKED, uplo, trans, diag, n, 0), AP, 0, incx, {d}, IN_PLACE(SOLVE,
          {d}));
cublasStatus_t cublas{T:SD}ger_v2{_64}(cublasHandle_t handle, {int} m, {int} n, const {t} *alpha,
    const {t} *x, {int} incx, const {t} *y, {int} incy, {t} *A, {int} lda)
  => FORM(UPDATE, general(&f, m, n, 0), A, lda, incx && incy, {d}, UPDATED({d}, {d}), BY({d}));
cublasStatus_t cublas{T:CZ}geru_v2{_64}(cublasHandle_t handle, {int} m, {int} n, const {t} *alpha,
    const {t} *x, {int} incx, const {t} *y, {int} incy, {t} *A, {int} lda)
  => FORM(UPDATE, general(&f, m, n, 0), A, lda, incx && incy, {d}, UPDATED({d}, {d}), BY({d}));
cublasStatus_t cublas{T:CZ}gerc_v2{_64}(cublasHandle_t handle, {int} m, {int} n, const {t} *alpha,
    const {t} *x, {int} incx, const {t} *y, {int} incy, {t} *A, {int} lda)
  => FORM(UPDATE, general(&f, m, n, 2), A, lda, incx && incy, {d}, UPDATED({d}, {d}), BY({d}));
cublasStatus_t cublas{T:SDCZ}syr_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo, {int} n,
    const {t} *alpha, const {t} *x, {int} incx, {t} *A, {int} lda)
  => FORM(UPDATE, updated(&f, FULL, SYMMETRIC, uplo, n, 0), A, lda, incx, {d}, UPDATED({d}, {d}));
cublasStatus_t cublas{T:CZ}her_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo, {int} n, const
    {r} *alpha, const {t} *x, {int} incx, {t} *A, {int} lda)
  => FORM(UPDATE, updated(&f, FULL, HERMITIAN, uplo, n, 0), A, lda, incx, {d}, UPDATED({d}, {p}));
cublasStatus_t cublas{T:SD}spr_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo, {int} n, const
    {t} *alpha, const {t} *x, {int} incx, {t} *AP)
  => FORM(UPDATE, updated(&f, PACKED, SYMMETRIC, uplo, n, 0), AP, 0, incx, {d}, UPDATED({d},
          {d}));
cublasStatus_t cublas{T:CZ}hpr_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo, {int} n, const
    {r} *alpha, const {t} *x, {int} incx, {t} *AP)
  => FORM(UPDATE, updated(&f, PACKED, HERMITIAN, uplo, n, 0), AP, 0, incx, {d}, UPDATED({d},
          {p}));
cublasStatus_t cublas{T:SDCZ}syr2_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo, {int} n,
    const {t} *alpha, const {t} *x, {int} incx, const {t} *y, {int} incy, {t} *A, {int} lda)
  => FORM(UPDATE, updated(&f, FULL, SYMMETRIC, uplo, n, 1), A, lda, incx && incy, {d},
          UPDATED({d}, {d}), BY({d}));
cublasStatus_t cublas{T:CZ}her2_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo, {int} n, const
    {t} *alpha, const {t} *x, {int} incx, const {t} *y, {int} incy, {t} *A, {int} lda)
  => FORM(UPDATE, updated(&f, FULL, HERMITIAN, uplo, n, 1), A, lda, incx && incy, {d},
          UPDATED({d}, {d}), BY({d}));
cublasStatus_t cublas{T:SD}spr2_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo, {int} n, const
    {t} *alpha, const {t} *x, {int} incx, const {t} *y, {int} incy, {t} *AP)
  => FORM(UPDATE, updated(&f, PACKED, SYMMETRIC, uplo, n, 1), AP, 0, incx && incy, {d},
          UPDATED({d}, {d}), BY({d}));
cublasStatus_t cublas{T:CZ}hpr2_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo, {int} n, const
    {t} *alpha, const {t} *x, {int} incx, const {t} *y, {int} incy, {t} *AP)
  => FORM(UPDATE, updated(&f, PACKED, HERMITIAN, uplo, n, 1), AP, 0, incx && incy, {d},
          UPDATED({d}, {d}), BY({d}));
cublasStatus_t cublas{T:SDCZ}dgmm{_64}(cublasHandle_t handle, cublasSideMode_t mode, {int} m, {int}
    n, const {t} *A, {int} lda, const {t} *x, {int} incx, {t} *C, {int} ldc)
  => DIAGONAL({d});
cublasStatus_t cublas{T:SDCZ}tpttr(cublasHandle_t handle, cublasFillMode_t uplo, int n, const {t}
    *AP, {t} *A, int lda)
  => REPACKED({d}, 0, AP, A);
cublasStatus_t cublas{T:SDCZ}trttp(cublasHandle_t handle, cublasFillMode_t uplo, int n, const {t}
    *A, int lda, {t} *AP)
  => REPACKED({d}, 1, A, AP);

/* Products with matrices of which one side is stored, and solutions */
cublasStatus_t cublas{T:SDCZ}symm_v2{_64}(cublasHandle_t handle, cublasSideMode_t side,
    cublasFillMode_t uplo, {int} m, {int} n, const {t} *alpha, const {t} *A, {int} lda, const {t}
    *B, {int} ldb, const {t} *beta, {t} *C, {int} ldc)
  => SIDED(OCU_SYMMETRIC, {types});
cublasStatus_t cublas{T:CZ}hemm_v2{_64}(cublasHandle_t handle, cublasSideMode_t side,
    cublasFillMode_t uplo, {int} m, {int} n, const {t} *alpha, const {t} *A, {int} lda, const {t}
    *B, {int} ldb, const {t} *beta, {t} *C, {int} ldc)
  => SIDED(OCU_HERMITIAN, {types});
cublasStatus_t cublas{T:SDCZ}syrk_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo,
    cublasOperation_t trans, {int} n, {int} k, const {t} *alpha, const {t} *A, {int} lda, const {t}
    *beta, {t} *C, {int} ldc)
  => UPDATE_SIDE(SYRK, A, lda, {types});
cublasStatus_t cublas{T:CZ}herk_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo,
    cublasOperation_t trans, {int} n, {int} k, const {r} *alpha, const {t} *A, {int} lda, const {r}
    *beta, {t} *C, {int} ldc)
  => UPDATE_SIDE(HERK, A, lda, {types});
cublasStatus_t cublas{T:SDCZ}syr2k_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo,
    cublasOperation_t trans, {int} n, {int} k, const {t} *alpha, const {t} *A, {int} lda, const {t}
    *B, {int} ldb, const {t} *beta, {t} *C, {int} ldc)
  => UPDATE_SIDE(SYR2K, B, ldb, {types});
cublasStatus_t cublas{T:CZ}her2k_v2{_64}(cublasHandle_t handle, cublasFillMode_t uplo,
    cublasOperation_t trans, {int} n, {int} k, const {t} *alpha, const {t} *A, {int} lda, const {t}
    *B, {int} ldb, const {r} *beta, {t} *C, {int} ldc)
  => UPDATE_SIDE(HER2K, B, ldb, {types});
cublasStatus_t cublas{T:SDCZ}syrkx{_64}(cublasHandle_t handle, cublasFillMode_t uplo,
    cublasOperation_t trans, {int} n, {int} k, const {t} *alpha, const {t} *A, {int} lda, const {t}
    *B, {int} ldb, const {t} *beta, {t} *C, {int} ldc)
  => UPDATE_SIDE(SYRKX, B, ldb, {types});
cublasStatus_t cublas{T:CZ}herkx{_64}(cublasHandle_t handle, cublasFillMode_t uplo,
    cublasOperation_t trans, {int} n, {int} k, const {t} *alpha, const {t} *A, {int} lda, const {t}
    *B, {int} ldb, const {r} *beta, {t} *C, {int} ldc)
  => UPDATE_SIDE(HERKX, B, ldb, {types});
cublasStatus_t cublas{T:SDCZ}trmm_v2{_64}(cublasHandle_t handle, cublasSideMode_t side,
    cublasFillMode_t uplo, cublasOperation_t trans, cublasDiagType_t diag, {int} m, {int} n, const
    {t} *alpha, const {t} *A, {int} lda, const {t} *B, {int} ldb, {t} *C, {int} ldc)
  => TRIANGLE(ocu_trmm, B, ldb, C, ldc, {types});
cublasStatus_t cublas{T:SDCZ}trsm_v2{_64}(cublasHandle_t handle, cublasSideMode_t side,
    cublasFillMode_t uplo, cublasOperation_t trans, cublasDiagType_t diag, {int} m, {int} n, const
    {t} *alpha, const {t} *A, {int} lda, {t} *B, {int} ldb)
  => TRIANGLE(ocu_trsm, B, ldb, B, ldb, {types});
cublasStatus_t cublasCsyrk3mEx{_64}(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t
    trans, {int} n, {int} k, const cuComplex *alpha, const void *A, cudaDataType Atype, {int} lda,
    const cuComplex *beta, void *C, cudaDataType Ctype, {int} ldc)
  => UPDATE_SIDE(SYRK, A, lda, Atype, Atype, Ctype, CUBLAS_COMPUTE_32F, CUDA_C_32F);
cublasStatus_t cublasCsyrkEx{_64}(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t
    trans, {int} n, {int} k, const cuComplex *alpha, const void *A, cudaDataType Atype, {int} lda,
    const cuComplex *beta, void *C, cudaDataType Ctype, {int} ldc)
  => UPDATE_SIDE(SYRK, A, lda, Atype, Atype, Ctype, CUBLAS_COMPUTE_32F, CUDA_C_32F);
cublasStatus_t cublasCherk3mEx{_64}(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t
    trans, {int} n, {int} k, const float *alpha, const void *A, cudaDataType Atype, {int} lda, const
    float *beta, void *C, cudaDataType Ctype, {int} ldc)
  => UPDATE_SIDE(HERK, A, lda, Atype, Atype, Ctype, CUBLAS_COMPUTE_32F, CUDA_C_32F);
cublasStatus_t cublasCherkEx{_64}(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t
    trans, {int} n, {int} k, const float *alpha, const void *A, cudaDataType Atype, {int} lda, const
    float *beta, void *C, cudaDataType Ctype, {int} ldc)
  => UPDATE_SIDE(HERK, A, lda, Atype, Atype, Ctype, CUBLAS_COMPUTE_32F, CUDA_C_32F);

/* Batches of small systems */
cublasStatus_t cublas{T:SDCZ}getrfBatched(cublasHandle_t handle, int n, {t} *const A[], int lda, int
    *P, int *info, int batchSize)
  => SYSTEMS(GETRF, n < 0 || SHORT(lda, n) || !info, .dtype = {d}, .m = n, .a = {A, lda, 0},
             .pivots = P, .info = info);
cublasStatus_t cublas{T:SDCZ}getrsBatched(cublasHandle_t handle, cublasOperation_t trans, int n, int
    nrhs, const {t} *const Aarray[], int lda, const int *devIpiv, {t} *const Barray[], int ldb, int
    *info, int batchSize)
  => SYSTEMS(GETRS, (unsigned)trans > CUBLAS_OP_C ? 1 : n < 0 ? 2 : nrhs < 0 ? 3
             : SHORT(lda, n) ? 5 : SHORT(ldb, n) ? 8 : batchSize < 0 ? 10 : 0, .dtype = {d},
             .m = n, .a = {Aarray, lda, 0}, .pivots = devIpiv, .b = {Barray, ldb, 0},
             .columns = nrhs, .host_info = info, .trans = trans);
cublasStatus_t cublas{T:SDCZ}getriBatched(cublasHandle_t handle, int n, const {t} *const A[], int
    lda, const int *P, {t} *const C[], int ldc, int *info, int batchSize)
  => SYSTEMS(GETRI, n < 0 || SHORT(lda, n) || SHORT(ldc, n) || !info, .dtype = {d}, .m = n,
             .a = {A, lda, 0}, .pivots = P, .b = {C, ldc, 0}, .columns = n, .info = info);
cublasStatus_t cublas{T:SDCZ}matinvBatched(cublasHandle_t handle, int n, const {t} *const A[], int
    lda, {t} *const Ainv[], int lda_inv, int *info, int batchSize)
  => SYSTEMS(MATINV, n < 0 || n > 32 || SHORT(lda, n) || SHORT(lda_inv, n) || batchSize < 0 ||
             !info, .dtype = {d}, .m = n, .a = {A, lda, 0}, .b = {Ainv, lda_inv, 0}, .columns = n,
             .info = info);
cublasStatus_t cublas{T:SDCZ}geqrfBatched(cublasHandle_t handle, int m, int n, {t} *const Aarray[],
    int lda, {t} *const TauArray[], int *info, int batchSize)
  => SYSTEMS(GEQRF, m < 0 ? 1 : n < 0 ? 2 : SHORT(lda, m) ? 4 : batchSize < 0 ? 7 : 0,
             .dtype = {d}, .m = m, .a = {Aarray, lda, 0}, .tau = TauArray, .host_info = info);
cublasStatus_t cublas{T:SDCZ}gelsBatched(cublasHandle_t handle, cublasOperation_t trans, int m, int
    n, int nrhs, {t} *const Aarray[], int lda, {t} *const Carray[], int ldc, int *info, int
    *devInfoArray, int batchSize)
  => trans != CUBLAS_OP_N || m < n
         ? is_live(handle) ? (cublasStatus_t)refused(__func__, "trans, m: only N and m >= n")
                           : CUBLAS_STATUS_NOT_INITIALIZED
         : SYSTEMS(GELS, m < 0 ? 2 : n < 0 ? 3 : nrhs < 0 ? 4 : SHORT(lda, m) ? 6
                   : SHORT(ldc, m) ? 8 : batchSize < 0 ? 11 : 0, .dtype = {d}, .m = m,
                   .a = {Aarray, lda, 0}, .b = {Carray, ldc, 0}, .columns = nrhs,
                   .info = devInfoArray, .host_info = info);
cublasStatus_t cublas{T:SDCZ}trsmBatched{_64}(cublasHandle_t handle, cublasSideMode_t side,
    cublasFillMode_t uplo, cublasOperation_t trans, cublasDiagType_t diag, {int} m, {int} n, const
    {t} *alpha, const {t} *const A[], {int} lda, {t} *const B[], {int} ldb, {int} batchCount)
  => trsm_batched(&(struct sided){.handle = handle, .name = __func__, .side = side, .uplo = uplo,
                                  .trans = trans, .diag = diag, .m = m, .n = n, .alpha = alpha,
                                  .a = {A, lda, 0}, .b = {B, ldb, 0}}, {d}, batchCount);
