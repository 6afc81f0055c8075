"""Fixtures of the C core's tests: the library, C programs against it, and how to run them.

The library is copied to a package folder of its own without Python sources, so that its build id
depends on nothing else and every test may put a pack, a python.txt or sources beside it.
"""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from capi import CORE, HERE, ROOT, WARN, Core, cc
from planning import Planner


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """libopencu.so: the package's own if newer than its sources, else one built for the tests."""
    library = ROOT / "opencu/lib/libopencu.so"
    sources = [*CORE.glob("*.[ch]")]
    if library.exists() and library.stat().st_mtime >= max(s.stat().st_mtime for s in sources):
        return library
    library = tmp_path_factory.mktemp("build") / "libopencu.so"
    flags = ["-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wl,-soname,libopencu.so"]
    cc(*WARN, *flags, "-o", library, *CORE.glob("*.c"))
    return library


@pytest.fixture
def package(built, tmp_path) -> Path:
    """A package folder of the test's own: <package>/lib/libopencu.so."""
    folder = tmp_path / "package"
    (folder / "lib").mkdir(parents=True)
    shutil.copy2(built, folder / "lib/libopencu.so")
    return folder


@pytest.fixture(scope="session")
def core(built, tmp_path_factory) -> Core:
    """The library in this process, for tests that need none of their own."""
    folder = tmp_path_factory.mktemp("core")
    (folder / "package/lib").mkdir(parents=True)
    os.environ["OPENCU_CACHE_DIR"] = str(folder / "store")
    core = Core(shutil.copy2(built, folder / "package/lib"))
    assert core.alive() == "OK" and core.lib.ocu_store_path()
    del os.environ["OPENCU_CACHE_DIR"]
    return core


@pytest.fixture(scope="session")
def compiled(built, tmp_path_factory):
    """compiled("streams"): the program made of streams.c."""
    folder, programs = tmp_path_factory.mktemp("programs"), {}

    def compile_program(name: str) -> Path:
        if name not in programs:
            programs[name] = folder / name
            cc(
                *WARN,
                "-O1",
                "-g",
                "-I",
                CORE,
                HERE / f"{name}.c",
                "-o",
                folder / name,
                "-L",
                built.parent,
                "-lopencu",
                "-lm",
            )
        return programs[name]

    return compile_program


@pytest.fixture
def environment(package, tmp_path) -> dict[str, str]:
    """Variables for a program: this test's library and store, two threads."""
    names = {name: value for name, value in os.environ.items() if not name.startswith("OPENCU_")}
    return names | {
        "LD_LIBRARY_PATH": str(package / "lib"),
        "OPENCU_CACHE_DIR": str(tmp_path / "store"),
        "OPENCU_THREADS": "2",
    }


@pytest.fixture
def run(compiled, environment):
    """run("streams", "case", VARIABLE="value"): run a program; it must end with 0."""

    def run_program(name, *arguments, expect=0, timeout=30, **variables):
        done = subprocess.run(
            [compiled(name), *map(str, arguments)],
            env=environment | variables,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        said = f"ended with {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode == expect, said
        return done

    run_program.program, run_program.environment = compiled, environment
    return run_program


@pytest.fixture
def planner(run, tmp_path):
    folder = tmp_path / "planner"
    folder.mkdir()
    command = [run.program("plans"), "write_plan"]
    done = subprocess.run(command, env=run.environment, capture_output=True, check=True)
    (folder / "plan").write_bytes(done.stdout)
    planner = Planner(folder)
    run.environment.update(OPENCU_PYTHON=planner.behave(), OPENCU_PLANNER_IDLE="20")
    yield planner
    for pid in planner.running():
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def ask(run):
    def ask_for_plan(case: str = "ask", **variables) -> list[dict[str, str]]:
        reports = []
        for line in run("plans", case, **variables).stdout.splitlines():
            head, error = line.split(" error=")
            words = dict(re.findall(r"(\w+)=(\S*)", head))
            reports.append(words | {"status": line.split()[0], "error": error.strip()})
        return reports

    return ask_for_plan


@pytest.fixture
def seen(run):
    """seen("find"): the words that a case of plans.c reports, as a dictionary."""

    def look(case: str, **variables) -> dict[str, str]:
        line = run("plans", case, **variables).stdout
        words = dict(re.findall(r"(\w+)=(\S*)", line.split(" error=")[0]))
        return words | {"status": line.split()[0], "error": line.split(" error=")[1].strip()}

    return look


@pytest.fixture
def store(tmp_path) -> Path:
    return tmp_path / "store"
