"""A binding's every routine over opencu: python bindings.py nvmath|skcuda|cublasxt.

It tells what went wrong, how many calls it made, and which of our names the binding has that
nothing here calls."""

import ctypes
import importlib
import inspect
import json
import sys
import traceback

import numpy as np
from operands import CODES, COMPUTE, Operand
from routines import ROUTINES, types

from opencu import shims

# The beginning of a name: the types of its operands and of alpha; those of calls with types follow.
PREFIXES = {"S": ("f4",), "D": ("f8",), "C": ("c8",), "Z": ("c16",), "Cs": ("c8", "f4")}
PREFIXES |= {"Zd": ("c16", "f8"), "Sc": ("c8",), "Dz": ("c16",)}
PREFIXES |= {f"I{letter.lower()}": PREFIXES[letter] for letter in "SDCZ"}
REAL, ALL = [("f4",), ("f8",)], [("f4",), ("f8",), ("c8",), ("c16",)]
MIXED = [("f2", "f4", "f2"), ("f2", "f4", "f4")]  # the third: of a product
TYPES = {
    "gemm": [*ALL, *MIXED, ("i1", "i4", "i4"), ("i1", "f4", "f4")],
    "gemmGrouped": [*ALL, *MIXED],
    "rotm": REAL,
    "rotmg": REAL,
    "rotg": ALL,
    "rot": [*ALL, ("f2", "f2"), ("c8", "f4"), ("c16", "f8")],
}
SUMS = ("nrm2", "asum")  # of complex numbers, computed in their parts' type
SGEMM_EX = [("f4",), *MIXED, ("i1", "f4", "f4")]


def parsed(name):
    """Of a C name: the routine, its operands by pointers to them?, and the types to call it with."""
    wide, body = name.endswith("_64"), name[6:].removesuffix("_64").removesuffix("_v2")
    body, typed = body.removesuffix("Ex").removeprefix("Xt"), body.endswith("Ex")
    body, batched = body.removesuffix("Batched"), body.endswith("Batched")
    body, strided = body.removesuffix("Strided"), body.endswith("Strided")
    for prefix in ("", "I", *PREFIXES):
        short = body.removeprefix(prefix)
        short = short if prefix in PREFIXES else short[:1].lower() + short[1:]
        if body.startswith(prefix) and short in ROUTINES:
            kinds = [PREFIXES.get(prefix, ("f4",))]
            if typed and prefix not in PREFIXES:
                kinds = TYPES.get(short, [*ALL, ("f2", "f4")])
            elif typed and prefix == "S":
                kinds = SGEMM_EX
            count = 3 if batched and short != "gemmGrouped" else 1
            more = dict(count=count, wide=wide, forward=batched and not strided)
            made = [types(*k, cosine=k[-1] if typed else None, **more) for k in kinds]
            return short, batched and not strided, made
    return None


ALIASES = {"inx": "incx", "sparam": "param", "devipiv": "p", "mode": "side", "ainv": "c"}
ALIASES |= {"ldainv": "ldc", "cstype": "stype", "abtype": "atype"}


def argument(name, given):
    """What is given for an argument of a call."""
    name = name.lower().replace("_", "")
    name = ALIASES.get(name, name)
    if name in given:
        return given[name]
    if name.endswith("array"):
        return given[name[:-5]]
    if name.endswith("type"):
        return given[name[:-4]].type
    for number in ("ld", "inc", "stride"):
        if name.startswith(number) and name[len(number) :] in given:
            return given[name[len(number) :]].numbers[number]
    raise KeyError(name)


