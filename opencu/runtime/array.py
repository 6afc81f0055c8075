"""Device arrays: a dtype, a shape and strides over memory of a device.

On a CPU device the memory is the process's own, so numpy and DLPack views share it; from others
numpy gets a copy. Work on arrays is stream-ordered: synchronize before reading shared memory
elsewhere.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from opencu.drivers.status import check, ffi, lib
from opencu.runtime.arguments import dtype as as_dtype
from opencu.runtime.device import Device, current, host_device
from opencu.runtime.device import device as find_device
from opencu.runtime.dlpack import FOREIGN, bits_of, exported, imported
from opencu.runtime.stream import NULL, Stream, captured, captures

# Element types that the C core's operations know, by numpy's dtype.
_CODES = {"f4": "F32", "f8": "F64", "f2": "F16", "i1": "I8", "i4": "I32", "i8": "I64"}
_CODES |= {"c8": "C64", "c16": "C128"}
CODES = {np.dtype(name): getattr(lib, f"OCU_{code}") for name, code in _CODES.items()}
CODES |= zip(FOREIGN.values(), (lib.OCU_BF16, lib.OCU_E4M3, lib.OCU_E5M2))
DEFAULT, MANY = "the default stream", "many streams"

Sizes = tuple[int, ...]
# An array's last two axes as the core takes them: rows, columns, their strides in elements, a C
# pointer; and the addresses of the first byte of any element and of one past the last.
Matrix = tuple[int, int, int, int, Any, int, int]


class Memory:
    """An allocation, or memory of another owner; knows which streams have work on it.

    last is None (no work yet), a Stream, DEFAULT for the default stream, or MANY.
    """

    __slots__ = ("device", "last", "owner", "ptr")

    def __init__(self, device: Device, ptr: int, owner: object | None):
        self.device, self.ptr, self.owner = device, ptr, owner
        self.last: Stream | str | None = None

    def use(self, stream: Stream | str) -> None:
        """Note that work on this memory was put on a stream, or on the DEFAULT one."""
        if captures and (kept := captured(stream)) is not None:
            kept.add(self)
            self.last = MANY  # wherever the graph is launched
        elif self.last is not stream:
            self.last = stream if self.last is None else MANY

    def wait(self) -> None:
        """Wait for the work on this memory."""
        if isinstance(self.last, Stream) and self.last.handle is not None:
            self.last.synchronize()
        elif self.last is not None:
            self.device.synchronize()

    def __del__(self) -> None:
        """Freed in stream order, so that nothing waits; another owner's memory is waited for."""
        if lib.ocu_alive() != lib.OCU_OK:
            return  # a forked child: it is the parent's
        if self.owner is not None:
            self.wait()
        elif isinstance(self.last, Stream) and self.last.handle is not None:
            check(lib.ocu_free_async(self.last.handle, ffi.cast("void *", self.ptr)))
        elif (
            self.last in (None, DEFAULT)
            and lib.ocu_device_get() == self.device.number
            and not captures  # beside one the default stream may not be used
        ):
            check(lib.ocu_free_async(NULL, ffi.cast("void *", self.ptr)))
        else:
            self.device.driver.free(self.ptr)


