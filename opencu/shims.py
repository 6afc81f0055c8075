"""The vendor-shaped libraries: where they are, what they cover, how a program is run over them."""

import csv
import json
import os
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


def coverage(demand_csv=None):
    """How much of each vendor library is implemented.

    {"libraries": {"cublas": {"exported": names that the vendor's library exports (12 or 13),
    "implemented": how many of them are implemented, "refused": how many return "not supported",
    "imported_missing": those of them that programs import, most wanted first}, ...}}. The counts
    of programs come from the survey that the export lists were made with, or from demand_csv: rows
    of library, symbol, programs.
    """
    with open(_built(lib_dir() / "shims.json"), encoding="utf-8") as file:
        libraries = json.load(file)
    wanted = {
        name: {s: e["programs"] for s, e in symbols.items()} for name, symbols in libraries.items()
    }
    if demand_csv is not None:
        survey = _read_survey(demand_csv)
        wanted = {name: survey.get(name, {}) for name in libraries}
    report = {}
    for name, symbols in libraries.items():
        missing = [
            s for s, e in symbols.items() if not e["implemented"] and wanted[name].get(s, 0) > 0
        ]
        implemented = sum(e["implemented"] for e in symbols.values())
        report[name] = {
            "exported": len(symbols),
            "implemented": implemented,
            "refused": len(symbols) - implemented,
            "imported_missing": sorted(missing, key=lambda s: (-wanted[name][s], s)),
        }
    return {"libraries": report}


def _read_survey(path):
    programs = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            programs.setdefault(row["library"], {})[row["symbol"]] = int(row["programs"])
    return programs
