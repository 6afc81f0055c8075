"""Single elements of a view: gather, scatter, atomics; and prefetch.

An index is one integer or integer tile for each axis of the view; they broadcast against each other
and the value. With numbers only, the result is a number. Outside the view (a negative index
included) reads give zero and writes are dropped.
"""

from typing import Any

from opencu.tile.dtypes import i64
from opencu.tile.frontend import Builtin, Tracer
from opencu.tile.ir import Tile, Value, View, retype


def _elements(t: Tracer, view: Any, index: Any, *values: Any) -> list[Value]:
    """The view, an i64 index for each of its axes, the values: all of one shape."""
    if not isinstance(view, Value) or not isinstance(view.type, View):
        t.fail(f"expected a view, got {view.type if isinstance(view, Value) else repr(view)}")
    places = [t.value(i) for i in (index if isinstance(index, tuple) else (index,))]
    for n, v in enumerate(places):
        if isinstance(v.type, View) or v.type.dtype.kind not in "iu":
            t.fail(f"expected integer indices, got {v.type}")
        if v.type.dtype != i64:
            places[n] = t.b.one("cast", [v], retype(v.type, i64))
    vs = [*places, *(t.value(x, view.type.dtype) for x in values)]
    shapes = [v.type.shape for v in vs if isinstance(v.type, Tile)]
    shape = tuple(max(sizes) for sizes in zip(*shapes))
    if any(len(s) != len(shape) or any(a not in (1, b) for a, b in zip(s, shape)) for s in shapes):
        t.fail(f"tiles of shapes {', '.join(map(str, shapes))} do not go together")
    return [view, *(t.broadcast(v, shape) for v in vs)]


@Builtin
def gather(t: Tracer, view: Any, index: Any) -> Value:
    """The view's elements at the indices; zero outside it."""
    operands = _elements(t, view, index)
    return t.b.one("gather", operands, retype(operands[1].type, view.type.dtype))


@Builtin
def scatter(t: Tracer, view: Any, index: Any, value: Any) -> None:
    """Write elements at the indices; of equal indices in a tile the last one stays."""
    t.b.op("scatter", _elements(t, view, index, value), [])


def _atomic(t: Tracer, fn: str, view: Any, index: Any, *values: Any) -> Value:
    operands = _elements(t, view, index, *values)
    return t.b.one("atomic", operands, operands[-1].type, fn=fn)


@Builtin
def atomic_add(t: Tracer, view: Any, index: Any, value: Any) -> Value:
    """Add to elements, undisturbed by other programs; what was there before."""
    return _atomic(t, "add", view, index, value)


@Builtin
def atomic_max(t: Tracer, view: Any, index: Any, value: Any) -> Value:
    """Raise elements to at least value; what was there before."""
    return _atomic(t, "max", view, index, value)


@Builtin
def atomic_min(t: Tracer, view: Any, index: Any, value: Any) -> Value:
    """Lower elements to at most value; what was there before."""
    return _atomic(t, "min", view, index, value)


@Builtin
def atomic_and(t: Tracer, view: Any, index: Any, value: Any) -> Value:
    """Bitwise and into integer elements; what was there before."""
    return _atomic(t, "and", view, index, value)


@Builtin
def atomic_or(t: Tracer, view: Any, index: Any, value: Any) -> Value:
    """Bitwise or into integer elements; what was there before."""
    return _atomic(t, "or", view, index, value)


@Builtin
def atomic_xor(t: Tracer, view: Any, index: Any, value: Any) -> Value:
    """Bitwise exclusive or into integer elements; what was there before."""
    return _atomic(t, "xor", view, index, value)


@Builtin
def atomic_exchange(t: Tracer, view: Any, index: Any, value: Any) -> Value:
    """Write elements; what was there before."""
    return _atomic(t, "exchange", view, index, value)


@Builtin
def atomic_cas(t: Tracer, view: Any, index: Any, expected: Any, value: Any) -> Value:
    """Write integer elements that are as expected; what was there before."""
    return _atomic(t, "cas", view, index, expected, value)


@Builtin
def prefetch(t: Tracer, view: Any, index: Any, shape: Any) -> None:
    """Begin to fetch the tile that a later load of this shape reads; changes no value."""
    from opencu.tile import place, tile_shape

    t.b.op("prefetch", place(t, view, index), [], shape=tile_shape(t, shape))
