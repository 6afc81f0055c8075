"""C = alpha op(A) op(B) + beta C for numpy arrays, torch CPU tensors and device arrays."""

from __future__ import annotations

import itertools
import math
import numbers
from typing import Any

import numpy as np

from opencu.drivers.status import check, ffi, lib
from opencu.runtime.arguments import dtype as as_dtype
from opencu.runtime.arguments import flag
from opencu.runtime.array import CODES, DEFAULT, Array, as_matrix, row_major, share
from opencu.runtime.device import current
from opencu.runtime.dlpack import FLOAT8_E4M3FN, FLOAT8_E5M2, name_of
from opencu.runtime.host import NUMPY, TAKEN, as_numpy, from_numpy, in_elements, kind
from opencu.runtime.stream import NULL, Stream, captures, handle_on

ocu_gemm, device_get = lib.ocu_gemm, lib.ocu_device_get
NO_PLAN = lib.OCU_NO_PLAN
MOST_CLASSES = 16  # of one call
DEVICE_FLAGS = lib.OCU_CALL_NO_PLANNER | lib.OCU_CALL_TRUSTED  # an Array keeps its memory alive
HOST_FLAGS = DEVICE_FLAGS | lib.OCU_CALL_SYNC
# What a product of (a and b, c) computes alpha and beta in; a's default for c comes first. Where a
# and b are of two dtypes, they are a pair.
SCALES: dict[tuple[Any, int], int] = {
    (lib.OCU_F32, lib.OCU_F32): lib.OCU_F32,
    (lib.OCU_F64, lib.OCU_F64): lib.OCU_F64,
    (lib.OCU_F16, lib.OCU_F16): lib.OCU_F32,
    (lib.OCU_F16, lib.OCU_F32): lib.OCU_F32,
    (lib.OCU_BF16, lib.OCU_BF16): lib.OCU_F32,
    (lib.OCU_BF16, lib.OCU_F32): lib.OCU_F32,
    **{
        (ab, c): lib.OCU_F32
        for ab in (lib.OCU_E4M3, *itertools.permutations((lib.OCU_E4M3, lib.OCU_E5M2)))
        for c in (lib.OCU_F32, lib.OCU_F16, lib.OCU_BF16, lib.OCU_E4M3, lib.OCU_E5M2)
        if (ab, c) != (lib.OCU_E4M3, lib.OCU_E5M2)
    },
    (lib.OCU_I8, lib.OCU_I32): lib.OCU_I32,
    (lib.OCU_I8, lib.OCU_F32): lib.OCU_F32,
    (lib.OCU_C64, lib.OCU_C64): lib.OCU_C64,
    (lib.OCU_C128, lib.OCU_C128): lib.OCU_C128,
}
RESULT: dict[Any, int] = {ab: c for ab, c in reversed(SCALES)}  # of the default out_dtype
DTYPES = {code: dtype for dtype, code in CODES.items()}
# alpha and beta as the core takes them: pointers to values of the dtype. 0 and 1 are kept ready.
SCALARS = {lib.OCU_F32: "float[1]", lib.OCU_F64: "double[1]", lib.OCU_I32: "int[1]"}
SCALARS |= {lib.OCU_C64: "float[2]", lib.OCU_C128: "double[2]"}
READY: dict[int, dict[float, Any]] = {
    code: {value: ffi.new(c, [value]) for value in (0, 1)} for code, c in SCALARS.items()
}
LARGEST = {code: float(np.finfo(DTYPES[code]).max) for code in SCALARS if code != lib.OCU_I32}
LARGEST[lib.OCU_I32] = 2**31 - 1
TRANSPOSED, CONJUGATED = 1, 2
OPS = {"N": 0, "T": TRANSPOSED, "C": TRANSPOSED | CONJUGATED}
# Steps that telling apart two interleaved views may take; beyond, they count as overlapping.
OVERLAP_WORK = 100_000


