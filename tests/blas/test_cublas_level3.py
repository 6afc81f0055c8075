"""cuBLAS's level 3 beside gemm by ctypes, by columns, against float64. What must not be read is
NaN."""

import ctypes
import itertools

import numpy as np
import pytest
from cublas import DEVICE, HOST, LETTERS, Cublas
from forms import op, random, stored, symmetric, triangular, wide
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opencu import shims

SUCCESS, INVALID, NOT_SUPPORTED = 0, 7, 15
SIDES = [(0, True), (1, False)]


@pytest.fixture(scope="module")
def cublas():
    return Cublas()


def columns(x, pad=2):
    """A matrix in columns that are longer than needed: memory, leading dimension."""
    memory = np.full((x.shape[1], x.shape[0] + pad), np.nan, x.dtype)
    memory[:, : x.shape[0]] = x.T
    return memory, x.shape[0] + pad


def close(memory, want, letter):
    found = memory[:, : want.shape[0]].T
    there = ~np.isnan(want)
    eps = 1e-4 if letter in "SC" else 1e-12
    assert (np.isnan(found) == ~there).all()
    np.testing.assert_allclose(found[there], want[there], rtol=eps, atol=eps)


@pytest.mark.parametrize("letter, mode", [("S", DEVICE), ("Z", HOST)])
def test_symmetric_and_triangular_factors(cublas, letter, mode):
    d, (m, n) = LETTERS[letter], (9, 40)
    alpha, beta = (np.array([x]).astype(d) for x in (0.5, -2))
    cublas.pointers(mode)
    for (fill, lower), where in zip(SIDES, (0, 1)):
        order = n if where else m
        dense = random(d, order, order) / order + 2 * np.eye(order, dtype=d)
        (a, lda), B = columns(stored(dense, "full", lower)), random(d, m, n)
        b, ldb = columns(B)
        for name, hermitian in [("symm", False), ("hemm", True)][: 1 + (letter == "Z")]:
            c, ldc = columns(B)
            M = symmetric(wide(dense), lower, hermitian)
            end = (alpha, a, lda, b, ldb, beta, c, ldc)
            assert cublas(f"{letter}{name}_v2", where, fill, m, n, *end) == SUCCESS
            close(c, 0.5 * (wide(B) @ M if where else M @ wide(B)) - 2 * wide(B), letter)
        t, trans = (2, "C") if letter == "Z" else (1, "T")
        M = op(triangular(wide(dense), lower, True), trans)
        c, ldc = columns(B)
        head = (where, fill, t, 1, m, n, alpha, a, lda)
        assert cublas(f"{letter}trmm_v2_64", *head, c, ldc, c, ldc) == SUCCESS
        close(c, 0.5 * (wide(B) @ M if where else M @ wide(B)), letter)
        alpha[0] = 2
        assert cublas(f"{letter}trsm_v2", *head, c, ldc) == SUCCESS
        alpha[0] = 0.5
        close(c, wide(B), letter)
    cublas.pointers(HOST)


@pytest.mark.parametrize("letter, mode", [("S", HOST), ("Z", DEVICE)])
def test_updates_of_one_side(cublas, letter, mode):
    d, n, k = LETTERS[letter], 30, 7
    alpha, half = np.array([0.5 - 0.25j if letter == "Z" else 0.5]).astype(d), np.array([0.5])
    two, minus = np.array([2]).astype(d), np.array([-1.0])
    kinds = {"S": ["syrk", "syr2k", "syrkx"], "Z": ["herk", "her2k", "herkx", "syr2k"]}[letter]
    cublas.pointers(mode)
    for ((fill, lower), turned), name in itertools.product(zip(SIDES, (False, True)), kinds):
        hermitian = name[0] == "h"
        trans = ("C" if hermitian else "T") if turned else "N"
        shape, dense = (k, n) if turned else (n, k), random(d, n, n)
        A, B = random(d, *shape), random(d, *shape, seed=1)
        (a, lda), (b, ldb), (c, ldc) = columns(A), columns(B), columns(stored(dense, "full", lower))
        A, B = op(wide(A), trans), op(wide(B), trans)
        second = np.conj if hermitian else (lambda x: x)
        factor = half if name == "herk" else alpha
        scale = minus if hermitian else two
        other = () if name in ("syrk", "herk") else (b, ldb)
        suffix = "" if name.endswith("x") else "_v2"
        arguments = (fill, "NTC".index(trans), n, k, factor, a, lda, *other, scale, c, ldc)
        assert cublas(f"{letter}{name}{suffix}", *arguments) == SUCCESS
        want = factor[0] * A @ second(B if other else A).T
        if "2k" in name:
            want = want + second(factor[0]) * B @ second(A).T
        want = want + scale[0] * symmetric(wide(dense), lower, hermitian)
        if hermitian:
            np.fill_diagonal(want, np.diag(want).real)
        close(c, stored(want, "full", lower), letter)
    cublas.pointers(HOST)


def test_typed_updates(cublas):
    n, k, C32 = 9, 4, 4
    A, c = random("c8", n, k), np.zeros((n, n), "c8")
    a, lda = columns(A)
    one, zero = np.ones(1, "f4"), np.zeros(1, "f4")
    assert cublas("CherkEx", 0, 0, n, k, one, a, C32, lda, zero, c, C32, n) == SUCCESS
    np.testing.assert_allclose(np.tril(c.T), np.tril(A @ A.conj().T), rtol=1e-5, atol=1e-5)
    assert cublas("CsyrkEx", 0, 0, n, k, one, a, 0, lda, zero, c, C32, n) == NOT_SUPPORTED


