"""Builds opencu._core: the C core (opencu.h) for Python, through cffi's API mode.

The declarations come from opencu.h itself, so that the header stays the only place that has them.
"""

import re
from pathlib import Path

from cffi import FFI

CORE = Path(__file__).resolve().parent / "core"
HEADER = CORE / "opencu.h"


def declarations(header: str) -> str:
    """The C declarations of a header as cffi reads them: no preprocessor lines, no OCU_API."""
    return re.sub(r"^#.*$", "", header, flags=re.MULTILINE).replace("OCU_API ", "")


ffi = FFI()
ffi.cdef(declarations(HEADER.read_text()))
ffi.set_source(
    "opencu._core",
    '#include "opencu.h"',
    include_dirs=[str(CORE)],
    libraries=["opencu"],
    extra_link_args=["-Wl,-rpath,$ORIGIN/lib"],
)
