"""The Acme One, a chip of one core that runs programs one after the other (docs/new-vendor.md)."""

import ctypes
from pathlib import Path

from opencu.drivers.core import CoreDriver
from opencu.drivers.interface import Target

TARGETS = {
    "acme1": Target(
        name="acme1",
        kind="vector",  # a program is a sequential function
        triple="x86_64-unknown-linux-gnu",  # the Acme One speaks x86, as it happens
        cpu="x86-64-v2",
        features="",
        vector_bytes=16,
        vector_registers=16,
        format="program",  # the code behind a head, for a driver of its own
    )
}


def prepare() -> None:
    """Called once, before the core opens the driver: brings its table of C functions."""
    ctypes.CDLL(str(Path(__file__).with_name("libacme.so")))


driver = CoreDriver("acme", TARGETS, prepare)
