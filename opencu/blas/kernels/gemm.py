"""GEMM: d[z] = act(alpha a[z] b[z] + beta c[z] + bias[z]) for every matrix z of a batch.

          n                 A program makes one band of rows by one band of columns of d, for a few
        +---+---+           matrices one after another. Bands are equally wide, multiples of the
      k | b |   |           register block, at most BM x BN. Inside, acc[BM, BN] grows over k in
    k   +---+---+           steps of BK; beyond the edges loads give zero and stores write nothing.
  +---+ +---+---+
m | a | | d |   |           a and b are of one dtype, acc of the one that their products are summed
  +---+ +---+---+           in, alpha and beta of the one that the epilogue computes in, c and d of
  |   | |   |   |           a third one.
  +---+ +---+---+           Hooks: chunks, load_a, load_b, tile_order, sweep, epilogue, put.
"""

from opencu import tile
from opencu.blas.kernels.tiles import gemm_tiles
from opencu.compiler import compile
from opencu.drivers.interface import Target
from opencu.runtime.plan import Launch, Plan, Slots
from opencu.tile import cdiv


def band(size, count, i, step):
    """Where band i of `count` equal bands of [0, size) lies; edges are multiples of step."""
    width = cdiv(cdiv(size, count), step) * step
    return i * width, (i + 1) * width


def load_plain(x, i, j, BI: int, BJ: int):
    return tile.load(x, (i, j), (BI, BJ))


def load_conjugate(x, i, j, BI: int, BJ: int):
    return tile.conj(tile.load(x, (i, j), (BI, BJ)))


def chunks(a, b, BK: int):
    """How many steps of BK there are."""
    return cdiv(a.shape[1], BK)


def row_chunk(a, top, bottom, k, BM: int, BK: int, places):
    """Chunk k of a's rows from top to bottom; `places` is what a hook looks up."""
    return load_plain(a[top:bottom, :], 0, k, BM, BK)


def column_chunk(b, left, right, k, BK: int, BN: int):
    return load_plain(b[:, left:right], k, 0, BK, BN)


def conjugate_row_chunk(a, top, bottom, k, BM: int, BK: int, places):
    return load_conjugate(a[top:bottom, :], 0, k, BM, BK)


def conjugate_column_chunk(b, left, right, k, BK: int, BN: int):
    return load_conjugate(b[:, left:right], k, 0, BK, BN)


def tile_order(d, z, count, MR: int, NR: int):
    """This program's rows and columns of d, which is matrix z of `count`: grid axis 0 runs down the
    rows."""
    m, n = d.shape
    return (band(m, tile.npid(0), tile.pid(0), MR), band(n, tile.npid(1), tile.pid(1), NR))


def sweep(a, b, acc, ends, blocks, chunks, load_a, load_b, places, form):
    """acc + a b, chunk after chunk of k. ends: the bands' edges; blocks: BM, BN, BK."""
    (top, bottom), (left, right) = ends
    BM, BN, BK = blocks
    for k in range(chunks(a, b, BK)):
        a_tile = load_a(a, top, bottom, k, BM, BK, places)
        acc = tile.dot(a_tile, load_b(b, left, right, k, BK, BN), acc)
    return acc


def identity(x):
    return x


def relu(x):
    return tile.maximum(x, 0)


def no_bias(x, bias):
    return x


def row_bias(x, bias):
    """A number for each row: bias is a column."""
    return x + tile.cast(tile.load(bias, (0, 0), (x.shape[0], 1)), x.dtype)


def column_bias(x, bias):
    return x + tile.cast(tile.load(bias, (0, 0), (1, x.shape[1])), x.dtype)


def number(x, shape):
    return x


def row_numbers(x, shape):
    """A number for each row: x is a column."""
    return tile.load(x, (0, 0), (shape[0], 1))


def column_numbers(x, shape):
    return tile.load(x, (0, 0), (1, shape[1]))


def add_c(out, beta, c, numbers):
    """out + beta c; c is not read when beta, a number, is zero."""
    if beta != 0:
        out = tile.fma(beta, tile.cast(tile.load(c, (0, 0), out.shape), beta.dtype), out)
    return out


def add_scaled_c(out, beta, c, numbers):
    """Where beta is zero, c does not count."""
    beta = numbers(beta, out.shape)
    x = beta * tile.cast(tile.load(c, (0, 0), out.shape), beta.dtype)
    return out + tile.select(beta != 0, x, 0)


def keep(x, which, extras):
    """Write x as it is now."""
    put(extras[which], tile.cast(x, extras[which].dtype), 0)
    return x


