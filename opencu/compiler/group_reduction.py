"""Reductions and scans of a work-group.

Each result has a team of threads, a power of two of them. A thread of the team folds its chunks in
registers; then the team's partial results meet, the upper half onto the lower, by shuffles between
threads that run in step and through shared memory otherwise:

    8 threads, 2 results     0 1 2 3 | 4 5 6 7      0+2 1+3 . . | 4+6 5+7 . .      0+1 . . . | ...

The order depends on the shape and the target alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from opencu.compiler.llvm import type_of
from opencu.compiler.memory import Access, Point, moved
from opencu.compiler.reduction import Fold, Parts, Reduction
from opencu.tile.dtypes import DType
from opencu.tile.ir import Op, Scalar, Tile


class Team:
    """`size` threads for each of `count` results, as many results at once as there is room for. No
    more threads than there is work for; at least `least`, even if there are results for all."""

    def __init__(self, state, dtypes: Sequence[DType], count: int, work: int, least: int):
        self.state, self.f, self.dtypes, self.count = state, state.f, dtypes, count
        threads = state.target.threads
        share = threads >> min(max(count - 1, 0), threads - 1).bit_length()
        self.size = min(max(share, least), 1 << max(work - 1, 0).bit_length(), threads)
        self.at_once = threads // self.size
        self.rank = self.f.let(f"and i64 {self.f.thread}, {self.size - 1}")
        self.place = self.f.let(f"lshr i64 {self.f.thread}, {self.size.bit_length() - 1}")
        self.shuffles = min(state.target.lanes, self.size)
        tiles = [Tile((threads,), d) for d in dtypes]
        self.slots = [state.memory(t) for t in tiles] if self.size > self.shuffles else []

    def exists(self, number: str) -> str:
        return self.f.less(number, str(self.count)) if self.count % self.at_once else "true"

    def each(self, body: Callable[[str], None]) -> None:
        """body(number of this thread's result), for all results."""
        if self.count <= self.at_once:
            body(self.place)
            return
        step, f = str(self.at_once), self.f
        self.state.each("0", str(self.count), step, lambda i: body(f.add(i, self.place)))

    def other(self, x: Sequence[str], thread: str, near: bool) -> list[str]:
        """The x of another thread of the team; `near`: one that runs in step."""
        f = self.f
        if near:
            return [f.shuffled(v, d, thread) for v, d in zip(x, self.dtypes)]
        spaces = [f.spaces[a.pointer] for a in self.slots]
        slots = list(zip(self.slots, self.dtypes))
        self.state.touch([], spaces)
        for v, (a, dtype) in zip(x, slots):
            self.state.points.store(a, dtype, v, Point((f.thread,), 0, 1))
        self.state.touch(spaces, [])
        return [self.state.points.load(a, dtype, Point((thread,), 0, 1)) for a, dtype in slots]

    def together(self, fold: Fold, x: list[str]) -> list[str]:
        """The team's partial results as one, which its first thread has."""
        distance = self.size // 2
        while distance:
            there = self.f.let(f"xor i64 {self.f.thread}, {distance}")
            y = self.other(x, there, distance < self.shuffles)
            x, distance = fold.combine(x, y, 1), distance // 2
        return x


def reduce(state, op: Op) -> None:
    """Emit a reduction; its result goes through shared memory, a number's too."""
    one = Tile(tuple(1 for _ in op.operands[0].type.shape), op.result.type.dtype)
    scalar = isinstance(op.result.type, Scalar)
    memory = state.memory(one if scalar else op.result.type)
    kept = len(state.frames[-1])
    GroupReduction(state, op).into(memory)
    state.release(kept)
    if not scalar:
        state.points.access[op.result] = memory
        return
    state.touch([state.f.spaces[memory.pointer]], [])
    zeros = Point(("0",) * len(one.shape), 0, 1)
    state.scalars[op.result] = state.points.load(memory, one.dtype, zeros)


class GroupReduction(Reduction):
    """Lanes lie along a reduced axis, or there is one."""

    def into(self, memory: Access) -> None:
        state, f, fold, shape = self.state, self.f, self.fold, self.shape
        wide = self.lane in self.axes
        self.w = state.lanes(shape, self.lane, self.w) if wide else 1
        lane = self.lane if wide else self.axes[-1]
        inner = [s if d in self.axes else 1 for d, s in enumerate(shape)]
        outer = [1 if d in self.axes else s for d, s in enumerate(shape)]
        work, count = math.prod(inner) // self.w, math.prod(outer)
        state.sync([self.x])
        self.memory = memory
        team = Team(state, fold.dtypes, count, work, max(state.target.lanes, 8) if wide else 1)
        whole = state.whole([self.x], self.lane, self.w)
        types = [v.type for v in fold.lanes(self.w)]

        def one(number: str) -> None:
            exists = team.exists(number)
            end = f.select(exists, str(work), "0")
            there = state.at(number, outer)

            def partial(checked: bool) -> Parts:
                def add(c: str, parts: Parts) -> Parts:
                    at = state.point(c, inner, lane, self.w, checked).at
                    at = tuple(at[d] if d in self.axes else there[d] for d in range(len(shape)))
                    return self.add(parts, [Point(at, lane, self.w, checked)])

                return self.loop(team.rank, end, str(team.size), self.identities(1), add)

            parts = state.either(whole, lambda: partial(False), lambda: partial(True), types)
            total = team.together(fold, fold.across(list(parts), self.w))[-1]
            state.touch([], [f.spaces[memory.pointer]])
            write = f.all_of((exists, f.let(f"icmp eq i64 {team.rank}, 0")))
            f.when(write, lambda: self.store(total, Point(tuple(there), 0, 1)))

        team.each(one)


def scan(state, op: Op) -> None:
    """Emit a scan: a team goes along its line, and carries the sum of all that came before."""
    f, x, axis = state.f, op.operands[0], op.attrs["axis"]
    shape, dtype = x.type.shape, x.type.dtype
    memory, fold = state.memory(x.type), Fold(state, op.attrs["fn"], dtype)
    kept = len(state.frames[-1])
    outer = [1 if d == axis else s for d, s in enumerate(shape)]
    least = max(state.target.lanes, 8) if state.lane_of(x) == axis else 1
    state.sync([x])
    team = Team(state, fold.dtypes, math.prod(outer), shape[axis], least)

    def line(number: str) -> None:
        exists, there = team.exists(number), tuple(state.at(number, outer))

        def step(base: str, carried: str) -> str:
            here = f.add(base, team.rank)
            p = Point(moved(there, axis, here), axis, 1, True)
            inside = f.all_of((exists, f.less(here, str(shape[axis]))))
            t, neutral = type_of(dtype), fold.identity(1)
            value = f.branch(inside, lambda: state.points.at(x, [p], {}), lambda: neutral, [t])
            distance = 1
            while distance < team.size:
                before = f.let(f"sub i64 {f.thread}, {distance}")
                first = f.let(f"icmp ult i64 {team.rank}, {distance}")
                before = f.select(first, f.thread, before)
                (y,) = team.other(value, before, team.shuffles >= team.size)
                (both,) = fold.combine([y], value, 1)
                value = [f.select(first, value[0], both, t)]
                distance *= 2
            value = fold.combine([carried], value, 1)
            state.touch([], [f.spaces[memory.pointer]])
            place = replace(p, checked=False)
            f.when(inside, lambda: state.points.store(memory, dtype, value[0], place))
            if team.size == 1 or shape[axis] <= team.size:
                return value[0]
            last = f.let(f"or i64 {f.thread}, {team.size - 1}")
            return team.other(value, last, team.shuffles >= team.size)[0]

        if shape[axis] <= team.size:
            step("0", fold.identity(1)[0])
            return
        start = [(type_of(dtype), fold.identity(1)[0])]

        def trip(base: str, carried: list[str]) -> list[str]:
            after = step(base, carried[0])
            state.settle()
            return [after]

        end, size = str(shape[axis]), str(team.size)
        state.around(lambda: f.loop("0", end, size, start, trip))

    team.each(line)
    state.release(kept)
    state.points.access[op.result] = memory
