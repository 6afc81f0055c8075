"""Streaming kernels against bare C loops with the same reads and writes, on the same memory.

Each thread count is a process of its own:
    python -m opencu.bench.stream --threads 2 --mib 64
prints one JSON object a line; `opencu bench stream` starts it and prints the table.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from opencu import tile
from opencu.bench import measure

SOURCE = Path(__file__).with_name("stream.c")
COLUMNS = 4096  # a row is 16 KiB: it stays in the first-level cache
CHUNK = 8192  # elements of a program that knows no rows
THREADS = (1, 2)
CHECKED_ROWS = 64
MIB = 64  # of an array


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


# ---- one process ---------------------------------------------------------------------------------


class Bare:
    """The loops of stream.c."""

    def __init__(self, folder: str):
        path = f"{folder}/stream.so"
        flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", "-pthread"]
        command = [os.environ.get("CC", "cc"), *flags, str(SOURCE), "-o", path]
        subprocess.run(command, check=True)
        self.run = ctypes.CDLL(path).run
        pointer, size = ctypes.c_void_p, ctypes.c_int64
        self.run.argtypes = [ctypes.c_int, pointer, pointer, pointer, size, size, ctypes.c_int]


class Problem:
    """Random x and r, y to be poisoned, on a device; both sides work on them."""

    def __init__(self, mib: int):
        import opencu

        self.rows = mib * (1 << 20) // 4 // COLUMNS
        random = np.random.default_rng(mib)
        self.device = opencu.device("cpu")
        self.flat = [opencu.empty(self.rows * COLUMNS, np.float32, "cpu") for _ in "xry"]
        self.x, self.r, self.y = (np.asarray(a).reshape(-1, COLUMNS) for a in self.flat)
        self.matrices = [opencu.asarray(a, "cpu") for a in (self.x, self.r, self.y)]
        self.checked = random.choice(self.rows, min(self.rows, CHECKED_ROWS), replace=False)
        for a in (self.x, self.r):
            a[...] = random.standard_normal(a.shape, np.float32)

    def launches(self) -> list[tuple[str, Callable[[], None], Callable[[], np.ndarray]]]:
        """Name, in stream.c's order; our launch; the float64 reference."""
        import opencu

        x, r, y = self.flat
        x2, _, y2 = self.matrices
        grid, rows = (x.size // CHUNK,), (self.rows,)
        sums, launch = y[: self.rows], opencu.launch
        wide, other = (a[self.checked].astype(np.float64) for a in (self.x, self.r))

        def scaled() -> np.ndarray:
            return wide / (1e-6 + np.mean(wide * wide, axis=1, keepdims=True))

        return [
            ("gelu", lambda: launch(gelu, grid, x, y, N=CHUNK),
             lambda: wide * 0.5 * (1 + np.vectorize(math.erf)(wide / math.sqrt(2)))),
            ("residual", lambda: launch(residual, grid, x, r, y, N=CHUNK),
             lambda: wide + other),
            ("residual in place", lambda: launch(residual, grid, y, r, y, N=CHUNK),
             lambda: wide + other),
            ("row sums", lambda: launch(row_sums, rows, x2, sums, N=COLUMNS),
             lambda: wide.sum(1)),
            ("row scale", lambda: launch(row_scale, rows, x2, y2, N=COLUMNS), scaled),
        ]  # fmt: skip

    def check(self, name: str, run: measure.Run, want: np.ndarray) -> None:
        """Poison y, run once, compare what is checked of it."""
        if name == "residual in place":
            self.y[...] = self.x
        else:
            self.y.fill(np.nan)
        run(1)
        got = self.y.reshape(-1)[self.checked] if want.ndim == 1 else self.y[self.checked]
        if not np.allclose(got, want, rtol=1e-4, atol=1e-2 if want.ndim == 1 else 1e-4):
            raise SystemExit(f"{name} is wrong")


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Measure every kernel on this process's threads."""
    (threads,) = args.threads
    problem = Problem(args.mib)
    with tempfile.TemporaryDirectory() as folder:
        bare = Bare(folder)
    for n, (name, launch, reference) in enumerate(problem.launches()):
        if args.kernels and name not in args.kernels:
            continue

        def ours(calls: int, launch=launch) -> None:
            for _ in range(calls):
                launch()
            problem.device.synchronize()

        def theirs(calls: int, n=n) -> None:
            at = [a.ptr for a in problem.flat]
            for _ in range(calls):
                bare.run(n, *at, problem.rows, COLUMNS, threads)

        problem.check(name, ours, reference())
        if name != "gelu":  # the bare loop has its reads and writes, but hardly any arithmetic
            problem.check(name, theirs, reference())
        problem.y[...] = problem.x
        samples = measure.interleave(ours, theirs, args.pairs, args.seconds)
        arrays = {"residual": 3, "residual in place": 3, "row sums": 1}.get(name, 2)
        best = min(took for took, _ in samples)
        yield {
            "kernel": name, "mib": args.mib, "threads": threads, "samples": samples,
            "ratio": measure.ratio(samples), "gb_s": arrays * args.mib * 2**20 / best / 1e9,
        }  # fmt: skip


# ---- all of them ---------------------------------------------------------------------------------


def bench(args: argparse.Namespace) -> list[dict]:
    """Run every thread count in a process of its own; print the rows as they come."""
    print(f"{'kernel':20} {'MiB':>5} threads {'GB/s':>7} {'vs bare loop':>13}")
    found = []
    for threads in args.threads:
        command = [sys.executable, "-m", "opencu.bench.stream", "--threads", str(threads)]
        command += ["--mib", str(args.mib), "--pairs", str(args.pairs)]
        command += ["--seconds", str(args.seconds), "--kernels", *args.kernels]
        environment = measure.environment(threads)
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True
        ) as worker:
            for line in worker.stdout or ():
                row = json.loads(line)
                found.append(row)
                print(
                    f"{row['kernel']:20} {row['mib']:5} {threads:7} {row['gb_s']:7.1f}"
                    f" {row['ratio']:13.3f}",
                    flush=True,
                )
        if worker.returncode:
            raise SystemExit(f"opencu bench stream: the run with {threads} threads failed")
    print(f"against a bare C loop: worst {min(row['ratio'] for row in found):.3f}")
    return found


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mib", type=int, default=MIB, help="size of each array")
    parser.add_argument("--kernels", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--threads", nargs="+", type=int, default=THREADS)
    parser.add_argument("--pairs", type=int, default=measure.PAIRS)
    parser.add_argument("--seconds", type=float, default=measure.SECONDS, help="a side at least")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m opencu.bench.stream")
    add_options(parser)
    for row in rows(parser.parse_args()):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
