"""Level 1 of BLAS in Python: against float64, on every device."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import opencu
from opencu import blas

EPS = {"f4": 2.0**-20, "f8": 2.0**-48, "c8": 2.0**-19, "c16": 2.0**-47, "f2": 2.0**-9}
SIZES = [0, 1, 7, 1009, 100_003]
dtypes = pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])


def random(n, dtype, seed=0):
    parts = np.random.default_rng([n, seed]).standard_normal((2, n))
    return (parts[0] + 1j * parts[1] if dtype[0] == "c" else parts[0]).astype(dtype)


def wide(x):
    return x.astype("c16" if x.dtype.kind == "c" else "f8")


def close(found, want, dtype, size=1):
    np.testing.assert_allclose(np.asarray(found), want, rtol=EPS[dtype], atol=EPS[dtype] * size)


def few(request, dtype):
    """Each class of calls is compiled once a run: not all dtypes with steps."""
    name = request.node.name
    if ("steps" in name or "cpu" not in name) and dtype not in ("f4", "c16"):
        pytest.skip("steps, and devices beside the CPU, are tested in float32 and complex128")


@pytest.fixture(params=["contiguous", "steps"])
def vectors(request, device):
    """Makes vectors on the device, contiguous or not, with their values in double precision."""

    def make(n, dtype, count=2):
        found = []
        for seed in range(count):
            if request.param == "contiguous":
                x = opencu.asarray(random(n, dtype, seed), device)
            else:
                x = opencu.asarray(random(3 * n + 1, dtype, seed), device)
                x = x[1::3] if seed else x[::-3][:n]
            found += [x, wide(np.array(np.asarray(x)))]
        return found

    return make


@dtypes
def test_vectors_are_updated(vectors, dtype, request):
    few(request, dtype)
    for n in SIZES:
        x, X, y, Y = vectors(n, dtype)
        close(blas.axpy(x, y, alpha=2.5), 2.5 * X + Y, dtype, 4)
        close(blas.copy(x, y), X, dtype)
        close(blas.scal(y, alpha=-3), -3 * X, dtype)
        blas.swap(x, y)
        close(x, -3 * X, dtype), close(y, X, dtype)
        s = 0.48 + 0.64j if dtype[0] == "c" else 0.8
        blas.rot(x, y, c=0.6, s=s)
        close(x, 0.6 * -3 * X + s * X, dtype, 4)
        close(y, 0.6 * X + np.conj(s) * 3 * X, dtype, 4)


@dtypes
def test_vectors_are_added_up(vectors, dtype, request):
    few(request, dtype)
    for n in SIZES:
        x, X, y, Y = vectors(n, dtype)
        size = 4 * max(n, 1) ** 0.5
        close(blas.dotu(x, y), (X * Y).sum(), dtype, size)
        close(blas.dotc(x, y), (X.conj() * Y).sum(), dtype, size)
        sizes = abs(X.real) + abs(X.imag)
        close(blas.asum(x), sizes.sum(), dtype, n)
        close(blas.nrm2(x), np.linalg.norm(X), dtype, size)
        assert int(np.asarray(blas.amax(x))) == (sizes.argmax() if n else -1)
        assert int(np.asarray(blas.amin(x))) == (sizes.argmin() if n else -1)


def test_half_precision_is_computed_in_single(device):
    x, y = (opencu.asarray(random(1000, "f2", seed), device) for seed in (0, 1))
    X, Y = (np.asarray(v).astype("f8") for v in (x, y))
    close(blas.dot(x, y), (X * Y).sum(), "f2", 1)
    close(blas.nrm2(x), np.linalg.norm(X), "f2")
    close(blas.axpy(x, y, alpha=0.5), 0.5 * X + Y, "f2")


@pytest.mark.parametrize("n", [5, 1000, 70_000])
def test_norms_neither_overflow_nor_vanish(device, n):
    for dtype, sizes in (("f4", (1e30, 1e-30)), ("f8", (1e300, 1e-300)), ("c16", (1e300, 1e-300))):
        for size in sizes:
            x = random(n, dtype) * np.dtype(dtype).type(size)
            found = np.asarray(blas.nrm2(opencu.asarray(x, device)))
            np.testing.assert_allclose(found, np.linalg.norm(wide(x) / size) * size, rtol=1e-5)
    x = np.full(n, np.inf)
    assert np.asarray(blas.nrm2(opencu.asarray(x, device))) == np.inf
    x[2] = np.nan
    assert np.isnan(np.asarray(blas.nrm2(opencu.asarray(x, device))))


def test_equal_sizes_give_the_first_index_and_nan_is_never_the_largest(device):
    x = np.array([np.nan, 1, -3, 3, np.nan, -3], "f4")
    assert int(np.asarray(blas.amax(opencu.asarray(x, device)))) == 2
    assert int(np.asarray(blas.amin(opencu.asarray(x, device)))) == 1
    long = np.zeros(100_000)
    long[[40_000, 90_000]] = -7
    assert int(np.asarray(blas.amax(opencu.asarray(long, device)))) == 40_000


@dtypes
def test_factors_in_device_memory_are_read_when_the_call_runs(device, dtype):
    x, y = (opencu.asarray(random(100, dtype, seed), device) for seed in (0, 1))
    X, Y = (wide(np.array(np.asarray(v))) for v in (x, y))
    part = {"c8": "f4", "c16": "f8"}.get(dtype, dtype)
    c, s = (
        opencu.asarray(np.array([0.6], part), device),
        opencu.asarray(np.array([0.8], dtype), device),
    )
    close(blas.axpy(x, y, alpha=s), 0.8 * X + Y, dtype, 2)
    blas.copy(opencu.asarray(Y.astype(dtype), device), y)
    blas.rot(x, y, c=c, s=s)
    close(x, 0.6 * X + 0.8 * Y, dtype, 2)
    close(y, 0.6 * Y - 0.8 * X, dtype, 2)


def rotmg(d1, d2, x1, y1):
    """The original's branches and loops; what param leaves open is None."""
    if d1 < 0:
        return 0, 0, 0, [-1, 0, 0, 0, 0]
    p2 = d2 * y1
    if p2 == 0:
        return d1, d2, x1, [-2, None, None, None, None]
    p1, h11, h22, h21, h12 = d1 * x1, 1.0, 1.0, -1.0, 1.0
    if abs(p1 * x1) > abs(p2 * y1):
        flag, h21, h12 = 0, -y1 / x1, p2 / p1
        u = 1 - h12 * h21
        if u <= 0:
            return 0, 0, 0, [-1, 0, 0, 0, 0]
        d1, d2, x1 = d1 / u, d2 / u, x1 * u
    else:
        if p2 * y1 < 0:
            return 0, 0, 0, [-1, 0, 0, 0, 0]
        flag, h11, h22 = 1, p1 / p2, x1 / y1
        u = 1 + h11 * h22
        d1, d2, x1 = d2 / u, d1 / u, y1 * u
    while d1 and not 4096.0**-2 < d1 < 4096.0**2:
        flag, by = -1, 1 / 4096 if d1 <= 4096.0**-2 else 4096
        d1, x1, h11, h12 = d1 / by**2, x1 * by, h11 * by, h12 * by
    while d2 and not 4096.0**-2 < abs(d2) < 4096.0**2:
        flag, by = -1, 1 / 4096 if abs(d2) <= 4096.0**-2 else 4096
        d2, h21, h22 = d2 / by**2, h21 * by, h22 * by
    known = {-1: (1, 1, 1, 1), 0: (0, 1, 1, 0), 1: (1, 0, 0, 1)}[flag]
    return d1, d2, x1, [flag, *(h if k else None for h, k in zip((h11, h21, h12, h22), known))]


