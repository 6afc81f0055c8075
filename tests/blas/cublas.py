"""cuBLAS's calls by ctypes, in this process, on numpy's memory."""

import ctypes

import numpy as np

from opencu import shims

LETTERS = {"S": "f4", "D": "f8", "C": "c8", "Z": "c16"}
HOST, DEVICE = 0, 1


class Cublas:
    """calls: cublas(name, *arguments): arrays are pointers, None is NULL, integers of the name's
    width; the status."""

    def __init__(self):
        self.library = ctypes.CDLL(f"{shims.lib_dir()}/libcublas.so.13")
        self.handle = ctypes.c_void_p()
        assert self.library.cublasCreate_v2(ctypes.byref(self.handle)) == 0

    def __call__(self, name, *arguments):
        wide = name.endswith("_64")
        word = ctypes.c_int64 if wide else ctypes.c_int

        def c(x):
            if x is None or isinstance(x, ctypes.c_void_p):
                return x
            return ctypes.c_void_p(x.ctypes.data) if isinstance(x, np.ndarray) else word(x)

        return self.library[f"cublas{name}"](self.handle, *map(c, arguments))

    def pointers(self, mode):
        assert self("SetPointerMode_v2", mode) == 0
