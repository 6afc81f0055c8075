"""Pointwise evaluation: the value of a tile expression at given points, a vector of lanes each.

Tiles are not computed as a whole. A root (a store, a packing loop, a register block) asks for the
values at the points that it is about to use, and the expression behind it is emitted there: that is
the fusion of elementwise chains, of load hooks into packing, and of epilogues into register blocks.
"""

import functools
from dataclasses import replace
from typing import Any

from opencu.compiler.casts import Cast
from opencu.compiler.expressions import Where, operand_place, step_along, weight
from opencu.compiler.llvm import Function, Lanes, constant, suffix, type_of
from opencu.compiler.memory import Access, Memory, Point, ViewRef, moved
from opencu.drivers.interface import Target
from opencu.tile.dtypes import bool_, i32, i64
from opencu.tile.ir import KernelError, Op, Tile, Value

GATHERS = "+fast-gather"  # the feature of targets whose gathers take a mask

Memo = dict[tuple[Value, Point], str]


class Points(Memory):
    """Evaluates tile values of one function being lowered."""

    def __init__(self, f: Function, target: Target):
        super().__init__(f, target)
        self.scalars: dict[Value, str] = {}
        self.views: dict[Value, ViewRef] = {}
        self.narrow: dict[str, str] = {}  # sizes of parameters in 32 bits
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
            return [self.load(self.access[v], dtype, p) for p in points]
        op = v.op
        if op is None or op.name in ("for", "while", "dot"):
            what = "a tile that is carried through this loop is used in a way that the vector"
            raise KernelError(op.loc if op else None, f"{what} lowering does not support")
        if op.name == "if":
            return self._branch(op, op.results.index(v), points, memo)
        if op.name == "iota":
            return [self._iota(op, p) for p in points]
        if op.name in ("broadcast", "permute", "extract", "reshape"):
            return self._moved(op, points, memo)
        if op.name == "gather":
            return [self._gather_at(op, p, memo) for p in points]
        operands = [self.at(x, points, memo) for x in op.operands]
        return [self.apply(op, list(args), p.width) for p, *args in zip(points, *operands)]

    def _branch(self, op: Op, which: int, points: list[Point], memo: Memo) -> list[str]:
        ends = [block.ops[-1].operands[which] for block in op.blocks]
        sides = [lambda v=v: self.at(v, points, dict(memo)) for v in ends]
        types = [type_of(op.results[which].type.dtype, p.width) for p in points]
        return self.f.branch(self.scalars[op.operands[0]], *sides, types)

    def _moved(self, op: Op, points: list[Point], memo: Memo) -> list[str]:
        """An operand that is read at other places: broadcast, permute, extract, and a reshape that
        only adds or drops axes of size 1."""
        source = op.operands[0]
        if not isinstance(source.type, Tile):
            return self.at(source, points, memo)
        here = tuple((d, 0) for d in range(len(op.result.type.shape)))
        where = operand_place(op, source, here)
        inner = [self._source_point(where, p) for p in points]
        values = self.at(source, inner, memo)
        return [
            self.f.splat(x, source.type.dtype, p.width) if q.width < p.width else x
            for x, p, q in zip(values, points, inner)
        ]

    def _source_point(self, where: Where, p: Point) -> Point:
        at = tuple("0" if d is None else self.f.add(p.at[d], str(off)) for d, off in where)
        for axis, (d, _) in enumerate(where):
            if d == p.lane:
                return replace(p, at=at, lane=axis)
        return replace(p, at=at, lane=min(p.lane, len(at) - 1), width=1)

    def unit_axis(self, v: Value) -> int | None:
        """The axis of a loaded or gathered tile along which its elements lie side by side."""
        if v in self.access:
            return self.access[v].unit_axis()
        axes = range(len(v.type.shape))
        lines = (d for d in axes if v.type.shape[d] > 1 and self._line(v.op, d) is not None)
        return next(lines, None)

    def _line(self, op: Op, axis: int) -> int | None:
        """The axis of a gather's view along which the lanes of an axis of the tile lie side by
        side, where that is known."""
        steps = [step_along(x, axis) for x in op.operands[1:]]
        if sorted(map(str, steps)) != sorted("0" * (len(steps) - 1) + "1"):
            return None
        line = steps.index(1)
        return line if self.views[op.operands[0]].strides[line] == "1" else None

    def _gather_at(self, op: Op, p: Point, memo: Memo) -> str:
        """One vector of a gather: read at once where it is a part of a line of the view."""

        def apart() -> list[str]:
            known = dict(memo)
            if self._by_mask(op, p):
                return [self._masked_gather(op, p, known)]
            index = [self.at(x, [p], known)[0] for x in op.operands[1:]]
            single = None
            if self._rereads(op, p):
                single = lambda i: self._at_lane(op, p, i)  # noqa: E731
            return [self.gather(op, index, p.width, single)]

        line = self._line(op, p.lane) if p.width > 1 and op.result.type.dtype != bool_ else None
        if line is None:
            return apart()[0]
        f, view, t = self.f, self.views[op.operands[0]], type_of(op.result.type.dtype, p.width)
        first = [self.at(x, [replace(p, width=1)], memo)[0] for x in op.operands[1:]]
        whole, end = [f.less("-1", first[line])], f.add(first[line], str(p.width))
        whole.append(f.let(f"icmp sle i64 {end}, {view.sizes[line]}"))
        exists, pointer = [], f.offset(view.pointer, first[line], op.result.type.dtype.bytes)
        for d, (i, size, stride) in enumerate(zip(first, view.sizes, view.strides)):
            if d != line:  # outside, the line at 0 is read for nothing
                whole.append(f.less("0", size))
                exists.append(f.let(f"icmp ult i64 {i}, {size}"))
                i = f.select(exists[-1], i, "0")
                pointer = f.offset(pointer, f.mul(i, stride), op.result.type.dtype.bytes)

        def beside() -> list[str]:
            x = f.load(t, pointer, op.result.type.dtype.bytes)
            return [f.select(f.all_of(exists), x, "zeroinitializer", t) if exists else x]

        return f.branch(f.all_of(whole), beside, apart, [t])[0]

    def _by_mask(self, op: Op, p: Point) -> bool:
        """Is there an instruction that reads these lanes of a line where a mask is set?"""
        view, dtype = self.views[op.operands[0]], op.result.type.dtype
        wide = p.width > 1 and 4 <= dtype.bytes <= 8 and view.strides == ("1",)
        return wide and GATHERS in self.target.features

    def _masked_gather(self, op: Op, p: Point, memo: Memo) -> str:
        """A vector of a line, with the bounds check as its mask; of 32-bit indices, in 32 bits.
        Where all lanes are inside, loads of single lanes are faster than AVX2's instruction."""
        f, view, index = self.f, self.views[op.operands[0]], op.operands[1]
        dtype, size = op.result.type.dtype, view.sizes[0]
        if index.made_by == "cast" and index.op.operands[0].type.dtype == i32:
            index = index.op.operands[0]
            size = self.narrow.get(size) or f.narrow(size)
        lanes, t = Lanes(f, index.type.dtype, p.width), type_of(dtype, p.width)
        at = self.at(index, [p], memo)[0]
        inside = lanes.op("icmp ult", at, lanes.splat(size))

        def at_once() -> list[str]:
            place = f.let(f"getelementptr {type_of(dtype)}, ptr {view.pointer}, {lanes.type} {at}")
            kind = f"masked.gather.{suffix(dtype, p.width)}.v{p.width}p0"
            where = f"<{p.width} x ptr> align {dtype.bytes}", place
            return [f.call(t, kind, where, (lanes.mask, inside), (t, "zeroinitializer"))]

        def singly() -> list[str]:
            index = (self._at_lane(op, p, i)[0] for i in range(p.width))
            places = (f.offset(view.pointer, i, dtype.bytes) for i in index)
            numbers = (f.load(type_of(dtype), q, dtype.bytes) for q in places)
            return [Lanes(f, dtype, p.width).of(numbers)]

        if self.target.vector_bytes > 32 or not self._rereads(op, p):
            return at_once()[0]
        return f.branch(f.every(inside, p.width), singly, at_once, [t], likely=True)[0]

    def _rereads(self, op: Op, p: Point) -> bool:
        """Is it less work to read the indices again as numbers than to take them out of vectors?"""
        return not p.checked and all(weight(x, self.access) < 2 for x in op.operands[1:])

    def _at_lane(self, op: Op, p: Point, lane: int) -> list[str]:
        """The indices of one lane, read again as numbers."""
        here = Point(moved(p.at, p.lane, self.f.add(p.at[p.lane], str(lane))), p.lane, 1)
        return [self.at(x, [here], {})[0] for x in op.operands[1:]]

    def gather(self, op: Op, index: list[str], width: int, single: Any = None) -> str:
        """Elements of a view, lane by lane; with no checks where all lanes are inside. single gives
        a lane's indices where they need not come from the vectors of indices."""
        f, view, dtype = self.f, self.views[op.operands[0]], op.result.type.dtype
        one, size = type_of(dtype), min(dtype.bytes, 8)
        t = type_of(dtype, width)

        def lanes(checked: bool) -> list[str]:
            found = []
            for lane in range(width):
                if single and not checked:
                    _, pointer = self.element(view, single(lane), dtype.bytes, 0, 1)
                else:
                    inside, pointer = self.element(view, index, dtype.bytes, lane, width)
                if checked:  # a lane outside reads a place that always exists
                    pointer = f.select(inside, pointer, "%params", "ptr")
                x = f.load(one, pointer, size)
                found.append(f.select(inside, x, constant(dtype, 0), one) if checked else x)
            return [Lanes(f, dtype, width).of(found)]

        if width == 1:
            return lanes(True)[0]
        v, masks = Lanes(f, i64, width), Lanes(f, bool_, width)
        inside = [v.op("icmp ult", i, v.splat(n)) for i, n in zip(index, view.sizes)]
        every = functools.reduce(lambda x, y: masks.op("and", x, y), inside)
        return f.branch(f.every(every, width), lambda: lanes(False), lambda: lanes(True), [t])[0]

    def _iota(self, op: Op, p: Point) -> str:
        dtype, axis = op.result.type.dtype, op.attrs["axis"]
        first, v = p.at[axis], Lanes(self.f, dtype, p.width)
        if dtype.bits < 64:
            first = Lanes(self.f, i64, 1).to("trunc", first, dtype)
        wide = v.splat(first)
        return wide if axis != p.lane or p.width == 1 else v.op("add", wide, v.count())

    def put(self, a: Access, v: Value, points: list[Point], memo: Memo) -> None:
        """Compute a value at some points and store it there."""
        if v.made_by != "complex":
            for x, p in zip(self.at(v, points, memo), points):
                self.store(a, v.type.dtype, x, p)
            return
        parts = [self.at(x, points, memo) for x in v.op.operands]
        for re, im, p in zip(*parts, points):
            self.store_complex(a, v.type.dtype.part, re, im, p)

    # ---- one operation on operands of `width` lanes ----------------------------------------------

    def apply(self, op: Op, x: list[str], width: int) -> str:
        f, dtype, to = self.f, op.operands[0].type.dtype, op.result.type.dtype
        v, fn = Lanes(f, dtype, width), op.attrs.get("fn", "")
        if op.name == "unary":
            return self._unary(fn, v, *x)
        if op.name == "binary":
            return self.binary(fn, v, *x)
        if op.name == "compare":
            return v.compare(fn, *x)
        if op.name == "select":
            return Lanes(f, to, width).select(*x)
        if op.name == "fma" and dtype.kind == "f":
            return v.call(f.fused, *x)
        if op.name == "fma":
            return v.op("add", v.op("mul", x[0], x[1]), x[2])
        if op.name == "cast":
            return Cast(f, self.target, width).value(dtype, to, x[0])
        if op.name == "bitcast":
            return v.to("bitcast", x[0], to)
        raise KernelError(op.loc, f"the vector lowering has no operation {op.name}")

    def _unary(self, fn: str, v: Lanes, x: str) -> str:
        kind = v.dtype.kind
        if fn == "neg":
            return self.f.let(f"fneg {v.type} {x}") if kind == "f" else v.op("sub", v.splat(0), x)
        if fn == "not":
            return v.op("xor", x, True)
        if fn in ("floor", "rint") and self.target.cpu == "x86-64":
            return self._round(fn, v, x)
        if fn == "abs" and kind == "u":
            return x
        if fn == "abs" and kind == "i":
            name = f"abs.{suffix(v.dtype, v.width)}"
            return self.f.call(v.type, name, (v.type, x), ("i1", "false"))
        return v.call({"abs": "fabs", "rint": "roundeven"}.get(fn, fn), x)

    def _round(self, fn: str, v: Lanes, x: str) -> str:
        """SSE2 has no rounding instruction, and LLVM would call the C library: where there can be a
        fraction at all, adding 2^23 (2^52) rounds it away."""
        limit = v.splat(2.0 ** (23 if v.dtype.bits == 32 else 52))
        fraction = v.compare("lt", v.call("fabs", x), limit)
        magic = v.call("copysign", limit, x)
        near = v.op("fsub", v.op("fadd", x, magic), magic)
        if fn == "floor":
            near = v.op("fsub", near, v.select(v.compare("gt", near, x), 1.0, 0.0))
        return v.select(fraction, v.call("copysign", near, x), x)

    def binary(self, fn: str, v: Lanes, x: str, y: str) -> str:
        kind = v.dtype.kind
        if fn in ("min", "max") and kind == "f" and self.target.format not in ("ptx", "elf"):
            # LLVM's own also put -0 before 0, which takes longer; OpenCL's drop NaN.
            better = v.select(v.compare("gt" if fn == "max" else "lt", x, y), x, y)
            return v.select(v.op("fcmp uno", x, x), x, better)
        if fn in ("min", "max"):
            return v.call({"f": f"{fn}imum", "i": f"s{fn}", "u": f"u{fn}"}[kind], x, y)
        if fn in ("floordiv", "mod"):
            return self._divide(fn, v, x, y)
        if fn in ("shl", "shr"):
            how = fn if fn == "shl" else "lshr" if kind == "u" else "ashr"
            return v.op(how, x, v.op("and", y, v.dtype.bits - 1))
        return v.op(f"f{fn}" if kind == "f" else fn, x, y)

    def _divide(self, fn: str, v: Lanes, x: str, y: str) -> str:
        """Division that rounds down. What would trap gives some value: x / 0, and the least
        integer / -1 (the quotient by -1 is a negation, which wraps)."""
        masks, by_zero = Lanes(self.f, bool_, v.width), v.op("icmp eq", y, 0)
        if v.dtype.kind == "u":
            return v.op("udiv" if fn == "floordiv" else "urem", x, v.select(by_zero, 1, y))
        negates = v.op("icmp eq", y, -1)
        d = v.select(masks.op("or", by_zero, negates), 1, y)
        q, r = v.op("sdiv", x, d), v.op("srem", x, d)
        q = v.select(negates, v.op("sub", v.splat(0), q), q)
        down = v.op("icmp slt", v.op("xor", r, d), 0)
        fix = masks.op("and", down, v.op("icmp ne", r, 0))
        if fn == "floordiv":
            return v.select(fix, v.op("sub", q, 1), q)
        return v.select(fix, v.op("add", r, d), r)
