"""What a user wants done to alpha op(a) op(b) + beta c, read into steps that a kernel applies.

    "relu"  "gelu"  ("bias", v)  ("residual", r)  a function f(x) -> x of the kernel language
    or a list of these, applied in order

A bias and then at most one activation are a class that all share; anything else is compiled into a
class of its own, which the intermediate code of the steps names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np

from opencu import tile
from opencu.blas.kernels import gemm as kernels
from opencu.compiler.simplify import simplify
from opencu.drivers import target as target_named
from opencu.drivers.status import check, ffi, lib
from opencu.runtime import plan as plans
from opencu.runtime.array import Array
from opencu.tile import dtypes
from opencu.tile.reads import Reads

ACTIVATIONS = {
    "relu": (kernels.relu, lib.OCU_RELU),
    "gelu": (tile.gelu_tanh, lib.OCU_GELU),
}
MOST = 4  # matrices that an epilogue reads
Step = tuple[str, Any]  # "call" and a function, "add" and an array


@dataclass
class Epilogue:
    """steps, and what they are to the core: an activation behind a bias, or an ocu_epilogue."""

    steps: list[Step]
    fused: Any = None

    @property
    def arrays(self) -> list[Array]:
        return [x for how, x in self.steps if how == "add"]

    def shared(self, shape: tuple[int, ...]) -> tuple[int, int] | None:
        """(bias, activation) where the steps are no more than these."""
        bias, rest = lib.OCU_BIAS_NONE, list(self.steps)
        if rest and rest[0][0] == "add":
            bias = _bias(rest.pop(0)[1], shape)
            if not bias:
                return None
        codes = dict(ACTIVATIONS.values())
        if len(rest) > 1 or any(how == "add" or x not in codes for how, x in rest):
            return None
        return bias, codes[rest[0][1]] if rest else lib.OCU_IDENTITY

    def put_into(self, g: Any, shape: tuple[int, ...], scale: np.dtype, out: np.dtype) -> Any:
        """Tell an ocu_product what to do. Gives the ocu_epilogue, whose arrays are to be filled in,
        if that is a class of its own."""
        shared = self.shared(shape)
        if shared is not None:
            g.kind.bias, g.kind.activation = shared
            return None
        self.fused = g.epilogue = ffi.new("ocu_epilogue *")
        self.fused.key = list(key(self.chain(), dtypes.of(scale), dtypes.of(out)))
        self.fused.n = len(self.arrays)
        return self.fused

    def ensure(self, spec: bytes, device: int) -> None:
        """Make the plan that ocu_multiply found missing for the ocu_epilogue, and keep it."""
        target = target_named(plans.target_of(device))
        of = bytes(ffi.buffer(self.fused.of.f))
        layouts = tuple(self.fused.layouts[0 : self.fused.n])
        data = plans.write(kernels.plan(of, target, self.chain(), layouts), spec, target)
        check(lib.ocu_plan_store(data, len(data)))

    def chain(self) -> tuple | None:
        """The steps as the kernel takes them."""
        found: tuple | None = None
        count = len(self.arrays)
        for how, x in reversed(self.steps):
            if how == "add":
                count -= 1
                found = (kernels.add_extra, count, found)
            else:
                found = (kernels.call_step, x, found)
        return found


def _bias(x: Array, shape: tuple[int, ...]) -> int:
    """Is it a vector with a number for each column, or for each row, of all matrices?"""
    if any(size > 1 for size in x.shape[:-2]):
        return lib.OCU_BIAS_NONE
    rows, columns = (1, *x.shape)[-2:]
    if rows == 1 and columns == shape[-1] and (x.steps[-1] == 1 or columns == 1):
        return lib.OCU_BIAS_COLUMNS
    if columns == 1 and rows == shape[-2] and (x.steps[-2] == 1 or rows == 1):
        return lib.OCU_BIAS_ROWS
    return lib.OCU_BIAS_NONE


def read(epilogue: Any, as_array: Callable[[str, Any], Array]) -> Epilogue:
    """The steps of the argument; TypeError or ValueError names what is not one."""
    steps: list[Step] = []
    for x in epilogue if isinstance(epilogue, list) else [epilogue]:
        if isinstance(x, str) and x in ACTIVATIONS:
            steps.append(("call", ACTIVATIONS[x][0]))
        elif isinstance(x, tuple) and len(x) == 2 and x[0] in ("bias", "residual"):
            steps.append(("add", as_array(x[0], x[1])))
        elif isinstance(x, (FunctionType, tile.Kernel)):
            steps.append(("call", x))
        else:
            raise TypeError(
                f"epilogue is {x!r}: expected 'relu', 'gelu', ('bias', v), ('residual', r), a"
                " function of the kernel language, or a list of these"
            )
    found = Epilogue(steps)
    if len(found.arrays) > MOST:
        raise ValueError(f"epilogue reads {len(found.arrays)} arrays: expected at most {MOST}")
    return found


# ---- classes of their own ------------------------------------------------------------------------


@tile.kernel
def _alone(x, y, extra0, extra1, extra2, extra3, steps):
    out = kernels.apply(tile.load(x, (0, 0), (8, 8)), steps, (extra0, extra1, extra2, extra3))
    tile.store(y, (0, 0), out)


_keys: dict[Any, tuple[bytes, Reads]] = {}


def key(steps: tuple | None, scale: tile.DType, out: tile.DType) -> bytes:
    """16 bytes that stand for what the steps compute: a hash of their intermediate code. It is
    read again when a name that they use has changed its meaning."""
    known = _keys.get((steps, scale, out))
    if known is None or not known[1].same():
        reads = Reads()
        view = tile.View(scale, (None, 1))
        types: dict[str, Any] = {
            "x": view,
            "y": view,
            **{f"extra{i}": tile.View(out, (None, 1)) for i in range(4)},
        }
        text = str(simplify(_alone.trace(types, {"steps": steps}, reads)))
        known = _keys[steps, scale, out] = (hashlib.sha256(text.encode()).digest()[:16], reads)
    return known[0]
