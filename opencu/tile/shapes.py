"""Tiles of other shapes: reshape, permute, transpose, cat, and x[0:4, :, None]; and what builtins
ask of the views, shapes and axes that they are given."""

import ast
import math
from typing import Any

from opencu.tile.frontend import Builtin, Tracer
from opencu.tile.ir import Tile, Value, View


def _of(t: Tracer, kind: type, x: Any) -> Value:
    if not isinstance(x, Value) or not isinstance(x.type, kind):
        got = x.type if isinstance(x, Value) else repr(x)
        t.fail(f"expected a {kind.__name__.lower()}, got {got}")
    return x


def tile_of(t: Tracer, x: Any) -> Value:
    """x, if it is a tile."""
    return _of(t, Tile, x)


def view_of(t: Tracer, x: Any) -> Value:
    """x, if it is a view."""
    return _of(t, View, x)


def place(t: Tracer, view: Any, index: Any) -> list[Value]:
    """A view and the tile's index along each of its axes."""
    view = view_of(t, view)
    return [view, *(t.index(i) for i in (index if isinstance(index, tuple) else (index,)))]


def tile_shape(t: Tracer, shape: Any) -> tuple[int, ...]:
    """The shape of a tile, given as one size or several."""
    shape = shape if isinstance(shape, tuple) else (shape,)
    if not shape or not all(isinstance(s, int) and s is not True and s > 0 for s in shape):
        t.fail(f"a tile's shape is one or more positive constants, got {shape}")
    if math.prod(shape) >= 1 << 31:
        t.fail(f"a tile's shape is {shape}: expected fewer than 2**31 elements")
    return shape


def axis_of(t: Tracer, axis: Any, tile: Tile) -> int:
    """An axis, counted from the end where it is negative."""
    n = len(tile.shape)
    if type(axis) is not int or not -n <= axis < n:
        t.fail(f"axis is {axis!r}: expected an axis of {tile}")
    return axis % n


@Builtin
def reshape(t: Tracer, x: Any, shape: Any) -> Value:
    """The same elements, in row-major order, in another shape; one size may be -1."""
    v = tile_of(t, x)
    sizes = list(shape) if isinstance(shape, tuple) else [shape]
    if not sizes or not all(type(s) is int and (s > 0 or s == -1) for s in sizes):
        t.fail(f"reshape: shape is {shape!r}: expected positive constants, or one -1")
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = math.prod(v.type.shape) // max(-math.prod(sizes), 1)
    return t.b.one("reshape", [v], Tile(tuple(sizes), v.type.dtype))


@Builtin
def permute(t: Tracer, x: Any, axes: Any) -> Value:
    """Axis d of the result is axis axes[d] of x."""
    v = tile_of(t, x)
    if not isinstance(axes, tuple) or sorted(axes) != list(range(len(v.type.shape))):
        t.fail(f"permute: axes is {axes!r}: expected each axis of {v.type} once")
    shape = tuple(v.type.shape[a] for a in axes)
    return t.b.one("permute", [v], Tile(shape, v.type.dtype), axes=axes)


@Builtin
def transpose(t: Tracer, x: Any) -> Value:
    """x with its axes in reverse order."""
    return permute.emit(t, x, tuple(range(len(tile_of(t, x).type.shape)))[::-1])


@Builtin
def cat(t: Tracer, tiles: Any, axis: int = 0) -> Value:
    """Tiles one after another along an axis."""
    if not isinstance(tiles, tuple) or not tiles:
        t.fail("cat: expected a tuple of tiles")
    vs = [tile_of(t, x) for x in tiles]
    axis = axis_of(t, axis, vs[0].type)
    if any(len(v.type.shape) != len(vs[0].type.shape) for v in vs):
        t.fail(f"cat: tiles of different ranks: {', '.join(str(v.type) for v in vs)}")
    shape = list(vs[0].type.shape)
    shape[axis] = sum(v.type.shape[axis] for v in vs)
    return t.b.one("cat", vs, Tile(tuple(shape), vs[0].type.dtype), axis=axis)


def subscript(t: Tracer, v: Value, parts: list[ast.expr]) -> Value:
    """x[lo:hi, i, None]: a part of a tile, an axis taken away, a new axis of size 1."""
    start, sizes, shape = [], [], []
    for p in parts:
        axis = len(start)
        if isinstance(p, ast.Constant) and p.value is None:
            shape.append(1)
            continue
        if axis == len(v.type.shape):
            t.fail(f"too many indices for a {v.type}")
        size = v.type.shape[axis]
        given = [p.lower, p.upper] if isinstance(p, ast.Slice) else [p]
        given = [t.expr(g) if g else None for g in given]
        if not all(g is None or type(g) is int for g in given) or getattr(p, "step", None):
            t.fail("a tile is indexed by constants, without a step; store and load it otherwise")
        if isinstance(p, ast.Slice):
            lo, hi, _ = slice(*given).indices(size)
            shape.append(hi - lo)
        else:
            lo = given[0] + size if given[0] < 0 else given[0]
            hi = lo + 1
        if not 0 <= lo < hi <= size:
            t.fail(f"nothing of axis {axis} of a {v.type} is at {ast.unparse(p)}")
        start.append(lo)
        sizes.append(hi - lo)
    for size in v.type.shape[len(start) :]:
        start.append(0)
        sizes.append(size)
        shape.append(size)
    if not shape:
        t.fail("an element of a tile is no tile: keep an axis")
    if tuple(sizes) != v.type.shape:
        v = t.b.one("extract", [v], Tile(tuple(sizes), v.type.dtype), start=tuple(start))
    if tuple(shape) != v.type.shape:
        v = t.b.one("reshape", [v], Tile(tuple(shape), v.type.dtype))
    return v
