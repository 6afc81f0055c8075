"""Reductions, scans, shapes, elements and while loops against the interpreter, on every target."""

import numpy as np
import pytest
from execute import marked, run
from hypothesis import given, settings
from hypothesis import strategies as st
from test_vector import RNG, both, strided

from opencu import tile

targets = pytest.mark.parametrize("target", marked(wide=False))
dtypes = pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8"])


def random(shape, dtype):
    x = RNG.standard_normal(shape) * 8
    return x.astype(dtype)


def close(ours, oracle):
    tolerance = 1e-4 if ours.dtype == "f4" else 1e-11
    np.testing.assert_allclose(ours, oracle, rtol=tolerance, atol=tolerance)


# ---- reduce --------------------------------------------------------------------------------------


@tile.kernel
def reduce_line(x, y, N: int, fn=None):
    tile.scatter(y, 0, fn(tile.load(x, 0, N)))


@targets
@dtypes
@pytest.mark.parametrize("fn", [tile.sum, tile.max, tile.min], ids=lambda f: f.__name__)
@pytest.mark.parametrize("size", [1, 3, 16, 64, 129, 1000])
def test_a_line_reduces_to_a_number(target, dtype, fn, size):
    x = random(size, dtype)
    ours, oracle = both(reduce_line, target, (1,), [x, np.zeros(1, dtype)], 1, N=size, fn=fn)
    close(ours, oracle)


@targets
@pytest.mark.parametrize("fn", [tile.sum, tile.prod, tile.max], ids=lambda f: f.__name__)
@given(size=st.integers(0, 300), tile_size=st.integers(1, 300))
@settings(max_examples=15, deadline=None)
def test_what_lies_outside_the_view_counts_as_zero(target, fn, size, tile_size):
    x = -1 - RNG.random(size)
    ours, oracle = both(reduce_line, target, (1,), [x, np.zeros(1)], 1, N=tile_size, fn=fn)
    close(ours, oracle)


@tile.kernel
def reduce_2d(x, y, M: int, N: int, fn=None, axis=None):
    v = tile.load(x, (0, 0), (M, N))
    tile.store(y, (0, 0), fn(v * 2, axis, keepdims=True))


FUNCTIONS = [tile.sum, tile.max, tile.min, tile.argmax, tile.argmin]


