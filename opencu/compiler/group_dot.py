"""A dot of a work-group: operands through shared memory, sums in registers.

    for each step of the loop around the dot, and KC of its depth at a time
        the threads copy a's BM x KC and b's KC x BN, through their load hooks, to shared memory
        each thread: acc[MR, NR] += a column of MR and a row of NR, for each k

    a thread's rows, MR = 4 in strips of 2, of 4 threads down      0 0 1 1 2 2 3 3 0 0 1 1 2 2 3 3

(columns alike): neighbours read neighbouring words of shared memory, and write neighbouring words
of the result. After the last step the epilogue runs at each thread's own points.
"""

import math
from dataclasses import replace

from opencu.compiler.carried import MOVES
from opencu.compiler.dot import Nest
from opencu.compiler.expressions import is_pure, is_zero, parts, uses
from opencu.compiler.llvm import Lanes, constant, type_of
from opencu.compiler.memory import Access, Point, moved
from opencu.compiler.multiply import choose, converted
from opencu.compiler.points import Memo
from opencu.compiler.register_block import MEETS
from opencu.tile.ir import KernelError, Op, Value

DEPTH = 32  # of what lies in shared memory at once, at most
STAGED = 20 << 10  # bytes of it, if that is not too shallow
SUMS = 200  # 4-byte registers for a thread's sums


def lower(state, nest: Nest, fused: tuple[Value, Access] | None) -> None:
    """Emit the nest; `fused` is the value that the result flows into, and where it is stored."""
    dot = GroupDot(state, nest)
    outputs = [fused] if fused else [(v, state.points.access[v]) for v in nest.results]
    dot.finish(dot.run(), nest.results, outputs)


