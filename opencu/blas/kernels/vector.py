"""Level 1 of BLAS: vectors of n elements, a step apart.

    x      | chunk | chunk | chunk | chunk | chu      N elements each; a program takes a strip of
           |   program 0   |   program 1   |  ..      them and changes it (copy, axpy, rot ..),

    parts  |   sum 0       |   sum 1       |  ..      or adds it up (dot, nrm2, amax ..): a second
    result   sum 0 + sum 1 + ..                       launch adds up what several programs found

Scalars are numbers of the call, or are read where they lie when it runs. Half precision is computed
in f32. How many programs add up depends on n alone, and so does the result.
"""

import math

from opencu import tile
from opencu.blas.kernels.rotations import fetched, fetched_five, given, rotg, rotmg
from opencu.blas.kernels.routine import MIXED, ONE_BY_ONE, SEVERAL, Routine
from opencu.drivers.interface import Target
from opencu.runtime.plan import Launch, Plan, Slot
from opencu.tile import cdiv


def strip(x, N: int):
    """The chunks of this program, from and to."""
    chunks = cdiv(x.shape[0], N)
    each = cdiv(chunks, tile.npid(0))
    first = tile.pid(0) * each
    return first, min(first + each, chunks)


def wide(x, k, N: int):
    """Chunk k in the type that it is computed in."""
    return tile.cast(tile.load(x, k, N), x.dtype.compute)


def put(x, k, v):
    tile.store(x, k, tile.cast(v, x.dtype))


def times(a, x):
    """a x; a may be real where x is complex."""
    return a * x if a.dtype == x.dtype else tile.complex(a * tile.real(x), a * tile.imag(x))


def conj(v):
    return tile.conj(v) if v.dtype.kind == "c" else v


def plus(a, x, y):
    """a x + y."""
    return a * x + y if x.dtype.kind == "c" else tile.fma(a, x, y)


# ---- what writes vectors: one step of each -------------------------------------------------------


def copy(x, y, k, N: int, s):
    tile.store(y, k, tile.load(x, k, N))


def swap(x, y, k, N: int, s):
    before, after = tile.load(x, k, N), tile.load(y, k, N)
    tile.store(x, k, after)
    tile.store(y, k, before)


def scal(x, y, k, N: int, s):
    put(x, k, times(s[0], wide(x, k, N)))


def axpy(x, y, k, N: int, s):
    if s[0] != 0:
        put(y, k, plus(s[0], wide(x, k, N), wide(y, k, N)))


def rot(x, y, k, N: int, s):
    """s: cosine, sine."""
    v, w, c = wide(x, k, N), wide(y, k, N), real(s[0])
    put(x, k, times(c, v) + times(s[1], w))
    put(y, k, times(c, w) - times(conj(s[1]), v))


def rotm(x, y, k, N: int, s):
    """s: flag, h11, h21, h12, h22; the flag says which of them are 1, 0 or -1."""
    flag = s[0]
    if flag != -2:
        full, unit = flag == -1, flag == 0
        v, w = wide(x, k, N), wide(y, k, N)
        h11, h22 = tile.select(unit, 1, s[1]), tile.select(unit, 1, s[4])
        h21 = tile.select(full | unit, s[2], -1)
        h12 = tile.select(full | unit, s[3], 1)
        put(x, k, tile.fma(h11, v, h12 * w))
        put(y, k, tile.fma(h21, v, h22 * w))


@tile.kernel
def update(x, y, N: int, step, scalars=given, s0=None, s1=None, s2=None, s3=None, s4=None):
    s = scalars((s0, s1, s2, s3, s4))
    first, last = strip(x, N)
    for k in range(first, last):
        step(x, y, k, N, s)


# ---- what adds up --------------------------------------------------------------------------------


def dot(x, y, k, N: int, acc):
    return plus(wide(x, k, N), wide(y, k, N), acc)


def dotc(x, y, k, N: int, acc):
    return plus(conj(wide(x, k, N)), wide(y, k, N), acc)


