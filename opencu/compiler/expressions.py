"""Questions about tile expressions: what a value is computed from, and what it touches."""

import math
import operator
from collections.abc import Container

from opencu.tile.dtypes import i64
from opencu.tile.ir import Block, Op, Tile, Value

PURE = {
    *"const pid npid dim slice pick load gather iota broadcast permute extract unary".split(),
    *"binary compare select cast bitcast fma part complex yield".split(),
}
WRITES = {"store", "scatter", "atomic"}
COMPUTED = {"reduce", "scan", "cat", "reshape"}  # where they stand, into scratch; no effects


def is_pure(op: Op) -> bool:
    """Can the op be computed where its result is used, and again at each use?"""
    if op.name == "reshape":
        return keeps_order(op)
    return op.name in PURE or op.name == "if" and all(is_pure(o) for b in op.blocks for o in b.ops)


def has_effects(op: Op) -> bool:
    return not (is_pure(op) or op.name in COMPUTED)


def keeps_order(reshape: Op) -> bool:
    """Does a reshape only add or drop axes of size 1?"""
    x, y = reshape.operands[0].type.shape, reshape.result.type.shape
    return [s for s in x if s > 1] == [s for s in y if s > 1]


def step_along(v: Value, axis: int) -> int | None:
    """By how much an integer tile grows from one index of an axis to the next: 0, 1 or unknown
    (also where narrow integers may wrap)."""
    op = v.op
    if not isinstance(v.type, Tile) or v.type.shape[axis] == 1:
        return 0
    if v.made_by not in ("iota", "broadcast", "cast", "binary"):
        return None
    if op.name == "iota":
        return int(op.attrs["axis"] == axis) if v.type.dtype.bits >= 32 else None
    steps = [step_along(x, axis) for x in op.operands]
    if not any(steps) and None not in steps:
        return 0
    if op.name == "cast":
        return 1 if steps == [1] and op.operands[0].op.name == "iota" else None
    if op.name == "binary" and (op.attrs["fn"] not in ("add", "sub") or v.type.dtype.bits < 64):
        return None
    known = ([1], [1, 0], [0, 1]) if op.attrs.get("fn") != "sub" else ([1, 0],)
    return 1 if steps in known else None


Where = tuple[tuple[int | None, int], ...]  # per axis: the root's axis (None: at 0), plus an offset


def operand_place(op: Op, x: Value, where: Where) -> Where:
    """Where an operand of a pure op is read when its result is read at `where`."""
    if op.name == "permute":
        found = dict(zip(op.attrs["axes"], where))
        return tuple(found[d] for d in range(len(where)))
    if op.name == "extract":
        return tuple((a, off + lo) for (a, off), lo in zip(where, op.attrs["start"]))
    if op.name == "reshape":
        kept = iter(w for w, s in zip(where, op.result.type.shape) if s > 1)
        return tuple(next(kept) if s > 1 else (None, 0) for s in x.type.shape)
    if op.name == "broadcast":
        return tuple((None, 0) if s == 1 else w for w, s in zip(where, x.type.shape))
    return where


def places(value: Value, known: Container[Value] = ()) -> list[tuple[Value, Where]]:
    """The tiles that a tile is computed from, itself included, and where they are read. Stops at
    loads, at what is computed where it stands, and at values that are known."""
    found: dict[tuple[Value, Where], None] = {}

    def visit(v: Value, where: Where) -> None:
        if not isinstance(v.type, Tile) or (v, where) in found:
            return
        found[v, where] = None
        if v in known or v.op is None or v.op.name == "load" or not is_pure(v.op):
            return
        for x in v.op.operands:
            if isinstance(x.type, Tile):
                visit(x, operand_place(v.op, x, where))
        for block in v.op.blocks:
            visit(block.ops[-1].operands[v.op.results.index(v)], where)

    visit(value, tuple((d, 0) for d in range(len(value.type.shape))))
    return list(found)


def weight(value: Value, known: Container[Value] = ()) -> int:
    """What computing an element of a tile costs, in simple operations."""
    size = math.prod(value.type.shape)
    tiles = {v for v, _ in places(value, known) if v not in known and v.op is not None}
    return sum(_weight(v.op) for v in tiles if math.prod(v.type.shape) >= size)


def _weight(op: Op) -> int:
    if op.name in ("gather", "load"):
        return 8 if op.name == "gather" or op.operands[0].type.strides[-1] != 1 else 0
    heavy = {"div": 6, "sqrt": 6, "floordiv": 24, "mod": 24}
    if op.attrs.get("fn") == "mul" and op.result.type.dtype == i64:
        return 8  # few targets multiply vectors of these
    return heavy.get(op.attrs.get("fn"), int(op.name not in ("broadcast", "iota", "permute")))


