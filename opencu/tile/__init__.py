"""The kernel language: what a kernel author imports.

    from opencu import tile

    @tile.kernel
    def scale(x, y, alpha, N: int):
        i = tile.pid(0)
        tile.store(y, i, alpha * tile.load(x, i, N))

A kernel runs once per program, on tiles of static shape. A view is memory with bounds: `load` takes
the tile at a tile index (element index = tile index * tile shape) and reads zero outside the view,
`store` writes nothing outside it. `view[lo:hi, i]` is a part of a view, clipped to it, with an
integer's axis taken away. Views that share memory must not overlap in part.
"""

from math import prod
from typing import Any

from opencu.tile.dtypes import (
    DType,
    bf16,
    bool_,
    c64,
    c128,
    f16,
    f32,
    f64,
    i8,
    i32,
    i64,
    u8,
)
from opencu.tile.frontend import Builtin, Kernel, Tracer, is_static, kernel
from opencu.tile.ir import KernelError, Scalar, Tile, Value, View, retype
from opencu.tile.math import (
    cos,
    erf,
    exp,
    exp2,
    gelu,
    gelu_tanh,
    log,
    log2,
    rsqrt,
    sigmoid,
    sin,
    tanh,
)

__all__ = [
    "DType",
    "Kernel",
    "KernelError",
    "Scalar",
    "Tile",
    "View",
    "abs",
    "bf16",
    "bitcast",
    "bool_",
    "c128",
    "c64",
    "cast",
    "cdiv",
    "cos",
    "dot",
    "erf",
    "exp",
    "exp2",
    "f16",
    "f32",
    "f64",
    "floor",
    "fma",
    "full",
    "gelu",
    "gelu_tanh",
    "i32",
    "i64",
    "i8",
    "iota",
    "kernel",
    "load",
    "log",
    "log2",
    "maximum",
    "minimum",
    "npid",
    "pid",
    "rint",
    "rsqrt",
    "select",
    "sigmoid",
    "sin",
    "sqrt",
    "store",
    "tanh",
    "u8",
]


def _shape(t: Tracer, shape: Any) -> tuple[int, ...]:
    shape = shape if isinstance(shape, tuple) else (shape,)
    if not shape or not all(isinstance(s, int) and s is not True and s > 0 for s in shape):
        t.fail(f"a tile's shape is one or more positive constants, got {shape}")
    if prod(shape) >= 1 << 31:
        t.fail(f"a tile's shape is {shape}: expected fewer than 2**31 elements")
    return shape


def _place(t: Tracer, view: Any, index: Any) -> list[Value]:
    if not isinstance(view, Value) or not isinstance(view.type, View):
        t.fail(f"expected a view, got {view.type if isinstance(view, Value) else repr(view)}")
    return [view, *(t.index(i) for i in (index if isinstance(index, tuple) else (index,)))]


def _check_axis(t: Tracer, axis: Any) -> None:
    if type(axis) is not int or axis not in (0, 1, 2):
        t.fail(f"axis is {axis!r}: expected a grid axis, 0, 1 or 2")


def _check_dtype(t: Tracer, dtype: Any) -> None:
    if not isinstance(dtype, DType):
        t.fail(f"dtype is {dtype!r}: expected one of the language's, such as tile.f32")


@Builtin
def pid(t: Tracer, axis: int = 0) -> Value:
    """This program's index along a grid axis (0, 1 or 2)."""
    _check_axis(t, axis)
    return t.b.one("pid", [], Scalar(i64), axis=axis)


@Builtin
def npid(t: Tracer, axis: int = 0) -> Value:
    """The number of programs along a grid axis."""
    _check_axis(t, axis)
    return t.b.one("npid", [], Scalar(i64), axis=axis)


@Builtin
def load(t: Tracer, view: Value, index: Any, shape: Any) -> Value:
    """The tile of `shape` at tile index `index` of a view; zero outside the view."""
    place = _place(t, view, index)
    return t.b.one("load", place, Tile(_shape(t, shape), view.type.dtype))


