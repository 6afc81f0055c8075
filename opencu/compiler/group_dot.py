"""A dot of a work-group: operands through shared memory, sums in registers.

    for each step of the loop around the dot, and KC of its depth at a time
        the threads copy a's BM x KC and b's KC x BN, through their load hooks, to shared memory
        each thread: acc[MR, NR] += a column of MR and a row of NR, for each k

    a thread's rows, MR = 4 in strips of 2, of 4 threads down      0 0 1 1 2 2 3 3 0 0 1 1 2 2 3 3

(columns alike): neighbours read neighbouring words of shared memory, and write neighbouring words of
the result. After the last step the epilogue runs at each thread's own points.
"""

import math
from dataclasses import replace

from opencu.compiler.dot import Nest
from opencu.compiler.expressions import is_zero, parts
from opencu.compiler.llvm import Lanes, constant, type_of
from opencu.compiler.memory import Access, Point, moved
from opencu.compiler.multiply import choose, converted
from opencu.compiler.register_block import MEETS
from opencu.tile.ir import KernelError, Value

DEPTH = 32  # of what lies in shared memory at once, at most
STAGED = 20 << 10  # bytes of it, if that is not too shallow
SUMS = 200  # 4-byte registers for a thread's sums


def lower(state, nest: Nest, fused: tuple[Value, Access] | None) -> None:
    GroupDot(state, nest, fused).run()


