"""Register-blocked nests against float64, on every target that this machine can run."""

import numpy as np
import pytest
from execute import AVX2, AVX512, SPIRV, SSE2, WIDE, ZEN4, fenced, marked, run, runnable
from hypothesis import given, settings
from hypothesis import strategies as st

from opencu import tile
from opencu.blas.kernels.gemm import gemm, reference
from opencu.compiler import Blocks, compile, llvm, vector
from opencu.drivers.cpu import TARGETS
from opencu.tile import KernelError
from opencu.tile.ops import WHERE

targets = pytest.mark.parametrize("target", marked())
RNG = np.random.default_rng(3)
# Per target and dtype: the register block of its tile table.
SHAPES = {
    SSE2: {"f4": (4, 8), "f8": (4, 4)},
    AVX2: {"f4": (6, 16), "f8": (6, 8)},
    WIDE: {"f4": (12, 32), "f8": (8, 24)},
    AVX512: {"f4": (12, 32), "f8": (8, 24)},
    ZEN4: {"f4": (12, 32), "f8": (8, 24)},
    SPIRV: {"f4": (4, 4), "f8": (3, 2)},
}


def operand(rows: int, columns: int, layout: str, dtype: str) -> np.ndarray:
    """A random matrix with its rows, its columns or neither contiguous, at the end of memory."""
    x = RNG.standard_normal((1, rows, columns)).astype(dtype)
    if layout == "columns":
        x = np.ascontiguousarray(x.transpose(0, 2, 1)).transpose(0, 2, 1)
    if layout == "reversed":
        x = np.ascontiguousarray(x[:, ::-1, ::-1])[:, ::-1, ::-1]
    return fenced(x)


def close(ours, want, k, dtype):
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(ours, want, rtol=0, atol=8 * eps * max(k, 1) ** 0.5 * 6)


