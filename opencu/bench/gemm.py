"""gemm against the best CPU libraries, and against the FMA peak or a bare read of the weights."""

import argparse
import importlib.util
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import product

import numpy as np

import opencu
from opencu.bench import measure, workers
from opencu.bench.peak import Peak, Reader
from opencu.runtime.host import from_numpy

SQUARES = (*((size,) * 3 for size in (512, 1024, 2048, 4096)), (4096, 512, 4096))
SHAPES = (*SQUARES, (512, 512, 16384), (8, 4096, 4096), (1152, 1408, 896))
DTYPES = ("float32", "float64")
BLAS = (*DTYPES, "complex64", "complex128")
# The problems of --suite: m, n, k, dtype, dtype of the result, matrices.
Case = tuple[int, int, int, str, str, int]
SUITES: dict[str, list[Case]] = {
    "dtypes": [
        (*shape, dtype, out, 1)
        for dtype, out in (("bfloat16", "bfloat16"), ("bfloat16", "float32"), ("int8", "int32"))
        for shape in SQUARES
    ],
    "complex": [
        (size, size, size, dtype, dtype, 1)
        for dtype in ("complex64", "complex128")
        for size in (1024, 2048)
    ],
    "batched": [(16, 16, 16, "float32", "float32", 10_000)],
    "decode": [  # b's rows lie along k, as a linear layer keeps its weights
        (m, n, k, dtype, dtype, 1)
        for dtype in ("float32", "bfloat16")
        for n, k in ((4096, 4096), (11008, 4096))
        for m in (1, 4, 16)
    ],
}
CHECKED = 64  # rows, or matrices of a batch
# Relative rounding errors: of adding up in a dtype, and of storing the sum in a narrower one.
SUMS = {"int8": 0, "float64": 2.0**-52, "complex128": 2.0**-51}
STORED = {"bfloat16": 2.0**-8}


def random_of(random: np.random.Generator, dtype: str, *shape: int) -> np.ndarray:
    if dtype == "int8":
        return random.integers(-128, 128, shape, np.int8)
    if dtype == "bfloat16":
        values = random.standard_normal(shape, np.float32)
        return (values.view(np.uint32) >> 16).astype(np.uint16).view(opencu.bfloat16)
    if dtype.startswith("complex"):
        part = f"float{int(dtype[7:]) // 2}"
        return random.standard_normal((*shape, 2), np.dtype(part)).view(dtype)[..., 0]
    return random.standard_normal(shape, np.dtype(dtype))


