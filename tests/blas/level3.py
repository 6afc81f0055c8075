"""Every call of BLAS's level 3, by Fortran's and C's names and in both orders, against float64. The
library is the one that LD_PRELOAD brings."""

import ctypes
from itertools import product

import numpy as np
from forms import op, random, stored, symmetric, triangular, wide
from opencu._core import ffi, lib

LETTERS = {"S": "f4", "D": "f8", "C": "c8", "Z": "c16"}
ENUMERATORS = {"trans": "NTC", "uplo": "UL", "diag": "NU", "side": "LR"}
FIRST = {"trans": 111, "uplo": 121, "diag": 131, "side": 141}
FORMS = ("fortran", "columns", "rows")
BLAS = ctypes.CDLL(None)


def leave(left):
    """Takes the first device's memory, but so many bytes."""
    info, out, size = ffi.new("ocu_device_info *"), ffi.new("void **"), 1 << 40
    while lib.ocu_device_query(0, info) == lib.OCU_OK and info.memory_free > left and size > 4096:
        size = min(size, info.memory_free - left)
        if lib.ocu_alloc(0, size, lib.OCU_MEM_DEVICE, out) != lib.OCU_OK:
            size //= 2  # a driver has a largest allocation


def call(form, name, letters, sizes, *operands):
    """letters: (("side", "L"), ..); operands: arrays of one number, or (memory, ld)."""

    def pointer(x):
        return x.ctypes.data_as(ctypes.c_void_p)

    def integer(n):
        return ctypes.byref(ctypes.c_int(n)) if form == "fortran" else ctypes.c_int(n)

    def scalar(x):
        if form == "fortran" or x.dtype.kind == "c":
            return pointer(x)
        return (ctypes.c_float if x.dtype == "f4" else ctypes.c_double)(x[0])

    if form == "fortran":
        words = [letter.lower().encode() for _, letter in letters]
    else:
        words = [ctypes.c_int({"columns": 102, "rows": 101}[form])]
        words += [ctypes.c_int(FIRST[w] + ENUMERATORS[w].index(c)) for w, c in letters]
    words += [integer(n) for n in sizes]
    for x in operands:
        words += [pointer(x[0]), integer(x[1])] if isinstance(x, tuple) else [scalar(x)]
    name = name.lower()
    BLAS[f"{name}_" if form == "fortran" else f"cblas_{name}"](*words)


def memory(x, form, gap=3):
    """A matrix whose lines are longer than needed, what is between them NaN."""
    lines = x if form == "rows" else x.T
    padded = np.full((lines.shape[0], lines.shape[1] + gap), np.nan, x.dtype)
    padded[:, : lines.shape[1]] = lines
    return padded, padded.shape[1]


def close(result, want, form, side=None, before=None):
    """Is it written where it should be, and nowhere else?"""
    lines = result[0].T if form != "rows" else result[0]
    rows, columns = want.shape
    got, gaps = lines[:rows, :columns], lines[rows:] if form != "rows" else lines[:, columns:]
    assert np.isnan(gaps).all()
    eps = (3e-4 if got.real.dtype == "f4" else 1e-11) * max(1, want.shape[0] / 32)
    there = np.ones(want.shape, bool) if side is None else side
    np.testing.assert_allclose(got[there], want[there], rtol=eps, atol=eps)
    assert side is None or np.array_equal(got[~side], before[~side])


def cases(*kinds):
    """Every choice of these letters."""
    for letters in product(*(ENUMERATORS[kind] for kind in kinds)):
        yield letters, tuple(zip(kinds, letters, strict=True))


