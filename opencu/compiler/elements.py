"""Scatter and atomics: element after element in row-major order, each behind its bounds check.

The indices and values are computed a vector at a time; memory is touched lane by lane.
"""

from opencu.compiler.expressions import places, root_view
from opencu.compiler.llvm import Lanes, constant, type_of
from opencu.compiler.memory import Place, Point, moved
from opencu.tile.ir import Op, Tile, Value


def lower(state, op: Op) -> None:
    """Emit a scatter or an atomic; an atomic's result goes to scratch."""
    operands = op.operands[1:]
    if not isinstance(operands[0].type, Tile):
        old = touch(state, op, [state.scalars[v] for v in operands], 0, 1, "true")
        for result in op.results:
            state.scalars[result] = old
        return
    for v in operands:
        if reads(v, op.operands[0], state.points.access):
            state.hold(v)
    shape = operands[0].type.shape
    lane, ends = len(shape) - 1, [str(s) for s in shape]
    w = min(state.width(v) for v in operands)
    memory = state.memory(op.result.type) if state.used & set(op.results) else None
    ragged = shape[lane] % w > 0

    access = (state.points.access.get(v) for v in operands)
    scratch = all(a and a.limits == tuple(map(str, shape)) for a in access) and not memory

    def chunk(at: Place, c: str) -> None:
        memo: dict = {}
        if scratch and not ragged:  # numbers are read at once, without taking vectors apart
            for i in range(w):
                p = Point(moved(at, lane, state.f.add(c, str(i))), lane, 1)
                touch(state, op, [state.points.at(v, [p], {})[0] for v in operands], 0, 1, "true")
            return
        p = Point(moved(at, lane, c), lane, w, True)
        values = [state.points.at(v, [p], memo)[0] for v in operands]
        for i in range(w):
            place = state.f.add(c, str(i))
            exists = state.f.less(place, ends[lane]) if ragged else "true"
            old = touch(state, op, values, i, w, exists)
            if memory:
                there = Point(moved(at, lane, place), lane, 1, True)
                state.points.store(memory, op.result.type.dtype, old, there)

    def row(at: Place) -> None:
        state.vectors("0", ends[lane], str(w), lambda c: chunk(at, c))

    state.every(list(range(lane)), ends, row)
    if memory:
        state.points.access[op.result] = memory


def reads(v: Value, view: Value, known) -> bool:
    """Is v computed from memory that is about to be written?"""
    return any(
        x not in known or x.op.name == "load"
        for x, _ in places(v, known)
        if x.made_by in ("load", "gather") and root_view(x.op.operands[0]) is root_view(view)
    )


def touch(state, op: Op, operands: list[str], lane: int, width: int, exists: str) -> str:
    """Write one lane's element if it is there; what was there before, for atomics."""
    f, dtype = state.f, op.operands[-1].type.dtype
    view = state.views[op.operands[0]]
    n = len(view.sizes)
    bytes = op.operands[0].type.dtype.bytes
    inside, pointer = state.points.element(view, operands[:n], bytes, lane, width)
    inside = f.all_of((inside, exists))
    t, lanes = type_of(dtype), Lanes(f, dtype, width)
    values = [lanes.extract(x, lane) for x in operands[n:]]

    def write() -> list[str]:
        if op.name == "scatter":
            for i, value in enumerate(values):  # two: the parts of a complex number
                f.store(t, value, f.offset(pointer, str(i), dtype.bytes), dtype.bytes)
            return []
        return [state.atomic(op, dtype, pointer, values)]

    if op.name == "scatter":
        f.branch(inside, write, list)
        return ""
    return f.branch(inside, write, lambda: [constant(dtype, 0)], [t])[0]


def atomic(f, fn: str, dtype, pointer: str, values: list[str], how: str = "acq_rel") -> str:
    """What was there before; `how`: the order, maybe behind a scope."""
    t, align = type_of(dtype), dtype.bytes
    if fn == "cas":
        return swap(f, t, align, pointer, *values, how)[0]
    names = {"exchange": "xchg"}
    if dtype.kind == "f":
        names |= {"add": "fadd", "max": "fmaximum", "min": "fminimum"}
    elif dtype.kind == "u":
        names |= {"max": "umax", "min": "umin"}
    name = names.get(fn, fn)
    return f.let(f"atomicrmw {name} {f.ptr(pointer)}, {t} {values[0]} {how}, align {align}")


def swap(f, t: str, align: int, pointer: str, expected: str, new: str, how: str) -> list[str]:
    """Compare and swap: what was there, and whether it was as expected."""
    failure = "acquire" if how.endswith("acq_rel") else "monotonic"
    order = f"{how} {failure}, align {align}"
    pair = f.let(f"cmpxchg {f.ptr(pointer)}, {t} {expected}, {t} {new} {order}")
    return [f.let(f"extractvalue {{ {t}, i1 }} {pair}, {i}") for i in (0, 1)]
