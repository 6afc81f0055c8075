"""A dot becomes a register-blocked nest.

    for each step of the loop around the dot           k chunk, BK deep
        pack b: panels of NR columns                   BK x BN, in the last-level cache
        for each MC rows
            pack a: panels of MR rows                  MC x BK, in the second-level cache
            for each b panel, for each a panel         BK x NR in the first-level cache
                acc[MR, NR] in registers: k loop of MR x NR/width FMAs

    packed panel of a:  k=0: row 0 .. MR-1, k=1: row 0 .. MR-1, ...        (b: columns, alike)

A product of complex numbers is one nest of two planes: real and imaginary parts have panels and
sums of their own.

Between chunks the accumulators rest in scratch, a block of MR x NR after another; after the last
one the epilogue runs on the registers and is stored: no accumulator tile goes through memory when
there is one chunk. An operand that is not packed is read where it lies: a as scalars, b as vectors;
or, where both are contiguous along k and a is short, both as vectors along k.
"""

from dataclasses import dataclass
from typing import NamedTuple

from opencu.compiler.expressions import (
    is_pure,
    loads,
    reached,
    reads_elsewhere,
    root_view,
    uses,
    zero_outside,
)
from opencu.compiler.memory import Access
from opencu.compiler.multiply import choose, converted
from opencu.compiler.packing import Packer
from opencu.compiler.register_block import AlongK, Columns, RegisterBlock, Rows
from opencu.tile.ir import KernelError, Op, Value


def room(size: int, step: int) -> int:
    """size rounded up to whole steps."""
    return (size + step - 1) // step * step


@dataclass(frozen=True)
class Blocks:
    """How a target does a dot: all in elements, tuned per dtype, nr a multiple of the vector
    unless the lanes run along k."""

    mr: int
    nr: int
    mc: int = 0  # rows of a that are packed at once; 0: all
    unroll: int = 4  # steps of k
    pack_a: bool = True
    pack_b: bool = True
    along_k: bool = False  # a vector is one row's, or column's, next elements along k

    def __post_init__(self) -> None:
        sizes, flags = (self.mr, self.nr, self.mc, self.unroll), (self.pack_a, self.pack_b)
        if {type(x) for x in sizes} != {int} or {type(x) for x in flags} != {bool}:
            raise TypeError(f"{self}: expected integers, and pack_a and pack_b True or False")
        if min(self.mr, self.nr, self.unroll) < 1 or self.mc < 0 or self.mc % self.mr:
            raise ValueError(f"{self}: expected mr, nr, unroll >= 1 and mc a multiple of mr")
        if self.along_k and (self.pack_a or self.pack_b):
            raise ValueError(f"{self}: operands are read where they lie if lanes run along k")


class Nest(NamedTuple):
    """A dot and, if it accumulates over one, the loop around it."""

    dot: Op
    loop: Op | None
    results: list[Value]  # of each plane

    @staticmethod
    def of(op: Op) -> "Nest | None":
        """The nest that starts at op: a dot, or a loop with nothing but acc = dot(a, b, acc)."""
        if op.name == "dot":
            return Nest(op, None, op.results)
        if op.name != "for":
            return None
        body = op.blocks[0]
        dots = [o for o in body.ops if o.name == "dot"]
        if len(dots) != 1 or not all(is_pure(o) or o is dots[0] for o in body.ops):
            return None
        dot, accs = dots[0], body.args[1:]
        sums = slice(2 * len(dot.results), 3 * len(dot.results))
        users = [o for o in body.ops if set(accs) & uses(o)]
        ok = users == dots and accs == dot.operands[sums]
        ok = ok and body.ops[-1].operands == dot.results
        ok = ok and not set(accs) & set(dot.operands[: sums.start])
        return Nest(dot, op, op.results) if ok else None

    @property
    def planes(self) -> int:
        """1, or 2 for complex numbers."""
        return len(self.results)

    @property
    def factors(self) -> tuple[list[Value], list[Value]]:
        """The planes of a, and those of b."""
        planes, operands = self.planes, self.dot.operands
        return operands[:planes], operands[planes : 2 * planes]

    @property
    def init(self) -> list[Value]:
        """What the sums start from."""
        start = 2 * self.planes
        return (
            self.loop.operands[3:] if self.loop else self.dot.operands[start : start + self.planes]
        )

    def begin_trip(self, state, k: str) -> None:
        """Emit what the loop around the dot does besides."""
        state.scalars[self.loop.blocks[0].args[0]] = k
        for op in self.loop.blocks[0].ops:
            if op.name not in ("dot", "yield"):
                getattr(state, f"op_{op.name}", state.op_pointwise)(op)

    def fusible(self, rest: list[Op]) -> bool:
        """Is the result used by one store only, with nothing in between that must come first? The
        nest then stores while it still reads a and b, which must not be the stored view's."""
        factors = (v for planes in self.factors for v in planes)
        read = {root_view(x.op.operands[0]) for v in factors for x in loads(v)}
        derived, store = set(self.results), None
        for op in rest:
            used = bool(derived & uses(op))
            if used and (store or not (op.name == "store" or is_pure(op)) or op.name == "yield"):
                return False
            if op.name == "store" and used:
                *place, value = op.operands
                found = reached(value)
                same = all(all(found.get(v, ())) for v in self.results)
                same = same and value.type.shape == self.results[0].type.shape
                if not same or reads_elsewhere(op):
                    return False
                if derived & set(place) or root_view(place[0]) in read:
                    return False
                store = op
            elif not store and not is_pure(op):
                return False
            elif used:
                derived |= set(op.results)
        return store is not None