def gelu_slope(x, which, extras):
    """x times the derivative of gelu at what was kept."""
    y = tile.cast(tile.load(extras[which], (0, 0), x.shape), x.dtype)
    y = tile.maximum(tile.minimum(y, 20.0), -20.0)
    s = tile.sigmoid(y * tile.fma(0.0713548162726 * y, y, 1.5957691216057308))
    u = y * tile.fma(0.2140644488178 * y, y, 1.5957691216057308)
    return x * tile.fma(u * s, 1 - s, s)


def add_extra(x, which, extras):
    """x plus one of the extra matrices."""
    return x + tile.cast(tile.load(extras[which], (0, 0), x.shape), x.dtype)


def call_step(x, function, extras):
    return function(x)


def apply(x, steps, extras):
    """A user's epilogue: steps is (how, what, further steps), or None behind the last."""
    return x if steps is None else apply(steps[0](x, steps[1], extras), steps[2], extras)


def put(d, out, offset):
    tile.store(d, (0, 0), out)


def stored(x, dtype):
    """x, of a wider type: 8-bit numbers end at the largest finite one, bytes are rounded."""
    if dtype == tile.i8 and x.dtype.kind == "f":
        out = tile.cast(tile.minimum(tile.maximum(tile.rint(x), -128.0), 127.0), dtype)
    elif dtype.storage and dtype.bits == 8:
        out = tile.saturate(x, dtype)
    else:
        out = tile.cast(x, dtype)
    return out


def epilogue_scale(
    c, d, acc, alpha, beta, bias, add_bias, activation, steps, extras, put=put, offset=0,
    numbers=number, add_c=add_c,
):  # fmt: skip
    """d = act(alpha acc + beta c + bias), and further steps. offset: how many rows its first
    element is below the diagonal; numbers: reads what alpha, or beta, is for each row."""
    alpha = numbers(alpha, acc.shape)
    out = add_c(alpha * tile.cast(acc, alpha.dtype), beta, c, numbers)
    out = apply(activation(add_bias(out, bias)), steps, extras)
    put(d, stored(out, d.dtype), offset)


@tile.kernel
def gemm(
    a,
    b,
    c,
    d,
    alpha,
    beta,
    bias,
    BM: int,
    BN: int,
    BK: int,
    MR: int,
    NR: int,
    sums=None,
    chunks=chunks,
    load_a=row_chunk,
    load_b=column_chunk,
    tile_order=tile_order,
    epilogue=epilogue_scale,
    add_bias=no_bias,
    activation=identity,
    steps=None,
    places=None,
    extra0=None,
    extra1=None,
    extra2=None,
    extra3=None,
    sweep=sweep,
    put=put,
    form=None,
    numbers=number,
    add_c=add_c,
    vectors=0,
):
    first, last = band(a.shape[0], tile.npid(2), tile.pid(2), 1)
    for z in range(first, min(last, a.shape[0])):
        az, bz, cz, dz = a[z], b[z], c[z], d[z]
        (top, bottom), (left, right) = tile_order(dz, z, a.shape[0], MR, NR)
        c_band, d_band = cz[top:bottom, left:right], dz[top:bottom, left:right]
        bias_band = bias[z][top:bottom, left:right]
        acc = tile.full((BM, BN), 0, d.dtype if sums is None else sums)
        ends, blocks = ((top, bottom), (left, right)), (BM, BN, BK)
        acc = sweep(az, bz, acc, ends, blocks, chunks, load_a, load_b, places, form)
        extras = (
            None if extra0 is None else extra0[z][top:bottom, left:right],
            None if extra1 is None else extra1[z][top:bottom, left:right],
            None if extra2 is None else extra2[z][top:bottom, left:right],
            None if extra3 is None else extra3[z][top:bottom, left:right],
        )
        epilogue(
            c_band,
            d_band,
            acc,
            alpha[z][top:bottom, left:right] if vectors > 0 else alpha,
            beta[z][top:bottom, left:right] if vectors > 1 else beta,
            bias_band,
            add_bias,
            activation,
            steps,
            extras,
            put,
            top - left,
            numbers,
            add_c,
        )


