"""cuBLAS's level 2 by ctypes: every form of matrix, by columns, against float64. What must not be
read is NaN."""

import itertools

import numpy as np
import pytest
from cublas import DEVICE, HOST, LETTERS, Cublas
from forms import banded, op, random, stored, symmetric, triangular, wide

SUCCESS, INVALID = 0, 7
OPS, SIDES = list(enumerate("NTC")), [(0, True), (1, False)]
letters = pytest.mark.parametrize("letter", "SZ")
STEPS = {
    "S": [(1, 1), (2, -3), (-1, 2)],
    "Z": [(1, 1)],
}  # each class of calls takes time to compile


@pytest.fixture(scope="module")
def cublas():
    return Cublas()


def close(found, want, letter, size=1):
    there = ~np.isnan(want)
    eps = 1e-5 if letter in "SC" else 1e-13
    np.testing.assert_allclose(found[there], want[there], rtol=eps, atol=eps * (size + 1))


def vector(x, inc):
    """x as BLAS's vector with a step: its memory, and the elements there."""
    memory = np.full(max(len(x) - 1, 0) * abs(inc) + 1, np.nan, x.dtype)
    view = memory[:: abs(inc)][: len(x)][:: 1 if inc > 0 else -1]
    view[...] = x
    return memory, view


def columns(x, pad=3):
    """A matrix in columns that are longer than needed: memory and leading dimension."""
    ld = x.shape[0] + pad
    memory = np.full((x.shape[1], ld), np.nan, x.dtype)
    memory[:, : x.shape[0]] = x.T
    return memory, ld


def number(x, letter):
    return np.array([x], LETTERS[letter])


@letters
@pytest.mark.parametrize("mode", [HOST, DEVICE])
def test_general_products(cublas, letter, mode):
    d = LETTERS[letter]
    cublas.pointers(mode)
    alpha, beta = number(1.5, letter), number(-0.5, letter)
    for (m, n), (t, trans), (incx, incy) in itertools.product(
        [(1, 1), (7, 5), (3, 200), (130, 70), (0, 4)],
        OPS if mode == HOST else OPS[:1],
        STEPS[letter] if mode == HOST else STEPS[letter][:1],
    ):
        a = random(d, m, n)
        size, k = op(a, trans).shape
        (x, X), (y, Y) = vector(random(d, k), incx), vector(random(d, size, seed=1), incy)
        want = 1.5 * op(wide(a), trans) @ wide(X) - 0.5 * wide(Y) if m else wide(Y)
        memory, ld = columns(a)
        status = cublas(f"{letter}gemv_v2", t, m, n, alpha, memory, ld, x, incx, beta, y, incy)
        assert status == SUCCESS
        close(Y, want, letter, k)
        kl, ku = min(m, 2), min(n, 3)
        a = banded(a, kl, ku)
        want = 1.5 * op(wide(a), trans) @ wide(X) - 0.5 * wide(Y) if m else wide(Y)
        memory, ld = columns(stored(a, "band", None, kl + ku, ku))
        arguments = (alpha, memory, ld, x, incx, beta, y, incy)
        assert cublas(f"{letter}gbmv_v2_64", t, m, n, kl, ku, *arguments) == SUCCESS
        close(Y, want, letter, k)
    cublas.pointers(HOST)


@letters
def test_batches_of_general_products(cublas, letter):
    d, m, n, count = LETTERS[letter], 9, 70, 3
    a, x, y = random(d, count, n, m), random(d, count, n), random(d, count, m)
    alpha, beta = number(2, letter), number(1, letter)
    want = 2 * np.einsum("znm,zn->zm", wide(a), wide(x)) + wide(y)
    first, second = y.copy(), y.copy()
    sizes = (alpha, a, m, m * n, x, 1, n, beta, first, 1, m, count)
    arguments = [np.int64(v) if i in (3, 6, 10) else v for i, v in enumerate(sizes)]
    assert cublas(f"{letter}gemvStridedBatched_64", 0, m, n, *arguments) == SUCCESS
    close(first, want, letter, n)
    lists = [np.array([v[z].ctypes.data for z in range(count)]) for v in (a, x, second)]
    arguments = (alpha, lists[0], m, lists[1], 1, beta, lists[2], 1, count)
    assert cublas(f"{letter}gemvBatched", 0, m, n, *arguments) == SUCCESS
    close(second, want, letter, n)


