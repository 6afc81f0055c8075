"""Measuring processes, one for each thread count, as the peers read theirs when they are loaded.

    python -m opencu.bench.workers AREA OPTIONS

prints what rows() of the module AREA yields, one JSON object a line. OPTIONS are the command's, as
JSON, with one number of threads.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module

from opencu.bench import measure

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


def run(area: str, args: argparse.Namespace, line: Callable[[dict], str]) -> list[dict]:
    """The rows of every thread count; each is printed as it comes."""
    found = []
    for threads in args.threads:
        options = json.dumps(vars(args) | {"threads": threads})
        command = [sys.executable, "-m", "opencu.bench.workers", area, options]
        environment = measure.environment(threads)
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True
        ) as worker:
            for text in worker.stdout or ():
                found.append(json.loads(text))
                print(line(found[-1]), flush=True)
        if worker.returncode:
            raise SystemExit(f"opencu bench {args.area}: the run with {threads} threads failed")
    return found


def main(area: str, options: str) -> None:
    rows = import_module(f"opencu.bench.{area}").rows
    for row in rows(argparse.Namespace(**json.loads(options))):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