@tile.kernel
def combine(a, b, c, d, alpha, beta, bias, BM: int, BN: int, sums, add_bias, activation, steps):
    """What is left of a product whose k was split: a[i] are the sums over its parts."""
    (top, bottom), (left, right) = tile_order(d[0], 0, 1, 1, 1)
    acc = tile.full((BM, BN), 0, sums)
    for i in range(a.shape[0]):
        acc = acc + tile.load(a[i][top:bottom, left:right], (0, 0), (BM, BN))
    c_band, d_band = c[0][top:bottom, left:right], d[0][top:bottom, left:right]
    bias_band = bias[0][top:bottom, left:right]
    epilogue_scale(c_band, d_band, acc, alpha, beta, bias_band, add_bias, activation, steps, ())


def reference(a, b, c, alpha, beta):
    """The same in float64, without bias and activation; a [z, m, k], b [z, k, n], c [z, m, n]."""
    wide = "c16" if a.dtype.kind == "c" else "f8"
    product = alpha * (a.astype(wide) @ b.astype(wide))
    return product if beta == 0 else product + beta * c.astype(wide)


# ---- planner -------------------------------------------------------------------------------------
#
# spec: operation; dtypes of a (and b; 16 times b's, if another), of c and d, of alpha and beta;
#       layouts of a, b, c, d (1: rows, 2: columns side by side, 0: neither); bucket; conjugates;
#       activation, 16 times the layout of what it keeps; bias, 4 times how many of alpha and beta
#       are vectors, 16 times where they lie, as bias; pointers; the form of a or b, and of d (see
#       triangle.py)
# args: batch m n k | a: pointer, strides of batch, rows, columns | b | c | d
#       | alpha, beta: real and imaginary part, or pointer, stride of batch
#       | bias: pointer, stride of batch | extra matrices

_CODES = "f32 f64 f16 bf16 i8 i32 c64 c128 i64 e4m3 e5m2".split()  # as in opencu.h
DTYPES = {code: getattr(tile, name) for code, name in enumerate(_CODES, 1)}
BUCKETS = {0: "packed", 1: "small", 2: "rows", 3: "dots", 4: "vector", 5: "tall8", 6: "tall16"}
SUM = 7  # the bucket of combine
BIAS = {0: no_bias, 1: row_bias, 2: column_bias}
ACTIVATIONS = {0: identity, 1: relu, 2: tile.gelu_tanh, 3: identity, 4: identity}
KEPT = {3: (keep, 0, (call_step, tile.gelu_tanh, None)), 4: (gelu_slope, 0, None)}  # as steps
NUMBERS = {0: number, 1: row_numbers, 2: column_numbers}
N_ARGS = 26
LAUNCH_NS = 20_000  # matrices of a batch share a program up to about this time


def view_type(dtype: tile.DType, layout: int, pointers: bool = False) -> tile.View:
    """layout: see above; of extra matrices also 4: rows, 8: columns are all the same."""
    rows = {1: 1, 4: 0}.get(layout & 5)
    columns = {2: 1, 8: 0}.get(layout & 10)
    return tile.View(dtype, (1 if pointers else None, rows, columns), pointers)


def _steps(direction: int) -> tuple[int, int]:
    """The strides of a number for each row (1) or column (2)."""
    return int(direction == 1), int(direction == 2)


