"""Batches of small systems: A = P L U, its solutions and inverse, A = Q R and least squares, op(A)
X = alpha B for a triangular A. A program has one matrix of the batch.

           k
      +---+-+-----+     step k of L U: the largest of column k from row k on comes to row k, what
      |   U       |     is below it is divided by it, and
    k | L |*| row |         rest = rest - column row
      |   |c| rest|     step k of Q R: rest = (1 - tau v v^H) rest, v = (1, column) / (* - beta)
      +---+-+-----+

Sources: Golub and Van Loan, "Matrix Computations", 3.4 and 5.2; LAPACK's getf2, larfg, geqr2.
"""

from opencu import tile
from opencu.blas.kernels import interleaved
from opencu.blas.kernels.matvec import conj, over
from opencu.blas.kernels.rotations import fetched, given
from opencu.blas.kernels.routine import LANES, Routine, turned
from opencu.blas.kernels.vector import size
from opencu.drivers.interface import Target
from opencu.runtime.plan import Plan, Slot
from opencu.tile import cdiv


def number(a, i, j):
    return tile.sum(tile.load(a, (i, j), (1, 1)))


def largest(x, N: int):
    """Where the first largest element is."""
    at, most = 0 * x.shape[0], 0 * tile.sum(size(tile.load(x, 0, 1)))
    for c in range(cdiv(x.shape[0], N)):
        sizes = size(tile.load(x, c, N))
        here = tile.max(sizes)
        better = (here > most) | (c == 0)
        at = tile.select(better, c * N + tile.argmax(sizes), at)
        most = tile.select(better, here, most)
    return at


def first_zero(a, n):
    """The first i, from 1, where A[i, i] is 0; or 0."""
    found = 0 * n
    for i in range(n):
        found = tile.select((found == 0) & (size(number(a, i, i)) == 0), i + 1, found)
    return found


def divide(x, by, N: int):
    for c in range(cdiv(x.shape[0], N)):
        tile.store(x, c, over(tile.load(x, c, N), by))


def swap_rows(a, i, j, N: int):
    for c in range(cdiv(a.shape[1], N)):
        x, y = tile.load(a[i], c, N), tile.load(a[j], c, N)
        tile.store(a[i], c, y)
        tile.store(a[j], c, x)


def subtract(rest, column, row, R: int, C: int, conjugate: bool):
    """rest - column row, or conj(column) row."""
    for r in range(cdiv(rest.shape[0], R)):
        v = tile.load(column, r, R)[:, None]
        v = conj(v) if conjugate else v
        for c in range(cdiv(rest.shape[1], C)):
            found = tile.load(rest, (r, c), (R, C)) - v * tile.load(row, c, C)[None, :]
            tile.store(rest, (r, c), found)


# ---- L U -----------------------------------------------------------------------------------------


@tile.kernel
def getrf(a, info, R: int, C: int, N: int, pivots=None):
    z = tile.pid(0)
    m = a[z]
    n, bad = m.shape[0], 0 * z
    for k in range(n):
        if pivots is not None:
            p = k + largest(m[k:, k], N)
            tile.scatter(pivots[z], k, tile.cast(p + 1, tile.i32))
            if p != k:
                swap_rows(m, k, p, N)
        v = number(m, k, k)
        none = size(v) == 0
        bad = tile.select((bad == 0) & none, k + 1, bad)
        divide(m[k + 1 :, k], tile.select(none, 1, v), N)
        subtract(m[k + 1 :, k + 1 :], m[k + 1 :, k], m[k, k + 1 :], R, C, False)
    tile.scatter(info[z], 0, tile.cast(bad, tile.i32))


def exchange(b, pivots, k, N: int):
    """Rows k and pivots[k], which is trusted to be no other than one of b's."""
    p = tile.cast(tile.sum(tile.load(pivots, k, 1)), tile.i64) - 1
    p = max(0, min(p, b.shape[0] - 1))
    if p != k:
        swap_rows(b, k, p, N)


def triangle(a, b, R: int, C: int, N: int, lower: bool, unit: bool, conjugate: bool):
    """b = op(A)^-1 b."""
    n = b.shape[0]
    for step in range(n):
        i = step if lower else n - 1 - step
        if not unit:
            v = number(a, i, i)
            divide(b[i], conj(v) if conjugate else v, N)
        if lower:
            subtract(b[i + 1 :], a[i + 1 :, i], b[i], R, C, conjugate)
        else:
            subtract(b[:i], a[:i, i], b[i], R, C, conjugate)


def solve_factored(a, b, pivots, R: int, C: int, N: int, swapped: bool, conjugate: bool):
    """b = op(P L U)^-1 b; a is the transpose of what is stored where it is `swapped`."""
    n = b.shape[0]
    if pivots is not None and not swapped:
        for k in range(n):
            exchange(b, pivots, k, N)
    triangle(a, b, R, C, N, True, not swapped, conjugate)
    triangle(a, b, R, C, N, False, swapped, conjugate)
    if pivots is not None and swapped:
        for k in range(n):
            exchange(b, pivots, n - 1 - k, N)


