"""Several threads use everything at once; plainly, and under the compiler's sanitizers."""

import subprocess

import pytest
from capi import CORE, HERE, WARN, cc


@pytest.mark.parametrize("threads", ["1", "2", "3"])
def test_four_threads_use_everything_at_once(run, threads):
    run("stress", 1000, OPENCU_THREADS=threads)


@pytest.mark.slow
@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_the_core_is_clean_under_a_sanitizer(sanitizer, tmp_path, environment):
    sources = [HERE / "stress.c", *CORE.glob("*.c")]
    flags = ["-O1", "-g", f"-fsanitize={sanitizer}", "-fno-omit-frame-pointer"]
    cc(*WARN, *flags, "-I", CORE, *sources, "-o", tmp_path / "stress")
    done = subprocess.run(
        [tmp_path / "stress", "150"],
        env=environment | {"OPENCU_THREADS": "3", "ASAN_OPTIONS": "detect_leaks=0"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
