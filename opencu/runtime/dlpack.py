"""bfloat16 in numpy, which has none, and its way through DLPack, which numpy would refuse."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
from typing import Any

import numpy as np


def _bfloat16() -> np.dtype:
    """ml_dtypes' dtype where that package is installed, else a field of the bits."""
    if importlib.util.find_spec("ml_dtypes"):
        return np.dtype(importlib.import_module("ml_dtypes").bfloat16)
    return np.dtype([("bfloat16", "u2")])


BFLOAT16 = _bfloat16()
# DLPack's structures: the byte of a tensor's dtype that tells its kind, for each name of capsule.
_KIND_AT = {b"dltensor": 20, b"dltensor_versioned": 52}
_UINT, _BFLOAT = 1, 4


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
    if host.dtype != BFLOAT16:
        return host.__dlpack__(**options)
    return _with_kind(host.view(np.uint16).__dlpack__(**options), _BFLOAT)


class _Bits:
    """A tensor of bfloat16 that says it is one of 16-bit integers."""

    def __init__(self, tensor: Any):
        self.tensor = tensor

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.tensor.__dlpack_device__()

    def __dlpack__(self, **options: Any) -> Any:
        return _with_kind(self.tensor.__dlpack__(**options), _UINT)


def imported(x: Any) -> np.ndarray:
    """A numpy array over the memory of anything that speaks DLPack."""
    if "bfloat16" not in str(getattr(x, "dtype", "")):
        return np.from_dlpack(x)
    return np.from_dlpack(_Bits(x)).view(BFLOAT16)
