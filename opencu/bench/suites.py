"""More of gemm: narrow and complex dtypes, many small matrices, and the shapes of decoding.

Each problem is checked against float64 and timed against the best call of numpy's and torch's for
it; decoding also against a bare loop that only reads the weights.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from opencu.bench import measure

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
READ = """
define i64 @read(ptr %from, i64 %bytes) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  PHIS
  LOADS
  %next = add i64 %i, 256
  %more = icmp slt i64 %next, %bytes
  br i1 %more, label %loop, label %done
done:
  SUMS
  %out = extractelement <4 x i64> %s7, i64 0
  ret i64 %out
}
"""


def read_ir() -> str:
    """A loop that reads 256 bytes a step and does nothing with them."""
    lanes, each = "<4 x i64>", range(8)
    phis = [f"%x{i} = phi {lanes} [ zeroinitializer, %entry ], [ %y{i}, %loop ]" for i in each]
    loads = [
        f"%a{i} = add i64 %i, {32 * i}\n  %p{i} = getelementptr i8, ptr %from, i64 %a{i}\n"
        f"  %v{i} = load {lanes}, ptr %p{i}, align 1\n  %y{i} = or {lanes} %x{i}, %v{i}"
        for i in each
    ]
    sums = [f"%s0 = or {lanes} %y0, %y0"]
    sums += [f"%s{i} = or {lanes} %s{i - 1}, %y{i}" for i in range(1, 8)]
    text = READ
    for name, lines in (("PHIS", phis), ("LOADS", loads), ("SUMS", sums)):
        text = text.replace(name, "\n  ".join(lines))
    return text


class Reader:
    """Reading an array's bytes on some threads, as a Run for measure.interleave."""

    def __init__(self, x: np.ndarray, threads: int):
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), opt=2
        )
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(read_ir()), machine)
        address = self._engine.get_function_address("read")
        read = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)(address)
        piece = x.nbytes // threads // 256 * 256
        self._pieces = [(x.ctypes.data + i * piece, piece) for i in range(threads)]
        self._threads, self._read, self._keep = ThreadPoolExecutor(threads), read, x

    def __call__(self, calls: int) -> None:
        def work(piece: tuple[int, int]) -> None:
            for _ in range(calls):
                self._read(*piece)

        list(self._threads.map(work, self._pieces))


class Problem:
    """Random operands as torch tensors (b's rows along k, as a linear layer keeps its weights, in
    decoding), and some rows of the result in float64."""

    def __init__(self, suite: str, dtype: str, out: str | None, batch: int, m: int, n: int, k: int):
        import torch

        torch.manual_seed(m * n + k)
        kind, self.torch = getattr(torch, dtype), torch
        make = {
            "int8": lambda *s: torch.randint(-128, 128, s, dtype=kind),
        }.get(
            dtype,
            lambda *s: torch.randn(*s, dtype=torch.float32 if kind.itemsize == 2 else kind).to(
                kind
            ),
        )
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

    def check(self, name: str, run: measure.Run, found: Callable[[], Any]) -> None:
        self.c.view(self.torch.uint8).fill_(0xFF)
        run(1)
        got = found()[:64].to(self.want.dtype)
        wrong = ~((got - self.want).abs() <= self.bound)
        if wrong.any():
            raise SystemExit(f"{name} is wrong in {int(wrong.sum())} elements that were checked")


def ours(p: Problem) -> measure.Run:
    import opencu
    from opencu.blas.host import as_numpy  # DLPack gives numpy a bfloat16 tensor as read-only

    a, b, c = (opencu.asarray(as_numpy(name, getattr(p, name))[0], "cpu") for name in "abc")

    def run(calls: int) -> None:
        for _ in range(calls):
            opencu.blas.gemm(a, b, c)
        opencu.synchronize()

    return run


def peers(p: Problem) -> dict[str, tuple[measure.Run, Callable[[], Any]]]:
    """Calls of torch (oneDNN, MKL) and, for dtypes that BLAS has, numpy (OpenBLAS)."""
    torch, kept = p.torch, {}

    def of_torch(calls: int) -> None:
        for _ in range(calls):
            if p.a.dtype == torch.int8:
                kept["c"] = torch._int_mm(p.a, p.b)
            elif p.out != p.a.dtype:
                kept["c"] = torch.mm(p.a, p.b)
            else:
                kept["c"] = torch.matmul(p.a, p.b, out=p.c)

    def of_numpy(calls: int) -> None:
        for _ in range(calls):
            np.matmul(a, b, out=c)

    found: dict[str, tuple[measure.Run, Callable[[], Any]]] = {}
    found["torch"] = (of_torch, lambda: kept["c"])
    if p.a.dtype in (torch.float32, torch.float64, torch.complex64, torch.complex128):
        a, b, c = p.a.numpy(), p.b.numpy(), p.c.numpy()
        found["numpy"] = (of_numpy, lambda: p.c)
    return found


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Measure one suite on this process's threads."""
    import torch

    (threads,) = args.threads
    torch.set_num_threads(threads)
    for dtype, out, batch, m, n, k in SUITES[args.suite]:
        p = Problem(args.suite, dtype, out, batch, m, n, k)
        run = ours(p)
        p.check("opencu", run, lambda c=p.c: c)  # type: ignore[misc]
        row: dict[str, Any] = {"m": m, "n": n, "k": k, "batch": batch, "threads": threads}
        row |= {"dtype": dtype + (f">{out}" if out else ""), "samples": {}, "ratio": {}}
        flops = 2.0 * batch * m * n * k * (4 if p.a.is_complex() else 1)
        for name, (their_run, found) in peers(p).items():
            if out is None or p.a.dtype == torch.int8:
                p.check(name, their_run, found)
            samples = measure.interleave(run, their_run, args.pairs, args.seconds)
            row["samples"][name], row["ratio"][name] = samples, measure.ratio(samples)
        row["gflops"] = statistics.median(flops / took / 1e9 for took, _ in samples)
        if args.suite == "decode":
            weights = p.b.T.contiguous().view(torch.uint8).numpy()
            samples = measure.interleave(run, Reader(weights, threads), args.pairs, args.seconds)
            row["samples"]["read"], row["of_read"] = samples, measure.ratio(samples)
        yield row
