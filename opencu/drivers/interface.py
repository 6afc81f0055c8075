"""What a vendor brings: a Target, and a Driver of about a dozen methods in this order.

The C core keeps the books for all of them alike: streams, events and their order, memory pools,
plans. Addresses are integers; streams and events are the core's handles (0 or NULL: the default
stream of the thread's current device). A failure is an exception whose text says what to do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Handle = Any


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


class Driver(Protocol):
    """One vendor. `name` is the first part of its devices' names: "cpu" in "cpu:1"."""

    name: str

    def devices(self) -> int:
        """How many devices are present; 0 if the vendor's own runtime is missing."""

    def absent(self) -> str:
        """Why there is none, or not this and that device; "" if none is missing."""

    def number(self, device: int) -> int:
        """The C core's number of a device; others here are counted from 0."""

    def info(self, device: int) -> DeviceInfo: ...

    def target(self, device: int) -> Target: ...

    def alloc(self, device: int, nbytes: int) -> int:
        """Device memory, at least 256-byte aligned; MemoryError if there is not enough."""

    def free(self, address: int) -> None:
        """Give memory back once the device's work is done."""

    def copy(self, stream: Handle, dst: int, src: int, nbytes: int, wait: bool) -> None:
        """Copy in stream order between any two memories; with wait, return when it is done."""

    def fill(self, stream: Handle, dst: int, byte: int, nbytes: int, wait: bool) -> None: ...

    def load(self, plan: bytes) -> None:
        """Make a plan's code objects ready to launch."""

    def launch(self, stream: Handle, spec: bytes, args: Sequence[int]) -> None:
        """Run the loaded plan of this spec in stream order."""

    def stream(self, device: int, flags: int) -> Handle: ...

    def event(self, device: int, flags: int) -> Handle: ...

    def synchronize(self, device: int) -> None:
        """Wait for everything that was put on the device."""
