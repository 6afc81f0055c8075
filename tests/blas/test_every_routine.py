"""Every routine of opencu.blas in every dtype that it takes, on the OpenCL device, against float64:
one call of each. The routines' own tests run on every device too, but there in two dtypes."""

import numpy as np
import pytest
from forms import banded, random, stored, symmetric, triangular, wide

import opencu
from opencu import blas
from opencu.drivers import drivers
from opencu.tile import dtypes

N, K = 9, 2  # the order, diagonals beside the main one
REAL, COMPLEX = ("f4", "f8"), ("c8", "c16")
MOST, ALL = (*REAL, *COMPLEX), (*REAL, *COMPLEX, "f2", "bf16")
EPS = {"f2": 2.0**-7, "bf16": 2.0**-4, "f4": 2.0**-16, "c8": 2.0**-15, "f8": 2.0**-44}
EPS |= {"c16": 2.0**-43}


def narrow(x, dtype):
    """x in the dtype, and the numbers that are left."""
    if dtype != "bf16":
        return x.astype(dtype), wide(x.astype(dtype))
    bits = np.asarray(dtypes.narrow(x, dtypes.bf16)).view("u2")
    return bits.view(opencu.bfloat16), dtypes.widen(bits, dtypes.bf16).astype("f8")


def numbers(x, dtype):
    x = np.asarray(x)
    if dtype == "bf16" and x.dtype.kind not in "fi":
        return dtypes.widen(x.view("u2"), dtypes.bf16)
    return x


class Operands:
    """Small letters: arrays on the device. Capital ones: their numbers; M, H and T: the symmetric,
    Hermitian and triangular matrix of A's lower side, p that side packed, q the band of it, g A's;
    with a Q before them, those of the band."""

    def __init__(self, dtype, put):
        kind = "c16" if dtype[0] == "c" else "f8"
        shapes = {"A": (N, N), "B": (N, 5), "C": (N, 5), "X": (N,), "Y": (N,), "R": (2, N, 3)}
        made = {x: random(kind, *s, seed=i) for i, (x, s) in enumerate(shapes.items())}
        made["A"] = made["A"] / N + 2 * np.eye(N)
        made |= {"U": np.array([3.0]), "V": np.array([4.0])}
        made["S"] = np.stack([made["A"], made["A"].T])
        for name, x in made.items():
            x, exact = narrow(x, dtype)
            setattr(self, name.lower(), put(x))
            setattr(self, name, exact)
        A, Q = self.A, banded(self.A, K, K)
        for name, x in (("", A), ("Q", Q)):
            setattr(self, f"{name}M", symmetric(x, True))
            setattr(self, f"{name}H", symmetric(x, True, True))
            setattr(self, f"{name}T", triangular(x, True))
        self.Q = Q
        if dtype in MOST:
            forms = ((A, "packed", True), (Q, "band", True, K), (Q, "band", None, 2 * K, K))
            self.p, self.q, self.g = (put(stored(*f).astype(dtype)) for f in forms)


def side(x):
    return stored(x, "full", True)


def packed(x):
    return stored(x, "packed", True)


def twice(x, y, turn=np.asarray):
    return np.outer(x, turn(y)) + np.outer(y, turn(x))


def solved(M, x):
    return np.linalg.solve(M, x)


def factors(o):
    lu, pivots, info = blas.getrf(o.s)
    return (lu, pivots), info


def pivoted(o):
    """P A as the factors multiply to it."""
    (lu, pivots), info = factors(o)
    x, A = wide(np.asarray(lu)), o.S.copy()
    for z, rows in enumerate(np.asarray(pivots) - 1):
        for i, p in enumerate(rows):
            A[z, [i, p]] = A[z, [p, i]]
    return (np.tril(x, -1) + np.eye(N)) @ np.triu(x), A, info, 0


def product_of_reflectors(o):
    qr, tau = blas.geqrf(o.s)
    out = np.triu(wide(np.asarray(qr)))
    for z, k in ((z, k) for z in range(2) for k in reversed(range(N))):
        v = np.r_[np.zeros(k), 1, np.asarray(qr)[z, k + 1 :, k]]
        out[z] -= np.asarray(tau)[z, k] * np.outer(v, v.conj() @ out[z])
    return out, o.S


