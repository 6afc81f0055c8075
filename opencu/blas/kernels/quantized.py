"""cublasUint8gemmBias: products of unsigned bytes with offsets, scaled back to bytes.

NVIDIA publishes no definition; this one agrees with its library (cuBLAS 13.0, by experiment):
C = (sum of (A - a_bias) (B - b_bias) + c_bias) mult / 2^shift, halves rounded up, from 0 to 255.
"""

from opencu import tile
from opencu.blas.kernels.routine import Routine
from opencu.drivers.interface import Target
from opencu.runtime.plan import Plan

SIZES = "a_bias", "b_bias", "c_bias", "scale"  # mult * 32 + shift


@tile.kernel
def quantized(a, b, c, a_bias, b_bias, c_bias, scale, R: int, C: int):
    p, q = tile.pid(0), tile.pid(1)
    sums = tile.full((R, C), 0, tile.i64)
    for k in range(a.shape[1]):
        x = tile.cast(tile.load(a, (p, k), (R, 1)), tile.i64) - a_bias
        y = tile.cast(tile.load(b, (k, q), (1, C)), tile.i64) - b_bias
        sums += x * y
    unit = tile.cast(1, tile.i64)
    for _ in range(scale % 32):
        unit = unit * 2
    v = ((sums + c_bias) * (scale // 32) + unit // 2) // unit
    v = tile.minimum(tile.maximum(v, 0), 255)
    tile.store(c, (p, q), tile.cast(v, tile.u8))


def plan(spec: bytes, target: Target) -> Plan:
    r = Routine(spec, target)
    arguments = {}
    for i, name in enumerate("abc"):
        view, (p, _, rows, columns, _, rs, cs) = r.matrix(i)
        arguments[name] = tile.View(tile.u8, view.strides[1:]), [p, rows, columns, rs, cs]
    for name, size in zip(SIZES, r.size):
        arguments[name] = tile.Scalar(tile.i64), [size]
    k, (m, n) = arguments["a"][1][2], arguments["c"][1][1:3]
    lanes = target.vector_bytes // 8
    R, C = (16, target.threads // 16) if target.kind == "simt" else (4, 4 * lanes)
    grid = (m.cdiv(R), n.cdiv(C))
    return Plan(r.slots, [r.launch(quantized, grid, m * n * (k + 8), arguments, R=R, C=C)])


def packed_specs() -> list[bytes]:
    return []
