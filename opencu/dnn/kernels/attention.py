"""Attention forward: o = softmax(scale q k^T) v for every matrix of a batch of heads.

          keys               A program takes one band of rows of q past all rows of k and v, in
      +---+---+---+          chunks. s = scale q k^T of a band and a chunk is a tile; top and
   d  |k^T|   |   |          total are each row's maximum and sum of exponentials so far. Where a
      +---+---+---+          chunk raises the maximum, what was summed before is scaled down:
+---+ +---+                  no row of s is ever whole (online softmax).
| q | | s |  top total
+---+ +---+                  top' = max(top, max s), p = exp(s - top'), f = exp(top - top')
|   |                        total' = f total + sum p,  acc' = f acc + p v
+---+                        at the end: o = acc / total
"""

import math
from dataclasses import replace

import numpy as np

from opencu import tile
from opencu.blas.kernels.tiles import gemm_tiles
from opencu.compiler import Blocks
from opencu.dnn.kernels.tiles import tiles
from opencu.drivers.interface import Target
from opencu.tile import cdiv


@tile.kernel
def attention(
    q, k, v, o, scale, BQ: int, BK: int, D: int, DV: int, causal: bool, masked: bool, sums
):
    """Row i sees the rows of k up to i where it is causal; masked: some of a chunk are not seen."""
    i, h, z = tile.pid(0), tile.pid(1), tile.pid(2)
    qz, kz, vz, oz = q[z][h], k[z][h], v[z][h], o[z][h]
    band, length = tile.load(qz, (i, 0), (BQ, D)), kz.shape[0]
    top = tile.full((BQ, 1), -math.inf, sums)
    total = tile.full((BQ, 1), 0, sums)
    acc = tile.full((BQ, DV), 0, sums)
    row, column = tile.iota((BQ, 1), 0, tile.i32), tile.iota((1, BK), 1, tile.i32)
    for j in range(cdiv(min(length, (i + 1) * BQ) if causal else length, BK)):
        keys = tile.transpose(tile.load(kz, (j, 0), (BK, D)))
        s = tile.dot(band, keys, tile.full((BQ, BK), 0, sums)) * scale
        if masked:
            last = tile.cast(length - 1 - j * BK, tile.i32)
            if causal:
                last = tile.minimum(row + tile.cast(i * BQ - j * BK, tile.i32), last)
            s = tile.select(column <= last, s, -math.inf)
        new = tile.maximum(top, tile.max(s, 1, True))
        new = tile.select(new == -math.inf, 0.0, new)
        p = tile.exp_below(s - new)
        fade = tile.exp_below(top - new)
        total = total * fade + tile.sum(p, 1, True)
        acc = tile.dot(tile.cast(p, v.dtype), tile.load(vz, (j, 0), (BK, DV)), acc * fade)
        top = new
    tile.store(oz, (i, 0), tile.cast(acc * (1.0 / total), o.dtype))


def reference(q, k, v, causal: bool = False, scale: float | None = None) -> np.ndarray:
    """The same in float64."""
    q, k, v = (x.astype("f8") for x in (q, k, v))
    s = q @ np.swapaxes(k, -1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if causal:
        s = np.where(np.tri(*s.shape[-2:], dtype=bool), s, -np.inf)
    w = np.exp(s - s.max(-1, keepdims=True))
    return w / w.sum(-1, keepdims=True) @ v


def plan(target: Target, dtype: tile.DType, length: int, keys: int, d: int, dv: int, causal: bool):
    """The bands of q, the kernel's constants and its dots' register blocks."""
    sums = dtype.sums
    packed: Blocks = gemm_tiles(target, dtype, sums, "packed", 2).blocks
    blocks = replace(packed, pack_a=False, mc=0, unroll=2)  # p lies in a cache as it is
    sizes, mr = tiles(target), blocks.mr
    bands, chunks = cdiv(length, sizes.queries), max(cdiv(keys, sizes.keys), 1)
    group = 8  # columns of a head, and rows of k: whole vectors, whole units
    BQ, BK = cdiv(cdiv(length, bands), mr) * mr, cdiv(max(cdiv(keys, chunks), 1), group) * group
    D, DV = (-(-size // group) * group for size in (d, dv))
    consts = dict(
        BQ=BQ, BK=BK, D=D, DV=DV, causal=causal, masked=causal or keys % BK > 0, sums=sums
    )
    return cdiv(length, BQ), consts, blocks
