"""Launch a kernel of one's own from Python.

    launch(kernel, (programs,), x, y, 2.0, N=1024)

Arrays become views (an axis of stride 1 is known to be contiguous), numbers become scalars, keyword
arguments are the kernel's constants. The first launch of a class compiles; the plan is kept, for as
long as the globals, closures and helpers that the kernel reads are what they were.
"""

import hashlib
import operator
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from opencu.compiler import Blocks, compile
from opencu.compiler.expressions import stored_views
from opencu.compiler.simplify import simplify
from opencu.drivers import target as target_named
from opencu.drivers.status import check, ffi, lib
from opencu.runtime import plan as plans
from opencu.runtime.arguments import instance
from opencu.runtime.array import DEFAULT, Array
from opencu.runtime.cost import estimate
from opencu.runtime.device import Device, current, host_device
from opencu.runtime.stream import Stream, handle_on
from opencu.tile import Kernel, Scalar, View, dtypes
from opencu.tile.reads import Reads, exact


class Class(NamedTuple):
    """A class of launches that was compiled."""

    spec: bytes
    stored: set[str]  # the parameters that are stored to
    reads: Reads  # what the code was made from, besides its key in _classes


_classes: dict[Any, Class] = {}
_views: dict[Any, View] = {}  # by numpy dtype and which strides are 1
_FLOATS = {dtypes.f32: struct.Struct("<f4x"), dtypes.f64: struct.Struct("<d")}  # in a word


def _dtype(name: str, x: Any) -> dtypes.DType:
    try:
        return dtypes.of(x.dtype)
    except TypeError:
        foreign = {d: name for name, d in dtypes.NAMED.items()}
        known = ", ".join(foreign.get(d, str(d.numpy)) for d in dtypes.ALL)
        raise TypeError(f"{name} has dtype {x.dtype}: expected one of {known}") from None


def _view_type(name: str, x: Any, strides: Sequence[int]) -> View:
    key = (x.dtype, *[s == 1 for s in strides])
    if key not in _views:
        _views[key] = View(_dtype(name, x), tuple(1 if s == 1 else None for s in strides))
    return _views[key]


