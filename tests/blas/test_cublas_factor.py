"""cuBLAS's batches of small systems by ctypes, by columns and through pointers, against numpy."""

import ctypes
import itertools

import numpy as np
import pytest
from cublas import DEVICE, HOST, LETTERS, Cublas
from forms import op, random, stored, triangular, wide

SUCCESS, INVALID, EXECUTION_FAILED, NOT_SUPPORTED = 0, 7, 13, 15
letters = pytest.mark.parametrize("letter", "SZ")  # the others are of the same rows


@pytest.fixture(scope="module")
def cublas():
    return Cublas()


def columns(x, pad=2):
    """A batch of matrices by columns that are longer than needed: memory, pointers to each, leading
    dimension."""
    memory = np.full((x.shape[0], x.shape[2], x.shape[1] + pad), np.nan, x.dtype)
    memory[:, :, : x.shape[1]] = x.transpose(0, 2, 1)
    return memory, pointers(memory), x.shape[1] + pad


def pointers(memory):
    return np.array([x.ctypes.data for x in memory], "u8")


def close(memory, want, letter):
    found = memory[:, :, : want.shape[1]].transpose(0, 2, 1)
    eps = 1e-3 if letter in "SC" else 1e-10
    np.testing.assert_allclose(found, want, rtol=eps, atol=eps)
    assert np.isnan(memory[:, :, want.shape[1] :]).all()


@letters
@pytest.mark.parametrize("batch", [3, 21])
def test_factors_solutions_and_inverses(cublas, letter, batch):
    d, n, r = LETTERS[letter], 17, 4
    A = (random(d, batch, n, n) + n * np.roll(np.eye(n), 1, 0)).astype(d)
    B, p = random(d, batch, n, r, seed=1), np.zeros((batch, n), "i4")
    info, inverse = np.full(batch, 9, "i4"), np.linalg.inv(wide(A))
    (_a, at, lda), (c, ct, ldc) = columns(A), columns(np.zeros_like(A))
    assert cublas(f"{letter}matinvBatched", n, at, lda, ct, ldc, info, batch) == SUCCESS
    close(c, inverse, letter)
    assert (info == 0).all()
    info[:] = 9
    assert cublas(f"{letter}getrfBatched", n, at, lda, p, info, batch) == SUCCESS
    assert (info == 0).all()
    c[:, :, :n] = 7
    assert cublas(f"{letter}getriBatched", n, at, lda, p, ct, ldc, info, batch) == SUCCESS
    close(c, inverse, letter)
    for trans in "NTC":
        (b, bt, ldb), one = columns(B), np.full(1, 9, "i4")
        end = (n, r, at, lda, p, bt, ldb, one, batch)
        assert cublas(f"{letter}getrsBatched", "NTC".index(trans), *end) == SUCCESS
        close(
            b,
            np.stack([np.linalg.solve(op(x, trans), y) for x, y in zip(wide(A), wide(B))]),
            letter,
        )
        assert one[0] == 0


def test_no_pivots_and_singular_matrices(cublas):
    A = np.stack([np.eye(3) * 2, np.ones((3, 3))])
    (_, at, lda), info = columns(A, 0), np.full(2, 9, "i4")
    assert cublas("DgetrfBatched", 3, at, lda, None, info, 2) == SUCCESS
    assert info.tolist() == [0, 2]
    b, bt, ldb = columns(np.ones((2, 3, 1)), 0)
    assert cublas("DgetrsBatched", 0, 3, 1, at, lda, None, bt, ldb, info, 1) == SUCCESS
    assert (b[0] == 0.5).all() and (b[1] == 1).all()


@letters
def test_orthogonal_factors_and_least_squares(cublas, letter):
    d, batch, m, n, r = LETTERS[letter], 2, 11, 6, 3
    A, B = random(d, batch, m, n), random(d, batch, m, r, seed=1)
    (a, at, lda), tau, one = columns(A), np.zeros((batch, n), d), np.full(1, 9, "i4")
    assert cublas(f"{letter}geqrfBatched", m, n, at, lda, pointers(tau), one, batch) == SUCCESS
    R = np.abs(np.stack([np.triu(x[:, :n].T) for x in a[:, :, :n]]))
    want = np.abs(np.stack([np.linalg.qr(x, "r") for x in wide(A)]))
    np.testing.assert_allclose(R, want, rtol=1e-3, atol=1e-3)
    assert one[0] == 0 and tau.all()
    (a, at, lda), (b, bt, ldb), info = columns(A), columns(B), np.full(batch, 9, "i4")
    end = (m, n, r, at, lda, bt, ldb, one, info, batch)
    assert cublas(f"{letter}gelsBatched", 0, *end) == SUCCESS
    want = np.stack([np.linalg.lstsq(x, y)[0] for x, y in zip(wide(A), wide(B))])
    found = b[:, :, :n].transpose(0, 2, 1)
    np.testing.assert_allclose(found, want, rtol=1e-3, atol=1e-3)
    assert (info == 0).all()
    assert cublas(f"{letter}gelsBatched", 1, *end) == NOT_SUPPORTED
    (_a, at, lda), (c, ct, ldc) = columns(A), columns(B)
    end = (m, n, r, at, lda, ct, ldc, one, None, batch)
    assert cublas(f"{letter}gelsBatched", 0, *end) == SUCCESS
    np.testing.assert_array_equal(c, b)