@targets
@pytest.mark.parametrize("dtype", ["f4", "i8"])
@pytest.mark.parametrize("fn", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("order", ["rows", "columns", "reversed"])
def test_an_axis_of_any_stride_is_reduced(target, dtype, fn, axis, order):
    x = strided(random((13, 45), dtype), order)
    shape = {None: (1, 1), 0: (1, 45), -1: (13, 1)}[axis]
    y = np.zeros(shape, "i8" if "arg" in fn.__name__ else dtype)
    ours, oracle = both(reduce_2d, target, (1,), [x, y], 1, M=13, N=45, fn=fn, axis=axis)
    close(ours, oracle)


@tile.kernel
def reduce_3d(x, y, S, fn=None, axis=None):
    tile.store(y, (0, 0), fn(tile.load(x, (0, 0, 0), S), axis))


@targets
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_reduced_axis_goes_away(target, axis):
    x = random((5, 6, 40), "f4")
    y = np.zeros([n for d, n in enumerate(x.shape) if d != axis], "f4")
    ours, oracle = both(reduce_3d, target, (1,), [x, y], 1, S=(5, 6, 40), fn=tile.sum, axis=axis)
    close(ours, oracle)
    np.testing.assert_allclose(ours, x.sum(axis), rtol=1e-4, atol=1e-4)


@targets
@pytest.mark.parametrize("place", [0, 17, 63])
@pytest.mark.parametrize("fn", [tile.max, tile.min, tile.sum], ids=lambda f: f.__name__)
def test_nan_goes_through(target, place, fn):
    x = RNG.standard_normal(64)
    x[place] = np.nan
    y = np.zeros(1)
    run(reduce_line, target, (1,), [x, y], N=64, fn=fn)
    assert np.isnan(y[0])


@targets
@pytest.mark.parametrize("fn", [tile.argmax, tile.argmin], ids=lambda f: f.__name__)
@pytest.mark.parametrize("x", [
    np.zeros(77), np.full(40, -np.inf), np.full(40, np.inf), np.r_[np.ones(9), np.nan, 0, np.nan],
    np.r_[np.arange(50), np.arange(50)] * 1.0,
], ids=["zeros", "-inf", "inf", "nan", "twice"])  # fmt: skip
def test_the_first_of_equal_elements_is_found(target, fn, x):
    y = np.zeros(1, "i8")
    run(reduce_line, target, (1,), [x, y], N=x.size, fn=fn)
    assert y[0] == getattr(np, fn.__name__)(x)


@tile.kernel
def truth(x, y, N: int):
    v = tile.load(x, 0, N)
    tile.scatter(y, 0, tile.cast(tile.any(v > 2.5), tile.i64))
    tile.scatter(y, 1, tile.cast(tile.all(v > -2.5), tile.i64))
    tile.scatter(y, 2, tile.sum(v > 0))


@targets
@pytest.mark.parametrize("x", [np.zeros(50), np.arange(50.0), -np.arange(50.0)])
def test_truth_values_reduce(target, x):
    ours, oracle = both(truth, target, (1,), [x, np.zeros(3, "i8")], 1, N=50)
    np.testing.assert_array_equal(ours, oracle)


@targets
def test_a_sum_has_the_same_bits_wherever_its_row_lies(target):
    x = RNG.standard_normal(1003).astype("f4")
    found = set()
    for offset in range(16):
        moved = np.zeros(1100, "f4")
        moved[offset : offset + 1003] = x
        y = np.zeros(1, "f4")
        run(reduce_line, target, (1,), [moved[offset : offset + 1003], y], N=1024, fn=tile.sum)
        found.add(y.tobytes())
    assert len(found) == 1


@tile.kernel
def reduce_narrow(x, y, N: int, fn=None):
    tile.scatter(y, 0, fn(tile.load(x, 0, N)))
    tile.store(y, 1, fn(tile.load(x, 0, N), 0, keepdims=True))


@targets
@pytest.mark.parametrize("dtype", ["f2", "u1", "i1"])
@pytest.mark.parametrize("fn", [tile.sum, tile.max, tile.min], ids=lambda f: f.__name__)
@pytest.mark.parametrize("size", [1, 40, 77])
def test_narrow_types_reduce(target, dtype, fn, size):
    x = (RNG.standard_normal(size) * 3 + 10).astype(dtype)
    ours, oracle = both(reduce_narrow, target, (1,), [x, np.zeros(2, dtype)], 1, N=size, fn=fn)
    np.testing.assert_allclose(ours, oracle, rtol=2e-3)


@tile.kernel
def which(x, y, N: int):
    """Truth values in scratch: by rows and by columns."""
    v = tile.load(x, (0, 0), (N, N)) > 0
    by_rows, by_columns = tile.any(v, 1, keepdims=True), tile.all(v, 0, keepdims=True)
    tile.store(y, (0, 0), tile.cast(by_rows & by_columns, x.dtype))


@targets
def test_truth_values_rest_in_scratch(target):
    x = random((37, 37), "f4") + 14
    ours, oracle = both(which, target, (1,), [x, np.zeros_like(x)], 1, N=37)
    np.testing.assert_array_equal(ours, oracle)


# ---- rows that are read more than once -----------------------------------------------------------


@tile.kernel
def normalise(x, g, y, N: int):
    """A layer norm: every value of the row is used three times."""
    i, n = tile.pid(0), x.shape[1]
    v = tile.load(x, (i, 0), (1, N))
    size = tile.cast(n, x.dtype)
    inside = tile.iota((1, N), 1) < n
    centred = tile.select(inside, v - tile.sum(v) / size, 0.0)
    variance = tile.sum(centred * centred) / size
    scale = tile.load(g, (0, 0), (1, N))
    tile.store(y, (i, 0), centred / tile.sqrt(variance + 1e-5) * scale)


@tile.kernel
def shares(x, y, N: int):
    """A row's weights over their sum; the weights cost more than a load, so they are kept."""
    i = tile.pid(0)
    v = tile.load(x, (i, 0), (1, N))
    e = tile.sqrt(tile.abs(v)) / (1.0 + v * v)
    tile.store(y, (i, 0), e / tile.sum(e))


@targets
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("size", [1, 31, 64, 100])
def test_a_row_is_loaded_reduced_and_used_again(target, dtype, size):
    x, g = random((7, size), dtype), random((1, size), dtype)
    ours, oracle = both(normalise, target, (7,), [x, g, np.zeros_like(x)], 2, N=100)
    close(ours, oracle)
    ours, oracle = both(shares, target, (7,), [x, np.zeros_like(x)], 1, N=100)
    close(ours, oracle)


@targets
def test_a_row_is_normalised_in_place(target):
    x = random((7, 90), "f4")
    ours, oracle = x.copy(), x.copy()
    both_in_place = both(shares, target, (7,), [ours, oracle], 1, N=100)
    run(shares, target, (7,), [x, x], N=100)
    close(x, both_in_place[1])


# ---- loops that carry tiles ----------------------------------------------------------------------


@tile.kernel
def row_sums(x, y, N: int):
    acc = tile.full(N, 0, x.dtype)
    low = tile.full(N, 0, x.dtype)
    for i in range(tile.cdiv(x.shape[0], N)):
        v = tile.load(x, i, N)
        acc = acc + v
        low = tile.minimum(low, v - acc)
    tile.scatter(y, 0, tile.sum(acc))
    tile.scatter(y, 1, tile.min(low))


@targets
@dtypes
@pytest.mark.parametrize("n", [8, 24, 32, 100, 1000])
def test_accumulators_of_any_size_are_carried(target, dtype, n):
    x = random(777, dtype)
    ours, oracle = both(row_sums, target, (1,), [x, np.zeros(2, dtype)], 1, N=n)
    close(ours, oracle)


@tile.kernel
def running(x, y, M: int, N: int):
    """Two carried tiles of which one is used along an axis, and a reduction in the loop."""
    peak, total = tile.full((M, 1), -1e30, x.dtype), tile.full((M, N), 0, x.dtype)
    for i in range(tile.cdiv(x.shape[1], N)):
        v = tile.load(x, (0, i), (M, N))
        new = tile.maximum(peak, tile.max(v, 1, keepdims=True))
        total = total * 0.5 + (v - new)
        peak = new
    tile.store(y, (0, 0), total + peak)


@targets
@pytest.mark.parametrize("shape", [(2, 8), (4, 16), (16, 24)])
def test_tiles_of_several_shapes_are_carried_together(target, shape):
    x, y = random((shape[0], 90), "f4"), np.zeros(shape, "f4")
    ours, oracle = both(running, target, (1,), [x, y], 1, M=shape[0], N=shape[1])
    close(ours, oracle)


@tile.kernel
def halve(x, y, limit, N: int):
    """Halve until nothing is above the limit; y[0] is the number of steps."""
    v, steps = tile.load(x, 0, N), 0
    while (tile.max(v) > limit) & (steps < 50):
        v = v * 0.5
        steps = steps + 1
    tile.store(x, 0, v)
    tile.scatter(y, 0, steps)


@targets
@pytest.mark.parametrize("n", [4, 37, 500])
@pytest.mark.parametrize("limit", [1e9, 1.0, 0.001])
def test_a_while_loop_runs_until_its_condition_fails(target, n, limit):
    for out in (0, 1):
        x, y = RNG.random(n) * 9 + 2, np.zeros(1, "i8")
        ours, oracle = both(halve, target, (1,), [x, y, limit], out, N=n)
        np.testing.assert_array_equal(ours, oracle)


@tile.kernel
def collatz(y):
    n, i = tile.pid(0) + 1, 0
    while n != 1:
        n = tile.select(n % 2 == 0, n // 2, 3 * n + 1)
        i = i + 1
    tile.scatter(y, tile.pid(0), i)


@targets
def test_a_while_loop_of_numbers(target):
    ours, oracle = both(collatz, target, (30,), [np.zeros(30, "i8")], 0)
    np.testing.assert_array_equal(ours, oracle)
    assert list(ours[:8]) == [0, 1, 7, 2, 5, 8, 16, 3]


# ---- scan ----------------------------------------------------------------------------------------


@tile.kernel
def scan_2d(x, y, M: int, N: int, fn=None, axis=0):
    tile.store(y, (0, 0), fn(tile.load(x, (0, 0), (M, N)), axis))


SCANS = [tile.cumsum, tile.cumprod, tile.cummax, tile.cummin]


@targets
@pytest.mark.parametrize("dtype", ["f8", "i4"])
@pytest.mark.parametrize("fn", SCANS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("order", ["rows", "columns"])
def test_a_scan_goes_along_either_axis(target, dtype, fn, axis, order):
    x = strided(random((11, 37), dtype), order)
    y = np.zeros((11, 37), dtype)
    ours, oracle = both(scan_2d, target, (1,), [x, y], 1, M=12, N=40, fn=fn, axis=axis)
    if dtype == "f8":
        np.testing.assert_allclose(ours, oracle, rtol=1e-9, atol=1e-9)
    else:
        np.testing.assert_array_equal(ours, oracle)


# ---- shapes --------------------------------------------------------------------------------------


@tile.kernel
def turn(x, y, S, P, axes):
    v = tile.load(x, (0, 0, 0), S)
    tile.store(y, (0, 0, 0), tile.permute(v + 1, axes))


@targets
@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 0, 2), (2, 1, 0), (0, 2, 1)])
def test_axes_are_permuted(target, axes):
    x = random((3, 5, 20), "f4")
    y = np.zeros([x.shape[a] for a in axes], "f4")
    ours, oracle = both(turn, target, (1,), [x, y], 1, S=(4, 5, 24), P=0, axes=axes)
    np.testing.assert_array_equal(ours, oracle)
    np.testing.assert_array_equal(ours, x.transpose(axes) + 1)


