"""opencu.blas.gemm against float64: every layout, kind and size; BLAS's rules; refusals by text."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import opencu
from opencu.blas import gemm

SIZES = st.sampled_from([0, 1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 31, 33, 64, 67, 101, 128, 131, 257])
DTYPES = ["float32", "float64"]
LAYOUTS = ["rows", "columns", "reversed", "padded", "strided", "unaligned", "field"]
both = pytest.mark.parametrize("dtype", DTYPES)


def laid_out(values, layout):
    """An array of these values whose memory is laid out in some way."""
    m, n = values.shape
    if layout == "rows":
        return values.copy()
    if layout == "columns":
        return np.array(values, order="F")
    if layout == "reversed":
        return values[::-1, ::-1].copy()[::-1, ::-1]
    if layout == "padded":
        out = np.full((m + 3, n + 5), np.nan, values.dtype)[1 : m + 1, 2 : n + 2]
    elif layout == "strided":
        out = np.full((2 * m + 1, 3 * n + 1), np.nan, values.dtype)[: 2 * m : 2, : 3 * n : 3]
    elif layout == "unaligned":
        size = values.nbytes
        out = np.zeros(size + 1, np.int8)[1:].view(values.dtype).reshape(m, n) if size else values
    else:
        out = np.zeros((m, n), np.dtype([("flag", "i1"), ("value", values.dtype)]))["value"]
    if out is not values:
        out[...] = values
    return out


def random(rng, dtype, *shape):
    return rng.standard_normal(shape, dtype)


def check(found, a, b, c=None, alpha=1.0, beta=0.0):
    """The result against float64, within a bound that grows with the inner dimension."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    expected, size = alpha * (a @ b), abs(alpha) * (np.abs(a) @ np.abs(b))
    if beta:
        expected, size = expected + beta * c, size + np.abs(beta * c)
    bound = (a.shape[-1] + 4) * np.finfo(found.dtype).eps * size
    assert found.shape == expected.shape
    assert (np.abs(found - expected) <= bound).all()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sizes=st.tuples(SIZES, SIZES, SIZES),
    dtype=st.sampled_from(DTYPES),
    layouts=st.tuples(*[st.sampled_from(LAYOUTS)] * 3),
    trans=st.tuples(st.booleans(), st.booleans()),
    alpha=st.sampled_from([1, 0, -1, 0.5, 2.25]),
    beta=st.sampled_from([0, 1, -0.75]),
    seed=st.integers(0, 1 << 30),
)
def test_any_shape_layout_and_scalars(sizes, dtype, layouts, trans, alpha, beta, seed):
    (m, n, k), rng = sizes, np.random.default_rng(seed)
    a, b, start = random(rng, dtype, m, k), random(rng, dtype, k, n), random(rng, dtype, m, n)
    left = laid_out(a.T.copy() if trans[0] else a, layouts[0])
    right = laid_out(b.T.copy() if trans[1] else b, layouts[1])
    c = laid_out(start, layouts[2])
    result = gemm(left, right, c, alpha=alpha, beta=beta, trans_a=trans[0], trans_b=trans[1])
    assert result is c
    check(c, a, b, start.astype(np.float64), alpha, beta)


@both
@pytest.mark.parametrize("shape", [(512, 512, 512), (8, 1024, 1024), (1000, 40, 3000), (1, 900, 7)])
def test_large_products(shape, dtype):
    m, n, k = shape
    rng = np.random.default_rng(0)
    a, b = random(rng, dtype, m, k), random(rng, dtype, k, n)
    check(gemm(a, b), a, b)


@both
def test_memory_around_c_is_not_touched(dtype):
    rng = np.random.default_rng(0)
    for m, n in [(5, 7), (70, 130), (33, 1)]:
        frame = np.full((m + 8, n + 8), 3.0, dtype)
        a, b = random(rng, dtype, m, 19), random(rng, dtype, 19, n)
        gemm(a, b, frame[4:-4, 4:-4])
        check(frame[4:-4, 4:-4].copy(), a, b)
        frame[4:-4, 4:-4] = 3
        assert (frame == 3).all()


