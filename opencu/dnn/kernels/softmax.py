"""Softmax: y[i, k, j] = w[i, k, j] / sum over k of w, with w = exp(x - max over k of x).

       j                 A program takes the lines along k that lie side by side: M of them
  +---+---+---+          along i where k is the last axis, else B along j. A line that fits a
k | x | x | x |  i = 0   tile is read once and its exponentials are kept. A longer one is read
  +---+---+---+          in chunks of N three times: for the maximum, the sum, the result.
"""

import math

import numpy as np

from opencu import tile
from opencu.dnn.kernels.tiles import room, tiles
from opencu.drivers.interface import Target
from opencu.tile import cdiv


def place(S: tuple, i, k):
    """The tile index of chunk k of lines i, for tiles of shape S."""
    return (i, k) if len(S) == 2 else (i, k, tile.pid(1))


def chunk(x, i, k, S: tuple, whole: bool):
    """A tile of x in the type that it is computed in; beyond the lines' end, numbers that no
    maximum and no sum of exponentials sees."""
    v = tile.cast(tile.load(x, place(S, i, k), S), x.dtype.compute)
    left = tile.cast(x.shape[1] - k * S[1], tile.i32)
    count = tile.iota((1, S[1]) if len(S) == 2 else (1, S[1], 1), 1, tile.i32)
    return v if whole else tile.select(count < left, v, -math.inf)


@tile.kernel
def softmax(x, y, run, S: tuple, whole: bool):
    """Tiles `run` * pid and behind it, one after the other: while the exponentials of one are
    computed, its place in y and the next tile of x are fetched."""
    end = tile.minimum((tile.pid(0) + 1) * run, cdiv(x.shape[0], S[0]))
    for i in range(tile.pid(0) * run, end):
        v = chunk(x, i, 0, S, whole)
        top = tile.max(v, 1, True)
        tile.prefetch(x, place(S, tile.minimum(i + 1, end - 1), 0), S)
        tile.prefetch(y, place(S, i, 0), S)
        w = tile.exp_below(v - top)
        tile.store(y, place(S, i, 0), tile.cast(w * (1.0 / tile.sum(w, 1, True)), y.dtype))


@tile.kernel
def softmax_in_chunks(x, y, run, S: tuple, whole: bool):
    i, chunks = tile.pid(0), cdiv(x.shape[1], S[1])
    top = tile.max(chunk(x, i, 0, S, whole), 1, True)
    for k in range(1, chunks):
        top = tile.maximum(top, tile.max(chunk(x, i, k, S, whole), 1, True))
    total = tile.sum(tile.exp_below(chunk(x, i, 0, S, whole) - top), 1, True)
    for k in range(1, chunks):
        total += tile.sum(tile.exp_below(chunk(x, i, k, S, whole) - top), 1, True)
    for k in range(chunks):
        w = tile.exp_below(chunk(x, i, k, S, whole) - top) * (1.0 / total)
        tile.store(y, place(S, i, k), tile.cast(w, y.dtype))


def reference(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """The same in float64."""
    with np.errstate(invalid="ignore"):
        w = np.exp(x.astype("f8") - x.max(axis, keepdims=True).astype("f8"))
    return w / w.sum(axis, keepdims=True)


# ---- planner -------------------------------------------------------------------------------------


def line_tile(target: Target, rows: int, n: int, columns: int) -> tuple[bool, tuple[int, ...]]:
    """Is a line of n one tile, and the shape of tiles of rows x n, or rows x n x columns."""
    sizes = tiles(target)
    B = min(room(columns), sizes.columns)
    fits = n * B <= sizes.row
    N = room(n) if fits else sizes.row // B // 4
    if columns > 1:
        return fits, (1, N, B)
    return fits, (max(min(sizes.program // N, room(rows)), 1), N)


def line_run(target: Target, rows: int, S: tuple[int, ...]) -> int:
    """How many tiles a program takes one after the other: all threads shall have some."""
    return max(min(tiles(target).run, rows // S[0] // 64), 1)


def plan(target: Target, rows: int, n: int, columns: int) -> tuple[tile.Kernel, tuple, int, dict]:
    """The kernel, its grid, tiles of a program, and its constants."""
    fits, S = line_tile(target, rows, n, columns)
    run = line_run(target, rows, S) if fits else 1
    grid = (cdiv(rows, S[0] * run), cdiv(columns, S[2]) if len(S) == 3 else 1)
    return softmax if fits else softmax_in_chunks, grid, run, dict(S=S, whole=n % S[1] == 0)
