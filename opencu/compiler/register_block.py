"""One block of accumulators of a dot, in registers from its first to its last use.

    for each k:  acc[r][c] += a[r, k] (one number, on all lanes) * b[k, c] (a vector)

Of complex numbers, real and imaginary parts are planes: four such products for each. A chunk's sums
start from zero and meet what was there before at the end, when it has arrived.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from opencu.compiler.expressions import is_zero, loads
from opencu.compiler.llvm import Lanes, type_of
from opencu.compiler.memory import Point
from opencu.compiler.points import Memo
from opencu.compiler.reduction import Fold
from opencu.tile.dtypes import bf16, i32
from opencu.tile.ir import Value

if TYPE_CHECKING:
    from opencu.compiler.dot import Lowering

# The planes of b and of the sums that a plane of a meets: its part of a complex product. The
# product of two imaginary parts is subtracted.
MEETS = {1: (((0, 0),),), 2: (((0, 0), (1, 1)), ((1, 0), (0, 1)))}

AHEAD = 512  # bytes along k that are fetched early: of 0 to 2048 the best on Zen 3, by a tenth


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
    """Sums are a list: plane by plane, row by row, vector by vector."""

    def __init__(self, nest: "Lowering", rows: Rows, columns: Columns):
        self.nest, self.f, self.points = nest, nest.f, nest.points
        self.rows, self.columns, self.w = rows, columns, nest.lanes
        self.type = type_of(nest.dtype, self.w)
        self.planes = range(len(nest.result))
        self.size = rows.count * columns.vectors  # of a plane
        self.row_at = [self.f.add(rows.first, str(r)) for r in range(rows.count)]
        starts = range(0, columns.vectors * self.w, self.w)
        self.column_at = [self.f.add(columns.first, str(c)) for c in starts]

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

    def add(self, x: str, y: str) -> str:
        return self.f.let(f"{'f' * (self.nest.dtype.kind == 'f')}add {self.type} {x}, {y}")

    # ---- sums between chunks ---------------------------------------------------------------------

    def rest_places(self) -> list[str]:
        """Where the sums rest: panels of nr columns, and rows of nr inside a panel."""
        nest, f, nr = self.nest, self.f, self.nest.blocks.nr
        panel = f.let(f"udiv i64 {self.columns.first}, {nr}")
        inside = f.let(f"urem i64 {self.columns.first}, {nr}")
        top = f.mul(panel, str(nest.panels * nest.blocks.mr))
        places = [f.add(f.mul(f.add(top, r), str(nr)), inside) for r in self.row_at]
        lines = [f.offset(plane, p, nest.bytes) for plane in nest.acc for p in places]
        columns = range(self.columns.vectors)
        return [f.offset(p, str(c * self.w), nest.bytes) for p in lines for c in columns]

    def prefetch(self, rest: list[str]) -> None:
        """Fetch what the sums will meet while they are made: it is far away, in scratch or in c.
        (Blocks of unpacked operands are too short for it to pay.)"""
        nest, f = self.nest, self.f
        value, access = nest.outputs[0]
        for r, resting in zip(self.row_at, rest[:: self.columns.vectors]):
            at = Point((r, self.columns.first), 1, self.w, False)
            final = self.points.address(access, value.type.dtype.bytes, at)
            f.prefetch(f.select(nest.last, final, resting, "ptr"), write=True)

    def begin(self, acc: list[str]) -> list[str]:
        """Add the accumulators that the dot was given."""
        out: list[str] = []
        for p, init in zip(self.planes, self.nest.init):
            sums = acc[p * self.size : (p + 1) * self.size]
            if not is_zero(init):
                start = self.points.at(init, self.block(checked=bool(loads(init))), {})
                sums = [self.add(x, y) for x, y in zip(start, sums)]
            out += sums
        return out

    def resume(self, acc: list[str], rest: list[str]) -> list[str]:
        before = [self.f.load(self.type, p, self.nest.bytes) for p in rest]
        return [self.add(x, y) for x, y in zip(before, acc)]

    def put_by(self, sums: list[str], rest: list[str]) -> None:
        for p, x in zip(rest, sums):
            self.f.store(self.type, x, p, self.nest.bytes)

    # ---- the k loop ------------------------------------------------------------------------------

    def multiply(self) -> list[str]:
        """The sums over this chunk, from zero."""
        nest, f = self.nest, self.f
        self.a_panels = self.b_panels = None
        if nest.blocks.pack_a:
            place = f.mul(f.sub(self.rows.first, self.rows.band), str(nest.bu))
            self.a_panels = [f.offset(p, place, nest.bytes) for p in nest.packed_a]
        if nest.blocks.pack_b:
            place = f.mul(self.columns.first, str(nest.bu))
            self.b_panels = [f.offset(p, place, nest.bytes) for p in nest.packed_b]
        biased = self.columns.vectors * nest.multiply.biased
        acc = ["zeroinitializer"] * (self.size * len(self.planes) + biased)
        acc = self.over_k(*self.span(), nest.blocks.unroll, 1, acc, self.steps)
        return self.unbias(acc) if biased else acc

    def span(self) -> tuple[str, str]:
        """The units of k from and to which products are not zero."""
        nest, f = self.nest, self.f
        (where, by), units = nest.where(), nest.units
        if where[:1] != "k" or nest.multiply.group > 1:
            return "0", units
        at, size = self.rows.first, self.rows.count
        if where[-1] == "j":
            at, size = self.columns.first, self.columns.vectors * self.w
        first = f.add(at, by)
        if where[1] == ">":
            return f.clamp(first, units), units
        return "0", f.clamp(f.add(first, str(size)), units)

    def over_k(
        self, first: str, depth: str, unroll: int, step: int, acc: list[str], steps: Callable
    ) -> list[str]:
        """acc after steps(k, acc, how many) for all k from first to depth, in whole steps."""
        f, t = self.f, type_of(self.nest.dtype, self.nest.w)
        main = f.add(first, f.floor_to(f.sub(depth, first), unroll * step))
        f.products = self.lines_ahead()
        for lo, hi, count in ((first, main, unroll), (main, depth, 1))[: 1 + (unroll > 1)]:
            carried = [(t, x) for x in acc]
            stride = str(count * step)
            acc = f.loop(lo, hi, stride, carried, lambda k, c, n=count: steps(k, c, n))
        f.products = {}
        return acc

    def lines_ahead(self) -> dict[tuple[str, str], str]:
        """Where rows of a and columns of b start, for operands that are read where they lie."""
        nest, products = self.nest, {}
        packed = nest.blocks.pack_a, nest.blocks.pack_b
        for axis, lines in enumerate((self.row_at, self.column_at)):
            found = set() if packed[axis] else {x for v in nest.factors[axis] for x in loads(v)}
            strides = {self.points.access[x].strides[axis] for x in found & set(self.points.access)}
            products |= {(x, s): self.f.mul(x, s) for s in sorted(strides) for x in lines}
        return products

    def steps(self, k: str, acc: list[str], count: int) -> list[str]:
        nest, f = self.nest, self.f
        for u in range(count):
            at = f.add(k, str(u))
            ys = [self.b_values(at, p) for p in self.planes]
            acc = self.products(lambda p, r, k=at: self.a_value(k, p, r), ys, acc)
            if nest.multiply.biased:
                bias = f.splat("-2139062144", nest.multiply.unit(nest.dtype), nest.w)  # 0x80808080
                extra = zip(ys[0], acc[self.size :])
                extra = [nest.multiply.step(f, nest.dtype, nest.w, bias, y, c) for y, c in extra]
                acc = acc[: self.size] + extra
        return acc

    def products(
        self, x_at: Callable, ys: list[list[str]], acc: list[str], rows: Sequence[int] = ()
    ) -> list[str]:
        """acc with the products of a column of a, x_at(plane, row), and a row of b. Each
        number of a is done with before the next one, so that few are in registers."""
        nest, f, acc = self.nest, self.f, list(acc)
        t, vectors = type_of(nest.dtype, nest.w), self.columns.vectors
        for r in rows or range(self.rows.count):
            for p, meets in enumerate(MEETS[len(self.planes)]):
                x = x_at(p, r)
                for q, sums in meets:
                    factor = f.let(f"fneg {t} {x}") if p and q else x
                    for c, y in enumerate(ys[q]):
                        n = sums * self.size + r * vectors + c
                        acc[n] = nest.multiply.step(f, nest.dtype, nest.w, factor, y, acc[n])
        return acc

    def unbias(self, acc: list[str]) -> list[str]:
        """Sums of a b from those of (a + 128) b and, behind them, of 128 b."""
        v, extra = Lanes(self.f, self.nest.dtype, self.nest.w), acc[self.size :]
        return [v.op("sub", x, extra[n % len(extra)]) for n, x in enumerate(acc[: self.size])]

    def a_value(self, k: str, plane: int, row: int) -> str:
        """A number of a's column k, on all lanes."""
        nest, f = self.nest, self.f
        unit = nest.multiply.unit(nest.dtype)
        if self.a_panels:
            line = f.offset(self.a_panels[plane], k, nest.blocks.mr * nest.bytes)
            x = f.load(type_of(unit), f.offset(line, str(row), nest.bytes), nest.bytes)
        else:
            point = Point((self.row_at[row], k), 1, 1, self.rows.checked)
            (x,) = self.points.at(nest.a[plane], [point], {})
        return f.splat(x, unit, nest.w)

    def b_values(self, k: str, plane: int) -> list[str]:
        """Row k of b, as vectors."""
        nest, f = self.nest, self.f
        if not self.b_panels:
            points = [Point((k, c), 1, self.w, self.columns.checked) for c in self.column_at]
            return self.points.at(nest.b[plane], points, {})
        line = f.offset(self.b_panels[plane], k, nest.blocks.nr * nest.bytes)
        places = [f.offset(line, str(c * self.w), nest.bytes) for c in range(self.columns.vectors)]
        t = type_of(nest.multiply.unit(nest.dtype), self.w)
        return [f.load(t, p, nest.bytes) for p in places]

    # ---- the epilogue ----------------------------------------------------------------------------

    def finish(self, sums: list[str]) -> None:
        """Run the epilogue on the sums, and store; with a second version for the edges."""
        f, safe = self.f, self.nest.safe_out
        bottom = f.add(self.rows.first, str(self.rows.count))
        right = f.add(self.columns.first, str(self.columns.vectors * self.w))
        inside = [f.let(f"icmp sle i64 {x}, {limit}") for x, limit in zip((bottom, right), safe)]
        sides = (lambda c=c: self.epilogue(sums, checked=c) for c in (False, True))
        f.branch(f.all_of(inside), *sides)

    def epilogue(self, sums: list[str], *, checked: bool) -> None:
        nest, points = self.nest, self.block(checked=checked)
        memo: Memo = {
            (v, p): sums[plane * self.size + i]
            for plane, v in enumerate(nest.result)
            for i, p in enumerate(points)
        }
        for value, access in nest.outputs:
            self.points.put(access, value, points, memo)


