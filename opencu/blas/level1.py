"""Level 1 of BLAS, vectors: n elements each, any strides.

x and y are vectors of one dtype, all numpy arrays, torch CPU tensors or opencu arrays; alpha, c and
s are numbers, or opencu arrays of one element, which are read when the call runs. float16 and
bfloat16 are computed in float32. What is written is written in place and returned. On device arrays
a call is stream-ordered, and a result is an array of no dimensions there; elsewhere it is a numpy
scalar or torch tensor. Wrong kinds, dtypes, shapes or devices raise TypeError or ValueError before
anything runs. Source: Lawson, Hanson, Kincaid and Krogh, "Basic Linear Algebra Subprograms for
Fortran Usage" (1979).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from opencu.blas.routine import COMPLEX, READ, REAL, UPDATE, WRITE, Call
from opencu.drivers.status import lib
from opencu.runtime.array import Array
from opencu.runtime.dlpack import BFLOAT16
from opencu.runtime.operands import part
from opencu.runtime.stream import Stream

ALL = (*REAL, *COMPLEX, np.dtype("f2"), BFLOAT16)
SINGLE, INDEX = np.dtype("f4"), np.dtype("i8")


def _part(dtype: np.dtype) -> np.dtype:
    """The dtype of a complex one's parts."""
    return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype


def _compute(dtype: np.dtype) -> np.dtype:
    return SINGLE if dtype.itemsize == 2 else dtype


def _vectors(
    stream: Stream | None, x: Any, y: Any = None, how: tuple[int, int] = (READ, READ), dtypes=ALL
) -> tuple[Call, Array, Any]:
    """A call with x, and y if there is one, as its operands."""
    call = Call("x", x, stream)
    a = call.vector("x", x, dtypes, bool(how[0] & WRITE))
    call.operand(0, a, how[0])
    if y is None:
        return call, a, None
    b = call.vector("y", y, (a.dtype,), bool(how[1] & WRITE))
    if a.shape != b.shape:
        raise ValueError(f"y has shape {b.shape}: expected {a.shape}, as x has")
    if (how[0] | how[1]) & WRITE:
        call.apart(b, "x", a, name_out="y")
    call.operand(1, b, how[1])
    return call, a, b


def copy(x: Any, y: Any, *, stream: Stream | None = None) -> Any:
    """y = x."""
    call, _, b = _vectors(stream, x, y, (READ, WRITE))
    call.run(lib.OCU_OP_COPY)
    return call.result(b, y)


def swap(x: Any, y: Any, *, stream: Stream | None = None) -> tuple[Any, Any]:
    """x, y = y, x."""
    call, a, b = _vectors(stream, x, y, (UPDATE, UPDATE))
    call.run(lib.OCU_OP_SWAP)
    return call.result(a, x), call.result(b, y)


def scal(x: Any, *, alpha: Any, stream: Stream | None = None) -> Any:
    """x = alpha x; alpha may be real where x is complex."""
    call, a, _ = _vectors(stream, x, how=(UPDATE, 0))
    given = alpha.dtype if isinstance(alpha, Array) else np.result_type(type(alpha))
    dtype = _compute(a.dtype)
    call.factors((dtype if given.kind == "c" else _part(dtype),), alpha=alpha)
    call.run(lib.OCU_OP_SCAL)
    return call.result(a, x)


def axpy(x: Any, y: Any, *, alpha: Any = 1, stream: Stream | None = None) -> Any:
    """y = alpha x + y; alpha == 0 does not read x."""
    call, a, b = _vectors(stream, x, y, (READ, UPDATE))
    call.factors((_compute(a.dtype),), alpha=alpha)
    call.run(lib.OCU_OP_AXPY)
    return call.result(b, y)


def rot(x: Any, y: Any, *, c: Any, s: Any, stream: Stream | None = None) -> tuple[Any, Any]:
    """x, y = c x + s y, c y - conj(s) x; c is real, s is complex if x is."""
    call, a, b = _vectors(stream, x, y, (UPDATE, UPDATE))
    dtype = _compute(a.dtype)
    call.factors((_part(dtype), dtype), c=c, s=s)
    call.run(lib.OCU_OP_ROT)
    return call.result(a, x), call.result(b, y)


def rotm(x: Any, y: Any, *, param: Any, stream: Stream | None = None) -> tuple[Any, Any]:
    """The modified rotation that rotmg made; param: flag, h11, h21, h12, h22, numbers or an opencu
    array of x's dtype (float32 or float64)."""
    call, a, b = _vectors(stream, x, y, (UPDATE, UPDATE), REAL)
    call.factor_row(a.dtype, "param", param, 5)
    call.run(lib.OCU_OP_ROTM)
    return call.result(a, x), call.result(b, y)


