"""Vectors of lanes to and from memory: side by side or apart, whole or behind a bounds check."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from opencu.compiler.llvm import Function, Lanes, constant, suffix, type_of
from opencu.drivers.interface import Target
from opencu.tile.dtypes import DType, bool_, i64, u8

Place = tuple[str, ...]  # an index along each axis


def moved(at: Place, axis: int, index: str) -> Place:
    """A place with another index along one axis."""
    return (*at[:axis], index, *at[axis + 1 :])


@dataclass(frozen=True)
class Point:
    """`width` lanes of a tile, side by side along axis `lane`; `at` is the first one's place."""

    at: Place
    lane: int
    width: int
    checked: bool = False  # may lie outside a view: loads give zero there, stores write nothing


@dataclass(frozen=True)
class Access:
    """Where a load or store puts a tile: element (i, j, ..) is at pointer + i * strides[0] + ..,
    and exists if each index is below its limit: the view's end or the tile's, maybe negative."""

    pointer: str
    strides: tuple[str, ...]  # in elements
    limits: tuple[str, ...]

    def unit_axis(self, shape: tuple[int, ...] = ()) -> int | None:
        """The axis of stride 1, or 2 for complex parts; the last one of those along which
        a shape is longer than 1."""
        unit = [d for d, s in enumerate(self.strides) if s == "1"]
        unit = unit or [d for d, s in enumerate(self.strides) if s == "2"]
        return max(unit, key=lambda d: (bool(shape) and shape[d] > 1, d), default=None)


def side_by_side(
    f: Function, at: Place, lane: int, start: str, width: int, vectors: int, checked: bool
) -> list[Point]:
    """Vectors one behind the other along an axis, from start on."""
    starts = [f.add(start, str(u * width)) for u in range(vectors)]
    return [Point(moved(at, lane, c), lane, width, checked) for c in starts]


class ViewRef(NamedTuple):
    """A view's memory: its address, and per axis its size and stride in elements."""

    pointer: str
    sizes: tuple[str, ...]
    strides: tuple[str, ...]


