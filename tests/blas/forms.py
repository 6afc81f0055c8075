"""The forms of BLAS's matrices: dense ones stored as full, band and packed, and back."""

import numpy as np


def stored(dense, storage, lower, k=None, ku=None):
    """What BLAS is given; what it must not read is NaN. k: diagonals beside the main one."""
    m, n = dense.shape
    i, j = np.indices((m, n))
    side = np.ones((m, n), bool) if lower is None else (i >= j if lower else i <= j)
    if storage == "full":
        return np.where(side, dense, np.nan).astype(dense.dtype)
    if storage == "packed":
        order = np.argsort((j * n + i)[side], kind="stable")
        return dense[side][order]
    up = ku if lower is None else (0 if lower else k)
    out = np.full((k + 1, n), np.nan, dense.dtype)
    row = up + i - j
    inside = side & (row >= 0) & (row <= k)
    out[row[inside], j[inside]] = dense[inside]
    return out


def banded(dense, kl, ku):
    i, j = np.indices(dense.shape)
    return np.where((i - j <= kl) & (j - i <= ku), dense, 0).astype(dense.dtype)


def symmetric(dense, lower, hermitian=False):
    """The matrix that the side stands for."""
    side = np.tril(dense) if lower else np.triu(dense)
    other = side.conj().T if hermitian else side.T
    out = side + other - np.diag(np.diag(side))
    if hermitian:
        np.fill_diagonal(out, np.diag(side).real)
    return out


def triangular(dense, lower, unit=False):
    out = np.tril(dense) if lower else np.triu(dense)
    if unit:
        np.fill_diagonal(out, 1)
    return out


def op(dense, trans):
    return {"N": dense, "T": dense.T, "C": dense.conj().T}[trans]


def random(dtype, *shape, seed=0):
    parts = np.random.default_rng([*shape, seed]).standard_normal((2, *shape))
    return (parts[0] + 1j * parts[1] if dtype[0] == "c" else parts[0]).astype(dtype)


def wide(x):
    return x.astype("c16" if x.dtype.kind == "c" else "f8")
