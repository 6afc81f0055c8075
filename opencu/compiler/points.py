"""Pointwise evaluation: the value of a tile expression at given points, a vector of lanes each.

Tiles are not computed as a whole. A root (a store, a packing loop, a register block) asks for the
values at the points that it is about to use, and the expression behind it is emitted there: that is
the fusion of elementwise chains, of load hooks into packing, and of epilogues into register blocks.
"""

from dataclasses import dataclass, replace

from opencu.compiler import casts
from opencu.compiler.llvm import Function, constant, suffix, type_of
from opencu.drivers.interface import Target
from opencu.tile.dtypes import DType, bool_, u8
from opencu.tile.ir import KernelError, Op, Tile, Value


@dataclass(frozen=True)
class Point:
    """`width` lanes of a tile, side by side along axis `lane`; `at` is the first one's place."""

    at: tuple[str, ...]
    lane: int
    width: int
    checked: bool = False  # may lie outside a view: loads give zero there, stores write nothing

    def collapse(self, shape: tuple[int, ...]) -> "Point":
        """The same point of an operand that is broadcast along its axes of size 1."""
        at = tuple("0" if s == 1 else a for a, s in zip(self.at, shape))
        return replace(self, at=at, width=1 if shape[self.lane] == 1 else self.width)


@dataclass(frozen=True)
class Access:
    """Where a load or store puts a tile: element (i, j, ..) is at pointer + i * strides[0] + ..,
    and exists if each index is below its limit: the view's end or the tile's, maybe negative."""

    pointer: str
    strides: tuple[str, ...]  # in elements
    limits: tuple[str, ...]

    def unit_axis(self) -> int | None:
        return next((d for d in reversed(range(len(self.strides))) if self.strides[d] == "1"), None)


Memo = dict[tuple[Value, Point], str]


