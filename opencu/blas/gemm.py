"""C = alpha op(A) op(B) + beta C for numpy arrays, torch CPU tensors and device arrays."""

from __future__ import annotations

import itertools
import math
import numbers
import sys
from typing import Any

import numpy as np

from opencu.drivers.status import check, ffi, lib
from opencu.runtime.arguments import dtype as as_dtype
from opencu.runtime.arguments import flag
from opencu.runtime.array import CODES, DEFAULT, Array, as_matrix, row_major, share
from opencu.runtime.device import current
from opencu.runtime.stream import NULL, Stream, handle_on

ocu_gemm, device_get = lib.ocu_gemm, lib.ocu_device_get
NO_PLAN = lib.OCU_NO_PLAN
DEVICE_FLAGS = lib.OCU_CALL_NO_PLANNER | lib.OCU_CALL_TRUSTED  # an Array keeps its memory alive
HOST_FLAGS = DEVICE_FLAGS | lib.OCU_CALL_SYNC
# alpha and beta as the core takes them: pointers to values of the dtype. 0 and 1 are kept ready.
SCALARS = {lib.OCU_F32: "float[1]", lib.OCU_F64: "double[1]"}
READY: dict[int, dict[float, Any]] = {
    code: {value: ffi.new(c, [value]) for value in (0, 1)} for code, c in SCALARS.items()
}
LARGEST = {code: float(np.finfo(dtype).max) for dtype, code in CODES.items()}
NUMPY, TORCH = "a numpy array", "a torch tensor"
# Steps that telling apart two interleaved views may take; beyond, they count as overlapping.
OVERLAP_WORK = 100_000


def gemm(
    a: Any,
    b: Any,
    c: Any = None,
    *,
    alpha: float = 1,
    beta: float = 0,
    trans_a: bool = False,
    trans_b: bool = False,
    out_dtype: Any = None,
    epilogue: Any = None,
    stream: Stream | None = None,
) -> Any:
    """alpha op(a) op(b) + beta c, with op(x) = x or, where trans says so, its transpose.

    op(a) is (..., m, k), op(b) (..., k, n), c (..., m, n), all float32 or all float64, with any
    strides; leading axes broadcast as numpy.matmul's do. All are numpy arrays, or all torch CPU
    tensors, or all opencu arrays on one device. Nothing is copied, and the result is of the same
    kind: c, written in place, if it is given, else a new one.

    On device arrays the call is stream-ordered (stream None: the device's default stream); on
    numpy and torch memory it returns when it is done. beta == 0 does not read c; alpha == 0 does
    not read a and b.

    Raises TypeError or ValueError before anything runs where kinds, dtypes, shapes, devices or
    scalars do not fit, or c is read-only or shares memory with a, b or itself.
    """
    if epilogue is not None:
        raise NotImplementedError(f"epilogue is {epilogue!r}: only None is implemented so far")
    if type(a) is Array and type(b) is Array and (c is None or type(c) is Array):
        return _gemm(a, b, c, alpha, beta, trans_a, trans_b, out_dtype, stream, False)
    return _host_gemm(a, b, c, alpha, beta, trans_a, trans_b, out_dtype, stream)


def _gemm(a, b, c, alpha, beta, trans_a, trans_b, out_dtype, stream, host) -> Array:
    """gemm on device arrays; with host, on arrays over host memory and done on return."""
    m, k, a_rs, a_cs, a_at, a_low, a_high = a.matrix or as_matrix("a", a)
    inner, n, b_rs, b_cs, b_at, b_low, b_high = b.matrix or as_matrix("b", b)
    if trans_a is not False and flag("trans_a", trans_a):
        m, k, a_rs, a_cs = k, m, a_cs, a_rs
    if trans_b is not False and flag("trans_b", trans_b):
        inner, n, b_rs, b_cs = n, inner, b_cs, b_rs
    code, device = a.code, a.memory.device
    if k != inner or b.code != code or not code or b.memory.device is not device:
        _refuse_operands(a, b, k, inner)
    if out_dtype is not None:
        _check_out_dtype(out_dtype, a.dtype)
    plain = len(a.shape) == 2 == len(b.shape)
    shape = (m, n) if plain else (*_leading_axes(a, b), m, n)
    alpha_at, beta_at = _scalar("alpha", alpha, code), _scalar("beta", beta, code)
    if c is None:
        c = _new_output(shape, a, beta, host)
    elif c.shape != shape or c.code != code or c.memory.device is not device or not c.writable:
        _refuse_output(c, shape, a)
    _, _, c_rs, c_cs, c_at, c_low, c_high = c.matrix or as_matrix("c", c)
    if c_low < a_high and a_low < c_high:
        _check_apart(c, "a", a)
    if c_low < b_high and b_low < c_high:
        _check_apart(c, "b", b)
    if not (plain and c_cs == 1 and c_rs >= n):
        _check_elements_apart(c)

    if stream is not None:
        handle = handle_on(device, stream)
    elif device_get() == device.index:
        handle = NULL
    else:
        with current(device):
            return _gemm(a, b, c, alpha, beta, trans_a, trans_b, out_dtype, None, host)
    flags = HOST_FLAGS
    if not host:
        flags = DEVICE_FLAGS
        key = stream or DEFAULT
        for memory in (a.memory, b.memory, c.memory):
            if memory.last is not key:
                memory.use(key)
    calls = ((1, a_at, 0, b_at, 0, c_at, 0),) if plain else _batches(a, b, c)
    for batch, a_at, a_bs, b_at, b_bs, c_at, c_bs in calls:
        call = (handle, code, batch, m, n, k, alpha_at, a_at, a_rs, a_cs, a_bs,
                b_at, b_rs, b_cs, b_bs, beta_at, c_at, c_rs, c_cs, c_bs, flags)  # fmt: skip
        status = ocu_gemm(*call)
        if status:
            _plan_and_call(status, call)
    return c


