"""Element types of tiles and views.

f16, bf16, e4m3 and e5m2 are storage types: arithmetic on them is f32 arithmetic, rounded to nearest
even. numpy has only f16 of them, so here an array of another is the unsigned array of its bits.

    e4m3 (OCP's E4M3, "fn")   sign, 4 bits of exponent, 3 of fraction: to 448, NaN, no infinity
    e5m2 (OCP's E5M2)         sign, 5 bits of exponent, 2 of fraction: to 57344, infinities, NaN
"""

import functools
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
        if self in NAMED.values():
            return np.dtype(f"u{self.bytes}")
        return np.dtype("bool" if self.kind == "b" else f"{self.kind}{self.bytes}")

    @property
    def storage(self) -> bool:
        """Is this a floating type that is only kept, and widened to be computed with?"""
        return self.kind == "f" and self.bits <= 16

    @property
    def compute(self) -> "DType":
        """The type that arithmetic on this one is done in."""
        return f32 if self.storage else self

    @property
    def sums(self) -> "DType":
        """The type that products of this one are summed in."""
        return i32 if self == i8 else self.compute

    @property
    def part(self) -> "DType":
        """The type of a complex number's real and imaginary parts; another type itself."""
        return {"c64": f32, "c128": f64}.get(self.name, self)

    def __repr__(self) -> str:
        return self.name


f16 = DType("f16", "f", 16)
bf16 = DType("bf16", "f", 16)
e4m3 = DType("e4m3", "f", 8)
e5m2 = DType("e5m2", "f", 8)
f32 = DType("f32", "f", 32)
f64 = DType("f64", "f", 64)
i8 = DType("i8", "i", 8)
u8 = DType("u8", "u", 8)
i32 = DType("i32", "i", 32)
i64 = DType("i64", "i", 64)
c64 = DType("c64", "c", 64)
c128 = DType("c128", "c", 128)
bool_ = DType("bool", "b", 1)

ALL = (f16, bf16, e4m3, e5m2, f32, f64, i8, u8, i32, i64, c64, c128, bool_)
# Those that numpy lacks, by what others call them.
NAMED = {"bfloat16": bf16, "float8_e4m3fn": e4m3, "float8_e5m2": e5m2}
_BY_NUMPY = {dtype.numpy: dtype for dtype in ALL if dtype not in NAMED.values()}
# Of those that integer arithmetic converts: bits of the fraction, the exponent's bias, and the code
# behind the largest number, which is what larger ones become.
FORMATS = {f16: (10, 15, 0x7C00), e4m3: (3, 7, 0x7F), e5m2: (2, 15, 0x7C)}
_LARGEST = {bf16: 255 * 2.0**120, e4m3: 448.0, e5m2: 57344.0}


def of(numpy_dtype) -> DType:
    """The DType of a numpy dtype, or of one of ml_dtypes'; TypeError names what is supported."""
    wanted = np.dtype(numpy_dtype)
    if wanted in _BY_NUMPY:
        return _BY_NUMPY[wanted]
    for name in (wanted.name, *(wanted.names or ())):
        if name in NAMED:
            return NAMED[name]
    raise TypeError(f"dtype {wanted} is not supported; expected one of {', '.join(map(str, ALL))}")


def fits(x: bool | int | float | complex, dtype: DType) -> bool:
    """Can a Python number become one of the dtype, rounded at most?"""
    if isinstance(x, complex):
        return dtype.kind == "c" and fits(x.real, dtype.part) and fits(x.imag, dtype.part)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype.numpy)
        return not isinstance(x, float) and limits.min <= x <= limits.max
    if dtype.kind == "b":
        return isinstance(x, bool)
    part = dtype.part if dtype.kind == "c" else dtype
    return abs(x) <= largest(part) or (isinstance(x, float) and not math.isfinite(x))


def largest(dtype: DType) -> float:
    """The largest finite number of a floating dtype."""
    return _LARGEST.get(dtype) or float(np.finfo(dtype.numpy).max)


# ---- values as numpy computes with them ----------------------------------------------------------


def widen(x, dtype: DType) -> np.ndarray:
    """The values of an array of `dtype`, in dtype.compute."""
    x = np.asarray(x)
    if dtype == bf16:
        return (x.astype(np.uint32) << 16).view(np.float32)
    if dtype in (e4m3, e5m2):
        return _values(dtype)[x]
    return x.astype(dtype.compute.numpy)


def narrow(x, dtype: DType) -> np.ndarray:
    """An array's values rounded once to the nearest of `dtype`, ties to even; floating to integer
    rounds toward zero, keeps within the integer's range, and makes 0 of NaN."""
    x = np.asarray(x)
    if dtype == bf16:
        return _bf16(_odd_f32(x))
    if dtype in (e4m3, e5m2):
        return _float8(_odd_f32(x), dtype)
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


@functools.cache
def _values(dtype: DType) -> np.ndarray:
    """What each of an 8-bit type's codes stands for."""
    fraction, bias, special = FORMATS[dtype]
    code = np.arange(256)
    low = code & 0x7F
    exponent = np.maximum(low >> fraction, 1)
    unit = (low & (1 << fraction) - 1) + ((low >> fraction > 0) << fraction)
    x = np.ldexp(unit.astype(np.float32), exponent - bias - fraction)
    x[low >= special] = np.nan
    x[low == special] = np.inf if dtype == e5m2 else np.nan
    return np.where(code < 128, x, -x).astype(np.float32)


def _float8(x: np.ndarray, dtype: DType) -> np.ndarray:
    """The nearest code by its value; the place of what overflows counts as a number here."""
    special = FORMATS[dtype][2]
    finite = _values(dtype)[:special].astype(np.float64)
    above = np.append(finite, 2 * finite[-1] - finite[-2])
    middles, size = (above[1:] + above[:-1]) / 2, np.abs(x)
    below, code = (np.searchsorted(middles, size, side) for side in ("left", "right"))
    code = np.where(np.isnan(x), 0x7F, np.where(below % 2, code, below))
    return (code | np.signbit(x) * 0x80).astype(np.uint8)


def _saturate(x: np.ndarray, integer: np.dtype) -> np.ndarray:
    limits = np.iinfo(integer)
    low, high = x.dtype.type(limits.min), x.dtype.type(limits.max)  # high may round up: below is >=
    inside = np.where((x > low) & (x < high), x, 0).astype(integer)
    top, bottom = integer.type(limits.max), integer.type(limits.min)
    return np.where(x >= high, top, np.where(x <= low, bottom, inside))
