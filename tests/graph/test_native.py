"""Captures on the devices of other drivers: the vendor's graph is built and launched. The vendors'
libraries are stand-ins (tests/drivers/standin.c)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

STANDIN = Path(__file__).resolve().parents[1] / "drivers/standin.c"
NAMES = {"cuda": "libcuda.so.1", "hip": "libamdhip64.so.7"}
PROGRAM = """
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


@pytest.mark.parametrize("vendor", NAMES)
def test_the_vendors_graph_is_captured_and_launched(vendor, tmp_path):
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
        [sys.executable, "-c", PROGRAM.replace("VENDOR", vendor)],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    waits, unjoined, memory, device, freed = done.stdout.splitlines()
    assert "has no end to wait for" in waits and "does not wait for" in unjoined
    assert "ordinary memory" in memory and "stream is on cpu" in device and freed == "freed"
    calls = [line.split()[0] for line in log.read_text().splitlines()]
    assert calls.count(f"{'cu' if vendor == 'cuda' else 'hip'}GraphLaunch") == 3
