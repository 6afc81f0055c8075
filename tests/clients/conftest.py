"""Large programs from PyPI, unmodified, run by `opencu run`: only by `make test-clients`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PYTHON = Path(__file__).parents[2] / ".venv-clients/bin/python"  # `make test-clients` makes it


def pytest_collection_modifyitems(config, items):
    if "clients" not in config.option.markexpr:
        here = str(Path(__file__).parent)
        config.hook.pytest_deselected(items=[i for i in items if str(i.path).startswith(here)])
        items[:] = [item for item in items if not str(item.path).startswith(here)]


@pytest.fixture(scope="session")
def packages():
    """The clients' site-packages."""
    if not PYTHON.exists():
        pytest.skip("there is no .venv-clients: make test-clients makes it")
    (folder,) = PYTHON.parents[1].resolve().glob("lib/python*/site-packages")
    return folder


@pytest.fixture
def run(packages, tmp_path):
    """run(script): what it prints, run unmodified over opencu; it must end with 0."""

    def run_script(script: str) -> subprocess.CompletedProcess:
        (tmp_path / "client.py").write_text(script)
        command = [sys.executable, "-m", "opencu", "run", "--", PYTHON, tmp_path / "client.py"]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LD_")}
        environment |= {"OPENCU_CACHE_DIR": str(tmp_path / "store")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    return run_script
