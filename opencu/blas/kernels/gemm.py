"""GEMM: c[z] = alpha a[z] b[z] + beta c[z] for every matrix z of a batch.

          n                 A program makes one band of rows by one band of columns of c.
        +---+---+           Bands are equally wide, multiples of the register block, at most
      k | b |   |           BM x BN. Inside, acc[BM, BN] grows over k in steps of BK; beyond the
    k   +---+---+           edges loads give zero and stores write nothing.
  +---+ +---+---+
m | a | | c |   |
  +---+ +---+---+           Hooks: load_a, load_b, tile_order, epilogue.
  |   | |   |   |
  +---+ +---+---+
"""

import numpy as np

from ... import tile
from ...tile import cdiv


def band(size, count, i, step):
    """Where band i of `count` equal bands of [0, size) lies; edges are multiples of step."""
    width = cdiv(cdiv(size, count), step) * step
    return i * width, (i + 1) * width


def load_plain(x, i, j, BI: int, BJ: int):
    return tile.load(x, (i, j), (BI, BJ))


def tile_order(c, MR: int, NR: int):
    """This program's rows and columns of c: grid axis 0 runs down the rows."""
    m, n = c.shape
    return (band(m, tile.npid(0), tile.pid(0), MR), band(n, tile.npid(1), tile.pid(1), NR))


def epilogue_scale(c, acc, alpha, beta):
    """c = alpha acc + beta c; c is not read when beta is zero."""
    out = alpha * acc
    if beta != 0.0:
        out = tile.fma(beta, tile.load(c, (0, 0), acc.shape), out)
    tile.store(c, (0, 0), out)


@tile.kernel
def gemm(a, b, c, alpha, beta, BM: int, BN: int, BK: int, MR: int, NR: int,
         load_a=load_plain, load_b=load_plain, tile_order=tile_order, epilogue=epilogue_scale):
    z = tile.pid(2)
    az, bz, cz = a[z], b[z], c[z]
    (top, bottom), (left, right) = tile_order(cz, MR, NR)
    a_band, b_band, c_band = az[top:bottom, :], bz[:, left:right], cz[top:bottom, left:right]
    acc = tile.full((BM, BN), 0, c.dtype)
    for k in range(cdiv(az.shape[1], BK)):
        acc = tile.dot(load_a(a_band, 0, k, BM, BK), load_b(b_band, k, 0, BK, BN), acc)
    epilogue(c_band, acc, alpha, beta)


def reference(a, b, c, alpha, beta):
    """The same in float64; a [z, m, k], b [z, k, n], c [z, m, n]."""
    product = alpha * (a.astype("f8") @ b.astype("f8"))
    return product if beta == 0 else product + beta * c.astype("f8")


__all__ = ["gemm", "reference", "np"]
