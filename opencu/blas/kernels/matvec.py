"""Level 2 of BLAS: y = alpha op(M) x + beta y, the solution of op(M) x = b, M + alpha x y^T, for
every form of M that products of matrices do not serve.

M, of order n, is stored
    full     M[i, j] at a[i, j]
    band     M[i, j] at a[k + i - j, j], with k diagonals above; a[i - j, j] if it is lower
    packed   its triangle's columns, one behind another
and only the side of it that is named is read or written. A program makes R elements of y, or a
tile R x C of M; one program solves.

            j                 lower, symmetric: programs read the stored side (L) whole, the other
      +---+---+---+           side (U) as the transpose of what is stored, and elements one by one
    i | L | D | U |           where the diagonal runs (D). Band and packed matrices are read by
      +---+---+---+           elements alone.
"""

from opencu import tile
from opencu.blas.kernels.rotations import fetched, given, number_at
from opencu.blas.kernels.routine import Routine
from opencu.blas.kernels.vector import copy, update
from opencu.drivers.interface import Target
from opencu.runtime.plan import Plan
from opencu.tile import cdiv

FULL, BAND, PACKED = 0, 1, 2  # storage
GENERAL, SYMMETRIC, HERMITIAN, TRIANGULAR = range(4)  # kind
PLAIN, TRANSPOSED, CONJUGATED = 0, 1, 2  # op


# ---- elements ------------------------------------------------------------------------------------


def nowhere(keep, at):
    return tile.select(keep, at, -1)


def place(i, j, n, k, storage, lower):
    """Where M[i, j] is stored, of a side that is stored."""
    if storage == BAND:
        found = (i - j if lower else k + i - j, j)
    elif storage == PACKED:
        down, up = i + j * (2 * n - 1 - j) // 2, i + j * (j + 1) // 2
        found = (0, nowhere((i < n) & (j < n), down if lower else up))
    else:
        found = (i, j)
    return found


def sign(v, negative):
    """The conjugate where it is asked for."""
    im = tile.imag(v)
    return tile.complex(tile.real(v), tile.select(negative, -im, im))


def real_where(v, diagonal):
    return tile.complex(tile.real(v), tile.select(diagonal, 0, tile.imag(v)))


def element(a, i, j, n, k, unit, storage, kind, lower, swapped, conjugate):
    """op(M)[i, j], of the elements that M has."""
    row, column = (j, i) if swapped else (i, j)
    r, c = row, column
    if kind in (SYMMETRIC, HERMITIAN):
        other = row < column if lower else row > column
        r, c = tile.select(other, column, row), tile.select(other, row, column)
    v = tile.gather(a, place(r, c, n, k, storage, lower))
    if kind == HERMITIAN:
        v = real_where(sign(v, other), row == column)
    if kind == TRIANGULAR:
        v = tile.select((row == column) & (unit != 0), 1, v)
    return tile.conj(v) if conjugate else v


def over(x, y):
    """x / y, without overflow between."""
    if y.dtype.kind == "c":
        size = tile.maximum(tile.abs(tile.real(y)), tile.abs(tile.imag(y)))
        re, im = tile.real(y) / size, tile.imag(y) / size
        by = tile.fma(re, re, im * im)
        v = x * tile.complex(re, -im)
        found = tile.complex(tile.real(v) / by / size, tile.imag(v) / by / size)
    else:
        found = x / y
    return found


def outer(x, y):
    """x[i] y[j] of vectors."""
    return x[:, None] * y[None, :]


def conj(v):
    return tile.conj(v) if v.dtype.kind == "c" else v


# ---- products ------------------------------------------------------------------------------------


