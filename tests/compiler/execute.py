"""Run compiled kernels in this process, on arrays that end where memory does."""

import ctypes
import functools
import mmap

import numpy as np
import opencl
import pytest

from opencu.compiler import Blocks, compile
from opencu.drivers import target as named
from opencu.drivers.cpu import TARGETS
from opencu.drivers.interface import Target
from opencu.tile import Kernel, Scalar, View, dtypes, interp

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
PAGE = mmap.PAGESIZE

SSE2, AVX2, AVX512, ZEN4 = (
    TARGETS[f"x86-64-{isa}"] for isa in ("sse2", "avx2", "avx512", "avx512bf16")
)
# The widest code's IR with the features of a smaller processor: LLVM splits the vectors, so that
# the AVX-512 configuration is run wherever the tests are.
SPIRV = named("spirv64")
WIDE = Target("wide", "vector", AVX2.triple, AVX2.cpu, AVX2.features, 64, 32)


def runnable() -> list[Target]:
    """The targets that this processor can run."""
    with open("/proc/cpuinfo") as file:
        flags = next((line for line in file if line.startswith("flags")), "").split()
    found = [SSE2]
    if {"avx2", "fma"} <= set(flags):
        found += [AVX2, WIDE]
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= set(flags):
        found.append(AVX512)
        if {"avx512_vnni", "avx512_bf16"} <= set(flags):
            found.append(ZEN4)
    return found + ([] if isinstance(opencl.device(), str) else [SPIRV])


def marked(*, wide: bool = True) -> list:
    """The same as parameters of a test; OpenCL's are slow, for its compiler is. Without `wide`, the
    vectors that only register blocks make differently are left out."""
    return [
        pytest.param(t, marks=pytest.mark.slow if t is SPIRV else (), id=t.name)
        for t in runnable()
        if wide or t is not WIDE
    ]


class Fenced:
    """Memory of which the last byte is the last of a page; the next page cannot be touched."""

    def __init__(self, nbytes: int):
        size = (nbytes + PAGE - 1) // PAGE * PAGE
        self.map = mmap.mmap(-1, size + PAGE)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        if _libc.mprotect(self.base + size, PAGE, 0):
            raise OSError(ctypes.get_errno(), "mprotect")
        self.start = size - nbytes

    def array(self, x: np.ndarray) -> np.ndarray:
        """A copy of x with its strides' signs and order, at the end of the memory."""
        order = np.argsort([-abs(s) for s in x.strides], kind="stable")
        flat = np.frombuffer(self.map, x.dtype, x.size, self.start)
        out = flat.reshape([x.shape[d] for d in order]).transpose(np.argsort(order))
        flips = tuple(slice(None, None, -1 if s < 0 else 1) for s in x.strides)
        out = out[flips]
        out[...] = x
        return out


def fenced(x: np.ndarray) -> np.ndarray:
    return Fenced(x.nbytes).array(x) if x.size else x


@functools.lru_cache(maxsize=256)
def _code(kernel: Kernel, types: tuple, consts: tuple, target: Target, blocks: Blocks | None):
    code = compile(kernel.trace(dict(types), dict(consts)), target, blocks)
    if target.kind == "simt":
        return code, None, opencl.Kernel(code)
    memory = mmap.mmap(-1, len(code.blob))
    memory.write(code.blob)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if _libc.mprotect(base, len(code.blob), mmap.PROT_READ | mmap.PROT_EXEC):
        raise OSError(ctypes.get_errno(), "mprotect")
    address = base + code.entry
    return (
        code,
        memory,
        ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)(address),
    )


def held(dtype: dtypes.DType) -> np.dtype:
    """What an array of an element type is in these tests: uint16 for bf16, a field of the bits for
    8-bit numbers."""
    names = {of: name for name, of in dtypes.NAMED.items() if of.bits == 8}
    return np.dtype([(names[dtype], "u1")]) if dtype in names else dtype.numpy


def of(dtype: np.dtype) -> dtypes.DType:
    """The element type of an array."""
    return dtypes.bf16 if dtype == np.uint16 else dtypes.of(dtype)


def arguments(kernel: Kernel, args: list, consts: dict) -> tuple[tuple, list[int]]:
    """The types of a launch's arguments, and their words in the parameter array."""
    types, words = [], []
    for name, x in zip([n for n in kernel.parameters if n not in consts], args):
        if isinstance(x, np.ndarray):
            strides = [s // x.itemsize for s in x.strides]
            last = max((d for d, s in enumerate(strides) if s == 1), default=None)
            kind = View(of(x.dtype), tuple(1 if d == last else None for d in range(x.ndim)))
            words += [x.ctypes.data, *x.shape, *strides]
        else:
            x = np.asarray(x)
            kind = Scalar(of(x.dtype))
            parts = [x.real, x.imag] if x.dtype.kind == "c" else [x]
            words += [int.from_bytes(part.tobytes(), "little") for part in parts]
        types.append((name, kind))
    return tuple(types), words


def run(
    kernel: Kernel, target: Target, grid: tuple, args: list, blocks: Blocks | None = None, **consts
) -> None:
    """Compile for a target and run every program, last ones first."""
    grid = (*grid, *(1,) * (3 - len(grid)))
    types, words = arguments(kernel, args, consts)
    code, _, entry = _code(kernel, types, tuple(consts.items()), target, blocks)
    words = [*grid, *words]
    if target.kind == "simt":
        assert len(words) == code.params
        entry(words, grid[0] * grid[1] * grid[2])
        return
    params = (ctypes.c_int64 * len(words))(*(w - (1 << 64) if w >= 1 << 63 else w for w in words))
    scratch = Fenced((code.scratch + 63) // 64 * 64 or 64)
    at = scratch.base + scratch.start
    for pid in reversed(range(grid[0] * grid[1] * grid[2])):
        entry(ctypes.addressof(params), pid, at)


def interpret(kernel: Kernel, grid: tuple, args: list, **consts) -> None:
    types, _ = arguments(kernel, args, consts)
    args = [x.view("u1") if isinstance(x, np.ndarray) and x.dtype.names else x for x in args]
    interp.run(kernel.trace(dict(types), consts), args, grid)
