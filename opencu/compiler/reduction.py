"""Reductions and scans become loops of vectors.

    lanes along a reduced axis     s0 += x[0:w]   s1 += x[w:2w]   ...   then s0 + s1 + ..., then
                                   the lanes, one half onto the other
    lanes along another axis       a vector of sums for each w columns, row after row

Several sums run side by side, as many as hide an addition's latency. Their number and order follow
from the shape and the view's sizes alone, so the result does not depend on threads.
"""

from collections.abc import Callable, Sequence

import numpy as np

from opencu.compiler.expressions import weight
from opencu.compiler.llvm import Lanes, type_of
from opencu.compiler.memory import Access, Place, Point, moved, side_by_side
from opencu.tile.dtypes import DType, bool_, i64
from opencu.tile.ir import Op, Scalar

CHEAP = 6  # an operand of fewer simple operations leaves registers for more sums
HEAVY = 12  # one of so many, as an exponential, takes all of them and hides the additions
PAIRWISE = {"sum": "add", "prod": "mul", "any": "or", "all": "and", "max": "max", "min": "min"}


class Fold:
    """How two partial results become one. A partial is a value and, for argmax and argmin, the
    index where it was found."""

    def __init__(self, state, fn: str, dtype: DType):
        self.f, self.points = state.f, state.points
        self.fn, self.dtype, self.arg = fn.removeprefix("arg"), dtype, fn.startswith("arg")
        self.dtypes = (dtype, i64) if self.arg else (dtype,)

    def lanes(self, width: int) -> list[Lanes]:
        return [Lanes(self.f, d, width) for d in self.dtypes]

    def identity(self, width: int) -> list[str]:
        neutral = (self._neutral(), (1 << 63) - 1)  # of an index: no other comes after it
        return [v.splat(x) for v, x in zip(self.lanes(width), neutral)]

    def _neutral(self) -> bool | int | float:
        floating = self.dtype.kind == "f"
        if self.fn in ("any", "all"):
            return self.fn == "all"
        if self.fn in ("sum", "prod"):
            return 1 if self.fn == "prod" else -0.0 if floating else 0
        if floating:
            return -np.inf if self.fn == "max" else np.inf
        limits = np.iinfo(self.dtype.numpy)
        return int(limits.min if self.fn == "max" else limits.max)

    def combine(self, x: Sequence[str], y: Sequence[str], width: int) -> list[str]:
        lanes = self.lanes(width)
        if not self.arg:
            # y first: what must be known of it alone is not on the way from x to the next x.
            return [self.points.binary(PAIRWISE[self.fn], lanes[0], y[0], x[0])]
        better = self._better(x, y, *lanes)
        return [v.select(better, b, a) for v, a, b in zip(lanes, x, y)]

    def _better(self, x: Sequence[str], y: Sequence[str], v: Lanes, indices: Lanes) -> str:
        """Is y before x: larger (smaller), or NaN, or as good and found earlier?"""
        masks = Lanes(self.f, bool_, v.width)
        earlier = indices.compare("lt", y[1], x[1])
        wins = v.compare("gt" if self.fn == "max" else "lt", y[0], x[0])
        ties = v.compare("eq", y[0], x[0])
        if self.dtype.kind == "f":
            nan_x, nan_y = (v.op("fcmp uno", z[0], z[0]) for z in (x, y))
            both = masks.op("and", nan_x, nan_y)
            wins = masks.op("or", wins, masks.op("xor", nan_y, both))
            ties = masks.op("or", ties, both)
        return masks.op("or", wins, masks.op("and", ties, earlier))

    def across(self, x: list[str], width: int) -> list[str]:
        """One partial of all lanes: the upper half onto the lower, until one is left."""
        while width > 1:
            half = width // 2
            low, high = (self.half(x, at, width) for at in (0, half))
            x, width = self.combine(low, high, half), half
        return x

    def half(self, x: list[str], at: int, width: int) -> list[str]:
        pairs = zip(self.dtypes, x)
        if width == 2:
            return [Lanes(self.f, d, 2).extract(v, at) for d, v in pairs]
        return [self.f.slice(v, d, width, at, width // 2) for d, v in pairs]


Parts = list[str]  # partial results side by side


class Reduction:
    """One reduce being emitted."""

    def __init__(self, state, op: Op):
        self.state, self.f, self.op = state, state.f, op
        self.x, self.axes = op.operands[0], op.attrs["axes"]
        self.shape = self.x.type.shape
        self.fold = Fold(state, op.attrs["fn"], self.x.type.dtype)
        self.w = state.width(self.x, *self.fold.dtypes)
        self.lane = state.lane_of(self.x)
        self.ends = [str(s) for s in self.shape]
        self.kept: Access | None = state.waiting.pop(self.x, None)  # where the operand is to go
        self.safe = state.safe(self.x, self.ends)
        work = weight(self.x, state.points.access)
        most = 8 if work < CHEAP and not self.fold.arg else 4 if work < HEAVY else 2
        self.vectors = max(1, min(most, self.shape[self.lane] // self.w))

    def run(self) -> None:
        scalar = isinstance(self.op.result.type, Scalar)
        if not scalar:
            self.memory = self.state.memory(self.op.result.type)
        outer = [d for d in range(len(self.shape)) if d not in self.axes and d != self.lane]

        def row(at: Place) -> None:
            total = self.total(at)
            if scalar:
                self.state.scalars[self.op.result] = total
            else:
                self.store(total, Point(at, self.lane, 1, False))

        lanes_fold = self.lane in self.axes
        self.state.every(outer, self.ends, row if lanes_fold else self.columns)
        if not scalar:
            self.state.points.access[self.op.result] = self.memory
        if self.kept:
            self.state.points.access[self.x] = self.kept

    def store(self, value: str, p: Point) -> None:
        self.state.points.store(self.memory, self.op.result.type.dtype, value, p)

    def identities(self, vectors: int) -> Parts:
        return [x for _ in range(vectors) for x in self.fold.identity(self.w)]

    def loop(self, lo: str, hi: str, step: str, parts: Parts, body) -> Parts:
        types = [v.type for v in self.fold.lanes(self.w)] * (len(parts) // len(self.fold.dtypes))
        return self.f.loop(lo, hi, step, list(zip(types, parts)), body)

    def add(self, parts: Parts, points: list[Point]) -> Parts:
        """Fold the operand at a point into each of the parts."""
        k, out = len(self.fold.dtypes), []
        values = self.state.points.at(self.x, points, {})
        for n, (value, p) in enumerate(zip(values, points)):
            if self.kept:
                self.state.points.store(self.kept, self.fold.dtype, value, p)
            new = [value, self.index(p)] if self.fold.arg else [value]
            if p.checked and self.shape[self.lane] % self.w and self.lane in self.axes:
                new = self.inside(new, p)
            out += self.fold.combine(parts[n * k : (n + 1) * k], new, self.w)
        return out

    def inside(self, new: list[str], p: Point) -> list[str]:
        """Lanes beyond the tile's own end fold in nothing."""
        mask = self.f.lanes_below(p.at[self.lane], self.ends[self.lane], self.w)
        neutral = self.fold.identity(self.w)
        return [v.select(mask, x, e) for v, x, e in zip(self.fold.lanes(self.w), new, neutral)]

    def index(self, p: Point) -> str:
        """The indices of a point's lanes along the reduced axes, row-major."""
        place, step, lanes = "0", 1, 0
        for d in reversed(self.axes):
            place = self.f.add(place, self.f.mul(p.at[d], str(step)))
            lanes = step if d == p.lane else lanes
            step *= self.shape[d]
        indices = Lanes(self.f, i64, self.w)
        wide = indices.splat(place)
        return indices.op("add", wide, indices.count(lanes)) if lanes and self.w > 1 else wide

    def over(self, axes: Sequence[int], at: Place, parts: Parts, inner: Callable) -> Parts:
        """inner(place, parts) at every place along the axes."""
        if not axes:
            return inner(at, parts)
        d = axes[0]

        def trip(i: str, parts: Parts) -> Parts:
            return self.over(axes[1:], moved(at, d, i), parts, inner)

        return self.loop("0", self.ends[d], "1", parts, trip)

    # ---- lanes along a reduced axis --------------------------------------------------------------

    def total(self, at: Place) -> str:
        others = [d for d in self.axes if d != self.lane]
        k, parts = len(self.fold.dtypes), self.identities(self.vectors)
        parts = self.over(others, at, parts, self.line)
        sums = [parts[n : n + k] for n in range(0, len(parts), k)]
        while len(sums) > 1:
            half = (len(sums) + 1) // 2
            pairs = [self.fold.combine(x, y, self.w) for x, y in zip(sums, sums[half:])]
            sums = pairs + sums[len(pairs) : half]
        return self.fold.across(sums[0], self.w)[-1]

    def line(self, at: Place, parts: Parts) -> Parts:
        f, lane, w, k = self.f, self.lane, self.w, len(self.fold.dtypes)
        fetch = self.state.fetch(self.shape, lane)

        def down(lo: str, hi: str, vectors: int, parts: Parts, *, checked: bool) -> Parts:
            def add(c: str, parts: Parts) -> Parts:
                points = side_by_side(f, at, lane, c, w, vectors, checked)
                if not checked:
                    fetch(points)
                return self.add(parts, points)

            return self.loop(lo, hi, str(w * vectors), parts, add)

        fast = f.floor_to(self.state.fast(at, lane, self.safe), w * self.vectors)
        parts = down("0", fast, self.vectors, parts, checked=False)
        return down(fast, self.ends[lane], 1, parts[:k], checked=True) + parts[k:]

    # ---- lanes along another axis ----------------------------------------------------------------

    def columns(self, at: Place) -> None:
        f, lane, w, d = self.f, self.lane, self.w, self.axes[-1]

        def chunk(c: str, vectors: int, *, checked: bool) -> None:
            here = side_by_side(f, at, lane, c, w, vectors, checked)

            def down(at: Place, parts: Parts) -> Parts:
                split = "0" if checked else self.state.fast(moved(at, lane, c), d, self.safe)
                for lo, hi, masked in (("0", split, False), (split, self.ends[d], True)):

                    def add(i: str, parts: Parts, masked: bool = masked) -> Parts:
                        there = [moved(moved(at, d, i), lane, p.at[lane]) for p in here]
                        return self.add(parts, [Point(t, lane, w, masked) for t in there])

                    parts = self.loop(lo, hi, "1", parts, add)
                return parts

            parts = self.over(self.axes[:-1], at, self.identities(vectors), down)
            k = len(self.fold.dtypes)
            for n, p in enumerate(here):
                self.store(parts[n * k + k - 1], p)

        step = w * self.vectors
        fast = f.floor_to(self.safe[lane], step)
        f.each("0", fast, str(step), lambda c: chunk(c, self.vectors, checked=False))
        f.each(fast, self.ends[lane], str(w), lambda c: chunk(c, 1, checked=True))


class Scan:
    """One scan being emitted; its result is a tile in scratch."""

    def __init__(self, state, op: Op):
        self.state, self.f, self.op = state, state.f, op
        self.x, self.axis = op.operands[0], op.attrs["axis"]
        self.dtype, self.shape = self.x.type.dtype, self.x.type.shape
        self.fold = Fold(state, op.attrs["fn"], self.dtype)
        self.w, self.lane = state.width(self.x), state.lane_of(self.x)
        self.ends = [str(s) for s in self.shape]
        self.memory = state.memory(self.x.type)

    def run(self) -> None:
        outer = [d for d in range(len(self.shape)) if d not in (self.axis, self.lane)]
        row = self.along if self.lane == self.axis else self.across
        self.state.every(outer, self.ends, row)
        self.state.points.access[self.op.result] = self.memory

    def at(self, at: Place, lane: str) -> Point:
        return Point(moved(at, self.lane, lane), self.lane, self.w, True)

    def value(self, p: Point) -> str:
        return self.state.points.at(self.x, [p], {})[0]

    def keep(self, value: str, p: Point) -> None:
        self.state.points.store(self.memory, self.dtype, value, p)

    def across(self, at: Place) -> None:
        """A vector of lanes goes down the scanned axis."""

        def chunk(c: str) -> None:
            def step(i: str, carried: list[str]) -> list[str]:
                p = self.at(moved(at, self.axis, i), c)
                (total,) = self.fold.combine(carried, [self.value(p)], self.w)
                self.keep(total, p)
                return [total]

            start = [(type_of(self.dtype, self.w), self.fold.identity(self.w)[0])]
            self.f.loop("0", self.ends[self.axis], "1", start, step)

        self.f.each("0", self.ends[self.lane], str(self.w), chunk)

    def along(self, at: Place) -> None:
        """The lanes lie along the scanned axis: 1, 2, 4 .. lanes on, then all that came before,
        which is on all lanes: from vector to vector there is but one operation."""
        f, lane, w = self.f, self.lane, self.w

        def step(c: str, carried: list[str], *, checked: bool) -> list[str]:
            p, distance = Point(moved(at, lane, c), lane, w, checked), 1
            x = self.value(p)
            while distance < w:
                (x,) = self.fold.combine([self.shifted(x, distance)], [x], w)
                distance *= 2
            self.keep(self.fold.combine(carried, [x], w)[0], p)
            last = f.shuffle(self.dtype, w, x, x, [w - 1] * w) if w > 1 else x
            return self.fold.combine(carried, [last], w)

        fast = f.floor_to(self.state.fast(at, lane, self.state.safe(self.x, self.ends)), w)
        carried, end = self.fold.identity(w), self.ends[lane]
        for lo, hi, checked in (("0", fast, False), (fast, end, True)):
            start = [(type_of(self.dtype, w), carried[0])]
            carried = f.loop(
                lo, hi, str(w), start, lambda c, v, checked=checked: step(c, v, checked=checked)
            )

    def shifted(self, x: str, distance: int) -> str:
        """Lane l is lane l - distance of x, or the identity."""
        (neutral,), first = self.fold.identity(self.w), self.w - distance
        return self.f.shuffle(self.dtype, self.w, neutral, x, range(first, first + self.w))
