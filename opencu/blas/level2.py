"""Level 2 of BLAS: products of a matrix and a vector, solutions, updates by vectors.

a is a matrix of one of BLAS's forms, x and y are vectors, all of one dtype (float32, float64,
complex64, complex128), all numpy arrays, torch CPU tensors or opencu arrays; alpha and beta are
numbers, or opencu arrays of one element, which are read when the call runs. Results are written in
place, into y, x or a, and returned. uplo says which side of a symmetric, Hermitian or triangular
matrix is read and written: "L" or "U"; trans is "N", "T" or "C" (or False, True); diag is "N", or
"U" where the diagonal is taken to be of ones. Banded forms hold diagonals as rows, a[ku + i - j, j]
is M[i, j], or a[i - j, j] where uplo is "L"; packed forms hold the columns of the side behind one
another. On device arrays a call is stream-ordered. Wrong kinds, dtypes, shapes, devices or letters
raise TypeError or ValueError before anything runs. Source: Dongarra, Du Croz, Hammarling, Hanson,
"An Extended Set of Fortran Basic Linear Algebra Subprograms" (1988).
"""

from __future__ import annotations

from typing import Any

from opencu.blas.routine import ALL, COMPLEX, READ, UPDATE, WRITE, Call, Product
from opencu.drivers.status import lib
from opencu.runtime.array import Array
from opencu.runtime.operands import part
from opencu.runtime.stream import Stream

FULL, BAND, PACKED = 0, 1, 2
GENERAL, SYMMETRIC, HERMITIAN, TRIANGULAR = range(4)


def letter(name: str, value: Any, known: str) -> int:
    """Which of some letters an argument is."""
    if isinstance(value, str) and len(value) == 1 and value.upper() in known:
        return known.index(value.upper())
    if known == "NTC" and value in (True, False):
        return int(value)
    raise ValueError(f"{name} is {value!r}: expected one of {', '.join(known)}")


def _order(a: Array, name: str, storage: int) -> int:
    """The order of a square matrix."""
    if storage == PACKED:
        n = int((2 * a.shape[0] + 0.25) ** 0.5)
        if n * (n + 1) // 2 != a.shape[0]:
            raise ValueError(f"{name} has shape {a.shape}: expected n (n + 1) / 2 elements")
        return n
    if storage == FULL and a.shape[0] != a.shape[1]:
        raise ValueError(f"{name} has shape {a.shape}: expected a square matrix")
    if storage == BAND and not a.shape[0]:
        raise ValueError(f"{name} has shape {a.shape}: expected a diagonal at least")
    return a.shape[-1]


def _begin(a: Any, storage: int, how: int, stream: Stream | None, dtypes=ALL) -> tuple[Call, Array]:
    call = Call("a", a, stream)
    ndim = 1 if storage == PACKED else 2
    m = call.shaped(call.take("a", a, dtypes, bool(how & WRITE)), "a", ndim, bool(how & WRITE))
    call.operand(0, m, how)
    return call, m


def _vector(call: Call, name: str, i: int, x: Any, n: int, of: Array, how: int) -> Array:
    v = call.vector(name, x, (of.dtype,), bool(how & WRITE))
    if v.shape != (n,):
        raise ValueError(f"{name} has shape {v.shape}: expected {(n,)}")
    if how & WRITE:
        call.apart(v, "a", of, name_out=name)
    call.operand(i, v, how)
    return v


def _reach(storage: int, lower: int, n: int, band: int) -> tuple[int, int]:
    """Diagonals below and above the main one."""
    most = band if storage == BAND else n
    return (most, 0) if lower else (0, most)


def _product(storage, kind, a, x, y, alpha, beta, uplo, stream, dtypes=ALL) -> Any:
    call, m = _begin(a, storage, READ, stream, dtypes)
    n, lower = _order(m, "a", storage), letter("uplo", uplo, "UL")
    v = _vector(call, "x", 1, x, n, m, READ)
    given, out = _output(call, y, beta, n, m, v)
    call.factors((m.dtype, m.dtype), alpha=alpha, beta=beta)
    band = m.shape[0] - 1 if storage == BAND else n
    call.run(lib.OCU_OP_MATVEC, bytes([storage, kind, lower]), (band, band, band))
    return call.result(out, given)


