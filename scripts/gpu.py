"""`make gpu`: on a machine with a GPU, tests and measures what wants one, in one command.

    1. builds opencu for this Python, which may have no network: WHEELS names a folder of wheels
       (cffi and llvmlite with what they need; pytest for the tests; setuptools if there is none from
       77 on), PACK a plan pack made elsewhere with `opencu cache build --target sm_90a --out FILE`
    2. runs the conformance tests on the device's driver
    3. measures gemm, copies, launches, calls through the cuBLAS shim and the kernels of dnn and
       sparse against cuBLAS (found beside PyTorch or in a toolkit) and PyTorch, where they are

A table on stdout, everything in bench/results/gpu-<device>.json.
"""

import argparse
import ctypes
import glob
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "build/gpu-site"
SIZES = (1024, 2048, 4096, 8192)
DTYPES = ("float32", "float64", "float16", "bfloat16")
NEEDED = """
import cffi, numpy, setuptools, sys
if int(setuptools.__version__.split(".")[0]) < 77:
    sys.exit(f"setuptools is {setuptools.__version__}, needed is 77 or newer")
"""
# cuBLAS's numbers: of a matrix's type and of the compute type; the C type of alpha and beta.
CUBLAS = {
    "float32": (0, 68, ctypes.c_float),
    "float64": (1, 70, ctypes.c_double),
    "float16": (2, 68, ctypes.c_float),
    "bfloat16": (14, 68, ctypes.c_float),
}

# ---- before opencu can be imported ---------------------------------------------------------------


def prepare(environment: dict[str, str]) -> None:
    """Install what is carried, and build."""
    wheels = os.environ.get("WHEELS")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", f"--target={SITE}"]
    for name in ("cffi", "llvmlite", "pytest", "setuptools") if wheels else ():
        done = subprocess.run(
            [*pip, f"--find-links={wheels}", name], capture_output=True, text=True
        )
        if done.returncode:
            print(f"gpu: {wheels} has no {name} that fits: {done.stderr.strip().splitlines()[-1]}")
    if os.environ.get("PACK"):
        environment["OPENCU_PACK"] = str(Path(os.environ["PACK"]).resolve())
    find = [sys.executable, "-W", "ignore", "-c", NEEDED]
    if (found := subprocess.run(find, env=environment, capture_output=True, text=True)).returncode:
        words = found.stderr.strip().splitlines()[-1]
        sys.exit(f"gpu: {words}: put its wheel in a folder and say make gpu WHEELS=folder")
    build = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    if subprocess.run(build, cwd=ROOT, env=environment).returncode:
        sys.exit("gpu: the build stopped")


def conformance(driver: str, environment: dict[str, str]) -> dict:
    """How the conformance tests end on a driver."""
    tests = ["tests/drivers/test_conformance.py", "-k", driver, "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", *tests]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    text = (done.stdout + done.stderr).strip()
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped)", text)}
    marks = re.match(r"[.sFEx]+", text)
    if not counts and marks:  # pytest -qq tells no numbers
        counts = {"passed": marks[0].count("."), "failed": len(re.findall("[FE]", marks[0]))}
    ok = done.returncode == 0 and counts.get("passed", 0) > 0
    print(f"conformance on {driver}: {counts or text.splitlines()[-1]}", flush=True)
    if not ok:
        print(text, flush=True)
    return {"passed": ok, **counts, "text": "" if ok else text[-4000:]}


# ---- measuring -----------------------------------------------------------------------------------


def real_library(stem: str) -> str | None:
    """The vendor's own library, not our shim: PyTorch's, or a toolkit's; the newest."""
    spec = importlib.util.find_spec("nvidia")
    folders = [f"{p}/*/lib" for p in (spec.submodule_search_locations or [] if spec else [])]
    folders += ["/usr/local/cuda*/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib64"]
    found = [file for folder in folders for file in glob.glob(f"{folder}/{stem}.so.*[0-9]")]
    return sorted(found, key=lambda f: int(re.findall(r"\.so\.(\d+)", f)[0]))[-1] if found else None


