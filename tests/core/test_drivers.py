"""Drivers that add themselves to the core, and what it refuses of them."""

import ctypes
import re
import subprocess
import sys

from capi import HERE


def test_a_table_of_another_opencu_is_refused(core):
    assert core.driver_add_sized(bytes(900), ctypes.c_size_t(8)) == "INVALID_VALUE"
    assert core.error().endswith("not 8: it was built for another opencu")


def test_a_table_that_lacks_a_function_is_refused(core):
    core.driver_add_sized(None, ctypes.c_size_t(0))
    size = int(re.search(r"has (\d+) bytes", core.error())[1])
    assert core.driver_add_sized(bytes(size), ctypes.c_size_t(size)) == "INVALID_VALUE"
    assert core.error() == "a driver's table lacks a function"


def test_a_driver_that_there_is_not_has_no_device(core):
    first, count = ctypes.c_int(), ctypes.c_int(7)
    core.lib.ocu_driver_open.restype = ctypes.c_char_p
    why = core.lib.ocu_driver_open(b"abacus", ctypes.byref(first), ctypes.byref(count))
    assert (count.value, why) == (0, b"the core has no such driver")


def test_a_library_that_cannot_be_loaded_is_told_once_and_left_out(package):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from capi import Core;"
        "c = Core(sys.argv[2]); assert c.alive() == c.alive() == 'OK'"
    )
    command = [sys.executable, "-c", code, str(HERE), str(package / "lib/libopencu.so")]
    environment = {"OPENCU_DRIVERS": "/nowhere/libabacus.so"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("opencu: OPENCU_DRIVERS: /nowhere/libabacus.so: cannot open") == 1
