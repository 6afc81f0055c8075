"""The vector lowering: one program becomes one sequential function.

    void entry(const int64_t *params, int64_t pid, void *scratch)

params holds the grid (3 numbers), then each kernel parameter in order: a view as pointer, sizes,
strides; a scalar as its bits. Scalars are computed where they stand. Tiles are computed at the
points that a root asks for (points.py); roots are stores (chunks.py), dots (dot.py) and
values that must be put into memory.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from opencu.compiler import carried, complex, dot, elements, reduction
from opencu.compiler.chunks import Chunks
from opencu.compiler.expressions import (
    is_pure,
    keeps_order,
    parts,
    reached,
    read_views,
    reads_elsewhere,
    stays_whole,
    uses,
    within,
)
from opencu.compiler.held import held
from opencu.compiler.llvm import Lanes, Lowered, constant, type_of
from opencu.compiler.memory import Access, ViewRef, moved
from opencu.compiler.points import Points
from opencu.compiler.simplify import simplify
from opencu.drivers.interface import Target
from opencu.tile.dtypes import DType
from opencu.tile.ir import Block, Function, KernelError, Op, Scalar, Tile, Value, View

METADATA = """
!0 = !{}
!1 = !{i32 1}
!2 = !{!"branch_weights", i32 1000, i32 1}
"""


@dataclass
class Vector(Chunks):
    """The state of one lowering."""

    blocks: dot.Blocks | None = None
    nests: dict[Value, dot.Nest] = field(default_factory=dict)  # dots that wait for their store
    used: set[Value] = field(default_factory=set)  # the values that some op uses
    held: set[Value] = field(default_factory=set)  # tiles that go to scratch where they stand
    waiting: dict[Value, Access] = field(default_factory=dict)  # of them, for their reduction
    counted: dict[Value, Op] = field(default_factory=dict)  # the loops of counters
    grid: list[str] = field(default_factory=list)  # its three sizes
    pid: list[str] = field(default_factory=list)  # this program's place in it

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
                if p.type.strides == (1,):
                    self.points.narrow[sizes[0]] = f.narrow(sizes[0])
            else:
                self.scalars[p] = word(type_of(p.type.dtype))
        x, y, _ = self.grid
        rest = f.let(f"udiv i64 {program}, {x}")
        axes = (("urem", program, x), ("urem", rest, y), ("udiv", rest, y))
        self.pid = [f.let(f"{op} i64 {i}, {n}") for op, i, n in axes]
        self.block(function.body)
        if self.streams:  # such writes are seen by others only behind a fence
            f.do("fence seq_cst")

    def hold(self, v: Value, rest: Sequence[Op] = ()) -> None:
        """Compute a tile into scratch, where its users find it. If the first of them among `rest`
        is a reduction, that writes what it reads."""
        memory = self.memory(v.type)
        if self.target.kind == "vector" and reduces_first(v, rest):
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

    lower_dot = dot.lower

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
        lo = f.clamp(lo, size) if lo != "0" else lo
        hi = hi if within(op.operands[2], op.operands[0], axis) else f.min(hi, size)
        hi = f.max(hi, lo)
        step = f.mul(lo, view.strides[axis])
        sizes = moved(view.sizes, axis, f.sub(hi, lo))
        pointer = f.offset(view.pointer, step, op.result.type.dtype.bytes)
        self.views[op.result] = ViewRef(pointer, sizes, view.strides)

    def op_pick(self, op: Op) -> None:
        """One index of an axis; out of bounds, a view in which nothing is in bounds. The pointer to
        an empty one is not read."""
        f, axis = self.f, op.attrs["axis"]
        view, index = self.views[op.operands[0]], self.scalars[op.operands[1]]
        inside = f.let(f"icmp ult i64 {index}, {view.sizes[axis]}")
        step = f.mul(index, view.strides[axis])
        if op.operands[0].type.pointers:
            place = f.offset(view.pointer, step, 8)
            some = f.all_of([inside, *(f.less("0", n) for n in view.sizes[1:])])
            kind = f.pointer_type(place)
            read, none = (lambda: [f.load(kind, place, 8)]), (lambda: ["null"])
            pointer = f.points_like(f.branch(some, read, none, [kind])[0], place)
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
        axes = zip(op.operands[1:], tile.shape, view.sizes, view.strides)
        for d, (v, s, size, stride) in enumerate(axes):
            index, whole = self.scalars[v], stays_whole(self.counted.get(v), op.operands[0], d, s)
            if index != "0" and not whole:
                # Beyond the view, below zero included, is a place with nothing in bounds.
                index = f.select(f.let(f"icmp ult i64 {index}, {size}"), index, size)
            start = f.mul(index, str(s))
            limits.append(str(s) if whole else f.min(f.sub(size, start), str(s)))
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

    op_scatter = op_atomic = elements.lower

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


def reduces_first(v: Value, rest: Sequence[Op]) -> bool:
    """Is a reduction of v the first that is done with it, and nothing else done before?"""
    first = next((op for op in rest if not is_pure(op)), None)
    return first is not None and first.name == "reduce" and first.operands[0] is v


def loaded(access: dict[Value, Access]) -> set[Value]:
    """The values whose place is the view that they are loaded from."""
    return {v for v in access if v.made_by == "load"}


def lower(function: Function, target: Target, blocks: dot.Blocks | None = None) -> Lowered:
    """The LLVM IR of a kernel for a vector target; blocks: how its dots are register-blocked."""
    simplify(complex.split(simplify(function)))
    state = Vector(target, blocks=blocks, held=held(function))
    state.read = read_views(function.body)
    state.used = {v for op in function.body.ops for v in uses(op)}
    f = state.f
    words = itertools.count()

    def word(type: str) -> str:
        at = f.let(f"getelementptr i64, ptr %params, i64 {next(words)}")
        return f.let(f"load {type}, ptr {at}, align 8, !invariant.load !0")

    state.run(function, word, "%pid")
    text = f.module(function.name, target) + METADATA
    return Lowered(text, 1, state.scratch, next(words), 0)
