"""Library calls whose kernels are compiled for any target, and run where a test can."""

import functools
from types import SimpleNamespace

import numpy as np

import opencu
from opencu.compiler import Code, compile
from opencu.drivers.interface import Target
from opencu.runtime import launch as launches
from opencu.runtime.operands import Operands
from opencu.tile import dtypes


def numbers(dtype, *shape):
    """The same ones for each call."""
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def integers(below, *shape):
    return np.random.default_rng(below).integers(0, below, shape)


def spmv(dtype):
    """Rows that are empty and a long one."""
    counts = integers(9, 500)
    counts[250], n = 3000, 700
    indptr = np.r_[0, np.cumsum(counts)].astype("i4")
    parts = (numbers(dtype, indptr[-1]), integers(n, indptr[-1]).astype("i4"), indptr)
    matrix = SimpleNamespace(shape=(500, n), format="csr")
    matrix.data, matrix.indices, matrix.indptr = parts
    return opencu.sparse.spmv(matrix, numbers(dtype, n))


FLOATS = ("f4", "f8", "f2")
CALLS = {
    f"{name}-{dtype}": (lambda call=call, dtype=dtype: call(dtype))
    for dtype in FLOATS
    for name, call in {
        "softmax": lambda t: opencu.dnn.softmax(numbers(t, 5, 300)),
        "softmax of a long row": lambda t: opencu.dnn.softmax(numbers(t, 3, 9001)),
        "softmax of columns": lambda t: opencu.dnn.softmax(numbers(t, 3, 70, 40), axis=1),
        "layer_norm": lambda t: opencu.dnn.layer_norm(numbers(t, 5, 300)),
        "attention": lambda t: opencu.dnn.attention(*numbers(t, 3, 2, 70, 40)),
        "causal attention": lambda t: opencu.dnn.attention(*numbers(t, 3, 2, 70, 40), causal=True),
        "conv": lambda t: opencu.dnn.conv(numbers(t, 2, 8, 13, 13), numbers(t, 8, 8, 3, 3)),
        "spmv": spmv,
        "scan": lambda t: opencu.sparse.scan(numbers(t, 5000)),
    }.items()
    if (name, dtype) not in [("spmv", "f2")]
}
CALLS |= {
    "histogram": lambda: opencu.sparse.histogram(integers(100, 20000), 90),
    "random": lambda: opencu.dnn.random((1000,), seed=7, out=np.zeros(1000, "f4")),
}


@functools.cache
def compiled(kernel, types: tuple, consts: tuple, target: Target, blocks) -> Code:
    return compile(kernel.trace(dict(types), dict(consts)), target, blocks)


class Library:
    """Library functions, compiled for a target; `run` does a launch: (code, words, programs)."""

    def __init__(self, monkeypatch, target: Target, run):
        self.codes: list[Code] = []

        def launch(call, kernel, grid, *args, blocks=None, **consts):
            names = [n for n in kernel.parameters if n not in consts]
            arrays = [x for x in args if hasattr(x, "steps")]
            default = next((dtypes.of(x.dtype).part for x in arrays if x.dtype.kind in "fc"), None)
            flat = {n: launches._flatten(n, x, default) for n, x in zip(names, args)}
            types = {n: t for n, (t, _) in flat.items()}
            code = compiled(kernel, tuple(types.items()), tuple(consts.items()), target, blocks)
            self.codes.append(code)
            sizes = (*grid, *(1,) * (3 - len(grid)))
            words = [*sizes, *(w for _, ws in flat.values() for w in ws)]
            run(code, words, sizes[0] * sizes[1] * sizes[2])

        monkeypatch.setattr(Operands, "target", target)
        monkeypatch.setattr(Operands, "launch", launch)
