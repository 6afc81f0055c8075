"""The CPU as a device, or as OPENCU_CPU_DEVICES of them; its work is done by the C core itself."""

from opencu.drivers.core import CoreDriver
from opencu.drivers.interface import Target

_LINUX = "x86_64-unknown-linux-gnu"
_GATHER = "+fast-gather"
_ZEN4 = f"+avx512vnni,+avx512bf16,{_GATHER}"

TARGETS = {
    target.name: target
    for target in (
        Target("x86-64-avx512bf16", "vector", _LINUX, "x86-64-v4", _ZEN4, 64, 32),
        Target("x86-64-avx512", "vector", _LINUX, "x86-64-v4", _GATHER, 64, 32),
        Target("x86-64-avx2", "vector", _LINUX, "x86-64-v3", _GATHER, 32, 16),
        Target("x86-64-sse2", "vector", _LINUX, "x86-64", "", 16, 16),
    )
}

driver = CoreDriver("cpu", TARGETS)
