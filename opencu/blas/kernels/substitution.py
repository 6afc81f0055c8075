"""op(A) X = B for blocks of the diagonal of a triangular A, in B's place: by their inverses, or by
substitution where these would lose accuracy.

         C              row i of X = (row i of B - sum of A[i, j] row j of X) / A[i, i],
      +-----+-----+     j over the rows that are solved; with B = 1, X is the inverse
    j |  X  |     |
    i |  B  |     |     A program solves for C columns of B, or inverts a block of A. Below the N
      +-----+-----+     rows of an inverse is its growth, sum |A[i, j]| sum |X[i, j]|, one number.

The product with a computed inverse has errors of about the growth, that by substitution of a row's
part of it. Source: Du Croz and Higham, "Stability of Methods for Matrix Inversion" (1992).
"""

from opencu import tile
from opencu.blas.kernels.matvec import over
from opencu.blas.kernels.routine import Routine
from opencu.blas.kernels.tiles import gemm_tiles
from opencu.blas.kernels.vector import real, size
from opencu.drivers.interface import Target
from opencu.runtime.plan import Plan

MOST_GROWTH = 2.0**20  # of a block of 64 rows; that of 64 ones is 2**12
FEW = 16  # rows, of which an inverse saves no time


def number(a, i, j, conjugate):
    v = tile.sum(tile.load(a, (i, j), (1, 1)))
    return tile.conj(v) if conjugate else v


def substitute(a, x, q, unit, C: int, lower: bool, conjugate: bool):
    """Columns q of x become those of op(a)^-1 x."""
    m = a.shape[0]
    for step in range(m):
        if lower:
            i = step
            first, last = 0, i
        else:
            i = m - 1 - step
            first, last = i + 1, m
        v = tile.load(x, (i, q), (1, C))
        for j in range(first, last):
            v = v - number(a, i, j, conjugate) * tile.load(x, (j, q), (1, C))
        by = tile.select(unit != 0, 1, number(a, i, i, conjugate))
        tile.store(x, (i, q), over(v, by))


@tile.kernel
def invert(a, inverses, unit, N: int, lower: bool, conjugate: bool):
    p = tile.pid(0)
    block, x = a[p * N : (p + 1) * N, p * N : (p + 1) * N], inverses[p]
    row, column = tile.iota((N, 1), 0), tile.iota((1, N), 1)
    tile.store(x, (0, 0), tile.select(row == column, tile.full((N, N), 1, x.dtype), 0))
    substitute(block, x[: block.shape[0]], 0, unit, N, lower, conjugate)
    of_block = of_inverse = tile.sum(tile.full(1, 0, x.dtype.part))
    for i in range(block.shape[0]):
        there = column <= i if lower else column >= i
        v = tile.select(there, size(tile.load(block, (i, 0), (1, N))), 0)
        of_block = of_block + tile.sum(tile.select((column == i) & (unit != 0), 1, v))
        of_inverse = of_inverse + tile.sum(size(tile.load(x, (i, 0), (1, N))))
    growth = of_block * of_inverse
    tile.scatter(x, (N, 0), tile.complex(growth, 0 * growth) if x.dtype.kind == "c" else growth)


@tile.kernel
def write_out(a, blocks, unit, N: int, lower: bool, conjugate: bool):
    """The blocks themselves, in the place of inverses; of no growth."""
    p = tile.pid(0)
    row, column = tile.iota((N, 1), 0), tile.iota((1, N), 1)
    v = tile.load(a, (p, p), (N, N))
    v = tile.select(row >= column if lower else row <= column, tile.conj(v) if conjugate else v, 0)
    tile.store(blocks[p], (0, 0), tile.select((row == column) & (unit != 0), 1, v))
    tile.store(blocks[p], (N, 0), tile.full((1, N), 0, v.dtype))


