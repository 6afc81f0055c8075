"""The kernel language: what is read, what it becomes, and what is refused with its place."""

import re

import numpy as np
import pytest

from opencu import tile
from opencu.tile import KernelError, Scalar, View, interp
from opencu.tile.ops import verify

ROW = View(tile.f32, (1,))
ROWS = View(tile.f32, (None, 1))


def refused(kernel, types, message, **consts):
    """Tracing fails with a message that names this file and a line of the kernel."""
    with pytest.raises(KernelError, match=rf"test_frontend\.py:\d+: .*{message}") as error:
        kernel.trace(types, consts)
    line = int(re.search(r"test_frontend\.py:(\d+)", str(error.value))[1])
    first = kernel.function.__code__.co_firstlineno
    assert first <= line <= first + 12
    return error.value


def helper(x, factor):
    scaled = x * factor
    return scaled, scaled + 1


@tile.kernel
def inlined(x, y, N: int, FACTOR: float = 2.0):
    a, b = helper(tile.load(x, 0, N), FACTOR)
    tile.store(y, 0, a + b)


def test_helpers_are_inlined_and_constants_have_defaults():
    x, y = np.arange(5, dtype="f4"), np.zeros(5, "f4")
    interp.run(inlined.trace({"x": ROW, "y": ROW}, {"N": 8}), [x, y], (1,))
    np.testing.assert_array_equal(y, 4 * x + 1)


@tile.kernel
def static_choice(y, N: int, NEGATE: bool):
    v = tile.full(N, 3, tile.f32)
    if NEGATE:
        v = -v
    tile.store(y, 0, v)


def test_a_condition_that_is_known_leaves_no_branch():
    function = static_choice.trace({"y": ROW}, {"N": 4, "NEGATE": False})
    assert [op.name for op in function.body.ops] == ["const", "broadcast", "const", "store"]


@tile.kernel
def counted(y, n, N: int):
    total = 0
    for i in range(2, n, 3):
        total += i
    tile.store(y, 0, tile.full(N, tile.cast(total, tile.f32), tile.f32))


@pytest.mark.parametrize("n", [0, 2, 3, 17])
def test_range_has_a_start_and_a_step(n):
    y = np.zeros(2, "f4")
    interp.run(counted.trace({"y": ROW, "n": Scalar(tile.i64)}, {"N": 2}), [y, n], (1,))
    assert y[0] == sum(range(2, n, 3))


@tile.kernel
def of_constants(y, N: int):
    tile.store(y, 0, tile.full((N,), tile.minimum(2, 3) + tile.maximum(N, 7), tile.f32))


def test_functions_of_constants_are_worked_out_while_reading():
    y = np.zeros(4, "f4")
    interp.run(of_constants.trace({"y": ROW}, {"N": 4}), [y], (1,))
    np.testing.assert_array_equal(y, 9)


@tile.kernel
def range_of_four(y, N: int):
    for i in range(0, 8, 2, 1):  # type: ignore[call-overload]
        tile.store(y, i, tile.full((N,), 0, tile.f32))


def test_a_range_of_four_numbers_is_refused():
    refused(range_of_four, {"y": ROW}, r"expected: for NAME in range\(\.\.\.\)", N=4)


def test_the_ir_prints_and_verifies():
    function = counted.trace({"y": ROW, "n": Scalar(tile.i64)}, {"N": 2})
    verify(function)
    assert "for" in str(function) and "kernel counted(%0_y: view<f32 strides 1>" in str(function)


def test_a_kernel_is_not_called_like_a_function():
    with pytest.raises(TypeError, match="kernel counted is launched"):
        counted()
    with pytest.raises(TypeError, match="can only be called inside a kernel"):
        tile.pid(0)


@tile.kernel
def unknown_name(y, N: int):
    tile.store(y, 0, nowhere)  # noqa: F821 - the test is about it


@tile.kernel
def mixed(x, y, N: int):
    tile.store(y, 0, tile.load(x, 0, N) + tile.full(N, 1, tile.f64))


@tile.kernel
def wrong_rank(x, y, N: int):
    tile.store(y, 0, tile.load(x, 0, (N, N)))


@tile.kernel
def wrong_dtype(y, N: int):
    tile.store(y, 0, tile.full(N, 1, tile.f64))


@tile.kernel
def wrong_shapes(x, y, N: int):
    tile.store(y, 0, tile.load(x, 0, N) + tile.load(x, 0, N + 1))


