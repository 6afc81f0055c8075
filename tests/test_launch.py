"""Kernels of one's own, launched from Python on host and device arrays."""

import inspect
import os
import subprocess
import sys

import numpy as np
import pytest

import opencu
from opencu import tile
from opencu.runtime.launch import launch


@tile.kernel
def saxpy(x, y, a, N: int):
    i = tile.pid(0)
    tile.store(y, i, tile.fma(a, tile.load(x, i, N), tile.load(y, i, N)))


@tile.kernel
def transpose(x, y, N: int):
    i, j = tile.pid(0), tile.pid(1)
    for r in range(N):
        row = x[i * N + r, :]
        tile.store(y[:, i * N + r], j, tile.load(row, j, N))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_numpy_arrays_are_written_when_the_call_returns(dtype):
    x, y = np.random.default_rng(1).standard_normal((2, 1001)).astype(dtype)
    want = 2.5 * x.astype("f8") + y
    launch(saxpy, (4,), x, y, 2.5, N=256)
    np.testing.assert_allclose(y, want, rtol=1e-6, atol=1e-6)


def test_device_arrays_are_stream_ordered():
    x, y = (opencu.asarray(np.full(1001, v)) for v in (1.0, 2.0))
    stream = opencu.Stream()
    for _ in range(3):
        launch(saxpy, (4,), x, y, 2.0, N=256, stream=stream)
    stream.synchronize()
    np.testing.assert_array_equal(np.asarray(y), 8.0)


@tile.kernel
def quantize(x, y, N: int):
    i = tile.pid(0)
    tile.store(y, i, tile.saturate(2 * tile.cast(tile.load(x, i, N), tile.f32), y.dtype))


@pytest.mark.parametrize("to", ["float8_e4m3fn", "float8_e5m2", "bfloat16"])
def test_arrays_of_types_that_numpy_lacks_are_views_of_them(to, device):
    x = np.array([0x38, 0xC0, 0x7E, 0x7F], "u1").view(opencu.float8_e4m3fn)  # 1 -2 448 NaN
    want = {"float8_e4m3fn": [0x40, 0xC8, 0x7E], "float8_e5m2": [0x40, 0xC4, 0x63]}
    want["bfloat16"] = [0x4000, 0xC080, 0x4460]
    y = opencu.zeros(4, to, device)
    launch(quantize, (1,), opencu.asarray(x, device), y, N=4)
    *found, nan = np.asarray(y).view(f"u{y.dtype.itemsize}").tolist()
    assert found == want[to] and nan & 0x7F


def test_views_with_other_strides_are_another_class():
    x = np.random.default_rng(1).standard_normal((40, 30))
    y = np.zeros((30, 40))
    launch(transpose, (5, 4), x, y, N=8)
    np.testing.assert_array_equal(y, x.T)
    launch(transpose, (4, 5), y.T[::-1].T[:, ::-1], x[:, :30], N=8)
    np.testing.assert_array_equal(y, x.T)


def test_a_grid_of_nothing_does_nothing():
    launch(saxpy, (0,), np.zeros(4), np.zeros(4), 1.0, N=4)


@pytest.mark.parametrize(
    ("args", "consts", "error", "message"),
    [
        (((1,) * 4, np.zeros(4), np.zeros(4), 1.0), {"N": 4}, ValueError, "one to three sizes"),
        (((1,), np.zeros(4), "text", 1.0), {"N": 4}, TypeError, "y is a builtins.str: expected"),
        (((1,), np.zeros(4), np.zeros(4), 1.0, 2.0), {"N": 4}, TypeError, "takes 3 arguments"),
        (((1,), np.zeros(4), np.zeros(4)), {"N": 4}, tile.KernelError, "the parameter a"),
        (((1,), np.zeros(4, "u2"), np.zeros(4), 1.0), {"N": 4}, TypeError, "x has dtype uint16"),
        (((1,), np.zeros(4), np.zeros(4, "u4"), 1.0), {"N": 4}, TypeError, "y has dtype uint32"),
        (((1,), np.zeros(4, "i2"), np.zeros(4), 1.0), {"N": 4}, TypeError, "x has dtype int16"),
        (("x", np.zeros(4), np.zeros(4), 1.0), {"N": 4}, ValueError, "grid is 'x': expected a"),
        (((1.5,), np.zeros(4), np.zeros(4), 1.0), {"N": 4}, TypeError, r"grid is \(1\.5,\): exp"),
        (((1 << 40,) * 2, np.zeros(4), np.zeros(4), 1.0), {"N": 4}, ValueError, "fewer than 2"),
        (((1,), np.zeros(4), np.zeros(4), 1 << 70), {"N": 4}, ValueError, "a is 1180.*fits i64"),
        (((1,), *np.zeros((2, 4), "f4"), 1e300), {"N": 4}, ValueError, r"a is 1e\+300.*fits f32"),
        (((1,), np.zeros(4), np.zeros(4), 1.0), {"N": [4]}, TypeError, r"N is \[4\]: expected a c"),
        (((1,), np.zeros(4), np.zeros(4), 1.0), {"N": 4, "stream": 3}, TypeError, "stream is 3: e"),
        (((1,), np.zeros(4), np.zeros(4), 1.0), {"N": 4, "blocks": 3}, TypeError, "blocks is 3: e"),
    ],
)
def test_bad_launches_are_refused(args, consts, error, message):
    with pytest.raises(error, match=message):
        launch(saxpy, *args, **consts)


