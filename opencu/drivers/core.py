"""The driver of every vendor: a thin layer over the C core, which has a table of C functions of
each.

A driver file gives its targets and, as SOURCE, the C that fills the table (runtime/core/driver.h).
The core keeps the books for all of them alike: streams, events and their order, memory pools,
plans. Addresses are integers. A failure is an exception whose text says what to do.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from opencu.drivers.interface import DeviceInfo, Handle, Target
from opencu.drivers.status import check, ffi, lib


class CoreDriver:
    """One vendor. `name` is the first part of its devices' names: "cpu" in "cpu:1"."""

    def __init__(
        self,
        name: str,
        targets: dict[str, Target],
        prepare: Callable[[], object] | None = None,
        wheel: tuple[str, str] | None = None,
    ):
        """prepare: called once before the core opens the driver: may bring its table. wheel: the
        distribution and the library in it that may bring the vendor's runtime."""
        self.name, self.targets, self.prepare, self.wheel = name, targets, prepare, wheel
        self._opened: tuple[int, int, str] | None = None

    def open(self) -> tuple[int, int, str]:
        """The core's number of the first device, how many there are, why others are absent."""
        if self._opened is None:
            if self.prepare:
                self.prepare()
            if self.wheel:
                self._note_wheel(*self.wheel)
            first, count = ffi.new("int *"), ffi.new("int *")
            why = lib.ocu_driver_open(self.name.encode(), first, count)
            if why == ffi.NULL:
                check(lib.ocu_alive())
            self._opened = first[0], count[0], ffi.string(why).decode(errors="replace")
        return self._opened

    def _note_wheel(self, distribution: str, library: str) -> None:
        """Note for the core, also in programs with no Python, where pip put the library."""
        from importlib import metadata

        note = Path(__file__).parents[1] / f"lib/{self.name}.txt"
        try:
            files = metadata.files(distribution) or []
        except metadata.PackageNotFoundError:
            files = []
        text = "".join(f"{Path(f.locate()).resolve()}\n" for f in files if f.name == library)
        if text != (note.read_text() if note.exists() else ""):
            with suppress(OSError):  # it is another user's installation
                note.write_text(text)

    def number(self, device: int) -> int:
        """The core's number of a device; others here are counted from 0."""
        first, count, _ = self.open()
        if not 0 <= device < count:
            raise ValueError(f"{self.name} has no device {device}: there are {count}")
        return first + device

    def devices(self) -> int:
        """How many devices are present; 0 if the vendor's own runtime is missing."""
        check(lib.ocu_alive())  # says why there is none
        return self.open()[1]

    def absent(self) -> str:
        """Why there is none, or not this and that device; "" if none is missing."""
        return self.open()[2]

    def info(self, device: int) -> DeviceInfo:
        out = ffi.new("ocu_device_info *")
        check(lib.ocu_device_query(self.number(device), out))
        sizes = (getattr(out, field) for field in list(DeviceInfo.__dataclass_fields__)[2:])
        return DeviceInfo(ffi.string(out.name).decode(), ffi.string(out.target).decode(), *sizes)

    def target(self, device: int) -> Target:
        return self.targets[self.info(device).target]

    def alloc(self, device: int, nbytes: int) -> int:
        """Device memory, at least 256-byte aligned; MemoryError if there is not enough."""
        out = ffi.new("void **")
        check(lib.ocu_alloc(self.number(device), nbytes, lib.OCU_MEM_DEVICE, out))
        return int(ffi.cast("uintptr_t", out[0]))

    def free(self, address: int) -> None:
        """Give memory back once the device's work is done."""
        check(lib.ocu_free(ffi.cast("void *", address)))

    def copy(self, stream: Handle, dst: int, src: int, nbytes: int, wait: bool) -> None:
        """Copy in stream order between any two memories; with wait, return when it is done."""
        to, origin = ffi.cast("void *", dst), ffi.cast("void *", src)
        check(lib.ocu_copy(stream, to, origin, nbytes, wait))

    def fill(self, stream: Handle, dst: int, byte: int, nbytes: int, wait: bool) -> None:
        check(lib.ocu_fill(stream, ffi.cast("void *", dst), byte, nbytes, wait))

    def load(self, plan: bytes) -> None:
        """Make a plan's code objects ready to launch."""
        check(lib.ocu_plan_add(plan, len(plan)))

    def launch(self, stream: Handle, spec: bytes, args: Sequence[int]) -> None:
        """Run the loaded plan of this spec in stream order."""
        check(lib.ocu_call(stream, ffi.new("ocu_spec *", [spec]), args, len(args), 0))

    def stream(self, device: int, flags: int) -> Handle:
        out = ffi.new("ocu_stream **")
        check(lib.ocu_stream_create(self.number(device), flags, out))
        return out[0]

    def event(self, device: int, flags: int) -> Handle:
        out = ffi.new("ocu_event **")
        check(lib.ocu_event_create(self.number(device), flags, out))
        return out[0]

    def synchronize(self, device: int) -> None:
        """Wait for everything that was put on the device."""
        check(lib.ocu_device_sync(self.number(device)))
