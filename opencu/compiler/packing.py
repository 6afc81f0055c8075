"""Packing: an operand of a dot, read through its load hook, into panels for the register blocks.

    panel of rows of a:      k=0: row 0 .. width-1, k=1: row 0 .. width-1, ...
    panel of columns of b:   the same, of columns

Where an instruction takes a group of k at once, a panel's element is a unit: the group's elements
side by side (multiply.py), and k counts units. Vectors run along the panel where memory does
(`straight`); where memory runs along k, squares are transposed in registers (`transposed`). Beyond
the bounds the panels hold zeros.
"""

import functools
from dataclasses import dataclass

from opencu.compiler.expressions import loads
from opencu.compiler.llvm import Function, type_of
from opencu.compiler.memory import Point, moved
from opencu.compiler.multiply import Multiply
from opencu.compiler.points import Points
from opencu.tile.dtypes import DType
from opencu.tile.ir import Value

GROUP = 4  # panels that are filled together
Steps = tuple[str, str, int]  # of k: from, to, how many at once


@dataclass
class Packer:
    """Packs one chunk of k: `depth` elements, `units` units, in panels with room for `bk` units."""

    f: Function
    points: Points
    dtype: DType  # of a unit
    w: int  # units of a vector
    bk: int
    depth: str
    units: str
    multiply: Multiply

    @property
    def bytes(self) -> int:
        return self.dtype.bytes

    def pack(
        self, v: Value, axis: int, lo: str, hi: str, width: int, to: str, limits: list[str]
    ) -> None:
        """Copy v's rows (axis 0) or columns (axis 1) lo..hi; below `limits` all is in bounds."""
        f, k_axis = self.f, 1 - axis
        along_k = any(self.points.unit_axis(x) == k_axis for x in loads(v)[:1])
        limit, k_limit = limits[axis], limits[k_axis]
        whole_k = f.let(f"icmp sle i64 {self.depth}, {k_limit}")
        whole = self.depth  # units without a check
        if self.multiply.group > 1:
            whole = f.let(f"udiv i64 {self.depth}, {self.multiply.group}")

        def panel(i: str) -> None:
            base = place(i)
            inside = f.let(f"icmp sle i64 {f.add(i, str(width))}, {limit}")
            fast = f.select(f.all_of((inside, whole_k)), whole, "0")
            if along_k:
                done = f.floor_to(fast, self.w)
                self.transposed(v, axis, i, width, base, done)
            else:
                done = f.floor_to(fast, 4)
                self.straight(v, axis, i, width, base, ("0", done, 4))
            self.straight(v, axis, i, width, base, (done, self.units, 1), checked=True)

        def group(i: str) -> None:
            base = place(i)
            self.straight(v, axis, i, width, base, ("0", whole, 1), panels=GROUP)
            if self.multiply.group > 1:  # the last unit may be a part of one
                part = (whole, self.units, 1)
                self.straight(v, axis, i, width, base, part, panels=GROUP, checked=True)

        def place(i: str) -> str:
            return f.offset(to, f.mul(f.sub(i, lo), str(self.bk)), self.bytes)

        start = lo
        if not along_k:
            # Panels side by side are filled together: a line of memory, or a page, serves all.
            fit = f.floor_to(f.sub(f.max(f.min(hi, limit), lo), lo), GROUP * width)
            start = f.add(lo, f.select(whole_k, fit, "0"))
            f.each(lo, start, str(GROUP * width), group)
        f.each(start, hi, str(width), panel)

    def straight(
        self, v: Value, axis: int, i: str, width: int, base: str, ks: Steps, panels=1, checked=False
    ) -> None:
        """Lanes along the panel, steps of k one after another."""
        f, (lo, hi, steps), group = self.f, ks, self.multiply.group
        starts = [(p, c) for p in range(panels) for c in range(0, width, self.w)]
        pieces = [(p, c, min(self.w, width - c)) for p, c in starts]

        def row(k: str) -> None:
            for u in range(steps):
                ku = f.add(k, str(u))
                line = f.offset(base, ku, width * self.bytes)
                across = [f.add(i, str(p * width + c)) for p, c, _ in pieces]
                deep = [f.add(f.mul(ku, str(group)), str(e)) for e in range(group)]
                steps_of_k = []
                for e in deep:
                    at = [(x, e) if axis == 0 else (e, x) for x in across]
                    points = [Point(x, axis, n, checked) for x, (_, _, n) in zip(at, pieces)]
                    steps_of_k.append(self.points.at(v, points, {}))
                for (p, c, lanes), *xs in zip(pieces, *steps_of_k):
                    x = self.together(xs, lanes, axis)
                    self.write(line, p * width * self.bk + c, x, lanes)

        f.each(lo, hi, str(steps), row)

    def together(self, xs: list[str], lanes: int, axis: int) -> str:
        """Units of a group's vectors, one for each step of k."""
        t = self.multiply.element
        while len(xs) > 1:
            wide = DType(f"i{2 * t.bits}", "i", 2 * t.bits)
            pairs = [self.f.interleave(x, y, t, lanes) for x, y in zip(xs[::2], xs[1::2])]
            of, to = type_of(t, 2 * lanes), type_of(wide, lanes)
            xs, t = [self.f.let(f"bitcast {of} {x} to {to}") for x in pairs], wide
        return self.biased(xs[0], lanes, axis)

    def biased(self, x: str, lanes: int, axis: int) -> str:
        """The units of a in an instruction that takes a + 128."""
        if not self.multiply.biased or axis:
            return x
        mask = self.f.splat(str(0x80808080 - (1 << 32)), self.dtype, lanes)
        return self.f.let(f"xor {type_of(self.dtype, lanes)} {x}, {mask}")

    def write(self, line: str, column: int, x: str, lanes: int) -> None:
        to = self.f.offset(line, str(column), self.bytes)
        self.f.store(type_of(self.dtype, lanes), x, to, self.bytes)

    def transposed(self, v: Value, axis: int, i: str, width: int, base: str, end: str) -> None:
        """Lanes along k, for operands that are contiguous there: squares of w x w, transposed in
        registers. A store may run into the next line, which is written after it."""
        f, w = self.f, self.w
        zero = "zeroinitializer"

        def square(k: str) -> None:
            groups, g = [], self.multiply.group
            first = f.mul(k, str(g))
            for c in range(0, width, w):
                at = [f.add(i, str(r)) for r in range(c, min(c + w, width))]
                at = [(r, first) if axis == 0 else (first, r) for r in at]
                points = [Point(p, 1 - axis, w * g, False) for p in at]
                rows = self.points.at(v, points, {})
                if g > 1:
                    of, to = type_of(self.multiply.element, w * g), type_of(self.dtype, w)
                    rows = [f.let(f"bitcast {of} {x} to {to}") for x in rows]
                    rows = [self.biased(x, w, axis) for x in rows]
                for p in points:
                    self.prefetch_source(v, axis, width, p)
                groups.append(self.transpose(rows + [zero] * (w - len(rows))))
            for u in range(w):
                line = f.offset(base, f.add(k, str(u)), width * self.bytes)
                for c, group in zip(range(0, width, w), groups):
                    self.write(line, c, group[u], w)

        f.each("0", end, str(w), square)

    def prefetch_source(self, v: Value, axis: int, width: int, p: Point) -> None:
        """Fetch what the next panel will read where this one reads p: each row is a stream of its
        own, too short for the processor to see it coming."""
        ahead = moved(p.at, axis, self.f.add(p.at[axis], str(width)))
        for x in (x for x in loads(v) if x in self.points.access and x.type.shape[p.lane] > 1):
            place = Point(ahead, p.lane, p.width)
            self.f.prefetch(self.points.address(self.points.access[x], x.type.dtype.bytes, place))

    def transpose(self, rows: list[str]) -> list[str]:
        """w rows of w lanes: squares inside each 128-bit lane first, then whole 128-bit lanes."""
        w, e = self.w, 16 // self.bytes

        shuffle = functools.partial(self.f.shuffle, self.dtype, w)

        def unpack(x: str, y: str, size: int) -> tuple[str, str]:
            """Interleave pieces of `size` lanes from the low, and from the high, lane halves."""
            low = [
                b * e + h * size + i + s * w
                for b in range(w // e)
                for h in range(e // size // 2)
                for s in (0, 1)
                for i in range(size)
            ]
            high = [p + e // 2 for p in low]
            return shuffle(x, y, low), shuffle(x, y, high)

        out: list[str] = []
        for g in range(0, w, e):
            q = rows[g : g + e]
            if e == 4:
                (a0, a1), (b0, b1) = unpack(q[0], q[1], 1), unpack(q[2], q[3], 1)
                q = [*unpack(a0, b0, 2), *unpack(a1, b1, 2)]
            else:
                q = list(unpack(q[0], q[1], 1))
            out += q
        d = e
        while d < w:  # exchange 128-bit lanes of rows that are d apart
            for i in range(w):
                if not i & d:
                    x, y = out[i], out[i + d]
                    out[i] = shuffle(x, y, [p if not p & d else p - d + w for p in range(w)])
                    out[i + d] = shuffle(x, y, [p + d if not p & d else p + w for p in range(w)])
            d *= 2
        return out
