"""One block of accumulators of a dot, in registers from its first to its last use.

    for each k:  acc[r][c] += a[r, k] (one number, on all lanes) * b[k, c] (a vector)

A chunk's sums start from zero and meet what was there before at the end, when it has arrived.
"""

from typing import TYPE_CHECKING, NamedTuple

from opencu.compiler.expressions import is_zero, loads
from opencu.compiler.llvm import suffix, type_of
from opencu.compiler.points import Memo, Point

if TYPE_CHECKING:
    from opencu.compiler.dot import Lowering


class Rows(NamedTuple):
    first: str
    count: int
    band: str  # the row where packing started
    checked: bool  # a may be out of bounds here


class Columns(NamedTuple):
    first: str
    vectors: int
    checked: bool  # b may be


class RegisterBlock:
    def __init__(self, nest: "Lowering", rows: Rows, columns: Columns):
        self.nest, self.f, self.points = nest, nest.f, nest.points
        self.rows, self.columns, self.w = rows, columns, nest.w
        self.type = type_of(nest.dtype, nest.w)
        self.row_at = [self.f.add(rows.first, str(r)) for r in range(rows.count)]
        self.column_at = [
            self.f.add(columns.first, str(c * self.w)) for c in range(columns.vectors)
        ]

    def run(self) -> None:
        nest, f = self.nest, self.f
        rest = self.rest_places() if nest.acc else []
        if nest.acc and nest.blocks.pack_a:
            self.prefetch(rest)
        acc = self.multiply()
        types = [self.type] * len(acc)
        if nest.first is None:
            self.finish(self.begin(acc))
            return
        sums = f.branch(nest.first, lambda: self.begin(acc), lambda: self.resume(acc, rest), types)
        f.branch(nest.last, lambda: self.finish(sums), lambda: self.put_by(sums, rest))

    def block(self, *, checked: bool) -> list[Point]:
        return [Point((r, c), 1, self.w, checked) for r in self.row_at for c in self.column_at]

    # ---- sums between chunks ---------------------------------------------------------------------

    def rest_places(self) -> list[str]:
        """Where the sums rest: panels of nr columns, and rows of nr inside a panel."""
        nest, f, nr = self.nest, self.f, self.nest.blocks.nr
        panel = f.let(f"udiv i64 {self.columns.first}, {nr}")
        inside = f.let(f"urem i64 {self.columns.first}, {nr}")
        top = f.mul(panel, str(nest.panels * nest.blocks.mr))
        places = [f.add(f.mul(f.add(top, r), str(nr)), inside) for r in self.row_at]
        lines = [f.offset(nest.acc, p, nest.bytes) for p in places]
        return [
            f.offset(p, str(c * self.w), nest.bytes)
            for p in lines
            for c in range(self.columns.vectors)
        ]

    def prefetch(self, rest: list[str]) -> None:
        """Fetch what the sums will meet while they are made: it is far away, in scratch or in c.
        (Blocks of unpacked operands are too short for it to pay.)"""
        nest, f = self.nest, self.f
        for r, resting in zip(self.row_at, rest[:: self.columns.vectors]):
            at = Point((r, self.columns.first), 1, self.w)
            final = self.points.address(nest.access, nest.out_dtype.bytes, at)
            f.prefetch(f.let(f"select i1 {nest.last}, ptr {final}, ptr {resting}"), write=True)

    def begin(self, acc: list[str]) -> list[str]:
        """Add the accumulator that the dot was given."""
        init = self.nest.init
        if is_zero(init):
            return acc
        start = self.points.at(init, self.block(checked=bool(loads(init))), {})
        return [self.f.let(f"fadd {self.type} {x}, {y}") for x, y in zip(start, acc)]

    def resume(self, acc: list[str], rest: list[str]) -> list[str]:
        before = [self.f.load(self.type, p, self.nest.bytes) for p in rest]
        return [self.f.let(f"fadd {self.type} {x}, {y}") for x, y in zip(before, acc)]

    def put_by(self, sums: list[str], rest: list[str]) -> None:
        for p, x in zip(rest, sums):
            self.f.store(self.type, x, p, self.nest.bytes)

    # ---- the k loop ------------------------------------------------------------------------------

    def multiply(self) -> list[str]:
        """The sums over this chunk, from zero."""
        f, depth, unroll = self.f, self.nest.depth, self.nest.blocks.unroll
        self.a_panel = self.b_panel = ""
        if self.nest.blocks.pack_a:
            place = f.mul(f.sub(self.rows.first, self.rows.band), str(self.nest.bk))
            self.a_panel = f.offset(self.nest.packed_a, place, self.nest.bytes)
        if self.nest.blocks.pack_b:
            place = f.mul(self.columns.first, str(self.nest.bk))
            self.b_panel = f.offset(self.nest.packed_b, place, self.nest.bytes)
        main = f.floor_to(depth, unroll)
        acc = ["zeroinitializer"] * (self.rows.count * self.columns.vectors)
        for lo, hi, count in (("0", main, unroll), (main, depth, 1))[: 1 + (unroll > 1)]:
            carried = [(self.type, x) for x in acc]
            acc = f.loop(lo, hi, str(count), carried, lambda k, c, n=count: self.steps(k, c, n))
        return acc

    def steps(self, k: str, acc: list[str], count: int) -> list[str]:
        t, vectors = self.type, self.columns.vectors
        fma = f"fmuladd.{suffix(self.nest.dtype, self.w)}"
        for u in range(count):
            at = self.f.add(k, str(u))
            xs, ys = self.a_values(at), self.b_values(at)
            pairs = [(xs[n // vectors], ys[n % vectors]) for n in range(len(acc))]
            acc = [self.f.call(t, fma, (t, x), (t, y), (t, c)) for (x, y), c in zip(pairs, acc)]
        return acc

    def a_values(self, k: str) -> list[str]:
        """Column k of a, each number on all lanes."""
        nest, f = self.nest, self.f
        if self.a_panel:
            line = f.offset(self.a_panel, k, nest.blocks.mr * nest.bytes)
            places = [f.offset(line, str(r), nest.bytes) for r in range(self.rows.count)]
            xs = [f.load(type_of(nest.dtype), p, nest.bytes) for p in places]
        else:
            points = [Point((r, k), 1, 1, self.rows.checked) for r in self.row_at]
            xs = self.points.at(nest.a, points, {})
        return [f.splat(x, nest.dtype, self.w) for x in xs]

    def b_values(self, k: str) -> list[str]:
        """Row k of b, as vectors."""
        nest, f = self.nest, self.f
        if not self.b_panel:
            points = [Point((k, c), 1, self.w, self.columns.checked) for c in self.column_at]
            return self.points.at(nest.b, points, {})
        line = f.offset(self.b_panel, k, nest.blocks.nr * nest.bytes)
        places = [f.offset(line, str(c * self.w), nest.bytes) for c in range(self.columns.vectors)]
        return [f.load(self.type, p, nest.bytes) for p in places]

    # ---- the epilogue ----------------------------------------------------------------------------

    def finish(self, sums: list[str]) -> None:
        """Run the epilogue on the sums, and store; with a second version for the edges."""
        f, safe = self.f, self.nest.safe_out
        bottom = f.add(self.rows.first, str(self.rows.count))
        right = f.add(self.columns.first, str(self.columns.vectors * self.w))
        inside = [f.let(f"icmp sle i64 {x}, {limit}") for x, limit in zip((bottom, right), safe)]
        f.branch(
            f.let(f"and i1 {inside[0]}, {inside[1]}"),
            lambda: self.epilogue(sums, checked=False),
            lambda: self.epilogue(sums, checked=True),
        )

    def epilogue(self, sums: list[str], *, checked: bool) -> None:
        nest, points = self.nest, self.block(checked=checked)
        memo: Memo = {(nest.result, p): x for p, x in zip(points, sums)}
        for x, p in zip(self.points.at(nest.value, points, memo), points):
            self.points.store(nest.access, nest.out_dtype, x, p)
