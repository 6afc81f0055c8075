"""layer_norm of the rows along the last axis."""

from typing import Any

from opencu.dnn.kernels import layer_norm as kernels
from opencu.runtime.arguments import real
from opencu.runtime.array import Array
from opencu.runtime.operands import FLOATS, Operands, every, merged, part
from opencu.tile import dtypes


def layer_norm(x, weight=None, bias=None, eps=1e-5, *, out=None, stream=None) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias, mean and (biased) variance those of each row
    along the last axis.

    x: (..., n) of float32, float64, float16 or bfloat16, any strides; weight and bias: (n,), of x's
    dtype. All numpy arrays, torch CPU tensors or opencu arrays. The result is a new one of x's
    shape, or out, which may be x itself. Half precision is computed in float32; the variance is
    taken about the mean. On device arrays the call is stream-ordered.

    Raises TypeError or ValueError where dtypes, shapes, devices or eps do not fit. Source: Ba,
    Kiros and Hinton, "Layer Normalization" (2016).
    """
    call = Operands("x", x, stream)
    a = call.take("x", x, FLOATS)
    if not a.ndim:
        raise ValueError("x has shape (): expected at least 1 dimension")
    n = a.shape[-1]
    compute = dtypes.of(a.dtype).compute
    epsilon = compute.numpy.type(real("eps", eps))
    given: dict[str, Array | None] = {"weight": weight, "bias": bias}
    for name, v in given.items():
        if v is not None:
            given[name] = v = call.take(name, v, (a.dtype,))
            if v.shape != (n,):
                raise ValueError(f"{name} has shape {v.shape}: expected {(n,)}")
    y = call.output(out, a.shape, a.dtype, **given)
    if out is not None:
        call.apart(y, "x", a, same=True)
    if a.size:
        *outer, (rows, i) = merged(a.shape[:-1], a.steps[:-1], y.steps[:-1])
        grid, consts = kernels.plan(call.target, rows, n)
        consts |= dict(scaled=weight is not None, shifted=bias is not None)
        lines = [(v, (rows, n), (i[at], v.steps[-1])) for at, v in enumerate((a, y))]
        for views in every(outer, *lines):
            vectors = [
                part(v, 0, (1, n), (0, *v.steps)) if v is not None else views[0]
                for v in given.values()
            ]
            call.launch(kernels.layer_norm, grid, *views, epsilon, *vectors, **consts)
    return call.result(y, out)
