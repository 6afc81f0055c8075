"""Philox4x32-10: four 32-bit random words of a 128-bit counter c and a 64-bit key k, in ten rounds.

c0' = hi(c2 * M1) ^ c1 ^ k0      c1' = lo(c2 * M1)      k0 += W0 after each round
c2' = hi(c0 * M0) ^ c3 ^ k1      c3' = lo(c0 * M0)      k1 += W1

y    | w0 of N counters | w1 of them | w2 | w3 |     a program's 4 N numbers
"""

import numpy as np

from opencu import tile

M0, M1, W0, W1 = 0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85
ROUNDS = 10
STEP = 2.0**-24  # of a uniform number
LOW = 0xFFFFFFFF  # words are kept in i64: the language has no unsigned type of 32 bits
N = 64  # counters of a program: a part of what the function promises


def rounds(c: tuple, k: tuple, left: int):
    return c if left == 0 else rounds(scrambled(c, k), (k[0] + W0 & LOW, k[1] + W1 & LOW), left - 1)


def scrambled(c: tuple, k: tuple):
    high, low = c[2] * M1, c[0] * M0
    return (
        (high >> 32) & LOW ^ c[1] ^ k[0],
        high & LOW,
        (low >> 32) & LOW ^ c[3] ^ k[1],
        low & LOW,
    )


def as_bits(word):
    return tile.cast(tile.select(word > 0x7FFFFFFF, word - 0x100000000, word), tile.i32)


def as_uniform(word):
    """In [0, 1), a multiple of 2^-24."""
    return tile.cast(tile.cast(word >> 8, tile.i32), tile.f32) * STEP


@tile.kernel
def philox(y, low, c2, c3, k0, k1, as_number):
    """low: the counter's first two words, of the first number."""
    i = tile.pid(0)
    first = tile.iota(N) + (low + i * N)
    zero = first * 0
    c = (first & LOW, (first >> 32) & LOW, zero + c2, zero + c3)
    words = rounds(c, (zero + k0, zero + k1), ROUNDS)
    tile.store(y, 4 * i, as_number(words[0]))
    tile.store(y, 4 * i + 1, as_number(words[1]))
    tile.store(y, 4 * i + 2, as_number(words[2]))
    tile.store(y, 4 * i + 3, as_number(words[3]))


def reference(count: int, seed: int, offset: int = 0) -> np.ndarray:
    """The words of the first numbers, as Python computes them."""
    out = []
    for i in range(count):
        block, place = divmod(i, 4 * N)
        first = (offset + block * N + place % N) % 2**64
        c = [first & LOW, first >> 32, offset >> 64 & LOW, offset >> 96]
        k = [seed & LOW, seed >> 32]
        for _ in range(ROUNDS):
            c = list(scrambled(tuple(c), tuple(k)))
            k = [(k[0] + W0) & LOW, (k[1] + W1) & LOW]
        out.append(c[place // N])
    return np.array(out, np.uint32)
