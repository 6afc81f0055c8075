"""The pool: allocation, look-up, freeing, charging, and the check of operands."""

import ctypes
import mmap
import random
import subprocess

import pytest
from capi import CORE, DEVICE, HERE, HOST, MANAGED, WARN, cc

MIB = 1 << 20


@pytest.mark.parametrize("size", [1, 255, 256, 1025, 4096, 300_000, 524_288, 600_000, 5 * MIB])
def test_an_allocation_is_aligned_and_knows_its_extent(core, size):
    p = core.new(size, HOST)
    assert p % 256 == 0
    for offset in (0, size // 2, size - 1):
        info = core.query(p + offset)
        assert (info.base, info.bytes, info.device, info.kind, info.freed) == (p, size, 0, HOST, 0)
    assert core.accessible(p, size, write=True) == "OK"
    assert core.accessible(p, size + 1) == "ILLEGAL_ADDRESS"
    assert core.accessible(p + size - 1, 2) == "ILLEGAL_ADDRESS"
    assert core.drop(p) == "OK"
    assert core.query(p).freed == 1
    assert core.accessible(p, 1) == "ILLEGAL_ADDRESS"


def test_zero_bytes_are_null_and_null_may_be_freed(core):
    assert core.alloc_to(0) == ("OK", 0)
    assert core.drop(0) == "OK"


@pytest.mark.parametrize("size", [100, 3 * MIB])
def test_only_the_start_of_a_live_allocation_can_be_freed(core, size):
    p = core.new(size)
    assert core.drop(p + 1) == "INVALID_POINTER"
    assert core.drop(p + 64) == "INVALID_POINTER"
    assert core.drop(p) == "OK"
    assert core.drop(p) == "INVALID_POINTER"
    assert "freed before" in core.error()
    buffer = ctypes.create_string_buffer(64)
    assert core.drop(ctypes.addressof(buffer)) == "INVALID_POINTER"
    assert core.drop(8) == "INVALID_POINTER"


def test_ordinary_memory_is_of_unknown_kind(core):
    buffer = ctypes.create_string_buffer(64)
    info = core.query(ctypes.addressof(buffer))
    assert (info.kind, info.freed, info.device) == (0, 0, -1)


@pytest.mark.parametrize("kind", [0, 4, -1])
def test_an_unknown_kind_is_refused(core, kind):
    assert core.alloc_to(100, kind)[0] == "INVALID_VALUE"


@pytest.mark.parametrize("size", [1 << 44, 1 << 62, (1 << 64) - 1])
def test_more_than_the_machine_has_is_out_of_memory(core, size):
    status, pointer = core.alloc_to(size)
    assert (status, pointer) == ("OUT_OF_MEMORY", 0)
    assert f"{size} bytes do not fit" in core.error()


def test_untouched_allocations_count_until_memory_is_all_spoken_for(core):
    free, taken = core.info().memory_free, []
    while (got := core.alloc_to(1 << 30))[0] == "OK":
        taken.append(got[1])
    total = len(taken) << 30
    assert got[0] == "OUT_OF_MEMORY"
    assert 0.5 * free - (1 << 30) < total <= free
    assert core.info().memory_free <= free - total + (1 << 29)
    for p in taken:
        assert core.drop(p) == "OK"
    assert core.info().memory_free > 0.9 * free


def test_freed_memory_is_used_again_and_given_back_above_a_bound(core):
    p = core.new(64 * MIB)
    ctypes.memset(p, 1, 64 * MIB)
    core.drop(p)
    assert core.new(64 * MIB) == p
    core.drop(p)
    big = core.new(core.info().memory_total // 4)
    core.drop(big)
    assert core.counter("memory.cached") <= core.info().memory_total // 8


def test_random_allocations_never_overlap(core):
    chance, live, in_use = random.Random(1), {}, core.counter("memory.in_use")
    for step in range(4000):
        if live and chance.random() < 0.5:
            p = chance.choice(list(live))
            size, byte = live.pop(p)
            assert ctypes.string_at(p, 1) == ctypes.string_at(p + size - 1, 1) == bytes([byte])
            assert core.drop(p) == "OK"
        else:
            size = int(2 ** chance.uniform(0, 23))
            p, byte = core.new(size, chance.choice([DEVICE, HOST, MANAGED])), step % 256
            ctypes.memset(p, byte, min(size, 4096))
            ctypes.memset(p + size - 1, byte, 1)
            live[p] = size, byte
        if step % 100 == 0:
            spans = sorted((p, p + size) for p, (size, _) in live.items())
            assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:], strict=False))
            assert all(core.query(p).bytes == size for p, (size, _) in live.items())
            held = sum(size for size, _ in live.values())
            assert core.counter("memory.in_use") - in_use == held
    for p in live:
        assert core.drop(p) == "OK"


