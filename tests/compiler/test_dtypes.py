"""Every element type: conversions, arithmetic and memory, against the interpreter."""

import functools
import re

import numpy as np
import pytest
from execute import SSE2, fenced, held, interpret, marked, run
from hypothesis import given, settings
from hypothesis import strategies as st

from opencu import tile
from opencu.compiler import compile, llvm, vector
from opencu.drivers.cpu import TARGETS
from opencu.tile import KernelError, View, dtypes

targets = pytest.mark.parametrize("target", marked(wide=False))
REAL = [d for d in dtypes.ALL if d.kind in "fiu"]
# The 8-bit types: bits of the fraction, the exponent's bias, how many codes from 0 on are finite.
BYTES = {tile.e4m3: (3, 7, 0x7F), tile.e5m2: (2, 15, 0x7C)}
STORED = [d for d in dtypes.ALL if d.storage]
RNG = np.random.default_rng(5)
N = 512


SINKS = [*REAL, tile.bool_]


@tile.kernel
def convert_one(x, y, N: int):
    tile.store(y, 0, tile.cast(tile.load(x, 0, N), y.dtype))


@tile.kernel
def saturate_one(x, y, N: int):
    tile.store(y, 0, tile.saturate(tile.load(x, 0, N), y.dtype))


@tile.kernel
def convert(x, a, b, c, d, e, f, g, h, i, j, k, N: int):
    """One output for each of SINKS."""
    n = tile.pid(0)
    v = tile.load(x, n, N)
    tile.store(a, n, tile.cast(v, a.dtype))
    tile.store(b, n, tile.cast(v, b.dtype))
    tile.store(c, n, tile.cast(v, c.dtype))
    tile.store(d, n, tile.cast(v, d.dtype))
    tile.store(e, n, tile.cast(v, e.dtype))
    tile.store(f, n, tile.cast(v, f.dtype))
    tile.store(g, n, tile.cast(v, g.dtype))
    tile.store(h, n, tile.cast(v, h.dtype))
    tile.store(i, n, tile.cast(v, i.dtype))
    tile.store(j, n, tile.cast(v, j.dtype))
    tile.store(k, n, tile.cast(v, k.dtype))


def bits(x: np.ndarray, dtype: tile.DType) -> np.ndarray:
    """An array's bits, with one NaN."""
    if dtype.kind != "f":
        return x
    nan = np.isnan(dtypes.widen(x.view(dtype.numpy), dtype))
    return np.where(nan, np.array(-1, f"i{dtype.bytes}"), x.view(f"i{dtype.bytes}"))