@both
def test_the_same_call_gives_the_same_bits(dtype):
    rng = np.random.default_rng(0)
    a, b = random(rng, dtype, 301, 703), random(rng, dtype, 703, 211)
    assert (gemm(a, b) == gemm(a, b)).all()


def test_the_number_of_threads_does_not_change_a_bit(python):
    code = """
import hashlib, numpy as np, opencu
found = hashlib.sha256()
for dtype in (np.float32, np.float64):
    for m, n, k in [(300, 500, 700), (8, 700, 900), (1000, 30, 1500)]:
        rng = np.random.default_rng(m)
        a, b = rng.standard_normal((m, k), dtype), rng.standard_normal((k, n), dtype)
        found.update(opencu.blas.gemm(a, b).tobytes())
print(found.hexdigest())
"""
    assert len({python(code, OPENCU_THREADS=threads) for threads in "123"}) == 1


# ---- BLAS's rules for zeros, NaN and Inf ---------------------------------------------------------


@both
def test_beta_zero_does_not_read_c(dtype):
    c = np.full((9, 9), np.nan, dtype)
    gemm(np.eye(9, dtype=dtype), np.eye(9, dtype=dtype), c, beta=0)
    assert (c == np.eye(9)).all()


@both
def test_alpha_zero_does_not_read_a_and_b(dtype):
    nan = np.full((9, 9), np.nan, dtype)
    c = np.full((9, 9), 2, dtype)
    gemm(nan, nan, c, alpha=0, beta=3)
    assert (c == 6).all()
    gemm(nan, nan, c, alpha=0, beta=0)
    assert (c == 0).all()


@both
def test_an_empty_sum_is_zero(dtype):
    a, b, c = np.zeros((3, 0), dtype), np.zeros((0, 4), dtype), np.full((3, 4), 5, dtype)
    assert (gemm(a, b, c, beta=2) == 10).all()
    assert (gemm(a, b) == 0).all()


@both
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("size", [5, 100])
def test_nan_and_inf_reach_their_row_and_column_only(special, size, dtype):
    a = np.ones((size, size), dtype)
    b = np.ones((size, size), dtype)
    a[2, 3] = special
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(gemm(a, b), a @ b)
        np.testing.assert_array_equal(gemm(b, a), b @ a)


def test_nan_scalars_propagate():
    one, c = np.ones((2, 2)), np.ones((2, 2))
    assert np.isnan(gemm(one, one, alpha=np.nan)).all()
    assert np.isnan(gemm(one, one, c, alpha=0, beta=np.nan)).all()


# ---- batches -------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("a_shape", "b_shape"),
    [
        ((3, 4, 5), (3, 5, 6)),
        ((3, 4, 5), (5, 6)),
        ((4, 5), (3, 5, 6)),
        ((2, 1, 4, 5), (3, 5, 6)),
        ((2, 3, 4, 5), (2, 3, 5, 6)),
        ((2, 3, 4, 5), (2, 1, 5, 6)),
        ((0, 4, 5), (5, 6)),
        ((2, 1, 3, 4, 5), (7, 1, 5, 6)),
    ],
)
def test_leading_axes_broadcast(a_shape, b_shape, dtype):
    rng = np.random.default_rng(0)
    a, b = random(rng, dtype, *a_shape), random(rng, dtype, *b_shape)
    check(gemm(a, b), a, b)


def test_batches_may_have_any_strides():
    rng = np.random.default_rng(0)
    a = random(rng, "float64", 5, 3, 2, 4).transpose(2, 1, 3, 0)[:, ::-1]
    b = random(rng, "float64", 5, 6, 3).transpose(2, 0, 1)
    c = np.zeros((4, 6, 3, 2)).transpose(3, 2, 0, 1)
    start = c.copy()
    gemm(a, b, c, alpha=2, beta=1)
    check(c, a, b, start, 2, 1)


# ---- kinds of arrays -----------------------------------------------------------------------------


@both
def test_device_arrays_give_device_arrays(dtype, device):
    rng = np.random.default_rng(0)
    a, b = random(rng, dtype, 30, 40), random(rng, dtype, 40, 50)
    found = gemm(opencu.asarray(a, device), opencu.asarray(b, device))
    assert type(found) is opencu.Array and found.device is device
    check(np.asarray(found), a, b)


