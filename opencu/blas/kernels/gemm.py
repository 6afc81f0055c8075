"""GEMM: d[z] = act(alpha a[z] b[z] + beta c[z] + bias[z]) for every matrix z of a batch.

          n                 A program makes one band of rows by one band of columns of d.
        +---+---+           Bands are equally wide, multiples of the register block, at most
      k | b |   |           BM x BN. Inside, acc[BM, BN] grows over k in steps of BK; beyond the
    k   +---+---+           edges loads give zero and stores write nothing.
  +---+ +---+---+
m | a | | d |   |
  +---+ +---+---+           Hooks: load_a, load_b, tile_order, epilogue.
  |   | |   |   |
  +---+ +---+---+
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


def tile_order(d, MR: int, NR: int):
    """This program's rows and columns of d: grid axis 0 runs down the rows."""
    m, n = d.shape
    return (band(m, tile.npid(0), tile.pid(0), MR), band(n, tile.npid(1), tile.pid(1), NR))


def identity(x):
    return x


def relu(x):
    return tile.maximum(x, 0.0)


def no_bias(x, bias):
    return x


def row_bias(x, bias):
    """A number for each row: bias is a column."""
    return x + tile.load(bias, (0, 0), (x.shape[0], 1))


def column_bias(x, bias):
    return x + tile.load(bias, (0, 0), (1, x.shape[1]))


def epilogue_scale(c, d, acc, alpha, beta, bias, add_bias, activation):
    """d = act(alpha acc + beta c + bias); c is not read when beta is zero."""
    out = alpha * acc
    if beta != 0.0:
        out = tile.fma(beta, tile.load(c, (0, 0), acc.shape), out)
    tile.store(d, (0, 0), activation(add_bias(out, bias)))


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
    load_a=load_plain,
    load_b=load_plain,
    tile_order=tile_order,
    epilogue=epilogue_scale,
    add_bias=no_bias,
    activation=identity,
):
    z = tile.pid(2)
    az, bz, cz, dz = a[z], b[z], c[z], d[z]
    (top, bottom), (left, right) = tile_order(dz, MR, NR)
    a_band, b_band = az[top:bottom, :], bz[:, left:right]
    c_band, d_band = cz[top:bottom, left:right], dz[top:bottom, left:right]
    bias_band = bias[z][top:bottom, left:right]
    acc = tile.full((BM, BN), 0, d.dtype)
    for k in range(cdiv(az.shape[1], BK)):
        acc = tile.dot(load_a(a_band, 0, k, BM, BK), load_b(b_band, k, 0, BK, BN), acc)
    epilogue(c_band, d_band, acc, alpha, beta, bias_band, add_bias, activation)


def reference(a, b, c, alpha, beta):
    """The same in float64, without bias and activation; a [z, m, k], b [z, k, n], c [z, m, n]."""
    product = alpha * (a.astype("f8") @ b.astype("f8"))
    return product if beta == 0 else product + beta * c.astype("f8")


# ---- planner -------------------------------------------------------------------------------------
#
# spec: operation; dtypes of a and b, of c and d, of the sums; layouts of a, b, c, d (1: rows,
#       2: columns side by side, 0: neither); bucket; conjugates; activation; bias; pointers
# args: batch m n k | a: pointer, strides of batch, rows, columns | b | c | d
#       | alpha, beta: real and imaginary part | bias: pointer, stride of batch

DTYPES = {1: tile.f32, 2: tile.f64}
BUCKETS = {0: "packed", 1: "small", 2: "rows"}
BIAS = {0: no_bias, 1: row_bias, 2: column_bias}
ACTIVATIONS = {0: identity, 1: relu}


def view_type(dtype: tile.DType, layout: int) -> tile.View:
    return tile.View(dtype, (None, 1 if layout == 1 else None, 1 if layout == 2 else None))


def plan(spec: bytes, target: Target) -> Plan:
    """The plan of a gemm class."""
    _, ab, c, scale, *layouts, bucket, _, activation, bias, _ = spec[:13]
    dtype = DTYPES[ab]
    tiles = gemm_tiles(target.name, dtype.name, BUCKETS[bucket], b_layout=layouts[1])
    blocks = tiles.blocks
    bias_strides = (int(bias == 1), int(bias == 2))
    types = {
        **{x: view_type(DTYPES[d], at) for x, d, at in zip("abcd", (ab, ab, c, c), layouts)},
        "alpha": tile.Scalar(DTYPES[scale]),
        "beta": tile.Scalar(DTYPES[scale]),
        "bias": tile.View(DTYPES[c], (None, *bias_strides)),
    }
    consts = dict(BM=tiles.bm, BN=tiles.bn, BK=tiles.bk, MR=blocks.mr, NR=blocks.nr)
    consts |= dict(add_bias=BIAS[bias], activation=ACTIVATIONS[activation])
    code = compile(gemm.trace(types, consts), target, blocks)

    slots = Slots(26)
    arg = slots.arg
    batch, m, n, k = (arg(i) for i in range(4))
    # One thread takes the largest bands; several take smaller ones, a multiple of their number.
    threads = slots.threads()
    alone = threads < 2
    shrink = (alone + 1).min(2)  # 2 for one thread, else 1
    rows = m.cdiv(shrink * (tiles.bm // 2)).align(threads.min(m.cdiv(blocks.mr)))
    columns = n.cdiv(shrink * (tiles.bn // 2))
    cost = batch * m * n * k // tiles.speed
    params = [rows, columns, batch]
    for at, shape in ((4, (m, k)), (8, (k, n)), (12, (m, n)), (16, (m, n))):
        params += [arg(at), batch, *shape, arg(at + 1), arg(at + 2), arg(at + 3)]
    params += [arg(20), arg(22)]
    params += [arg(24), batch, m, n, arg(25), *(slots.const(s) for s in bias_strides)]
    return Plan(slots, [Launch(code, rows * columns * batch, cost, params)])


def packed_specs() -> list[bytes]:
    """The classes that a vendor's gemm calls use: every transpose, c contiguous along an axis."""
    return [
        bytes([1, d, d, d, a, b, 2, 2, bucket]).ljust(16, b"\0")
        for d in DTYPES
        for a in (1, 2)
        for b in (1, 2)
        for bucket in BUCKETS
    ]