def _output(call: Call, y: Any, beta: Any, n: int, of: Array, x: Array) -> tuple[Any, Array]:
    """y, or a new vector where beta is 0; both as given and as an array."""
    if y is not None:
        out = _vector(call, "y", 2, y, n, of, UPDATE)
        call.apart(out, "x", x, name_out="y")
        return y, out
    if isinstance(beta, Array) or beta != 0:
        raise ValueError(f"beta is {beta!r} and y is None: expected a y to add to, or beta=0")
    out = call.empty((n,), of.dtype)
    call.operand(2, out, UPDATE)
    return None, out


def gemv(a, x, y=None, *, trans="N", alpha=1, beta=0, stream=None) -> Any:
    """alpha op(a) x + beta y, a (m, n); alpha and beta are numbers."""
    call = Product("a", a, stream)
    m, op = call.matrix("a", a), letter("trans", trans, "NTC")
    m = m if op else m.T  # y^T = x^T op(a)^T
    v = _row(call, "x", x, m.shape[0])
    if y is None:
        out = call.into("y", None, (1, m.shape[1]), beta)
    else:
        out = _row(call, "y", y, m.shape[1])
        call.apart(out, "a", m, name_out="y")
        call.apart(out, "x", v, name_out="y")
    if op == 2 and m.code >= lib.OCU_C64:
        call.g.kind.conj = 2
    call.numbers(alpha, beta)
    call.multiply(m.shape[0], v, m, out)
    return call.result(part(out, 0, out.shape[1:], out.steps[1:]), y)


def _row(call: Product, name: str, x: Any, n: int) -> Array:
    """A vector as a matrix of one row."""
    v = call.vector(name, x, call.dtypes, name == "y")
    if v.shape != (n,):
        raise ValueError(f"{name} has shape {v.shape}: expected {(n,)}")
    call.used.append(v)
    return part(v, 0, (1, n), (0, *v.steps))


def gbmv(
    a: Any,
    x: Any,
    y: Any = None,
    *,
    rows: int,
    ku: int,
    alpha: Any = 1,
    beta: Any = 0,
    trans: Any = "N",
    stream: Stream | None = None,
) -> Any:
    """alpha op(M) x + beta y; M has `rows` rows, ku diagonals above its own, a (kl + ku + 1, n)."""
    call, m = _begin(a, BAND, READ, stream)
    op, n, kl = letter("trans", trans, "NTC"), m.shape[1], m.shape[0] - 1 - ku
    if kl < 0 or ku < 0:
        raise ValueError(f"ku is {ku}: expected 0 to {m.shape[0] - 1}, as a has shape {m.shape}")
    if rows < 0:
        raise ValueError(f"rows is {rows}: expected at least 0")
    columns, size = (rows, n) if op else (n, rows)
    v = _vector(call, "x", 1, x, columns, m, READ)
    given, out = _output(call, y, beta, size, m, v)
    call.factors((m.dtype, m.dtype), alpha=alpha, beta=beta)
    reach = (ku, kl) if op else (kl, ku)
    call.run(lib.OCU_OP_MATVEC, bytes([BAND, GENERAL, 0, op]), (ku, *reach))
    return call.result(out, given)


def symv(a, x, y=None, *, uplo="L", alpha=1, beta=0, stream=None) -> Any:
    """alpha M x + beta y, M symmetric, a (n, n)."""
    return _product(FULL, SYMMETRIC, a, x, y, alpha, beta, uplo, stream)


def hemv(a, x, y=None, *, uplo="L", alpha=1, beta=0, stream=None) -> Any:
    """alpha M x + beta y, M Hermitian, a (n, n) complex."""
    return _product(FULL, HERMITIAN, a, x, y, alpha, beta, uplo, stream, COMPLEX)


def sbmv(a, x, y=None, *, uplo="L", alpha=1, beta=0, stream=None) -> Any:
    """alpha M x + beta y, M symmetric and banded, a (k + 1, n)."""
    return _product(BAND, SYMMETRIC, a, x, y, alpha, beta, uplo, stream)


def hbmv(a, x, y=None, *, uplo="L", alpha=1, beta=0, stream=None) -> Any:
    """alpha M x + beta y, M Hermitian and banded, a (k + 1, n) complex."""
    return _product(BAND, HERMITIAN, a, x, y, alpha, beta, uplo, stream, COMPLEX)


