"""SpMV: y = alpha A x + beta y for a sparse A by rows (CSR).

    data     | a a a | a | a a a a a a a | a a |     rows 0, 1, 3 (row 2 is empty), 4
    indices  | 0 2 5 | 1 | 0 1 2 3 4 5 6 | 3 7 |     their columns
    indptr     0       3   4 4             11   13   where each begins
             |   program 0   |   program 1   |       SHARE stored elements each

A program adds up, row by row, what is in its share: a row that begins there is stored, the end of a
row that began before goes to heads[program]. A second launch adds the heads to their rows, in order.
So a long row is many programs' work, and the sums' order depends on the matrix alone.
"""

import numpy as np

from opencu import tile
from opencu.drivers.interface import Target
from opencu.sparse.kernels.tiles import tiles
from opencu.tile import cdiv


def first_row(indptr, at):
    """The first row that begins at element `at` or behind it; the number of rows if none does."""
    low, high = 0, indptr.shape[0] - 1
    while low < high:
        middle = (low + high) // 2
        before = tile.cast(tile.gather(indptr, middle), tile.i64) < at
        low = tile.select(before, middle + 1, low)
        high = tile.select(before, high, middle)
    return low


def total(indices, data, x, lo, hi, W: int):
    """The sum of the products of elements lo to hi."""
    values, places = data[lo:hi], indices[lo:hi]
    acc = tile.full(W, 0, x.dtype)
    for k in range(cdiv(hi - lo, W)):
        acc = tile.fma(tile.load(values, k, W), tile.gather(x, tile.load(places, k, W)), acc)
    return tile.sum(acc)


@tile.kernel
def spmv(indptr, indices, data, x, y, heads, alpha, beta, SHARE: int, W: int):
    p, rows = tile.pid(0), indptr.shape[0] - 1
    start, end = p * SHARE, min((p + 1) * SHARE, data.shape[0])
    row = first_row(indptr, start)
    last = first_row(indptr, (p + 1) * SHARE)
    lo = tile.cast(tile.gather(indptr, row), tile.i64)
    tile.scatter(heads, p, total(indices, data, x, start, min(lo, end), W))
    for r in range(row, last):
        hi = tile.cast(tile.gather(indptr, r + 1), tile.i64)
        out = alpha * total(indices, data, x, lo, min(hi, end), W)
        if beta != 0:
            tile.scatter(y, r, tile.fma(beta, tile.gather(y, r), out))
        else:
            tile.scatter(y, r, out)
        lo = hi


@tile.kernel
def add_heads(indptr, y, heads, alpha, SHARE: int):
    for p in range(1, heads.shape[0]):
        r = first_row(indptr, p * SHARE) - 1
        tile.scatter(y, r, tile.fma(alpha, tile.gather(heads, p), tile.gather(y, r)))


def reference(indptr, indices, data, x, alpha=1.0, beta=0.0, y=0.0) -> np.ndarray:
    """The same in float64."""
    out = np.zeros(len(indptr) - 1)
    rows = np.repeat(np.arange(len(out)), np.diff(indptr))
    np.add.at(out, rows, data.astype("f8") * x.astype("f8")[indices])
    return alpha * out if beta == 0 else alpha * out + beta * np.asarray(y, "f8")


def plan(target: Target, rows: int, stored: int) -> tuple[int, int, int]:
    """The programs, a program's share of elements, the lanes that read a row."""
    sizes = tiles(target)
    W = sizes.long if stored >= rows * sizes.many else sizes.short
    return max(cdiv(stored, sizes.share), 1), sizes.share, W
