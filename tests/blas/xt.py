"""Every call of cuBLASXt against float64, also for devices that do not reach the host's memory."""

import ctypes

import numpy as np
from forms import op, random, stored, symmetric, triangular, wide

from opencu import shims

LETTERS = {"S": "f4", "D": "f8", "C": "c8", "Z": "c16"}
N, T, C = range(3)
LEFT, RIGHT, LOWER, UPPER = 0, 1, 0, 1
SUCCESS = 0


class Xt:
    """calls: xt(name, *arguments): arrays are pointers, integers are size_t or enumerators."""

    def __init__(self):
        self.library = ctypes.CDLL(f"{shims.lib_dir()}/libcublas.so.13")
        self.handle = ctypes.c_void_p()
        assert self.library.cublasXtCreate(ctypes.byref(self.handle)) == SUCCESS

    def __call__(self, name, *arguments):
        def c(x):
            return (
                ctypes.c_void_p(x.ctypes.data) if isinstance(x, np.ndarray) else ctypes.c_size_t(x)
            )

        return self.library[f"cublasXt{name}"](self.handle, *map(c, arguments))


def columns(x):
    """A matrix in columns that are longer than needed, what is between them NaN."""
    memory = np.full((x.shape[1], x.shape[0] + 2), np.nan, x.dtype)
    memory[:, : x.shape[0]] = x.T
    return memory, x.shape[0] + 2


def close(memory, want, letter, there=None):
    rows = want.shape[0]
    eps = 1e-4 if letter in "SC" else 1e-11
    assert np.isnan(memory[:, rows:]).all()
    there = np.ones(want.shape, bool) if there is None else there
    np.testing.assert_allclose(memory[:, :rows].T[there], want[there], rtol=eps, atol=eps)


def check(letter, m=33, n=20, k=17):
    xt, d = Xt(), LETTERS[letter]
    complex_ = letter in "CZ"
    A, B = random(d, m, k, seed=1), random(d, k, n, seed=2)
    first = random(d, m, n, seed=3)
    alpha, beta = (np.array([x]).astype(d) for x in (0.5, -2))
    half, two = (np.array([x], d).real.copy() for x in (0.5, -2))
    for transa, transb in ((N, N), (T, C)):
        (a, lda), (b, ldb) = (
            columns(x.T if t else x) for x, t in ((A, transa), (B.conj(), transb))
        )
        c, ldc = columns(first)
        arguments = (alpha, a, lda, b, ldb, beta, c, ldc)
        assert xt(f"{letter}gemm", transa, transb, m, n, k, *arguments) == SUCCESS
        close(c, 0.5 * wide(A) @ wide(B if transb else B.conj()) - 2 * wide(first), letter)
    for side, fill in ((LEFT, LOWER), (RIGHT, UPPER)):
        order, lower = (m, n)[side], fill == LOWER
        dense, right = random(d, order, order) + 9 * np.eye(order, dtype=d), random(d, m, n, seed=5)
        (a, lda), (b, ldb) = columns(stored(dense, "full", lower)), columns(right)
        packed = stored(dense, "packed", lower)
        for name in ("symm", "hemm", "spmm")[:: 1 if complex_ else 2]:
            M = symmetric(wide(dense), lower, name == "hemm")
            c, ldc = columns(first)
            matrix = (packed,) if name == "spmm" else (a, lda)
            end = (alpha, *matrix, b, ldb, beta, c, ldc)
            assert xt(f"{letter}{name}", side, fill, m, n, *end) == SUCCESS
            product = wide(right) @ M if side else M @ wide(right)
            close(c, 0.5 * product - 2 * wide(first), letter)
        M = op(triangular(wide(dense), lower), "T")
        c, ldc = columns(first)
        head = (side, fill, T, 0, m, n, alpha, a, lda)
        assert xt(f"{letter}trmm", *head, b, ldb, c, ldc) == SUCCESS
        close(c, 0.5 * (wide(right) @ M if side else M @ wide(right)), letter)
        assert xt(f"{letter}trsm", *head, c, ldc) == SUCCESS
        close(c, 0.25 * wide(right), letter)
    X, Y = random(d, n, k, seed=6), random(d, n, k, seed=7)
    square = random(d, n, n, seed=8)
    square += square.conj().T
    lower = np.tril(np.ones((n, n), bool))
    (a, lda), (b, ldb) = columns(X), columns(Y)
    X, Y, before = wide(X), wide(Y), wide(square)
    both = 0.5 * X @ Y.T
    updates = [
        ("syrk", 0.5 * X @ X.T, False), ("syr2k", both + both.T, True), ("syrkx", both, True),
    ]  # fmt: skip
    if complex_:
        both = 0.5 * X @ Y.conj().T
        updates += [
            ("herk", 0.5 * X @ X.conj().T, False), ("her2k", both + both.conj().T, True),
            ("herkx", both, True),
        ]  # fmt: skip
    for name, product, twice in updates:
        c, ldc = columns(square)
        hermitian = name.startswith("he")
        factor = half if name == "herk" else alpha
        end = (factor, a, lda, *((b, ldb) if twice else ()), two if hermitian else beta, c, ldc)
        assert xt(f"{letter}{name}", LOWER, N, n, k, *end) == SUCCESS, name
        want = product - 2 * before
        if hermitian:
            np.fill_diagonal(want, np.diag(want).real)
        close(c, want, letter, lower)
        assert np.array_equal(c[:, :n].T[~lower], square[~lower])
