"""Loads that must happen where they stand.

The lowering reads memory where a value is used (points.py). A load whose value is used beyond a
store would see what the store wrote, so its tile is copied to scratch first. Any store counts: two
views may be the same memory.
"""

from opencu.compiler.expressions import WRITES, is_pure, uses
from opencu.tile.ir import Block, Op, Tile, Value


def early_loads(block: Block) -> set[Value]:
    """The loads of a block, and of the blocks inside, whose values outlive a store."""
    found: set[Value] = set()
    for i, op in enumerate(block.ops):
        for inner in op.blocks:
            found |= early_loads(inner)
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
