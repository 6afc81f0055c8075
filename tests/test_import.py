"""import opencu is light, and reaches everything lazily."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import opencu


def test_importing_opencu_loads_no_other_package(python):
    before = "import sys; before = set(sys.modules); import opencu, json;"
    loaded = json.loads(python(before + "print(json.dumps(sorted(set(sys.modules) - before)))"))
    packages = {name.partition(".")[0] for name in loaded}
    assert not packages & {"numpy", "llvmlite", "cffi", "pycparser", "ctypes", "importlib.metadata"}


def test_gemm_needs_no_compiler_at_hand(python):
    """A class from the plan pack runs without LLVM or the kernel language being imported."""
    code = """
import sys, numpy as np, opencu
x = np.eye(4, dtype=np.float32)
assert (opencu.blas.gemm(x, x) == x).all()
print(sorted({"llvmlite", "cffi", "pycparser", "opencu.compiler", "torch"} & set(sys.modules)))
"""
    assert python(code) == "[]"


@pytest.mark.parametrize("name", opencu.__all__)
def test_every_public_name_is_there(name):
    assert getattr(opencu, name) is not None
    assert name in dir(opencu)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'opencu' has no attribute 'nothing'"):
        opencu.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("folder", "advice"),
    [
        ("source", "run `make build` in {}, or start elsewhere to use an opencu that is installed"),
        ("site-packages", "install opencu with `pip install .`"),
    ],
)
def test_a_core_that_is_not_built_is_explained(folder, advice, tmp_path):
    """Python prefers an unbuilt source folder that it is started in to an installed opencu."""
    drivers = tmp_path / folder / "opencu/drivers"
    drivers.mkdir(parents=True)
    (drivers.parent / "__init__.py").touch()
    shutil.copy(Path(opencu.__file__).parent / "drivers/status.py", drivers)
    if folder == "source":
        (tmp_path / folder / "setup.py").touch()
    command = [sys.executable, "-S", "-c", "import opencu.drivers.status"]
    done = subprocess.run(command, cwd=tmp_path / folder, capture_output=True, text=True)
    assert f"): {advice.format(tmp_path / folder)}" in done.stderr
