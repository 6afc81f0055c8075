/* cuda_calls.c - copies and fills, and the calls that are one row of a table each: their entry
 * points are made from shims/tables/cuda.h. */
#include "cuda_driver.h"

/* ---- copies --------------------------------------------------------------------------------- */

/* Where a side begins; NULL, which no copy takes, for an array: none can be made. */
static const void *base_of(CUmemorytype type, const void *host, CUdeviceptr device) {
  return type == CU_MEMORYTYPE_HOST ? host : type == CU_MEMORYTYPE_ARRAY ? NULL : AT(device);
}

#define SIDE(p, side, rows_, z_) \
  { \
    base_of(p->side##MemoryType, p->side##Host, p->side##Device), p->side##Pitch, rows_, \
        p->side##XInBytes, p->side##Y, z_ \
  }
#define GOOD_TYPE(type) (type >= CU_MEMORYTYPE_HOST && type <= CU_MEMORYTYPE_UNIFIED)
#define COPY_BOX(p, dst_rows, dst_z, src_rows, src_z, depth, stream, host_sync) \
  struct shim_side dst = SIDE(p, dst, dst_rows, dst_z), src = SIDE(p, src, src_rows, src_z); \
  REQUIRE(GOOD_TYPE(p->dstMemoryType) && GOOD_TYPE(p->srcMemoryType), CUDA_ERROR_INVALID_VALUE); \
  return (CUresult)ocu_shim_copy_box(stream, &dst, &src, p->WidthInBytes, p->Height, depth, \
                                     host_sync)

static CUresult copy_2d(const CUDA_MEMCPY2D *p, ocu_stream *stream, int host_sync) {
  CHECK(ready());
  REQUIRE(IN(p), CUDA_ERROR_INVALID_VALUE);
  COPY_BOX(p, SIZE_MAX, 0, SIZE_MAX, 0, 1, stream, host_sync);
}

static CUresult copy_3d(const CUDA_MEMCPY3D *p, ocu_stream *stream, int host_sync) {
  CHECK(ready());
  REQUIRE(IN(p) && !p->srcLOD && !p->dstLOD, CUDA_ERROR_INVALID_VALUE);
  COPY_BOX(p, p->dstHeight, p->dstZ, p->srcHeight, p->srcZ, p->Depth, stream, host_sync);
}

static CUresult copy_3d_peer(const CUDA_MEMCPY3D_PEER *p, ocu_stream *stream, int host_sync) {
  CHECK(ready());
  REQUIRE(IN(p) && !p->srcLOD && !p->dstLOD, CUDA_ERROR_INVALID_VALUE);
  CHECK(known(p->dstContext));
  CHECK(known(p->srcContext));
  COPY_BOX(p, p->dstHeight, p->dstZ, p->srcHeight, p->srcZ, p->Depth, stream, host_sync);
}

/* ---- fills ---------------------------------------------------------------------------------- */

static CUresult fill(CUdeviceptr p, size_t pitch, unsigned value, size_t unit, size_t width,
                     size_t height, ocu_stream *stream, int host_sync) {
  size_t bytes;
  CHECK(ready());
  REQUIRE(!__builtin_mul_overflow(width, unit, &bytes), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(height <= 1 || bytes <= pitch, CUDA_ERROR_INVALID_VALUE);
  return done(ocu_fill_units(stream, AT(p), pitch, value, unit, bytes, height, host_sync));
}

#define capture_info(stream, status, graph, nodes, edges, count, id) \
  CODE(ocu_shim_capture_info(stream_of(stream), (void *)(status), (void *)(graph), \
                            (void *)(nodes), (void *)(edges), count, (void *)(id), __func__))

/* The version of the calls that made a context: all of ours are CUDA 3.2's and later. */
enum { API_VERSION = 3020 };

#include "calls.inc"

/* ---- NAME_ptsz and NAME_ptds: for programs built with per-thread default streams ------------ */

#include "per_thread.inc"
