"""Histogram and scan, which build row pointers: counts[b] is how many x are b, y[i] = x[0] + ..
+ x[i].

x        | strip 0 | strip 1 | strip 2 | ..     a program a strip, in chunks of N
parts    | bins    | bins    | bins    | ..     histogram: a row of counts each, added up after;
                                                of many bins all programs count in one row
sums       s0        s1        s2               scan: each strip's sum; one program makes offsets
y        | 0 + ..  | s0 + .. | s0+s1 + .. |     of them; each program scans its strip from there
"""

import numpy as np

from opencu import tile
from opencu.drivers.interface import Target
from opencu.sparse.kernels.tiles import tiles
from opencu.tile import cdiv


def strip(x, p, N: int):
    """Program p's chunks."""
    each = cdiv(cdiv(x.shape[0], N), tile.npid(0)) * N
    return x[p * each : (p + 1) * each]


@tile.kernel
def count(x, parts, N: int, scope: str):
    x, own = strip(x, tile.pid(0), N), parts[tile.pid(0) % parts.shape[0]]
    whole = x.shape[0] // N
    for k in range(whole):
        tile.atomic_add(own, tile.load(x, k, N), 1, scope)
    if x.shape[0] > whole * N:
        b = tile.cast(tile.load(x, whole, N), tile.i64)
        b = tile.select(tile.iota(N) < x.shape[0] - whole * N, b, -1)
        tile.atomic_add(own, b, 1, scope)


@tile.kernel
def add_parts(parts, counts, N: int):
    i = tile.pid(0)
    acc = tile.full(N, 0, counts.dtype)
    for p in range(parts.shape[0]):
        acc += tile.load(parts[p], i, N)
    tile.store(counts, i, acc)


@tile.kernel
def strip_sums(x, sums, N: int):
    x = strip(x, tile.pid(0), N)
    acc = tile.full(N, 0, sums.dtype)
    for k in range(cdiv(x.shape[0], N)):
        acc += tile.cast(tile.load(x, k, N), sums.dtype)
    tile.scatter(sums, tile.pid(0), tile.sum(acc))


@tile.kernel
def offsets(sums):
    """Each strip's sum becomes that of all before it."""
    before = tile.sum(tile.full(1, 0, sums.dtype))
    for p in range(sums.shape[0]):
        own = tile.gather(sums, p)
        tile.scatter(sums, p, before)
        before = before + own


@tile.kernel
def scan(x, sums, y, N: int):
    p = tile.npid(0) - 1 - tile.pid(0)  # what strip_sums read last is in the caches
    x, y = strip(x, p, N), strip(y, p, N)
    before = tile.full(1, tile.gather(sums, p), sums.dtype)
    for k in range(cdiv(x.shape[0], N)):
        v = tile.cumsum(tile.cast(tile.load(x, k, N), sums.dtype)) + before
        tile.store(y, k, tile.cast(v, y.dtype))
        before = v[N - 1 : N]


def reference(x: np.ndarray, bins: int) -> np.ndarray:
    """Of histogram; scan's is numpy.cumsum."""
    return np.bincount(x[(x >= 0) & (x < bins)], minlength=bins)


def plan(target: Target, size: int, sums: np.dtype) -> tuple[int, int]:
    """The programs, and the elements of a chunk."""
    sizes = tiles(target)
    return max(min(cdiv(size, sizes.strip), sizes.programs), 1), sizes.chunk // sums.itemsize


def count_rows(target: Target, size: int, bins: int, programs: int) -> int:
    """How many programs of histogram count for themselves; 1: all count in one row."""
    if not tiles(target).private:
        return 1
    return min(programs, max(size // (tiles(target).private * bins), 1))
