"""Products with matrices of which one side is stored or written: hooks of the GEMM template.

        k          A triangular factor is zero beyond the diagonal: a program's tile meets the
  +---+---+---+    chunks of k that are not, and of them the products that are not. Of a result
i | L | D | 0 |    of which one side is written, tiles beyond are left out, those on the diagonal
  +---+---+---+    keep their other elements. A symmetric or Hermitian factor is written out
                   first, in rows, by a kernel of its own.
"""

from opencu import tile
from opencu.blas.kernels.gemm import band, tile_order
from opencu.blas.kernels.routine import Routine
from opencu.drivers.interface import Target
from opencu.runtime.plan import Plan
from opencu.tile import cdiv

OF_A, OF_B, LOWER, UNIT, IN_PLACE = 1, 2, 16, 32, 64  # bits of a triangular factor's form
D_LOWER, D_UPPER, D_HERMITIAN = 1, 2, 4  # of d's

# ---- symmetric and Hermitian factors -------------------------------------------------------------


def kept(v, conjugate):
    return tile.conj(v) if conjugate else v


@tile.kernel
def expand(a, turned, out, R: int, C: int, hermitian: bool, lower: bool, conjugate: bool):
    """turned: a, transposed. conjugate: of the whole."""
    p, q = tile.pid(0), tile.pid(1)
    row, column = p * R + tile.iota((R, 1), 0), q * C + tile.iota((1, C), 1)
    below, above = p * R >= (q + 1) * C, (p + 1) * R <= q * C
    if below if lower else above:
        tile.store(out, (p, q), kept(tile.load(a, (p, q), (R, C)), conjugate))
    if above if lower else below:
        v = tile.load(turned, (p, q), (R, C))
        tile.store(out, (p, q), kept(v, conjugate != hermitian))
    if ~below & ~above:
        side = row >= column if lower else row <= column
        v = kept(tile.load(a, (p, q), (R, C)), conjugate)
        other = kept(tile.load(turned, (p, q), (R, C)), conjugate != hermitian)
        v = tile.select(side, v, other)
        if hermitian:
            v = tile.complex(tile.real(v), tile.select(row == column, 0, tile.imag(v)))
        tile.store(out, (p, q), v)


# operands: A, the result; form: Hermitian, lower, conjugate


