"""cuBLAS's first API: every call against the call with a handle, which tests of its own hold to
float64."""

import ctypes
import re

import numpy as np
import pytest

from opencu import shims

HEADER = (shims.include_dir() / "cublas_legacy.h").read_text()
PROTOTYPES = re.findall(r"^(.+?) ?\*?(cublas\w+)\((.*)\);$", HEADER, re.MULTILINE)
ROUTINES = [p for p in PROTOTYPES if p[0] not in ("cublasStatus_t",) and p[1] != "cublasXerbla"]
DTYPES = {"float": "f4", "double": "f8", "cuComplex": "c8", "cuDoubleComplex": "c16"}
ENUMERATORS = {"N": 0, "T": 1, "C": 2, "L": 0, "U": 1}
SUCCESS, NOT_INITIALIZED, INVALID = 0, 1, 7
RNG = np.random.default_rng(3)


class C64(ctypes.Structure):
    _fields_ = [("re", ctypes.c_float), ("im", ctypes.c_float)]


class C128(ctypes.Structure):
    _fields_ = [("re", ctypes.c_double), ("im", ctypes.c_double)]


VALUES = {
    "float": ctypes.c_float, "double": ctypes.c_double, "cuComplex": C64, "cuDoubleComplex": C128,
    "int": ctypes.c_int, "void": None,
}  # fmt: skip


def by_value(x, ctype):
    made = VALUES[ctype]
    return made(x.real, x.imag) if issubclass(made, ctypes.Structure) else made(x)


def random(ctype, n):
    x = RNG.standard_normal(n) + 3
    return (x + 1j * RNG.standard_normal(n) if "Complex" in ctype else x).astype(DTYPES[ctype])


@pytest.fixture(scope="module")
def library():
    library = ctypes.CDLL(f"{shims.lib_dir()}/libcublas.so.13")
    assert library.cublasInit() == SUCCESS == library.cublasInit()
    return library


@pytest.fixture(scope="module")
def handle(library):
    made = ctypes.c_void_p()
    assert library.cublasCreate_v2(ctypes.byref(made)) == SUCCESS
    return made


@pytest.mark.parametrize("result, name, parameters", ROUTINES, ids=[p[1] for p in ROUTINES])
def test_a_call_without_a_handle(library, handle, result, name, parameters):
    old, new = [], []  # arguments
    arrays = []
    for parameter in parameters.split(", "):
        ctype, pointer, n = re.fullmatch(r"(?:const )?(\w+) (\*?)(\w+)", parameter).groups()
        if ctype == "char":
            letter = "R" if n == "side" else "L" if n == "uplo" else "N"
            if n.startswith("trans") and "gemv" not in name and "gbmv" not in name:
                letter = "C" if "her" in name else "T"
            letter = letter if len(old) % 2 else letter.lower()
            old.append(ctypes.c_char(letter.encode()))
            new.append(ctypes.c_int(ENUMERATORS.get(letter.upper(), 1)))
        elif pointer:
            x = random(ctype, 64)
            twin = x.copy()
            arrays.append((x, twin))
            old.append(ctypes.c_void_p(x.ctypes.data))
            new.append(ctypes.c_void_p(twin.ctypes.data))
        elif ctype == "int":
            value = {"k": 2, "kl": 1, "ku": 1}.get(
                n, 5 if n[:2] == "ld" else 1 if "inc" in n else 4
            )
            old.append(ctypes.c_int(value))
            new.append(ctypes.c_int(value))
        else:
            x = random(ctype, 1)
            arrays.append((x, x.copy()))
            old.append(by_value(x[0], ctype))
            new.append(ctypes.c_void_p(arrays[-1][1].ctypes.data))
    if name.endswith("trmm"):
        new += new[-2:]
    own = getattr(library, name)
    own.restype = VALUES[result]
    answer = own(*old)
    if result != "void":
        size = 16 if result == "cuDoubleComplex" else 8
        want = np.zeros(size, "u1")
        new.append(ctypes.c_void_p(want.ctypes.data))
    assert library[f"{name}_v2"](handle, *new) == SUCCESS == library.cublasGetError()
    if result != "void":
        found = by_value(answer, result) if result in ("float", "double", "int") else answer
        assert bytes(found) == want.tobytes()[: ctypes.sizeof(found)] and want.any()
    for x, twin in arrays:
        assert x.tobytes() == twin.tobytes()


def test_every_name_of_the_header_is_there(library):
    assert len(ROUTINES) == 150
    for _, name, _ in PROTOTYPES:
        assert getattr(library, name)


def test_errors_are_kept_until_they_are_asked_for(library):
    x = np.ones(4, "f4")
    p = ctypes.c_void_p(x.ctypes.data)
    one = ctypes.c_float(1)
    library.cublasSgemv(ctypes.c_char(b"?"), 2, 2, one, p, 2, p, 1, one, p, 1)
    library.cublasSscal(1, ctypes.c_float(2), p, 1)
    assert x.tolist() == [2, 1, 1, 1]
    assert [library.cublasGetError() for _ in "ab"] == [INVALID, SUCCESS]
    version, device = ctypes.c_int(), ctypes.c_void_p()
    assert library.cublasGetVersion(ctypes.byref(version)) == SUCCESS and version.value >= 130000
    assert library.cublasAlloc(0, 4, ctypes.byref(device)) == INVALID
    assert library.cublasAlloc(10, 4, None) == INVALID == library.cublasGetError()
    assert library.cublasAlloc(10, 4, ctypes.byref(device)) == SUCCESS and device.value
    assert library.cublasFree(device) == SUCCESS
    assert library.cublasSetKernelStream(None) == SUCCESS


def test_nothing_is_done_without_a_beginning(python):
    code = f"""
import ctypes, numpy
l = ctypes.CDLL("{shims.lib_dir()}/libcublas.so.13")
l.cublasSdot.restype = ctypes.c_float
x = numpy.ones(4, "f4")
p = ctypes.c_void_p(x.ctypes.data)
print(l.cublasSdot(4, p, 1, p, 1), l.cublasGetError(), l.cublasShutdown(), end=" ")
print(l.cublasInit(), l.cublasSdot(4, p, 1, p, 1), l.cublasShutdown(), l.cublasAlloc(1, 1, p))
"""
    assert python(code) == f"0.0 {NOT_INITIALIZED} {NOT_INITIALIZED} 0 4.0 0 {NOT_INITIALIZED}"


def test_a_program_may_tell_a_wrong_parameter(python):
    code = f"""
import ctypes, sys
ctypes.CDLL("{shims.lib_dir()}/libcublas.so.13").cublasXerbla(b"SGEMM", 3)
"""
    with pytest.raises(AssertionError, match="On entry to SGEMM parameter number 3"):
        python(code)