class Memory:
    """Reads and writes points of one function being lowered."""

    def __init__(self, f: Function, target: Target):
        self.f, self.target = f, target
        self.below: dict[str, set[str]] = {}  # what counters of loops, from 0 on, are less than

    def address(self, a: Access, bytes: int, p: Point) -> str:
        place = "0"
        for at, stride in zip(p.at, a.strides):
            place = self.f.add(place, self.f.mul(at, stride))
        return self.f.offset(a.pointer, place, bytes)

    def where(self, a: Access, bytes: int, p: Point) -> str | list[str]:
        """The address of lanes that lie side by side, or the address of each."""
        first, step = self.address(a, bytes, p), a.strides[p.lane]
        if p.width == 1 or step == "1":
            return first
        return [self.f.offset(first, self.f.mul(str(i), step), bytes) for i in range(p.width)]

    def mask(self, a: Access, p: Point) -> str:
        """The lanes of p that lie in the view."""
        f, masks = self.f, Lanes(self.f, bool_, p.width)
        lanes = f.lanes_below(p.at[p.lane], a.limits[p.lane], p.width)
        others = (x for d, x in enumerate(zip(p.at, a.limits)) if d != p.lane)
        inside = f.all_of(f.less(at, limit) for at, limit in others)
        if inside == "true":
            return lanes
        return masks.op("and", lanes, f.splat(inside, bool_, p.width))

    def element(
        self, view: ViewRef, index: list[str], bytes: int, lane: int, width: int
    ) -> tuple[str, str]:
        """Is a lane's element inside the view, and its address."""
        f, inside, pointer = self.f, [], view.pointer
        for i, size, stride in zip(index, view.sizes, view.strides):
            at = Lanes(f, i64, width).extract(i, lane)
            known = size in self.below.get(at, ())
            inside.append("true" if known else f.let(f"icmp ult i64 {at}, {size}"))
            # A wild index may overflow here: the address is then not used.
            step = at if stride == "1" else f.let(f"mul i64 {at}, {stride}")
            step = f.let(f"mul i64 {step}, {bytes}")
            pointer = f.step(pointer, step)
        return f.all_of(inside), pointer

    # ---- loads -----------------------------------------------------------------------------------

    def load(self, a: Access, dtype: DType, p: Point) -> str:
        """The view's elements at p; zero for lanes outside, where p is checked."""
        if dtype == bool_:
            bytes = Lanes(self.f, u8, p.width)
            return bytes.op("icmp ne", self.load(a, u8, p), 0)
        f, w, align = self.f, p.width, dtype.bytes
        v, one = Lanes(f, dtype, w), type_of(dtype)
        if p.checked and w == 1:
            read = lambda: [f.load(one, self.address(a, align, p), align)]  # noqa: E731
            return f.branch(self.mask(a, p), read, lambda: [constant(dtype, 0)], [one])[0]
        if a.strides[p.lane] == "2" and w > 1:
            return self._load_alternate(a, dtype, p)
        if p.checked and self._by_lanes(a, align, p):
            f.store(v.type, "zeroinitializer", f.stage(w * align), align)
            self._through_stage(a, dtype, p, out=False)
            return f.load(v.type, f.stage(w * align), align)
        place = self.where(a, align, p)
        if p.checked:
            return self._masked(dtype, place, self.mask(a, p), w)
        if isinstance(place, str):
            return f.load(v.type, place, align)
        return v.of(f.load(one, q, align) for q in place)

    def _load_alternate(self, a: Access, dtype: DType, p: Point) -> str:
        """Every second element, the parts of complex numbers: two vectors that meet in the middle,
        so that nothing behind the last element is read."""
        f, w, first = self.f, p.width, self.address(a, dtype.bytes, p)
        mask = self.mask(a, p) if p.checked else ""
        halves = []
        for start in (0, w - 1):
            place = f.offset(first, str(start), dtype.bytes)
            if not mask:
                halves.append(f.load(type_of(dtype, w), place, dtype.bytes))
                continue
            even = [e // 2 if e % 2 == 0 else w for e in range(start, start + w)]
            lanes = f.shuffle(bool_, w, mask, "zeroinitializer", even)
            halves.append(self._masked(dtype, place, lanes, w))
        pick = [2 * i if 2 * i < w else 2 * i + 1 for i in range(w)]
        return f.shuffle(dtype, w, *halves, pick)

    # ---- stores ----------------------------------------------------------------------------------

    def store(self, a: Access, dtype: DType, value: str, p: Point) -> None:
        """Write the lanes at p; those outside the view are dropped where p is checked."""
        f, w = self.f, p.width
        if dtype == bool_:
            dtype, value = u8, Lanes(f, bool_, w).to("zext", value, u8)
        v, one, align = Lanes(f, dtype, w), type_of(dtype), dtype.bytes
        if p.checked and w == 1:
            f.when(self.mask(a, p), lambda: f.store(one, value, self.address(a, align, p), align))
            return
        if p.checked and self._by_lanes(a, align, p):
            f.store(v.type, value, f.stage(w * align), align)
            self._through_stage(a, dtype, p, out=True)
            return
        place = self.where(a, align, p)
        if p.checked:
            self._masked(dtype, place, self.mask(a, p), w, value)
        elif isinstance(place, str):
            f.store(v.type, value, place, align)
        else:
            for i, q in enumerate(place):
                f.store(one, v.extract(value, i), q, align)

    def store_complex(self, a: Access, part: DType, re: str, im: str, p: Point) -> None:
        """Write complex numbers: interleaved in registers where they are neighbours in memory."""
        f, w, t = self.f, p.width, type_of(part, p.width)
        if w == 1 or a.strides[p.lane] != "1":
            strides = tuple(f.mul(s, "2") for s in a.strides)
            for x, at in ((re, a.pointer), (im, f.offset(a.pointer, "1", part.bytes))):
                self.store(replace(a, pointer=at, strides=strides), part, x, p)
            return
        both, first = f.interleave(re, im, part, w), self.address(a, 2 * part.bytes, p)
        mask = self.mask(a, p) if p.checked else ""
        for start in (0, w):
            x, place = f.slice(both, part, 2 * w, start, w), f.offset(first, str(start), part.bytes)
            if mask:
                lanes = [e // 2 for e in range(start, start + w)]
                lanes = f.shuffle(bool_, w, mask, "poison", lanes)
                self._masked(part, place, lanes, w, x)
            else:
                f.store(t, x, place, part.bytes)

    # ---- lanes that may be outside ---------------------------------------------------------------

    def _masked(
        self, dtype: DType, place: str | list[str], mask: str, w: int, value: str = ""
    ) -> str:
        """Load the lanes of a mask, zero elsewhere; or store those of a value."""
        f, t = self.f, type_of(dtype, w)
        kind, how, where = "p0", ("load", "store"), (f"ptr align {dtype.bytes}", place)
        if not isinstance(place, str):
            vector = "poison"
            for i, q in enumerate(place):
                vector = f.let(f"insertelement <{w} x ptr> {vector}, ptr {q}, i64 {i}")
            where = (f"<{w} x ptr> align {dtype.bytes}", vector)
            kind, how = f"v{w}p0", ("gather", "scatter")
        name, lanes = f"masked.{how[value != '']}.{suffix(dtype, w)}.{kind}", (f"<{w} x i1>", mask)
        if value:
            return f.call("void", name, (t, value), where, lanes)
        return f.call(t, name, where, lanes, (t, "zeroinitializer"))

    def _by_lanes(self, a: Access, bytes: int, p: Point) -> bool:
        """Side by side, but without a masked instruction that moves bytes and words?"""
        return a.strides[p.lane] == "1" and bytes < 4 and self.target.cpu != "x86-64-v4"

    def _through_stage(self, a: Access, dtype: DType, p: Point, *, out: bool) -> None:
        """Copy each lane of p that lies in the view to the stage, or `out` of it."""
        f, one, size = self.f, type_of(dtype), dtype.bytes
        stage = f.stage(p.width * size)
        count = f.clamp(f.sub(a.limits[p.lane], p.at[p.lane]), str(p.width))
        for d, (at, limit) in enumerate(zip(p.at, a.limits)):
            if d != p.lane:
                count = f.select(f.less(at, limit), count, "0")
        first = self.address(a, size, p)

        def copy(i: str) -> None:
            there, here = f.offset(first, i, size), f.offset(stage, i, size)
            source, to = (here, there) if out else (there, here)
            f.store(one, f.load(one, source, size), to, size)

        f.each("0", count, "1", copy)
