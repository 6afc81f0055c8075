"""A small test of any device, and the limits of a CPU device: a register-only loop of fused
multiply-adds, and a plain copy."""

import ctypes
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from opencu import tile
from opencu.bench.measure import timed
from opencu.compiler.llvm import binding
from opencu.drivers.interface import Target
from opencu.runtime.array import asarray, empty
from opencu.runtime.device import Device, current
from opencu.runtime.launch import launch
from opencu.runtime.stream import NULL

CHAINS = 12  # independent sums: more than latency x units of any core so far, within 16 registers
STEPS = 2_000_000  # of the loop per call
READ_BYTES = 256  # a step of reading, in vectors of 32
COPY_BYTES = 64 << 20  # beyond the caches
LLVM_TYPE = {"float32": "float", "float64": "double"}


def chains(element: str, lanes: int, links: list[str], start: str, fold: str) -> str:
    """Steps that carry vectors in registers: each makes %y0, %y1, ... of %x0, %x1, ... and what is
    at %from. In the end all are folded into one, or they would not be computed."""
    vector, each = f"<{lanes} x {element}>", range(len(links))
    lines = [
        f"define {element} @loop(ptr %from, i64 %steps) #0 {{",
        "entry:",
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [ 0, %entry ], [ %next, %loop ]",
        *(f"  %x{i} = phi {vector} [ {start}, %entry ], [ %y{i}, %loop ]" for i in each),
        *links,
        "  %next = add i64 %i, 1",
        "  %more = icmp slt i64 %next, %steps",
        "  br i1 %more, label %loop, label %done",
        "done:",
        f"  %s0 = {fold} {vector} %y0, %y0",
        *(f"  %s{i} = {fold} {vector} %s{i - 1}, %y{i}" for i in each[1:]),
        f"  %out = extractelement {vector} %s{each[-1]}, i32 0",
        f"  ret {element} %out",
        "}",
    ]
    return "\n".join(lines)


def loop_ir(dtype: str, target: Target) -> str:
    """x = x * 0.5 + 0.5, CHAINS times a step, all in registers."""
    element, bits = LLVM_TYPE[dtype], 8 * np.dtype(dtype).itemsize
    lanes = 8 * target.vector_bytes // bits
    vector, fma = f"<{lanes} x {element}>", f"@llvm.fmuladd.v{lanes}f{bits}"
    half = f"<{', '.join([f'{element} 0.5'] * lanes)}>"
    links = [
        f"  %y{i} = call {vector} {fma}({vector} %x{i}, {vector} {half}, {vector} {half})"
        for i in range(CHAINS)
    ]
    declared = f"declare {vector} {fma}({vector}, {vector}, {vector})\n"
    return declared + chains(element, lanes, links, half, "fadd")


def read_ir() -> str:
    """READ_BYTES a step, of which nothing is made."""
    links = [
        f"  %p{i} = getelementptr [{READ_BYTES} x i8], ptr %from, i64 %i, i64 {32 * i}\n"
        f"  %v{i} = load <4 x i64>, ptr %p{i}, align 1\n"
        f"  %y{i} = or <4 x i64> %x{i}, %v{i}"
        for i in range(READ_BYTES // 32)
    ]
    return chains("i64", 4, links, "zeroinitializer", "or")


class Loop:
    """A loop on some threads, each from an address of its own, as a Run of measure.interleave."""

    def __init__(self, text: str, target: Target, work: list[tuple[int, int]]):
        llvm = binding()
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        bits = 8 * target.vector_bytes
        text += f'\nattributes #0 = {{ "min-legal-vector-width"="{bits}"'
        text += f' "prefer-vector-width"="{bits}" }}'
        traits = llvm.Target.from_triple(target.triple)
        machine = traits.create_target_machine(cpu=target.cpu, features=target.features, opt=2)
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(text), machine)
        address = self._engine.get_function_address("loop")
        self._loop = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(address)
        self._threads, self._work = ThreadPoolExecutor(len(work)), work

    def __call__(self, calls: int) -> None:
        def part(work: tuple[int, int]) -> None:
            for _ in range(calls):
                self._loop(*work)

        list(self._threads.map(part, self._work))


class Peak(Loop):
    """The FMA peak of one dtype on some threads."""

    def __init__(self, dtype: str, target: Target, threads: int):
        super().__init__(loop_ir(dtype, target), target, [(0, STEPS)] * threads)
        lanes = target.vector_bytes // np.dtype(dtype).itemsize
        self.flops = 2.0 * lanes * CHAINS * STEPS * threads  # of one call


class Reader(Loop):
    """Reading an array's bytes on some threads."""

    def __init__(self, x: np.ndarray, target: Target, threads: int):
        steps, self.x = x.nbytes // threads // READ_BYTES, x
        starts = (x.ctypes.data + i * steps * READ_BYTES for i in range(threads))
        super().__init__(read_ir(), target, [(start, steps) for start in starts])


def gflops(device: Device, dtype: str, threads: int, seconds: float = 0.1) -> float:
    """Measured FMA peak: the best of three runs of this length."""
    peak = Peak(dtype, device.driver.target(device.index), threads)
    calls = max(1, int(seconds / timed(peak, 1)))
    return max(peak.flops * calls / timed(peak, calls) for _ in range(3)) / 1e9


def copy_bandwidth(device: Device) -> float:
    """Bytes a second that a copy within the device's memory reads and writes, best of five."""
    source, target = (empty(COPY_BYTES, np.uint8, device) for _ in range(2))
    copy: Callable = device.driver.copy
    best = float("inf")
    with current(device):
        for place in (source, target):
            device.driver.fill(NULL, place.ptr, 1, COPY_BYTES, True)
        for _ in range(5):
            start = time.perf_counter()
            copy(NULL, target.ptr, source.ptr, COPY_BYTES, True)
            best = min(best, time.perf_counter() - start)
    return 2 * COPY_BYTES / best


def examine(device: Device) -> dict[str, Any]:
    """A small kernel on the device, checked, and what the device is and can: for `opencu info`."""
    try:
        check(device)
    except (ArithmeticError, MemoryError, OSError, RuntimeError, ValueError) as error:
        return {"name": device.name, "status": "FAIL", "reason": str(error)}
    info, dtypes = device.info, LLVM_TYPE if device.on_host else ()
    return {
        "name": device.name,
        "status": "PASS",
        "processor": info.name,
        "target": info.target,
        "threads": info.threads,
        "cores": info.cores,
        "memory": {"total": info.memory_total, "free": info.memory_free},
        "copy bandwidth": copy_bandwidth(device),
        "gflops": {
            dtype: {
                "one thread": gflops(device, dtype, 1),
                "all threads": gflops(device, dtype, info.threads),
            }
            for dtype in dtypes
        },
    }


@tile.kernel
def double_rows(x, y, COLUMNS: int):
    i = tile.pid(0)
    rows = tile.load(x, (i, 0), (1, COLUMNS))
    tile.store(y, (i, 0), rows + rows)


def check(device: Device) -> None:
    """A small kernel on the device, checked; ArithmeticError if it is wrong."""
    x = np.random.default_rng(0).standard_normal((33, 17), np.float32)
    there, found = asarray(x, device), empty(x.shape, x.dtype, device)
    launch(double_rows, (len(x),), there, found, COLUMNS=32)
    wrong = np.count_nonzero(np.asarray(found) != 2 * x)
    if wrong:
        raise ArithmeticError(f"a kernel that doubles numbers is wrong for {wrong} of {x.size}")
