"""The store and the planner when everything goes wrong around them: killed, stopped and foreign
planners, bad entries, full and read-only disks, several opencu at once, sources that change."""

import fcntl
import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from capi import Core, spec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planning import Planner

OTHER_USER = 12345
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a mount or another user")


@pytest.fixture
def store(tmp_path) -> Path:
    return tmp_path / "store"


def entries(store: Path) -> list[Path]:
    return sorted(store.glob("*/*.plan"))


@pytest.fixture
def start(run):
    """start("ask"): a program that is running; its standard output is a pipe."""

    def start_program(case: str, **variables) -> subprocess.Popen:
        command, environment = [run.program("plans"), case], run.environment | variables
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    return start_program


def wait_for(condition) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within 10 seconds")


def folder_of_this_build(store: Path, core: Core) -> Path:
    build = bytes(core.lib.ocu_build_id().contents).hex()
    folder = store / build
    for each in (store, folder):
        each.mkdir(mode=0o700, exist_ok=True)
    return folder


# ---- planners ------------------------------------------------------------------------------------


def test_a_planner_killed_in_the_middle_of_a_request_is_replaced(planner, ask):
    planner.behave(make="len(pathlib.Path(folder, 'log').read_text().split('start')) > 2 or"
                   " os.kill(os.getpid(), signal.SIGKILL)")  # fmt: skip
    (said,) = ask()
    assert (said["status"], said["ran"]) == ("OCU_OK", "1")
    assert len(planner.pids()) == 2


def test_all_callers_of_a_killed_planner_are_answered_by_one_other(planner, start):
    planner.behave(make="time.sleep(0.5)")
    callers = [start("ask") for _ in range(16)]
    wait_for(lambda: planner.log("make"))
    os.kill(planner.pids()[0], signal.SIGKILL)
    answers = [caller.communicate(timeout=30)[0] for caller in callers]
    assert [answer.split()[0] for answer in answers] == ["OCU_OK"] * 16
    assert len(planner.pids()) == 2


def test_a_stopped_planner_is_given_up_in_time_and_serves_again_when_it_goes_on(
    planner, ask, store
):
    assert ask()[0]["status"] == "OCU_OK"
    (pid,) = planner.pids()
    entries(store)[0].unlink()
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    (said,) = ask(OPENCU_PLANNER_TIMEOUT="1")
    assert time.monotonic() - began < 4
    assert "gave no answer in 1 seconds (OPENCU_PLANNER_TIMEOUT)" in said["error"]
    os.kill(pid, signal.SIGCONT)
    assert ask()[0]["status"] == "OCU_OK"
    assert planner.pids() == [pid]


