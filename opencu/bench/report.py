"""What a benchmark run leaves behind: a JSON file with every sample, and a page that draws it."""

import datetime
import html
import importlib.metadata
import json
import platform
import statistics
from pathlib import Path

PACKAGES = ("opencu", "numpy", "torch", "llvmlite")
LABEL = ("kernel", "routine", "mib", "batch", "m", "n", "k", "dtype")  # what a row measured
LIMITS = {"FMA peak": "of_peak", "bare read": "of_read"}  # they are shares, not to be beaten
HEAD = """<!doctype html><meta charset="utf-8"><title>opencu bench</title>
<style>body{font:14px system-ui;margin:2em} td{padding:2px 10px;text-align:right}
.bar{background:#4a7;height:12px} .low{background:#c64} td.bars{width:320px;text-align:left}
</style>"""


def write(path: str, area: str, rows: list[dict]) -> None:
    """Keep a run: the machine, the driver, the versions, the date, every sample."""
    from opencu.runtime.device import device

    info = device("cpu").info
    content = {
        "area": area,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": {"processor": info.name, "cores": info.cores, "system": platform.platform()},
        "driver": {"name": "cpu", "target": info.target},
        "versions": {"python": platform.python_version()} | versions(),
        "rows": rows,
    }
    Path(path).write_text(json.dumps(content, indent=1) + "\n")


def versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def draw(files: list[str], out: str) -> None:
    """Draw runs' JSON files: a line a ratio, where 1 is the peer's speed, or a line a figure."""
    page = HEAD
    for file in files:
        content = json.loads(Path(file).read_text())
        about = [content["machine"]["processor"], content["date"]]
        about += [f"{name} {version}" for name, version in content["versions"].items()]
        page += f"<h1>opencu bench {content['area']}</h1><p>{html.escape(', '.join(about))}</p>"
        page += "<table>" + "".join(line for row in content["rows"] for line in lines(row))
        page += "</table>"
    Path(out).write_text(page)


def lines(row: dict) -> list[str]:
    if "ratio" not in row:
        value = f"{statistics.median(row['samples']):.3f} {row['unit']}"
        return [cells(row["what"], value, row["must"])]
    label = " ".join(str(row[key]) for key in LABEL if key in row) + f" x{row['threads']}"
    found = []
    for name, ratio in shares(row).items():
        low = " low" if name not in LIMITS and ratio < 1 else ""
        bar = f'<div class="bar{low}" style="width:{min(ratio, 2) * 150:.0f}px"></div>'
        found.append(cells(label, name, f"{ratio:.3f}") + f'<td class="bars">{bar}')
    return found


def shares(row: dict) -> dict[str, float]:
    """Our speed over that of the others, and of the limits."""
    return row["ratio"] | {name: row[key] for name, key in LIMITS.items() if key in row}


def cells(*texts: str) -> str:
    return "<tr>" + "".join(f"<td>{html.escape(text)}" for text in texts)
