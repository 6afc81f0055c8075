"""op(A) X = B for a block of a triangular A, in B's place: a program solves for C columns, an
element of each after another.

         C              row i of X = (row i of B - sum of A[i, j] row j of X) / A[i, i],
      +-----+-----+     j over the rows that are solved
    j |  X  |     |
    i |  B  |     |
      +-----+-----+
"""

from opencu import tile
from opencu.blas.kernels.matvec import over
from opencu.blas.kernels.routine import Routine
from opencu.drivers.interface import Target
from opencu.runtime.plan import Plan


def number(a, i, j, conjugate):
    v = tile.sum(tile.load(a, (i, j), (1, 1)))
    return tile.conj(v) if conjugate else v


@tile.kernel
def substitute(a, b, unit, C: int, lower: bool, conjugate: bool):
    m, q = b.shape[0], tile.pid(0)
    for step in range(m):
        if lower:
            i = step
            first, last = 0, i
        else:
            i = m - 1 - step
            first, last = i + 1, m
        v = tile.load(b, (i, q), (1, C))
        for j in range(first, last):
            v = v - number(a, i, j, conjugate) * tile.load(b, (j, q), (1, C))
        by = tile.select(unit != 0, 1, number(a, i, i, conjugate))
        tile.store(b, (i, q), over(v, by))


# operands: A, B; size: 1 where A's diagonal is of ones; form: lower, conjugate


def plan(spec: bytes, target: Target) -> Plan:
    r = Routine(spec, target)
    T = r.dtypes[0]
    C = max(8 * target.vector_bytes // T.part.bytes // (2 if T.kind == "c" else 1), target.threads)
    arguments = {}
    for i, name in enumerate("ab"):
        view, (p, _, rows, columns, _, rs, cs) = r.matrix(i)
        arguments[name] = tile.View(T, view.strides[1:]), [p, rows, columns, rs, cs]
    m, n = arguments["b"][1][1:3]
    arguments["unit"] = tile.Scalar(tile.i64), [r.size[0]]
    cost = m * m * n // 8 + 50
    consts = dict(C=C, lower=bool(r.form[0]), conjugate=bool(r.form[1]) and T.kind == "c")
    return Plan(r.slots, [r.launch(substitute, (n.cdiv(C),), cost, arguments, **consts)])


def packed_specs() -> list[bytes]:
    return []