numbers = st.sampled_from([0.0, 1.0, -1.0, 2.5, 3.0, 1e-9, 1e12, -1e-30, 1e30])


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(numbers, numbers, numbers, numbers)
def test_modified_rotations_are_the_originals(device, d1, d2, x1, y1):
    given = [opencu.asarray(np.array([v]), device) for v in (d1, d2, x1, y1)]
    found = blas.rotmg(*given)
    *want, param = rotmg(d1, d2, x1, y1)
    np.testing.assert_allclose([float(np.asarray(v)) for v in found[:3]], want, rtol=1e-12)
    for a, b in zip(np.asarray(found[3]), param):
        assert b is None or np.isclose(a, b, rtol=1e-12)


@dtypes
def test_rotations_turn_the_second_to_zero(device, dtype):
    random = np.random.default_rng(0)
    tiny = {"f4": 1e-30, "c8": 1e-30}.get(dtype, 1e-300)
    for left in (0, 1, -2, tiny, 1 / tiny):
        for right in (0, 1, -3, tiny, 1 / tiny):
            a, b = (v * (random.random() + (1j if dtype[0] == "c" else 0)) for v in (left, right))
            a, b = (np.array([v], dtype) for v in (a, b))
            found = blas.rotg(opencu.asarray(a, device), opencu.asarray(b, device))
            r, _, c, s = (complex(np.asarray(v)) for v in found)
            scale = max(abs(complex(a[0])), abs(complex(b[0]))) or 1
            x, y, r = complex(a[0]) / scale, complex(b[0]) / scale, r / scale
            assert abs(c * x + s * y - r) < EPS[dtype]
            assert abs(-s.conjugate() * x + c * y) < EPS[dtype]
            assert abs(c * c + abs(s) ** 2 - 1) < EPS[dtype] and c.imag == 0


