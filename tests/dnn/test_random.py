"""Philox against Random123's test vectors, and what random promises of places."""

import numpy as np
import pytest

import opencu
from opencu.dnn import random
from opencu.dnn.kernels.random import N, reference

# kat_vectors of Random123: philox4x32 10, counter, key, result.
VECTORS = [
    ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0),
     (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]  # fmt: skip


def bits(count, seed, offset, device):
    return np.asarray(random(count, seed, offset=offset, dtype="int32", device=device)).view("u4")


@pytest.mark.parametrize(("counter", "key", "words"), VECTORS)
def test_published_vectors(device, counter, key, words):
    offset = sum(c << 32 * i for i, c in enumerate(counter))
    found = bits(4 * N, key[0] | key[1] << 32, offset, device)
    assert tuple(found[::N]) == words


@pytest.mark.parametrize("seed", [0, 5, 2**64 - 1])
@pytest.mark.parametrize("offset", [0, 2**32 - 3, 2**64 - 5, 2**127 + 2**63])
def test_every_number_is_where_the_doc_says(device, seed, offset):
    count = 3 * N * 4 + 7
    np.testing.assert_array_equal(bits(count, seed, offset, device), reference(count, seed, offset))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5, 7), (1021,)])
def test_uniform_numbers_are_the_bits_upper_24(device, shape):
    found = random(shape, 9, device=device)
    assert found.shape == shape and found.dtype == np.float32
    want = (reference(found.size, 9) >> 8) * 2.0**-24
    np.testing.assert_array_equal(np.asarray(found).ravel(), want)


def test_uniform_numbers_look_uniform(device):
    x = np.asarray(random(1 << 18, 1, device=device))
    assert 0 <= x.min() and x.max() < 1 and abs(x.mean() - 0.5) < 3e-3
    assert np.bincount((x * 16).astype(int), minlength=16).std() < 4 * 128


def test_out_is_filled_in_place():
    out = np.zeros((3, 5), "f4")
    assert random(out=out, seed=2) is out and out.all()
    np.testing.assert_array_equal(out, np.asarray(random((3, 5), 2)))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(shape=3, seed=-1), ValueError, "seed is -1: expected at least 0"),
        (dict(shape=3, seed=2**64), ValueError, r"seed is .*: expected less than 2\^64"),
        (dict(shape=3, offset=2**128), ValueError, r"offset is .*: expected less than 2\^128"),
        (dict(shape=3, dtype="f8"), TypeError, "dtype is 'f8': expected float32 or int32"),
        (dict(), TypeError, "shape is None: expected a shape, or an out"),
        (dict(out=np.zeros((4, 4), "f4")[:, :2]), ValueError, "expected elements that follow one"),
        (dict(out=np.zeros(3)), TypeError, "out has dtype float64: expected float32, int32"),
    ],
)
def test_refusals(options, error, message):
    with pytest.raises(error, match=message):
        random(**options)


def test_it_is_the_same_on_every_device():
    first, *others = [bits(1000, 3, 4, device) for device in opencu.devices()]
    assert all((first == x).all() for x in others)
