"""Products of 8-bit numbers with factors in device memory: against float64."""

import time

import numpy as np
import pytest
from product import CODES, EPS, TINY, TYPES, call, check, matrix, random, values

from opencu.blas.kernels.scaled import reference
from opencu.drivers.status import ffi, lib
from opencu.tile import dtypes

RNG = np.random.default_rng(3)
# Dtypes of a, b, c, d and bias, as cuBLASLt has them.
KINDS = [
    ("e4m3", "e4m3", "bf16", "bf16", "bf16"), ("e4m3", "e4m3", "bf16", "e4m3", "bf16"),
    ("e4m3", "e5m2", "f16", "e5m2", "f16"), ("e5m2", "e4m3", "f32", "f32", "bf16"),
    ("e5m2", "e4m3", "f16", "f16", "f16"),
]  # fmt: skip
SIZES = [(1, 1, 1, 1), (1, 37, 300, 65), (3, 20, 9, 0), (2, 130, 17, 200)]


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def address(x):
    return ffi.NULL if x is None else ffi.cast("void *", x.ctypes.data)


def multiply(kind, a, b, c, d, alpha, beta, factors, amax=None, bias=None, how=0, act=0):
    """The core's status; a factor is None or an array, of more than one number for a's rows or b's
    columns."""
    g, scalars = ffi.new("ocu_product *"), np.array([alpha, beta], "f4")
    codes = [CODES[x] for x in kind]
    g.kind = {"ab": codes[0], "c": codes[2], "scale": 1, "activation": act, "bias": how}
    g.kind.b = codes[1] if codes[1] != codes[0] else 0
    g.batch, g.m, g.n, g.k = (*d.shape, a.shape[2])
    g.a, g.b, g.c, g.d = map(matrix, (a, b, c, d))
    g.alpha, g.beta, g.bias = address(scalars), address(scalars[1:]), address(bias)
    if bias is not None:
        g.bias_bs = bias.shape[1]
    places = {f"{x}_factor": address(f) for x, f in zip("abcd", factors)}
    many = [int(f is not None and f.size > 1) for f in factors]
    g.scaling = {"d": codes[3], "bias": codes[4], "amax": address(amax), **places}
    g.scaling.a_rows, g.scaling.b_columns = many[:2]
    return call(g)


def operands(kind, z, m, n, k, order):
    a, b = random(RNG, kind[0], z, m, k), random(RNG, kind[1], z, k, n)
    c, d = random(RNG, kind[2], z, m, n), random(RNG, kind[3], z, m, n)
    if order == "F":
        c, d = (np.ascontiguousarray(x.transpose(0, 2, 1)).transpose(0, 2, 1) for x in (c, d))
    return a, b, c, d


def close(kind, found, want, size):
    """Within the rounding of d and of sums of `size`."""
    most = dtypes.largest(TYPES[kind[3]])
    bound = EPS[kind[3]] * np.abs(want) + size * 2.0**-20 + TINY.get(kind[3], 0)
    assert (np.abs(values(kind[3], found) - np.clip(want, -most, most)) <= bound).all()


