"""Kernels of one's own, launched from Python on host and device arrays."""

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
        (((1,), np.zeros(4), "text", 1.0), {"N": 4}, TypeError, "y: expected an array or a number"),
        (((1,), np.zeros(4), np.zeros(4), 1.0, 2.0), {"N": 4}, TypeError, "takes 3 arguments"),
        (((1,), np.zeros(4), np.zeros(4)), {"N": 4}, tile.KernelError, "the parameter a"),
        (((1,), np.zeros(4, "c8"), np.zeros(4), 1.0), {"N": 4}, TypeError, "complex64"),
    ],
)
def test_bad_launches_are_refused(args, consts, error, message):
    with pytest.raises(error, match=message):
        launch(saxpy, *args, **consts)


def test_only_kernels_are_launched():
    with pytest.raises(TypeError, match="marked with @tile.kernel"):
        launch(len, (1,))
