"""A stand-in for the planning itself: a real planner.py whose opencu.runtime.plan a test writes."""

import sys
from pathlib import Path

from capi import ROOT

STAND_IN = """#!{python}
import os, pathlib, runpy, signal, sys, time, types
folder = pathlib.Path({folder!r})

def log(text):
    with open(folder / "log", "a") as file:
        file.write(text + chr(10))

def make(spec, target):
    log(f"make {{spec.hex()}} {{target}}")
    {make}
    return (folder / "plan").read_bytes()

log(f"start {{os.getpid()}}")
{start}
sys.modules["opencu"] = opencu = types.ModuleType("opencu")
sys.modules["opencu.runtime"] = opencu.runtime = types.ModuleType("opencu.runtime")
sys.modules["opencu.runtime.plan"] = opencu.runtime.plan = types.ModuleType("plan")
opencu.runtime.plan.make = make
runpy.run_path({planner!r}, run_name="__main__")
"""


class Planner:
    def __init__(self, folder: Path):
        self.folder = folder

    def behave(self, make: str = "pass", start: str = "pass") -> str:
        """Write the stand-in; the path to run it by."""
        script = self.folder / "python"
        planner = str(ROOT / "opencu/planner.py")
        fields = dict(python=sys.executable, folder=str(self.folder), planner=planner)
        script.write_text(STAND_IN.format(**fields, make=make, start=start))
        script.chmod(0o755)
        return str(script)

    def log(self, word: str) -> list[str]:
        lines = (self.folder / "log").read_text().splitlines() if self.started else []
        return [line.removeprefix(word + " ") for line in lines if line.startswith(word + " ")]

    @property
    def started(self) -> bool:
        return (self.folder / "log").exists()

    def pids(self) -> list[int]:
        return [int(pid) for pid in self.log("start")]

    def running(self) -> list[int]:
        return [pid for pid in self.pids() if alive(pid)]


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


NO_STORE = dict(OPENCU_CACHE_DIR="", XDG_CACHE_HOME="", HOME="")