def test_device_arrays_take_every_option(device):
    rng = np.random.default_rng(0)
    a, b, start = random(rng, "float32", 9, 5), random(rng, "float32", 5, 9), np.ones((9, 9), "f4")
    x, y, c = (opencu.asarray(each.copy(), device) for each in (a.T, b.T, start))
    stream = opencu.Stream(device)
    options = {"alpha": 2, "beta": -1, "trans_a": True, "trans_b": True, "stream": stream}
    assert gemm(x, y, c, out_dtype="float32", **options) is c
    check(np.asarray(c), a, b, start, 2, -1)


def test_every_option_holds_on_a_device_that_is_not_the_current_one(python):
    code = """
import numpy as np, opencu
a, b = np.random.default_rng(0).standard_normal((2, 5, 5, 2)).view(complex)[..., 0]
for trans_a in ("N", "T", "C"):
    for trans_b in ("N", "T", "C"):
        options = dict(trans_a=trans_a, trans_b=trans_b, alpha=2)
        x, y = (opencu.asarray(each, "cpu:1") for each in (a, b))
        found = opencu.blas.gemm(x, y, **options)
        assert found.device.name == "cpu:1" and opencu.device().name == "cpu:0"
        assert (np.asarray(found) == opencu.blas.gemm(a, b, **options)).all(), options
"""
    assert python(code, OPENCU_CPU_DEVICES="2") == ""


@both
def test_torch_tensors_give_torch_tensors(dtype):
    torch = pytest.importorskip("torch")
    a, b = (torch.randn(6, 6, dtype=getattr(torch, dtype)) for _ in range(2))
    found = gemm(a.T, b)
    assert type(found) is torch.Tensor and found.dtype == a.dtype
    check(found.numpy(), a.T.numpy(), b.numpy())
    c = torch.zeros_like(a)
    assert gemm(a, b, c) is c
    check(c.numpy(), a.numpy(), b.numpy())


def test_torch_tensors_that_do_not_fit_are_refused():
    torch = pytest.importorskip("torch")
    x = torch.ones(2, 2)
    with pytest.raises(ValueError, match=r"a requires grad.*pass a.detach\(\)"):
        gemm(x.clone().requires_grad_(), x)
    with pytest.raises(TypeError, match="b has dtype torch.int64: expected torch.float32"):
        gemm(x, x.long())
    with pytest.raises(TypeError, match="a is on meta"):
        gemm(x.to("meta"), x)
    with pytest.raises(TypeError, match="b is a numpy array: expected a torch tensor, as a is"):
        gemm(x, np.ones((2, 2), "float32"))
    assert (gemm(torch.conj(1j * torch.ones(2, 2)).imag, x) == -2).all()


def test_numpys_subclasses_but_masked_arrays():
    x = np.eye(3)
    assert (gemm(x.view(np.matrix), x) == x).all()
    with pytest.raises(TypeError, match="a is a numpy.ma.*MaskedArray: expected a numpy array"):
        gemm(np.ma.masked_array(x), x)


def test_a_call_on_a_stream_follows_the_work_there():
    x = np.eye(300, dtype=np.float32)
    stream, device_x = opencu.Stream(), opencu.asarray(x)
    out = opencu.asarray(np.zeros_like(x))
    gemm(device_x, device_x, out, alpha=3, stream=stream)
    assert (gemm(np.asarray(out._numpy()), x, stream=stream) == 3 * x).all()


# ---- c that shares memory ------------------------------------------------------------------------


def test_c_may_lie_between_the_rows_of_a():
    """The trailing update of a blocked factorisation: all three are blocks of one matrix."""
    matrix = np.random.default_rng(0).standard_normal((40, 40))
    start = matrix.copy()
    gemm(matrix[8:, :8], matrix[:8, 8:], matrix[8:, 8:], alpha=-1, beta=1)
    check(matrix[8:, 8:].copy(), start[8:, :8], start[:8, 8:], start[8:, 8:], -1, 1)
    assert (matrix[:8] == start[:8]).all() and (matrix[:, :8] == start[:, :8]).all()