class Cublas:
    """The vendor's cuBLAS on the arrays that ours is measured on."""

    def __init__(self) -> None:
        path = real_library("libcublas")
        if path is None:
            raise OSError("there is no cuBLAS")
        self.lib, self.handle = ctypes.CDLL(path), ctypes.c_void_p()
        self.call("cublasCreate_v2", ctypes.byref(self.handle))

    def call(self, name: str, *arguments) -> None:
        if status := getattr(self.lib, name)(*arguments):
            raise OSError(f"{name} of the vendor's library returned {status}")

    def gemm(self, a, b, c, dtype: str):
        """c = a b by rows is c' = b' a' by columns."""
        kind, compute, scalar = CUBLAS[dtype]
        (m, k), n = a.shape, b.shape[1]
        one, zero, p = scalar(1), scalar(0), ctypes.c_void_p
        words = (0, 0, n, m, k, ctypes.byref(one), p(b.ptr), kind, n, p(a.ptr), kind, k)
        words += (ctypes.byref(zero), p(c.ptr), kind, n, compute, -1)
        return lambda: self.call("cublasGemmEx", self.handle, *words)


class Table:
    """The rows, printed as they come."""

    def __init__(self, device, pairs: int, seconds: float):
        self.device, self.pairs, self.seconds, self.rows = device, pairs, seconds, []

    def measure(self, what: str, case: str, unit: str, work: float, ours, peers: dict) -> None:
        """work / time, of ours and of the first of the peers that is there."""
        from opencu.bench import measure

        row = {"what": what, "case": case, "unit": unit}
        wait = self.device.synchronize
        try:
            run = measure.repeat(ours, wait)
            peer, theirs = next(iter(peers.items()), (None, None))
            if theirs:
                samples = measure.interleave(
                    run, measure.repeat(theirs, wait), self.pairs, self.seconds
                )
            else:
                calls = measure.calls_for(run, self.seconds)
                samples = [(measure.timed(run, calls) / calls, 0.0) for _ in range(self.pairs)]
            took = [sorted(side)[len(samples) // 2] for side in zip(*samples)]
            row |= {"ours": work / took[0], "samples": samples}
            if theirs:
                row |= {"peer": peer, "theirs": work / took[1], "ratio": measure.ratio(samples)}
        except Exception as error:  # the rest is worth measuring
            row["error"] = f"{type(error).__name__}: {error}"
        self.add(row)

    def add(self, row: dict) -> None:
        self.rows.append(row)
        if "error" in row:
            tail = row["error"]
        else:
            tail = f"{row['ours']:10.4g} {row['unit']}"
            if "theirs" in row:
                tail += f"  {row['peer']} {row['theirs']:.4g}  x {row['ratio']:.3f}"
        print(f"{row['what']:12} {row['case']:28} {tail}", flush=True)


def half(dtype: str):
    import opencu

    return opencu.bfloat16 if dtype == "bfloat16" else dtype


def measure_gemm(table: Table, sizes) -> None:
    import numpy as np

    import opencu
    from opencu.bench.gemm import random_of, wide

    device, random = table.device, np.random.default_rng(0)
    try:
        cublas = Cublas() if device.driver.name == "cuda" else None
    except OSError as error:
        print(f"gpu: {error}", flush=True)
        cublas = None
    torch = on_gpu()
    for dtype in DTYPES:
        for n in sizes:
            kind = "float32" if dtype == "float16" else dtype
            host = [random_of(random, kind, n, n).astype(half(dtype)) for _ in range(2)]
            a, b = (opencu.asarray(x, device) for x in host)
            c, d = (opencu.empty((n, n), a.dtype, device) for _ in range(2))
            peers = {"cuBLAS": cublas.gemm(a, b, d, dtype)} if cublas else {}
            if torch:
                t = [torch.as_tensor(wide(x)).to("cuda", getattr(torch, dtype)) for x in host]
                peers.setdefault("PyTorch", lambda t=t: torch.matmul(*t))

            def ours(a=a, b=b, c=c):
                opencu.blas.gemm(a, b, c)

            table.measure("gemm", f"{dtype} {n}", "TFLOP/s", 2e-12 * n**3, ours, peers)
            if "error" in table.rows[-1]:
                continue
            rows = random.choice(n, 16, replace=False)
            x, y = wide(host[0][rows]), wide(host[1])
            bound = {"float64": 2.0**-50}.get(dtype, 2.0**-21) * (np.abs(x) @ np.abs(y))
            bound += {"float16": 2.0**-10, "bfloat16": 2.0**-7}.get(dtype, 0) * np.abs(x @ y)
            worst = (np.abs(wide(np.asarray(c)[rows]) - x @ y) / bound).max()
            if not worst <= 1:
                table.rows[-1]["error"] = f"wrong: {worst:.3g} times the bound"
                table.add(table.rows.pop())


def measure_copies(table: Table, quick: bool) -> None:
    import numpy as np
    from gpu_kernels import copy_tile, nothing

    import opencu
    from opencu.runtime.device import current
    from opencu.runtime.stream import NULL

    device, N = table.device, 4096
    bytes_ = min(1 << 24 if quick else 1 << 30, device.info.memory_free // 8) & -(1 << 14)
    x, y = (opencu.zeros(bytes_ // 4, np.float32, device) for _ in range(2))

    def ours():
        opencu.launch(copy_tile, (bytes_ // 4 // N,), x, y, N=N)

    def theirs():
        with current(device):
            device.driver.copy(NULL, y.ptr, x.ptr, bytes_, False)

    case = f"{bytes_ >> 20} MiB, a kernel"
    table.measure("copy", case, "GB/s", 2e-9 * bytes_, ours, {"the device's own": theirs})
    empty = opencu.zeros(1, np.float32, device)
    table.measure("launch", "one program, from Python", "launches/ms", 1e-3,
                  lambda: opencu.launch(nothing, (1,), empty), {})  # fmt: skip


def measure_shim(table: Table, environment: dict[str, str]) -> None:
    """Nanoseconds that the host spends on a cublasSgemm of 4 x 4 x 4: our shim, the vendor's."""
    from opencu import shims

    source = ROOT / "opencu/bench/latency.c"
    row = {"what": "cublasSgemm", "case": "4 x 4 x 4, from C", "unit": "calls/us"}
    with tempfile.TemporaryDirectory() as folder:
        cc = [os.environ.get("CC", "cc"), "-O2", str(source), "-o", f"{folder}/latency"]
        cc += [f"-I{shims.include_dir()}", f"-L{shims.lib_dir()}", "-lcublas", "-lcudart", "-ldl"]
        subprocess.run(cc, check=True)
        paths = {"ours": str(shims.lib_dir())}
        major = [int(re.findall(r"\.so\.(\d+)", f)[0]) for f in (real_library("libcublas") or "",
                 real_library("libcudart") or "") if f]  # fmt: skip
        if table.device.driver.name == "cuda" and major == [13, 13]:  # what our headers link
            real = (real_library("libcublas"), real_library("libcudart"))
            paths["theirs"] = ":".join(str(Path(file).parent) for file in real)
        for side, path in paths.items():
            variables = environment | {"LD_LIBRARY_PATH": path, "OPENCU_DEVICE": table.device.name}
            done = subprocess.run([f"{folder}/latency", "small"], env=variables,
                                  capture_output=True, text=True, timeout=300)  # fmt: skip
            if done.returncode:
                row["error"] = f"{side}: {done.stderr.strip()[-300:]}"
            else:
                row[side] = 1e3 / float(done.stdout.split()[0])
    if "theirs" in row and "ours" in row:
        row |= {"peer": "cuBLAS", "ratio": row["ours"] / row["theirs"]}
    table.add(row)


def on_gpu():
    """PyTorch, if it is there and has a GPU."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    return torch if torch.cuda.is_available() else None


def measure_kernels(table: Table, quick: bool) -> None:
    """The kernels of dnn and sparse against PyTorch's, on float32."""
    import numpy as np

    import opencu
    from opencu import dnn, sparse

    random, torch, small = np.random.default_rng(0), on_gpu(), 8 if quick else 1
    rows, n = 4096 // small, (1 << 24) // small
    F = torch.nn.functional if torch else None
    x = random.standard_normal((rows, 4096), np.float32)
    qkv = [random.standard_normal((12, 1024 // small, 64), np.float32) for _ in range(3)]
    images = random.standard_normal((8 // min(small, 8), 64, 56, 56), np.float32)
    filters = random.standard_normal((64, 64, 3, 3), np.float32)
    line, codes = x.reshape(-1)[:n], random.integers(0, 256, n, np.uint8)
    flops = 4 * 12 * (1024 // small) ** 2 * 64, 2 * images.size * 64 * 9
    cases = [
        ("softmax", "GB/s", 2e-9 * x.nbytes, dnn.softmax, [x], lambda t: F.softmax(t, -1)),
        ("layer_norm", "GB/s", 2e-9 * x.nbytes, dnn.layer_norm, [x],
         lambda t: F.layer_norm(t, t.shape[-1:])),
        ("attention", "TFLOP/s", 1e-12 * flops[0], dnn.attention, qkv,
         lambda *t: F.scaled_dot_product_attention(*t)),
        ("conv", "TFLOP/s", 1e-12 * flops[1], lambda a, b: dnn.conv(a, b, padding=1),
         [images, filters], lambda a, b: F.conv2d(a, b, padding=1)),
        ("scan", "GB/s", 2e-9 * line.nbytes, sparse.scan, [line], lambda t: t.cumsum(0)),
        ("histogram", "GB/s", 1e-9 * codes.nbytes, lambda t: sparse.histogram(t, 256), [codes],
         lambda t: t.bincount(minlength=256)),
    ]  # fmt: skip
    for name, unit, work, ours, operands, theirs in cases:
        there = [opencu.asarray(v, table.device) for v in operands]
        t = [torch.as_tensor(v).cuda() for v in operands] if torch else []
        peers = {"PyTorch": lambda theirs=theirs, t=t: theirs(*t)} if torch else {}
        case = " ".join(map(str, operands[0].shape))
        table.measure(name, case, unit, work, lambda f=ours, v=there: f(*v), peers)


def measure_all(args: argparse.Namespace) -> None:
    import opencu

    device = opencu.device(args.device)
    info = device.info
    table = Table(device, args.pairs, 0.02 if args.quick else 0.3)
    measure_copies(table, args.quick)
    measure_gemm(table, (64, 100) if args.quick else SIZES)
    measure_kernels(table, args.quick)
    measure_shim(table, dict(os.environ))
    found = {"device": device.name, "name": info.name, "target": info.target, "rows": table.rows}
    Path(args.measure).write_text(json.dumps(found))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help='"cuda", "hip:1", "opencl"')
    parser.add_argument("--pairs", type=int, default=5, help="samples of each figure")
    parser.add_argument("--quick", action="store_true", help="small sizes: does every line run?")
    parser.add_argument("--no-build", action="store_true", help="opencu is built already")
    parser.add_argument("--out", type=Path, help="the JSON file; default: bench/results/gpu-...")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure_all(args)
        return 0
    paths = [str(SITE), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": ":".join(paths)}
    if not args.no_build:
        prepare(environment)
    tests = conformance(args.device.partition(":")[0], environment)
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result")
        command = [sys.executable, __file__, *sys.argv[1:], "--measure", str(result)]
        if subprocess.run(command, env=environment).returncode:
            sys.exit(f"gpu: nothing was measured on {args.device}")
        found = json.loads(result.read_text()) | {"conformance": tests, "python": sys.version}
    slug = re.sub(r"\W+", "-", f"{found['name']} {found['target']}").strip("-").lower()
    out = args.out or ROOT / f"bench/results/gpu-{slug}.json"
    out.write_text(json.dumps(found, indent=1) + "\n")
    print(f"written to {out}")
    return int(not tests["passed"] or any("error" in row for row in found["rows"]))


if __name__ == "__main__":
    sys.exit(main())
