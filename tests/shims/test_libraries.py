"""The files themselves: sonames, versions, exported names, and that every name refuses."""

import csv
import json
import re
import shlex
import sys
from pathlib import Path

import pytest

TABLES = Path(__file__).parents[2] / "shims/tables/exports"
MAJORS = {"cudart": (12, 13), "cublas": (12, 13), "cublasLt": (12, 13), "cuda_driver": (13,)}
LIBRARIES = [
    ("libcuda.so.1" if library == "cuda_driver" else f"lib{library}.so.{major}", library, major)
    for library, majors in MAJORS.items()
    for major in majors
]
by_library = pytest.mark.parametrize("file, library, major", LIBRARIES)
NOT_SUPPORTED = {"cudart": 801, "cublas": 15, "cublasLt": 15, "cuda_driver": 801}


def exports(library, major):
    with open(TABLES / f"{library}.csv", newline="") as file:
        return [
            row
            for row in csv.DictReader(file)
            if not row["majors"] or str(major) in row["majors"].split()
        ]


@pytest.fixture(scope="module")
def symbols(lib, run):
    """symbols(file): {name: version node} of the functions that a library defines."""
    row = re.compile(r" FUNC +GLOBAL +DEFAULT +\d+ (\w+)(?:@@(\S+))?$", re.M)
    return lambda file: dict(row.findall(run(f"readelf -W --dyn-syms {lib / file}").stdout))


@by_library
def test_every_name_that_the_vendor_exports_is_there_and_no_other(symbols, file, library, major):
    assert set(symbols(file)) == {row["symbol"] for row in exports(library, major)}


@by_library
def test_there_is_one_version_node_named_as_the_soname(lib, symbols, file, library, major, run):
    assert f"Library soname: [{file}]" in run(f"readelf -d {lib / file}").stdout
    assert set(symbols(file).values()) == {"" if library == "cuda_driver" else file}


NEWEST = {"cudart": 13, "cublas": 13, "cublasLt": 13, "cuda": 1}


@pytest.mark.parametrize("stem, major", NEWEST.items())
def test_a_name_without_version_is_a_library_that_means_the_newest(lib, stem, major, run):
    assert f"soname: [lib{stem}.so.{major}]" in run(f"readelf -d {lib}/lib{stem}.so").stdout


@by_library
def test_only_libc_and_ours_are_needed(lib, file, library, major, run):
    needed = re.findall(r"Shared library: \[(.*?)\]", run(f"readelf -d {lib / file}").stdout)
    system = ("libc.so", "libdl.so", "libpthread.so", "ld-linux")
    assert {n for n in needed if not n.startswith(system)} <= {"libopencu.so", "libopencu_shim.so"}


# Calls every name in its own right; the C library may not be shared with the test's own process.
CALL_ALL = """
import ctypes, json, math, sys
library, names = ctypes.CDLL(sys.argv[1]), json.load(sys.stdin)
results = {}
for name, kind in names.items():
    function = library[name]
    types = {"void": None, "float": ctypes.c_float, "double": ctypes.c_double,
             "string": ctypes.c_char_p, "size_t": ctypes.c_size_t}
    function.restype = types.get(kind, ctypes.c_int)
    value = function()
    results[name] = value.decode() if kind == "string" else repr(value)
json.dump(results, sys.stdout)
"""


@by_library
def test_every_name_that_is_not_implemented_refuses_by_name(
    lib, file, library, major, tmp_path, run
):
    coverage = json.loads((lib / "shims.json").read_text())["libraries"][library]
    refused = {
        row["symbol"]: row["returns"]
        for row in exports(library, major)
        if not coverage[row["symbol"]] and row["returns"] != "hand"
    }
    script = tmp_path / "call_all.py"
    script.write_text(CALL_ALL.replace("json.load(sys.stdin)", repr(refused)))
    result = run(f"{sys.executable} -I {script} {lib / file}")
    wanted = {"void": "None", "string": "not supported", "int": "0", "size_t": "0"}
    wanted |= {"float": "nan", "double": "nan", "question": "98", "question@2": "98"}
    for name, value in json.loads(result.stdout).items():
        kind = refused[name]
        if "_Complex" not in kind:
            assert value == wanted.get(kind, str(NOT_SUPPORTED[library])), name
    said = re.findall(r"^opencu: (\w+): \w.* \w.*$", result.stderr, re.M)
    assert sorted(said) == sorted(refused)


LAUNCHES = "cudaLaunchKernel cudaLaunchKernelExC cudaLaunchCooperativeKernel __cudaLaunchKernel"


@pytest.mark.parametrize("name", LAUNCHES.split())
def test_launching_device_code_refuses(lib, run, name):
    script = f"import ctypes, sys; print(ctypes.CDLL(sys.argv[1])['{name}'](None, None))"
    result = run(f"{sys.executable} -I -c {shlex.quote(script)} {lib}/libcudart.so.13")
    assert result.stdout == "801\n" and name in result.stderr


WHY = {
    "cudaMemcpyToSymbol": "device code cannot run here",
    "cudaGraphAddKernelNode": "a graph is what a capture recorded",
    "cudaMalloc3DArray": "textures and their arrays do not exist here",
    "cudaIpcGetMemHandle": "memory cannot be shared between processes yet",
    "cudaOccupancyMaxActiveBlocksPerMultiprocessor": "one that was never registered, is device",
}


@pytest.mark.parametrize("name", WHY)
def test_a_refusal_says_why(lib, run, name):
    script = f"import ctypes, sys; ctypes.CDLL(sys.argv[1])['{name}'](None, None)"
    result = run(f"{sys.executable} -I -c {shlex.quote(script)} {lib}/libcudart.so.13")
    assert WHY[name] in result.stderr


def test_a_refusal_is_said_once_and_strict_aborts(lib, tmp_path, run):
    script = tmp_path / "twice.py"
    script.write_text("import ctypes, sys\nf = ctypes.CDLL(sys.argv[1]).cublasSbdmm\nf(); f()\n")
    command = f"{sys.executable} -I {script} {lib}/libcublas.so.13"
    assert run(command).stderr == "opencu: cublasSbdmm: not implemented yet; refused\n"
    for strict in ("1", "yes"):
        assert "cublasSbdmm" in run(command, code=-6, OPENCU_STRICT=strict).stderr
    assert "cublasSbdmm" in run(command, OPENCU_STRICT=0).stderr


def test_the_old_call_without_a_handle_is_not_the_new_one(lib, run):
    addresses = run(f"readelf -W --dyn-syms {lib}/libcublas.so.13").stdout
    address = {m[2]: m[1] for m in re.finditer(r": (\w+) .* (cublasSgemm(?:_v2)?)@@", addresses)}
    assert len(set(address.values())) == 2