def reached(value: Value) -> dict[Value, tuple[bool, ...]]:
    """The tiles of `places`; per axis, whether it runs along the same axis of the value."""
    found: dict[Value, tuple[bool, ...]] = {}
    for v, where in places(value):
        same = tuple(
            w == (d, 0) and (s > 1 or v is value)
            for d, (w, s) in enumerate(zip(where, v.type.shape))
        )
        found[v] = tuple(map(operator.and_, same, found.get(v, same)))
    return found


def least(v: Value) -> list[Value]:
    """The numbers of which v is the minimum."""
    if v.made_by == "binary" and v.op.attrs["fn"] == "min":
        return [x for operand in v.op.operands for x in least(operand)]
    return [v]


def within(v: Value, view: Value, axis: int, size: int = 1) -> bool:
    """Is a number view.shape[axis] // size, or a minimum of that and others?"""

    def fits(x: Value) -> bool:
        if x.made_by == "binary" and x.op.attrs["fn"] == "floordiv":
            return _number(x.op.operands[1]) == size and within(x.op.operands[0], view, axis)
        own = x.made_by == "dim" and (x.op.operands[0], x.op.attrs["axis"]) == (view, axis)
        return own and size == 1

    return any(map(fits, least(v)))


def stays_whole(loop: Op | None, view: Value, axis: int, size: int) -> bool:
    """Are the tiles of so many elements that a loop's counter names all whole?"""
    return loop is not None and counts_up(loop) and within(loop.operands[1], view, axis, size)


def counts_up(loop: Op) -> bool:
    """Is a loop's counter never negative, and less than its end?"""
    return _number(loop.operands[0]) >= 0 and _number(loop.operands[2]) > 0


def _number(v: Value) -> int:
    """A constant's value; -1 of others."""
    return v.op.attrs["value"] if v.made_by == "const" else -1


def root_view(v: Value) -> Value:
    """The parameter behind a view."""
    while v.op is not None:
        v = v.op.operands[0]
    return v


def stored_views(block: Block) -> set[Value]:
    """The parameters that a block's stores write to, those of its inner blocks included."""
    return _views(block, WRITES)


def read_views(block: Block) -> set[Value]:
    """The parameters that a block reads or fetches, those of its inner blocks included."""
    return _views(block, {"load", "gather", "atomic", "prefetch"})


def _views(block: Block, names: set[str]) -> set[Value]:
    found = {root_view(op.operands[0]) for op in block.ops if op.name in names}
    return found.union(*(_views(b, names) for op in block.ops for b in op.blocks))


def reads_elsewhere(store: Op, known: Container[Value] = ()) -> bool:
    """Does the stored value read the memory it overwrites, at another place?"""
    place, shape = store.operands[:-1], store.operands[-1].type.shape

    def elsewhere(load: Op) -> bool:
        view, *index = load.operands
        view = view.op.operands[0] if view.made_by == "part" else view
        return index != place[1:] or not _same_or_apart(view, place[0])

    return any(
        v not in known
        and v.made_by in ("load", "gather")
        and root_view(v.op.operands[0]) is root_view(place[0])
        and (
            elsewhere(v.op)
            or v.type.shape != shape
            or where != tuple((d, 0) for d in range(len(shape)))
        )
        for v, where in places(store.operands[-1], known)
    )


def _same_or_apart(x: Value, y: Value) -> bool:
    """Are two parts of a view the same one or, being picked by other indices, have no element in
    common? Matrices that are pointed to may have."""
    while x is not y:
        both = x.made_by == y.made_by == "pick" and x.op.attrs == y.op.attrs
        if not both or x.op.operands[0].type.pointers:
            return False
        x, y = x.op.operands[0], y.op.operands[0]
    return True


def parts(v: Value) -> list[Value]:
    """The real values that a stored one is made of: two if it is complex."""
    return v.op.operands if v.made_by == "complex" else [v]


def loads(v: Value) -> list[Value]:
    """The loads and gathers that a tile is computed from."""
    return [x for x in reached(v) if x.made_by in ("load", "gather")]


def uses(op: Op) -> set[Value]:
    """The values that an op uses, those of its blocks included."""
    inner = (v for b in op.blocks for o in b.ops for v in uses(o))
    return {*op.operands, *inner}


def is_zero(v: Value) -> bool:
    """Is the tile the constant zero?"""
    while v.made_by == "broadcast":
        v = v.op.operands[0]
    return v.made_by == "const" and v.op.attrs["value"] == 0


def zero_outside(v: Value) -> bool:
    """Is the tile zero wherever its loads are out of bounds?"""
    if v.made_by == "select" and is_zero(v.op.operands[2]):
        return zero_outside(v.op.operands[1])
    if v.made_by not in ("cast", "unary") or v.op.attrs.get("fn") == "not":
        return v.made_by == "load"
    return zero_outside(v.op.operands[0])
