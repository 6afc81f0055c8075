"""ocu_geam, D = alpha op(A) + beta op(B), against numpy; cuBLAS's name for it: tests/shims."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opencu.blas.kernels.geam import geam, reference
from opencu.drivers.status import check, ffi, lib
from opencu.runtime.plan import ensure
from opencu.tile import Scalar, View, f32, interp

CODES = {"f4": lib.OCU_F32, "f8": lib.OCU_F64, "c8": lib.OCU_C64, "c16": lib.OCU_C128}


def matrix(x: np.ndarray) -> tuple:
    return ffi.cast("void *", x.ctypes.data), 0, *(s // x.itemsize for s in x.strides)


def call(d, alpha, a, beta, b, conj=0) -> int:
    """ocu_geam on numpy's memory; its status."""
    factors = [np.array(x, d.dtype) for x in (alpha, beta)]
    g = ffi.new("ocu_product *")
    g.kind = (CODES[d.dtype.str[1:]],) * 3 + (conj,)
    g.m, g.n, g.batch = *d.shape, 1
    g.alpha, g.beta = (ffi.cast("void *", x.ctypes.data) for x in factors)
    g.a, g.b, g.d = map(matrix, (a, b, d))
    status = lib.ocu_geam(ffi.NULL, g, lib.OCU_CALL_NO_PLANNER)
    if status == lib.OCU_NO_PLAN:
        ensure(bytes(ffi.buffer(lib.ocu_last_spec().f)))
        status = lib.ocu_geam(ffi.NULL, g, lib.OCU_CALL_NO_PLANNER)
    return status


def new(random, m, n, dtype, form) -> np.ndarray:
    """m x n in rows, in columns, or within a larger matrix with a step of 2."""
    shape = {"rows": (m, n), "columns": (n, m), "apart": (m + 3, 2 * n + 1)}[form]
    x = random.standard_normal((*shape, 2))
    x = (x[..., 0] + 1j * x[..., 1]) if dtype[0] == "c" else x[..., 0]
    x = np.ascontiguousarray(x.astype(dtype))
    return {"rows": x, "columns": x.T, "apart": x[1 : m + 1, : 2 * n : 2]}[form]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(CODES)),
    st.sampled_from([0, 1, 7, 16, 31, 300]),
    st.sampled_from([0, 1, 5, 64, 257]),
    st.tuples(*[st.sampled_from(["rows", "columns", "apart"])] * 3),
    st.tuples(*[st.sampled_from([0, 1, -2.5])] * 2),
    st.integers(0, 3),
)
def test_sums_and_transposes_agree_with_numpy(dtype, m, n, forms, factors, conj):
    random = np.random.default_rng(m + n)
    conj = conj if dtype[0] == "c" else 0
    a, b, d = (new(random, m, n, dtype, form) for form in forms)
    alpha, beta = factors
    want = reference(a.conj() if conj & 1 else a, b.conj() if conj & 2 else b, alpha, beta)
    check(call(d, alpha, a, beta, b, conj))
    np.testing.assert_allclose(d, np.broadcast_to(want, d.shape), rtol=4e-6, atol=1e-6)


def test_what_has_a_factor_of_zero_is_not_read_and_d_may_be_an_operand():
    a, nan = np.arange(12.0).reshape(3, 4), np.full((3, 4), np.nan)
    d = nan.copy()
    check(call(d, 2, a, 0, nan))
    np.testing.assert_array_equal(d, 2 * a)
    check(call(d, 1, d, 3, a))
    np.testing.assert_array_equal(d, 5 * a)
    check(call(d, 0, nan, 0, nan))
    assert not d.any()
    check(call(d, 1, nan, 1, a))
    assert np.isnan(d).all()


def test_the_kernel_agrees_with_the_interpreter():
    a, b = (np.random.default_rng(i).standard_normal((20, 300), np.float32) for i in (0, 1))
    d, want = np.empty_like(a), np.empty_like(a)
    view, one = View(f32, (None, 1)), Scalar(f32)
    types = {"a": view, "b": view, "d": view, "alpha": one, "beta": one}
    interp.run(geam.trace(types, dict(BM=16, BN=256)), [a, b, want, 2.0, -1.0], (2, 2))
    check(call(d, 2, a, -1, b))
    np.testing.assert_allclose(d, want, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "change, text",
    [
        (dict(m=-1), "geam: negative size in m -1, n 4"),
        (dict(alpha=ffi.NULL), "geam: alpha or beta is NULL"),
        (dict(a=(ffi.NULL, 0, 4, 1)), "geam: A is NULL"),
        (dict(d=(ffi.NULL, 0, 4, 1)), "geam: D is NULL"),
        (dict(kind=(lib.OCU_I8, lib.OCU_I32, lib.OCU_I32)), "geam: no kernel for dtypes 5, 6, 6"),
        (dict(kind=(1, 1, 1, 1)), "geam: no kernel for dtypes 1, 1, 1, conjugates 1"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(change, text):
    x, one = np.ones((3, 4), "f4"), ffi.new("float *", 1)
    g = ffi.new("ocu_product *", {"kind": (1, 1, 1), "m": 3, "n": 4, "alpha": one, "beta": one})
    g.a = g.b = g.d = matrix(x)
    for name, value in change.items():
        setattr(g, name, value)
    assert lib.ocu_geam(ffi.NULL, g, 0) != lib.OCU_OK
    assert text in ffi.string(lib.ocu_error()).decode()