@tile.kernel
def getrs(a, b, R: int, C: int, N: int, swapped: bool, conjugate: bool, pivots=None):
    z = tile.pid(0)
    p = None if pivots is None else pivots[z]
    solve_factored(a[z], b[z], p, R, C, N, swapped, conjugate)


@tile.kernel
def getri(a, b, R: int, C: int, N: int, pivots=None, info=None):
    """b = A^-1 from its factors."""
    z = tile.pid(0)
    d = b[z]
    for r in range(cdiv(d.shape[0], R)):
        i = r * R + tile.iota((R, 1), 0)
        for c in range(cdiv(d.shape[1], C)):
            one = tile.full((R, C), 1, d.dtype)
            tile.store(d, (r, c), tile.select(i == c * C + tile.iota((1, C), 1), one, 0))
    p = None if pivots is None else pivots[z]
    solve_factored(a[z], d, p, R, C, N, False, False)
    if info is not None:
        tile.scatter(info[z], 0, tile.cast(first_zero(a[z], d.shape[0]), tile.i32))


@tile.kernel
def copy(a, b, R: int, C: int):
    x, y = a[tile.pid(0)], b[tile.pid(0)]
    for r in range(cdiv(x.shape[0], R)):
        for c in range(cdiv(x.shape[1], C)):
            tile.store(y, (r, c), tile.load(x, (r, c), (R, C)))


@tile.kernel
def trsm(
    a, b, R: int, C: int, N: int, lower: bool, unit: bool, conjugate: bool, scalars=given, s0=None
):
    """b = alpha op(A)^-1 b; alpha 0 reads neither."""
    alpha = scalars((s0, None, None, None, None))[0]
    d = b[tile.pid(0)]
    for r in range(cdiv(d.shape[0], R)):
        for c in range(cdiv(d.shape[1], C)):
            if alpha == 0:
                tile.store(d, (r, c), tile.full((R, C), 0, d.dtype))
            else:
                tile.store(d, (r, c), alpha * tile.load(d, (r, c), (R, C)))
    if alpha != 0:
        triangle(a[tile.pid(0)], d, R, C, N, lower, unit, conjugate)


# ---- Q R -----------------------------------------------------------------------------------------


def reflector(x, N: int):
    """x becomes (beta, v[1:]), beta the signed length of x: returns tau."""
    T = x.dtype
    most = 0 * tile.sum(size(tile.load(x, 0, 1)))
    for c in range(cdiv(x.shape[0], N)):
        most = tile.maximum(most, tile.max(size(tile.load(x, c, N))))
    by = tile.select(most == 0, 1, most)
    below = 0 * most
    for c in range(cdiv(x.shape[0] - 1, N)):
        below = below + tile.sum(square(tile.load(x[1:], c, N), by))
    v = tile.sum(tile.load(x, 0, 1))
    along = tile.real(v) if T.kind == "c" else v
    long = tile.sqrt(below + square(v, by)) * by
    beta = tile.select(along < 0, long, -long)
    beside = tile.abs(tile.imag(v)) if T.kind == "c" else 0 * along
    none = (below == 0) & (beside == 0)
    whole = tile.complex(beta, 0 * beta) if T.kind == "c" else beta
    if not none:
        divide(x[1:], v - whole, N)
        tile.scatter(x, 0, whole)
    return tile.select(none, 0, over(whole - v, tile.select(none, 1, whole)))


def square(v, by):
    if v.dtype.kind == "c":
        re, im = tile.real(v) / by, tile.imag(v) / by
        found = re * re + im * im
    else:
        found = (v / by) * (v / by)
    return found


def reflect(x, c, tau, R: int, C: int):
    """c = (1 - tau v v^H) c, v = (1, x[1:])."""
    v, rest = x[1:], c[1:]
    for q in range(cdiv(c.shape[1], C)):
        top = tile.load(c[0], q, C)
        acc = tile.full((R, C), 0, c.dtype)
        for r in range(cdiv(rest.shape[0], R)):
            acc = acc + conj(tile.load(v, r, R)[:, None]) * tile.load(rest, (r, q), (R, C))
        w = tau * (top + tile.sum(acc, axis=0))
        tile.store(c[0], q, top - w)
        for r in range(cdiv(rest.shape[0], R)):
            found = tile.load(rest, (r, q), (R, C)) - tile.load(v, r, R)[:, None] * w[None, :]
            tile.store(rest, (r, q), found)


@tile.kernel
def geqrf(a, tau, R: int, C: int, N: int):
    z = tile.pid(0)
    m = a[z]
    for k in range(tau[z].shape[0]):
        t = reflector(m[k:, k], N)
        tile.scatter(tau[z], k, t)
        reflect(m[k:, k], m[k:, k + 1 :], conj(t), R, C)


