"""opencu.blas.gemm on every dtype, with conjugates and epilogues, for numpy, torch and arrays."""

import numpy as np
import pytest

import opencu
from opencu import tile
from opencu.blas import gemm
from opencu.tile import dtypes

RNG = np.random.default_rng(5)
NAMES = ["float32", "float64", "float16", "bfloat16", "int8", "complex64", "complex128"]
EPS = {"float16": 1e-3, "bfloat16": 8e-3, "float32": 1e-6, "complex64": 1e-6, "int8": 0}


def values(name, *shape):
    """Numbers that the dtype holds exactly, in float64 or complex128."""
    x = RNG.integers(-8, 9, shape) / (1 if name == "int8" else 4)
    return x + 1j * RNG.integers(-8, 9, shape) if name.startswith("complex") else x


def close(found, want, name):
    eps = EPS.get(name, 1e-13)
    np.testing.assert_allclose(found, want, rtol=2 * eps, atol=eps * 40)


def tensor(torch, x, name):
    return torch.from_numpy(x).to(getattr(torch, name))


def widened(torch, x):
    return x.to(torch.complex128 if x.is_complex() else torch.float64).numpy()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("trans", [("N", "N"), ("T", "C"), ("C", "T")])
def test_torch_tensors_of_every_dtype(name, trans):
    torch = pytest.importorskip("torch")
    a, b = values(name, 40, 50), values(name, 50, 30)
    ops = {"N": lambda x: x, "T": np.transpose, "C": lambda x: np.conj(x.T)}
    x, y = (tensor(torch, ops[t](v).copy(), name) for t, v in zip(trans, (a, b)))
    found = gemm(x, y, trans_a=trans[0], trans_b=trans[1])
    assert found.dtype == (torch.int32 if name == "int8" else x.dtype)
    close(widened(torch, found), a @ b, name)


@pytest.mark.parametrize("name", NAMES)
def test_numpy_and_device_arrays_of_every_dtype(name, device):
    a, b = values(name, 3, 20, 30), values(name, 30, 10)
    if name == "bfloat16":
        bits = [(v.astype("f4").view("u4") >> 16).astype("u2") for v in (a, b)]
        x, y = (v.view(opencu.bfloat16) for v in bits)
    else:
        x, y = a.astype(name), b.astype(name)
    for left, right in ((x, y), (opencu.asarray(x, device), opencu.asarray(y, device))):
        found = gemm(left, right)
        assert type(found) is type(left)
        host = np.asarray(found)
        if name == "bfloat16":
            host = (host.view("u2").astype("u4") << 16).view("f4")
        close(host, a @ b, name)


FLOAT8 = {"float8_e4m3fn": tile.e4m3, "float8_e5m2": tile.e5m2}


def float8(name, x):
    """An array of 8-bit numbers."""
    return dtypes.narrow(x, FLOAT8[name]).view(getattr(opencu, name))


@pytest.mark.parametrize(
    "names",
    [("float8_e4m3fn",) * 2, tuple(FLOAT8), tuple(FLOAT8)[::-1]],
    ids=["e4m3-e4m3", "e4m3-e5m2", "e5m2-e4m3"],
)
def test_8_bit_numbers_of_numpy_and_device_arrays(names, device):
    a, b = values("float8", 3, 20, 30) / 2, values("float8", 30, 10) / 2
    a, b = (np.where(np.abs(x) < 0.6, x, np.sign(x)) for x in (a, b))  # two bits of fraction
    host = [float8(name, x) for name, x in zip(names, (a, b))]
    for x, y in (host, [opencu.asarray(v, device) for v in host]):
        found = gemm(x, y)
        assert type(found) is type(x) and found.dtype == np.float32
        np.testing.assert_array_equal(np.asarray(found), a @ b)
        out = gemm(x, y, alpha=0.5, out_dtype="float8_e4m3fn", epilogue="relu")
        assert out.dtype == opencu.float8_e4m3fn
        found = dtypes.widen(np.asarray(out).view("u1"), tile.e4m3)
        want = dtypes.narrow(np.clip(a @ b / 2, 0, 448), tile.e4m3)
        np.testing.assert_array_equal(found, dtypes.widen(want, tile.e4m3))
        gemm(x, y, out, beta=1)
        again = np.clip(dtypes.widen(want, tile.e4m3) + a @ b, -448, 448)
        found = np.asarray(out).view("u1")
        np.testing.assert_array_equal(found, dtypes.narrow(again, tile.e4m3))