class AlongK(RegisterBlock):
    """Lanes along k, for operands that are contiguous there and read once:

        for each w of k:  acc[r][c] += a[r, k .. k+w-1] (a vector) * b[k .. k+w-1, c] (a vector)

    and each sum is its vector's lanes added up, by halves.
    """

    def multiply(self) -> list[str]:
        nest, f = self.nest, self.f
        step = nest.w * (2 if self.pairs() else 1)
        whole = f.floor_to(nest.depth, step)
        checked = self.rows.checked or self.columns.checked
        acc = ["zeroinitializer"] * (self.size * len(self.planes))
        acc = self.over_k("0", whole, nest.blocks.unroll, step, acc, self.reader(step, checked))
        carried = [(type_of(nest.dtype, nest.w), x) for x in acc]
        read = self.reader(step, True)
        acc = f.loop(whole, nest.depth, str(step), carried, lambda k, c: read(k, c, 1))
        return [self.total(x) for x in acc]

    def pairs(self) -> bool:
        """Are both operands plain bf16? Two of them in 32 bits are f32s but for a shift and a mask,
        and the order of a sum's products is ours."""
        factors = (*self.nest.factors[0], *self.nest.factors[1])
        return all(v.type.dtype == bf16 for v in factors)

    def reader(self, step: int, checked: bool) -> Callable:
        """steps(k, acc, how many) that reads vectors of a and b, and multiplies them."""
        nest, f = self.nest, self.f
        a, b = nest.factors if self.pairs() else (nest.a, nest.b)

        def values(v: Value, k: str, axis: int, at: str) -> list[str]:
            """The vector at one place; of pairs, their first and their second elements."""
            point = Point((at, k) if axis == 0 else (k, at), 1 - axis, step, checked)
            (x,) = self.points.at(v, [point], {})
            return [self.half(x, i) for i in (0, 1)] if a is not nest.a else [x]

        def steps(k: str, acc: list[str], count: int) -> list[str]:
            for u in range(count):
                at = f.add(k, str(u * step))
                ys = [[values(v, at, 1, c) for c in self.column_at] for v in b]
                self.fetch_ahead(at)
                for r, row in enumerate(self.row_at):
                    xs = [values(v, at, 0, row) for v in a]
                    for i in range(len(xs[0])):
                        halves = [[y[i] for y in plane] for plane in ys]
                        acc = self.products(lambda p, _, x=xs, i=i: x[p][i], halves, acc, [r])
            return acc

        return steps

    def fetch_ahead(self, k: str) -> None:
        """Fetch what the next steps read of b, the longer operand."""
        f = self.f
        for x in dict.fromkeys(x for v in self.nest.factors[1] for x in loads(v)):
            access, bytes = self.points.access.get(x), x.type.dtype.bytes
            if access is None:  # a gather's
                continue
            ahead = f.add(k, str(AHEAD // bytes))
            for c in self.column_at:
                f.prefetch(self.points.address(access, bytes, Point((ahead, c), 0, 1)))

    def half(self, x: str, which: int) -> str:
        """Every second one of twice as many bf16 as lanes, in f32."""
        w, words = self.nest.w, Lanes(self.f, i32, self.nest.w)
        bits = self.f.let(f"bitcast {type_of(bf16, 2 * w)} {x} to {words.type}")
        bits = words.op("and", bits, -(1 << 16)) if which else words.op("shl", bits, 16)
        return words.to("bitcast", bits, self.nest.dtype)

    def total(self, x: str) -> str:
        """The sum of a vector's lanes."""
        fold, parts, w = Fold(self.nest.state, "sum", self.nest.dtype), [x], self.nest.w
        while w > 1:
            low, high = (fold.half(parts, at, w) for at in (0, w // 2))
            parts, w = fold.combine(high, low, w // 2), w // 2
        return parts[0]
