"""The store of plans on disk and the pack that comes with the package, as programs see them."""

import os
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from capi import CORE, HERE, WARN, Core, cc, spec
from planning import NO_STORE


def entries(store: Path) -> list[Path]:
    return sorted(store.glob("*/*.plan"))


def test_a_stored_plan_is_found_by_another_process(seen, store):
    assert seen("find")["status"] == "OCU_NO_PLAN"
    stored = seen("store")
    assert (stored["status"], stored["mapped"], stored["stored"]) == ("OCU_OK", "1", "1")
    assert stored["store"] == str(store)
    found = seen("find")
    assert (found["status"], found["mapped"], found["stored"]) == ("OCU_OK", "1", "0")
    assert found["ran"] == "1"


def test_the_store_is_private_and_named_by_build_target_and_class(seen, store, core):
    seen("store")
    build = bytes(core.lib.ocu_build_id().contents).hex()
    (entry,) = entries(store)
    name = f"{core.target.decode()}-{spec('test').hex()}.plan"
    assert entry == store / build / name
    modes = [path.stat().st_mode & 0o777 for path in (store, store / build, entry)]
    assert modes == [0o700, 0o700, 0o600]
    assert len(list((store / build).iterdir())) == 1  # nothing temporary is left


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "other build", "other class", "folder"])
def test_a_damaged_entry_is_dropped_and_made_anew(seen, store, damage, core):
    seen("store")
    (entry,) = entries(store)
    plan = bytearray(entry.read_bytes())
    if damage == "flip":
        plan[-1] ^= 1
    elif damage == "cut":
        plan = plan[:-1]
    elif damage == "empty":
        plan = b""
    elif damage == "other build":
        plan[8] ^= 1
        plan = core.seal(bytes(plan))
    elif damage == "other class":
        plan[80] ^= 1
        plan = core.seal(bytes(plan))
    entry.unlink()
    if damage == "folder":
        entry.mkdir()
        assert seen("find")["status"] == "OCU_NO_PLAN"
        entry.rmdir()
    else:
        entry.write_bytes(plan)
        assert seen("find")["status"] == "OCU_NO_PLAN"
        assert damage == "empty" or not entry.exists()
    assert seen("store")["status"] == "OCU_OK"
    assert seen("find")["status"] == "OCU_OK"


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o777])
def test_a_store_that_others_can_enter_is_not_used(seen, store, mode):
    store.mkdir()
    store.chmod(mode)
    said = seen("store")
    assert (said["status"], said["store"], said["stored"]) == ("OCU_OK", "", "0")
    assert not entries(store)