def test_8_bit_numbers_that_do_not_multiply_are_refused():
    x, y = (float8(name, np.ones((2, 2))) for name in FLOAT8)
    with pytest.raises(
        TypeError, match="b has dtype float8_e5m2: expected float8_e4m3fn, beside a"
    ):
        gemm(y, y)
    with pytest.raises(TypeError, match="b has dtype float32: expected float8_e4m3fn, as a has"):
        gemm(x, ONE.astype("f4"))
    with pytest.raises(
        TypeError, match="out_dtype is 'float8_e5m2': expected float32 or float16 or"
    ):
        gemm(x, x, out_dtype="float8_e5m2")
    with pytest.raises(TypeError, match="for operands of float8_e4m3fn and float8_e5m2"):
        gemm(x, y, out_dtype="int8")
    assert np.asarray(gemm(x, y, out_dtype="float8_e5m2")).view("u1").tolist() == [[0x40] * 2] * 2


@pytest.mark.parametrize("name", ["float16", "bfloat16", "int8"])
@pytest.mark.parametrize("out", ["float32", np.float32])
def test_out_dtype_is_of_numpy_or_torch_or_a_name(name, out):
    torch = pytest.importorskip("torch")
    a, b = values(name, 9, 11), values(name, 11, 7)
    for out_dtype in (out, torch.float32):
        found = gemm(tensor(torch, a, name), tensor(torch, b, name), out_dtype=out_dtype)
        assert found.dtype == torch.float32
        close(found.numpy(), a @ b, "float32")


def test_lazily_conjugated_tensors_are_read_where_they_lie():
    torch = pytest.importorskip("torch")
    a, b = values("complex64", 9, 11), values("complex64", 11, 7)
    x, y = (tensor(torch, v, "complex64") for v in (a, b))
    close(gemm(x.conj(), y).numpy(), a.conj() @ b, "complex64")
    close(gemm(x.mH, y.mH.contiguous().mH, trans_a="C").numpy(), a @ b, "complex64")


def test_complex_scalars():
    a, b, c = (values("complex128", 6, 6) for _ in range(3))
    start = c.copy()
    gemm(a, b, c, alpha=1 - 2j, beta=0.5j)
    close(c, (1 - 2j) * (a @ b) + 0.5j * start, "complex128")


# ---- epilogues -----------------------------------------------------------------------------------


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


SCALE = 3.0


def clipped(x):
    return tile.minimum(x * SCALE, 2.0)


def doubled(x):
    return x + x


A, B = (RNG.standard_normal(shape) for shape in ((70, 20), (20, 90)))
V, W, R = (RNG.standard_normal(shape) for shape in ((90,), (70, 1), (70, 90)))
EPILOGUES = [
    ("relu", lambda x: np.maximum(x, 0)),
    ("gelu", gelu),
    (("bias", V), lambda x: x + V),
    (("bias", W), lambda x: x + W),
    ([("bias", V), "relu"], lambda x: np.maximum(x + V, 0)),
    ([("bias", W), "gelu"], lambda x: gelu(x + W)),
    (("residual", R), lambda x: x + R),
    (["relu", ("residual", R), ("bias", V)], lambda x: np.maximum(x, 0) + R + V),
    (clipped, lambda x: np.minimum(3 * x, 2)),
    ([clipped, "relu", doubled, ("bias", W)], lambda x: 2 * np.clip(3 * x, 0, 2) + W),
]


@pytest.mark.parametrize(("epilogue", "want"), EPILOGUES, ids=[str(i) for i in range(10)])
@pytest.mark.parametrize("order", "CF")
def test_epilogues_are_applied_in_order(epilogue, want, order):
    c = np.asarray(RNG.standard_normal((70, 90)), order=order)
    expected = want(2 * (A @ B) - c)
    gemm(A, B, c, alpha=2, beta=-1, epilogue=epilogue)
    np.testing.assert_allclose(c, expected, rtol=1e-11, atol=1e-11)


def test_epilogues_see_batches():
    a, r = RNG.standard_normal((4, 9, 8)), RNG.standard_normal((4, 9, 7))
    b, v = RNG.standard_normal((8, 7)), RNG.standard_normal(7)
    found = gemm(a, b, epilogue=[("residual", r), "relu", ("bias", v)])
    np.testing.assert_allclose(found, np.maximum(a @ b + r, 0) + v, rtol=1e-12, atol=1e-12)
    found = gemm(a, b, epilogue=("bias", v))
    np.testing.assert_allclose(found, a @ b + v, rtol=1e-12, atol=1e-12)