def _reduce(op: int, dtype: Any, stream: Stream | None, x: Any, y: Any = None, form=b"") -> Any:
    call, a, _ = _vectors(stream, x, y)
    out = call.empty((), dtype(a.dtype))
    call.operand(3, out, WRITE)
    call.run(op, form)
    return call.scalar(out)


def dotu(x: Any, y: Any, *, stream: Stream | None = None) -> Any:
    """sum x[i] y[i]."""
    return _reduce(lib.OCU_OP_DOT, lambda d: d, stream, x, y)


dot = dotu


def dotc(x: Any, y: Any, *, stream: Stream | None = None) -> Any:
    """sum conj(x[i]) y[i]."""
    return _reduce(lib.OCU_OP_DOT, lambda d: d, stream, x, y, b"\1")


def asum(x: Any, *, stream: Stream | None = None) -> Any:
    """sum |re x[i]| + |im x[i]|."""
    return _reduce(lib.OCU_OP_ASUM, _part, stream, x)


def nrm2(x: Any, *, stream: Stream | None = None) -> Any:
    """sqrt(sum |x[i]|^2), which neither overflows nor vanishes between."""
    return _reduce(lib.OCU_OP_NRM2, _part, stream, x)


def amax(x: Any, *, stream: Stream | None = None) -> Any:
    """The first index, from 0 on, of the largest |re x[i]| + |im x[i]|; -1 if x is empty. A NaN is
    never the largest."""
    return _reduce(lib.OCU_OP_AMAX, lambda _: INDEX, stream, x, form=b"\1")


def amin(x: Any, *, stream: Stream | None = None) -> Any:
    """As amax, of the smallest."""
    return _reduce(lib.OCU_OP_AMIN, lambda _: INDEX, stream, x, form=b"\1")


def _fresh(call: Call, name: str, x: Any, dtypes: Any) -> Array:
    """A copy of an argument of one element, as a vector."""
    given = call.take(name, x, dtypes)
    if given.size != 1:
        raise ValueError(f"{name} has shape {given.shape}: expected one element")
    out = call.empty((1,), given.dtype)
    copying = Call(name, x, call.stream)
    copying.operand(0, part(given, 0, (1,), (1,)), READ)
    copying.operand(1, out, WRITE)
    copying.run(lib.OCU_OP_COPY)
    return out


def rotg(a: Any, b: Any, *, stream: Stream | None = None) -> tuple[Any, Any, Any, Any]:
    """r, z, c, s of the rotation that makes (a, b) into (r, 0); a and b have one element each. z is
    BLAS's single number for the rotation (of complex numbers, b). Source: Anderson, "Algorithm 978:
    Safe Scaling in the Level 1 BLAS" (2017)."""
    call = Call("a", a, stream)
    r = _fresh(call, "a", a, (*REAL, *COMPLEX))
    z = _fresh(call, "b", b, (r.dtype,))
    c, s = call.empty((1,), _part(r.dtype)), call.empty((1,), r.dtype)
    for i, out in enumerate((r, z, c, s)):
        call.operand(i, out, UPDATE)
    call.run(lib.OCU_OP_ROTG)
    return call.scalar(r), call.scalar(z), call.scalar(c), call.scalar(s)


def rotmg(
    d1: Any, d2: Any, x1: Any, y1: Any, *, stream: Stream | None = None
) -> tuple[Any, Any, Any, Any]:
    """d1, d2, x1 and param (flag, h11, h21, h12, h22) of the modified rotation that makes
    (sqrt(d1) x1, sqrt(d2) y1) into (sqrt(d1) x1, 0); d1, d2, x1 have one element each, of float32
    or float64. What the flag implies of param is 0."""
    call = Call("d1", d1, stream)
    first = _fresh(call, "d1", d1, REAL)
    rest = [_fresh(call, name, v, (first.dtype,)) for name, v in (("d2", d2), ("x1", x1))]
    param = call.zeros((5,), first.dtype)
    for i, out in enumerate((first, *rest, param)):
        call.operand(i, out, UPDATE)
    y = y1.item() if call.host and hasattr(y1, "item") else y1
    call.factors((first.dtype,), y1=y)
    call.run(lib.OCU_OP_ROTMG)
    return (*(call.scalar(out) for out in (first, *rest)), call.result(param))
