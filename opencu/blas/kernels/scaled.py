"""What is left of a scaled product once t = alpha a b is there (runtime/core/scaled.c): for every
matrix z of a batch

    x = act(fa fb t[z] + beta fc c[z] + bias[z])        amax = max |x|        d[z] = fd x

     n         A program makes a tile of d, R x C. The factors lie in device memory: numbers, or of
  +------+     fa a column, a number for each row, and of fb a row. Results of 8 bits end at their
m | t, d |     largest number. A NaN counts as more than any number in amax.
  +------+
"""

from opencu import tile
from opencu.blas.kernels.gemm import ACTIVATIONS, BIAS, DTYPES, identity, stored, view_type
from opencu.compiler import compile
from opencu.drivers.interface import Target
from opencu.runtime.plan import Launch, Plan, Slots

ELEMENTS = 1  # a nanosecond on one thread
HAS_C, HAS_AMAX, A_ROWS, B_COLUMNS = 16, 32, 64, 128  # behind a bit for each factor


def part(x, R: int, C: int):
    """This program's part of a batch of matrices."""
    top, left = tile.pid(0) * R, tile.pid(1) * C
    return x[tile.pid(2)][top : top + R, left : left + C]


def times(x, factor, rows: int, columns: int):
    v = None if factor is None else part(factor, x.shape[0], x.shape[1])
    return x if v is None else x * tile.load(v, (0, 0), (rows, columns))


@tile.kernel
def scaled(
    t,
    c,
    d,
    bias,
    fa,
    fb,
    fc,
    fd,
    amax,
    beta,
    R: int,
    C: int,
    a_rows: int,
    b_columns: int,
    add_bias,
    activation=identity,
):
    x = tile.load(part(t, R, C), (0, 0), (R, C))
    x = times(times(x, fa, a_rows, 1), fb, 1, b_columns)
    if c is not None:
        old = tile.cast(tile.load(part(c, R, C), (0, 0), (R, C)), tile.f32)
        x = tile.fma(beta, times(old, fc, 1, 1), x)
    x = activation(add_bias(x, part(bias, R, C)))
    to = part(d, R, C)
    if amax is not None:
        there = (tile.iota((R, 1), 0) < to.shape[0]) & (tile.iota((1, C), 1) < to.shape[1])
        most = tile.max(tile.select(there, tile.abs(x), 0.0))
        tile.atomic_max(amax, 0, tile.bitcast(most, tile.i32))  # in the order of positive numbers
    tile.store(to, (0, 0), stored(times(x, fd, 1, 1), d.dtype))


def reference(t, c, bias, factors, beta, act):
    """x and d in float64; the factors are numbers, or arrays that broadcast."""
    fa, fb, fc, fd = factors
    x = act(fa * fb * t + (beta * fc * c if beta else 0) + bias)
    return x, fd * x


# spec: operation; dtypes of c, d, bias; layouts of c, d (gemm's); activation; bias; what there is
# args: batch m n | t: pointer, strides of batch, rows, columns | c | d | bias: pointer, stride of
#       batch | four factors | amax | beta


def plan(spec: bytes, target: Target) -> Plan:
    c, d, bias, c_layout, d_layout, activation, how, has = spec[1:9]
    slots = Slots(23)
    batch, m, n = (slots.arg(i) for i in range(3))
    zero = slots.const(0)
    R, C = (16, target.threads // 16) if target.kind == "simt" else (4, 256)
    args: dict = {}

    def matrix(name: str, dtype: tile.DType, layout: int, at: int) -> None:
        words = [slots.arg(at), batch, m, n, *(slots.arg(at + i) for i in (1, 2, 3))]
        args[name] = view_type(dtype, layout), words

    def line(name: str, dtype: tile.DType, at: int, rows: int, columns: int, bs=zero) -> None:
        words = [slots.arg(at), batch, m, n, bs, slots.const(rows), slots.const(columns)]
        args[name] = tile.View(dtype, (None, rows, columns)), words

    matrix("t", tile.f32, 2, 3)
    consts = dict(R=R, C=C, add_bias=BIAS[how], activation=ACTIVATIONS[activation])
    consts |= dict(a_rows=R if has & A_ROWS else 1, b_columns=C if has & B_COLUMNS else 1)
    consts |= {f"f{x}": None for i, x in enumerate("abcd") if not has >> i & 1}
    if has & HAS_C:
        matrix("c", DTYPES[c], c_layout, 7)
    matrix("d", DTYPES[d], d_layout, 11)
    line("bias", DTYPES.get(bias, tile.f32), 15, int(how == 1), int(how == 2), slots.arg(16))
    across = {"a": (int(has & A_ROWS > 0), 0), "b": (0, int(has & B_COLUMNS > 0))}
    for i, x in enumerate("abcd"):
        if has >> i & 1:
            line(f"f{x}", tile.f32, 17 + i, *across.get(x, (0, 0)))
    if has & HAS_AMAX:
        one = slots.const(1)
        args["amax"] = tile.View(tile.i32, (1,)), [slots.arg(21), one, one]
    args["beta"] = tile.Scalar(tile.f32), [slots.arg(22)]
    consts |= {x: None for x in ("c", "amax") if x not in args}
    code = compile(scaled.trace({x: of for x, (of, _) in args.items()}, consts), target)
    grid = (m.cdiv(R), n.cdiv(C), batch)
    params = [*grid, *(word for _, words in args.values() for word in words)]
    programs = grid[0] * grid[1] * grid[2]
    return Plan(slots, [Launch(code, programs, batch * m * n // ELEMENTS + 50, params)])


def packed_specs() -> list[bytes]:
    return []