@tile.kernel
def reflect_both(a, b, R: int, C: int, N: int):
    """A becomes Q R, b becomes Q^H b."""
    m, d = a[tile.pid(0)], b[tile.pid(0)]
    for k in range(m.shape[1]):
        t = conj(reflector(m[k:, k], N))
        reflect(m[k:, k], m[k:, k + 1 :], t, R, C)
        reflect(m[k:, k], d[k:], t, R, C)


@tile.kernel
def solve_upper(a, b, R: int, C: int, N: int, info=None):
    """The first rows of b become R^-1 of them."""
    z = tile.pid(0)
    m, n = a[z], a.shape[2]
    triangle(m, b[z][:n], R, C, N, False, False, False)
    if info is not None:
        tile.scatter(info[z], 0, tile.cast(first_zero(m, n), tile.i32))


# ---- planner -------------------------------------------------------------------------------------
#
# operands: A; pivots (i32, from 1; none: rows stay), of geqrf tau; B, which is written; info (i32)
# form: of getrs: op; of trsm: lower, unit, conjugate, with A and B transposed as it needs them
# workspace of matinv: A's copy, then pivots

GETRF, GETRS, GETRI, MATINV, GEQRF, GELS, TRSM = range(36, 43)  # as in opencu.h
ROWS = 4


def plan(spec: bytes, target: Target) -> Plan:
    r = Routine(spec, target)
    T = r.dtypes[0]
    if r.flags & LANES:
        return interleaved.plan(r)
    if r.op == MATINV:
        return _inverse(r)
    a, b, info = r.matrix(0), r.matrix(2), r.vectors(3)
    written = 2 if r.dtypes[2] else 0
    arguments, consts = {"a": a}, _tiles(r, written)
    n = a[1][2]
    work = n * n * n
    if r.op in (GETRS, TRSM):
        arguments["b"], work = b, n * n * b[1][3]
    if r.op in (GETRI, GELS):
        arguments["b"] = b
    if r.dtypes[3]:
        arguments["info"] = info
    if r.dtypes[1]:
        arguments["tau" if r.op == GEQRF else "pivots"] = r.vectors(1)
    if r.op == GETRS:
        arguments["a"] = turned(a) if r.form[0] else a
        consts |= dict(swapped=bool(r.form[0]), conjugate=r.form[0] == 2 and T.kind == "c")
    if r.op == TRSM:
        arguments |= r.factors(T)
        lower, unit, conjugate = map(bool, r.form[:3])
        consts |= dict(lower=lower, unit=unit, conjugate=conjugate and T.kind == "c")
        consts["scalars"] = fetched if r.fetched else given
    if r.op == GELS:  # two kernels: the compiler of Intel's OpenCL crashes at both as one
        factored = {name: arguments[name] for name in ("a", "b")}
        steps = (reflect_both, factored), (solve_upper, arguments)
        return Plan(r.slots, [_launch(r, step, work, given, consts) for step, given in steps])
    kernels = {GETRF: getrf, GETRS: getrs, GETRI: getri, GEQRF: geqrf, TRSM: trsm}
    return Plan(r.slots, [_launch(r, kernels[r.op], work, arguments, consts)])


def _launch(r: Routine, kernel: tile.Kernel, work: Slot, arguments: dict, consts: dict):
    return r.launch(kernel, (r.batch,), r.batch * (work // 2 + 200), arguments, **consts)


def _tiles(r: Routine, written: int, layout: int | None = None) -> dict:
    """Tiles that are long along what lies side by side in the operand that is written."""
    lanes = 2 * r.target.vector_bytes // r.dtypes[0].bytes
    R, C = ROWS, max(lanes, r.target.threads // ROWS)
    if (r.layouts[written] & 3 if layout is None else layout) == 1:
        R, C = C, R
    return dict(R=R, C=C, N=max(lanes, r.target.threads))


def _inverse(r: Routine) -> Plan:
    T, a, b = r.dtypes[0], r.matrix(0), r.matrix(2)
    n, one = a[1][2], r.one
    square = n * n
    kept = tile.View(T, (None, None, 1)), [r.workspace, r.batch, n, n, square, n, one]
    at = r.workspace + r.batch * square * T.bytes
    pivots = tile.View(tile.i32, (None, 1)), [at, r.batch, n, n, one]
    row_tiles = _tiles(r, 0, layout=2)
    copied = {"R": row_tiles["R"], "C": row_tiles["C"]}
    factors = {"a": kept, "pivots": pivots}
    steps = [
        (copy, square, {"a": a, "b": kept}, copied),
        (getrf, square * n, factors | {"info": r.vectors(3)}, row_tiles),
        (getri, square * n, factors | {"b": b}, _tiles(r, 2)),
    ]
    return Plan(r.slots, [_launch(r, *step) for step in steps])


def packed_specs() -> list[bytes]:
    return []
