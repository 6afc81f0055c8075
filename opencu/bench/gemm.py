"""gemm against the best CPU libraries and against the FMA peak."""

from __future__ import annotations

import argparse
import importlib.util
import math
import statistics
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

import opencu
from opencu.bench import measure, suites, workers
from opencu.bench.peak import Peak

SHAPES = (
    *((size, size, size) for size in (512, 1024, 2048, 4096)),
    (4096, 512, 4096),
    (512, 512, 16384),
    (8, 4096, 4096),
    (1152, 1408, 896),
)
DTYPES = ("float32", "float64")
CHECKED_ROWS = 64


class Problem:
    """Random a and b, a poisoned c, and a float64 reference for some of its rows."""

    def __init__(self, m: int, n: int, k: int, dtype: str):
        random = np.random.default_rng(m * n + k)
        self.a, self.b = (
            random.standard_normal(shape, np.dtype(dtype)) for shape in ((m, k), (k, n))
        )
        self.c = np.empty((m, n), dtype)
        self.rows = random.choice(m, min(m, CHECKED_ROWS), replace=False)
        a, b = self.a[self.rows].astype(np.float64), self.b.astype(np.float64)
        self.reference = a @ b
        self.bound = k * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b))

    def check(self, name: str, run: measure.Run) -> None:
        self.c.fill(np.nan)
        run(1)
        wrong = ~(np.abs(self.c[self.rows] - self.reference) <= self.bound)
        if wrong.any():
            raise SystemExit(
                f"{name} is wrong in {wrong.sum()} of {wrong.size} elements that were checked"
            )


def ours(problem: Problem) -> measure.Run:
    a, b, c = (opencu.asarray(x, "cpu") for x in (problem.a, problem.b, problem.c))
    return measure.repeat(partial(opencu.blas.gemm, a, b, c), opencu.synchronize)


def openblas(problem: Problem) -> measure.Run:
    return measure.repeat(partial(np.matmul, problem.a, problem.b, out=problem.c))


def mkl(problem: Problem) -> measure.Run:
    import torch

    a, b, c = map(torch.from_numpy, (problem.a, problem.b, problem.c))
    return measure.repeat(partial(torch.mm, a, b, out=c))


def peers() -> dict[str, Callable[[Problem], measure.Run]]:
    """The peers that are installed. numpy's wheels carry OpenBLAS, torch's CPU build MKL."""
    found: dict[str, Callable[[Problem], measure.Run]] = {"openblas": openblas}
    if importlib.util.find_spec("torch"):
        found["mkl"] = mkl
    return found


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Measure every shape and dtype on this process's threads."""
    device = opencu.device("cpu")
    for dtype in args.dtypes:
        peak = Peak(dtype, device.driver.target(device.index), args.threads)
        for m, n, k in args.shapes:
            problem = Problem(m, n, k, dtype)
            our_run = ours(problem)
            runs = {name: of(problem) for name, of in peers().items()}
            for name, run in {"opencu": our_run, **runs}.items():
                problem.check(name, run)
            samples = measure.against(our_run, {**runs, "peak": peak}, args.pairs, args.seconds)
            ratio = {name: measure.ratio(pairs) for name, pairs in samples.items()}
            flops = 2.0 * m * n * k
            yield {
                "m": m, "n": n, "k": k, "dtype": dtype, "threads": args.threads,
                "samples": samples, "of_peak": ratio.pop("peak") * flops / peak.flops,
                "ratio": ratio, "gflops": measure.gflops(flops, samples["peak"]),
            }  # fmt: skip


def bench(args: argparse.Namespace) -> list[dict]:
    """Measure what was asked for; print the rows as they come."""
    if args.suite:
        return workers.run("suites", args, suites.line)
    names = " ".join(f"{'vs ' + name:>12}" for name in peers())
    print(f"{'m':>6} {'n':>6} {'k':>6} {'dtype':8} threads {'GFLOP/s':>9} {names} {'of peak':>8}")
    found = workers.run("gemm", args, line)
    print(summary(found))
    return found


def line(row: dict) -> str:
    ratios = " ".join(f"{ratio:12.3f}" for ratio in row["ratio"].values())
    return (
        f"{row['m']:6} {row['n']:6} {row['k']:6} {row['dtype']:8} {row['threads']:7}"
        f" {row['gflops']:9.1f} {ratios} {row['of_peak']:8.3f}"
    )


def summary(found: list[dict]) -> str:
    """The figures of merit: speed against the best peer of each row, and the share of the peak."""
    best = [min(row["ratio"].values()) for row in found]
    mean = math.exp(statistics.fmean(map(math.log, best)))
    squares = [row["of_peak"] for row in found if row["m"] == row["n"] == row["k"] >= 1024]
    text = f"against the best peer: geometric mean {mean:.3f}, worst {min(best):.3f}"
    if squares:
        text += f"; squares from 1024: {min(squares):.3f} to {max(squares):.3f} of the FMA peak"
    return text


def shape(text: str) -> tuple[int, int, int]:
    sizes = tuple(int(size) for size in text.split(","))
    if len(sizes) == 1:
        sizes *= 3
    if len(sizes) != 3 or min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no shape: expected m,n,k or one size")
    return sizes


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shapes", nargs="+", type=shape, default=SHAPES, metavar="M,N,K")
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--suite", choices=suites.SUITES, help="other problems than these")
    workers.add_options(parser)
