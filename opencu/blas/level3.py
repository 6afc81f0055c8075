"""Level 3 of BLAS beside gemm: products with matrices of which one side is stored, solutions.

Matrices are of one dtype (float32, float64, complex64, complex128) and any strides, all numpy
arrays, torch CPU tensors or opencu arrays; alpha and beta are numbers. uplo says which side of a
symmetric, Hermitian or triangular matrix is read, or written: "L" or "U"; side, whether that matrix
stands left or right: "L" or "R"; trans is "N", "T" or "C" (or False, True); diag is "N", or "U"
where the diagonal is taken to be of ones. Results are written in place, into c or b, if these are
given, and returned; the other side of a new result is 0. beta == 0 does not read c. On device
arrays a call is stream-ordered. Wrong kinds, dtypes, shapes, devices or letters raise TypeError or
ValueError before anything runs. Source: Dongarra and others, "A Set of Level 3 Basic Linear Algebra
Subprograms" (1990).
"""

from __future__ import annotations

from typing import Any

from opencu.blas.lapack import solve_triangles
from opencu.blas.level2 import letter
from opencu.blas.routine import ALL, COMPLEX, REAL, Product, number
from opencu.drivers.status import lib


def _symmetric(a, b, c, side, uplo, alpha, beta, stream, kind, dtypes=ALL) -> Any:
    call = Product("a", a, stream, dtypes)
    m, right = call.square("a", a), letter("side", side, "LR")
    lower = letter("uplo", uplo, "UL")
    x = call.matrix("b", b)
    if x.shape[right] != m.shape[0]:
        raise ValueError(f"b has shape {x.shape}: expected {m.shape[0]} along axis {right}")
    out = call.into("c", c, x.shape, beta)
    if c is not None:
        call.apart(out, "a", m, name_out="c")
        call.apart(out, "b", x, name_out="c")
    call.numbers(alpha, beta)
    call.g.kind.form = (1 + right) | kind | (lib.OCU_LOWER if lower else 0)
    left, other = (x, m) if right else (m, x)
    call.multiply(m.shape[0], left, other, out)
    return call.result(out, c)


def symm(a, b, c=None, *, side="L", uplo="L", alpha=1, beta=0, stream=None) -> Any:
    """alpha a b + beta c, or b a where side is "R"; a symmetric, b and c (m, n)."""
    return _symmetric(a, b, c, side, uplo, alpha, beta, stream, lib.OCU_SYMMETRIC)


def hemm(a, b, c=None, *, side="L", uplo="L", alpha=1, beta=0, stream=None) -> Any:
    """alpha a b + beta c, or b a where side is "R"; a Hermitian, b and c (m, n), complex."""
    return _symmetric(a, b, c, side, uplo, alpha, beta, stream, lib.OCU_HERMITIAN, COMPLEX)


def _update(a, b, c, uplo, trans, alpha, beta, stream, hermitian, twice, dtypes=ALL) -> Any:
    """alpha op(a) op(b)^T + beta c, and where it is meant twice the same of b and a."""
    call = Product("a", a, stream, dtypes)
    lower = letter("uplo", uplo, "UL")
    op = letter("trans", trans, "NTC")
    if op == (1 if hermitian else 2) and call_is_complex(a):
        raise ValueError(f"trans is {trans!r}: expected 'N' or {'C' if hermitian else 'T'!r}")
    x = call.matrix("a", a)
    y = x if b is None else call.matrix("b", b)
    if y.shape != x.shape:
        raise ValueError(f"b has shape {y.shape}: expected {x.shape}, as a has")
    if op:
        x, y = x.T, y.T
    n, k = x.shape
    out = call.into("c", c, (n, n), beta) if c is not None or beta else call.zeros((n, n), x.dtype)
    if c is not None:
        for name, operand in (("a", x), ("b", y)):
            call.apart(out, name, operand, name_out="c")
    call.numbers(alpha, beta)
    call.g.kind.d_form = lib.OCU_D_LOWER if lower else lib.OCU_D_UPPER
    if hermitian:
        call.g.kind.d_form |= lib.OCU_D_HERMITIAN
        call.g.kind.conj = 1 if op else 2
    call.multiply(k, x, y.T, out)
    if twice:
        second = complex(alpha).conjugate() if hermitian else alpha
        call.numbers(second, 1)
        call.multiply(k, y, x.T, out)
    return call.result(out, c)


def call_is_complex(x: Any) -> bool:
    return "complex" in str(getattr(x, "dtype", ""))


def syrk(a, c=None, *, uplo="L", trans="N", alpha=1, beta=0, stream=None) -> Any:
    """alpha op(a) op(a)^T + beta c, one side of it; op(a) (n, k), c (n, n) symmetric."""
    return _update(a, None, c, uplo, trans, alpha, beta, stream, False, False)


