"""The simt lowering: one program becomes one work-group.

Every thread runs the same function. Scalars are the same in all threads, so control flow is too,
and a barrier may stand anywhere outside of a root. A root deals its points to the threads: a
layout is nothing but which points a thread asks for. Tiles in memory are in shared memory, which is
given again once a tile's last user is done; a barrier stands only where what other threads wrote,
or read, since the last one is about to be read or overwritten.

    a store of 12 x 1024 f32, 256 threads     thread t: (0, 4 t .. 4 t + 3), (1, 4 t ..), ...
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from opencu.compiler import complex, dot, group_dot, group_elements, group_reduction
from opencu.compiler.expressions import is_pure, parts, places, uses
from opencu.compiler.held import held
from opencu.compiler.llvm import WORDS, Lowered, Space
from opencu.compiler.memory import Access, Point
from opencu.compiler.simplify import simplify
from opencu.compiler.vector import Vector
from opencu.compiler.work_group import GLOBAL, SHARED, GroupFunction, GroupPoints
from opencu.drivers.interface import Target
from opencu.tile.dtypes import DType
from opencu.tile.ir import Block, Function, KernelError, Op, Tile, Value

UNROLL = 4  # vectors that a thread has in flight
CARRIED = 64  # 4-byte registers of a thread that hold a loop's tiles

Body = Callable[[list[Point]], object]


class Pending(NamedTuple):
    """What threads have read and written since the last barrier."""

    read: set[Space]
    written: set[Space]

    def copy(self) -> "Pending":
        return Pending(set(self.read), set(self.written))

    def add(self, other: "Pending") -> None:
        self.read.update(other.read)
        self.written.update(other.written)


def clash(some: Iterable[Space], others: Iterable[Space]) -> bool:
    """Do any two share bytes?"""
    others = list(others)
    return any(x.number == y.number and x.lo < y.hi and y.lo < x.hi for x in some for y in others)


@dataclass
class Simt(Vector):
    """The state of one lowering."""

    pending: Pending = field(default_factory=lambda: Pending(set(), set()))
    log: list[Space] = field(default_factory=list)  # all that was written
    sides: list[tuple[Pending, Pending]] = field(default_factory=list)  # before an if, and behind
    live: list[tuple[int, int]] = field(default_factory=list)  # shared memory in use
    frames: list[list[tuple[int, int]]] = field(default_factory=lambda: [[]])  # by open ops
    expire: dict[int, list] = field(default_factory=dict)  # given back behind an op
    sums_of: dict[Op, group_dot.Sums] = field(default_factory=dict)  # dots in a loop's registers
    marks: list[int] = field(default_factory=list)  # where the open loops' logs start
    loc: tuple[str, int] | None = None

    def __post_init__(self) -> None:
        self.f = GroupFunction(self.target)
        self.points = GroupPoints(self.f, self.target)
        self.scalars, self.views = self.points.scalars, self.points.views

    # ---- shared memory ---------------------------------------------------------------------------

    def allocate(self, bytes: int) -> str:
        """The address of a piece of shared memory: the lowest one that is free."""
        size, at = max(bytes + 15 & -16, 16), 0
        for lo, hi in sorted(self.live):
            if at + size <= lo:
                break
            at = max(at, hi)
        self.live.append((at, at + size))
        self.frames[-1].append((at, at + size))
        self.scratch = max(self.scratch, at + size)
        if self.scratch > self.target.shared_bytes:
            limit = f"{self.target.name} has {self.target.shared_bytes} bytes of shared memory"
            raise KernelError(self.loc, f"{limit} for a program: this one needs {self.scratch}")
        pointer = self.f.let(f"getelementptr i8, ptr addrspace(3) @shared, i64 {at}")
        self.f.spaces[pointer] = Space(SHARED, at, at + size)
        return pointer

    def release(self, since: int) -> None:
        """Give back what was allocated since the open op had `since` pieces."""
        for piece in self.frames[-1][since:]:
            self.live.remove(piece)
        del self.frames[-1][since:]

    def step(self, op: Op, rest: list[Op]) -> None:
        self.frames.append([])
        self.loc = op.loc
        if op in self.sums_of:
            self.sums_of[op].run()
        else:
            super().step(op, rest)
        last = last_user(op.results, rest, self.held)
        if last is not None:
            self.expire.setdefault(id(last), []).extend(self.frames[-1])
            self.frames[-1] = []
        self.release(0)
        self.frames.pop()
        for piece in self.expire.pop(id(op), []):
            self.live.remove(piece)

    def block(self, block: Block) -> None:
        super().block(block)
        if block.ops:  # what a loop's end gives away is read behind its body
            self.frames[-1] += self.expire.pop(id(block.ops[-1]), [])

    # ---- barriers --------------------------------------------------------------------------------

    def sync(self, values: Iterable[Value], *written: Access) -> None:
        """Before values are computed and places written: a barrier, if others' doings matter."""
        read = {s for v in values for s in self.spaces_of(v)}
        self.touch(read, {self.f.spaces[a.pointer] for a in written})

    def touch(self, read: Iterable[Space], written: Iterable[Space]) -> None:
        done = self.pending
        if clash(read, done.written) or clash(written, done.read | done.written):
            self.barrier()
        self.pending.read.update(read)
        self.pending.written.update(written)
        self.log += written

    def barrier(self) -> None:
        self.f.barrier()
        self.pending = Pending(set(), set())

    def spaces_of(self, v: Value) -> Iterable[Space]:
        """The memory that a value is computed from."""
        known = self.points.access
        for x, _ in places(v, known) if isinstance(v.type, Tile) else ():
            if x in known:
                yield self.f.spaces[known[x].pointer]
            elif x.made_by == "gather":
                yield GLOBAL

    def around(self, loop: Callable[[], list[str]]) -> list[str]:
        before, self.pending = self.pending.copy(), self.pending
        self.marks.append(len(self.log))
        out = loop()
        self.marks.pop()
        self.pending.add(before)  # there may have been no trip
        return out

    def settle(self) -> None:
        here, body = self.pending, self.log[self.marks[-1] :]
        if here.written or clash(here.read, body):
            self.barrier()

    def each(self, lo: str, hi: str, step: str, body: Callable[[str], object]) -> None:
        """A loop that all threads run alike, with barriers inside."""

        def trip(i: str) -> None:
            body(i)
            self.settle()

        self.around(lambda: self.f.each(lo, hi, step, trip) or [])

    def op_if(self, op: Op) -> None:
        if is_pure(op):
            super().op_if(op)
            return
        self.sides.append((self.pending.copy(), Pending(set(), set())))
        super().op_if(op)
        self.pending = self.sides.pop()[1]

    def side(self, body: Block) -> None:
        before, after = self.sides[-1]
        self.pending = before.copy()
        super().side(body)
        after.add(self.pending)

    # ---- points of a thread ----------------------------------------------------------------------

    def at(self, index: str, shape: Sequence[int]) -> list[str]:
        """The place of an element by its row-major number; beyond the shape, along its first axis
        that is longer than 1."""
        f, out = self.f, ["0"] * len(shape)
        long = [d for d, s in enumerate(shape) if s > 1]
        for d in reversed(long[1:]):
            out[d] = f.let(f"urem i64 {index}, {shape[d]}")
            index = f.let(f"udiv i64 {index}, {shape[d]}")
        if long:
            out[long[0]] = index
        elif shape:
            out[0] = index
        return out

    def point(self, chunk: str, shape: Sequence[int], lane: int, w: int, checked: bool) -> Point:
        """A tile's chunk by its number: w elements along the axis `lane`, which runs fastest."""
        order = [d for d in range(len(shape)) if d != lane] + [lane]
        sizes = [shape[d] // (w if d == lane else 1) for d in order]
        found = dict(zip(order, self.at(chunk, sizes)))
        found[lane] = self.f.mul(found[lane], str(w))
        return Point(tuple(found[d] for d in range(len(shape))), lane, w, checked)

    def deal(self, shape: Sequence[int], lane: int, w: int, body: Body, *, checked: bool) -> None:
        """body(points) for every chunk of a tile, thread after thread; several at a time."""
        f, threads = self.f, self.target.threads
        total = math.prod(shape) // w
        unroll = max(min(UNROLL, total // threads), 1)

        def some(first: str, count: int) -> None:
            chunks = [f.add(first, str(u * threads)) for u in range(count)]
            body([self.point(c, shape, lane, w, checked) for c in chunks])

        whole = total // (unroll * threads) * unroll * threads
        if whole == unroll * threads:
            some(f.thread, unroll)
        else:
            step = str(unroll * threads)
            f.each("0", str(whole), step, lambda c: some(f.add(c, f.thread), unroll))
        rest = f.add(f.thread, str(whole))
        if total - whole >= threads:
            f.each(rest, str(total), str(threads), lambda c: some(c, 1))
        elif total > whole:
            f.when(f.less(rest, str(total)), lambda: some(rest, 1))

    def deal_whole(self, whole: str, shape: Sequence[int], lane: int, w: int, body: Body) -> None:
        """Chunks of w elements where all of a tile is `whole`, else checked single elements."""
        at_once = lambda: self.deal(shape, lane, w, body, checked=False)  # noqa: E731
        self.either(whole, at_once, lambda: self.deal(shape, lane, 1, body, checked=True))

    def width(self, value: Value, *dtypes: DType) -> int:
        """As for vectors; LLVM's SPIR-V backend fails at selects of 8 and more lanes."""
        most = 4 if self.target.format == "spirv" else 16
        return min(super().width(value, *dtypes), most)

    def lanes(self, shape: Sequence[int], lane: int, *widths: int) -> int:
        """Lanes of a chunk: as many as vectors have, of which the axis is whole chunks."""
        return math.gcd(shape[lane] or 1, *widths)

    def whole(self, values: Sequence[Value], lane: int, w: int, *accesses: Access) -> str:
        """Is every load behind some tiles, and every access, in bounds everywhere, and aligned for
        w lanes along an axis?"""
        f, shape = self.f, [str(s) for s in values[0].type.shape]
        ends, here = shape, tuple((d, 0) for d in range(len(shape)))
        for a in accesses:
            ends = [f.min(n, limit) for n, limit in zip(ends, a.limits)]
        for v in values:
            ends = self.safe(v, ends)
        ok = ["true" if n == s else f.less(f.sub(s, "1"), n) for n, s in zip(ends, shape)]
        known = self.points.access
        met = {(a, here, values[0].type.dtype): None for a in accesses}
        for v, where in (found for x in values for found in places(x, known)):
            if v in known:
                met[known[v], where, v.type.dtype] = None
        for a, where, dtype in met:
            axis = next((n for n, (d, _) in enumerate(where) if d == lane), None)
            if w == 1 or axis is None or a.strides[axis] != "1":
                continue
            bytes = min(w * dtype.bytes, 16)
            if where[axis][1] % w:
                return "false"
            ok.append(f.aligned(a.pointer, bytes))
            for d, stride in enumerate(a.strides):
                if d == axis or stride == "0":
                    continue
                if stride.isdigit():
                    ok.append("false" if int(stride) * dtype.bytes % bytes else "true")
                    continue
                low = f.let(f"and i64 {f.mul(stride, str(dtype.bytes))}, {bytes - 1}")
                ok.append(f.let(f"icmp eq i64 {low}, 0"))
        return f.all_of(ok)

    def resident(self, tile: Tile, w: int, members: int) -> list[Point] | None:
        shape, threads = tile.shape, self.target.threads
        lane = max(range(len(shape)), key=lambda d: (shape[d] > 1, d))
        w = self.lanes(shape, lane, w, max(math.prod(shape) // threads, 1))
        count = -(-math.prod(shape) // (w * threads))
        if count * w * members * tile.dtype.bytes > 4 * CARRIED:
            return None
        chunks = [self.f.add(self.f.thread, str(u * threads)) for u in range(count)]
        return [self.point(c, shape, lane, w, True) for c in chunks]

    def sums(self, loop: Op, v: Value, i: int) -> Any:
        return group_dot.Sums.of(self, loop, v, i)

    def ragged(self, shape: tuple[int, ...], points: list[Point]) -> bool:
        return math.prod(shape) != len(points) * points[0].width * self.target.threads

    def either(self, whole: str, then: Callable, other: Callable, types: Sequence[str] = ()):
        """One of two versions, or the one that there can be."""
        if whole in ("true", "false"):
            return (then if whole == "true" else other)() or []
        return self.f.branch(whole, then, other, types)

    def put(self, value: Value, access: Access, streamed: str = "") -> None:
        """Compute a tile and write it: the threads are dealt vectors; at the edges of views, and
        where vectors are not aligned, elements."""
        self.sync(parts(value), access)
        shape, lane = value.type.shape, access.unit_axis(value.type.shape)
        if lane is None or self.f.spaces[access.pointer].number == SHARED:
            lane = self.lane_of(value)
        w = self.lanes(shape, lane, self.width(value))

        def write(points: list[Point]) -> None:
            self.points.put(access, value, points, {})

        self.deal_whole(self.whole([value], lane, w, access), shape, lane, w, write)

    def beyond_caches(self, store: Op) -> str:
        return ""

    def op_prefetch(self, op: Op) -> None:
        return None

    # ---- the other roots -------------------------------------------------------------------------

    op_reduce, op_scan = group_reduction.reduce, group_reduction.scan
    op_scatter = op_atomic = group_elements.lower
    atomic, lower_dot = group_elements.atomic, group_dot.lower

    def op_gather(self, op: Op) -> None:
        if not isinstance(op.result.type, Tile):
            self.touch([GLOBAL], [])
        super().op_gather(op)


def last_user(values: Sequence[Value], rest: list[Op], held: set[Value]) -> Op | None:
    """The last op that computes with some values, or with what is computed from them where it is
    used; a `yield` too."""
    derived, last = {v for v in values if isinstance(v.type, Tile)}, None
    for op in rest:
        if derived & uses(op):
            last = op
            if (is_pure(op) and op.name != "yield") or dot.Nest.of(op):
                derived |= set(op.results) - held
    return last


def lower(function: Function, target: Target, blocks: dot.Blocks | None = None) -> Lowered:
    """The LLVM IR of a kernel for a simt target."""
    simplify(complex.split(simplify(function)))
    state = Simt(target, blocks=blocks, held=held(function, target.shared_bytes // 4))
    f, pointers, count = state.f, 0, itertools.count()

    def word(type: str) -> str:
        nonlocal pointers
        n = next(count)
        name = f"%w{n}"
        if type == "ptr":
            pointers |= 1 << n
            f.params.append(f"ptr addrspace(1) {name}")
            f.spaces[name] = GLOBAL
            if target.format != "spirv":
                return name
            f.params.append(f"i64 %offset{n}")
            return f.step(name, f"%offset{n}")
        f.params.append(f"i64 {name}")
        if type == "i64":
            return name
        if type == "double":
            return f.let(f"bitcast i64 {name} to double")
        bits = f.let(f"trunc i64 {name} to {'i32' if type == 'float' else type}")
        return f.let(f"bitcast i32 {bits} to float") if type == "float" else bits

    state.run(function, word, f.group)
    params = next(count)
    if params > WORDS:
        raise KernelError(function.loc, f"{params} words of parameters: at most {WORDS}")
    return Lowered(f.kernel(state.scratch), target.threads, state.scratch, params, pointers)
