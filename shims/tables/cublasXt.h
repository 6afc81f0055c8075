/* cuBLASXt: level 3 on matrices in host memory. The call is over when it returns. */
typedef struct cublasXtContext *cublasXtHandle_t;
typedef enum { CUBLASXT_PINNING_DISABLED = 0, CUBLASXT_PINNING_ENABLED = 1 } cublasXtPinnedMemMode_t;
typedef enum {
  CUBLASXT_FLOAT = 0, CUBLASXT_DOUBLE = 1, CUBLASXT_COMPLEX = 2, CUBLASXT_DOUBLECOMPLEX = 3
} cublasXtOpType_t;
typedef enum {
  CUBLASXT_GEMM = 0, CUBLASXT_SYRK = 1, CUBLASXT_HERK = 2, CUBLASXT_SYMM = 3, CUBLASXT_HEMM = 4,
  CUBLASXT_TRSM = 5, CUBLASXT_SYR2K = 6, CUBLASXT_HER2K = 7, CUBLASXT_SPMM = 8, CUBLASXT_SYRKX = 9,
  CUBLASXT_HERKX = 10, CUBLASXT_TRMM = 11, CUBLASXT_ROUTINE_MAX = 12
} cublasXtBlasOp_t;

cublasStatus_t cublasXtCreate(cublasXtHandle_t *handle);
cublasStatus_t cublasXtDestroy(cublasXtHandle_t handle);
cublasStatus_t cublasXtGetNumBoards(int nbDevices, int deviceId[], int *nbBoards);
cublasStatus_t cublasXtMaxBoards(int *nbGpuBoards) => TELL(nbGpuBoards, ocu_device_count());
cublasStatus_t cublasXtDeviceSelect(cublasXtHandle_t handle, int nbDevices, int deviceId[]);
/* Kept: products choose their own blocks, and memory is not pinned. */
cublasStatus_t cublasXtSetBlockDim(cublasXtHandle_t handle, int blockDim)
  => XT_SET(block_dim, blockDim, blockDim > 0);
cublasStatus_t cublasXtGetBlockDim(cublasXtHandle_t handle, int *blockDim)
  => XT_GET(block_dim, blockDim);
cublasStatus_t cublasXtSetPinningMemMode(cublasXtHandle_t handle, cublasXtPinnedMemMode_t mode)
  => XT_SET(pinning, mode, mode <= CUBLASXT_PINNING_ENABLED);
cublasStatus_t cublasXtGetPinningMemMode(cublasXtHandle_t handle, cublasXtPinnedMemMode_t *mode)
  => XT_GET(pinning, mode);
/* Taken and not used: the device computes all. */
cublasStatus_t cublasXtSetCpuRoutine(cublasXtHandle_t handle, cublasXtBlasOp_t blasOp,
    cublasXtOpType_t type, void *blasFunctor)
  => XT_VALID(blasFunctor && blasOp < CUBLASXT_ROUTINE_MAX && type <= CUBLASXT_DOUBLECOMPLEX);
cublasStatus_t cublasXtSetCpuRatio(cublasXtHandle_t handle, cublasXtBlasOp_t blasOp,
    cublasXtOpType_t type, float ratio)
  => XT_VALID(ratio >= 0 && ratio <= 1 && blasOp < CUBLASXT_ROUTINE_MAX &&
              type <= CUBLASXT_DOUBLECOMPLEX);

cublasStatus_t cublasXt{T:SDCZ}gemm(cublasXtHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, size_t m, size_t n, size_t k, const {t} *alpha, const {t} *A, size_t
    lda, const {t} *B, size_t ldb, const {t} *beta, {t} *C, size_t ldc)
  => XT(GEMM({types}));
cublasStatus_t cublasXt{T:SDCZ}symm(cublasXtHandle_t handle, cublasSideMode_t side,
    cublasFillMode_t uplo, size_t m, size_t n, const {t} *alpha, const {t} *A, size_t lda, const {t}
    *B, size_t ldb, const {t} *beta, {t} *C, size_t ldc)
  => XT(SIDED(OCU_SYMMETRIC, {types}));