def gemm(
    a: Any,
    b: Any,
    c: Any = None,
    *,
    alpha: complex = 1,
    beta: complex = 0,
    trans_a: bool | str = False,
    trans_b: bool | str = False,
    out_dtype: Any = None,
    epilogue: Any = None,
    stream: Stream | None = None,
) -> Any:
    """alpha op(a) op(b) + beta c, with op(x) = x or, where trans says so, its transpose (True, "T")
    or conjugate transpose ("C").

    op(a) is (..., m, k), op(b) (..., k, n), c (..., m, n), with any strides; leading axes broadcast
    as numpy.matmul's do. All are numpy arrays, or all torch CPU tensors, or all opencu arrays on
    one device. Nothing is copied, and the result is of the same kind: c, written in place, if it is
    given, else a new one.

    a and b are of one dtype: float32, float64, complex64, complex128, summed in their own; float16,
    bfloat16, summed in float32; int8, summed in int32, which wraps; or each is float8_e4m3fn or
    float8_e5m2, not both the latter, summed in float32. out_dtype, numpy's, torch's or a name, is
    theirs, or float32; for int8 it is int32, or float32; for 8-bit floats float32, or float16,
    bfloat16, float8_e4m3fn and, if one is, float8_e5m2, which end at their largest numbers.

    epilogue is done to each element before it is stored: "relu", "gelu" (with tanh), ("bias", v)
    with v of shape (n,) or (m, 1), ("residual", r) with r as c, a function f(x) -> x of the kernel
    language, or a list of these in their order.

    On device arrays the call is stream-ordered (stream None: the device's default stream); on
    numpy and torch memory it returns when it is done. beta == 0 does not read c; alpha == 0 does
    not read a and b.

    Raises TypeError or ValueError before anything runs where kinds, dtypes, shapes, devices or
    scalars do not fit, or c is read-only or shares memory with a, b or itself.
    """
    if type(a) is Array and type(b) is Array and (c is None or type(c) is Array):
        steps = None if epilogue is None else _steps(epilogue, _device_array)
        return _gemm(a, b, c, alpha, beta, trans_a, trans_b, out_dtype, stream, False, 0, steps)
    return _host_gemm(a, b, c, alpha, beta, trans_a, trans_b, out_dtype, stream, epilogue)


