"""The vector lowering: one program becomes one sequential function.

    void entry(const int64_t *params, int64_t pid, void *scratch)

params holds the grid (3 numbers), then each kernel parameter in order: a view as pointer, sizes,
strides; a scalar as its bits. Scalars are computed where they stand. Tiles are computed at the
points that a root asks for (points.py); roots are stores (chunk loops, here), dots (dot.py) and
values that must be put into memory.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from opencu.compiler import complex, dot, llvm
from opencu.compiler.expressions import is_pure, parts, reached, reads_elsewhere
from opencu.compiler.llvm import constant, type_of
from opencu.compiler.order import early_loads
from opencu.compiler.points import Access, Point, Points
from opencu.compiler.simplify import simplify
from opencu.drivers.interface import Target
from opencu.tile.ir import Block, Function, KernelError, Op, Scalar, Tile, Value, View

UNROLL = 4  # vectors of one chunk: enough loads in flight, few enough registers


class Lowered(NamedTuple):
    text: str  # LLVM IR
    entry: str
    scratch: int  # bytes that a thread needs
    params: int  # 64-bit words of the parameter array


class ViewRef(NamedTuple):
    pointer: str
    sizes: tuple[str, ...]
    strides: tuple[str, ...]


@dataclass
class Vector:
    """The state of one lowering."""

    target: Target
    blocks: dot.Blocks | None
    f: llvm.Function = field(default_factory=llvm.Function)
    views: dict[Value, ViewRef] = field(default_factory=dict)
    nests: dict[Value, dot.Nest] = field(default_factory=dict)  # dots that wait for their store
    early: set[Value] = field(default_factory=set)  # loads that cannot wait for their use
    grid: list[str] = field(default_factory=list)  # its three sizes
    pid: list[str] = field(default_factory=list)  # this program's place in it
    scratch: int = 0

    def __post_init__(self) -> None:
        self.points = Points(self.f, self.target)
        self.scalars = self.points.scalars

    # ---- scratch and tiles in memory -------------------------------------------------------------

    def allocate(self, bytes: int) -> str:
        """The address of a piece of the thread's scratch."""
        at, self.scratch = self.scratch, self.scratch + (bytes + 63) // 64 * 64
        return self.f.let(f"getelementptr i8, ptr %scratch, i64 {at}")

    def memory(self, tile: Tile) -> Access:
        """A row-major tile in scratch."""
        strides, size = [], 1
        for s in reversed(tile.shape):
            strides.insert(0, str(size))
            size *= s
        return Access(
            self.allocate(size * tile.dtype.bytes), tuple(strides), tuple(map(str, tile.shape))
        )

    def put(self, v: Value, access: Access) -> None:
        """Compute a tile into memory."""
        self.chunks(v, access, None)

    # ---- blocks ----------------------------------------------------------------------------------

    def block(self, block: Block) -> None:
        for i, op in enumerate(block.ops):
            if op.name == "yield":
                return
            getattr(self, f"op_{op.name}", self.op_pointwise)(op)
            nest = dot.Nest.of(op)
            if nest and not nest.fusible(block.ops[i + 1 :]):
                for v in nest.results:
                    self.points.access[v] = self.memory(v.type)
                dot.lower(self, nest, None)
            elif nest:
                self.nests.update(dict.fromkeys(nest.results, nest))

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
        view, axis = self.views[op.operands[0]], op.attrs["axis"]
        lo, hi = (self.scalars[v] for v in op.operands[1:])
        size = view.sizes[axis]
        lo = self.f.clamp(lo, size)
        hi = self.f.max(self.f.min(hi, size), lo)
        step = self.f.mul(lo, view.strides[axis])
        sizes = list(view.sizes)
        sizes[axis] = self.f.sub(hi, lo)
        pointer = self.f.offset(view.pointer, step, op.result.type.dtype.bytes)
        self.views[op.result] = ViewRef(pointer, tuple(sizes), view.strides)

    def op_pick(self, op: Op) -> None:
        """One index of an axis; out of bounds, a view in which nothing is in bounds."""
        f, axis = self.f, op.attrs["axis"]
        view, index = self.views[op.operands[0]], self.scalars[op.operands[1]]
        inside = f.let(f"icmp ult i64 {index}, {view.sizes[axis]}")
        step = f.mul(index, view.strides[axis])
        if op.operands[0].type.pointers:
            place = f.offset(view.pointer, step, 8)
            read, none = (lambda: [f.load("ptr", place, 8)]), (lambda: ["null"])
            pointer = f.branch(inside, read, none, ["ptr"])[0]
        else:
            pointer = f.offset(view.pointer, step, op.result.type.dtype.bytes)
        sizes, strides = (x[:axis] + x[axis + 1 :] for x in (view.sizes, view.strides))
        sizes = tuple(f.let(f"select i1 {inside}, i64 {n}, i64 0") for n in sizes)
        self.views[op.result] = ViewRef(pointer, sizes, strides)

    def op_part(self, op: Op) -> None:
        """The real or imaginary parts of a view of complex numbers."""
        view, bytes = self.views[op.operands[0]], op.result.type.dtype.bytes
        pointer = self.f.offset(view.pointer, str(op.attrs["part"]), bytes)
        strides = tuple(self.f.mul(s, "2") for s in view.strides)
        self.views[op.result] = ViewRef(pointer, view.sizes, strides)

    def op_load(self, op: Op) -> None:
        self.points.access[op.result] = self.access(op, op.result.type)
        if op.result in self.early:
            memory = self.memory(op.result.type)
            self.put(op.result, memory)
            self.points.access[op.result] = memory

    def access(self, op: Op, tile: Tile) -> Access:
        """The place of a load or store."""
        f, view = self.f, self.views[op.operands[0]]
        pointer, limits = view.pointer, []
        for v, s, size, stride in zip(op.operands[1:], tile.shape, view.sizes, view.strides):
            # An index beyond the view, below zero included, makes a place with nothing in bounds.
            index = self.scalars[v]
            if index != "0":
                inside = f.let(f"icmp ult i64 {index}, {size}")
                index = f.let(f"select i1 {inside}, i64 {index}, i64 {size}")
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
            self.block(inner)
            return [self.scalars[v] for v in inner.ops[-1].operands]

        values = self.f.branch(
            self.scalars[op.operands[0]],
            *(lambda b=b: side(b) for b in op.blocks),
            [type_of(v.type.dtype) for v in op.results],
        )
        self.scalars.update(zip(op.results, values))

    def select(self, op: Op) -> None:
        for v, x, y in zip(op.results, *(b.ops[-1].operands for b in op.blocks)):
            if isinstance(v.type, View):
                raise KernelError(op.loc, "an if cannot choose between views")
            if isinstance(v.type, Scalar):
                t = type_of(v.type.dtype)
                self.scalars[v] = self.f.let(
                    f"select i1 {self.scalars[op.operands[0]]}, "
                    f"{t} {self.scalars[x]}, {t} {self.scalars[y]}"
                )

    def op_for(self, op: Op) -> None:
        if dot.Nest.of(op):
            return
        body, carried = op.blocks[0], op.operands[3:]
        lo, hi, step = (self.scalars[v] for v in op.operands[:3])
        if any(isinstance(v.type, View) for v in carried):
            raise KernelError(op.loc, "a view cannot change in a loop")
        numbers = [i for i, v in enumerate(carried) if isinstance(v.type, Scalar)]
        tiles = [i for i, v in enumerate(carried) if isinstance(v.type, Tile)]
        # A carried tile has two places: the body reads one and writes the other, and they swap.
        places = {i: (self.memory(carried[i].type), self.memory(carried[i].type)) for i in tiles}
        for i in tiles:
            self.put(carried[i], places[i][0])
        start = [(type_of(carried[i].type.dtype), self.scalars[carried[i]]) for i in numbers]
        start += [("ptr", p.pointer) for i in tiles for p in places[i]]

        def iteration(counter: str, values: list[str]) -> list[str]:
            self.scalars[body.args[0]] = counter
            for i, x in zip(numbers, values):
                self.scalars[body.args[1 + i]] = x
            pairs = list(zip(values[len(numbers) :: 2], values[len(numbers) + 1 :: 2]))
            for i, (read, _) in zip(tiles, pairs):
                self.points.access[body.args[1 + i]] = replace(places[i][0], pointer=read)
            self.block(body)
            ends = body.ops[-1].operands
            for i, (_, write) in zip(tiles, pairs):
                self.put(ends[i], replace(places[i][0], pointer=write))
            return [self.scalars[ends[i]] for i in numbers] + [p for r, w in pairs for p in (w, r)]

        last = self.f.loop(lo, hi, step, start, iteration)
        for i, x in zip(numbers, last):
            self.scalars[op.results[i]] = x
        for i, x in zip(tiles, last[len(numbers) :: 2]):
            self.points.access[op.results[i]] = replace(places[i][0], pointer=x)

    # ---- stores ----------------------------------------------------------------------------------

    def op_store(self, op: Op) -> None:
        value = op.operands[-1]
        access = self.access(op, value.type)
        waiting = [nest for v, nest in self.nests.items() if v in reached(value)]
        if waiting:
            for v in waiting[0].results:
                del self.nests[v]
            dot.lower(self, waiting[0], (value, access))
        elif reads_elsewhere(op):
            # The value is read from the view that it overwrites, at other places: compute it first.
            places = [(v, self.memory(v.type)) for v in parts(value)]
            for v, memory in places:
                self.put(v, memory)
            self.points.access.update(places)
            self.chunks(value, access, op)
        else:
            self.chunks(value, access, op)

    def width(self, values: set[Value]) -> int:
        """Lanes of a vector: as many as the widest dtype among the values allows."""
        widest = max(v.type.dtype.part.bytes for v in values)
        return self.target.vector_bytes // widest

    def chunks(self, value: Value, access: Access, op: Op | None) -> None:
        """Compute a tile and write it: rows of chunks of UNROLL vectors, then a masked tail."""
        f, tile = self.f, value.type
        within = reached(value)
        lane = access.unit_axis()
        lane = len(tile.shape) - 1 if lane is None else lane
        w = self.width(within)
        ends = [f.clamp(n, str(s)) for n, s in zip(access.limits, tile.shape)]
        safe = self.safe(value, ends)

        def write(points: list[Point]) -> None:
            self.points.put(access, value, points, {})

        def row(at: tuple[str, ...]) -> None:
            ok = None
            for d, (i, n) in enumerate(zip(at, safe)):
                if d != lane:
                    here = f.less(i, n)
                    ok = f.let(f"and i1 {ok}, {here}") if ok else here
            fast = safe[lane]
            if ok:
                fast = f.let(f"select i1 {ok}, i64 {fast}, i64 0")
            fast = f.floor_to(fast, w * UNROLL)

            def chunk(start: str, vectors: int, *, checked: bool) -> None:
                lanes = [f.add(start, str(u * w)) for u in range(vectors)]
                write([Point(at[:lane] + (c,) + at[lane + 1 :], lane, w, checked) for c in lanes])

            f.each("0", fast, str(w * UNROLL), lambda c: chunk(c, UNROLL, checked=False))
            f.each(fast, ends[lane], str(w), lambda c: chunk(c, 1, checked=True))

        self.every([d for d in range(len(ends)) if d != lane], ends, row, {})

    def every(
        self,
        axes: list[int],
        ends: list[str],
        row: Callable[[tuple[str, ...]], None],
        at: dict[int, str],
    ) -> None:
        """A loop over each of the axes; row(place) inside, with 0 for the axis that is left."""
        if not axes:
            row(tuple(at.get(d, "0") for d in range(len(ends))))
            return
        first, rest = axes[0], axes[1:]
        self.f.each("0", ends[first], "1", lambda i: self.every(rest, ends, row, {**at, first: i}))

    def safe(self, value: Value, ends: list[str]) -> list[str]:
        """Per axis, below which index, `ends` at most, every load behind a tile is in bounds."""
        f, safe = self.f, list(ends)
        for v, wide in reached(value).items():
            a = self.points.access.get(v)
            for d in range(len(safe)) if a else ():
                if wide[d]:
                    safe[d] = f.max(f.min(safe[d], a.limits[d]), "0")
                else:  # broadcast: its one index must exist, or nothing is safe
                    inside = f.less("0", a.limits[d])
                    safe[d] = f.let(f"select i1 {inside}, i64 {safe[d]}, i64 0")
        return safe


