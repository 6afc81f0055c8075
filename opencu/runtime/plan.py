"""Plans: how a target runs a class of calls, in the form that the C core reads (core/opencu.h).

A planner gets a spec's 16 bytes and a Target, and gives a Plan: expressions over the call's
arguments (grids, costs) and the launches that use them. `make` writes it as bytes.
"""

import functools
import importlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from opencu.compiler import Code
from opencu.drivers import cpu
from opencu.drivers import target as target_named
from opencu.drivers.interface import Target
from opencu.drivers.status import check, ffi, lib

# Who plans an operation: a module with plan(spec, target) and packed_specs(). Looked up by name,
# since a layer imports downwards only.
PLANNERS = {
    lib.OCU_OP_GEMM: "opencu.blas.kernels.gemm",
    lib.OCU_OP_GEAM: "opencu.blas.kernels.geam",
    lib.OCU_OP_SCALED: "opencu.blas.kernels.scaled",
    **dict.fromkeys(range(lib.OCU_OP_COPY, lib.OCU_OP_ROTMG + 1), "opencu.blas.kernels.vector"),
    **dict.fromkeys(range(lib.OCU_OP_MATVEC, lib.OCU_OP_REPACK + 1), "opencu.blas.kernels.matvec"),
    lib.OCU_OP_TRSM: "opencu.blas.kernels.substitution",
    **dict.fromkeys(
        range(lib.OCU_OP_GETRF, lib.OCU_OP_TRSM_BATCHED + 1), "opencu.blas.kernels.factor"
    ),
    lib.OCU_OP_EXPAND: "opencu.blas.kernels.triangle",
    lib.OCU_OP_QUANTIZED: "opencu.blas.kernels.quantized",
    lib.OCU_OP_MASK: "opencu.blas.kernels.mask",
    lib.OCU_OP_TRANSFORM: "opencu.blas.kernels.transform",
}


class Slots:
    """The slots of a plan: the call's arguments, then expressions, each computed once."""

    def __init__(self, n_args: int):
        self.n_args = n_args
        self.exprs: list[tuple[int, int, int, int]] = []  # op, a, b, immediate

    def _slot(self, op: int, a: int = 0, b: int = 0, value: int = 0) -> "Slot":
        expr = (op, a, b, value)
        if expr not in self.exprs:
            self.exprs.append(expr)
        return Slot(self, self.n_args + self.exprs.index(expr))

    def arg(self, index: int) -> "Slot":
        return Slot(self, index)

    def const(self, value: int) -> "Slot":
        return self._slot(lib.OCU_X_CONST, value=value)

    def threads(self) -> "Slot":
        return self._slot(lib.OCU_X_THREADS)


def _expression(op: int) -> Callable[["Slot", "Slot | int"], "Slot"]:
    def make(x: "Slot", y: "Slot | int") -> "Slot":
        return x.slots._slot(op, x.index, (y if isinstance(y, Slot) else x.slots.const(y)).index)

    return make


@dataclass(frozen=True)
class Slot:
    """One slot; arithmetic on slots and integers makes new ones. Operands must be >= 0."""

    slots: Slots
    index: int

    __add__ = _expression(lib.OCU_X_ADD)
    __mul__ = _expression(lib.OCU_X_MUL)
    __floordiv__ = _expression(lib.OCU_X_DIV)
    cdiv = _expression(lib.OCU_X_CDIV)  # division, rounded up
    align = _expression(lib.OCU_X_ALIGN)  # rounded up to a multiple
    min = _expression(lib.OCU_X_MIN)
    max = _expression(lib.OCU_X_MAX)


@dataclass(frozen=True)
class Launch:
    code: Code
    programs: Slot
    cost: Slot  # nanoseconds on one thread
    params: list[Slot]  # in the kernel's order


@dataclass(frozen=True)
class Plan:
    slots: Slots
    launches: list[Launch]


