"""Every command and every piece of Python in the README runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
LONG = ("make ", "git clone", "cd opencu", "pip install")  # what CI does anyway


def commands():
    for language, text in BLOCKS:
        if language == "console":
            for line in text.splitlines():
                if line.startswith("$ ") and not line.startswith(tuple(f"$ {x}" for x in LONG)):
                    yield line[2:]


@pytest.fixture
def work(tmp_path):
    """A folder as after a checkout, with the environment's own commands first."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return tmp_path, dict(os.environ) | {"PATH": path}


@pytest.mark.slow
def test_every_console_command_runs(work):
    folder, environment = work
    script = "set -e\n" + "\n".join(commands())
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("code", [text for language, text in BLOCKS if language == "python"])
def test_every_piece_of_python_runs(code, python):
    if "torch" in code:
        pytest.importorskip("torch")
    python(code)
