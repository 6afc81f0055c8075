"""Reductions and scans of tiles.

`axis` is one axis, or None for all of them. All axes reduced give a scalar; otherwise the axis
goes, or stays with size 1 under keepdims. Every element of the tile counts, the zeros outside a
view too. The order of a sum is fixed by the shapes alone. NaN goes through max and min.
"""

from typing import Any

from opencu.tile.dtypes import DType, f32, i64
from opencu.tile.frontend import Builtin, Tracer
from opencu.tile.ir import Scalar, Tile, Value, retype
from opencu.tile.shapes import axis_of, tile_of


def _cast(t: Tracer, v: Value, dtype: DType) -> Value:
    return v if v.type.dtype == dtype else t.b.one("cast", [v], retype(v.type, dtype))


def _compute(t: Tracer, fn: str, v: Value) -> Value:
    """The operand in the dtype that is computed in: truth values count, narrow floats are f32."""
    dtype = v.type.dtype
    if dtype.kind == "b" and fn in ("sum", "prod"):
        return _cast(t, v, i64)
    if dtype.kind == "f" and dtype.bits < 32:
        return _cast(t, v, f32)
    return v


def _result(t: Tracer, v: Value, x: Value) -> Value:
    """A result in x's dtype, if that is a narrow one."""
    dtype = x.type.dtype
    return _cast(t, v, dtype) if dtype.kind == "f" and v.type.dtype.kind == "f" else v


def _reduce(t: Tracer, fn: str, x: Any, axis: Any, keepdims: Any) -> Value:
    x = tile_of(t, x)
    v = _compute(t, fn, x)
    shape = v.type.shape
    axes = tuple(range(len(shape))) if axis is None else (axis_of(t, axis, v.type),)
    dtype = i64 if fn.startswith("arg") else v.type.dtype
    ones = tuple(1 if d in axes else s for d, s in enumerate(shape))
    if len(axes) == len(shape):
        total = _result(t, t.b.one("reduce", [v], Scalar(dtype), fn=fn, axes=axes), x)
        return t.broadcast(total, ones) if keepdims else total
    part = _result(t, t.b.one("reduce", [v], Tile(ones, dtype), fn=fn, axes=axes), x)
    rest = tuple(s for d, s in enumerate(shape) if d not in axes)
    return part if keepdims else t.b.one("reshape", [part], Tile(rest, part.type.dtype))


def _scan(t: Tracer, fn: str, x: Any, axis: Any) -> Value:
    x = tile_of(t, x)
    v = _compute(t, fn, x)
    return _result(t, t.b.one("scan", [v], v.type, fn=fn, axis=axis_of(t, axis, v.type)), x)


@Builtin
def sum(t: Tracer, x: Any, axis: Any = None, keepdims: bool = False) -> Value:  # noqa: A001
    """The sum; truth values count in i64."""
    return _reduce(t, "sum", x, axis, keepdims)


@Builtin
def prod(t: Tracer, x: Any, axis: Any = None, keepdims: bool = False) -> Value:
    """The product."""
    return _reduce(t, "prod", x, axis, keepdims)


@Builtin
def max(t: Tracer, x: Any, axis: Any = None, keepdims: bool = False) -> Value:  # noqa: A001
    """The largest element; NaN if any is."""
    return _reduce(t, "max", x, axis, keepdims)


@Builtin
def min(t: Tracer, x: Any, axis: Any = None, keepdims: bool = False) -> Value:  # noqa: A001
    """The smallest element; NaN if any is."""
    return _reduce(t, "min", x, axis, keepdims)


@Builtin
def argmax(t: Tracer, x: Any, axis: Any = None, keepdims: bool = False) -> Value:
    """The index (i64; of all axes: row-major) of the first largest element, or the first NaN."""
    return _reduce(t, "argmax", x, axis, keepdims)


@Builtin
def argmin(t: Tracer, x: Any, axis: Any = None, keepdims: bool = False) -> Value:
    """The index of the first smallest element, or the first NaN."""
    return _reduce(t, "argmin", x, axis, keepdims)


@Builtin
def any(t: Tracer, x: Any, axis: Any = None, keepdims: bool = False) -> Value:  # noqa: A001
    """Is any truth value true?"""
    return _reduce(t, "any", x, axis, keepdims)


@Builtin
def all(t: Tracer, x: Any, axis: Any = None, keepdims: bool = False) -> Value:  # noqa: A001
    """Are all truth values true?"""
    return _reduce(t, "all", x, axis, keepdims)


@Builtin
def cumsum(t: Tracer, x: Any, axis: int = 0) -> Value:
    """Each element plus all before it along an axis."""
    return _scan(t, "sum", x, axis)


@Builtin
def cumprod(t: Tracer, x: Any, axis: int = 0) -> Value:
    """Each element times all before it along an axis."""
    return _scan(t, "prod", x, axis)


@Builtin
def cummax(t: Tracer, x: Any, axis: int = 0) -> Value:
    """The largest element so far along an axis."""
    return _scan(t, "max", x, axis)


@Builtin
def cummin(t: Tracer, x: Any, axis: int = 0) -> Value:
    """The smallest element so far along an axis."""
    return _scan(t, "min", x, axis)
