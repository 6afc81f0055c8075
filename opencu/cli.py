"""The command line: opencu info | run | bench | shims | cache."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from opencu import __version__

PACK = Path(__file__).resolve().parent / "lib/plans.pack"
GIB = 1 << 30


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; a failure is one sentence on stderr and exit code 1 (2: bad usage)."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words[:1] == ["bench"]:  # it has a parser of its own, which needs numpy
            from opencu.bench.command import main as bench

            return bench(words[1:])
        args = parser().parse_args(words)
        return args.command(args) or 0
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output left: there is nobody to tell
        return 1
    except (ImportError, MemoryError, OSError, RuntimeError, ValueError) as error:
        if not str(error).startswith("OPENCU_DEVICE is "):  # of this the core has told already
            print(f"opencu: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="opencu", description="The vendors' math libraries, open.")
    top.add_argument("--version", action="version", version=f"opencu {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    run_ = commands.add_parser("run", help="run a program with opencu in the vendors' place")
    run_.add_argument("--device", metavar="D", help='the device to use: "cpu:1", "opencl"')
    run_.add_argument("program", nargs=argparse.REMAINDER, metavar="-- PROGRAM ARGS")
    run_.set_defaults(command=run)

    info_ = commands.add_parser("info", help="the devices, each after a small kernel on it")
    info_.add_argument("--json", action="store_true")
    info_.set_defaults(command=info)

    commands.add_parser("bench", help="speed, against the best peers and the limits")

    shims_ = commands.add_parser("shims", help="where the vendor-shaped libraries are")
    what = shims_.add_mutually_exclusive_group(required=True)
    what.add_argument("--lib", action="store_true", help="print the folder of libraries")
    what.add_argument("--include", action="store_true", help="print the folder of headers")
    what.add_argument("--audit", action="store_true", help="print the LD_AUDIT library")
    what.add_argument("--coverage", action="store_true", help="what is implemented")
    shims_.add_argument("--json", action="store_true", help="with --coverage: as JSON")
    shims_.set_defaults(command=shims)

    cache_ = commands.add_parser("cache", help="the store of plans on disk")
    cache_.add_argument(
        "action",
        choices=("path", "size", "list", "clear", "build"),
        help="build: make the plan pack that comes with the package anew",
    )
    cache_.add_argument(
        "--target", action="append", default=[], metavar="T", help='build: for "sm_90a", too'
    )
    cache_.add_argument("--out", type=Path, default=PACK, help="build: the file to write")
    cache_.set_defaults(command=cache)
    return top


def run(args: argparse.Namespace) -> int:
    """Become the program, with the vendors' libraries replaced by ours."""
    from opencu.shims import run_environment

    program = args.program[1:] if args.program[:1] == ["--"] else args.program
    if not program:
        raise ValueError("no program to run: expected opencu run [--device D] -- PROGRAM ARGS")
    if args.device is not None:
        from opencu.runtime.device import device

        args.device = device(args.device).name
    try:
        os.execvpe(program[0], program, run_environment(args.device))
    except FileNotFoundError:
        print(f"opencu: there is no program '{program[0]}'", file=sys.stderr)
        return 127
    except OSError as error:
        print(f"opencu: '{program[0]}' cannot be run: {error.strerror}", file=sys.stderr)
        return 126


def info(args: argparse.Namespace) -> int:
    """Print every device with PASS, or FAIL and why, and why others are absent; exit code 1 if one
    failed."""
    from opencu.bench.peak import examine
    from opencu.drivers import drivers
    from opencu.runtime.device import devices

    found = [examine(each) for each in devices()]
    absent = {name: why for name, each in drivers().items() if (why := each.absent())}
    if args.json:
        print(json.dumps({"version": __version__, "devices": found, "absent": absent}, indent=1))
    else:
        for each in found:
            print(described(each))
        for name, why in absent.items():
            print(f"{name}  absent  {why}")
    return int(any(each["status"] != "PASS" for each in found))


def described(each: dict) -> str:
    if each["status"] != "PASS":
        return f"{each['name']}  FAIL  {each['reason']}"
    lines = [f"{each['name']}  PASS  {each['processor']}, {each['target']}"]
    for dtype, speed in each["gflops"].items():
        lines.append(
            f"  {dtype}  {speed['one thread']:.0f} GFLOP/s on one thread,"
            f" {speed['all threads']:.0f} on {each['threads']}"
        )
    memory = each["memory"]
    lines.append(
        f"  memory   {memory['free'] / GIB:.1f} of {memory['total'] / GIB:.1f} GiB free, copies"
        f" read and write {each['copy bandwidth'] / 1e9:.1f} GB/s"
    )
    return "\n".join(lines)


def shims(args: argparse.Namespace) -> None:
    """Print where the libraries and headers are, or what they implement."""
    from opencu import shims as made

    if not args.coverage:
        folder = made.lib_dir if args.lib else made.include_dir if args.include else made.audit_path
        print(folder())
    elif args.json:
        print(json.dumps(made.coverage(), indent=1))
    else:
        report = made.coverage()
        print(
            f"{'library':16} {'exported':>8} {'implemented':>11} {'refused':>7}"
            f" {'imported of these':>17}"
        )
        for name, counts in report["libraries"].items():
            print(
                f"{name:16} {counts['exported']:8} {counts['implemented']:11}"
                f" {counts['refused']:7} {len(counts['imported_missing']):17}"
            )
        print(f"\n{'program':32} {'imports':>7} {'implemented':>11} {'share':>5}")
        for name, counts in report["programs"].items():
            share = 100 * counts["implemented"] // counts["imported"]
            print(f"{name:32} {counts['imported']:7} {counts['implemented']:11} {share:4} %")


def cache(args: argparse.Namespace) -> None:
    """Look at the store of plans, empty it, or make the package's plan pack anew."""
    from opencu.runtime import store

    if args.action == "build":
        from opencu.drivers import cpu, target
        from opencu.runtime.plan import build_pack

        targets = [*cpu.TARGETS, *(target(name).name for name in args.target)]
        print(f"{build_pack(args.out, list(dict.fromkeys(targets)))} plans in {args.out}")
    elif args.target or args.out != PACK:
        raise ValueError(f"--target and --out are for build, not for {args.action}")
    elif args.action == "path":
        print(store.path())
    elif args.action == "size":
        print(f"{sum(entry.bytes for entry in store.entries()) / 1024:.0f} KiB")
    elif args.action == "clear":
        print(f"{store.clear()} plans removed")
    else:
        for entry in store.entries():
            note = "" if entry.current else "  of another build"
            print(f"{entry.target:16} {entry.spec} {entry.bytes:9,} bytes{note}")
