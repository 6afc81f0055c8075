"""softmax of the lines along an axis."""

from typing import Any

from opencu.dnn.kernels.softmax import plan
from opencu.runtime.arguments import axis as as_axis
from opencu.runtime.operands import FLOATS, Operands, every, merged


def softmax(x, axis=-1, *, out=None, stream=None) -> Any:
    """exp(x - max) / sum(exp(x - max)), maximum and sum taken along one axis.

    x: float32, float64, float16 or bfloat16 of any shape and strides; a numpy array, torch CPU
    tensor or opencu array. The result is a new one of its kind, shape and dtype, or out, which may
    be x itself. Half precision is computed in float32. A line with a NaN or +Inf is all NaN, as in
    PyTorch; so is one of -Inf alone. On device arrays the call is stream-ordered.

    Raises TypeError or ValueError where axis, dtypes, shapes or devices do not fit. Algorithm: the
    three passes of Milakov and Gimelshein, "Online normalizer calculation for softmax" (2018), its
    "safe softmax", fused where a line fits a tile.
    """
    call = Operands("x", x, stream)
    a = call.take("x", x, FLOATS)
    at = as_axis("axis", axis, a.ndim)
    y = call.output(out, a.shape, a.dtype)
    if out is not None:
        call.apart(y, "x", a, same=True)
    if a.size:
        outer = merged(a.shape[:at], a.steps[:at], y.steps[:at])
        inner = merged(a.shape[at + 1 :], a.steps[at + 1 :], y.steps[at + 1 :])
        (rows, i), (columns, j) = outer.pop(), inner.pop()
        kernel, grid, run, consts = plan(call.target, rows, a.shape[at], columns)
        shape = (rows, a.shape[at], columns)[: len(consts["S"])]
        steps = [(i[n], v.steps[at], j[n])[: len(shape)] for n, v in enumerate((a, y))]
        for views in every(outer + inner, (a, shape, steps[0]), (y, shape, steps[1])):
            call.launch(kernel, grid, *views, run, **consts)
    return call.result(y, out)
