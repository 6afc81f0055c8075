"""The kernels of dnn and sparse against PyTorch, and bare C loops with their reads and writes."""

import argparse
import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import opencu
from opencu.bench import measure, workers
from opencu.bench.stream import BARE, WIDTH, Loops
from opencu.runtime.host import from_numpy

MIB, BATCH = 64, 8  # of an array; images of a convolution
TORCH = "torch"
# Layers of ResNet-50 with filters of 1x1 and 3x3: channels in and out, filter, stride, image.
LAYERS = [
    (64, 64, 1, 1, 56), (64, 64, 3, 1, 56), (64, 256, 1, 1, 56), (256, 64, 1, 1, 56),
    (256, 128, 1, 1, 56), (128, 128, 3, 2, 56), (128, 512, 1, 1, 28), (256, 512, 1, 2, 56),
    (512, 128, 1, 1, 28), (128, 128, 3, 1, 28), (512, 256, 1, 1, 28), (256, 256, 3, 2, 28),
    (256, 1024, 1, 1, 14), (512, 1024, 1, 2, 28), (1024, 256, 1, 1, 14), (256, 256, 3, 1, 14),
    (1024, 512, 1, 1, 14), (512, 512, 3, 2, 14), (512, 2048, 1, 1, 7), (1024, 2048, 1, 2, 14),
    (2048, 512, 1, 1, 7), (512, 512, 3, 1, 7),
]  # fmt: skip


class Kernel(NamedTuple):
    """Ours, the same with torch (no result: not compared), and a loop of stream.c, if there is one,
    on the arrays x, y."""

    ours: Callable[[], object]
    torch: Callable[[], object]
    loop: tuple[int, np.ndarray, np.ndarray] | None = None
    exact: bool = True  # do both compute the same?


