"""Tile sizes of the kernels per kind of target. Data; never searched.

share      stored elements of a program of spmv at least: rows are cut there, so none is too long
short      elements of a row that are read at once; 0: as many as a vector has 32-bit lanes
long       the same, where rows have more than so many on average
rows       rows that are added up side by side, a lane each (whole unrolled chunks), ..
many       .. where they have fewer than so many elements on average
chunk      bytes of counts or sums that histogram and scan take at once
strip      elements of a program of theirs at least
programs   of theirs, and of spmv's, at most
private    elements per bin for which a program of histogram counts for itself; 0: none does
"""

from dataclasses import dataclass

from opencu.drivers.interface import Target


@dataclass(frozen=True)
class Tiles:
    share: int
    short: int
    long: int
    rows: int
    many: int
    chunk: int
    strip: int
    programs: int
    private: int


TILES = {
    "vector": Tiles(1 << 16, 0, 0, 32, 12, 1 << 14, 1 << 16, 64, 4),  # Zen 3, 2026-11
    "simt": Tiles(1 << 12, 32, 128, 128, 64, 1 << 12, 1 << 13, 1 << 10, 0),
}


def tiles(target: Target) -> Tiles:
    return TILES[target.kind]
