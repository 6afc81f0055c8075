# ruff: noqa: F401
"""opencu: the vendors' math libraries, open. Everything is imported when it is first used.

a = opencu.asarray(numpy_array)            # device array; shares memory where it can
c = opencu.blas.gemm(a, b, alpha=2)        # stream-ordered on device arrays
opencu.synchronize()
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_AREAS = ("blas", "dnn", "graph", "sparse", "tile")
_RUNTIME = {  # by module
    "array": ("Array", "asarray", "empty", "from_dlpack", "zeros"),
    "device": ("Device", "device", "devices", "synchronize"),
    "dlpack": ("bfloat16", "float8_e4m3fn", "float8_e5m2"),
    "launch": ("launch",),
    "stream": ("Event", "Stream"),
}
_HOME = {name: module for module, names in _RUNTIME.items() for name in names}
__all__ = ["__version__", *_AREAS, *_HOME]

if TYPE_CHECKING:  # what a type checker sees of __all__
    from opencu import blas, dnn, graph, sparse, tile
    from opencu.runtime.array import Array, asarray, empty, from_dlpack, zeros
    from opencu.runtime.device import Device, device, devices, synchronize
    from opencu.runtime.dlpack import BFLOAT16 as bfloat16
    from opencu.runtime.dlpack import FLOAT8_E4M3FN as float8_e4m3fn
    from opencu.runtime.dlpack import FLOAT8_E5M2 as float8_e5m2
    from opencu.runtime.launch import launch
    from opencu.runtime.stream import Event, Stream


def __getattr__(name: str) -> object:
    if name in _AREAS:
        return import_module(f"opencu.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'opencu' has no attribute '{name}'")
    module = import_module(f"opencu.runtime.{_HOME[name]}")
    value = module.FOREIGN[name] if _HOME[name] == "dlpack" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