@tile.kernel
def transpose_in_place(x, N: int):
    v = tile.load(x, (0, 0), (N, N))
    tile.store(x, (0, 0), tile.transpose(v))


@targets
def test_a_matrix_is_transposed_in_place(target):
    x = random((19, 19), "f4")
    ours, _ = both(transpose_in_place, target, (1,), [x], 0, N=19)
    np.testing.assert_array_equal(ours, x.T)


@tile.kernel
def refold(x, y, S, T):
    tile.store(y, (0, 0), tile.reshape(tile.load(x, (0, 0), S) * 2, T))


@targets
@pytest.mark.parametrize("shapes", [((6, 20), (20, 6)), ((6, 20), (3, -1)), ((1, 24), (24, 1)),
                                    ((24, 1), (1, 24)), ((4, 7), (7, 4))])  # fmt: skip
def test_a_tile_takes_another_shape(target, shapes):
    x = random(shapes[0], "f4")
    want = (x * 2).reshape(shapes[1])
    ours, oracle = both(refold, target, (1,), [x, np.zeros_like(want)], 1, S=shapes[0], T=shapes[1])
    np.testing.assert_array_equal(ours, want)
    np.testing.assert_array_equal(oracle, want)


@tile.kernel
def parts(x, y, N: int):
    v = tile.load(x, (0, 0), (8, N))
    top, bottom = v[0:4, :], v[4:, :]
    row = tile.load(x, (0, 0), (8, N))[-1, 1:]
    joined = tile.cat((bottom - top[0][None, :], top * 2), 0)
    tile.store(y, (0, 0), tile.cat((joined, row[None, :] + v[:, 1:]), axis=1))


