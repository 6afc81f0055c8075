"""Builds what is not Python: libopencu.so, the vendors' library shims, opencu._core, the plan pack.

Everything lands in the package's own lib/ and include/ folders: in the source tree for an editable
install, in the wheel otherwise. A second build only remakes what is older than its sources.
"""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
CORE, DRIVERS = ROOT / "opencu/runtime/core", ROOT / "opencu/drivers"
CORE_FLAGS = (
    "-O2 -std=gnu11 -fPIC -shared -fvisibility=hidden -pthread -Wall -Wextra -Wno-unused-parameter"
    " -Wno-missing-field-initializers -Wl,-soname,libopencu.so"
    " -falign-functions=64"  # else their places decide over 30 ns of a small product
).split()
PLANNING = ("tile", "compiler", "blas", "drivers", "runtime")  # what a plan depends on
BUILD_PACK = (  # an editable install's is for this machine alone
    "import sys; sys.path.insert(0, sys.argv[1]); from opencu.runtime import plan;"
    "plan.build_pack(sys.argv[2], [plan.target_of(0)] if sys.argv[3:] else None)"
)


def compiler() -> str:
    """The C compiler's name, once it and Python's headers are known to be there."""
    cc = os.environ.get("CC", "cc")
    if shutil.which(cc) is None:
        sys.exit(
            f"opencu: no C compiler '{cc}': install one (on Debian and Ubuntu:"
            " apt install gcc libc6-dev), or name yours in the variable CC"
        )
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        sys.exit(
            "opencu: Python's C headers are missing: install them (on Debian and Ubuntu:"
            " apt install python3-dev)"
        )
    return cc


def stale(target: Path, sources: Iterable[Path]) -> bool:
    """Is the target missing, or older than one of its sources?"""
    return not target.exists() or any(
        source.stat().st_mtime > target.stat().st_mtime for source in sources
    )


def finish(command: list[str | Path]) -> None:
    """Run a command that has to succeed; it has said what is wrong if it does not."""
    if subprocess.run(command).returncode:
        sys.exit(f"opencu: the build stopped at: {' '.join(map(str, command))}")


def extract_drivers(folder: Path) -> list[Path]:
    """The C in the driver files, each in a file of its own, and a list of their tables."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for path in sorted(DRIVERS.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SOURCE":
                made.append(folder / f"{path.stem}.c")
                text = ast.literal_eval(node.value)
                made[-1].write_text(f'#line {node.lineno} "{path}"\n{text}')
    tables = [f"ocu_{path.stem}_driver" for path in made]
    made.append(folder / "tables.c")
    made[-1].write_text(
        '#include "core.h"\n'
        + "".join(f"extern const ocu_driver {name};\n" for name in tables)
        + "const ocu_driver *const ocu_own_drivers[] = {"
        + "".join(f"&{name}, " for name in tables)
        + "NULL};\n"
    )
    return made


def load(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class BuildNative(build_ext):
    """build_ext, with the C core before opencu._core (which links it) and the rest behind it."""

    def run(self) -> None:
        cc = compiler()
        package = ROOT / "opencu" if self.inplace else Path(self.build_lib, "opencu").resolve()
        self.lib, self.include = package / "lib", package / "include"
        for folder in (self.lib, self.include):
            folder.mkdir(parents=True, exist_ok=True)
        self.build_core(cc)
        self.library_dirs.append(str(self.lib))
        super().run()
        self.build_shims(cc)
        (self.lib / "python.txt").write_text(sys.executable + "\n")
        self.build_pack(package)

    def build_core(self, cc: str) -> None:
        target = self.lib / "libopencu.so"
        for header in ("opencu.h", "driver.h"):
            shutil.copy2(CORE / header, self.include)
        read = [*CORE.glob("*.[ch]"), *DRIVERS.glob("*.py"), DRIVERS / "gpu.h"]
        if stale(target, [*read, Path(__file__)]):
            partial = self.lib / ".libopencu.so.new"  # a process may have the old one mapped
            made = extract_drivers(Path(self.build_temp, "drivers"))
            sources = [*sorted(CORE.glob("*.c")), *made]
            finish([cc, *CORE_FLAGS, f"-I{CORE}", f"-I{DRIVERS}", "-o", partial, *sources, "-ldl"])
            partial.replace(target)

    def build_shims(self, cc: str) -> None:
        sources = [f for f in (ROOT / "shims").rglob("*") if f.is_file() and f.suffix != ".pyc"]
        if stale(self.lib / "shims.json", [*sources, CORE / "opencu.h"]):
            load(ROOT / "shims/build.py").build(ROOT, self.lib, self.include, cc)

    def build_pack(self, package: Path) -> None:
        """The plans behind the common calls, made by the package that was just built."""
        pack = self.lib / "plans.pack"
        if made := os.environ.get("OPENCU_PACK"):  # elsewhere, by `opencu cache build --out FILE`
            shutil.copyfile(made, pack)
            return
        sources = [f for folder in PLANNING for f in (package / folder).rglob("*.py")]
        if stale(pack, [*sources, self.lib / "libopencu.so"]):
            here = ["here"] if self.inplace else []
            finish([sys.executable, "-c", BUILD_PACK, package.parent, pack, *here])


setup(
    cmdclass={"build_ext": BuildNative},
    cffi_modules=["opencu/runtime/core_build.py:ffi"],
)
