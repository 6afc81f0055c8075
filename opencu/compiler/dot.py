"""A dot becomes a register-blocked nest.

    for each step of the loop around the dot           k chunk, BK deep
        pack b: panels of NR columns                   BK x BN, in the last-level cache
        for each MC rows
            pack a: panels of MR rows                  MC x BK, in the second-level cache
            for each b panel, for each a panel         BK x NR in the first-level cache
                acc[MR, NR] in registers: k loop of MR x NR/width FMAs

    packed panel of a:  k=0: row 0 .. MR-1, k=1: row 0 .. MR-1, ...        (b: columns, alike)

Between chunks the accumulators rest in scratch, a block of MR x NR after another; after the last
one the epilogue runs on the registers and is stored: no accumulator tile goes through memory when
there is one chunk. An operand that is not packed is read where it lies: a as scalars, b as vectors.
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
from opencu.compiler.packing import Packer
from opencu.compiler.points import Access
from opencu.compiler.register_block import Columns, RegisterBlock, Rows
from opencu.tile.ir import KernelError, Op, Tile, Value


def room(size: int, step: int) -> int:
    """size rounded up to whole steps."""
    return (size + step - 1) // step * step


@dataclass(frozen=True)
class Blocks:
    """How a target does a dot: all in elements, tuned per dtype, nr a multiple of the vector."""

    mr: int
    nr: int
    mc: int = 0  # rows of a that are packed at once; 0: all
    unroll: int = 4  # steps of k
    pack_a: bool = True
    pack_b: bool = True

    def __post_init__(self) -> None:
        sizes, flags = (self.mr, self.nr, self.mc, self.unroll), (self.pack_a, self.pack_b)
        if {type(x) for x in sizes} != {int} or {type(x) for x in flags} != {bool}:
            raise TypeError(f"{self}: expected integers, and pack_a and pack_b True or False")
        if min(self.mr, self.nr, self.unroll) < 1 or self.mc < 0 or self.mc % self.mr:
            raise ValueError(f"{self}: expected mr, nr, unroll >= 1 and mc a multiple of mr")


class Nest(NamedTuple):
    """A dot and, if it accumulates over one, the loop around it."""

    dot: Op
    loop: Op | None
    result: Value

    @staticmethod
    def of(op: Op) -> "Nest | None":
        """The nest that starts at op: a dot, or a loop with nothing but acc = dot(a, b, acc)."""
        if op.name == "dot":
            return Nest(op, None, op.result)
        if op.name != "for" or len(op.results) != 1 or not isinstance(op.result.type, Tile):
            return None
        body = op.blocks[0]
        dots = [o for o in body.ops if o.name == "dot"]
        acc, end = body.args[1], body.ops[-1].operands[0]
        users = [o for o in body.ops if acc in uses(o)]
        if len(dots) != 1 or not all(is_pure(o) or o is dots[0] for o in body.ops):
            return None
        ok = users == dots and acc is dots[0].operands[2] and end is dots[0].result
        return Nest(dots[0], op, op.result) if ok and acc not in dots[0].operands[:2] else None

    def fusible(self, rest: list[Op]) -> bool:
        """Is the result used by one store only, with nothing in between that must come first? The
        nest then stores while it still reads a and b, which must not be the stored view's."""
        read = {root_view(x.op.operands[0]) for v in self.dot.operands[:2] for x in loads(v)}
        derived, store = {self.result}, None
        for op in rest:
            used = bool(derived & uses(op))
            if used and (store or not (op.name == "store" or is_pure(op)) or op.name == "yield"):
                return False
            if op.name == "store" and used:
                wide = reached(op.operands[-1]).get(self.result, ())
                if (
                    not all(wide)
                    or op.operands[-1].type.shape != self.result.type.shape
                    or reads_elsewhere(op)
                    or derived & set(op.operands[:-1])
                    or root_view(op.operands[0]) in read
                ):
                    return False
                store = op
            elif not store and not is_pure(op):
                return False
            elif used:
                derived |= set(op.results)
        return store is not None


def lower(state, nest: Nest, fused: tuple[Op, Access] | None) -> None:
    """Emit the nest; `fused` is the store, with its place, whose value the result flows into."""
    if state.blocks is None:
        raise KernelError(nest.dot.loc, "this launch has no register blocks for its dot")
    Lowering(state, nest, fused).run()