def _flatten(name: str, x: Any, default: dtypes.DType) -> tuple[Any, list[int]]:
    """An argument's type and its words in the parameter array."""
    if isinstance(x, np.ndarray):
        if any(s % x.itemsize for s in x.strides):
            raise ValueError(f"{name}: strides {x.strides} are not multiples of the element size")
        strides = [s // x.itemsize for s in x.strides]
        return _view_type(name, x, strides), [x.ctypes.data, *x.shape, *strides]
    if isinstance(x, Array):
        return _view_type(name, x, x.steps), [x.ptr, *x.shape, *x.steps]
    return _number(name, x, default)


def _number(name: str, x: Any, default: dtypes.DType) -> tuple[Any, list[int]]:
    if isinstance(x, np.generic):
        return Scalar(_dtype(name, x)), _words(x)
    if isinstance(x, complex):
        dtype = {dtypes.f64: dtypes.c128}.get(default.part, dtypes.c64)
    elif isinstance(x, (bool, int)):
        dtype = dtypes.bool_ if isinstance(x, bool) else dtypes.i64
    elif isinstance(x, float):
        dtype = default
    else:
        kind = f"{type(x).__module__}.{type(x).__qualname__}"
        raise TypeError(f"{name} is a {kind}: expected a numpy or opencu array, or a number")
    if not dtypes.fits(x, dtype):
        raise ValueError(f"{name} is {x!r}: expected a number that fits {dtype}")
    if dtype in _FLOATS:
        return Scalar(dtype), [int.from_bytes(_FLOATS[dtype].pack(x), "little")]
    return Scalar(dtype), _words(dtypes.narrow(x, dtype))


def _words(x: Any) -> list[int]:
    """A number's bits; of a complex one, those of its parts."""
    parts = (x.real, x.imag) if x.dtype.kind == "c" else (x,)
    return [int.from_bytes(part.tobytes(), "little") for part in parts]


def launch(
    kernel: Kernel,
    grid: Sequence[int],
    *args: Any,
    stream: Stream | None = None,
    blocks: Blocks | None = None,
    **consts: Any,
) -> None:
    """Run a kernel on a grid of up to three axes, on numpy arrays (returns when done) or device
    arrays (stream-ordered). A Python float takes the dtype of the first floating or complex array's
    numbers, a complex one that of the array.

    blocks: register blocks for the kernel's dots, if it has any. KernelError: not a valid kernel.
    """
    instance("kernel", kernel, Kernel, "a function marked with @tile.kernel")
    sizes = _grid(grid)
    if stream is not None:
        instance("stream", stream, Stream, "an opencu.Stream or None")
    if blocks is not None:
        instance("blocks", blocks, Blocks, "opencu.compiler.Blocks or None")
    names = [n for n in kernel.parameters if n not in consts]
    if len(names) < len(args):
        raise TypeError(f"{kernel.__name__} takes {len(names)} arguments, got {len(args)}")
    arrays = {n: x for n, x in zip(names, args) if isinstance(x, (np.ndarray, Array))}
    floats = (_dtype(n, x).part for n, x in arrays.items() if x.dtype.kind in "fc")
    default = next(floats, dtypes.f32)
    flat = {n: _flatten(n, x, default) for n, x in zip(names, args)}
    device = _device(names, args)
    if 0 in sizes:
        return
    words = [*sizes, *(w for _, ws in flat.values() for w in ws)]
    words = [w - (1 << 64) if w >= 1 << 63 else w for w in words]
    types = {n: t for n, (t, _) in flat.items()}
    target = plans.target_of(device.number)
    spec, stored, _ = _class(kernel, types, consts, blocks, target)
    for name, x in zip(names, args):
        if name in stored and not (x.flags.writeable if isinstance(x, np.ndarray) else x.writable):
            raise ValueError(f"{name} is read-only: the kernel stores to it")
    on_host = any(isinstance(x, np.ndarray) for x in args)
    flags = lib.OCU_CALL_NO_PLANNER | (lib.OCU_CALL_SYNC if on_host else 0)
    with current(device):
        handle = handle_on(device, stream)
        for x in args:
            if isinstance(x, Array):
                x.memory.use(stream or DEFAULT)
        check(lib.ocu_call(handle, ffi.new("ocu_spec *", [spec]), words, len(words), flags))


def _grid(grid: Any) -> tuple[int, ...]:
    """A grid's three sizes."""
    bad = f"grid is {grid!r}: expected a tuple of one to three sizes >= 0"
    try:
        sizes = tuple(map(operator.index, grid)) if isinstance(grid, (tuple, list)) else ()
    except TypeError:
        raise TypeError(bad) from None
    if not 1 <= len(sizes) <= 3 or min(sizes) < 0:
        raise ValueError(bad)
    sizes = (*sizes, *(1,) * (3 - len(sizes)))
    if sizes[0] * sizes[1] * sizes[2] >= 1 << 62:
        raise ValueError(f"grid is {grid!r}: expected fewer than 2**62 programs")
    return sizes


def _device(names: Sequence[str], args: Sequence[Any]) -> Device:
    """Where the arrays are, all of them."""
    arrays = [(n, x) for n, x in zip(names, args) if isinstance(x, Array)]
    if not arrays:
        return host_device()
    where, device = arrays[0][0], arrays[0][1].device
    for name, x in arrays:
        if x.device is not device:
            raise ValueError(
                f"{name} is on {x.device.name}: expected {device.name}, where {where} is"
            )
    return device


def _class(kernel: Kernel, types: dict, consts: dict, blocks: Blocks | None, target: str) -> Class:
    """The class of a launch, compiled if it is new or reads other globals than before."""
    values = tuple((n, exact(v)) for n, v in sorted(consts.items()))
    key = (kernel, target, blocks, tuple(types.items()), values)
    for name, value in consts.items():
        try:
            hash(value)
        except TypeError:
            what = "a constant (a number, a tuple, a dtype, a function)"
            raise TypeError(f"{name} is {value!r}: expected {what}") from None
    known = _classes.get(key)
    if known is None or not known.reads.same():
        known = _classes[key] = _plan(kernel, types, consts, blocks, target)
    return known


def _plan(kernel: Kernel, types: dict, consts: dict, blocks: Blocks | None, target: str) -> Class:
    """Compile a class of launches; its spec is a hash of the simplified IR."""
    reads = Reads()
    function = simplify(kernel.trace(types, consts, reads))
    text = f"{function} {blocks}".encode()
    spec = struct.pack("<B15s", lib.OCU_OP_USER, hashlib.sha256(text).digest()[:15])
    if lib.ocu_plan_find(target.encode(), ffi.new("ocu_spec *", [spec])) != lib.OCU_OK:
        code = compile(function, target_named(target), blocks)
        slots = plans.Slots(code.params)
        programs = slots.arg(0) * slots.arg(1) * slots.arg(2)
        cost = estimate(function, slots, programs)
        params = [slots.arg(i) for i in range(code.params)]
        plan = plans.Plan(slots, [plans.Launch(code, programs, cost, params)])
        data = plans.write(plan, spec, target_named(target))
        check(lib.ocu_plan_store(data, len(data)))
    return Class(spec, {v.name for v in stored_views(function.body)}, reads)
