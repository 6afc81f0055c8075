"""Loops over the chunks of a tile: from where its values are, to memory.

A row of chunks of UNROLL vectors, in which every load is in bounds, is followed by a masked tail.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from opencu.compiler import llvm
from opencu.compiler.expressions import places, root_view
from opencu.compiler.llvm import known, type_of
from opencu.compiler.memory import Access, Place, Point, moved, side_by_side
from opencu.drivers.interface import Target
from opencu.tile.dtypes import DType
from opencu.tile.ir import Op, Tile, Value

LINE = 64  # bytes of a cache line
SMALL = 256  # bytes: what LLVM may keep in registers all its life
STREAMED_TILE = 4 << 10  # bytes: a smaller tile's loop is not worth two versions
STREAMED_VIEW = 32 << 20  # bytes, a last-level cache's
UNROLL = 4  # vectors of one chunk: enough loads in flight, few enough registers


@dataclass
class Chunks:
    """What the lowerings of stores, reductions and loops share."""

    target: Target
    f: llvm.Function = field(default_factory=llvm.Function)
    read: set[Value] = field(default_factory=set)  # the parameters that are loaded from
    ahead: list[tuple[Tile, Access]] = field(default_factory=list)  # to be fetched by a next loop
    streams: bool = False  # does a store write past the caches?
    scratch: int = 0  # bytes in use

    # ---- scratch and tiles in memory -------------------------------------------------------------

    def allocate(self, bytes: int) -> str:
        """The address of a piece of the thread's scratch; a small one is on the stack."""
        if bytes <= SMALL:
            return self.f.room(bytes)
        at, self.scratch = self.scratch, self.scratch + (bytes + 63) // 64 * 64
        return self.f.let(f"getelementptr i8, ptr %scratch, i64 {at}")

    def memory(self, tile: Tile) -> Access:
        """A row-major tile in scratch."""
        return self.memory_at(self.allocate(math.prod(tile.shape) * tile.dtype.bytes), tile)

    def memory_at(self, pointer: str, tile: Tile) -> Access:
        strides = [math.prod(tile.shape[d + 1 :]) for d in range(len(tile.shape))]
        return Access(pointer, tuple(map(str, strides)), tuple(map(str, tile.shape)))

    # ---- chunks ----------------------------------------------------------------------------------

    def fetch(self, shape: tuple[int, ...], lane: int) -> Callable[[list[Point]], None]:
        """What fetches, at the points of a loop over a shape, the tiles that are due."""
        due = [(t, a) for t, a in self.ahead if t.shape == shape and a.strides[lane] == "1"]
        self.ahead = [x for x in self.ahead if x not in due]

        def some(points: list[Point]) -> None:
            for tile, access in due:
                step = max(LINE // tile.dtype.bytes // points[0].width, 1)
                for p in points[::step]:
                    self.f.prefetch(self.points.address(access, tile.dtype.bytes, p), near=False)

        return some

    def width(self, value: Value, *dtypes: DType) -> int:
        """Lanes of a vector: as many as the widest dtype allows among those that a tile is computed
        from and others; but for indices of a gather, which are read one by one."""
        known = self.points.access.keys()
        gathered = {v for v, _ in places(value, known) if v.made_by == "gather"}
        within = [v.type.dtype for v, _ in places(value, known | gathered)]
        return self.target.vector_bytes // max(d.part.bytes for d in (*within, *dtypes))

    def lane_of(self, value: Value) -> int:
        """The axis along which vectors lie: where most of a tile's operands are contiguous; those
        that are stretched over it are read the less often."""
        size = math.prod(value.type.shape)
        votes = [(s > 1) / 2 + d / 1e3 for d, s in enumerate(value.type.shape)]
        for v, where in places(value, self.points.access):
            a = self.points.access.get(v)
            unit = a.unit_axis(v.type.shape) if a else None
            axis = where[unit][0] if unit is not None else None
            if axis is not None and value.type.shape[axis] > 1:
                votes[axis] += math.prod(v.type.shape) / size
        return votes.index(max(votes))

    def fast(self, at: Place, lane: int, safe: list[str]) -> str:
        """Below which index of an axis every load is in bounds, in the line at a place."""
        f = self.f
        ok = f.all_of(f.less(i, n) for d, (i, n) in enumerate(zip(at, safe)) if d != lane)
        return safe[lane] if ok == "true" else f.select(ok, safe[lane], "0")

    def beyond_caches(self, store: Op) -> str:
        """Is a store's view larger than the caches, so that nobody will find its lines there? Such
        lines are written past the caches, which saves reading them first. '' where it is not worth
        the code: small tiles, and views that the kernel reads or fetches."""
        f, view, tile = self.f, root_view(store.operands[0]), store.operands[-1].type
        size = math.prod(tile.shape) * tile.dtype.bytes
        if view in self.read or tile.dtype.kind in "bc" or size < STREAMED_TILE:
            return ""
        bytes = str(tile.dtype.bytes)
        for n in self.views[view].sizes:
            bytes = f.mul(bytes, n)
        past, here = [f.let(f"icmp uge i64 {bytes}, {STREAMED_VIEW}")], self.views[view].pointer
        for other in (self.views[v] for v in self.views if v in self.read):
            # The same memory is in the caches by now.
            past.append(f.let(f"icmp ne ptr {here}, {other.pointer}"))
        return f.all_of(past)

    def put(self, value: Value, access: Access, streamed: str = "") -> None:
        """Compute a tile and write it: rows of chunks of UNROLL vectors, then a masked tail. Past
        the caches, if it is `streamed`: whole lines, as parts of one are slow so."""
        f, tile, bytes = self.f, value.type, value.type.dtype.bytes
        lane = access.unit_axis(tile.shape)
        lane = self.lane_of(value) if lane is None else lane
        w = self.width(value)
        unroll = min(UNROLL, max(tile.shape[lane] // w, 1))
        ends = [f.clamp(n, str(s)) for n, s in zip(access.limits, tile.shape)]
        safe, fetch = self.safe(value, ends), self.fetch(tile.shape, lane)

        def write(points: list[Point], past: bool) -> None:
            if not points[0].checked:
                fetch(points)
            if past:
                self.put_past(value, access, points)
            else:
                self.points.put(access, value, points, {})

        def row(at: Place) -> None:
            safe_end, step = self.fast(at, lane, safe), w * unroll

            def points(start: str, vectors: int, *, checked: bool) -> list[Point]:
                return side_by_side(f, at, lane, start, w, vectors, checked)

            def chunks(lo: str, past: bool) -> list[str]:
                end = f.add(lo, f.floor_to(f.sub(safe_end, lo), step))
                each = lambda c: write(points(c, unroll, checked=False), past)  # noqa: E731
                self.vectors(lo, end, str(step), each)
                return [end]

            def past_caches() -> list[str]:
                first = f.unaligned(start, LINE, bytes)
                line = points("0", LINE // bytes // w, checked=False)
                f.when(f.less("0", first), lambda: write(line, False))
                return chunks(first, True)

            def masked(c: str) -> None:
                write(points(c, 1, checked=True), False)

            if tile.shape[lane] == step and not streamed:  # one chunk, and no loop
                whole = f.less(str(step - 1), safe_end)
                each = lambda: self.vectors("0", str(step), str(w), masked)  # noqa: E731
                f.branch(whole, lambda: write(points("0", unroll, checked=False), False), each)
                return
            if streamed and access.strides[lane] == "1":
                start = self.points.address(access, bytes, points("0", 1, checked=False)[0])
                long = f.less(str(step - 1), safe_end)
                past = f.all_of((streamed, f.aligned(start, bytes), long))
                (end,) = f.branch(past, past_caches, lambda: chunks("0", False), ["i64"])
            else:
                (end,) = chunks("0", False)
            self.vectors(end, ends[lane], str(w), masked)

        self.every([d for d in range(len(ends)) if d != lane], ends, row)
        self.streams |= bool(streamed)

    def put_past(self, value: Value, access: Access, points: list[Point]) -> None:
        """Compute a value at whole vectors and write it past the caches."""
        dtype = value.type.dtype
        for x, p in zip(self.points.at(value, points, {}), points):
            place = self.points.address(access, dtype.bytes, p)
            # Others see it behind a fence.
            store = f"store {type_of(dtype, p.width)} {x}, ptr {place}"
            self.f.do(f"{store}, align {p.width * dtype.bytes}, !nontemporal !1")

    def every(
        self, axes: list[int], ends: list[str], row: Callable[[Place], None], at: Place = ()
    ) -> None:
        """A loop over each of the axes; row(place) inside, with 0 for the axis that is left."""
        at = at or ("0",) * len(ends)
        if not axes:
            row(at)
            return
        d, rest = axes[0], axes[1:]
        self.f.each("0", ends[d], "1", lambda i: self.every(rest, ends, row, moved(at, d, i)))

    def vectors(self, lo: str, hi: str, step: str, body: Callable[[str], object]) -> None:
        """A loop along a row's vectors; one after the other, if they are known to be few."""
        if known(lo) and known(hi) and int(hi) - int(lo) <= UNROLL * int(step):
            for i in range(int(lo), int(hi), int(step)):
                body(str(i))
        else:
            self.f.each(lo, hi, step, body)

    def resident(self, tile: Tile, w: int, members: int) -> list[Point] | None:
        """The points of a tile that stays in registers, in vectors of w lanes; None if so many
        tiles are too large."""
        shape, lane = tile.shape, max(range(len(tile.shape)), key=lambda d: (tile.shape[d] > 1, d))
        axes = [range(s) for s in shape]
        axes[lane] = range(0, shape[lane], w)
        if math.prod(map(len, axes)) * members > self.target.vector_registers // 2:
            return None
        places = sorted(itertools.product(*axes), key=lambda at: (moved(at, lane, 0), at[lane]))
        return [Point(tuple(map(str, at)), lane, w, True) for at in places]

    def sums(self, loop: Op, v: Value, i: int) -> Any:
        """How carried value i of a loop travels if it is a dot's sums and those have a way."""
        return None

    def ragged(self, shape: tuple[int, ...], points: list[Point]) -> bool:
        """May such points lie outside of their tile?"""
        return shape[points[0].lane] % points[0].width != 0

    def whole(self, values: Sequence[Value], lane: int, w: int, *accesses: Access) -> str:
        """Is every load behind some tiles in bounds everywhere?"""
        sizes = [str(s) for s in values[0].type.shape]
        pairs = (pair for v in values for pair in zip(self.safe(v, sizes), sizes))
        return self.f.all_of(self.f.let(f"icmp sge i64 {n}, {size}") for n, size in pairs)

    def safe(self, value: Value, ends: list[str]) -> list[str]:
        """Per axis, below which index, `ends` at most, every load behind a tile is in bounds."""
        f, safe = self.f, list(ends)
        for v, where in places(value, self.points.access):
            a = self.points.access.get(v)
            for limit, (axis, offset) in zip(a.limits, where) if a else ():
                if axis is not None:
                    safe[axis] = f.max(f.min(safe[axis], f.sub(limit, str(offset))), "0")
                    continue
                # Broadcast: its one index must exist, or nothing is safe.
                inside = f.less(str(offset), limit)
                safe = [f.select(inside, n, "0") for n in safe]
        return safe
