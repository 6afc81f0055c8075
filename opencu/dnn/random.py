"""Random numbers that depend on a seed and a place alone."""

from typing import Any

import numpy as np

from opencu.dnn.kernels import random as kernels
from opencu.runtime.arguments import count
from opencu.runtime.arguments import dtype as as_dtype
from opencu.runtime.array import empty
from opencu.runtime.operands import Operands, merged, part
from opencu.tile import cdiv

NUMBERS = {np.dtype("f4"): kernels.as_uniform, np.dtype("i4"): kernels.as_bits}


def random(
    shape=None, seed=0, *, offset=0, dtype=np.float32, device=None, out=None, stream=None
) -> Any:
    """Random numbers of Philox4x32-10: float32, uniform in [0, 1) in steps of 2^-24, or int32, the
    generator's own bits.

    A new opencu array of a shape on a device, or out, an array of any kind whose elements follow
    one another. With N = 64, number i is word i // N % 4 of the counter offset + i // (4 N) * N +
    i % N (the sum modulo 2^64 below the offset's upper half), under the key seed: the same on every
    device and for every shape. seed: below 2^64; offset: below 2^128. Stream-ordered on
    device arrays.

    Raises TypeError or ValueError for what does not fit. Source: Salmon, Moraes, Dror and Shaw,
    "Parallel random numbers: as easy as 1, 2, 3" (2011).
    """
    seed, offset = count("seed", seed), count("offset", offset)
    for name, value, bits in (("seed", seed, 64), ("offset", offset, 128)):
        if value >> bits:
            raise ValueError(f"{name} is {value}: expected less than 2^{bits}")
    wanted = as_dtype("dtype", dtype)
    if wanted not in NUMBERS:
        raise TypeError(f"dtype is {dtype!r}: expected float32 or int32")
    if out is None and shape is None:
        raise TypeError("shape is None: expected a shape, or an out")
    given = empty(shape, wanted, device) if out is None else out
    call = Operands("out", given, stream)
    y = call.take("out", given, (wanted,) if out is None else tuple(NUMBERS), written=True)
    if not y.writable:
        raise ValueError("out is read-only: expected an array that can be written")
    lines = merged(y.shape, y.steps)
    if len(lines) > 1 or y.size > 1 and lines[0][1] != [1]:
        raise ValueError(f"out has strides {y.strides}: expected elements that follow one another")
    if y.size:
        low = offset & (1 << 64) - 1
        words = (
            low - (low >> 63 << 64),
            *(x & kernels.LOW for x in (offset >> 64, offset >> 96, seed, seed >> 32)),
        )
        grid = (cdiv(y.size, 4 * kernels.N),)
        number = NUMBERS[y.dtype]
        call.launch(kernels.philox, grid, part(y, 0, (y.size,), (1,)), *words, as_number=number)
    return call.result(y, given)
