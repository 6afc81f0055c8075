/* cudart_calls.c - copies and fills, and the calls that are one row of a table each: their entry
 * points are made from shims/tables/cuda_runtime_api.h. */
#include "cuda_registration.h"
#include "cudart.h"

static cudaError_t copy(void *dst, const void *src, size_t count, enum cudaMemcpyKind kind,
                        ocu_stream *stream, int host_sync) {
  REQUIRE((unsigned)kind <= cudaMemcpyDefault, cudaErrorInvalidMemcpyDirection);
  return done(ocu_copy(stream, dst, src, count, host_sync));
}

static cudaError_t copy_peer(void *dst, int dst_device, const void *src, int src_device,
                             size_t count, ocu_stream *stream, int host_sync) {
  REQUIRE(shim_device_exists(dst_device) && shim_device_exists(src_device), cudaErrorInvalidDevice);
  return done(ocu_copy(stream, dst, src, count, host_sync));
}

static cudaError_t copy_2d(void *dst, size_t dpitch, const void *src, size_t spitch, size_t width,
                           size_t height, enum cudaMemcpyKind kind, ocu_stream *stream,
                           int host_sync) {
  REQUIRE((unsigned)kind <= cudaMemcpyDefault, cudaErrorInvalidMemcpyDirection);
  REQUIRE(width <= dpitch && width <= spitch, cudaErrorInvalidPitchValue);
  return done(ocu_copy_2d(stream, dst, dpitch, src, spitch, width, height, host_sync));
}

static struct shim_side side_of(struct cudaPitchedPtr p, struct cudaPos at) {
  return (struct shim_side){p.ptr, p.pitch, p.ysize, at.x, at.y, at.z};
}

/* Textures' arrays cannot be made, so no handle of one is right. */
#define COPY_BOX(p, stream, host_sync) \
  struct shim_side dst = side_of(p->dstPtr, p->dstPos), src = side_of(p->srcPtr, p->srcPos); \
  REQUIRE(!p->srcArray && !p->dstArray, cudaErrorInvalidResourceHandle); \
  return end(ocu_shim_copy_box(stream, &dst, &src, p->extent.width, p->extent.height, \
                               p->extent.depth, host_sync))

static cudaError_t copy_3d(const struct cudaMemcpy3DParms *p, ocu_stream *stream, int host_sync) {
  REQUIRE(IN(p), cudaErrorInvalidValue);
  REQUIRE((unsigned)p->kind <= cudaMemcpyDefault, cudaErrorInvalidMemcpyDirection);
  COPY_BOX(p, stream, host_sync);
}

static cudaError_t copy_3d_peer(const struct cudaMemcpy3DPeerParms *p, ocu_stream *stream,
                                int host_sync) {
  REQUIRE(IN(p), cudaErrorInvalidValue);
  REQUIRE(shim_device_exists(p->dstDevice) && shim_device_exists(p->srcDevice),
          cudaErrorInvalidDevice);
  COPY_BOX(p, stream, host_sync);
}

static cudaError_t fill_2d(void *dst, size_t pitch, int value, size_t width, size_t height,
                           ocu_stream *stream, int host_sync) {
  REQUIRE(width <= pitch || height <= 1, cudaErrorInvalidValue);
  return done(ocu_fill_2d(stream, dst, pitch, value, width, height, host_sync));
}

static cudaError_t fill_3d(struct cudaPitchedPtr to, int value, struct cudaExtent extent,
                           ocu_stream *stream, int host_sync) {
  struct shim_side dst = side_of(to, (struct cudaPos){0, 0, 0});
  return end(ocu_shim_fill_box(stream, &dst, value, extent.width, extent.height, extent.depth,
                               host_sync));
}

static cudaError_t prefetch(const void *p, size_t count, struct cudaMemLocation location,
                            unsigned flags, cudaStream_t stream) {
  REQUIRE(flags == 0, cudaErrorInvalidValue);
  return end(ocu_shim_hint(p, count, PLACE_OF(location), stream_of(stream)));
}

#define capture_info(stream, status, graph, nodes, edges, count, id) \
  end(ocu_shim_capture_info(stream_of(stream), (void *)(status), (void *)(graph), \
                            (void *)(nodes), (void *)(edges), count, id, __func__))

/* Device variables: nothing can reach them but kernels and the symbol copies, which are refused. */
#define NOTHING (void)0

#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "calls.inc"

/* ---- NAME_ptsz and NAME_ptds: for programs built with per-thread default streams ------------ */

#include "per_thread.inc"
