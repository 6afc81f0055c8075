"""Products as the core takes them: structures of dtypes, operands, bias and activation."""

import subprocess
from pathlib import Path

import pytest

from opencu import shims

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    program = tmp_path_factory.mktemp("multiply") / "multiply"
    lib = shims.lib_dir()
    flags = ["-std=gnu11", "-Wall", "-I", shims.include_dir(), "-I", HERE.parent / "core"]
    link = ["-L", lib, "-lopencu", "-lm", "-lpthread", f"-Wl,-rpath,{lib}"]
    subprocess.run(["cc", *flags, "-o", program, HERE / "multiply.c", *link], check=True)
    return program


@pytest.mark.parametrize("case", ["products", "refusals"])
def test_a_product_is_what_its_structure_says(program, case):
    done = subprocess.run([program, case], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
