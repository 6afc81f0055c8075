"""opencu: the vendors' math libraries, open. Everything is imported when it is first used.

a = opencu.asarray(numpy_array)            # device array; shares memory where it can
c = opencu.blas.gemm(a, b, alpha=2)        # stream-ordered on device arrays
opencu.synchronize()
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOME = {
    "Array": "array",
    "asarray": "array",
    "bfloat16": "dlpack",
    "empty": "array",
    "from_dlpack": "array",
    "zeros": "array",
    "launch": "launch",
    "Device": "device",
    "device": "device",
    "devices": "device",
    "synchronize": "device",
    "Event": "stream",
    "Stream": "stream",
}
_AREAS = ("blas", "tile")
__all__ = ["__version__", *_AREAS, *_HOME]

if TYPE_CHECKING:
    from opencu import blas as blas
    from opencu import tile as tile
    from opencu.runtime.array import Array as Array
    from opencu.runtime.array import asarray as asarray
    from opencu.runtime.array import empty as empty
    from opencu.runtime.array import from_dlpack as from_dlpack
    from opencu.runtime.array import zeros as zeros
    from opencu.runtime.device import Device as Device
    from opencu.runtime.device import device as device
    from opencu.runtime.device import devices as devices
    from opencu.runtime.device import synchronize as synchronize
    from opencu.runtime.dlpack import BFLOAT16 as bfloat16  # noqa: F401
    from opencu.runtime.launch import launch as launch
    from opencu.runtime.stream import Event as Event
    from opencu.runtime.stream import Stream as Stream


def __getattr__(name: str) -> object:
    if name in _AREAS:
        return import_module(f"opencu.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'opencu' has no attribute '{name}'")
    module = import_module(f"opencu.runtime.{_HOME[name]}")
    value = module.BFLOAT16 if name == "bfloat16" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
