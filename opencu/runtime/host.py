"""numpy arrays and torch CPU tensors as operands: their own memory, as device arrays see it."""

import sys
from typing import Any

import numpy as np

from opencu.runtime.array import CODES, Array
from opencu.runtime.dlpack import bits_of, foreign, name_of

NUMPY, TORCH = "a numpy array", "a torch tensor"
TAKEN = (
    "float32, float64, float16, bfloat16, float8_e4m3fn, float8_e5m2, int8, complex64 or complex128"
)


def kind(name: str, x: Any) -> str:
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


def as_numpy(name: str, x: Any) -> tuple[np.ndarray, bool]:
    """A numpy array over the memory of a numpy array or torch tensor, of a dtype that we take; is
    the operand its conjugate?"""
    if isinstance(x, np.ndarray):
        if x.dtype not in CODES:
            raise TypeError(f"{name} has dtype {x.dtype}: expected {TAKEN}")
        return x, False
    if str(x.dtype).removeprefix("torch.") not in _TORCH:
        raise TypeError(f"{name} has dtype {x.dtype}: expected torch.{TAKEN}")
    return of_torch(name, x, name == "c")


def of_torch(name: str, x: Any, written: bool) -> tuple[np.ndarray, bool]:
    """A numpy array over a torch tensor's memory; is the tensor its conjugate?"""
    torch = sys.modules["torch"]
    if x.device.type != "cpu" or x.layout is not torch.strided:
        raise TypeError(f"{name} is on {x.device} as {x.layout}: expected a strided CPU tensor")
    if x.requires_grad and torch.is_grad_enabled():
        raise ValueError(
            f"{name} requires grad, which opencu does not record: pass {name}.detach()"
        )
    if x.is_neg() and written:
        raise ValueError(f"{name} is a lazily negated view: pass {name}.resolve_neg()")
    conjugate = x.is_conj()
    if conjugate and written:
        raise ValueError(f"{name} is a lazily conjugated view: pass {name}.resolve_conj()")
    x = (x.conj() if conjugate else x).detach().resolve_neg()
    if (dtype := foreign(x.dtype)) is not None:
        return x.view(getattr(torch, bits_of(dtype).name)).numpy().view(dtype), conjugate
    return x.numpy(), conjugate


_TORCH = (
    "float32 float64 float16 bfloat16 float8_e4m3fn float8_e5m2 int8 int32 complex64 complex128"
).split()


def from_numpy(x: np.ndarray) -> Any:
    """A torch tensor over a numpy array's memory."""
    torch = sys.modules["torch"]
    if (dtype := foreign(x.dtype)) is None:
        return torch.from_numpy(x)
    return torch.from_numpy(x.view(bits_of(dtype))).view(getattr(torch, name_of(dtype)))


def in_elements(x: np.ndarray) -> np.ndarray:
    """x, or a copy if its strides are not whole elements (a field of a packed structure)."""
    itemsize = x.itemsize
    for stride in x.strides:
        if stride % itemsize:
            return x.copy()
    return x