def test_memory_of_the_process_is_probed_without_a_crash(core):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
    page, flags = mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    p = libc.mmap(None, 8 * page, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
    assert core.accessible(p, 8 * page, write=True) == "OK"
    libc.mprotect(ctypes.c_void_p(p + 6 * page), page, mmap.PROT_READ)
    assert core.accessible(p, 7 * page) == "OK"
    assert core.accessible(p, 7 * page, write=True) == "ILLEGAL_ADDRESS"
    assert "may not be written" in core.error()
    libc.mprotect(ctypes.c_void_p(p + 7 * page), page, 0)
    assert core.accessible(p, 8 * page) == "ILLEGAL_ADDRESS"
    libc.munmap(ctypes.c_void_p(p + 2 * page), page)
    assert core.accessible(p, 4 * page) == "ILLEGAL_ADDRESS"  # a hole in the middle
    for address in (0, 1, 4096, 1 << 47, (1 << 64) - 1, (1 << 64) - 4096):
        assert core.accessible(address, 100) == "ILLEGAL_ADDRESS"
        assert core.accessible(address, 100, write=True) == "ILLEGAL_ADDRESS"
    assert core.accessible(p, (1 << 64) - 1) == "ILLEGAL_ADDRESS"
    assert core.accessible(0, 0) == "OK"


@pytest.mark.parametrize("pages", [8, 300])
def test_a_page_in_the_middle_is_asked_about_too(core, pages):
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
    page, flags = mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    size, both = pages * page, mmap.PROT_READ | mmap.PROT_WRITE
    p = libc.mmap(None, size, both, flags, -1, 0)
    middle = ctypes.c_void_p(p + pages // 2 * page)
    for permissions, read, written in (
        (both, "OK", "OK"),
        (mmap.PROT_READ, "OK", "ILLEGAL_ADDRESS"),
        (0, "ILLEGAL_ADDRESS", "ILLEGAL_ADDRESS"),
    ):
        assert libc.mprotect(middle, page, permissions) == 0
        assert core.accessible(p, size) == read
        assert core.accessible(p, size, write=True) == written
    libc.munmap(ctypes.c_void_p(p), size)


def test_checking_for_writes_never_undoes_another_threads_write(run):
    run("memory", "probe_and_write")


def test_threads_allocate_and_free_at_once(run):
    run("memory", "threads")


def test_a_kernel_finds_huge_pages_under_large_allocations(run):
    run("memory", "huge_pages")


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A program that prints total and available memory and cores, below a root folder."""
    program = tmp_path_factory.mktemp("machine") / "machine"
    sources = [HERE / "machine.c", CORE / "machine.c", CORE / "env.c"]
    cc(*WARN, "-I", CORE, *sources, "-o", program)

    def ask(root, files: dict[str, str]) -> list[int]:
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        answer = subprocess.run([program, root], capture_output=True, text=True, check=True)
        return [int(word) for word in answer.stdout.split()]

    return ask


MEMINFO = {"proc/meminfo": "MemTotal: 8192 kB\nMemFree: 1 kB\nMemAvailable: 4096 kB\n"}


def test_memory_is_that_of_the_machine_without_a_cgroup(machine, tmp_path):
    assert machine(tmp_path, MEMINFO)[:2] == [8192 << 10, 4096 << 10]


@pytest.mark.parametrize("path", ["/a/b", "/", "/../elsewhere/hidden"])
def test_a_cgroup_v2_limits_memory_and_cores(machine, tmp_path, path):
    folder = "sys/fs/cgroup" + ("/a" if path == "/a/b" else "")
    files = {
        "proc/self/cgroup": f"0::{path}\n",
        f"{folder}/memory.max": f"{2 << 20}\n",
        f"{folder}/memory.current": f"{1 << 20}\n",
        f"{folder}/memory.stat": "anon 5\ninactive_file 4096\n",
        f"{folder}/cpu.max": "50000 100000\n",
    }
    assert machine(tmp_path, MEMINFO | files) == [2 << 20, (1 << 20) + 4096, 1]


def test_a_cgroup_v2_without_limits_changes_nothing(machine, tmp_path):
    files = {
        "proc/self/cgroup": "0::/a\n",
        "sys/fs/cgroup/a/memory.max": "max\n",
        "sys/fs/cgroup/a/cpu.max": "max 100000\n",
    }
    assert machine(tmp_path, MEMINFO | files)[:2] == [8192 << 10, 4096 << 10]


def test_a_cgroup_v1_limits_memory_and_cores(machine, tmp_path):
    files = {
        "proc/self/cgroup": "4:memory:/job\n1:cpu,cpuacct:/job\n0::/\n",
        "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{3 << 20}\n",
        "sys/fs/cgroup/memory/job/memory.usage_in_bytes": f"{4 << 20}\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "10000\n",
        "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
    }
    assert machine(tmp_path, MEMINFO | files) == [3 << 20, 0, 1]


@pytest.mark.parametrize("size", [1, 100, 5000, 3 * MIB + 5])
def test_the_slack_behind_an_allocation_is_not_part_of_it(core, size):
    p = core.new(size)
    for beyond in (0, 1, 100):
        for count in (1, 512, 1 << 40):
            assert core.accessible(p + size + beyond, count, write=True) == "ILLEGAL_ADDRESS"
    assert core.query(p + size).freed == 1
    assert core.accessible(p + size - 1, 1) == "OK"
    assert core.drop(p) == "OK"