def test_only_kernels_are_launched():
    with pytest.raises(TypeError, match="marked with @tile.kernel"):
        launch(len, (1,))


def test_read_only_memory_is_not_stored_to():
    y = np.zeros(4)
    y.flags.writeable = False
    for out in (y, np.frombuffer(bytes(32)), opencu.asarray(y)):
        with pytest.raises(ValueError, match="y is read-only: the kernel stores to it"):
            launch(saxpy, (1,), np.ones(4), out, 1.0, N=4)
    launch(saxpy, (1,), y, np.zeros(4), 1.0, N=4)


@tile.kernel
def slow(x, n, N: int):
    for _i in range(n):
        tile.store(x, 0, tile.load(x, 0, N) + 1)


def test_memory_waits_for_the_launches_that_use_it():
    x = opencu.zeros((64,))
    launch(slow, (1,), x, 200_000, N=64)
    assert np.asarray(x)[0] == 200_000
    stream = opencu.Stream()
    x = opencu.zeros((64,))
    launch(slow, (1,), x, 200_000, N=64, stream=stream)
    del x
    y = opencu.zeros((64,))
    opencu.synchronize()
    assert not np.asarray(y).any()


def test_equal_constants_of_other_types_are_other_classes():
    @tile.kernel
    def add(x, N: int, A):
        tile.store(x, 0, tile.load(x, 0, N) + A)

    x = np.zeros(4, "i8")
    launch(add, (1,), x, N=4, A=2)
    with pytest.raises(tile.KernelError, match=r"the constant 2\.0 does not fit i64"):
        launch(add, (1,), x, N=4, A=2.0)


def test_zeros_of_either_sign_are_other_constants():
    @tile.kernel
    def copysign(y, N: int, A):
        tile.store(y, 0, tile.full(N, A[0], y.dtype))

    y = np.zeros(1)
    for zero in (0.0, -0.0):
        launch(copysign, (1,), y, N=1, A=(zero,))
        assert np.signbit(y[0]) == np.signbit(zero)


# ---- what a kernel reads outside itself ----------------------------------------------------------

FACTOR, TABLE = 2.0, [1.0, 2.0]


def helper(x):
    return x * FACTOR


@tile.kernel
def through_helper(y, N: int):
    tile.store(y, 0, helper(tile.full(N, 1, y.dtype)))


@tile.kernel
def from_table(y, N: int):
    tile.store(y, 0, tile.full(N, TABLE[0] + len(TABLE), y.dtype))


def filled(kernel, **consts):
    y = np.zeros(4)
    launch(kernel, (1,), y, N=4, **consts)
    return y[0]


def test_a_changed_global_is_seen(monkeypatch):
    assert filled(through_helper) == 2
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    assert filled(through_helper) == 3
    monkeypatch.setitem(globals(), "FACTOR", 2.0)
    assert filled(through_helper) == 2


def test_a_changed_helper_is_seen(monkeypatch):
    assert filled(through_helper) == 2
    monkeypatch.setitem(globals(), "helper", lambda x: x)
    with pytest.raises(tile.KernelError, match="expected a function made with def"):
        filled(through_helper)

    def other(x):
        return x + 7

    monkeypatch.setitem(globals(), "helper", other)
    assert filled(through_helper) == 8
    monkeypatch.setattr(other, "__code__", (lambda x: x).__code__)
    with pytest.raises(tile.KernelError, match="expected a function made with def"):
        filled(through_helper)


def test_a_global_that_is_gone_is_an_error(monkeypatch):
    assert filled(through_helper) == 2
    monkeypatch.delitem(globals(), "FACTOR")
    with pytest.raises(tile.KernelError, match="the name FACTOR has no value here"):
        filled(through_helper)


