"""The arrays of one call of a library function: numpy's, torch's CPU tensors or device arrays, all
of one kind; as device arrays while the call runs."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from opencu.drivers import target as find_target
from opencu.drivers.interface import Target
from opencu.drivers.status import check, lib
from opencu.runtime.array import DEFAULT, Array, asarray, row_major, share
from opencu.runtime.device import current, host_device
from opencu.runtime.dlpack import BFLOAT16, name_of
from opencu.runtime.host import NUMPY, TORCH, from_numpy, in_elements, kind, of_torch
from opencu.runtime.launch import launch
from opencu.runtime.plan import target_of
from opencu.runtime.stream import Stream, handle_on

FLOATS = (np.dtype("f4"), np.dtype("f8"), np.dtype("f2"), BFLOAT16)


class Operands:
    """The first array tells the kind of all, the device and what results are."""

    def __init__(self, name: str, x: Any, stream: Stream | None):
        self.kind, self.stream, self.name = kind(name, x), stream, name
        self.torch = self.kind == TORCH
        self.host = self.torch or self.kind == NUMPY
        self.device = host_device() if self.host else x.device
        handle_on(self.device, stream)

    @property
    def target(self) -> Target:
        return find_target(target_of(self.device.number))

    def take(self, name: str, x: Any, dtypes: Sequence[np.dtype], written: bool = False) -> Array:
        """An argument as a device array, of one of some dtypes."""
        if kind(name, x) != self.kind:
            raise TypeError(f"{name} is {kind(name, x)}: expected {self.kind}, as {self.name} is")
        if self.host:
            host, conjugate = of_torch(name, x, written) if self.torch else (x, False)
            host = host.conj() if conjugate else host
            if written and in_elements(host) is not host:
                raise ValueError(f"{name} has strides {host.strides}: expected whole elements")
            x = share(in_elements(host)) if host.dtype in dtypes else host
        return self.checked(name, x, dtypes)

    def checked(self, name: str, out: Array, dtypes: Sequence[np.dtype]) -> Array:
        """An array of one of some dtypes on the call's device."""
        if out.dtype not in dtypes:
            known = ", ".join(map(name_of, dtypes))
            raise TypeError(f"{name} has dtype {out.dtype}: expected {known}")
        if out.device is not self.device:
            where = f"{self.device.name}, where {self.name} is"
            raise ValueError(f"{name} is on {out.device.name}: expected {where}")
        return out

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array for results, or for what lies between two launches."""
        if self.host:
            return share(np.empty(shape, dtype))
        return row_major(shape, np.dtype(dtype), self.device)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """The same, all zero, in stream order."""
        out = self.empty(shape, dtype)
        with current(self.device):
            handle = handle_on(self.device, self.stream)
            self.device.driver.fill(handle, out.ptr, 0, out.nbytes, False)
        out.memory.use(self.stream or DEFAULT)
        return out

    def copied(self, host: np.ndarray) -> Array:
        """A numpy array's values on the call's device."""
        return share(host) if self.host else asarray(host, self.device)

    def output(
        self, out: Any, shape: tuple[int, ...], dtype: Any, name: str = "out", **apart: Array | None
    ) -> Array:
        """The array for the result: out, if it is given, fits, and lies `apart` from operands."""
        if out is None:
            return self.empty(shape, dtype)
        array = self.take(name, out, (np.dtype(dtype),), written=True)
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}: expected {shape}")
        if not array.writable:
            raise ValueError(f"{name} is read-only: expected an array that can be written")
        for operand, x in apart.items():
            if x is not None:
                self.apart(array, operand, x, name_out=name)
        return array

    def apart(
        self, out: Array, name: str, x: Array, same: bool = False, name_out: str = "out"
    ) -> None:
        """Refuse an out that shares memory with an operand, but for being the `same` elements."""
        if same and (out.ptr, out.shape, out.steps) == (x.ptr, x.shape, x.steps):
            return
        if np.may_share_memory(out._numpy(), x._numpy()):
            raise ValueError(f"{name_out} shares memory with {name}: expected separate memory")

    def launch(self, kernel: Any, grid: Sequence[int], *args: Any, **consts: Any) -> None:
        launch(kernel, grid, *args, stream=self.stream, **consts)

    def result(self, array: Array, out: Any = None) -> Any:
        """The result as the caller's kind; on host memory, when it is done."""
        if not self.host:
            return array
        self.wait()
        if out is not None:
            return out
        host = array._numpy()
        return from_numpy(host) if self.torch else host

    def wait(self) -> None:
        """Wait for the work so far of the call's stream."""
        with current(self.device):
            check(lib.ocu_stream_sync(handle_on(self.device, self.stream)))


def part(x: Array, at: int, shape: Sequence[int], steps: Sequence[int]) -> Array:
    """Elements of x from `at` on, in other axes."""
    place = x.ptr + at * x.dtype.itemsize
    return Array(x.memory, place, tuple(shape), tuple(steps), x.dtype, x.writable)


def merged(shape: Sequence[int], *steps: Sequence[int]) -> list[tuple[int, list[int]]]:
    """Axes of several arrays with those taken together that all of them step through evenly: each
    one's size and the arrays' steps along it. At least one."""
    axes = [(1, [0] * len(steps))]
    for size, *each in zip(shape, *steps):
        outer, before = axes[-1]
        if size == 1:
            continue
        if outer == 1 or all(b == s * size for b, s in zip(before, each)):
            axes[-1] = (outer * size, each)
        else:
            axes.append((size, each))
    return axes


def every(
    axes: Sequence[tuple[int, list[int]]], *parts: tuple[Array, Sequence[int], Sequence[int]]
) -> Iterator[list[Array]]:
    """At every place along some axes, parts of arrays: each one's array, shape and steps."""
    for index in itertools.product(*(range(size) for size, _ in axes)):
        offsets = [sum(i * s[n] for i, (_, s) in zip(index, axes)) for n in range(len(parts))]
        yield [part(x, at, shape, steps) for at, (x, shape, steps) in zip(offsets, parts)]
