"""cuBLASXt, and what it refuses."""

import ctypes
from pathlib import Path

import numpy as np
import pytest
from xt import LETTERS, Xt, check

from opencu.drivers import drivers

NOT_INITIALIZED, INVALID, SUCCESS = 1, 7, 0


@pytest.mark.parametrize("letter", LETTERS)
def test_level_3(letter):
    check(letter)


@pytest.mark.skipif(not drivers()["opencl"].devices(), reason="no OpenCL device")
def test_level_3_on_copies(python):
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import xt
xt.check("S"), xt.check("Z"), print("ok")
"""
    assert python(code, OPENCU_DEVICE="opencl") == "ok"


@pytest.mark.skipif(not drivers()["opencl"].devices(), reason="no OpenCL device")
def test_matrices_that_do_not_fit_go_in_pieces_or_are_refused(python):
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import numpy as np, level3, xt
level3.leave(3 << 20), xt.check("D", 250, 230, 340)
level3.leave(1 << 14)
one, c = np.ones(1), np.ones((50, 50))
print(xt.Xt()("Dgemm", 0, 0, 50, 50, 50, one, c, 50, c, 50, one, c, 50), (c == 1).all())
"""
    assert python(code, OPENCU_DEVICE="opencl") == "3 True"  # CUBLAS_STATUS_ALLOC_FAILED


def test_settings():
    xt, answer = Xt(), ctypes.c_int()
    at = np.frombuffer(answer, "i4")
    devices = np.zeros(1, "i4")
    assert xt("DeviceSelect", 1, devices) == SUCCESS
    assert xt("GetBlockDim", at) == SUCCESS and answer.value > 0
    assert xt("SetBlockDim", 128) == SUCCESS == xt("GetBlockDim", at) and answer.value == 128
    assert xt("SetPinningMemMode", 1) == SUCCESS == xt("GetPinningMemMode", at)
    assert answer.value == 1
    assert xt.library.cublasXtMaxBoards(ctypes.byref(answer)) == SUCCESS and answer.value >= 1
    boards = (1, devices.ctypes.data_as(ctypes.c_void_p), ctypes.byref(answer))
    assert xt.library.cublasXtGetNumBoards(*boards) == SUCCESS and answer.value == 1
    assert xt("SetCpuRoutine", 0, 0, devices) == SUCCESS
    ratio = (xt.handle, 0, 0, ctypes.c_float(0.5))
    assert xt.library.cublasXtSetCpuRatio(*ratio) == SUCCESS


def test_what_is_refused():
    xt, one, c = Xt(), np.ones(1, "f4"), np.ones((4, 4), "f4")
    devices, wild = np.array([9999], "i4"), np.zeros(1, "i4")[:0]
    assert xt("DeviceSelect", 1, devices) == INVALID == xt("DeviceSelect", 0, devices)
    assert xt("SetBlockDim", 0) == INVALID == xt("SetPinningMemMode", 2)
    assert xt("SetCpuRoutine", 12, 0, one) == INVALID == xt("SetCpuRoutine", 0, 0, 0)
    assert xt("GetBlockDim", 0) == INVALID and wild.size == 0
    ratio = (xt.handle, 0, 0, ctypes.c_float(2))
    assert xt.library.cublasXtSetCpuRatio(*ratio) == INVALID
    end = (one, c, 4, c, 4, one, c, 4)
    assert xt("Sgemm", 0, 0, 2**63, 4, 4, *end) == INVALID == xt("Sgemm", 7, 0, 4, 4, 4, *end)
    assert xt("Sgemm", 0, 0, 5, 4, 4, *end) == INVALID
    assert xt("Sspmm", 0, 0, 2**40, 4, one, c, c, 4, one, c, 4) != SUCCESS
    assert xt("Sgemm", 0, 0, 0, 4, 4, *end) == SUCCESS and (c == 1).all()
    library, handle = xt.library, ctypes.c_void_p()
    assert library.cublasXtCreate(None) == INVALID
    assert library.cublasXtDestroy(xt.handle) == SUCCESS
    assert library.cublasXtDestroy(xt.handle) == NOT_INITIALIZED == library.cublasXtDestroy(handle)
    assert xt("Sgemm", 0, 0, 4, 4, 4, *end) == NOT_INITIALIZED == xt("GetBlockDim", one)
