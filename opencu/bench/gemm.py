"""gemm against the best CPU libraries and against the FMA peak.

Each thread count is a process of its own, as the peers read theirs when they are loaded:
    python -m opencu.bench.gemm --threads 2 --dtypes float32 --shapes 512,512,512
prints one JSON object a line; `opencu bench gemm` starts it and prints the table.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from opencu.bench import measure
from opencu.bench.suites import SUITES
from opencu.bench.suites import rows as suite_rows

SHAPES = (
    *((size, size, size) for size in (512, 1024, 2048, 4096)),
    (4096, 512, 4096),
    (512, 512, 16384),
    (8, 4096, 4096),
    (1152, 1408, 896),
)
DTYPES = ("float32", "float64")
THREADS = (1, 2)
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
    import opencu

    a, b, c = (opencu.asarray(x, "cpu") for x in (problem.a, problem.b, problem.c))
    gemm = opencu.blas.gemm

    def run(calls: int) -> None:
        for _ in range(calls):
            gemm(a, b, c)
        c.device.synchronize()

    return run


def openblas(problem: Problem) -> measure.Run:
    def run(calls: int) -> None:
        for _ in range(calls):
            np.matmul(problem.a, problem.b, out=problem.c)

    return run


def mkl(problem: Problem) -> measure.Run:
    import torch

    a, b, c = (torch.from_numpy(x) for x in (problem.a, problem.b, problem.c))

    def run(calls: int) -> None:
        for _ in range(calls):
            torch.mm(a, b, out=c)

    return run


def peers() -> dict[str, Any]:
    """The peers that are installed. numpy's wheels carry OpenBLAS, torch's CPU build MKL."""
    found = {"openblas": openblas}
    if importlib.util.find_spec("torch"):
        found["mkl"] = mkl
    return found


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Measure every shape and dtype on this process's threads."""
    import opencu
    from opencu.bench.peak import Peak

    device = opencu.device("cpu")
    (threads,) = args.threads
    for dtype in args.dtypes:
        peak = Peak(dtype, device.driver.target(device.index), threads)
        for m, n, k in args.shapes:
            problem = Problem(m, n, k, dtype)
            our_run = ours(problem)
            problem.check("opencu", our_run)
            flops = 2.0 * m * n * k
            row: dict[str, Any] = {"m": m, "n": n, "k": k, "dtype": dtype, "threads": threads}
            row["samples"], row["ratio"] = {}, {}
            for name, make in peers().items():
                run = make(problem)
                problem.check(name, run)
                samples = measure.interleave(our_run, run, args.pairs, args.seconds)
                row["samples"][name], row["ratio"][name] = samples, measure.ratio(samples)
            samples = measure.interleave(our_run, peak, args.pairs, args.seconds)
            shares = [flops / took * limit / peak.flops for took, limit in samples]
            row["samples"]["peak"], row["of_peak"] = samples, statistics.median(shares)
            row["gflops"] = statistics.median(flops / took / 1e9 for took, _ in samples)
            yield row


def bench(args: argparse.Namespace) -> list[dict]:
    """Run every thread count in a process of its own; print the rows as they come."""
    if args.suite:
        return bench_suite(args)
    names = " ".join(f"{'vs ' + name:>12}" for name in peers())
    print(f"{'m':>6} {'n':>6} {'k':>6} {'dtype':8} threads {'GFLOP/s':>9} {names} {'of peak':>8}")
    found = []
    for threads in args.threads:
        command = [sys.executable, "-m", "opencu.bench.gemm", "--threads", str(threads)]
        command += ["--pairs", str(args.pairs), "--seconds", str(args.seconds)]
        command += ["--dtypes", *args.dtypes]
        command += ["--shapes", *(",".join(map(str, shape)) for shape in args.shapes)]
        environment = measure.environment(threads)
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True
        ) as worker:
            for line in worker.stdout or ():
                row = json.loads(line)
                found.append(row)
                ratios = " ".join(f"{ratio:12.3f}" for ratio in row["ratio"].values())
                print(
                    f"{row['m']:6} {row['n']:6} {row['k']:6} {row['dtype']:8} {threads:7}"
                    f" {row['gflops']:9.1f} {ratios} {row['of_peak']:8.3f}",
                    flush=True,
                )
        if worker.returncode:
            raise SystemExit(f"opencu bench gemm: the run with {threads} threads failed")
    print(summary(found))
    return found


def bench_suite(args: argparse.Namespace) -> list[dict]:
    """Run one of suites.py's, each thread count in a process of its own."""
    found = []
    for threads in args.threads:
        command = [sys.executable, "-m", "opencu.bench.gemm", "--threads", str(threads)]
        command += ["--pairs", str(args.pairs), "--seconds", str(args.seconds)]
        done = subprocess.run(
            [*command, "--suite", args.suite],
            env=measure.environment(threads),
            stdout=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"opencu bench gemm: the run with {threads} threads failed")
        for line in done.stdout.splitlines():
            row = json.loads(line)
            found.append(row)
            ratios = " ".join(f"{name} {ratio:.3f}" for name, ratio in row["ratio"].items())
            read = f" of a bare read {row['of_read']:.3f}" if "of_read" in row else ""
            sizes = f"{row['batch']:6} {row['m']:6} {row['n']:6} {row['k']:6}"
            print(f"{sizes} {row['dtype']:18} {threads} {row['gflops']:9.1f} {ratios}{read}")
    return found


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
    parser.add_argument("--threads", nargs="+", type=int, default=THREADS)
    parser.add_argument("--suite", choices=SUITES, help="other problems than shapes and dtypes")
    parser.add_argument("--pairs", type=int, default=measure.PAIRS)
    parser.add_argument("--seconds", type=float, default=measure.SECONDS, help="a side at least")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m opencu.bench.gemm")
    add_options(parser)
    args = parser.parse_args()
    for row in suite_rows(args) if args.suite else rows(args):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