@tile.kernel
def solve(
    a, b, turned, inverse, inverse_turned, held, unit, s0, N: int, C: int, lower: bool,
    conjugate: bool, by_columns: bool
):  # fmt: skip
    """turned: the transposes, for a b that is stored by columns. held: room for a b in rows."""
    q, alpha, growth = tile.pid(0), s0, number(inverse, N, 0, False)
    growth = real(growth)
    if (growth <= MOST_GROWTH) & ((a.shape[0] > FEW) | (growth <= 0)):
        if by_columns:
            x, y = tile.load(turned, (q, 0), (C, N)), tile.load(inverse_turned, (0, 0), (N, N))
            acc = tile.dot(x, y, tile.full((C, N), 0, b.dtype), "k<=j" if lower else "k>=j")
            tile.store(turned, (q, 0), alpha * acc)
        else:
            x, y = tile.load(inverse, (0, 0), (N, N)), tile.load(b, (0, q), (N, C))
            acc = tile.dot(x, y, tile.full((N, C), 0, b.dtype), "k<=i" if lower else "k>=i")
            tile.store(b, (0, q), alpha * acc)
    else:
        tile.store(held, (0, q), alpha * tile.load(b, (0, q), (N, C)))
        substitute(a, held, q, unit, C, lower, conjugate)
        tile.store(b, (0, q), tile.load(held, (0, q), (N, C)))


# ---- planner -------------------------------------------------------------------------------------
#
# operands: A; inverses, of N + 1 rows each; B; held; size: 1 where A's diagonal is of ones
# form: lower, conjugate; 1: invert all blocks of A's diagonal, 2: write them out, without B, held

N = 64  # as in triangle.c


def plan(spec: bytes, target: Target) -> Plan:
    r = Routine(spec, target)
    T, group = r.dtypes[0], target.kind == "simt"
    lower, conjugate = map(bool, r.form[:2])
    consts = dict(N=N, lower=lower, conjugate=conjugate and T.kind == "c")
    a, at = _both(r, 0)[0], r.matrix(1)[1]
    unit, m = (tile.Scalar(tile.i64), [r.size[0]]), a[1][1]
    if r.form[2]:
        count = m.cdiv(N)
        view = tile.View(T, (N * (N + 1), N, 1))
        words = [at[0], count, *(r.slots.const(x) for x in (N + 1, N, N * (N + 1), N)), r.one]
        name, kernel = ("inverses", invert) if r.form[2] == 1 else ("blocks", write_out)
        arguments = {"a": a, name: (view, words), "unit": unit}
        cost = count * (N * N * N // 16)
        return Plan(r.slots, [r.launch(kernel, (count,), cost, arguments, **consts)])
    (b, turned), (inverse, inverse_turned), (held, _) = (_both(r, i) for i in (2, 1, 3))
    arguments = {"a": a, "b": b, "turned": turned, "inverse": inverse}
    arguments |= {"inverse_turned": inverse_turned, "held": held, "unit": unit} | r.factors(T)
    tiles = gemm_tiles(target, T, T, "small" if group else "packed", 1)
    C, n = 256 // T.bytes if group else 256, b[1][2]  # a group holds 16 KiB of B
    consts |= dict(C=C, by_columns=r.layouts[2] & 3 == 1)
    cost = m * m * n // 2 // tiles.speed + 50
    code = r.launch(solve, (n.cdiv(C),), cost, arguments, tiles.blocks, **consts)
    return Plan(r.slots, [code])


def _both(r: Routine, i: int) -> tuple[tuple, tuple]:
    """An operand as a matrix, and its transpose."""
    view, (p, _, rows, columns, _, rs, cs) = r.matrix(i)
    T = r.dtypes[i]
    here = tile.View(T, view.strides[1:]), [p, rows, columns, rs, cs]
    return here, (tile.View(T, view.strides[:0:-1]), [p, columns, rows, cs, rs])


def packed_specs() -> list[bytes]:
    return []
