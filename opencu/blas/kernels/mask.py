"""Which elements of a matrix are above zero, a bit each, and the matrix with the others zero.

bit i % 8 of mask[i // 8, j] says whether x[i, j] > 0
"""

from opencu import tile
from opencu.blas.kernels.routine import Routine
from opencu.drivers.interface import Target
from opencu.runtime.plan import Plan


@tile.kernel
def write(x, bits, R: int, C: int):
    p, q, z = tile.pid(0), tile.pid(1), tile.pid(2)
    row, column = p * R + tile.iota((R, C), 0), q * C + tile.iota((R, C), 1)
    found = tile.full((R, C), 0, tile.i32)
    for bit in range(8):
        above = tile.gather(x[z], (8 * row + bit, column)) > 0
        found += tile.select(above, tile.cast(1 << bit, tile.i32), 0)
    tile.store(bits[z], (p, q), tile.cast(found, tile.u8))


@tile.kernel
def apply(x, bits, R: int, C: int):
    p, q, z = tile.pid(0), tile.pid(1), tile.pid(2)
    row, column = p * R + tile.iota((R, C), 0), q * C + tile.iota((R, C), 1)
    byte = tile.cast(tile.gather(bits[z], (row // 8, column)), tile.i32)
    bit = (byte >> tile.cast(row % 8, tile.i32)) % 2
    tile.store(x[z], (p, q), tile.select(bit != 0, tile.load(x[z], (p, q), (R, C)), 0))


# operands: the matrix, the mask; form: 1 applies it


def plan(spec: bytes, target: Target) -> Plan:
    r = Routine(spec, target)
    view, words = r.matrix(1)
    bits = tile.View(tile.u8, view.strides), words
    m, n = (words if not r.form[0] else r.matrix(0)[1])[2:4]
    R, C = (target.threads // 16, 16) if target.kind == "simt" else (64, 4)
    grid = (m.cdiv(R), n.cdiv(C), r.batch)
    kernel = apply if r.form[0] else write
    arguments = {"x": r.matrix(0), "bits": bits}
    return Plan(r.slots, [r.launch(kernel, grid, r.batch * m * n * 8, arguments, R=R, C=C)])


def packed_specs() -> list[bytes]:
    return []