def _gemm(
    a, b, c, alpha, beta, trans_a, trans_b, out_dtype, stream, host, conj=0, epilogue=None
) -> Array:
    """gemm on device arrays; with host, on arrays over host memory and done on return. conj: 1: of
    a, 2: of b, as in the core."""
    code, device = a.code, a.memory.device
    if device_get() != device.number:
        with current(device):
            return _gemm(
                a, b, c, alpha, beta, trans_a, trans_b, out_dtype, stream, host, conj, epilogue
            )
    m, k, a_rs, a_cs, a_at, a_low, a_high = a.matrix or as_matrix("a", a)
    inner, n, b_rs, b_cs, b_at, b_low, b_high = b.matrix or as_matrix("b", b)
    if trans_a is not False and (op := _op("trans_a", trans_a)):
        m, k, a_rs, a_cs = k, m, a_cs, a_rs
        conj ^= op // CONJUGATED
    if trans_b is not False and (op := _op("trans_b", trans_b)):
        inner, n, b_rs, b_cs = n, inner, b_cs, b_rs
        conj ^= op // CONJUGATED * 2
    ab = code if b.code == code else (code, b.code)
    if k != inner or ab not in RESULT or b.memory.device is not device:
        _refuse_operands(a, b, k, inner)
    out = RESULT[ab] if out_dtype is None else _out_code(out_dtype, ab)
    if c is not None and out_dtype is None and (ab, c.code) in SCALES:
        out = c.code
    scale = SCALES[ab, out]
    plain = len(a.shape) == 2 == len(b.shape)
    shape = (m, n) if plain else (*_leading_axes(a, b), m, n)
    alpha_at, beta_at = _scalar("alpha", alpha, scale), _scalar("beta", beta, scale)
    if c is None:
        c = _new_output(shape, a, DTYPES[out], beta, host)
    elif c.shape != shape or c.code != out or c.memory.device is not device or not c.writable:
        _refuse_output(c, shape, a, DTYPES[out])
    _, _, c_rs, c_cs, c_at, c_low, c_high = c.matrix or as_matrix("c", c)
    if c_low < a_high and a_low < c_high:
        _check_apart(c, "a", a)
    if c_low < b_high and b_low < c_high:
        _check_apart(c, "b", b)
    if not (plain and c_cs == 1 and c_rs >= n):
        _check_elements_apart(c)
    if epilogue is not None:
        _check_steps(epilogue, c)

    handle = NULL if stream is None else handle_on(device, stream)
    flags = HOST_FLAGS
    if not host:
        flags = DEVICE_FLAGS
        key = stream or DEFAULT
        for x in (a, b, c) if epilogue is None else (a, b, c, *epilogue.arrays):
            if x.memory.last is not key or captures:
                x.memory.use(key)
    if epilogue is None and ab in (out, scale) and not (conj and scale >= lib.OCU_C64):
        calls = ((1, (a_at, b_at, c_at), (0, 0, 0)),) if plain else _batches(c.shape, (a, b, c))
        for batch, (a_at, b_at, c_at), (a_bs, b_bs, c_bs) in calls:
            call = (handle, code, batch, m, n, k, alpha_at, a_at, a_rs, a_cs, a_bs,
                    b_at, b_rs, b_cs, b_bs, beta_at, c_at, c_rs, c_cs, c_bs, flags)  # fmt: skip
            status = ocu_gemm(*call)
            if status:
                _plan_and_call(status, ocu_gemm, call)
        return c

    g = ffi.new("ocu_product *")
    g.kind = (code, out, scale, conj if scale >= lib.OCU_C64 else 0)
    g.kind.b = b.code if b.code != code else 0
    g.m, g.n, g.k, g.alpha, g.beta = m, n, k, alpha_at, beta_at
    extras, fused = [], None
    if epilogue is not None:
        extras = [x._view(np.broadcast_to(x._numpy(), c.shape)) for x in epilogue.arrays]
        fused = epilogue.put_into(g, c.shape, DTYPES[scale], c.dtype)
    for batch, places, bs in _batches(c.shape, (a, b, c, *extras)):
        g.batch = batch
        g.a = (places[0], bs[0], a_rs, a_cs)
        g.b = (places[1], bs[1], b_rs, b_cs)
        g.c = g.d = (places[2], bs[2], c_rs, c_cs)
        if fused is not None:
            for i, x in enumerate(extras):
                fused.extra[i] = (places[3 + i], bs[3 + i], *x.steps[-2:])
        elif extras:
            g.bias = places[3]
        status = lib.ocu_multiply(handle, g, flags)
        if status:
            again = (handle, g, flags)
            _plan_and_call(status, lib.ocu_multiply, again, fused and epilogue, device)
    return c


def _plan_and_call(
    status: int, function: Any, call: tuple, epilogue: Any = None, device: Any = None
) -> None:
    """What to do when a call fails: plan a class that was never planned, here, and call again. A
    product over a long k is up to three classes (split.c), a solution more (triangle.c)."""
    for _ in range(MOST_CLASSES):
        if status != NO_PLAN:
            break
        spec = bytes(ffi.buffer(lib.ocu_last_spec().f))
        if epilogue is None:
            from opencu.runtime.plan import ensure

            ensure(spec)
        else:
            epilogue.ensure(spec, device.number)
        status = function(*call)
    check(status)


def _op(name: str, value: Any) -> int:
    """A trans argument as bits."""
    if isinstance(value, str):
        if value in OPS:
            return OPS[value]
    elif value in (0, 1):
        return TRANSPOSED if flag(name, value) else 0
    raise TypeError(f"{name} is {value!r}: expected True, False, 'N', 'T' or 'C'")


