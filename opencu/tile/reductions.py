"""Reductions and scans of tiles.

`axis` is one axis, or None for all of them. All axes reduced give a scalar; otherwise the axis
goes, or stays with size 1 under keepdims. Every element of the tile counts, the zeros outside a
view too. The order of a sum is fixed by the shapes alone. NaN goes through max and min.
"""

from typing import Any

from opencu.tile.dtypes import f32, i64
from opencu.tile.frontend import Builtin, Tracer
from opencu.tile.ir import Scalar, Tile, Value
from opencu.tile.shapes import axis_of, tile_of


def _compute(t: Tracer, fn: str, v: Value) -> Value:
    """The operand in the dtype that is computed in: truth values count, narrow floats are f32."""
    dtype = v.type.dtype
    if dtype.kind == "b" and fn in ("sum", "prod"):
        return t.cast(v, i64)
    return t.cast(v, f32) if dtype.kind == "f" and dtype.bits < 32 else v


def _result(t: Tracer, v: Value, x: Value) -> Value:
    """A result in x's dtype, if that is a narrow one."""
    dtype = x.type.dtype
    return t.cast(v, dtype) if dtype.kind == "f" and v.type.dtype.kind == "f" else v


def _reduction(fn: str, doc: str) -> Builtin:
    def emit(t: Tracer, x: Any, axis: Any = None, keepdims: bool = False) -> Value:
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

    return Builtin(emit, fn, doc)


def _scan(fn: str, doc: str) -> Builtin:
    def emit(t: Tracer, x: Any, axis: int = 0) -> Value:
        x = tile_of(t, x)
        v = _compute(t, fn, x)
        return _result(t, t.b.one("scan", [v], v.type, fn=fn, axis=axis_of(t, axis, v.type)), x)

    return Builtin(emit, f"cum{fn}", f"{doc} along an axis.")


sum = _reduction("sum", "The sum; truth values count in i64.")  # noqa: A001
prod = _reduction("prod", "The product.")
max = _reduction("max", "The largest element; NaN if any is.")  # noqa: A001
min = _reduction("min", "The smallest element; NaN if any is.")  # noqa: A001
argmax = _reduction("argmax", "The (row-major) i64 index of the first largest element or NaN.")
argmin = _reduction("argmin", "The index of the first smallest element, or the first NaN.")
any = _reduction("any", "Is any truth value true?")  # noqa: A001
all = _reduction("all", "Are all truth values true?")  # noqa: A001
cumsum = _scan("sum", "Each element plus all before it")
cumprod = _scan("prod", "Each element times all before it")
cummax = _scan("max", "The largest element so far")
cummin = _scan("min", "The smallest element so far")
