"""C programs over the shims: each exits 0 and prints "ok", or names the line that is wrong."""

import runpy
import shutil
import sys
import time
from pathlib import Path

import pytest

from opencu import shims

ROOT = Path(__file__).parents[2]
LINKED = (
    "gemm.c runtime.c pools.c boxes.c bad_input.c vanishing.c ex_input.c lt_input.c lt_float8.c"
    " sums.c graphs.c fork.c device_code.c driver.c driver_memory.c per_thread.c utilities.c"
).split()
KINDS = "f32 f64 c64 c128 f16 f16-f32 f16-half bf16 bf16-f32 i8 i8-f32".split()
# Not those that fork or let memory vanish: the sanitizers keep tables of their own about it.
SANITIZED = [source for source in LINKED if source not in ("fork.c", "vanishing.c")]
FUZZ = runpy.run_path(str(ROOT / "tests/shims/fuzz.py"))


@pytest.mark.parametrize("major", [12, 13])
@pytest.mark.parametrize("source", LINKED)
def test_a_linked_program_runs(build, source, major, run):
    assert run(build(source, major=major)).stdout == "ok\n"


@pytest.mark.parametrize("operands", ["plain", "pointers"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_product_of_cublas_agrees_with_sums_in_double_precision(build, kind, operands, run):
    assert run(f"{build('products.c')} {kind} {operands}").stdout == "ok\n"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "-" not in kind])
def test_every_product_of_cublaslt_agrees_with_sums_in_double_precision(build, kind, run):
    assert run(f"{build('lt.c')} {kind}").stdout == "ok\n"


ARGUMENTS = {
    "ex_input.c": "Atype Btype Ctype computeType scaleType alpha_array",
    "lt_input.c": """Atype scaleType computeType Dtype TRANSC FILL_MODE ORDER
        ALPHA_BATCH_STRIDE BETA_BATCH_STRIDE A_SCALE_POINTER D_OUT_SCALE_POINTER AMAX_D_POINTER
        BIAS_DATA_TYPE CUBLASLT_EPILOGUE_DRELU_BGRAD CUBLASLT_EPILOGUE_GELU_AUX
        CUBLASLT_EPILOGUE_BGRADB""",
    "lt_float8.c": """Btype Dtype computeType scaleType A_SCALE_POINTER D_OUT_SCALE_POINTER
        A_SCALE_MODE B_SCALE_MODE C_SCALE_MODE D_SCALE_MODE VEC32_UE8M0 BLK128x128_32F""",
}


@pytest.mark.parametrize("source, arguments", ARGUMENTS.items())
def test_a_refusal_names_the_argument_that_was_the_reason_once(build, source, arguments, run):
    said = run(build(source)).stderr.splitlines()
    assert len(said) == len(set(said))
    for argument in arguments.split():
        assert any(argument in line for line in said), argument


@pytest.mark.parametrize("seed", [1, 2])
def test_arguments_drawn_at_random_crash_nothing(build, seed, run):
    assert run(f"{build('fuzz.c')} {seed} 2").stdout.endswith("ok\n")


def test_the_plain_names_link_and_mean_cuda_13(tmp_path, lib, run):
    program = tmp_path / "gemm"
    source = ROOT / "tests/shims/programs/gemm.c"
    run(f"cc -I{shims.include_dir()} {source} -o {program} -L{lib} -lcublas -lcudart -lm")
    needed = run(f"readelf -d {program}").stdout
    assert "[libcublas.so.13]" in needed and "[libcudart.so.13]" in needed
    assert run(program, LD_LIBRARY_PATH=lib).stdout == "ok\n"


@pytest.mark.parametrize("suffix", [".12", ".13", ""])
def test_a_program_that_opens_the_libraries_by_name_runs(build, lib, suffix, run):
    command = f"{build('by_dlopen.c')} libcublas.so{suffix} libcudart.so{suffix}"
    assert run(command, LD_LIBRARY_PATH=lib).stdout == "ok\n"
    assert run(command, LD_AUDIT=shims.audit_path()).stdout == "ok\n"


def test_a_linked_program_runs_by_preload(build, lib, run):
    preload = f"{lib}/libcublas.so.13:{lib}/libcudart.so.13"
    assert run(build("gemm.c", rpath=False), LD_PRELOAD=preload).stdout == "ok\n"


def test_a_linked_program_runs_through_the_audit_library(build, run):
    program = build("gemm.c", rpath=False)
    assert run(program, LD_AUDIT=shims.audit_path()).stdout == "ok\n"
    assert shims.run_environment("cpu")["LD_AUDIT"].split(":")[0] == str(shims.audit_path())


