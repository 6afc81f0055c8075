"""Fuzz the shims: python tests/shims/fuzz.py --seconds 600

Makes a call of every function in shims/tables with arguments of its parameters' kinds, builds the
shims and programs/entry_points.c under the address and undefined-behaviour sanitizers, runs that.
"""

import argparse
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pycparser import c_ast, c_generator

ROOT = Path(__file__).parents[2]
LIBRARIES = ("cudart", "cuda_driver", "cublas", "cublasLt")
FILES = "libcublas.so.13 libcublasLt.so.13 libcudart.so.13 libcuda.so.1".split()
SANITIZE = "-g -fsanitize=undefined,address -fno-sanitize-recover=all"
# The core from its own place: it finds its plans from there.
ASAN = "detect_leaks=0:verify_asan_link_order=0:allocator_may_return_null=1"


def argument(parameter, typedefs):
    """A C expression for one parameter, by its kind."""
    node, write = parameter.type, c_generator.CGenerator().visit
    if isinstance(node, (c_ast.PtrDecl, c_ast.ArrayDecl)):
        return "pointer()"
    name = " ".join(getattr(node.type, "names", []))
    target = typedefs.get(name)
    if isinstance(target, c_ast.PtrDecl):
        function = isinstance(target.type, c_ast.FuncDecl)
        return f"({name})(below(4) ? (void *)host_function : NULL)" if function else "handle()"
    inner = target.type if target is not None else node.type
    if isinstance(inner, (c_ast.Struct, c_ast.Union)):
        return f"({{ {write(node.type)} v; fill_words(&v, sizeof v); v; }})"
    if name == "CUdeviceptr":
        return "(CUdeviceptr)(uintptr_t)pointer()"
    if name in ("float", "double"):
        return "real()"
    # So many products would be computed, rightly.
    return "small()" if "batch" in (parameter.name or "").lower() else "number()"


def calls(tables):
    """fuzz_calls.inc: every function of every table."""
    functions, entries = "", ""
    for library in LIBRARIES:
        declarations = tables["declarations"](library, 13)
        typedefs = {n.name: n.type for n in declarations if isinstance(n, c_ast.Typedef)}
        for name, node in tables["prototypes"](library, 13).items():
            parameters = node.type.args.params if node.type.args else []
            given = [argument(p, typedefs) for p in parameters if getattr(p, "name", None)]
            call = f"{name}({', '.join(given)})"
            result = c_generator.CGenerator().visit(node.type.type)
            status = any(word in result for word in ("cudaError_t", "CUresult", "cublasStatus_t"))
            body = f"return (int){call};" if status else f"{call}; return 0;"
            functions += f"#undef {name}\nstatic int fuzz_{name}(void) {{ {body} }}\n"
            entries += f'{{"{name}", fuzz_{name}}},\n'
    table = (
        f"static const struct {{ const char *name; int (*call)(void); }} calls[] = {{\n{entries}}};"
    )
    return f"{functions}{table}\n"


def sanitized(lib, folder):
    """The shims built under the sanitizers, with the core and its plans from lib."""
    shutil.copytree(lib, folder / "lib")
    build = runpy.run_path(str(ROOT / "shims/build.py"))["build"]
    build(ROOT, folder / "lib", folder / "include", f"cc -O1 {SANITIZE}", FILES)
    return folder / "lib"


def build_program(lib, include, folder):
    """The fuzzer, linked to the libraries in lib."""
    tables = runpy.run_path(str(ROOT / "shims/generate.py"))
    (folder / "fuzz_calls.inc").write_text(calls(tables))
    source, program = ROOT / "tests/shims/programs/entry_points.c", folder / "fuzz"
    libraries = f"-L{lib} -Wl,-rpath,{lib} {' '.join(f'-l:{file}' for file in FILES)} -lm"
    command = f"cc -O1 -w {SANITIZE} -I{include} -I{folder} {source} -o {program} {libraries}"
    subprocess.run(command.split(), check=True)
    return program


def run(program, lib, seed, seconds, calls=2000):
    """The finished process; its last line is "ok" when all went well."""
    environment = dict(os.environ, LD_PRELOAD=str(lib / "libopencu.so"), ASAN_OPTIONS=ASAN)
    words = [program, str(seed), str(seconds), str(calls)]
    folder = program.parent / "written"  # log files by names that are as wild as the rest
    folder.mkdir(exist_ok=True)
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--calls", type=int, default=2000, help="in a round")
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    options = parser.parse_args()
    lib = ROOT / "opencu/lib"
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        program = build_program(sanitized(lib, folder), folder / "include", folder)
        done = run(program, lib, options.seed, options.seconds, options.calls)
    print(done.stdout, end="")
    if done.returncode:
        sys.exit(done.stderr[-8000:])