def _plan_and_call(status: int, call: tuple) -> None:
    """What to do when a call fails: plan a class that was never planned, here, and call again."""
    if status == NO_PLAN:
        from opencu.runtime.plan import ensure

        ensure(bytes(ffi.buffer(lib.ocu_last_spec().f)))
        status = ocu_gemm(*call)
    check(status)


def _scalar(name: str, value: Any, code: int) -> Any:
    """A pointer to alpha or beta as a value of the dtype."""
    if type(value) is int or type(value) is float:
        ready = READY[code].get(value)
        if ready is not None:
            return ready
    elif not isinstance(value, numbers.Real):
        raise TypeError(f"{name} is {value!r}: expected a real number")
    value = value if isinstance(value, int) else float(value)  # numpy's would overflow in their own
    if LARGEST[code] < abs(value) < math.inf:
        raise ValueError(f"{name} is {value!r}: expected at most {LARGEST[code]:.4g} in magnitude")
    return ffi.new(SCALARS[code], [float(value)])


def _refuse_operands(a: Array, b: Array, k: int, inner: int) -> None:
    """Raise for what does not fit between a and b."""
    for name, x in (("a", a), ("b", b)):
        if not x.code:
            raise TypeError(f"{name} has dtype {x.dtype}: expected float32 or float64")
    if a.code != b.code:
        raise TypeError(f"b has dtype {b.dtype}: expected {a.dtype}, as a has")
    if a.device is not b.device:
        raise ValueError(f"b is on {b.device.name}: expected {a.device.name}, where a is")
    raise ValueError(
        f"op(b) has {inner} rows: expected {k}, the columns of op(a)"
        f" (a has shape {a.shape}, b has shape {b.shape})"
    )


def _refuse_output(c: Array, shape: tuple[int, ...], a: Array) -> None:
    """Raise for what makes c unable to take the result."""
    if c.shape != shape:
        raise ValueError(f"c has shape {c.shape}: expected {shape}")
    if c.code != a.code:
        raise TypeError(f"c has dtype {c.dtype}: expected {a.dtype}, as a has")
    if c.device is not a.device:
        raise ValueError(f"c is on {c.device.name}: expected {a.device.name}, where a is")
    raise ValueError("c is read-only: expected an array that can be written")


def _check_out_dtype(out_dtype: Any, dtype: np.dtype) -> None:
    if as_dtype("out_dtype", out_dtype) != dtype:
        raise NotImplementedError(
            f"out_dtype is {out_dtype!r}: only the operands' own, {dtype}, is implemented so far"
        )


def _new_output(shape: tuple[int, ...], a: Array, beta: float, host: bool) -> Array:
    if beta != 0:
        raise ValueError(f"beta is {beta!r} and c is None: expected a c to add to, or beta=0")
    return share(np.empty(shape, a.dtype)) if host else row_major(shape, a.dtype, a.memory.device)


def _check_apart(c: Array, name: str, x: Array) -> None:
    """Refuse a c that shares elements with an operand; interleaved views may share none."""
    try:
        shared = np.shares_memory(c._numpy(), x._numpy(), OVERLAP_WORK)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        shared = True
    if shared:
        raise ValueError(f"c shares memory with {name}: expected separate memory")


def _check_elements_apart(c: Array) -> None:
    """Refuse a c of which several elements share memory."""
    axes = sorted((abs(step), size) for step, size in zip(c.steps, c.shape) if size > 1)
    reach = 0
    for step, size in axes:
        if step <= reach:
            break
        reach += step * (size - 1)
    else:
        return
    # Neither rows in columns nor columns in rows: look at the place of every element.
    places = sum(np.ix_(*(np.arange(size) * step for step, size in axes)))
    if np.unique(places).size < c.size:
        raise ValueError(
            f"c has strides {c.strides} for shape {c.shape}: elements share memory, expected"
            " each on its own"
        )