def plan(spec: bytes, target: Target) -> Plan:
    r = Routine(spec, target)
    T = r.dtypes[0]
    (view, (p, _, n, _, _, rs, cs)), (to, words) = r.matrix(0), r.matrix(1)
    arguments = {
        "a": (tile.View(T, view.strides[1:]), [p, n, n, rs, cs]),
        "turned": (tile.View(T, view.strides[:0:-1]), [p, n, n, cs, rs]),
        "out": (tile.View(T, to.strides[1:]), [words[0], n, n, *words[5:]]),
    }
    R, C = (16, target.threads // 16) if target.kind == "simt" else (16, 64)
    hermitian, lower, conjugate = map(bool, r.form[:3])
    consts = dict(R=R, C=C, hermitian=hermitian, lower=lower, conjugate=conjugate)
    grid = (n.cdiv(R), n.cdiv(C))
    return Plan(r.slots, [r.launch(expand, grid, n * n // 2 + 50, arguments, **consts)])


def packed_specs() -> list[bytes]:
    return []


# ---- triangular factors --------------------------------------------------------------------------


def diagonal(shape, by):
    """The column of the diagonal, `by` beyond the first, in each row, and each column: comparing
    them costs half of what it does in 64 bits."""
    m, n = shape
    by = tile.cast(tile.full((1, 1), max(min(by, n), -m), tile.i64), tile.i32)
    return by + tile.iota((m, 1), 0, tile.i32), tile.iota((1, n), 1, tile.i32)


def one_side(v, by, lower, unit):
    """v[i, j] where j <= i + by (lower), or j >= i + by; beyond the side zero, and with ones on it
    where it is `unit`."""
    row, column = diagonal(v.shape, by)
    v = tile.select(column <= row if lower else column >= row, v, 0)
    return tile.select(column == row, 1, v) if unit else v


def sweep_a(a, b, acc, ends, blocks, chunks, load_a, load_b, places, form):
    (top, bottom), (left, right) = ends
    BM, BN, BK = blocks
    count, lower = chunks(a, b, BK), form & LOWER
    first, last = (0, min(cdiv(bottom, BK), count)) if lower else (top // BK, count)
    for k in range(first, last):
        by = top - k * BK
        a_tile = one_side(load_a(a, top, bottom, k, BM, BK, places), by, lower, form & UNIT)
        b_tile = load_b(b, left, right, k, BK, BN)
        acc = tile.dot(a_tile, b_tile, acc, "k<=i" if lower else "k>=i", by)
    return acc


def sweep_b(a, b, acc, ends, blocks, chunks, load_a, load_b, places, form):
    (top, bottom), (left, right) = ends
    BM, BN, BK = blocks
    count, lower = chunks(a, b, BK), form & LOWER
    first, last = (left // BK, count) if lower else (0, min(cdiv(right, BK), count))
    for k in range(first, last):
        by = k * BK - left
        a_tile = load_a(a, top, bottom, k, BM, BK, places)
        b_tile = one_side(load_b(b, left, right, k, BK, BN), by, lower, form & UNIT)
        acc = tile.dot(a_tile, b_tile, acc, "k>=j" if lower else "k<=j", -by)
    return acc


# A product in the place of its other factor: a program makes whole columns of d, or rows, band z of
# `count` after another, in the order in which none is read that was written.


def columns_down(d, z, count, MR: int, NR: int):
    m, n = d.shape
    return (band(m, count, z, MR), band(n, tile.npid(1), tile.pid(1), NR))


def columns_up(d, z, count, MR: int, NR: int):
    return columns_down(d, count - 1 - z, count, MR, NR)


def rows_on(d, z, count, MR: int, NR: int):
    m, n = d.shape
    return (band(m, tile.npid(0), tile.pid(0), MR), band(n, count, z, NR))


def rows_back(d, z, count, MR: int, NR: int):
    return rows_on(d, count - 1 - z, count, MR, NR)


def grid(form, shared, whole, threads):
    """The template's grid, of bands for the threads or of whole ones, and how many matrices it
    meets: in place, bands of the factor."""
    rows, columns, batch = whole
    if form & IN_PLACE and form & OF_A:
        return (batch, columns.align(threads), batch), rows
    return ((rows.align(threads), batch, batch), columns) if form & IN_PLACE else (shared, batch)


IN_ORDER = {
    OF_A: columns_down,
    OF_A | LOWER: columns_up,
    OF_B: rows_back,
    OF_B | LOWER: rows_on,
}


# ---- one side of a result ------------------------------------------------------------------------


def lower_tiles(d, z, count, MR: int, NR: int):
    """What of this program's rows and columns meets the side."""
    (top, bottom), (left, right) = tile_order(d, z, count, MR, NR)
    return (min(max(top, left), bottom), bottom), (left, max(min(right, bottom), left))


def upper_tiles(d, z, count, MR: int, NR: int):
    (top, bottom), (left, right) = tile_order(d, z, count, MR, NR)
    return (top, max(min(bottom, right), top)), (min(max(left, top), right), right)


def sweep_side(a, b, acc, ends, blocks, chunks, load_a, load_b, places, lower):
    """Nothing for a band without rows."""
    (top, bottom), (left, right) = ends
    BM, BN, BK = blocks
    for k in range(tile.select(top < bottom, chunks(a, b, BK), 0)):
        a_tile = load_a(a, top, bottom, k, BM, BK, places)
        b_tile = load_b(b, left, right, k, BK, BN)
        acc = tile.dot(a_tile, b_tile, acc, "j<=i" if lower else "j>=i", top - left)
    return acc


def put_lower(d, out, offset):
    put_side(d, out, offset, True)


def put_upper(d, out, offset):
    put_side(d, out, offset, False)


def put_side(d, out, offset, lower):
    row, column = diagonal(out.shape, offset)
    side = row >= column if lower else row <= column
    tile.store(d, (0, 0), tile.select(side, out, tile.load(d, (0, 0), out.shape)))


def real_diagonal(out, offset):
    row, column = diagonal(out.shape, offset)
    return tile.complex(tile.real(out), tile.select(row == column, 0, tile.imag(out)))


def put_lower_hermitian(d, out, offset):
    put_lower(d, real_diagonal(out, offset), offset)


def put_upper_hermitian(d, out, offset):
    put_upper(d, real_diagonal(out, offset), offset)


PUT = {
    D_LOWER: put_lower,
    D_UPPER: put_upper,
    D_LOWER | D_HERMITIAN: put_lower_hermitian,
    D_UPPER | D_HERMITIAN: put_upper_hermitian,
}


def hooks(form: int, d_form: int) -> dict:
    """The template's constants for the forms."""
    if form:
        sweep = sweep_a if form & OF_A else sweep_b
        order = IN_ORDER[form & (OF_A | OF_B | LOWER)] if form & IN_PLACE else tile_order
        return dict(tile_order=order, sweep=sweep, form=form)
    lower = bool(d_form & D_LOWER)
    order = lower_tiles if lower else upper_tiles
    return dict(tile_order=order, sweep=sweep_side, put=PUT[d_form], form=lower)
