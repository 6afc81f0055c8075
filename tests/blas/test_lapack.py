"""Stacks of small systems in Python against numpy in double precision, on every device."""

import numpy as np
import pytest
from forms import random, wide

import opencu
from opencu import blas

EPS = {"f4": 2e-4, "f8": 1e-11, "c8": 4e-4, "c16": 1e-11}
dtypes = pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
layouts = pytest.mark.parametrize(
    "dtype, columns", [("f4", False), ("f8", True), ("c8", True), ("c16", False)]
)
SIZES = [(0, 3, 2), (1, 0, 1), (1, 1, 1), (3, 5, 1), (4, 16, 3), (2, 37, 20), (1, 67, 1)]
SIZES += [(8, 0, 1), (9, 1, 2), (41, 16, 1), (70, 31, 32), (8, 32, 0)]  # side by side on the CPU


copies = pytest.mark.parametrize("copies", [1, 5])  # of few matrices; many lie side by side


def few(device, dtype):
    """Each class of calls is compiled on each device: not all dtypes on all."""
    if device.name != "cpu:0" and dtype in ("f8", "c8"):
        pytest.skip("beside the CPU float32 and complex128 are tested")


def close(found, want, dtype):
    np.testing.assert_allclose(np.asarray(found), want, rtol=EPS[dtype], atol=EPS[dtype])


def stacks(device, dtype, batch, n, r, columns=False):
    """Matrices far from singular, and right sides; by columns, with longer columns than needed."""
    a = random(dtype, batch, n, n)
    a = (a + n * np.roll(np.eye(n, dtype=dtype), 1, 0)).astype(dtype)  # exchanges every row
    b = random(dtype, batch, n, r, seed=1)
    if columns:
        return [strided(device, x) for x in (a, b)]
    return [opencu.asarray(x.copy(), device) for x in (a, b)]


def strided(device, x):
    memory = np.full((x.shape[0], x.shape[2], x.shape[1] + 3), np.nan, x.dtype)
    memory[:, :, : x.shape[1]] = x.transpose(0, 2, 1)
    return opencu.asarray(memory, device).transpose(0, 2, 1)[:, : x.shape[1]]


@layouts
def test_factors_solutions_and_inverses(device, dtype, columns):
    few(device, dtype)
    for batch, n, r in SIZES:
        a, b = stacks(device, dtype, batch, n, r, columns)
        A, B = (wide(np.array(np.asarray(x))) for x in (a, b))
        inverse, info = blas.matinv(a)
        close(inverse, np.linalg.inv(A), dtype)
        assert not np.asarray(info).any()
        lu, pivots, info = blas.getrf(a)
        assert lu is a and not np.asarray(info).any()
        L, U = np.tril(np.asarray(a), -1) + np.eye(n), np.triu(np.asarray(a))
        permuted = A.copy()
        for z in range(batch):
            for i, p in enumerate(np.asarray(pivots)[z] - 1):
                permuted[z, [i, p]] = permuted[z, [p, i]]
        close(wide(L) @ wide(U), permuted, dtype)
        inverse, info = blas.getri(a, pivots)
        close(inverse, np.linalg.inv(A), dtype)
        for trans, M in (("N", A), ("T", A.swapaxes(1, 2)), ("C", A.conj().swapaxes(1, 2))):
            x = opencu.asarray(B.astype(dtype), device)
            close(blas.getrs(a, pivots, x, trans=trans), np.linalg.solve(M, B), dtype)
        blas.getrs(a, pivots, b)
        close(b, np.linalg.solve(A, B), dtype)


@dtypes
@copies
def test_largest_pivots_are_lapacks(device, dtype, copies):
    a = np.array([[1, 2], [4, 3], [-4, 1]], dtype)[None, :, :]
    a = np.concatenate([a, np.array([[[0], [1], [1]]], dtype)], 2)
    lu, pivots, info = blas.getrf(opencu.asarray(np.repeat(a, 2 * copies, 0), device))
    assert np.asarray(pivots).tolist() == [[2, 3, 3]] * 2 * copies  # the first of the largest
    assert np.abs(np.tril(np.asarray(lu), -1)).max() <= 1


@copies
def test_without_pivots_rows_stay(device, copies):
    A = random("f8", 3 * copies, 9, 9) + 20 * np.eye(9)
    lu, pivots, info = blas.getrf(opencu.asarray(A.copy(), device), pivot=False)
    assert pivots is None and not np.asarray(info).any()
    found = np.asarray(lu)
    close((np.tril(found, -1) + np.eye(9)) @ np.triu(found), A, "f8")
    b = opencu.asarray(np.ones((3 * copies, 9, 1)), device)
    close(blas.getrs(lu, None, b), np.linalg.solve(A, np.ones((3 * copies, 9, 1))), "f8")
    close(blas.getri(lu, None)[0], np.linalg.inv(A), "f8")


