"""What every driver must do, as drivers/interface.py says; runs over all that are present."""

import numpy as np
import pytest

from opencu.drivers import target
from opencu.drivers.interface import Target
from opencu.drivers.status import check, lib
from opencu.runtime.device import current, device
from opencu.runtime.stream import NULL

BYTES = 1 << 20


@pytest.fixture(autouse=True)
def its_first_device_is_current(request):
    if "driver" not in request.fixturenames:
        yield
        return
    with current(device(request.getfixturevalue("driver").name)):
        yield


def test_it_has_devices_that_tell_what_they_are(driver):
    for index in range(driver.devices()):
        info = driver.info(index)
        assert info.name and info.memory_total > 0
        found = driver.target(index)
        assert isinstance(found, Target) and found.kind in ("vector", "simt")
        assert target(found.name) is found


def test_memory_is_aligned_and_holds_what_is_copied_there(driver):
    source = np.random.default_rng(0).integers(0, 255, BYTES, np.uint8)
    back = np.zeros_like(source)
    there = driver.alloc(0, BYTES)
    assert there % 256 == 0
    driver.copy(NULL, there, source.ctypes.data, BYTES, True)
    driver.copy(NULL, back.ctypes.data, there, BYTES, True)
    driver.free(there)
    np.testing.assert_array_equal(back, source)


def test_fill_sets_every_byte_and_no_other(driver):
    back = np.zeros(BYTES, np.uint8)
    there = driver.alloc(0, BYTES)
    driver.fill(NULL, there, 1, BYTES, True)
    driver.fill(NULL, there + 3, 7, BYTES - 5, True)
    driver.copy(NULL, back.ctypes.data, there, BYTES, True)
    driver.free(there)
    assert (back[:3] == 1).all() and (back[3:-2] == 7).all() and (back[-2:] == 1).all()


def test_too_much_memory_is_an_error_and_no_memory_is_fine(driver):
    with pytest.raises(MemoryError, match="."):
        driver.alloc(0, 1 << 50)
    assert driver.alloc(0, 0) == 0
    driver.free(0)


def test_freeing_twice_is_refused(driver):
    there = driver.alloc(0, BYTES)
    driver.free(there)
    with pytest.raises((RuntimeError, ValueError), match="."):
        driver.free(there)


def test_streams_and_events_keep_order(driver):
    stream, event = driver.stream(0, 0), driver.event(0, 0)
    there = driver.alloc(0, BYTES)
    back = np.zeros(BYTES, np.uint8)
    for byte in range(1, 20):
        driver.fill(stream, there, byte, BYTES, False)
    check(lib.ocu_event_record(event, stream))
    check(lib.ocu_event_sync(event))
    driver.copy(stream, back.ctypes.data, there, BYTES, True)
    assert (back == 19).all()
    driver.synchronize(0)
    driver.free(there)
    check(lib.ocu_stream_destroy(stream))
    check(lib.ocu_event_destroy(event))


def test_a_plan_that_is_none_is_refused(driver):
    with pytest.raises((RuntimeError, ValueError), match="plan"):
        driver.load(b"no plan at all" * 20)


def test_an_unknown_target_is_refused_by_name():
    with pytest.raises(ValueError, match="unknown target 'z80': expected one of x86-64-avx512bf16"):
        target("z80")
