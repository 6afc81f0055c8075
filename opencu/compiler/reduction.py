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
from opencu.compiler.llvm import constant, type_of
from opencu.compiler.points import Point
from opencu.tile.dtypes import DType, i64
from opencu.tile.ir import Op, Scalar

CHEAP = 6  # an operand of fewer simple operations leaves registers for more sums
PAIRWISE = {"sum": "add", "prod": "mul", "any": "or", "all": "and", "max": "max", "min": "min"}


class Fold:
    """How two partial results become one. A partial is a value and, for argmax and argmin, the
    index where it was found."""

    def __init__(self, state, fn: str, dtype: DType):
        self.f, self.points = state.f, state.points
        self.fn, self.dtype, self.arg = fn.removeprefix("arg"), dtype, fn.startswith("arg")
        self.dtypes = (dtype, i64) if self.arg else (dtype,)

    def types(self, width: int) -> list[str]:
        return [type_of(d, width) for d in self.dtypes]

    def identity(self, width: int) -> list[str]:
        value = self.f.splat(constant(self.dtype, self._neutral()), self.dtype, width)
        return [value, self.f.splat(str((1 << 63) - 1), i64, width)] if self.arg else [value]

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
        t = type_of(self.dtype, width)
        if not self.arg:
            pair = [x[0], y[0]]
            return [self.points._binary(PAIRWISE[self.fn], self.dtype, t, pair, width)]
        better = self._better(x, y, width)
        i1 = "i1" if width == 1 else f"<{width} x i1>"
        return [
            self.f.let(f"select {i1} {better}, {t} {b}, {t} {a}")
            for a, b, t in zip(x, y, self.types(width))
        ]

    def _better(self, x: Sequence[str], y: Sequence[str], width: int) -> str:
        """Is y before x: larger (smaller), or NaN, or as good and found earlier?"""
        let, t = self.f.let, type_of(self.dtype, width)
        i1 = "i1" if width == 1 else f"<{width} x i1>"
        earlier = let(f"icmp slt {type_of(i64, width)} {y[1]}, {x[1]}")
        above = "gt" if self.fn == "max" else "lt"
        if self.dtype.kind != "f":
            sign = "u" if self.dtype.kind == "u" else "s"
            wins = let(f"icmp {sign}{above} {t} {y[0]}, {x[0]}")
            ties = let(f"icmp eq {t} {y[0]}, {x[0]}")
        else:
            nan_x, nan_y = (let(f"fcmp uno {t} {v[0]}, {v[0]}") for v in (x, y))
            both = let(f"and {i1} {nan_x}, {nan_y}")
            only = let(f"xor {i1} {nan_y}, {both}")
            wins = let(f"or {i1} {let(f'fcmp o{above} {t} {y[0]}, {x[0]}')}, {only}")
            ties = let(f"or {i1} {let(f'fcmp oeq {t} {y[0]}, {x[0]}')}, {both}")
        return let(f"or {i1} {wins}, {let(f'and {i1} {ties}, {earlier}')}")

    def lanes(self, x: list[str], width: int) -> list[str]:
        """One partial of all lanes: the upper half onto the lower, until one is left."""
        while width > 1:
            half = width // 2
            low, high = (self._half(x, at, width) for at in (0, half))
            x, width = self.combine(low, high, half), half
        return x

    def _half(self, x: list[str], at: int, width: int) -> list[str]:
        if width == 2:
            return [
                self.f.let(f"extractelement {t} {v}, i64 {at}")
                for t, v in zip(self.types(width), x)
            ]
        mask = ", ".join(f"i32 {at + i}" for i in range(width // 2))
        return [
            self.f.let(f"shufflevector {t} {v}, {t} poison, <{width // 2} x i32> <{mask}>")
            for t, v in zip(self.types(width), x)
        ]


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
        self.safe = state.safe(self.x, self.ends)
        cheap = weight(self.x, state.points.access) < CHEAP and not self.fold.arg
        self.vectors = max(1, min(8 if cheap else 4, self.shape[self.lane] // self.w))

    def run(self) -> None:
        scalar = isinstance(self.op.result.type, Scalar)
        if not scalar:
            self.memory = self.state.memory(self.op.result.type)
        outer = [d for d in range(len(self.shape)) if d not in self.axes and d != self.lane]

        def row(at: tuple[str, ...]) -> None:
            total = self.total(at)
            if scalar:
                self.state.scalars[self.op.result] = total
            else:
                self.store(total, Point(at, self.lane, 1, False))

        lanes_fold = self.lane in self.axes
        self.state.every(outer, self.ends, row if lanes_fold else self.columns, {})
        if not scalar:
            self.state.points.access[self.op.result] = self.memory

    def store(self, value: str, p: Point) -> None:
        self.state.points.store(self.memory, self.op.result.type.dtype, value, p)

    def identities(self, vectors: int) -> Parts:
        return [x for _ in range(vectors) for x in self.fold.identity(self.w)]

    def loop(self, lo: str, hi: str, step: str, parts: Parts, body) -> Parts:
        types = self.fold.types(self.w) * (len(parts) // len(self.fold.dtypes))
        return self.f.loop(lo, hi, step, list(zip(types, parts)), body)

    def add(self, parts: Parts, points: list[Point]) -> Parts:
        """Fold the operand at a point into each of the parts."""
        k, out = len(self.fold.dtypes), []
        values = self.state.points.at(self.x, points, {})
        for n, (value, p) in enumerate(zip(values, points)):
            new = [value, self.index(p)] if self.fold.arg else [value]
            if p.checked and self.shape[self.lane] % self.w and self.lane in self.axes:
                new = self.inside(new, p)
            out += self.fold.combine(parts[n * k : (n + 1) * k], new, self.w)
        return out

    def inside(self, new: list[str], p: Point) -> list[str]:
        """Lanes beyond the tile's own end fold in nothing."""
        mask = self.f.lanes_below(p.at[self.lane], self.ends[self.lane], self.w)
        i1 = "i1" if self.w == 1 else f"<{self.w} x i1>"
        return [
            self.f.let(f"select {i1} {mask}, {t} {x}, {t} {e}")
            for t, x, e in zip(self.fold.types(self.w), new, self.fold.identity(self.w))
        ]

    def index(self, p: Point) -> str:
        """The indices of a point's lanes along the reduced axes, row-major."""
        place, step, lanes = "0", 1, 0
        for d in reversed(self.axes):
            place = self.f.add(place, self.f.mul(p.at[d], str(step)))
            lanes = step if d == p.lane else lanes
            step *= self.shape[d]
        wide = self.f.splat(place, i64, self.w)
        if not lanes or self.w == 1:
            return wide
        steps = ", ".join(f"i64 {i * lanes}" for i in range(self.w))
        return self.f.let(f"add <{self.w} x i64> {wide}, <{steps}>")

    def over(
        self,
        axes: Sequence[int],
        at: tuple[str, ...],
        parts: Parts,
        inner: Callable[[tuple[str, ...], Parts], Parts],
    ) -> Parts:
        """inner(place, parts) at every place along the axes."""
        if not axes:
            return inner(at, parts)
        d = axes[0]

        def trip(i: str, parts: Parts) -> Parts:
            return self.over(axes[1:], (*at[:d], i, *at[d + 1 :]), parts, inner)

        return self.loop("0", self.ends[d], "1", parts, trip)

    # ---- lanes along a reduced axis --------------------------------------------------------------

    def total(self, at: tuple[str, ...]) -> str:
        others = [d for d in self.axes if d != self.lane]
        k, parts = len(self.fold.dtypes), self.identities(self.vectors)
        parts = self.over(others, at, parts, self.line)
        sums = [parts[n : n + k] for n in range(0, len(parts), k)]
        while len(sums) > 1:
            half = (len(sums) + 1) // 2
            pairs = [self.fold.combine(x, y, self.w) for x, y in zip(sums, sums[half:])]
            sums = pairs + sums[len(pairs) : half]
        return self.fold.lanes(sums[0], self.w)[-1]

    def line(self, at: tuple[str, ...], parts: Parts) -> Parts:
        f, lane, k = self.f, self.lane, len(self.fold.dtypes)

        def points(c: str, vectors: int, *, checked: bool) -> list[Point]:
            starts = [f.add(c, str(u * self.w)) for u in range(vectors)]
            return [Point((*at[:lane], s, *at[lane + 1 :]), lane, self.w, checked) for s in starts]

        step = self.w * self.vectors
        fast = f.floor_to(self.state.fast(at, lane, self.safe), step)
        parts = self.loop(
            "0", fast, str(step), parts,
            lambda c, ps: self.add(ps, points(c, self.vectors, checked=False)),
        )  # fmt: skip
        first = self.loop(
            fast, self.ends[lane], str(self.w), parts[:k],
            lambda c, ps: self.add(ps, points(c, 1, checked=True)),
        )  # fmt: skip
        return [*first, *parts[k:]]

    # ---- lanes along another axis ----------------------------------------------------------------

    def columns(self, at: tuple[str, ...]) -> None:
        f, lane, end = self.f, self.lane, self.ends[self.lane]

        def chunk(c: str, vectors: int, *, checked: bool) -> None:
            starts = [f.add(c, str(u * self.w)) for u in range(vectors)]

            def points(at: tuple[str, ...], *, checked: bool) -> list[Point]:
                places = [(*at[:lane], s, *at[lane + 1 :]) for s in starts]
                return [Point(p, lane, self.w, checked) for p in places]

            def down(at: tuple[str, ...], parts: Parts) -> Parts:
                d = self.axes[-1]
                there = (*at[:lane], c, *at[lane + 1 :])
                split = "0" if checked else self.state.fast(there, d, self.safe)
                for lo, hi, masked in (("0", split, False), (split, self.ends[d], True)):
                    parts = self.loop(
                        lo, hi, "1", parts,
                        lambda i, ps, masked=masked: self.add(
                            ps, points((*at[:d], i, *at[d + 1 :]), checked=masked)
                        ),
                    )  # fmt: skip
                return parts

            parts = self.over(self.axes[:-1], at, self.identities(vectors), down)
            k = len(self.fold.dtypes)
            for n, p in enumerate(points(at, checked=checked)):
                self.store(parts[n * k + k - 1], p)

        fast = f.floor_to(self.safe[lane], self.w * self.vectors)
        f.each(
            "0", fast, str(self.w * self.vectors), lambda c: chunk(c, self.vectors, checked=False)
        )
        f.each(fast, end, str(self.w), lambda c: chunk(c, 1, checked=True))


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
        self.state.every(outer, self.ends, row, {})
        self.state.points.access[self.op.result] = self.memory

    def at(self, at: tuple[str, ...], lane: str, i: str | None = None) -> Point:
        place = list(at)
        place[self.lane] = lane
        if i is not None:
            place[self.axis] = i
        return Point(tuple(place), self.lane, self.w, True)

    def value(self, p: Point) -> str:
        return self.state.points.at(self.x, [p], {})[0]

    def keep(self, value: str, p: Point) -> None:
        self.state.points.store(self.memory, self.dtype, value, p)

    def across(self, at: tuple[str, ...]) -> None:
        """A vector of lanes goes down the scanned axis."""

        def chunk(c: str) -> None:
            def step(i: str, carried: list[str]) -> list[str]:
                p = self.at(at, c, i)
                (total,) = self.fold.combine(carried, [self.value(p)], self.w)
                self.keep(total, p)
                return [total]

            start = [(type_of(self.dtype, self.w), self.fold.identity(self.w)[0])]
            self.f.loop("0", self.ends[self.axis], "1", start, step)

        self.f.each("0", self.ends[self.lane], str(self.w), chunk)

    def along(self, at: tuple[str, ...]) -> None:
        """The lanes lie along the scanned axis: 1, 2, 4 .. lanes on, then all that came before."""

        def step(c: str, carried: list[str]) -> list[str]:
            p, distance = self.at(at, c), 1
            x = self.value(p)
            while distance < self.w:
                (x,) = self.fold.combine([self.shifted(x, distance)], [x], self.w)
                distance *= 2
            before = self.f.splat(carried[0], self.dtype, self.w)
            (x,) = self.fold.combine([before], [x], self.w)
            self.keep(x, p)
            t = type_of(self.dtype, self.w)
            return [x if self.w == 1 else self.f.let(f"extractelement {t} {x}, i64 {self.w - 1}")]

        start = [(type_of(self.dtype), self.fold.identity(1)[0])]
        self.f.loop("0", self.ends[self.axis], str(self.w), start, step)

    def shifted(self, x: str, distance: int) -> str:
        """Lane l is lane l - distance of x, or the identity."""
        t, neutral = type_of(self.dtype, self.w), self.fold.identity(self.w)[0]
        mask = ", ".join(f"i32 {self.w + i - distance}" for i in range(self.w))
        return self.f.let(f"shufflevector {t} {neutral}, {t} {x}, <{self.w} x i32> <{mask}>")
