"""Conversions between element types, none of which may become a call of a library.

Storage types are held as their bits. f16 goes to and from f32 by F16C where the target has it, and
else, as the others, by integer arithmetic. AVX-512's own bf16 conversion is not used: it makes
denormals zero.
From f64 or integers to a storage type there is one rounding: f32 rounds to odd on the way, which
keeps what the second rounding needs to know (Boldo and Melquiond, "Emulation of FMA and correctly
rounded sums", 2008).
"""

from opencu.compiler.llvm import Function, Lanes, i16
from opencu.drivers.interface import Target
from opencu.tile.dtypes import FORMATS, DType, bf16, bool_, e4m3, e5m2, f16, f32, f64, i32, i64, u8


class Cast:
    """Conversions of `width` lanes."""

    def __init__(self, f: Function, target: Target, width: int):
        self.f, self.target, self.width = f, target, width
        self.f32, self.f64 = self.lanes(f32), self.lanes(f64)
        self.i16, self.i32, self.i64 = map(self.lanes, (i16, i32, i64))
        self.half = "half" if width == 1 else f"<{width} x half>"

    def lanes(self, dtype: DType) -> Lanes:
        return Lanes(self.f, dtype, self.width)

    def value(self, source: DType, to: DType, x: str) -> str:
        """x in another dtype, as dtypes.narrow defines it."""
        if source == to:
            return x
        if source.storage:
            return self.value(f32, to, self.widen(source, x))
        if to.storage:
            return self.narrow(to, self.single(source, to, x))
        v = self.lanes(source)
        if to.kind == "b":
            return v.compare("ne", x, v.splat(0))
        if source.kind == "f" and to.bits == 8:
            return self._byte(to, self.value(source, i32, x))
        if source.kind == "f" and to.kind == "i":
            return self._integer(source, to, x)
        signed = source.kind == "i"
        if to.kind == "f" and source.kind != "f":
            return v.to("sitofp" if signed else "uitofp", x, to)
        if to.bits == source.bits:
            return x  # i8 and u8
        wider, longer = to.bits > source.bits, "sext" if signed else "zext"
        how = ("fpext" if wider else "fptrunc") if to.kind == "f" else longer if wider else "trunc"
        return v.to(how, x, to)

    def _integer(self, source: DType, to: DType, x: str) -> str:
        """Toward zero, within the integer's range, 0 for NaN; LLVM's own saturating conversion
        goes lane by lane."""
        v, integer, limit = self.lanes(source), self.lanes(to), 2.0 ** (to.bits - 1)
        inside = v.op("fcmp olt", v.call("fabs", x), limit)
        y = v.to("fptosi", v.select(inside, x, 0), to)
        y = integer.select(v.op("fcmp oge", x, limit), (1 << to.bits - 1) - 1, y)
        return integer.select(v.op("fcmp ole", x, -limit), -1 << to.bits - 1, y)

    def _byte(self, to: DType, x: str) -> str:
        """The nearest i8 or u8 to an i32."""
        low, high = (-128, 127) if to.kind == "i" else (0, 255)
        x = self.i32.call("smin", self.i32.call("smax", x, low), high)
        return self.i32.to("trunc", x, to)

    # ---- storage types and f32 -------------------------------------------------------------------

    def widen(self, source: DType, x: str) -> str:
        """f32 from the bits of a storage type."""
        f, i = self.f, self.i32
        if source == e5m2:  # the upper half of f16
            x = self.i16.op("shl", self.lanes(u8).to("zext", x, i16), 8)
            source = f16
        if source == f16 and self.target.f16:
            half = f.let(f"bitcast {self.i16.type} {x} to {self.half}")
            return f.let(f"fpext {self.half} {half} to {self.f32.type}")
        if source == e4m3:
            return self._e4m3(x)
        bits = self.i16.to("zext", x, i32)
        if source == bf16:
            return i.to("bitcast", i.op("shl", bits, 16), f32)
        # Exponent and fraction in the place of f32's are the value over 2^112, denormals included.
        low = i.op("shl", i.op("and", bits, 0x7FFF), 13)
        value = self.f32.op("fmul", i.to("bitcast", low, f32), 2.0**112)
        value = self.f32.to("bitcast", value, i32)
        nan = i.op("icmp ugt", low, 0x7C00 << 13)
        special = i.op("or", low, i.select(nan, 0x7FC00000, 0x7F800000))
        value = i.select(i.op("icmp uge", low, 0x7C00 << 13), special, value)
        sign = i.op("shl", i.op("and", bits, 0x8000), 16)
        return i.to("bitcast", i.op("or", value, sign), f32)

    def _e4m3(self, x: str) -> str:
        """As f16 above, but over 2^120; what would be 480 is NaN, here all ones."""
        low = self.i32.op("shl", self.lanes(e4m3).to("sext", x, i32), 20)
        low = self.i32.op("and", low, ~(0x780FFFFF))
        value = self.f32.op("fmul", self.i32.to("bitcast", low, f32), 2.0**120)
        nan = self.f32.op("fcmp ogt", self.f32.call("fabs", value), 448)
        ones = self.lanes(bool_).to("sext", nan, i32)
        return self.i32.to(
            "bitcast", self.i32.op("or", self.f32.to("bitcast", value, i32), ones), f32
        )

    def narrow(self, to: DType, x: str) -> str:
        """The bits of f32 rounded to a storage type."""
        f = self.f
        if to == f16 and self.target.f16:
            half = f.let(f"fptrunc {self.f32.type} {x} to {self.half}")
            return f.let(f"bitcast {self.half} {half} to {self.i16.type}")
        bits = self.f32.to("bitcast", x, i32)
        result = self._bf16(bits, x) if to == bf16 else self._small(to, bits)
        return self.i32.to("trunc", result, i16 if to.bits == 16 else u8)

    def _up(self, bits: str, drop: int) -> str:
        """Add what carries into the kept bits where dropping `drop` of them rounds up."""
        odd = self.i32.op("and", self.i32.op("lshr", bits, drop), 1)
        return self.i32.op("add", self.i32.op("add", bits, odd), (1 << drop - 1) - 1)

    def _bf16(self, bits: str, x: str) -> str:
        nan, quiet = self.f32.op("fcmp uno", x, x), self.i32.op("or", bits, 0x400000)
        return self.i32.op("lshr", self.i32.select(nan, quiet, self._up(bits, 16)), 16)

    def _small(self, to: DType, bits: str) -> str:
        """A type of fewer bits of exponent."""
        i, (fraction, bias, special) = self.i32, FORMATS[to]
        drop, sign = 23 - fraction, 1 << to.bits - 1
        size = i.op("and", bits, 0x7FFFFFFF)
        normal = i.op("lshr", i.op("sub", self._up(size, drop), 127 - bias << 23), drop)
        # In the sum with this number the last bit weighs what it does in the type's denormals.
        magic = 127 + 24 - bias - fraction << 23
        scale = self.f32.op("fadd", i.to("bitcast", size, f32), 2.0 ** (24 - bias - fraction))
        small = i.op("sub", self.f32.to("bitcast", scale, i32), magic)
        value = i.select(i.op("icmp ult", size, 128 - bias << 23), small, normal)
        value = i.call("umin", value, special)
        value = i.select(i.op("icmp ugt", size, 0x7F800000), sign - 1, value)  # NaN
        return i.op("or", value, i.op("and", i.op("lshr", bits, 32 - to.bits), sign))

    # ---- one rounding ----------------------------------------------------------------------------

    def single(self, source: DType, to: DType, x: str) -> str:
        """f32 from a wider type, such that rounding it to `to` rounds x itself."""
        if source == f64:
            return self._odd_f32(x)
        if source in (i32, i64) and to == bf16:  # others overflow before f32 rounds an integer
            return self._odd_f32(self.value(source, f64, self._odd_i64(x) if source == i64 else x))
        return self.value(source, f32, x)

    def _odd_i64(self, x: str) -> str:
        """53 significant bits, the last one set if any below was."""
        i = self.i64
        low = i.op("icmp ne", i.op("and", x, 2047), 0)
        high = i.op("and", x, -2048)
        odd = i.select(low, i.op("or", high, 2048), high)
        near = i.op("icmp ult", i.op("add", x, 1 << 53), 1 << 54)
        return i.select(near, x, odd)

    def _odd_f32(self, x: str) -> str:
        near = self.f64.to("fptrunc", x, f32)
        back = self.f32.to("fpext", near, f64)
        above = self.f64.op("fcmp ogt", self.f64.call("fabs", back), self.f64.call("fabs", x))
        inexact, masks = self.f64.op("fcmp one", back, x), self.lanes(bool_)
        odd = self.i32.op("add", self.f32.to("bitcast", near, i32), masks.to("sext", above, i32))
        odd = self.i32.op("or", odd, masks.to("zext", inexact, i32))
        return self.i32.to("bitcast", odd, f32)
