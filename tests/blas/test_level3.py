"""Level 3 of BLAS in Python: sides, transposes and strides against float64, on every device. What
must not be read is NaN."""

import itertools
import os

import numpy as np
import pytest
from forms import op, random, stored, symmetric, triangular, wide

import opencu
from opencu import blas

EPS = {"f4": 2.0**-19, "f8": 2.0**-47, "c8": 2.0**-18, "c16": 2.0**-46}
orders = pytest.mark.parametrize("dtype, order", [("f4", "F"), ("c16", "F")])
SIDES = [("L", True), ("U", False)]
MIXED = list(itertools.product(SIDES, "LR"))
SIZES = [(0, 3), (1, 1), (7, 130), (201, 33)]


def close(found, want, dtype, size):
    found, want = np.asarray(found), np.asarray(want)
    there = ~np.isnan(want)
    assert (np.isnan(found) == ~there).all()
    tolerance = dict(rtol=EPS[dtype], atol=EPS[dtype] * (size + 1))
    np.testing.assert_allclose(found[there], want[there], **tolerance)


def on(device, *arrays, order="K"):
    return [opencu.asarray(np.array(a, order=order), device) for a in arrays]


def side(dense, lower):
    return stored(dense, "full", lower)


@orders
def test_symmetric_and_hermitian_factors(device, dtype, order):
    kinds = [("symm", False), ("hemm", True)][: 1 + (dtype[0] == "c")]
    for (name, hermitian), ((uplo, lower), where), (m, n) in itertools.product(
        kinds, [(SIDES[0], "L"), (SIDES[1], "R")] if dtype == "c16" else MIXED, SIZES
    ):
        size = m if where == "L" else n
        dense = random(dtype, size, size)
        a, b, c = on(
            device,
            side(dense, lower),
            random(dtype, m, n),
            random(dtype, m, n, seed=1),
            order=order,
        )
        M, B, C = symmetric(wide(dense), lower, hermitian), wide(np.asarray(b)), wide(np.asarray(c))
        want = 0.5 * (M @ B if where == "L" else B @ M)
        how = dict(side=where, uplo=uplo, alpha=0.5)
        close(getattr(blas, name)(a, b, **how), want, dtype, size)
        close(getattr(blas, name)(a, b, c, beta=-2, **how), want - 2 * C, dtype, size)


@orders
def test_updates_of_one_side(device, dtype, order):
    kinds = [(False, False), (True, True)] if dtype[0] == "c" else [(False, False), (False, True)]
    for (hermitian, turned), (uplo, lower), (n, k) in itertools.product(kinds, SIDES, SIZES):
        trans = ("C" if hermitian else "T") if turned else "N"
        shape = (k, n) if turned else (n, k)
        dense = random(dtype, n, n)
        a, b, c = on(
            device,
            random(dtype, *shape),
            random(dtype, *shape, seed=1),
            side(dense, lower),
            order=order,
        )
        A, B = (op(wide(np.asarray(x)), trans) for x in (a, b))
        C = symmetric(wide(dense), lower, hermitian)
        other = np.conj if hermitian else (lambda x: x)
        alpha = 0.5 - 0.25j if dtype[0] == "c" else 0.5
        prefix, how = "he" if hermitian else "sy", dict(uplo=uplo, trans=trans)
        getattr(blas, f"{prefix}rk")(a, c, alpha=0.5, beta=-1, **how)
        want = 0.5 * A @ other(A).T - C
        close(c, side(want, lower), dtype, k + 2)
        getattr(blas, f"{prefix}r2k")(a, b, c, alpha=alpha, beta=2, **how)
        want = alpha * A @ other(B).T + other(alpha) * B @ other(A).T + 2 * want
        close(c, side(want, lower), dtype, 4 * k + 4)
        fresh = getattr(blas, f"{prefix}rkx")(a, b, **how)
        there = np.tril(np.ones((n, n))) if lower else np.triu(np.ones((n, n)))
        found = wide(np.asarray(fresh)) * there
        want = A @ other(B).T
        if hermitian:
            np.fill_diagonal(want, np.diag(want).real)
        close(found, want * there, dtype, k)


