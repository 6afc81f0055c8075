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

import builtins
from typing import Any

# isort: off
from opencu.tile.dtypes import (
    DType, bf16, bool_, c64, c128, e4m3, e5m2, f16, f32, f64, i8, i32, i64, largest, u8,
)  # fmt: skip
from opencu.tile.frontend import Builtin, Tracer
from opencu.tile.ir import KernelError, Scalar, Tile, Value, View, retype
from opencu.tile.kernel import Kernel, kernel
from opencu.tile.shapes import cat, permute, place, reshape, tile_shape, transpose
from opencu.tile.elements import (
    atomic_add, atomic_and, atomic_cas, atomic_exchange, atomic_max, atomic_min, atomic_or,
    atomic_xor, gather, prefetch, scatter,
)  # fmt: skip
from opencu.tile.math import (
    cos, erf, exp, exp2, exp_below, gelu, gelu_tanh, log, log2, rsqrt, sigmoid, sin, tanh,
)  # fmt: skip
from opencu.tile.reductions import (
    all, any, argmax, argmin, cummax, cummin, cumprod, cumsum, max, min, prod, sum,
)  # fmt: skip
from opencu.tile.values import is_static
# isort: on

__all__ = [
    "DType", "Kernel", "KernelError", "Scalar", "Tile", "View", "abs", "all", "any", "argmax",
    "argmin", "atomic_add", "atomic_and", "atomic_cas", "atomic_exchange", "atomic_max",
    "atomic_min", "atomic_or", "atomic_xor", "bf16", "bitcast", "bool_", "c128", "c64", "cast",
    "cat", "cdiv", "complex", "conj", "cos", "cummax", "cummin", "cumprod", "cumsum", "dot", "e4m3",
    "e5m2", "erf", "exp", "exp2", "exp_below", "f16", "f32", "f64", "floor", "fma", "full",
    "gather", "gelu", "gelu_tanh", "i32", "i64", "i8", "imag", "iota", "kernel", "load", "log",
    "log2", "max", "maximum", "min", "minimum", "npid", "permute", "pid", "prefetch", "prod",
    "real", "reshape", "rint", "rsqrt", "saturate", "scatter", "select", "sigmoid", "sin", "sqrt",
    "store", "sum", "tanh", "transpose", "u8",
]  # fmt: skip


def _check_dtype(t: Tracer, dtype: Any) -> None:
    if not isinstance(dtype, DType):
        t.fail(f"dtype is {dtype!r}: expected one of the language's, such as tile.f32")


def _grid(name: str, doc: str) -> Builtin:
    def emit(t: Tracer, axis: int = 0) -> Value:
        if type(axis) is not int or axis not in (0, 1, 2):
            t.fail(f"axis is {axis!r}: expected a grid axis, 0, 1 or 2")
        return t.b.one(name, [], Scalar(i64), axis=axis)

    return Builtin(emit, name, doc)


pid = _grid("pid", "This program's index along a grid axis (0, 1 or 2).")
npid = _grid("npid", "The number of programs along a grid axis.")


@Builtin
def load(t: Tracer, view: Value, index: Any, shape: Any) -> Value:
    """The tile of `shape` at tile index `index` of a view; zero outside the view."""
    at = place(t, view, index)
    return t.b.one("load", at, Tile(tile_shape(t, shape), view.type.dtype))


@Builtin
def store(t: Tracer, view: Value, index: Any, value: Any) -> None:
    """Write a tile at a tile index of a view; nothing outside the view."""
    at = place(t, view, index)
    t.b.op("store", [*at, t.value(value, view.type.dtype)], [])


@Builtin
def full(t: Tracer, shape: Any, value: Any, dtype: DType) -> Value:
    """A tile of one value."""
    _check_dtype(t, dtype)
    v = t.value(value, dtype)
    return t.broadcast(v, tile_shape(t, shape))


