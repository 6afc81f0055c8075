"""GEAM: d = alpha op(a) + beta op(b), m x n matrices of one dtype. Transposes are strides.

     n
  +------+     A program makes a tile of d, BM x BN. An operand whose columns are side by side
m | a, b |     is read as d is written; one whose rows are is read by short columns, so that
  +------+     each line of memory that is fetched is used whole before it leaves the cache.
"""

from opencu import tile
from opencu.blas.kernels.gemm import DTYPES, load_conjugate, load_plain, view_type
from opencu.compiler import compile
from opencu.drivers.interface import Target
from opencu.runtime.plan import Launch, Plan, Slots

BM, BN = 16, 256  # elements: a line of memory of f32 down, rows long enough to stream
ELEMENTS = 4  # a nanosecond on one thread


@tile.kernel
def geam(a, b, d, alpha, beta, BM: int, BN: int, load_a=load_plain, load_b=load_plain):
    i, j = tile.pid(0), tile.pid(1)
    out = tile.full((BM, BN), 0, d.dtype)
    if alpha != 0:
        out = alpha * load_a(a, i, j, BM, BN)
    if beta != 0:
        out = out + beta * load_b(b, i, j, BM, BN)
    tile.store(d, (i, j), out)


def reference(a, b, alpha, beta):
    """The same with numpy."""
    return (alpha * a if alpha else 0) + (beta * b if beta else 0)


# spec: operation; dtype; layouts of a, b, d (as gemm's); conjugates
# args: m n | a: pointer, strides of rows, columns | b | d | alpha, beta: real and imaginary part


def plan(spec: bytes, target: Target) -> Plan:
    _, code, *layouts, conj = spec[:6]
    dtype = DTYPES[code]
    types = {x: tile.View(dtype, view_type(dtype, at).strides[1:]) for x, at in zip("abd", layouts)}
    types |= {"alpha": tile.Scalar(dtype), "beta": tile.Scalar(dtype)}
    hooks = {name: load_conjugate for name, bit in (("load_a", 1), ("load_b", 2)) if conj & bit}
    slots = Slots(15)
    m, n = slots.arg(0), slots.arg(1)
    compiled = compile(geam.trace(types, dict(BM=BM, BN=BN) | hooks), target)
    grid = (m.cdiv(BM), n.cdiv(BN), slots.const(1))
    params = [*grid]
    for at in (2, 5, 8):
        params += [slots.arg(at), m, n, slots.arg(at + 1), slots.arg(at + 2)]
    parts = range(2 if dtype.kind == "c" else 1)
    params += [slots.arg(at + part) for at in (11, 13) for part in parts]
    programs = grid[0] * grid[1]
    return Plan(slots, [Launch(compiled, programs, m * n // ELEMENTS + 50, params)])


def packed_specs() -> list[bytes]:
    """The classes that a vendor's transposes and sums use in its real dtypes."""
    return [bytes([3, d, a, b, 2]).ljust(16, b"\0") for d in (1, 2) for a in (1, 2) for b in (1, 2)]
