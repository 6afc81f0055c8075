"""A binding's every routine over opencu: python bindings.py nvmath|skcuda|skcuda.xt.

It tells what went wrong, how many calls were compared, and which of our names the binding has that
were not called."""

import ctypes
import importlib
import inspect
import json
import os
import sys
import traceback

import numpy as np
from forms import random, wide
from operands import CODES, COMPUTE, Operand, matrix, number
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
    """Of a C name: the routine; are its operands in arrays of pointers; the types for it."""
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
    for kind in ("ld", "inc", "stride"):
        if name.startswith(kind) and name[len(kind) :] in given:
            return given[name[len(kind) :]].numbers[kind]
    raise KeyError(name)


class Module:
    """A module of Python's, and which of its functions were asked for."""

    def __init__(self, name):
        self.module, self.called = importlib.import_module(name), set()

    def __getattr__(self, name):
        self.called.add(name)
        return getattr(self.module, name)


def c_names(module):
    """{C name: function} of a module of nvmath."""
    texts = {
        name: getattr(function, "__doc__", None) or "" for name, function in vars(module).items()
    }
    return {t.split("See `")[1].split("`")[0]: n for n, t in texts.items() if "See `cublas" in t}


class Nvmath:
    """nvmath.bindings.cublas takes addresses, of scalars and results as well."""

    UNCALLED, RETURNED = {}, {}

    def __init__(self):
        self.module = Module("nvmath.bindings.cublas")
        self.handle, self.calls = self.module.create(), 0
        self.names = c_names(self.module.module)

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

    def settings(self):
        """What is set is told again."""
        m, stream, room = self.module, ctypes.c_void_p(), np.zeros(1 << 16, "u1")
        assert self.runtime.cudaStreamCreate(ctypes.byref(stream)) == 0
        for name in self.names.values():
            at = name.removeprefix("set_")
            if (
                name != at
                and f"get_{at}" in vars(m.module)
                and not at.startswith(("vector", "matrix"))
            ):
                value = {
                    "stream": stream.value,
                    "fixed_point_emulation_mantissa_bit_count_pointer": 0,
                }
                value = value.get(at, 1)  # a mode, a bit, a count
                getattr(m, name)(self.handle, value)
                assert getattr(m, f"get_{at}")(self.handle) == value, at
        aligned = -(-room.ctypes.data // 256) * 256
        m.set_workspace(self.handle, aligned, 1 << 15)
        assert [m.get_property(i) for i in range(3)] == [13, 10, 0]
        assert m.get_version(self.handle) == 131000 and m.get_cudart_version() >= 13000
        assert m.get_status_name(7) == "CUBLAS_STATUS_INVALID_VALUE" and m.get_status_string(7)
        m.logger_configure(0, 0, 0, "")
        m.destroy(self.handle)


class Skcuda:
    """skcuda.cublas takes scalars by value and returns results."""

    RETURNED = {"rotg": ("a", "c", "s"), "rotmg": ("param",)}  # and b, d1, d2, x1 are lost
    UNCALLED = {
        **{f"cublas{x}gbmv": "it passes a letter's code for trans" for x in "SDCZ"},
        **{f"cublas{x}spmv": "it passes the address of A's address" for x in "SD"},
        **{f"cublas{x}hpr2": "it calls incx inx in its head" for x in "CZ"},
        "cublasCher2k": "it declares beta, of which it passes the address, as a number",
        "cublasCtrmm": "it leaves C out",
        "cublasDsyrk": "it passes alpha and beta as complex numbers of single precision",
        "cublasZtrsm": "it calls trans transa in its head",
    }
    BY_ADDRESS = ("cublasCher", "cublasZher")  # alpha

    def __init__(self):
        self.module = Module("skcuda.cublas")
        self.handle, self.calls = self.module.cublasCreate(), 0
        self.names = {n: n for n in vars(self.module.module) if n.startswith("cublas")}

    def settings(self):
        m, stream = self.module, ctypes.c_void_p()
        assert self.runtime.cudaStreamCreate(ctypes.byref(stream)) == 0
        m.cublasSetStream(self.handle, stream.value)
        assert m.cublasGetStream(self.handle) == stream.value
        assert m.cublasGetVersion(self.handle) == 131000
        m.cublasDestroy(self.handle)

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
            if n == "alpha" and name in self.BY_ADDRESS:
                return x.address
            return x.address if n in ("P", "info", "devIpiv") else x.memory[0]

        made = function(*(plain(n) for n in inspect.signature(function).parameters))
        routine = parsed(name)[0]
        if routine in self.RETURNED or made is not None:
            keys = self.RETURNED.get(routine, ("result",))
            for key, value in zip(keys, made if len(keys) > 1 else (made,)):
                value = value + 1 if routine in ("amax", "amin") else value  # from 0 on
                given[key].memory[...] = value


class SkcudaXt(Skcuda):
    UNCALLED = {"cublasXtGetBlockDim": "it calls cublasXtSetBlockDim with an address"}

    def __init__(self):
        self.module = Module("skcuda.cublasxt")
        self.handle, self.calls = self.module.cublasXtCreate(), 0
        self.module.cublasXtDeviceSelect(self.handle, 1, np.zeros(1, "i4"))
        self.names = {n: n for n in vars(self.module.module) if n.startswith("cublasXt")}

    def settings(self):
        m, devices = self.module, np.zeros(1, "i4")
        assert m.cublasXtGetNumBoards(1, devices.ctypes.data) == 1 <= m.cublasXtMaxBoards()
        m.cublasXtSetBlockDim(self.handle, 512)
        m.cublasXtSetPinningMemMode(self.handle, 1)
        m.cublasXtSetCpuRatio(self.handle, 0, 0, 0.5)
        m.cublasXtSetCpuRoutine(self.handle, 0, 0, devices.ctypes.data)  # of which nothing calls
        m.cublasXtDestroy(self.handle)


class NvmathLt(Nvmath):
    """Its own kind of calls: descriptors, which keep what is set, and two operations."""

    def __init__(self):
        self.module, self.calls = Module("nvmath.bindings.cublasLt"), 0
        self.names = c_names(self.module.module)
        self.handle = self.module.create()

    def kept(self, kind, made, attribute, value):
        m = self.module
        there = getattr(m, "".join(x.title() for x in kind.split("_")) + "Attribute")[attribute]
        dtype = getattr(m, f"get_{kind}_attribute_dtype")(there)
        value, found = np.asarray(value, dtype), np.zeros((), dtype)
        written = np.zeros((), "u8")
        getattr(m, f"{kind}_set_attribute")(made, there, value.ctypes.data, value.nbytes)
        told = (found.ctypes.data, found.nbytes, written.ctypes.data)
        getattr(m, f"{kind}_get_attribute")(made, there, *told)
        assert found == value and written == value.nbytes, attribute

    def product(self, t, transa, at):
        """op(A) B, and the same sum through matrix_transform."""
        m, (rows, n, k) = self.module, [(7, 5, 9), (33, 70, 20), (64, 64, 64)][at]
        A, B = random(t.d, *((k, rows) if transa else (rows, k))), random(t.d, k, n, seed=1)
        C = random(t.c, rows, n, seed=2)
        a, b, c, d = matrix(A), matrix(B, 1), matrix(C, 2), matrix(C * 0)
        alpha, beta = number(1.5, t.s), number(-2, t.s)
        M = wide(A).T if transa == 1 else wide(A).conj().T if transa else wide(A)
        layouts = [m.matrix_layout_create(x.type, *z.shape, x.numbers["ld"])
                   for x, z in zip((a, b, c, d), (A, B, C, C))]  # fmt: skip
        desc = m.matmul_desc_create(COMPUTE[t.d], CODES[t.s])
        self.kept("matmul_desc", desc, "TRANSA", transa)
        pref = m.matmul_preference_create()
        self.kept("matmul_preference", pref, "MAX_WORKSPACE_BYTES", 1 << 20)
        ids = m.matmul_algo_get_ids(
            self.handle, COMPUTE[t.d], CODES[t.s], a.type, b.type, c.type, d.type, 4
        )
        found, count = np.zeros(2, m.matmul_heuristic_result_dtype), np.zeros((), "i4")
        shape = (self.handle, desc, *layouts)
        m.matmul_algo_get_heuristic(*shape, pref, 2, found.ctypes.data, count.ctypes.data)
        assert count == 1 and ids == (0,)
        algo = np.zeros((), m.matmul_algo_dtype)
        m.matmul_algo_init(
            self.handle,
            COMPUTE[t.d],
            CODES[t.s],
            a.type,
            b.type,
            c.type,
            d.type,
            0,
            algo.ctypes.data,
        )
        m.matmul_algo_check(*shape, algo.ctypes.data, found.ctypes.data)
        self.kept("matmul_algo_config", algo.ctypes.data, "SPLITK_NUM", 1)
        splits, written = np.zeros((), "i4"), np.zeros((), "u8")
        to = (splits.ctypes.data, 4, written.ctypes.data)
        m.matmul_algo_cap_get_attribute(
            algo.ctypes.data, m.MatmulAlgoCapAttribute.SPLITK_SUPPORT, *to
        )
        m.matmul(self.handle, desc, alpha.address, a.address, layouts[0], b.address, layouts[1],
                 beta.address, c.address, layouts[2], d.address, layouts[3], algo.ctypes.data,
                 0, 0, 0)  # fmt: skip
        assert self.runtime.cudaDeviceSynchronize() == 0
        d.check(1.5 * M @ wide(B) - 2 * wide(C), 4 * k)
        turned = m.matrix_transform_desc_create(CODES[t.s])
        self.kept("matrix_transform_desc", turned, "TRANSA", 0)
        m.matrix_transform(self.handle, turned, alpha.address, c.address, layouts[2], beta.address,
                           c.address, layouts[2], d.address, layouts[3], 0)  # fmt: skip
        assert self.runtime.cudaDeviceSynchronize() == 0
        d.check(-0.5 * wide(C), 4)
        for x in (a, b, c):
            x.check(None, 0)
        m.matrix_transform_desc_destroy(turned), m.matmul_desc_destroy(desc)
        m.matmul_preference_destroy(pref)
        for x in layouts:
            m.matrix_layout_destroy(x)
        self.calls += 2

    def settings(self):
        m = self.module
        for kinds in [*ALL, *MIXED]:
            t = types(*kinds)
            for at, transa in enumerate((0, 1, 2)):
                self.product(t, transa, at)
        layout = m.matrix_layout_create(0, 4, 5, 6)
        self.kept("matrix_layout", layout, "BATCH_COUNT", 3)
        m.matrix_layout_destroy(layout)
        sizes = [np.array(x, "i8") for x in ((4, 5), (6, 7), (4, 8))]
        grouped = m.grouped_matrix_layout_create(0, 2, *(x.ctypes.data for x in sizes))
        m.matrix_layout_destroy(grouped)
        emulated = m.emulation_desc_create()
        self.kept("emulation_desc", emulated, "STRATEGY", 1)
        m.emulation_desc_destroy(emulated)
        m.logger_set_level(0), m.logger_set_mask(0), m.logger_open_file(os.devnull)
        m.logger_force_disable()
        m.heuristics_cache_set_capacity(100)
        assert m.heuristics_cache_get_capacity() == 100
        assert [m.get_property(i) for i in range(3)] == [13, 10, 0] and m.get_version() == 131000
        assert m.get_cudart_version() >= 13000 and m.get_status_string(7)
        assert m.get_status_name(7) == "CUBLAS_STATUS_INVALID_VALUE"
        m.destroy(self.handle)


CLIENTS = {"nvmath": Nvmath, "nvmath.Lt": NvmathLt, "skcuda": Skcuda, "skcuda.xt": SkcudaXt}


def calls(name, client):
    """Makes the calls, each of them checked. Of a form, and of a 64-bit twin, which takes scalars
    from device memory, only some: every class of calls takes time to compile."""
    routine, pointers, kinds = parsed(name)
    function, short = ROUTINES[routine]
    plain = name.replace("Xt", "") in (f"cublas{x}{routine}" for x in "SZ")
    for t in kinds:
        cases = list(function(t, short))
        for given, want, size in cases if plain else cases[::5]:
            executed = "f4" if t.d == "f2" else t.real if routine in SUMS else t.d
            codes = {
                "computetype": COMPUTE[t.c if t.d == "i1" else t.d],
                "executiontype": CODES[executed],
                "algo": -1,
            }
            more = {"handle": client.handle, "batchcount": t.count, "batchsize": t.count} | codes
            client.call(name, given | more, pointers, t)
            want = {k: v for k, v in want.items() if k in client.RETURNED.get(routine, want)}
            assert client.runtime.cudaDeviceSynchronize() == 0
            results = {id(given[key]) for key in want if key in given}
            for key, operand in given.items():
                if isinstance(operand, Operand) and (key in want or id(operand) not in results):
                    operand.check(want.get(key), size)


def main(which, only=""):
    client = CLIENTS[which]()
    client.runtime = ctypes.CDLL("libcudart.so.13")
    with open(shims.lib_dir() / "shims.json") as file:
        here = json.load(file)["libraries"]
    here = here["cublas"] | here["cublasLt"]
    wrong = {}
    for name in client.names:
        if parsed(name) and only in name and name not in client.UNCALLED:
            try:
                calls(name, client)
            except Exception:
                wrong[name] = traceback.format_exc()
    client.settings()
    for name, why in wrong.items():
        print(name, why)
    left = [
        name
        for name, function in client.names.items()
        if any(here.get(n) for n in (name, f"{name}_v2", name.replace("_64", "_v2_64")))
        and function not in client.module.called
    ]
    told = {"calls": client.calls, "names": len(client.module.called), "wrong": sorted(wrong)}
    print(json.dumps(told | {"left": sorted(left), "known": sorted(client.UNCALLED)}))


main(*sys.argv[1:])