cublasStatus_t cublasXt{T:CZ}hemm(cublasXtHandle_t handle, cublasSideMode_t side,
    cublasFillMode_t uplo, size_t m, size_t n, const {t} *alpha, const {t} *A, size_t lda, const {t}
    *B, size_t ldb, const {t} *beta, {t} *C, size_t ldc)
  => XT(SIDED(OCU_HERMITIAN, {types}));
cublasStatus_t cublasXt{T:SDCZ}spmm(cublasXtHandle_t handle, cublasSideMode_t side,
    cublasFillMode_t uplo, size_t m, size_t n, const {t} *alpha, const {t} *AP, const {t} *B, size_t
    ldb, const {t} *beta, {t} *C, size_t ldc)
  => XT_PACKED(SIDED(OCU_SYMMETRIC, {types}), {d});
cublasStatus_t cublasXt{T:SDCZ}syrk(cublasXtHandle_t handle, cublasFillMode_t uplo,
    cublasOperation_t trans, size_t n, size_t k, const {t} *alpha, const {t} *A, size_t lda, const
    {t} *beta, {t} *C, size_t ldc)
  => XT(UPDATE_SIDE(SYRK, A, lda, {types}));
cublasStatus_t cublasXt{T:CZ}herk(cublasXtHandle_t handle, cublasFillMode_t uplo,
    cublasOperation_t trans, size_t n, size_t k, const {r} *alpha, const {t} *A, size_t lda, const
    {r} *beta, {t} *C, size_t ldc)
  => XT(UPDATE_SIDE(HERK, A, lda, {types}));
cublasStatus_t cublasXt{T:SDCZ}syr2k(cublasXtHandle_t handle, cublasFillMode_t uplo,
    cublasOperation_t trans, size_t n, size_t k, const {t} *alpha, const {t} *A, size_t lda, const
    {t} *B, size_t ldb, const {t} *beta, {t} *C, size_t ldc)
  => XT(UPDATE_SIDE(SYR2K, B, ldb, {types}));
cublasStatus_t cublasXt{T:CZ}her2k(cublasXtHandle_t handle, cublasFillMode_t uplo,
    cublasOperation_t trans, size_t n, size_t k, const {t} *alpha, const {t} *A, size_t lda, const
    {t} *B, size_t ldb, const {r} *beta, {t} *C, size_t ldc)
  => XT(UPDATE_SIDE(HER2K, B, ldb, {types}));
cublasStatus_t cublasXt{T:SDCZ}syrkx(cublasXtHandle_t handle, cublasFillMode_t uplo,
    cublasOperation_t trans, size_t n, size_t k, const {t} *alpha, const {t} *A, size_t lda, const
    {t} *B, size_t ldb, const {t} *beta, {t} *C, size_t ldc)
  => XT(UPDATE_SIDE(SYRKX, B, ldb, {types}));
cublasStatus_t cublasXt{T:CZ}herkx(cublasXtHandle_t handle, cublasFillMode_t uplo,
    cublasOperation_t trans, size_t n, size_t k, const {t} *alpha, const {t} *A, size_t lda, const
    {t} *B, size_t ldb, const {r} *beta, {t} *C, size_t ldc)
  => XT(UPDATE_SIDE(HERKX, B, ldb, {types}));
cublasStatus_t cublasXt{T:SDCZ}trmm(cublasXtHandle_t handle, cublasSideMode_t side,
    cublasFillMode_t uplo, cublasOperation_t trans, cublasDiagType_t diag, size_t m, size_t n, const
    {t} *alpha, const {t} *A, size_t lda, const {t} *B, size_t ldb, {t} *C, size_t ldc)
  => XT(TRIANGLE(ocu_trmm, B, ldb, C, ldc, {types}));
cublasStatus_t cublasXt{T:SDCZ}trsm(cublasXtHandle_t handle, cublasSideMode_t side,
    cublasFillMode_t uplo, cublasOperation_t trans, cublasDiagType_t diag, size_t m, size_t n, const
    {t} *alpha, const {t} *A, size_t lda, {t} *B, size_t ldb)
  => XT(TRIANGLE(ocu_trsm, B, ldb, B, ldb, {types}));
