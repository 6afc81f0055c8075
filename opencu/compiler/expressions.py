"""Questions about tile expressions: what a value is computed from, and what it touches."""

from opencu.tile.ir import Block, Op, Tile, Value

PURE = {
    "const",
    "pid",
    "npid",
    "dim",
    "slice",
    "pick",
    "load",
    "iota",
    "broadcast",
    "unary",
    "binary",
    "compare",
    "select",
    "cast",
    "fma",
    "yield",
    "bitcast",
}


def is_pure(op: Op) -> bool:
    return op.name in PURE or op.name == "if" and all(is_pure(o) for b in op.blocks for o in b.ops)


def reached(value: Value) -> dict[Value, tuple[bool, ...]]:
    """The tiles that a tile is computed from, itself included; per axis, False where it is
    broadcast. Stops at loads, loops and dots."""
    found: dict[Value, tuple[bool, ...]] = {}

    def visit(v: Value, wide: tuple[bool, ...]) -> None:
        if not isinstance(v.type, Tile) or v in found:
            return
        wide = tuple(w and s > 1 for w, s in zip(wide, v.type.shape)) if v is not value else wide
        found[v] = wide
        if v.op is None or v.op.name in ("load", "for", "dot"):
            return
        for x in v.op.operands:
            visit(x, wide)
        for block in v.op.blocks:
            visit(block.ops[-1].operands[v.op.results.index(v)], wide)

    visit(value, (True,) * len(value.type.shape))
    return found


def root_view(v: Value) -> Value:
    """The parameter behind a view."""
    while v.op is not None:
        v = v.op.operands[0]
    return v


def stored_views(block: Block) -> set[Value]:
    """The parameters that a block's stores write to, those of its inner blocks included."""
    found = {root_view(op.operands[0]) for op in block.ops if op.name == "store"}
    return found.union(*(stored_views(b) for op in block.ops for b in op.blocks))


def reads_elsewhere(store: Op) -> bool:
    """Does the stored value load from the memory it overwrites, at another place?"""
    place, shape = store.operands[:-1], store.operands[-1].type.shape
    return any(
        v.op is not None
        and v.op.name == "load"
        and root_view(v.op.operands[0]) is root_view(place[0])
        and (v.op.operands != place or v.type.shape != shape)
        for v in reached(store.operands[-1])
    )


def loads(v: Value) -> list[Value]:
    """The loads that a tile is computed from."""
    return [x for x in reached(v) if x.op is not None and x.op.name == "load"]


def uses(op: Op) -> set[Value]:
    """The values that an op uses, those of its blocks included."""
    inner = (v for b in op.blocks for o in b.ops for v in uses(o))
    return {*op.operands, *inner}


def is_zero(v: Value) -> bool:
    """Is the tile the constant zero?"""
    while v.op is not None and v.op.name == "broadcast":
        v = v.op.operands[0]
    return v.op is not None and v.op.name == "const" and v.op.attrs["value"] == 0


def zero_outside(v: Value) -> bool:
    """Is the tile zero wherever its loads are out of bounds?"""
    if v.op is None:
        return False
    if v.op.name == "load":
        return True
    return (
        v.op.name in ("cast", "unary")
        and v.op.attrs.get("fn") != "not"
        and zero_outside(v.op.operands[0])
    )
