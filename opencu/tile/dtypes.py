"""Element types of tiles and views."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DType:
    """An element type: `kind` is 'f' (floating), 'i' (signed integer), 'b' (truth value) or 'c'."""

    name: str
    kind: str
    bits: int

    @property
    def bytes(self) -> int:
        return max(self.bits // 8, 1)

    @property
    def numpy(self) -> np.dtype:
        return np.dtype("bool" if self.kind == "b" else f"{self.kind}{self.bytes}")

    @property
    def part(self) -> "DType":
        """The type of a complex number's real and imaginary parts; another type itself."""
        return {"c64": f32, "c128": f64}.get(self.name, self)

    def __repr__(self) -> str:
        return self.name


f32 = DType("f32", "f", 32)
f64 = DType("f64", "f", 64)
i32 = DType("i32", "i", 32)
i64 = DType("i64", "i", 64)
bool_ = DType("bool", "b", 1)
c64 = DType("c64", "c", 64)
c128 = DType("c128", "c", 128)

ALL = (f32, f64, i32, i64, bool_, c64, c128)
_BY_NUMPY = {dtype.numpy: dtype for dtype in ALL}


def of(numpy_dtype) -> DType:
    """The DType of a numpy dtype; TypeError names what is supported."""
    wanted = np.dtype(numpy_dtype)
    if wanted in _BY_NUMPY:
        return _BY_NUMPY[wanted]
    raise TypeError(f"dtype {wanted} is not supported; expected one of {', '.join(map(str, ALL))}")


def fits(x: bool | int | float | complex, dtype: DType) -> bool:
    """Can a Python number become one of the dtype, rounded at most?"""
    if isinstance(x, complex):
        return dtype.kind == "c" and fits(x.real, dtype.part) and fits(x.imag, dtype.part)
    if dtype.kind == "i":
        return not isinstance(x, float) and -(1 << dtype.bits - 1) <= x < 1 << dtype.bits - 1
    if dtype.kind == "b":
        return isinstance(x, bool)
    largest = float(np.finfo(dtype.numpy).max)
    return abs(x) <= largest or (isinstance(x, float) and not math.isfinite(x))