@targets
@pytest.mark.parametrize("size", [(8, 33), (6, 20), (2, 40)])
def test_tiles_are_cut_and_joined(target, size):
    x, y = random(size, "f4"), np.zeros((8, 65), "f4")
    ours, oracle = both(parts, target, (1,), [x, y], 1, N=33)
    np.testing.assert_array_equal(ours, oracle)


# ---- elements ------------------------------------------------------------------------------------

WILD = [0, 5, -1, 99, 100, 1 << 40, -(1 << 62), 7, 3, 2**63 - 1, 4, 4]


@tile.kernel
def take(x, index, y, N: int):
    i = tile.load(index, 0, N)
    tile.store(y, 0, tile.gather(x, i) * 2)
    tile.store(y, 1, tile.gather(x, 3) + tile.gather(x, tile.full(N, -3, tile.i64)))


@targets
@dtypes
def test_a_gather_reads_zero_outside(target, dtype):
    x, index = random(100, dtype), np.array(WILD)
    ours, oracle = both(take, target, (1,), [x, index, np.zeros(24, dtype)], 2, N=12)
    np.testing.assert_array_equal(ours, oracle)


@tile.kernel
def take_rows(x, index, y, M: int, N: int):
    rows = tile.load(index, 0, M)[:, None]
    v = tile.gather(x, (rows, tile.iota((1, N), 1)))
    tile.store(y, (0, 0), v + tile.sum(v, 1, keepdims=True))


@targets
@pytest.mark.parametrize("order", ["rows", "columns", "reversed"])
def test_rows_are_gathered_by_a_table_of_i32(target, order):
    x, index = strided(random((9, 20), "f8"), order), np.array([3, 8, -1, 9, 0], "i4")
    ours, oracle = both(take_rows, target, (1,), [x, index, np.zeros((5, 20))], 2, M=5, N=24)
    close(ours, oracle)


