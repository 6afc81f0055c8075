"""softmax and layer_norm against float64: shapes, strides, NaN and Inf, refusals."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import opencu
from opencu.dnn.kernels import layer_norm as norms
from opencu.dnn.kernels import softmax as maxima

EPS = {"float32": 2.0**-21, "float64": 2.0**-48, "float16": 2.0**-10}
dtypes = pytest.mark.parametrize("dtype", EPS)
SHAPES = [
    (0,),
    (1,),
    (7,),
    (3, 0),
    (0, 3),
    (5, 1),
    (13, 101),
    (3, 5, 64),
    (2, 40_009),
    (1, 200_003),
]
fuzz = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


def random(dtype, *shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def on(device, *arrays):
    return [opencu.asarray(a, device) for a in arrays]


def close(found, want, dtype, size=8):
    found = np.asarray(found)
    assert found.shape == want.shape and found.dtype == dtype
    np.testing.assert_allclose(found.astype("f8"), want, rtol=EPS[dtype] * size, atol=EPS[dtype])


@dtypes
@pytest.mark.parametrize("shape", SHAPES)
def test_softmax_of_rows(device, shape, dtype):
    x = random(dtype, *shape)
    (a,) = on(device, x)
    want = maxima.reference(x) if x.size else x
    close(opencu.dnn.softmax(a), want, dtype)


@pytest.mark.parametrize("axis", [0, 1, 2, -2])
@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 1000, 3), (2, 17, 130), (1, 33_001, 2)])
def test_softmax_along_any_axis(device, shape, axis):
    x = random("float32", *shape)
    (a,) = on(device, x)
    close(opencu.dnn.softmax(a, axis), maxima.reference(x, axis), "float32")


def test_large_numbers_do_not_overflow(device):
    x = np.array([[1e30, 1e30, -1e30], [80, -80, 0]], "f4")
    (a,) = on(device, x)
    close(opencu.dnn.softmax(a), maxima.reference(x), "float32")


@pytest.mark.parametrize("n", [3, 9, 40_000])
def test_nan_and_inf_spoil_their_row_alone(device, n):
    x = np.zeros((5, n), "f4")
    x[0, 1], x[1, 0], x[2, 2], x[3] = np.nan, np.inf, -np.inf, -np.inf
    (a,) = on(device, x)
    y = np.asarray(opencu.dnn.softmax(a))
    assert np.isnan(y[[0, 1, 3]]).all()
    assert y[2, 2] == 0 and np.allclose(y[2, :2], 1 / (n - 1)) and np.allclose(y[4], 1 / n)
    z = np.asarray(opencu.dnn.layer_norm(a))
    assert np.isnan(z[:4]).all() and (z[4] == 0).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("dtype", "given_"),
    [*(("float32", given_) for given_ in ("", "w", "b")), *((dtype, "wb") for dtype in EPS)],
)
def test_layer_norm(device, shape, dtype, given_):
    x = random(dtype, *shape) * np.dtype(dtype).type(3) + np.dtype(dtype).type(5)
    w, b = random(dtype, shape[-1], seed=1), random(dtype, shape[-1], seed=2)
    used = {"weight": w if "w" in given_ else None, "bias": b if "b" in given_ else None}
    (a,) = on(device, x)
    vectors = {n: None if v is None else on(device, v)[0] for n, v in used.items()}
    plain = [used["weight"] if "w" in given_ else 1, used["bias"] if "b" in given_ else 0]
    want = norms.reference(x, *plain) if x.size else x
    found = np.asarray(opencu.dnn.layer_norm(a, **vectors)).astype("f8")
    np.testing.assert_allclose(found, want, rtol=EPS[dtype] * 8, atol=EPS[dtype] * 32)


def test_the_variance_does_not_cancel(device):
    x = (1e4 + np.random.default_rng(0).standard_normal((4, 1000))).astype("f4")
    (a,) = on(device, x)
    np.testing.assert_allclose(np.asarray(opencu.dnn.layer_norm(a)), norms.reference(x), atol=2e-2)


@fuzz
@given(
    shape=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    steps=st.lists(st.sampled_from([1, 2, -1]), min_size=4, max_size=4),
    order=st.randoms(),
    axis=st.integers(-2, 1),
)
def test_any_strides(shape, steps, order, axis):
    steps, axes = steps[: len(shape)], list(range(len(shape)))
    order.shuffle(axes)
    whole = random("float32", *(s * abs(k) for s, k in zip(shape, steps)))
    x = whole[tuple(slice(None, None, k) for k in steps)].transpose(axes)
    kept = whole.copy()
    close(opencu.dnn.softmax(x, axis), maxima.reference(x, axis), "float32")
    close(opencu.dnn.layer_norm(x), norms.reference(x), "float32", 1 << 8)
    assert opencu.dnn.softmax(x, axis, out=x) is x
    close(x, maxima.reference(np.ascontiguousarray(kept[tuple(slice(None, None, k) for k in steps)]
                              .transpose(axes)), axis), "float32")  # fmt: skip


def test_torch_tensors_stay_torch_tensors():
    torch = pytest.importorskip("torch")
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        x = torch.randn(6, 50).to(dtype)
        w = torch.randn(50).to(dtype)
        y = opencu.dnn.softmax(x, 0)
        assert y.dtype == dtype
        torch.testing.assert_close(y, torch.softmax(x, 0))
        want = torch.nn.functional.layer_norm(x, (50,), w, w)
        torch.testing.assert_close(opencu.dnn.layer_norm(x, w, w), want)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: opencu.dnn.softmax([1.0]), TypeError, "x is a builtins.list: expected a numpy"),
        (lambda x: opencu.dnn.softmax(x.astype("i4")), TypeError, "x has dtype int32: expected fl"),
        (lambda x: opencu.dnn.softmax(x, 2), ValueError, "axis is 2: expected an axis of 2 dim"),
        (lambda x: opencu.dnn.softmax(x, 1.0), TypeError, "axis is 1.0: expected an integer"),
        (lambda x: opencu.dnn.softmax(x, out=x[:2]), ValueError, r"out has shape \(2, 4\): exp"),
        (lambda x: opencu.dnn.softmax(x[1:], out=x[:-1]), ValueError, "out shares memory with x"),
        (lambda x: opencu.dnn.softmax(x, out=opencu.asarray(x)), TypeError, "out is an opencu ar"),
        (lambda x: opencu.dnn.softmax(x, stream=3), TypeError, "stream is 3: expected"),
        (lambda x: opencu.dnn.layer_norm(x, x), ValueError, r"weight has shape \(3, 4\): expected"),
        (lambda x: opencu.dnn.layer_norm(x, x[0].astype("f8")), TypeError, "weight has dtype flo"),
        (lambda x: opencu.dnn.layer_norm(x, eps="a"), TypeError, "eps is 'a': expected a real"),
        (lambda x: opencu.dnn.layer_norm(x, eps=np.nan), ValueError, "eps is nan: expected a fin"),
        (lambda x: opencu.dnn.layer_norm(x[0, 0, ...]), ValueError, r"x has shape \(\): expected"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call(np.ones((3, 4), "f4"))


def test_a_read_only_out_is_refused():
    x = np.ones((3, 4), "f4")
    y = np.empty_like(x)
    y.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        opencu.dnn.softmax(x, out=y)


def test_device_arrays_are_stream_ordered(device):
    (x,) = on(device, random("float32", 64, 1000))
    stream = opencu.Stream(device)
    y = opencu.dnn.layer_norm(opencu.dnn.softmax(x, stream=stream), stream=stream)
    stream.synchronize()
    want = norms.reference(maxima.reference(np.asarray(x)))
    np.testing.assert_allclose(np.asarray(y), want, atol=2e-3)
