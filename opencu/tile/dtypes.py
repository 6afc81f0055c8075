"""Element types of tiles and views.

f16 and bf16 are storage types: arithmetic on them is f32 arithmetic, rounded to nearest even.
numpy has no bfloat16, so here an array of bf16 is the uint16 array of its bits.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DType:
    """An element type: `kind` is 'f' (floating), 'i' or 'u' (signed and unsigned integer), 'c'
    (complex) or 'b' (truth value)."""

    name: str
    kind: str
    bits: int

    @property
    def bytes(self) -> int:
        return max(self.bits // 8, 1)

    @property
    def numpy(self) -> np.dtype:
        if self.name == "bf16":
            return np.dtype("u2")
        return np.dtype("bool" if self.kind == "b" else f"{self.kind}{self.bytes}")

    @property
    def storage(self) -> bool:
        """Is this a floating type that is only kept, and widened to be computed with?"""
        return self.kind == "f" and self.bits == 16

    @property
    def compute(self) -> "DType":
        """The type that arithmetic on this one is done in."""
        return f32 if self.storage else self

    @property
    def part(self) -> "DType":
        """The type of a complex type's real and imaginary parts."""
        return {"c64": f32, "c128": f64}[self.name]

    def __repr__(self) -> str:
        return self.name


f16 = DType("f16", "f", 16)
bf16 = DType("bf16", "f", 16)
f32 = DType("f32", "f", 32)
f64 = DType("f64", "f", 64)
i8 = DType("i8", "i", 8)
u8 = DType("u8", "u", 8)
i32 = DType("i32", "i", 32)
i64 = DType("i64", "i", 64)
c64 = DType("c64", "c", 64)
c128 = DType("c128", "c", 128)
bool_ = DType("bool", "b", 1)

ALL = (f16, bf16, f32, f64, i8, u8, i32, i64, c64, c128, bool_)
_BY_NUMPY = {dtype.numpy: dtype for dtype in ALL if dtype != bf16}
BF16_MAX = 255 * 2.0**120


def of(numpy_dtype) -> DType:
    """The DType of a numpy dtype, or of ml_dtypes' bfloat16; TypeError names what is supported."""
    wanted = np.dtype(numpy_dtype)
    if wanted in _BY_NUMPY:
        return _BY_NUMPY[wanted]
    if wanted.name == "bfloat16":
        return bf16
    raise TypeError(f"dtype {wanted} is not supported; expected one of {', '.join(map(str, ALL))}")


def fits(x: bool | int | float, dtype: DType) -> bool:
    """Can a Python number become one of the dtype, rounded at most?"""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype.numpy)
        return not isinstance(x, float) and limits.min <= x <= limits.max
    if dtype.kind == "b":
        return isinstance(x, bool)
    part = dtype.part if dtype.kind == "c" else dtype
    largest = BF16_MAX if part == bf16 else float(np.finfo(part.numpy).max)
    return abs(x) <= largest or (isinstance(x, float) and not math.isfinite(x))


# ---- values as numpy computes with them ----------------------------------------------------------


def widen(x, dtype: DType) -> np.ndarray:
    """The values of an array of `dtype`, in dtype.compute."""
    x = np.asarray(x)
    if dtype == bf16:
        return (x.astype(np.uint32) << 16).view(np.float32)
    return x.astype(dtype.compute.numpy)


def narrow(x, dtype: DType) -> np.ndarray:
    """An array's values rounded once to the nearest of `dtype`, ties to even; floating to integer
    rounds toward zero, keeps within the integer's range, and makes 0 of NaN."""
    x = np.asarray(x)
    if dtype == bf16:
        return _bf16(_odd_f32(x))
    if x.dtype.kind == "f" and dtype.kind in "iu":
        return _saturate(x, dtype.numpy)
    if dtype == f16 and x.dtype.kind in "iu":
        x = x.astype(np.float64)  # what this rounds is beyond the range of f16
    with np.errstate(over="ignore", invalid="ignore"):
        return x.astype(dtype.numpy)


def _odd_f32(x: np.ndarray) -> np.ndarray:
    """x in f32, rounded to odd: a second rounding is then as good as one from x itself."""
    if x.dtype.kind != "f" or x.dtype.itemsize > 4:
        exact = x.astype(np.longdouble)
        near = exact.astype(np.float32)
        bits = near.view(np.int32)
        bits = bits - (np.abs(near.astype(np.longdouble)) > np.abs(exact))
        inexact = (near.astype(np.longdouble) != exact) & ~np.isnan(near)
        return np.where(inexact, bits | 1, near.view(np.int32)).astype(np.int32).view(np.float32)
    return x.astype(np.float32)


def _bf16(x: np.ndarray) -> np.ndarray:
    bits = x.view(np.uint32)
    rounded = (bits.astype(np.uint64) + 0x7FFF + (bits >> 16 & 1)) >> 16
    return np.where(np.isnan(x), bits >> 16 | 0x40, rounded).astype(np.uint16)


def _saturate(x: np.ndarray, integer: np.dtype) -> np.ndarray:
    limits = np.iinfo(integer)
    low, high = x.dtype.type(limits.min), x.dtype.type(limits.max)  # high may round up: below is >=
    inside = np.where((x > low) & (x < high), x, 0).astype(integer)
    top, bottom = integer.type(limits.max), integer.type(limits.min)
    return np.where(x >= high, top, np.where(x <= low, bottom, inside))
