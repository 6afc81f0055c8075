"""opencu bench AREA: measure, print the table, keep every sample as JSON; --report draws it."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from opencu.bench import blas, gemm, kernels, latency, report, stream, workers

AREAS = {"blas": blas, "gemm": gemm, "kernels": kernels, "latency": latency, "stream": stream}
PAGE = "OUT.html"


def main(argv: Sequence[str]) -> int:
    top = argparse.ArgumentParser(prog="opencu bench", description=__doc__)
    top.add_argument("--report", metavar=PAGE, type=writable, help="draw what this folder has")
    areas = top.add_subparsers(metavar="AREA", dest="area")
    for name, module in AREAS.items():
        area = areas.add_parser(name, help=(module.__doc__ or "").splitlines()[0])
        module.add_options(area)
        area.add_argument("--json", metavar="FILE", type=writable, default=kept(name))
        area.add_argument("--report", metavar=PAGE, type=writable, default=argparse.SUPPRESS)
    args = top.parse_args(argv)
    if args.area:
        bench = getattr(AREAS[args.area], "bench", workers.run)
        report.write(args.json, args.area, bench(args))
    if args.report:
        files = [args.json] if args.area else [f for f in map(kept, AREAS) if Path(f).exists()]
        if not files:
            raise ValueError(f"there is no {kept('*')} here: run opencu bench AREA first")
        report.draw(files, args.report)
    elif not args.area:
        top.error("expected an AREA, or --report OUT.html")
    return 0


def writable(path: str) -> str:
    """Asked before hours of measuring, not after."""
    file = Path(path)
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{path} cannot be written")
    return path


def kept(area: str) -> str:
    return f"opencu-bench-{area}.json"
