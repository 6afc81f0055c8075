"""Device arrays: shapes and views as numpy's, memory shared where it can be."""

import gc

import numpy as np
import pytest

import opencu

KEYS = [
    (),
    0,
    -1,
    ...,
    None,
    (slice(None), 1),
    (slice(None, None, -1), slice(1, None, 2)),
    (..., 0),
    (1, ..., None),
    (0, 1, 2),
    (slice(2, 2),),
    np.int64(1),
]


def numbers(*shape, dtype=np.float64):
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


@pytest.mark.parametrize("shape", [(), 3, (2, 3), (0, 4), (2, 1, 3), [2, 2]])
@pytest.mark.parametrize("dtype", ["float32", np.float64, "int8", "complex64", bool])
def test_zeros_has_the_shape_and_dtype_asked_for(shape, dtype, device):
    x = opencu.zeros(shape, dtype, device)
    expected = np.zeros(shape, dtype)
    assert (x.shape, x.dtype, x.device) == (expected.shape, expected.dtype, device)
    assert (x.ndim, x.size, x.nbytes) == (expected.ndim, expected.size, expected.nbytes)
    np.testing.assert_array_equal(np.asarray(x), expected)


def test_empty_is_aligned_and_row_major():
    x = opencu.empty((3, 5), "float32")
    assert x.strides == (20, 4) and x.ptr % 256 == 0


def test_asarray_shares_a_numpy_arrays_memory():
    host = numbers(3, 4)
    x = opencu.asarray(host)
    host[1, 2] = 99
    assert np.asarray(x)[1, 2] == 99
    np.asarray(x)[0, 0] = -1
    assert host[0, 0] == -1


def test_asarray_of_an_array_is_that_array():
    x = opencu.zeros(3)
    assert opencu.asarray(x) is x
    assert opencu.asarray(x, "cpu") is x


def test_asarray_takes_plain_data():
    assert opencu.asarray([[1, 2], [3, 4]]).shape == (2, 2)
    assert opencu.asarray(2.5).shape == ()


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_slices_are_views_as_numpys(key):
    host = numbers(3, 4, 5)
    x = opencu.asarray(host)[key]
    expected = host[key]
    assert x.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(x), expected)
    if x.size and x.ndim:
        assert x.strides == expected.strides
        host += 100
        np.testing.assert_array_equal(np.asarray(x), host[key])


@pytest.mark.parametrize("key", [[0, 1], np.array([True, False, True]), True, "x", 1.0], ids=repr)
def test_indices_that_give_no_view_are_refused(key):
    with pytest.raises(TypeError, match="expected integers, slices, None or ..., which give views"):
        opencu.asarray(numbers(3, 4))[key]


def test_an_index_out_of_range_is_an_index_error():
    with pytest.raises(IndexError, match="out of bounds"):
        opencu.asarray(numbers(3, 4))[3]


def test_transpose_is_a_view():
    host = numbers(2, 3, 4)
    x = opencu.asarray(host)
    np.testing.assert_array_equal(np.asarray(x.T), host.T)
    np.testing.assert_array_equal(np.asarray(x.transpose(1, 0, 2)), host.transpose(1, 0, 2))
    assert x.T.ptr == x.ptr


def test_array_protocol_takes_dtype_and_copy():
    host = numbers(2, 3)
    x = opencu.asarray(host)
    assert np.shares_memory(np.asarray(x), host)
    assert not np.shares_memory(np.array(x), host)
    assert np.asarray(x, np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="copy"):
        np.array(x, np.float32, copy=False)


def test_a_view_keeps_its_memory_alive():
    x = opencu.asarray(numbers(64, 64).copy())[3:5].T
    y = np.asarray(opencu.zeros((64, 64)))[1:]
    gc.collect()
    other = [opencu.asarray(np.full((64, 64), 7.0)) for _ in range(8)]
    np.testing.assert_array_equal(np.asarray(x), numbers(64, 64)[3:5].T)
    assert (y == 0).all() and len(other) == 8


def test_read_only_memory_stays_read_only():
    host = numbers(2, 2)
    host.flags.writeable = False
    x = opencu.asarray(host)
    assert not x.writable and not np.asarray(x[0]).flags.writeable


def test_repr_shows_values_dtype_and_device():
    text = repr(opencu.asarray(np.float32([[1, 2]])))
    assert text == "opencu.Array([[1., 2.]], dtype=float32, device='cpu:0')"


def test_len_is_the_first_axis():
    assert len(opencu.zeros((3, 2))) == 3
    with pytest.raises(TypeError, match="0-d"):
        len(opencu.zeros(()))


def test_numpys_operators_do_not_copy_a_device_array_behind_ones_back():
    with pytest.raises(TypeError):
        np.ones(3) + opencu.zeros(3)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: opencu.zeros(-1), ValueError, "shape is -1: expected sizes of at least 0"),
        (lambda: opencu.zeros("ab"), TypeError, "shape is 'ab': expected an integer or a tuple"),
        (lambda: opencu.zeros(2.5), TypeError, "shape is 2.5: expected an integer or a tuple"),
        (lambda: opencu.zeros(2, "O"), TypeError, "dtype is object: expected a native"),
        (lambda: opencu.zeros(2, ">f4"), TypeError, "dtype is >f4: expected a native"),
        (lambda: opencu.zeros(2, "real"), TypeError, "dtype is 'real': expected a dtype"),
        (lambda: opencu.zeros(2, np.ones(2)), TypeError, r"dtype is array.*: expected a dtype"),
        (lambda: opencu.zeros(2, device=0), ValueError, "device 0 does not exist: expected one"),
        (lambda: opencu.asarray([[1], [2, 3]]), ValueError, r"x is \[\[1\], \[2, 3\]\]: expected"),
        (lambda: opencu.asarray(0, device=3), ValueError, "device 3 does not exist: expected one"),
        (lambda: opencu.from_dlpack(3), TypeError, "x is 3: expected an object with __dlpack__"),
        (lambda: opencu.zeros(2).transpose(1), ValueError, r"axes are \(1,\): expected 0 to 0"),
        (lambda: opencu.zeros(2).transpose("x"), TypeError, r"axes are \('x',\): expected 0"),
        (lambda: opencu.zeros(2).__array__(3), TypeError, "dtype is 3: e"),
        (lambda: opencu.asarray("text"), TypeError, "dtype is <U4: expected a native"),
        (lambda: opencu.zeros((1 << 40, 1 << 40)), MemoryError, "needs"),
        (lambda: opencu.zeros(1 << 50), MemoryError, "memory"),
    ],
)
def test_what_cannot_be_an_array_is_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_strides_within_an_element_are_refused():
    packed = np.zeros(4, np.dtype([("flag", "i1"), ("value", "f4")]))["value"]
    with pytest.raises(ValueError, match=r"strides are \(5,\) bytes: expected multiples"):
        opencu.asarray(packed)


def test_memory_is_given_back():
    size = 1 << 26
    for _ in range(200):
        opencu.empty(size, "int8")
    kept = opencu.device("cpu").info.memory_free
    for _ in range(50):
        opencu.empty(size, "int8")
    assert opencu.device("cpu").info.memory_free > kept - 20 * size
