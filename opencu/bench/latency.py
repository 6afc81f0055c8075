"""Small calls, first calls, imports, extra memory, equal bits, a busy neighbour.

Each figure comes from fresh processes: C ones run latency.c, Python ones a function of this file,
    python -m opencu.bench.latency small_call
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from opencu.bench.measure import environment
from opencu.bench.workers import count

SOURCE = Path(__file__).with_name("latency.c")
RUNS = 5  # of each figure; the median counts
MATRIX = 2048  # of the busy neighbour, float32
BIT_SHAPES = ((512, 512, 512), (257, 263, 1031), (8, 2048, 640))


def small_call() -> float:
    """Microseconds: gemm 4 x 4 x 4 on device arrays made before."""
    import opencu

    a, b, c = (opencu.zeros((4, 4), "float32") for _ in range(3))
    gemm, calls = opencu.blas.gemm, 50_000
    for _ in range(1000):
        gemm(a, b, c)
    start = time.perf_counter()
    for _ in range(calls):
        gemm(a, b, c)
    opencu.synchronize()
    return (time.perf_counter() - start) / calls * 1e6


def graph_node() -> float:
    """Nanoseconds: a gemm 4 x 4 x 4 in a captured chain of 1,000, over one in a batch of 1,000."""
    import opencu

    a, b = opencu.zeros((4, 4), "float32"), opencu.zeros((1000, 4, 4), "float32")
    c, stream = opencu.zeros((1000, 4, 4), "float32"), opencu.Stream()
    with opencu.graph.capture(stream) as graph:
        for i in range(1000):
            opencu.blas.gemm(a, b[i], c[i], stream=stream)

    def replay() -> None:
        graph.launch()
        stream.synchronize()

    def batch() -> None:
        opencu.blas.gemm(a, b, c, stream=stream)
        stream.synchronize()

    best = []
    for run in (replay, batch):
        times = []
        for _ in range(200):
            start = time.process_time_ns()  # of all threads: a hop to another does not count twice
            run()
            times.append(time.process_time_ns() - start)
        best.append(statistics.median(times))
    return (best[0] - best[1]) / 1000


def import_opencu() -> float:
    """Milliseconds: import opencu and its gemm, over import numpy."""
    import numpy  # noqa: F401

    start = time.perf_counter()
    import opencu

    opencu.blas.gemm  # noqa: B018
    return (time.perf_counter() - start) * 1e3


def first_call() -> float:
    """Seconds: the first call of a class that was never compiled, strides of 2 and 3 elements."""
    import numpy as np

    import opencu

    a = np.random.default_rng(0).standard_normal((99, 66), np.float32)[::3, ::2]
    start = time.perf_counter()
    opencu.blas.gemm(a, a)
    return time.perf_counter() - start


def extra_memory() -> float:
    """MiB per thread that one gemm of 4096 adds to the process, beyond its operands."""
    import numpy as np

    import opencu

    a, b, c = (np.ones((4096, 4096), np.float32) for _ in range(3))
    opencu.blas.gemm(a[:4, :4], b[:4, :4])
    before = _resident("VmRSS")
    opencu.blas.gemm(a, b, c)
    return (_resident("VmHWM") - before) / 1024 / opencu.device("cpu").info.threads


def _resident(key: str) -> float:
    """A line of /proc/self/status, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith(key)).split()[1])


def bits() -> str:
    """A hash of the results of a few products in both dtypes."""
    import numpy as np

    import opencu

    found = hashlib.sha256()
    for dtype in (np.float32, np.float64):
        for m, n, k in BIT_SHAPES:
            random = np.random.default_rng(m)
            a, b = random.standard_normal((m, k), dtype), random.standard_normal((k, n), dtype)
            found.update(opencu.blas.gemm(a, b).tobytes())
    return found.hexdigest()


def busy_neighbour() -> float:
    """Our speed over OpenBLAS's on 2 threads while another process keeps the other core busy."""
    from opencu.bench import gemm, measure

    cores = sorted(os.sched_getaffinity(0))
    load = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        os.sched_setaffinity(load.pid, cores[-1:])
        problem = gemm.Problem(MATRIX, MATRIX, MATRIX, "float32")
        run = gemm.ours(problem)
        problem.check("opencu", run)
        return measure.ratio(measure.interleave(run, gemm.openblas(problem)))
    finally:
        load.kill()
        load.wait()


