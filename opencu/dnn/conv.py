"""Convolution of images, forward."""

from typing import Any

from opencu.blas.gemm import gemm as products
from opencu.blas.kernels.gemm import gemm
from opencu.dnn.kernels import conv as kernels
from opencu.dnn.kernels.tiles import tiles
from opencu.runtime.arguments import count
from opencu.runtime.array import Array
from opencu.runtime.operands import FLOATS, Operands, every, merged, part
from opencu.tile import cdiv, dtypes

Axis = tuple[int, list[int]]  # its size, and two arrays' steps along it


def conv(
    x, w, bias=None, *, stride=1, padding=0, dilation=1, groups=1, out=None, stream=None
) -> Any:
    """y[n, o, i, j] = bias[o] + sum over c, r, s of w[o, c, r, s] x[n, c, i stride + r dilation -
    padding, j ...]: a cross-correlation, as PyTorch's conv2d.

    x: (n, c, h, w), w: (o, c / groups, r, s), bias: (o,), result: (n, o, h', w') with
    h' = (h + 2 padding - dilation (r - 1) - 1) // stride + 1; float32, float64, float16 or bfloat16
    (summed in float32), any strides. Images whose channels lie side by side (NHWC, "channels last")
    are read where they are, and the result is laid out alike; others are turned first. All numpy
    arrays, torch CPU tensors or opencu arrays. stride, padding and dilation: a number, or one for
    each of h and w. On device arrays the call is stream-ordered.

    Raises TypeError or ValueError where dtypes, shapes, devices or sizes do not fit. Algorithm:
    implicit GEMM, as in Chetlur and others, "cuDNN: Efficient Primitives for Deep Learning" (2014).
    """
    call = Operands("x", x, stream)
    a = call.take("x", x, FLOATS)
    b = call.take("w", w, (a.dtype,))
    for name, v in (("x", a), ("w", b)):
        if v.ndim != 4:
            raise ValueError(f"{name} has shape {v.shape}: expected 4 dimensions")
    stride, dilation = _pair("stride", stride, 1), _pair("dilation", dilation, 1)
    padding, groups = _pair("padding", padding, 0), count("groups", groups, 1)
    (n, c, *size), (o, each, *taps) = a.shape, b.shape
    if c != each * groups or o % groups:
        what = f"(a multiple of {groups}, {c} / {groups}, r, s)"
        raise ValueError(f"w has shape {b.shape}: expected {what}, as x has {c} channels")
    spans = [size[d] + 2 * padding[d] - dilation[d] * (taps[d] - 1) - 1 for d in (0, 1)]
    if min(taps) < 1 or min(spans) < 0:
        raise ValueError(
            f"w has shape {b.shape}: expected at least one tap, and no more than x has"
        )
    shape = tuple(spans[d] // stride[d] + 1 for d in (0, 1))
    v = None if bias is None else call.take("bias", bias, (a.dtype,))
    if v is not None and v.shape != (o,):
        raise ValueError(f"bias has shape {v.shape}: expected {(o,)}")
    last = c > 1 and a.steps[1] == 1 and len(_pixels(a)) == 1
    if out is None:
        y = _empty(call, n, o, shape, a.dtype, last)
    else:
        y = call.output(out, (n, o, *shape), a.dtype, x=a, w=b, bias=v)
    if y.size and taps == [1, 1] and padding == (0, 0) and groups == 1 and not last:
        steps = (*a.steps[:2], a.steps[2] * stride[0], a.steps[3] * stride[1])
        _one_tap(call, part(a, 0, (n, c, *shape), steps), b, v, y)
    elif y.size:
        source = a if last else _empty(call, n, c, size, a.dtype, True)
        if not last:
            _copy(call, a, source)
        direct = o > 1 and y.steps[1] == 1 and len(_pixels(y)) == 1
        result = y if direct else _empty(call, n, o, shape, a.dtype, True)
        _multiply(call, source, b, v, result, (stride, padding, dilation), groups)
        if not direct:
            _copy(call, result, y)
    return call.result(y, out)


def _one_tap(call: Operands, x: Array, w: Array, bias: Array | None, y: Array) -> None:
    """A plain product for each image; of every few pixels of x a copy is made first."""
    n, c, *size = x.shape
    result = y
    if len(merged(size, x.steps[2:])) > 1:
        x, thinned = call.empty(x.shape, x.dtype), x
        _copy(call, thinned, x)
    if len(merged(size, y.steps[2:])) > 1:
        result = call.empty(y.shape, y.dtype)
    pixels, line = size[0] * size[1], 3 if size[1] > 1 else 2
    images, out = (
        part(v, 0, (*v.shape[:2], pixels), (*v.steps[:2], v.steps[line])) for v in (x, result)
    )
    filters, epilogue = part(w, 0, w.shape[:2], w.steps[:2]), None
    if bias is not None:
        epilogue = ("bias", part(bias, 0, (*bias.shape, 1), (*bias.steps, 0)))
    products(filters, images, out, epilogue=epilogue, stream=call.stream)
    if result is not y:
        _copy(call, result, y)


def _pair(name: str, value: Any, least: int) -> tuple[int, int]:
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"{name} is {value!r}: expected a number, or two")
        return (count(name, value[0], least), count(name, value[1], least))
    return (count(name, value, least),) * 2