@pytest.mark.parametrize("name", ["a", "b"])
def test_c_that_shares_elements_is_refused(name):
    x, other = np.ones((10, 10)), np.ones((6, 6))
    operands = {"a": other, "b": other} | {name: x[2:8, 2:8]}
    with pytest.raises(ValueError, match=f"c shares memory with {name}: expected separate memory"):
        gemm(operands["a"], operands["b"], x[4:, 4:])
    assert (x == 1).all()


def test_a_and_b_may_be_the_same():
    x = np.random.default_rng(0).standard_normal((20, 20))
    check(gemm(x, x, trans_b=True), x, x.T)


@pytest.mark.parametrize("strides", [(0, 8), (8, 0), (8, 8), (16, 24)])
def test_c_whose_elements_share_memory_is_refused(strides):
    c = np.lib.stride_tricks.as_strided(np.zeros(64), (4, 3), strides)
    with pytest.raises(ValueError, match=r"c has strides .* elements share memory"):
        gemm(np.ones((4, 2)), np.ones((2, 3)), c)


def test_c_may_have_interleaved_strides():
    memory = np.zeros(64)
    c = np.lib.stride_tricks.as_strided(memory, (2, 3), (24, 16))
    gemm(np.ones((2, 2)), np.ones((2, 3)), c)
    assert (c == 2).all() and memory.sum() == 12


# ---- refusals ------------------------------------------------------------------------------------

F4, F8 = np.ones((2, 2), np.float32), np.ones((2, 2))


def read_only():
    out = np.ones((2, 2))
    out.flags.writeable = False
    return out


REFUSALS = [
    ((F8, np.ones((3, 2))), {}, ValueError, r"op\(b\) has 3 rows: expected 2, the columns of op"),
    ((np.ones(2), F8), {}, ValueError, r"a has shape \(2,\): expected at least 2 dimensions"),
    ((F8, np.float64(1)), {}, TypeError, "b is a numpy.float64: expected a numpy array"),
    ((F8, F4), {}, TypeError, "b has dtype float32: expected float64, as a has"),
    ((F8, F8, F4), {}, TypeError, "c has dtype float32: expected float64, as a has"),
    ((F8.astype("f2"), F8), {}, TypeError, "b has dtype float64: expected float16, as a has"),
    ((F8, F8.astype(">f8")), {}, TypeError, "b has dtype >f8: expected float32, float64, float16"),
    ((F8, F8.astype(int)), {}, TypeError, "b has dtype int64: expected float32, float64, float16"),
    (([[1.0]], F8), {}, TypeError, "a is a builtins.list: expected a numpy array, a torch tensor"),
    ((None, F8), {}, TypeError, "a is a builtins.NoneType: expected a numpy array"),
    ((F8, F8, np.ones((2, 3))), {}, ValueError, r"c has shape \(2, 3\): expected \(2, 2\)"),
    ((F8, F8, np.ones((1, 2, 2))), {}, ValueError, r"c has shape \(1, 2, 2\): expected \(2, 2\)"),
    ((F8, F8, read_only()), {}, ValueError, "c is read-only: expected an array that can be writ"),
    ((F8, F8), {"beta": 1}, ValueError, "beta is 1 and c is None: expected a c to add to"),
    ((F8, F8), {"alpha": 1j}, TypeError, "alpha is 1j: expected a real number"),
    ((F8, F8), {"alpha": "1"}, TypeError, "alpha is '1': expected a real number"),
    ((F8, F8), {"alpha": None}, TypeError, "alpha is None: expected a real number"),
    (
        (F8, F8),
        {"trans_a": "X"},
        TypeError,
        "trans_a is 'X': expected True, False, 'N', 'T' or 'C'",
    ),
    (
        (F8, F8),
        {"trans_b": None},
        TypeError,
        "trans_b is None: expected True, False, 'N', 'T' or 'C'",
    ),
    ((F8, F8), {"stream": 3}, TypeError, "stream is 3: expected an opencu.Stream or None"),
    ((F8, F8), {"out_dtype": "x"}, TypeError, "out_dtype is 'x': expected a dtype"),
    ((F4, F4), {"alpha": 1e300}, ValueError, r"alpha is 1e\+300: expected at most 3.403e\+38"),
    ((F8, F8), {"alpha": 10**400}, ValueError, "expected at most"),
    (
        (F8, F8),
        {"out_dtype": "f4"},
        TypeError,
        "out_dtype is 'f4': expected float64 for operands of float64",
    ),
    (
        (F8, F8),
        {"epilogue": "elu"},
        TypeError,
        "epilogue is 'elu': expected 'relu', 'gelu', .'bias', v.",
    ),
    ((np.ones((2, 2, 2)), np.ones((3, 2, 2))), {}, ValueError, "leading axes .* do not broadcast"),
    ((F8, opencu.asarray(F8)), {}, TypeError, "b is an opencu array: expected a numpy array, as"),
    (
        (opencu.asarray(F8), opencu.asarray(F8), F8),
        {},
        TypeError,
        "c is a numpy array: expected an",
    ),
]