@tile.kernel
def multiply(
    a,
    by_columns,
    by_rows,
    x,
    y,
    out,
    k,
    left,
    right,
    unit,
    R: int,
    C: int,
    storage: int,
    kind: int,
    lower: bool,
    swapped: bool,
    conjugate: bool,
    first_by: str,
    last_by: str,
    first_conjugate: bool,
    last_conjugate: bool,
    scalars=given,
    s0=None,
    s1=None,
):
    """op(M) has `left` diagonals below its own and `right` above. Where M is full, what is beside
    the diagonal's blocks is read by columns, by rows, or is zero: first_by, last_by."""
    s = scalars((s0, s1, None, None, None))
    alpha, beta = s[0], s[1]
    n, p = y.shape[0], tile.pid(0)
    i = p * R + tile.iota((R, 1), 0)
    first = max(0, p * R - left) // C
    last = cdiv(min(x.shape[0], (p + 1) * R + right), C)
    if alpha is not None:
        last = tile.select(alpha == 0, first, last)
    begin, end = first, last
    if storage == FULL:
        begin, end = min(p * R // C, last), min((p + 1) * R // C, last)
    across = tile.full((R, C), 0, y.dtype)
    for c in range(begin, end):
        j = c * C + tile.iota((1, C), 1)
        v = element(a, i, j, n, k, unit, storage, kind, lower, swapped, conjugate)
        there = (i - j <= left) & (j - i <= right) & (j < x.shape[0])
        across = across + tile.select(there, v * tile.load(x, c, C)[None, :], 0)
    acc = tile.sum(across, axis=1)
    if first_by == "columns":
        acc = down(acc, by_columns, x, p, first * C, begin * C, R, first_conjugate)
    if last_by == "columns":
        acc = down(acc, by_columns, x, p, end * C, min(last * C, x.shape[0]), R, last_conjugate)
    if alpha is not None:
        acc = alpha * acc
        if beta != 0:
            acc = acc + beta * tile.load(y, p, R)
    tile.store(out, p, acc)
    if first_by == "rows":
        along(out, by_rows, x, p, first, begin, R, C, alpha, first_conjugate)
    if last_by == "rows":
        along(out, by_rows, x, p, end, last, R, C, alpha, last_conjugate)


def down(acc, a, x, p, first, last, R: int, conjugate):
    """acc and columns of a times elements of x."""
    for j in range(first, last):
        v = tile.load(a, (p, j), (R, 1))[:, 0]
        acc = acc + number_at(x, j) * (tile.conj(v) if conjugate else v)
    return acc


def along(out, a, x, p, first, last, R: int, C: int, alpha, conjugate):
    """Adds rows of a times x to out, a few at once."""
    for r in range(p * R // ROWS, (p + 1) * R // ROWS):
        acc = tile.full((ROWS, C), 0, x.dtype)
        for c in range(first, last):
            v = tile.load(a, (r, c), (ROWS, C))
            acc = acc + (tile.conj(v) if conjugate else v) * tile.load(x, c, C)[None, :]
        v = tile.sum(acc, axis=1)
        tile.store(out, r, tile.load(out, r, ROWS) + (v if alpha is None else alpha * v))


# ---- solutions -----------------------------------------------------------------------------------


@tile.kernel
def solve(
    a,
    x,
    k,
    left,
    right,
    unit,
    N: int,
    storage: int,
    kind: int,
    lower: bool,
    swapped: bool,
    conjugate: bool,
    forward: bool,
):
    """x = op(M)^-1 x, an element after another."""
    n = x.shape[0]
    for step in range(n):
        if forward:
            i = step
            first, last = max(0, i - left), i
        else:
            i = n - 1 - step
            first, last = i + 1, min(n, i + right + 1)
        acc = tile.full(N, 0, x.dtype)
        for c in range(first // N, cdiv(last, N)):
            j = c * N + tile.iota(N)
            v = element(a, i, j, n, k, unit, storage, kind, lower, swapped, conjugate)
            there = (j >= first) & (j < last)
            acc = acc + tile.select(there, v * tile.load(x, c, N), 0)
        v = number_at(x, i) - tile.sum(acc)
        if unit == 0:
            at = i + tile.iota(1)
            v = over(
                v,
                tile.sum(element(a, at, at, n, k, unit, storage, kind, lower, swapped, conjugate)),
            )
        tile.scatter(x, i, v)


# ---- updates -------------------------------------------------------------------------------------


def added(v, x, y, p, q, R: int, C: int, alpha, twice, conjugate):
    """v + alpha x y^T; y^H where `conjugate` is 2, conj(x) where it is 1. Twice: and the same of y
    and x, with conj(alpha) if there are conjugates."""
    v = v + outer(alpha * part(x, p, R, conjugate == 1), part(y, q, C, conjugate == 2))
    if twice:
        factor = conj(alpha) if conjugate else alpha
        v = v + outer(factor * part(y, p, R, conjugate == 1), part(x, q, C, conjugate == 2))
    return v


def part(x, p, N: int, conjugate):
    v = tile.load(x, p, N)
    return tile.conj(v) if conjugate else v


@tile.kernel
def rank(
    a,
    x,
    y,
    R: int,
    C: int,
    storage: int,
    kind: int,
    lower: bool,
    twice: bool,
    conjugate: int,
    scalars=given,
    s0=None,
):
    """A program changes R rows: tiles that are on the side whole, then elements where the diagonal
    runs, or where they are packed."""
    s = scalars((s0, None, None, None, None))
    alpha, n, p = factor_of(s[0], a.dtype), x.shape[0], tile.pid(0)
    tiles = tile.select(alpha == 0, 0, cdiv(y.shape[0], C))
    begin, end = min(p * R // C, tiles), min(cdiv((p + 1) * R, C), tiles)
    first, last = (0, begin) if lower else (end, tiles)
    if kind == GENERAL:
        first, last = 0, tiles
    if storage == FULL:
        for q in range(first, last):
            v = tile.load(a, (p, q), (R, C))
            tile.store(a, (p, q), added(v, x, y, p, q, R, C, alpha, twice, conjugate))
    else:
        begin, end = min(first, begin), max(end, last)
    if kind != GENERAL:
        for q in range(begin, end):
            i, j = p * R + tile.iota((R, 1), 0), q * C + tile.iota((1, C), 1)
            r, c = place(i, j, n, 0, storage, lower)
            c = nowhere(i >= j if lower else i <= j, c)
            v = added(tile.gather(a, (r, c)), x, y, p, q, R, C, alpha, twice, conjugate)
            tile.scatter(a, (r, c), real_where(v, i == j) if kind == HERMITIAN else v)


def factor_of(alpha, T):
    """alpha, which may be real, in the type of what it multiplies."""
    return tile.complex(alpha, 0 * alpha) if T.kind == "c" and alpha.dtype.kind != "c" else alpha


@tile.kernel
def scale(a, x, out, R: int, C: int, of_rows: bool):
    """Rows or columns of a matrix times the elements of x."""
    p, q = tile.pid(0), tile.pid(1)
    v = tile.load(x, p, R)[:, None] if of_rows else tile.load(x, q, C)[None, :]
    tile.store(out, (p, q), tile.load(a, (p, q), (R, C)) * v)


@tile.kernel
def repack(a, out, R: int, C: int, packed: bool, lower: bool):
    """A triangle, from full storage to packed, or back."""
    n = a.shape[1] if packed else out.shape[1]
    i = tile.pid(0) * R + tile.iota((R, 1), 0)
    j = tile.pid(1) * C + tile.iota((1, C), 1)
    at = nowhere((i < n) & ((j < n) & (i >= j if lower else i <= j)), j)
    r, c = place(i, j, n, 0, PACKED, lower)
    c = nowhere(at >= 0, c)
    if packed:
        tile.scatter(out, (r, c), tile.gather(a, (i, at)))
    else:
        tile.scatter(out, (i, at), tile.gather(a, (r, c)))


# ---- planner -------------------------------------------------------------------------------------
#
# operands: M, x, y (multiply: y; x alone where it is op(M) x itself); sizes: k, left, right, and 1
# where the diagonal is of ones; op transposes band and packed forms, others come transposed
# form: storage, kind, lower, op; of updates: storage, kind, lower, twice, conjugate

MULTIPLY, SOLVE, RANK, SCALE, REPACK = range(29, 34)  # as in opencu.h
ELEMENTS = 2  # a nanosecond on one thread
ROWS = 4  # that are read at once


def plan(spec: bytes, target: Target) -> Plan:
    r = Routine(spec, target)
    T = r.dtypes[0]
    lanes = target.vector_bytes // T.part.bytes
    view, (p, _, rows, columns, _, rs, cs) = r.matrix(0)
    a = tile.View(T, view.strides[1:]), [p, rows, columns, rs, cs]
    turned = tile.View(T, view.strides[:0:-1]), [p, columns, rows, cs, rs]
    if r.op in (SCALE, REPACK):
        return _elementwise(r, a, lanes)
    if r.op == RANK:
        return _rank(r, a, turned, lanes)
    storage, kind, lower, op = r.form[:4]
    swapped = op != PLAIN and storage != FULL
    conjugate = op == CONJUGATED and T.kind == "c"
    x = r.vector(1)
    n = x[1][1]
    consts = dict(storage=storage, kind=kind, lower=bool(lower), swapped=swapped)
    consts["conjugate"] = conjugate
    reach = {
        name: (tile.Scalar(tile.i64), [size])
        for name, size in zip(("k", "left", "right", "unit"), r.size)
    }
    if r.op == SOLVE:
        consts |= dict(N=max(2 * lanes, target.threads), forward=bool(lower) != swapped)
        code = r.launch(solve, (), n * n // ELEMENTS, {"a": a, "x": x} | reach, **consts)
        return Plan(r.slots, [code])
    in_place = r.dtypes[2] is None
    y = x if in_place else r.vector(2)
    kept = (tile.View(T, (1,)), [r.workspace, n, r.one])
    arguments = {"x": x, "y": y, "out": kept if in_place else y} | reach
    if not in_place:
        arguments |= r.factors(r.factor_type, r.factor_type)
    R, C = (64, lanes) if storage == FULL else (16, 4 * lanes)
    if target.kind == "simt":
        R, C = 16, target.threads // 16
    arguments |= {"a": a} | _sides(a, turned, r.layouts[0] & 3, consts)
    consts |= dict(R=R, C=C, scalars=fetched if r.fetched else given)
    size = y[1][1]
    code = r.launch(multiply, (size.cdiv(R),), size * n // ELEMENTS + 50, arguments, **consts)
    if not in_place:
        return Plan(r.slots, [code])
    N = max(4 * lanes, target.threads)
    back = r.launch(update, (), n + 50, {"x": kept, "y": x}, N=N, step=copy)
    return Plan(r.slots, [code, back])


def _sides(a: tuple, turned: tuple, layout: int, consts: dict) -> dict:
    """The views by columns and by rows; which of them has what is below the diagonal, and above."""
    views = (
        {"by_columns": a, "by_rows": turned}
        if layout == 1
        else {"by_columns": turned, "by_rows": a}
    )
    stored, other = ("columns", "rows") if layout == 1 else ("rows", "columns")
    kind, lower, conjugate = consts["kind"], consts["lower"], consts["conjugate"]
    if consts["storage"] != FULL:
        stored = other = "none"
    if kind == TRIANGULAR:
        other = "none"
    sides = [(stored, conjugate), (other, conjugate or kind == HERMITIAN)]
    first, last = sides if lower else sides[::-1]
    consts |= dict(first_by=first[0], first_conjugate=first[1])
    consts |= dict(last_by=last[0], last_conjugate=last[1])
    return views


def _rank(r: Routine, a: tuple, turned: tuple, lanes: int) -> Plan:
    storage, kind, lower, twice, conjugate = r.form[:5]
    x = r.vector(1)
    y = r.vector(2) if r.dtypes[2] else x
    if storage == FULL and r.layouts[0] & 3 == 1:  # its transpose has contiguous rows
        a, x, y, lower, conjugate = turned, y, x, not lower, (0, 2, 1)[conjugate]
    R, C = (16, r.target.threads // 16) if r.target.kind == "simt" else (ROWS, 8 * lanes)
    arguments = {"a": a, "x": x, "y": y} | r.factors(r.factor_type)
    consts = dict(storage=storage, kind=kind, lower=bool(lower), twice=bool(twice))
    consts |= dict(conjugate=conjugate, R=R, C=C, scalars=fetched if r.fetched else given)
    m, n = x[1][1], y[1][1]
    code = r.launch(rank, (m.cdiv(R),), m * n // ELEMENTS + 50, arguments, **consts)
    return Plan(r.slots, [code])


def _elementwise(r: Routine, a: tuple, lanes: int) -> Plan:
    view, (p, _, rows, columns, _, rs, cs) = r.matrix(2)
    out = tile.View(r.dtypes[2], view.strides[1:]), [p, rows, columns, rs, cs]
    R, C = (16, r.target.threads // 16) if r.target.kind == "simt" else (16, 4 * lanes)
    if r.op == SCALE:
        arguments = {"a": a, "x": r.vector(1), "out": out}
        m, n = rows, columns
        kernel, consts = scale, dict(of_rows=bool(r.form[0]))
    else:
        packed = bool(r.form[0])
        arguments = {"a": a, "out": out}
        m = n = a[1][2] if packed else columns
        kernel, consts = repack, dict(packed=packed, lower=bool(r.form[1]))
    grid = (m.cdiv(R), n.cdiv(C))
    return Plan(
        r.slots, [r.launch(kernel, grid, m * n // ELEMENTS + 50, arguments, R=R, C=C, **consts)]
    )


def packed_specs() -> list[bytes]:
    return []
