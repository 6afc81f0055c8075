"""Conversions between element types, none of which may become a call of a library.

f16 and bf16 are held as their bits. To and from f32 they go by F16C where the target has it, and
else by integer arithmetic. AVX-512's own bf16 conversion is not used: it makes denormals zero.
From f64 or integers to a storage type there is one rounding: f32 rounds to odd on the way, which
keeps what the second rounding needs to know (Boldo and Melquiond, "Emulation of FMA and correctly
rounded sums", 2008).
"""

from opencu.compiler.llvm import Function, constant, suffix, type_of
from opencu.drivers.interface import Target
from opencu.tile.dtypes import DType, f16, f32, f64, i32, i64
from opencu.tile.ir import KernelError

_INT = {32: i32, 64: i64}


def cast(f: Function, target: Target, source: DType, to: DType, x: str, width: int) -> str:
    """The value of `width` lanes x in another dtype, as dtypes.narrow defines it."""
    if source == to:
        return x
    if "c" in (source.kind, to.kind):
        raise KernelError(None, f"cast: the vector lowering has no {source} to {to}")
    return Cast(f, target, width).value(source, to, x)


class Cast:
    """Conversions of `width` lanes."""

    def __init__(self, f: Function, target: Target, width: int):
        self.f, self.target, self.width = f, target, width
        self.i1 = "i1" if width == 1 else f"<{width} x i1>"
        self.half = "half" if width == 1 else f"<{width} x half>"
        self.i16, self.int = type_of(f16, width), type_of(i32, width)

    def value(self, source: DType, to: DType, x: str) -> str:
        if source == to:
            return x
        if source.storage:
            return self.value(f32, to, self.widen(source, x))
        if to.storage:
            return self.narrow(to, self.single(source, to, x))
        s, t = type_of(source, self.width), type_of(to, self.width)
        if to.kind == "b":
            return self.f.let(f"{'fcmp une' if source.kind == 'f' else 'icmp ne'} "
                              f"{s} {x}, {self.splat(source, 0)}")  # fmt: skip
        if source.kind == "f" and to.bits == 8:
            return self._byte(to, self.value(source, i32, x))
        if source.kind == "f" and to.kind == "i":
            name = f"fptosi.sat.{suffix(to, self.width)}.{suffix(source, self.width)}"
            return self.f.call(t, name, (s, x))
        signed = source.kind == "i"
        if to.kind == "f" and source.kind != "f":
            return self.f.let(f"{'si' if signed else 'ui'}tofp {s} {x} to {t}")
        if to.bits == source.bits:
            return x  # i8 and u8
        wider, longer = to.bits > source.bits, "sext" if signed else "zext"
        how = ("fpext" if wider else "fptrunc") if to.kind == "f" else longer if wider else "trunc"
        return self.f.let(f"{how} {s} {x} to {t}")

    # ---- lanes -----------------------------------------------------------------------------------

    def splat(self, dtype: DType, value) -> str:
        return self.f.splat(constant(dtype, value), dtype, self.width)

    def bits(self, dtype: DType, x: str) -> str:
        integer = type_of(_INT[dtype.bits], self.width)
        return self.f.let(f"bitcast {type_of(dtype, self.width)} {x} to {integer}")

    def floating(self, x: str) -> str:
        return self.f.let(f"bitcast {self.int} {x} to {type_of(f32, self.width)}")

    def op(self, name: str, x: str, y: str | int, dtype: DType = i32) -> str:
        """An operation on two integers, of which the second may be a constant."""
        y = self.splat(dtype, y) if isinstance(y, int) else y
        return self.f.let(f"{name} {type_of(dtype, self.width)} {x}, {y}")

    def select(self, condition: str, x: str, y: str, dtype: DType = i32) -> str:
        t = type_of(dtype, self.width)
        return self.f.let(f"select {self.i1} {condition}, {t} {x}, {t} {y}")

    def _byte(self, to: DType, x: str) -> str:
        """The nearest i8 or u8 to an i32; LLVM converts floating to bytes one by one."""
        low, high = (-128, 127) if to.kind == "i" else (0, 255)
        for fn, limit in (("smax", low), ("smin", high)):
            name = f"{fn}.{suffix(i32, self.width)}"
            x = self.f.call(self.int, name, (self.int, x), (self.int, self.splat(i32, limit)))
        return self.f.let(f"trunc {self.int} {x} to {type_of(to, self.width)}")

    # ---- storage types and f32 -------------------------------------------------------------------

    def widen(self, source: DType, x: str) -> str:
        """f32 from the bits of a storage type."""
        f, single = self.f, type_of(f32, self.width)
        if source == f16 and self.target.vector_bytes >= 32:
            half = f.let(f"bitcast {self.i16} {x} to {self.half}")
            return f.let(f"fpext {self.half} {half} to {single}")
        bits = f.let(f"zext {self.i16} {x} to {self.int}")
        if source != f16:
            return self.floating(self.op("shl", bits, 16))
        # Exponent and fraction in the place of f32's are the value over 2^112, denormals included.
        low = self.op("shl", self.op("and", bits, 0x7FFF), 13)
        value = f.let(f"fmul {single} {self.floating(low)}, {self.splat(f32, 2.0**112)}")
        value = self.bits(f32, value)
        nan = self.op("icmp ugt", low, 0x7C00 << 13)
        quiet = self.select(nan, self.splat(i32, 0x7FC00000), self.splat(i32, 0x7F800000))
        special = self.op("or", low, quiet)
        value = self.select(self.op("icmp uge", low, 0x7C00 << 13), special, value)
        sign = self.op("shl", self.op("and", bits, 0x8000), 16)
        return self.floating(self.op("or", value, sign))

    def narrow(self, to: DType, x: str) -> str:
        """The bits of f32 rounded to a storage type."""
        f = self.f
        if to == f16 and self.target.vector_bytes >= 32:
            half = f.let(f"fptrunc {type_of(f32, self.width)} {x} to {self.half}")
            return f.let(f"bitcast {self.half} {half} to {self.i16}")
        bits = self.bits(f32, x)
        result = self._f16(bits) if to == f16 else self._bf16(bits, x)
        return f.let(f"trunc {self.int} {result} to {self.i16}")

    def _up(self, bits: str, drop: int) -> str:
        """Add what carries into the kept bits where dropping `drop` of them rounds up."""
        odd = self.op("and", self.op("lshr", bits, drop), 1)
        return self.op("add", self.op("add", bits, odd), (1 << drop - 1) - 1)

    def _bf16(self, bits: str, x: str) -> str:
        nan = self.f.let(f"fcmp uno {type_of(f32, self.width)} {x}, {x}")
        quiet = self.op("or", bits, 0x400000)
        return self.op("lshr", self.select(nan, quiet, self._up(bits, 16)), 16)

    def _f16(self, bits: str) -> str:
        size = self.op("and", bits, 0x7FFFFFFF)
        normal = self.op("lshr", self.op("sub", self._up(size, 13), 112 << 23), 13)
        # In the sum with 1/2 the last bit weighs 2^-24, as it does in f16's denormals.
        single = type_of(f32, self.width)
        half = self.f.let(f"fadd {single} {self.floating(size)}, {self.splat(f32, 0.5)}")
        small = self.op("sub", self.bits(f32, half), 126 << 23)
        value = self.select(self.op("icmp ult", size, 113 << 23), small, normal)
        infinite = self.op("icmp uge", size, 0x47800000 - 0x1000)  # rounds to 2^16
        value = self.select(infinite, self.splat(i32, 0x7C00), value)
        quiet = self.op("or", self.op("lshr", size, 13), 0x7E00)
        quiet = self.op("and", quiet, 0x7FFF)
        value = self.select(self.op("icmp ugt", size, 0x7F800000), quiet, value)
        return self.op("or", value, self.op("and", self.op("lshr", bits, 16), 0x8000))

    # ---- one rounding ----------------------------------------------------------------------------

    def single(self, source: DType, to: DType, x: str) -> str:
        """f32 from a wider type, such that rounding it to `to` rounds x itself."""
        if source == f64:
            return self._odd_f32(x)
        if source in (i32, i64) and to != f16:  # f16 is infinite before f32 rounds an integer
            return self._odd_f32(self.value(source, f64, self._odd_i64(x) if source == i64 else x))
        return self.value(source, f32, x)

    def _odd_i64(self, x: str) -> str:
        """53 significant bits, the last one set if any below was."""
        low = self.op("icmp ne", self.op("and", x, 2047, i64), 0, i64)
        high = self.op("and", x, -2048, i64)
        odd = self.select(low, self.op("or", high, 2048, i64), high, i64)
        near = self.op("icmp ult", self.op("add", x, 1 << 53, i64), 1 << 54, i64)
        return self.select(near, x, odd, i64)

    def _odd_f32(self, x: str) -> str:
        f, double = self.f, type_of(f64, self.width)
        near = f.let(f"fptrunc {double} {x} to {type_of(f32, self.width)}")
        back = f.let(f"fpext {type_of(f32, self.width)} {near} to {double}")
        fabs = f"fabs.{suffix(f64, self.width)}"
        sizes = [f.call(double, fabs, (double, v)) for v in (back, x)]
        above = f.let(f"fcmp ogt {double} {sizes[0]}, {sizes[1]}")
        inexact = f.let(f"fcmp one {double} {back}, {x}")
        above = f.let(f"sext {self.i1} {above} to {self.int}")
        sticky = f.let(f"zext {self.i1} {inexact} to {self.int}")
        return self.floating(self.op("or", self.op("add", self.bits(f32, near), above), sticky))
