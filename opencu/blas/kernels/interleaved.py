"""Batches of systems so small that a vector's lanes are better spent on matrices: A = P L U, its
solutions and inverse, as in factor.py. A program copies L matrices at a time to where its elements
lie side by side, and works on them as if they were numbers.

        matrix z     z + 1                        room
      +-------+  +-------+                i j     lanes z, z + 1 ..
      | a   b |  | e   f |  ..    -->     0 0   | a  e  ..
      | c   d |  | g   h |                0 1   | b  f
      +-------+  +-------+                1 0   | c  g

Exchanges of rows differ from lane to lane; all else is the same for all of them. Lanes behind the
last matrix hold that one again, and are not written back.
"""

from opencu import tile
from opencu.blas.kernels.matvec import conj, over
from opencu.blas.kernels.routine import Routine, turned
from opencu.blas.kernels.vector import size
from opencu.drivers.status import lib
from opencu.runtime.plan import Plan, Slot
from opencu.tile import cdiv


def take(a, room, first, L: int, R: int, C: int):
    for i in range(L):
        m = a[min(first + i, a.shape[0] - 1)]
        for r in range(cdiv(m.shape[0], R)):
            for c in range(cdiv(m.shape[1], C)):
                tile.store(room[:, :, i], (r, c), tile.load(m, (r, c), (R, C)))


def give(a, room, first, L: int, R: int, C: int):
    for i in range(min(L, a.shape[0] - first)):
        m = a[first + i]
        for r in range(cdiv(m.shape[0], R)):
            for c in range(cdiv(m.shape[1], C)):
                tile.store(m, (r, c), tile.load(room[:, :, i], (r, c), (R, C)))


def number(m, i, j, L: int):
    return tile.load(m[i, j], 0, L)


def subtract(m, i, j, f, x, L: int):
    tile.store(m[i, j], 0, tile.fma(-f, x, number(m, i, j, L)))


def exchange(m, flat, k, at, L: int):
    """Rows k and, in each lane, `at`; flat: the same memory."""
    row = at * (m.shape[1] * L) + tile.iota(L, 0)
    for c in range(m.shape[1]):
        x, column = number(m, k, c, L), flat[c * L :]
        tile.store(m[k, c], 0, tile.gather(column, row))
        tile.scatter(column, row, x)


def largest(m, k, L: int):
    """Where the first largest element of column k is, from row k on."""
    most, at = size(number(m, k, k, L)), tile.full(L, 0, tile.i64) + k
    for i in range(k + 1, m.shape[0]):
        here = size(number(m, i, k, L))
        at = tile.select(here > most, i, at)
        most = tile.select(here > most, here, most)
    return at


def factors(m, flat, pivots, first, L: int):
    for k in range(m.shape[0]):
        if pivots is not None:
            at = largest(m, k, L)
            tile.scatter(pivots, (first + tile.iota(L, 0), k), tile.cast(at + 1, tile.i32))
            exchange(m, flat, k, at, L)
        v = number(m, k, k, L)
        v = tile.select(size(v) == 0, 1, v)
        for i in range(k + 1, m.shape[0]):
            f = over(number(m, i, k, L), v)
            tile.store(m[i, k], 0, f)
            for j in range(k + 1, m.shape[1]):
                subtract(m, i, j, f, number(m, k, j, L), L)


def pivot(pivots, first, k, n, L: int):
    """Which row was exchanged with row k; what the array holds is trusted to be one."""
    at = tile.gather(pivots, (first + tile.iota(L, 0), k))
    return tile.maximum(tile.minimum(tile.cast(at, tile.i64) - 1, n - 1), 0)


def triangle(m, x, L: int, lower: bool, unit: bool, conjugate: bool):
    """x = op(m)^-1 x."""
    n = x.shape[0]
    for step in range(n):
        i = step if lower else n - 1 - step
        if not unit:
            v = number(m, i, i, L)
            for c in range(x.shape[1]):
                tile.store(x[i, c], 0, over(number(x, i, c, L), conj(v) if conjugate else v))
        for j in range(i + 1 if lower else 0, n if lower else i):
            f = number(m, j, i, L)
            for c in range(x.shape[1]):
                subtract(x, j, c, conj(f) if conjugate else f, number(x, i, c, L), L)


def identity(x, L: int):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            tile.store(x[i, j], 0, tile.full(L, 0, x.dtype))
        tile.store(x[i, i], 0, tile.full(L, 1, x.dtype))


def first_zero(m, L: int):
    """The first i, from 1, where element (i, i) is 0; or 0."""
    found = tile.full(L, 0, tile.i64)
    for k in range(m.shape[0]):
        found = tile.select((found == 0) & (size(number(m, k, k, L)) == 0), k + 1, found)
    return found


