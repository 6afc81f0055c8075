"""conv against float64 on every device: strides, padding, dilation, groups, layouts, refusals."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import opencu
from opencu.dnn import conv
from opencu.dnn.kernels.conv import reference

EPS = {"float32": 2.0**-22, "float64": 2.0**-50, "float16": 2.0**-10}
RNG = np.random.default_rng(0)


def pair(x):
    return x if isinstance(x, tuple) else (x, x)


def check(device, x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
    options = dict(stride=stride, padding=padding, dilation=dilation)
    arrays = [None if v is None else opencu.asarray(v, device) for v in (x, w, bias)]
    found = np.asarray(conv(*arrays, **options, groups=groups)).astype("f8")
    pairs = {name: pair(v) for name, v in options.items()}
    want = reference(x, w, bias, **pairs, groups=groups)
    size = reference(abs(x), abs(w), None if bias is None else abs(bias), **pairs, groups=groups)
    assert found.shape == want.shape
    terms = np.prod(w.shape[1:]) ** 0.5 + 4
    assert (abs(found - want) <= EPS[str(x.dtype)] * terms * size).all()


def operands(dtype, n, c, h, w, o, r, s, groups=1):
    shapes = (n, c, h, w), (o, c // groups, r, s), (o,)
    return [RNG.standard_normal(shape).astype(dtype) for shape in shapes]


CASES = [  # n, c, h, w, o, r, s, stride, padding, dilation, groups
    (1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1),
    (2, 3, 7, 9, 5, 3, 3, 1, 1, 1, 1),
    (2, 16, 14, 14, 8, 3, 3, 2, 1, 1, 1),
    (3, 8, 11, 5, 12, 2, 3, (2, 1), (0, 2), (1, 2), 4),
    (1, 6, 8, 8, 6, 3, 3, 1, 1, 1, 6),
    (2, 40, 9, 9, 70, 1, 1, 1, 0, 1, 1),
    (2, 13, 9, 7, 17, 1, 1, (3, 2), 0, 1, 1),
    (1, 401, 5, 5, 19, 3, 3, 1, 1, 1, 1),
    (1, 2, 4, 4, 3, 3, 3, 1, 4, 1, 1),
    (70, 1, 2, 2, 1, 2, 2, 1, 0, 1, 1),
]


@pytest.mark.parametrize(
    ("case", "biased", "dtype"),
    [(case, i % 3 > 0, "float32") for i, case in enumerate(CASES)]
    + [(case, True, dtype) for case in CASES[1::4] for dtype in ("float64", "float16")],
)
def test_shapes(device, case, biased, dtype):
    *sizes, stride, padding, dilation, groups = case
    x, w, bias = operands(dtype, *sizes, groups)
    check(device, x, w, bias if biased else None, stride, padding, dilation, groups)


@pytest.mark.parametrize("taps", [1, 3])
def test_channels_last_stay_last(taps):
    x, w, bias = operands("float32", 2, 16, 9, 9, 24, taps, taps)
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    y = conv(last, w, bias)
    assert y.strides[1] == y.itemsize
    np.testing.assert_allclose(y, conv(x, w, bias), rtol=1e-4, atol=1e-4)


def test_more_images_than_a_launch_takes(device, monkeypatch):
    from opencu.dnn.kernels import conv as kernels

    monkeypatch.setattr(kernels, "IMAGES", 100)
    check(device, *operands("float32", 7, 5, 6, 6, 4, 3, 3), padding=1)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    n=st.integers(1, 3), groups=st.integers(1, 3), c=st.integers(1, 9), o=st.integers(1, 9),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)), flips=st.integers(0, 15),
    taps=st.tuples(st.integers(1, 3), st.integers(1, 3)), stride=st.integers(1, 3),
    padding=st.integers(0, 2), dilation=st.integers(1, 2), order=st.permutations(range(4)),
)  # fmt: skip
def test_anything(n, groups, c, o, size, flips, taps, stride, padding, dilation, order):
    spans = [dilation * (t - 1) + 1 for t in taps]
    size = [max(s, span - 2 * padding) for s, span in zip(size, spans)]
    x, w, bias = operands("float32", n, c * groups, *size, o * groups, *taps, groups)
    back = np.argsort(order)
    x = np.ascontiguousarray(x.transpose(order)).transpose(back)
    x = x[tuple(slice(None, None, -1 if flips >> d & 1 else 1) for d in range(4))]
    check("cpu", x, w, bias, stride, padding, dilation, groups)


@pytest.mark.parametrize("n", [0, 2])
def test_nothing_gives_nothing(device, n):
    x, w = (
        opencu.asarray(v, device) for v in operands("float32", n, 3, 4, 4, 0 if n else 5, 3, 3)[:2]
    )
    assert conv(x, w).shape == (n, 0 if n else 5, 2, 2)


def test_nan_spreads_as_far_as_the_filter(device):
    x, w, _ = operands("float32", 1, 4, 9, 9, 3, 3, 3)
    x[0, 1, 4, 4] = np.nan
    arrays = [opencu.asarray(v, device) for v in (x, w)]
    bad = np.isnan(np.asarray(conv(*arrays, padding=1)))
    assert bad[0, :, 3:6, 3:6].all() and bad.sum() == 27


def test_torch_agrees():
    torch = pytest.importorskip("torch")
    x, w, b = torch.randn(2, 8, 11, 11), torch.randn(16, 4, 3, 3), torch.randn(16)
    options = dict(stride=2, padding=(1, 0), dilation=1, groups=2)
    for form in (torch.contiguous_format, torch.channels_last):
        for dtype in (torch.float32, torch.bfloat16):
            args = [x.contiguous(memory_format=form).to(dtype), w.to(dtype), b.to(dtype)]
            want = torch.nn.functional.conv2d(*args, **options)
            bound = 1e-4 if dtype == torch.float32 else 0.1
            torch.testing.assert_close(conv(*args, **options), want, rtol=bound, atol=bound)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(stride=0), ValueError, "stride is 0: expected at least 1"),
        (dict(stride=(1, 2, 3)), ValueError, r"stride is \(1, 2, 3\): expected a number, or two"),
        (dict(padding=1.5), TypeError, "padding is 1.5: expected an integer"),
        (dict(groups=2), ValueError, r"w has shape \(5, 3, 3, 3\): expected .*as x has 3 channels"),
        (dict(dilation=9), ValueError, "expected at least one tap, and no more than x has"),
        (dict(bias=np.ones(4, "f4")), ValueError, r"bias has shape \(4,\): expected \(5,\)"),
        (dict(out=np.ones((2, 5, 9, 9), "f4")), ValueError, r"out has shape .*expected \(2, 5, 5"),
    ],
)
def test_refusals(options, error, message):
    x, w, _ = operands("float32", 2, 3, 7, 9, 5, 3, 3)
    with pytest.raises(error, match=message):
        conv(x, w, **options)
    with pytest.raises(ValueError, match="expected 4 dimensions"):
        conv(x[0], w)
