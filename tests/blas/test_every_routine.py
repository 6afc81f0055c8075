"""Every routine of opencu.blas, in every dtype that it takes, on the OpenCL device, against float64.

One call of each: what the routines' own tests, which run there in two dtypes, leave out."""

import numpy as np
import pytest
from forms import banded, random, stored, symmetric, triangular, wide

import opencu
from opencu import blas
from opencu.drivers import drivers
from opencu.tile import dtypes

N, K = 9, 2  # the order, diagonals beside the main one
EPS = {"f2": 2.0**-8, "bf16": 2.0**-5, "f4": 2.0**-17, "c8": 2.0**-16, "f8": 2.0**-45}
EPS |= {"c16": 2.0**-44}
REAL, COMPLEX = ("f4", "f8"), ("c8", "c16")
FULL, ALL = (*REAL, *COMPLEX), (*REAL, *COMPLEX, "f2", "bf16")


class Operands:
    """Capital letters: matrices and vectors in double precision, of which the device has small ones;
    S, H and T are symmetric, Hermitian and triangular, of A's lower side; Q of a band of it."""

    def __init__(self, device, dtype):
        self.device, self.dtype = device, dtype
        a = random("c16" if dtype[0] == "c" else "f8", N, N) / N + 2 * np.eye(N)
        b, c, x, y = (random(a.dtype.str[1:], *s, seed=i)
                      for i, s in enumerate(((N, 5), (N, 5), (N,), (N,))))  # fmt: skip
        rounded = [self.rounded(z) for z in (a, b, c, x, y, banded(a, K, K))]
        self.A, self.B, self.C, self.X, self.Y, self.Q = (r[1] for r in rounded)
        self.a, self.b, self.c, self.x, self.y, _ = (self.put(r[0]) for r in rounded)
        (a, *_, q), lower = (r[0] for r in rounded), True
        if dtype not in ("f2", "bf16"):
            self.p, self.q = (
                self.put(stored(a, "packed", lower)),
                self.put(stored(q, "band", lower, K)),
            )
            self.g = self.put(stored(q, "band", None, 2 * K, K))
            self.stack, self.stackb = (
                self.put(np.stack([a, a.T])),
                self.put(np.stack([rounded[1][0]] * 2)),
            )
            self.STACK = np.stack([self.A, self.A.T])

    def rounded(self, x):
        """In the dtype, and what that means."""
        if self.dtype == "bf16":
            x = np.asarray(dtypes.narrow(x, dtypes.bf16))
            return x, dtypes.widen(x, dtypes.bf16).astype("f8")
        x = x.astype(self.dtype)
        return x, wide(x)