def lower(function: Function, target: Target, blocks: dot.Blocks | None = None) -> Lowered:
    """The LLVM IR of a kernel for a vector target; blocks: how its dots are register-blocked."""
    simplify(complex.split(simplify(function)))
    state = Vector(target, blocks, early=early_loads(function.body))
    f = state.f
    count = 0

    def word(type: str = "i64") -> str:
        nonlocal count
        at = f.let(f"getelementptr i64, ptr %params, i64 {count}")
        count += 1
        return f.let(f"load {type}, ptr {at}, align 8, !invariant.load !0")

    state.grid = [word() for _ in range(3)]
    for p in function.params:
        if isinstance(p.type, View):
            pointer = word("ptr")
            sizes = tuple(word() for _ in range(p.type.ndim))
            words = [word() for _ in p.type.strides]
            strides = tuple(w if s is None else str(s) for w, s in zip(words, p.type.strides))
            state.views[p] = ViewRef(pointer, sizes, strides)
        else:
            state.scalars[p] = word(type_of(p.type.dtype))
    x, y = state.grid[0], state.grid[1]
    rest = f.let(f"udiv i64 %pid, {x}")
    state.pid = [
        f.let(f"urem i64 %pid, {x}"),
        f.let(f"urem i64 {rest}, {y}"),
        f.let(f"udiv i64 {rest}, {y}"),
    ]
    state.block(function.body)
    return Lowered(
        f.module(function.name, target) + "\n!0 = !{}\n", function.name, state.scratch, count
    )