def wide(x: np.ndarray) -> np.ndarray:
    """The values in float64 or complex128."""
    if x.dtype == opencu.bfloat16:
        x = (x.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


class Problem:
    """Random a and b (whose rows may lie along k, as a linear layer keeps its weights), c to be
    poisoned, and a float64 reference for some of its rows or matrices."""

    def __init__(
        self, m: int, n: int, k: int, dtype: str, out: str = "", batch: int = 1, along_k=False
    ):
        random, lead = np.random.default_rng(m * n + k), () if batch == 1 else (batch,)
        self.dtype, self.out = dtype, out or dtype
        self.a = random_of(random, dtype, *lead, m, k)
        self.b = random_of(random, dtype, *(n, k) if along_k else (*lead, k, n))
        if along_k:
            self.b = self.b.T
        found = opencu.bfloat16 if self.out == "bfloat16" else np.dtype(self.out)
        self.c = np.empty((*lead, m, n), found)
        self.rows = random.choice(len(self.c), min(len(self.c), CHECKED), replace=False)
        a, b = wide(self.a[self.rows]), wide(self.b[self.rows] if lead else self.b)
        self.reference = a @ b
        self.terms = (k + 8) * (np.abs(a) @ np.abs(b))
        self.stored = STORED.get(self.out, 0) * np.abs(self.reference)

    def check(self, name: str, run: measure.Run, least: float = 0.0) -> None:
        """Refuse a wrong result; errors of `least` a term are allowed at least."""
        self.c.view(np.uint8).fill(0xFF)  # NaN
        run(1)
        bound = max(SUMS.get(self.dtype, 2.0**-23), least) * self.terms + self.stored
        wrong = ~(np.abs(wide(self.c[self.rows]) - self.reference) <= bound)
        if wrong.any():
            raise SystemExit(
                f"{name} is wrong in {wrong.sum()} of {wrong.size} elements that were checked"
            )


def ours(problem: Problem) -> measure.Run:
    a, b, c = (opencu.asarray(x, "cpu") for x in (problem.a, problem.b, problem.c))
    return measure.repeat(partial(opencu.blas.gemm, a, b, c), opencu.synchronize)


def openblas(problem: Problem) -> measure.Run:
    return measure.repeat(partial(np.matmul, problem.a, problem.b, out=problem.c))


def of_torch(problem: Problem) -> measure.Run:
    import torch

    a, b, c = map(from_numpy, (problem.a, problem.b, problem.c))
    multiply = torch._int_mm if problem.dtype == "int8" else torch.matmul
    if problem.dtype not in BLAS and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        # Without instructions for these dtypes its own take minutes: MKL's float32 instead.
        a, b, multiply = a.float(), b.float(), torch.matmul
    if c.dtype == a.dtype or multiply is torch._int_mm:
        return measure.repeat(partial(multiply, a, b, out=c))
    return measure.repeat(lambda: c.copy_(multiply(a, b)))


def peers(dtype: str) -> dict[str, Callable[[Problem], measure.Run]]:
    """The peers that are installed. numpy's wheels carry OpenBLAS, torch's CPU build MKL."""
    blas = dtype in BLAS
    found: dict[str, Callable[[Problem], measure.Run]] = {"openblas": openblas} if blas else {}
    if importlib.util.find_spec("torch"):
        found["mkl" if blas else "torch"] = of_torch
    return found


COLUMNS = dict.fromkeys(("batch", "m", "n", "k"), ">6")
COLUMNS |= {"dtype": "18", "threads": ">7", "gflops": ">9.1f"}


def cases(args: argparse.Namespace) -> Iterator[measure.Case]:
    """Every problem on this process's threads."""
    device, threads = opencu.device("cpu"), args.threads
    target = device.driver.target(device.index)
    peak = cache(lambda dtype: Peak(dtype, target, threads))
    plain = [(*shape, dtype, dtype, 1) for dtype, shape in product(args.dtypes, args.shapes)]
    decode = args.suite == "decode"
    for m, n, k, dtype, out, batch in SUITES.get(args.suite, plain):
        problem = Problem(m, n, k, dtype, out, batch, decode)
        our_run = ours(problem)
        sides = {name: of(problem) for name, of in peers(dtype).items()}
        problem.check("opencu", our_run)
        for name, run in sides.items():
            problem.check(name, run, 0.0 if dtype in BLAS else 2.0**-23)
        flops = 2.0 * batch * m * n * k * (4 if dtype.startswith("complex") else 1)
        limits: dict = {"read": (Reader(problem.b.T, target, threads), 1.0)} if decode else {}
        if args.suite is None:
            limits["peak"] = peak(dtype), flops / peak(dtype).flops
        label = {"m": m, "n": n, "k": k, "batch": batch}
        label["dtype"] = dtype if out in (dtype, "int32") else f"{dtype}>{out}"
        yield measure.Case(label, our_run, sides, ("gflops", flops), limits)


def summary(found: list[dict]) -> Iterator[tuple[str, list[float]]]:
    """The figures of merit: speed against the best peer of each row, and the share of the peak."""
    if best := [min(row["ratio"].values()) for row in found if row["ratio"]]:
        yield "against the best peer", best
    squares = [row for row in found if row["m"] == row["n"] == row["k"] >= 1024]
    if shares := [row["of_peak"] for row in squares if "of_peak" in row]:
        yield "squares from 1024, of the FMA peak", shares


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
    parser.add_argument("--suite", choices=SUITES, help="other problems than these")
    workers.add_options(parser)
