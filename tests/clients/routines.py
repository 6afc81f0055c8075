"""Every routine of cuBLAS as mathematics: its arguments, by name, and what it makes of them.

A routine's function yields calls for the types t: (arguments, results, size of the sums); arguments
that one form of the routine does not have are left out by whoever calls it."""

import itertools
from types import SimpleNamespace

import numpy as np
from forms import banded, op, random, stored, symmetric, triangular, wide
from operands import matrix, number, vector

PART = {"c8": "f4", "c16": "f8"}
OPS, LOWER = "NTC", (True, False)  # cublasOperation_t, cublasFillMode_t
ROUTINES = {}


def types(d, s=None, c=None, *, cosine=None, count=1, wide=False, forward=False):
    """d: of the operands, s: of alpha, c: of products; how many in a batch; 64-bit integers?;
    positive steps only?"""
    real = PART.get(d, d)
    return SimpleNamespace(
        d=d,
        s=s or d,
        c=c or d,
        real=real,
        cosine=cosine or real,
        count=count,
        index="i8" if wide else "i4",
        steps=(1, 2, 3) if forward else (1, 2, -2),
    )


def routine(*names):
    def add(function):
        ROUTINES.update((name, (function, name)) for name in names)
        return function

    return add


def scalars(t, at, alpha_type=None, beta_type=None):
    """alpha and beta, in each of the ways that cuBLAS tells apart, and their values."""
    pairs = [(1.5, -0.5), (2, 0), (0, 2), (-1, 1)][at % 4]
    kinds = (alpha_type or t.s, beta_type or alpha_type or t.s)
    made = [number(x * (1 + 0.5j if k[0] == "c" else 1), k) for x, k in zip(pairs, kinds)]
    return *made, *(m.memory[0] if m.kind[0] == "i" else wide(m.memory)[0] for m in made)


def values(dtype, *shape, seed=0):
    if dtype == "i1":
        return np.random.default_rng(seed).integers(-9, 9, shape).astype(dtype)
    return random(dtype, *shape, seed=seed)


def exact(x):
    return x.astype("i8") if x.dtype.kind == "i" else wide(x)


def unread(x, factor):
    """An operand whose factor is 0 is not read."""
    return x if factor or x.dtype.kind == "i" else np.full_like(x, np.nan)


def scaled(factor, x):
    return factor * x if factor else 0


def turned(x, trans):
    return np.stack([op(y, OPS[trans]) for y in x])


@routine(*"axpy copy swap scal dot dotu dotc nrm2 asum amax amin rot rotm".split())
def vectors(t, name):
    for n, incx, incy in [(1, 1, 1), (37, 2, -3), (1000, 1, 1), (300, 3, 2)]:
        x, y = random(t.d, n), random(t.d, n, seed=1)
        alpha = number(2 + (0.5j if t.s[0] == "c" else 0), t.s)
        c, s = number(0.6, t.cosine), number(0.48 + 0.64j if t.s[0] == "c" else 0.8, t.s)
        param = number([-1, 0.5, -2, 3, 1.5], t.real)
        u, v, a, co, si = (wide(z) for z in (x, y, alpha.memory, c.memory, s.memory))
        sizes = abs(u.real) + abs(u.imag)
        want = {
            "axpy": {"y": a * u + v},
            "copy": {"y": u},
            "swap": {"x": v, "y": u},
            "scal": {"x": a * u},
            "dot": {"result": (u * v).sum()},
            "dotu": {"result": (u * v).sum()},
            "dotc": {"result": (u.conj() * v).sum()},
            "nrm2": {"result": np.linalg.norm(u)},
            "asum": {"result": sizes.sum()},
            "amax": {"result": sizes.argmax() + 1},
            "amin": {"result": sizes.argmin() + 1},
            "rot": {"x": co * u + si * v, "y": co * v - si.conj() * u},
            "rotm": {"x": 0.5 * u + 3 * v, "y": -2 * u + 1.5 * v},
        }[name]
        of_result = t.index if name[:2] == "am" else t.real if name in ("nrm2", "asum") else t.d
        given = dict(n=n, x=vector(x, incx), y=vector(y, incy), alpha=alpha, c=c, s=s)
        yield given | dict(param=param, result=number(0, of_result)), want, n


@routine("rotg")
def rotg(t, name):
    a, b = (number(x, t.d) for x in (3, 4))
    want = dict(a=5, c=0.6, s=0.8) | ({} if t.d[0] == "c" else {"b": 1 / 0.6})
    yield dict(a=a, b=b, c=number(0, t.real), s=number(0, t.d)), want, 4


