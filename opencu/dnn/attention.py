"""Attention: a band of queries past all keys, softmax on the way."""

from typing import Any

from opencu.dnn.kernels import attention as kernels
from opencu.runtime.arguments import flag, real
from opencu.runtime.operands import FLOATS, Operands, every, merged
from opencu.tile import dtypes


def attention(q, k, v, *, causal=False, scale=None, out=None, stream=None) -> Any:
    """softmax(scale q k^T) v, row by row; where causal, row i of q sees rows 0 .. i of k and v.

    q: (..., length, d), k: (..., keys, d), v: (..., keys, e), result: (..., length, e), of float32,
    float64, float16 or bfloat16 with any strides; leading axes (batch, heads) are the same. All
    numpy arrays, torch CPU tensors or opencu arrays. scale: 1 / sqrt(d) unless given. Half
    precision is summed in float32, the weights are rounded to it. With no keys the result is NaN.
    On device arrays the call is stream-ordered.

    Raises TypeError or ValueError where dtypes, shapes, devices or scale do not fit. Algorithm: Dao
    and others, "FlashAttention" (2022), with the online softmax of Milakov and Gimelshein (2018).
    """
    call = Operands("q", q, stream)
    a = call.take("q", q, FLOATS)
    b, c = call.take("k", k, (a.dtype,)), call.take("v", v, (a.dtype,))
    for name, x in (("q", a), ("k", b), ("v", c)):
        if x.ndim < 2:
            raise ValueError(f"{name} has shape {x.shape}: expected at least 2 dimensions")
    lead, (length, d) = a.shape[:-2], a.shape[-2:]
    if b.shape[:-2] != lead or b.shape[-1] != d:
        expected = ", ".join(map(str, (*lead, "keys", d)))
        raise ValueError(f"k has shape {b.shape}: expected ({expected}), as q has")
    keys = b.shape[-2]
    if c.shape[:-1] != (*lead, keys):
        expected = ", ".join(map(str, (*lead, keys, "e")))
        raise ValueError(f"v has shape {c.shape}: expected ({expected}), as k has")
    causal = flag("causal", causal)
    scale = max(d, 1) ** -0.5 if scale is None else real("scale", scale)
    e = c.shape[-1]
    y = call.output(out, (*lead, length, e), a.dtype, q=a, k=b, v=c)
    if y.size:
        dtype = dtypes.of(a.dtype)
        bands, consts, blocks = kernels.plan(call.target, dtype, length, keys, d, e, causal)
        arrays = (a, b, c, y)
        axes = merged(lead, *(x.steps[:-2] for x in arrays))
        *outer, (batch, z), (heads, h) = [(1, [0] * 4), *axes]
        parts = [
            (x, (batch, heads, *x.shape[-2:]), (z[n], h[n], *x.steps[-2:]))
            for n, x in enumerate(arrays)
        ]
        number, grid = consts["sums"].numpy.type(scale), (bands, heads, batch)
        for views in every(outer, *parts):
            call.launch(kernels.attention, grid, *views, number, blocks=blocks, **consts)
    return call.result(y, out)
