"""Streaming kernels against bare C loops with the same reads and writes, on the same memory."""

import argparse
import ctypes
import math
import os
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

import opencu
from opencu import tile
from opencu.bench import measure, workers

SOURCE = Path(__file__).with_name("stream.c")
WIDTH = 4096  # a row is 16 KiB: it stays in the first-level cache
CHUNK = 8192  # elements of a program that knows no rows
CHECKED_ROWS = 64
MIB = 64  # of an array
BARE = "bare loop"


@tile.kernel
def gelu(x, y, N: int):
    tile.store(y, tile.pid(0), tile.gelu(tile.load(x, tile.pid(0), N)))


@tile.kernel
def residual(x, r, y, N: int):
    i = tile.pid(0)
    tile.store(y, i, tile.load(x, i, N) + tile.load(r, i, N))


@tile.kernel
def row_sums(x, y, N: int):
    i = tile.pid(0)
    tile.store(y, i, tile.sum(tile.load(x, (i, 0), (1, N)), 1))


@tile.kernel
def row_scale(x, y, N: int):
    at = (tile.pid(0), 0)
    v = tile.load(x, at, (1, N))
    tile.store(y, at, v * (1.0 / (1e-6 + tile.sum(v * v) / N)))


def wide_gelu(x: np.ndarray, r: np.ndarray) -> np.ndarray:
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def wide_scale(x: np.ndarray, r: np.ndarray) -> np.ndarray:
    return x / (1e-6 + np.mean(x * x, axis=1, keepdims=True))


# In stream.c's order: the kernel, its arrays, the float64 reference on rows of x and r. Capitals
# are matrices, a program a row; S has a number for each row, in y's memory.
KERNELS = {
    "gelu": (gelu, "xy", wide_gelu),
    "residual": (residual, "xry", lambda x, r: x + r),
    "residual in place": (residual, "yry", lambda x, r: x + r),
    "row sums": (row_sums, "XS", lambda x, r: x.sum(1)),
    "row scale": (row_scale, "XY", wide_scale),
}


# ---- one process ---------------------------------------------------------------------------------


class Loops:
    """The loops of stream.c."""

    def __init__(self) -> None:
        flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", "-pthread"]
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/stream.so"
            command = [os.environ.get("CC", "cc"), *flags, str(SOURCE), "-o", path]
            subprocess.run(command, check=True)
            self.run = ctypes.CDLL(path).run
        pointer, size = ctypes.c_void_p, ctypes.c_int64
        self.run.argtypes = [ctypes.c_int, pointer, pointer, pointer, size, size, ctypes.c_int]


class Problem:
    """Random x and r, y to be poisoned, on a device; both sides work on them."""

    def __init__(self, mib: int):
        self.rows = mib * (1 << 20) // 4 // WIDTH
        random = np.random.default_rng(mib)
        self.flat = [opencu.empty(self.rows * WIDTH, np.float32, "cpu") for _ in "xry"]
        self.x, self.r, self.y = (np.asarray(a).reshape(-1, WIDTH) for a in self.flat)
        for a in (self.x, self.r):
            a[...] = random.standard_normal(a.shape, np.float32)
        self.checked = random.choice(self.rows, min(self.rows, CHECKED_ROWS), replace=False)
        self.arrays = dict(zip("xry", self.flat), S=self.flat[2][: self.rows])
        self.arrays |= {"X": opencu.asarray(self.x, "cpu"), "Y": opencu.asarray(self.y, "cpu")}

    def ours(self, name: str) -> measure.Run:
        kernel, letters, _ = KERNELS[name]
        programs, n = self.rows * WIDTH // CHUNK, CHUNK
        if letters[0] == "X":
            programs, n = self.rows, WIDTH
        arrays = [self.arrays[letter] for letter in letters]
        launch = partial(opencu.launch, kernel, (programs,), *arrays, N=n)
        return measure.repeat(launch, opencu.synchronize)

    def check(self, name: str, run: measure.Run) -> None:
        """Poison y, run once, compare what is checked of it."""
        if name == "residual in place":
            self.y[...] = self.x
        else:
            self.y.fill(np.nan)
        run(1)
        want = KERNELS[name][2](*(a[self.checked].astype(np.float64) for a in (self.x, self.r)))
        got = self.y.reshape(-1)[self.checked] if want.ndim == 1 else self.y[self.checked]
        if not np.allclose(got, want, rtol=1e-4, atol=1e-2 if want.ndim == 1 else 1e-4):
            raise SystemExit(f"{name} is wrong")


COLUMNS = {"kernel": "20", "mib": ">5", "threads": ">7", "gb_s": ">7.1f"}


def cases(args: argparse.Namespace) -> Iterator[measure.Case]:
    """Every kernel on this process's threads."""
    problem, loops = Problem(args.mib), Loops()
    at = [a.ptr for a in problem.flat]
    for n, (name, (_, letters, _)) in enumerate(KERNELS.items()):
        if args.kernels and name not in args.kernels:
            continue
        ours = problem.ours(name)
        bare = measure.repeat(partial(loops.run, n, *at, problem.rows, WIDTH, args.threads))
        problem.check(name, ours)
        if name != "gelu":  # the bare loop has its reads and writes, but hardly any arithmetic
            problem.check(name, bare)
        problem.y[...] = problem.x
        work = "gb_s", len(letters.replace("S", "")) * args.mib * 2**20
        yield measure.Case({"kernel": name, "mib": args.mib}, ours, {BARE: bare}, work)


def summary(found: list[dict]) -> Iterator[tuple[str, list[float]]]:
    yield "against a bare C loop", [row["ratio"][BARE] for row in found]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mib", type=workers.count, default=MIB, help="size of each array")
    parser.add_argument("--kernels", nargs="*", choices=KERNELS, default=[], metavar="NAME")
    workers.add_options(parser)
