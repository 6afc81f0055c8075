"""cuBLAS's level 1 by ctypes, in both pointer modes and integer widths, against numpy."""

import itertools

import numpy as np
import pytest
from cublas import DEVICE, HOST, LETTERS, Cublas

INVALID, NOT_SUPPORTED = 7, 15
R_32F, R_64F, R_16F, C_32F, C_64F, R_16BF = 0, 1, 2, 4, 5, 14
TYPES = {"S": R_32F, "D": R_64F, "C": C_32F, "Z": C_64F}
PART = {"S": "f4", "D": "f8", "C": "f4", "Z": "f8"}
# Each class of calls is compiled once a run: what the two pointer modes, the letters and the steps
# share is met once.
MODES = [(HOST, "S", ""), (HOST, "D", "_64"), (HOST, "C", "_64"), (HOST, "Z", "")]
MODES += [(DEVICE, "S", "_64"), (DEVICE, "Z", "")]
STEPS = {"S": [(1, 1), (2, -3), (-2, -2)], "D": [(1, 1)], "C": [(3, -1)], "Z": [(1, 1), (2, -3)]}


@pytest.fixture(scope="module")
def cublas():
    return Cublas()


@pytest.fixture
def pointers(mode, cublas):
    cublas.pointers(mode)
    yield
    cublas.pointers(HOST)


def vector(n, inc, letter, seed=0):
    """Memory for n elements, and those in BLAS's order."""
    random = np.random.default_rng([n, seed])
    parts = random.standard_normal((2, max(n, 1) * abs(inc) + 1))
    x = (parts[0] + 1j * parts[1] if letter in "CZ" else parts[0]).astype(LETTERS[letter])
    return x, x[: max(n - 1, 0) * abs(inc) + 1 : abs(inc)][:n][:: 1 if inc > 0 else -1]


def close(found, want, letter):
    eps = 1e-5 if letter in "SC" else 1e-13
    np.testing.assert_allclose(found, want, rtol=eps, atol=eps * 10)


@pytest.mark.parametrize("mode, letter, width", MODES)
def test_updates(cublas, pointers, letter, width):
    one = np.array([1.5 - 0.5j if letter in "CZ" else 1.5]).astype(LETTERS[letter])
    real = np.array([0.6], PART[letter])
    for n, (incx, incy) in itertools.product([0, 1, 9, 200], STEPS[letter]):
        (x, X), (y, Y) = vector(n, incx, letter), vector(n, incy, letter, 1)
        before, want = x.copy(), one * X + Y
        assert cublas(f"{letter}axpy_v2{width}", n, one, x, incx, y, incy) == 0
        close(Y, want, letter)
        np.testing.assert_array_equal(x, before)
        u, v = X.copy(), Y.copy()
        assert cublas(f"{letter}rot_v2{width}", n, x, incx, y, incy, real, one) == 0
        close(X, real * u + one * v, letter)
        close(Y, real * v - one.conj() * u, letter)
        u, v = X.copy(), Y.copy()
        assert cublas(f"{letter}swap_v2{width}", n, x, incx, y, incy) == 0
        close(X, v, letter), close(Y, u, letter)
        assert cublas(f"{letter}copy_v2{width}", n, x, incx, y, incy) == 0
        close(Y, v, letter)
        assert cublas(f"{letter}scal_v2{width}", n, one, x, incx) == 0
        close(X, one * v if incx > 0 else v, letter)
        if letter in "CZ":
            name = {"C": "Cs", "Z": "Zd"}[letter]
            assert cublas(f"{name}scal_v2{width}", n, real, y, incy) == 0
            close(Y, real * v if incy > 0 else v, letter)
            u, v = X.copy(), Y.copy()
            assert cublas(f"{name}rot_v2{width}", n, x, incx, y, incy, real, real) == 0
            close(X, real * (u + v), letter)


@pytest.mark.parametrize("mode, letter, width", MODES)
def test_sums(cublas, pointers, letter, width):
    lower, part = letter.lower(), PART[letter]
    norm = {"C": "Sc", "Z": "Dz"}.get(letter, letter)
    for n, (incx, incy) in itertools.product([0, 1, 9, 70_001], STEPS[letter]):
        (x, X), (y, Y) = vector(n, incx, letter), vector(n, incy, letter, 1)
        out, real, index = np.ones(1, x.dtype), np.ones(1, part), np.full(1, 9, "i8")
        index = index.view("i8" if width else "i4")
        for name, first in (("dotu", X), ("dotc", X.conj())) if letter in "CZ" else (("dot", X),):
            assert cublas(f"{letter}{name}_v2{width}", n, x, incx, y, incy, out) == 0
            np.testing.assert_allclose(out[0], (first * Y).sum(), rtol=1e-4, atol=1e-3)
        sizes = abs(X.real) + abs(X.imag)
        if incx < 0:
            sizes = sizes[:0]  # the result is 0
        assert cublas(f"{norm}asum_v2{width}", n, x, incx, real) == 0
        np.testing.assert_allclose(real[0], sizes.sum(), rtol=1e-5)
        assert cublas(f"{norm}nrm2_v2{width}", n, x, incx, real) == 0
        np.testing.assert_allclose(real[0], np.linalg.norm(X) if incx > 0 else 0, rtol=1e-5)
        for name, at in (("amax", np.argmax), ("amin", np.argmin)):
            assert cublas(f"I{lower}{name}_v2{width}", n, x, incx, index) == 0
            assert index[0] == (at(sizes) + 1 if sizes.size else 0)


