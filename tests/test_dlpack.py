"""DLPack both ways, legacy and versioned."""

import ctypes
import gc
import sys

import numpy as np
import pytest

import opencu


def test_numpy_takes_an_array_without_a_copy():
    x = opencu.zeros((2, 3), "float32")
    host = np.from_dlpack(x)
    host[1, 2] = 5
    assert np.asarray(x)[1, 2] == 5
    assert x.__dlpack_device__() == (1, 0)


def test_an_exported_array_outlives_its_owner():
    host = np.from_dlpack(opencu.asarray(np.arange(1000.0).copy()))
    gc.collect()
    np.testing.assert_array_equal(host, np.arange(1000.0))


@pytest.mark.parametrize(
    ("options", "name"),
    [({}, "dltensor"), ({"max_version": (1, 0)}, "dltensor_versioned")],
)
def test_the_capsule_is_of_the_version_asked_for(options, name):
    capsule = opencu.zeros(3).__dlpack__(**options)
    assert f'"{name}"' in repr(capsule)


def test_from_dlpack_shares_memory_and_strides():
    host = np.arange(12.0).reshape(3, 4)[:, ::2].T
    x = opencu.from_dlpack(host)
    assert x.shape == host.shape and x.strides == host.strides
    host[0, 0] = 42
    assert np.asarray(x)[0, 0] == 42


def test_from_dlpack_keeps_the_producer_alive():
    x = opencu.from_dlpack(np.arange(1000.0).copy())
    gc.collect()
    np.testing.assert_array_equal(np.asarray(x), np.arange(1000.0))


def test_read_only_memory_stays_read_only_on_the_way():
    host = np.zeros(3)
    host.flags.writeable = False
    x = opencu.asarray(host)
    assert not opencu.from_dlpack(host).writable
    assert not np.from_dlpack(x).flags.writeable


def test_what_speaks_no_dlpack_is_refused():
    with pytest.raises((AttributeError, TypeError), match="__dlpack__"):
        opencu.from_dlpack([1, 2])


def test_a_copy_can_be_asked_for():
    x = opencu.zeros(3)
    assert not np.shares_memory(np.from_dlpack(x, copy=True), np.asarray(x))


def test_torch_tensors_are_shared_both_ways():
    torch = pytest.importorskip("torch")
    tensor = torch.arange(6.0).reshape(2, 3)
    x = opencu.asarray(tensor)
    tensor[1, 1] = -1
    assert np.asarray(x)[1, 1] == -1
    back = torch.from_dlpack(x.T)
    assert back.shape == (3, 2) and back.data_ptr() == tensor.data_ptr()


def test_no_reference_is_lost():
    host = np.zeros(8)
    before = sys.getrefcount(host)
    for _ in range(100):
        np.from_dlpack(opencu.from_dlpack(host))
    gc.collect()
    assert sys.getrefcount(host) == before


@pytest.mark.parametrize("name, kind", [("float8_e4m3fn", 10), ("float8_e5m2", 12)])
def test_8_bit_numbers_cross_dlpack_by_their_kinds(name, kind):
    dtype = getattr(opencu, name)
    host = np.arange(6, dtype="u1").reshape(2, 3).view(dtype)
    x = opencu.asarray(host)
    assert x.dtype == dtype
    capsule = x.__dlpack__(max_version=(1, 0))
    pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    at = pointer_of(capsule, b"dltensor_versioned") + 52  # code, bits; lanes
    assert bytes((ctypes.c_uint8 * 4).from_address(at)) == bytes([kind, 8, 1, 0])
    back = opencu.from_dlpack(Speaks(x, name))
    assert back.dtype == dtype and back.ptr == host.ctypes.data and back.shape == (2, 3)


class Speaks:
    """A tensor of another library's, with a dtype of its own."""

    def __init__(self, array, name):
        self.array, self.dtype = array, f"other.{name}"

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)


def test_a_torch_tensor_of_bfloat16_is_shared_and_can_be_written():
    torch = pytest.importorskip("torch")
    tensor = torch.zeros(2, 4, dtype=torch.bfloat16)
    a, b = (torch.ones(*shape, dtype=torch.bfloat16) for shape in ((2, 3), (3, 4)))
    opencu.blas.gemm(opencu.asarray(a), opencu.asarray(b), opencu.asarray(tensor))
    opencu.synchronize()
    assert (tensor == 3).all()
