"""Tile sizes per target, dtype and size bucket. Data, tuned as each entry says; never searched.

    bm, bn, bk   elements of a program's tile: rows, columns, depth of a chunk of k
    blocks       mr x nr accumulators in registers; mc rows of a packed at once; unrolled k steps
    speed        multiply-adds a nanosecond on one thread, for the estimate of a call's time

Accumulators plus operands fill the registers: 16 vectors (AVX2, SSE) hold 6 x 2 accumulators, two
of b and one of a, or 4 x 2 where multiplying needs registers of its own (SSE2); 32 (AVX-512) hold
12 x 2 or 8 x 3. bk * nr elements of b stay in the first-level cache, mc * bk of a in the second,
bk * bn of b in the last.
"""

from dataclasses import dataclass, replace

from opencu.compiler import Blocks
from opencu.compiler.multiply import choose
from opencu.drivers.interface import Target
from opencu.tile import DType


@dataclass(frozen=True)
class Tiles:
    bm: int
    bn: int
    bk: int
    blocks: Blocks
    speed: int

    def __post_init__(self) -> None:
        if self.bm % self.blocks.mr or self.bn % self.blocks.nr:
            raise ValueError(f"{self}: a tile must be whole register blocks")


def gemm_tiles(target: Target, dtype: DType, sums: DType, bucket: str, b_layout: int) -> Tiles:
    """The entry for a class, from that of its sums: f32 for narrow types and c64, f64 for c128."""
    if target.kind == "simt":
        return _group(target.threads, sums, bucket)
    if dtype.storage and dtype.bits == 8 and bucket != "vector":
        bucket = "packed"  # converting each number once costs less than reading it where it lies
    base = "f64" if sums.part.bits == 64 else "f32"
    lanes = target.vector_bytes // sums.part.bytes
    tiles = _real(GEMM.get(target.name, GEMM["x86-64-sse2"]), base, lanes, bucket, b_layout)
    if sums.kind == "c":
        return _complex(tiles, lanes)
    if bucket.startswith("tall") and dtype != sums:  # converted once, while it is packed
        tiles = replace(tiles, bk=1024, blocks=replace(tiles.blocks, mc=48, pack_a=True))
    blocks = tiles.blocks
    if blocks.mr > 2 and blocks.along_k and dtype.name == "bf16":
        blocks = replace(blocks, nr=2)  # pairs of b need twice the registers
        tiles = replace(tiles, blocks=blocks)
    multiply = choose(target, dtype, sums, blocks.pack_a and blocks.pack_b)
    group = multiply.group
    if group > 1 and not multiply.adds:  # each product needs a register before it is added
        mr = max(blocks.mr * 2 // 3, 1)
        tiles = replace(tiles, blocks=replace(blocks, mr=mr, unroll=2))
    return replace(tiles, bk=tiles.bk * group, speed=tiles.speed * group)


def _real(table: dict, dtype: str, lanes: int, bucket: str, b_layout: int) -> Tiles:
    """b can be read where it lies by rows only if its columns are side by side."""
    if bucket == "vector" and b_layout == 2:
        rows = table[dtype, "rows"]
        return replace(rows, bm=2, bn=2 * rows.bn, blocks=replace(rows.blocks, mr=1))
    if bucket == "vector":  # one row, or two: sums enough to hide the latency of an addition
        dots = table[dtype, "dots"]
        return replace(dots, bm=2, blocks=replace(dots.blocks, mr=2, nr=4))
    if bucket.startswith("tall"):
        return _tall(table[dtype, "packed"], 8 if bucket == "tall8" else 16, lanes)
    if b_layout == 2 or bucket in ("packed", "dots"):
        return table[dtype, bucket]
    if bucket == "small":
        small = table[dtype, bucket]
        return replace(small, blocks=replace(small.blocks, pack_b=True))
    packed = table[dtype, "packed"]  # few rows: as packed, but for a
    return replace(packed, bm=16, blocks=replace(packed.blocks, mr=4, mc=0, pack_a=False))


def _tall(packed: Tiles, columns: int, lanes: int) -> Tiles:
    """At most 8 or 16 columns, and rows of a contiguous along k: a is read where it lies, once, a
    number on all lanes; all of b's columns are one panel, if they fit."""
    nr = max(min(columns, 2 * lanes), lanes)
    mr = min(packed.blocks.mr, 6)  # more rows' addresses do not stay in registers
    blocks = replace(packed.blocks, mr=mr, nr=nr, mc=0, pack_a=False)
    return replace(packed, bm=384, bn=-(-columns // nr) * nr, bk=4096, blocks=blocks)


def _complex(tiles: Tiles, lanes: int) -> Tiles:
    """Two planes of sums: one vector of columns in a block, half as many rows packed at once."""
    blocks = tiles.blocks
    if blocks.along_k:
        blocks = replace(blocks, mr=2, nr=2)
    else:
        mr = min(blocks.mr, 4) if not blocks.pack_a and blocks.unroll > 1 else blocks.mr
        blocks = replace(blocks, mr=mr, nr=lanes, mc=blocks.mc // 2 // mr * mr)
    return replace(tiles, blocks=blocks, speed=max(tiles.speed // 4, 1))


def _group(threads: int, sums: DType, bucket: str) -> Tiles:
    """For a work-group: wider sums, fewer of a thread."""
    down, mr, nr = GROUP[bucket]
    if sums.bytes >= 8:
        mr = max(mr // 2, 1)
    if sums.bytes == 16:
        nr = max(nr // 2, 1)
    return Tiles(down * mr, threads // down * nr, 16, Blocks(mr, nr), 1000)


def _table(f32: dict, f64: dict) -> dict:
    return {
        (d, bucket): t
        for d, buckets in (("f32", f32), ("f64", f64))
        for bucket, t in buckets.items()
    }


def _direct(mr: int, nr: int, bm: int, bn: int, speed: int) -> Tiles:
    """Nothing packed: for products that stay in the caches."""
    return Tiles(bm, bn, 256, Blocks(mr, nr, unroll=1, pack_a=False, pack_b=False), speed)


def _streamed(nr: int, bn: int, speed: int) -> Tiles:
    """Up to 16 rows, in bands of 8: b is read in long runs of a few rows each; the sums stay in the
    second-level cache."""
    return Tiles(8, bn, 8, Blocks(8, nr, unroll=8, pack_a=False, pack_b=False), speed)


def _dots(mr: int, nr: int, speed: int) -> Tiles:
    """Up to 16 rows, both operands contiguous along k: dot products, with lanes along k."""
    blocks = Blocks(mr, nr, unroll=1, pack_a=False, pack_b=False, along_k=True)
    return Tiles(16 // mr * mr, 252, 1 << 16, blocks, speed)


GEMM = {
    # Zen 3 (32 KiB, 512 KiB, 32 MiB of cache), 2026-11.
    "x86-64-avx2": _table(
        f32={
            "packed": Tiles(768, 1024, 384, Blocks(6, 16, 144), 45),
            "small": _direct(6, 16, 132, 128, 30),
            "rows": _streamed(8, 4096, 20),
            "dots": _dots(4, 3, 20),
        },
        f64={
            "packed": Tiles(768, 1024, 256, Blocks(6, 8, 72), 22),
            "small": _direct(6, 8, 132, 128, 16),
            "rows": _streamed(4, 2048, 10),
            "dots": _dots(4, 3, 10),
        },
    ),
    # Zen 4 (32 KiB, 1 MiB, 32 MiB), from the blocking that its best libraries use; not yet tuned.
    "x86-64-avx512": _table(
        f32={
            "packed": Tiles(960, 1152, 480, Blocks(12, 32, 240), 45),
            "small": _direct(12, 32, 132, 128, 30),
            "rows": _streamed(16, 4096, 20),
            "dots": _dots(4, 4, 20),
        },
        f64={
            "packed": Tiles(960, 1152, 480, Blocks(8, 24, 120, unroll=2), 22),
            "small": _direct(8, 24, 128, 144, 16),
            "rows": _streamed(8, 2048, 10),
            "dots": _dots(4, 4, 10),
        },
    ),
    # Any x86-64: half the width of AVX2, no fused multiply-add.
    "x86-64-sse2": _table(
        f32={
            "packed": Tiles(768, 512, 256, Blocks(4, 8, 144), 10),
            "small": _direct(4, 8, 128, 128, 5),
            "rows": _streamed(4, 4096, 5),
            "dots": _dots(2, 4, 5),
        },
        f64={
            "packed": Tiles(768, 512, 256, Blocks(4, 4, 72), 5),
            "small": _direct(4, 4, 128, 128, 3),
            "rows": _streamed(2, 2048, 3),
            "dots": _dots(2, 4, 3),
        },
    ),
}
# Work-groups, 2026-11, not yet tuned: threads that lie below each other in a tile, and the rows and
# columns of each.
GROUP = {
    "packed": (16, 8, 8),
    "small": (16, 4, 4),
    "rows": (4, 4, 4),
    "dots": (8, 2, 4),
    "vector": (2, 1, 1),
    "tall8": (64, 4, 2),
    "tall16": (64, 4, 4),
}
GEMM["x86-64-avx512bf16"] = GEMM["x86-64-avx512"]  # its own instructions only deepen a chunk of k
