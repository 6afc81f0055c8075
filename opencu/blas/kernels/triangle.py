"""Products with matrices of which one side is stored or written: a kernel that writes such a factor
out, and hooks of the GEMM template.

            k          A factor is written out first, in rows: the other side is mirrored
      +---+---+---+    (symmetric, Hermitian) or zero (triangular). A program's tile then meets
    i | L | D | 0 |    the chunks of k that are not zero; of a result of which one side is written,
      +---+---+---+    tiles beyond are left out, those on the diagonal keep their other elements.
"""

from dataclasses import replace

from opencu import tile
from opencu.blas.kernels.gemm import tile_order
from opencu.blas.kernels.routine import Routine
from opencu.blas.kernels.tiles import Tiles
from opencu.drivers.interface import Target
from opencu.runtime.plan import Plan
from opencu.tile import cdiv

SYMMETRIC, HERMITIAN, TRIANGULAR = 0, 1, 2
OF_A, OF_B, LOWER = 1, 2, 16  # bits of the form of a factor that is zero beside one side
D_LOWER, D_UPPER, D_HERMITIAN = 1, 2, 4  # of d's

# ---- factors -------------------------------------------------------------------------------------


def kept(v, conjugate):
    return tile.conj(v) if conjugate else v


@tile.kernel
def expand(a, turned, out, unit, R: int, C: int, kind: int, lower: bool, conjugate: bool):
    """turned: a, transposed. conjugate: of the whole."""
    p, q = tile.pid(0), tile.pid(1)
    row, column = p * R + tile.iota((R, 1), 0), q * C + tile.iota((1, C), 1)
    below, above = p * R >= (q + 1) * C, (p + 1) * R <= q * C
    if below if lower else above:
        tile.store(out, (p, q), kept(tile.load(a, (p, q), (R, C)), conjugate))
    if above if lower else below:
        if kind == TRIANGULAR:
            tile.store(out, (p, q), tile.full((R, C), 0, out.dtype))
        else:
            v = tile.load(turned, (p, q), (R, C))
            tile.store(out, (p, q), kept(v, conjugate != (kind == HERMITIAN)))
    if ~below & ~above:
        side = row >= column if lower else row <= column
        v = kept(tile.load(a, (p, q), (R, C)), conjugate)
        if kind == TRIANGULAR:
            v = tile.select(side, v, 0)
            v = tile.select((row == column) & (unit != 0), 1, v)
        else:
            other = tile.load(turned, (p, q), (R, C))
            v = tile.select(side, v, kept(other, conjugate != (kind == HERMITIAN)))
        if kind == HERMITIAN:
            v = tile.complex(tile.real(v), tile.select(row == column, 0, tile.imag(v)))
        tile.store(out, (p, q), v)


# operands: A, the result; size: 1 where A's diagonal is of ones; form: kind, lower, conjugate


def plan(spec: bytes, target: Target) -> Plan:
    r = Routine(spec, target)
    T = r.dtypes[0]
    (view, (p, _, n, _, _, rs, cs)), (to, words) = r.matrix(0), r.matrix(1)
    arguments = {
        "a": (tile.View(T, view.strides[1:]), [p, n, n, rs, cs]),
        "turned": (tile.View(T, view.strides[:0:-1]), [p, n, n, cs, rs]),
        "out": (tile.View(T, to.strides[1:]), [words[0], n, n, *words[5:]]),
        "unit": (tile.Scalar(tile.i64), [r.size[0]]),
    }
    R, C = (16, target.threads // 16) if target.kind == "simt" else (16, 64)
    kind, lower, conjugate = r.form[:3]
    consts = dict(R=R, C=C, kind=kind, lower=bool(lower), conjugate=bool(conjugate))
    grid = (n.cdiv(R), n.cdiv(C))
    return Plan(r.slots, [r.launch(expand, grid, n * n // 2 + 50, arguments, **consts)])


def packed_specs() -> list[bytes]:
    return []


def sweep_a(a, b, acc, ends, blocks, chunks, load_a, load_b, places, lower):
    """a is zero above its diagonal, or below."""
    (top, bottom), (left, right) = ends
    BM, BN, BK = blocks
    count = chunks(a, b, BK)
    first, last = (0, min(cdiv(bottom, BK), count)) if lower else (top // BK, count)
    for k in range(first, last):
        a_tile = load_a(a, top, bottom, k, BM, BK, places)
        acc = tile.dot(a_tile, load_b(b, left, right, k, BK, BN), acc)
    return acc


def sweep_b(a, b, acc, ends, blocks, chunks, load_a, load_b, places, lower):
    """b is zero above its diagonal, or below."""
    (top, bottom), (left, right) = ends
    BM, BN, BK = blocks
    count = chunks(a, b, BK)
    first, last = (left // BK, count) if lower else (0, min(cdiv(right, BK), count))
    for k in range(first, last):
        a_tile = load_a(a, top, bottom, k, BM, BK, places)
        acc = tile.dot(a_tile, load_b(b, left, right, k, BK, BN), acc)
    return acc


# ---- one side of a result ------------------------------------------------------------------------


def lower_tiles(d, MR: int, NR: int):
    (top, bottom), (left, right) = tile_order(d, MR, NR)
    return (top, tile.select(bottom > left, bottom, top)), (left, right)


def upper_tiles(d, MR: int, NR: int):
    (top, bottom), (left, right) = tile_order(d, MR, NR)
    return (top, tile.select(right > top, bottom, top)), (left, right)


def sweep_side(a, b, acc, ends, blocks, chunks, load_a, load_b, places, form):
    """Nothing for a band without rows."""
    (top, bottom), (left, right) = ends
    BM, BN, BK = blocks
    for k in range(tile.select(top < bottom, chunks(a, b, BK), 0)):
        a_tile = load_a(a, top, bottom, k, BM, BK, places)
        acc = tile.dot(a_tile, load_b(b, left, right, k, BK, BN), acc)
    return acc


def put_lower(d, out, offset):
    put_side(d, out, offset, offset >= out.shape[1] - 1, True)


def put_upper(d, out, offset):
    put_side(d, out, offset, offset + out.shape[0] - 1 <= 0, False)


def put_side(d, out, offset, whole, lower):
    row = offset + tile.iota((out.shape[0], 1), 0)
    column = tile.iota((1, out.shape[1]), 1)
    if whole:
        tile.store(d, (0, 0), out)
    else:
        side = row >= column if lower else row <= column
        tile.store(d, (0, 0), tile.select(side, out, tile.load(d, (0, 0), out.shape)))


def real_diagonal(out, offset):
    row = offset + tile.iota((out.shape[0], 1), 0)
    column = tile.iota((1, out.shape[1]), 1)
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


def hooks(form: int, d_form: int, tiles: Tiles) -> tuple[Tiles, dict]:
    """The template's constants for the forms, and tiles that suit them."""
    if form:
        sweep = sweep_a if form & OF_A else sweep_b
        return tiles, dict(sweep=sweep, form=bool(form & LOWER))
    blocks = tiles.blocks  # smaller tiles, as half of one on the diagonal is work for nothing
    if blocks.pack_b:
        tiles = replace(tiles, bm=min(tiles.bm, 48 * blocks.mr), bn=min(tiles.bn, 24 * blocks.nr))
    order = lower_tiles if d_form & D_LOWER else upper_tiles
    return tiles, dict(tile_order=order, sweep=sweep_side, put=PUT[d_form])
