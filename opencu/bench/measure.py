"""Interleaved timing: ours, theirs, theirs, ours, ... on the same inputs; the median of the pairs.

Absolute speeds move with the machine from minute to minute; the ratio within a pair does not.
"""

import os
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

SECONDS = 0.3  # a side lasts at least this long
PAIRS = 5
PAUSE = 0.1  # before each side: other libraries' threads spin on for a while after a call

THREAD_VARIABLES = ("OPENCU_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
# A forced kernel choice would slow the peer down; it must pick its own.
CHOICE_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_DEBUG_CPU_TYPE")

Run = Callable[[int], object]  # does so many calls and returns when they are done
Samples = list[tuple[float, float]]  # seconds per call of both sides, pair by pair


def repeat(call: Callable[[], object], wait: Callable[[], object] = lambda: None) -> Run:
    """A Run of a call, and of what waits until the calls are done."""

    def run(calls: int) -> None:
        for _ in range(calls):
            call()
        wait()

    return run


def timed(run: Run, calls: int) -> float:
    start = time.perf_counter()
    run(calls)
    return time.perf_counter() - start


def calls_for(run: Run, seconds: float = SECONDS) -> int:
    """How many calls last this long; the first one, which may plan or allocate, does not count."""
    run(1)
    calls, took = 1, timed(run, 1)
    while took < seconds / 8:
        calls *= 4
        took = timed(run, calls)
    return max(1, round(calls * seconds / took + 0.5))


def interleave(ours: Run, theirs: Run, pairs: int = PAIRS, seconds: float = SECONDS) -> Samples:
    """Time both sides pair by pair, alternating which goes first."""
    sides = [(ours, calls_for(ours, seconds)), (theirs, calls_for(theirs, seconds))]
    samples = []
    for pair in range(pairs):
        took = {}
        for run, calls in sides if pair % 2 == 0 else sides[::-1]:
            time.sleep(PAUSE)
            took[run] = timed(run, calls) / calls
        samples.append((took[ours], took[theirs]))
    return samples


def ratio(samples: Samples) -> float:
    """Our speed over theirs: the median of the pairs."""
    return statistics.median(theirs / ours for ours, theirs in samples)


class Case(NamedTuple):
    """A line of a table: what is measured, our side and the others', all of them checked."""

    label: dict[str, Any]
    ours: Run
    others: dict[str, Run]
    work: tuple[str, float] = ("gflops", 0)  # operations or bytes of a call, and their column
    limits: dict[str, tuple[Run, float]] = {}  # what is not to be beaten, by how much faster it is

    def row(self, pairs: int, seconds: float) -> dict[str, Any]:
        """The label, every sample, the ratios, our best time in ms, our median speed."""
        limits = {name: run for name, (run, _) in self.limits.items()}
        sides = (self.others | limits).items()
        samples = {name: interleave(self.ours, run, pairs, seconds) for name, run in sides}
        ratios = {name: ratio(both) for name, both in samples.items()}
        ours, (column, work) = [took for both in samples.values() for took, _ in both], self.work
        row = self.label | {"samples": samples, "ratio": ratios, "ms": min(ours) * 1e3}
        row |= {f"of_{name}": ratios.pop(name) * share for name, (_, share) in self.limits.items()}
        return row | ({column: work / statistics.median(ours) / 1e9} if work else {})


def environment(threads: int | None = None) -> dict[str, str]:
    """The environment of a measuring process, in which every library has so many threads."""
    environment = {k: v for k, v in os.environ.items() if k not in CHOICE_VARIABLES}
    return environment | (dict.fromkeys(THREAD_VARIABLES, str(threads)) if threads else {})