def _in_process(command: list[str], threads: int | None = None) -> str:
    """What a fresh process with an empty store prints."""
    with tempfile.TemporaryDirectory() as store:
        variables = environment(threads) | {"OPENCU_CACHE_DIR": f"{store}/plans"}
        done = subprocess.run(command, env=variables, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"opencu bench latency: '{' '.join(command)}' failed")
    return done.stdout.strip()


def _in_python(name: str, threads: int | None = None) -> str:
    """Run a function of this file."""
    return _in_process([sys.executable, "-m", "opencu.bench.latency", name], threads)


class Program:
    """latency.c, compiled against our headers and libraries as any cuBLAS program is."""

    def __init__(self, folder: str):
        from opencu.shims import include_dir, lib_dir

        self.path = f"{folder}/latency"
        command = [os.environ.get("CC", "cc"), "-O2", f"-I{include_dir()}", str(SOURCE)]
        command += ["-o", self.path, f"-L{lib_dir()}", f"-Wl,-rpath,{lib_dir()}"]
        subprocess.run([*command, "-lcublas", "-lcudart", "-ldl"], check=True)

    def __call__(self, what: str) -> tuple[float, int, int]:
        """The figure, how often a planner was asked, and whether libpython was mapped."""
        figure, planners, python = _in_process([self.path, what]).split()
        return float(figure), int(planners), int(python)


def figures(program: Program) -> list[tuple[str, str, str, Callable[[], float]]]:
    """What, unit, what it must be, and how one sample of it is taken."""

    def from_c(what: str, planned: bool = False) -> Callable[[], float]:
        def sample() -> float:
            figure, planners, python = program(what)
            if python or bool(planners) != planned:
                raise SystemExit(f"latency {what}: {planners} planner calls, libpython {python}")
            return figure

        return sample

    def from_python(name: str, threads: int | None = None) -> Callable[[], float]:
        return lambda: float(_in_python(name, threads))

    return [
        ("cublasSgemm 4x4x4 from C, class known", "ns", "<= 500", from_c("small")),
        ("a new shape in a known class, from C, more", "ns", "<= 2000", from_c("shapes")),
        ("1,000 random shapes up to 500 from C", "s", "<= 3", from_c("random")),
        ("cublasSaxpy of 1,000 from C, over a loop", "ns", "<= 500", from_c("axpy")),
        ("cublasSdot of 1,000 from C, over a loop", "ns", "<= 500", from_c("dot")),
        ("cublasSgemv 25x40 from C, over a loop", "ns", "<= 500", from_c("gemv")),
        ("cublasCreate to the first result, from C", "ms", "<= 30", from_c("first")),
        ("a class never compiled, from C", "s", "<= 1.2", from_c("plan", planned=True)),
        ("a class never compiled, in Python", "s", "<= 0.4", from_python("first_call")),
        ("opencu.blas.gemm 4x4 on device arrays", "us", "<= 4", from_python("small_call")),
        ("a captured chain of gemms 4x4x4, a node more", "ns", "<= 500",
         from_python("graph_node", 1)),
        ("import opencu, over import numpy", "ms", "<= 60", from_python("import_opencu")),
        ("extra memory of one gemm, 1 thread", "MiB", "<= 16", from_python("extra_memory", 1)),
        ("extra memory of one gemm, per thread of 2", "MiB", "<= 16",
         from_python("extra_memory", 2)),
        ("other core busy, 2 threads, against OpenBLAS", "x", ">= 1.3",
         from_python("busy_neighbour", 2)),
    ]  # fmt: skip


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=count, default=RUNS, help="of each figure")


def bench(args: argparse.Namespace) -> list[dict]:
    """Take every figure, print it with what it must be, and give all samples back."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for what, unit, must, sample in figures(Program(folder)):
            samples = [sample() for _ in range(args.runs)]
            row = {"what": what, "unit": unit, "must": must, "samples": samples}
            found.append(row)
            print(f"{what:48} {statistics.median(samples):10.3f} {unit:4} {must}", flush=True)
    same = {_in_python("bits", threads) for threads in (1, 2, 1, 2)}
    print(f"{'the same bits for 1 and 2 threads, twice':48} {len(same) == 1!s:>10}      True")
    what = "different bits in four runs"
    found.append({"what": what, "unit": "hashes", "must": "1 hash", "samples": [len(same)]})
    return found


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]]()).strip('"'))
