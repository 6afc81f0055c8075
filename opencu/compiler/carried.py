"""How a loop's values travel from trip to trip.

A number is a register. A tile of a few vectors that each trip changes element by element, as an
accumulator, is registers too, and goes to scratch after the loop. A larger one that only its own
next value reads stays in one place in scratch; any other has two places: the body reads one and
writes the other, and they swap.
"""

import itertools
from dataclasses import replace

from opencu.compiler.expressions import counts_up, is_pure, least, places, uses
from opencu.compiler.llvm import type_of
from opencu.compiler.memory import Point
from opencu.tile.ir import KernelError, Op, Scalar, Tile, Value, View

MOVES = ("broadcast", "permute", "extract", "reshape", "if")


def lower(state, op: Op) -> None:
    """Emit a for or while loop."""
    counted = op.name == "for"
    carried = op.operands[3:] if counted else op.operands
    for v in carried:
        if isinstance(v.type, View):
            raise KernelError(op.loc, "a view cannot change in a loop")
    loop = _Loop(state, op, carried, counted)
    start = [x for c in loop.carriers for x in c.start()]

    def trip(values: list[str]) -> list[str]:
        loop.enter(op.blocks[-1].args[counted:], values)
        state.block(op.blocks[-1])
        after = loop.leave(op.blocks[-1].ops[-1].operands, values)
        state.settle()
        return after

    if counted:
        lo, hi, step = (state.scalars[v] for v in op.operands[:3])

        def counted_trip(counter: str, values: list[str]) -> list[str]:
            state.scalars[op.blocks[0].args[0]] = counter
            state.counted[op.blocks[0].args[0]] = op
            if counts_up(op):
                state.points.below[counter] = {state.scalars[v] for v in least(op.operands[1])}
            return trip(values)

        last = state.around(lambda: state.f.loop(lo, hi, step, start, counted_trip))
    else:

        def more(values: list[str]) -> str:
            loop.enter(op.blocks[0].args, values)
            state.block(op.blocks[0])
            return state.scalars[op.blocks[0].ops[-1].operands[0]]

        last = state.around(lambda: state.f.repeat(start, more, trip))
    loop.finish(op.results, last)


class _Loop:
    def __init__(self, state, op: Op, carried: list[Value], counted: bool):
        self.op, self.state = op, state
        reads = [_own_users(op, i, counted) for i in range(len(carried))]
        registers = _Registers.plan(state, op, carried, reads)
        self.carriers: list = []
        for i, v in enumerate(carried):
            if isinstance(v.type, Scalar):
                self.carriers.append(_Number(state, v))
            elif registers and i in registers.members:
                self.carriers.append(_Vectors(state, v, registers.points))
            elif sums := state.sums(op, v, i):
                self.carriers.append(sums)
            else:
                self.carriers.append(_Memory(state, v, 1 if reads[i] == {i} else 2))
        self.registers = registers

    def split(self, values: list[str]) -> list[list[str]]:
        """Each carrier's own values."""
        mine = iter(values)
        return [list(itertools.islice(mine, c.count)) for c in self.carriers]

    def enter(self, args: list[Value], values: list[str]) -> None:
        for c, arg, mine in zip(self.carriers, args, self.split(values)):
            c.enter(arg, mine)

    def leave(self, ends: list[Value], values: list[str]) -> list[str]:
        fixed, mine = {}, self.split(values)
        if self.registers:
            args = self.op.blocks[-1].args[self.op.name == "for" :]
            fixed = self.registers.compute(args, ends, mine)
        carriers = enumerate(zip(self.carriers, ends, mine))
        return [x for i, (c, end, v) in carriers for x in fixed.get(i) or c.leave(end, v)]

    def finish(self, results: list[Value], values: list[str]) -> None:
        for c, result, mine in zip(self.carriers, results, self.split(values)):
            c.finish(result, mine)


def _own_users(op: Op, i: int, counted: bool) -> set[int] | None:
    """The carried values whose next ones read this tile, element by element; None if it is read
    in any other way."""
    body = op.blocks[-1]
    if any(op.blocks[0].args[i] in uses(o) for o in op.blocks[0].ops) and not counted:
        return None
    derived, found = {body.args[counted + i]}, set()
    for o in body.ops:
        if not derived & uses(o):
            continue
        if o.name == "yield":
            found |= {n for n, v in enumerate(o.operands) if v in derived}
        elif not is_pure(o) or o.name in MOVES or not isinstance(o.result.type, Tile):
            return None
        else:
            derived.add(o.result)
    return found


