"""Drivers: one file per vendor, all in the order of interface.py; others come as entry points."""

from functools import cache

from opencu.drivers.interface import Driver, Target


@cache
def drivers() -> dict[str, Driver]:
    """Every driver that is installed, by name; the CPU's own comes first."""
    from importlib.metadata import entry_points

    from opencu.drivers import cpu

    others = (entry for entry in entry_points(group="opencu.drivers") if entry.name != "cpu")
    return {"cpu": cpu.driver} | {entry.name: entry.load() for entry in others}


def target(name: str) -> Target:
    """The traits of a target by its name, as plans and ocu_device_info carry it; no vendor's
    library is opened for it."""
    from opencu.drivers import cpu, cuda, hip, opencl

    known = cpu.TARGETS | cuda.TARGETS | hip.TARGETS | opencl.TARGETS
    if name not in known:
        raise ValueError(f"unknown target '{name}': expected one of {', '.join(known)}")
    return known[name]