def plan(
    spec: bytes, target: Target, steps: tuple | None = None, extras: tuple[int, ...] = ()
) -> Plan:
    """The plan of a gemm class; `steps` are a user's, `extras` the layouts of what they read."""
    _, ab, c, scale, *layouts, bucket, conj, activation, bias, pointers = spec[:13]
    form, d_form = spec[13:15]
    if activation & 15 in KEPT:
        steps, extras = KEPT[activation & 15], (activation >> 4,)
    bias, vectors, along = bias & 3, bias >> 2 & 3, bias >> 4
    factor, other, out, scalar = (DTYPES[d] for d in (ab & 15, ab >> 4 or ab, c, scale))
    sums = factor.sums
    kinds = (factor, other, out, out)
    types = {
        **{x: view_type(d, at, bool(pointers)) for x, d, at in zip("abcd", kinds, layouts)},
        "alpha": tile.Scalar(scalar),
        "beta": tile.Scalar(scalar),
        **dict.fromkeys(("alpha", "beta")[:vectors], tile.View(scalar, (None, *_steps(along)))),
        "bias": tile.View(out, (None, *_steps(bias))),
        **{f"extra{i}": view_type(out, layout) for i, layout in enumerate(extras)},
    }
    consts: dict = dict(add_bias=BIAS[bias], steps=steps, sums=sums)
    consts["activation"] = ACTIVATIONS[activation & 15]
    slots = Slots(N_ARGS + 4 * len(extras))
    arg = slots.arg
    batch, m, n, k = (arg(i) for i in range(4))
    shapes = {4: (batch, m, k), 8: (batch, k, n), 12: (batch, m, n), 16: (batch, m, n)}
    if bucket == SUM:
        lanes = max(8 * target.vector_bytes // sums.part.bytes, target.threads)
        consts |= dict(BM=1, BN=lanes)
        code = compile(combine.trace(types, consts), target)
        shapes[4] = shapes[8] = (k, m, n)
        grid, cost = (m, n.cdiv(lanes), slots.const(1)), m * n * k // lanes + 50
    else:
        # Elements from either side of a diagonal, vectors and further matrices take memory that a
        # work-group has little of.
        group = target.kind == "simt" and (form or d_form or vectors or extras)
        name = "small" if group else BUCKETS[bucket]
        tiles = gemm_tiles(target, factor, sums, name, layouts[1])
        blocks = tiles.blocks
        consts |= dict(BM=tiles.bm, BN=tiles.bn, BK=tiles.bk, MR=blocks.mr, NR=blocks.nr)
        consts |= dict(vectors=vectors, numbers=NUMBERS[along])
        if vectors > 1:
            consts["add_c"] = add_scaled_c
        if conj & 1:
            consts["load_a"] = conjugate_row_chunk
        if conj & 2:
            consts["load_b"] = conjugate_column_chunk
        if form or d_form:
            from opencu.blas.kernels import triangle

            consts |= triangle.hooks(form, d_form)
        code = compile(gemm.trace(types, consts), target, blocks)
        # The largest bands, a multiple of the threads' number; of a part of d, of which programs
        # have unequal shares, several threads take smaller ones.
        threads = slots.threads()
        halves = (slots.const(2) // threads).max(1) if form or d_form else slots.const(2)
        rows = m.cdiv(halves * (tiles.bm // 2)).align(threads.min(m.cdiv(blocks.mr)))
        columns = n.cdiv(halves * (tiles.bn // 2))
        if tiles.bm <= 16:  # one band of rows
            columns = columns.align(threads.min(n.cdiv(blocks.nr)))
        each = m * n * k // tiles.speed + 50
        grid = (rows, columns, batch.cdiv((slots.const(LAUNCH_NS) // each).max(1)))
        whole = (m.cdiv(tiles.bm), n.cdiv(tiles.bn), batch)
        if target.kind == "simt":
            grid = whole
        cost = batch * each
        if form or d_form:
            grid, batch = triangle.grid(form, grid, whole, threads)
            shapes = {at: (batch, *shape[1:]) for at, shape in shapes.items()}
    params = [*grid]
    for at, shape in shapes.items():
        step = slots.const(1) if pointers else arg(at + 1)
        params += [arg(at), *shape, step, arg(at + 2), arg(at + 3)]

    def numbers(at: int, direction: int) -> list:
        return [arg(at), batch, m, n, arg(at + 1), *(slots.const(s) for s in _steps(direction))]

    for i, at in enumerate((20, 22)):
        parts = range(2 if scalar.kind == "c" else 1)
        params += numbers(at, along) if i < vectors else [arg(at + part) for part in parts]
    params += numbers(24, bias)
    for at in range(N_ARGS, N_ARGS + 4 * len(extras), 4):
        params += [arg(at), batch, m, n, arg(at + 1), arg(at + 2), arg(at + 3)]
    return Plan(slots, [Launch(code, grid[0] * grid[1] * grid[2], cost, params)])


def packed_specs() -> list[bytes]:
    """The classes that a vendor's gemm calls use: every transpose, d contiguous along an axis; in
    rows, but where one side is short in either (runtime/core/gemm.c)."""
    kinds = [(1, 1, 1), (2, 2, 2), (3, 3, 1), (4, 4, 1), (7, 7, 7), (8, 8, 8)]
    either, bucket = (1, 2), {name: code for code, name in BUCKETS.items()}
    specs = [(*kind, a, b, 2, 2, 0) for kind in kinds for a in either for b in either]
    for kind in kinds[:2]:
        for name in ("small", "rows"):
            specs += [(*kind, a, b, 2, 2, bucket[name]) for a in either for b in either]
        specs += [(*kind, 2, 1, d, d, bucket[x]) for x in ("dots", "vector") for d in either]
        specs += [(*kind, 2, 2, d, d, SUM) for d in either]
        specs += [(*kind, a, 2, d, d, bucket["vector"]) for a in either for d in either]
    specs += [(*kinds[0], 2, 1, d, d, bucket[x]) for x in ("tall8", "tall16") for d in either]
    return [bytes([1, *spec]).ljust(16, b"\0") for spec in specs]
