"""How a target multiplies and adds: the instruction, and the k group that it takes at once.

A packed panel holds units: `group` consecutive k of one row or column side by side, in the bits of
one sum. One number of a, on all lanes, times a vector of b adds `group` products to each sum.

    bf16 pairs, f32 sums    | k k+1 | k k+1 | ...         i8 quads, i32 sums   | k k+1 k+2 k+3 | ...
"""

from dataclasses import dataclass

from opencu.compiler.llvm import Function, Lanes, i16, type_of
from opencu.drivers.interface import Target
from opencu.tile.dtypes import DType, i8
from opencu.tile.ir import Op, Value, retype


@dataclass(frozen=True)
class Multiply:
    """`intrinsic` takes vectors of `bytes` bytes, sums first if it `adds`; none: fused or plain
    multiplication and addition in the dtype of the sums. `biased`: it takes a + 128, unsigned."""

    element: DType  # what the operands are cast to
    group: int = 1
    intrinsic: str = ""
    bytes: int = 0
    adds: bool = True
    biased: bool = False

    def unit(self, sums: DType) -> DType:
        """The type of one unit of a panel."""
        return sums if self.group == 1 else DType(f"i{sums.bits}", "i", sums.bits)

    def step(self, f: Function, sums: DType, w: int, x: str, y: str, acc: str) -> str:
        """acc + x y for w lanes of units."""
        if not self.intrinsic:
            v = Lanes(f, sums, w)
            if sums.kind == "f":
                return v.call(f.fused, x, y, acc)
            return v.op("add", acc, v.op("mul", x, y))
        lanes, unit = self.bytes // sums.bytes, self.unit(sums)
        operands, pieces = ((x, unit), (y, unit), (acc, sums)), []
        for at in range(0, w, lanes):
            slices = [f.slice(v, t, w, at, lanes) for v, t in operands]
            pieces.append(self._call(f, Lanes(f, sums, lanes), *slices))
        return f.concat(pieces, sums, lanes)

    def _call(self, f: Function, v: Lanes, x: str, y: str, acc: str) -> str:
        unit = type_of(self.unit(v.dtype), v.width)
        elements = type_of(self.element, v.width * self.group)
        pair = [(elements, f.let(f"bitcast {unit} {z} to {elements}")) for z in (x, y)]
        if self.adds:
            return f.call(v.type, self.intrinsic, (v.type, acc), *pair)
        return v.op("add", acc, f.call(v.type, self.intrinsic, *pair))


_SSE2 = Multiply(i16, 2, "x86.sse2.pmadd.wd", 16, adds=False)
_AVX2 = Multiply(i16, 2, "x86.avx2.pmadd.wd", 32, adds=False)
_AVX512 = Multiply(i16, 2, "x86.avx512.pmaddw.d.512", 64, adds=False)
_VNNI = Multiply(i8, 4, "x86.avx512.vpdpbusd.512", 64, biased=True)


def choose(target: Target, dtype: DType, sums: DType, packed: bool) -> Multiply:
    """The best instruction for products of `dtype`; groups of k need packed operands."""
    if target.kind == "simt":
        return Multiply(sums)  # matrix instructions belong here
    features = target.features.split(",")
    if packed and dtype.name == "i8":
        if "+avx512vnni" in features:
            return _VNNI
        return {"x86-64-v4": _AVX512, "x86-64-v3": _AVX2}.get(target.cpu, _SSE2)
    if packed and dtype.name == "bf16" and "+avx512bf16" in features:
        return Multiply(dtype, 2, "x86.avx512bf16.dpbf16ps.512", 64)
    return Multiply(sums)


def converted(v: Value, dtype: DType) -> Value:
    """The operand as the instruction takes it."""
    if v.type.dtype == dtype:
        return v
    op = Op("cast", [v], {}, [], [], v.op.loc if v.op else None)
    op.results = [Value(retype(v.type, dtype), op)]
    return op.result