class Nvmath:
    """nvmath.bindings.cublas takes addresses, of scalars and results as well."""

    def __init__(self):
        self.module = importlib.import_module("nvmath.bindings.cublas")
        self.handle, self.calls = self.module.create(), 0
        functions = {n: f for n, f in vars(self.module).items() if "See `cublas" in (f.__doc__ or "")}
        self.names = {f.__doc__.split("`")[1]: n for n, f in functions.items()}

    def call(self, name, given, pointers, t):
        function = getattr(self.module, self.names[name])
        names = function.__doc__.split("(")[1].split(")")[0].split(", ")
        self.calls += 1
        if "Grouped" not in name:
            self.module.set_pointer_mode(self.handle, name.endswith("_64"))
        kept = []

        def plain(x):
            if isinstance(x, Operand):
                return x.addresses if pointers and x.numbers else x.address
            if isinstance(x, (list, np.ndarray)):
                kept.append(np.asarray(x, t.index if isinstance(x, list) else None))
                return kept[-1].ctypes.data
            return int(x)

        function(*(plain(argument(n.split()[-1], given)) for n in names))
        self.module.set_pointer_mode(self.handle, 0)


class Skcuda:
    """skcuda.cublas takes scalars by value and returns results."""

    RETURNED = {"rotg": ("a", "c", "s"), "rotmg": ("param",)}

    def __init__(self, module="cublas"):
        self.module = importlib.import_module(f"skcuda.{module}")
        create = "cublasXtCreate" if module == "cublasxt" else "cublasCreate"
        self.handle, self.calls = getattr(self.module, create)(), 0
        functions = inspect.getmembers(self.module, inspect.isfunction)
        self.names = {n: n for n, f in functions if f.__module__ == self.module.__name__}
        self.names = {n: n for n in self.names if n.startswith("cublas")}

    def call(self, name, given, pointers, t):
        function = getattr(self.module, name)
        self.calls += 1

        def plain(n):
            x = argument(n, given)
            if not isinstance(x, Operand):
                return x
            if x.numbers:
                return x.addresses if pointers else x.address
            if n == "sparam":
                return x.memory
            return x.address if n in ("P", "info", "devIpiv") else x.memory[0]

        made = function(*(plain(n) for n in inspect.signature(function).parameters))
        routine = parsed(name)[0]
        if routine in self.RETURNED or made is not None:
            keys = self.RETURNED.get(routine, ("result",))
            for key, value in zip(keys, made if len(keys) > 1 else (made,)):
                value = value + 1 if routine in ("amax", "amin") else value  # from 0 on
                given[key].memory[...] = value


CLIENTS = {"nvmath": Nvmath, "skcuda": Skcuda, "cublasxt": lambda: Skcuda("cublasxt")}


def calls(name, client):
    """Makes the calls, each of them checked. Of a form, and of a 64-bit twin, which takes the scalars
    from device memory, only some: every class of calls takes time to compile."""
    routine, pointers, kinds = parsed(name)
    function, short = ROUTINES[routine]
    plain = name.removesuffix("_v2") in (f"cublas{x}{routine}" for x in "SZ")
    for t in kinds:
        cases = list(function(t, short))
        for given, want, size in cases if plain else cases[::5]:
            executed = "f4" if t.d == "f2" else t.real if routine in SUMS else t.d
            codes = {"computetype": COMPUTE.get(t.d), "executiontype": CODES[executed], "algo": -1}
            more = {"handle": client.handle, "batchcount": t.count, "batchsize": t.count} | codes
            client.call(name, given | more, pointers, t)
            assert client.runtime.cudaDeviceSynchronize() == 0
            results = {id(given[key]) for key in want if key in given}
            for key, operand in given.items():
                if isinstance(operand, Operand) and (key in want or id(operand) not in results):
                    operand.check(want.get(key), size)


def main(which, only=""):
    client = CLIENTS[which]()
    client.runtime = ctypes.CDLL("libcudart.so.13")
    with open(shims.lib_dir() / "shims.json") as file:
        here = json.load(file)["libraries"]["cublas"]
    left, wrong = [], {}
    for name in client.names:
        if parsed(name) is None:
            made = (name, f"{name}_v2", name.replace("_64", "_v2_64"))
            left += [name] * any(here.get(n) for n in made)
        elif only in name:
            try:
                calls(name, client)
            except Exception:
                wrong[name] = traceback.format_exc()
    for name, why in wrong.items():
        print(name, why)
    print(json.dumps({"calls": client.calls, "left": sorted(left), "wrong": sorted(wrong)}))


main(*sys.argv[1:])
