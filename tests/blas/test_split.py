"""Products of small matrices over a long k, made in parts: runtime/core/split.c."""

import subprocess
import sys

import numpy as np
import pytest

import opencu

RNG = np.random.default_rng(5)
LONG = 8192  # from here on k is split, where it is 64 times as long as m and n
TYPES = ["f4", *(pytest.param(d, marks=pytest.mark.slow) for d in ("f8", "f2", "i1", "c8", "c16"))]


def matrix(rows: int, columns: int, dtype: str) -> np.ndarray:
    if dtype == "i1":
        return RNG.integers(-128, 128, (rows, columns)).astype(dtype)
    x = RNG.standard_normal((rows, columns))
    if dtype[0] == "c":
        x = x + 1j * RNG.standard_normal((rows, columns))
    return x.astype(dtype)


def agree(got: np.ndarray, want: np.ndarray, size: np.ndarray, k: int) -> None:
    """Within the bound of a sum of k products of that size."""
    eps = {"f": 2.0**-24, "d": 2.0**-53, "e": 2.0**-11, "F": 2.0**-22, "D": 2.0**-51, "i": 0}
    bound = (k if got.dtype != np.float16 else 4) * eps[got.dtype.char] * size
    assert (abs(got - want) <= bound).all()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [
        (1, 1, LONG),
        (3, 5, LONG + 1),
        (64, 64, 20_000),
        (70, 9, LONG),
        (128, 3, LONG + 63),
        (1, 100, 33_333),
    ],
)
def test_a_long_k_in_parts_is_the_product(m, n, k, dtype):
    a, b = matrix(m, k, dtype), matrix(k, n, dtype)
    wide = "c16" if dtype[0] == "c" else "f8"
    want, size = a.astype(wide) @ b.astype(wide), abs(a.astype(wide)) @ abs(b.astype(wide))
    for x, y in ((a, b), (np.asfortranarray(a), b), (a, np.asfortranarray(b))):
        agree(opencu.blas.gemm(x, y), want, size, k)


@pytest.mark.parametrize("order", ["C", "F"])
def test_scalars_c_and_epilogues_come_once_after_the_parts(order):
    a, b = matrix(6, LONG, "f4"), matrix(LONG, 33, "f4")
    c, v = np.array(matrix(6, 33, "f4"), order=order), RNG.standard_normal(33).astype("f4")
    exact = a.astype("f8") @ b.astype("f8")
    want = np.maximum(2 * exact + 3 * c + v, 0)
    got = opencu.blas.gemm(a, b, c, alpha=2, beta=3, epilogue=[("bias", v), "relu"])
    assert got is c
    np.testing.assert_allclose(c, want, atol=2e-2)


def test_conjugates_and_an_int8_product_in_f32():
    a, b = matrix(LONG, 4, "c8"), matrix(LONG, 5, "c8")
    want = a.conj().T.astype("c16") @ b.astype("c16")
    np.testing.assert_allclose(opencu.blas.gemm(a, b, trans_a="C"), want, atol=1e-2)
    x, y = matrix(4, LONG, "i1"), matrix(LONG, 5, "i1")
    got = opencu.blas.gemm(x, y, alpha=0.5, out_dtype="float32")
    np.testing.assert_array_equal(got, (0.5 * (x.astype("f8") @ y.astype("f8"))).astype("f4"))


def test_a_nan_stays_in_its_row():
    a, b = matrix(3, LONG, "f4"), matrix(LONG, 4, "f4")
    a[1, LONG - 1] = np.nan
    got = opencu.blas.gemm(a, b)
    assert np.isnan(got[1]).all() and np.isfinite(got[[0, 2]]).all()


def test_the_bits_do_not_depend_on_the_threads():
    code = (
        "import numpy as np, opencu, hashlib; r = np.random.default_rng(1);"
        "a, b = (r.standard_normal(s).astype('f4') for s in ((20, 30000), (30000, 50)));"
        "print(hashlib.sha256(opencu.blas.gemm(a, b).tobytes()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"OPENCU_THREADS": str(threads), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in (1, 2, 3)
    }
    assert len(found) == 1
