/* What the compiler's generated start-up code calls in a program that carries device code. */
struct dim3 { unsigned int x, y, z; };

void **__cudaRegisterFatBinary(void *fatCubin) => fatCubin;
void __cudaRegisterFatBinaryEnd(void **fatCubinHandle) => NOTHING;
void __cudaUnregisterFatBinary(void **fatCubinHandle);
void __cudaRegisterFunction(void **fatCubinHandle, const char *hostFun, char *deviceFun,
    const char *deviceName, int thread_limit, void *tid, void *bid, void *bDim, void *gDim,
    int *wSize);
void __cudaRegisterVar(void **fatCubinHandle, char *hostVar, char *deviceAddress,
    const char *deviceName, int ext, size_t size, int constant, int global) => NOTHING;
void __cudaRegisterManagedVar(void **fatCubinHandle, void **hostVarPtrAddress, char *deviceAddress,
    const char *deviceName, int ext, size_t size, int constant, int global) => NOTHING;
void __cudaRegisterHostVar(void **fatCubinHandle, const char *deviceName, char *hostVar,
    size_t size) => NOTHING;
void __cudaRegisterUnifiedTable(void) => NOTHING;
/* The kernel's handle is its host address, so that its launch can be refused by name. */
cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *host)
    => TELL(kernel, (cudaKernel_t)host);
char __cudaInitModule(void **fatCubinHandle) => fatCubinHandle != NULL;
unsigned int __cudaPushCallConfiguration(struct dim3 gridDim, struct dim3 blockDim,
    size_t sharedMem, struct CUstream_st *stream);
cudaError_t __cudaPopCallConfiguration(struct dim3 *gridDim, struct dim3 *blockDim,
    size_t *sharedMem, void *stream);
