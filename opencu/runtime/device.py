"""Devices by name: "cpu", "cpu:1", "opencl:0"."""

import os
from functools import cache

from opencu.drivers import drivers
from opencu.drivers.core import CoreDriver
from opencu.drivers.interface import DeviceInfo
from opencu.drivers.status import check, lib

_numbered: "dict[int, Device]" = {}  # by the core's numbers, those that Python has met


class Device:
    """One device. There is one object per device, so `is` compares them."""

    __slots__ = ("driver", "index", "name", "number", "on_host")

    def __init__(self, driver: CoreDriver, index: int):
        self.driver, self.index = driver, index
        self.name = f"{driver.name}:{index}"
        self.number = driver.number(index)  # the C core's
        self.on_host = driver.name == "cpu"  # its memory is the process's own
        _numbered[self.number] = self

    @property
    def info(self) -> DeviceInfo:
        """Its processor, threads, caches and memory, as they are now."""
        return self.driver.info(self.index)

    def synchronize(self) -> None:
        """Wait for everything that was put on this device."""
        self.driver.synchronize(self.index)

    def __repr__(self) -> str:
        return f"opencu.device('{self.name}')"


class current:
    """A context in which a device is the thread's current one, whose default stream NULL means.

    It may be another on entry: C code in the same process sets it too.
    """

    __slots__ = ("device", "was")

    def __init__(self, device: Device):
        self.device = device

    def __enter__(self) -> None:
        self.was = lib.ocu_device_get()
        check(lib.ocu_device_set(self.device.number))

    def __exit__(self, *_: object) -> None:
        check(lib.ocu_device_set(self.was))


@cache
def _devices(kind: str) -> list[Device]:
    """The devices of the driver with this name."""
    driver = drivers()[kind]
    return [Device(driver, index) for index in range(driver.devices())]


def devices() -> list[Device]:
    """Every device of every driver; a driver that has none is opened in vain."""
    return [device for kind in drivers() for device in _devices(kind)]


@cache
def host_device() -> Device:
    """The device whose memory is the process's own: "cpu", the first."""
    return _devices("cpu")[0]


def device(name: str | Device | None = None) -> Device:
    """The device with this name: "cpu" (the first), "cpu:1".

    None: the one that OPENCU_DEVICE names, else the thread's current one.
    """
    if isinstance(name, Device):
        return name
    if name is None:
        name = os.environ.get("OPENCU_DEVICE") or None
    if name is None:
        here = lib.ocu_device_get()
        return _numbered[here] if here in _numbered else _devices("cpu")[here]
    kind, _, index = name.partition(":") if isinstance(name, str) else ("", "", "")
    known = _devices(kind) if kind in drivers() else []
    if known and index in ("", *(str(each.index) for each in known)):
        return known[int(index or 0)]
    expected = f"expected one of {', '.join(d.name for d in known or devices())}"
    if kind in drivers() and not known:
        expected = drivers()[kind].absent()
    raise ValueError(f"device {name!r} does not exist: {expected}")


def synchronize(device_name: str | Device | None = None) -> None:
    """Wait for everything that was put on a device (None: the thread's current one)."""
    device(device_name).synchronize()
