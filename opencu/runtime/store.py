"""The store of plans on disk, for people: where it is, what it holds, emptying it."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from opencu.drivers.status import ffi, lib


@dataclass(frozen=True)
class Entry:
    """A stored plan: <store>/<build id>/<target>-<spec>.plan."""

    path: Path
    bytes: int
    target: str
    spec: str  # 16 bytes in hexadecimal
    current: bool  # made by this build of opencu; others are of no use to it


def path() -> Path:
    """The store's folder. OSError: there is none that can be used, and why."""
    found = ffi.string(lib.ocu_store_path()).decode()
    if not found:
        raise OSError(ffi.string(lib.ocu_error()).decode())
    return Path(found)


def entries() -> list[Entry]:
    """Every stored plan, of all builds."""
    build = bytes(ffi.buffer(lib.ocu_build_id(), 16)).hex()
    found = []
    for file in sorted(path().glob("?" * len(build) + "/*.plan")):
        target, _, spec = file.stem.rpartition("-")
        with suppress(FileNotFoundError):  # another process removed or replaced it meanwhile
            size = file.stat().st_size
            found.append(Entry(file, size, target, spec, file.parent.name == build))
    return found


def clear() -> int:
    """Remove every stored plan, and what was never finished; how many plans there were."""
    found = entries()
    unfinished = path().glob("?" * 32 + "/new-*")  # its writer, if it lives, does without a store
    for file in [entry.path for entry in found] + list(unfinished):
        file.unlink(missing_ok=True)
    return len(found)
