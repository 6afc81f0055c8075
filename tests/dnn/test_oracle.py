"""Every kernel of dnn and sparse against the interpreter, on every device."""

import numpy as np
import pytest

import opencu
from opencu.runtime import launch as launches
from opencu.runtime import operands
from opencu.tile import dtypes, interp

RNG = np.random.default_rng(0)


def interpreted(kernel, grid, *args, stream=None, blocks=None, **consts):
    """launch, by the interpreter."""
    names = [n for n in kernel.parameters if n not in consts]
    types = {n: launches._flatten(n, x, dtypes.f32)[0] for n, x in zip(names, args)}
    plain = [x._numpy() if isinstance(x, opencu.Array) else x for x in args]
    interp.run(kernel.trace(types, consts), plain, grid)


def random(*shape, dtype="f4"):
    return RNG.standard_normal(shape).astype(dtype)


class Rows:
    """A sparse matrix of rows of some lengths."""

    format, shape = "csr", (64, 50)
    indptr = np.concatenate([[0], np.cumsum(RNG.integers(0, 9, 64))])
    indices = RNG.integers(0, 50, indptr[-1])
    data = random(int(indptr[-1]))


def spmv(x):
    matrix = Rows if isinstance(x, np.ndarray) else opencu.sparse.CSR.of(Rows, x.device)
    return opencu.sparse.spmv(matrix, x)


CALLS = {
    "softmax": (opencu.dnn.softmax, random(5, 70)),
    "softmax of columns": (lambda x: opencu.dnn.softmax(x, 0), random(33, 7)),
    "softmax of long rows": (opencu.dnn.softmax, random(2, 40_000)),
    "softmax in half precision": (opencu.dnn.softmax, random(3, 70, dtype="f2")),
    "layer norm": (opencu.dnn.layer_norm, random(5, 70), random(70), random(70)),
    "attention": (opencu.dnn.attention, random(2, 37, 16), random(2, 300, 16), random(2, 300, 8)),
    "causal attention": (
        lambda *x: opencu.dnn.attention(*x, causal=True), *(random(2, 40, 8) for _ in "qkv")
    ),
    "conv": (lambda *x: opencu.dnn.conv(*x, padding=1), random(1, 8, 5, 5), random(4, 8, 3, 3)),
    "conv of every second pixel": (
        lambda *x: opencu.dnn.conv(*x, stride=2), random(1, 4, 6, 6), random(3, 4, 1, 1)
    ),
    "spmv": (spmv, random(50)),
    "histogram": (lambda x: opencu.sparse.histogram(x, 20), RNG.integers(-2, 24, 2000)),
    "scan": (opencu.sparse.scan, random(3000)),
    "philox": (lambda x: opencu.dnn.random(out=x, seed=5), random(300)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_the_interpreter_agrees(device, name, monkeypatch):
    call, *arrays = CALLS[name]
    found = np.asarray(call(*(opencu.asarray(x.copy(), device) for x in arrays)))
    monkeypatch.setattr(operands, "launch", interpreted)
    want = call(*(x.copy() for x in arrays))
    assert found.dtype == want.dtype
    bound = 2e-3 if found.dtype == np.float16 else 2e-5
    np.testing.assert_allclose(found, want, rtol=bound, atol=bound)