def test_a_lock_that_is_held_for_too_long_is_said_in_one_sentence(planner, ask, store, core):
    with open(folder_of_this_build(store, core) / "planner.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (said,) = ask(OPENCU_PLANNER_TIMEOUT="1")
        assert said["error"].endswith("another process holds the planner's lock for too long")
    assert ask()[0]["status"] == "OCU_OK"


def test_a_lock_and_a_socket_of_dead_processes_are_no_hindrance(planner, ask, store, core):
    folder = folder_of_this_build(store, core)
    (folder / "planner.lock").touch()
    left = socket.socket(socket.AF_UNIX)
    left.bind(f"/proc/self/fd/{os.open(folder, os.O_RDONLY)}/planner.sock")
    left.close()
    assert ask()[0]["status"] == "OCU_OK"


@pytest.mark.parametrize("name", ["planner.sock", "planner.lock"])
def test_a_folder_in_the_place_of_a_file_means_a_planner_of_ones_own(
    planner, ask, store, core, name
):
    (folder_of_this_build(store, core) / name).mkdir()
    (said,) = ask()
    assert (said["status"], said["calls"], said["ran"]) == ("OCU_OK", "1", "1")


LISTEN_AS = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind("planner.sock")
os.setuid(int(sys.argv[1]))
listener.listen()
print("ready", flush=True)
connection, _ = listener.accept()
print(len(connection.recv(100)), flush=True)
"""


@needs_root
def test_a_planner_of_another_user_is_told_nothing(planner, ask, store, core):
    folder = folder_of_this_build(store, core)
    command = [sys.executable, "-c", LISTEN_AS, str(OTHER_USER)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "ready\n"
        assert ask()[0]["status"] == "OCU_OK"
        assert other.stdout.readline() == "0\n"
    assert len(planner.pids()) == 1


def test_a_program_with_a_small_file_limit_runs_its_plan(planner, run):
    command = [run.program("plans"), "ask"]
    limits = (64, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    done = subprocess.run(
        command,
        env=run.environment,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits),
    )
    assert done.returncode == 0 and done.stdout.startswith("OCU_OK")
    assert "stored=0" in done.stdout and "ran=1" in done.stdout


# ---- entries -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fifo", "socket", "symlink", "sparse", "device"])
def test_what_is_no_plain_file_of_a_plans_size_is_no_entry(seen, store, tmp_path, kind):
    seen("store")
    (entry,) = entries(store)
    shutil.copy(entry, tmp_path / "real")
    entry.unlink()
    if kind == "fifo":
        os.mkfifo(entry)
    elif kind == "socket":
        os.mknod(entry, 0o600 | stat.S_IFSOCK)
    elif kind == "symlink":
        entry.symlink_to(tmp_path / "real")
    elif kind == "sparse":
        with open(entry, "wb") as file:
            file.truncate(1 << 40)
    elif os.geteuid():
        pytest.skip("needs root to make a device")
    else:
        os.mknod(entry, 0o600 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero
    assert seen("find")["status"] == "OCU_NO_PLAN"
    assert seen("store")["status"] == "OCU_OK"
    assert seen("find")["status"] == "OCU_OK"


@pytest.mark.parametrize("field", ["target", "class", "build"])
def test_an_entry_under_anothers_name_is_refused(seen, store, core, field):
    seen("store")
    (entry,) = entries(store)
    other = {"target": dict(target=b"z80"), "build": dict(build=bytes(16)), "class": {}}[field]
    name = "other" if field == "class" else "test"
    entry.write_bytes(core.plan(spec(name), 0, **other))
    assert seen("find")["status"] == "OCU_NO_PLAN"
    assert not entry.exists()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, 10_000), change=st.binary(min_size=1, max_size=40))
def test_no_change_of_an_entry_is_taken_for_a_plan(seen, store, at, change):
    seen("store")
    (entry,) = entries(store)
    plan = entry.read_bytes()
    at %= len(plan)
    changed = plan[:at] + change + plan[at + len(change) :]
    entry.write_bytes(changed)
    assert (seen("find")["status"] == "OCU_OK") == (changed == plan)


def test_writers_readers_and_eviction_at_once_leave_whole_entries(start, store, seen):
    store.mkdir(mode=0o700)
    old = store / ("0" * 32)
    old.mkdir(mode=0o700)
    for i in range(40):
        (old / f"{i}.plan").write_bytes(bytes(100_000))
    cases = ["store", "find"] * 20
    programs = [start(case, OPENCU_CACHE_MAX_MB="1") for case in cases]
    for program in programs[::7]:
        program.kill()
    for program in programs:
        program.communicate(timeout=30)
    assert {p.returncode for p in programs} <= {0, -signal.SIGKILL}
    assert seen("store")["status"] == "OCU_OK" and seen("find")["status"] == "OCU_OK"
    assert sum(f.stat().st_size for f in entries(store)) <= 1 << 20


# ---- disks ---------------------------------------------------------------------------------------


@contextmanager
def mounted(folder: Path, options: str):
    folder.mkdir(mode=0o700, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"mode=0700,{options}", "tmpfs", folder]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@needs_root
@pytest.mark.parametrize("full", ["size=4k", "nr_inodes=2", "nr_inodes=3"])
def test_with_a_full_disk_plans_live_in_memory(planner, ask, store, full):
    with mounted(store, full):
        (store / "filler").write_bytes(bytes(4096 if "size" in full else 0))
        (said,) = ask()
        assert (said["status"], said["stored"], said["ran"]) == ("OCU_OK", "0", "1")
        assert not list(store.glob("*/new-*")) and not entries(store)
        (store / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,size=1m,nr_inodes=100", store], check=True)
        assert ask()[0]["stored"] == "1"


def remount(store: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", store], check=True)


@needs_root
def test_a_read_only_store_is_read_and_not_needed(planner, ask, seen, store):
    with mounted(store, "size=1m"):
        remount(store, "ro")
        (said,) = ask()
        assert (said["status"], said["stored"], said["ran"]) == ("OCU_OK", "0", "1")
        remount(store, "rw")
        seen("store")
        remount(store, "ro")
        assert seen("find")["status"] == "OCU_OK"


@needs_root
def test_a_read_only_home_is_said_to_be_one(run, tmp_path):
    with mounted(tmp_path / "home", "size=1m") as home:
        remount(home, "ro")
        done = run("plans", "store", OPENCU_CACHE_DIR="", XDG_CACHE_HOME="", HOME=str(home))
        where = f"the folder {home}/.cache/opencu"
        assert f"{where} cannot be used: Read-only file system" in done.stderr


@needs_root
def test_a_damaged_entry_of_a_read_only_store_is_passed_over(planner, ask, seen, store):
    with mounted(store, "size=1m"):
        seen("store")
        entries(store)[0].write_bytes(b"damaged")
        remount(store, "ro")
        (said,) = ask()
        assert (said["status"], said["stored"], said["ran"]) == ("OCU_OK", "0", "1")


@needs_root
def test_a_cache_that_forbids_execution_holds_plans_that_run(seen, store):
    with mounted(store, "size=1m,noexec,nosuid,nodev"):
        assert seen("store")["stored"] == "1"
        assert seen("find")["ran"] == "1"


# ---- several opencu, and sources that change -----------------------------------------------------


@pytest.fixture
def versions(package, tmp_path) -> list[Path]:
    """Two packages with sources of their own."""
    shutil.copytree(package, tmp_path / "newer")
    for name, folder in (("6", package), ("8", tmp_path / "newer")):
        (folder / "tile").mkdir()
        (folder / "tile/size.py").write_text(f"tile = {name}")
    return [package, tmp_path / "newer"]


def test_two_versions_share_a_store_and_no_plan(seen, store, versions):
    old, new = (dict(LD_LIBRARY_PATH=str(folder / "lib")) for folder in versions)
    seen("store", **old)
    (olds,) = entries(store)
    assert seen("find", **new)["status"] == "OCU_NO_PLAN"
    assert olds.exists()
    seen("store", **new)
    (news,) = set(entries(store)) - {olds}
    assert seen("find", **old)["status"] == seen("find", **new)["status"] == "OCU_OK"
    news.write_bytes(b"damaged")
    assert seen("find", **new)["status"] == "OCU_NO_PLAN"
    assert olds.exists() and seen("find", **old)["status"] == "OCU_OK"


def test_each_version_is_planned_for_by_its_own_sources(planner, ask, versions, run, tmp_path):
    for folder in versions:
        lib = dict(LD_LIBRARY_PATH=str(folder / "lib"))
        command = [run.program("plans"), "write_plan"]
        done = subprocess.run(command, env=run.environment | lib, stdout=subprocess.PIPE)
        own = tmp_path / f"planner of {folder.name}"
        own.mkdir()
        (own / "plan").write_bytes(done.stdout)
        script = Planner(own).behave(start="log('argv ' + ' '.join(sys.argv[1:]))")
        assert ask(OPENCU_PYTHON=script, **lib)[0]["status"] == "OCU_OK"
        assert Planner(own).log("argv") == [f"-I {folder}/planner.py"]
        for pid in Planner(own).running():
            os.kill(pid, signal.SIGKILL)


CHANGES = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
from capi import Core, spec
core = Core(sys.argv[2])
source = pathlib.Path(sys.argv[2]).parents[1] / "tile" / "size.py"
build = lambda: bytes(core.lib.ocu_build_id().contents)
before = build()
source.write_text("tile = 7")
print(build() == before, core.call(spec("test"), [0], 0), core.error())
"""


def test_a_program_keeps_the_build_that_it_started_with(planner, run, package, versions, ask):
    command = [sys.executable, "-c", CHANGES, Path(__file__).parent, package / "lib/libopencu.so"]
    planner.behave(make='plan = folder / "plan"; plan.write_bytes('
                   'plan.read_bytes()[:8] + bytes(16) + plan.read_bytes()[24:])')  # fmt: skip
    done = subprocess.run(command, env=run.environment, capture_output=True, text=True)
    assert done.stdout.startswith("True NO_PLAN"), done.stderr
    assert "opencu's sources changed since this program started" in done.stdout


def test_new_processes_see_new_kernels(seen, package, versions):
    assert seen("store")["status"] == "OCU_OK"
    (package / "tile/size.py").write_text("tile = 7")
    assert seen("find")["status"] == "OCU_NO_PLAN"
    assert seen("store")["status"] == "OCU_OK"
