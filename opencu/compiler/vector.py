"""The vector lowering: one program becomes one sequential function.

    void entry(const int64_t *params, int64_t pid, void *scratch)

params holds the grid (3 numbers), then each kernel parameter in order: a view as pointer, sizes,
strides; a scalar as its bits. Scalars are computed where they stand. Tiles are computed at the
points that a root asks for (points.py); roots are stores (chunk loops, here), dots (dot.py) and
values that must be put into memory.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from opencu.compiler import carried, complex, dot, elements, llvm, reduction
from opencu.compiler.expressions import (
    is_pure,
    keeps_order,
    parts,
    places,
    reached,
    read_views,
    reads_elsewhere,
    root_view,
    uses,
)
from opencu.compiler.held import held
from opencu.compiler.llvm import Lanes, constant, type_of
from opencu.compiler.memory import Access, Place, Point, ViewRef, moved, side_by_side
from opencu.compiler.order import early_loads
from opencu.compiler.points import Points
from opencu.compiler.simplify import simplify
from opencu.drivers.interface import Target
from opencu.tile.dtypes import DType
from opencu.tile.ir import Block, Function, KernelError, Op, Scalar, Tile, Value, View

LINE = 64  # bytes of a cache line
STREAMED_TILE = 4 << 10  # bytes: a smaller tile's loop is not worth two versions
STREAMED_VIEW = 32 << 20  # bytes, a last-level cache's
UNROLL = 4  # vectors of one chunk: enough loads in flight, few enough registers


class Lowered(NamedTuple):
    text: str  # LLVM IR
    entry: str
    scratch: int  # bytes that a thread needs
    params: int  # 64-bit words of the parameter array


@dataclass
class Vector:
    """The state of one lowering."""

    target: Target
    blocks: dot.Blocks | None
    f: llvm.Function = field(default_factory=llvm.Function)
    nests: dict[Value, dot.Nest] = field(default_factory=dict)  # dots that wait for their store
    read: set[Value] = field(default_factory=set)  # the parameters that are loaded from
    used: set[Value] = field(default_factory=set)  # the values that some op uses
    held: set[Value] = field(default_factory=set)  # tiles that go to scratch where they stand
    waiting: dict[Value, Access] = field(default_factory=dict)  # of them, for their reduction
    ahead: list[tuple[Tile, Access]] = field(default_factory=list)  # to be fetched by a next loop
    streams: bool = False  # does a store write past the caches?
    grid: list[str] = field(default_factory=list)  # its three sizes
    pid: list[str] = field(default_factory=list)  # this program's place in it
    scratch: int = 0

    def __post_init__(self) -> None:
        self.points = Points(self.f, self.target)
        self.scalars, self.views = self.points.scalars, self.points.views

    def run(self, function: Function, word: Callable[[str], str], program: str) -> None:
        """Emit a kernel; word(type) is the next word of its parameters."""
        f, number = self.f, lambda: word("i64")
        self.grid = [number() for _ in range(3)]
        for p in function.params:
            if isinstance(p.type, View):
                pointer = word("ptr")
                sizes = tuple(number() for _ in range(p.type.ndim))
                strides = [number() for _ in range(p.type.ndim)]
                known = tuple(w if s is None else str(s) for w, s in zip(strides, p.type.strides))
                self.views[p] = ViewRef(pointer, sizes, known)
            else:
                self.scalars[p] = word(type_of(p.type.dtype))
        x, y, _ = self.grid
        rest = f.let(f"udiv i64 {program}, {x}")
        axes = (("urem", program, x), ("urem", rest, y), ("udiv", rest, y))
        self.pid = [f.let(f"{op} i64 {i}, {n}") for op, i, n in axes]
        self.block(function.body)
        if self.streams:  # such writes are seen by others only behind a fence
            f.do("fence seq_cst")

    # ---- scratch and tiles in memory -------------------------------------------------------------

    def allocate(self, bytes: int) -> str:
        """The address of a piece of the thread's scratch."""
        at, self.scratch = self.scratch, self.scratch + (bytes + 63) // 64 * 64
        return self.f.let(f"getelementptr i8, ptr %scratch, i64 {at}")

    def memory(self, tile: Tile) -> Access:
        """A row-major tile in scratch."""
        return self.memory_at(self.allocate(math.prod(tile.shape) * tile.dtype.bytes), tile)

    def memory_at(self, pointer: str, tile: Tile) -> Access:
        strides = [math.prod(tile.shape[d + 1 :]) for d in range(len(tile.shape))]
        return Access(pointer, tuple(map(str, strides)), tuple(map(str, tile.shape)))

    def hold(self, v: Value, rest: Sequence[Op] = ()) -> None:
        """Compute a tile into scratch, where its users find it. If the first of them among `rest`
        is a reduction, that writes what it reads."""
        memory = self.memory(v.type)
        if reduces_first(v, rest):
            self.waiting[v] = memory
            return
        self.put(v, memory)
        self.points.access[v] = memory

    # ---- blocks ----------------------------------------------------------------------------------

    def block(self, block: Block) -> None:
        outer, self.ahead = self.ahead, []
        for i, op in enumerate(block.ops):
            if op.name != "yield":
                self.step(op, block.ops[i + 1 :])
        self.ahead = outer

    def step(self, op: Op, rest: list[Op]) -> None:
        """Emit one op of a block; `rest` comes behind it."""
        getattr(self, f"op_{op.name}", self.op_pointwise)(op)
        nest = dot.Nest.of(op)
        if nest and not nest.fusible(rest):
            for v in nest.results:
                self.points.access[v] = self.memory(v.type)
            self.lower_dot(nest, None)
        elif nest:
            self.nests.update(dict.fromkeys(nest.results, nest))
        for v in op.results:
            if v in self.held:
                self.hold(v, rest)

    def lower_dot(self, nest: dot.Nest, fused: tuple[Value, Access] | None) -> None:
        dot.lower(self, nest, fused)

    def sync(self, values: Iterable[Value], *written: Access) -> None:
        """Before values are computed and places written: what must have happened has."""

    def settle(self) -> None:
        """At the end of a loop's trip: the next one starts like the first."""

    def around(self, loop: Callable[[], list[str]]) -> list[str]:
        """Emit a loop."""
        return loop()

    def side(self, body: Block) -> None:
        """Emit one side of an if that has effects."""
        self.block(body)

    def op_pointwise(self, op: Op) -> None:
        """Scalars are emitted here; tiles only when a root asks for their points."""
        if not isinstance(op.result.type, Tile):
            operands = [self.scalars[v] for v in op.operands]
            self.scalars[op.result] = self.points.apply(op, operands, 1)

    def op_const(self, op: Op) -> None:
        self.scalars[op.result] = constant(op.result.type.dtype, op.attrs["value"])

    def op_pid(self, op: Op) -> None:
        self.scalars[op.result] = self.pid[op.attrs["axis"]]

    def op_npid(self, op: Op) -> None:
        self.scalars[op.result] = self.grid[op.attrs["axis"]]

    def op_dim(self, op: Op) -> None:
        self.scalars[op.result] = self.views[op.operands[0]].sizes[op.attrs["axis"]]

    def op_slice(self, op: Op) -> None:
        f, view, axis = self.f, self.views[op.operands[0]], op.attrs["axis"]
        lo, hi = (self.scalars[v] for v in op.operands[1:])
        size = view.sizes[axis]
        lo = f.clamp(lo, size)
        hi = f.max(f.min(hi, size), lo)
        step = f.mul(lo, view.strides[axis])
        sizes = moved(view.sizes, axis, f.sub(hi, lo))
        pointer = f.offset(view.pointer, step, op.result.type.dtype.bytes)
        self.views[op.result] = ViewRef(pointer, sizes, view.strides)

    def op_pick(self, op: Op) -> None:
        """One index of an axis; out of bounds, a view in which nothing is in bounds."""
        f, axis = self.f, op.attrs["axis"]
        view, index = self.views[op.operands[0]], self.scalars[op.operands[1]]
        inside = f.let(f"icmp ult i64 {index}, {view.sizes[axis]}")
        step = f.mul(index, view.strides[axis])
        if op.operands[0].type.pointers:
            place = f.offset(view.pointer, step, 8)
            kind = f.pointer_type(place)
            read, none = (lambda: [f.load(kind, place, 8)]), (lambda: ["null"])
            pointer = f.points_like(f.branch(inside, read, none, [kind])[0], place)
        else:
            pointer = f.offset(view.pointer, step, op.result.type.dtype.bytes)
        sizes, strides = (x[:axis] + x[axis + 1 :] for x in (view.sizes, view.strides))
        sizes = tuple(f.select(inside, n, "0") for n in sizes)
        self.views[op.result] = ViewRef(pointer, sizes, strides)

    def op_part(self, op: Op) -> None:
        """The real or imaginary parts of a view of complex numbers."""
        view, bytes = self.views[op.operands[0]], op.result.type.dtype.bytes
        pointer = self.f.offset(view.pointer, str(op.attrs["part"]), bytes)
        strides = tuple(self.f.mul(s, "2") for s in view.strides)
        self.views[op.result] = ViewRef(pointer, view.sizes, strides)

    def op_load(self, op: Op) -> None:
        self.points.access[op.result] = self.access(op, op.result.type)

    def access(self, op: Op, tile: Tile) -> Access:
        """The place of a load or store."""
        f, view = self.f, self.views[op.operands[0]]
        pointer, limits = view.pointer, []
        for v, s, size, stride in zip(op.operands[1:], tile.shape, view.sizes, view.strides):
            # An index beyond the view, below zero included, makes a place with nothing in bounds.
            index = self.scalars[v]
            if index != "0":
                index = f.select(f.let(f"icmp ult i64 {index}, {size}"), index, size)
            start = f.mul(index, str(s))
            limits.append(f.min(f.sub(size, start), str(s)))
            pointer = f.offset(pointer, f.mul(start, stride), tile.dtype.bytes)
        return Access(pointer, view.strides, tuple(limits))

    def op_dot(self, op: Op) -> None:
        return None  # a nest: `block` decides where it goes

    # ---- control flow ----------------------------------------------------------------------------

    def op_if(self, op: Op) -> None:
        if is_pure(op):
            # Addresses and scalars of both sides are computed; tiles branch where they are used.
            for inner in op.blocks:
                self.block(inner)
            self.select(op)
            return
        if any(isinstance(v.type, Tile) for v in op.results):
            raise KernelError(op.loc, "an if that stores or holds a loop cannot give tiles")

        def side(inner: Block) -> list[str]:
            self.side(inner)
            return [self.scalars[v] for v in inner.ops[-1].operands]

        sides = [lambda b=b: side(b) for b in op.blocks]
        types = [type_of(v.type.dtype) for v in op.results]
        values = self.f.branch(self.scalars[op.operands[0]], *sides, types)
        self.scalars.update(zip(op.results, values))

    def select(self, op: Op) -> None:
        for v, x, y in zip(op.results, *(b.ops[-1].operands for b in op.blocks)):
            if isinstance(v.type, View):
                raise KernelError(op.loc, "an if cannot choose between views")
            if isinstance(v.type, Scalar):
                condition, a, b = (self.scalars[z] for z in (op.operands[0], x, y))
                self.scalars[v] = self.f.select(condition, a, b, type_of(v.type.dtype))

    def op_for(self, op: Op) -> None:
        if not dot.Nest.of(op):
            carried.lower(self, op)

    op_while = op_for

    # ---- reductions, shapes, elements ------------------------------------------------------------

    def op_reduce(self, op: Op) -> None:
        reduction.Reduction(self, op).run()

    def op_scan(self, op: Op) -> None:
        reduction.Scan(self, op).run()

    def op_scatter(self, op: Op) -> None:
        elements.lower(self, op)

    def op_atomic(self, op: Op) -> None:
        self.op_scatter(op)

    def atomic(self, op: Op, dtype: DType, pointer: str, values: list[str]) -> str:
        f, fn = self.f, op.attrs["fn"]
        if op.attrs["scope"] != "program" or fn != "add":
            return elements.atomic(f, fn, dtype, pointer, values)
        old = f.load(type_of(dtype), pointer, dtype.bytes)
        new = Lanes(f, dtype, 1).op("fadd" if dtype.kind == "f" else "add", old, values[0])
        f.store(type_of(dtype), new, pointer, dtype.bytes)
        return old

    def op_gather(self, op: Op) -> None:
        """A number is read where it stands; a tile where it is used."""
        if not isinstance(op.result.type, Tile):
            index = [self.scalars[v] for v in op.operands[1:]]
            self.scalars[op.result] = self.points.gather(op, index, 1)

    def op_reshape(self, op: Op) -> None:
        """New axes of size 1 are a matter of places; any other shape is another way to read a
        row-major copy."""
        if not keeps_order(op):
            memory = self.memory(op.result.type)
            flat = self.memory_at(memory.pointer, op.operands[0].type)
            self.put(op.operands[0], flat)
            self.points.access[op.result] = memory

    def op_cat(self, op: Op) -> None:
        memory, axis, at = self.memory(op.result.type), op.attrs["axis"], 0
        for v in op.operands:
            start = self.f.mul(str(at), memory.strides[axis])
            pointer = self.f.offset(memory.pointer, start, v.type.dtype.bytes)
            self.put(v, replace(memory, pointer=pointer, limits=tuple(map(str, v.type.shape))))
            at += v.type.shape[axis]
        self.points.access[op.result] = memory

    def op_prefetch(self, op: Op) -> None:
        """A tile of whole lines is fetched piece by piece in this block's next loop over its shape,
        so that memory works beside that loop's arithmetic; with no such loop, not at all."""
        tile = Tile(op.attrs["shape"], op.operands[0].type.dtype)
        self.ahead.append((tile, self.access(op, tile)))

    def fetch(self, shape: tuple[int, ...], lane: int) -> Callable[[list[Point]], None]:
        """What fetches, at the points of a loop over a shape, the tiles that are due."""
        due = [(t, a) for t, a in self.ahead if t.shape == shape and a.strides[lane] == "1"]
        self.ahead = [x for x in self.ahead if x not in due]

        def some(points: list[Point]) -> None:
            for tile, access in due:
                step = max(LINE // tile.dtype.bytes // points[0].width, 1)
                for p in points[::step]:
                    self.f.prefetch(self.points.address(access, tile.dtype.bytes, p), near=False)

        return some

    # ---- stores ----------------------------------------------------------------------------------

    def op_store(self, op: Op) -> None:
        value = op.operands[-1]
        access = self.access(op, value.type)
        waiting = [nest for v, nest in self.nests.items() if v in reached(value)]
        if waiting:
            for v in waiting[0].results:
                del self.nests[v]
            self.lower_dot(waiting[0], (value, access))
            return
        if reads_elsewhere(op, self.points.access.keys() - loaded(self.points.access)):
            # The value is read from the view that it overwrites, at other places: compute it first.
            for v in parts(value):
                self.hold(v)
        self.put(value, access, self.beyond_caches(op))

    def width(self, value: Value, *dtypes: DType) -> int:
        """Lanes of a vector: as many as the widest dtype allows among those that a tile is computed
        from and others; but for indices of a gather, which are read one by one."""
        known = self.points.access.keys()
        gathered = {
            v for v, _ in places(value, known) if v.op is not None and v.op.name == "gather"
        }
        within = [v.type.dtype for v, _ in places(value, known | gathered)]
        return self.target.vector_bytes // max(d.part.bytes for d in (*within, *dtypes))

    def lane_of(self, value: Value) -> int:
        """The axis along which vectors lie: where most of a tile's operands are contiguous."""
        votes = [(s > 1) / 2 + d / 1e3 for d, s in enumerate(value.type.shape)]
        for v, where in places(value, self.points.access):
            a = self.points.access.get(v)
            unit = a.unit_axis(v.type.shape) if a else None
            if unit is not None and where[unit][0] is not None:
                votes[where[unit][0]] += value.type.shape[where[unit][0]] > 1
        return votes.index(max(votes))

    def fast(self, at: Place, lane: int, safe: list[str]) -> str:
        """Below which index of an axis every load is in bounds, in the line at a place."""
        f = self.f
        ok = f.all_of(f.less(i, n) for d, (i, n) in enumerate(zip(at, safe)) if d != lane)
        return safe[lane] if ok == "true" else f.select(ok, safe[lane], "0")

    def beyond_caches(self, store: Op) -> str:
        """Is a store's view larger than the caches, so that nobody will find its lines there? Such
        lines are written past the caches, which saves reading them first. '' where it is not worth
        the code: small tiles, and views that the kernel reads or fetches."""
        f, view, tile = self.f, root_view(store.operands[0]), store.operands[-1].type
        size = math.prod(tile.shape) * tile.dtype.bytes
        if view in self.read or tile.dtype.kind in "bc" or size < STREAMED_TILE:
            return ""
        bytes = str(tile.dtype.bytes)
        for n in self.views[view].sizes:
            bytes = f.mul(bytes, n)
        past, here = [f.let(f"icmp uge i64 {bytes}, {STREAMED_VIEW}")], self.views[view].pointer
        for other in (self.views[v] for v in self.views if v in self.read):
            # The same memory is in the caches by now.
            past.append(f.let(f"icmp ne ptr {here}, {other.pointer}"))
        return f.all_of(past)

    def put(self, value: Value, access: Access, streamed: str = "") -> None:
        """Compute a tile and write it: rows of chunks of UNROLL vectors, then a masked tail. Past
        the caches, if it is `streamed` and the row is aligned."""
        f, tile, bytes = self.f, value.type, value.type.dtype.bytes
        lane = access.unit_axis(tile.shape)
        lane = self.lane_of(value) if lane is None else lane
        w = self.width(value)
        ends = [f.clamp(n, str(s)) for n, s in zip(access.limits, tile.shape)]
        safe = self.safe(value, ends)

        fetch = self.fetch(tile.shape, lane)

        def write(points: list[Point], past: bool) -> None:
            if not points[0].checked:
                fetch(points)
            if not past:
                self.points.put(access, value, points, {})
                return
            for x, p in zip(self.points.at(value, points, {}), points):
                place = self.points.address(access, bytes, p)
                self.f.store_past(type_of(tile.dtype, w), x, place, w * bytes)

        def row(at: Place) -> None:
            fast = f.floor_to(self.fast(at, lane, safe), w * UNROLL)

            def points(start: str, vectors: int, *, checked: bool) -> list[Point]:
                return side_by_side(f, at, lane, start, w, vectors, checked)

            def whole(past: bool) -> list[str]:
                step = str(w * UNROLL)
                f.each("0", fast, step, lambda c: write(points(c, UNROLL, checked=False), past))
                return []

            if streamed and access.strides[lane] == "1":
                start = self.points.address(access, bytes, points("0", 1, checked=False)[0])
                aligned = f.aligned(start, w * bytes)
                f.branch(f.all_of((streamed, aligned)), lambda: whole(True), lambda: whole(False))
            else:
                whole(False)
            f.each(fast, ends[lane], str(w), lambda c: write(points(c, 1, checked=True), False))

        self.every([d for d in range(len(ends)) if d != lane], ends, row)
        self.streams |= bool(streamed)

    def every(
        self, axes: list[int], ends: list[str], row: Callable[[Place], None], at: Place = ()
    ) -> None:
        """A loop over each of the axes; row(place) inside, with 0 for the axis that is left."""
        at = at or ("0",) * len(ends)
        if not axes:
            row(at)
            return
        d, rest = axes[0], axes[1:]
        self.f.each("0", ends[d], "1", lambda i: self.every(rest, ends, row, moved(at, d, i)))

    def resident(self, tile: Tile, w: int, members: int) -> list[Point] | None:
        """The points of a tile that stays in registers, in vectors of w lanes; None if so many
        tiles are too large."""
        shape, lane = tile.shape, max(range(len(tile.shape)), key=lambda d: (tile.shape[d] > 1, d))
        axes = [range(s) for s in shape]
        axes[lane] = range(0, shape[lane], w)
        if math.prod(map(len, axes)) * members > self.target.vector_registers // 2:
            return None
        places = sorted(itertools.product(*axes), key=lambda at: (moved(at, lane, 0), at[lane]))
        return [Point(tuple(map(str, at)), lane, w, True) for at in places]

    def sums(self, loop: Op, v: Value, i: int) -> Any:
        """How carried value i of a loop travels if it is a dot's sums and those have a way."""
        return None

    def ragged(self, shape: tuple[int, ...], points: list[Point]) -> bool:
        """May such points lie outside of their tile?"""
        return shape[points[0].lane] % points[0].width != 0

    def whole(self, values: Sequence[Value], lane: int, w: int, *accesses: Access) -> str:
        """Is every load behind some tiles in bounds everywhere?"""
        sizes = [str(s) for s in values[0].type.shape]
        return self.f.all_of(
            self.f.let(f"icmp sge i64 {n}, {size}")
            for v in values
            for n, size in zip(self.safe(v, sizes), sizes)
        )

    def safe(self, value: Value, ends: list[str]) -> list[str]:
        """Per axis, below which index, `ends` at most, every load behind a tile is in bounds."""
        f, safe = self.f, list(ends)
        for v, where in places(value, self.points.access):
            a = self.points.access.get(v)
            for limit, (axis, offset) in zip(a.limits, where) if a else ():
                if axis is not None:
                    safe[axis] = f.max(f.min(safe[axis], f.sub(limit, str(offset))), "0")
                    continue
                # Broadcast: its one index must exist, or nothing is safe.
                inside = f.less(str(offset), limit)
                safe = [f.select(inside, n, "0") for n in safe]
        return safe


def reduces_first(v: Value, rest: Sequence[Op]) -> bool:
    """Is a reduction of v the first that is done with it, and nothing else done before?"""
    first = next((op for op in rest if not is_pure(op)), None)
    return first is not None and first.name == "reduce" and first.operands[0] is v


def loaded(access: dict[Value, Access]) -> set[Value]:
    """The values whose place is the view that they are loaded from."""
    return {v for v in access if v.op is not None and v.op.name == "load"}


def lower(function: Function, target: Target, blocks: dot.Blocks | None = None) -> Lowered:
    """The LLVM IR of a kernel for a vector target; blocks: how its dots are register-blocked."""
    simplify(complex.split(simplify(function)))
    state = Vector(target, blocks, held=held(function) | early_loads(function.body))
    state.read = read_views(function.body)
    state.used = {v for op in function.body.ops for v in uses(op)}
    f = state.f
    words = itertools.count()

    def word(type: str) -> str:
        at = f.let(f"getelementptr i64, ptr %params, i64 {next(words)}")
        return f.let(f"load {type}, ptr {at}, align 8, !invariant.load !0")

    state.run(function, word, "%pid")
    text = f.module(function.name, target) + "\n!0 = !{}\n!1 = !{i32 1}\n"
    return Lowered(text, function.name, state.scratch, next(words))
