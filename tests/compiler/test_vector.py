"""The vector lowering against the interpreter, on every target that this machine can run."""

import numpy as np
import pytest
from execute import fenced, interpret, marked, run
from hypothesis import given, settings
from hypothesis import strategies as st

from opencu import tile

targets = pytest.mark.parametrize("target", marked())
RNG = np.random.default_rng(2)


def both(kernel, target, grid, args, out, **consts):
    """Run a kernel on the target and in the interpreter; the two outputs (args[out])."""
    mine = [fenced(x) if isinstance(x, np.ndarray) else x for x in args]
    theirs = [x.copy() if isinstance(x, np.ndarray) else x for x in args]
    run(kernel, target, grid, mine, **consts)
    interpret(kernel, grid, theirs, **consts)
    return mine[out], theirs[out]


@tile.kernel
def axpy(x, y, a, N: int):
    i = tile.pid(0)
    tile.store(y, i, tile.fma(a, tile.load(x, i, N), tile.load(y, i, N)))


@targets
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("size", [0, 1, 7, 64, 101, 1000])
def test_a_tile_may_hang_over_the_end_of_its_view(target, dtype, size):
    x, y = RNG.standard_normal((2, size)).astype(dtype)
    ours, oracle = both(axpy, target, (3,), [x, y, np.dtype(dtype).type(1.5)], 1, N=400)
    np.testing.assert_allclose(ours, oracle, rtol=1e-6, atol=1e-6)


@tile.kernel
def scale_2d(x, y, M: int, N: int):
    at = (tile.pid(0), tile.pid(1))
    tile.store(y, at, tile.load(x, at, (M, N)) * 2)


def strided(x: np.ndarray, how: str) -> np.ndarray:
    return {
        "rows": lambda: x,
        "columns": lambda: np.asfortranarray(x),
        "reversed": lambda: x[::-1, ::-1],
    }[how]()


@targets
@pytest.mark.parametrize("source", ["rows", "columns", "reversed"])
@pytest.mark.parametrize("sink", ["rows", "columns", "reversed"])
def test_any_strides_are_read_and_written(target, source, sink):
    x = strided(RNG.standard_normal((13, 21)), source)
    y = strided(np.full((13, 21), 9.0), sink)
    ours, oracle = both(scale_2d, target, (3, 2), [x, y], 1, M=5, N=12)
    np.testing.assert_array_equal(ours, oracle)


def neg(x):
    return -x


UNARY = {"neg": neg, "abs": tile.abs, "sqrt": tile.sqrt, "floor": tile.floor}


@tile.kernel
def apply_unary(x, y, N: int, fn=None):
    tile.store(y, 0, fn(tile.load(x, 0, N)))


@targets
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", UNARY)
def test_unary_functions_keep_nan_and_infinity(target, dtype, name):
    x = np.array([0.0, -0.0, 1.5, -2.5, np.inf, -np.inf, np.nan, 1e-30, 7], dtype)
    ours, oracle = both(apply_unary, target, (1,), [x, np.zeros_like(x)], 1, N=16, fn=UNARY[name])
    np.testing.assert_array_equal(ours, oracle)


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


def and_(x, y):
    return x & y


def or_(x, y):
    return x | y


def xor(x, y):
    return x ^ y


BINARY = {
    "add": add,
    "sub": sub,
    "mul": mul,
    "div": div,
    "min": tile.minimum,
    "max": tile.maximum,
    "floordiv": floordiv,
    "mod": mod,
    "and": and_,
    "or": or_,
    "xor": xor,
}


@tile.kernel
def apply_binary(x, y, z, N: int, fn=None):
    tile.store(z, 0, fn(tile.load(x, 0, N), tile.load(y, 0, N)))


@targets
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "min", "max"])
def test_floating_arithmetic_is_ieee(target, name):
    special = [0.0, -0.0, 1.0, -3.5, np.inf, -np.inf, np.nan]
    x, y = (a.ravel().astype("f4") for a in np.meshgrid(special, special))
    ours, oracle = both(
        apply_binary, target, (1,), [x, y, np.zeros_like(x)], 2, N=64, fn=BINARY[name]
    )
    np.testing.assert_array_equal(ours, oracle)


@targets
@pytest.mark.parametrize("dtype", ["i4", "i8"])
@pytest.mark.parametrize(
    "name", ["add", "sub", "mul", "min", "max", "floordiv", "mod", "and", "or", "xor"]
)
def test_integer_arithmetic_rounds_down(target, dtype, name):
    values = [-9, -4, -1, 1, 3, 8, 1000]
    x, y = (a.ravel().astype(dtype) for a in np.meshgrid(values, values))
    ours, oracle = both(
        apply_binary, target, (1,), [x, y, np.zeros_like(x)], 2, N=64, fn=BINARY[name]
    )
    np.testing.assert_array_equal(ours, oracle)


