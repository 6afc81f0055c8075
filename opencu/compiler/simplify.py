"""Simplify a kernel's IR in place: fold integer constants, share common values, drop dead ops.

Sharing comes before the lowerings ask whether two places are the same, so it must see through
constants that the front end wrote twice. Loads are not shared: a store may lie between them.
"""

from typing import Any

import numpy as np

from opencu.compiler.expressions import has_effects, uses
from opencu.tile.interp import FUNCTIONS
from opencu.tile.ir import Block, Function, Op, Scalar, Value
from opencu.tile.ops import verify


def simplify(function: Function) -> Function:
    _share(function.body, {}, {})
    _drop(function.body)
    verify(function)
    return function


def _share(block: Block, known: dict[Any, Op], same: dict[Value, Value]) -> None:
    """Replace each op by an equal one before it; blocks see what their surroundings know."""
    known = dict(known)
    kept = []
    for op in block.ops:
        op.operands = [same.get(v, v) for v in op.operands]
        for inner in op.blocks:
            _share(inner, known, same)
        _fold(op)
        types = tuple(r.type for r in op.results)
        key = (op.name, tuple(op.operands), repr(sorted(op.attrs.items())), types)
        if not has_effects(op) and op.name not in ("load", "gather", "if", "yield"):
            if key in known:
                same.update(zip(op.results, known[key].results))
                continue
            known[key] = op
        kept.append(op)
    block.ops = kept


def _fold(op: Op) -> None:
    """Turn scalar integer arithmetic on constants into a constant."""
    if op.name not in ("binary", "compare") or not isinstance(op.result.type, Scalar):
        return
    sources = [v.op for v in op.operands if v.made_by == "const"]
    if len(sources) == 2 and all(s.result.type.dtype.kind in "iu" for s in sources):
        x, y = (s.attrs["value"] for s in sources)
        if op.attrs["fn"] in ("floordiv", "mod") and y == 0:
            return
        number = sources[0].result.type.dtype.numpy.type
        with np.errstate(over="ignore"):  # integers wrap
            value = FUNCTIONS[op.attrs["fn"]](number(x), number(y))
        op.name, op.operands, op.attrs = "const", [], {"value": value.item()}


def _drop(block: Block) -> None:
    """Remove pure ops whose results nobody uses; later ones first."""
    needed: set[Value] = set()
    kept = []
    for op in reversed(block.ops):
        for inner in op.blocks:
            _drop(inner)
        if op.name == "yield" or has_effects(op) or needed & set(op.results):
            needed |= uses(op)
            kept.append(op)
    block.ops = kept[::-1]
