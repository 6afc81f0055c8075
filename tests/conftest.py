"""Shared fixtures: every driver that is present, and programs in processes of their own."""

import os
import subprocess
import sys

import pytest

import opencu
from opencu.drivers import drivers

# Intel's OpenCL compiler takes half the time without its vectoriser, which commands that the tests
# run have.
VECTORISER = "CL_CONFIG_CPU_VECTORIZER_MODE"
os.environ.setdefault(VECTORISER, "1")


def pytest_generate_tests(metafunc):
    """A test that takes `driver` runs on every driver, or is skipped with the reason why it has no
    device; one that takes `device` runs on every device."""
    if "driver" in metafunc.fixturenames:
        there = {name: each.devices() for name, each in drivers().items()}
        metafunc.parametrize(
            "driver",
            [
                pytest.param(each, id=name, marks=() if there[name] else absent(each))
                for name, each in drivers().items()
            ],
        )
    if "device" in metafunc.fixturenames:
        metafunc.parametrize("device", opencu.devices(), ids=[d.name for d in opencu.devices()])


LONGEST = ("test_programs.py", "test_targets.py")


def pytest_collection_modifyitems(items):
    """The longest lists of tests first: then no process has one left when the others end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def absent(driver):
    return pytest.mark.skip(reason=f"{driver.name}: {driver.absent()}")


@pytest.fixture
def python(tmp_path):
    """Run Python code in a fresh process, with an empty plan store; its output as text.

    Keyword arguments are environment variables; None removes one.
    """

    def run(code, **variables):
        environment = dict(os.environ) | {"OPENCU_CACHE_DIR": str(tmp_path / "plans")} | variables
        environment = {k: v for k, v in environment.items() if v is not None}
        file = tmp_path / "program.py"  # a kernel needs its source in a file
        file.write_text(code)
        done = subprocess.run(
            [sys.executable, str(file)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0 and not done.stderr, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def opencu_command(tmp_path):
    """Run the command line; (exit code, stdout, stderr)."""

    def run(*words, **variables):
        environment = dict(os.environ) | {"OPENCU_CACHE_DIR": str(tmp_path / "plans")} | variables
        environment.pop(VECTORISER)
        done = subprocess.run(
            [sys.executable, "-m", "opencu", *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        return done.returncode, done.stdout, done.stderr

    return run