def _scalar(name: str, value: Any, code: int) -> Any:
    """A pointer to alpha or beta as a value of the dtype."""
    if type(value) is int or type(value) is float:
        ready = READY[code].get(value)
        if ready is not None:
            return ready
    elif isinstance(value, numbers.Complex) and code >= lib.OCU_C64:
        value = complex(value)
    elif not isinstance(value, numbers.Real):
        raise TypeError(f"{name} is {value!r}: expected a real number")
    if code == lib.OCU_I32 and (not math.isfinite(value) or value != int(value)):
        raise ValueError(f"{name} is {value!r}: expected an integer, as the sums are int32")
    if not isinstance(value, (int, complex)):
        value = float(value)  # numpy's would overflow in their own
    parts = (value.real, value.imag) if isinstance(value, complex) else (value,)
    if any(LARGEST[code] < abs(x) < math.inf for x in parts):
        raise ValueError(f"{name} is {value!r}: expected at most {LARGEST[code]:.4g} in magnitude")
    return ffi.new(SCALARS[code], [int(x) if code == lib.OCU_I32 else float(x) for x in parts])


def _steps(epilogue: Any, as_array: Any) -> Any:
    from opencu.blas.epilogue import read

    return read(epilogue, as_array)


def _device_array(name: str, x: Any) -> Array:
    if type(x) is Array:
        return x
    raise TypeError(f"the {name} of the epilogue is {type(x).__name__}: expected an opencu array")


def _check_steps(epilogue: Any, c: Array) -> None:
    for how, x in epilogue.steps:
        if how != "add":
            if c.dtype.kind in "ci":
                what = getattr(x, "__name__", x)
                if what in ("relu", "gelu_tanh"):
                    raise TypeError(f"epilogue {what}: not defined for {c.dtype}")
            continue
        if x.code != c.code:
            raise TypeError(f"epilogue: an array has dtype {x.dtype}: expected {c.dtype}, as c has")
        if x.device is not c.device:
            raise ValueError(f"epilogue: an array is on {x.device.name}: expected {c.device.name}")
        try:
            fits = np.broadcast_shapes(x.shape, c.shape) == c.shape and x.ndim >= 1
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(f"epilogue: an array of shape {x.shape} does not fit c, {c.shape}")
        if c.ptr == x.ptr and x.shape == c.shape and x.steps == c.steps:
            continue  # each element is read before it is written
        _check_apart(c, "an array of the epilogue", x)


def _refuse_operands(a: Array, b: Array, k: int, inner: int) -> None:
    """Raise for what does not fit between a and b."""
    for name, x in (("a", a), ("b", b)):
        if x.code not in RESULT and x.code != lib.OCU_E5M2:
            raise TypeError(f"{name} has dtype {name_of(x.dtype)}: expected {TAKEN}")
    if (a.code if a.code == b.code else (a.code, b.code)) not in RESULT:
        same = FLOAT8_E4M3FN if a.dtype == FLOAT8_E5M2 else a.dtype
        why = "beside a's float8_e5m2" if a.dtype == FLOAT8_E5M2 else "as a has"
        raise TypeError(f"b has dtype {name_of(b.dtype)}: expected {name_of(same)}, {why}")
    if a.device is not b.device:
        raise ValueError(f"b is on {b.device.name}: expected {a.device.name}, where a is")
    raise ValueError(
        f"op(b) has {inner} rows: expected {k}, the columns of op(a)"
        f" (a has shape {a.shape}, b has shape {b.shape})"
    )


def _refuse_output(c: Array, shape: tuple[int, ...], a: Array, dtype: np.dtype) -> None:
    """Raise for what makes c unable to take the result."""
    if c.shape != shape:
        raise ValueError(f"c has shape {c.shape}: expected {shape}")
    if c.dtype != dtype:
        why = ", as a has" if dtype == a.dtype else ""
        raise TypeError(f"c has dtype {name_of(c.dtype)}: expected {name_of(dtype)}{why}")
    if c.device is not a.device:
        raise ValueError(f"c is on {c.device.name}: expected {a.device.name}, where a is")
    raise ValueError("c is read-only: expected an array that can be written")


