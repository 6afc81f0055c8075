"""Bindings of cuBLAS from PyPI, unmodified: every routine of ours, against float64."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from opencu import shims

pytestmark = pytest.mark.clients
HERE = Path(__file__).parent
# name: names of ours at least, calls that are compared at least
BINDINGS = {
    "nvmath": (480, 1700),
    "nvmath.Lt": (30, 30),
    "skcuda": (160, 300),
    "skcuda.xt": (11, 20),
}


@pytest.mark.parametrize("binding", BINDINGS)
def test_every_routine_of_a_binding(binding, tmp_path):
    package = binding.split(".")[0]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} could not be had: make .venv/clients.ready asks PyPI for it")
    metadata = tmp_path / "pycuda-2026.1.dist-info" / "METADATA"  # skcuda asks for one
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: pycuda\nVersion: 2026.1\n")
    environment = dict(os.environ) | {
        "LD_LIBRARY_PATH": str(shims.lib_dir()),
        "OPENCU_CACHE_DIR": str(tmp_path / "store"),
        "PYTHONPATH": f"{HERE}:{HERE.parent / 'blas'}:{tmp_path}",
    }
    done = subprocess.run(
        [sys.executable, HERE / "bindings.py", binding],
        env=environment,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert not told["wrong"], done.stdout
    assert set(told["left"]) == set(told["known"])
    names, calls = BINDINGS[binding]
    assert told["names"] >= names and told["calls"] >= calls
    print(f"{binding}: {told['calls']} calls of {told['names']} names")
