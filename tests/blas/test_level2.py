"""Level 2 of BLAS in Python: every form of matrix against float64 sums, on every device. What must
not be read is NaN."""

import itertools

import numpy as np
import pytest
from forms import banded, op, random, stored, symmetric, triangular, wide

import opencu
from opencu import blas

EPS = {"f4": 2.0**-19, "f8": 2.0**-47, "c8": 2.0**-18, "c16": 2.0**-46}
dtypes = pytest.mark.parametrize("dtype", ["f4", "c16"])
SIDES = [("L", True), ("U", False)]
SIZES = [(0, 0), (1, 0), (5, 2), (37, 4), (130, 129)]  # order, diagonals beside the main one


def close(found, want, dtype, size):
    found = np.asarray(found)
    there = ~np.isnan(found)
    tolerance = dict(rtol=EPS[dtype], atol=EPS[dtype] * (size + 1))
    np.testing.assert_allclose(found[there], np.asarray(want)[there], **tolerance)
    return there


def on(device, *arrays, order="F"):
    """By columns, as BLAS has them: the classes of calls that tests of cuBLAS compile too."""
    return [opencu.asarray(np.array(a, order=order), device) for a in arrays]


@dtypes
@pytest.mark.parametrize("kind", ["sy", "he"])
def test_products_of_symmetric_matrices(device, dtype, kind):
    if kind == "he" and dtype == "f4":
        with pytest.raises(TypeError, match="a has dtype float32: expected complex64, complex128"):
            blas.hemv(np.zeros((2, 2), "f4"), np.zeros(2, "f4"))
        return
    names = {"full": "mv", "band": "bmv", "packed": "pmv"}
    for (uplo, lower), (storage, end), (n, k) in itertools.product(SIDES, names.items(), SIZES):
        dense = random(dtype, n, n)
        dense = banded(dense, k, k) if storage == "band" else dense
        m = symmetric(wide(dense), lower, kind == "he")
        a, x, y = on(
            device, stored(dense, storage, lower, k), random(dtype, n), random(dtype, n, seed=1)
        )
        name = (kind[0] + ("y" if storage == "full" and kind == "sy" else "")) + end
        name = {"symv": "symv", "hmv": "hemv"}.get(name, name)
        want = 2 * m @ wide(np.asarray(x)) - wide(np.asarray(y))
        close(getattr(blas, name)(a, x, y, uplo=uplo, alpha=2, beta=-1), want, dtype, n)


@dtypes
@pytest.mark.parametrize("order", "FC")
def test_general_matrices(device, dtype, order):
    for (m, n), trans in itertools.product([(0, 3), (3, 0), (1, 1), (9, 5), (70, 133)], "NTC"):
        dense = random(dtype, m, n)
        size, columns = op(dense, trans).shape
        a, v, w = on(
            device, dense, random(dtype, 2 * columns), random(dtype, 3 * size), order=order
        )
        x, y, M = v[::-2], w[::3], op(wide(dense), trans)
        old = np.array(np.asarray(w))
        assert close(blas.gemv(a, x, trans=trans), M @ wide(np.asarray(x)), dtype, n).all()
        want = 2 * M @ wide(np.asarray(x)) - 0.5 * wide(old[::3])
        assert close(blas.gemv(a, x, y, trans=trans, alpha=2, beta=-0.5), want, dtype, n).all()
        kept = np.arange(3 * size) % 3 > 0
        assert (np.asarray(w)[kept] == old[kept]).all()


@dtypes
def test_general_bands(device, dtype):
    for (m, n), (kl, ku), trans in itertools.product(
        [(1, 1), (9, 5), (5, 9), (70, 33)], [(0, 0), (2, 1), (4, 3)], "NTC"
    ):
        dense = banded(random(dtype, m, n), kl, ku)
        a = stored(dense, "band", None, kl + ku, ku)
        size, columns = op(dense, trans).shape
        a, x, y = on(device, a, random(dtype, columns), np.full(size, np.nan, dtype))
        blas.gbmv(a, x, y, rows=m, ku=ku, trans=trans, beta=0)
        assert close(y, op(wide(dense), trans) @ wide(np.asarray(x)), dtype, n).all()


@pytest.mark.parametrize("dtype, trans", [("f4", "N"), ("f4", "T"), ("c16", "C")])
def test_triangular_products_and_solutions(device, dtype, trans):
    names = {"full": "tr", "band": "tb", "packed": "tp"}
    for (uplo, lower), (storage, name), diag in itertools.product(SIDES, names.items(), "NU"):
        for n, k in SIZES[1:]:
            dense = random(dtype, n, n) / n + 2 * np.eye(n, dtype=dtype)
            dense = banded(dense, k, k) if storage == "band" else dense
            m = op(triangular(wide(dense), lower, diag == "U"), trans)
            a, x = on(device, stored(dense, storage, lower, k), random(dtype, n))
            X = wide(np.array(np.asarray(x)))
            how = dict(uplo=uplo, trans=trans, diag=diag)
            getattr(blas, f"{name}mv")(a, x, **how)
            assert close(x, m @ X, dtype, n).all()
            getattr(blas, f"{name}sv")(a, x, **how)
            assert close(x, X, dtype, 8 * n).all()


def test_what_a_triangle_does_not_meet_does_not_spread(device):
    """NaN in x spoils the elements that depend on it alone."""
    a, x = on(device, np.tril(np.ones((40, 40))), np.r_[np.ones(39), np.nan])
    blas.trmv(a, x)
    assert np.isnan(np.asarray(x)).sum() == 1


