"""Captures on the devices of other drivers: the vendor's graph is built and launched. The vendors'
libraries are stand-ins (tests/drivers/standin.c)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

STANDIN = Path(__file__).resolve().parents[1] / "drivers/standin.c"
NAMES = {"cuda": "libcuda.so.1", "hip": "libamdhip64.so.7"}
START = """
import gc
import numpy as np
import opencu
from opencu.drivers.status import check, ffi, lib

device = opencu.device("VENDOR:0")
first, second = opencu.Stream(device), opencu.Stream(device, non_blocking=True)

def p(x):
    return ffi.cast("void *", x.ptr)

def fill(stream, x, byte):
    check(lib.ocu_fill(stream.handle, p(x), byte, x.nbytes, 0))

def copy(stream, to, source):
    check(lib.ocu_copy(stream.handle, p(to), p(source), to.nbytes, 0))

def get(x):
    out = np.empty(x.shape, x.dtype)
    device.driver.copy(first.handle, out.ctypes.data, x.ptr, out.nbytes, True)
    return set(out.tolist())

"""

PROGRAM = """
a, b, c = (opencu.empty(64, "int8", device) for _ in range(3))
for x in (a, b, c):
    fill(first, x, 1)
first.synchronize()
with opencu.graph.capture(first) as g:
    fill(first, a, 7)
    second.wait_event(first.record_event())
    copy(second, b, a)
    first.wait_event(second.record_event())
    copy(first, c, b)
assert g.nodes == 3 and get(c) == {1}
for stream in (first, second, first):
    fill(first, c, 2)
    first.synchronize()
    g.launch(stream)
    stream.synchronize()
    assert get(c) == {7} and get(b) == {7}

def refused(call):
    try:
        with opencu.graph.capture(first):
            call()
    except RuntimeError as error:
        return str(error)

print(refused(first.synchronize))
print(refused(lambda: second.wait_event(first.record_event()) or fill(second, a, 1)))
host = ffi.from_buffer(bytearray(64))
print(refused(lambda: check(lib.ocu_copy(first.handle, p(a), host, 64, 0))))
try:
    g.launch(opencu.Stream("cpu"))
except ValueError as error:
    print(error)
device.driver.free(a.ptr)
a.memory.owner = g  # not to be freed again
try:
    g.launch()
except RuntimeError as error:
    print(str(error).split()[-1])
fill(second, b, 3)
second.synchronize()
assert get(b) == {3}
"""


# The stand-in forbids what CUDA does: asking a capturing stream, or the default one beside it.
MEANWHILE = """
def callback(seen):
    return ffi.callback("void(void *)", lambda argument: seen.append(len(seen)))

check(lib.ocu_device_set(device.number))
x, other, gone = (opencu.empty(1 << 20, "int8", device) for _ in range(3))
for byte in range(8):
    fill(first, gone, byte)  # still under way when the capture begins
    fill(opencu.Stream(device, non_blocking=True), other, byte)
    check(lib.ocu_fill(ffi.NULL, p(other), byte, other.nbytes, 0))
seen = []
called = callback(seen)
side = opencu.Stream(device, non_blocking=True)
fill(side, other, 1)
with opencu.graph.capture(first) as g:
    del gone
    gc.collect()
    device.driver.free(device.driver.alloc(device.index, 1 << 20))
    fill(first, x, 5)
    check(lib.ocu_stream_host_call(first.handle, called, ffi.NULL))
    side.wait_event(first.record_event())
    copy(side, other, x)
    first.wait_event(side.record_event())
    del side
    opencu.Stream(device)  # gives streams back that are gone
for _ in range(3):
    g.launch()
first.synchronize()
assert seen == [0, 1, 2] and get(other) == {5}, (seen, get(other))
assert [g.ranges(i) for i in range(3)] == [
    [(x.ptr, x.nbytes, False, True)],
    [],
    [(other.ptr, other.nbytes, False, True), (x.ptr, x.nbytes, True, False)],
]
made, handle = ffi.new("ocu_stream **"), device.number
check(lib.ocu_stream_create(handle, 1, made))
check(lib.ocu_capture_begin(made[0], 2))
event = ffi.new("ocu_event **")
check(lib.ocu_event_create(handle, 1, event))
check(lib.ocu_event_record(event[0], made[0]))
check(lib.ocu_stream_wait(second.handle, event[0]))
check(lib.ocu_stream_destroy(made[0]))  # the capture goes with it
fill(second, x, 9)
second.synchronize()
assert get(x) == {9}
"""


@pytest.mark.parametrize("vendor", NAMES)
def test_what_happens_during_a_capture_does_not_break_the_vendors(vendor, tmp_path):
    out, _ = run(vendor, MEANWHILE, tmp_path)
    assert not out


@pytest.mark.parametrize("vendor", NAMES)
def test_an_operation_that_the_vendor_refuses_breaks_the_capture(vendor, tmp_path):
    program = """
x = opencu.empty(64, "int8", device)
check(lib.ocu_capture_begin(first.handle, 2))
assert lib.ocu_fill(first.handle, p(x), 1, 64, 0) != 0
assert lib.ocu_capture_end(first.handle, ffi.new("ocu_graph **")) == lib.OCU_CAPTURE_INVALIDATED
"""
    fill = {"cuda": "cuMemsetD8Async", "hip": "hipMemsetD8Async"}[vendor]
    run(vendor, program, tmp_path, STANDIN_FAIL=f"{fill}=1")


@pytest.mark.parametrize("vendor", NAMES)
def test_the_vendors_graph_is_captured_and_launched(vendor, tmp_path):
    out, calls = run(vendor, PROGRAM, tmp_path)
    waits, unjoined, memory, device, freed = out.splitlines()
    assert "has no end to wait for" in waits and "does not wait for" in unjoined
    assert "ordinary memory" in memory and "stream is on cpu" in device and freed == "freed"
    assert calls.count(f"{'cu' if vendor == 'cuda' else 'hip'}GraphLaunch") == 3


def run(vendor, program, tmp_path, **more):
    """What the program prints over the stand-in, and the calls that it makes of it."""
    library, log = tmp_path / NAMES[vendor], tmp_path / "log"
    options = ["-DHIP"] if vendor == "hip" else []
    options += ["-std=gnu11", "-shared", "-fPIC", "-pthread", f"-Wl,-soname,{library.name}"]
    subprocess.run(["cc", *options, "-o", library, STANDIN], check=True)
    variables = {
        f"OPENCU_{vendor.upper()}_DRIVER": str(library),
        "STANDIN_DEVICES": {"cuda": "9.0,8.6", "hip": "gfx942,gfx1100"}[vendor],
        "STANDIN_LOG": str(log),
        "OPENCU_CACHE_DIR": str(tmp_path / "plans"),
    }
    done = subprocess.run(
        [sys.executable, "-c", (START + program).replace("VENDOR", vendor)],
        env=os.environ | variables | more,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    return done.stdout, [line.split()[0] for line in log.read_text().splitlines()]
