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

    def blocks_for(self, b_layout: int) -> Blocks:
        """b can be read where it lies only if its columns are side by side."""
        return self.blocks if b_layout == 2 else replace(self.blocks, pack_b=True)


def _table(f32: dict, f64: dict) -> dict:
    return {(d, bucket): t for d, buckets in (("f32", f32), ("f64", f64))
            for bucket, t in buckets.items()}


def _direct(mr: int, nr: int, bm: int, bn: int, bk: int, speed: int) -> Tiles:
    """Nothing packed: bk is a bound, not a block."""
    return Tiles(bm, bn, bk, Blocks(mr, nr, unroll=1, pack_a=False, pack_b=False), speed)


GEMM = {
    # Zen 3 (32 KiB, 512 KiB, 32 MiB of cache), 2026-11.
    "x86-64-avx2": _table(
        f32={"packed": Tiles(768, 1024, 256, Blocks(6, 16, 144), 45),
             "small": _direct(6, 16, 132, 128, 256, 20),
             "rows": _direct(4, 16, 8, 512, 1024, 20)},
        f64={"packed": Tiles(768, 1024, 256, Blocks(6, 8, 72), 22),
             "small": _direct(6, 8, 132, 128, 256, 10),
             "rows": _direct(4, 8, 8, 512, 1024, 10)}),
    # Zen 4 (32 KiB, 1 MiB, 32 MiB), from the blocking that its best libraries use; not yet tuned.
    "x86-64-avx512": _table(
        f32={"packed": Tiles(960, 1152, 480, Blocks(12, 32, 240), 45),
             "small": _direct(12, 32, 132, 128, 256, 20),
             "rows": _direct(8, 32, 8, 512, 1024, 20)},
        f64={"packed": Tiles(960, 1152, 480, Blocks(8, 24, 120, unroll=2), 22),
             "small": _direct(8, 24, 128, 144, 256, 10),
             "rows": _direct(8, 24, 8, 528, 1024, 10)}),
    # Any x86-64: half the width of AVX2, no fused multiply-add.
    "x86-64-sse2": _table(
        f32={"packed": Tiles(768, 512, 256, Blocks(4, 8, 144), 10),
             "small": _direct(4, 8, 128, 128, 256, 5),
             "rows": _direct(4, 8, 8, 512, 1024, 5)},
        f64={"packed": Tiles(768, 512, 256, Blocks(4, 4, 72), 5),
             "small": _direct(4, 4, 128, 128, 256, 3),
             "rows": _direct(4, 4, 8, 512, 1024, 3)}),
}