def test_epilogues_of_narrow_dtypes_are_computed_in_float32():
    torch = pytest.importorskip("torch")
    a, b, v = values("bfloat16", 30, 40), values("bfloat16", 40, 20), values("bfloat16", 20)
    x, y, bias = (tensor(torch, each, "bfloat16") for each in (a, b, v))
    found = gemm(x, y, epilogue=[("bias", bias), doubled])
    close(found.double().numpy(), 2 * (a @ b + v), "bfloat16")


def test_an_epilogue_is_compiled_again_when_what_it_reads_has_changed():
    global SCALE
    x = np.eye(4)
    assert gemm(x, x, epilogue=clipped).max() == 2
    SCALE = 0.5
    try:
        assert gemm(x, x, epilogue=clipped).max() == 0.5
    finally:
        SCALE = 3.0


def test_epilogues_on_device_arrays(device):
    x, v = np.eye(5, dtype="f4"), np.arange(5, dtype="f4")
    a, bias = opencu.asarray(x, device), opencu.asarray(v, device)
    found = gemm(a, a, epilogue=[("bias", bias), "relu"], stream=opencu.Stream(device))
    np.testing.assert_array_equal(np.asarray(found), x + v)


ONE = np.ones((4, 4))
REFUSALS = [
    ({"epilogue": 3}, TypeError, "epilogue is 3: expected 'relu', 'gelu'"),
    ({"epilogue": ["relu", None]}, TypeError, "epilogue is None: expected 'relu'"),
    ({"epilogue": ("bias", np.ones(3))}, ValueError, r"an array of shape \(3,\) does not fit c"),
    ({"epilogue": ("bias", np.ones(4, "f4"))}, TypeError, "has dtype float32: expected float64"),
    ({"epilogue": ("residual", [1])}, TypeError, "the residual of the epilogue is a builtins.list"),
    ({"epilogue": [("bias", np.ones(4))] * 5}, ValueError, "reads 5 arrays: expected at most 4"),
    ({"out_dtype": "int32"}, TypeError, "out_dtype is 'int32': expected float64 for operands"),
    ({"out_dtype": "nonsense"}, TypeError, "out_dtype is 'nonsense': expected a dtype"),
    ({"trans_a": "H"}, TypeError, "trans_a is 'H': expected True, False, 'N', 'T' or 'C'"),
]


@pytest.mark.parametrize(("options", "error", "text"), REFUSALS)
def test_options_that_do_not_fit_are_refused_by_name(options, error, text):
    with pytest.raises(error, match=text):
        gemm(ONE, ONE, **options)


def test_what_a_dtype_does_not_have_is_refused():
    x, y = np.ones((2, 2), "c8"), np.ones((2, 2), "i1")
    with pytest.raises(TypeError, match="epilogue relu: not defined for complex64"):
        gemm(x, x, epilogue="relu")
    with pytest.raises(ValueError, match="alpha is 0.5: expected an integer, as the sums are int3"):
        gemm(y, y, alpha=0.5)
    with pytest.raises(TypeError, match="alpha is 1j: expected a real number"):
        gemm(ONE, ONE, alpha=1j)


# ---- bfloat16 arrays -----------------------------------------------------------------------------


def test_bfloat16_crosses_dlpack_both_ways():
    torch = pytest.importorskip("torch")
    x = torch.arange(6).reshape(2, 3).bfloat16()
    array = opencu.asarray(x)
    assert array.dtype == opencu.bfloat16 and array.shape == (2, 3)
    back = torch.from_dlpack(array.T)
    assert back.dtype == torch.bfloat16 and back.data_ptr() == x.data_ptr()
    assert (back == x.T).all()


@pytest.mark.parametrize("name", ["float16", "int8", "complex64", "complex128"])
def test_other_dtypes_cross_dlpack(name):
    torch = pytest.importorskip("torch")
    x = torch.ones(3, dtype=getattr(torch, name))
    array = opencu.from_dlpack(x)
    assert array.dtype == np.dtype(name)
    assert torch.from_dlpack(array).data_ptr() == x.data_ptr()
