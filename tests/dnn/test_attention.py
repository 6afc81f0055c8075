"""attention against float64 on every device: lengths, heads, strides, causal, refusals."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import opencu
from opencu.dnn import attention
from opencu.dnn.kernels.attention import reference

BOUND = {"float32": 2e-5, "float64": 1e-12, "float16": 4e-3}
RNG = np.random.default_rng(0)


def operands(dtype, lead, length, keys, d, e):
    shapes = (length, d), (keys, d), (keys, e)
    return [RNG.standard_normal((*lead, *shape)).astype(dtype) for shape in shapes]


def check(device, q, k, v, size=1, **options):
    arrays = [opencu.asarray(x, device) for x in (q, k, v)]
    found = np.asarray(attention(*arrays, **options))
    assert found.dtype == q.dtype
    bound = BOUND[str(q.dtype)] * size
    np.testing.assert_allclose(found, reference(q, k, v, **options), rtol=bound, atol=bound)


SHAPES = [((), 1, 1, 1, 1), ((2, 3), 5, 7, 8, 8), ((3,), 101, 131, 64, 64), ((2,), 7, 300, 64, 32),
          ((1, 2), 200, 333, 13, 17), ((1, 1), 257, 19, 80, 3)]  # fmt: skip


@pytest.mark.parametrize(  # the other dtypes differ in the element alone
    ("lead", "length", "keys", "d", "e", "dtype", "causal"),
    [(*shape, "float32", causal) for shape in SHAPES for causal in (False, True)]
    + [(*shape, dtype, True) for shape in SHAPES[1::3] for dtype in BOUND if dtype != "float32"],
)
def test_lengths_and_heads(device, lead, length, keys, d, e, dtype, causal):
    check(device, *operands(dtype, lead, length, keys, d, e), causal=causal)


def test_a_scale_of_ones_own(device):
    check(device, *operands("float32", (2,), 33, 65, 16, 16), scale=-0.3)


def test_large_scores_do_not_overflow(device):
    q, k, v = operands("float32", (2,), 40, 300, 16, 16)
    check(device, 100 * q, k, v, size=10)  # a score's error is its exponential's


@pytest.mark.parametrize("shape", [(0, 5, 4, 8), (2, 0, 4, 8), (2, 5, 4, 0)])
def test_nothing_gives_nothing(device, shape):
    lead, length, keys, e = shape
    arrays = [opencu.asarray(x, device) for x in operands("float32", (lead,), length, keys, 8, e)]
    assert attention(*arrays).shape == (lead, length, e)


def test_no_keys_give_nan(device):
    arrays = [opencu.asarray(x, device) for x in operands("float32", (2,), 3, 0, 8, 8)]
    assert np.isnan(np.asarray(attention(*arrays))).all()


def test_nan_stays_in_its_row(device):
    q, k, v = operands("float32", (1,), 50, 70, 8, 8)
    q[0, 3, 2] = np.nan
    arrays = [opencu.asarray(x, device) for x in (q, k, v)]
    found = np.asarray(attention(*arrays))[0]
    assert np.isnan(found[3]).all() and np.isfinite(np.delete(found, 3, 0)).all()


def test_heads_behind_lengths(device):
    """(batch, length, heads, d) in memory, as a projection leaves them."""
    q, k, v = (RNG.standard_normal((2, 21, 3, 16)).astype("f4") for _ in "qkv")
    arrays = [opencu.asarray(x, device).transpose(0, 2, 1, 3) for x in (q, k, v)]
    want = reference(*(x.transpose(0, 2, 1, 3) for x in (q, k, v)))
    np.testing.assert_allclose(np.asarray(attention(*arrays)), want, atol=2e-5)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9), st.booleans(), st.booleans())
def test_any_sizes_and_strides(length, keys, d, causal, reverse):
    q, k, v = operands("float32", (2, 2), length, keys, d, d)
    if reverse:
        q, k, v = q[:, ::-1, ::-1], k[::-1, ..., ::-1], v[..., ::-1, :]
    found = attention(q, k, v, causal=causal)
    np.testing.assert_allclose(found, reference(q, k, v, causal), rtol=2e-5, atol=2e-5)


def test_torch_agrees():
    torch = pytest.importorskip("torch")
    q, k, v = (torch.randn(1, 3, 100, 32) for _ in "qkv")
    for causal in (False, True):
        want = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        torch.testing.assert_close(attention(q, k, v, causal=causal), want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            lambda q, k, v: (q[0], k, v),
            ValueError,
            r"k has shape \(2, 7, 8\): expected \(keys, 8\)",
        ),
        (lambda q, k, v: (q[0, 0], k, v), ValueError, r"q has shape \(8,\): expected at least 2"),
        (lambda q, k, v: (q, k[..., :4], v), ValueError, "k has shape .*, as q has"),
        (lambda q, k, v: (q, k, v[:, :5]), ValueError, "v has shape .*, as k has"),
        (
            lambda q, k, v: (q, k.astype("f8"), v),
            TypeError,
            "k has dtype float64: expected float32",
        ),
        (lambda q, k, v: (q, opencu.asarray(k), v), TypeError, "k is an opencu array: expected a"),
    ],
)
def test_refusals(change, error, message):
    with pytest.raises(error, match=message):
        attention(*change(*operands("float32", (2,), 5, 7, 8, 8)))


def test_bad_options_are_refused():
    q, k, v = operands("float32", (2,), 5, 7, 8, 8)
    with pytest.raises(TypeError, match="causal is 2: expected True or False"):
        attention(q, k, v, causal=2)
    with pytest.raises(ValueError, match="scale is inf: expected a finite"):
        attention(q, k, v, scale=np.inf)
    with pytest.raises(ValueError, match="out shares memory with v"):
        attention(q, k, v, out=v[:, :5])