@pytest.mark.parametrize(("operands", "options", "error", "text"), REFUSALS)
def test_what_does_not_fit_is_refused_by_name(operands, options, error, text):
    with pytest.raises(error, match=text):
        gemm(*operands, **options)


def test_a_class_that_no_pack_holds_is_planned_in_process(python):
    code = """
import numpy as np, opencu
from opencu.drivers.status import lib
a = np.random.default_rng(0).standard_normal((99, 66))[::3, ::2]
assert np.allclose(opencu.blas.gemm(a, a.T), a @ a.T)
print(lib.ocu_counter(b"planner.calls"))
"""
    assert python(code) == "0"


@pytest.mark.parametrize("home", [None, "/nonexistent/home"])
def test_no_usable_store_is_no_obstacle(home, python):
    code = """
import numpy as np, opencu
a = np.random.default_rng(0).standard_normal((99, 66))[::3, ::2]
assert np.allclose(opencu.blas.gemm(a, a.T), a @ a.T)
"""
    python(code, OPENCU_CACHE_DIR="", XDG_CACHE_HOME="", HOME=home)


@pytest.mark.parametrize("isa", ["avx2", "sse2"])
def test_lower_instruction_sets_are_right_too(isa, python):
    code = """
import numpy as np, opencu
for dtype in (np.float32, np.float64):
    for m, n, k in [(4, 4, 4), (100, 90, 80), (8, 300, 300), (300, 300, 300), (7, 5, 3)]:
        rng = np.random.default_rng(m)
        a, b = rng.standard_normal((m, k), dtype), rng.standard_normal((k, n), dtype)
        np.testing.assert_allclose(opencu.blas.gemm(a, b), a.astype("f8") @ b, atol=k * 1e-5)
print(opencu.device("cpu").info.target)
"""
    assert python(code, OPENCU_CPU_ISA=isa) == f"x86-64-{isa}"


PACKED = """
import ctypes, itertools, sys
import numpy as np
from opencu.drivers.status import ffi, lib

some = (1, 2, 4, 5, 16, 200)
sizes = itertools.product(some, some, (20, 100))
for (m, n, k), ta, tb, code in itertools.product(
    [*sizes, (9, 9, 0), (700, 700, 9), (64, 60, 9000)], (0, 1), (0, 1), (lib.OCU_F32, lib.OCU_F64)
):
    x = np.ones((m + 1) * (n + 1) * 2 + (m + n + 2) * (k + 1), "f8")
    p, one = ffi.cast("void *", x.ctypes.data), ffi.new(("float[1]", "double[1]")[code - 1], [1])
    a = (k + 1, 1) if ta else (1, m + 1)  # as cuBLAS has them: in columns, leading dimensions odd
    b = (n + 1, 1) if tb else (1, k + 1)
    c = ffi.cast("void *", x.ctypes.data + 8 * (m + n + 2) * (k + 1))
    flags = lib.OCU_CALL_NO_PLANNER | lib.OCU_CALL_SYNC
    status = lib.ocu_gemm(
        ffi.NULL, code, 1, m, n, k, one, p, *a, 0, p, *b, 0, one, c, 1, m + 1, 0, flags
    )
    if status:
        spec = bytes(lib.ocu_last_spec().f).hex()
        sys.exit(f"{m} {n} {k} {ta} {tb} {code}: {status} {ffi.string(lib.ocu_error())} {spec}")
"""


def test_what_cublas_asks_for_is_in_the_pack(python):
    assert python(PACKED) == ""