class Points:
    """Evaluates tile values of one function being lowered."""

    def __init__(self, f: Function, target: Target):
        self.f, self.target = f, target
        self.scalars: dict[Value, str] = {}
        self.access: dict[Value, Access] = {}  # loads, and tiles that were put into memory

    def at(self, v: Value, points: list[Point], memo: Memo) -> list[str]:
        """v at each point. The memo holds what is known in this straight piece of code."""
        missing = [p for p in dict.fromkeys(points) if (v, p) not in memo]
        if missing:
            for p, text in zip(missing, self._compute(v, missing, memo)):
                memo[v, p] = text
        return [memo[v, p] for p in points]

    def _compute(self, v: Value, points: list[Point], memo: Memo) -> list[str]:
        dtype = v.type.dtype
        if not isinstance(v.type, Tile):
            return [self.f.splat(self.scalars[v], dtype, p.width) for p in points]
        if v in self.access:
            return [self.load(self.access[v], v, p) for p in points]
        op = v.op
        if op is None or op.name in ("for", "dot"):
            raise KernelError(
                op.loc if op else None,
                "a tile that is carried through this loop is "
                "used in a way that the vector lowering does not support",
            )
        if op.name == "if":
            return self._branch(op, op.results.index(v), points, memo)
        if op.name == "broadcast":
            return self._broadcast(op, points, memo)
        if op.name == "iota":
            return [self._iota(op, p) for p in points]
        operands = [self.at(x, points, memo) for x in op.operands]
        return [self.apply(op, list(args), p.width) for p, *args in zip(points, *operands)]

    def _branch(self, op: Op, which: int, points: list[Point], memo: Memo) -> list[str]:
        sides = [
            lambda b=block: self.at(b.ops[-1].operands[which], points, dict(memo))
            for block in op.blocks
        ]
        dtype = op.results[which].type.dtype
        return self.f.branch(
            self.scalars[op.operands[0]], *sides, [type_of(dtype, p.width) for p in points]
        )

    def _broadcast(self, op: Op, points: list[Point], memo: Memo) -> list[str]:
        source = op.operands[0]
        if not isinstance(source.type, Tile):
            return self.at(source, points, memo)
        inner = [p.collapse(source.type.shape) for p in points]
        values = self.at(source, inner, memo)
        return [
            self.f.splat(x, source.type.dtype, p.width) if q.width < p.width else x
            for x, p, q in zip(values, points, inner)
        ]

    def _iota(self, op: Op, p: Point) -> str:
        dtype, axis = op.result.type.dtype, op.attrs["axis"]
        t = type_of(dtype)
        first = p.at[axis] if dtype.bits == 64 else self.f.let(f"trunc i64 {p.at[axis]} to {t}")
        wide = self.f.splat(first, dtype, p.width)
        if axis != p.lane or p.width == 1:
            return wide
        steps = ", ".join(f"{t} {i}" for i in range(p.width))
        return self.f.let(f"add {type_of(dtype, p.width)} {wide}, <{steps}>")

    # ---- one operation on operands of `width` lanes ----------------------------------------------

    def apply(self, op: Op, x: list[str], width: int) -> str:
        f, dtype = self.f, op.operands[0].type.dtype
        t = type_of(dtype, width)
        if op.name == "unary":
            return self._unary(op.attrs["fn"], dtype, t, x[0], width)
        if op.name == "binary":
            return self._binary(op.attrs["fn"], dtype, t, x, width)
        if op.name == "compare":
            fn = op.attrs["fn"]
            if dtype.kind == "f":
                return f.let(f"fcmp {'une' if fn == 'ne' else 'o' + fn} {t} {x[0]}, {x[1]}")
            sign = "" if fn in ("eq", "ne") else "u" if dtype.kind == "u" else "s"
            return f.let(f"icmp {sign}{fn} {t} {x[0]}, {x[1]}")
        if op.name == "select":
            t = type_of(op.result.type.dtype, width)
            return f.let(f"select {type_of(dtype, width)} {x[0]}, {t} {x[1]}, {t} {x[2]}")
        if op.name == "fma":
            return f.call(t, f"fmuladd.{suffix(dtype, width)}", *((t, v) for v in x))
        if op.name == "cast":
            return casts.cast(f, self.target, dtype, op.result.type.dtype, x[0], width)
        if op.name == "bitcast":
            return f.let(f"bitcast {t} {x[0]} to {type_of(op.result.type.dtype, width)}")
        raise KernelError(op.loc, f"the vector lowering has no operation {op.name}")

    def _unary(self, fn: str, dtype: DType, t: str, x: str, width: int) -> str:
        name = suffix(dtype, width)
        if fn == "neg":
            return self.f.let(
                f"fneg {t} {x}"
                if dtype.kind == "f"
                else f"sub {t} {self.f.splat('0', dtype, width)}, {x}"
            )
        if fn == "not":
            return self.f.let(f"xor {t} {x}, {self.f.splat('true', dtype, width)}")
        if fn in ("floor", "rint") and self.target.vector_bytes < 32:
            return self._round(fn, dtype, t, x, width)
        if fn == "abs" and dtype.kind == "u":
            return x
        if fn == "abs" and dtype.kind == "i":
            return self.f.call(t, f"abs.{name}", (t, x), ("i1", "false"))
        intrinsic = {"abs": "fabs", "rint": "roundeven"}.get(fn, fn)
        return self.f.call(t, f"{intrinsic}.{name}", (t, x))

    def _round(self, fn: str, dtype: DType, t: str, x: str, width: int) -> str:
        """SSE2 has no rounding instruction, and LLVM would call the C library: where there can be a
        fraction at all, adding 2^23 (2^52) rounds it away."""
        f, name = self.f, suffix(dtype, width)
        splat = lambda v: f.splat(constant(dtype, v), dtype, width)  # noqa: E731
        i1 = "i1" if width == 1 else f"<{width} x i1>"
        limit = splat(2.0 ** (23 if dtype.bits == 32 else 52))
        size = f.call(t, f"fabs.{name}", (t, x))
        fraction = f.let(f"fcmp olt {t} {size}, {limit}")
        magic = f.call(t, f"copysign.{name}", (t, limit), (t, x))
        near = f.let(f"fsub {t} {f.let(f'fadd {t} {x}, {magic}')}, {magic}")
        if fn == "floor":
            above = f.let(f"fcmp ogt {t} {near}, {x}")
            step = f.let(f"select {i1} {above}, {t} {splat(1.0)}, {t} {splat(0.0)}")
            near = f.let(f"fsub {t} {near}, {step}")
        signed = f.call(t, f"copysign.{name}", (t, near), (t, x))
        return f.let(f"select {i1} {fraction}, {t} {signed}, {t} {x}")

    def _binary(self, fn: str, dtype: DType, t: str, x: list[str], width: int) -> str:
        name = suffix(dtype, width)
        if fn in ("min", "max"):
            intrinsic = {"f": f"{fn}imum", "i": f"s{fn}", "u": f"u{fn}"}[dtype.kind]
            return self.f.call(t, f"{intrinsic}.{name}", (t, x[0]), (t, x[1]))
        if fn in ("floordiv", "mod"):
            return self._divide(fn, dtype, t, x, width)
        if fn in ("shl", "shr"):
            return self._shift(fn, dtype, t, x, width)
        prefix = "f" if dtype.kind == "f" and fn in ("add", "sub", "mul", "div") else ""
        return self.f.let(f"{prefix}{fn} {t} {x[0]}, {x[1]}")

    def _shift(self, fn: str, dtype: DType, t: str, x: list[str], width: int) -> str:
        modulus = self.f.splat(str(dtype.bits - 1), dtype, width)
        distance = self.f.let(f"and {t} {x[1]}, {modulus}")
        how = fn if fn == "shl" else "lshr" if dtype.kind == "u" else "ashr"
        return self.f.let(f"{how} {t} {x[0]}, {distance}")

    def _divide(self, fn: str, dtype: DType, t: str, x: list[str], width: int) -> str:
        """Division that rounds down. What would trap gives some value: x / 0, and the least
        integer / -1 (the quotient by -1 is a negation, which wraps)."""
        let, zero, one = self.f.let, *(self.f.splat(c, dtype, width) for c in "01")
        i1 = "i1" if width == 1 else f"<{width} x i1>"
        by_zero = let(f"icmp eq {t} {x[1]}, {zero}")
        minus = self.f.splat("-1", dtype, width)
        negates = let(f"icmp eq {t} {x[1]}, {minus}")
        unsafe = let(f"or {i1} {by_zero}, {negates}")
        if dtype.kind == "u":
            d = let(f"select {i1} {by_zero}, {t} {one}, {t} {x[1]}")
            return let(f"{'udiv' if fn == 'floordiv' else 'urem'} {t} {x[0]}, {d}")
        d = let(f"select {i1} {unsafe}, {t} {one}, {t} {x[1]}")
        q, r = let(f"sdiv {t} {x[0]}, {d}"), let(f"srem {t} {x[0]}, {d}")
        q = let(f"select {i1} {negates}, {t} {let(f'sub {t} {zero}, {q}')}, {t} {q}")
        signs = let(f"xor {t} {r}, {d}")
        down = let(f"icmp slt {t} {signs}, {zero}")
        inexact = let(f"icmp ne {t} {r}, {zero}")
        fix = let(f"and {i1} {down}, {inexact}")
        fixed = let(f"sub {t} {q}, {one}") if fn == "floordiv" else let(f"add {t} {r}, {d}")
        return let(f"select {i1} {fix}, {t} {fixed}, {t} {q if fn == 'floordiv' else r}")

    # ---- memory ----------------------------------------------------------------------------------

    def address(self, a: Access, bytes: int, p: Point) -> str:
        place = "0"
        for at, stride in zip(p.at, a.strides):
            place = self.f.add(place, self.f.mul(at, stride))
        return self.f.offset(a.pointer, place, bytes)

    def mask(self, a: Access, p: Point) -> str:
        """The lanes of p that lie in the view."""
        f, width = self.f, p.width
        lanes = f.lanes_below(p.at[p.lane], a.limits[p.lane], width)
        inside = None
        for d, (at, limit) in enumerate(zip(p.at, a.limits)):
            if d != p.lane:
                ok = f.less(at, limit)
                inside = f.let(f"and i1 {inside}, {ok}") if inside else ok
        if inside is None:
            return lanes
        t = "i1" if width == 1 else f"<{width} x i1>"
        if width > 1:
            first = f.let(f"insertelement {t} poison, i1 {inside}, i64 0")
            inside = f.let(
                f"shufflevector {t} {first}, {t} poison, <{width} x i32> zeroinitializer"
            )
        return f.let(f"and {t} {lanes}, {inside}")

    def _lane_pointers(self, a: Access, bytes: int, p: Point) -> list[str]:
        first, step = self.address(a, bytes, p), a.strides[p.lane]
        return [self.f.offset(first, self.f.mul(str(i), step), bytes) for i in range(p.width)]

    def _pointer_vector(self, a: Access, bytes: int, p: Point) -> str:
        vector, t = "poison", f"<{p.width} x ptr>"
        for i, q in enumerate(self._lane_pointers(a, bytes, p)):
            vector = self.f.let(f"insertelement {t} {vector}, ptr {q}, i64 {i}")
        return vector

    def _masked(
        self, a: Access, dtype: DType, p: Point, packed: str, scattered: str
    ) -> tuple[str, tuple[str, str]]:
        """The intrinsic for lanes that lie side by side, or apart, in memory; its place operand."""
        lanes, align = suffix(dtype, p.width), dtype.bytes
        if a.strides[p.lane] == "1":
            where = (f"ptr align {align}", self.address(a, dtype.bytes, p))
            return f"masked.{packed}.{lanes}.p0", where
        where = (f"<{p.width} x ptr> align {align}", self._pointer_vector(a, dtype.bytes, p))
        return f"masked.{scattered}.{lanes}.v{p.width}p0", where

    def _by_lanes(self, a: Access, bytes: int, p: Point) -> bool:
        """Side by side, but without a masked instruction that moves bytes and words?"""
        return a.strides[p.lane] == "1" and bytes < 4 and self.target.cpu != "x86-64-v4"

    def _lane_by_lane(self, a: Access, dtype: DType, p: Point, copy) -> None:
        """copy(place in the view, place in the stage) for each lane of p that lies in the view."""
        f, stage = self.f, self.f.stage(p.width * dtype.bytes)
        count = f.clamp(f.sub(a.limits[p.lane], p.at[p.lane]), str(p.width))
        for d, (at, limit) in enumerate(zip(p.at, a.limits)):
            if d != p.lane:
                count = f.let(f"select i1 {f.less(at, limit)}, i64 {count}, i64 0")
        first, size = self.address(a, dtype.bytes, p), dtype.bytes
        f.each("0", count, "1", lambda i: copy(f.offset(first, i, size), f.offset(stage, i, size)))

    def load(self, a: Access, v: Value, p: Point) -> str:
        """The view's elements at p; zero for lanes outside, where p is checked."""
        if v.type.dtype.kind != "b":
            return self._load(a, v.type.dtype, p)
        byte = self._load(a, u8, p)
        zero = self.f.splat("0", u8, p.width)
        return self.f.let(f"icmp ne {type_of(u8, p.width)} {byte}, {zero}")

    def _load(self, a: Access, dtype: DType, p: Point) -> str:
        f, w = self.f, p.width
        one, t, align = type_of(dtype), type_of(dtype, w), dtype.bytes

        def read() -> str:
            return f.load(t, self.address(a, dtype.bytes, p), align)

        if p.checked and w == 1:
            zero = constant(dtype, 0)
            return f.branch(self.mask(a, p), lambda: [read()], lambda: [zero], [t])[0]
        if p.checked and self._by_lanes(a, align, p):
            f.store(t, "zeroinitializer", f.stage(w * align), align)
            self._lane_by_lane(
                a,
                dtype,
                p,
                lambda there, here: f.store(one, f.load(one, there, align), here, align),
            )
            return f.load(t, f.stage(w * align), align)
        if p.checked:
            name, where = self._masked(a, dtype, p, "load", "gather")
            mask = (f"<{w} x i1>", self.mask(a, p))
            return f.call(t, name, where, mask, (t, "zeroinitializer"))
        if w == 1 or a.strides[p.lane] == "1":
            return read()
        vector = "poison"
        for i, q in enumerate(self._lane_pointers(a, dtype.bytes, p)):
            x = f.load(one, q, align)
            vector = f.let(f"insertelement {t} {vector}, {one} {x}, i64 {i}")
        return vector

    def store(self, a: Access, dtype: DType, value: str, p: Point) -> None:
        """Write the lanes at p; those outside the view are dropped where p is checked."""
        f, w, align = self.f, p.width, dtype.bytes
        if dtype.kind == "b":
            dtype, byte = u8, type_of(u8, w)
            value = f.let(f"zext {type_of(bool_, w)} {value} to {byte}")
        one, t = type_of(dtype), type_of(dtype, w)

        def write() -> None:
            f.store(t, value, self.address(a, dtype.bytes, p), align)

        if p.checked and w == 1:
            f.when(self.mask(a, p), write)
        elif p.checked and self._by_lanes(a, align, p):
            f.store(t, value, f.stage(w * align), align)
            self._lane_by_lane(
                a,
                dtype,
                p,
                lambda there, here: f.store(one, f.load(one, here, align), there, align),
            )
        elif p.checked:
            name, where = self._masked(a, dtype, p, "store", "scatter")
            f.call("void", name, (t, value), where, (f"<{w} x i1>", self.mask(a, p)))
        elif w == 1 or a.strides[p.lane] == "1":
            write()
        else:
            for i, q in enumerate(self._lane_pointers(a, dtype.bytes, p)):
                x = f.let(f"extractelement {t} {value}, i64 {i}")
                f.store(one, x, q, align)
