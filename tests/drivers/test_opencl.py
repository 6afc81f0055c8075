"""opencl.py: which library it opens, the ways of its devices; test_conformance.py has the rest."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import opencu
from opencu.drivers import drivers

HERE = Path(__file__).parent
PROGRAMS = HERE.parent / "shims/programs"


@pytest.fixture
def present():
    """Skips where there is no OpenCL device."""
    if not drivers()["opencl"].devices():
        pytest.skip(f"opencl: {drivers()['opencl'].absent()}")


def said(code, **variables):
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("library", "reason"),
    [
        ("/nowhere/libOpenCL.so", "cannot open shared object file"),
        ("libm.so.6", "libm.so.6 has no clGetPlatformIDs: OpenCL 2.1 needed"),
    ],
)
def test_a_library_that_is_none_makes_it_absent_with_the_reason(library, reason):
    text = said("import opencu; opencu.device('opencl')", OPENCU_OPENCL_DRIVER=library)
    assert text.startswith("ValueError: device 'opencl' does not exist: ") and reason in text
    text = said("import opencu; opencu.zeros(3)", OPENCU_OPENCL_DRIVER=library,
                OPENCU_DEVICE="opencl")  # fmt: skip
    assert "OPENCU_DEVICE is 'opencl': " in text and reason in text


def test_absent_drivers_are_told_by_info_and_are_no_failure(opencu_command):
    code, out, _ = opencu_command("info", OPENCU_OPENCL_DRIVER="libm.so.6")
    assert code == 0
    assert "opencl  absent  libm.so.6 has no clGetPlatformIDs" in out


def test_a_device_without_spirv_is_told_with_the_reason(tmp_path, opencu_command):
    library = tmp_path / "libold.so"
    command = ["cc", "-shared", "-fPIC", "-Wall", "-Werror", HERE / "old_opencl.c", "-o", library]
    subprocess.run(command, check=True)
    code, out, _ = opencu_command("info", OPENCU_OPENCL_DRIVER=str(library))
    assert code == 0
    assert "opencl  absent  Old Chip: OpenCL 2.1 old without SPIR-V: it cannot run our code" in out


@pytest.mark.parametrize("number", ["opencl:7", "opencl:x", "opencl:"])
def test_a_number_that_it_has_not_is_refused_by_name(present, number):
    last = len([each for each in opencu.devices() if each.name.startswith("opencl:")]) - 1
    text = said("import opencu; opencu.zeros(3)", OPENCU_DEVICE=number)
    assert f"'{number}'" in text and (number == "opencl:" or f"opencl:{last}" in text)


@pytest.mark.parametrize("memory", ["buffers", "coarse"])
def test_devices_with_less_of_shared_memory_do_all_of_it(present, memory):
    """The conformance kit again: addresses only stand for buffers, or the host reads none."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "opencl"]
    done = subprocess.run(
        [*command, "-o", "addopts=", HERE / "test_conformance.py"],
        env=os.environ | {"OPENCU_OPENCL_MEMORY": memory},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    passed = done.stdout.splitlines()[-1].partition(" passed")[0]
    assert int(passed) >= 25 and "skipped" not in done.stdout


@pytest.mark.parametrize("memory", ["buffers", "coarse"])
def test_what_they_cannot_do_is_refused_by_name(present, memory):
    text = said(
        """
import numpy as np
import opencu
from opencu.drivers.status import ffi, lib
where = opencu.device("opencl")
out, one = ffi.new("void **"), ffi.new("float *", 1)
print(lib.ocu_alloc(where.number, 64, lib.OCU_MEM_MANAGED, out) == lib.OCU_UNSUPPORTED)
print(ffi.string(lib.ocu_error()).decode())
x = opencu.zeros(8, np.int64, where)
lib.ocu_device_set(where.number)
g = ffi.new("ocu_product *")
g.kind = (lib.OCU_F32, lib.OCU_F32, lib.OCU_F32, 0, 0, 0, 1)
g.batch, g.m, g.n, g.k, g.alpha, g.beta = 2, 4, 4, 4, one, one
g.a = g.b = g.c = g.d = (ffi.cast("void *", x.ptr), 0, 4, 1)
print(lib.ocu_multiply(ffi.NULL, g, 0) == lib.OCU_UNSUPPORTED)
print(ffi.string(lib.ocu_error()).decode())
""",
        OPENCU_OPENCL_MEMORY=memory,
    ).splitlines()
    assert text == [
        "True",
        "opencl:0 has no memory that it shares with the host",
        "True",
        "opencl:0 has no addresses that kernels could read from an array: pass matrices at strides",
    ]


def test_arrays_go_there_and_back_with_any_strides(present):
    text = said("""
import numpy as np
import opencu
x = np.arange(1001.0).reshape(7, 11, 13)
for view in (x, x[::-1, 1::3, ::-2], x.T, x[:0], x[3, 4, 5:6]):
    there = opencu.asarray(view, "opencl")
    assert there.device.name == "opencl:0" and (np.asarray(there) == view).all()
there = opencu.asarray(x, "opencl")
assert (np.asarray(there[::-2, :, 1::4].T) == x[::-2, :, 1::4].T).all()
assert (np.asarray(opencu.asarray(there, "cpu")) == x).all()
for call in (lambda: np.array(there, copy=False), lambda: np.from_dlpack(there)):
    try:
        call()
    except (ValueError, BufferError) as error:
        print(error)
""").splitlines()
    assert len(text) == 2 and all("the array is on opencl:0" in line for line in text)


@pytest.mark.parametrize("memory", ["shared", "coarse", "buffers"])
@pytest.mark.parametrize("program", ["boxes", "gemm", "per_thread", "driver", "fork", "pools"])
def test_an_unmodified_program_runs_there(present, program, memory, tmp_path):
    from opencu import shims

    libraries = [f"-l:lib{name}" for name in ("cublas.so.13", "cudart.so.13", "cuda.so.1")]
    source, lib = PROGRAMS / f"{program}.c", shims.lib_dir()
    flags = ["-pthread", f"-I{shims.include_dir()}", f"-L{lib}", f"-Wl,-rpath,{lib}"]
    command = ["cc", source, "-o", tmp_path / program, *flags, *libraries, "-lm"]
    subprocess.run(command, check=True)
    done = subprocess.run(
        [tmp_path / program],
        env=os.environ | {"OPENCU_DEVICE": "opencl", "OPENCU_OPENCL_MEMORY": memory},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
