"""Single elements of a view: gather, scatter, atomics; and prefetch.

An index is one integer or integer tile for each axis of the view; they broadcast against each other
and the value. With numbers only, the result is a number. Outside the view (a negative index
included) reads give zero and writes are dropped. The scope of an atomic tells who else may
change the elements meanwhile: other programs ("device"), or none ("program"), which is faster.
"""

from typing import Any

from opencu.tile.dtypes import i64
from opencu.tile.frontend import Builtin, Tracer
from opencu.tile.ir import Tile, Value, View, retype
from opencu.tile.shapes import place, tile_shape, view_of


def _elements(t: Tracer, view: Any, index: Any, *values: Any) -> list[Value]:
    """The view, an i64 index for each of its axes, the values: all of one shape."""
    view = view_of(t, view)
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


def _atomic(fn: str, doc: str) -> Builtin:
    def emit(t: Tracer, view: Any, index: Any, value: Any, scope: str = "device") -> Value:
        operands = _elements(t, view, index, value)
        if scope not in ("device", "program"):
            t.fail(f"scope is {scope!r}: expected 'device' or 'program'")
        return t.b.one("atomic", operands, operands[-1].type, fn=fn, scope=scope)

    return Builtin(emit, f"atomic_{fn}", f"{doc}; what was there before.")


atomic_add = _atomic("add", "Add to elements, undisturbed by other programs")
atomic_max = _atomic("max", "Raise elements to at least value")
atomic_min = _atomic("min", "Lower elements to at most value")
atomic_and = _atomic("and", "Bitwise and into integer elements")
atomic_or = _atomic("or", "Bitwise or into integer elements")
atomic_xor = _atomic("xor", "Bitwise exclusive or into integer elements")
atomic_exchange = _atomic("exchange", "Write elements")


@Builtin
def atomic_cas(t: Tracer, view: Any, index: Any, expected: Any, value: Any) -> Value:
    """Write integer elements that are as expected; what was there before."""
    operands = _elements(t, view, index, expected, value)
    return t.b.one("atomic", operands, operands[-1].type, fn="cas", scope="device")


@Builtin
def prefetch(t: Tracer, view: Any, index: Any, shape: Any) -> None:
    """Fetch the tile that a later load of this shape reads, or a store writes, beside the work of
    the next tile of this shape; changes no value."""
    t.b.op("prefetch", place(t, view, index), [], shape=tile_shape(t, shape))
