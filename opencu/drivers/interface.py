"""What the compiler must know of a chip, and what a device says of itself."""

from dataclasses import dataclass
from typing import Any

Handle = Any  # a stream or an event of the C core; 0 or NULL: the default stream


@dataclass(frozen=True)
class Target:
    """What the compiler must know of a chip to make code for it."""

    name: str  # also in plans and in ocu_device_info: "x86-64-avx2"
    kind: str  # "vector": a program is a sequential function; "simt": it is a work-group
    triple: str  # LLVM's names, from here
    cpu: str
    features: str
    vector_bytes: int  # simt: of a thread's widest access
    vector_registers: int  # simt: of a thread, 4 bytes each
    threads: int = 1  # of a work-group: one program of a "simt" target
    lanes: int = 1  # threads that run in step and can shuffle (warp, wave); 1: no shuffles
    shared_bytes: int = 0  # shared memory of a work-group at most
    format: str = "blob"  # of its code: "blob", "program" (a blob behind the head that the driver
    # of another chip gets), "ptx", "elf" (AMD's) or "spirv"

    @property
    def f16(self) -> bool:
        """Has it instructions that round to and from f16?"""
        return self.vector_bytes >= 32 or self.format in ("ptx", "elf")


@dataclass(frozen=True)
class DeviceInfo:
    """What a device says of itself; sizes are in bytes, 0 where unknown."""

    name: str
    target: str
    threads: int
    cores: int
    memory_total: int
    memory_free: int
    l1: int
    l2: int
    l3: int