def _pixels(x: Array) -> list:
    """The axes of an image batch's pixels, merged."""
    n, _, h, w = range(4)
    return merged([x.shape[d] for d in (n, h, w)], [x.steps[d] for d in (n, h, w)])


def _empty(call: Operands, n: int, c: int, size: Any, dtype: Any, last: bool) -> Array:
    """A batch of images, with their channels side by side if they are `last`."""
    if not last:
        return call.empty((n, c, *size), dtype)
    return call.empty((n, *size, c), dtype).transpose(0, 3, 1, 2)


def _copy(call: Operands, x: Array, y: Array) -> None:
    """y = x, images: tiles of pixels and channels where one of them has its channels side by side,
    else of rows and columns."""
    axes = [(x.shape[d], [x.steps[d], y.steps[d]]) for d in range(4)]
    if 1 in (x.steps[1], y.steps[1]):
        *outer, pixels = merged(x.shape[2:], x.steps[2:], y.steps[2:])
        turned = (pixels, axes[1]) if x.steps[1] == 1 else (axes[1], pixels)
        _move(call, x, y, outer, axes[0], *turned)
    else:
        *outer, batch = merged(x.shape[:2], x.steps[:2], y.steps[:2])
        _move(call, x, y, outer, batch, *axes[2:])


def _move(call: Operands, x: Array, y: Array, outer: list, batch: Axis, i: Axis, j: Axis) -> None:
    """y = x in tiles along two axes; of transposes, i is the one that y is written along."""
    T, at = tiles(call.target).turned, [[axis[1][n] for axis in (batch, i, j)] for n in (0, 1)]
    source = x, (batch[0], i[0], j[0]), at[0]
    target = y, (batch[0], j[0], i[0]), (at[1][0], at[1][2], at[1][1])
    for views in every(outer, source, target):
        call.launch(kernels.turn, (cdiv(i[0], T), cdiv(j[0], T), batch[0]), *views, T=T)


def _multiply(
    call: Operands, x: Array, w: Array, bias: Array | None, y: Array, steps: tuple, groups: int
) -> None:
    """The GEMM on images with their channels side by side, some images at a time."""
    (n, _, *size), (o, each, *taps), shape = x.shape, w.shape, y.shape[2:]
    rs, area, columns = taps[0] * taps[1], shape[0] * shape[1], o // groups
    most = min(n, max(1, kernels.IMAGES // area))
    # The filters with taps first and outputs side by side: w[o, c, r, s] to [c, r, s, o].
    flat = call.empty((each * rs, o), w.dtype)
    lines = merged(w.shape[1:], w.steps[1:], [rs * o, taps[1] * o, o])
    _move(call, w, flat, lines[:-1], (1, [0, 0]), (o, [w.steps[0], 1]), lines[-1])
    step_x, step_y = _pixels(x)[-1][1][0], _pixels(y)[-1][1][0]
    b = part(flat, 0, (groups, rs, each, columns), (columns, o, rs * o, 1))
    dtype = dtypes.of(x.dtype)
    one, zero = (dtype.compute.numpy.type(number) for number in (1, 0))
    for first in range(0, n, most):
        images = min(most, n - first)
        m = images * area
        table = kernels.places(images, tuple(size), tuple(shape), tuple(taps), *steps)
        biased, pixels = bias is not None, images * size[0] * size[1]
        bands, consts, blocks = kernels.plan(call.target, dtype, m, columns, each, biased)
        a = part(x, first * x.steps[0], (groups, pixels, each), (each, step_x, 1))
        d = v = part(y, first * y.steps[0], (groups, m, columns), (columns, step_y, 1))
        if bias is not None:
            v = part(bias, 0, d.shape, (columns * bias.steps[0], 0, bias.steps[0]))
        arrays = a, b, d, d, one, zero, v, call.copied(table)
        call.launch(gemm, (*bands, groups), *arrays, blocks=blocks, **consts)