def size(v):
    """|v|; of a complex number, |re| + |im|."""
    return tile.abs(tile.real(v)) + tile.abs(tile.imag(v)) if v.dtype.kind == "c" else tile.abs(v)


def asum(x, y, k, N: int, acc):
    return acc + size(wide(x, k, N))


def square(v, acc):
    r = tile.cast(v, acc.dtype)
    return tile.fma(r, r, acc)


def real(v):
    return tile.real(v) if v.dtype.kind == "c" else v


def squares(x, y, k, N: int, acc):
    """In f64, where those of f32 neither overflow nor vanish."""
    v = wide(x, k, N)
    return square(real(v), square(tile.imag(v), acc) if v.dtype.kind == "c" else acc)


def same(v):
    return v


def root(v):
    return tile.sqrt(v)


@tile.kernel
def add_up(x, y, out, N: int, T, term, last=same):
    """The sum of this program's terms, in T."""
    acc = tile.full(N, 0, T)
    begin, end = strip(x, N)
    for k in range(begin, end):
        acc = term(x, y, k, N, acc)
    tile.scatter(out, tile.pid(0), tile.cast(last(tile.sum(acc)), out.dtype))


def sum_of(parts, P: int):
    return tile.sum(tile.load(parts, 0, P))


@tile.kernel
def total(parts, out, P: int, last=same):
    tile.scatter(out, 0, tile.cast(last(sum_of(parts, P)), out.dtype))


# Norms in f64, by Blue's three accumulators: squares of large and small numbers are scaled.
TINY, HUGE = 2.0**-511, 2.0**486
UP, DOWN, LEAST = 2.0**537, 2.0**-538, 2.0**-1074
SAFE = 2.0**-900  # a sum of squares to which what vanished is nothing


def blue(v, small, middle, large):
    a = tile.abs(v)
    up = tile.select(a < TINY, a * UP, 0)
    down = tile.select(a > HUGE, a * DOWN, 0)
    plain = tile.select((a < TINY) | (a > HUGE), 0, a)  # and NaN
    return tile.fma(up, up, small), tile.fma(plain, plain, middle), tile.fma(down, down, large)


def joined(small, middle, large):
    """The root of the three sums."""
    low, high = tile.sqrt(small) / UP, tile.sqrt(middle)
    both = tile.minimum(low, high) / tile.maximum(tile.maximum(low, high), LEAST)
    plain = tile.maximum(low, high) * tile.sqrt(tile.fma(both, both, 1.0))
    huge = tile.sqrt(tile.fma(middle * DOWN, DOWN, large)) / DOWN
    return tile.select(large > 0, tile.select(middle == middle, huge, middle), plain)


@tile.kernel
def norm(x, out, parts, N: int, alone: bool):
    """Blue's accumulators only where plain squares overflow, or may have vanished."""
    begin, end = strip(x, N)
    plain = tile.full(N, 0, tile.f64)
    for k in range(begin, end):
        plain = squares(x, x, k, N, plain)
    total = tile.sum(plain)
    if (total >= SAFE) & (total < math.inf):
        keep(out, parts, 0 * total, total, 0 * total, alone)
    else:
        small = tile.full(N, 0, tile.f64)
        middle, large = small, small
        for k in range(begin, end):
            v = tile.load(x, k, N)
            small, middle, large = blue(real(v), small, middle, large)
            if v.dtype.kind == "c":
                small, middle, large = blue(tile.imag(v), small, middle, large)
        keep(out, parts, tile.sum(small), tile.sum(middle), tile.sum(large), alone)


def keep(out, parts, small, middle, large, alone):
    if alone:
        tile.scatter(out, 0, joined(small, middle, large))
    else:
        p = tile.pid(0)
        tile.scatter(parts, (0, p), small)
        tile.scatter(parts, (1, p), middle)
        tile.scatter(parts, (2, p), large)


@tile.kernel
def total_norm(parts, out, P: int):
    small, middle, large = sum_of(parts[0], P), sum_of(parts[1], P), sum_of(parts[2], P)
    tile.scatter(out, 0, joined(small, middle, large))


