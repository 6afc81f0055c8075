"""Every kernel of the library for every GPU: assembled by ptxas, linked for AMD, run on OpenCL."""

import functools
import importlib
import re
import shutil
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import opencl
import pytest
from calls import CALLS, Library

from opencu import tile
from opencu.blas.kernels import geam, gemm
from opencu.compiler import Code, compile, spirv
from opencu.drivers import target as named
from opencu.runtime.plan import PLANNERS
from opencu.tile import KernelError

QUICK = ("sm_90a", "gfx90a")
NVIDIA, AMD = (
    [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in names]
    for names in (("sm_80", "sm_90a", "sm_100"), ("gfx90a", "gfx942", "gfx1100"))
)
EVERY_DTYPE = ("sm_80", "sm_90a", "spirv64")  # the others get each kernel in float32
HEADER = struct.calcsize("<QII4Q")
DTYPES = [(1, 1, 1), (2, 2, 2), (3, 3, 1), (4, 4, 1), (5, 6, 6), (7, 7, 7), (8, 8, 8)]
DTYPES += [(10, 1, 1), (10 + 16 * 11, 11, 1)]  # 8-bit numbers, of one kind and of two
PTXAS = shutil.which("ptxas")
VALIDATOR = shutil.which("spirv-val")
# Classes of the rest of BLAS, as the core names them (runtime/core/routine.c), in float32.
ROUTINES = {
    "axpy": "130101000001e600", "copy": "100101000000a600", "scal": "1201000000010e00",
    "swap": "110101000000ee00", "rot": "140101000001ee00", "dot": "160101000100668000",
    "asum": "170100000100068000", "nrm2": "180100000100068000", "amax": "19010000090006800001",
    "rotg": "1b0101010100eeee", "symv": "1d0101010001650e00000101", "gbmv": "1d0101010001650e0001",
    "trmv": "1d0101000000e50000000301", "trsv": "1e0101000000e50000000301",
    "ger": "1f01010100016d0600000001", "syr": "1f01010000016d0000000101",
    "syr2": "1f01010100016d0600000101", "dgmm": "200101010000650a0001",
    "trttp": "210100010000050a000101", "tpttr": "210100010000060a000001",
    "trsm": "22010101010166ae0001", "inverses of trsm": "220101000000a60000010001",
    "blocks of trmm": "220101000000a60000010002", "symm's": "230101000000a50000000100",
    "getrf": "240106000600aea0", "getrs": "250106010000660e", "getri": "26010601060066aa",
    "matinv": "27010001060006aa", "geqrf": "280101000000ae00", "gels": "2901000106000eae",
    "bytes": "2b05050500005509", "scaled": "04040a0402020002ff",
}  # fmt: skip


def products() -> list[bytes]:
    """Every dtype, and every bucket of tiles."""
    specs = [(1, *kind, 2, 1 + i % 2, 2, 2, 0) for i, kind in enumerate(DTYPES)]
    specs += [(1, *DTYPES[i % 3], 1, 2, 2, 2, b) for i, b in enumerate(gemm.BUCKETS) if b]
    specs += [(1, 1, 1, 1, 2, 2, 2, 2, gemm.SUM)]
    specs += [(1, 1, 1, 1, 2, 2, 2, 2, *[0] * 5, *form) for form in ((17, 0), (0, 1))]  # trmm, syrk
    return [bytes(s).ljust(16, b"\0") for s in specs]


@functools.cache
def library(name: str) -> dict[str, Code]:
    """Every kernel of the library for a target."""
    target, codes = named(name), {}
    with pytest.MonkeyPatch.context() as patch:
        for label, call in CALLS.items():
            if label.endswith(("-f8", "-f2")) and name not in EVERY_DTYPE:
                continue
            found = Library(patch, target, lambda *_: None)
            call()
            codes |= {f"{label}/{i}": code for i, code in enumerate(found.codes)}
            patch.undo()
    for spec in products()[0 if name in EVERY_DTYPE else len(DTYPES) :]:
        codes[f"gemm {list(spec[:15])}"] = gemm.plan(spec, target).launches[0].code
    for spec in geam.packed_specs()[::7]:
        codes[f"geam {list(spec[:5])}"] = geam.plan(spec, target).launches[0].code
    for label, text in ROUTINES.items():
        spec = bytes.fromhex(text).ljust(16, b"\0")
        planner = importlib.import_module(PLANNERS[spec[0]])
        for i, launch in enumerate(planner.plan(spec, target).launches):
            codes[f"{label}/{i}"] = launch.code
    return codes


