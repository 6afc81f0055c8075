"""Build the vendor-shaped libraries and headers: tables -> C and headers -> shared libraries."""

import os
import runpy
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
FLAGS = (
    "-O2 -std=gnu11 -fPIC -shared -pthread -Wall -Wextra"
    " -Wl,-Bsymbolic-functions -Wl,-z,now,-z,nodelete"  # threads may be in it after a dlclose
).split()
SOURCES = {
    "cudart": [f"cudart_{part}.c" for part in ("calls", "device", "kernel", "memory", "stream")],
    "cublas": [
        *("cublas.c", "cublas_calls.c", "cublas_gemm.c"),
        *("cublas_status.c", "gemm_types.c"),
    ],
    "cublasLt": [
        *("cublasLt.c", "cublasLt_descriptors.c", "cublasLt_matmul.c", "cublasLt_transform.c"),
        *("cublasLt_algos.c", "cublas_status.c", "gemm_types.c"),
    ],
    "cuda_driver": [
        f"cuda_{part}.c" for part in ("calls", "context", "device", "memory", "stream")
    ],
}
SHARED = ["boxes.c", "common.c", "handles.c", "host.c", "pools.c"]
# file, library, CUDA major version
VENDOR = [
    ("libcudart.so.12", "cudart", 12),
    ("libcudart.so.13", "cudart", 13),
    ("libcublas.so.12", "cublas", 12),
    ("libcublas.so.13", "cublas", 13),
    ("libcublasLt.so.12", "cublasLt", 12),
    ("libcublasLt.so.13", "cublasLt", 13),
    ("libcuda.so.1", "cuda_driver", 13),
]
# Names without a version mean CUDA 13. Copies, because a wheel holds no links.
COPIES = {
    "libcudart.so": "libcudart.so.13",
    "libcublas.so": "libcublas.so.13",
    "libcublasLt.so": "libcublasLt.so.13",
    "libcuda.so": "libcuda.so.1",
}


def compile_library(cc, lib_dir, name, sources, extra):
    """Compile into a temporary file first: a process may have the old library mapped."""
    partial = lib_dir / f".{name}.new"
    files = [str(HERE / "src" / source) for source in sources]
    command = [*shlex.split(cc), *FLAGS, *files, f"-Wl,-soname,{name}", "-o", str(partial), *extra]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"cannot build {name}:\n{' '.join(command)}\n{result.stderr}")
    sys.stderr.write(result.stderr)
    os.replace(partial, lib_dir / name)


def copy(source, target):
    partial = target.with_name(f".{target.name}.new")
    shutil.copy(source, partial)
    os.replace(partial, target)


def build(root, lib_dir, include_dir, cc="cc"):
    """Build all shims into lib_dir, which holds libopencu.so, and all headers into include_dir."""
    root, lib_dir, include_dir = Path(root), Path(lib_dir), Path(include_dir)
    core = root / "opencu" / "runtime" / "core"
    lib_dir.mkdir(parents=True, exist_ok=True)
    include_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        runpy.run_path(str(HERE / "generate.py"))["generate"](made)
        generated, fixed = made / "include", HERE / "include"
        for header in (*generated.iterdir(), *fixed.iterdir(), core / "opencu.h"):
            copy(header, include_dir / header.name)
        include = [f"-I{folder}" for folder in (HERE / "src", core, made, generated, fixed)]
        link = [f"-L{lib_dir}", "-Wl,-rpath,$ORIGIN", "-lopencu", "-ldl"]
        compile_library(cc, lib_dir, "libopencu_shim.so", SHARED, include + link)
        compile_library(cc, lib_dir, "libopencu_audit.so", ["audit.c"], ["-ldl"])
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = []
            for name, library, major in VENDOR:
                sources = [*SOURCES[library], "refused.c"]
                flags = [
                    f"-DOPENCU_CUDA_MAJOR={major}",
                    f'-DREFUSALS="{library}_refused.inc"',
                    f"-I{made / str(major)}",
                    f"-Wl,--version-script={made / str(major) / library}.map",
                ]
                flags += [*include, *link, "-lopencu_shim"]
                jobs.append(pool.submit(compile_library, cc, lib_dir, name, sources, flags))
            for job in jobs:
                job.result()
        copy(made / "shims.json", lib_dir / "shims.json")
    for name, source in COPIES.items():
        copy(lib_dir / source, lib_dir / name)


if __name__ == "__main__":
    package = HERE.parent / "opencu"
    build(HERE.parent, package / "lib", package / "include", os.environ.get("CC", "cc"))
