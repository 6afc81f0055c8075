"""Small systems, one matrix or a stack of them: factors, solutions, inverses, least squares.

a and b are matrices (n, n), (n, r), or stacks of as many of these, (batch, n, n), of one dtype
(float32, float64, complex64, complex128) and any strides, all numpy arrays, torch CPU tensors or
opencu arrays. Where it is said they are overwritten. info, int32, holds for each matrix 0, or the
first i, from 1, where element (i, i) of a triangular factor is 0: such a matrix is singular, and
what is made with its inverse is Inf or NaN. On device arrays a call is stream-ordered. Wrong kinds,
dtypes, shapes, devices or letters raise TypeError or ValueError before anything runs. Source:
Anderson et al., "LAPACK Users' Guide", 3rd edition (1999), whose names these are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from opencu.blas.level2 import letter
from opencu.blas.routine import ALL, READ, UPDATE, WRITE, Call
from opencu.drivers.status import lib
from opencu.runtime.array import Array
from opencu.runtime.operands import part
from opencu.runtime.stream import Stream

INT = np.dtype("i4")


class Stack(Call):
    """One call on stacks; the first says how many matrices there are."""

    def __init__(self, a: Any, how: int, stream: Stream | None):
        super().__init__("a", a, stream)
        self.lead: tuple[int, ...] | None = None
        self.a = self.matrices("a", 0, a, ALL, how)

    def matrices(self, name: str, i: int, x: Any, dtypes: Any, how: int) -> Array:
        written = bool(how & WRITE)
        x = self.take(name, x, dtypes, written)
        x = self.shaped(x, name, x.ndim if x.ndim in (2, 3) else 3, written)
        if self.lead is None:
            self.lead = x.shape[:-2]
            self.r.batch = self.lead[0] if self.lead else 1
        elif x.shape[:-2] != self.lead:
            raise ValueError(f"{name} has shape {x.shape}: expected as many matrices as a has")
        self.operand(i, x, how)
        return x

    def square(self) -> int:
        n = self.a.shape[-1]
        if self.a.shape[-2] != n:
            raise ValueError(f"a has shape {self.a.shape}: expected square matrices")
        return n

    def right(self, x: Any, rows: int) -> Array:
        b = self.matrices("b", 2, x, (self.a.dtype,), UPDATE)
        if b.shape[-2] != rows:
            raise ValueError(f"b has shape {b.shape}: expected {rows} rows, as a has")
        self.apart(b, "a", self.a, name_out="b")
        return b

    def vectors(self, i: int, x: Array, how: int) -> None:
        """x of shape (..., n), contiguous."""
        n = x.shape[-1]
        self.operand(i, part(x, 0, (self.r.batch, 1, n), (n, n, 1)), how)

    def made(self, i: int, shape: tuple[int, ...], dtype: Any) -> Array:
        """A new result, of a vector for each matrix."""
        assert self.lead is not None
        out = self.empty((*self.lead, *shape), dtype)
        self.vectors(i, part(out, 0, (self.r.batch, *(shape or (1,))), (0, 1)), WRITE)
        return out

    def pivots(self, x: Any, n: int) -> None:
        if x is None:
            return
        assert self.lead is not None
        p = self.take("pivots", x, (INT,))
        if p.shape != (*self.lead, n) or p.steps[-1:] != (1,) or (self.lead and p.steps[0] != n):
            if p.shape != (*self.lead, n):
                raise ValueError(f"pivots has shape {p.shape}: expected {(*self.lead, n)}")
            raise ValueError(f"pivots has strides {p.strides}: expected a contiguous array")
        self.vectors(1, p, READ)


def getrf(a: Any, *, pivot: bool = True, stream: Stream | None = None) -> tuple[Any, Any, Any]:
    """a = P L U in a's place, U with the diagonal, L's being of ones. Returns a, pivots, info:
    row i was exchanged with row pivots[i] - 1. Without `pivot` rows stay and pivots is None."""
    call = Stack(a, UPDATE, stream)
    n = call.square()
    p = call.made(1, (n,), INT) if pivot else None
    info = call.made(3, (), INT)
    call.run(lib.OCU_OP_GETRF)
    return call.result(call.a, a), None if p is None else call.result(p), call.result(info)


def getrs(a: Any, pivots: Any, b: Any, *, trans: Any = "N", stream: Stream | None = None) -> Any:
    """b = op(P L U)^-1 b, of getrf's results; b (n, r)."""
    call = Stack(a, READ, stream)
    n, op = call.square(), letter("trans", trans, "NTC")
    call.pivots(pivots, n)
    x = call.right(b, n)
    call.run(lib.OCU_OP_GETRS, bytes([op]))
    return call.result(x, b)