@pytest.mark.parametrize("mode", [HOST, DEVICE])
@pytest.mark.parametrize("letter", "SDCZ")
def test_rotations_are_made(cublas, pointers, letter):
    a, b = (np.array([v]).astype(LETTERS[letter]) for v in (3, 4))
    c, s = np.zeros(1, PART[letter]), np.zeros(1, LETTERS[letter])
    assert cublas(f"{letter}rotg_v2", a, b, c, s) == 0
    close([*a, *c, *s], [5, 0.6, 0.8], letter)
    assert letter in "CZ" or np.isclose(b[0], 1 / 0.6)
    if letter in "SD":
        d1, d2, x1, y1 = (np.array([v], LETTERS[letter]) for v in (2, 3, 5, 7))
        param = np.full(5, -9, LETTERS[letter])
        assert cublas(f"{letter}rotmg_v2", d1, d2, x1, y1, param) == 0
        close(param, [1, 10 / 21, -9, -9, 5 / 7], letter)
        x, y = np.array([5, 1], LETTERS[letter]), np.array([7, 1], LETTERS[letter])
        assert cublas(f"{letter}rotm_v2", 2, x, 1, y, 1, param) == 0
        close(y, [0, 5 / 7 - 1], letter)


@pytest.mark.parametrize("data, execution", [(R_16F, R_32F), (R_16BF, R_32F), (C_64F, C_64F)])
def test_the_calls_with_types(cublas, data, execution):
    """bfloat16 is seen by numpy as the upper half of float32."""
    n, kind = 100, {R_16F: "f2", C_64F: "c16"}.get(data, "f4")
    values = np.random.default_rng(0).integers(-8, 9, (2, n)).astype(kind)

    def held(x):
        return x.view("u2")[1::2].copy() if data == R_16BF else x.copy()

    def value(x):
        return (x.astype("u4") << 16).view("f4") if data == R_16BF else x

    x, y = map(held, values)
    X, Y = (v.astype("c16" if kind == "c16" else "f8") for v in values)
    alpha, out = np.array([2], "f4" if execution == R_32F else "c16"), held(values[0][:1])
    part = {C_64F: R_64F}.get(data, data)
    factor = R_32F if execution == R_32F else data
    assert cublas("AxpyEx", n, alpha, factor, x, data, 1, y, data, 1, execution) == 0
    np.testing.assert_array_equal(value(y), 2 * X + Y)
    assert cublas("ScalEx_64", n, alpha, factor, y, data, 1, execution) == 0
    np.testing.assert_array_equal(value(y), 2 * (2 * X + Y))
    assert cublas("CopyEx", n, x, data, 1, y, data, 1) == 0
    np.testing.assert_array_equal(value(y), X)
    assert cublas("DotEx", 9, x, data, 1, y, data, 1, out, data, execution) == 0
    np.testing.assert_allclose(value(out), [(X[:9] ** 2).sum()], rtol=1e-2)
    real = out if data != C_64F else np.zeros(1)
    assert cublas("Nrm2Ex", n, x, data, 1, real, part, R_64F if data == C_64F else R_32F) == 0
    np.testing.assert_allclose(value(real), np.linalg.norm(X), rtol=1e-2)
    index = np.zeros(1, "i4")
    assert cublas("IamaxEx", n, x, data, 1, index) == 0 and index[0] == abs(X).argmax() + 1


def test_what_is_wrong_has_the_vendors_status(cublas):
    x, one = np.ones(4, "f4"), np.ones(1, "f4")
    assert cublas("Saxpy_v2", 4, None, x, 1, x, 1) == INVALID
    assert cublas("Saxpy_v2", 4, one, None, 1, x, 1) == INVALID
    assert cublas("Sdot_v2", 4, x, 1, x, 1, None) == INVALID
    assert cublas("Sscal_v2", -4, one, x, 1) == 0  # nothing to do
    assert cublas("Sdot_v2", -1, x, 1, x, 1, one) == 0 and one[0] == 0
    assert cublas("AxpyEx", 4, one, R_32F, x, R_32F, 1, x, R_64F, 1, R_32F) == NOT_SUPPORTED
    assert cublas("Scopy_v2_64", 1 << 62, x, 1 << 62, x, 1) == INVALID
    assert cublas.library.cublasSscal_v2(None, 4, one.ctypes, x.ctypes, 1) == 1