def _leading_axes(a: Array, b: Array) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ValueError(
            f"the leading axes {b.shape[:-2]} of b do not broadcast with a's, {a.shape[:-2]}"
        ) from None


def _batches(a: Array, b: Array, c: Array):
    """The calls for a product with leading axes: (batch, then place and batch stride of a, b, c).

    Adjacent axes that all three step through evenly are merged; the innermost is the batch of one
    call, the others make several calls.
    """
    count = c.ndim - 2
    axes = [(1, [0, 0, 0])]
    for size, *steps in zip(c.shape, *(_leading_steps(x, count) for x in (a, b, c))):
        outer_size, outer_steps = axes[-1]
        if outer_size == 1 or all(o == s * size for o, s in zip(outer_steps, steps)):
            axes[-1] = (outer_size * size, steps)
        elif size != 1:
            axes.append((size, steps))
    *outer, (batch, (a_bs, b_bs, c_bs)) = axes
    for index in itertools.product(*(range(size) for size, _ in outer)):
        moves = [sum(i * s for i, s in zip(index, each)) for each in zip(*(s for _, s in outer))]
        a_at, b_at, c_at = (
            ffi.cast("void *", x.ptr + move * x.dtype.itemsize)
            for x, move in zip((a, b, c), moves or (0, 0, 0))
        )
        yield batch, a_at, a_bs, b_at, b_bs, c_at, c_bs


def _leading_steps(x: Array, count: int) -> list[int]:
    """Strides over the leading axes, 0 where x is broadcast."""
    own = [step if size > 1 else 0 for size, step in zip(x.shape[:-2], x.steps)]
    return [0] * (count - len(own)) + own


def _host_gemm(a, b, c, alpha, beta, trans_a, trans_b, out_dtype, stream) -> Any:
    """gemm on numpy arrays or torch CPU tensors: on their own memory, done on return."""
    kind = _kind("a", a)
    for name, x in (("b", b), ("c", c)):
        if (name == "b" or x is not None) and _kind(name, x) != kind:
            raise TypeError(f"{name} is {_kind(name, x)}: expected {kind}, as a is")
    left, right = (share(_in_elements(_as_numpy(name, x))) for name, x in (("a", a), ("b", b)))
    target = None if c is None else _as_numpy("c", c)
    place = None if target is None else _in_elements(target)
    out = None if place is None else share(place)
    out = _gemm(left, right, out, alpha, beta, trans_a, trans_b, out_dtype, stream, True)
    if c is None:
        result = out.memory.owner
        return result if kind == NUMPY else sys.modules["torch"].from_numpy(result)
    if target is not None and place is not target:
        target[...] = place
    return c


def _kind(name: str, x: Any) -> str:
    torch, masked = sys.modules.get("torch"), sys.modules.get("numpy.ma")
    if isinstance(x, np.ndarray) and not (masked and isinstance(x, masked.MaskedArray)):
        return NUMPY
    if torch and isinstance(x, torch.Tensor):
        return TORCH
    if isinstance(x, Array):
        return "an opencu array"
    raise TypeError(
        f"{name} is a {type(x).__module__}.{type(x).__qualname__}: expected {NUMPY}, {TORCH} or an"
        " opencu array"
    )


def _as_numpy(name: str, x: Any) -> np.ndarray:
    """A numpy array over the memory of a numpy array or torch tensor, of a dtype that we take."""
    if isinstance(x, np.ndarray):
        if x.dtype not in CODES:
            raise TypeError(f"{name} has dtype {x.dtype}: expected float32 or float64")
        return x
    torch = sys.modules["torch"]
    if x.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{name} has dtype {x.dtype}: expected torch.float32 or torch.float64")
    if x.device.type != "cpu" or x.layout is not torch.strided:
        raise TypeError(f"{name} is on {x.device} as {x.layout}: expected a strided CPU tensor")
    if x.requires_grad and torch.is_grad_enabled():
        raise ValueError(f"{name} requires grad, which gemm does not record: pass {name}.detach()")
    if x.is_neg() and name == "c":
        raise ValueError("c is a lazily negated view: pass c.resolve_neg()")
    return x.detach().resolve_neg().numpy()


def _in_elements(x: np.ndarray) -> np.ndarray:
    """x, or a copy if its strides are not whole elements (a field of a packed structure)."""
    itemsize = x.itemsize
    for stride in x.strides:
        if stride % itemsize:
            return x.copy()
    return x
