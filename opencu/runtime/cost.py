"""How long a launch will take: an expression over its arguments, in nanoseconds on one thread.

Only the order of magnitude counts: short launches run on the caller's own time, and long ones are
worth waking the workers. Loops count their trips where these follow from sizes and constants; what
cannot be known is long.
"""

import math

from opencu.compiler.expressions import root_view, weight
from opencu.runtime.plan import Slot, Slots
from opencu.tile.ir import Block, Function, Op, Scalar, Tile, Value, View

LONG = 1_000_000
PROGRAM = 10  # of a program that does nothing
OPS = 8  # simple operations, or elements read, in a nanosecond


class Unknown(Exception):
    """The time does not follow from the arguments."""


def estimate(function: Function, slots: Slots, programs: Slot) -> Slot:
    """The launch's time; slots hold its arguments as the kernel's parameter array has them."""
    try:
        return programs * (_Costs(function, slots).block(function.body) + PROGRAM)
    except Unknown:
        return slots.const(LONG)


class _Costs:
    def __init__(self, function: Function, slots: Slots):
        self.slots, self.words, at = slots, {}, 3
        for p in function.params:
            self.words[p] = at
            at += 1 + 2 * p.type.ndim if isinstance(p.type, View) else 1

    def block(self, block: Block) -> Slot:
        fixed, rest = 0.0, []
        for op in block.ops:
            if op.name == "while":
                raise Unknown
            if op.name == "for":
                rest.append(self.trips(op) * (self.block(op.blocks[0]) + 1))
            elif op.blocks:
                rest += [self.block(b) for b in op.blocks]
            else:
                fixed += _work(op)
        total = self.slots.const(math.ceil(fixed))
        for cost in rest:
            total = total + cost
        return total

    def trips(self, loop: Op) -> Slot:
        _, hi, step = loop.operands[:3]
        return self.most(hi).cdiv(self.most(step).max(1))

    def most(self, v: Value) -> Slot:
        """The most that an index can be, or about that."""
        op = v.op
        if op is None and v in self.words and isinstance(v.type, Scalar):
            return self.slots.arg(self.words[v]).max(0)
        if op is None or op.name not in ("const", "npid", "pid", "dim", "binary"):
            raise Unknown
        if op.name == "const":
            return self.slots.const(max(0, int(op.attrs["value"])))
        if op.name in ("npid", "pid"):
            return self.slots.arg(op.attrs["axis"])
        if op.name == "dim":
            return self.size(op.operands[0], op.attrs["axis"])
        x, y = (self.most(o) for o in op.operands)
        known = {
            "add": x.__add__, "mul": x.__mul__, "floordiv": x.__floordiv__, "min": x.min,
            "max": x.max, "sub": lambda y: x, "mod": lambda y: y,
        }  # fmt: skip
        if op.attrs["fn"] not in known:
            raise Unknown
        return known[op.attrs["fn"]](y)

    def size(self, view: Value, axis: int) -> Slot:
        """A view's size; of a slice, that of what it is cut from."""
        while view.op is not None:
            if view.op.name == "pick" and view.op.attrs["axis"] <= axis:
                axis += 1
            view = view.op.operands[0]
        return self.slots.arg(self.words[root_view(view)] + 1 + axis)


def _work(op: Op) -> float:
    """Nanoseconds of an op that makes its operands' tiles, points and all."""
    shapes = [v.type.shape for v in op.operands if isinstance(v.type, Tile)]
    if op.name == "dot":
        (m, k), (_, n) = shapes[:2]
        return m * n * k / (2 * OPS)
    if op.name not in ("store", "scatter", "atomic", "reduce", "scan", "cat", "reshape", "yield"):
        return 0
    lanes = 1 if op.name in ("scatter", "atomic") else OPS
    heavy = max((weight(v) for v in op.operands if isinstance(v.type, Tile)), default=0)
    return sum(math.prod(shape) * (2 + heavy) / lanes for shape in shapes)
