"""Zen 4's instructions for bf16 and i8, by their definition where the processor has none.

The code of the target is lowered as ever; its calls of the two intrinsics then go to functions that
compute the same in plain IR, and its vectors are split for AVX2. So packing in groups of k, the
shift of a to unsigned and the loops over units run wherever the tests do.
"""

import dataclasses

import numpy as np
import pytest
from execute import WIDE, ZEN4, fenced, marked, run, runnable

from opencu import tile
from opencu.blas.kernels.gemm import gemm
from opencu.blas.kernels.tiles import gemm_tiles
from opencu.compiler import Blocks, llvm
from opencu.tile import dtypes

RNG = np.random.default_rng(11)
BLOCKS = Blocks(12, 32, 12)
EVERY = {n: ", ".join(f"i32 {i}" for i in range(n, 64, 4)) for n in range(4)}
PAIRS = {n: ", ".join(f"i32 {i}" for i in range(n, 32, 2)) for n in range(2)}


def take(n: int, vector: str, t: str, lanes: int, pick: dict) -> str:
    return (
        f"%{vector}{n} = shufflevector <{lanes} x {t}> %{vector}, <{lanes} x {t}> poison, "
        f"<16 x i32> <{pick[n]}>\n"
    )


def vpdpbusd() -> str:
    """sums + the products of four unsigned bytes with four signed ones."""
    text = (
        "define internal <16 x i32> @vpdpbusd(<16 x i32> %sums0, <64 x i8> %a, <64 x i8> %b) #0 {\n"
    )
    for n in range(4):
        text += take(n, "a", "i8", 64, EVERY) + take(n, "b", "i8", 64, EVERY)
        text += f"%u{n} = zext <16 x i8> %a{n} to <16 x i32>\n"
        text += f"%s{n} = sext <16 x i8> %b{n} to <16 x i32>\n"
        text += f"%p{n} = mul <16 x i32> %u{n}, %s{n}\n"
        text += f"%sums{n + 1} = add <16 x i32> %sums{n}, %p{n}\n"
    return text + "ret <16 x i32> %sums4\n}\n"


def dpbf16ps(element: str) -> str:
    """sums + the products of two pairs of bf16."""
    pair = f"<32 x {element}> %a.in, <32 x {element}> %b.in"
    text = f"define internal <16 x float> @dpbf16ps(<16 x float> %sums0, {pair}) #0 {{\n"
    for x in "ab":
        text += f"%{x} = bitcast <32 x {element}> %{x}.in to <32 x i16>\n"
    for n in range(2):
        for x in "ab":
            text += take(n, x, "i16", 32, PAIRS)
            text += f"%w{x}{n} = zext <16 x i16> %{x}{n} to <16 x i32>\n"
            text += f"%h{x}{n} = shl <16 x i32> %w{x}{n}, splat (i32 16)\n"
            text += f"%f{x}{n} = bitcast <16 x i32> %h{x}{n} to <16 x float>\n"
        text += f"%p{n} = fmul <16 x float> %fa{n}, %fb{n}\n"
        text += f"%sums{n + 1} = fadd <16 x float> %sums{n}, %p{n}\n"
    return text + "ret <16 x float> %sums2\n}\n"


@pytest.fixture
def emulated(monkeypatch):
    """A target that lowers as Zen 4's and is emitted for AVX2; the names that were replaced."""
    seen = set()
    optimise, emit = llvm.optimise, llvm.emit

    def replace(text: str, target):
        for name, function in (
            ("x86.avx512.vpdpbusd.512", vpdpbusd()),
            ("x86.avx512bf16.dpbf16ps.512", dpbf16ps("i16" if "<32 x i16>)" in text else "bfloat")),
        ):
            if f"@llvm.{name}(" in text:
                seen.add(name)
                kept = [x for x in text.splitlines() if not (name in x and "declare" in x)]
                text = "\n".join(kept).replace(f"@llvm.{name}", f"@{name.split('.')[-2]}")
                text = text.replace("attributes #0", function + "attributes #0")
        text = text.replace(ZEN4.features, WIDE.features).replace(ZEN4.cpu, WIDE.cpu)
        return optimise(text, WIDE)

    monkeypatch.setattr(llvm, "optimise", replace)
    monkeypatch.setattr(llvm, "emit", lambda module, target, **how: emit(module, WIDE, **how))
    # A name of its own: code that is kept under it is not met by other tests.
    return dataclasses.replace(ZEN4, name="zen4 by definition"), seen