def spmv(a, x, y=None, *, uplo="L", alpha=1, beta=0, stream=None) -> Any:
    """alpha M x + beta y, M symmetric and packed, a (n (n + 1) / 2,)."""
    return _product(PACKED, SYMMETRIC, a, x, y, alpha, beta, uplo, stream)


def hpmv(a, x, y=None, *, uplo="L", alpha=1, beta=0, stream=None) -> Any:
    """alpha M x + beta y, M Hermitian and packed, a (n (n + 1) / 2,) complex."""
    return _product(PACKED, HERMITIAN, a, x, y, alpha, beta, uplo, stream, COMPLEX)


def _triangular(operation, storage, a, x, uplo, trans, diag, stream) -> Any:
    call, m = _begin(a, storage, READ, stream)
    n, lower = _order(m, "a", storage), letter("uplo", uplo, "UL")
    op, unit = letter("trans", trans, "NTC"), letter("diag", diag, "NU")
    v = _vector(call, "x", 1, x, n, m, UPDATE)
    band = m.shape[0] - 1
    reach = _reach(storage, lower ^ (op > 0), n, band)
    if op and storage == FULL:
        call.operand(0, m.T, READ)
        lower, op = not lower, op - 1 and op
    form = bytes([storage, TRIANGULAR, lower, op])
    work = n * m.dtype.itemsize if operation == lib.OCU_OP_MATVEC else 0
    call.run(operation, form, (band, *reach, unit), work)
    return call.result(v, x)


def trmv(a, x, *, uplo="L", trans="N", diag="N", stream=None) -> Any:
    """x = op(M) x, M triangular, a (n, n)."""
    return _triangular(lib.OCU_OP_MATVEC, FULL, a, x, uplo, trans, diag, stream)


def tbmv(a, x, *, uplo="L", trans="N", diag="N", stream=None) -> Any:
    """x = op(M) x, M triangular and banded, a (k + 1, n)."""
    return _triangular(lib.OCU_OP_MATVEC, BAND, a, x, uplo, trans, diag, stream)


def tpmv(a, x, *, uplo="L", trans="N", diag="N", stream=None) -> Any:
    """x = op(M) x, M triangular and packed, a (n (n + 1) / 2,)."""
    return _triangular(lib.OCU_OP_MATVEC, PACKED, a, x, uplo, trans, diag, stream)


def trsv(a, x, *, uplo="L", trans="N", diag="N", stream=None) -> Any:
    """x = op(M)^-1 x, M triangular, a (n, n); a zero on the diagonal gives Inf or NaN."""
    return _triangular(lib.OCU_OP_SOLVE, FULL, a, x, uplo, trans, diag, stream)


def tbsv(a, x, *, uplo="L", trans="N", diag="N", stream=None) -> Any:
    """x = op(M)^-1 x, M triangular and banded, a (k + 1, n)."""
    return _triangular(lib.OCU_OP_SOLVE, BAND, a, x, uplo, trans, diag, stream)


def tpsv(a, x, *, uplo="L", trans="N", diag="N", stream=None) -> Any:
    """x = op(M)^-1 x, M triangular and packed, a (n (n + 1) / 2,)."""
    return _triangular(lib.OCU_OP_SOLVE, PACKED, a, x, uplo, trans, diag, stream)


def _update(storage, kind, a, x, y, alpha, uplo, conjugate, stream, dtypes=ALL) -> Any:
    call, m = _begin(a, storage, UPDATE, stream, dtypes)
    lower = letter("uplo", uplo, "UL")
    rows, columns = m.shape if kind == GENERAL else (_order(m, "a", storage),) * 2
    v = _vector(call, "x", 1, x, rows, m, READ)
    call.apart(m, "x", v, name_out="a")
    if y is not None:
        call.apart(m, "y", _vector(call, "y", 2, y, columns, m, READ), name_out="a")
    real = kind == HERMITIAN and y is None
    call.factors((m.dtype.type(0).real.dtype if real else m.dtype,), alpha=alpha)
    twice = y is not None and kind != GENERAL
    call.run(lib.OCU_OP_RANK, bytes([storage, kind, lower, twice, conjugate]))
    return call.result(m, a)


def geru(a, x, y, *, alpha=1, stream=None) -> Any:
    """a = alpha x y^T + a, a (m, n)."""
    return _update(FULL, GENERAL, a, x, y, alpha, "L", 0, stream)


ger = geru


