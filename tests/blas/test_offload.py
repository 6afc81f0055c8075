"""libopencu_blas under LD_PRELOAD where OPENCU_DEVICE names a device with memory of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from opencu import shims
from opencu.drivers import drivers

pytestmark = pytest.mark.skipif(not drivers()["opencl"].devices(), reason="no OpenCL device")
HEAD = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import ctypes, threading
import numpy as np
from level3 import BLAS, LETTERS, call, check, close, leave, memory
"""


@pytest.fixture
def preloaded(tmp_path):
    """preloaded(code, **environment): what a program says on stderr; launches are told there."""

    def run(code, **variables):
        program = tmp_path / "program.py"
        program.write_text(HEAD + code)
        environment = os.environ | {
            "LD_PRELOAD": f"{shims.lib_dir()}/libopencu_blas.so",
            "OPENCU_DEVICE": "opencl",
            "OPENCU_DEBUG": "launches",
        }
        command = [sys.executable, program]
        done = subprocess.run(
            command, env=environment | variables, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stderr

    return run


@pytest.mark.parametrize("letter, every", [("S", 9), ("D", 4), ("C", 11), ("Z", 13)])
def test_large_calls_of_level_3_run_on_the_device(preloaded, letter, every):
    told = preloaded(f"check({letter!r}, every={every})", OPENCU_BLAS_OFFLOAD="32")
    assert " on opencl " in told and " on cpu " not in told


@pytest.mark.parametrize("letter, sizes", [("D", "250, 230, 340"), ("C", "160, 270, 220")])
def test_matrices_that_do_not_fit_go_in_pieces(preloaded, letter, sizes):
    told = preloaded(
        f"leave(3 << 20); check({letter!r}, {sizes}, every=17)", OPENCU_BLAS_OFFLOAD="32"
    )
    assert " on opencl " in told and " on cpu " not in told


def test_what_finds_no_memory_there_runs_here(preloaded):
    told = preloaded("leave(1 << 14); check('Z', every=20)", OPENCU_BLAS_OFFLOAD="32")
    assert " on cpu " in told and " on opencl " not in told
    assert "opencu: BLAS on the CPU: " in told and "bytes do not fit" in told


SMALL = """
check("D", every=9)
x, y = np.arange(1e5), np.full(10**5, 2.0)
BLAS.cblas_ddot.restype = ctypes.c_double
p = [v.ctypes.data_as(ctypes.c_void_p) for v in (x, y)]
assert BLAS.cblas_ddot(10**5, p[0], 1, p[1], 1) == 2 * x.sum()
a, one = memory(np.ones((600, 600)), "columns"), np.ones(1)
call("columns", "dgemv", [("trans", "N")], (600, 600), one, a, (x, 1), one, (y, 1))
assert (y[:600] == 2 + x[:600].sum()).all() and (y[600:] == 2).all()
"""


def test_small_calls_and_those_of_levels_1_and_2_stay_on_the_cpu(preloaded):
    told = preloaded(SMALL)
    assert " on cpu " in told and " on opencl " not in told


LARGE = """
results = [memory(np.full((520, 513), np.nan), form) for form in ("columns", "rows") * 2]
def multiply(form, c):
    a, b = np.ones((520, 515)), np.arange(515.0 * 513).reshape(515, 513)
    numbers = np.full(1, 0.5), memory(a, form), memory(b, form), np.zeros(1), c
    call(form, "dgemm", [("trans", "N")] * 2, (520, 513, 515), *numbers)
    close(c, 0.5 * a @ b, form)
threads = [threading.Thread(target=multiply, args=x) for x in zip(("columns", "rows") * 2, results)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
assert not any(np.isnan(memory[:, :513]).any() for memory, _ in results)
a, c = memory(np.ones((520, 0)), "columns"), memory(np.ones((520, 513)), "columns")
zero = np.zeros(1)
call("columns", "dgemm", [("trans", "N")] * 2, (520, 513, 0), zero, a, a, np.full(1, 3.0), c)
close(c, np.full((520, 513), 3.0), "columns")
for n in (0, 520):  # without columns, and with a factor of 0, which reads nothing
    call("columns", "dgemm", [("trans", "N")] * 2, (520, n, 520), zero, (np.ones(0), 520),
         (np.ones(0), 520), zero, memory(np.full((520, n), np.nan), "columns"))
call("columns", "dgemm", [("trans", "N")] * 2, (520, 513, -1), zero, a, a, zero, c)
call("columns", "dtrsm", [("side", "L"), ("uplo", "U"), ("trans", "N"), ("diag", "N")], (520, 513),
     zero, (c[0], 7), c)
close(c, np.full((520, 513), 3.0), "columns")
"""


def test_threads_empty_matrices_and_wrong_arguments(preloaded):
    told = preloaded(LARGE, OPENCU_BLAS_OFFLOAD="many")
    assert told.count(" on opencl ") == 4
    assert "OPENCU_BLAS_OFFLOAD=many is not a number of rows and columns from 1 to " in told
    assert "Parameter 6 to routine cblas_dgemm was incorrect" in told
    assert "Parameter 10 to routine cblas_dtrsm was incorrect" in told