def matrix(rows: int, columns: int, by_columns: bool, dtype: str) -> np.ndarray:
    x = RNG.standard_normal((rows, columns))
    if dtype == "i8":
        x = RNG.integers(-128, 128, (rows, columns)).astype("i1")
    elif dtype[0] == "c":
        x = (x + 1j * RNG.standard_normal((rows, columns))).astype(getattr(tile, dtype).numpy)
    else:
        x = dtypes.narrow(x.astype("f4"), getattr(tile, dtype))
    x = np.asfortranarray(x) if by_columns else np.ascontiguousarray(x)
    return fenced(x[None])


def value(x: np.ndarray) -> np.ndarray:
    x = dtypes.widen(x, tile.bf16) if x.dtype == np.uint16 else x
    return x.astype("c16" if x.dtype.kind == "c" else "f8")


def check(target, dtype, m, n, k, a_columns, b_columns, blocks=BLOCKS) -> None:
    a, b = matrix(m, k, a_columns, dtype), matrix(k, n, b_columns, dtype)
    sums = getattr(tile, dtype).sums
    number = sums.numpy.type
    c = fenced(np.full((1, m, n), -1, number))
    sizes = dict(BM=2 * blocks.mr, BN=2 * blocks.nr, BK=64, MR=blocks.mr, NR=blocks.nr, sums=sums)
    grid = (-(-m // (2 * blocks.mr)), -(-n // (2 * blocks.nr)), 1)
    scalars = [number(1), number(0), np.zeros((1, 1, 1), number)]
    run(gemm, target, grid, [a, b, c, c, *scalars], blocks, **sizes)
    want, size = value(a) @ value(b), abs(value(a)) @ abs(value(b))
    eps = (
        0 if dtype == "i8" else 2.0 ** (-51 if dtype == "c128" else -22 if dtype[0] == "c" else -24)
    )
    assert (abs(c - want) <= (k + 2) * eps * size).all()


@pytest.mark.slow
@pytest.mark.parametrize("target", marked())
@pytest.mark.parametrize("dtype", ["i8", "f16", "bf16", "c64", "c128"])
def test_every_target_multiplies_every_dtype(target, dtype):
    element = getattr(tile, dtype)
    sums = getattr(tile, dtype).sums
    table = dataclasses.replace(target, name="x86-64-avx512") if target is WIDE else target
    blocks = gemm_tiles(table, element, sums, "packed", 2).blocks
    blocks = dataclasses.replace(blocks, mc=blocks.mr)
    for m, n, k in SIZES:
        check(target, dtype, m, n, k, m % 2 == 0, n % 2 == 0, blocks)


SIZES = [(1, 1, 1), (13, 33, 5), (24, 64, 64), (25, 70, 131), (12, 32, 3), (7, 100, 66)]


@pytest.mark.skipif(WIDE not in runnable(), reason="needs AVX2")
@pytest.mark.parametrize("a_columns", [False, True])
@pytest.mark.parametrize("b_columns", [False, True])
@pytest.mark.parametrize(("dtype", "name"), [("i8", "vpdpbusd"), ("bf16", "dpbf16ps")])
def test_zen_4_multiplies_groups_of_k_as_defined(emulated, dtype, name, a_columns, b_columns):
    target, seen = emulated
    for m, n, k in SIZES:
        check(target, dtype, m, n, k, a_columns, b_columns)
    assert {x.split(".")[-2] for x in seen} == {name}


@pytest.mark.skipif(
    ZEN4 not in runnable(), reason="the processor has no AVX-512 with bf16 and VNNI"
)
@pytest.mark.parametrize("dtype", ["i8", "bf16"])
def test_zen_4_multiplies_groups_of_k(dtype):
    for m, n, k in SIZES:
        check(ZEN4, dtype, m, n, k, False, False)