class Lowering:
    """One nest being emitted: where its operands, its sums and its result lie."""

    def __init__(self, state, nest: Nest, fused: tuple[Op, Access] | None):
        self.state, self.nest, self.f, self.points = state, nest, state.f, state.points
        self.a, self.b, _ = nest.dot.operands
        self.init = nest.loop.operands[3] if nest.loop else nest.dot.operands[2]
        (self.bm, self.bk), self.bn = self.a.type.shape, self.b.type.shape[1]
        self.dtype, self.blocks = nest.result.type.dtype, state.blocks
        self.bytes, self.w = self.dtype.bytes, state.target.vector_bytes // self.dtype.bytes
        self.value = fused[0].operands[-1] if fused else nest.result
        self.access = fused[1] if fused else state.points.access[nest.result]
        self.result, self.out_dtype = nest.result, self.value.type.dtype
        mr, nr = self.blocks.mr, self.blocks.nr
        if nr % self.w:
            raise KernelError(nest.dot.loc, f"nr {nr} is not a multiple of {self.w} lanes")
        self.mc = self.blocks.mc or self.bm
        self.panels = room(self.bm, mr) // mr
        self.acc = (
            state.allocate(self.panels * room(self.bn, nr) * mr * self.bytes) if nest.loop else ""
        )
        # A transposed panel's last store may run over its end by less than a vector.
        slack = state.target.vector_bytes
        if self.blocks.pack_a:
            rows = room(min(self.mc, self.bm), mr)
            self.packed_a = state.allocate(rows * self.bk * self.bytes + slack)
        if self.blocks.pack_b:
            self.packed_b = state.allocate(room(self.bn, nr) * self.bk * self.bytes + slack)

    def run(self) -> None:
        f, loop = self.f, self.nest.loop
        self.ends = [f.clamp(n, str(s)) for n, s in zip(self.access.limits, (self.bm, self.bn))]
        self.safe_out = self.state.safe(self.value, self.ends)
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
            self.state.scalars[loop.blocks[0].args[0]] = k
            for op in loop.blocks[0].ops:
                if op.name not in ("dot", "yield"):
                    getattr(self.state, f"op_{op.name}", self.state.op_pointwise)(op)
            self.chunk(f.less(k, hi))

        f.each("0", trips, "1", chunk)

    # ---- one chunk of k --------------------------------------------------------------------------

    def chunk(self, exists: str | None) -> None:
        f, mr, nr = self.f, self.blocks.mr, self.blocks.nr
        rows, columns = self.ends
        # Per axis, below which index every load behind an operand is in bounds.
        limits = {v: self.state.safe(v, [str(s) for s in v.type.shape]) for v in (self.a, self.b)}
        # k beyond both operands' bounds adds 0 * 0, if out of bounds is zero after the load hooks.
        depth = str(self.bk)
        if zero_outside(self.a) and zero_outside(self.b):
            depth = f.clamp(f.max(limits[self.a][1], limits[self.b][0]), depth)
        if exists:
            depth = f.let(f"select i1 {exists}, i64 {depth}, i64 0")
        self.depth, self.limits = depth, limits
        packer = Packer(f, self.points, self.dtype, self.w, self.bk, depth)
        if self.blocks.pack_b:
            packer.pack(self.b, 1, "0", columns, nr, self.packed_b, limits[self.b])
        if not self.blocks.pack_a:
            self.block("0", rows)
            return

        def band(i: str) -> None:
            end = f.min(f.add(i, str(self.mc)), rows)
            packer.pack(self.a, 0, i, end, mr, self.packed_a, limits[self.a])
            self.block(i, end)

        f.each("0", rows, str(self.mc), band)

    # ---- register blocks -------------------------------------------------------------------------

    def block(self, lo: str, hi: str) -> None:
        """All register blocks of rows lo..hi. Unpacked operands are read with no slack: rows in
        blocks of mr, then of 4, 2, 1; columns in whole blocks, then single masked vectors."""
        f, blocks = self.f, self.blocks
        columns, vectors = self.ends[1], blocks.nr // self.w
        if blocks.pack_b:
            self.columns("0", columns, vectors, lo, hi)
            return
        whole = f.floor_to(f.min(columns, self.limits[self.b][1]), blocks.nr)
        deep = f.let(f"icmp sle i64 {self.depth}, {self.limits[self.b][0]}")
        whole = f.let(f"select i1 {deep}, i64 {whole}, i64 0")
        self.columns("0", whole, vectors, lo, hi)
        self.columns(whole, columns, 1, lo, hi, checked=True)

    def columns(
        self, start: str, end: str, vectors: int, lo: str, hi: str, *, checked: bool = False
    ) -> None:
        f, mr = self.f, self.blocks.mr

        def strip(j: str) -> None:
            if self.blocks.pack_a:
                self.rows(lo, hi, mr, lo, Columns(j, vectors, checked))
                return
            deep = f.let(f"icmp sle i64 {self.depth}, {self.limits[self.a][1]}")
            readable = f.max(f.min(hi, self.limits[self.a][0]), lo)
            readable = f.let(f"select i1 {deep}, i64 {readable}, i64 {lo}")
            i, size = lo, mr
            while size:
                stop = f.add(i, f.floor_to(f.sub(readable, i), size))
                self.rows(i, stop, size, lo, Columns(j, vectors, checked))
                i, size = stop, max(s for s in (4, 2, 1, 0) if s < size)
            self.rows(i, hi, 1, lo, Columns(j, vectors, checked), checked=True)

        f.each(start, end, str(vectors * self.w), strip)

    def rows(
        self,
        start: str,
        end: str,
        size: int,
        band: str,
        columns: Columns,
        *,
        checked: bool = False,
    ) -> None:
        self.f.each(
            start,
            end,
            str(size),
            lambda i: RegisterBlock(self, Rows(i, size, band, checked), columns).run(),
        )