@tile.kernel
def choose(x, y, z, limit, N: int):
    a, b = tile.load(x, 0, N), tile.load(y, 0, N)
    where = tile.iota(N, 0)
    tile.store(z, 0, tile.select((a < b) & (where >= limit), a, b))


@targets
def test_comparisons_select_and_iota(target):
    x, y = RNG.standard_normal((2, 37)).astype("f4")
    x[3] = y[30] = np.nan
    ours, oracle = both(choose, target, (1,), [x, y, np.zeros_like(x), 5], 2, N=48)
    np.testing.assert_array_equal(ours, oracle)


@tile.kernel
def convert(x, y, N: int, dtype=None):
    tile.store(y, 0, tile.cast(tile.load(x, 0, N), dtype))


@targets
@pytest.mark.parametrize("source", ["f4", "f8", "i4", "i8"])
@pytest.mark.parametrize("sink", [tile.f32, tile.f64, tile.i32, tile.i64], ids=str)
def test_casts_round_toward_zero(target, source, sink):
    x = np.array([0, 1, -1, 2.75, -2.75, 1e6, -1e6]).astype(source)
    ours, oracle = both(convert, target, (1,), [x, np.zeros(7, sink.numpy)], 1, N=8, dtype=sink)
    np.testing.assert_array_equal(ours, oracle)


@tile.kernel
def outer(x, y, z, M: int, N: int):
    column = tile.load(x, (0, 0), (M, 1))
    row = tile.load(y, (0, 0), (1, N))
    tile.store(z, (0, 0), column * row)


@targets
def test_axes_of_size_one_broadcast(target):
    x, y = RNG.standard_normal((11, 1)), RNG.standard_normal((1, 19))
    ours, oracle = both(outer, target, (1,), [x, y, np.zeros((11, 19))], 2, M=16, N=24)
    np.testing.assert_array_equal(ours, oracle)


@tile.kernel
def maybe_add(x, y, flag, N: int):
    v = tile.load(x, 0, N)
    if flag > 0:
        v = v + tile.load(y, 0, N)
    else:
        v = v * 3
    tile.store(y, 0, v)


@targets
@pytest.mark.parametrize("flag", [0, 1])
def test_a_branch_chooses_between_tiles(target, flag):
    x, y = RNG.standard_normal((2, 29))
    ours, oracle = both(maybe_add, target, (1,), [x, y, flag], 1, N=32)
    np.testing.assert_array_equal(ours, oracle)


@tile.kernel
def store_if(x, y, flag, N: int):
    if flag > 0:
        tile.store(y, 0, tile.load(x, 0, N))


@targets
@pytest.mark.parametrize("flag", [0, 1])
def test_a_branch_may_store(target, flag):
    x, y = RNG.standard_normal((2, 29))
    ours, oracle = both(store_if, target, (1,), [x, y, flag], 1, N=32)
    np.testing.assert_array_equal(ours, oracle)


@tile.kernel
def prefix(x, y, N: int):
    """y[i] = the sum of the tiles 0..i of x, elementwise; counts the steps as well."""
    total, steps = tile.full(N, 0, x.dtype), 0
    for i in range(tile.cdiv(x.shape[0], N)):
        total = total + tile.load(x, i, N)
        steps = steps + 1
        tile.store(y, i, total * tile.cast(steps, x.dtype))


@targets
@pytest.mark.parametrize("size", [0, 3, 16, 70])
def test_a_loop_carries_tiles_and_numbers(target, size):
    x = RNG.standard_normal(size)
    ours, oracle = both(prefix, target, (1,), [x, np.zeros(size)], 1, N=16)
    np.testing.assert_allclose(ours, oracle, rtol=1e-12)


@tile.kernel
def shift(x, N: int):
    """x[0] becomes x[1] and so on: the value is read before it is overwritten."""
    tile.store(x[0:N], 0, tile.load(x[1 : N + 1], 0, N))


@targets
def test_a_store_over_its_own_source_reads_first(target):
    x = np.arange(40.0)
    ours, oracle = both(shift, target, (1,), [x], 0, N=32)
    np.testing.assert_array_equal(ours, oracle)


@tile.kernel
def bands(x, y, lo, hi, N: int):
    part = y[lo:hi, 2]
    tile.store(part, 0, tile.load(x[lo:hi], 0, N))


@targets
@given(lo=st.integers(0, 30), hi=st.integers(0, 30))
@settings(max_examples=20, deadline=None)
def test_a_slice_is_clipped_to_its_view(target, lo, hi):
    x, y = np.arange(20.0), np.zeros((20, 4))
    ours, oracle = both(bands, target, (1,), [x, y, lo, hi], 1, N=24)
    np.testing.assert_array_equal(ours, oracle)


