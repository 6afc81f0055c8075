"""Drivers: one file per vendor, all in the order of core.py; others come as entry points."""

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from opencu.drivers.interface import Target

if TYPE_CHECKING:
    from opencu.drivers.core import CoreDriver

OWN = ("cpu", "opencl", "cuda", "hip")


@cache
def _own() -> dict[str, ModuleType]:
    return {name: import_module(f"opencu.drivers.{name}") for name in OWN}


@cache
def drivers() -> "dict[str, CoreDriver]":
    """Every driver that is installed, by name, the CPU's own first; opens no vendor's library."""
    from importlib.metadata import entry_points

    found = {name: module.driver for name, module in _own().items()}
    for entry in entry_points(group="opencu.drivers"):
        found.setdefault(entry.name, entry.load())
    return found


@cache
def target(name: str) -> Target:
    """The traits of a target by its name, as plans and ocu_device_info carry it; opens no vendor's
    library."""
    known = {each: t for module in _own().values() for each, t in module.TARGETS.items()}
    if name not in known:
        for driver in drivers().values():
            known |= driver.targets
    if name not in known:
        raise ValueError(f"unknown target '{name}': expected one of {', '.join(known)}")
    return known[name]