@tile.kernel
def give(y, index, x, N: int):
    i = tile.load(index, 0, N)
    tile.scatter(y, i, tile.load(x, 0, N) + tile.gather(y, i))


@targets
@dtypes
def test_a_scatter_drops_what_lies_outside_and_keeps_the_last(target, dtype):
    y, index, x = random(100, dtype), np.array(WILD), random(12, dtype)
    ours, oracle = both(give, target, (1,), [y, index, x], 0, N=12)
    np.testing.assert_array_equal(ours, oracle)


@tile.kernel
def shapes(x, y, M: int, N: int):
    v = tile.load(x, (0, 0), (M, N))
    v = tile.cat((tile.cumsum(v, 1), tile.reshape(tile.transpose(v), (M, N))[1:, :]), 0)
    tile.store(y, (0, 0), v + tile.sum(v, 0, keepdims=True) * tile.conj(tile.sum(v)))


@targets
@pytest.mark.parametrize("dtype", ["c8", "c16"])
def test_complex_numbers_are_gathered_scattered_summed_and_moved(target, dtype):
    y, x = random(100, "f8"), random(12, "f8")
    y, x = (y + 1j * y[::-1]).astype(dtype), (x - 2j * x).astype(dtype)
    ours, oracle = both(give, target, (1,), [y, np.array(WILD), x], 0, N=12)
    np.testing.assert_array_equal(ours, oracle)
    v = y[:12].reshape(3, 4)
    ours, oracle = both(shapes, target, (1,), [v, np.zeros((5, 4), dtype)], 1, M=3, N=4)
    tolerance = 1e-5 if dtype == "c8" else 1e-13
    np.testing.assert_allclose(ours, oracle, rtol=tolerance, atol=tolerance * np.abs(oracle).max())


@tile.kernel
def swap_after(x, y, index, N: int):
    """The gathered values outlive the scatter that overwrites them."""
    i = tile.load(index, 0, N)
    v = tile.gather(x, i)
    tile.scatter(x, i, v * 0)
    tile.store(y, 0, v)


@targets
def test_a_gathered_value_survives_a_scatter(target):
    for out in (0, 1):
        args = [random(100, "f4"), np.zeros(12, "f4"), np.array(WILD)]
        ours, oracle = both(swap_after, target, (1,), args, out, N=12)
        np.testing.assert_array_equal(ours, oracle)


@tile.kernel
def update(y, index, x, old, N: int, fn=None):
    i = tile.load(index, 0, N)
    tile.store(old, 0, fn(y, i, tile.load(x, 0, N)))


ATOMICS = [tile.atomic_add, tile.atomic_max, tile.atomic_min, tile.atomic_exchange]
BITWISE = [tile.atomic_and, tile.atomic_or, tile.atomic_xor]


@targets
@pytest.mark.parametrize(
    ("fn", "dtype"),
    [(f, d) for f in ATOMICS for d in ("f4", "f8", "i4", "i8")]
    + [(f, d) for f in BITWISE for d in ("i4", "i8")],
    ids=lambda x: getattr(x, "__name__", x),
)
def test_an_atomic_gives_what_was_there_before(target, fn, dtype):
    for out in (0, 3):
        args = [random(100, dtype), np.array(WILD), random(12, dtype), np.zeros(12, dtype)]
        ours, oracle = both(update, target, (1,), args, out, N=12, fn=fn)
        np.testing.assert_array_equal(ours, oracle)


@tile.kernel
def claim(y, old):
    tile.scatter(old, tile.pid(0), tile.atomic_cas(y, tile.pid(0) % 3, 0, tile.pid(0) + 1))


@targets
def test_a_compare_and_swap_succeeds_once(target):
    y, old = np.zeros(3, "i8"), np.zeros(9, "i8")
    run(claim, target, (9,), [y, old])
    np.testing.assert_array_equal((y - 1) % 3, [0, 1, 2])
    assert sorted(old)[:3] == [0, 0, 0]
    assert (old > 0).sum() == 6


@tile.kernel
def fetch(x, y, N: int):
    i = tile.pid(0)
    tile.prefetch(x, i + 1, N)
    tile.store(y, i, tile.load(x, i, N))


@targets
@pytest.mark.parametrize("stride", [1, 3])
def test_a_prefetch_changes_nothing(target, stride):
    x = random(300, "f4")[::stride]
    ours, oracle = both(fetch, target, (4,), [x, np.zeros_like(x)], 1, N=64)
    np.testing.assert_array_equal(ours, oracle)
