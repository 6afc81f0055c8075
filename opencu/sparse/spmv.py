"""Products of a sparse matrix by rows (CSR) and a vector."""

from typing import Any, NamedTuple

import numpy as np

from opencu.runtime.arguments import real
from opencu.runtime.array import Array, asarray, share
from opencu.runtime.operands import Operands
from opencu.sparse.kernels import spmv as kernels

VALUES = (np.dtype("f4"), np.dtype("f8"))
INDICES = (np.dtype("i4"), np.dtype("i8"))


class CSR(NamedTuple):
    """A sparse matrix by rows on a device, as scipy keeps it: row r has data[indptr[r]:
    indptr[r + 1]] in the columns indices[...]."""

    data: Array
    indices: Array
    indptr: Array
    shape: tuple[int, int]

    @classmethod
    def of(cls, matrix: Any, device: Any = None) -> "CSR":
        """A scipy CSR matrix's arrays on a device."""
        data, indices, indptr = _arrays(matrix)
        return cls(*(asarray(x, device) for x in (data, indices, indptr)), matrix.shape)


def _arrays(matrix: Any) -> tuple:
    if getattr(matrix, "format", None) != "csr":
        what = f"{type(matrix).__module__}.{type(matrix).__qualname__}"
        raise TypeError(f"matrix is a {what}: expected a scipy CSR matrix, or an opencu.sparse.CSR")
    return matrix.data, matrix.indices, matrix.indptr


def spmv(matrix, x, alpha=1, beta=0, y=None, *, stream=None) -> Any:
    """alpha matrix x + beta y; y is written in place if it is given, else the result is new.

    matrix: (m, n), scipy's in CSR form (then x is a numpy array or torch CPU tensor) or a CSR (then
    an opencu array), with unsorted and repeated indices as scipy takes them; an index beyond n
    counts as a zero of x. x: (n,), y: (m,), any strides. float32 or float64, one dtype for all,
    summed in it; indices int32 or int64. beta == 0 does not read y. Deterministic: the order of the
    sums depends on the matrix alone. On device arrays the call is stream-ordered.

    Raises TypeError or ValueError where kinds, dtypes, shapes, devices or scalars do not fit.
    Algorithm: the split by stored elements of Dalton and others, "Optimizing sparse matrix
    operations on GPUs using merge path" (2015), with rows cut at multiples of a share.
    """
    call = Operands("x", x, stream)
    v = call.take("x", x, VALUES)
    if isinstance(matrix, CSR):
        given = matrix[:3]
    elif call.host:
        given = tuple(map(share, _arrays(matrix)))
    else:
        raise TypeError(f"matrix is {type(matrix).__name__}: expected an opencu.sparse.CSR, as x is"
                        " an opencu array")  # fmt: skip
    parts = zip(("data", "indices", "indptr"), given, ((v.dtype,), INDICES, INDICES))
    data, indices, indptr = (call.checked(f"the matrix's {n}", a, known) for n, a, known in parts)
    m, n = matrix.shape
    shapes = data.ndim == 1, indices.shape == data.shape, indptr.shape == (m + 1,)
    if not all(shapes):
        found = f"{data.shape}, {indices.shape}, {indptr.shape}"
        raise ValueError(f"the matrix's data, indices, indptr have shapes {found} for {(m, n)}")
    if v.shape != (n,):
        raise ValueError(f"x has shape {v.shape}: expected {(n,)}")
    alpha, beta = real("alpha", alpha), real("beta", beta)
    if y is None and beta:
        raise ValueError(f"beta is {beta!r} and y is None: expected a y to add to, or beta=0")
    out = call.output(y, (m,), v.dtype, "y", **{"x": v, "the matrix": data})
    if m:
        programs, each, consts = kernels.plan(call.target, m, data.shape[0])
        a, b = (v.dtype.type(s) for s in (alpha, beta))
        heads = call.empty((programs,), v.dtype)
        arrays = indptr, indices, data, v, out, heads
        call.launch(
            kernels.spmv, (programs,), *arrays, a, b, np.int64(each), BETA=bool(beta), **consts
        )
        if programs > 1:
            call.launch(kernels.add_heads, (1,), indptr, out, heads, a, np.int64(each))
    return call.result(out, y)
