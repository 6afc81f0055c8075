"""Number types that numpy lacks, as numpy's dtypes, and their way through DLPack, which numpy would
refuse."""

import ctypes
import functools
import importlib
import importlib.util
import re
from typing import Any

import numpy as np


def _dtype(name: str, bits: str) -> np.dtype:
    """ml_dtypes' dtype where that package is installed, else a field of the bits."""
    if importlib.util.find_spec("ml_dtypes"):
        return np.dtype(getattr(importlib.import_module("ml_dtypes"), name))
    return np.dtype([(name, bits)])


# By the name that ml_dtypes and torch know them by.
FOREIGN = {"bfloat16": _dtype("bfloat16", "u2")}
FOREIGN |= {name: _dtype(name, "u1") for name in ("float8_e4m3fn", "float8_e5m2")}
BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2 = FOREIGN.values()
# DLPack's structures: the byte of a tensor's dtype that tells its kind, for each name of capsule.
_KIND_AT = {b"dltensor": 20, b"dltensor_versioned": 52}
_UINT, _KINDS = 1, {BFLOAT16: 4, FLOAT8_E4M3FN: 10, FLOAT8_E5M2: 12}


def name_of(dtype: np.dtype) -> str:
    return next((name for name, found in FOREIGN.items() if found == dtype), str(dtype))


@functools.cache
def foreign(dtype: Any) -> np.dtype | None:
    """The one of them that anybody's dtype is."""
    words = re.findall(r"\w+", str(dtype))
    return next((FOREIGN[word] for word in words if word in FOREIGN), None)


def bits_of(dtype: np.dtype) -> np.dtype:
    """Integers of the same size."""
    return np.dtype(f"i{dtype.itemsize}")


def _with_kind(capsule: Any, kind: int) -> Any:
    """The capsule, whose elements are now said to be of another kind of the same size."""
    api = ctypes.pythonapi
    name_of, pointer_of = api.PyCapsule_GetName, api.PyCapsule_GetPointer
    name_of.restype, pointer_of.restype = ctypes.c_char_p, ctypes.c_void_p
    name_of.argtypes, pointer_of.argtypes = [ctypes.py_object], [ctypes.py_object, ctypes.c_char_p]
    name = name_of(capsule)
    ctypes.c_uint8.from_address(pointer_of(capsule, name) + _KIND_AT[name]).value = kind
    return capsule


def exported(host: np.ndarray, **options: Any) -> Any:
    """A DLPack capsule over a numpy array's memory."""
    if host.dtype not in _KINDS:
        return host.__dlpack__(**options)
    bits = host.view(bits_of(host.dtype))
    return _with_kind(bits.__dlpack__(**options), _KINDS[host.dtype])


class _Bits:
    """A tensor that says it is one of integers."""

    def __init__(self, tensor: Any):
        self.tensor = tensor

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.tensor.__dlpack_device__()

    def __dlpack__(self, **options: Any) -> Any:
        return _with_kind(self.tensor.__dlpack__(**options), _UINT)


def imported(x: Any) -> np.ndarray:
    """A numpy array over the memory of anything that speaks DLPack."""
    dtype = foreign(getattr(x, "dtype", None))
    return np.from_dlpack(x) if dtype is None else np.from_dlpack(_Bits(x)).view(dtype)