# ---- the largest and the smallest ----------------------------------------------------------------

NOWHERE = 1 << 62


def largest(v):
    return size(v)


def smallest(v):
    return -size(v)


def first_of(best, at, N: int):
    """The best, and the first of its places."""
    top = tile.max(best)
    return top, tile.min(tile.select(best == top, at, NOWHERE))


@tile.kernel
def extreme(x, out, best_of, at_of, N: int, of, alone: bool, start: int):
    """A NaN is never the best; of NaN alone, it is the first one. Each lane keeps its best and the
    chunk that it was in, a number as wide."""
    n, T = x.shape[0], x.dtype.compute.part
    I = tile.i32 if T.bits == 32 else tile.i64  # noqa: E741
    best, chunk = tile.full(N, -math.inf, T), tile.full(N, -1, I)
    begin, end = strip(x, N)
    whole = max(begin, min(end, n // N))
    for k in range(begin, whole):
        v = of(wide(x, k, N))
        better = v > best
        best = tile.select(better, v, best)
        chunk = tile.select(better, tile.cast(k - begin, I), chunk)
    for k in range(whole, end):
        v = of(wide(x, k, N))
        better = (v > best) & (k * N + tile.iota(N) < n)
        best = tile.select(better, v, best)
        chunk = tile.select(better, tile.cast(k - begin, I), chunk)
    place = (begin + tile.cast(chunk, tile.i64)) * N + tile.iota(N)
    top, place = first_of(best, tile.select(chunk < 0, NOWHERE, place), N)
    if alone:
        tile.scatter(out, 0, index(place, n, start, out.dtype))
    else:
        tile.scatter(best_of, tile.pid(0), top)
        tile.scatter(at_of, tile.pid(0), place)


def index(place, n, start: int, T):
    """Counted from `start` on; before it, where there are no elements."""
    return tile.cast(tile.select(n == 0, -1, tile.select(place > n, 0, place)) + start, T)


@tile.kernel
def total_extreme(x, best_of, at_of, out, P: int, start: int):
    best, at = tile.load(best_of, 0, P), tile.load(at_of, 0, P)
    some = tile.iota(P) < best_of.shape[0]
    top, place = first_of(tile.select(some, best, -math.inf), tile.select(some, at, NOWHERE), P)
    tile.scatter(out, 0, index(place, x.shape[0], start, out.dtype))


# ---- planner -------------------------------------------------------------------------------------

BYTES = 8  # a nanosecond on one thread
STRIP, PARTS = 1 << 15, 64  # elements of a program; how many of them add up, at most
COPY, SWAP, SCAL, AXPY, ROT, ROTM, DOT, ASUM, NRM2, AMAX, AMIN, ROTG, ROTMG = range(16, 29)
COMPLEX = {"f32": tile.c64, "f64": tile.c128}
STEPS = {COPY: copy, SWAP: swap, SCAL: scal, AXPY: axpy, ROT: rot, ROTM: rotm}


def plan(spec: bytes, target: Target) -> Plan:
    """form: 1: dot conjugates x; indices count from 0"""
    r = Routine(spec, target)
    T = r.dtypes[0]
    n = r.arg(10)
    cost = n * T.bytes // BYTES + 50
    lanes = target.vector_bytes // T.compute.part.bytes
    one_by_one = r.flags & ONE_BY_ONE
    N = max((64 if r.op in STEPS else 8) * lanes, target.threads)
    N = 1 if one_by_one else N
    x = {"x": r.vector(0)}
    y = {"y": r.vector(1) if r.dtypes[1] else x["x"]}
    if r.op in STEPS:
        S = r.factor_type
        types = {
            SCAL: (S,),
            AXPY: (S,),
            ROT: (S, COMPLEX[S.name] if r.flags & MIXED else S),
            ROTM: (S,) * 5,
        }.get(r.op, ())
        fetch = given if not r.fetched else fetched_five if r.op == ROTM else fetched
        programs = r.one if one_by_one else n.cdiv(STRIP)
        arguments = x | y | r.factors(*types)
        consts = dict(N=N, step=STEPS[r.op], scalars=fetch)
        return Plan(r.slots, [r.launch(update, (programs,), cost, arguments, **consts)])
    if r.op == ROTG:
        names = {name: r.vector(i) for i, name in enumerate(("a", "b", "c", "s"))}
        return Plan(r.slots, [r.launch(rotg, (r.one,), r.slots.const(100), names)])
    if r.op == ROTMG:
        names = {name: r.vector(i) for i, name in enumerate(("d1", "d2", "x1", "param"))}
        fetch = fetched if r.fetched else given
        names |= r.factors(r.factor_type)
        return Plan(r.slots, [r.launch(rotmg, (r.one,), r.slots.const(1000), names, scalars=fetch)])
    return Plan(r.slots, _sums(r, N, cost, x, y))


def _sums(r: Routine, N: int, cost: Slot, x: dict, y: dict) -> list[Launch]:
    """A launch that adds up, and a second one of what several programs found."""
    T, R, parts, several = r.dtypes[0], r.dtypes[3], r.parts, r.several
    _, (at, *_) = r.vector(3)
    out = {"out": (tile.View(R, (1,)), [at, r.one, r.one])}

    def partial(dtype: tile.DType, at: Slot) -> tuple:
        return tile.View(dtype, (1,)), [at, parts, r.one]

    if r.op in (AMAX, AMIN):
        best = {
            "best_of": partial(T.compute.part, r.workspace),
            "at_of": partial(tile.i64, r.workspace + parts * 8),
        }
        of = largest if r.op == AMAX else smallest
        start = 1 - r.form[0]
        consts = dict(N=N, of=of, alone=not several, start=start)
        first = r.launch(extreme, (parts,), cost, x | out | best, **consts)
        if not several:
            return [first]
        return [first, r.launch(total_extreme, (), cost, x | best | out, P=PARTS, start=start)]
    if r.op == NRM2 and tile.f64 == R:
        view = tile.View(tile.f64, (None, 1))
        sums = {"parts": (view, [r.workspace, r.slots.const(3), parts, parts, r.one])}
        first = r.launch(norm, (parts,), cost, x | out | sums, N=N, alone=not several)
        return [first, r.launch(total_norm, (), cost, sums | out, P=PARTS)] if several else [first]
    terms = {DOT: (T.compute, dotc if r.form[0] else dot), ASUM: (T.compute.part, asum)}
    A, term = terms.get(r.op, (tile.f64, squares))
    end = root if r.op == NRM2 else same
    if N > 1:  # as many sums as stay in registers
        N = max(8 * r.target.vector_bytes // A.bytes, r.target.threads)
    found = partial(A, r.workspace)
    to = {"out": found} if several else out
    first = r.launch(
        add_up, (parts,), cost, x | y | to, N=N, T=A, term=term, last=same if several else end
    )
    last = r.launch(total, (), cost, {"parts": found} | out, P=PARTS, last=end) if several else None
    return [first, last] if several else [first]


def packed_specs() -> list[bytes]:
    """Contiguous vectors of floats and of doubles, with scalars of the call."""
    read, written, updated = 6, 10, 14  # as a spec says it of an operand
    steps = [(COPY, read, written, 0), (SWAP, updated, updated, 0)]
    steps += [(SCAL, updated, 0, 1), (AXPY, read, updated, 1)]
    specs = [
        [op, T, T * (y > 0), 0, 0, T * factor, x | y << 4]
        for T in (1, 2)
        for op, x, y, factor in steps
    ]
    specs += [
        [op, T, T * (op == DOT), 0, T, 0, read | read * (op == DOT) << 4, written << 4, several]
        for T in (1, 2)
        for op in (DOT, ASUM, NRM2)
        for several in (0, SEVERAL)
    ]
    return [bytes(spec).ljust(16, b"\0") for spec in specs]