@tile.kernel
def while_loop(y, N: int):
    while N > 0:
        tile.store(y, 0, 1)


@tile.kernel
def early_return(y, N: int):
    if N > 0:
        return
    tile.store(y, 0, tile.full(N, 1, tile.f32))


@tile.kernel
def chained(y, n, N: int):
    tile.store(y, 0, tile.select(0 < n < 3, tile.full(N, 1, tile.f32), 2.0))


@tile.kernel
def type_changes(y, n, N: int):
    v = 0
    for _i in range(n):
        v = v + tile.full(N, 1, tile.i64)
    tile.store(y, 0, tile.cast(v, tile.f32))


@tile.kernel
def bad_shape(y, N: int):
    tile.store(y, 0, tile.full((N, 0), 1, tile.f32))


@tile.kernel
def too_many(x, y, N: int):
    tile.store(y, 0, tile.load(x, 0, N, N))


@tile.kernel
def bad_dot(x, y, M: int, N: int):
    a = tile.load(x, (0, 0), (M, N))
    tile.store(y, (0, 0), tile.dot(a, a, a))


@tile.kernel
def too_large(y, N: int):
    tile.store(y, 0, tile.full(N, 1, tile.f32))


@tile.kernel
def other_axis(y, N: int):
    tile.store(y, tile.pid(3), tile.full(N, 1, tile.f32))


@tile.kernel
def other_dtype(y, N: int):
    tile.store(y, 0, tile.cast(tile.iota(N), "f4"))


@tile.kernel
def returns_failure(y, N: int):
    tile.store(y, 0, tile.full(N, fails(), tile.f32))


def fails():
    return 1 // 0


@tile.kernel
def forgotten(y, n, N: int):
    if n > 0:
        ROW = n  # in one branch only; the global of this name is another
    tile.store(y, ROW, tile.full(N, 1, tile.f32))


@pytest.mark.parametrize(
    ("kernel", "types", "message", "consts"),
    [
        (unknown_name, "y", "the name nowhere has no value", {"N": 4}),
        (mixed, "xy", "operands of different dtypes .f32, f64.; use cast", {"N": 4}),
        (wrong_rank, "xy", "expected a tile of 1 axes, got tile<4x4 f32>", {"N": 4}),
        (wrong_dtype, "y", "a tile of f64 does not fit a view of f32; use cast", {"N": 4}),
        (wrong_shapes, "xy", r"tiles of shapes \(4,\) and \(5,\) do not go together", {"N": 4}),
        (while_loop, "y", "expected a condition that the loop changes", {"N": 4}),
        (early_return, "y", "return is only allowed as the last statement", {"N": 4}),
        (chained, "yn", "write a < b and b < c with &", {"N": 4}),
        (type_changes, "yn", "a variable changes its type in the loop: i64 becomes", {"N": 4}),
        (bad_shape, "y", r"one or more positive constants, got \(4, 0\)", {"N": 4}),
        (too_many, "xy", "load: too many positional arguments", {"N": 4}),
        (too_large, "y", "expected fewer than 2", {"N": 1 << 40}),
        (too_large, "y", r"positive constants, got \(True,\)", {"N": True}),
        (other_axis, "y", "axis is 3: expected a grid axis", {"N": 4}),
        (other_dtype, "y", "dtype is 'f4': expected one of the language's", {"N": 4}),
        (returns_failure, "y", "ZeroDivisionError", {"N": 4}),
        (forgotten, "yn", "the name ROW has no value here", {"N": 4}),
        (inlined, "xy", "no type or value for the parameter N", {}),
        (inlined, "xy", "kernel inlined has no parameter M", {"N": 4, "M": 4}),
    ],
    ids=lambda x: getattr(x, "__name__", None),
)
def test_a_bad_kernel_is_refused_with_its_place(kernel, types, message, consts):
    known = {"x": ROW, "y": ROW, "n": Scalar(tile.i64)}
    refused(kernel, {name: known[name] for name in types}, message, **consts)


def test_a_dot_of_shapes_that_do_not_match_is_refused():
    refused(bad_dot, {"x": ROWS, "y": ROWS}, "do not give", M=4, N=8)


def test_integers_are_not_made_of_fractions():
    @tile.kernel
    def fraction(y, N: int):
        tile.store(y, 0, tile.cast(tile.iota(N, 0) + 1.5, tile.f32))

    refused(fraction, {"y": ROW}, "the constant 1.5 does not fit i64", N=4)
