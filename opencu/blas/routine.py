"""A call of a routine of the core that is not a product (ocu_run), from arrays and numbers."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from opencu.blas.gemm import _plan_and_call
from opencu.drivers.status import ffi, lib
from opencu.runtime.array import CODES, DEFAULT, Array
from opencu.runtime.device import current
from opencu.runtime.host import NUMPY
from opencu.runtime.operands import Operands, part
from opencu.runtime.stream import Stream, captures, handle_on

REAL = (np.dtype("f4"), np.dtype("f8"))
COMPLEX = (np.dtype("c8"), np.dtype("c16"))
ALL = (*REAL, *COMPLEX)
READ, WRITE = lib.OCU_READS, lib.OCU_WRITES
UPDATE = READ | WRITE


class Call(Operands):
    """One call: what it reads and writes, in the order of the routine's operands."""

    def __init__(self, name: str, x: Any, stream: Stream | None = None):
        super().__init__(name, x, stream)
        self.r = ffi.new("ocu_routine *", {"batch": 1})
        self.used: list[Array] = []
        self.kept: list[Any] = []  # what the call points to

    def operand(self, i: int, x: Array, how: int) -> None:
        """A vector, a matrix, or a batch of these. What is written may not be read-only."""
        *_, rows, columns = (1, 1, 1, *x.shape)
        *_, bs, rs, cs = (0, 0, 0, *x.steps)
        place = ffi.cast("void *", x.ptr)
        if x.ndim == 3:
            self.r.batch = x.shape[0]
        self.r.x[i] = ((place, bs, rs, cs), rows, columns, x.code, how)
        self.used.append(x)

    def vector(self, name: str, x: Any, dtypes: Sequence[np.dtype], written: bool = False) -> Array:
        """An argument with one axis."""
        return self.shaped(self.take(name, x, dtypes, written), name, 1, written)

    def shaped(self, x: Array, name: str, ndim: int, written: bool = False) -> Array:
        if x.ndim != ndim:
            raise ValueError(f"{name} has shape {x.shape}: expected {ndim} dimension(s)")
        if written and not x.writable:
            raise ValueError(f"{name} is read-only: expected an array that can be written")
        return x

    def factors(self, dtypes: Sequence[np.dtype], **values: Any) -> None:
        """Numbers, or device arrays, which are read when the call runs: one of each dtype."""
        on_device = [isinstance(v, Array) for v in values.values()]
        if any(on_device) != all(on_device):
            raise TypeError(f"{', '.join(values)}: expected all numbers, or all opencu arrays")
        self.r.factors_on_device = any(on_device)
        for i, (dtype, (name, value)) in enumerate(zip(dtypes, values.items())):
            self.r.factor[i] = self._factor(name, value, dtype, 1)

    def factor_row(self, dtype: np.dtype, name: str, value: Any, count: int) -> None:
        """One factor of several numbers."""
        self.r.factors_on_device = isinstance(value, Array)
        self.r.factor[0] = self._factor(name, value, dtype, count)

    def _factor(self, name: str, value: Any, dtype: np.dtype, count: int) -> tuple:
        x: Any = value
        if isinstance(x, Array):
            self.checked(name, x, (dtype,))
            place = x.ptr
            self.used.append(x)
        else:
            values = [value] if count == 1 else list(value)
            x = np.array([number(name, v, dtype) for v in values], dtype)
            place = x.ctypes.data
            self.kept.append(x)
        if x.size != count or (count > 1 and x.strides != (x.dtype.itemsize,)):
            raise ValueError(f"{name} has shape {x.shape}: expected {count} contiguous element(s)")
        return ffi.cast("void *", place), CODES[dtype], count

    def scalar(self, x: Array) -> Any:
        """A result of one element: a numpy scalar, or an array or tensor of no dimensions."""
        found = self.result(part(x, 0, (), ()))
        return found[()] if self.kind == NUMPY else found

    def run(self, op: int, form: bytes = b"", size: Sequence[int] = (), workspace: int = 0) -> None:
        """Put it on the stream; on host memory it is done on return."""
        r = self.r
        r.op, r.workspace = op, workspace
        r.form = form.ljust(len(r.form), b"\0")
        r.size = [*size, 0, 0, 0, 0][:4]
        flags = lib.OCU_CALL_NO_PLANNER | lib.OCU_CALL_TRUSTED
        flags |= lib.OCU_CALL_SYNC if self.host else 0
        key = self.stream or DEFAULT
        if not self.host:
            for x in self.used:
                if x.memory.last is not key or captures:
                    x.memory.use(key)
        with current(self.device):
            handle = handle_on(self.device, self.stream)
            status = lib.ocu_run(handle, r, flags)
            if status:
                _plan_and_call(status, lib.ocu_run, (handle, r, flags))


class Product(Call):
    """One call of ocu_multiply, or of ocu_trsm."""

    def __init__(self, name: str, a: Any, stream: Stream | None, dtypes=ALL):
        super().__init__(name, a, stream)
        self.g = ffi.new("ocu_product *", {"batch": 1})
        self.dtypes = dtypes

    def matrix(self, name: str, x: Any, written: bool = False) -> Array:
        x = self.shaped(self.take(name, x, self.dtypes, written), name, 2, written)
        self.dtypes = (x.dtype,)
        self.used.append(x)
        return x

    def square(self, name: str, x: Any) -> Array:
        x = self.matrix(name, x)
        if x.shape[0] != x.shape[1]:
            raise ValueError(f"{name} has shape {x.shape}: expected a square matrix")
        return x

    def into(self, name: str, c: Any, shape: tuple[int, ...], beta: Any = 0) -> Array:
        """c, or a new array where beta is 0."""
        if c is None and beta != 0:
            raise ValueError(f"beta is {beta!r} and {name} is None: expected one to add to")
        out = self.output(c, shape, self.dtypes[0], name)
        self.used.append(out)
        return out

    def numbers(self, alpha: Any, beta: Any) -> None:
        code = CODES[self.dtypes[0]]
        self.g.kind.ab = self.g.kind.c = self.g.kind.scale = code
        self.kept += [number(n, v, self.dtypes[0]) for n, v in (("alpha", alpha), ("beta", beta))]
        self.g.alpha, self.g.beta = (ffi.cast("void *", x.ctypes.data) for x in self.kept[-2:])

    def multiply(self, k: int, a: Array, b: Array, c: Array, function: Any = None) -> None:
        g = self.g
        g.m, g.n, g.k = *c.shape, k
        g.a, g.b, g.c = ((ffi.cast("void *", x.ptr), 0, *x.steps) for x in (a, b, c))
        g.d = g.c
        flags = lib.OCU_CALL_NO_PLANNER | lib.OCU_CALL_TRUSTED
        flags |= lib.OCU_CALL_SYNC if self.host else 0
        key = self.stream or DEFAULT
        for x in () if self.host else self.used:
            if x.memory.last is not key or captures:
                x.memory.use(key)
        with current(self.device):
            call = (handle_on(self.device, self.stream), g, flags)
            function = function or lib.ocu_multiply
            status = function(*call)
            if status:
                _plan_and_call(status, function, call)


def number(name: str, value: Any, dtype: np.dtype) -> np.ndarray:
    """A number as an array of a dtype; of a real one, it must be real and not overflow."""
    wanted = numbers.Complex if dtype.kind == "c" else numbers.Real
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}: expected a {wanted.__name__.lower()} number")
    with np.errstate(over="ignore"):
        found = np.array(value, dtype)
    if not np.isfinite(found) and all(map(math.isfinite, (value.real, value.imag))):
        raise ValueError(f"{name} is {value!r}: too large for {dtype}")
    return found
