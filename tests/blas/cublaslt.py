"""cuBLASLt's calls by ctypes, in this process, on memory of the default device."""

import csv
import ctypes
import re
from pathlib import Path

import numpy as np

import opencu
from opencu import shims
from opencu.runtime.stream import NULL

TABLES = Path(__file__).parents[2] / "shims/tables"
TYPES = {"f4": 0, "f8": 1, "f2": 2, "i1": 3, "c8": 4, "c16": 5, "i4": 10}  # cudaDataType
COMPUTE = {"f2": 68, "f4": 68, "f8": 70, "i4": 72, "c8": 68, "c16": 70}  # by type of the scalars
NUMBERS = {
    name: int(value)
    for name, value in re.findall(r"(CUBLASLT_\w+) = (\d+)", (TABLES / "cublasLt.h").read_text())
}
C_TYPES = {
    row["attribute"].removeprefix("CUBLASLT_"): row["type"]
    for row in csv.DictReader((TABLES / "descriptors.csv").open())
}
FORMATS = {"int8_t": "i1", "int32_t": "i4", "uint32_t": "u4", "float": "f4"}  # others: 8 bytes
KINDS = {
    "MatmulDesc": "MATMUL_DESC_",
    "MatrixLayout": "MATRIX_LAYOUT_",
    "MatrixTransformDesc": "MATRIX_TRANSFORM_DESC_",
    "MatmulPreference": "MATMUL_PREF_",
}


SUCCESS, INVALID, NOT_SUPPORTED = 0, 7, 15


class Held:
    """A copy of an array in the device's memory; at(i) is the address of an element."""

    def __init__(self, x):
        host = np.ascontiguousarray(x)
        self.array = opencu.empty(host.shape, host.dtype)
        self.array.device.driver.copy(NULL, self.ptr, host.ctypes.data, host.nbytes, True)

    @property
    def ptr(self):
        return self.array.ptr

    def read(self):
        opencu.synchronize()
        return np.array(self.array)


class Lt:
    def __init__(self):
        self.library = ctypes.CDLL(f"{shims.lib_dir()}/libcublasLt.so.13")
        handle = ctypes.c_void_p()
        assert self("Create", handle) == SUCCESS
        self.handle = handle

    def __call__(self, name, *arguments):
        """The status. Integers are of any width, arrays and memory are pointers."""

        def c(x):
            if isinstance(x, np.ndarray):
                return ctypes.c_void_p(x.ctypes.data)
            if isinstance(x, ctypes.c_void_p) and not x.value:
                return ctypes.byref(x)
            if isinstance(x, Held):
                return ctypes.c_void_p(x.ptr)
            return ctypes.c_int64(x) if isinstance(x, int) else x

        return self.library[f"cublasLt{name}"](*map(c, arguments))

    def make(self, kind, *arguments, **attributes):
        """A descriptor: make("MatmulDesc", 68, 0, TRANSA=1, EPILOGUE="RELU")."""
        made = ctypes.c_void_p()
        assert self(f"{kind}Create", made, *arguments) == SUCCESS
        for name, value in attributes.items():
            assert self.set(kind, made, name, value) == SUCCESS, name
        return made

    def set(self, kind, descriptor, name, value):
        kind = kind.removeprefix("Grouped")
        full = KINDS[kind] + name
        full = full if full in C_TYPES else f"GROUPED_{full}"
        if isinstance(value, str):
            value = NUMBERS[f"CUBLASLT_{name}_{value}"]
        value = value.ptr if isinstance(value, Held) else value
        word = np.array([value]).astype(FORMATS.get(C_TYPES[full], "i8"))
        number = NUMBERS[f"CUBLASLT_{full}"]
        return self(f"{kind}SetAttribute", descriptor, number, word, word.nbytes)

    def matmul(self, desc, alpha, a, b, beta, c, d, stream=None):
        """The status of a product of (memory, layout) pairs; the search agrees with it."""
        (A, la), (B, lb), (C, lc), (D, ld) = a, b, c, d
        found, count = np.zeros(12, "u8"), np.zeros(1, "i4")
        preference = self.make("MatmulPreference")
        search = self(
            "MatmulAlgoGetHeuristic", self.handle, desc, la, lb, lc, ld, preference, 1, found, count
        )
        self("MatmulPreferenceDestroy", preference)
        products = (desc, alpha, A, la, B, lb, beta, C, lc, D, ld, None, None, 0, stream)
        status = self("Matmul", self.handle, *products)
        # The search cannot know what lies in memory.
        assert count[0] == (search == SUCCESS) and search in (status, SUCCESS)
        return status
