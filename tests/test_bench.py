"""The measuring itself: what is interleaved, what counts, what is refused."""

import json

import numpy as np
import pytest

import opencu
import opencu.drivers
from opencu.bench import blas, gemm, measure, peak, report


def test_sides_alternate_who_goes_first(monkeypatch):
    monkeypatch.setattr(measure, "calls_for", lambda run, seconds: 1)
    monkeypatch.setattr(measure, "PAUSE", 0)
    order = []
    ours, theirs = (lambda calls, name=name: order.append(name) for name in ("ours", "theirs"))
    samples = measure.interleave(ours, theirs, pairs=3)
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert len(samples) == 3


def test_the_ratio_is_the_median_of_the_pairs():
    assert measure.ratio([(1.0, 2.0), (1.0, 100.0), (2.0, 1.0)]) == 2


def test_a_side_lasts_long_enough(monkeypatch):
    monkeypatch.setattr(measure, "timed", lambda run, calls: calls * 1e-3)
    assert 300 <= measure.calls_for(lambda calls: None, seconds=0.3) <= 302


def test_a_wrong_or_partial_result_is_not_timed():
    problem = gemm.Problem(8, 8, 8, "float32")
    with pytest.raises(SystemExit, match="lazy is wrong in 64 of 64 elements"):
        problem.check("lazy", lambda calls: None)
    problem.check("right", lambda calls: np.matmul(problem.a, problem.b, out=problem.c))


@pytest.mark.parametrize("name", blas.CALLS)
def test_the_routines_that_are_timed_are_right(name, monkeypatch):
    monkeypatch.setattr(blas, "MIB", 1)
    monkeypatch.setattr(blas, "ORDER", 100)
    dtype = "complex64" if name in blas.COMPLEX else "float32"
    problem = blas.Problem(name, dtype)
    call = problem.call(blas.libraries()["opencu"](blas.symbol(name, dtype)))
    problem.check("opencu", call)
    if name != "nrm2" and name != "dot":
        with pytest.raises(SystemExit, match="nothing: "):
            problem.check("nothing", lambda: None)


@pytest.mark.parametrize("suite", gemm.SUITES)
def test_the_suites_operands_can_be_multiplied_and_written(suite):
    for m, n, k, dtype, out, batch in gemm.SUITES[suite]:
        sizes = (min(size, 40) for size in (m, n, k))
        problem = gemm.Problem(*sizes, dtype, out, min(batch, 70), suite == "decode")
        problem.check("opencu", gemm.ours(problem))
        for name, peer in gemm.peers(dtype).items():
            if out in (dtype, "int32"):
                problem.check(name, peer(problem))


@pytest.mark.parametrize("dtype", gemm.DTYPES)
@pytest.mark.parametrize("name", ["x86-64-avx2", "x86-64-sse2"])
def test_the_peak_loop_counts_its_operations(dtype, name, device):
    if not device.on_host:
        pytest.skip("the loop is of a CPU device")
    target = opencu.drivers.target(name)
    lanes = target.vector_bytes // np.dtype(dtype).itemsize
    assert f"<{lanes} x " in peak.loop_ir(dtype, target)
    assert peak.gflops(device, dtype, 1, seconds=0.01) > 0.1


def test_a_device_that_computes_wrongly_fails(device, monkeypatch):
    monkeypatch.setattr(peak, "launch", lambda *arguments, **consts: None)
    found = peak.examine(device)
    assert found["status"] == "FAIL" and "a kernel that doubles numbers is" in found["reason"]


def test_the_report_draws_ratios_and_figures(tmp_path):
    sizes = {"m": 1, "n": 2, "k": 3, "dtype": "float32", "threads": 1}
    rows = [
        {**sizes, "ratio": {"openblas": 0.9}, "of_peak": 0.8, "samples": {}},
        {"kernel": "gelu", "mib": 8, "threads": 1, "ratio": {"bare loop": 1.5}, "samples": {}},
        {**sizes, "batch": 1, "ratio": {"torch": 2.0}, "of_read": 0.4, "samples": {}},
        {"what": "a <call>", "unit": "ns", "must": "<= 5", "samples": [1, 2, 9]},
    ]
    report.write(str(tmp_path / "in.json"), "some", rows)
    assert json.loads((tmp_path / "in.json").read_text())["versions"]["opencu"]
    report.draw([str(tmp_path / "in.json")], str(tmp_path / "out.html"))
    page = (tmp_path / "out.html").read_text()
    assert "gelu 8 x1" in page and "bare read" in page and page.count("FMA peak") == 1
    assert "openblas" in page and "2.000 ns" in page and "a &lt;call&gt;" in page