def test_a_changed_closure_is_seen():
    factor = 2.0

    def scale(x):
        return x * factor

    @tile.kernel
    def scaled(y, N: int, hook):
        tile.store(y, 0, hook(tile.full(N, factor, y.dtype)))

    assert filled(scaled, hook=scale) == 4
    factor = 5.0
    assert filled(scaled, hook=scale) == 25


def test_changed_contents_are_seen(monkeypatch):
    assert filled(from_table) == 3
    monkeypatch.setitem(globals(), "TABLE", TABLE.copy())
    TABLE[0] = 5.0
    assert filled(from_table) == 7
    TABLE.append(0.0)
    assert filled(from_table) == 8


def test_a_changed_attribute_is_seen():
    class Settings:
        factor = 2.0

    @tile.kernel
    def scaled(y, N: int, settings):
        tile.store(y, 0, tile.full(N, settings.factor, y.dtype))

    assert filled(scaled, settings=Settings) == 2
    Settings.factor = 3.0
    assert filled(scaled, settings=Settings) == 3


def test_a_launch_like_the_last_one_reads_no_source(monkeypatch):
    assert filled(through_helper) == FACTOR
    monkeypatch.setattr(tile.Kernel, "trace", None)
    assert filled(through_helper) == FACTOR


@tile.kernel
def activate(x, y, N: int):
    i = tile.pid(0)
    tile.store(y, i, tile.gelu(tile.load(x, i, N)))


def test_elementary_functions_take_half_precision():
    x = np.linspace(-4, 4, 1001, dtype="f2")
    y = np.zeros_like(x)
    launch(activate, (4,), x, y, N=256)
    wide, want = x.astype("f4"), np.zeros(1001, "f4")
    launch(activate, (4,), wide, want, N=256)
    np.testing.assert_array_equal(y, want.astype("f2"))


@tile.kernel
def add_rows(x, y, rows, N: int):
    acc = tile.full(N, 0, x.dtype)
    for i in range(rows):
        acc += tile.load(x[i], 0, N)
    tile.store(y, tile.pid(0), acc)


@tile.kernel
def until(x, limit, N: int):
    v = tile.load(x, 0, N)
    while tile.max(v) > limit:
        v = v * 0.5
    tile.store(x, 0, v)


@pytest.mark.parametrize(
    ("launched", "where"),
    [
        ("launch(add_rows, (1,), x, y, 4, N=64)", "inline"),
        ("launch(add_rows, (1,), x, y, 10_000, N=64)", "queued"),
        ("launch(add_rows, (10_000,), x, y, 4, N=64)", "queued"),
        ("launch(until, (1,), y, 1.0, N=64)", "queued"),
    ],
)
def test_short_launches_run_on_the_caller(launched, where, tmp_path):
    (tmp_path / "kernels.py").write_text(
        "import opencu\nfrom opencu import tile\n\n\n"
        + "\n\n".join(inspect.getsource(k.function) for k in (add_rows, until))
    )
    done = subprocess.run(
        [sys.executable, "-c", "from kernels import *; from opencu import launch\n"
         f"x, y = opencu.zeros((4, 64)), opencu.zeros(64)\n{launched}\nopencu.synchronize()"],
        cwd=tmp_path, env=dict(os.environ) | {"OPENCU_DEBUG": "launches"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"ns {where}" in done.stderr


def test_a_store_past_the_caches_is_seen_by_the_next_launch():
    n = (40 << 20) // 4
    x, y = opencu.asarray(np.arange(n, dtype="f4")), opencu.zeros(n, "f4")
    for offset, tile_size in ((15, 4096), (5, 1100), (1, 4096), (0, 4096)):  # lines begin elsewhere
        launch(saxpy_into, (tile.cdiv(n, tile_size),), x, y[offset:], N=tile_size)
        found = np.asarray(y)
        np.testing.assert_array_equal(found[offset:], 2 * np.arange(n - offset, dtype="f4"))
        assert not found[:offset].any()


@tile.kernel
def saxpy_into(x, y, N: int):
    tile.store(y, tile.pid(0), 2 * tile.load(x, tile.pid(0), N))


@tile.kernel
def turned(x, y, factor, N: int):
    i = tile.pid(0)
    tile.store(y, i, tile.load(x, i, N) * factor)


@pytest.mark.parametrize("dtype", ["c8", "c16"])
def test_a_complex_number_is_an_argument(dtype):
    x = (np.arange(10) + 1j).astype(dtype)
    for factor in (0.5 - 2j, np.dtype(dtype).type(0.5 - 2j)):
        y = np.zeros_like(x)
        opencu.launch(turned, (2,), x, y, factor, N=8)
        np.testing.assert_allclose(y, x * (0.5 - 2j), rtol=1e-6)