def test_a_captured_solution_reads_alpha_when_it_runs(cublas):
    runtime = ctypes.CDLL(f"{shims.lib_dir()}/libcudart.so.13")
    stream, graph, ready = (ctypes.c_void_p() for _ in range(3))
    a, b, alpha = 4 * np.eye(3), np.ones((3, 3)), np.array([2.0])
    assert runtime.cudaStreamCreate(ctypes.byref(stream)) == 0
    assert cublas("SetStream_v2", stream) == SUCCESS
    cublas.pointers(DEVICE)
    assert runtime.cudaStreamBeginCapture(stream, 0) == 0
    assert cublas("Dtrsm_v2", 0, 0, 0, 0, 3, 3, alpha, a, 3, b, 3) == SUCCESS
    assert cublas("Dtrmm_v2", 0, 0, 0, 0, 3, 3, alpha, a, 3, b, 3, b, 3) == SUCCESS
    assert runtime.cudaStreamEndCapture(stream, ctypes.byref(graph)) == 0
    cublas.pointers(HOST)
    assert cublas("SetStream_v2", None) == SUCCESS
    assert runtime.cudaGraphInstantiate(ctypes.byref(ready), graph, ctypes.c_uint64(0)) == 0
    for alpha[0] in (2, 3):
        b[:] = 1
        assert runtime.cudaGraphLaunch(ready, stream) == 0
        assert runtime.cudaStreamSynchronize(stream) == 0
        assert (b == alpha[0] ** 2).all()


def test_what_is_wrong_has_the_vendors_status(cublas):
    a, one = np.ones((4, 4), "f4"), np.ones(1, "f4")
    z, real = np.ones((4, 4), "c16"), np.ones(1)
    for head in [(2, 0, 4, 4), (0, 2, 4, 4), (0, 0, -1, 4), (0, 0, 4, -1)]:
        assert cublas("Ssymm_v2", *head, one, a, 4, a, 4, one, a, 4) == INVALID
    for lds in [(3, 4, 4), (4, 3, 4), (4, 4, 3)]:
        end = (a, lds[0], a, lds[1], one, a, lds[2])
        assert cublas("Ssymm_v2", 0, 0, 4, 4, one, *end) == INVALID
    assert cublas("Ssyrk_v2", 0, 3, 4, 4, one, a, 4, one, a, 4) == INVALID
    assert cublas("Zherk_v2", 0, 1, 4, 4, real, z, 4, real, z, 4) == INVALID
    assert cublas("Zsyrk_v2", 0, 2, 4, 4, z, z, 4, z, z, 4) == INVALID
    assert cublas("Ssyrk_v2", 0, 0, 4, 4, None, a, 4, one, a, 4) == INVALID
    assert cublas("Strsm_v2", 0, 0, 0, 2, 4, 4, one, a, 4, a, 4) == INVALID
    assert cublas("Strmm_v2", 0, 0, 0, 0, 2, 2, one, a, 4, z, 4, z, 3) == INVALID  # other strides
    assert cublas("Strsm_v2", 0, 0, 0, 0, 4, 4, one, a, 3, a, 4) == INVALID
    assert cublas("Strsm_v2", 0, 0, 0, 0, 0, 4, one, None, 1, None, 1) == SUCCESS


def bytewise(a, b, a_bias, b_bias, c_bias, mult, shift):
    """cublasUint8gemmBias on Python's integers."""
    sums = (a.astype(object) - a_bias) @ (b.astype(object) - b_bias) + c_bias
    shift %= 32
    if shift == 31:
        return np.zeros(sums.shape, "u1")
    scaled = (sums * mult + ((1 << shift) >> 1)) // (1 << shift)
    return np.clip(scaled, 0, 255).astype("u1")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    shape=st.tuples(*map(st.sampled_from, ([1, 2, 5, 17, 40], [1, 3, 37], range(10)))),
    ops=st.tuples(*[st.integers(0, 2)] * 3), bias=st.tuples(*[st.integers(-300, 300)] * 3),
    mult=st.integers(-3, 5000), shift=st.integers(0, 66),
)  # fmt: skip
def test_bytes_with_offsets(cublas, shape, ops, bias, mult, shift):
    m, n, k = shape
    rng = np.random.default_rng(m * n + k)
    A, B = rng.integers(0, 256, (m, k), "u1"), rng.integers(0, 256, (k, n), "u1")
    (a, lda), (b, ldb), (c, ldc) = (
        bytes_of(x, o) for x, o in zip((A, B, np.zeros((m, n), "u1")), ops)
    )
    end = (a, bias[0], lda, b, bias[1], ldb, c, bias[2], ldc, mult, shift)
    assert cublas("Uint8gemmBias", *ops, m, n, k, *end) == SUCCESS
    want = bytes_of(bytewise(A, B, *bias, mult, shift), ops[2])[0]
    np.testing.assert_array_equal(c, want)


def bytes_of(x, turned):
    """By columns that are longer than needed, filled with 77; of the transpose."""
    x = x.T if turned else x
    memory = np.full((x.shape[1], x.shape[0] + 2), 77, "u1")
    memory[:, : x.shape[0]] = x.T
    return memory, x.shape[0] + 2


def test_bytes_that_are_refused(cublas):
    x = np.ones((4, 4), "u1")
    good = [0, 0, 0, 4, 4, 4, x, 0, 4, x, 0, 4, x, 0, 4, 1, 0]
    for at, wrong in [(0, 3), (2, 9), (3, -1), (5, -1), (8, 3), (11, 3), (14, 3), (6, None)]:
        given = [*good[:at], wrong, *good[at + 1 :]]
        assert cublas("Uint8gemmBias", *given) == INVALID
    assert (x == 1).all()
    assert cublas("Uint8gemmBias", 0, 0, 0, 0, 4, 4, x, 0, 1, x, 0, 4, x, 0, 1, 1, 0) == SUCCESS
