"""Tile sizes of the kernels per kind of target. Data; never searched.

    row       elements of the longest row that is one tile; longer ones are read in chunks
    program   elements of a program's tile of short rows
    run       tiles of short rows that a program takes one after the other
    columns   numbers side by side of an axis that is not the last one
    queries   rows of q, and `keys` rows of k and v, of attention's tiles
    depth     channels of a chunk of a convolution's inner dimension
    turned    side of a square that is transposed

A CPU keeps a row in its first- or second-level cache; a GPU's work-group keeps it in registers.
"""

from dataclasses import dataclass

from opencu.drivers.interface import Target


@dataclass(frozen=True)
class Tiles:
    row: int
    program: int
    run: int
    columns: int
    queries: int
    keys: int
    depth: int
    turned: int


TILES = {
    "vector": Tiles(1 << 15, 1 << 11, 16, 64, 120, 256, 384, 32),  # Zen 3 (32 and 512 KiB), 2026-11
    "simt": Tiles(1 << 12, 1 << 10, 1, 32, 32, 32, 32, 32),
}


def tiles(target: Target) -> Tiles:
    return TILES[target.kind]


def room(n: int) -> int:
    """The smallest of 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, ... that is at least n: so a tile
    is at most a quarter too large, and its sizes are few."""
    step = 1 << max(n.bit_length() - 3, 0)
    return -(-max(n, 1) // step) * step