def _out_code(out_dtype: Any, ab: Any) -> int:
    code = CODES.get(as_dtype("out_dtype", out_dtype), 0)
    if (ab, code) not in SCALES:
        known = " or ".join(name_of(DTYPES[c]) for of, c in SCALES if of == ab)
        of = " and ".join(name_of(DTYPES[x]) for x in (ab if isinstance(ab, tuple) else (ab,)))
        raise TypeError(f"out_dtype is {out_dtype!r}: expected {known} for operands of {of}")
    return code


def _new_output(
    shape: tuple[int, ...], a: Array, dtype: np.dtype, beta: complex, host: bool
) -> Array:
    if beta != 0:
        raise ValueError(f"beta is {beta!r} and c is None: expected a c to add to, or beta=0")
    return share(np.empty(shape, dtype)) if host else row_major(shape, dtype, a.memory.device)


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


def _batches(shape: tuple[int, ...], arrays: tuple[Array, ...]):
    """The calls for a product with leading axes: (batch, places, batch strides) of the arrays.

    Adjacent axes that all of them step through evenly are merged; the innermost is the batch of one
    call, the others make several calls.
    """
    count, none = len(shape) - 2, [0] * len(arrays)
    axes = [(1, none)]
    for size, *steps in zip(shape, *(_leading_steps(x, count) for x in arrays)):
        outer_size, outer_steps = axes[-1]
        if outer_size == 1 or all(o == s * size for o, s in zip(outer_steps, steps)):
            axes[-1] = (outer_size * size, steps)
        elif size != 1:
            axes.append((size, steps))
    *outer, (batch, strides) = axes
    for index in itertools.product(*(range(size) for size, _ in outer)):
        moves = [sum(i * s for i, s in zip(index, each)) for each in zip(*(s for _, s in outer))]
        places = [
            ffi.cast("void *", x.ptr + move * x.dtype.itemsize)
            for x, move in zip(arrays, moves or none)
        ]
        yield batch, places, strides


def _leading_steps(x: Array, count: int) -> list[int]:
    """Strides over the leading axes, 0 where x is broadcast."""
    own = [step if size > 1 else 0 for size, step in zip(x.shape[:-2], x.steps)]
    return [0] * (count - len(own)) + own


def _host_gemm(a, b, c, alpha, beta, trans_a, trans_b, out_dtype, stream, epilogue) -> Any:
    """gemm on numpy arrays or torch CPU tensors: on their own memory, done on return."""
    of = kind("a", a)

    def same_kind(name: str, x: Any) -> Any:
        if kind(name, x) != of:
            raise TypeError(f"{name} is {kind(name, x)}: expected {of}, as a is")
        return x

    def plain(name: str, x: Any) -> Array:
        name = f"the {name} of the epilogue"
        host, conjugate = as_numpy(name, same_kind(name, x))
        if conjugate:
            raise ValueError(f"{name} is a lazily conjugated view")
        return share(in_elements(host))

    same_kind("b", b)
    if c is not None:
        same_kind("c", c)
    (x, conj_a), (y, conj_b) = as_numpy("a", a), as_numpy("b", b)
    left, right, conj = share(in_elements(x)), share(in_elements(y)), conj_a | conj_b << 1
    target = None if c is None else as_numpy("c", c)[0]
    place = None if target is None else in_elements(target)
    out = None if place is None else share(place)
    steps = None if epilogue is None else _steps(epilogue, plain)
    out = _gemm(
        left, right, out, alpha, beta, trans_a, trans_b, out_dtype, stream, True, conj, steps
    )
    if c is None:
        result: Any = out.memory.owner
        return result if of == NUMPY else from_numpy(result)
    if target is not None and place is not target:
        target[...] = place
    return c