@Builtin
def iota(t: Tracer, shape: Any, axis: int = 0, dtype: DType = i64) -> Value:
    """A tile whose elements count 0, 1, 2, ... along an axis."""
    shape = tile_shape(t, shape)
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
    shape = builtins.max(shapes, key=lambda s: [builtins.max(d, 1) for d in s], default=())
    c, a, b = (t.broadcast(v, shape) for v in (condition, a, b))
    return t.b.one("select", [c, a, b], a.type)


@Builtin
def cast(t: Tracer, x: Any, dtype: DType) -> Value:
    """x in another dtype: rounded to nearest even, or toward zero from floating to integer, where
    what is out of range becomes the nearest integer and NaN becomes 0."""
    _check_dtype(t, dtype)
    return t.cast(t.value(x), dtype)


@Builtin
def saturate(t: Tracer, x: Value, dtype: DType) -> Value:
    """x in a floating dtype, kept to its largest finite numbers; NaN stays NaN."""
    most = largest(dtype)
    return t.cast(t.binary("max", t.binary("min", x, most), -most), dtype)


@Builtin
def bitcast(t: Tracer, x: Any, dtype: DType) -> Value:
    """The bits of x as another dtype of the same size."""
    _check_dtype(t, dtype)
    v = t.value(x)
    return t.b.one("bitcast", [v], retype(v.type, dtype))


@Builtin
def dot(t: Tracer, a: Value, b: Value, acc: Value, where: str = "", by: Any = 0) -> Value:
    """acc + a b, for tiles a[i, k], b[k, j], acc[i, j]; acc is of a's and b's dtype, or f32 for
    storage types (8-bit ones may differ), or i32 for i8. `where` promises what need not be
    computed: "j<=i" or "j>=i", that sums are not used but where j <= i + by; "k<=i", "k>=i",
    "k<=j" or "k>=j", that products are zero but there."""
    if not where:
        return t.b.one("dot", [a, b, acc], acc.type)
    return t.b.one("dot", [a, b, acc, t.index(by)], acc.type, where=where)


def _part(part: int, name: str, doc: str) -> Builtin:
    def emit(t: Tracer, x: Any) -> Value:
        v = t.value(x)
        if v.type.dtype.kind != "c" or isinstance(v.type, View):
            t.fail(f"expected a complex tile or number, got {v.type}")
        return t.b.one("part", [v], retype(v.type, v.type.dtype.part), part=part)

    return Builtin(emit, name, doc)


real = _part(0, "real", "The real part of a complex value.")
imag = _part(1, "imag", "The imaginary part of a complex value.")


@Builtin
def complex(t: Tracer, re: Any, im: Any) -> Value:  # noqa: A001
    """The complex value of two real ones of f32 or f64."""
    x, y = t.align(re, im)
    whole = {f32: c64, f64: c128}.get(x.type.dtype)
    if whole is None:
        t.fail(f"expected parts of f32 or f64, got {x.type}")
    return t.b.one("complex", [x, y], retype(x.type, whole))


@Builtin
def fma(t: Tracer, a: Any, b: Any, c: Any) -> Value:
    """a * b + c with one rounding where the target has it."""
    return t.compute("fma", t.align(a, b, c))


def _unary(fn: str, doc: str) -> Builtin:
    def emit(t: Tracer, x: Any) -> Value:
        return t.unary(fn, x)

    return Builtin(emit, fn, doc)


def _binary(fn: str, name: str, doc: str) -> Builtin:
    def emit(t: Tracer, x: Any, y: Any) -> Any:
        return t.binary(fn, x, y)

    return Builtin(emit, name, doc)


conj = _unary("conj", "The complex conjugate.")
sqrt = _unary("sqrt", "The square root, correctly rounded.")
abs = _unary("abs", "The absolute value.")  # noqa: A001 - the language's name for it
floor = _unary("floor", "Rounded down to an integer.")
rint = _unary("rint", "Rounded to the nearest integer, ties to even.")
minimum = _binary("min", "minimum", "The smaller of two; NaN if either is.")
maximum = _binary("max", "maximum", "The larger of two; NaN if either is.")


def cdiv(a, b):
    """a / b rounded up; a >= 0, b > 0."""
    return (a + b - 1) // b