@letters
@pytest.mark.parametrize("kind", ["sy", "he"])
def test_symmetric_products(cublas, letter, kind):
    if kind == "he" and letter == "S":
        return
    d, alpha, beta = LETTERS[letter], number(2, letter), number(-1, letter)
    forms = [("full", {"sy": "symv", "he": "hemv"}[kind])]
    if (kind == "he") == (letter == "Z"):  # as cuBLAS has them
        forms += [("band", f"{kind[0]}bmv"), ("packed", f"{kind[0]}pmv")]
    for (fill, lower), (storage, name), n, (incx, incy) in itertools.product(
        SIDES, forms, [1, 90], STEPS[letter]
    ):
        k = min(n - 1, 4)
        dense = random(d, n, n)
        dense = banded(dense, k, k) if storage == "band" else dense
        (x, X), (y, Y) = vector(random(d, n), incx), vector(random(d, n, seed=1), incy)
        want = 2 * symmetric(wide(dense), lower, kind == "he") @ wide(X) - wide(Y)
        a = stored(dense, storage, lower, k)
        memory, ld = (a, None) if storage == "packed" else columns(a)
        matrix = (memory,) if storage == "packed" else (memory, ld)
        order = (n, k) if storage == "band" else (n,)
        arguments = (fill, *order, alpha, *matrix, x, incx, beta, y, incy)
        assert cublas(f"{letter}{name}_v2", *arguments) == SUCCESS
        close(Y, want, letter, n)


@letters
def test_triangular_products_and_solutions(cublas, letter):
    d = LETTERS[letter]
    for (fill, lower), (storage, name), (t, trans), unit, inc in itertools.product(
        SIDES, [("full", "tr"), ("band", "tb"), ("packed", "tp")], OPS, (0, 1), (1,)
    ):
        if (trans == "C") != (letter == "Z"):
            continue
        n, k = 30, 4
        dense = random(d, n, n) / n + 2 * np.eye(n, dtype=d)
        dense = banded(dense, k, k) if storage == "band" else dense
        x, X = vector(random(d, n), inc)
        before = wide(X)
        a = stored(dense, storage, lower, k)
        memory, ld = (a, None) if storage == "packed" else columns(a)
        matrix = (memory,) if storage == "packed" else (memory, ld)
        order = (n, k) if storage == "band" else (n,)
        arguments = (fill, t, unit, *order, *matrix, x, inc)
        assert cublas(f"{letter}{name}mv_v2", *arguments) == SUCCESS
        close(X, op(triangular(wide(dense), lower, unit), trans) @ before, letter, n)
        assert cublas(f"{letter}{name}sv_v2_64", *arguments) == SUCCESS
        close(X, before, letter, 10 * n)


@letters
def test_updates(cublas, letter):
    d, alpha, real = LETTERS[letter], number(0.5, letter), np.array([0.5])
    names = {"S": [("syr", "spr", False)], "Z": [("her", "hpr", True), ("syr", None, False)]}
    for (full, packed, hermitian), (fill, lower), (incx, incy) in itertools.product(
        names[letter], SIDES, STEPS[letter][:2]
    ):
        n = 40
        dense = random(d, n, n)
        (x, X), (y, Y) = vector(random(d, n), incx), vector(random(d, n, seed=1), incy)
        M, U, V = symmetric(wide(dense), lower, hermitian), wide(X), wide(Y)
        second = np.conj if hermitian else (lambda v: v)
        factor = real if hermitian else alpha
        for name, storage in ((full, "full"), (packed, "packed")):
            if name is None:
                continue
            for two in ("", "2"):
                memory, ld = (
                    columns(stored(dense, storage, lower).reshape(n, -1))
                    if (storage == "full")
                    else (stored(dense, storage, lower), None)
                )
                end = (memory, ld) if storage == "full" else (memory,)
                given = (y, incy) if two else ()
                arguments = (fill, n, alpha if two else factor, x, incx, *given, *end)
                assert cublas(f"{letter}{name}{two}_v2", *arguments) == SUCCESS
                want = M + 0.5 * np.outer(U, second(V if two else U))
                want = want + 0.5 * np.outer(V, second(U)) if two else want
                found = memory[:, :n].T if storage == "full" else memory
                close(found, stored(want, storage, lower), letter, 4)
    for name in ("ger",) if letter == "S" else ("geru", "gerc"):
        m, n = 9, 300
        dense, x, y = random(d, m, n), random(d, m), random(d, n)
        memory, ld = columns(dense)
        assert cublas(f"{letter}{name}_v2", m, n, alpha, x, 1, y, 1, memory, ld) == SUCCESS
        want = wide(dense) + 0.5 * np.outer(x, y.conj() if name == "gerc" else y)
        close(memory[:, :m].T, want, letter, 2)
        assert np.isnan(memory[:, m:]).all()


