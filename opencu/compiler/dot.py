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

from opencu.tile.ir import KernelError, Op, Tile, Value
from opencu.compiler.expressions import is_pure, loads, reached, reads_elsewhere, uses, is_zero, zero_outside
from opencu.compiler.llvm import suffix, type_of
from opencu.compiler.points import Access, Memo, Point


GROUP = 4  # panels that packing fills together


@dataclass(frozen=True)
class Blocks:
    """How a target does a dot: all in elements, tuned per dtype, nr a multiple of the vector."""

    mr: int
    nr: int
    mc: int = 0  # rows of a that are packed at once; 0: all
    unroll: int = 4  # steps of k
    pack_a: bool = True
    pack_b: bool = True


class Nest(NamedTuple):
    """A dot and, if it accumulates over one, the loop around it."""

    dot: Op
    loop: Op | None
    result: Value

    @staticmethod
    def of(op: Op) -> "Nest | None":
        """The nest that starts at op: a dot, or a loop that does nothing but acc = dot(a, b, acc)."""
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

    def fuse(self, rest: list[Op]) -> bool:
        """Is the result used by one store only, with nothing in between that must come first?"""
        derived, store = {self.result}, None
        for op in rest:
            used = bool(derived & uses(op))
            if used and (store or not (op.name == "store" or is_pure(op)) or op.name == "yield"):
                return False
            if op.name == "store" and used:
                wide = reached(op.operands[-1]).get(self.result, ())
                if not all(wide) or op.operands[-1].type.shape != self.result.type.shape \
                        or reads_elsewhere(op) or derived & set(op.operands[:-1]):
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
    _Lowering(state, nest, fused).run()


