"""BLAS by its Fortran names against OpenBLAS and MKL, and bare loops, on the same arrays."""

import argparse
import ctypes
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from opencu.bench import measure, workers
from opencu.bench.gemm import CHECKED, random_of, wide
from opencu.bench.stream import BARE, WIDTH, Loops
from opencu.shims import lib_dir

MIB, ORDER = 64, 2048  # of the largest operand of levels 1 and 2; of matrices of level 3
DTYPES = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}
# Arguments: letters are themselves, n the order and its leading dimension, numbers alpha, beta or
# an increment; capitals with a colon are arrays, of which the last one is written.
CALLS = {
    "dot": "n X: 1 Y: 1",
    "axpy": "n =0.5 X: 1 Y: 1",
    "nrm2": "n X: 1",
    "gemv": "N n n =1 A: n X: 1 =0 Y: 1",
    "gemv T": "T n n =1 A: n X: 1 =0 Y: 1",
    "ger": "n n =0.5 X: 1 Y: 1 A: n",
    "symv": "L n =1 A: n X: 1 =0 Y: 1",
    "trmv": "L N N n A: n X: 1",
    "trsv": "L N N n A: n X: 1",
    "symm": "L L n n =1 A: n B: n =0 C: n",
    "hemm": "L L n n =1 A: n B: n =0 C: n",
    "syrk": "L N n n =1 A: n =0 C: n",
    "herk": "L N n n =1 A: n =0 C: n",
    "syr2k": "L N n n =1 A: n B: n =0 C: n",
    "her2k": "L N n n =1 A: n B: n =0 C: n",
    "trmm": "L L N N n n =1 A: n B: n",
    "trmm RUT": "R U T N n n =1 A: n B: n",
    "trsm": "L L N N n n =1 A: n B: n",
    "trsm RUT": "R U T N n n =1 A: n B: n",
}
COMPLEX = ("hemm", "herk", "her2k")
REAL_FACTORS = {"herk": 2, "her2k": 1}  # how many of them, from the last on
# The loop of stream.c that reads and writes the same.
UPDATE, READ, READ_BOTH, SCALE = 2, 3, 7, 8
LOOPS = {"dot": READ_BOTH, "axpy": UPDATE, "nrm2": READ, "gemv": READ, "gemv T": READ, "ger": SCALE}


def level(name: str) -> int:
    arrays = [word[0] for word in CALLS[name].split() if word.endswith(":")]
    return 1 if "A" not in arrays else 2 if "X" in arrays else 3


class Problem:
    """Random operands by columns, and what the routine makes of them in float64."""

    def __init__(self, name: str, dtype: str):
        self.name, self.dtype, self.level = name, dtype, level(name)
        size, words = np.dtype(dtype).itemsize, CALLS[name].split()
        elements = MIB * 2**20 // size
        self.n = {1: elements, 2: int(elements**0.5), 3: ORDER}[self.level]
        random = np.random.default_rng(self.n)
        self.arrays: dict[str, np.ndarray] = {}
        for word in (w[0] for w in words if w.endswith(":")):
            shape = (self.n,) if word in "XY" else (self.n, self.n)
            self.arrays[word] = np.asfortranarray(random_of(random, dtype, *shape))
        if name.startswith("tr"):  # neither it nor its inverse makes numbers grow
            self.arrays["A"] *= 1 / self.n
            np.fill_diagonal(self.arrays["A"], 1)
        self.out = self.arrays["A" if name == "ger" else list(self.arrays)[-1]]
        self.before = self.out.copy(order="F")
        self.reals = [w for w in words if w[0] == "="][-REAL_FACTORS.get(name, 0) :]
        self.arguments = [self._argument(w, words) for w in words]

    def _argument(self, word: str, words: list[str]) -> Any:
        if word.endswith(":"):
            return ctypes.c_void_p(self.arrays[word[0]].ctypes.data)
        if word[0] == "=":
            real = REAL_FACTORS.get(self.name, 0) and word in self.reals
            dtype = np.zeros(1, self.dtype).real.dtype if real else self.dtype
            return np.array([float(word[1:])], dtype).ctypes.data_as(ctypes.c_void_p)
        if word.isupper():
            return ctypes.c_char_p(word.encode())
        return ctypes.byref(ctypes.c_int(self.n if word == "n" else int(word)))

    def call(self, routine: Any) -> Callable[[], object]:
        wide_result = self.dtype in ("float64", "complex128")
        routine.restype = ctypes.c_double if wide_result else ctypes.c_float
        arguments = self.arguments
        return lambda: routine(*arguments)

    def check(self, who: str, call: Callable[[], object]) -> None:
        """Once, on the operands as they were made, some columns against float64."""
        self.out[...] = self.before
        result = call()
        x = {key: wide(v) for key, v in self.arrays.items()}
        x["O"] = wide(self.before)
        if self.level == 1 and self.name != "axpy":
            v = x["X"]
            want = np.array(v @ x["Y"] if self.name == "dot" else np.sqrt(v @ v))
            got, some = np.array(result), np.abs(v).sum()
        else:
            columns = np.random.default_rng(0).choice(self.n, CHECKED, replace=False)
            want, got = _reference(self.name, x, columns), x[list(self.arrays)[-1]]
            got = x["A"] if self.name == "ger" else got
            got = got[columns] if got.ndim == 1 else got[:, columns]
            if self.level == 3 and want.shape == got.shape and self.name in SIDED:
                kept = np.arange(self.n)[:, None] >= columns
                want, got = want * kept, got * kept
            some = np.abs(want).max() + 1
        epsilon = np.finfo(self.dtype).eps
        if not (np.abs(got - want) <= 64 * epsilon * np.sqrt(self.n) * some).all():
            raise SystemExit(f"{who}: {self.name} of {self.dtype} is wrong")