def herk(a, c=None, *, uplo="L", trans="N", alpha=1, beta=0, stream=None) -> Any:
    """alpha op(a) op(a)^H + beta c, one side of it; alpha and beta real, c (n, n) Hermitian."""
    for name, value in (("alpha", alpha), ("beta", beta)):
        number(name, value, REAL[1])
    return _update(a, None, c, uplo, trans, alpha, beta, stream, True, False, COMPLEX)


def syr2k(a, b, c=None, *, uplo="L", trans="N", alpha=1, beta=0, stream=None) -> Any:
    """alpha (op(a) op(b)^T + op(b) op(a)^T) + beta c, one side of it."""
    return _update(a, b, c, uplo, trans, alpha, beta, stream, False, True)


def her2k(a, b, c=None, *, uplo="L", trans="N", alpha=1, beta=0, stream=None) -> Any:
    """alpha op(a) op(b)^H + conj(alpha) op(b) op(a)^H + beta c, one side of it; beta real."""
    number("beta", beta, REAL[1])
    return _update(a, b, c, uplo, trans, alpha, beta, stream, True, True, COMPLEX)


def syrkx(a, b, c=None, *, uplo="L", trans="N", alpha=1, beta=0, stream=None) -> Any:
    """alpha op(a) op(b)^T + beta c, one side of it, where that is symmetric."""
    return _update(a, b, c, uplo, trans, alpha, beta, stream, False, False)


def herkx(a, b, c=None, *, uplo="L", trans="N", alpha=1, beta=0, stream=None) -> Any:
    """alpha op(a) op(b)^H + beta c, one side of it, where that is Hermitian; beta real."""
    number("beta", beta, REAL[1])
    return _update(a, b, c, uplo, trans, alpha, beta, stream, True, False, COMPLEX)


def _triangular(a, b, out, side, uplo, trans, diag, alpha, stream, function, name) -> Any:
    call = Product("a", a, stream)
    m, right = call.square("a", a), letter("side", side, "LR")
    lower, unit = letter("uplo", uplo, "UL"), letter("diag", diag, "NU")
    op = letter("trans", trans, "NTC")
    x = call.matrix("b", b, out is b)
    if x.shape[right] != m.shape[0]:
        raise ValueError(f"b has shape {x.shape}: expected {m.shape[0]} along axis {right}")
    d = call.into(name, out, x.shape)
    if out is not None:
        call.apart(d, "a", m, name_out=name)
        call.apart(d, "b", x, same=True, name_out=name)
    call.numbers(alpha, 0)
    call.g.kind.form = (1 + right) | lib.OCU_TRIANGULAR | (lib.OCU_UNIT if unit else 0)
    call.g.kind.form |= lib.OCU_LOWER if lower != (op > 0) else 0
    if op == 2 and m.code >= lib.OCU_C64:
        call.g.kind.conj = 1 + right
    m = m.T if op else m
    left, other = (x, m) if right else (m, x)
    call.multiply(m.shape[0], left, other, d, function)
    return call.result(d, out)


def trmm(a, b, c=None, *, side="L", uplo="L", trans="N", diag="N", alpha=1, stream=None) -> Any:
    """alpha op(a) b, or b op(a) where side is "R"; a triangular, b (m, n). c may be b itself."""
    return _triangular(a, b, c, side, uplo, trans, diag, alpha, stream, lib.ocu_trmm, "c")


def trsm(a, b, *, side="L", uplo="L", trans="N", diag="N", alpha=1, stream=None) -> Any:
    """b = alpha op(a)^-1 b, or b op(a)^-1 where side is "R"; a triangular, b (m, n), or stacks of
    as many of these (batch, ..), best of small ones. A zero on the diagonal gives Inf or NaN."""
    if getattr(a, "ndim", 2) == 3:
        return solve_triangles(a, b, side, uplo, trans, diag, alpha, stream)
    return _triangular(a, b, b, side, uplo, trans, diag, alpha, stream, lib.ocu_trsm, "b")


def geam(a, b, c=None, *, trans_a="N", trans_b="N", alpha=1, beta=1, stream=None) -> Any:
    """alpha op(a) + beta op(b), of shape (m, n). c may be a, or b, where that is not transposed. A
    matrix whose factor is 0 is not read."""
    call = Product("a", a, stream)
    terms = []
    for i, (name, x, trans) in enumerate((("a", a, trans_a), ("b", b, trans_b))):
        op = letter(f"trans_{name}", trans, "NTC")
        m = call.matrix(name, x, x is c)
        call.g.kind.conj |= (op == 2 and m.code >= lib.OCU_C64) << i
        terms.append(m.T if op else m)
    if terms[0].shape != terms[1].shape:
        shapes = f"op(a) has shape {terms[0].shape} and op(b) {terms[1].shape}"
        raise ValueError(f"{shapes}: expected the same")
    d = call.into("c", c, terms[0].shape)
    for name, x in zip("ab", terms):
        if c is not None:
            call.apart(d, name, x, same=True, name_out="c")
    call.numbers(alpha, beta)
    call.multiply(0, terms[0], terms[1], d, lib.ocu_geam)
    return call.result(d, c)
