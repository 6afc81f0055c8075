"""ocu_multiply from Python, on arrays of any kind: what the tests of the core's product share."""

import numpy as np

from opencu.drivers.status import check, ffi, lib
from opencu.runtime.plan import ensure
from opencu.tile import dtypes

CODES = {"f32": 1, "f64": 2, "f16": 3, "bf16": 4, "i8": 5, "i32": 6, "c64": 7, "c128": 8}
CODES |= {"e4m3": 10, "e5m2": 11}
TYPES = {name: getattr(dtypes, name) for name in CODES}
KINDS = [
    ("f32", "f32", "f32"),
    ("f64", "f64", "f64"),
    ("f16", "f16", "f32"),
    ("f16", "f32", "f32"),
    ("bf16", "bf16", "f32"),
    ("bf16", "f32", "f32"),
    ("e4m3", "f32", "f32"),
    ("e4m3", "bf16", "f32"),
    ("e4m3", "e4m3", "f32"),
    ("i8", "i32", "i32"),
    ("i8", "f32", "f32"),
    ("c64", "c64", "c64"),
    ("c128", "c128", "c128"),
]
# Relative rounding error of a result, of its sums.
EPS = {
    "f16": 2.0**-11,
    "bf16": 2.0**-8,
    "e4m3": 2.0**-4,
    "e5m2": 2.0**-3,
    "f32": 2.0**-24,
    "c64": 2.0**-23,
}
EPS |= {"f64": 2.0**-53, "c128": 2.0**-52, "i32": 0, "i8": 0}
TINY = {"e4m3": 2.0**-10, "e5m2": 2.0**-17}  # half of the smallest number
SUMS = dict.fromkeys(("f16", "bf16", "e4m3", "e5m2"), "f32") | {"i8": "i32"}


def random(rng, name, *shape):
    """Random values, as an array of the dtype (of those that numpy lacks, the bits)."""
    if name == "i8":
        return rng.integers(-128, 128, shape, np.int8)
    if name == "i32":
        return rng.integers(-1000, 1000, shape, np.int32)
    x = rng.standard_normal(shape)
    if name in ("c64", "c128"):
        x = x + 1j * rng.standard_normal(shape)
        return x.astype(TYPES[name].numpy)
    return np.asarray(dtypes.narrow(x, TYPES[name]))


def values(name, x):
    """An array's values in float64, complex128 or int64."""
    if name in ("i8", "i32"):
        return x.astype(np.int64)
    x = dtypes.widen(x, TYPES[name]) if x.dtype.kind == "u" else x
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def matrix(x):
    """An array of matrices [z, m, n] as the core takes it."""
    steps = [s // x.itemsize for s in x.strides]
    return {"p": ffi.cast("void *", x.ctypes.data), "bs": steps[0], "rs": steps[1], "cs": steps[2]}


def multiply(
    kind, a, b, c, d, alpha=1, beta=0, *, flags=lib.OCU_CALL_SYNC, stream=ffi.NULL, **more
):
    """D = alpha A B + beta C on arrays [z, m, k], [z, k, n], [z, m, n]; the core's status."""
    ab, out, scale = (CODES[name] for name in kind)
    dtype = TYPES[kind[2]].numpy
    scalars = [np.array([x], dtype) for x in (alpha, beta)]
    g = ffi.new("ocu_product *")
    g.kind = {"ab": ab, "c": out, "scale": scale, **more.pop("options", {})}
    g.batch, g.m, g.n, g.k = (*d.shape, a.shape[2])
    g.a, g.b, g.c, g.d = map(matrix, (a, b, c, d))
    g.alpha, g.beta = (ffi.cast("void *", x.ctypes.data) for x in scalars)
    for name, value in more.items():
        setattr(g, name, value)
    return call(g, flags, stream)


def call(g, flags=lib.OCU_CALL_SYNC, stream=ffi.NULL):
    """ocu_multiply, planning here what no pack holds."""
    for _ in range(4):  # classes of one call
        status = lib.ocu_multiply(stream, g, flags | lib.OCU_CALL_NO_PLANNER)
        if status != lib.OCU_NO_PLAN:
            break
        ensure(bytes(ffi.buffer(lib.ocu_last_spec().f)))
    return status


def expected(kind, a, b, c, alpha=1, beta=0, *, conj=0, bias=None, act=None, other=None):
    """The product in float64, complex128 or int64, and a bound of its rounding error. other: the
    dtype of b, if it is not a's."""
    ab, out, _ = kind
    x, y = values(ab, a), values(other or ab, b)
    x, y = (np.conj(v) if conj & bit else v for v, bit in ((x, 1), (y, 2)))
    product = alpha * (x @ y)
    size = np.abs(alpha) * (np.abs(x) @ np.abs(y))
    if beta:
        product, size = product + beta * values(out, c), size + np.abs(beta * values(out, c))
    if bias is not None:
        product, size = product + values(out, bias), size + np.abs(values(out, bias))
    if act is not None:
        product = act(product)
    sums = EPS["f32" if out == "f32" else SUMS.get(ab, ab)]
    if out in ("e4m3", "e5m2"):
        most = dtypes.largest(TYPES[out])
        product = np.clip(product, -most, most)
    return product, (a.shape[2] + 8) * sums * size + EPS[out] * np.abs(product) + TINY.get(out, 0)


def same(kind, found, want, bound):
    """Is it what was expected, within the bound; integers wrap."""
    got = values(kind[1], found)
    if kind[1] == "i32":
        np.testing.assert_array_equal(got, want.astype(np.int64).astype(np.int32))
        return
    wrong = ~(np.abs(got - want) <= bound)
    assert not wrong.any(), (kind, wrong.sum(), wrong.size, np.abs(got - want).max())


__all__ = [
    "CODES", "EPS", "KINDS", "TINY", "TYPES", "call", "check", "expected", "matrix", "multiply",
    "random", "same", "values",
]  # fmt: skip
