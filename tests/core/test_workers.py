"""The team of compute threads: each a case of workers.c."""

import pytest

CASES = {
    "dynamic": "a thread that stands still leaves its programs to the others",
    "every_program_once": "every program runs once however many threads launch",
    "cheap_programs": "programs that are taken several at a time all run",
    "scratch": "scratch is aligned and each thread's own",
    "float_modes": "kernels run with default rounding whatever the host has set",
    "signals_are_the_hosts": "the host's signals never reach a thread of the library",
}


@pytest.mark.parametrize("case", CASES, ids=[name.replace(" ", "-") for name in CASES.values()])
def test_workers(run, case):
    run("workers", case)


def test_threads_start_when_they_are_needed(run):
    run("workers", "threads_start_when_needed", OPENCU_THREADS="3")


def test_one_thread_does_everything(run):
    run("workers", "every_program_once", "scratch", OPENCU_THREADS="1")
