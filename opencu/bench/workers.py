"""Measuring processes, one for each thread count, as the peers read theirs when they are loaded.

    python -m opencu.bench.workers AREA OPTIONS

measures what cases() of the module AREA yields and prints rows, one JSON object a line. OPTIONS are
the command's, as JSON, with one number of threads. The module has the table's COLUMNS, too.
"""

import argparse
import json
import statistics
import subprocess
import sys
from importlib import import_module

from opencu.bench import measure, report

THREADS = (1, 2)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What every area that measures in these processes takes."""
    parser.add_argument("--threads", nargs="+", type=count, default=THREADS)
    parser.add_argument("--pairs", type=count, default=measure.PAIRS)
    parser.add_argument("--seconds", type=seconds, default=measure.SECONDS, help="a side at least")


def count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no count: expected a whole number from 1")
    return int(text)


def seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0
    if not 0 < found <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is no time: expected seconds, more than 0")
    return found


def run(args: argparse.Namespace) -> list[dict]:
    """The rows of every thread count; each is printed as it comes, and then what sums them up."""
    module = import_module(f"opencu.bench.{args.area}")
    columns, found = module.COLUMNS, []
    print(*(f"{name:{form.split('.')[0]}}" for name, form in columns.items()), "times as fast as")
    for threads in args.threads:
        options = json.dumps(vars(args) | {"threads": threads})
        command = [sys.executable, "-m", "opencu.bench.workers", args.area, options]
        env, pipe = measure.environment(threads), subprocess.PIPE
        with subprocess.Popen(command, env=env, stdout=pipe, text=True) as worker:
            for text in worker.stdout or ():
                found.append(row := json.loads(text))
                ratios = ", ".join(f"{name} {x:.3f}" for name, x in report.shares(row).items())
                cells = [f"{row[name]:{form}}" for name, form in columns.items()]
                print(*cells, ratios, flush=True)
        if worker.returncode:
            raise SystemExit(f"opencu bench {args.area}: the run with {threads} threads failed")
    for what, ratios in module.summary(found) if hasattr(module, "summary") else ():
        mean = statistics.geometric_mean(ratios)
        print(f"{what}: geometric mean {mean:.3f}, worst {min(ratios):.3f}")
    return found


def main(area: str, options: str) -> None:
    args = argparse.Namespace(**json.loads(options))
    for case in import_module(f"opencu.bench.{area}").cases(args):
        row = {"threads": args.threads} | case.row(args.pairs, args.seconds)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