def same(kernel, target, args, outputs, **consts):
    """The target and the interpreter give the same bits in the last arguments, which have the
    dtypes `outputs`."""
    size = len(args[0])
    args = [*args, *(np.zeros(size, held(dtype)) for dtype in outputs)]
    mine = [fenced(x) for x in args]
    theirs = [x.copy() for x in args]
    grid = (-(-size // N),)
    run(kernel, target, grid, mine, N=N, **consts)
    interpret(kernel, grid, theirs, N=N, **consts)
    for ours, oracle, dtype in zip(mine[-len(outputs) :], theirs[-len(outputs) :], outputs):
        np.testing.assert_array_equal(bits(ours, dtype), bits(oracle, dtype), str(dtype))


def numbers(dtype: tile.DType) -> list[float]:
    """The finite numbers from 0 on of an 8-bit type, and the next that it would have: from the
    definition, by Python's arithmetic alone."""
    fraction, bias, count = BYTES[dtype]
    found = []
    for code in range(count + 1):
        exponent, rest = code >> fraction, code % (1 << fraction)
        ones = rest + (1 << fraction) * (exponent > 0)
        found.append(ones * 2.0 ** (max(exponent, 1) - bias - fraction))
    return found


def between(dtype: tile.DType) -> np.ndarray:
    """The middles of neighbours."""
    x = np.array(numbers(dtype))
    return (x[:-1] + x[1:]) / 2


def samples(dtype: tile.DType) -> np.ndarray:
    """Edges, and values of every size; all values of the small types."""
    if dtype.bits <= 16:
        count = 1 << dtype.bits
        every = np.arange(count, dtype=f"u{dtype.bytes}")
        return every.view(held(dtype))
    if dtype.kind != "f":
        edges = [
            b + d for e in range(dtype.bits - 1) for b in (1 << e, -1 << e) for d in (-1, 0, 1)
        ]
        info = np.iinfo(dtype.numpy)
        edges += [info.min, info.max, *RNG.integers(info.min, info.max, 500).tolist()]
        return np.array(edges, dtype.numpy)
    pattern = RNG.integers(0, 1 << dtype.bits, 4000, dtype=f"u{dtype.bytes}").view(dtype.numpy)
    limits = [2.0**e for e in (7, 8, 15, 16, 31, 32, 63, 64, -14, -24, -25, -126, -133, -149)]
    limits += [65504.0, 65520.0, 3.39e38, 3.4e38, 1.0, 0.0, np.inf, np.nan, 127.5, 2049, 2051]
    edges = np.array([x for v in limits for x in (v, -v)], dtype.numpy)
    near = [np.nextafter(edges, dtype.numpy.type(to)) for to in (-np.inf, np.inf)]
    halves = samples(tile.f16).astype(dtype.numpy)  # values of f16, and the middles between them
    halves = halves[np.isfinite(halves)]
    bytes = np.concatenate([between(to).astype(dtype.numpy) for to in BYTES])
    middles = np.concatenate([np.sort(halves)[:-1] / 2 + np.sort(halves)[1:] / 2, bytes, -bytes])
    around = [np.nextafter(middles, dtype.numpy.type(to)) for to in (-np.inf, np.inf)]
    return np.concatenate([pattern, edges, *near, halves[::7], middles[::3], *around])


@targets
@pytest.mark.parametrize("source", SINKS, ids=str)
def test_every_cast_rounds_once_and_saturates(target, source):
    x = samples(source) if source != tile.bool_ else np.array([True, False] * 300)
    same(convert, target, [x], SINKS)


def test_narrowing_to_f16_is_numpys():
    x = samples(tile.f64)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(dtypes.narrow(x, tile.f16), x.astype("f2"))


def test_narrowing_to_bf16_takes_the_nearest_value():
    finite = np.arange(0x7F81, dtype="u2")  # zero to infinity, whose place is 2^128
    values = dtypes.widen(finite, tile.bf16).astype("f8")
    values[-1] = 2.0**128
    middle = (values[:-1] + values[1:]) / 2
    even = finite[:-1] + (finite[:-1] & 1)
    np.testing.assert_array_equal(dtypes.narrow(middle, tile.bf16), even)
    np.testing.assert_array_equal(dtypes.narrow(np.nextafter(middle, 0), tile.bf16), finite[:-1])
    np.testing.assert_array_equal(dtypes.narrow(np.nextafter(middle, 1e39), tile.bf16), finite[1:])
    np.testing.assert_array_equal(dtypes.narrow(values[:-1], tile.bf16), finite[:-1])


@targets
@pytest.mark.parametrize("dtype", BYTES, ids=str)
def test_every_code_of_eight_bits_is_its_number(target, dtype):
    codes, count = np.arange(256, dtype="u1"), BYTES[dtype][2]
    found = np.full(256, 9, "f4")
    run(convert_one, target, (1,), [codes.view(held(dtype)), found], N=256)
    np.testing.assert_array_equal(found, dtypes.widen(codes, dtype))
    positive = np.array(numbers(dtype)[:count] + [np.nan] * (128 - count))
    if dtype == tile.e5m2:
        positive[0x7C] = np.inf
    np.testing.assert_array_equal(found, np.concatenate([positive, -positive]))
    assert np.signbit(found[0x80]) and not np.signbit(found[0])


@targets
@pytest.mark.parametrize("kernel", [convert_one, saturate_one], ids=["cast", "saturate"])
@pytest.mark.parametrize("source", [tile.f32, tile.f64], ids=str)
@pytest.mark.parametrize("dtype", BYTES, ids=str)
def test_rounding_to_eight_bits_is_to_the_nearest_and_then_to_the_even_code(
    target, dtype, source, kernel
):
    count, middle = BYTES[dtype][2], between(dtype).astype(source.numpy)
    low = np.arange(count)
    over = count if kernel is convert_one else count - 1
    up = np.where(low + 1 == count, over, low + 1)
    x = [np.array(numbers(dtype)[:-1]), np.nextafter(middle, 0), np.nextafter(middle, 1e9), middle]
    x += [np.array([1e30, np.inf])]
    codes = [low, low, up, np.where(low % 2, up, low), np.array([over] * 2)]
    x, codes = np.concatenate(x).astype(source.numpy), np.concatenate(codes)
    x = np.concatenate([x, -x, [np.nan]]).astype(source.numpy)
    codes = np.concatenate([codes, codes | 0x80, [0x7F]]).astype("u1")
    for how in (functools.partial(run, kernel, target), functools.partial(interpret, kernel)):
        found = np.zeros(len(x), held(dtype))
        how((1,), [x, found], N=len(x))
        np.testing.assert_array_equal(found.view("u1"), codes)


def test_narrowing_rounds_long_integers_once():
    # f64 and f32 both round this to the middle of two bf16 values, whose even one is below.
    x = np.array([(257 << 54) + 1, -(257 << 54) - 1], "i8")
    assert dtypes.widen(dtypes.narrow(x, tile.bf16), tile.bf16).tolist() == [258 << 54, -258 << 54]


def add(x, y):
    return x + y


def sub(x, y):
    return x - y


def mul(x, y):
    return x * y


def div(x, y):
    return x / y


def floordiv(x, y):
    return x // y


def mod(x, y):
    return x % y


def less(x, y):
    return tile.select(x < y, x, y)


def shl(x, y):
    return x << y


def shr(x, y):
    return x >> y


def fma(x, y):
    return tile.fma(x, y, x)


@tile.kernel
def apply_binary(x, y, z, N: int, fn=None):
    i = tile.pid(0)
    tile.store(z, i, fn(tile.load(x, i, N), tile.load(y, i, N)))


def pairs(dtype):
    x = samples(dtype)
    return RNG.choice(x, 3001), RNG.choice(x, 3001)


@targets
@pytest.mark.parametrize("dtype", STORED, ids=str)
@pytest.mark.parametrize("fn", [add, sub, mul, div, less, fma, tile.minimum, tile.maximum])
def test_arithmetic_on_storage_types_is_f32_rounded(target, dtype, fn):
    x, y = pairs(dtype)
    same(apply_binary, target, [x, y], [dtype], fn=fn)


def test_a_sum_of_storage_types_is_the_rounded_sum():
    x, y, z = (np.array([v], "f2") for v in (2048, 1.5, 0))
    run(apply_binary, SSE2, (1,), [x, y, z], N=1, fn=add)
    assert z[0] == 2050


@targets
@pytest.mark.parametrize("dtype", [tile.i8, tile.u8, tile.i32, tile.i64], ids=str)
@pytest.mark.parametrize(
    "fn", [add, sub, mul, less, floordiv, mod, shl, shr, tile.minimum, tile.maximum]
)
def test_integers_wrap_compare_and_shift_by_their_sign(target, dtype, fn):
    x, y = pairs(dtype)
    if fn in (floordiv, mod):
        y[(y == 0) | (y == -1 % (1 << 64 if dtype.kind == "u" else 1 << 65))] = 3
        y[y == np.array(-1).astype(dtype.numpy)] = 7
    same(apply_binary, target, [x, y], [dtype], fn=fn)


def neg(x):
    return -x


def bits_and_back(x):
    wide = tile.i32 if x.dtype == tile.f32 else tile.i64
    return tile.bitcast(tile.bitcast(x, wide) >> 1, x.dtype)


@tile.kernel
def apply_unary(x, y, N: int, fn=None):
    i = tile.pid(0)
    tile.store(y, i, fn(tile.load(x, i, N)))


@targets
@pytest.mark.parametrize("dtype", REAL, ids=str)
@pytest.mark.parametrize("fn", [neg, tile.abs])
def test_signs(target, dtype, fn):
    x = samples(dtype)
    same(apply_unary, target, [x], [dtype], fn=fn)


@targets
@pytest.mark.parametrize("dtype", [tile.f16, tile.bf16, tile.f32, tile.f64], ids=str)
@pytest.mark.parametrize("fn", [tile.floor, tile.rint, tile.sqrt])
def test_roundings_keep_signs_nan_and_large_values(target, dtype, fn):
    x = np.concatenate([samples(dtype), *(dtypes.narrow(np.arange(-9, 9, 0.25), dtype),)])
    same(apply_unary, target, [x], [dtype], fn=fn)


@targets
@pytest.mark.parametrize("dtype", [tile.f32, tile.f64], ids=str)
def test_bits_are_read_as_another_type(target, dtype):
    x = samples(dtype)
    same(apply_unary, target, [x], [dtype], fn=bits_and_back)


@tile.kernel
def scale_2d(x, y, M: int, N: int):
    at = (tile.pid(0), tile.pid(1))
    tile.store(y, at, tile.load(x, at, (M, N)))


@pytest.mark.parametrize("dtype", [*REAL, tile.bool_], ids=str)
@pytest.mark.parametrize("target", marked(wide=False))
@given(
    shape=st.tuples(st.integers(0, 9), st.integers(0, 150)),
    how=st.tuples(*[st.sampled_from(["rows", "columns", "reversed"])] * 2),
)
@settings(max_examples=5, deadline=None)
def test_memory_of_any_strides_is_read_and_written_to_its_end(target, dtype, shape, how):
    x = RNG.integers(0, 2 if dtype.kind == "b" else 100, shape).astype(dtype.numpy)
    x, y = (
        {"rows": lambda a: a, "columns": np.asfortranarray, "reversed": lambda a: a[::-1, ::-1]}[h](
            a
        )
        for h, a in zip(how, (x, np.zeros_like(x)))
    )
    x, y = fenced(x), fenced(y)
    run(scale_2d, target, (2, 2), [x, y], M=5, N=75)
    np.testing.assert_array_equal(x, y)


@tile.kernel
def plus_constant(x, y, N: int, VALUE=0):
    tile.store(y, 0, tile.load(x, 0, N) + VALUE)


@targets
@pytest.mark.parametrize("dtype", STORED, ids=str)
def test_constants_are_rounded_to_storage_types(target, dtype):
    x = dtypes.narrow(np.linspace(-3, 3, 37), dtype).view(held(dtype))
    same(plus_constant, target, [x], [dtype], VALUE=0.1)


def test_dtypes_know_their_numpy_types():
    assert [dtypes.of(d) for d in ("f2", "i1", "u1", "c8", "c16")] == [
        tile.f16, tile.i8, tile.u8, tile.c64, tile.c128,
    ]  # fmt: skip
    assert tile.c64.part == tile.f32 and tile.c128.part == tile.f64
    with pytest.raises(TypeError, match="dtype uint16 is not supported; expected one of f16, bf16"):
        dtypes.of("u2")


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("source", [d for d in REAL if d.bits < 64], ids=str)
def test_conversions_are_vector_code(target, source):
    for sink in (d for d in REAL if d.bits < 64):
        views = {"x": View(source, (1,)), "y": View(sink, (1,))}
        function = convert_one.trace(views, {"N": 4096})
        module = llvm.optimise(vector.lower(function, target).text, target)
        text = llvm.emit(module, target, assembly=True)
        main = max(text.split(".LBB"), key=lambda part: part.count("mm"))
        assert not re.search(r"\b(call\w*|v?p(insr|extr)\w+|v?cvt\w+s[sd])\b", main), sink


@pytest.mark.parametrize("source", SINKS, ids=str)
def test_conversions_call_no_library_on_avx512(source):
    views = {name: View(d, (1,)) for name, d in zip("abcdefghijk", SINKS)}
    compile(convert.trace({"x": View(source, (1,)), **views}, {"N": 512}), TARGETS["x86-64-avx512"])


def shift_one(x):
    return x << 1


def as_i64(x):
    return tile.bitcast(x, tile.i64)


def round_integers(x):
    return tile.rint(tile.cast(x, tile.i32))


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (shift_one, "shl is not defined for tile<8 f32>"),
        (as_i64, "f32 and i64 are not of one size"),
        (round_integers, "rint is not defined for tile<8 i32>"),
    ],
)
def test_what_a_type_does_not_have_is_refused(fn, message):
    views = {"x": View(tile.f32, (1,)), "y": View(tile.f32, (1,))}
    with pytest.raises(KernelError, match=message):
        apply_unary.trace(views, {"N": 8, "fn": fn})