@letters
def test_diagonals_and_packing(cublas, letter):
    d, m, n = LETTERS[letter], 20, 33
    a, c = random(d, m, n), np.zeros((n, m), LETTERS[letter])
    for mode, size, inc in ((0, m, 1), (1, n, -2)):
        x, X = vector(random(d, size), inc)
        memory, ld = columns(a)
        assert cublas(f"{letter}dgmm", mode, m, n, memory, ld, x, inc, c, m) == SUCCESS
        close(c.T, np.diag(X) @ a if mode == 0 else a @ np.diag(X), letter)
    for fill, lower in SIDES:
        dense = random(d, m, m)
        memory, ld = columns(dense)
        packed, back = np.zeros(m * (m + 1) // 2, d), np.zeros((m, m), d)
        assert cublas(f"{letter}trttp", fill, m, memory, ld, packed) == SUCCESS
        np.testing.assert_array_equal(packed, stored(dense, "packed", lower))
        assert cublas(f"{letter}tpttr", fill, m, packed, back, m) == SUCCESS
        np.testing.assert_array_equal(back.T, triangular(dense, lower))


def test_what_is_wrong_has_the_vendors_status(cublas):
    a, x, one = np.ones((4, 4), "f4"), np.ones(4, "f4"), np.ones(1, "f4")
    wrong = {
        "Sgemv_v2": [(3, 4, 4), (0, -1, 4), (0, 4, -1)],
        "Sgbmv_v2": [(0, 4, 4, -1, 0), (0, 4, 4, 0, -1), (0, 4, 4, 3, 3)],
    }
    for name, heads in wrong.items():
        for head in heads:
            assert cublas(name, *head, one, a, 4, x, 1, one, x, 1) == INVALID
    assert cublas("Sgemv_v2", 0, 4, 4, one, a, 3, x, 1, one, x, 1) == INVALID
    assert cublas("Sgemv_v2", 0, 4, 4, one, a, 4, x, 0, one, x, 1) == INVALID
    assert cublas("Ssymv_v2", 2, 4, one, a, 4, x, 1, one, x, 1) == INVALID
    assert cublas("Ssymv_v2", 0, 4, one, a, 4, x, 1, one, x, 0) == INVALID
    assert cublas("Ssymv_v2", 0, 4, None, a, 4, x, 1, one, x, 1) == INVALID
    assert cublas("Strsv_v2", 0, 0, 2, 4, a, 4, x, 1) == INVALID
    assert cublas("Ssbmv_v2", 0, 4, 4, one, a, 4, x, 1, one, x, 1) == INVALID  # lda < k + 1
    assert cublas("Sger_v2", 4, 4, one, x, 1, x, 1, a, 3) == INVALID
    assert cublas("Sdgmm", 2, 4, 4, a, 4, x, 1, a, 4) == INVALID
    assert cublas("Strttp", 2, 4, a, 4, x) == INVALID
    assert cublas("Ssymv_v2", 0, 0, one, None, 1, None, 1, one, None, 1) == SUCCESS
