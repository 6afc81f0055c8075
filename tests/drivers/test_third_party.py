"""A vendor's driver in a package of its own (acme/), found beside opencu: docs/new-vendor.md."""

import json
import re
import shutil
import sys
import textwrap

import pytest
from conftest import HERE, VARIABLES, cc

from opencu import shims


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """A folder with the installed package, its C compiled as acme.c says."""
    folder = shutil.copytree(HERE / "acme", tmp_path_factory.mktemp("acme") / "site")
    options = ["-shared", "-fPIC", "-pthread", "-Werror"]
    libraries = [f"-I{shims.include_dir()}", f"-L{shims.lib_dir()}", "-lopencu"]
    cc(*options, folder / "acme.c", "-o", folder / "acme_chip/libacme.so", *libraries)
    return folder


@pytest.fixture
def acme(program, site):
    for variable in VARIABLES.values():  # stand-ins run no kernels
        del program.environment[variable]
    program.environment["PYTHONPATH"] = str(site)
    return program


def test_its_devices_are_found_by_the_entry_point(acme):
    said = acme("""
import opencu
from opencu.drivers import drivers, target
print(opencu.device("acme"), drivers()["acme"].info(0).name, target("acme1").format)
""")
    assert said == "opencu.device('acme:0') Acme One program"


def test_it_is_told_by_opencu_info_after_a_kernel_on_it(acme):
    found = json.loads(acme.run([sys.executable, "-m", "opencu", "info", "--json"]))
    (mine,) = [each for each in found["devices"] if each["name"] == "acme:0"]
    assert (mine["status"], mine["processor"], mine["target"]) == ("PASS", "Acme One", "acme1")


def test_it_passes_the_conformance_kit(acme):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "acme"]
    said = acme.run([*command, "-o", "addopts=", HERE / "test_conformance.py"])
    passed, _, rest = said.splitlines()[-1].partition(" passed")
    assert int(passed) >= 7 and "failed" not in rest and "skipped" not in rest


def test_kernels_and_products_run_on_it(acme):
    acme("""
import numpy as np
import opencu
from opencu import tile

@tile.kernel
def axpy(x, y, a, N: int):
    i = tile.pid(0)
    tile.store(y, i, tile.fma(a, tile.load(x, i, N), tile.load(y, i, N)))

chip = opencu.device("acme")
x, y = np.arange(1003.0), np.ones(1003)
there = opencu.asarray(y, chip)
opencu.launch(axpy, (tile.cdiv(1003, 128),), opencu.asarray(x, chip), there, 2.0, N=128)
assert (np.asarray(there) == 1 + 2 * x).all()
for dtype, m, n, k in ((np.float32, 33, 65, 17), (np.float64, 1, 7, 300), (np.float32, 5, 0, 3)):
    a, b = (np.random.default_rng(0).standard_normal(s).astype(dtype) for s in ((m, k), (k, n)))
    c = np.asarray(opencu.blas.gemm(opencu.asarray(a, chip), opencu.asarray(b, chip)))
    assert np.allclose(c, a @ b, atol=1e-4)
""")


def test_a_c_program_reaches_it_by_the_librarys_path(acme, site, tmp_path):
    options = [f"-I{shims.include_dir()}", HERE / "copies.c", f"-L{shims.lib_dir()}", "-lcudart"]
    cc(*options, "-o", tmp_path / "copies")
    said = acme.run(
        [tmp_path / "copies"],
        OPENCU_DEVICE="acme",
        OPENCU_DRIVERS=str(site / "acme_chip/libacme.so"),
        LD_LIBRARY_PATH=str(shims.lib_dir()),
    )
    assert said == "1 devices, Acme One, right"


def test_a_table_of_another_opencu_is_refused(acme):
    said = acme("""
from opencu.drivers.status import ffi, lib
print(lib.ocu_driver_open(b"none", ffi.new("int *"), ffi.new("int *")) != ffi.NULL)
import ctypes
from opencu import shims
core = ctypes.CDLL(f"{shims.lib_dir()}/libopencu.so")
core.ocu_error.restype = ctypes.c_char_p
print(core.ocu_driver_add_sized(ctypes.create_string_buffer(64), 64), core.ocu_error().decode())
""")
    assert "bytes, not 64: it was built for another opencu" in said


def test_the_guide_quotes_the_example():
    guide = (HERE.parents[1] / "docs/new-vendor.md").read_text()
    quoted = re.findall(r"^ *```c\n(.*?)^ *```", guide, re.M | re.S)
    source = (HERE / "acme/acme.c").read_text()
    assert len(quoted) == 2 and all(textwrap.dedent(text) in source for text in quoted)