def check_gemm(target, dtype, m, n, k, layouts, packed, beta, BK=32):
    mr, nr = SHAPES[target][dtype]
    BM, BN = 4 * mr, 3 * nr
    if target is SPIRV:  # a work-group does not pack: compiled once
        packed = PACKED[0]
    blocks = Blocks(mr, nr, mc=24 // mr * mr or mr, pack_a=packed[0], pack_b=packed[1])
    a, b, c = (
        operand(*shape, layout, dtype) for shape, layout in zip(((m, k), (k, n), (m, n)), layouts)
    )
    if beta == 0:
        c[...] = np.nan
    want = reference(a, b, c, 1.5, beta)
    scalar = np.dtype(dtype).type
    grid = (max(-(-m // BM), 1), max(-(-n // BN), 1), 1)
    run(
        gemm,
        target,
        grid,
        [a, b, c, c, scalar(1.5), scalar(beta), np.zeros((1, 1, 1), dtype)],
        blocks,
        BM=BM,
        BN=BN,
        BK=BK,
        MR=mr,
        NR=nr,
    )
    close(c, want, k, dtype)


LAYOUTS = [("rows",) * 3, ("columns", "columns", "rows"), ("rows", "columns", "reversed")]
PACKED = [(False, True), (False, False), (True, True)]


def gemms():
    """Each layout and each packing once, quick, and those in f8; slow, each with each in f4: not on
    WIDE and SSE2, whose code for them is AVX2's with register blocks of the first."""
    slow = [pytest.mark.slow]
    for target in marked():
        for i, layouts in enumerate(LAYOUTS):
            for j, packed in enumerate(PACKED):
                case = (*target.values, layouts, packed)
                if i == j or target.values[0] in (AVX2, SPIRV):
                    yield pytest.param(*case, "f4", marks=target.marks if i == j else slow)
                if i == j:
                    yield pytest.param(*case, "f8", marks=slow)


@pytest.mark.parametrize(("target", "layouts", "packed", "dtype"), list(gemms()), ids=str)
def test_gemm_equals_the_reference(target, dtype, packed, layouts):
    for m, n, k in [(4, 4, 4), (36, 64, 32), (1, 1, 1), (97, 131, 61), (7, 3, 0), (13, 70, 96)]:
        for beta in (0, 0.5):
            check_gemm(target, dtype, m, n, k, layouts, packed, beta)


@pytest.mark.slow
@given(
    m=st.integers(0, 80),
    n=st.integers(0, 140),
    k=st.integers(0, 100),
    target=st.sampled_from(runnable()),
    dtype=st.sampled_from(["f4", "f8"]),
    layouts=st.tuples(*[st.sampled_from(["rows", "columns", "reversed"])] * 2),
    packed=st.sampled_from(PACKED),
    beta=st.sampled_from([0, 1, -0.5]),
)
@settings(max_examples=25, deadline=None)
def test_gemm_equals_the_reference_for_any_size(m, n, k, target, dtype, layouts, packed, beta):
    check_gemm(target, dtype, m, n, k, (*layouts, "rows"), packed, beta)


@tile.kernel
def one_dot(a, b, c, M: int, N: int, K: int):
    acc = tile.load(c, (0, 0), (M, N))
    acc = tile.dot(tile.load(a, (0, 0), (M, K)), tile.load(b, (0, 0), (K, N)), acc)
    tile.store(c, (0, 0), acc)


@targets
def test_a_dot_without_a_loop_starts_from_its_accumulator(target):
    a, b, c = (operand(*s, "rows", "f4") for s in ((9, 20), (20, 40), (9, 40)))
    want = c + a.astype("f8") @ b
    run(one_dot, target, (1,), [a[0], b[0], c[0]], Blocks(*SHAPES[target]["f4"]), M=12, N=64, K=24)
    close(c, want, 20, "f4")


@tile.kernel
def tiled_dot(a, b, c, M: int, N: int, K: int):
    i, j = tile.pid(0), tile.pid(1)
    acc = tile.full((M, N), 0, a.dtype)
    for k in range(tile.cdiv(a.shape[1], K)):
        acc = tile.dot(tile.load(a, (i, k), (M, K)), tile.load(b, (k, j), (K, N)), acc)
    tile.store(c, (i, j), acc)


@targets
@pytest.mark.parametrize("packed", [True, False])
def test_tiles_need_not_be_whole_register_blocks(target, packed):
    a, b, c = (operand(*s, "rows", "f8") for s in ((30, 21), (21, 45), (30, 45)))
    blocks = Blocks(*SHAPES[target]["f8"], pack_a=packed, pack_b=packed)
    run(tiled_dot, target, (5, 3), [a[0], b[0], c[0]], blocks, M=7, N=17, K=5)
    close(c, a @ b, 21, "f8")


@tile.kernel
def sided(a, b, c, M: int, N: int, K: int, where: str, offset: int):
    acc = tile.full((M, N), 0, a.dtype)
    for k in range(tile.cdiv(a.shape[1], K)):
        by = offset - k * K if "k" in where else offset
        a_tile, b_tile = tile.load(a, (0, k), (M, K)), tile.load(b, (k, 0), (K, N))
        acc = tile.dot(a_tile, b_tile, acc, where, by)
    tile.store(c, (0, 0), acc)


@targets
@pytest.mark.parametrize("where", WHERE[1:])
def test_what_need_not_be_computed_may_be_left_out(target, where):
    m, n, k = 37, 41, 53
    a, b, c = (operand(*s, "rows", "f8")[0] for s in ((m, k), (k, n), (m, n)))
    first, second = where[0], where[3]
    for offset in (-70, -5, 0, 9, 70):
        rows, columns = {"ji": (m, n), "ki": (m, k), "kj": (k, n)}[first + second]
        at = np.indices((rows, columns))
        x, y = (at[1], at[0]) if second == "i" else (at[0], at[1])
        kept = x <= y + offset if "<" in where else x >= y + offset
        a0, b0 = a * kept if first + second == "ki" else a, b * kept if second == "j" else b
        want = a0 @ b0
        # Where all or nothing is left out, packing makes no difference.
        for packed in PACKED if target is not SPIRV and abs(offset) < 70 else PACKED[:1]:
            blocks = Blocks(*SHAPES[target]["f8"], pack_a=packed[0], pack_b=packed[1])
            c[...] = np.nan
            args = [fenced(a0), fenced(b0), c]
            run(sided, target, (1,), args, blocks, M=40, N=48, K=16, where=where, offset=offset)
            some = kept if first == "j" else np.ones((m, n), bool)
            close(c[some], want[some], k, "f8")


@tile.kernel
def two_uses(a, b, c, d, M: int, N: int, K: int):
    """The accumulator goes to two places, so it cannot be fused into either."""
    acc = tile.full((M, N), 0, a.dtype)
    for k in range(tile.cdiv(a.shape[1], K)):
        acc = tile.dot(tile.load(a, (0, k), (M, K)), tile.load(b, (k, 0), (K, N)), acc)
    tile.store(c, (0, 0), acc)
    tile.store(d, (0, 0), acc * acc)


@targets
def test_an_accumulator_with_two_uses_goes_through_memory(target):
    a, b, c, d = (operand(*s, "rows", "f8") for s in ((9, 50), (50, 30), (9, 30), (9, 30)))
    run(
        two_uses,
        target,
        (1,),
        [a[0], b[0], c[0], d[0]],
        Blocks(*SHAPES[target]["f8"]),
        M=12,
        N=32,
        K=16,
    )
    close(c, a @ b, 50, "f8")
    np.testing.assert_array_equal(d, c * c)


@tile.kernel
def hooked(a, b, bias, c, M: int, N: int, K: int):
    """Load hooks with a value that is not zero out of bounds, and a broadcast in the epilogue."""
    acc = tile.full((M, N), 0, a.dtype)
    for k in range(tile.cdiv(a.shape[1], K)):
        x = tile.load(a, (0, k), (M, K))
        inside = tile.iota((M, K), 1) + k * K < a.shape[1]
        acc = tile.dot(tile.select(inside, x * x + 1.0, 0.0), -tile.load(b, (k, 0), (K, N)), acc)
    acc = tile.maximum(acc + tile.load(bias, (0, 0), (1, N)), 0.0)
    tile.store(c, (0, 0), acc)


@targets
@pytest.mark.parametrize("packed", [True, False])
def test_load_hooks_and_epilogues_are_fused(target, packed):
    shapes = ((9, 50), (50, 30), (1, 30), (9, 30))
    a, b, bias, c = (operand(*s, "rows", "f8") for s in shapes)
    blocks = Blocks(*SHAPES[target]["f8"], pack_a=packed, pack_b=packed)
    run(hooked, target, (1,), [x[0] for x in (a, b, bias, c)], blocks, M=12, N=40, K=16)
    close(c, np.maximum((a * a + 1) @ -b + bias, 0), 150, "f8")


def test_a_dot_without_register_blocks_is_refused_with_its_place():
    view = tile.View(tile.f32, (None, 1))
    function = one_dot.trace(dict.fromkeys("abc", view), dict(M=8, N=8, K=8))
    with pytest.raises(KernelError, match=r"test_dot.py:\d+: this launch has no register blocks"):
        compile(function, AVX2)


def assembly(target, dtype) -> str:
    """The code of the packed gemm class as the tile table has it."""
    from opencu.blas.kernels.tiles import GEMM

    tiles = GEMM[target.name][dtype.name, "packed"]
    rows = tile.View(dtype, (None, None, 1))
    scalar = tile.Scalar(dtype)
    types = dict(a=rows, b=rows, c=rows, d=rows, alpha=scalar, beta=scalar, bias=rows)
    consts = dict(BM=tiles.bm, BN=tiles.bn, BK=tiles.bk, MR=tiles.blocks.mr, NR=tiles.blocks.nr)
    lowered = vector.lower(gemm.trace(types, consts), target, tiles.blocks)
    return llvm.emit(llvm.optimise(lowered.text, target), target, assembly=True)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("dtype", [tile.f32, tile.f64], ids=str)
def test_the_main_loop_of_gemm_is_fma_only_and_spills_nothing(target, dtype):
    from opencu.blas.kernels.tiles import GEMM

    blocks = GEMM[target.name][dtype.name, "packed"].blocks
    lanes = target.vector_bytes // dtype.bytes
    multiply = "mulps" if dtype == tile.f32 else "mulpd"
    fma = multiply if target is SSE2 else "vfmadd"
    wanted = blocks.unroll * blocks.mr * blocks.nr // lanes
    loops = assembly(target, dtype).split(".LBB")
    main = [part for part in loops if part.count(fma) == wanted]
    assert len(main) == 1
    assert not [line for line in main[0].splitlines() if "%rsp" in line and "mm" in line]


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize(
    ("codes", "count"),
    [((7, 7, 7), 4), ((8, 8, 8), 4), ((5, 6, 6), 1), ((4, 4, 1), 1)],
    ids=["c64", "c128", "i8", "bf16"],
)
def test_the_main_loops_of_other_dtypes_spill_nothing(target, codes, count, monkeypatch):
    from opencu.blas.kernels import gemm as kernels
    from opencu.blas.kernels.tiles import gemm_tiles

    found = {}

    def assemble(function, target, blocks):
        lowered = vector.lower(function, target, blocks)
        module = llvm.optimise(lowered.text, target)
        found["text"] = llvm.emit(module, target, assembly=True)
        raise StopIteration

    monkeypatch.setattr(kernels, "compile", assemble)
    with pytest.raises(StopIteration):
        kernels.plan(bytes([1, *codes, 2, 2, 2, 2]).ljust(16, b"\0"), target)
    dtype = kernels.DTYPES[codes[0]]
    sums = dtype.sums
    blocks = gemm_tiles(target, dtype, sums, "packed", 2).blocks
    lanes = target.vector_bytes // sums.part.bytes
    multiply = "mul" if target is SSE2 else "vfmadd", "vfnmadd", "pmaddwd", "vpdpbusd", "vdpbf16ps"
    wanted = blocks.unroll * count * blocks.mr * blocks.nr // lanes
    loops = found["text"].split(".LBB")
    main = [x for x in loops if sum(x.count(m) for m in multiply) >= wanted]
    assert main
    for loop in main[:1]:
        assert not [line for line in loop.splitlines() if "%rsp" in line and "mm" in line]


@tile.kernel
def in_place(x, b, M: int, N: int):
    acc = tile.full((M, N), 0, x.dtype)
    for k in range(1):
        acc = tile.dot(tile.load(x, (0, k), (M, N)), tile.load(b, (k, 0), (N, N)), acc)
    tile.store(x, (0, 0), acc)


@targets
@pytest.mark.parametrize("packed", [True, False])
def test_a_product_may_overwrite_its_operand(target, packed):
    x, b = (operand(32, 32, "rows", "f8") for _ in range(2))
    want = x @ b
    blocks = Blocks(*SHAPES[target]["f8"], pack_a=packed, pack_b=packed)
    run(in_place, target, (1,), [x[0], b[0]], blocks, M=32, N=32)
    close(x, want, 32, "f8")


@pytest.mark.parametrize("wrong", [{"mr": 0}, {"nr": -8}, {"unroll": 0}, {"mc": 6}])
def test_register_blocks_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="expected mr, nr, unroll >= 1 and mc a multiple of mr"):
        Blocks(**{"mr": 4, "nr": 16, **wrong})


@pytest.mark.parametrize("wrong", [{"mr": "4"}, {"nr": 16.0}, {"mc": None}, {"pack_a": 2}])
def test_register_blocks_of_other_types_are_refused(wrong):
    with pytest.raises(TypeError, match="expected integers, and pack_a and pack_b True or False"):
        Blocks(**{"mr": 4, "nr": 16, **wrong})