@Builtin
def store(t: Tracer, view: Value, index: Any, value: Any) -> None:
    """Write a tile at a tile index of a view; nothing outside the view."""
    place = _place(t, view, index)
    t.b.op("store", [*place, t.value(value, view.type.dtype)], [])


@Builtin
def full(t: Tracer, shape: Any, value: Any, dtype: DType) -> Value:
    """A tile of one value."""
    _check_dtype(t, dtype)
    v = t.value(value, dtype)
    return t.broadcast(v, _shape(t, shape))


@Builtin
def iota(t: Tracer, shape: Any, axis: int = 0, dtype: DType = i64) -> Value:
    """A tile whose elements count 0, 1, 2, ... along an axis."""
    shape = _shape(t, shape)
    _check_dtype(t, dtype)
    if type(axis) is not int or not 0 <= axis < len(shape) or dtype.kind not in "iu":
        t.fail(f"iota: axis {axis}, {dtype}: expected an axis of {shape} and an integer dtype")
    return t.b.one("iota", [], Tile(shape, dtype), axis=axis)


@Builtin
def select(t: Tracer, condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, y elsewhere."""
    if is_static(condition):
        return x if condition else y
    a, b = t.align(x, y)
    shapes = [v.type.shape for v in (condition, a) if isinstance(v.type, Tile)]
    shape = max(shapes, key=lambda s: [max(d, 1) for d in s], default=())
    c, a, b = (t.broadcast(v, shape) for v in (condition, a, b))
    return t.b.one("select", [c, a, b], a.type)


@Builtin
def cast(t: Tracer, x: Any, dtype: DType) -> Value:
    """x in another dtype: rounded to nearest even, or toward zero from floating to integer, where
    what is out of range becomes the nearest integer and NaN becomes 0."""
    _check_dtype(t, dtype)
    return t.cast(t.value(x), dtype)


@Builtin
def bitcast(t: Tracer, x: Any, dtype: DType) -> Value:
    """The bits of x as another dtype of the same size."""
    _check_dtype(t, dtype)
    v = t.value(x)
    return t.b.one("bitcast", [v], retype(v.type, dtype))


@Builtin
def dot(t: Tracer, a: Value, b: Value, acc: Value) -> Value:
    """acc + a b, for tiles a[m, k], b[k, n], acc[m, n]."""
    return t.b.one("dot", [a, b, acc], acc.type)


@Builtin
def fma(t: Tracer, a: Any, b: Any, c: Any) -> Value:
    """a * b + c with one rounding where the target has it."""
    args = t.align(a, b, c)
    wide = t.widen(args)
    return t.cast(t.b.one("fma", wide, wide[0].type), args[0].type.dtype)


@Builtin
def minimum(t: Tracer, x: Any, y: Any) -> Any:
    """The smaller of two; NaN if either is."""
    return t.binary("min", x, y)


@Builtin
def maximum(t: Tracer, x: Any, y: Any) -> Any:
    """The larger of two; NaN if either is."""
    return t.binary("max", x, y)


@Builtin
def sqrt(t: Tracer, x: Any) -> Value:
    """The square root, correctly rounded."""
    return t.unary("sqrt", x)


@Builtin
def abs(t: Tracer, x: Any) -> Value:  # noqa: A001 - the language's name for it
    """The absolute value."""
    return t.unary("abs", x)


@Builtin
def floor(t: Tracer, x: Any) -> Value:
    """Rounded down to an integer."""
    return t.unary("floor", x)


@Builtin
def rint(t: Tracer, x: Any) -> Value:
    """Rounded to the nearest integer, ties to even."""
    return t.unary("rint", x)


def cdiv(a, b):
    """a / b rounded up; a >= 0, b > 0."""
    return (a + b - 1) // b
