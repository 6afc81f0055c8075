"""Lines per area against the budget, drivers first. With --check, fail where one is exceeded."""

import re
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOTAL, DRIVER = 20_000, 300
CODE = {".py", ".c", ".h"}
CALL = re.DOTALL | re.MULTILINE
BUILT = {ROOT / "opencu/lib", ROOT / "opencu/include"}
AREAS = (  # the first that fits a path names its area
    ("opencu/drivers", "driver contract"),
    ("opencu/runtime/core", "C core"),
    ("opencu/runtime", "runtime"),
    ("opencu/compiler", "compiler"),
    ("opencu/tile", "kernel language"),
    ("opencu/blas", "blas"),
    ("opencu/bench", "benchmarks"),
    ("opencu", "command line, package"),
    ("shims/tables", "API tables (data)"),
    ("shims", "shims"),
    ("tests", "tests"),
    ("", "examples, bench, build"),
)
APART = ("API tables (data)", "tests", "examples, bench, build")


def sources() -> list[Path]:
    folders = ("opencu", "shims", "tests", "examples", "bench", "scripts")
    files = [ROOT / "setup.py"] + [f for folder in folders for f in (ROOT / folder).rglob("*")]
    return [
        path
        for path in files
        if path.is_file()
        and not BUILT.intersection(path.parents)
        and (path.suffix in CODE or path.is_relative_to(ROOT / "shims/tables"))
    ]


def area(path: Path) -> str:
    return next(name for folder, name in AREAS if path.is_relative_to(ROOT / folder))


def calls(path: Path) -> int:
    """Lines of an API table that say what a function does: from "=>" to the semicolon."""
    if not path.is_relative_to(ROOT / "shims/tables") or path.suffix != ".h":
        return 0
    return sum(
        m.count("\n") + 1 for m in re.findall(r"=>.*?;\s*?(?://.*)?$", path.read_text(), CALL)
    )


def is_driver(path: Path) -> bool:
    contract = ("__init__.py", "core.py", "gpu.h", "interface.py", "status.py")
    return path.parent == ROOT / "opencu/drivers" and path.name not in contract


def main() -> int:
    lines = {path: len(path.read_bytes().splitlines()) for path in sources()}
    over = []
    for path in filter(is_driver, lines):
        print(f"{lines[path]:7,} of {DRIVER}  driver {path.stem}")
        if lines[path] > DRIVER:
            over.append(f"driver {path.stem}")
    areas: Counter[str] = Counter()
    for path, count in lines.items():
        areas["drivers" if is_driver(path) else area(path)] += count - calls(path)
        areas["shims: calls in the API tables"] += calls(path)
    counted = {name: count for name, count in areas.items() if name not in APART}
    for name, count in sorted(counted.items(), key=lambda item: -item[1]):
        print(f"{count:7,}         {name}")
    total = sum(counted.values())
    print(f"{total:7,} of {TOTAL:,}  in all")
    for name in APART:
        print(f"{areas[name]:7,}  apart: {name}")
    if total > TOTAL:
        over.append("the whole")
    if over and "--check" in sys.argv:
        print(f"over budget: {', '.join(over)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