@pytest.mark.skipif(PTXAS is None, reason="ptxas is not installed")
@pytest.mark.parametrize("name", NVIDIA)
def test_ptxas_assembles_every_kernel_and_spills_nothing(name, tmp_path):
    def assemble(item):
        number, (label, code) = item
        source = tmp_path / f"{number}.ptx"
        assert code.blob[-1] == 0
        source.write_bytes(code.blob[HEADER:-1])
        command = [PTXAS, "-v", f"-arch={name}", str(source), "-o", str(tmp_path / f"{number}.o")]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{label}: {done.stderr}"
        assert re.search(" 0 bytes spill stores, 0 bytes spill loads", done.stderr), label

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(assemble, enumerate(library(name).items())))


@pytest.mark.parametrize("name", AMD)
def test_every_kernel_links_for_amd(name):
    for label, code in library(name).items():
        size, threads, shared, *_ = struct.unpack_from("<QII4Q", code.blob)
        data = code.blob[HEADER:]
        assert len(data) == size and threads == 256, label
        assert data[:4] == b"\x7fELF" and struct.unpack_from("<H", data, 16) == (3,), label
        assert b"amdhsa.kernels" in data and b"opencu_kernel.kd" in data, label
        assert shared <= 64 << 10, label


@pytest.mark.skipif(isinstance(opencl.device(), str), reason=str(opencl.device()))
@pytest.mark.parametrize("label", CALLS)
def test_the_library_gives_the_same_on_opencl(label, monkeypatch):
    wanted = CALLS[label]()

    def run(code, words, programs):
        opencl.Kernel(code)(words, programs)

    Library(monkeypatch, named("spirv64"), run)
    ours = CALLS[label]()
    eps = float(np.finfo(wanted.dtype).eps) if wanted.dtype.kind == "f" else 0
    np.testing.assert_allclose(ours, wanted, rtol=256 * eps, atol=256 * eps)


@pytest.mark.skipif(VALIDATOR is None, reason="spirv-val is not installed")
def test_every_module_is_valid_spirv(tmp_path):
    for label, code in library("spirv64").items():
        (tmp_path / "module.spv").write_bytes(code.blob[HEADER:])
        command = [VALIDATOR, "--target-env", "opencl2.1", str(tmp_path / "module.spv")]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{label}: {done.stdout}{done.stderr}"


def test_a_backend_that_aborts_is_an_error_and_the_next_module_is_compiled():
    empty = (
        'target triple = "spirv64-unknown-unknown"\ndefine spir_kernel void @k() {{ {} ret void }}'
    )
    with pytest.raises(KernelError, match="LLVM's SPIR-V backend gave up: .*nline assembly"):
        spirv.emit(empty.format('%x = call i32 asm "x", "=r"()'), None)
    assert spirv.emit(empty.format(""), None)[:4] == b"\x03\x02\x23\x07"


# ---- what a target cannot hold -------------------------------------------------------------------


def share(v):
    e = tile.sqrt(tile.abs(v)) / (1.0 + v * v)
    return e / tile.sum(e)


@tile.kernel
def keep(x, y, N: int):
    """Five tiles that are kept in shared memory, one behind the other."""
    tile.store(y, 0, share(share(share(share(share(tile.load(x, 0, N)))))))


@tile.kernel
def turn(x, y, N: int):
    """A tile that must be put into shared memory before its view is overwritten."""
    v = tile.load(x, (0, 0), (N, N))
    tile.store(x, (0, 0), tile.transpose(v))


LINE, SQUARE = (tile.View(tile.f32, (1,) * n) for n in (1, 2))


def test_shared_memory_is_given_again_when_a_tile_has_been_used():
    target = named("spirv64")
    code = compile(keep.trace(dict(x=LINE, y=LINE), dict(N=2048)), target)
    _, threads, shared, *pointers = struct.unpack_from("<QII4Q", code.blob)
    assert shared < 3 * 2048 * 4  # two tiles, and what the reductions exchange
    assert threads == target.threads
    assert pointers == [1 << 3 | 1 << 6, 0, 0, 0]


@pytest.mark.parametrize("name", ["sm_80", "gfx90a", "spirv64"])
def test_too_much_shared_memory_is_refused(name):
    target = named(name)
    function = turn.trace(dict(x=SQUARE, y=SQUARE), dict(N=256))
    what = f"{name} has {target.shared_bytes} bytes of shared memory .* needs {256 * 256 * 4}"
    with pytest.raises(KernelError, match=what):
        compile(function, target)


@tile.kernel
def product(a, b, c, N: int):
    acc = tile.dot(
        tile.load(a, (0, 0), (N, 8)), tile.load(b, (0, 0), (8, N)), tile.full((N, N), 0, a.dtype)
    )
    tile.store(c, (0, 0), acc)


def test_a_dot_of_too_many_sums_is_refused():
    function = product.trace(dict(a=SQUARE, b=SQUARE, c=SQUARE), dict(N=256))
    with pytest.raises(KernelError, match="sm_80: a dot of 256 x 256 takes 256 registers a thread"):
        compile(function, named("sm_80"))
