"""histogram and scan against numpy on every device."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import opencu
from opencu.sparse import histogram, scan
from opencu.sparse.kernels.build import reference

INTEGERS = ["int8", "uint8", "int32", "int64"]
SIZES = [0, 1, 7, 1024, 1025, 65_537, 300_007]
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("bins", [0, 1, 100, 2000, 40_000])
@pytest.mark.parametrize("size", SIZES)
def test_histogram_counts_exactly(device, size, bins, dtype):
    limit = min(bins + bins // 4 + 2, np.iinfo(dtype).max)
    x = RNG.integers(-3 if dtype[0] == "i" else 0, limit, size).astype(dtype)
    found = np.asarray(histogram(opencu.asarray(x, device), bins))
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, reference(x, bins))


def test_one_bin_takes_everything(device):
    x = opencu.zeros(200_003, "i4", device)
    assert np.asarray(histogram(x, 3)).tolist() == [200_003, 0, 0]


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("size", SIZES)
def test_scan_of_integers_is_exact(device, size, dtype):
    x = RNG.integers(-100 if dtype[0] == "i" else 0, 100, size).astype(dtype)
    found = np.asarray(scan(opencu.asarray(x, device)))
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, np.cumsum(x, dtype="i8"))


@pytest.mark.parametrize(("dtype", "eps"), [("float32", 2.0**-23), ("float64", 2.0**-52), ("float16", 2.0**-10)])
@pytest.mark.parametrize("size", SIZES)
def test_scan_of_floats(device, size, dtype, eps):
    x = RNG.standard_normal(size).astype(dtype)
    found = np.asarray(scan(opencu.asarray(x, device))).astype("g")
    bound = 4 * eps * np.cumsum(abs(x.astype("g"))) + eps
    assert (abs(found - np.cumsum(x.astype("g"))) <= bound).all()


def test_nan_and_inf_go_on_to_the_end(device):
    x = np.ones(200_000, "f4")
    x[70_000], x[150_000] = np.inf, -np.inf
    found = np.asarray(scan(opencu.asarray(x, device)))
    assert np.isfinite(found[:70_000]).all() and (found[70_000:150_000] == np.inf).all()
    assert np.isnan(found[150_000:]).all()


@settings(max_examples=40, deadline=None)
@given(size=st.integers(0, 5000), bins=st.integers(1, 300), step=st.sampled_from([1, 2, 3, -1]))
def test_row_pointers(size, bins, step):
    x = RNG.integers(0, bins, size * abs(step)).astype("i4")[::step]
    indptr = np.zeros(bins + 1, "i8")
    out = indptr[1:]
    assert scan(histogram(x, bins), out=out) is out
    np.testing.assert_array_equal(np.diff(indptr), np.bincount(x, minlength=bins))


def test_a_scan_in_place():
    x = RNG.integers(0, 9, 100_001)
    want = np.cumsum(x)
    assert scan(x, out=x) is x
    np.testing.assert_array_equal(x, want)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: histogram(x.astype("f4"), 3), TypeError, "x has dtype float32: expected int8"),
        (lambda x: histogram(x, -1), ValueError, "bins is -1: expected at least 0"),
        (lambda x: histogram(x, 2.0), TypeError, "bins is 2.0: expected an integer"),
        (lambda x: histogram(x[None], 2), ValueError, r"x has shape \(1, 9\): expected one dim"),
        (lambda x: histogram(x, 9, out=x), ValueError, "out shares memory with x"),
        (lambda x: scan(x[None]), ValueError, r"x has shape \(1, 9\): expected one dimension"),
        (lambda x: scan(x, out=x.astype("f8")), TypeError, "out has dtype float64: expected int64"),
        (lambda x: scan(x[1:], out=x[:-1]), ValueError, "out shares memory with x"),
        (lambda x: scan(x > 3), TypeError, "x has dtype bool: expected int8"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call(np.arange(9))