@pytest.mark.parametrize(
    "dtype, trans, order", [("f4", "N", "F"), ("f4", "T", "C"), ("c16", "C", "F")]
)
def test_triangular_products_and_solutions(device, dtype, trans, order):
    cases = zip(MIXED, "NUUN") if dtype == "f4" else [(MIXED[0], "N"), (MIXED[3], "U")]
    for (((uplo, lower), where), diag), (m, n) in itertools.product(cases, SIZES):
        size = m if where == "L" else n
        dense = random(dtype, size, size) / max(size, 1) + 2 * np.eye(size, dtype=dtype)
        a, b = on(device, side(dense, lower), random(dtype, m, n), order=order)
        M, B = op(triangular(wide(dense), lower, diag == "U"), trans), wide(np.array(np.asarray(b)))
        want = 0.5 * (M @ B if where == "L" else B @ M)
        how = dict(side=where, uplo=uplo, trans=trans, diag=diag)
        close(blas.trmm(a, b, alpha=0.5, **how), want, dtype, size)
        assert blas.trmm(a, b, b, alpha=0.5, **how) is b
        close(b, want, dtype, size)
        blas.trsm(a, b, alpha=2, **how)
        close(b, B, dtype, 8 * size)


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8"])
@pytest.mark.parametrize("order", "CF")
def test_products_in_place_read_nothing_that_was_written(dtype, order):
    """Each thread makes columns of its own of b, or rows, in several bands of the triangle."""
    n, others = 1100, 64 * os.cpu_count() + 3
    t = random(dtype, n, n)
    for where, uplo, trans in itertools.product("LR", "LU", "NT"):
        shape = (n, others) if where == "L" else (others, n)
        a, b = t.copy(order), random(dtype, *shape, seed=1).copy(order)
        M, B = op(triangular(wide(t), uplo == "L", False), trans), wide(b)
        blas.trmm(a, b, b, side=where, uplo=uplo, trans=trans)
        close(b, M @ B if where == "L" else B @ M, dtype, n)


@pytest.mark.parametrize("where", "LR")
def test_small_systems_are_solved_by_division(device, where):
    """Not by an inverse, whose rounding shows in what programs expect of 2 x 2 systems."""
    for n in range(1, 17):
        t, b = np.tril(random("f8", n, n)) + 8 * np.eye(n), random("f8", n, 9)
        a, x = on(device, t, b if where == "L" else b.T)
        x = np.asarray(blas.trsm(a, x, side=where, trans="N" if where == "L" else "T"))
        np.testing.assert_array_equal((x if where == "L" else x.T)[0], b[0] / t[0, 0])


def test_alpha_of_zero_reads_no_triangle(device):
    a, b = np.full((3, 3), np.nan), np.full((3, 70), np.nan)
    for function in (blas.trmm, blas.trsm):
        (found,) = on(device, b)
        function(*on(device, a), found, *[found] * (function is blas.trmm), alpha=0)
        assert not np.asarray(found).any()


