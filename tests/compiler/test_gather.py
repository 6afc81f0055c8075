"""Gathers of lines and of scattered elements, and atomics that no other program disturbs."""

import numpy as np
import pytest
from execute import fenced, interpret, run, runnable

from opencu import tile

targets = pytest.mark.parametrize("target", runnable(), ids=lambda t: t.name)
RNG = np.random.default_rng(0)


def same(kernel, target, args, **consts):
    """Compiled, a kernel leaves what interpreted it does in its last argument."""
    *inputs, out = args
    found, want = fenced(out.copy()), out.copy()
    run(kernel, target, (1,), [*map(fenced, inputs), found], **consts)
    interpret(kernel, (1,), [*inputs, want], **consts)
    np.testing.assert_array_equal(found, want)


@tile.kernel
def lines(table, ids, y, first, M: int, N: int):
    at = tile.load(ids, 0, M)[:, None]
    tile.store(y, (0, 0), tile.gather(table, (at, tile.iota((1, N), 1) + first)))


@targets
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i4"])
@pytest.mark.parametrize("first", [0, 3, 20, -2, 60])
@pytest.mark.parametrize("flipped", [False, True])
def test_lines_of_a_table(target, dtype, first, flipped):
    table = RNG.integers(1, 100, (5, 37)).astype(dtype)
    table = np.asfortranarray(table) if flipped else table
    ids = np.array([4, 0, -1, 5, 2, 1 << 40])
    y = np.zeros((6, 32), dtype)
    found, want = fenced(y.copy()), y.copy()
    run(lines, target, (1,), [fenced(table), fenced(ids), found, first], M=6, N=32)
    interpret(lines, (1,), [table, ids, want, first], M=6, N=32)
    np.testing.assert_array_equal(found, want)


@tile.kernel
def narrow(x, y, N: int):
    """An index that wraps in i8 is no line."""
    tile.store(y, 0, tile.gather(x, tile.cast(tile.iota(N, 0, tile.i8), tile.i64)))


@targets
def test_indices_that_wrap(target):
    same(narrow, target, [np.arange(300.0), np.zeros(256)], N=256)


@tile.kernel
def elements(x, ids, y, N: int):
    tile.store(y, 0, tile.gather(x, tile.load(ids, 0, N)))


@targets
@pytest.mark.parametrize("index", ["i4", "i8"])
@pytest.mark.parametrize("limit", [7, 9, 0])
def test_scattered_elements(target, index, limit):
    ids = RNG.integers(-(limit // 8), max(limit, 1), 101).astype(index)
    same(elements, target, [np.arange(1.0, limit // 2 * 2 + 1)[:7], ids, np.zeros(128)], N=128)


@tile.kernel
def counts(ids, bins, N: int, scope: str):
    tile.atomic_add(bins, tile.load(ids, 0, N), 1, scope)


@targets
@pytest.mark.parametrize("scope", ["device", "program"])
@pytest.mark.parametrize("size", [64, 61])
def test_equal_indices_count_twice(target, scope, size):
    same(counts, target, [RNG.integers(-1, 6, size), np.zeros(5, "i8")], N=size, scope=scope)


@tile.kernel
def previous(ids, bins, y, N: int):
    tile.store(y, 0, tile.atomic_add(bins, tile.load(ids, 0, N), 2, scope="program"))


@targets
def test_what_was_there_before(target):
    ids, y = np.array([1, 1, 0, 1, 7]), np.zeros(5, "i8")
    run(previous, target, (1,), [ids, np.zeros(3, "i8"), y], N=5)
    assert y.tolist() == [0, 2, 0, 4, 0]


def test_no_other_scope():
    with pytest.raises(tile.KernelError, match="scope is 'block': expected 'device' or 'program'"):
        interpret(counts, (1,), [np.zeros(4, "i8"), np.zeros(4, "i8")], N=4, scope="block")


@tile.kernel
def swap(x):
    first = tile.gather(x, 0)
    tile.scatter(x, 0, tile.gather(x, 1))
    tile.scatter(x, 1, first)


@targets
def test_a_number_outlives_a_store(target):
    x = np.array([1.0, 2.0])
    run(swap, target, (1,), [x])
    assert x.tolist() == [2, 1]


@tile.kernel
def running(x, y, N: int):
    tile.store(y, 0, tile.cumsum(tile.load(x, 0, N)))


@targets
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8"])
@pytest.mark.parametrize("size", [1, 7, 8, 33, 64])
@pytest.mark.parametrize("short", [0, 1, 9])
def test_running_sums(target, size, short, dtype):
    x = RNG.integers(-9, 9, max(size - short, 0)).astype(dtype)
    same(running, target, [x, np.zeros(size, dtype)], N=size)
