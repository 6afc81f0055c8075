"""Interleaved timing: ours, theirs, theirs, ours, ... on the same inputs; the median of the pairs.

Absolute speeds move with the machine from minute to minute; the ratio within a pair does not.
"""

import os
import statistics
import time
from collections.abc import Callable

SECONDS = 0.3  # a side lasts at least this long
PAIRS = 5
PAUSE = 0.1  # before each side: other libraries' threads spin on for a while after a call

THREAD_VARIABLES = (
    "OPENCU_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
)
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


def against(ours: Run, others: dict[str, Run], pairs: int, seconds: float) -> dict[str, Samples]:
    """The samples of ours with each of the others."""
    return {name: interleave(ours, run, pairs, seconds) for name, run in others.items()}


def ratio(samples: Samples) -> float:
    """Our speed over theirs: the median of the pairs."""
    return statistics.median(theirs / ours for ours, theirs in samples)


def gflops(flops: float, samples: Samples) -> float:
    """Our median speed, for calls of so many operations."""
    return statistics.median(flops / took / 1e9 for took, _ in samples)


def environment(threads: int | None = None) -> dict[str, str]:
    """The environment of a measuring process, in which every library has so many threads."""
    environment = {k: v for k, v in os.environ.items() if k not in CHOICE_VARIABLES}
    return environment | (dict.fromkeys(THREAD_VARIABLES, str(threads)) if threads else {})
