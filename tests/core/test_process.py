"""The library in a process that forks, ends, or unloads it."""

import re
import subprocess
import sys

import pytest
from capi import HERE

CASES = {
    "forked": "in a forked child every function refuses and none hangs",
    "forked_while_locked": "a fork while other threads hold locks leaves no hang",
    "forked_before_use": "a child forked before the first use is a process like any other",
    "exit_with_work_pending": "a program may end with work pending",
    "use_in_destructor": "the library still works while the program ends",
    "unloaded": "closing the library with work pending does no harm",
}


@pytest.mark.parametrize("case", CASES, ids=[name.replace(" ", "-") for name in CASES.values()])
def test_process(run, case):
    run("process", case)


def test_opencu_debug_prints_a_line_per_launch(run):
    lines = run("workers", "cheap_programs", OPENCU_DEBUG="ir,launches").stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("opencu: launch ff7465737400")
    assert "programs=4096" in lines[0] and lines[0].endswith("inline")
    assert " us" in run("workers", "cheap_programs", OPENCU_DEBUG="times").stderr


def test_devices_threads_and_instruction_sets_follow_the_environment(package):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from capi import Core; c = Core(sys.argv[2]);"
        "i = c.info(); print(c.lib.ocu_device_count(), i.threads, i.target.decode())"
    )

    def ask(**variables):
        command = [sys.executable, "-c", code, str(HERE), str(package / "lib/libopencu.so")]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert ask(OPENCU_CPU_ISA="sse2")[2] == "x86-64-sse2"
    best = ask()[2]
    assert ask(OPENCU_CPU_ISA="avx512")[2] == best  # never raised
    assert ask(OPENCU_CPU_DEVICES="3", OPENCU_THREADS="5")[:2] == ["3", "5"]
    assert ask(OPENCU_CPU_DEVICES="", OPENCU_THREADS="", OPENCU_CPU_ISA="") == ask()


THREADS = r"a number of threads from 1 to 1024; using [1-9]\d*"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OPENCU_THREADS", "abc", THREADS),
        ("OPENCU_THREADS", "0", THREADS),
        ("OPENCU_THREADS", "2x", THREADS),
        ("OPENCU_THREADS", "9" * 30, THREADS),
        ("OPENCU_CPU_DEVICES", "-3", "a number of devices from 1 to 64; using 1"),
        ("OPENCU_CPU_DEVICES", "65", "a number of devices from 1 to 64; using 1"),
        (
            "OPENCU_CPU_ISA",
            "avx9",
            r"avx512bf16, avx512, avx2 or sse2; using (avx512(bf16)?|avx2|sse2)",
        ),
        ("OPENCU_DEBUG", "lunch", "a list of launches,times,ir,llvm,asm; using none of them"),
        ("OPENCU_DEBUG", "ir,lunch,asm", "a list of launches,times,ir,llvm,asm; using ir,asm"),
    ],
)
def test_a_setting_that_means_nothing_is_told_once(run, name, value, said):
    done = run("workers", "scratch", "float_modes", **{name: value})
    assert re.fullmatch(f"opencu: {name}={value} is not {said}\n", done.stderr)


@pytest.mark.parametrize("value", ["", "9"])  # more than there are cores is allowed
def test_a_number_of_threads_is_taken_in_silence(run, value):
    assert run("workers", "scratch", OPENCU_THREADS=value).stderr == ""