SIDED = ("syrk", "herk", "syr2k", "her2k")


def _reference(name: str, x: dict[str, np.ndarray], columns: np.ndarray) -> np.ndarray:
    """Some columns, or elements, of the result; "O" is what was there before."""
    name, _, how = name.partition(" ")
    if name == "axpy":
        return 0.5 * x["X"][columns] + x["O"][columns]
    if name == "ger":
        return x["O"][:, columns] + 0.5 * np.outer(x["X"], x["Y"][columns])
    if name == "gemv":
        return (x["A"].T if how else x["A"])[columns] @ x["X"]
    a = x["A"]
    if name in ("symv", "symm", "hemm"):
        other = np.tril(a, -1).T
        full = np.tril(a) + (other.conj() if name == "hemm" else other)
        if name == "hemm":
            np.fill_diagonal(full, full.diagonal().real)
        return full[columns] @ x["X"] if name == "symv" else full @ x["B"][:, columns]
    if name in SIDED:
        b = x.get("B", a)
        turn = np.conj if name in COMPLEX else np.asarray
        found = a @ turn(b[columns]).T
        return found + b @ turn(a[columns]).T if name.endswith("2k") else found
    lower = np.tril(a)
    if name in ("trmv", "trsv"):
        found = lower @ x["O"] if name == "trmv" else np.linalg.solve(lower, x["O"])
        return found[columns]
    if how:  # from the right, the upper side transposed
        lower = np.triu(a)
        if name == "trmm":
            return x["O"] @ lower.T[:, columns]
        return np.linalg.solve(lower, x["O"].T).T[:, columns]
    return (lower @ x["O"] if name == "trmm" else np.linalg.solve(lower, x["O"]))[:, columns]


def libraries() -> dict[str, Callable[[str], Any]]:
    """Of each library that is installed, ours first, a routine by its Fortran name."""
    packages, lib = Path(np.__file__).parents[1], Path(sys.prefix, "lib")
    for path in lib.glob("libiomp5.so"):  # which MKL looks for where the loader does
        ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
    places = {
        "opencu": ("{}_", [lib_dir() / "libopencu_blas.so"]),
        "openblas": ("scipy_{}_", packages.glob("scipy.libs/libscipy_openblas*.so")),
        "mkl": ("{}_", lib.glob("libmkl_rt.so.*")),
    }
    return {
        who: partial(_routine, ctypes.CDLL(str(path)), form)
        for who, (form, paths) in places.items()
        for path in paths
    }


def _routine(library: ctypes.CDLL, form: str, name: str) -> Any:
    return library[form.format(name)]


def symbol(name: str, dtype: str) -> str:
    name = name.split()[0]
    prefix = DTYPES[dtype]
    if dtype.startswith("complex"):
        name = {"dot": "dotu", "ger": "geru"}.get(name, name)
        if name == "nrm2":
            prefix = {"c": "sc", "z": "dz"}[prefix]
    return prefix + name


COLUMNS = {"routine": "9", "dtype": "10", "threads": ">7", "n": ">8", "ms": ">9.3f"}


def cases(args: argparse.Namespace) -> Iterator[measure.Case]:
    """Every routine on this process's threads."""
    known, loops = libraries(), Loops()
    for name, dtype in product(args.routines or CALLS, args.dtypes):
        is_complex = dtype.startswith("complex")
        if (name in COMPLEX) > is_complex or (is_complex and (name == "symv" or level(name) == 1)):
            continue
        problem = Problem(name, dtype)
        sides = {who: problem.call(of(symbol(name, dtype))) for who, of in known.items()}
        for who, call in sides.items():
            problem.check(who, call)
        runs = {who: measure.repeat(call) for who, call in sides.items()}
        if name in LOOPS:
            runs[BARE] = measure.repeat(bare(problem, loops, args.threads))
        label = {"routine": name, "dtype": dtype, "n": problem.n}
        yield measure.Case(label, runs.pop("opencu"), runs)


def bare(problem: Problem, loops: Loops, threads: int) -> Callable[[], object]:
    """A loop with the routine's reads and writes, but for those of gemv's vectors."""
    x, y = ([*problem.arrays.values()] * 2)[:2]
    if problem.level == 2:
        x = y = problem.arrays["A"]
    rows, loop = x.nbytes // 4 // WIDTH, LOOPS[problem.name]
    sums = np.empty(rows, np.float32)
    # An update reads its second operand, reads and writes its third; sums have an element a row.
    operands = (x, x, y) if loop in (UPDATE, SCALE) else (x, y, sums)
    places = [a.ctypes.data for a in operands]
    run = partial(loops.run, loop, *places, rows, WIDTH, threads)
    return lambda: (run(), operands)[0]  # which must live as long


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--routines", nargs="*", choices=CALLS, default=[], metavar="NAME")
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=["float32", "float64"])
    workers.add_options(parser)
