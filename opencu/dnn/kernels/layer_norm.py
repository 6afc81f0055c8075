"""Layer norm: y[i] = (x[i] - mean) / sqrt(var + eps) * weight + bias, mean and var those of row i.

      k                      A program takes M rows, in chunks of N, three times: for the mean, for
  +-------+-------+          the variance about it (of the differences squared: no cancellation),
i | x     |       | M rows   for the result. One chunk stays in the first-level cache, a row in
  +-------+-------+          some cache.
      N       N
"""

import numpy as np

from opencu import tile
from opencu.dnn.kernels.softmax import line_tile
from opencu.drivers.interface import Target
from opencu.tile import cdiv


def chunk(x, i, k, M: int, N: int):
    return tile.cast(tile.load(x, (i, k), (M, N)), x.dtype.compute)


def inside(d, x, k, N: int, whole: bool):
    """Zero beyond the row's end."""
    left = tile.cast(x.shape[1] - k * N, tile.i32)
    return d if whole else tile.select(tile.iota((1, N), 1, tile.i32) < left, d, 0.0)


@tile.kernel
def layer_norm(x, y, eps, weight, bias, M: int, N: int, whole: bool, scaled: bool, shifted: bool):
    """weight and bias are rows; they are not read unless `scaled`, `shifted`."""
    i, chunks, dtype = tile.pid(0), cdiv(x.shape[1], N), x.dtype.compute
    part = 1.0 / tile.cast(x.shape[1], dtype)
    total = tile.full((M, 1), 0, dtype)
    for k in range(chunks):
        total += tile.sum(chunk(x, i, k, M, N), 1, True)
    mean = total * part
    square = tile.full((M, 1), 0, dtype)
    for k in range(chunks):
        d = inside(chunk(x, i, k, M, N) - mean, x, k, N, whole)
        square += tile.sum(d * d, 1, True)
    scale = 1.0 / tile.sqrt(square * part + eps)
    for k in range(chunks):
        out = (chunk(x, i, k, M, N) - mean) * scale
        out = out * chunk(weight, 0, k, 1, N) if scaled else out
        out = out + chunk(bias, 0, k, 1, N) if shifted else out
        tile.store(y, (i, k), tile.cast(out, y.dtype))


def reference(x: np.ndarray, weight: object = 1, bias: object = 0, eps: float = 1e-5) -> np.ndarray:
    """The same in float64."""
    x = x.astype("f8")
    d = x - x.mean(-1, keepdims=True)
    return d / np.sqrt((d * d).mean(-1, keepdims=True) + eps) * weight + bias


def plan(target: Target, rows: int, n: int) -> tuple[tuple[int], dict]:
    """The grid and the kernel's constants."""
    _, (M, N) = line_tile(target, rows, n, 1)
    return (cdiv(rows, M),), dict(M=M, N=N, whole=n % N == 0)