def test_a_linked_program_runs_through_the_command_line(build, run):
    program = build("gemm.c", rpath=False)
    assert run(f"{sys.executable} -m opencu run -- {program}").stdout == "ok\n"


@pytest.mark.parametrize("major", [12, 13])
def test_two_devices_own_their_memory_and_streams(build, major, run):
    assert run(build("devices.c", major=major), OPENCU_CPU_DEVICES=2).stdout == "ok\n"


# ---- a program that carries the vendor's libraries with it ---------------------------------------

VENDOR = "int cublasGetVersion_v2(void *h, int *v) { (void)h; *v = 1; return 0; }\n"
CALLER = """#include <dlfcn.h>
#include <stdio.h>
int cublasGetVersion_v2(void *, int *);
int main(int argc, char **argv) {
  int linked = 0, opened = 0;
  cublasGetVersion_v2(0, &linked);
  void *file = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : 0;
  int (*version)(void *, int *) =
      file ? (int (*)(void *, int *))dlsym(file, "cublasGetVersion_v2") : 0;
  if (version) version(0, &opened);
  printf("%d %d\\n", linked, opened);
}
"""


@pytest.fixture(scope="module")
def vendor(tmp_path_factory, run):
    """A program with a DT_RPATH to a stand-in for the vendor's library, and that library."""
    folder = tmp_path_factory.mktemp("vendor")
    library = folder / "libcublas.so.13"
    (folder / "vendor.c").write_text(VENDOR)
    (folder / "caller.c").write_text(CALLER)
    (folder / "map").write_text("libcublas.so.13 { global: cublas*; local: *; };")
    version = f"-Wl,-soname,libcublas.so.13 -Wl,--version-script={folder / 'map'}"
    rpath = f"-Wl,--disable-new-dtags,-rpath,{folder}"
    run(f"cc -shared -fPIC {folder / 'vendor.c'} -o {library} {version}")
    run(f"cc {folder / 'caller.c'} -o {folder / 'caller'} {library} -ldl {rpath}")
    return folder / "caller", library


def test_the_audit_library_beats_an_rpath_and_an_absolute_path(vendor, run):
    program, library = vendor
    assert run(f"{program} {library}").stdout == "1 1\n"
    assert run(f"{program} {library}", LD_AUDIT=shims.audit_path()).stdout == "131000 131000\n"


def test_preloading_beats_an_rpath(vendor, lib, run):
    program, _ = vendor
    assert run(program, LD_PRELOAD=lib / "libcublas.so.13").stdout == "131000 0\n"


@pytest.mark.parametrize("names", ["libcublas.so.13", "libcuda.so.1:{library}"])
def test_libraries_named_as_real_are_let_through(vendor, names, run):
    program, library = vendor
    names = names.format(library=library)
    result = run(f"{program} {library}", LD_AUDIT=shims.audit_path(), OPENCU_REAL_LIBS=names)
    assert result.stdout.split()[1] == "1"


def test_the_audit_library_leaves_other_versions_and_libraries_alone(vendor, tmp_path, run):
    program, library = vendor
    for name in ("libcublas.so.11", "libcublas.so.130", "libcublasXt.so.13", "libblas.so"):
        shutil.copy(library, tmp_path / name)
        result = run(f"{program} {tmp_path / name}", LD_AUDIT=shims.audit_path())
        assert result.stdout == "131000 1\n", name


# ---- sanitizers ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sanitized(lib, tmp_path_factory):
    return FUZZ["sanitized"](lib, tmp_path_factory.mktemp("sanitized"))


@pytest.mark.slow
def test_the_programs_run_clean_under_the_sanitizers(build, lib, sanitized, run):
    for source in (*SANITIZED, "products.c f32 plain", "lt.c f64", "fuzz.c 1 6"):
        source, *arguments = source.split()
        program = build(source, FUZZ["SANITIZE"], lib=sanitized)
        command = " ".join([str(program), *arguments])
        done = run(command, LD_PRELOAD=lib / "libopencu.so", ASAN_OPTIONS=FUZZ["ASAN"])
        assert done.stdout.endswith("ok\n")


@pytest.mark.slow
def test_no_argument_crashes_an_entry_point(lib, sanitized, tmp_path):
    program = FUZZ["build_program"](sanitized, shims.include_dir(), tmp_path)
    done = FUZZ["run"](program, lib, seed=time.time_ns() % 10**9, seconds=5, calls=400)
    assert done.stdout.endswith("ok\n"), done.stdout + done.stderr[-8000:]
