"""SpMV: y = alpha A x + beta y for a sparse A by rows (CSR).

    data     | a a a | a | a a a a a a a | a a |     rows 0, 1, 3 (row 2 is empty), 4
    indices  | 0 2 5 | 1 | 0 1 2 3 4 5 6 | 3 7 |     their columns
    indptr     0       3   4 4             11   13   where each begins
             |   program 0   |   program 1   |       `share` stored elements each

A program adds up, row by row, what is in its share: a row that begins there is stored, the end of a
row that began before goes to heads[program]. A second launch adds the heads to their rows, in
order. So a long row is many programs' work, and the order of sums depends on the matrix alone.
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
    """The sum of the products of elements lo to hi, W side by side."""
    values, places = data[lo:hi], indices[lo:hi]
    whole = min(values.shape[0], places.shape[0]) // W
    acc = tile.full(W, 0, x.dtype)
    for k in range(whole):
        acc = tile.fma(tile.load(values, k, W), tile.gather(x, tile.load(places, k, W)), acc)
    for at in range(lo + whole * W, hi, W):  # what is left, if there is any
        value, place = tile.load(data[at:], 0, W), tile.load(indices[at:], 0, W)
        more = tile.iota(W, 0, tile.i32) < tile.cast(hi - at, tile.i32)
        acc = tile.select(more, tile.fma(value, tile.gather(x, place), acc), acc)
    return tile.sum(acc)


def totals(indices, data, x, lo, count, longest, W: int):
    """The sums of W rows side by side: count elements of each from lo on."""
    acc = tile.full(W, 0, x.dtype)
    for k in range(longest):
        more = tile.cast(k, tile.i32) < count
        at = tile.select(more, lo + tile.cast(k, tile.i32), -1)
        place = tile.select(more, tile.gather(indices, at), -1)
        acc = tile.fma(tile.gather(data, at), tile.gather(x, place), acc)
    return acc


def one_by_one(indptr, indices, data, x, y, alpha, beta, first, last, end, W: int, BETA: bool):
    """Rows first to last, each W elements at a time."""
    ends, y = indptr[first + 1 : last + 1], y[first:last]
    lo = tile.cast(tile.gather(indptr, first), tile.i64)
    for r in range(min(ends.shape[0], y.shape[0])):  # they are equal
        hi = tile.cast(tile.gather(ends, r), tile.i64)
        out = alpha * total(indices, data, x, lo, min(hi, end), W)
        if BETA:
            out = tile.fma(beta, tile.gather(y, r), out)
        tile.scatter(y, r, out)
        lo = hi


def side_by_side(
    indptr, indices, data, x, y, alpha, beta, first, last, start, end, W: int, R: int, BETA: bool
):
    """The same, R rows at once where their lengths are much the same."""
    starts, ends, out = indptr[first:last], indptr[first + 1 : last + 1], y[first:last]
    places, values = indices[start:end], data[start:end]
    for g in range(cdiv(last - first, R)):
        lo = tile.cast(tile.cast(tile.load(starts, g, R), tile.i64) - start, tile.i32)
        hi = tile.minimum(tile.cast(tile.load(ends, g, R), tile.i64), end) - start
        count = tile.cast(hi, tile.i32) - lo
        longest, stored = tile.cast(tile.max(count), tile.i64), tile.cast(tile.sum(count), tile.i64)
        row = first + g * R
        if longest * R <= 2 * stored + R:
            sums = alpha * totals(places, values, x, lo, count, longest, R)
            if BETA:
                sums = tile.fma(beta, tile.load(out, g, R), sums)
            tile.store(out, g, sums)
        else:
            stop = min(row + R, last)
            one_by_one(indptr, indices, data, x, y, alpha, beta, row, stop, end, W, BETA)


@tile.kernel
def spmv(indptr, indices, data, x, y, heads, alpha, beta, share, W: int, R: int, BETA: bool):
    p, rows = tile.pid(0), indptr.shape[0] - 1
    stored = min(indices.shape[0], data.shape[0])  # they are equal
    indices, data = indices[:stored], data[:stored]
    start, end = p * share, min((p + 1) * share, stored)
    row, behind = first_row(indptr, start), first_row(indptr, (p + 1) * share)
    last = tile.select(p + 1 == tile.npid(0), rows, behind)  # empty rows at the end are its own
    head = tile.cast(tile.gather(indptr, row), tile.i64)
    tile.scatter(heads, p, total(indices, data, x, start, min(head, end), W))
    if R == 1:
        one_by_one(indptr, indices, data, x, y, alpha, beta, row, last, end, W, BETA)
    else:
        side_by_side(indptr, indices, data, x, y, alpha, beta, row, last, start, end, W, R, BETA)


@tile.kernel
def add_heads(indptr, y, heads, alpha, share):
    for p in range(1, heads.shape[0]):
        r = first_row(indptr, p * share) - 1
        tile.scatter(y, r, tile.fma(alpha, tile.gather(heads, p), tile.gather(y, r)))


def reference(indptr, indices, data, x, alpha=1.0, beta=0.0, y=0.0) -> np.ndarray:
    """The same in float64."""
    out = np.zeros(len(indptr) - 1)
    rows = np.repeat(np.arange(len(out)), np.diff(indptr))
    np.add.at(out, rows, data.astype("f8") * x.astype("f8")[indices])
    return alpha * out if beta == 0 else alpha * out + beta * np.asarray(y, "f8")


def plan(target: Target, rows: int, stored: int) -> tuple[int, int, dict]:
    """The programs, the share of each, and the kernel's constants."""
    sizes = tiles(target)
    share = max(sizes.share, cdiv(stored, sizes.programs))
    W = sizes.long if stored >= rows * sizes.long else sizes.short
    W = W or target.vector_bytes // 4
    R = 1 if stored >= rows * sizes.many else sizes.rows
    return max(cdiv(stored, share), 1), share, dict(W=W, R=R)