@routine("rotmg")
def rotmg(t, name):
    d1, d2, x1, y1 = (number(x, t.d) for x in (2, 3, 5, 7))
    u = 1 + (10 / 21) * (5 / 7)
    want = dict(d1=3 / u, d2=2 / u, x1=7 * u, param=[1, 10 / 21, np.nan, np.nan, 5 / 7])
    yield dict(d1=d1, d2=d2, x1=x1, y1=y1, param=number([9] * 5, t.d)), want, 4


SHAPES = [(7, 5), (3, 90), (70, 33), (1, 1)]


@routine("gemv", "gbmv")
def gemv(t, name):
    for at, (trans, (m, n)) in enumerate(itertools.product(range(3), SHAPES)):
        kl, ku = min(m - 1, 2), min(n - 1, 3)
        alpha, beta, a, b = scalars(t, at)
        dense = random(t.d, t.count, m, n)
        if name == "gbmv":
            dense = np.stack([banded(x, kl, ku) for x in dense])
        M = turned(wide(dense), trans)
        x, y = random(t.d, t.count, M.shape[2]), random(t.d, t.count, M.shape[1], seed=1)
        want = scaled(a, (M @ wide(x)[:, :, None])[:, :, 0]) + scaled(b, wide(y))
        if name == "gbmv":
            dense = np.stack([stored(x, "band", None, kl + ku, ku) for x in dense])
        given = dict(trans=trans, m=m, n=n, kl=kl, ku=ku, alpha=alpha, a=matrix(unread(dense, a)))
        given |= dict(x=vector(unread(x, a), t.steps[at % 3]), beta=beta)
        yield given | dict(y=vector(unread(y, b), t.steps[at // 3 % 3])), {"y": want}, M.shape[2]


@routine("ger", "geru", "gerc")
def ger(t, name):
    for at, (m, n) in enumerate(SHAPES):
        alpha, _, a, _ = scalars(t, 3 * at)
        dense, x, y = random(t.d, m, n), random(t.d, m), random(t.d, n, seed=1)
        want = wide(dense) + a * np.outer(x, y.conj() if name == "gerc" else y)
        given = dict(m=m, n=n, alpha=alpha, x=vector(x, 2), y=vector(y, -1), a=matrix(dense))
        yield given, {"a": want}, 4


STORED = {"p": "packed", "b": "band"}


def held(dense, storage, lower=None, k=0):
    """The operand of a matrix's side, in the form that the routine's name tells."""
    x = stored(dense, storage, lower, k)
    return {"ap": vector(x)} if storage == "packed" else {"a": matrix(x)}


@routine(*"symv hemv sbmv hbmv spmv hpmv".split())
def symv(t, name):
    hermitian, storage = name[0] == "h", STORED.get(name[1], "full")
    for at, (n, lower) in enumerate(itertools.product((1, 9, 90, 30), LOWER)):
        k, (alpha, beta, a, b) = min(n - 1, 4), scalars(t, at // 2 + at)
        dense = banded(random(t.d, n, n), k, k) if storage == "band" else random(t.d, n, n)
        x, y = random(t.d, n), random(t.d, n, seed=1)
        want = scaled(a, symmetric(wide(dense), lower, hermitian) @ wide(x))
        want = want + scaled(b, wide(y))
        given = dict(uplo=LOWER.index(lower), n=n, k=k, alpha=alpha, beta=beta)
        given |= held(unread(dense, a), storage, lower, k)
        yield given | dict(x=vector(x, -2), y=vector(unread(y, b), 3)), {"y": want}, n


@routine(*"trmv tbmv tpmv trsv tbsv tpsv".split())
def trmv(t, name):
    storage, solved = STORED.get(name[1], "full"), name[2] == "s"
    for at, (lower, trans, diag) in enumerate(itertools.product(LOWER, range(3), range(2))):
        n = (9, 70, 1)[at % 3]
        k = min(n - 1, 3)
        dense = random(t.d, n, n) / n + 2 * np.eye(n, dtype=t.d)
        dense = banded(dense, k, k) if storage == "band" else dense.astype(t.d)
        M, x = op(triangular(wide(dense), lower, diag), OPS[trans]), random(t.d, n)
        x, want = ((M @ x).astype(t.d), x) if solved else (x, M @ wide(x))
        want = np.linalg.solve(M, wide(x)) if solved else want
        given = dict(uplo=LOWER.index(lower), trans=trans, diag=diag, n=n, k=k)
        given |= held(dense, storage, lower, k)
        yield given | dict(x=vector(x, [1, -2][at % 2])), {"x": want}, n


@routine(*"syr her spr hpr syr2 her2 spr2 hpr2".split())
def syr(t, name):
    hermitian, storage, two = name[0] == "h", STORED.get(name[1], "full"), name[-1] == "2"
    second = np.conj if hermitian else (lambda x: x)
    for at, (n, lower) in enumerate(itertools.product((1, 9, 90), LOWER)):
        alpha, _, a, _ = scalars(t, 3 * at, t.real if hermitian and not two else t.s)
        dense, x, y = random(t.d, n, n), random(t.d, n), random(t.d, n, seed=1)
        M, u, v = symmetric(wide(dense), lower, hermitian), wide(x), wide(y)
        want = M + a * np.outer(u, second(v if two else u))
        want = want + second(a) * np.outer(v, second(u)) if two else want
        given = dict(uplo=LOWER.index(lower), n=n, alpha=alpha, x=vector(x, 2), y=vector(y, -1))
        given |= held(symmetric(dense, lower, hermitian).astype(t.d), storage, lower)
        (key,) = {"a", "ap"} & set(given)
        yield given, {key: stored(want, storage, lower)}, 8


@routine("gemm", "gemm3m")
def gemm(t, name):
    sizes = [(7, 5, 9), (33, 70, 20), (1, 1, 1), (40, 3, 130)]
    for at, (ta, tb) in enumerate(itertools.product(range(3), range(3))):
        m, n, k = sizes[at % 4]
        alpha, beta, a, b = scalars(t, at)
        A = values(t.d, t.count, *((k, m) if ta else (m, k)))
        B = values(t.d, t.count, *((n, k) if tb else (k, n)), seed=1)
        C = values("f4" if t.c == "i4" else t.c, t.count, m, n, seed=2).astype(t.c)
        want = scaled(a, turned(exact(A), ta) @ turned(exact(B), tb)) + scaled(b, exact(C))
        given = dict(transa=ta, transb=tb, m=m, n=n, k=k, alpha=alpha, beta=beta)
        given |= dict(a=matrix(unread(A, a)), b=matrix(unread(B, a), 1), c=matrix(unread(C, b), 2))
        yield given, {"c": want}, 4 * k


@routine("gemmGrouped")
def grouped(t, name):
    """Two groups, of two products and of one."""
    cases = [list(gemm(types(t.d, t.s, t.c, count=n), "gemm"))[at] for n, at in ((2, 0), (1, 5))]
    made = [case[0] for case in cases]
    given = {f"{x}array": [g[x] for g in made] for x in "mnk"}
    for x in ("transa", "transb"):
        given[f"{x}array"] = np.array([g[x] for g in made], "i4")
    for x in "abc":
        given[f"ld{x}array"] = [g[x].numbers["ld"] for g in made]
        given[f"{x}array"] = np.array([m.ctypes.data for g in made for m in g[x].memory], "u8")
        given[f"{x}type"] = made[0][x].type
    for x in ("alpha", "beta"):
        given[f"{x}array"] = number(np.concatenate([g[x].memory for g in made]), t.s)
    given |= {"groupcount": 2, "groupsize": [2, 1]}
    given |= {f"{x}{at}": g[x] for at, g in enumerate(made) for x in "abc"}
    yield given, {f"c{at}": case[1]["c"] for at, case in enumerate(cases)}, 80


@routine("symm", "hemm")
def symm(t, name):
    for at, (side, lower) in enumerate(itertools.product(range(2), LOWER)):
        for m, n in SHAPES[:3]:
            alpha, beta, a, b = scalars(t, at)
            order = n if side else m
            A, B, C = random(t.d, order, order), random(t.d, m, n), random(t.d, m, n, seed=1)
            M = symmetric(wide(A), lower, name == "hemm")
            want = scaled(a, wide(B) @ M if side else M @ wide(B)) + scaled(b, wide(C))
            given = dict(side=side, uplo=LOWER.index(lower), m=m, n=n, alpha=alpha, beta=beta)
            given |= held(unread(A, a), "full", lower)
            given |= dict(b=matrix(unread(B, a)), c=matrix(unread(C, b)))
            yield given, {"c": want}, order


@routine(*"syrk herk syr2k her2k syrkx herkx syrk3m herk3m".split())
def syrk(t, name):
    hermitian, two = name[:2] == "he", name.endswith("2k")
    second = np.conj if hermitian else (lambda x: x)
    for at, (lower, trans) in enumerate(itertools.product(LOWER, range(3))):
        if trans == (1 if hermitian else 2) and t.d[0] == "c":
            continue
        for n, k in SHAPES[:3]:
            one = hermitian and (name[:4] == "herk" and name[-1] != "x")
            alpha, beta, a, b = scalars(
                t, at, t.real if one else None, t.real if hermitian else None
            )
            A, B = (random(t.d, *((k, n) if trans else (n, k)), seed=i) for i in range(2))
            dense = symmetric(random(t.d, n, n), lower, hermitian).astype(t.d)
            U, V = (op(wide(x), OPS[trans]) for x in (A, B))
            V = V if two or name[-1] == "x" else U
            want = scaled(a, U @ second(V).T)
            want = (
                want + (scaled(second(a), V @ second(U).T) if two else 0) + scaled(b, wide(dense))
            )
            if hermitian:  # the others' imaginary parts are not looked at
                want = want * (1 - np.eye(n)) + np.diag(np.diag(want).real)
            given = dict(uplo=LOWER.index(lower), trans=trans, n=n, k=k, alpha=alpha, beta=beta)
            given |= dict(a=matrix(unread(A, a)), b=matrix(unread(B, a)))
            given |= dict(c=matrix(stored(unread(dense, b), "full", lower)))
            yield given, {"c": stored(want, "full", lower)}, 4 * k


@routine("trmm", "trsm")
def trmm(t, name):
    cases = itertools.product(range(2), LOWER, range(3), range(2))
    for at, (side, lower, trans, diag) in enumerate(cases):
        m, n = SHAPES[at % 3]
        order = n if side else m
        alpha, _, a, _ = scalars(t, at)
        A = random(t.d, t.count, order, order) / order + 2 * np.eye(order)
        A, B = A.astype(t.d), random(t.d, t.count, m, n)
        M = turned(np.stack([triangular(wide(x), lower, diag) for x in A]), trans)
        M = np.linalg.inv(M) if name == "trsm" else M
        want = scaled(a, wide(B) @ M if side else M @ wide(B)) + np.zeros(B.shape)
        given = dict(side=side, uplo=LOWER.index(lower), trans=trans, diag=diag, m=m, n=n)
        given |= dict(alpha=alpha, b=matrix(unread(B, a)), c=matrix(unread(B, 0)))
        given |= dict(a=matrix(np.stack([stored(unread(x, a), "full", lower) for x in A])))
        yield given, {"b" if name == "trsm" else "c": want}, 4 * order


@routine("geam")
def geam(t, name):
    for at, (ta, tb) in enumerate(itertools.product(range(3), range(3))):
        m, n = SHAPES[at % 4]
        alpha, beta, a, b = scalars(t, at)
        A, B = (random(t.d, *((n, m) if x else (m, n)), seed=x) for x in (ta, tb))
        want = scaled(a, op(wide(A), OPS[ta])) + scaled(b, op(wide(B), OPS[tb]))
        given = dict(transa=ta, transb=tb, m=m, n=n, alpha=alpha, beta=beta)
        given |= dict(a=matrix(unread(A, a)), b=matrix(unread(B, b), 1))
        yield given | dict(c=matrix(unread(random(t.d, m, n), 0))), {"c": want}, 4


@routine("dgmm")
def dgmm(t, name):
    for side, (m, n) in itertools.product(range(2), SHAPES):
        A, x = random(t.d, m, n), random(t.d, n if side else m)
        want = wide(A) * (wide(x) if side else wide(x)[:, None])
        given = dict(side=side, m=m, n=n, a=matrix(A), x=vector(x, -2), c=matrix(unread(A, 0)))
        yield given, {"c": want}, 4


@routine("tpttr", "trttp")
def packing(t, name):
    for n, lower in itertools.product((1, 9, 40), LOWER):
        dense = random(t.d, n, n)
        full, packed = (stored(dense, form, lower) for form in ("full", "packed"))
        given = dict(uplo=LOWER.index(lower), n=n, a=matrix(full), ap=vector(packed))
        key = "a" if name == "tpttr" else "ap"
        given[key].memory[...] = np.nan
        given[key].before = given[key].memory.copy()
        yield given, {key: full if key == "a" else packed}, 1


def systems(t, m, n, r=4):
    A = (random(t.d, t.count, m, n) + n * np.eye(m, n, 1)).astype(t.d)
    return A, random(t.d, t.count, m, r, seed=1)


def pivots(t, n):
    return number(np.zeros(t.count * n), "i4")


@routine(*"getrf getrs getri matinv".split())
def getrf(t, name):
    """The last three take the factors that numpy finds, of which L has ones on its diagonal."""
    for n, trans in zip((5, 17, 1, 32), (0, 1, 2, 0)):
        A, B = systems(t, n, n)
        factors, order = map(np.stack, zip(*(factored(x) for x in wide(A))))
        p = number(order.ravel(), "i4")
        a = matrix(A if name in ("getrf", "matinv") else factors.astype(t.d))
        inverse, info = np.linalg.inv(wide(A)), number(np.full(t.count, 9), "i4")
        given = dict(n=n, trans=trans, nrhs=4, a=a, b=matrix(B), c=matrix(A * 0), p=p, info=info)
        want = {
            "getrf": dict(a=factors, p=order.ravel(), info=0),
            "getrs": dict(b=np.linalg.solve(turned(wide(A), trans), wide(B))),
            "getri": dict(c=inverse, info=0),
            "matinv": dict(c=inverse, info=0),
        }[name]
        if name == "getrs":
            given["info"], want["info"] = number(9, "i4"), 0
        yield given, want, 64


def factored(x):
    """LU and the rows that were exchanged, from 1 on."""
    x, order = x.copy(), []
    for k in range(len(x)):
        at = k + (abs(x[k:, k].real) + abs(x[k:, k].imag)).argmax()
        order.append(at + 1)
        x[[k, at]] = x[[at, k]]
        x[k + 1 :, k] /= x[k, k]
        x[k + 1 :, k + 1 :] -= np.outer(x[k + 1 :, k], x[k, k + 1 :])
    return x, np.array(order)


@routine("geqrf", "gels")
def gels(t, name):
    """The sizes of R and the solutions: signs, and what lies below, are the factors' own."""
    for m, n in [(5, 5), (17, 6), (40, 1)]:
        A, B = systems(t, m, n)
        a, b, tau = matrix(A), matrix(B), vector(np.zeros((t.count, n), t.d))
        given = dict(trans=0, m=m, n=n, nrhs=4, a=a, tau=tau, c=b, info=number(9, "i4"))
        given |= dict(devinfo=number(np.full(t.count, 9), "i4"))
        if name == "gels":
            found = np.stack([np.linalg.lstsq(x, y, None)[0] for x, y in zip(wide(A), wide(B))])
            rest = np.full((t.count, m - n, 4), np.nan)
            yield given, dict(a=A * np.nan, c=np.hstack([found, rest]), info=0, devinfo=0), 64
        else:

            def product(x, tau=tau):
                return np.stack([rebuilt(wide(y), wide(z)) for y, z in zip(x, tau.memory)])

            yield given, dict(a=(product, wide(A)), tau=np.full(n, np.nan), info=0), 64


def rebuilt(x, tau):
    """Q R of the reflectors below the diagonal, and R."""
    out = np.triu(x)
    for k in reversed(range(len(tau))):
        v = np.r_[np.zeros(k), 1, x[k + 1 :, k]]
        out -= tau[k] * np.outer(v, v.conj() @ out)
    return out


@routine("uint8gemmBias")
def bytewise(t, name):
    m, n, k = 17, 5, 9
    A, B = (
        np.random.default_rng(i).integers(0, 256, s, "u1") for i, s in enumerate(((m, k), (k, n)))
    )
    sums = (A.astype("i8") - 100) @ (B.astype("i8") + 7) + 33
    given = dict(transa=0, transb=0, transc=0, m=m, n=n, k=k, a=matrix(A), abias=100, b=matrix(B))
    given |= dict(bbias=-7, c=matrix(np.zeros((m, n), "u1")), cbias=33, cmult=3, cshift=7)
    yield given, {"c": np.clip((sums * 3 + 64) >> 7, 0, 255)}, 1


@routine("setVector", "getVector", "setVectorAsync", "getVectorAsync")
def vector_copies(t, name):
    x, n = random(t.d, 37), 37
    given = dict(n=n, elemsize=x.itemsize, incx=2, incy=3, stream=0)
    given |= dict(x=vector(x, 2), y=vector(x * 0, 3))
    host, device = "xy" if name[0] == "s" else "yx"
    given |= dict(hostptr=given[host], deviceptr=given[device])
    yield given, {"y": x}, 0


@routine("setMatrix", "getMatrix", "setMatrixAsync", "getMatrixAsync")
def matrix_copies(t, name):
    A = random(t.d, 17, 9)
    given = dict(rows=17, cols=9, elemsize=A.itemsize, a=matrix(A), b=matrix(A * 0, 1), stream=0)
    yield given, {"b": A}, 0