ACTIVATIONS = [lambda x: x, lambda x: np.maximum(x, 0), gelu]


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("vectors", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_a_scaled_product_is_the_sums_by_its_factors(kind, vectors, order):
    for (z, m, n, k), how, act in zip(SIZES, (2, 1, 0, 1), (0, 2, 1, 0)):
        a, b, c, d = operands(kind, z, m, n, k, order)
        counts = (m if vectors else 1, n if vectors else 1, 1, 1)
        factors = [RNG.uniform(0.5, 2, count).astype("f4") for count in counts]
        bias, amax = random(RNG, kind[4], z, {0: 1, 1: m, 2: n}[how]), np.full(1, 99, "f4")
        check(multiply(kind, a, b, c, d, 0.5, -2, factors, amax, bias, how, act))
        x, y, old, added = (values(t, v) for t, v in zip((*kind[:3], kind[4]), (a, b, c, bias)))
        added = {0: 0, 1: added[:, :, None], 2: added[:, None, :]}[how]
        fa, fb, fc, fd = (f.astype("f8") for f in factors)
        fa = fa[:, None]
        most, want = reference(x @ y / 2, old, added, (fa, fb, fc, fd), -2, ACTIVATIONS[act])
        size = fa * fb * (np.abs(x) @ np.abs(y)) + 4 * np.abs(old) + np.abs(added)
        close(kind, d, want, 8 * fd * size)
        most = np.abs(most).max()
        assert abs(amax[0] - most) <= 1e-4 * most + 1e-6


def test_what_is_not_given_is_one_and_beta_zero_reads_no_c():
    kind = KINDS[1]
    a, b, c, d = operands(kind, 1, 30, 40, 50, "C")
    c[...] = 0x7FC0
    check(multiply(kind, a, b, c, d, 1, 0, [None] * 4))
    t = values(kind[0], a) @ values(kind[1], b)
    close(kind, d, t, np.abs(values(kind[0], a)) @ np.abs(values(kind[1], b)))


def test_alpha_zero_reads_no_a_and_b_and_a_nan_is_the_largest():
    kind = KINDS[0]
    a, b, c, d = operands(kind, 1, 30, 40, 50, "C")
    a[...] = b[...] = 0x7F
    c[...], amax = 0x3F80, np.zeros(1, "f4")
    check(multiply(kind, a, b, c, d, 0, 3, [None] * 4, amax))
    assert (values("bf16", d) == 3).all() and amax[0] == 3
    check(multiply(kind, a, b, c, d, 1, 3, [None] * 4, amax))
    assert np.isnan(values("bf16", d)).all() and np.isnan(amax[0])


def test_factors_are_read_when_the_work_runs():
    kind = KINDS[0]
    a, b, c, d = operands(kind, 1, 300, 200, 100, "C")
    held = ffi.new("void **")
    check(lib.ocu_alloc(0, 1 << 20, lib.OCU_MEM_DEVICE, held))
    place = np.frombuffer(ffi.buffer(held[0], 1 << 20), "u1")
    mine = [
        place[at : at + x.nbytes].view(x.dtype).reshape(x.shape)
        for at, x in zip((0, 1 << 16, 1 << 18), (a, b, d))
    ]
    for to, x in zip(mine, (a, b, d)):
        to[...] = x
    factor, source = place[1 << 19 :][:4].view("f4"), np.array([2], "f4")
    factor[0] = 0
    stream = ffi.new("ocu_stream **")
    check(lib.ocu_stream_create(0, 1, stream))
    g, scalars = ffi.new("ocu_product *"), np.array([1, 0], "f4")
    g.kind = {"ab": 10, "c": 4, "scale": 1}
    g.batch, g.m, g.n, g.k = 1, 300, 200, 100
    g.a, g.b, g.d = map(matrix, mine)
    g.c = g.d
    g.alpha, g.beta = address(scalars), address(scalars[1:])
    g.scaling = {"d": 4, "a_factor": address(factor)}
    check(call(g, 0, stream[0]))  # planned
    check(lib.ocu_stream_sync(stream[0]))
    assert not values("bf16", mine[2]).any()
    sleeper = ffi.callback("void(void *)", lambda _: time.sleep(0.05))
    check(lib.ocu_stream_host_call(stream[0], sleeper, ffi.NULL))
    check(lib.ocu_copy(stream[0], address(factor), address(source), 4, 0))
    check(call(g, 0, stream[0]))
    assert not values("bf16", mine[2]).any()  # it returned while the stream slept
    check(lib.ocu_stream_sync(stream[0]))
    want = 2 * values("e4m3", a) @ values("e4m3", b)
    close(kind, mine[2], want, np.abs(want) + 50)
    check(lib.ocu_stream_destroy(stream[0]))
    check(lib.ocu_free(held[0]))


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"ab": 1}, "UNSUPPORTED"), ({"c": 10}, "UNSUPPORTED"), ({"pointers": 1}, "UNSUPPORTED"),
        ({"bias": 1}, "UNSUPPORTED"), ({}, "INVALID_VALUE"),
    ],
)  # fmt: skip
def test_what_has_no_scaled_product_is_refused(change, status):
    g, one = ffi.new("ocu_product *"), np.ones(1, "f4")
    g.kind = {"ab": 10, "c": 4, "scale": 1, **change}
    g.alpha = g.beta = address(one)
    g.batch = g.m = g.n = g.k = 1
    g.scaling.d = 10
    assert lib.ocu_multiply(ffi.NULL, g, 0) == getattr(lib, f"OCU_{status}")


@pytest.mark.parametrize("which", ["a_factor", "b_factor", "c_factor", "d_factor", "amax"])
def test_a_factor_in_no_memory_is_an_illegal_address(which):
    x, one = np.zeros(1, "u1"), np.ones(1, "f4")
    g = ffi.new("ocu_product *", {"kind": {"ab": 10, "c": 4, "scale": 1}})
    g.alpha, g.beta = address(one), address(np.zeros(1, "f4"))
    g.batch = g.m = g.n = g.k = 1
    g.a = g.b = g.c = g.d = matrix(x[None, None])
    g.scaling = {"d": 10, which: ffi.cast("void *", 16)}
    assert call(g) == lib.OCU_ILLEGAL_ADDRESS
