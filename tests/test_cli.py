"""The command line: what a user types, and the sentences that answer mistakes."""

import json
from pathlib import Path

import pytest


def test_info_prints_every_device_with_pass(opencu_command):
    code, out, _ = opencu_command("info")
    assert code == 0
    assert out.startswith("cpu:0  PASS  ")
    assert "GFLOP/s" in out and "GB/s" in out and "GiB free" in out


def test_info_json_holds_what_the_text_says(opencu_command):
    code, out, _ = opencu_command("info", "--json", OPENCU_CPU_DEVICES="2")
    first, second = json.loads(out)["devices"][:2]
    assert code == 0 and (first["name"], second["name"]) == ("cpu:0", "cpu:1")
    assert first["status"] == "PASS" and first["target"].startswith("x86-64-")
    assert first["copy bandwidth"] > 0 and first["memory"]["free"] > 0
    assert set(first["gflops"]) == {"float32", "float64"}


@pytest.mark.parametrize(
    ("option", "name"),
    [("--lib", "libcublas.so.13"), ("--include", "cublas_v2.h"), ("--audit", None)],
)
def test_shims_prints_where_things_are(option, name, opencu_command):
    code, out, _ = opencu_command("shims", option)
    path = Path(out.strip())
    assert code == 0 and (path / name if name else path).is_file()


def test_coverage_counts_names_per_library(opencu_command):
    code, out, _ = opencu_command("shims", "--coverage", "--json")
    libraries = json.loads(out)["libraries"]
    assert code == 0 and {"cublas", "cudart"} <= set(libraries)
    for counts in libraries.values():
        assert 0 <= counts["implemented"] <= counts["exported"]
        assert isinstance(counts["imported_missing"], list)
    assert "cublas" in opencu_command("shims", "--coverage")[1]


def test_run_becomes_the_program(opencu_command):
    code, out, _ = opencu_command("run", "--", "sh", "-c", "echo $LD_AUDIT $0; exit 7", "word")
    assert code == 7
    assert out.strip().endswith("libopencu_audit.so word")


def test_run_passes_the_programs_own_options_on(opencu_command):
    code, out, _ = opencu_command("run", "echo", "--device", "x", "--", "-n")
    assert (code, out) == (0, "--device x -- -n\n")


def test_run_sets_the_device(opencu_command):
    code, out, _ = opencu_command(
        "run", "--device", "cpu:1", "--", "sh", "-c", "echo $OPENCU_DEVICE", OPENCU_CPU_DEVICES="2"
    )
    assert (code, out) == (0, "cpu:1\n")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["run"], 1, "no program to run: expected opencu run [--device D] -- PROGRAM ARGS"),
        (["run", "--", "no-such-program"], 127, "there is no program 'no-such-program'"),
        (["run", "--", "/"], 126, "'/' cannot be run: Permission denied"),
        (["run", "--device", "gpu", "--", "true"], 1, "device 'gpu' does not exist: expected one"),
        (["frobnicate"], 2, "invalid choice: 'frobnicate'"),
        (["shims"], 2, "one of the arguments --lib --include --audit --coverage is required"),
        (["bench"], 2, "expected an AREA, or --report OUT.html"),
        (["bench", "--report", "x.html"], 1, "there is no opencu-bench-*.json here: run opencu"),
        (["bench", "nothing"], 2, "invalid choice: 'nothing'"),
        (["bench", "gemm", "--shapes", "1,2"], 2, "1,2 is no shape: expected m,n,k or one size"),
        (["bench", "gemm", "--threads", "0"], 2, "0 is no count: expected a whole number from 1"),
        (["bench", "stream", "--pairs", "0"], 2, "0 is no count: expected a whole number from 1"),
        (["bench", "latency", "--runs", "x"], 2, "x is no count: expected a whole number from 1"),
        (["bench", "gemm", "--seconds", "-1"], 2, "-1 is no time: expected seconds, more than 0"),
        (["bench", "stream", "--kernels", "none"], 2, "invalid choice: 'none'"),
        (["bench", "stream", "--json", "no/x.json"], 2, "no/x.json cannot be written"),
        (["bench", "--report", "no/x.html"], 2, "no/x.html cannot be written"),
    ],
)
def test_mistakes_are_answered_in_a_sentence(
    words, code, text, opencu_command, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    found, _, err = opencu_command(*words)
    assert found == code and text in err
    assert "Traceback" not in err


def test_a_device_that_is_none_is_told_once(opencu_command):
    code, _, err = opencu_command("info", OPENCU_DEVICE="gpu")
    assert code == 1 and err.count("OPENCU_DEVICE is 'gpu': expected cpu") == 1


def test_the_cache_can_be_listed_and_cleared(opencu_command, python, tmp_path):
    python("""
import numpy as np, opencu
a = np.ones((9, 6))[::3, ::2]
opencu.blas.gemm(a, a)
""")
    assert opencu_command("cache", "path")[1].strip() == str(tmp_path / "plans")
    listed = opencu_command("cache", "list")[1]
    assert listed.count("x86-64-") == 1 and "bytes" in listed
    assert opencu_command("cache", "size")[1].endswith(" KiB\n")
    (plan,) = (tmp_path / "plans").glob("*/*.plan")
    plan.with_name("new-1-0").touch()  # of a process that ended while it wrote
    assert opencu_command("cache", "clear")[1] == "1 plans removed\n"
    assert not list(plan.parent.glob("new-*"))
    assert opencu_command("cache", "list")[1] == ""


def test_a_store_that_cannot_be_used_is_explained(opencu_command, tmp_path):
    (tmp_path / "open").mkdir(mode=0o777)
    (tmp_path / "open").chmod(0o777)
    code, _, err = opencu_command("cache", "list", OPENCU_CACHE_DIR=str(tmp_path / "open"))
    assert code == 1 and "mode 0700" in err


def test_bench_gemm_checks_measures_and_keeps_every_sample(opencu_command, tmp_path):
    kept, page = tmp_path / "out.json", tmp_path / "out.html"
    words = "bench gemm --shapes 64,32,16 --dtypes float32 --threads 1 --pairs 2 --seconds 0.01"
    code, out, err = opencu_command(*words.split(), "--json", str(kept), "--report", str(page))
    assert code == 0, err
    assert "openblas " in out and "FMA peak " in out and "geometric mean" in out
    content = json.loads(kept.read_text())
    assert {"area", "date", "machine", "driver", "versions", "rows"} <= set(content)
    (row,) = content["rows"]
    assert len(row["samples"]["openblas"]) == 2 and row["ratio"]["openblas"] > 0
    assert page.read_text().count('class="bar') >= 2


def test_a_pack_is_built_for_known_targets_only(opencu_command):
    code, _, err = opencu_command("cache", "build", "--target", "sm_19")
    assert code == 1 and err.startswith("opencu: unknown target 'sm_19': expected one of x86-64-")
    code, _, err = opencu_command("cache", "size", "--target", "sm_90a")
    assert (code, err) == (1, "opencu: --target and --out are for build, not for size\n")
