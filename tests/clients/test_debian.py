"""Debian's programs over libopencu_blas.so, unmodified: the reference's testers, NumPy, Octave."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from opencu import shims
from opencu.drivers import drivers

pytestmark = pytest.mark.clients
ROOT = Path(__file__).parents[2] / ".venv-clients/debian"  # `make test-clients` unpacks it
USR = ROOT / "usr"
LIBRARIES = USR / "lib/x86_64-linux-gnu"


@pytest.fixture
def run(tmp_path):
    """run(*command, input=file): what it prints, with our BLAS preloaded; it must end with 0."""
    if not (ROOT / "ready").exists():
        pytest.skip("Debian's packages could not be had: make test-clients asks apt-get for them")
    folders = [LIBRARIES / n for n in ("", "blas", "lapack", "octave/7.3.0")]
    folders += [USR / "lib", ROOT / "lib/x86_64-linux-gnu"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LD_", "PYTHON"))}
    environment |= {
        "LD_LIBRARY_PATH": ":".join(map(str, folders)),
        "LD_PRELOAD": str(shims.lib_dir() / "libopencu_blas.so"),
        "OPENCU_CACHE_DIR": str(tmp_path / "store"),
        "OPENCU_THREADS": "1",
        "OCTAVE_HOME": str(USR),
        "PYTHONPATH": str(USR / "lib/python3/dist-packages"),
    }

    def run_command(*command, input=os.devnull, **more):
        with open(input) as file:
            done = subprocess.run(
                command,
                cwd=tmp_path,
                env=environment | more,
                stdin=file,
                capture_output=True,
                text=True,
                timeout=600,
            )
        assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
        return done

    return run_command


# Lines that tell of a pass: of a routine's error exits, of its values, twice in CBLAS's two orders.
PASSES = {
    "blat1": (13, 13, 10, 10),
    "blat2": (33, 33, 35, 35),
    "blat3": (13, 13, 19, 19),
    "cblat1": (10, 10, 10, 10),
    "cblat2": (49, 49, 52, 52),
    "cblat3": (19, 19, 28, 28),
}


@pytest.mark.parametrize("letter", "sdcz")
@pytest.mark.parametrize(
    "tester, driver_name",
    [*((t, "cpu") for t in PASSES), ("blat3", "opencl"), ("cblat3", "opencl")],
)
def test_the_reference_tester_passes(run, tmp_path, tester, driver_name, letter):
    if not drivers()[driver_name].devices():
        pytest.skip(f"no {driver_name} device")
    kind, level = tester[:-1], tester[-1]
    name = f"x{letter}{tester}" if kind == "cblat" else f"x{tester}{letter}"
    data = f"{letter}in{level}" if kind == "cblat" else f"{letter}{tester}.in"
    data = os.devnull if level == "1" else LIBRARIES / "blas" / data
    where = {"OPENCU_DEVICE": driver_name, "OPENCU_BLAS_OFFLOAD": "1"}
    told = run(LIBRARIES / "blas" / name, input=data, **where).stdout
    told += "".join(file.read_text() for file in tmp_path.glob("*.out"))
    assert not re.search(r"fail|suspect|\*\*\*", told, re.I), told
    assert told.count("PASS") == PASSES[tester]["sdcz".index(letter)]


def test_numpys_linear_algebra_passes_its_own_tests(run):
    modules = "numpy.linalg numpy.core.tests.test_multiarray numpy.core.tests.test_einsum".split()
    python = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs"]
    done = run(*python, *modules)
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 1500


# Not those that test a message which Octave makes from its manual.
OCTAVE = """
folder = fullfile(OCTAVE_HOME(), "share/octave", version());
names = {"det", "lu", "qr", "svd", "eig", "schur", "hess", "pinv", "sqrtm", "sylvester", "kron"};
names = [names, {"dot", "rcond", "givens", "qz", "ordschur"}];
files = strcat(folder, "/etc/tests/libinterp/corefcn/", names, ".cc-tst");
more = dir([folder "/m/linear-algebra/*.m"]);
files = [files, strcat([folder "/m/linear-algebra/"], {more.name})];
passed = 0;
for file = files
  [n, all, known] = test(file{1}, "quiet", "octave.log");
  if n + known < all
    printf("%s: %d of %d\\n", file{1}, n, all);
  end
  passed += n;
end
printf("passed %d\\n", passed);
"""


def test_octaves_linear_algebra_passes_its_own_tests(run, tmp_path):
    (tmp_path / "client.m").write_text(OCTAVE)
    done = run(USR / "bin/octave-cli", "--norc", "client.m")
    (passed,) = re.findall(r"passed (\d+)", done.stdout)
    assert " of " not in done.stdout and int(passed) > 500, done.stdout


def test_octaves_products_are_ours(run):
    product = ("--norc", "--eval", "a = rand(300); disp(size(a * a))")
    assert "opencu: launch" in run(USR / "bin/octave-cli", *product, OPENCU_DEBUG="launches").stderr