def gerc(a, x, y, *, alpha=1, stream=None) -> Any:
    """a = alpha x y^H + a, a (m, n) complex."""
    return _update(FULL, GENERAL, a, x, y, alpha, "L", 2, stream, COMPLEX)


def syr(a, x, *, uplo="L", alpha=1, stream=None) -> Any:
    """M = alpha x x^T + M, M symmetric, a (n, n)."""
    return _update(FULL, SYMMETRIC, a, x, None, alpha, uplo, 0, stream)


def her(a, x, *, uplo="L", alpha=1, stream=None) -> Any:
    """M = alpha x x^H + M, M Hermitian, a (n, n) complex, alpha real."""
    return _update(FULL, HERMITIAN, a, x, None, alpha, uplo, 2, stream, COMPLEX)


def spr(a, x, *, uplo="L", alpha=1, stream=None) -> Any:
    """M = alpha x x^T + M, M symmetric and packed, a (n (n + 1) / 2,)."""
    return _update(PACKED, SYMMETRIC, a, x, None, alpha, uplo, 0, stream)


def hpr(a, x, *, uplo="L", alpha=1, stream=None) -> Any:
    """M = alpha x x^H + M, M Hermitian and packed, a (n (n + 1) / 2,) complex, alpha real."""
    return _update(PACKED, HERMITIAN, a, x, None, alpha, uplo, 2, stream, COMPLEX)


def syr2(a, x, y, *, uplo="L", alpha=1, stream=None) -> Any:
    """M = alpha (x y^T + y x^T) + M, M symmetric, a (n, n)."""
    return _update(FULL, SYMMETRIC, a, x, y, alpha, uplo, 0, stream)


def her2(a, x, y, *, uplo="L", alpha=1, stream=None) -> Any:
    """M = alpha x y^H + conj(alpha) y x^H + M, M Hermitian, a (n, n) complex."""
    return _update(FULL, HERMITIAN, a, x, y, alpha, uplo, 2, stream, COMPLEX)


def spr2(a, x, y, *, uplo="L", alpha=1, stream=None) -> Any:
    """M = alpha (x y^T + y x^T) + M, M symmetric and packed, a (n (n + 1) / 2,)."""
    return _update(PACKED, SYMMETRIC, a, x, y, alpha, uplo, 0, stream)


def hpr2(a, x, y, *, uplo="L", alpha=1, stream=None) -> Any:
    """M = alpha x y^H + conj(alpha) y x^H + M, M Hermitian, packed, a (n (n + 1) / 2,) complex."""
    return _update(PACKED, HERMITIAN, a, x, y, alpha, uplo, 2, stream, COMPLEX)


def dgmm(a, x, out=None, *, side="L", stream=None) -> Any:
    """diag(x) a, or where side is "R" a diag(x), a (m, n); out may be a itself."""
    call, m = _begin(a, FULL, READ, stream)
    right = letter("side", side, "LR")
    v = _vector(call, "x", 1, x, m.shape[right], m, READ)
    d = call.output(out, m.shape, m.dtype)
    if out is not None:
        call.apart(d, "a", m, same=True)
        call.apart(d, "x", v)
    call.operand(2, d, WRITE)
    call.run(lib.OCU_OP_SCALE, bytes([not right]))
    return call.result(d, out)


def trttp(a, out=None, *, uplo="L", stream=None) -> Any:
    """The packed form of a triangle of a, (n, n)."""
    call, m = _begin(a, FULL, READ, stream)
    n, lower = _order(m, "a", FULL), letter("uplo", uplo, "UL")
    d = call.output(out, (n * (n + 1) // 2,), m.dtype)
    if out is not None:
        call.apart(d, "a", m)
    call.operand(2, d, WRITE)
    call.run(lib.OCU_OP_REPACK, bytes([1, lower]))
    return call.result(d, out)


def tpttr(a, out=None, *, uplo="L", stream=None) -> Any:
    """The triangle of a packed form, a (n (n + 1) / 2,); the other side of a given out stays as it
    is, that of a new one is 0."""
    call, m = _begin(a, PACKED, READ, stream)
    n, lower = _order(m, "a", PACKED), letter("uplo", uplo, "UL")
    d = call.zeros((n, n), m.dtype) if out is None else call.output(out, (n, n), m.dtype)
    if out is not None:
        call.apart(d, "a", m)
    call.operand(2, d, WRITE)
    call.run(lib.OCU_OP_REPACK, bytes([0, lower]))
    return call.result(d, out)
