"""Which tiles are computed into scratch although they could be computed at each use.

A tile expression is computed at the points that its users ask for, again for each of them. That is
right for loads (a row that was just read is in the first-level cache) and for a few additions; what
costs more than LIGHT simple operations and has two users, as e in e / sum(e), is computed once,
into scratch, where it stands. A tile of over LARGE bytes would not stay in the cache: it is
computed again.

A load whose value is used beyond a store would see there what the store wrote: its tile is copied
where it stands, too. Any store counts: two views may be the same memory.
"""

import math
from collections.abc import Iterator

from opencu.compiler.expressions import WRITES, is_pure, uses, weight
from opencu.tile.ir import Block, Function, Op, Tile, Value

LIGHT = 8
LARGE = 256 << 10

Loops = tuple[Op, ...]  # the loops around an op


def held(function: Function, large: int = LARGE) -> set[Value]:
    """The tiles that are computed once and kept in scratch."""
    found = _Uses(function, large)
    shared = {v for v in found.loops if found.shared(v) and weight(v) >= LIGHT}
    return shared | _early_loads(function.body)


class _Uses:
    def __init__(self, function: Function, large: int):
        self.large = large
        self.loops: dict[Value, Loops] = {}  # of tiles that an op outside of branches makes
        self.users: dict[Value, list[tuple[Op, Loops, Op | None]]] = {}
        self.known: dict[Value, frozenset] = {}
        self.walk(function.body, (), None)

    def walk(self, block: Block, loops: Loops, owner: Op | None) -> None:
        for op in block.ops:
            for v in op.operands:
                self.users.setdefault(v, []).append((op, loops, owner))
            for v in op.results:
                if isinstance(v.type, Tile) and (owner is None or not is_pure(owner)):
                    self.loops[v] = loops
            for inner in op.blocks:
                around = (*loops, op) if op.name in ("for", "while") else loops
                self.walk(inner, around, op)

    def next(self, v: Value) -> Iterator[tuple[Op, Loops, list[Value]]]:
        """The ops that use v, and the tiles that each of them makes of it where those are used."""
        for op, loops, owner in self.users.get(v, []):
            if op.name == "yield" and owner is not None and is_pure(owner):
                yield op, loops, [r for x, r in zip(op.operands, owner.results) if x is v]
            else:
                lazy = is_pure(op) and op.name != "yield"
                yield op, loops, [r for r in op.results if lazy and isinstance(r.type, Tile)]

    def roots(self, v: Value) -> frozenset:
        """Where v is computed; twice for a loop that v does not change in."""
        if v not in self.known:
            found: set = set()
            for op, loops, made in self.next(v):
                if len(loops) > len(self.loops.get(v, loops)):
                    found.add(("again", op.results[0] if op.results else id(op)))
                found |= frozenset().union(*map(self.roots, made)) if made else {id(op)}
            self.known[v] = frozenset(found)
        return self.known[v]

    def shared(self, v: Value) -> bool:
        """Has v users of its own, which do not all go through one other tile?"""
        if v.op is None or not is_pure(v.op) or len(self.roots(v)) < 2:
            return False
        size = math.prod(v.type.shape)
        if v.type.dtype.kind == "b" or size * v.type.dtype.bytes > self.large:
            return False
        return not any(
            self.roots(r) == self.roots(v) and math.prod(r.type.shape) <= size
            for _, _, made in self.next(v)
            for r in made
        )


def _early_loads(block: Block) -> set[Value]:
    """The loads of a block, and of the blocks inside, whose values outlive a store."""
    found: set[Value] = set()
    for i, op in enumerate(block.ops):
        for inner in op.blocks:
            found |= _early_loads(inner)
        tile = op.name in ("load", "gather") and isinstance(op.result.type, Tile)
        if tile and _outlives_store(op.result, block.ops[i + 1 :]):
            found.add(op.result)
    return found


def _outlives_store(value: Value, rest: list[Op]) -> bool:
    derived, stored = {value}, False
    for op in rest:
        used = bool(derived & uses(op))
        if used and is_pure(op) and op.name != "yield":
            derived |= {r for r in op.results if isinstance(r.type, Tile)}
            continue
        # A loop or branch may store before it uses the value.
        if used and (stored or (op.blocks and _writes(op))):
            return True
        stored = stored or _writes(op)
    return False


def _writes(op: Op) -> bool:
    return op.name in WRITES or any(_writes(o) for b in op.blocks for o in b.ops)
