"""More of gemm: narrow and complex dtypes, many small matrices, and the shapes of decoding.

Each problem is checked against float64 and timed against the best call of numpy's and torch's for
it; decoding also against a bare loop that only reads the weights.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import opencu
from opencu.bench import measure
from opencu.bench.peak import Reader
from opencu.blas.host import as_numpy

SQUARES = (*((size,) * 3 for size in (512, 1024, 2048, 4096)), (4096, 512, 4096))
SUITES: dict[str, list[tuple[Any, ...]]] = {
    "dtypes": [
        (dtype, out, 1, *shape)
        for dtype, out in (("bfloat16", None), ("bfloat16", "float32"), ("int8", None))
        for shape in SQUARES
    ],
    "complex": [
        (dtype, None, 1, *(size,) * 3)
        for dtype in ("complex64", "complex128")
        for size in (1024, 2048)
    ],
    "batched": [("float32", None, 10_000, 16, 16, 16)],
    "decode": [
        (dtype, None, 1, m, n, k)
        for dtype in ("float32", "bfloat16")
        for n, k in ((4096, 4096), (11008, 4096))
        for m in (1, 4, 16)
    ],
}


class Problem:
    """Random operands as torch tensors (b's rows along k, as a linear layer keeps its weights, in
    decoding), and some rows of the result in float64."""

    def __init__(self, suite: str, dtype: str, out: str | None, batch: int, m: int, n: int, k: int):
        import torch

        torch.manual_seed(m * n + k)
        kind, self.torch = getattr(torch, dtype), torch

        def make(*sizes: int) -> Any:
            if dtype == "int8":
                return torch.randint(-128, 128, sizes, dtype=kind)
            return torch.randn(*sizes, dtype=torch.float32 if kind.itemsize == 2 else kind).to(kind)

        lead = () if batch == 1 else (batch,)
        self.a = make(*lead, m, k)
        self.b = make(n, k).T if suite == "decode" else make(*lead, k, n)
        wide = torch.complex128 if kind.is_complex else torch.float64
        a, b = (x[:64].to(wide) if lead else x.to(wide) for x in (self.a, self.b))
        a = a if lead else a[:64]
        self.want, size = a @ b, a.abs() @ b.abs()
        self.out = getattr(torch, out) if out else torch.int32 if dtype == "int8" else kind
        self.c = torch.empty(*lead, m, n, dtype=self.out)
        sums = {"int8": 0, "float64": 2.0**-52, "complex128": 2.0**-51}.get(dtype, 2.0**-23)
        rounding = {"bfloat16": 2.0**-8, "float16": 2.0**-11}.get(str(self.out)[6:], 0)
        self.bound = (k + 8) * sums * size + rounding * self.want.abs()

    def check(self, name: str, run: measure.Run) -> None:
        self.c.view(self.torch.uint8).fill_(0xFF)
        run(1)
        wrong = ~((self.c[:64].to(self.want.dtype) - self.want).abs() <= self.bound)
        if wrong.any():
            raise SystemExit(f"{name} is wrong in {int(wrong.sum())} elements that were checked")


def ours(p: Problem) -> measure.Run:
    # DLPack would give numpy a bfloat16 tensor as read-only.
    a, b, c = (opencu.asarray(as_numpy(name, getattr(p, name))[0], "cpu") for name in "abc")
    return measure.repeat(partial(opencu.blas.gemm, a, b, c), opencu.synchronize)


def peers(p: Problem) -> dict[str, measure.Run]:
    """Calls of torch (oneDNN, MKL) and, for dtypes that BLAS has, numpy (OpenBLAS)."""
    torch = p.torch
    if p.out == p.a.dtype:
        torchs = partial(torch.matmul, p.a, p.b, out=p.c)
    elif p.a.dtype == torch.int8:
        torchs = partial(torch._int_mm, p.a, p.b, out=p.c)
    else:
        torchs = partial(torch.matmul, p.a, p.b)  # it has no wider results
    found = {"torch": measure.repeat(torchs)}
    if p.a.dtype in (torch.float32, torch.float64, torch.complex64, torch.complex128):
        a, b, c = p.a.numpy(), p.b.numpy(), p.c.numpy()
        found["numpy"] = measure.repeat(partial(np.matmul, a, b, out=c))
    return found


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Measure one suite on this process's threads."""
    import torch

    torch.set_num_threads(args.threads)
    device = opencu.device("cpu")
    for dtype, out, batch, m, n, k in SUITES[args.suite]:
        p = Problem(args.suite, dtype, out, batch, m, n, k)
        run, others = ours(p), peers(p)
        p.check("opencu", run)
        for name, peer in others.items():
            if out is None:
                p.check(name, peer)
        samples = measure.against(run, others, args.pairs, args.seconds)
        ratio = {name: measure.ratio(pairs) for name, pairs in samples.items()}
        flops = 2.0 * batch * m * n * k * (4 if p.a.is_complex() else 1)
        row = {
            "m": m, "n": n, "k": k, "batch": batch, "threads": args.threads,
            "dtype": dtype + (f">{out}" if out else ""), "samples": samples, "ratio": ratio,
            "gflops": measure.gflops(flops, [pair for pairs in samples.values() for pair in pairs]),
        }  # fmt: skip
        if args.suite == "decode":
            weights = p.b.T.contiguous().view(torch.uint8).numpy()
            reader = Reader(weights, device.driver.target(device.index), args.threads)
            samples["read"] = measure.interleave(run, reader, args.pairs, args.seconds)
            row["of_read"] = measure.ratio(samples["read"])
        yield row


def line(row: dict) -> str:
    ratios = " ".join(f"{name} {ratio:.3f}" for name, ratio in row["ratio"].items())
    read = f" of a bare read {row['of_read']:.3f}" if "of_read" in row else ""
    sizes = f"{row['batch']:6} {row['m']:6} {row['n']:6} {row['k']:6}"
    return f"{sizes} {row['dtype']:18} {row['threads']} {row['gflops']:9.1f} {ratios}{read}"