@tile.kernel
def systems(
    a, room, room_flat, L: int, R: int, C: int, factor: bool, update: bool, invert: bool,
    swapped: bool, conjugate: bool, b=None, held=None, held_flat=None, pivots=None, info=None,
):  # fmt: skip
    """a becomes its factors, where they are to be kept (`update`), or holds them already; b becomes
    the solution or the inverse. A `swapped` a is the transpose of what is stored."""
    m, n = room[tile.pid(0)], a.shape[1]
    mine = room_flat[tile.pid(0)]
    for turn in range(cdiv(cdiv(a.shape[0], L) - tile.pid(0), tile.npid(0))):
        first = (tile.pid(0) + turn * tile.npid(0)) * L
        take(a, m, first, L, R, R)
        if factor:
            factors(m, mine, pivots, first, L)
        if info is not None:
            bad = tile.cast(first_zero(m, L), tile.i32)
            tile.scatter(info, (first + tile.iota(L, 0), 0), bad)
        if update:
            give(a, m, first, L, R, R)
        if b is not None:
            x, mine_x = held[tile.pid(0)], held_flat[tile.pid(0)]
            if invert:
                identity(x, L)
            else:
                take(b, x, first, L, R, C)
            if pivots is not None and not swapped:
                for k in range(n):
                    exchange(x, mine_x, k, pivot(pivots, first, k, n, L), L)
            triangle(m, x, L, True, not swapped, conjugate)
            triangle(m, x, L, False, swapped, conjugate)
            if pivots is not None and swapped:
                for k in range(n):
                    at = pivot(pivots, first, n - 1 - k, n, L)
                    exchange(x, mine_x, n - 1 - k, at, L)
            give(b, x, first, L, R, C)


# ---- planner -------------------------------------------------------------------------------------
#
# operands and form: as in factor.py; the core chooses it (routine.c)
# workspace: rooms for A, then for B; before them, of matinv, n n elements and n pivots a matrix

PROGRAMS = 64  # at most: as many have rooms
R = 16  # rows that are copied at a time, and columns if there are many


def plan(r: Routine) -> Plan:
    T, a, b = r.dtypes[0], r.matrix(0), r.matrix(2)
    n, c, one, at = a[1][2], b[1][3], r.one, r.workspace
    L = 4 * r.target.vector_bytes // T.bytes
    arguments, transposed = {"a": a}, r.op == lib.OCU_OP_GETRS and r.form[0]
    if r.op == lib.OCU_OP_MATINV:
        pivots = at + r.batch * n * n * T.bytes
        arguments["pivots"] = tile.View(tile.i32, (None, 1)), [pivots, r.batch, n, n, one]
        at = pivots + (r.batch * n * 4).align(64)
    elif r.dtypes[1]:
        arguments["pivots"] = r.vectors(1)
    if r.dtypes[3]:
        arguments["info"] = r.vectors(3)
    if transposed:
        arguments["a"] = turned(a)

    def rooms(name: str, at: Slot, columns: Slot) -> None:
        """A program's as matrices of L lanes, and as one row."""
        programs, lanes, row = r.slots.const(PROGRAMS), r.slots.const(L), columns * L
        words = [at, programs, n, columns, lanes, n * row, row, lanes, one]
        arguments[name] = tile.View(T, (None, None, L, 1)), words
        flat = [at, programs, n * row, n * row, one]
        arguments[f"{name}_flat"] = tile.View(T, (None, 1)), flat

    rooms("room", at, n)
    if r.op != lib.OCU_OP_GETRF:
        arguments["b"] = b
        rooms("held", at + n * n * (PROGRAMS * L * T.bytes), c)
    groups = r.batch.cdiv(L)
    cost = r.batch * (n * n * (n // 8 + 2))
    grid = (groups.min(r.slots.threads() * 4).min(PROGRAMS),)
    consts = dict(
        L=L,
        R=R,
        C=1 if r.op == lib.OCU_OP_GETRS else R,
        factor=r.op in (lib.OCU_OP_GETRF, lib.OCU_OP_MATINV),
        update=r.op == lib.OCU_OP_GETRF,
    )
    consts |= dict(invert=r.op in (lib.OCU_OP_GETRI, lib.OCU_OP_MATINV), swapped=bool(transposed))
    consts["conjugate"] = r.op == lib.OCU_OP_GETRS and r.form[0] == 2 and T.kind == "c"
    return Plan(r.slots, [r.launch(systems, grid, cost, arguments, **consts)])
