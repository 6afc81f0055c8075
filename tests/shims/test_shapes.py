"""The same code under other names: BLAS's, HIP's, hipBLAS's, rocBLAS's."""

import ctypes
import sys
from pathlib import Path

import numpy as np
import pytest

from opencu import shims

PROGRAMS = Path(__file__).parent / "programs"


@pytest.mark.parametrize("versions", [(6, 2, 4), (7, 3, 5)])
def test_a_hip_program_with_both_blas_libraries(versions, lib, run, tmp_path):
    hip, hipblas, rocblas = versions
    run(
        f"cc -Wall -Wextra -Werror -I{shims.include_dir()} {PROGRAMS}/rocm.c -o {tmp_path}/rocm"
        f" -L{lib} -Wl,-rpath,{lib} -l:libamdhip64.so.{hip} -l:libhipblas.so.{hipblas}"
        f" -l:librocblas.so.{rocblas}"
    )
    assert run(tmp_path / "rocm", OPENCU_DEVICE="cpu").stdout == "ok\n"


@pytest.mark.parametrize("version", [6, 7])
def test_hip_describes_devices_and_pointers_as_its_own_headers_do(version, lib, run, tmp_path):
    run(
        f"cc -Wall -Wextra -Werror -I{shims.include_dir()} {PROGRAMS}/hip_device.c"
        f" -o {tmp_path}/hip_device -L{lib} -Wl,-rpath,{lib} -l:libamdhip64.so.{version}"
    )
    done = run(tmp_path / "hip_device", OPENCU_DEVICE="cpu")
    assert done.stdout == "ok\n"
    assert "hipModuleLoad: device code cannot run here" in done.stderr
    assert "hipLaunchKernel: the program's own kernel, _Z4mineii, is device code" in done.stderr


@pytest.mark.parametrize("integer, name", [("int32", "dgemm_"), ("int64", "dgemm_64_")])
def test_fortran_names_take_integers_of_both_widths(lib, integer, name):
    blas = ctypes.CDLL(str(lib / "libopencu_blas.so"))
    a, b, c = np.ones((2, 3), order="F"), np.ones((3, 4), order="F"), np.zeros((2, 4), order="F")
    m, n, k = (np.array(v, integer) for v in (2, 4, 3))
    one = np.ones(1)
    p = [x.ctypes.data_as(ctypes.c_void_p) for x in (m, n, k, one, a, m, b, k, one, c, m)]
    blas[name](b"n", b"N", *p)
    assert (c == 3).all()


WRONG = """
import ctypes, sys
blas = ctypes.CDLL(sys.argv[1])
blas.cblas_dgemv(102, 111, -1, 1, ctypes.c_double(1), None, 1, None, 1, ctypes.c_double(1), None, 1)
x, alpha = (ctypes.c_float * 4)(), ctypes.c_float(1)
blas.cblas_cher(101, 121, 1, alpha, x, 0, x, 1)  # nothing is exchanged in row-major order
blas.cblas_cher2(101, 121, 1, x, x, 0, x, 1, x, 1)  # x and y are
blas.cblas_dgemv(9, 111, 1, 1, ctypes.c_double(1), None, 1, None, 1, ctypes.c_double(1), None, 1)
"""


def test_wrong_arguments_are_told_by_number(lib, run, tmp_path):
    (tmp_path / "wrong.py").write_text(WRONG)
    told = run(f"{sys.executable} -I {tmp_path}/wrong.py {lib}/libopencu_blas.so").stderr
    assert "Parameter 3 to routine cblas_dgemv was incorrect" in told
    assert "Parameter 6 to routine cblas_cher was incorrect" in told
    assert "Parameter 6 to routine cblas_cher2 was incorrect" in told
    assert "Illegal layout setting, 9" in told