@tile.kernel
def one_column(x, y, i, N: int):
    tile.store(y[:, i], 0, tile.load(x[:, i], 0, N) + 1)


@targets
@pytest.mark.parametrize("i", [-1, 0, 3, 4, 1 << 40])
def test_an_index_beyond_its_axis_touches_nothing(target, i):
    x, y = RNG.standard_normal((2, 20, 4))
    ours, oracle = both(one_column, target, (1,), [x, y, i], 1, N=24)
    np.testing.assert_array_equal(ours, oracle)


@tile.kernel
def count_tiles(y, N: int):
    """Tiles of a size that no vector divides: each must stop at its own end."""
    i = tile.pid(0)
    tile.store(y, i, tile.full(N, tile.cast(i, y.dtype), y.dtype))


@targets
@pytest.mark.parametrize("size", [3, 7, 13, 20])
def test_a_tile_writes_nothing_beyond_its_own_end(target, size):
    ours, oracle = both(count_tiles, target, (5,), [np.zeros(5 * size)], 0, N=size)
    np.testing.assert_array_equal(ours, oracle)


@tile.kernel
def use_after_store(x, y, N: int):
    v = tile.load(x, 0, N)
    tile.store(x, 0, v + 1)
    tile.store(y, 0, v)


@tile.kernel
def use_in_storing_loop(x, y, N: int):
    v = tile.load(x, 0, N)
    for i in range(3):
        tile.store(x, 0, v * 2)
        tile.store(y, i, v)


@tile.kernel
def carried_over_store(x, y, N: int):
    v = tile.load(x, 0, N)
    for _i in range(3):
        w = tile.load(x, 0, N)
        tile.store(x, 0, v + w)
        v = w * 2
    tile.store(y, 0, v)


@tile.kernel
def use_after_branch(x, y, N: int):
    v = tile.load(x, 0, N)
    if x.shape[0] > 3:
        tile.store(x, 0, v + 1)
        tile.store(y, 1, v)
    tile.store(y, 0, v)


@targets
@pytest.mark.parametrize(
    "kernel", [use_after_store, use_in_storing_loop, carried_over_store, use_after_branch],
    ids=lambda k: k.__name__,
)  # fmt: skip
def test_a_value_that_was_loaded_survives_a_store(target, kernel):
    for out in (0, 1):
        x, y = np.arange(20.0), np.zeros(60)
        ours, oracle = both(kernel, target, (1,), [x, y], out, N=20)
        np.testing.assert_array_equal(ours, oracle)


@tile.kernel
def at_index(x, y, i, N: int):
    tile.store(y, i, tile.load(x, i, N) + 1)


@targets
@pytest.mark.parametrize("i", [-1, 0, 2, 3, 1 << 61, -(1 << 61)])
def test_a_tile_index_beyond_the_view_touches_nothing(target, i):
    x, y = RNG.standard_normal((2, 40))
    ours, oracle = both(at_index, target, (1,), [x[8:32], y[8:32], i], 1, N=8)
    np.testing.assert_array_equal(ours, oracle)
    y2 = y.copy()
    run(at_index, target, (1,), [x[8:32], y2[8:32], i], N=8)
    np.testing.assert_array_equal(y2[:8], y[:8])
    np.testing.assert_array_equal(y2[32:], y[32:])


@targets
@pytest.mark.parametrize("dtype", ["i4", "i8"])
@pytest.mark.parametrize("name", ["floordiv", "mod"])
def test_integer_division_never_traps(target, dtype, name):
    x = np.array([np.iinfo(dtype).min, 5, -5, 0], dtype)
    y = np.array([-1, 0, -1, 0], dtype)
    z = np.zeros_like(x)
    run(apply_binary, target, (1,), [x, y, z], N=4, fn=BINARY[name])
    assert z[2] == (5 if name == "floordiv" else 0)


@tile.kernel
def first_row_plus(x, N: int):
    tile.store(x, (0, 0), tile.load(x, (0, 0), (N, N)) + tile.load(x, (0, 0), (1, N)))


@targets
def test_a_broadcast_row_is_read_before_it_is_overwritten(target):
    ours, oracle = both(first_row_plus, target, (1,), [RNG.standard_normal((8, 8))], 0, N=8)
    np.testing.assert_array_equal(ours, oracle)


@tile.kernel
def signed_zeros(x, y, N: int):
    v = tile.load(x, 0, N)
    tile.store(y, 0, v / tile.full(N, 0.0, tile.f64))
    tile.store(y, 1, v / tile.full(N, -0.0, tile.f64))


@targets
def test_zeros_keep_their_signs(target):
    ours, oracle = both(signed_zeros, target, (1,), [np.ones(4), np.zeros(8)], 1, N=4)
    np.testing.assert_array_equal(ours, oracle)
