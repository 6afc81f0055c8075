"""Convolution forward as an implicit GEMM: y[n, p, o] = sum over r, s, c of x[n, q, c] w[r, s, c,
o], q the pixel of x that output pixel p sees through tap (r, s) of the filter.

                  o              The inner dimension is taps times channels. Rows of a are output
             +---------+         pixels; a row is never made: the load hook gathers from x, whose
      (r, s) |         |         channels lie side by side, the channels of the pixel that a table
        c    |    w    |         names for (p, tap), or zeros where that is in the padding.
             +---------+
    (r, s) c +---------+         places[p, tap] = q, or -1
   +-------+ |         |         One chunk of k is one tap's channels, or a part of them; groups are
 p |x[q, c]| |    y    |         the batch of the GEMM.
   +-------+ +---------+
"""

import functools

import numpy as np

from opencu import tile
from opencu.blas.kernels import gemm as template
from opencu.blas.kernels.tiles import gemm_tiles
from opencu.dnn.kernels.tiles import tiles
from opencu.drivers.interface import Target
from opencu.tile import cdiv

IMAGES = 1 << 15  # output pixels of the images that a launch takes: the table has a row for each


def chunks(x, w, BK: int):
    return w.shape[0] * cdiv(x.shape[1], BK)


def pixels(x, top, bottom, k, BM: int, BK: int, places):
    """The load hook of a: a chunk of channels of the pixels that one tap sees."""
    parts = cdiv(x.shape[1], BK)
    at = tile.load(places[top:bottom, :], (0, k // parts), (BM, 1))
    return tile.gather(x, (at, tile.iota((1, BK), 1) + (k % parts) * BK))


def taps(w, left, right, k, BK: int, BN: int):
    parts = cdiv(w.shape[1], BK)
    return tile.load(w[k // parts][:, left:right], (k % parts, 0), (BK, BN))


@tile.kernel
def turn(x, y, T: int):
    """y[n, j, i] = x[n, i, j]: channels to the back, or to the front."""
    i, j, n = tile.pid(0), tile.pid(1), tile.pid(2)
    tile.store(y, (n, j, i), tile.permute(tile.load(x, (n, i, j), (1, T, T)), (0, 2, 1)))


def reference(x, w, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups: int = 1):
    """The same in float64; x [n, c, h, w], w [o, c / groups, r, s]."""
    x, w = x.astype("f8"), w.astype("f8")
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    spans = [d * (size - 1) + 1 for size, d in zip(w.shape[2:], dilation)]
    windows = np.lib.stride_tricks.sliding_window_view(x, spans, (2, 3))
    windows = windows[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    parts = zip(np.split(windows, groups, 1), np.split(w, groups, 0))
    y = np.concatenate([np.einsum("nchwrs,ocrs->nohw", *part, optimize=True) for part in parts], 1)
    return y if bias is None else y + bias.astype("f8")[:, None, None]


# ---- planner -------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def places(images: int, size: tuple, out: tuple, taps: tuple, stride: tuple, padding: tuple,
           dilation: tuple) -> np.ndarray:  # fmt: skip
    """The pixel that each output pixel of some images sees through each tap, or -1."""
    at = []
    for d in (0, 1):
        seen = np.arange(out[d])[:, None] * stride[d] + np.arange(taps[d]) * dilation[d]
        seen -= padding[d]
        at.append(np.where((seen >= 0) & (seen < size[d]), seen, -1))
    rows, columns = at[0][:, None, :, None], at[1][None, :, None, :]
    image = np.where((rows < 0) | (columns < 0), -1, rows * size[1] + columns)
    image = image.reshape(-1, taps[0] * taps[1])
    first = np.arange(images)[:, None, None] * (size[0] * size[1])
    return np.where(image < 0, -1, image + first).reshape(-1, image.shape[1]).astype(np.int32)


def plan(target: Target, dtype: tile.DType, m: int, n: int, channels: int, biased: bool):
    """The bands of rows and columns, the constants of the GEMM, its register blocks."""
    sums = dtype.sums
    sizes = gemm_tiles(target, dtype, sums, "packed", 2)
    parts = cdiv(channels, min(tiles(target).depth, sizes.bk))
    blocks = sizes.blocks
    bands = cdiv(m, sizes.bm // 2), cdiv(n, sizes.bn // 2)
    consts = dict(
        BM=sizes.bm, BN=sizes.bn, BK=cdiv(cdiv(channels, parts), 8) * 8, MR=blocks.mr, NR=blocks.nr,
        sums=sums, chunks=chunks, load_a=pixels, load_b=taps, tile_order=template.tile_order,
        epilogue=template.epilogue_scale, activation=template.identity, steps=None,
        add_bias=template.column_bias if biased else template.no_bias,
    )  # fmt: skip
    return bands, consts, blocks
