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
SHARED = "boxes.c common.c graphs.c handles.c host.c own.c pools.c streams.c"


def compile_library(cc, lib_dir, name, sources, extra):
    """Compile into a temporary file first: a process may have the old library mapped."""
    partial = lib_dir / f".{name}.new"
    files = [str(HERE / "src" / source) for source in sources.split()]
    compiler, *own = shlex.split(cc)
    command = [compiler, *FLAGS, *own, *files, f"-Wl,-soname,{name}", "-o", str(partial), *extra]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"cannot build {name}:\n{' '.join(command)}\n{result.stderr}")
    sys.stderr.write(result.stderr)
    os.replace(partial, lib_dir / name)


def copy(source, target):
    partial = target.with_name(f".{target.name}.new")
    shutil.copy(source, partial)
    os.replace(partial, target)


def build(root, lib_dir, include_dir, cc="cc", files=None):
    """Build all shims, or those of these files, into lib_dir, which holds libopencu.so, and all
    headers into include_dir. cc may carry options of its own."""
    root, lib_dir, include_dir = Path(root), Path(lib_dir), Path(include_dir)
    core = root / "opencu" / "runtime" / "core"
    lib_dir.mkdir(parents=True, exist_ok=True)
    include_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        tables = runpy.run_path(str(HERE / "generate.py"))
        tables["generate"](made)
        generated, fixed = made / "include", HERE / "include"
        for folder_ in (generated, fixed):
            for header in filter(Path.is_file, folder_.rglob("*")):
                place = include_dir / header.relative_to(folder_)
                place.parent.mkdir(exist_ok=True)
                copy(header, place)
        copy(core / "opencu.h", include_dir / "opencu.h")
        include = [f"-I{folder}" for folder in (HERE / "src", core, made, generated, fixed)]
        link = [f"-L{lib_dir}", "-Wl,-rpath,$ORIGIN", "-lopencu", "-ldl"]
        compile_library(cc, lib_dir, "libopencu_shim.so", SHARED, include + link)
        compile_library(cc, lib_dir, "libopencu_audit.so", "audit.c", [f"-I{made}", "-ldl"])
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = []
            for row in tables["LIBRARIES"]:
                if files and row["file"] not in files:
                    continue
                name, own = row["file"], made / row["file"]
                status = f"-DREFUSED_STATUS={row['status']}"
                major = status if row["status"] else f"-DOPENCU_CUDA_MAJOR={row['major']}"
                flags = [major, f"-I{own}", f"-Wl,--version-script={own}/names.map"]
                flags += [*include, *link, "-lopencu_shim"]
                jobs.append(pool.submit(compile_library, cc, lib_dir, name, row["sources"], flags))
            for job in jobs:
                job.result()
        copy(made / "shims.json", lib_dir / "shims.json")
    # Names without a version mean the newest CUDA. Copies, because a wheel holds no links.
    newest = {
        r["file"].rpartition(".")[0]: r["file"]
        for r in tables["LIBRARIES"]
        if r["major"] and ".so." in r["file"]
    }
    for name, source in newest.items():
        copy(lib_dir / source, lib_dir / name)


if __name__ == "__main__":
    package = HERE.parent / "opencu"
    build(HERE.parent, package / "lib", package / "include", os.environ.get("CC", "cc"))
