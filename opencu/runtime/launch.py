"""Launch a kernel of one's own from Python.

    launch(kernel, (programs,), x, y, 2.0, N=1024)

Arrays become views (an axis of stride 1 is known to be contiguous), numbers become scalars, keyword
arguments are the kernel's constants. The first launch of a class compiles; the plan is kept.
"""

import hashlib
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from opencu.compiler import Blocks, compile
from opencu.compiler.expressions import stored_views
from opencu.compiler.simplify import simplify
from opencu.drivers.cpu import TARGETS
from opencu.drivers.status import check, ffi, lib
from opencu.runtime import plan as plans
from opencu.runtime.array import DEFAULT, Array
from opencu.runtime.device import current, host_device
from opencu.runtime.stream import handle_on
from opencu.tile import Kernel, Scalar, View, dtypes

_specs: dict[Any, tuple[bytes, set[str]]] = {}  # the spec; the parameters that are stored to


def _view_type(x: Any, strides: Sequence[int]) -> View:
    return View(dtypes.of(x.dtype), tuple(1 if s == 1 else None for s in strides))


def _flatten(name: str, x: Any, default: dtypes.DType) -> tuple[Any, list[int]]:
    """An argument's type and its words in the parameter array."""
    if isinstance(x, np.ndarray):
        if any(s % x.itemsize for s in x.strides):
            raise ValueError(f"{name}: strides {x.strides} are not multiples of the element size")
        strides = [s // x.itemsize for s in x.strides]
        return _view_type(x, strides), [x.ctypes.data, *x.shape, *strides]
    if isinstance(x, Array):
        return _view_type(x, x.steps), [x.ptr, *x.shape, *x.steps]
    if not isinstance(x, (bool, int, float, np.generic)):
        raise TypeError(f"{name}: expected an array or a number, got {type(x).__name__}")
    dtype = (
        dtypes.of(x.dtype)
        if isinstance(x, np.generic)
        else dtypes.bool_
        if isinstance(x, bool)
        else dtypes.i64
        if isinstance(x, int)
        else default
    )
    return Scalar(dtype), [int.from_bytes(dtypes.narrow(x, dtype).tobytes(), "little")]


def launch(
    kernel: Kernel,
    grid: Sequence[int],
    *args: Any,
    stream: Any = None,
    blocks: Blocks | None = None,
    **consts: Any,
) -> None:
    """Run a kernel on a grid of up to three axes, on numpy arrays (returns when done) or device
    arrays (stream-ordered). A Python float takes the dtype of the first floating array.

    blocks: register blocks for the kernel's dots, if it has any. KernelError: not a valid kernel.
    """
    if not isinstance(kernel, Kernel):
        raise TypeError(f"kernel: expected a function marked with @tile.kernel, got {kernel!r}")
    if not isinstance(grid, (tuple, list)) or not 1 <= len(grid) <= 3 or min(grid) < 0:
        raise ValueError(f"grid is {grid!r}: expected a tuple of one to three sizes >= 0")
    default = next(
        (
            dtypes.of(x.dtype)
            for x in args
            if isinstance(x, (np.ndarray, Array)) and x.dtype.kind == "f"
        ),
        dtypes.f32,
    )
    names = [n for n in kernel.parameters if n not in consts]
    flat = {n: _flatten(n, x, default) for n, x in zip(names, args)}
    if len(names) < len(args):
        raise TypeError(f"{kernel.__name__} takes {len(names)} arguments, got {len(args)}")
    grid = (*grid, *(1,) * (3 - len(grid)))
    if 0 in grid:
        return
    words = [*grid, *(w for _, ws in flat.values() for w in ws)]
    words = [w - (1 << 64) if w >= 1 << 63 else w for w in words]

    target = plans.current_target()
    key = (
        kernel,
        target,
        blocks,
        tuple((n, t) for n, (t, _) in flat.items()),
        tuple((n, type(v), v) for n, v in sorted(consts.items())),
    )
    known = _specs.get(key)
    if known is None:
        types = {n: t for n, (t, _) in flat.items()}
        known = _specs[key] = _plan(kernel, types, consts, blocks, target, len(words))
    spec, stored = known
    for name, x in zip(names, args):
        if name in stored and not (x.flags.writeable if isinstance(x, np.ndarray) else x.writable):
            raise ValueError(f"{name} is read-only: the kernel stores to it")
    arrays = [x for x in args if isinstance(x, Array)]
    device = arrays[0].device if arrays else host_device()
    for x in arrays:
        if x.device is not device:
            raise ValueError(f"an array is on {x.device.name}: expected {device.name}, as another")
    on_host = any(isinstance(x, np.ndarray) for x in args)
    flags = lib.OCU_CALL_NO_PLANNER | (lib.OCU_CALL_SYNC if on_host else 0)
    with current(device):
        handle = handle_on(device, stream)
        for x in arrays:
            x.memory.use(stream or DEFAULT)
        check(lib.ocu_call(handle, ffi.new("ocu_spec *", [spec]), words, len(words), flags))


def _plan(
    kernel: Kernel, types: dict, consts: dict, blocks: Blocks | None, target: str, n_args: int
) -> tuple[bytes, set[str]]:
    """Compile a class of launches; its spec, named by a hash of the simplified IR."""
    function = simplify(kernel.trace(types, consts))
    text = f"{function} {blocks}".encode()
    spec = struct.pack("<B15s", lib.OCU_OP_USER, hashlib.sha256(text).digest()[:15])
    if lib.ocu_plan_find(target.encode(), ffi.new("ocu_spec *", [spec])) != lib.OCU_OK:
        code = compile(function, TARGETS[target], blocks)
        slots = plans.Slots(n_args)
        programs = slots.arg(0) * slots.arg(1) * slots.arg(2)
        long = slots.const(1_000_000)  # unknown: never on the caller's time
        params = [slots.arg(i) for i in range(n_args)]
        plan = plans.Plan(slots, [plans.Launch(code, programs, long, params)])
        data = plans.write(plan, spec, TARGETS[target])
        check(lib.ocu_plan_store(data, len(data)))
    return spec, {v.name for v in stored_views(function.body)}
