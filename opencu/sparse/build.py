"""histogram and scan: counts of integers, and running sums. Together they make row pointers:

indptr = numpy.zeros(m + 1, "i8")
scan(histogram(rows, m), out=indptr[1:])
"""

from functools import cache
from typing import Any

import numpy as np

from opencu.runtime.arguments import count
from opencu.runtime.device import Device
from opencu.runtime.operands import FLOATS, Operands
from opencu.sparse.kernels import build as kernels
from opencu.tile import cdiv

INTEGERS = tuple(map(np.dtype, ("i1", "u1", "i4", "i8")))


def histogram(x, bins, *, out=None, stream=None) -> Any:
    """How many elements of x are 0, 1, ... bins - 1; others are not counted.

    x: (n,) of int8, uint8, int32 or int64; a numpy array, torch CPU tensor or opencu array. The
    result is int64 of shape (bins,) and of x's kind, or out. As numpy.bincount, exact. On device
    arrays the call is stream-ordered.

    Raises TypeError or ValueError where dtypes, shapes or bins do not fit. Algorithm: a row of
    counts for each program, or integer atomics on one row.
    """
    call = Operands("x", x, stream)
    a = call.take("x", x, INTEGERS)
    _line(a)
    bins = count("bins", bins)
    counts = call.output(out, (bins,), np.int64, x=a)
    if bins:
        programs, N = kernels.plan(call.target, a.size, counts.dtype)
        rows = kernels.count_rows(call.target, a.size, bins, programs)
        parts = call.zeros((rows, bins), np.int64)
        programs, scope = (rows, "program") if rows > 1 else (programs, "device")
        call.launch(kernels.count, (programs,), a, parts, N=N, scope=scope)
        call.launch(kernels.add_parts, (cdiv(bins, N),), parts, counts, N=N)
    return call.result(counts, out)


def scan(x, *, out=None, stream=None) -> Any:
    """Running sums: y[i] = x[0] + ... + x[i].

    x: (n,) of int8, uint8, int32, int64, float32, float64, float16 or bfloat16; a numpy array,
    torch CPU tensor or opencu array. The result has numpy.cumsum's dtype: int64 of integers, which
    wraps, else x's, half precision summed in float32; or it is out, which may be x itself.
    Deterministic: strips of fixed size are summed and then scanned. On device arrays the call
    is stream-ordered.

    Raises TypeError or ValueError where dtypes, shapes or devices do not fit. Algorithm: the scan
    of Blelloch, "Prefix sums and their applications" (1990), in one launch or three.
    """
    call = Operands("x", x, stream)
    a = call.take("x", x, INTEGERS + FLOATS)
    _line(a)
    y = call.output(out, a.shape, np.dtype("i8") if a.dtype in INTEGERS else a.dtype)
    if out is not None:
        call.apart(y, "x", a, same=True)
    if a.size:
        wide = np.dtype("f4") if a.dtype in FLOATS[2:] else y.dtype
        programs, N = kernels.plan(call.target, a.size, wide)
        if wide.kind == "i" and _threads(call.device) == 1:
            programs = 1  # integers have the same sums in any strips
        sums = call.zeros((programs,), wide)
        if programs > 1:
            call.launch(kernels.strip_sums, (programs,), a, sums, N=N)
            call.launch(kernels.offsets, (1,), sums)
        call.launch(kernels.scan, (programs,), a, sums, y, N=N)
    return call.result(y, out)


@cache
def _threads(device: Device) -> int:
    return device.info.threads


def _line(x: Any) -> None:
    if x.ndim != 1:
        raise ValueError(f"x has shape {x.shape}: expected one dimension")
