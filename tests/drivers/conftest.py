"""The stand-ins of vendors' libraries (standin.c), and programs that run over them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
NAMES = {"cuda": "libcuda.so.1", "hip": "libamdhip64.so.7"}
VARIABLES = {"cuda": "OPENCU_CUDA_DRIVER", "hip": "OPENCU_HIP_DRIVER"}


def cc(*arguments) -> None:
    command = [os.environ.get("CC", "cc"), "-std=gnu11", "-O1", "-Wall", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def standins(tmp_path_factory) -> dict[str, Path]:
    """The library that stands in for each vendor's, in a folder of its own."""
    made = {}
    for vendor, name in NAMES.items():
        made[vendor] = tmp_path_factory.mktemp(vendor) / name
        options = ["-DHIP"] if vendor == "hip" else []
        options += ["-shared", "-fPIC", "-pthread", f"-Wl,-soname,{name}"]
        cc(*options, "-o", made[vendor], HERE / "standin.c")
    return made


class Program:
    """Runs Python code in a process of its own whose vendors' libraries are the stand-ins."""

    def __init__(self, standins: dict[str, Path], folder: Path):
        self.folder, self.log = folder, folder / "log"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENCU_", "STANDIN_"))}
        self.environment = kept | {
            "OPENCU_CACHE_DIR": str(folder / "plans"),
            "STANDIN_LOG": str(self.log),
            **{VARIABLES[vendor]: str(library) for vendor, library in standins.items()},
        }

    def __call__(self, code: str, **variables: str | None) -> str:
        file = self.folder / "program.py"  # a kernel needs its source in a file
        file.write_text(code)
        return self.run([sys.executable, file], **variables)

    def run(self, command: list, **variables: str | None) -> str:
        environment = {k: v for k, v in (self.environment | variables).items() if v is not None}
        done = subprocess.run(
            [str(word) for word in command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
        return done.stdout.strip()

    def calls(self, name: str) -> list[str]:
        """What the stand-in noted of every call of a function."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line[len(name) + 1 :] for line in lines if line.startswith(name + " ")]


@pytest.fixture
def program(standins, tmp_path) -> Program:
    return Program(standins, tmp_path)


@pytest.fixture
def a_copy(standins, tmp_path):
    """a_copy("cuda", "folder"): the stand-in once more, under that folder of the test's own."""

    def copied(vendor: str, folder: str) -> Path:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        return shutil.copy2(standins[vendor], tmp_path / folder / NAMES[vendor])

    return copied