def strip(count: int, bytes: int) -> int:
    """How many elements of a thread lie side by side."""
    return math.gcd(count, 16 // bytes)


class GroupDot:
    """One nest being emitted."""

    def __init__(self, state, nest: Nest):
        self.state, self.nest, self.f, self.points = state, nest, state.f, state.points
        self.dtype = nest.results[0].type.dtype
        self.type, self.bytes = type_of(self.dtype), self.dtype.bytes
        self.multiply = choose(state.target, nest.factors[0][0].type.dtype, self.dtype, True)
        self.a, self.b = ([converted(v, self.multiply.element) for v in x] for x in nest.factors)
        self.init = nest.init
        (bm, self.bk), (_, bn) = self.a[0].type.shape, self.b[0].type.shape
        self.shape = bm, bn
        self.block = self.sizes()
        self.across = [-(-n // r) for n, r in zip(self.shape, self.block)]  # blocks, per axis
        self.strips = [strip(r, self.bytes) for r in self.block]
        count = math.prod(self.across)
        self.turns = -(-count // state.target.threads)  # blocks of a thread
        self.sums = math.prod(self.block) * self.turns  # of a plane
        registers = self.sums * nest.planes * self.bytes // 4
        if registers > SUMS:
            what = f"a dot of {bm} x {bn} takes {registers} registers a thread for its sums"
            raise KernelError(nest.dot.loc, f"{state.target.name}: {what}: at most {SUMS}")
        self.starts: list[list[list[str]]] = []  # per turn and axis: where the block's strips lie
        self.exists = []
        for turn in range(self.turns):
            number = self.f.add(self.f.thread, str(turn * state.target.threads))
            ragged = count % state.target.threads
            self.exists.append(self.f.less(number, str(count)) if ragged else "true")
            number = self.f.select(self.exists[-1], number, str(count - 1))
            place = state.at(number, self.across)
            axes = zip(place, self.strips, self.across, self.block)
            spread = [self.spread(self.f.mul(p, str(s)), s, n * s, r) for p, s, n, r in axes]
            self.starts.append(spread)
        each = [[self.each(axis, turn) for axis in (0, 1)] for turn in range(self.turns)]
        self.points_of = [[Point((r, c), 1, 1, True) for r in x for c in y] for x, y in each]

    def spread(self, first: str, strip: int, stride: int, count: int) -> list[str]:
        return [self.f.add(first, str(i * stride)) for i in range(count // strip)]

    def each(self, axis: int, turn: int, w: int = 1) -> list[str]:
        """This thread's rows (axis 0) or columns, every w-th of a strip."""
        steps = range(0, self.strips[axis], w)
        return [self.f.add(s, str(i)) for s in self.starts[turn][axis] for i in steps]

    def sizes(self) -> tuple[int, int]:
        """A thread's rows and columns: as few as do with the threads that there are, and square."""
        block = [1, 1]
        while math.prod(-(-n // r) for n, r in zip(self.shape, block)) > self.state.target.threads:
            axis = block.index(min(block)) if max(block) < 8 else 1
            axis = axis if self.shape[axis] > block[axis] else 1 - axis
            block[axis] *= 2
        return block[0], block[1]

    def run(self, memo: Memo | None = None) -> list[str]:
        """The sums; the memo knows what they start from."""
        state, f, loop = self.state, self.f, self.nest.loop
        since = len(state.frames[-1])
        self.stage()
        acc = self.begin(memo or {})
        if loop is None:
            acc = self.chunk(acc)
        else:
            lo, hi, step = (state.scalars[v] for v in loop.operands[:3])

            def trip(k: str, acc: list[str]) -> list[str]:
                self.nest.begin_trip(state, k)
                acc = self.chunk(acc)
                state.settle()
                return acc

            acc = state.around(lambda: f.loop(lo, hi, step, self.carried(acc), trip))
        state.release(since)
        return acc

    def carried(self, acc: list[str]) -> list[tuple[str, str]]:
        return [(self.type, x) for x in acc]

    # ---- operands in shared memory ---------------------------------------------------------------

    def stage(self) -> None:
        """Room for KC columns of a and rows of b, each column and row in one piece."""
        lanes = 16 // self.bytes
        self.lines = [-(-n * r // lanes) * lanes + lanes for n, r in zip(self.across, self.block)]
        line = sum(self.lines) * self.bytes * len(self.a)
        free = self.state.target.shared_bytes - max((hi for _, hi in self.state.live), default=0)
        most = max(min(DEPTH, STAGED // line, free // line), 1)
        self.kc = max(d for d in range(1, most + 1) if self.bk % d == 0)
        rows, columns = self.lines
        a, b = ([self.state.allocate(n * self.kc * self.bytes) for _ in self.a] for n in self.lines)
        m, n, k = str(rows), str(columns), str(self.kc)
        staged_b = [Access(p, (n, "1"), (k, n)) for p in b]
        self.staged = [Access(p, ("1", m), (m, k)) for p in a], staged_b

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

        state.deal_whole(state.whole([v], lane, w), shape, lane, w, write)

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
            steps = lambda k, acc: self.steps(k, acc, unroll)  # noqa: E731
            return self.f.loop("0", str(self.kc), str(unroll), self.carried(acc), steps)

        if self.kc == self.bk:
            return part("0", acc)

        def trip(k: str, acc: list[str]) -> list[str]:
            acc = part(k, acc)
            self.state.settle()
            return acc

        end, step = str(self.bk), str(self.kc)
        return self.state.around(lambda: self.f.loop("0", end, step, self.carried(acc), trip))

    def steps(self, k: str, acc: list[str], count: int) -> list[str]:
        acc = list(acc)
        for u in range(count):
            at = self.f.add(k, str(u))
            for turn in range(self.turns):
                self.products(turn, at, acc)
        return acc

    def products(self, turn: int, k: str, acc: list[str]) -> None:
        """Add those of one column of a and one row of b to a block's sums."""
        f, step = self.f, self.multiply.step
        xs, ys = ([self.line(s, axis, turn, k) for s in self.staged[axis]] for axis in (0, 1))
        for p, meets in enumerate(MEETS[len(self.a)]):
            for r, x in enumerate(xs[p]):
                for q, plane in meets:
                    factor = f.let(f"fneg {self.type} {x}") if p and q else x
                    for n, y in enumerate(ys[q], self.first(plane, turn, r)):
                        acc[n] = step(f, self.dtype, 1, factor, y, acc[n])

    def first(self, plane: int, turn: int, row: int) -> int:
        """Where the sums of a block's row start."""
        return plane * self.sums + turn * math.prod(self.block) + row * self.block[1]

    def line(self, a: Access, axis: int, turn: int, k: str) -> list[str]:
        """This thread's elements of a staged column or row."""
        found, w = [], self.strips[axis]
        lanes = Lanes(self.f, self.dtype, w)
        for start in self.starts[turn][axis]:
            at = (start, k) if axis == 0 else (k, start)
            vector = self.points.load(a, self.dtype, Point(at, axis, w))
            found += [lanes.extract(vector, i) for i in range(w)]
        return found

    # ---- the sums' first and last use ------------------------------------------------------------

    def begin(self, memo: Memo) -> list[str]:
        self.state.sync([v for v in self.init if not is_zero(v)])
        acc = []
        for v in self.init:
            if is_zero(v):
                acc += [constant(self.dtype, 0)] * self.sums
                continue
            for points in self.points_of:
                acc += self.points.at(v, points, memo)
        return acc

    def finish(
        self, acc: list[str], results: list[Value], outputs: list[tuple[Value, Access]]
    ) -> None:
        """The epilogue, and the stores: by strips of a row, or element by element at the edges."""
        state, values = self.state, [v for v, _ in outputs]
        real = [x for v in values for x in parts(v)]
        state.sync(real, *(a for _, a in outputs))
        w = math.gcd(self.strips[1], *(state.width(v) for v in values))
        fits = all(n * r == s for n, r, s in zip(self.across, self.block, self.shape))
        whole = state.whole(values, 1, w, *(a for _, a in outputs)) if fits else "false"

        def write(turn: int, w: int, checked: bool) -> None:
            lanes = Lanes(self.f, self.dtype, w)
            for r, row in enumerate(self.each(0, turn)):
                points = [Point((row, c), 1, w, checked) for c in self.each(1, turn, w)]
                memo: Memo = {}
                for plane, v in enumerate(results):
                    first = self.first(plane, turn, r)
                    for i, p in enumerate(points):
                        memo[v, p] = lanes.of(acc[first + i * w : first + (i + 1) * w])
                for value, access in outputs:
                    self.points.put(access, value, points, memo)

        def either(turn: int) -> None:
            state.either(whole, lambda: write(turn, w, False), lambda: write(turn, 1, True))

        for turn, exists in enumerate(self.exists):
            self.f.when(exists, lambda t=turn: either(t))


class Sums:
    """A carried tile that is the sums of a dot in the loop's body, in the threads' registers from
    trip to trip: acc = dot(a, b, f(acc)), where f goes element by element."""

    def __init__(self, state, v: Value, dot: Op):
        self.state, self.v, self.dot = state, v, dot
        self.group = GroupDot(state, Nest(dot, None, dot.results))
        self.points = [p for points in self.group.points_of for p in points]
        self.count = self.group.sums
        state.sums_of[dot] = self

    @staticmethod
    def of(state, loop: Op, v: Value, i: int) -> "Sums | None":
        body, counted = loop.blocks[-1], loop.name == "for"
        arg, end = body.args[counted + i], body.ops[-1].operands[i]
        dot = end.op
        if dot is None or dot.name != "dot" or dot not in body.ops or len(dot.results) > 1:
            return None
        asked = not counted and any(loop.blocks[0].args[i] in uses(o) for o in loop.blocks[0].ops)
        if asked or [o for o in body.ops if end in uses(o)] != body.ops[-1:]:
            return None
        derived = {arg}
        for o in body.ops:
            if o is dot and not derived & set(o.operands[:2]):
                continue
            if derived & uses(o):
                if not is_pure(o) or o.name in (*MOVES, "yield"):
                    return None
                derived.add(o.result)
        once = body.ops[-1].operands.count(end) == 1
        return Sums(state, v, dot) if once and dot.operands[2] in derived else None

    def start(self) -> list[tuple[str, str]]:
        self.state.sync([self.v])
        return self.group.carried(self.state.points.at(self.v, self.points, {}))

    def enter(self, arg: Value, values: list[str]) -> None:
        self.memo = {(arg, p): x for p, x in zip(self.points, values)}

    def run(self) -> None:
        """The dot's turn in the body."""
        self.after = self.group.run(dict(self.memo))

    def leave(self, end: Value, values: list[str]) -> list[str]:
        return self.after

    def finish(self, result: Value, values: list[str]) -> None:
        memory = self.state.memory(result.type)
        self.group.finish(values, [result], [(result, memory)])
        self.state.points.access[result] = memory
