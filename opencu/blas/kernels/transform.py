"""c = alpha op(a) + beta op(b), where a matrix may lie in tiles: groups of 32 columns, ld apart.

order  tile      element (i, j) of a group
2      1 x 32    32 i + j
3      8 x 32    256 (i / 8) + 128 (i % 2) + 16 (j / 4) + 4 (i % 8 / 2) + j % 4
4      32 x 32   1024 (i / 32) + 32 (2 (4 (i % 8 / 2) + i % 32 / 8) + i % 2) + j
"""

from opencu import tile
from opencu.blas.kernels.gemm import stored
from opencu.blas.kernels.routine import Routine
from opencu.drivers.interface import Target
from opencu.runtime.plan import Plan

PLAIN, COL32, COL4, TURNED = 0, 2, 3, 16


def places(order: int, ld, i, j, m, n):
    """Where the elements are; those beyond the m x n matrix are outside of everything."""
    row, column = i % 8 // 2, j % 32
    if order == COL32:
        at = 32 * i + column
    elif order == COL4:
        at = i // 8 * 256 + i % 2 * 128 + column // 4 * 16 + row * 4 + column % 4
    else:
        at = i // 32 * 1024 + ((row * 4 + i % 32 // 8) * 2 + i % 2) * 32 + column
    return tile.select((i < m) & (j < n), j // 32 * ld + at, -1)


def part(x, form: int, ld, place, index, m, n):
    i, j = index
    if form == PLAIN:
        found = tile.load(x, place, i.shape)
    elif form < TURNED:
        found = tile.gather(x, places(form, ld, i, j, m, n))
    else:
        found = tile.gather(x, places(form - TURNED, ld, j, i, n, m))
    return found


def scaled(out, alpha, x, form: int, ld, place, index, m, n, conjugate: bool):
    if alpha != 0:
        found = tile.cast(part(x, form, ld, place, index, m, n), alpha.dtype)
        out = alpha * (tile.conj(found) if conjugate else found)
    return out


def add(out, beta, x, form: int, ld, place, index, m, n):
    if beta != 0:
        found = part(x, form, ld, place, index, m, n)
        out = tile.fma(beta, tile.cast(found, beta.dtype), out)
    return out


@tile.kernel
def transform(
    a, b, c, alpha, beta, m, n, lda, ldb, ldc, R: int, C: int, form_a: int, form_b: int,
    form_c: int, conjugate: bool,
):  # fmt: skip
    p, q, z = tile.pid(0), tile.pid(1), tile.pid(2)
    index = p * R + tile.iota((R, C), 0), q * C + tile.iota((R, C), 1)
    where, out = (p, q), tile.full((R, C), 0, alpha.dtype)
    if a is not None:
        out = scaled(out, alpha, a[z], form_a, lda, where, index, m, n, conjugate)
    if b is not None:
        out = add(out, beta, b[z], form_b, ldb, where, index, m, n)
    out = stored(out, c.dtype)
    if form_c == PLAIN:
        tile.store(c[z], (p, q), out)
    else:
        tile.scatter(c[z], places(form_c, ldc, index[0], index[1], m, n), out)


# operands: a or none, b or none, c; sizes: m, n; form: of each its order, 0 for plain ones, 16 more
# where it is transposed; 1 for the conjugate of a


def plan(spec: bytes, target: Target) -> Plan:
    r = Routine(spec, target)
    form, arguments, lds = r.form[:3], {}, {}
    consts: dict = dict(form_a=form[0], form_b=form[1], form_c=form[2], conjugate=bool(r.form[3]))
    for i, name in enumerate("abc"):
        if r.dtypes[i] is None:
            consts |= {name: None, f"ld{name}": None}
            continue
        view, (p, batch, rows, columns, bs, rs, cs) = r.matrix(i)
        lds[f"ld{name}"] = tile.Scalar(tile.i64), [rs]
        words = [p, batch, rows, columns, bs, rs, cs]
        if form[i]:
            view, words = tile.View(view.dtype, (None, 1)), [p, batch, rows * rs, bs, r.one]
        arguments[name] = view, words
    m, n = r.size[:2]
    sizes = {"m": (tile.Scalar(tile.i64), [m]), "n": (tile.Scalar(tile.i64), [n])}
    factors = r.factors(r.factor_type, r.factor_type)
    scalars = {"alpha": factors["s0"], "beta": factors["s1"]}
    # Lines of memory along the lanes.
    along = arguments["c"][0].strides[-1] == 1
    R, C = (16, target.threads // 16) if target.kind == "simt" else (8, 32) if along else (32, 8)
    grid = (m.cdiv(R), n.cdiv(C), r.batch)
    given = arguments | scalars | sizes | lds
    cost = r.batch * m * n // 2 + 50
    return Plan(r.slots, [r.launch(transform, grid, cost, given, R=R, C=C, **consts)])


def packed_specs() -> list[bytes]:
    return []