@pytest.mark.parametrize("letter", "SDCZ")
@pytest.mark.parametrize("mode", [HOST, DEVICE])
def test_triangular_solutions(cublas, letter, mode):
    d, batch, m, n = LETTERS[letter], 2, 9, 5
    alpha = np.array([2]).astype(d)
    cublas.pointers(mode)
    cases = list(itertools.product((0, 1), (0, 1), "NTC", (0, 1)))  # each is compiled
    step = 24 if mode == DEVICE else 1 if letter in "SZ" else 5
    for side, fill, trans, diag in cases[::step]:
        order, lower = (n if side else m), fill == 0
        dense = (random(d, batch, order, order) / order + 2 * np.eye(order)).astype(d)
        a, at, lda = columns(np.stack([stored(x, "full", lower) for x in dense]))
        M = [op(triangular(wide(x), lower, diag == 1), trans) for x in dense]
        X = random(d, batch, m, n)
        B = np.stack([(x @ t if side else t @ x) / 2 for x, t in zip(wide(X), M)]).astype(d)
        b, bt, ldb = columns(B)
        head = (side, fill, "NTC".index(trans), diag, m, n, alpha)
        name = f"{letter}trsmBatched" + ("_64" if diag else "")
        assert cublas(name, *head, at, lda, bt, ldb, batch) == SUCCESS
        close(b, wide(X), letter)
    cublas.pointers(HOST)


def test_what_is_wrong_has_the_vendors_status(cublas):
    _, at, _ = columns(np.ones((1, 4, 4), "f4"), 0)
    one, info = np.ones(1, "f4"), np.zeros(1, "i4")
    for n, lda, batch in [(-1, 4, 1), (4, 3, 1), (4, 4, -1)]:
        assert cublas("SgetrfBatched", n, at, lda, None, info, batch) == INVALID
        assert cublas("SmatinvBatched", n, at, lda, at, 4, info, batch) == INVALID
        assert cublas("StrsmBatched", 0, 0, 0, 0, n, 4, one, at, lda, at, 4, batch) == INVALID
    assert cublas("SmatinvBatched", 33, at, 33, at, 33, info, 1) == INVALID
    for number, start in [(1, (3, 4, 1)), (2, (0, -1, 1)), (3, (0, 4, -1))]:
        assert cublas("SgetrsBatched", *start, at, 4, None, at, 4, info, 1) == INVALID
        assert info[0] == -number
    assert cublas("SgeqrfBatched", 4, 4, at, 3, at, info, 1) == INVALID
    assert info[0] == -4
    assert cublas("SgetrfBatched", 0, None, 1, None, info, 0) == SUCCESS


def test_an_empty_matrix_of_a_batch_is_not_looked_for(cublas):
    info = np.full(2, 9, "i4")
    for wild in (ctypes.c_void_p(8), None):
        info[:] = 9
        assert cublas("SgetrfBatched", 0, wild, 1, None, info, 2) == SUCCESS
        assert (info == 0).all()


@pytest.mark.parametrize("which", ["pivots", "info", "matrix"])
def test_results_do_not_overwrite_the_array_that_leads_to_them(cublas, which):
    A, info = np.stack([np.eye(4, dtype="f4")] * 3), np.zeros(3, "i4")
    memory, at, lda = columns(A, 0)
    pivots = np.zeros((3, 4), "i4")
    if which == "matrix":
        at[1] = at.ctypes.data
    before = at.copy()
    given = {"pivots": (at, info), "info": (pivots, at), "matrix": (pivots, info)}[which]
    assert cublas("SgetrfBatched", 4, at, lda, *given, 3) == EXECUTION_FAILED
    assert (at == before).all() and (memory.transpose(0, 2, 1) == A).all()
