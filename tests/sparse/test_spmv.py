"""spmv against float64 on every device: what scipy's matrices may hold, long rows, refusals."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import opencu
from opencu.sparse import CSR, spmv
from opencu.sparse.kernels import spmv as kernels

sparse = pytest.importorskip("scipy.sparse")
EPS = {"float32": 2.0**-23, "float64": 2.0**-52}
RNG = np.random.default_rng(0)


def matrix(lengths, n, dtype="float32", index="int32"):
    """Rows of these lengths with any columns, unsorted and repeated ones among them."""
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(index)
    indices = RNG.integers(0, max(n, 1), indptr[-1]).astype(index)
    data = RNG.standard_normal(indptr[-1]).astype(dtype)
    out = sparse.csr_matrix((len(lengths), n), dtype=dtype)
    out.data, out.indices, out.indptr = data, indices, indptr
    return out


def check(device, a, alpha=1.0, beta=0.0):
    x = RNG.standard_normal(a.shape[1]).astype(a.dtype)
    y = RNG.standard_normal(a.shape[0]).astype(a.dtype)
    parts = a.indptr, a.indices
    want = kernels.reference(*parts, a.data, x, alpha, beta, y)
    size = kernels.reference(*parts, abs(a.data), abs(x), abs(alpha), abs(beta), abs(y))
    on = CSR.of(a, device)
    result = opencu.asarray(y.copy(), device)
    found = np.asarray(spmv(on, opencu.asarray(x, device), alpha, beta, result))
    most = max(np.diff(a.indptr), default=0)
    assert (abs(found - want) <= EPS[str(a.dtype)] * (most + 4) * size).all()


LENGTHS = {
    "none": [],
    "one empty row": [0],
    "one element": [1],
    "empty rows at both ends": [0, 0, 3, 0, 5, 0, 0],
    "short rows": [5] * 1009,
    "rows of any length": list(RNG.integers(0, 40, 3000)),
    "a row over several programs": [3, 100_003, 0, 2],
    "every program's edge is a row's": [1 << 15] * 5,
    "long rows": [70] * 500,
    "empty rows at a program's edge": [1 << 16, 0, 0, 0, 1 << 16, 0, 5],
}


@pytest.mark.parametrize(("dtype", "index"), [("float64", "int64"), *((d, "int32") for d in EPS)])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_rows(device, lengths, dtype, index):
    check(device, matrix(lengths, 101, dtype, index))
    check(device, matrix(lengths, 7, dtype, index), 1.5, -0.75)


def test_no_columns(device):
    check(device, matrix([0, 0, 0], 0))


def test_nan_and_inf_stay_in_the_rows_that_read_them(device):
    a = matrix([3, 5, 0, 40, 1], 50)
    a.indices[:] = np.arange(1, 50)
    x = np.ones(50, "f4")
    x[0], x[2] = np.inf, np.nan  # nobody reads x[0]; the first row reads x[2]
    found = np.asarray(spmv(CSR.of(a, device), opencu.asarray(x, device)))
    assert np.isnan(found).tolist() == [True, False, False, False, False]


def test_beta_zero_does_not_read_y(device):
    a = matrix([2, 0, 3], 5)
    y = opencu.asarray(np.full(3, np.nan, "f4"), device)
    assert np.isfinite(
        np.asarray(spmv(CSR.of(a, device), opencu.zeros(5, "f4", device), y=y))
    ).all()


def test_scipy_matrices_as_they_are():
    a = sparse.random_array((50, 40), density=0.2, format="csr", rng=RNG)
    x = RNG.standard_normal(40)
    np.testing.assert_allclose(spmv(a, x), a @ x, rtol=1e-12)
    twice = sparse.csr_matrix((np.ones(4), ([0, 0, 1, 1], [3, 3, 2, 0])), (2, 4))
    np.testing.assert_allclose(spmv(twice, np.arange(4.0)), [6, 2])


def test_torch_vectors():
    torch = pytest.importorskip("torch")
    a = matrix([3, 4, 5], 6)
    x = torch.randn(6)
    y = spmv(a, x)
    torch.testing.assert_close(y, torch.from_numpy(a @ x.numpy()))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    lengths=st.lists(st.sampled_from([0, 0, 1, 2, 5, 9, 33, 700]), max_size=60),
    n=st.integers(1, 50), share=st.sampled_from([1, 3, 16, 100]), step=st.sampled_from([1, 2, -1]),
)  # fmt: skip
def test_any_rows_and_shares(lengths, n, share, step):
    a = matrix(lengths, n, "float64")
    x = RNG.standard_normal(n * abs(step))[::step]
    with pytest.MonkeyPatch.context() as patch:
        plan = kernels.plan
        patch.setattr(kernels, "plan", lambda *a: (max(-(-a[2] // share), 1), share, plan(*a)[2]))
        found = spmv(a, x)
    want = kernels.reference(a.indptr, a.indices, a.data, x)
    np.testing.assert_allclose(found, want, rtol=1e-11, atol=1e-11)


def test_the_same_bits_again(python):
    code = """
import numpy as np
from opencu.sparse.kernels import spmv as K
from opencu.sparse import spmv
class A: pass
rng = np.random.default_rng(0)
a = A(); a.format, a.shape = "csr", (3, 1000)
a.indptr = np.array([0, 90_000, 90_000, 150_001]); a.indices = rng.integers(0, 1000, 150_001)
a.data = rng.standard_normal(150_001)
print(spmv(a, rng.standard_normal(1000)).tobytes().hex())
"""
    assert len({python(code, OPENCU_THREADS=str(n)) for n in (1, 2, 3)}) == 1


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            lambda a, x: spmv(a.tocsc(), x),
            TypeError,
            "matrix is a scipy.sparse.*: expected a scipy",
        ),
        (lambda a, x: spmv(a, x[:3]), ValueError, r"x has shape \(3,\): expected \(6,\)"),
        (
            lambda a, x: spmv(a, x.astype("f8")),
            TypeError,
            "the matrix's data has dtype float32: exp",
        ),
        (
            lambda a, x: spmv(a, x.astype("i4")),
            TypeError,
            "x has dtype int32: expected float32, flo",
        ),
        (
            lambda a, x: spmv(a, opencu.asarray(x)),
            TypeError,
            "expected an opencu.sparse.CSR, as x is",
        ),
        (lambda a, x: spmv(a, x, beta=1), ValueError, "beta is 1.0 and y is None"),
        (lambda a, x: spmv(a, x, alpha="a"), TypeError, "alpha is 'a': expected a real"),
        (lambda a, x: spmv(a, x, y=x), ValueError, r"y has shape \(6,\): expected \(2,\)"),
        (lambda a, x: spmv(a, x, y=x[:2]), ValueError, "y shares memory with x"),
    ],
)
def test_refusals(change, error, message):
    with pytest.raises(error, match=message):
        change(matrix([2, 3], 6), np.ones(6, "f4"))