@dtypes
def test_updates(device, dtype):
    kinds = [("syr", "spr", False), ("her", "hpr", True)][: 1 + (dtype[0] == "c")]
    for (full, packed, hermitian), (uplo, lower), n in itertools.product(
        kinds, SIDES, [0, 1, 9, 150]
    ):
        dense, x, y = random(dtype, n, n), random(dtype, n), random(dtype, n, seed=1)
        M, X, Y = symmetric(wide(dense), lower, hermitian), wide(x), wide(y)
        second = np.conj if hermitian else (lambda v: v)
        alpha = 0.5 - 0.25j if dtype[0] == "c" else 0.5
        for name, storage in ((full, "full"), (packed, "packed")):
            a, u, v = on(device, stored(dense, storage, lower), x, y)
            getattr(blas, name)(a, u, uplo=uplo, alpha=0.5)
            want = M + 0.5 * np.outer(X, second(X))
            close(a, stored(want, storage, lower), dtype, 4)
            a, u, v = on(device, stored(dense, storage, lower), x, y)
            getattr(blas, f"{name}2")(a, u, v, uplo=uplo, alpha=alpha)
            want = M + alpha * np.outer(X, second(Y)) + second(alpha) * np.outer(Y, second(X))
            there = close(a, stored(want, storage, lower), dtype, 8)
            assert there.sum() == n * (n + 1) // 2  # the other side stays as it was


@dtypes
@pytest.mark.parametrize("order", "CF")
def test_general_updates(device, dtype, order):
    for m, n in [(0, 3), (1, 1), (7, 300), (300, 7)]:
        dense, x, y = random(dtype, m, n), random(dtype, m), random(dtype, n, seed=1)
        for name in ("geru", "gerc") if dtype[0] == "c" else ("ger",):
            a, u, v = on(device, dense, x, y, order=order)
            getattr(blas, name)(a, u, v, alpha=0.5)
            second = wide(y).conj() if name == "gerc" else wide(y)
            assert close(a, wide(dense) + 0.5 * np.outer(wide(x), second), dtype, 4).all()


@dtypes
def test_diagonals_and_packing(device, dtype):
    dense, x, y = random(dtype, 37, 21), random(dtype, 37), random(dtype, 21, seed=1)
    a, u, v = on(device, dense, x, y)
    close(blas.dgmm(a, u), np.diag(wide(x)) @ wide(dense), dtype, 4)
    close(blas.dgmm(a, v, a, side="R"), wide(dense) @ np.diag(wide(y)), dtype, 4)
    for (uplo, lower), n in itertools.product(SIDES, [0, 1, 3, 70]):
        dense = random(dtype, n, n)
        (a,) = on(device, dense)
        packed = blas.trttp(a, uplo=uplo)
        np.testing.assert_array_equal(np.asarray(packed), stored(dense, "packed", lower))
        back = blas.tpttr(packed, uplo=uplo)
        np.testing.assert_array_equal(np.asarray(back), triangular(dense, lower))


def test_factors_in_device_memory(device):
    a, x, y, alpha, beta = on(
        device, random("f8", 9, 9), random("f8", 9), random("f8", 9, seed=1), [2.0], [-1.0]
    )
    want = 2 * symmetric(np.asarray(a), True) @ np.asarray(x) - np.asarray(y)
    close(blas.symv(a, x, y, alpha=alpha, beta=beta), want, "f8", 9)
    want = np.array(np.asarray(a)) + 2 * np.outer(np.asarray(x), np.asarray(y))
    close(blas.ger(a, x, y, alpha=alpha), want, "f8", 2)


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda a, x: blas.gemv(a[:2], x, trans="T"), "x has shape (3,): expected (2,)"),
        (lambda a, x: blas.gemv(a, x, a[0]), "y shares memory with a"),
        (lambda a, x: blas.gemv(a, x, x), "y shares memory with x"),
        (lambda a, x: blas.gemv(a, x, beta=1), "beta is 1 and y is None"),
        (lambda a, x: blas.symv(a[:2], x), "a has shape (2, 3): expected a square matrix"),
        (lambda a, x: blas.symv(a, x, uplo="X"), "uplo is 'X': expected one of U, L"),
        (lambda a, x: blas.trmv(a, x, diag="T"), "diag is 'T': expected one of N, U"),
        (lambda a, x: blas.trsv(a, x[:2]), "x has shape (2,): expected (3,)"),
        (lambda a, x: blas.trsv(a, a[0]), "x shares memory with a"),
        (lambda a, x: blas.tpmv(x[:2], x), "a has shape (2,): expected n (n + 1) / 2 elements"),
        (lambda a, x: blas.gbmv(a, x, rows=3, ku=3), "ku is 3: expected 0 to 2"),
        (lambda a, x: blas.symv(a, x, beta=1), "beta is 1 and y is None"),
        (lambda a, x: blas.ger(a, x, a[0]), "a shares memory with y"),
        (lambda a, x: blas.symv(a, x, x), "y shares memory with x"),
        (lambda a, x: blas.gbmv(a, x, x, rows=3, ku=1), "y shares memory with x"),
        (lambda a, x: blas.dgmm(a, x, side="X"), "side is 'X'"),
        (lambda a, x: blas.dgmm(a * 2, a[0], a), "out shares memory with x"),
        (lambda a, x: blas.trttp(a, a.ravel()[:6]), "out shares memory with a"),
        (lambda a, x: blas.tpttr(a.ravel()[:6], a), "out shares memory with a"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call, text):
    with pytest.raises(ValueError) as caught:
        call(np.eye(3), np.ones(3))
    assert text in str(caught.value)