class Array:
    """A device array. shape and strides (in bytes) are numpy's; slices and .T are views."""

    __slots__ = (
        "__weakref__", "code", "dtype", "matrix", "memory", "ptr", "shape", "steps", "writable",
    )  # fmt: skip
    __array_ufunc__ = None  # numpy's operators refuse a device array rather than copy it

    def __init__(
        self, memory: Memory, ptr: int, shape: Sizes, steps: Sizes, dtype: np.dtype, writable=True
    ):
        self.memory = memory
        self.ptr = ptr  # the address of the element at index 0
        self.shape = shape
        self.steps = steps  # strides in elements
        self.dtype = dtype
        self.code = CODES.get(dtype, 0)  # the core's name of the dtype, 0 if it has none
        self.writable = writable
        self.matrix: Matrix | None = None  # kept by as_matrix

    @property
    def device(self) -> Device:
        return self.memory.device

    @property
    def strides(self) -> Sizes:
        return tuple(step * self.dtype.itemsize for step in self.steps)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    @property
    def T(self) -> Array:
        return self.transpose()

    def transpose(self, *axes: int) -> Array:
        """A view with the axes in another order (reversed unless given)."""
        try:
            return self._view(self._numpy().transpose(*axes))
        except (TypeError, ValueError) as error:
            expected = f"expected 0 to {self.ndim - 1} in some order"
            raise type(error)(f"axes are {axes!r}: {expected}") from None

    def __getitem__(self, key: Any) -> Array:
        """A view: integers, slices, None and ... select; a single element is a 0-d array."""
        keys = key if isinstance(key, tuple) else (key,)
        for each in keys:
            basic = each is None or each is Ellipsis or isinstance(each, (int, np.integer, slice))
            if not basic or isinstance(each, bool):
                raise TypeError(
                    f"index {each!r}: expected integers, slices, None or ..., which give views"
                )
        return self._view(self._numpy()[keys if Ellipsis in keys else (*keys, Ellipsis)])

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d array")
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """A numpy array over the same memory, once the work on it is done."""
        wanted = None if dtype is None else as_dtype("dtype", dtype)
        self.memory.wait()
        if self.device.on_host:
            return np.array(self._numpy(), dtype=wanted, copy=copy)
        if copy is False:
            raise ValueError(f"the array is on {self.device.name}: only a copy can be had")
        return np.asarray(self._on_host(), dtype=wanted)

    def _on_host(self) -> np.ndarray:
        """A copy of what a device holds between the array's first byte and its last."""
        view = self._numpy()
        low, high = np.lib.array_utils.byte_bounds(view) if self.size else (self.ptr, self.ptr)
        bits = np.empty(high - low, np.uint8)
        with current(self.device):
            self.device.driver.copy(NULL, bits.ctypes.data, low, bits.size, True)
        return np.ndarray(self.shape, self.dtype, bits.data, self.ptr - low, self.strides)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0  # the process's own memory

    def __dlpack__(self, *, stream: None = None, **options: Any) -> Any:
        """A DLPack capsule (versioned or legacy, as asked for) over the same memory."""
        if not self.device.on_host:
            raise BufferError(f"the array is on {self.device.name}: np.asarray(x) copies it")
        self.memory.wait()
        return exported(self._numpy(), stream=stream, **options)

    def __repr__(self) -> str:
        text = np.array2string(np.asarray(self), separator=", ", prefix="opencu.Array(")
        return f"opencu.Array({text}, dtype={self.dtype}, device='{self.device.name}')"

    def _numpy(self) -> np.ndarray:
        """A numpy array over the memory, at once."""
        host = np.asarray(_Exposed(self))
        return host if host.dtype == self.dtype else host.view(self.dtype)

    def _view(self, array: np.ndarray) -> Array:
        steps = tuple(stride // self.dtype.itemsize for stride in array.strides)
        ptr = array.__array_interface__["data"][0]
        return Array(self.memory, ptr, array.shape, steps, self.dtype, self.writable)


def as_matrix(name: str, x: Array) -> Matrix:
    """The last two axes of an array; kept in x.matrix, as calls in a row ask for it."""
    if len(x.shape) < 2:
        raise ValueError(f"{name} has shape {x.shape}: expected at least 2 dimensions")
    itemsize = x.dtype.itemsize
    down, up = 0, 1
    for size, step in zip(x.shape, x.steps):
        if step > 0:
            up += (size - 1) * step
        else:
            down += (size - 1) * step
    if 0 in x.shape:
        down = up = 0
    low, high = x.ptr + down * itemsize, x.ptr + up * itemsize
    x.matrix = (*x.shape[-2:], *x.steps[-2:], ffi.cast("void *", x.ptr), low, high)
    return x.matrix


class _Exposed:
    """What numpy needs to make an array over memory; keeps the memory alive as the array's base."""

    __slots__ = ("__array_interface__", "array")

    def __init__(self, array: Array):
        self.array = array
        held = bits_of(array.dtype) if array.dtype in FOREIGN.values() else array.dtype
        self.__array_interface__ = {
            "version": 3,
            "typestr": held.str,
            "shape": array.shape,
            "strides": array.strides,
            "data": (array.ptr, not array.writable),
        }


def empty(shape: int | Sizes, dtype: Any = np.float64, device: Any = None) -> Array:
    """A row-major array with arbitrary contents."""
    try:
        sizes = tuple(map(operator.index, shape if isinstance(shape, (tuple, list)) else (shape,)))
    except TypeError:
        raise TypeError(f"shape is {shape!r}: expected an integer or a tuple of them") from None
    if min(sizes, default=0) < 0:
        raise ValueError(f"shape is {shape!r}: expected sizes of at least 0")
    return row_major(sizes, _storable(as_dtype("dtype", dtype)), find_device(device))


def row_major(shape: Sizes, dtype: np.dtype, device: Device) -> Array:
    """empty() for arguments that are known to be good."""
    steps = []
    step = 1
    for size in shape[::-1]:
        steps.append(step)
        step *= size
    nbytes = step * dtype.itemsize
    if nbytes >= 1 << 63:
        raise MemoryError(f"an array of shape {shape} needs {nbytes} bytes")
    ptr = device.driver.alloc(device.index, nbytes)
    return Array(Memory(device, ptr, None), ptr, shape, tuple(steps[::-1]), dtype)


def zeros(shape: int | Sizes, dtype: Any = np.float64, device: Any = None) -> Array:
    """A row-major array of zeros."""
    out = empty(shape, dtype, device)
    with current(out.device):
        out.device.driver.fill(NULL, out.ptr, 0, out.nbytes, True)
    return out


def asarray(x: Any, device: str | Device | None = None) -> Array:
    """x as an array on a device: an opencu.Array, a numpy array, anything with DLPack, or data.

    Memory of the process is shared on device "cpu" and copied to any other device.
    """
    if isinstance(x, Array) and (device is None or find_device(device) is x.device):
        return x
    if isinstance(x, (np.ndarray, Array)) or not hasattr(x, "__dlpack__"):
        try:
            host = np.asarray(x)
        except ValueError as error:
            raise ValueError(f"x is {x!r}: expected an array or a list of equal rows") from error
    else:
        host = imported(x)
    where = find_device(device)
    if where is host_device() and not isinstance(x, Array):
        return share(host)
    out = empty(host.shape, host.dtype, where)
    source = np.ascontiguousarray(host)
    with current(where):
        where.driver.copy(NULL, out.ptr, source.ctypes.data, source.nbytes, True)
    return out


def from_dlpack(x: Any) -> Array:
    """An array over the memory of anything that speaks DLPack and lies in the process's memory."""
    if isinstance(x, Array):
        return x
    if not hasattr(x, "__dlpack__"):
        raise TypeError(f"x is {x!r}: expected an object with __dlpack__")
    return share(imported(x))


def share(host: np.ndarray) -> Array:
    """A numpy array's own memory as an array on the device "cpu"."""
    dtype = host.dtype
    if dtype not in CODES:
        _storable(dtype)
    itemsize, strides = dtype.itemsize, host.strides
    for stride in strides:
        if stride % itemsize:
            raise ValueError(
                f"strides are {strides} bytes: expected multiples of the element's {itemsize};"
                " copy the array first"
            )
    ptr, read_only = host.__array_interface__["data"]
    steps = tuple([stride // itemsize for stride in strides])
    return Array(Memory(host_device(), ptr, host), ptr, host.shape, steps, dtype, not read_only)


def _storable(dtype: np.dtype) -> np.dtype:
    if dtype not in FOREIGN.values() and (dtype.kind not in "biufc" or not dtype.isnative):
        raise TypeError(
            f"dtype is {dtype}: expected a native boolean, integer, real or complex one"
        )
    return dtype