_CHECKED = ffi.offsetof("ocu_plan_header", "bytes")  # the checksum covers all from here on
_NAME = slice(*(ffi.offsetof("ocu_plan_header", field) for field in ("target", "n_args")))


def _build_id() -> bytes:
    return bytes(ffi.buffer(lib.ocu_build_id(), 16))


def write(plan: Plan, spec: bytes, target: Target) -> bytes:
    """A plan in the C core's format."""
    slots, records, code = plan.slots, b"", b""
    for launch in plan.launches:
        if len(launch.params) != launch.code.params:
            raise ValueError(f"{len(launch.params)} parameters for {launch.code.params}")
        numbers = {
            "entry": len(code) + launch.code.entry,
            "grid": launch.programs.index,
            "scratch": slots.const(launch.code.scratch).index,
            "cost": launch.cost.index,
            "n_params": len(launch.params),
        }
        records += bytes(ffi.buffer(ffi.new("ocu_launch *", numbers)))
        records += struct.pack(f"<{len(launch.params)}H", *[p.index for p in launch.params])
        records += bytes(-len(records) % 8)
        code += launch.code.blob + bytes(-len(launch.code.blob) % 64)
    exprs = [(op, 0, a, b, 0, value) for op, a, b, value in slots.exprs]
    body = bytes(ffi.buffer(ffi.new("ocu_expr[]", exprs))) + records
    body += bytes(-(ffi.sizeof("ocu_plan_header") + len(body)) % 64)
    start = ffi.sizeof("ocu_plan_header") + len(body)
    fields = {
        "magic": b"OCUPLAN1",
        "build_id": _build_id(),
        "bytes": start + len(code),
        "target": target.name.encode(),
        "spec": [spec],
        "n_args": slots.n_args,
        "n_exprs": len(exprs),
        "n_launches": len(plan.launches),
        "code_offset": start,
        "code_bytes": len(code),
    }
    header = ffi.new("ocu_plan_header *", fields)
    checked = bytes(ffi.buffer(header))[_CHECKED:] + body + code
    header.checksum = lib.ocu_checksum(checked, len(checked))
    return bytes(ffi.buffer(header))[:_CHECKED] + checked


def make(spec: bytes, target: str) -> bytes:
    """Plan a class for a target by its name. KeyError: no planner for the spec's operation."""
    module = importlib.import_module(PLANNERS[spec[0]])
    return write(module.plan(spec, target_named(target)), spec, target_named(target))


@functools.cache  # asking takes longer than a small launch
def target_of(device: int) -> str:
    """The target of a device, by its index."""
    out = ffi.new("ocu_device_info *")
    check(lib.ocu_device_query(device, out))
    return ffi.string(out.target).decode()


def ensure(spec: bytes) -> None:
    """Make the plan of a class for the current device in this process, unless it is known; keep it
    in the store if there is one."""
    target = target_of(lib.ocu_device_get())
    if lib.ocu_plan_find(target.encode(), ffi.new("ocu_spec *", [spec])) != lib.OCU_OK:
        data = make(spec, target)
        check(lib.ocu_plan_store(data, len(data)))


def _packed(target: str) -> list[bytes]:
    """The plans of a target that a pack holds."""
    modules = [importlib.import_module(name) for name in PLANNERS.values()]
    return [make(spec, target) for module in modules for spec in module.packed_specs()]


def build_pack(path: str | Path, targets: list[str] | None = None) -> int:
    """Write the plan pack: the classes behind the shims' common calls, for each target. Their
    number."""
    # Which an import of opencu need not wait for.
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    plans: list[bytes] = []
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for made in pool.map(_packed, targets or list(cpu.TARGETS)):
            plans += made
    at = 32 + 64 * len(plans)
    table, body = struct.pack("<8s16sII", b"OCUPACK2", _build_id(), len(plans), 0), b""
    for data in plans:
        table += data[_NAME] + struct.pack("<QQ", at + len(body), len(data))
        body += data
    Path(path).write_bytes(table + body)
    return len(plans)
