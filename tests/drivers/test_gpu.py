"""scripts/gpu.py (`make gpu`): every line of it runs once, where there is no GPU, too."""

import json
import subprocess
import sys

import pytest
from conftest import HERE

pytestmark = pytest.mark.slow
SCRIPT = HERE.parents[1] / "scripts/gpu.py"


def measured(program, out, device, *words, **variables):
    """The exit code, what was printed, the JSON."""
    command = [sys.executable, SCRIPT, "--no-build", "--quick", "--pairs", "2", "--out", out]
    done = subprocess.run(
        [str(word) for word in (*command, "--device", device, *words)],
        env=program.environment | variables,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert out.exists(), done.stdout + done.stderr
    return done.returncode, done.stdout, json.loads(out.read_text())


def test_on_a_device_that_computes(program, tmp_path):
    """The CPU is one: all is measured and right."""
    _, said, found = measured(program, tmp_path / "cpu.json", "cpu")
    rows = {(row["what"], row["case"]): row for row in found["rows"]}
    assert found["device"] == "cpu:0" and found["conformance"]["passed"]
    assert all("error" not in row and row["ours"] > 0 for row in found["rows"]), said
    assert rows["copy", "16 MiB, a kernel"]["peer"] == "the device's own"
    assert {"gemm", "launch", "softmax", "conv", "scan", "cublasSgemm"} <= {w for w, _ in rows}
    assert ("gemm", "bfloat16 100") in rows and f"written to {tmp_path / 'cpu.json'}" in said


def test_on_a_stand_in_wrong_results_are_errors_and_the_rest_is_measured(program, tmp_path):
    code, said, found = measured(program, tmp_path / "cuda.json", "cuda")
    assert code == 1 and found["target"] == "sm_90a" and found["conformance"]["passed"]
    products = [row for row in found["rows"] if row["what"] == "gemm"]
    assert len(products) == 8 and all(row["error"].startswith("wrong: ") for row in products)
    assert program.calls("cuLaunchKernel")


def test_a_device_that_is_absent_is_told(program, tmp_path):
    command = [sys.executable, SCRIPT, "--no-build", "--quick", "--device", "cuda"]
    environment = program.environment | {"OPENCU_CUDA_DRIVER": "/none"}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "gpu: nothing was measured on cuda" in done.stderr
    assert "OPENCU_CUDA_DRIVER=/none is not the absolute path" in done.stderr