def lower(state, nest: Nest, fused: tuple[Value, Access] | None) -> None:
    """Emit the nest; `fused` is the value that the result flows into, and where it is stored."""
    if state.blocks is None:
        raise KernelError(nest.dot.loc, "this launch has no register blocks for its dot")
    Lowering(state, nest, fused).run()


class Lowering:
    """One nest being emitted: where its operands, its sums and its result lie."""

    def __init__(self, state, nest: Nest, fused: tuple[Value, Access] | None):
        self.state, self.nest, self.f, self.points = state, nest, state.f, state.points
        planes, blocks = range(nest.planes), state.blocks
        self.blocks, self.result = blocks, nest.results
        self.factors, self.init = nest.factors, nest.init
        (self.bm, self.bk), (_, self.bn) = (x[0].type.shape for x in self.factors)
        self.dtype = nest.results[0].type.dtype
        self.bytes, self.w = self.dtype.bytes, state.target.vector_bytes // self.dtype.bytes
        self.lanes = 1 if blocks.along_k else self.w  # of a vector of sums
        self.outputs = [fused] if fused else [(v, state.points.access[v]) for v in nest.results]
        packed = blocks.pack_a and blocks.pack_b
        factor = self.factors[0][0].type.dtype
        self.multiply = m = choose(state.target, factor, self.dtype, packed)
        self.a, self.b = ([converted(v, m.element) for v in x] for x in self.factors)
        mr, nr = blocks.mr, blocks.nr
        if nr % self.lanes or self.bk % m.group:
            what = f"nr {nr} is not a multiple of {self.lanes} lanes"
            if self.bk % m.group:
                what = f"a depth of {self.bk} is not a multiple of {m.group}, which are one unit"
            raise KernelError(nest.dot.loc, what)
        self.mc = blocks.mc or self.bm
        self.panels = room(self.bm, mr) // mr
        self.bu = self.bk // m.group
        sums = self.panels * room(self.bn, nr) * mr * self.bytes
        self.acc = [state.allocate(sums) for _ in planes] if nest.loop else []
        # A transposed panel's last store may run over its end by less than a vector.
        slack = state.target.vector_bytes
        if blocks.pack_a:
            size = room(min(self.mc, self.bm), mr) * self.bu * self.bytes + slack
            self.packed_a = [state.allocate(size) for _ in planes]
        if blocks.pack_b:
            size = room(self.bn, nr) * self.bu * self.bytes + slack
            self.packed_b = [state.allocate(size) for _ in planes]

    def run(self) -> None:
        f, loop = self.f, self.nest.loop
        value, access = self.outputs[0]
        self.ends = [f.clamp(n, str(s)) for n, s in zip(access.limits, (self.bm, self.bn))]
        self.safe_out = self.state.safe(value, self.ends)
        if loop is None:
            self.first = self.last = None
            self.chunk(None)
            return
        lo, hi, step = (self.state.scalars[v] for v in loop.operands[:3])
        span = f.max(f.sub(hi, lo), "0")
        up = f.let(f"udiv i64 {f.sub(f.add(span, step), '1')}, {step}")
        trips = f.max(up, "1")  # with no trips at all one chunk of depth 0 stores the epilogue

        def chunk(t: str) -> None:
            self.first, self.last = f.let(f"icmp eq i64 {t}, 0"), f.less(f.sub(trips, "2"), t)
            k = f.add(lo, f.mul(t, step))
            self.nest.begin_trip(self.state, k)
            self.chunk(f.less(k, hi))

        f.each("0", trips, "1", chunk)

    # ---- one chunk of k --------------------------------------------------------------------------

    def chunk(self, exists: str | None) -> None:
        f, mr, nr = self.f, self.blocks.mr, self.blocks.nr
        rows, columns = self.ends
        # Per axis, below which index every load behind an operand is in bounds.
        limits = self.limits = [self.inside(x) for x in self.factors]
        # k beyond both operands' bounds adds 0 * 0, if out of bounds is zero after the load hooks.
        depth = str(self.bk)
        if all(zero_outside(v) for x in self.factors for v in x):
            depth = f.clamp(f.max(limits[0][1], limits[1][0]), depth)
        if exists:
            depth = f.select(exists, depth, "0")
        self.depth = self.units = depth
        if (group := self.multiply.group) > 1:
            self.units = f.let(f"udiv i64 {f.add(depth, str(group - 1))}, {group}")
        unit = self.multiply.unit(self.dtype)
        packer = Packer(f, self.points, unit, self.w, self.bu, depth, self.units, self.multiply)
        if self.blocks.pack_b:
            for v, panels in zip(self.b, self.packed_b):
                packer.pack(v, 1, "0", columns, nr, panels, limits[1])
        if not self.blocks.pack_a:
            self.block("0", rows)
            return

        def band(i: str) -> None:
            end = f.min(f.add(i, str(self.mc)), rows)
            for v, panels in zip(self.a, self.packed_a):
                packer.pack(v, 0, i, end, mr, panels, limits[0])
            self.block(i, end)

        f.each("0", rows, str(self.mc), band)

    def inside(self, planes: list[Value]) -> list[str]:
        ends = list(map(str, planes[0].type.shape))
        for v in planes:
            ends = self.state.safe(v, ends)
        return ends

    # ---- register blocks -------------------------------------------------------------------------

    def block(self, lo: str, hi: str) -> None:
        """All register blocks of rows lo..hi. Unpacked operands are read with no slack: rows in
        blocks of mr, then of 4, 2, 1; columns in whole blocks, then single masked vectors."""
        f, blocks = self.f, self.blocks
        columns, vectors = self.ends[1], blocks.nr // self.lanes
        if blocks.pack_b:
            self.columns("0", columns, vectors, lo, hi)
            return
        whole = f.floor_to(f.min(columns, self.limits[1][1]), blocks.nr)
        deep = f.let(f"icmp sle i64 {self.depth}, {self.limits[1][0]}")
        whole = f.select(deep, whole, "0")
        self.columns("0", whole, vectors, lo, hi)
        self.columns(whole, columns, 1, lo, hi, checked=True)

    def columns(
        self, start: str, end: str, vectors: int, lo: str, hi: str, *, checked: bool = False
    ) -> None:
        f, mr, outer = self.f, self.blocks.mr, (lo, hi)

        def strip(j: str) -> None:
            lo, hi = self.rows_of(j, vectors * self.lanes, *outer)
            if self.blocks.pack_a:
                self.rows(lo, hi, mr, outer[0], Columns(j, vectors, checked))
                return
            deep = f.let(f"icmp sle i64 {self.depth}, {self.limits[0][1]}")
            readable = f.max(f.min(hi, self.limits[0][0]), lo)
            readable = f.select(deep, readable, lo)
            i, size = lo, mr
            while size:
                stop = f.add(i, f.floor_to(f.sub(readable, i), size))
                self.rows(i, stop, size, lo, Columns(j, vectors, checked))
                i, size = stop, max(s for s in (4, 2, 1, 0) if s < size)
            self.rows(i, hi, 1, lo, Columns(j, vectors, checked), checked=True)

        f.each(start, end, str(vectors * self.lanes), strip)

    def rows_of(self, j: str, width: int, lo: str, hi: str) -> tuple[str, str]:
        """Of the rows lo..hi, those whose sums in the columns from j on are used."""
        f, (where, by) = self.f, self.where()
        if where == "j<=i":
            above = f.max(f.sub(f.sub(j, by), lo), "0")
            lo = f.min(f.add(lo, f.floor_to(above, self.blocks.mr)), hi)
        elif where == "j>=i":
            hi = f.max(f.min(f.sub(f.add(j, str(width)), by), hi), lo)
        return lo, hi

    def where(self) -> tuple[str, str]:
        """What the dot says of the sums, or the products, that count."""
        where = self.nest.dot.attrs.get("where", "")
        return where, self.state.scalars[self.nest.dot.operands[-1]] if where else "0"

    def rows(
        self, start: str, end: str, size: int, band: str, columns: Columns, *, checked: bool = False
    ) -> None:
        block = AlongK if self.blocks.along_k else RegisterBlock

        def run(i: str) -> None:
            block(self, Rows(i, size, band, checked), columns).run()

        self.f.each(start, end, str(size), run)
