"""The vendor-shaped libraries: where they are, what they cover, how a program is run over them."""

import json
import os
from collections import Counter
from pathlib import Path

_PACKAGE = Path(__file__).parent


def lib_dir():
    """The folder of libcudart.so.12, libcublas.so.13, ... for a linker's -L and -rpath."""
    return _built(_PACKAGE / "lib")


def include_dir():
    """The folder of the headers: cuda_runtime.h, cublas_v2.h, cuda.h, ..."""
    return _built(_PACKAGE / "include")


def audit_path():
    """The LD_AUDIT library that gives a program our libraries for the vendors'."""
    return _built(lib_dir() / "libopencu_audit.so")


def _built(path):
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; build opencu first: pip install .")
    return path


def run_environment(device=None):
    """The environment that runs a program over opencu: `opencu run` passes it to exec.

    device: what OPENCU_DEVICE is set to, for instance "cpu"; None leaves it as it is.
    """
    environment = dict(os.environ)
    audit = str(audit_path())
    others = [p for p in environment.get("LD_AUDIT", "").split(":") if p and p != audit]
    environment["LD_AUDIT"] = ":".join([audit, *others])
    if device is not None:
        environment["OPENCU_DEVICE"] = str(device)
    return environment


def coverage():
    """How much of each vendor library is implemented, and of what programs import from them.

    {"libraries": {"cublas": {"exported": names that the vendor's library exports (12 or 13),
    "implemented": how many of them are implemented, "refused": how many return "not supported",
    "imported_missing": those of them that programs import, most wanted first}, ...},
    "programs": {"faiss-gpu": {"imported": names, "implemented": how many of them, "missing":
    {"cublas": [the others], ...}}, ...}}. What programs import is a survey that is part of opencu.
    """
    with open(_built(lib_dir() / "shims.json"), encoding="utf-8") as file:
        made = json.load(file)
    demand = made["demand"]
    wanted = Counter(
        (library, symbol)
        for program, imports in demand.items()
        if not program.startswith("vendor/")  # one of the vendor's libraries over another
        for library, symbols in imports.items()
        for symbol in symbols
    )
    libraries = {}
    for name, symbols in made["libraries"].items():
        missing = [s for s in symbols if not symbols[s] and (name, s) in wanted]
        libraries[name] = {
            "exported": len(symbols),
            "implemented": sum(symbols.values()),
            "refused": len(symbols) - sum(symbols.values()),
            "imported_missing": sorted(missing, key=lambda s: (-wanted[name, s], s)),
        }
    programs = {name: _imported(demand[name], made["libraries"]) for name in sorted(demand)}
    return {"libraries": libraries, "programs": programs}


def _imported(imports, libraries):
    missing = {
        library: [s for s in symbols if not libraries.get(library, {}).get(s)]
        for library, symbols in imports.items()
    }
    imported = sum(map(len, imports.values()))
    return {
        "imported": imported,
        "implemented": imported - sum(map(len, missing.values())),
        "missing": {library: symbols for library, symbols in missing.items() if symbols},
    }