class _Number:
    count = 1

    def __init__(self, state, v: Value):
        self.state, self.v = state, v

    def start(self) -> list[tuple[str, str]]:
        return [(type_of(self.v.type.dtype), self.state.scalars[self.v])]

    def enter(self, arg: Value, values: list[str]) -> None:
        (self.state.scalars[arg],) = values

    def leave(self, end: Value, values: list[str]) -> list[str]:
        return [self.state.scalars[end]]

    finish = enter


class _Memory:
    """A tile in one or two places in scratch."""

    def __init__(self, state, v: Value, places: int):
        self.state, self.count = state, places
        self.v = v
        self.places = [state.memory(v.type) for _ in range(places)]
        state.put(v, self.places[0])

    def start(self) -> list[tuple[str, str]]:
        return [(self.state.f.pointer_type(p.pointer), p.pointer) for p in self.places]

    def enter(self, arg: Value, values: list[str]) -> None:
        for x in values:
            self.state.f.points_like(x, *(p.pointer for p in self.places))
        self.state.points.access[arg] = replace(self.places[0], pointer=values[0])

    def leave(self, end: Value, values: list[str]) -> list[str]:
        self.state.put(end, replace(self.places[0], pointer=values[-1]))
        return values[::-1]

    finish = enter


class _Vectors:
    """A tile in registers: a vector for each of some fixed points."""

    def __init__(self, state, v: Value, points: list[Point]):
        self.state, self.v, self.points, self.count = state, v, points, len(points)

    def start(self) -> list[tuple[str, str]]:
        self.state.sync([self.v])
        values = self.state.points.at(self.v, self.points, {})
        return [(type_of(self.v.type.dtype, p.width), x) for p, x in zip(self.points, values)]

    def enter(self, arg: Value, values: list[str]) -> None:
        return None  # `compute` knows its argument

    def finish(self, result: Value, values: list[str]) -> None:
        memory = self.state.memory(result.type)
        self.state.sync([], memory)
        for p, x in zip(self.points, values):
            self.state.points.store(memory, result.type.dtype, x, p)
        self.state.points.access[result] = memory


class _Registers:
    """The carried tiles, all of one shape, that stay in registers."""

    def __init__(self, state, members: list[int], points: list[Point]):
        self.state, self.members, self.points = state, members, points

    @staticmethod
    def plan(state, op: Op, carried: list[Value], reads: list) -> "_Registers | None":
        tiles = [i for i, v in enumerate(carried) if isinstance(v.type, Tile)]
        shapes = dict.fromkeys(carried[i].type.shape for i in tiles)
        ends = op.blocks[-1].ops[-1].operands
        for shape in shapes:
            members = [i for i in tiles if carried[i].type.shape == shape]
            if any(reads[i] is None or not reads[i] <= set(members) for i in members):
                continue
            w = min(state.width(v) for i in members for v in (carried[i], ends[i]))
            points = state.resident(carried[members[0]].type, w, len(members))
            if points:
                return _Registers(state, members, points)
        return None

    def compute(
        self, args: list[Value], ends: list[Value], values: list[list[str]]
    ) -> dict[int, list[str]]:
        """The next vectors of every member: without masks where every load is whole."""
        state, points, first = self.state, self.state.points, self.points[0]
        nexts = [ends[i] for i in self.members]
        state.sync(nexts)

        def side(*, checked: bool) -> list[str]:
            here = [replace(p, checked=checked) for p in self.points]
            memo = {
                (args[i], p): x for i in self.members for p, x in zip(here, values[i], strict=True)
            }
            return [x for i in self.members for x in points.at(ends[i], here, memo)]

        reads = {v for i in self.members for v, _ in places(ends[i], points.access)}
        ragged = state.ragged(nexts[0].type.shape, self.points)
        if ragged or not reads & set(points.access):
            out = side(checked=ragged)
        else:
            whole = state.whole(nexts, first.lane, first.width)
            types = [type_of(v.type.dtype, first.width) for v in nexts for _ in self.points]
            sides = (lambda: side(checked=False), lambda: side(checked=True))
            out = state.f.branch(whole, *sides, types)
        n = len(self.points)
        return {i: out[k * n : (k + 1) * n] for k, i in enumerate(self.members)}