def test_torch_tensors_and_conjugate_views():
    torch = pytest.importorskip("torch")
    a = torch.complex(torch.randn(9, 9), torch.randn(9, 9)) + 5 * torch.eye(9)
    b = torch.complex(torch.randn(9, 4), torch.randn(9, 4))
    x = blas.trsm(a.conj(), b.clone())
    torch.testing.assert_close(torch.tril(a.conj()) @ x, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda a: blas.symm(a[:2], a), ValueError, "a has shape (2, 3): expected a square matrix"),
        (lambda a: blas.symm(a, a[:2]), ValueError, "b has shape (2, 3): expected 3 along axis 0"),
        (lambda a: blas.symm(a, a, side="X"), ValueError, "side is 'X'"),
        (lambda a: blas.symm(a, a.copy(), a), ValueError, "c shares memory with a"),
        (lambda a: blas.hemm(a, a), TypeError, "a has dtype float64: expected complex64"),
        (lambda a: blas.syrk(a, beta=1), ValueError, "beta is 1 and c is None"),
        (lambda a: blas.syrk(a, a), ValueError, "c shares memory with a"),
        (lambda a: blas.syr2k(a, a[:2]), ValueError, "b has shape (2, 3): expected (3, 3)"),
        (lambda a: blas.herk(a + 0j, alpha=1j), TypeError, "alpha is 1j: expected a real number"),
        (lambda a: blas.herk(a + 0j, trans="T"), ValueError, "trans is 'T': expected 'N' or 'C'"),
        (lambda a: blas.trmm(a, a.copy(), a), ValueError, "c shares memory with a"),
        (lambda a: blas.trmm(a * 2, a, a[::-1]), ValueError, "c shares memory with b"),
        (lambda a: blas.trsm(a, a[::-1]), ValueError, "b shares memory with a"),
        (lambda a: blas.trsm(a, a.astype("f4")), TypeError, "b has dtype float32"),
        (lambda a: blas.trsm(a, a.copy(), alpha="2"), TypeError, "alpha is '2'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call, error, text):
    with pytest.raises(error) as caught:
        call(np.eye(3))
    assert text in str(caught.value)


@orders
def test_sums_of_matrices_and_their_transposes(device, dtype, order):
    for (m, n), x, y in itertools.product(SIZES, "NTC", "NTC"):
        a, b = random(dtype, m, n), random(dtype, m, n, seed=1)
        A, B = (opencu.asarray(op(v, t).copy(order), device) for v, t in ((a, x), (b, y)))
        want = 0.5 * wide(op(op(a, x), x)) - 2 * wide(op(op(b, y), y))
        how = dict(trans_a=x, trans_b=y, alpha=0.5, beta=-2)
        close(blas.geam(A, B, **how), want, dtype, 1)
        if x == "N":
            close(blas.geam(A, B, A, **how), want, dtype, 1)
            assert blas.geam(A, B, A, **how) is A


def test_a_matrix_whose_factor_is_0_is_not_read(device):
    a, b = on(device, np.full((3, 4), np.nan), np.ones((3, 4)))
    assert (np.asarray(blas.geam(a, b, alpha=0, beta=3)) == 3).all()
    assert (np.asarray(blas.geam(b, a, alpha=2, beta=0)) == 2).all()


@pytest.mark.parametrize("dtype", ["f4", "c16"])
def test_stacks_of_triangles(device, dtype):
    for (uplo, lower), where, trans, diag in itertools.product(SIDES, "LR", "NTC", "NU"):
        a = random(dtype, 9, 5, 5) / 5 + np.eye(5, dtype=dtype)
        b = random(dtype, 9, 5, 3, seed=1) if where == "L" else random(dtype, 9, 3, 5, seed=1)
        x = opencu.asarray(b.copy(), device)
        how = dict(side=where, uplo=uplo, trans=trans, diag=diag, alpha=0.5)
        assert blas.trsm(opencu.asarray(a, device), x, **how) is x
        for z in range(9):
            M = op(wide(triangular(a[z], lower, diag == "U")), trans)
            found = wide(np.asarray(x)[z])
            close(M @ found if where == "L" else found @ M, 0.5 * wide(b[z]), dtype, 64)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda a: blas.geam(a, a[:2]), r"op\(a\) has shape \(3, 4\) and op\(b\) \(2, 4\)"),
        (lambda a: blas.geam(a, a.T, a, trans_b="T", trans_a=2), "trans_a is 2: expected one of"),
        (lambda a: blas.geam(a.T, a.T, a.T[::-1]), "c shares memory with a"),
        (lambda a: blas.trsm(np.ones((2, 3, 3)), np.ones((2, 4, 3))), "expected 3 along axis 1"),
        (lambda a: blas.trsm(np.ones((2, 3, 3)), np.ones((3, 3, 3))), "as many matrices as a has"),
    ],
)
def test_sums_and_stacks_that_do_not_fit(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones((3, 4)))
