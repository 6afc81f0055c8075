"""Tile sizes of the kernels per kind of target. Data; never searched.

    share      stored elements of a program of spmv: rows are cut there, so none is too long
    short      lanes that read a row, where rows have fewer than `many` elements on average
    long       the same for longer rows: several sums run side by side
    chunk      elements that histogram and scan take at once
    strip      elements of a program of theirs at least
    programs   of theirs at most
    private    bins up to which each program of histogram counts for itself
"""

from dataclasses import dataclass

from opencu.drivers.interface import Target


@dataclass(frozen=True)
class Tiles:
    share: int
    short: int
    long: int
    many: int
    chunk: int
    strip: int
    programs: int
    private: int


TILES = {
    "vector": Tiles(1 << 14, 8, 32, 32, 1 << 10, 1 << 16, 64, 1 << 14),  # Zen 3, 2026-11
    "simt": Tiles(1 << 12, 32, 128, 64, 1 << 10, 1 << 13, 1 << 10, 0),
}


def tiles(target: Target) -> Tiles:
    return TILES[target.kind]
