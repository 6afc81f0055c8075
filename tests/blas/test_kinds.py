"""Every kind of product that the core knows: against float64, within bounds that grow with k."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from product import CODES, KINDS, call, check, expected, matrix, multiply, random, same

import opencu
from opencu.drivers.status import ffi, lib

kinds = pytest.mark.parametrize("kind", KINDS, ids="-".join)
# Packed, small, few rows and few columns, edges, no depth.
SIZES = [(2, 5, 7, 3), (1, 150, 141, 260), (1, 1, 300, 129), (1, 16, 100, 200), (1, 300, 3, 200)]
SIZES += [(1, 4, 4, 0), (3, 33, 1, 65)]


def laid_out(x, layout):
    """The same matrices with their rows, their columns or neither contiguous."""
    if layout == "columns":
        return np.ascontiguousarray(x.transpose(0, 2, 1)).transpose(0, 2, 1)
    if layout == "neither":
        return np.repeat(np.repeat(x, 2, axis=1), 3, axis=2)[:, ::2, ::3]
    return x


@kinds
@pytest.mark.parametrize("layouts", [("rows", "rows"), ("columns", "columns"), ("rows", "columns")])
def test_a_product_is_right_within_its_rounding(kind, layouts):
    rng = np.random.default_rng(0)
    for z, m, n, k in SIZES:
        a = laid_out(random(rng, kind[0], z, m, k), layouts[0])
        b = laid_out(random(rng, kind[0], z, k, n), layouts[1])
        c, d = random(rng, kind[1], z, m, n), random(rng, kind[1], z, m, n)
        for alpha, beta in ((1, 0), (2, 3), (0, 2)):
            check(multiply(kind, a, b, c, d, alpha, beta))
            same(kind, d, *expected(kind, a, b, c, alpha, beta))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(KINDS),
    sizes=st.tuples(st.integers(1, 3), *[st.integers(1, 70)] * 3),
    layouts=st.tuples(*[st.sampled_from(["rows", "columns", "neither"])] * 4),
    conj=st.integers(0, 3),
    bias=st.integers(0, 2),
    act=st.integers(0, 2),
    scalars=st.sampled_from([(1, 0), (2, 0), (-1, 1), (0, 1), (3, -2)]),
    seed=st.integers(0, 1 << 30),
)
def test_any_layout_conjugate_and_epilogue(kind, sizes, layouts, conj, bias, act, scalars, seed):
    (z, m, n, k), rng = sizes, np.random.default_rng(seed)
    is_complex = kind[0].startswith("c")
    conj = conj if is_complex else 0
    act = 0 if is_complex or kind[1] == "i32" else act
    shapes = ((z, m, k), (z, k, n), (z, m, n), (z, m, n))
    names = (kind[0], kind[0], kind[1], kind[1])
    a, b, c, d = (
        laid_out(random(rng, t, *shape), layout) for t, shape, layout in zip(names, shapes, layouts)
    )
    more = {"options": {"conj": conj, "activation": act, "bias": bias}}
    vector = None
    if bias:
        vector = random(rng, kind[1], m if bias == lib.OCU_BIAS_ROWS else n)
        more["bias"] = ffi.cast("void *", vector.ctypes.data)
    check(multiply(kind, a, b, c, d, *scalars, **more))
    if bias == lib.OCU_BIAS_ROWS:
        vector = vector[:, None]

    def gelu(x):
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))

    fn = {lib.OCU_RELU: lambda x: np.maximum(x, 0), lib.OCU_GELU: gelu}.get(act)
    want, bound = expected(kind, a, b, c, *scalars, conj=conj, bias=vector, act=fn)
    same(kind, d, want, bound * (1 if act != lib.OCU_GELU else 4) + 1e-30)


@kinds
def test_a_batch_stride_of_zero_repeats_a_matrix(kind):
    rng = np.random.default_rng(0)
    a, b = random(rng, kind[0], 1, 20, 30), random(rng, kind[0], 4, 30, 10)
    a = np.lib.stride_tricks.as_strided(a, (4, 20, 30), (0, *a.strides[1:]))
    d = random(rng, kind[1], 4, 20, 10)
    check(multiply(kind, a, b, d, d))
    same(kind, d, *expected(kind, a, b, d))


@pytest.mark.parametrize("out", ["f32", "f16", "bf16", "e4m3", "e5m2"])
@pytest.mark.parametrize("ab", [("e4m3", "e5m2"), ("e5m2", "e4m3")], ids="-".join)
def test_8_bit_numbers_of_two_kinds_multiply(ab, out):
    rng = np.random.default_rng(0)
    for (z, m, n, k), layout in zip(SIZES, ("rows", "columns") * 4):
        a, b = random(rng, ab[0], z, m, k), random(rng, ab[1], z, k, n)
        c, d = (laid_out(random(rng, out, z, m, n), layout) for _ in range(2))
        options = {"b": CODES[ab[1]]}
        kind = (ab[0], out, "f32")
        check(multiply(kind, a, b, c, d, 2, -1, options=options))
        same(kind, d, *expected(kind, a, b, c, 2, -1, other=ab[1]))


def test_a_long_k_of_8_bit_numbers_is_split():
    rng = np.random.default_rng(0)
    a, b = random(rng, "e5m2", 1, 20, 20_011), random(rng, "e4m3", 1, 20_011, 30)
    d = random(rng, "bf16", 1, 20, 30)
    check(multiply(("e5m2", "bf16", "f32"), a, b, d, d, options={"b": CODES["e4m3"]}))
    same(("e5m2", "bf16"), d, *expected(("e5m2", "bf16", "f32"), a, b, d, other="e4m3"))


def test_results_of_8_bits_end_at_the_largest_number_and_keep_nan():
    a, b, d = (np.full(s, 0x7E, "u1") for s in ((1, 4, 8), (1, 8, 3), (1, 4, 3)))
    a[0, 1] |= 0x80
    a[0, 2, 5] = 0x7F
    a[0, 3] = 0
    check(multiply(("e4m3", "e4m3", "f32"), a, b, d, d))
    d[0, 2] &= 0x7F  # NaN of either sign
    assert d[0].tolist() == [[0x7E] * 3, [0xFE] * 3, [0x7F] * 3, [0] * 3]


def test_sums_of_int8_wrap_in_int32():
    k = 140_000
    a, b = np.full((1, 1, k), -128, np.int8), np.full((1, k, 1), -128, np.int8)
    d = np.zeros((1, 1, 1), np.int32)
    check(multiply(("i8", "i32", "i32"), a, b, d, d))
    assert d[0, 0, 0] == np.int64(k * 128 * 128).astype(np.int32)


@kinds
def test_beta_zero_reads_no_c_and_alpha_zero_no_a_and_b(kind):
    if kind[1] == "i32":
        pytest.skip("integers have no NaN")
    rng = np.random.default_rng(0)
    a, b = random(rng, kind[0], 1, 40, 50), random(rng, kind[0], 1, 50, 60)
    d = random(rng, kind[1], 1, 40, 60)
    d.view(np.uint8)[...] = 0xFF  # NaN in every floating type
    check(multiply(kind, a, b, d, d, 1, 0))
    same(kind, d, *expected(kind, a, b, d))
    if kind[0] != "i8":
        a.view(np.uint8)[...] = 0xFF
        check(multiply(kind, a, b, d, d, 0, 0))
        assert not d.view(np.uint8).any()


@pytest.mark.parametrize(
    "kind",
    [
        {"ab": 1, "c": 2, "scale": 1},
        {"ab": 1, "c": 1, "scale": 1, "conj": 1},
        {"ab": 7, "c": 7, "scale": 7, "activation": 1},
        {"ab": 5, "c": 6, "scale": 6, "activation": 2},
        {"ab": 1, "c": 1, "scale": 1, "bias": 3},
        {"ab": 1, "c": 1, "scale": 1, "b": 1},
        {"ab": 11, "c": 1, "scale": 1},
        {"ab": 10, "b": 10, "c": 1, "scale": 1},
        {"ab": 10, "c": 11, "scale": 1},
        {"ab": 10, "c": 5, "scale": 1},
        {"ab": 10, "b": 11, "c": 1, "scale": 2},
    ],
)
def test_a_kind_that_is_none_is_refused_by_its_numbers(kind):
    g = ffi.new("ocu_product *", {"kind": kind})
    assert lib.ocu_multiply(ffi.NULL, g, 0) == lib.OCU_UNSUPPORTED
    text, b = ffi.string(lib.ocu_error()).decode(), kind.get("b", kind["ab"])
    assert text.startswith(
        f"gemm: no kernel for A of dtype {kind['ab']}, B of {b}, C of {kind['c']}"
    )


# ---- arrays of pointers --------------------------------------------------------------------------


def pointers(matrices):
    """An array of pointers, and the matrices it keeps alive."""
    return np.array([x.ctypes.data for x in matrices], np.uintp)


def pointed(kind, a, b, d, beta=0, arrays=None):
    """A product whose matrices are named by arrays of pointers."""
    g = ffi.new("ocu_product *")
    one = np.array([1, beta], {"f32": np.float32, "c64": np.complex64}[kind])
    code = {"f32": 1, "c64": 7}[kind]
    g.kind = {"ab": code, "c": code, "scale": code, "pointers": 1}
    g.batch, (g.m, g.n), g.k = len(d), d[0].shape, a[0].shape[1]
    arrays = arrays or list(map(pointers, (a, b, d)))
    for field, x, array in zip((g.a, g.b, g.d), (a, b, d), arrays):
        place = matrix(x[0][None])
        field.p, field.rs, field.cs = (
            ffi.cast("void *", array.ctypes.data),
            place["rs"],
            place["cs"],
        )
    g.c = g.d
    g.alpha = ffi.cast("void *", one.ctypes.data)
    g.beta = ffi.cast("void *", one[1:].ctypes.data)
    return call(g)


@pytest.mark.parametrize("kind", ["f32", "c64"])
def test_matrices_may_be_named_by_arrays_of_pointers(kind):
    rng = np.random.default_rng(0)
    a, b, d = (
        [random(rng, kind, *shape) for _ in range(5)] for shape in ((20, 30), (30, 40), (20, 40))
    )
    b[3] = b[0]
    start = [x.copy() for x in d]
    check(pointed(kind, a, b, d, beta=1))
    for each in zip(a, b, start, d):
        x, y, before, after = (v[None] for v in each)
        same((kind,) * 3, after, *expected((kind,) * 3, x, y, before, 1, 1))


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("wild", [0, 64, 1 << 45])
def test_a_wild_pointer_in_an_array_fails_the_call_and_not_the_program(which, wild):
    a = [np.ones((40, 40), np.float32) for _ in range(3)]
    d = [np.zeros((40, 40), np.float32) for _ in range(3)]
    arrays = list(map(pointers, (a, a, d)))
    arrays[which][2] = wild
    status = pointed("f32", a, a, d, arrays=arrays)
    assert status == lib.OCU_ILLEGAL_ADDRESS
    assert not any(x.any() for x in d)
    check(pointed("f32", a, a, d))
    assert (d[2] == 40).all()


def test_a_wild_pointer_fails_its_stream_when_it_is_found_there():
    stream = opencu.Stream()
    a = np.ones((1, 8), np.float32)
    array = np.array([1 << 45], np.uintp)
    one = np.array([1, 0], np.float32)
    g = ffi.new("ocu_product *")
    g.kind = {"ab": 1, "c": 1, "scale": 1, "pointers": 1}
    g.batch, g.m, g.n, g.k = 1, 400, 400, 400
    for field in (g.a, g.b, g.c, g.d):
        field.p, field.rs, field.cs = ffi.cast("void *", array.ctypes.data), 400, 1
    g.alpha, g.beta = (ffi.cast("void *", one[i:].ctypes.data) for i in (0, 1))
    check(call(g, 0, stream.handle))
    assert lib.ocu_stream_sync(stream.handle) == lib.OCU_ILLEGAL_ADDRESS
    assert a.any() and lib.ocu_stream_sync(stream.handle) == lib.OCU_OK