def test_a_rotation_of_a_subnormal_and_a_large_number(device):
    a, b = (opencu.asarray(np.array([v], "c8"), device) for v in (2.0**-149, 2.0**126))
    r, _, c, s = (complex(np.asarray(v)) for v in blas.rotg(a, b))
    assert abs(r / 2.0**126 - 1) < EPS["c8"] and abs(s - 1) < EPS["c8"] and abs(c) < 1e-30


@pytest.mark.parametrize("flag", [-2, -1, 0, 1])
def test_a_modified_rotation_of_vectors(device, flag):
    param = np.array([flag, 1.5, -0.5, 0.25, 2])
    x, y = (random(1000, "f8", seed) for seed in (0, 1))
    h = {-2: [1, 0, 0, 1], 0: [1, -0.5, 0.25, 1], 1: [1.5, -1, 1, 2], -1: param[1:]}[flag]
    for factor in (list(param), opencu.asarray(param, device)):
        u, v = (opencu.asarray(w.copy(), device) for w in (x, y))
        a, b = blas.rotm(u, v, param=factor)
        close(a, h[0] * x + h[2] * y, "f8", 4)
        close(b, h[1] * x + h[3] * y, "f8", 4)


def test_numpy_and_torch_memory_is_used_where_it_lies():
    torch = pytest.importorskip("torch")
    x, y = torch.arange(5.0), torch.ones(5)
    assert blas.axpy(x, y, alpha=2) is y and y.tolist() == [1, 3, 5, 7, 9]
    z = torch.tensor([1 + 2j, 3j])
    assert blas.dotu(z.conj(), z).item() == 14
    a = np.arange(6.0)
    assert blas.scal(a[::-2], alpha=10)[0] == 50 and a.tolist() == [0, 10, 2, 30, 4, 50]
    assert type(blas.dot(a, a)) is np.float64
    b = np.zeros(4)
    blas.copy(np.arange(4.0), np.lib.stride_tricks.as_strided(b, (4,), (0,)))
    assert b[0] == 3  # one after another


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda x: blas.axpy(x, x), ValueError, "y shares memory with x"),
        (lambda x: blas.axpy(x, x[:3].copy()), ValueError, "y has shape (3,): expected (4,)"),
        (lambda x: blas.dot(x, x.astype("f4")), TypeError, "y has dtype float32: expected float64"),
        (lambda x: blas.dot(x, opencu.asarray(x)), TypeError, "y is an opencu array"),
        (lambda x: blas.nrm2(x.reshape(2, 2)), ValueError, "x has shape (2, 2)"),
        (lambda x: blas.nrm2(x.astype("i4")), TypeError, "x has dtype int32"),
        (lambda x: blas.scal(x, alpha="1"), TypeError, "alpha is '1'"),
        (lambda x: blas.scal(x, alpha=1j), TypeError, "alpha is 1j"),
        (
            lambda x: blas.rot(x, x.copy(), c=1, s=opencu.asarray(x[:1])),
            TypeError,
            "c, s: expected",
        ),
        (lambda x: blas.rotm(x, x.copy(), param=[0, 1]), ValueError, "param has shape (2,)"),
        (lambda x: blas.rotg(x, x), ValueError, "a has shape (4,): expected one element"),
        (lambda x: blas.axpy(x.astype("f4"), x.astype("f4"), alpha=1e300), ValueError, "alpha is"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call, error, text):
    with pytest.raises(error) as caught:
        call(np.arange(4.0))
    assert text in str(caught.value)


def test_what_is_read_only_is_refused():
    x = np.arange(4.0)
    x.flags.writeable = False
    with pytest.raises(ValueError, match="x is read-only"):
        blas.scal(x, alpha=2)
