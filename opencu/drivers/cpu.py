"""The CPU as a device, or as OPENCU_CPU_DEVICES of them: a thin layer over the C core."""

from collections.abc import Sequence

from opencu.drivers.interface import DeviceInfo, Handle, Target
from opencu.drivers.status import check, ffi, lib

_LINUX = "x86_64-unknown-linux-gnu"
_ZEN4 = "+avx512vnni,+avx512bf16"

TARGETS = {
    target.name: target
    for target in (
        Target("x86-64-avx512bf16", "vector", _LINUX, "x86-64-v4", _ZEN4, 64, 32),
        Target("x86-64-avx512", "vector", _LINUX, "x86-64-v4", "", 64, 32),
        Target("x86-64-avx2", "vector", _LINUX, "x86-64-v3", "", 32, 16),
        Target("x86-64-sse2", "vector", _LINUX, "x86-64", "", 16, 16),
    )
}


class CpuDriver:
    name = "cpu"

    def devices(self) -> int:
        check(lib.ocu_alive())  # says why there is none
        return lib.ocu_device_count()

    def info(self, device: int) -> DeviceInfo:
        out = ffi.new("ocu_device_info *")
        check(lib.ocu_device_query(device, out))
        sizes = (getattr(out, field) for field in list(DeviceInfo.__dataclass_fields__)[2:])
        return DeviceInfo(ffi.string(out.name).decode(), ffi.string(out.target).decode(), *sizes)

    def target(self, device: int) -> Target:
        return TARGETS[self.info(device).target]

    def alloc(self, device: int, nbytes: int) -> int:
        out = ffi.new("void **")
        check(lib.ocu_alloc(device, nbytes, lib.OCU_MEM_DEVICE, out))
        return int(ffi.cast("uintptr_t", out[0]))

    def free(self, address: int) -> None:
        check(lib.ocu_free(ffi.cast("void *", address)))

    def copy(self, stream: Handle, dst: int, src: int, nbytes: int, wait: bool) -> None:
        to, origin = ffi.cast("void *", dst), ffi.cast("void *", src)
        check(lib.ocu_copy(stream, to, origin, nbytes, wait))

    def fill(self, stream: Handle, dst: int, byte: int, nbytes: int, wait: bool) -> None:
        check(lib.ocu_fill(stream, ffi.cast("void *", dst), byte, nbytes, wait))

    def load(self, plan: bytes) -> None:
        check(lib.ocu_plan_add(plan, len(plan)))

    def launch(self, stream: Handle, spec: bytes, args: Sequence[int]) -> None:
        check(lib.ocu_call(stream, ffi.new("ocu_spec *", [spec]), args, len(args), 0))

    def stream(self, device: int, flags: int) -> Handle:
        out = ffi.new("ocu_stream **")
        check(lib.ocu_stream_create(device, flags, out))
        return out[0]

    def event(self, device: int, flags: int) -> Handle:
        out = ffi.new("ocu_event **")
        check(lib.ocu_event_create(device, flags, out))
        return out[0]

    def synchronize(self, device: int) -> None:
        check(lib.ocu_device_sync(device))


driver = CpuDriver()