def getri(a: Any, pivots: Any, *, stream: Stream | None = None) -> tuple[Any, Any]:
    """(P L U)^-1 of getrf's results, and info."""
    call = Stack(a, READ, stream)
    call.pivots(pivots, call.square())
    return _inverse(call, lib.OCU_OP_GETRI, 0)


def matinv(a: Any, *, stream: Stream | None = None) -> tuple[Any, Any]:
    """a^-1, and info."""
    call = Stack(a, READ, stream)
    n = call.square()
    return _inverse(call, lib.OCU_OP_MATINV, call.r.batch * n * (n * call.a.dtype.itemsize + 4))


def _inverse(call: Stack, operation: int, workspace: int) -> tuple[Any, Any]:
    out = call.empty(call.a.shape, call.a.dtype)
    call.operand(2, out, WRITE)
    info = call.made(3, (), INT)
    call.run(operation, workspace=workspace)
    return call.result(out), call.result(info)


def geqrf(a: Any, *, stream: Stream | None = None) -> tuple[Any, Any]:
    """a = Q R in a's place, a (m, n): R, and below it of each v what follows its 1. Returns a, tau:
    Q is the product of 1 - tau[i] v[i] v[i]^H, of min(m, n) factors."""
    call = Stack(a, UPDATE, stream)
    tau = call.made(1, (min(call.a.shape[-2:]),), call.a.dtype)
    call.run(lib.OCU_OP_GEQRF)
    return call.result(call.a, a), call.result(tau)


def gels(a: Any, b: Any, *, stream: Stream | None = None) -> tuple[Any, Any]:
    """The first n rows of b become the x for which |a x - b| is least, a (m, n), m >= n, b (m, r);
    a becomes what geqrf makes of it. Returns b, info."""
    call = Stack(a, UPDATE, stream)
    m, n = call.a.shape[-2:]
    if m < n:
        raise ValueError(f"a has shape {call.a.shape}: expected at least as many rows as columns")
    x = call.right(b, m)
    info = call.made(3, (), INT)
    call.run(lib.OCU_OP_GELS)
    return call.result(x, b), call.result(info)


def solve_triangles(a, b, side, uplo, trans, diag, alpha, stream) -> Any:
    """blas.trsm of stacks. x op(a) = alpha b is op(a)^T x^T = alpha b^T."""
    call = Stack(a, READ, stream)
    n, right, lower = call.square(), letter("side", side, "LR"), letter("uplo", uplo, "UL")
    op, unit = letter("trans", trans, "NTC"), letter("diag", diag, "NU")
    x = call.matrices("b", 2, b, (call.a.dtype,), UPDATE)
    if x.shape[1 + right] != n:
        raise ValueError(f"b has shape {x.shape}: expected {n} along axis {1 + right}")
    call.apart(x, "a", call.a, name_out="b")
    turned = (op > 0) != (right > 0)
    if turned:
        call.operand(0, call.a.transpose(0, 2, 1), READ)
    if right:
        call.operand(2, x.transpose(0, 2, 1), UPDATE)
    call.factors((call.a.dtype,), alpha=alpha)
    call.run(lib.OCU_OP_TRSM_BATCHED, bytes([(lower > 0) != turned, unit, op == 2]))
    return call.result(x, b)