H = [1.5, -0.5, 0.25, 2]
# routine: the dtypes that it takes; a call's results, each with what it must be
TABLE = {
    "amax": (ALL, lambda o: (blas.amax(o.x), (abs(o.X.real) + abs(o.X.imag)).argmax())),
    "amin": (ALL, lambda o: (blas.amin(o.x), (abs(o.X.real) + abs(o.X.imag)).argmin())),
    "asum": (ALL, lambda o: (blas.asum(o.x), (abs(o.X.real) + abs(o.X.imag)).sum())),
    "axpy": (ALL, lambda o: (blas.axpy(o.x, o.y, alpha=2), 2 * o.X + o.Y)),
    "copy": (ALL, lambda o: (blas.copy(o.x, o.y), o.X)),
    "dgmm": (MOST, lambda o: (blas.dgmm(o.b, o.x), o.B * o.X[:, None])),
    "dot": (ALL, lambda o: (blas.dot(o.x, o.y), (o.X * o.Y).sum())),
    "dotc": (ALL, lambda o: (blas.dotc(o.x, o.y), (o.X.conj() * o.Y).sum())),
    "dotu": (ALL, lambda o: (blas.dotu(o.x, o.y), (o.X * o.Y).sum())),
    "gbmv": (MOST, lambda o: (blas.gbmv(o.g, o.x, rows=N, ku=K), o.Q @ o.X)),
    "geam": (MOST, lambda o: (blas.geam(o.b, o.c, alpha=2, beta=-1), 2 * o.B - o.C)),
    "gels": (MOST, lambda o: (blas.gels(o.s, o.r)[0], solved(o.S, o.R))),
    "gemm": (ALL, lambda o: (blas.gemm(o.a, o.b, o.c, alpha=2, beta=-1), 2 * o.A @ o.B - o.C)),
    "gemv": (MOST, lambda o: (blas.gemv(o.a, o.x), o.A @ o.X)),
    "geqrf": (MOST, product_of_reflectors),
    "ger": (MOST, lambda o: (blas.ger(o.a, o.x, o.y), o.A + np.outer(o.X, o.Y))),
    "gerc": (COMPLEX, lambda o: (blas.gerc(o.a, o.x, o.y), o.A + np.outer(o.X, o.Y.conj()))),
    "geru": (MOST, lambda o: (blas.geru(o.a, o.x, o.y), o.A + np.outer(o.X, o.Y))),
    "getrf": (MOST, pivoted),
    "getri": (MOST, lambda o: (blas.getri(*factors(o)[0])[0], np.linalg.inv(o.S))),
    "getrs": (MOST, lambda o: (blas.getrs(*factors(o)[0], o.r), solved(o.S, o.R))),
    "hbmv": (COMPLEX, lambda o: (blas.hbmv(o.q, o.x), o.QH @ o.X)),
    "hemm": (COMPLEX, lambda o: (blas.hemm(o.a, o.b), o.H @ o.B)),
    "hemv": (COMPLEX, lambda o: (blas.hemv(o.a, o.x), o.H @ o.X)),
    "her": (COMPLEX, lambda o: (blas.her(o.a, o.x), side(o.H + np.outer(o.X, o.X.conj())))),
    "her2": (COMPLEX, lambda o: (blas.her2(o.a, o.x, o.y), side(o.H + twice(o.X, o.Y, np.conj)))),
    "her2k": (COMPLEX, lambda o: (blas.her2k(o.b, o.c),
                                  side(o.B @ o.C.conj().T + o.C @ o.B.conj().T))),
    "herk": (COMPLEX, lambda o: (blas.herk(o.b), side(o.B @ o.B.conj().T))),
    "herkx": (COMPLEX, lambda o: (blas.herkx(o.b, o.b), side(o.B @ o.B.conj().T))),
    "hpmv": (COMPLEX, lambda o: (blas.hpmv(o.p, o.x), o.H @ o.X)),
    "hpr": (COMPLEX, lambda o: (blas.hpr(o.p, o.x), packed(o.H + np.outer(o.X, o.X.conj())))),
    "hpr2": (COMPLEX, lambda o: (blas.hpr2(o.p, o.x, o.y), packed(o.H + twice(o.X, o.Y, np.conj)))),
    "matinv": (MOST, lambda o: (blas.matinv(o.s)[0], np.linalg.inv(o.S))),
    "nrm2": (ALL, lambda o: (blas.nrm2(o.x), np.linalg.norm(o.X))),
    "rot": (ALL, lambda o: sum(zip(blas.rot(o.x, o.y, c=0.5, s=2),
                                   (o.X / 2 + 2 * o.Y, o.Y / 2 - 2 * o.X)), ())),
    "rotg": (MOST, lambda o: sum(zip(blas.rotg(o.u, o.v)[::2], (5, 0.6)), ())),
    "rotm": (REAL, lambda o: sum(zip(blas.rotm(o.x, o.y, param=[-1, *H]),
                                     (1.5 * o.X + 0.25 * o.Y, 2 * o.Y - 0.5 * o.X)), ())),
    "rotmg": (REAL, lambda o: (blas.rotmg(o.u, o.v, o.u, o.v)[3], [1, 9 / 16, 0, 0, 3 / 4])),
    "sbmv": (MOST, lambda o: (blas.sbmv(o.q, o.x), o.QM @ o.X)),
    "scal": (ALL, lambda o: (blas.scal(o.x, alpha=3), 3 * o.X)),
    "spmv": (MOST, lambda o: (blas.spmv(o.p, o.x), o.M @ o.X)),
    "spr": (MOST, lambda o: (blas.spr(o.p, o.x), packed(o.M + np.outer(o.X, o.X)))),
    "spr2": (MOST, lambda o: (blas.spr2(o.p, o.x, o.y), packed(o.M + twice(o.X, o.Y)))),
    "swap": (ALL, lambda o: sum(zip(blas.swap(o.x, o.y) or (o.x, o.y), (o.Y, o.X)), ())),
    "symm": (MOST, lambda o: (blas.symm(o.a, o.b), o.M @ o.B)),
    "symv": (MOST, lambda o: (blas.symv(o.a, o.x), o.M @ o.X)),
    "syr": (MOST, lambda o: (blas.syr(o.a, o.x), side(o.M + np.outer(o.X, o.X)))),
    "syr2": (MOST, lambda o: (blas.syr2(o.a, o.x, o.y), side(o.M + twice(o.X, o.Y)))),
    "syr2k": (MOST, lambda o: (blas.syr2k(o.b, o.c), side(o.B @ o.C.T + o.C @ o.B.T))),
    "syrk": (MOST, lambda o: (blas.syrk(o.b), side(o.B @ o.B.T))),
    "syrkx": (MOST, lambda o: (blas.syrkx(o.b, o.c), side(o.B @ o.C.T))),
    "tbmv": (MOST, lambda o: (blas.tbmv(o.q, o.x), o.QT @ o.X)),
    "tbsv": (MOST, lambda o: (blas.tbsv(o.q, o.x), solved(o.QT, o.X))),
    "tpmv": (MOST, lambda o: (blas.tpmv(o.p, o.x), o.T @ o.X)),
    "tpsv": (MOST, lambda o: (blas.tpsv(o.p, o.x), solved(o.T, o.X))),
    "tpttr": (MOST, lambda o: (blas.tpttr(o.p), o.T)),
    "trmm": (MOST, lambda o: (blas.trmm(o.a, o.b), o.T @ o.B)),
    "trmv": (MOST, lambda o: (blas.trmv(o.a, o.x), o.T @ o.X)),
    "trsm": (MOST, lambda o: (blas.trsm(o.a, o.b), solved(o.T, o.B),
                              blas.trsm(o.s, o.r), solved(np.tril(o.S), o.R))),
    "trsv": (MOST, lambda o: (blas.trsv(o.a, o.x), solved(o.T, o.X))),
    "trttp": (MOST, lambda o: (blas.trttp(o.a), packed(o.A))),
}  # fmt: skip