class _Lowering:
    def __init__(self, state, nest: Nest, fused: tuple[Op, Access] | None):
        self.state, self.nest, self.f, self.points = state, nest, state.f, state.points
        self.a, self.b, _ = nest.dot.operands
        self.init = nest.loop.operands[3] if nest.loop else nest.dot.operands[2]
        (self.bm, self.bk), self.bn = self.a.type.shape, self.b.type.shape[1]
        self.dtype, self.blocks = nest.result.type.dtype, state.blocks
        self.bytes, self.w = self.dtype.bytes, state.target.vector_bytes // self.dtype.bytes
        self.value = fused[0].operands[-1] if fused else nest.result
        self.access = fused[1] if fused else state.points.access[nest.result]
        self.out_dtype = self.value.type.dtype
        mr, nr = self.blocks.mr, self.blocks.nr
        if nr % self.w:
            raise KernelError(nest.dot.loc, f"nr {nr} is not a multiple of {self.w} lanes")
        self.mc = self.blocks.mc or self.bm
        room = lambda n, step: (n + step - 1) // step * step
        self.np = room(self.bm, mr) // mr
        self.acc = state.allocate(self.np * room(self.bn, nr) * mr * self.bytes) if nest.loop else ""
        # A transposed panel's last store may run over its end by less than a vector.
        slack = state.target.vector_bytes
        if self.blocks.pack_a:
            rows = room(min(self.mc, self.bm), mr)
            self.pa = state.allocate(rows * self.bk * self.bytes + slack)
        if self.blocks.pack_b:
            self.pb = state.allocate(room(self.bn, nr) * self.bk * self.bytes + slack)

    def run(self) -> None:
        f, loop = self.f, self.nest.loop
        self.ends = [f.clamp(n, str(s)) for n, s in zip(self.access.limits, (self.bm, self.bn))]
        self.safe_out = self.state.safe(self.value, self.access, self.ends)
        if loop is None:
            self.first = self.last = None
            return self.chunk(None)
        lo, hi, step = (self.state.scalars[v] for v in loop.operands[:3])
        span = f.max(f.sub(hi, lo), "0")
        up = f.let(f"udiv i64 {f.sub(f.add(span, step), '1')}, {step}")
        trips = f.max(up, "1")  # with no trips at all one chunk of depth 0 stores the epilogue

        def chunk(t: str, _) -> tuple:
            self.first, self.last = f.let(f"icmp eq i64 {t}, 0"), f.less(f.sub(trips, "2"), t)
            k = f.add(lo, f.mul(t, step))
            self.state.scalars[loop.blocks[0].args[0]] = k
            for op in loop.blocks[0].ops:
                if op.name not in ("dot", "yield"):
                    getattr(self.state, f"op_{op.name}", self.state.op_pointwise)(op)
            self.chunk(f.less(k, hi))
            return ()

        f.loop("0", trips, "1", [], chunk)

    # ---- one chunk of k --------------------------------------------------------------------------

    def chunk(self, exists: str | None) -> None:
        f, mr, nr = self.f, self.blocks.mr, self.blocks.nr
        rows, columns = self.ends
        limits = {v: self.limits(v) for v in (self.a, self.b)}
        # k beyond both operands' bounds adds 0 * 0, if out of bounds is zero after the load hooks.
        depth = str(self.bk)
        if zero_outside(self.a) and zero_outside(self.b):
            depth = f.clamp(f.max(limits[self.a][1], limits[self.b][0]), depth)
        if exists:
            depth = f.let(f"select i1 {exists}, i64 {depth}, i64 0")
        self.depth, self.limit = depth, limits
        if self.blocks.pack_b:
            self.pack(self.b, 1, "0", columns, nr, self.pb)
        if not self.blocks.pack_a:
            return self.block("0", rows)

        def band(i: str, _) -> tuple:
            end = f.min(f.add(i, str(self.mc)), rows)
            self.pack(self.a, 0, i, end, mr, self.pa)
            self.block(i, end)
            return ()

        f.loop("0", rows, str(self.mc), [], band)

    def limits(self, v: Value) -> list[str]:
        """Per axis, below which index every load behind an operand is in bounds."""
        f = self.f
        none = Access("", ("", ""), tuple(map(str, v.type.shape)))
        return self.state.safe(v, none, list(none.limits))

    # ---- packing ---------------------------------------------------------------------------------

    def pack(self, v: Value, axis: int, lo: str, hi: str, width: int, to: str) -> None:
        """Copy v's rows (axis 0) or columns (axis 1) lo..hi into panels of `width`, through its
        load hook; beyond the bounds the panels hold zeros."""
        f, k_axis = self.f, 1 - axis
        sources = [self.points.access[x] for x in loads(v)]
        along_k = any(a.unit_axis() == k_axis for a in sources[:1])
        limit, k_limit = self.limit[v][axis], self.limit[v][k_axis]
        whole_k = f.let(f"icmp sle i64 {self.depth}, {k_limit}")

        def panel(i: str, _) -> tuple:
            base = place(i)
            inside = f.let(f"icmp sle i64 {f.add(i, str(width))}, {limit}")
            fast = f.let(f"select i1 {f.let(f'and i1 {inside}, {whole_k}')}, i64 {self.depth}, i64 0")
            if along_k:
                done = f.floor_to(fast, self.w)
                self.transposed(v, axis, i, width, base, done)
            else:
                done = f.floor_to(fast, 4)
                self.straight(v, axis, i, width, base, ("0", done, 4))
            self.straight(v, axis, i, width, base, (done, self.depth, 1), checked=True)
            return ()

        def group(i: str, _) -> tuple:
            self.straight(v, axis, i, width, place(i), ("0", self.depth, 1), panels=GROUP)
            return ()

        def place(i: str) -> str:
            return f.offset(to, f.mul(f.sub(i, lo), str(self.bk)), self.bytes)

        start = lo
        if not along_k:
            # Panels side by side are filled together: a line of memory, and a page, serves them all.
            whole = f.floor_to(f.sub(f.max(f.min(hi, limit), lo), lo), GROUP * width)
            start = f.add(lo, f.let(f"select i1 {whole_k}, i64 {whole}, i64 0"))
            f.loop(lo, start, str(GROUP * width), [], group)
        f.loop(start, hi, str(width), [], panel)

    def straight(self, v: Value, axis: int, i: str, width: int, base: str,
                 k_range: tuple[str, str, int], panels: int = 1, checked: bool = False) -> None:
        """Lanes along the panel, steps of k one after another."""
        f, (lo, hi, steps) = self.f, k_range
        pieces = [(p, c, min(self.w, width - c)) for p in range(panels)
                  for c in range(0, width, self.w)]

        def row(k: str, _) -> tuple:
            for u in range(steps):
                ku = f.add(k, str(u))
                line = f.offset(base, ku, width * self.bytes)
                across = [f.add(i, str(p * width + c)) for p, c, _ in pieces]
                points = [Point((x, ku) if axis == 0 else (ku, x), axis, lanes, checked)
                          for x, (_, _, lanes) in zip(across, pieces)]
                for (p, c, lanes), x in zip(pieces, self.points.at(v, points, {})):
                    self.write(line, p * width * self.bk + c, x, lanes)
            return ()

        f.loop(lo, hi, str(steps), [], row)

    def write(self, line: str, column: int, x: str, lanes: int) -> None:
        to = self.f.offset(line, str(column), self.bytes)
        self.f.do(f"store {type_of(self.dtype, lanes)} {x}, ptr {to}, align {self.bytes}")

    def transposed(self, v: Value, axis: int, i: str, width: int, base: str, end: str) -> None:
        """Lanes along k, for operands that are contiguous there: squares of w x w, transposed in
        registers. A store may run into the next line, which is written after it."""
        f, w = self.f, self.w
        zero = "zeroinitializer"

        def square(k: str, _) -> tuple:
            groups = []
            for c in range(0, width, w):
                at = [f.add(i, str(r)) for r in range(c, min(c + w, width))]
                points = [Point((r, k) if axis == 0 else (k, r), 1 - axis, w, False) for r in at]
                rows = self.points.at(v, points, {})
                for p in points:
                    self.prefetch_source(v, axis, width, p)
                groups.append(self.transpose(rows + [zero] * (w - len(rows))))
            for u in range(w):
                line = f.offset(base, f.add(k, str(u)), width * self.bytes)
                for c, group in zip(range(0, width, w), groups):
                    self.write(line, c, group[u], w)
            return ()

        f.loop("0", end, str(w), [], square)

    def prefetch_source(self, v: Value, axis: int, width: int, p: Point) -> None:
        """Fetch what the next panel will read where this one reads p: each row is a stream of its
        own, too short for the processor to see it coming."""
        ahead = list(p.at)
        ahead[axis] = self.f.add(ahead[axis], str(width))
        for x in loads(v):
            place = Point(tuple(ahead), p.lane, p.width, False)
            self.f.prefetch(self.points.address(self.points.access[x], x.type.dtype.bytes, place))

    def transpose(self, rows: list[str]) -> list[str]:
        """w rows of w lanes: squares inside each 128-bit lane first, then whole 128-bit lanes."""
        w, e = self.w, 16 // self.bytes
        t = type_of(self.dtype, w)

        def shuffle(x: str, y: str, pick: list[int]) -> str:
            mask = ", ".join(f"i32 {p}" for p in pick)
            return self.f.let(f"shufflevector {t} {x}, {t} {y}, <{w} x i32> <{mask}>")

        def unpack(x: str, y: str, size: int) -> tuple[str, str]:
            """Interleave pieces of `size` lanes from the low, and from the high, lane halves."""
            low = [b * e + h * size + i + s * w for b in range(w // e) for h in range(e // size // 2)
                   for s in (0, 1) for i in range(size)]
            high = [p + e // 2 for p in low]
            return shuffle(x, y, low), shuffle(x, y, high)

        out: list[str] = []
        for g in range(0, w, e):
            q = rows[g:g + e]
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

    # ---- register blocks -------------------------------------------------------------------------

    def block(self, lo: str, hi: str) -> None:
        """All register blocks of rows lo..hi. Unpacked operands are read with no slack: rows in
        blocks of mr, then of 4, 2, 1; columns in whole blocks, then single masked vectors."""
        f, blocks = self.f, self.blocks
        columns, vectors = self.ends[1], blocks.nr // self.w
        if blocks.pack_b:
            return self.columns("0", columns, vectors, False, lo, hi)
        whole = f.floor_to(f.min(columns, self.limit[self.b][1]), blocks.nr)
        deep = f.let(f"icmp sle i64 {self.depth}, {self.limit[self.b][0]}")
        whole = f.let(f"select i1 {deep}, i64 {whole}, i64 0")
        self.columns("0", whole, vectors, False, lo, hi)
        self.columns(whole, columns, 1, True, lo, hi)

    def columns(self, start: str, end: str, vectors: int, checked: bool, lo: str, hi: str) -> None:
        f, mr = self.f, self.blocks.mr

        def strip(j: str, _) -> tuple:
            if self.blocks.pack_a:
                self.rows(lo, hi, mr, j, vectors, checked, lo, False)
                return ()
            deep = f.let(f"icmp sle i64 {self.depth}, {self.limit[self.a][1]}")
            readable = f.max(f.min(hi, self.limit[self.a][0]), lo)
            readable = f.let(f"select i1 {deep}, i64 {readable}, i64 {lo}")
            i, size = lo, mr
            while size:
                stop = f.add(i, f.floor_to(f.sub(readable, i), size))
                self.rows(i, stop, size, j, vectors, checked, lo, False)
                i, size = stop, max(s for s in (4, 2, 1, 0) if s < size)
            self.rows(i, hi, 1, j, vectors, checked, lo, True)
            return ()

        f.loop(start, end, str(vectors * self.w), [], strip)

    def rows(self, start: str, end: str, size: int, j: str, vectors: int, checked: bool,
             band: str, a_checked: bool) -> None:
        self.f.loop(start, end, str(size), [], lambda i, _: self.micro(
            i, j, size, vectors, checked, band, a_checked) or ())

    def micro(self, i: str, j: str, rows: int, vectors: int, b_checked: bool, band: str,
              a_checked: bool) -> None:
        """One block of accumulators, from its first to its last use."""
        f, w = self.f, self.w
        t = type_of(self.dtype, w)
        row_at = [f.add(i, str(r)) for r in range(rows)]
        column_at = [f.add(j, str(c * w)) for c in range(vectors)]
        block = [Point((r, c), 1, w, False) for r in row_at for c in column_at]
        if self.acc:
            # The rest place of row r: panels of nr columns, rows of nr inside.
            panel = f.mul(f.let(f"udiv i64 {j}, {self.blocks.nr}"), str(self.np * self.blocks.mr))
            inside = f.let(f"urem i64 {j}, {self.blocks.nr}")
            rest = [f.offset(self.acc, f.add(f.mul(f.add(panel, r), str(self.blocks.nr)), inside),
                             self.bytes) for r in row_at]
            rest = [f.offset(p, str(c * w), self.bytes) for p in rest for c in range(vectors)]
        if self.acc and self.blocks.pack_a:
            # What the sums will meet is fetched while they are made: it is far away, in scratch
            # or in c. (Unpacked blocks are too short for it to pay.)
            c_at = [self.points.address(self.access, self.out_dtype.bytes, Point((r, j), 1, w, False))
                    for r in row_at]
            for to, p in zip(c_at, rest[::vectors]):
                f.prefetch(f.let(f"select i1 {self.last}, ptr {to}, ptr {p}"), write=True)
        a_panel = f.offset(self.pa, f.mul(f.sub(i, band), str(self.bk)), self.bytes) \
            if self.blocks.pack_a else ""
        b_panel = f.offset(self.pb, f.mul(j, str(self.bk)), self.bytes) if self.blocks.pack_b else ""

        def operands(k: str) -> tuple[list[str], list[str]]:
            if b_panel:
                line = f.offset(b_panel, k, self.blocks.nr * self.bytes)
                bs = [f.let(f"load {t}, ptr {f.offset(line, str(c * w), self.bytes)}, "
                            f"align {self.bytes}") for c in range(vectors)]
            else:
                bs = self.points.at(self.b, [Point((k, c), 1, w, b_checked) for c in column_at], {})
            if a_panel:
                line = f.offset(a_panel, k, self.blocks.mr * self.bytes)
                one = type_of(self.dtype)
                xs = [f.let(f"load {one}, ptr {f.offset(line, str(r), self.bytes)}, "
                            f"align {self.bytes}") for r in range(rows)]
            else:
                xs = self.points.at(self.a, [Point((r, k), 1, 1, a_checked) for r in row_at], {})
            return [f.splat(x, self.dtype, w) for x in xs], bs

        def steps(k: str, acc: list[str], count: int) -> list[str]:
            for u in range(count):
                xs, bs = operands(f.add(k, str(u)))
                acc = [f.call(t, f"fmuladd.{suffix(self.dtype, w)}", (t, xs[n // vectors]),
                              (t, bs[n % vectors]), (t, c)) for n, c in enumerate(acc)]
            return acc

        unroll = self.blocks.unroll
        main = f.floor_to(self.depth, unroll)
        carry = lambda acc: [(t, c) for c in acc]
        acc = ["zeroinitializer"] * len(block)
        acc = f.loop("0", main, str(unroll), carry(acc), lambda k, c: steps(k, c, unroll))
        if unroll > 1:
            acc = f.loop(main, self.depth, "1", carry(acc), lambda k, c: steps(k, c, 1))

        def begun() -> list[str]:
            """The accumulator that the dot was given, added last."""
            if is_zero(self.init):
                return acc
            careful = bool(loads(self.init))
            start = self.points.at(self.init, [Point(p.at, 1, w, careful) for p in block], {})
            return [f.let(f"fadd {t} {x}, {y}") for x, y in zip(start, acc)]

        def resumed() -> list[str]:
            before = [f.let(f"load {t}, ptr {p}, align {self.bytes}") for p in rest]
            return [f.let(f"fadd {t} {x}, {y}") for x, y in zip(before, acc)]

        sums = begun() if self.first is None else \
            f.branch(self.first, begun, resumed, [t] * len(block))

        def finish() -> tuple:
            inside = [f.let(f"icmp sle i64 {f.add(at, str(n))}, {s}") for at, n, s in
                      zip((i, j), (rows, vectors * w), self.safe_out)]
            self.f.branch(f.let(f"and i1 {inside[0]}, {inside[1]}"),
                          lambda: self.epilogue(block, sums, False),
                          lambda: self.epilogue(block, sums, True))
            return ()

        def put_by() -> tuple:
            for p, x in zip(rest, sums):
                f.do(f"store {t} {x}, ptr {p}, align {self.bytes}")
            return ()

        if self.last is None:
            finish()
        else:
            f.branch(self.last, finish, put_by)

    def epilogue(self, block: list[Point], acc: list[str], checked: bool) -> tuple:
        points = [Point(p.at, p.lane, p.width, checked) for p in block]
        memo: Memo = {(self.nest.result, p): x for p, x in zip(points, acc)}
        for x, p in zip(self.points.at(self.value, points, memo), points):
            self.points.store(self.access, self.out_dtype, x, p)
        return ()