def test_a_store_behind_a_symlink_is_not_used(seen, store, tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    store.symlink_to(tmp_path / "elsewhere")
    assert seen("store")["store"] == ""
    assert not list((tmp_path / "elsewhere").iterdir())


def test_the_reason_why_there_is_no_store_is_said(package, store, monkeypatch):
    store.mkdir()
    store.chmod(0o755)
    monkeypatch.setenv("OPENCU_CACHE_DIR", str(store))
    core = Core(package / "lib/libopencu.so")
    assert core.lib.ocu_store_path() == b""
    assert f"{store} must belong to this user and have mode 0700" in core.error()


def test_a_store_that_cannot_be_used_is_told_once(run, store):
    store.mkdir()
    store.chmod(0o755)
    (said,) = run("plans", "store", "store").stderr.splitlines()
    assert said.startswith(f"opencu: plans are not kept on disk: the folder {store} must belong")
    assert run("plans", "store", **NO_STORE).stderr == ""  # none is wanted


def test_a_size_that_means_nothing_is_told_once(run):
    said = "is not a number of megabytes from 1 to 1048576; using 256\n"
    done = run("plans", "store", "store", OPENCU_CACHE_MAX_MB="big")
    assert done.stderr == f"opencu: OPENCU_CACHE_MAX_MB=big {said}"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a folder away")
def test_a_store_of_another_user_is_not_used(seen, store):
    store.mkdir(mode=0o700)
    os.chown(store, 12345, 12345)
    assert seen("store")["store"] == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a setuid program")
def test_a_program_with_raised_privileges_has_no_store(built):
    nobody, user = 65534, 12345
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders let no other user through
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy2(built, folder / "libopencu.so")  # by RPATH: LD_LIBRARY_PATH is ignored too
        flags = ["-I", CORE, "-L", folder, f"-Wl,-rpath,{folder}", "-lopencu"]
        cc(*WARN, "-O1", HERE / "plans.c", "-o", folder / "plans", *flags)
        store = folder / "store"
        store.mkdir(mode=0o700)
        os.chown(store, nobody, nobody)

        def run_as(uid: int) -> str:
            variables = dict.fromkeys(("OPENCU_CACHE_DIR", "XDG_CACHE_HOME", "HOME"), str(store))
            command = [folder / "plans", "privileges", "store"]
            who = dict(user=uid, group=uid, extra_groups=[])
            done = subprocess.run(command, env=variables, capture_output=True, text=True, **who)
            assert done.returncode == 0, done.stderr
            return done.stdout

        os.chown(folder / "plans", nobody, nobody)
        (folder / "plans").chmod(0o4755)
        said = run_as(user)
        if said.startswith("plain"):
            pytest.skip("setuid has no effect here: a nosuid filesystem, or no_new_privs")
        assert "OCU_OK mapped=1 stored=0" in said and " store= " in said
        assert not list(store.iterdir())
        (folder / "plans").chmod(0o755)
        assert f"stored=1 calls=0 store={store} " in run_as(nobody)  # nothing else kept it away


@pytest.mark.parametrize("home", ["/nonexistent/home", "/proc", "/dev/null", ""])
def test_without_a_usable_home_plans_live_in_memory(seen, home):
    said = seen("store", OPENCU_CACHE_DIR="", XDG_CACHE_HOME="", HOME=home)
    assert (said["status"], said["store"], said["stored"]) == ("OCU_OK", "", "0")


def test_the_folder_follows_xdg_and_home(seen, tmp_path):
    home, xdg = tmp_path / "home", tmp_path / "xdg/deep"
    home.mkdir()
    assert seen("store", OPENCU_CACHE_DIR="", XDG_CACHE_HOME="", HOME=str(home))["stored"] == "1"
    assert entries(home / ".cache/opencu")
    assert seen("store", OPENCU_CACHE_DIR="", XDG_CACHE_HOME=str(xdg))["store"] == f"{xdg}/opencu"
    assert entries(xdg / "opencu")


def test_the_oldest_plans_leave_when_the_store_is_full(seen, store):
    seen("store")
    (entry,) = entries(store)
    old = store / ("0" * 32)
    old.mkdir()
    for age in range(4):
        path = old / f"{age}.plan"
        path.write_bytes(bytes(400_000))
        os.utime(path, (1000 - age, 1000 - age))
    entry.unlink()
    seen("store", OPENCU_CACHE_MAX_MB="1")
    assert entry.exists()
    assert sorted(p.name for p in old.iterdir()) == ["0.plan", "1.plan"]


def test_a_file_left_by_a_process_of_the_same_number_is_no_obstacle(run, store):
    run("plans", "store")
    (entry,) = entries(store)
    entry.unlink()
    # The program takes the shell's place, and with it the number in the names.
    script = f'for n in 0 1 2; do : > {entry.parent}/new-$$-$n; done; exec "$@"'
    command = ["sh", "-c", script, "sh", run.program("plans"), "store"]
    done = subprocess.run(command, env=run.environment, capture_output=True, text=True)
    assert "OCU_OK mapped=1 stored=1" in done.stdout
    assert entry.exists()
    assert len(list(store.glob("*/new-*"))) == 3  # another process may be writing them


def test_files_that_were_never_finished_leave_after_an_hour(seen, store):
    seen("store")
    (entry,) = entries(store)
    for name, age in (("new-1-0", 0), ("new-2-0", 3000), ("new-3-0", 4000), ("new-4-0", 9000)):
        path = entry.with_name(name)
        path.write_bytes(b"half a plan" * (age < 9000))
        os.utime(path, (time.time() - age,) * 2)
    seen("store")
    assert sorted(p.name for p in store.glob("*/new-*")) == ["new-1-0", "new-2-0"]
    assert entry.exists()


def test_the_build_id_follows_the_sources(seen, store, package):
    seen("store")
    assert seen("find")["status"] == "OCU_OK"
    source = package / "blas/kernels/gemm.py"
    source.parent.mkdir(parents=True)
    source.write_text("tile = 6")
    assert seen("find")["status"] == "OCU_NO_PLAN"
    seen("store")
    assert seen("find")["status"] == "OCU_OK"
    source.write_text("tile = 8")
    assert seen("find")["status"] == "OCU_NO_PLAN"
    source.unlink()
    assert seen("find")["status"] == "OCU_OK"


def pack_of(build: bytes, plans: list[bytes]) -> bytes:
    offset, index, body = 32 + 64 * len(plans), b"", b""
    for plan in plans:
        index += plan[40:88] + struct.pack("<QQ", offset + len(body), len(plan))
        body += plan
    return b"OCUPACK2" + build + struct.pack("<II", len(plans), 0) + index + body


@pytest.fixture
def pack(run, package, core):
    def write(change=lambda pack: pack) -> None:
        command = [run.program("plans"), "write_plan"]
        done = subprocess.run(command, env=run.environment, capture_output=True, check=True)
        other = core.plan(spec("other"), 0)
        foreign = core.plan(spec("test"), 0, target=b"z80")
        pack = pack_of(done.stdout[8:24], [other, foreign, done.stdout])
        (package / "lib/plans.pack").write_bytes(change(pack))

    return write


def test_a_packed_plan_needs_no_store(seen, pack, store):
    pack()
    found = seen("find")
    assert (found["status"], found["mapped"], found["ran"]) == ("OCU_OK", "1", "1")
    assert not entries(store)
    assert seen("find", OPENCU_CACHE_DIR="", HOME="", XDG_CACHE_HOME="")["status"] == "OCU_OK"


@pytest.mark.parametrize(
    "change",
    [
        lambda pack: pack[:-1],
        lambda pack: pack[:-1] + b"x",
        lambda pack: pack[:20],
        lambda pack: b"",
        lambda pack: b"x" + pack[1:],
        lambda pack: pack[:8] + b"\xff" * 16 + pack[24:],
        lambda pack: pack[:24] + b"\xff" * 8 + pack[32:],
        lambda pack: pack[:32] + b"\xff" * 192 + pack[224:],
        lambda pack: pack[:208] + b"\xff" * 16 + pack[224:],
    ],
)
def test_a_damaged_pack_is_passed_over(seen, pack, change):
    pack(change)
    assert seen("find")["status"] == "OCU_NO_PLAN"
    assert seen("store")["status"] == "OCU_OK"
    assert seen("find")["status"] == "OCU_OK"