def test_the_table_has_every_routine_and_dtype():
    assert set(TABLE) == set(blas.__all__)
    for taken, results in TABLE.values():
        for dtype in set(MOST) - set(taken):
            with pytest.raises((TypeError, ValueError), match=f"has dtype {np.dtype(dtype)}"):
                results(Operands(dtype, np.copy))
        if taken == MOST:
            operands = Operands("f4", np.copy)
            for key, x in vars(operands).items():
                if key.islower():
                    setattr(operands, key, x.astype("f2"))
            with pytest.raises(TypeError, match="has dtype float16"):
                results(operands)


@pytest.mark.skipif(not drivers()["opencl"].devices(), reason="no OpenCL device")
@pytest.mark.parametrize("name", TABLE)
def test_a_routine_is_right_in_every_dtype(name):
    (taken, results), device = TABLE[name], opencu.device("opencl")
    for dtype in taken:
        found = results(Operands(dtype, lambda x: opencu.asarray(x.copy(), device)))
        for got, want in zip(found[::2], found[1::2]):
            got, want = numbers(got, dtype), np.asarray(want)
            got = np.where(np.isnan(want), np.nan, got)
            eps = EPS[dtype]
            np.testing.assert_allclose(got, want, rtol=eps, atol=8 * eps, err_msg=dtype)
