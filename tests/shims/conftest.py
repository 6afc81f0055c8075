"""What the tests of the shims share: the built libraries, and C programs compiled against them."""

import functools
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from opencu import shims

PROGRAMS = Path(__file__).parent / "programs"
# What may be set outside and must not decide a test.
LOADER = "LD_AUDIT LD_PRELOAD LD_LIBRARY_PATH OPENCU_REAL_LIBS OPENCU_STRICT OPENCU_CPU_DEVICES"


@pytest.fixture(scope="session")
def lib():
    return shims.lib_dir()


@pytest.fixture(scope="session")
def run():
    """run(words, code=0, **environment): the result of a command that must exit with `code`.

    A program that exits 77 says that the core has no kernel for what it tests: a skip.
    """
    clean = {name: value for name, value in os.environ.items() if name not in LOADER.split()}

    def run_command(words, code=0, **environment):
        environment = clean | {name: str(value) for name, value in environment.items()}
        done = subprocess.run(
            shlex.split(str(words)), env=environment, capture_output=True, text=True, timeout=120
        )
        if done.returncode == 77:
            pytest.skip(done.stderr.splitlines()[-1])
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run_command


@pytest.fixture(scope="session")
def build(tmp_path_factory, lib, run):
    """build(source, flags, major=13, rpath=True): the path of the program, compiled once."""
    folder = tmp_path_factory.mktemp("programs")

    @functools.cache
    def compile_program(name, flags="", major=13, rpath=True, lib=lib):
        program = folder / f"{name}-{len(list(folder.iterdir()))}"
        names = (f"cublas.so.{major}", f"cublasLt.so.{major}", f"cudart.so.{major}", "cuda.so.1")
        libraries = " ".join(f"-l:lib{name}" for name in names) + " -lm -ldl"
        run(
            f"cc -O1 -g -Wall -Wextra -Werror -pthread {flags} -DOPENCU_CUDA_MAJOR={major}"
            f" -I{shims.include_dir()} {PROGRAMS / name} -o {program}"
            f" -L{lib} -Wl,-{'rpath' if rpath else 'rpath-link'},{lib} -Wl,--as-needed {libraries}"
        )
        return program

    return compile_program