def rows_of(random: np.random.Generator, name: str) -> Kernel:
    import torch

    x = random.standard_normal((MIB * 2**20 // 4 // WIDTH, WIDTH), np.float32)
    y, w = np.empty_like(x), np.ones(WIDTH, np.float32)
    t, out, v = map(from_numpy, (x, np.empty_like(x), w))
    if name == "softmax":
        theirs: Callable = partial(torch.softmax, t, 1, out=out)
        return Kernel(partial(opencu.dnn.softmax, x, out=y), theirs, (4, x, y))
    theirs = partial(torch.nn.functional.layer_norm, t, (WIDTH,), v, v)
    return Kernel(partial(opencu.dnn.layer_norm, x, w, w, out=y), theirs, (4, x, y))


def attention(random: np.random.Generator) -> Kernel:
    import torch

    arrays = [random.standard_normal((1, 12, 1024, 64), np.float32) for _ in "qkv"]
    theirs = torch.nn.functional.scaled_dot_product_attention
    return Kernel(partial(opencu.dnn.attention, *arrays), partial(theirs, *map(from_numpy, arrays)))


def conv(random: np.random.Generator, layer: tuple[int, int, int, int, int]) -> Kernel:
    import torch

    c, o, taps, stride, size = layer
    x = random.standard_normal((BATCH, c, size, size), np.float32)
    w = random.standard_normal((o, c, taps, taps), np.float32)
    options: Any = dict(stride=stride, padding=taps // 2)
    theirs = partial(torch.nn.functional.conv2d, *map(from_numpy, (x, w)), **options)
    return Kernel(partial(opencu.dnn.conv, x, w, **options), theirs)


class Matrix(NamedTuple):
    """What spmv reads of a scipy matrix."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    shape: tuple[int, int]
    format: str = "csr"


def spmv(random: np.random.Generator, rows: int, lengths: np.ndarray) -> Kernel:
    import torch

    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    indices = random.integers(0, rows, indptr[-1]).astype(np.int32)
    a = Matrix(random.standard_normal(indptr[-1], np.float32), indices, indptr, (rows, rows))
    x = random.standard_normal(rows, np.float32)
    parts = map(from_numpy, (indptr, indices, a.data))
    make: Any = torch.sparse_csr_tensor
    theirs = make(*parts, a.shape)
    return Kernel(partial(opencu.sparse.spmv, a, x), partial(torch.mv, theirs, from_numpy(x)))


def counts(random: np.random.Generator) -> Kernel:
    import torch

    x = random.integers(0, 4096, MIB * 2**20 // 8)
    theirs = partial(torch.bincount, from_numpy(x), minlength=4096)
    return Kernel(partial(opencu.sparse.histogram, x, 4096), theirs)


def scan(random: np.random.Generator, dtype: str, loop: int) -> Kernel:
    import torch

    out = np.cumsum(np.zeros(1, dtype)).dtype
    size = MIB * 2**20 // out.itemsize
    x = random.random(size, np.float32) if out.kind == "f" else random.integers(-9, 9, size)
    x = x.astype(dtype)
    y, t = (np.empty(size, out).reshape(-1, WIDTH) for _ in "yt")
    theirs = partial(torch.cumsum, from_numpy(x), 0, out=from_numpy(t.reshape(-1)))
    words = x.view("f4").reshape(-1, WIDTH)
    return Kernel(partial(opencu.sparse.scan, x, out=y.reshape(-1)), theirs, (loop, words, y))


def philox(random: np.random.Generator) -> Kernel:
    import torch

    y, out = np.empty(MIB * 2**20 // 4, np.float32), torch.empty(MIB * 2**20 // 4)
    return Kernel(partial(opencu.dnn.random, out=y), out.uniform_, exact=False)


def long_tailed(random: np.random.Generator) -> np.ndarray:
    lengths = random.pareto(1.1, 1 << 18) + 1
    return np.minimum(lengths / lengths.sum() * (1 << 23), 1 << 18).astype(np.int64)


KERNELS: dict[str, Callable[[np.random.Generator], Kernel]] = {
    "softmax": partial(rows_of, name="softmax"),
    "layer norm": partial(rows_of, name="layer norm"),
    "attention": attention,
    "spmv, 16 a row": lambda r: spmv(r, 1 << 20, np.full(1 << 20, 16)),
    "spmv, 64 a row": lambda r: spmv(r, 1 << 17, np.full(1 << 17, 64)),
    "spmv, long tail": lambda r: spmv(r, 1 << 18, long_tailed(r)),
    "histogram": counts,
    "scan, f32": partial(scan, dtype="f4", loop=0),
    "scan, i64": partial(scan, dtype="i8", loop=5),
    "scan, i32": partial(scan, dtype="i4", loop=6),
    "philox": philox,
    **{
        f"conv {layer[0]}>{layer[1]} {layer[2]}x{layer[2]}/{layer[3]} {layer[4]}": partial(
            conv, layer=layer
        )
        for layer in LAYERS
    },
}


COLUMNS = {"kernel": "26", "threads": ">7", "ms": ">8.2f"}


def cases(args: argparse.Namespace) -> Iterator[measure.Case]:
    """Every kernel on this process's threads."""
    if not importlib.util.find_spec("torch"):
        raise SystemExit("opencu bench kernels: PyTorch is missing: pip install torch")
    import torch

    torch.set_grad_enabled(False)
    loops = Loops()
    for name, make in KERNELS.items():
        if args.kernels and not any(name.startswith(k) for k in args.kernels):
            continue
        kernel = make(np.random.default_rng(0))
        if kernel.exact:
            check(name, kernel)
        sides = {TORCH: measure.repeat(kernel.torch)}
        if kernel.loop:
            which, x, y = kernel.loop
            at = x.ctypes.data, y.ctypes.data, y.ctypes.data
            sides[BARE] = measure.repeat(partial(loops.run, which, *at, *x.shape, args.threads))
        yield measure.Case({"kernel": name, "mib": MIB}, measure.repeat(kernel.ours), sides)


def check(name: str, kernel: Kernel) -> None:
    """Refuse a result that is not torch's."""
    found, want = np.asarray(kernel.ours()), np.asarray(kernel.torch())
    close = np.allclose(found, want, rtol=1e-3, atol=1e-4 * max(float(np.abs(want).max()), 1))
    if found.shape != want.shape or not close:
        raise SystemExit(f"{name} is wrong")


def summary(found: list[dict]) -> Iterator[tuple[str, list[float]]]:
    layers = [row["ratio"][TORCH] for row in found if row["kernel"].startswith("conv")]
    if layers:
        yield "conv against torch", layers


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kernels", nargs="*", default=[], metavar="NAME", help="or its beginning")
    workers.add_options(parser)
