/* boxes.c - copies and fills of three dimensions, against loops over every byte. */
#include <cuda.h>
#include <cuda_runtime.h>
#include <stdint.h>

#include "check.h"

enum { W = 13, H = 7, D = 5, PITCH = 32, ROWS = 9, SLICES = 6, BYTES = PITCH * ROWS * SLICES };
static unsigned char from[BYTES], to[BYTES], wanted[BYTES];

static void expect_box(size_t x, size_t y, size_t z, size_t w, size_t h, size_t d) {
  memset(wanted, 0, BYTES);
  for (size_t k = 0; k < d; k++)
    for (size_t j = 0; j < h; j++)
      memcpy(wanted + ((z + k) * ROWS + y + j) * PITCH + x, from + (k * ROWS + j) * PITCH + 2, w);
  TRUE(!memcmp(to, wanted, BYTES));
}

static struct cudaPitchedPtr pitched(void *p) {
  struct cudaPitchedPtr made = {p, PITCH, PITCH, ROWS};
  return made;
}

static void a_box_is_copied_into_a_box(void) {
  static const size_t sizes[][3] = {{W, H, D}, {1, 1, 1}, {PITCH - 3, ROWS - 1, 2}, {0, H, D}};
  cudaStream_t stream;
  EXPECT(cudaStreamCreate(&stream), cudaSuccess);
  for (int i = 0; i < 8; i++) {
    const size_t *s = sizes[i / 2];
    struct cudaMemcpy3DParms p;
    memset(&p, 0, sizeof p);
    p.srcPtr = pitched(from), p.dstPtr = pitched(to);
    p.srcPos.x = 2, p.dstPos.x = 3, p.dstPos.y = 1, p.dstPos.z = 1;
    p.extent.width = s[0], p.extent.height = s[1], p.extent.depth = s[2];
    p.kind = cudaMemcpyDefault;
    memset(to, 0, BYTES);
    EXPECT(i % 2 ? cudaMemcpy3DAsync(&p, stream) : cudaMemcpy3D(&p), cudaSuccess);
    EXPECT(cudaStreamSynchronize(stream), cudaSuccess);
    expect_box(3, 1, 1, s[0], s[1], s[2]);
  }
  EXPECT(cudaStreamDestroy(stream), cudaSuccess);
}

static void the_driver_copies_the_same_boxes(void) {
  CUDA_MEMCPY3D p;
  CUDA_MEMCPY2D flat;
  memset(&p, 0, sizeof p);
  p.srcMemoryType = CU_MEMORYTYPE_HOST, p.srcHost = from, p.srcPitch = PITCH, p.srcHeight = ROWS;
  p.dstMemoryType = CU_MEMORYTYPE_UNIFIED, p.dstDevice = (CUdeviceptr)(uintptr_t)to;
  p.dstPitch = PITCH, p.dstHeight = ROWS;
  p.srcXInBytes = 2, p.dstXInBytes = 3, p.dstY = 1, p.dstZ = 1;
  p.WidthInBytes = W, p.Height = H, p.Depth = D;
  memset(to, 0, BYTES);
  EXPECT(cuMemcpy3D(&p), CUDA_SUCCESS);
  expect_box(3, 1, 1, W, H, D);
  p.dstMemoryType = CU_MEMORYTYPE_ARRAY;
  EXPECT(cuMemcpy3D(&p), CUDA_ERROR_INVALID_VALUE);
  memset(&flat, 0, sizeof flat);
  flat.srcMemoryType = flat.dstMemoryType = CU_MEMORYTYPE_HOST;
  flat.srcHost = from, flat.dstHost = to, flat.srcPitch = flat.dstPitch = PITCH;
  flat.srcXInBytes = 2, flat.dstXInBytes = 5, flat.dstY = 2, flat.WidthInBytes = W, flat.Height = H;
  memset(to, 0, BYTES);
  EXPECT(cuMemcpy2D(&flat), CUDA_SUCCESS);
  expect_box(5, 2, 0, W, H, 1);
  flat.WidthInBytes = PITCH;
  EXPECT(cuMemcpy2D(&flat), CUDA_ERROR_INVALID_VALUE);
}

static void a_box_of_device_memory_is_filled(void) {
  struct cudaPitchedPtr box;
  struct cudaExtent all = {W, H, D}, part = {W - 2, H - 1, D};
  struct cudaMemcpy3DParms back;
  EXPECT(cudaMalloc3D(&box, all), cudaSuccess);
  TRUE(box.pitch >= W && box.xsize == W && box.ysize == H);
  EXPECT(cudaMemset3D(box, 9, all), cudaSuccess);
  EXPECT(cudaMemset3DAsync(box, 4, part, 0), cudaSuccess);
  memset(&back, 0, sizeof back);
  back.srcPtr = box, back.dstPtr = pitched(to), back.extent = all, back.kind = cudaMemcpyDefault;
  memset(to, 0, BYTES);
  EXPECT(cudaMemcpy3D(&back), cudaSuccess);
  for (int z = 0; z < D; z++)
    for (int y = 0; y < ROWS; y++)
      for (int x = 0; x < PITCH; x++)
        EXPECT(to[(z * ROWS + y) * PITCH + x],
               x >= W || y >= H ? 0 : x < W - 2 && y < H - 1 ? 4 : 9);
  EXPECT(cudaFree(box.ptr), cudaSuccess);
}

static void what_does_not_fit_is_refused_and_nothing_is_written(void) {
  struct cudaMemcpy3DParms p;
  memset(&p, 0, sizeof p);
  memset(to, 0, BYTES);
  p.srcPtr = pitched(from), p.dstPtr = pitched(to), p.kind = cudaMemcpyDefault;
  p.extent.width = PITCH, p.extent.height = ROWS, p.extent.depth = (size_t)1 << 40;
  EXPECT(cudaMemcpy3D(&p), cudaErrorInvalidValue);
  p.extent.depth = 2, p.extent.width = PITCH + 1;
  EXPECT(cudaMemcpy3D(&p), cudaErrorInvalidValue);
  p.extent.width = W, p.extent.height = ROWS + 1;
  EXPECT(cudaMemcpy3D(&p), cudaErrorInvalidValue);
  p.extent.height = ROWS, p.dstPos.z = SIZE_MAX;
  EXPECT(cudaMemcpy3D(&p), cudaErrorInvalidValue);
  p.dstPos.z = 0, p.kind = (enum cudaMemcpyKind)7;
  EXPECT(cudaMemcpy3D(&p), cudaErrorInvalidMemcpyDirection);
  p.kind = cudaMemcpyDefault, p.srcArray = (cudaArray_t)(void *)from;
  EXPECT(cudaMemcpy3D(&p), cudaErrorInvalidResourceHandle);
  EXPECT(cudaMemcpy3D(NULL), cudaErrorInvalidValue);
  EXPECT(cudaMemset3D(pitched(NULL), 1, p.extent), cudaErrorInvalidValue);
  memset(wanted, 0, BYTES);
  TRUE(!memcmp(to, wanted, BYTES));
}

int main(void) {
  for (int i = 0; i < BYTES; i++) from[i] = (unsigned char)(1 + i % 251);
  EXPECT(cuInit(0), CUDA_SUCCESS);
  a_box_is_copied_into_a_box();
  the_driver_copies_the_same_boxes();
  a_box_of_device_memory_is_filled();
  what_does_not_fit_is_refused_and_nothing_is_written();
  puts("ok");
  return 0;
}
