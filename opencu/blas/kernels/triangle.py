"""Products with matrices of which one side is stored, as hooks of the GEMM template.

            k               An operand's chunks are of three kinds: beside the diagonal on the
      +---+---+---+         stored side (L), read plainly; beside it on the other side (U), read
    i | L | D | U |         from the mirror, its transpose, or left out where the matrix is
      +---+---+---+         triangular; those that the diagonal meets (D), an element from either.

Of a result one side is written: tiles that lie beyond are left out, those that the diagonal meets
keep their other elements.
"""

from dataclasses import replace

from opencu import tile
from opencu.blas.kernels.gemm import load_plain, tile_order
from opencu.blas.kernels.tiles import Tiles
from opencu.tile import cdiv

SYMMETRIC, HERMITIAN, TRIANGULAR = 0, 1, 2
OF_A, OF_B, KIND, LOWER, UNIT = 1, 2, 4, 16, 32  # bits of a form; the kind is worth KIND each
D_LOWER, D_UPPER, D_HERMITIAN = 1, 2, 4  # of d's


def turned(v, kind, conjugate):
    """An element of the other side."""
    return v if conjugate == (kind == HERMITIAN) else tile.conj(v)


def stored(v, conjugate):
    return tile.conj(v) if conjugate else v


def beside(x, mirror, i, j, BI: int, BJ: int, plain, form):
    kind, lower, unit, conjugate = form
    if plain:
        v = stored(load_plain(x, i, j, BI, BJ), conjugate)
    else:
        v = turned(load_plain(mirror, i, j, BI, BJ), kind, conjugate)
    return v


def across(x, mirror, i, j, BI: int, BJ: int, offset, form):
    """The tile at (i, j), whose first element is `offset` rows below the diagonal."""
    kind, lower, unit, conjugate = form
    row, column = offset + tile.iota((BI, 1), 0), tile.iota((1, BJ), 1)
    side = row >= column if lower else row <= column
    v = stored(load_plain(x, i, j, BI, BJ), conjugate)
    if kind == TRIANGULAR:
        v = tile.select(side, v, 0)
        if unit:
            v = tile.select(row == column, 1, v)
    else:
        v = tile.select(side, v, turned(load_plain(mirror, i, j, BI, BJ), kind, conjugate))
        if kind == HERMITIAN:
            v = tile.complex(tile.real(v), tile.select(row == column, 0, tile.imag(v)))
    return v


def sweep_a(a, b, acc, ends, blocks, chunks, load_a, load_b, mirror, form):
    """a is of a form."""
    (top, bottom), (left, right) = ends
    BM, BN, BK = blocks
    kind, lower, unit, conjugate = form
    count = chunks(a, b, BK)
    first, last = min(top // BK, count), min(cdiv(bottom, BK), count)
    x, y = a[top:bottom, :], mirror[top:bottom, :]
    if kind != TRIANGULAR or lower:
        for k in range(first):
            v = beside(x, y, 0, k, BM, BK, lower, form)
            acc = tile.dot(v, load_b(b, left, right, k, BK, BN), acc)
    for k in range(first, last):
        v = across(x, y, 0, k, BM, BK, top - k * BK, form)
        acc = tile.dot(v, load_b(b, left, right, k, BK, BN), acc)
    if kind != TRIANGULAR or not lower:
        for k in range(last, count):
            v = beside(x, y, 0, k, BM, BK, not lower, form)
            acc = tile.dot(v, load_b(b, left, right, k, BK, BN), acc)
    return acc


def sweep_b(a, b, acc, ends, blocks, chunks, load_a, load_b, mirror, form):
    """b is of a form."""
    (top, bottom), (left, right) = ends
    BM, BN, BK = blocks
    kind, lower, unit, conjugate = form
    count = chunks(a, b, BK)
    first, last = min(left // BK, count), min(cdiv(right, BK), count)
    x, y = b[:, left:right], mirror[:, left:right]
    if kind != TRIANGULAR or not lower:
        for k in range(first):
            v = beside(x, y, k, 0, BK, BN, not lower, form)
            acc = tile.dot(load_a(a, top, bottom, k, BM, BK, None), v, acc)
    for k in range(first, last):
        v = across(x, y, k, 0, BK, BN, k * BK - left, form)
        acc = tile.dot(load_a(a, top, bottom, k, BM, BK, None), v, acc)
    if kind != TRIANGULAR or lower:
        for k in range(last, count):
            v = beside(x, y, k, 0, BK, BN, lower, form)
            acc = tile.dot(load_a(a, top, bottom, k, BM, BK, None), v, acc)
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


def hooks(form: int, d_form: int, conj: int, tiles: Tiles) -> tuple[Tiles, dict]:
    """The template's constants for the forms, and tiles that suit them."""
    if form:
        operand = OF_A if form & OF_A else OF_B
        kind, lower, unit = form // KIND % 4, bool(form & LOWER), bool(form & UNIT)
        return tiles, dict(
            sweep=sweep_a if operand == OF_A else sweep_b,
            form=(kind, lower, unit, bool(conj & operand)),
        )
    blocks = tiles.blocks  # small tiles, as half of one on the diagonal is work for nothing
    if blocks.pack_b:
        tiles = replace(tiles, bm=min(tiles.bm, 32 * blocks.mr), bn=min(tiles.bn, 16 * blocks.nr))
    order = lower_tiles if d_form & D_LOWER else upper_tiles
    return tiles, dict(tile_order=order, sweep=sweep_side, put=PUT[d_form])