@copies
def test_info_says_where_a_factor_is_zero(device, copies):
    A = np.stack([np.eye(4), np.ones((4, 4)), np.zeros((4, 4)), np.diag([1.0, 2, 3, 0])] * copies)
    lu, pivots, info = blas.getrf(opencu.asarray(A.copy(), device))
    assert np.asarray(info).tolist() == [0, 2, 1, 4] * copies
    assert np.asarray(blas.getri(lu, pivots)[1]).tolist() == [0, 2, 1, 4] * copies
    inverse, info = blas.matinv(opencu.asarray(A.copy(), device))
    assert np.asarray(info).tolist() == [0, 2, 1, 4] * copies
    assert (np.asarray(inverse)[0] == np.eye(4)).all()


@copies
def test_nan_stays_in_its_own_matrix(device, copies):
    A = np.stack([np.eye(5), np.full((5, 5), np.nan), 2 * np.eye(5)] * copies)
    inverse = np.asarray(blas.matinv(opencu.asarray(A, device))[0])
    assert np.isnan(inverse[1]).all()
    assert (inverse[0] == np.eye(5)).all() and (inverse[2] == 0.5 * np.eye(5)).all()


@layouts
@pytest.mark.parametrize("m, n, r", [(0, 0, 1), (1, 1, 1), (7, 3, 2), (40, 21, 5), (3, 7, 0)])
def test_orthogonal_factors_and_least_squares(device, dtype, columns, m, n, r):
    few(device, dtype)
    A, B = random(dtype, 3, m, n), random(dtype, 3, m, r, seed=1)
    put = strided if columns else lambda d, x: opencu.asarray(x.copy(), d)
    qr, tau = blas.geqrf(put(device, A))
    found, k = wide(np.asarray(qr)), min(m, n)
    for z in range(3):
        Q = np.eye(m, dtype=found.dtype)
        for i in range(k):
            v = np.r_[np.zeros(i), 1, found[z, i + 1 :, i]]
            Q = Q @ (np.eye(m) - np.asarray(tau)[z, i] * np.outer(v, v.conj()))
        close(Q @ np.triu(found[z]), A[z], dtype)
        close(Q.conj().T @ Q, np.eye(m), dtype)
    if m >= n:
        x, info = blas.gels(put(device, A), put(device, B))
        want = np.stack([np.linalg.lstsq(wide(a), wide(b))[0] for a, b in zip(A, B)])
        close(np.asarray(x)[:, :n], want, dtype)
        assert not np.asarray(info).any()


def test_least_squares_of_extreme_numbers(device):
    """Lengths are made without squares that overflow or vanish."""
    for scale in (1e-180, 1e180):
        A, B = random("f8", 1, 9, 4) * scale, random("f8", 1, 9, 1, seed=1)
        x, _ = blas.gels(opencu.asarray(A.copy(), device), opencu.asarray(B.copy(), device))
        want = np.linalg.lstsq(A[0] / scale, B[0])[0]
        close(np.asarray(x)[0, :4] * scale, want, "f8")


def test_one_matrix_and_hosts_arrays():
    torch = pytest.importorskip("torch")
    A, b = random("f8", 6, 6) + 6 * np.eye(6), np.ones((6, 2))
    lu, pivots, info = blas.getrf(A.copy())
    assert info.shape == () and pivots.shape == (6,)
    close(blas.getrs(lu, pivots, b.copy()), np.linalg.solve(A, b), "f8")
    inverse, _ = blas.matinv(torch.from_numpy(A))
    assert isinstance(inverse, torch.Tensor)
    close(inverse, np.linalg.inv(A), "f8")


def test_wrong_arguments_are_named():
    a, p, b = np.ones((2, 3, 3)), np.ones((2, 3), "i4"), np.ones((2, 3, 1))
    for call, error, text in [
        (lambda: blas.getrf(a[:, :2]), ValueError, "expected square matrices"),
        (lambda: blas.getrf(a.astype("i4")), TypeError, "a has dtype int32"),
        (lambda: blas.getrf(a[0, 0]), ValueError, "expected 3 dimension"),
        (lambda: blas.getrs(a, p[:1], b), ValueError, r"pivots has shape \(1, 3\)"),
        (lambda: blas.getrs(a, p.astype("i8"), b), TypeError, "pivots has dtype int64"),
        (lambda: blas.getrs(a, p, b[:1]), ValueError, "expected as many matrices"),
        (lambda: blas.getrs(a, p, a[:, ::-1]), ValueError, "b shares memory with a"),
        (lambda: blas.getrs(a, p, b, trans="X"), ValueError, "trans is 'X'"),
        (lambda: blas.gels(a[:, :2], b[:, :2]), ValueError, "at least as many rows"),
    ]:
        with pytest.raises(error, match=text):
            call()
