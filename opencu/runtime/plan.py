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
from opencu.drivers.cpu import TARGETS
from opencu.drivers.interface import Target
from opencu.drivers.status import check, ffi, lib

# Who plans an operation: a module with plan(spec, target) and packed_specs(). Looked up by name,
# since a layer imports downwards only.
PLANNERS = {lib.OCU_OP_GEMM: "opencu.blas.kernels.gemm"}


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


@dataclass(frozen=True)
class Slot:
    """One slot; arithmetic on slots and integers makes new ones. Operands must be >= 0."""

    slots: Slots
    index: int

    def _with(self, op: int, other: "Slot | int") -> "Slot":
        y = other if isinstance(other, Slot) else self.slots.const(other)
        return self.slots._slot(op, self.index, y.index)

    def __add__(self, other: "Slot | int") -> "Slot":
        return self._with(lib.OCU_X_ADD, other)

    def __mul__(self, other: "Slot | int") -> "Slot":
        return self._with(lib.OCU_X_MUL, other)

    def __floordiv__(self, other: "Slot | int") -> "Slot":
        return self._with(lib.OCU_X_DIV, other)

    def __lt__(self, other: "Slot | int") -> "Slot":
        return self._with(lib.OCU_X_LT, other)

    def cdiv(self, other: "Slot | int") -> "Slot":
        """Division, rounded up."""
        return self._with(lib.OCU_X_CDIV, other)

    def align(self, other: "Slot | int") -> "Slot":
        """Rounded up to a multiple."""
        return self._with(lib.OCU_X_ALIGN, other)

    def min(self, other: "Slot | int") -> "Slot":
        return self._with(lib.OCU_X_MIN, other)

    def max(self, other: "Slot | int") -> "Slot":
        return self._with(lib.OCU_X_MAX, other)


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


_HEADER = struct.Struct("<8s16sQQ32s16sHHHHIIII")
_CHECKED = 32  # the checksum covers what follows it in the header, and all the rest


def write(plan: Plan, spec: bytes, target: Target) -> bytes:
    """A plan in the C core's format."""
    slots, records, code = plan.slots, b"", b""
    for launch in plan.launches:
        if len(launch.params) != launch.code.params:
            raise ValueError(f"{len(launch.params)} parameters for {launch.code.params}")
        scratch = slots.const(launch.code.scratch)
        params = [p.index for p in launch.params]
        record = struct.pack(
            "<IHHHHI",
            len(code) + launch.code.entry,
            launch.programs.index,
            scratch.index,
            launch.cost.index,
            len(params),
            0,
        )
        record += struct.pack(f"<{len(params)}H", *params)
        records += record + bytes(-len(record) % 8)
        code += launch.code.blob + bytes(-len(launch.code.blob) % 64)
    exprs = b"".join(struct.pack("<BBHHHq", op, 0, a, b, 0, v) for op, a, b, v in slots.exprs)
    body = exprs + records
    body += bytes(-(_HEADER.size + len(body)) % 64)
    start = _HEADER.size + len(body)
    data = bytearray(
        _HEADER.pack(
            b"OCUPLAN1",
            bytes(ffi.buffer(lib.ocu_build_id(), 16)),
            0,
            start + len(code),
            target.name.encode(),
            spec,
            slots.n_args,
            len(slots.exprs),
            len(plan.launches),
            0,
            start,
            len(code),
            0,
            0,
        )
        + body
        + code
    )
    sum_ = lib.ocu_checksum(ffi.from_buffer(data) + _CHECKED, len(data) - _CHECKED)
    struct.pack_into("<Q", data, 24, sum_)
    return bytes(data)


def make(spec: bytes, target: str) -> bytes:
    """Plan a class for a target by its name. KeyError: no planner for the spec's operation."""
    module = importlib.import_module(PLANNERS[spec[0]])
    return write(module.plan(spec, TARGETS[target]), spec, TARGETS[target])


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
    if lib.ocu_plan_find(target.encode(), ffi.new("ocu_spec *", [spec])) == lib.OCU_OK:
        return
    data = make(spec, target)
    check(lib.ocu_plan_store(data, len(data)))


def build_pack(
    path: str | Path,
    targets: list[str] | None = None,
    report: Callable[[str], None] = lambda text: None,
) -> int:
    """Write the plan pack: the classes behind the shims' common calls, for each target. Their
    number."""
    plans = []
    for target in targets or list(TARGETS):
        for name in PLANNERS.values():
            for spec in importlib.import_module(name).packed_specs():
                plans.append(make(spec, target))
        report(f"{target}: {len(plans)} plans")
    at = 16 + 16 * len(plans)
    table, body = struct.pack("<8sII", b"OCUPACK1", len(plans), 0), b""
    for data in plans:
        body += bytes(-(at + len(body)) % 64)
        table += struct.pack("<QQ", at + len(body), len(data))
        body += data
    Path(path).write_bytes(table + body)
    return len(plans)