def check(letter, m=40, n=33, k=37, forms=FORMS, every=1):
    """All routines; of the choices of letters, each `every`-th."""
    d = LETTERS[letter]
    alpha, beta, zero = (np.array([x]).astype(d) for x in (0.5, -2, 0))
    A, B, first = random(d, m, k), random(d, k, n, seed=1), random(d, m, n, seed=2)
    nothing = np.full_like(first, np.nan)
    turn = iter(range(10**6))

    def chosen(*kinds):
        return [x for x in product(forms, cases(*kinds)) if next(turn) % every == 0]

    for form, (letters, words) in chosen("trans", "trans"):
        a, b = (memory(op(x, t), form) for x, t in zip((A, B), letters, strict=True))
        c = memory(first, form)
        call(form, f"{letter}gemm", words, (m, n, k), alpha, a, b, beta, c)
        close(c, 0.5 * wide(A) @ wide(B) - 2 * wide(first), form)
        c = memory(nothing, form)
        call(form, f"{letter}gemm", words, (m, n, k), alpha, a, b, zero, c)
        close(c, 0.5 * wide(A) @ wide(B), form)
    check_factors(letter, m, n, chosen, first, (alpha, beta))
    check_updates(letter, n, k, chosen, (alpha, beta))


def check_factors(letter, m, n, chosen, first, scalars):
    alpha, beta = scalars
    for form, ((side, uplo), words) in chosen("side", "uplo"):
        order = m if side == "L" else n
        dense = random(LETTERS[letter], order, order, seed=3)
        a, b = memory(stored(dense, "full", uplo == "L"), form), memory(first, form)
        for name in ("symm", "hemm")[: 2 if letter in "CZ" else 1]:
            M, c = symmetric(wide(dense), uplo == "L", name == "hemm"), memory(first, form)
            call(form, letter + name, words, (m, n), alpha, a, b, beta, c)
            result = M @ wide(first) if side == "L" else wide(first) @ M
            close(c, 0.5 * result - 2 * wide(first), form)
    for form, ((side, uplo, trans, diag), words) in chosen("side", "uplo", "trans", "diag"):
        order = m if side == "L" else n
        dense = (random(LETTERS[letter], order, order) / order).astype(LETTERS[letter])
        dense += 2 * np.eye(order, dtype=dense.dtype)
        M = op(triangular(wide(dense), uplo == "L", diag == "U"), trans)
        given = stored(dense, "full", uplo == "L")
        if diag == "U":
            np.fill_diagonal(given, np.nan)
        a, b = memory(given, form), memory(first, form)
        call(form, f"{letter}trmm", words, (m, n), alpha, a, b)
        close(b, 0.5 * (M @ wide(first) if side == "L" else wide(first) @ M), form)
        call(form, f"{letter}trsm", words, (m, n), alpha, a, b)
        close(b, 0.25 * wide(first), form)


def check_updates(letter, n, k, chosen, scalars):
    d = LETTERS[letter]
    alpha, beta = scalars
    X, Y, square = random(d, n, k, seed=4), random(d, n, k, seed=5), random(d, n, n, seed=6)
    for form, ((uplo, trans), words) in chosen("uplo", "trans"):
        x, y = (memory(op(v, trans), form) for v in (X, Y))
        side = np.tril(np.ones((n, n), bool)) if uplo == "L" else np.triu(np.ones((n, n), bool))
        names = []
        if letter in "SD" or trans != "C":
            names += ["syrk", "syr2k"]
        if letter in "CZ" and trans != "T":
            names += ["herk", "her2k"]
        for name in names:
            hermitian, twice = name[0] == "h", name.endswith("2k")
            V, W = wide(X), wide(Y) if twice else wide(X)
            both = 0.5 * V @ op(W, "C" if hermitian else "T")
            want = both + op(both, "C" if hermitian else "T") if twice else both
            want = want - 2 * wide(square)
            if hermitian:
                np.fill_diagonal(want, np.diag(want).real)
            factor = alpha.real.copy() if name == "herk" else alpha
            end = (factor, x, *((y,) if twice else ()), beta.real.copy() if hermitian else beta)
            c = memory(square, form)
            call(form, letter + name, words, (n, k), *end, c)
            close(c, want, form, side, square)
