"""The limits of a CPU device: a register-only loop of fused multiply-adds, and a plain copy."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from opencu.bench.measure import timed
from opencu.drivers.interface import Target
from opencu.runtime.array import asarray, empty
from opencu.runtime.device import Device, current
from opencu.runtime.stream import NULL

CHAINS = 12  # independent sums: more than latency x units of any core so far, within 16 registers
STEPS = 200_000  # of the loop per call
COPY_BYTES = 64 << 20  # beyond the caches
LLVM_TYPE = {"float32": "float", "float64": "double"}


def loop_ir(dtype: str, target: Target) -> str:
    """double peak(i64 steps): x = x * m + a, CHAINS times a step, all in registers."""
    lanes = target.vector_bytes // np.dtype(dtype).itemsize
    vector = f"<{lanes} x {LLVM_TYPE[dtype]}>"
    fma = f"@llvm.fmuladd.v{lanes}f{8 * np.dtype(dtype).itemsize}"
    many = ", ".join(f"{LLVM_TYPE[dtype]} 0.5" for _ in range(lanes))
    phis = [f"  %x{i} = phi {vector} [ <{many}>, %entry ], [ %y{i}, %loop ]" for i in range(CHAINS)]
    steps = [
        f"  %y{i} = call {vector} {fma}({vector} %x{i}, {vector} <{many}>, {vector} <{many}>)"
        for i in range(CHAINS)
    ]
    sums = [f"  %s0 = fadd {vector} %y0, %y0"]
    sums += [f"  %s{i} = fadd {vector} %s{i - 1}, %y{i}" for i in range(1, CHAINS)]
    return "\n".join(
        [
            f"declare {vector} {fma}({vector}, {vector}, {vector})",
            "define double @peak(i64 %steps) #0 {",
            "entry:\n  br label %loop",
            "loop:\n  %i = phi i64 [ 0, %entry ], [ %next, %loop ]",
            *phis,
            *steps,
            "  %next = add i64 %i, 1",
            "  %more = icmp slt i64 %next, %steps",
            "  br i1 %more, label %loop, label %done",
            "done:",
            *sums,
            f"  %first = extractelement {vector} %s{CHAINS - 1}, i32 0",
            "  ret double %first"
            if dtype == "float64"
            else "  %out = fpext float %first to double\n  ret double %out",
            "}",
            f'attributes #0 = {{ "min-legal-vector-width"="{8 * target.vector_bytes}"'
            f' "prefer-vector-width"="{8 * target.vector_bytes}" }}',
        ]
    )


class Peak:
    """The FMA peak of one dtype on some threads, as a Run for measure.interleave."""

    def __init__(self, dtype: str, target: Target, threads: int):
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        module = llvm.parse_assembly(loop_ir(dtype, target))
        traits = llvm.Target.from_triple(target.triple)
        machine = traits.create_target_machine(cpu=target.cpu, features=target.features, opt=2)
        self._engine = llvm.create_mcjit_compiler(module, machine)
        address = self._engine.get_function_address("peak")
        self._loop = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64)(address)
        self._threads = ThreadPoolExecutor(threads)
        lanes = target.vector_bytes // np.dtype(dtype).itemsize
        self._width, self.flops = threads, 2.0 * lanes * CHAINS * STEPS * threads  # of one call

    def __call__(self, calls: int) -> None:
        list(self._threads.map(self._loop, [calls * STEPS] * self._width))


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
    info = device.info
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
            for dtype in LLVM_TYPE
        },
    }


def check(device: Device) -> None:
    """A small product on the device against float64; ArithmeticError if it is wrong."""
    from opencu.blas import gemm

    a, b = np.random.default_rng(0).standard_normal((2, 33, 33), np.float32)
    found = np.asarray(gemm(asarray(a, device), asarray(b, device)))
    error = np.abs(found - a.astype(np.float64) @ b).max()
    if not error < 33 * np.finfo(np.float32).eps * np.abs(a).max() * np.abs(b).max() * 33:
        raise ArithmeticError(f"a 33 x 33 product is off by {error}")