def strip(count: int, bytes: int) -> int:
    """How many elements of a thread lie side by side."""
    return math.gcd(count, 16 // bytes)


class GroupDot:
    """One nest being emitted."""

    def __init__(self, state, nest: Nest, fused: tuple[Value, Access] | None):
        self.state, self.nest, self.f, self.points = state, nest, state.f, state.points
        operands, planes = nest.dot.operands, nest.planes
        self.dtype = nest.results[0].type.dtype
        self.type, self.bytes = type_of(self.dtype), self.dtype.bytes
        self.multiply = choose(state.target, operands[0].type.dtype, self.dtype, True)
        self.a, self.b = (
            [converted(v, self.multiply.element) for v in x]
            for x in (operands[:planes], operands[planes : 2 * planes])
        )
        self.init = nest.loop.operands[3:] if nest.loop else operands[2 * planes :]
        self.outputs = [fused] if fused else [(v, state.points.access[v]) for v in nest.results]
        (bm, self.bk), (_, bn) = self.a[0].type.shape, self.b[0].type.shape
        self.shape = bm, bn
        self.block = self.sizes()
        self.across = [-(-n // r) for n, r in zip(self.shape, self.block)]  # blocks, per axis
        self.strips = [strip(r, self.bytes) for r in self.block]
        count = math.prod(self.across)
        self.turns = -(-count // state.target.threads)  # blocks of a thread
        self.sums = math.prod(self.block) * self.turns  # of a plane
        registers = self.sums * planes * self.bytes // 4
        if registers > SUMS:
            what = f"a dot of {bm} x {bn} takes {registers} registers a thread for its sums"
            raise KernelError(nest.dot.loc, f"{state.target.name}: {what}: at most {SUMS}")
        self.first = []  # per turn and axis: the block's first row, column
        self.exists = []
        for turn in range(self.turns):
            number = self.f.add(self.f.thread, str(turn * state.target.threads))
            self.exists.append(self.f.less(number, str(count)) if count % state.target.threads else "true")
            number = self.f.select(self.exists[-1], number, str(count - 1))
            place = state.at(number, self.across)
            self.first.append([self.f.mul(p, str(s)) for p, s in zip(place, self.strips)])

    def sizes(self) -> tuple[int, int]:
        """A thread's rows and columns: as few as do with the threads that there are, and square."""
        block = [1, 1]
        while math.prod(-(-n // r) for n, r in zip(self.shape, block)) > self.state.target.threads:
            axis = block.index(min(block)) if max(block) < 8 else 1
            axis = axis if self.shape[axis] > block[axis] else 1 - axis
            block[axis] *= 2
        return block[0], block[1]

    def run(self) -> None:
        state, f, loop = self.state, self.f, self.nest.loop
        since = len(state.frames[-1])
        self.stage()
        acc = self.begin()
        if loop is None:
            acc = self.chunk(acc)
        else:
            lo, hi, step = (state.scalars[v] for v in loop.operands[:3])

            def trip(k: str, acc: list[str]) -> list[str]:
                state.scalars[loop.blocks[0].args[0]] = k
                for op in loop.blocks[0].ops:
                    if op.name not in ("dot", "yield"):
                        getattr(state, f"op_{op.name}", state.op_pointwise)(op)
                acc = self.chunk(acc)
                state.settle()
                return acc

            acc = state.around(lambda: f.loop(lo, hi, step, self.carried(acc), trip))
        state.release(since)
        self.finish(acc)

    def carried(self, acc: list[str]) -> list[tuple[str, str]]:
        return [(self.type, x) for x in acc]

    # ---- operands in shared memory ---------------------------------------------------------------

    def stage(self) -> None:
        """Room for KC columns of a and rows of b, each column and row in one piece."""
        lanes = 16 // self.bytes
        self.lines = [-(-n * r // lanes) * lanes + lanes for n, r in zip(self.across, self.block)]
        line = sum(self.lines) * self.bytes * len(self.a)
        most = max(min(DEPTH, STAGED // line), 8)
        self.kc = max(d for d in range(1, most + 1) if self.bk % d == 0)
        rows, columns = self.lines
        a, b = ([self.state.allocate(n * self.kc * self.bytes) for _ in self.a] for n in self.lines)
        limits = (str(rows), str(self.kc)), (str(self.kc), str(columns))
        self.staged = (
            [Access(p, ("1", str(rows)), limits[0]) for p in a],
            [Access(p, (str(columns), "1"), limits[1]) for p in b],
        )

    def copy(self, v: Value, to: Access, axis: int, start: str) -> None:
        """Rows (axis 0) or columns of an operand, from k = start on."""
        state, k = self.state, 1 - axis
        shape = moved(v.type.shape, k, self.kc)
        lane = state.lane_of(v)
        w = state.lanes(shape, lane, state.width(v))
        state.sync([v], to)

        def write(points: list[Point]) -> None:
            there = [replace(p, at=moved(p.at, k, self.f.add(p.at[k], start))) for p in points]
            values = self.points.at(v, there, {})
            for x, p in zip(values, points):
                self.points.store(to, self.dtype, x, replace(p, checked=False))

        def deal(w: int, checked: bool) -> None:
            state.deal(shape, lane, w, write, checked=checked)

        state.either(state.whole([v], lane, w), lambda: deal(w, False), lambda: deal(1, True))

    # ---- products --------------------------------------------------------------------------------

    def chunk(self, acc: list[str]) -> list[str]:
        """acc and the products of one tile of a and one of b."""

        def part(k: str, acc: list[str]) -> list[str]:
            for axis, planes in enumerate((self.a, self.b)):
                for v, to in zip(planes, self.staged[axis]):
                    self.copy(v, to, axis, k)
            spaces = [self.f.spaces[s.pointer] for x in self.staged for s in x]
            self.state.touch(spaces, [])
            unroll = math.gcd(self.kc, 4)
            end, step = str(self.kc), str(unroll)
            return self.f.loop("0", end, step, self.carried(acc), lambda k, acc: self.steps(k, acc, unroll))

        if self.kc == self.bk:
            return part("0", acc)

        def trip(k: str, acc: list[str]) -> list[str]:
            acc = part(k, acc)
            self.state.settle()
            return acc

        end, step = str(self.bk), str(self.kc)
        return self.state.around(lambda: self.f.loop("0", end, step, self.carried(acc), trip))

    def steps(self, k: str, acc: list[str], count: int) -> list[str]:
        acc, planes = list(acc), len(self.a)
        columns = self.block[1]
        for u in range(count):
            at = self.f.add(k, str(u))
            for turn in range(self.turns):
                xs, ys = (
                    [self.line(s, axis, turn, at) for s in self.staged[axis]] for axis in (0, 1)
                )
                for p, meets in enumerate(MEETS[planes]):
                    for r, x in enumerate(xs[p]):
                        for q, plane in meets:
                            factor = self.f.let(f"fneg {self.type} {x}") if p and q else x
                            for c, y in enumerate(ys[q]):
                                n = plane * self.sums + turn * math.prod(self.block) + r * columns + c
                                acc[n] = self.multiply.step(self.f, self.dtype, 1, factor, y, acc[n])
        return acc

    def line(self, a: Access, axis: int, turn: int, k: str) -> list[str]:
        """This thread's elements of a staged column or row."""
        found, w = [], self.strips[axis]
        lanes = Lanes(self.f, self.dtype, w)
        for start in self.starts(axis, turn):
            at = (start, k) if axis == 0 else (k, start)
            vector = self.points.load(a, self.dtype, Point(at, axis, w))
            found += [lanes.extract(vector, i) for i in range(w)]
        return found

    def starts(self, axis: int, turn: int) -> list[str]:
        """Where this thread's strips lie along an axis."""
        stride = self.across[axis] * self.strips[axis]
        count = self.block[axis] // self.strips[axis]
        return [self.f.add(self.first[turn][axis], str(i * stride)) for i in range(count)]

    # ---- the sums' first and last use ------------------------------------------------------------

    def rows(self, turn: int) -> list[str]:
        starts = self.starts(0, turn)
        return [self.f.add(s, str(i)) for s in starts for i in range(self.strips[0])]

    def begin(self) -> list[str]:
        self.state.sync([v for v in self.init if not is_zero(v)])
        acc = []
        for v in self.init:
            if is_zero(v):
                acc += [constant(self.dtype, 0)] * self.sums
                continue
            for turn in range(self.turns):
                columns = [
                    self.f.add(s, str(i))
                    for s in self.starts(1, turn)
                    for i in range(self.strips[1])
                ]
                points = [Point((r, c), 1, 1, True) for r in self.rows(turn) for c in columns]
                acc += self.points.at(v, points, {})
        return acc

    def finish(self, acc: list[str]) -> None:
        """The epilogue, and the stores: by strips of a row, or element by element at the edges."""
        state, values = self.state, [v for v, _ in self.outputs]
        real = [x for v in values for x in parts(v)]
        state.sync(real, *(a for _, a in self.outputs))
        w = math.gcd(self.strips[1], *(state.width(v) for v in values))
        fits = all(n * r == s for n, r, s in zip(self.across, self.block, self.shape))
        whole = state.whole(values, 1, w, *(a for _, a in self.outputs)) if fits else "false"
        for turn, exists in enumerate(self.exists):
            self.f.when(
                exists,
                lambda t=turn: state.either(
                    whole, lambda: self.write(acc, t, w, False), lambda: self.write(acc, t, 1, True)
                ),
            )

    def write(self, acc: list[str], turn: int, w: int, checked: bool) -> None:
        lanes, width = Lanes(self.f, self.dtype, w), self.block[1]
        for r, row in enumerate(self.rows(turn)):
            starts = [
                self.f.add(s, str(i)) for s in self.starts(1, turn) for i in range(0, self.strips[1], w)
            ]
            points = [Point((row, c), 1, w, checked) for c in starts]
            memo = {}
            for plane, v in enumerate(self.nest.results):
                first = plane * self.sums + turn * math.prod(self.block) + r * width
                for i, p in enumerate(points):
                    some = acc[first + i * w : first + (i + 1) * w]
                    memo[v, p] = lanes.of(some) if w > 1 else some[0]
            for value, access in self.outputs:
                self.points.put(access, value, points, memo)
