"""What every driver must do, as drivers/core.py says; runs over all that are present."""

import numpy as np
import pytest

from opencu.blas import gemm
from opencu.drivers import target
from opencu.drivers.interface import Target
from opencu.drivers.status import check, ffi, lib
from opencu.runtime.array import asarray
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


# ---- what the C core promises of every device ----------------------------------------------------


def p(address):
    return ffi.cast("void *", address)


def put(driver, array):
    there = driver.alloc(0, array.nbytes)
    driver.copy(NULL, there, array.ctypes.data, array.nbytes, True)
    return there


def get(driver, there, shape, dtype=np.uint8, stream=NULL):
    back = np.zeros(shape, dtype)
    driver.copy(stream, back.ctypes.data, there, back.nbytes, True)
    return back


def drawn(*shape):
    return np.random.default_rng(1).integers(0, 255, shape, np.uint8)


@pytest.mark.parametrize(
    "rows, width, pitch", [(1, 1, 1), (7, 13, 13), (5, 3, 17), (64, 640, 1000)]
)
def test_rows_of_any_pitch_are_copied_between_host_and_device_and_within(
    driver, rows, width, pitch
):
    source, back = drawn(rows, pitch), np.zeros((rows, width + 2), np.uint8)
    first, second = driver.alloc(0, rows * pitch), driver.alloc(0, rows * (width + 5))
    copy = lib.ocu_copy_2d
    at = p(source.ctypes.data)
    check(copy(NULL, p(first), pitch, at, pitch, width, rows, 0))
    check(copy(NULL, p(second), width + 5, p(first), pitch, width, rows, 0))
    check(copy(NULL, p(back.ctypes.data), width + 2, p(second), width + 5, width, rows, 1))
    np.testing.assert_array_equal(back[:, :width], source[:, :width])
    assert not back[:, width:].any()
    driver.free(first)
    driver.free(second)


@pytest.mark.parametrize("unit", [1, 2, 4])
def test_a_fill_repeats_its_value_in_every_row_and_leaves_the_rest(driver, unit):
    there = put(driver, np.zeros(8 * 64, np.uint8))
    value, width = 0x0A0B0C0D & ((1 << 8 * unit) - 1), 12 * unit
    check(lib.ocu_fill_units(NULL, p(there), 64, value, unit, width, 8, 1))
    found = get(driver, there, (8, 64))
    assert (found[:, :width].reshape(-1).view(f"<u{unit}") == value).all()
    assert not found[:, width:].any()
    assert lib.ocu_fill_units(NULL, p(there + 1), 64, 1, 4, 4, 1, 1) == lib.OCU_INVALID_VALUE
    driver.free(there)


def test_blocking_streams_and_the_default_stream_keep_order(driver):
    streams = [driver.stream(0, 0) for _ in range(3)]
    there, size = driver.alloc(0, 8 * BYTES), 8 * BYTES
    for turn in range(30):  # each overwrites what the one before it wrote
        driver.fill(streams[turn % 3], there, 2 * turn, size, False)
        driver.fill(NULL, there, 2 * turn + 1, size, False)
    assert (get(driver, there, size, stream=streams[0]) == 59).all()
    for stream in streams:
        check(lib.ocu_stream_destroy(stream))
    driver.free(there)


def test_a_stream_follows_an_event_of_another(driver):
    first, second = (driver.stream(0, lib.OCU_STREAM_NONBLOCKING) for _ in range(2))
    event, there = driver.event(0, lib.OCU_EVENT_NO_TIMING), driver.alloc(0, 8 * BYTES)
    for turn in range(20):
        driver.fill(first, there, turn, 8 * BYTES, False)
        check(lib.ocu_event_record(event, first))
        check(lib.ocu_stream_wait(second, event))
        driver.fill(second, there, turn + 100, 8 * BYTES, False)
        check(lib.ocu_event_record(event, second))
        check(lib.ocu_stream_wait(first, event))
    assert (get(driver, there, 8 * BYTES, stream=first) == 119).all()
    driver.free(there)
    for stream in (first, second):
        check(lib.ocu_stream_destroy(stream))
    check(lib.ocu_event_destroy(event))


def test_a_stream_that_has_caught_up_says_so_and_a_destroyed_one_is_refused(driver):
    stream, there = driver.stream(0, 0), driver.alloc(0, BYTES)
    driver.fill(stream, there, 1, BYTES, False)
    while (status := lib.ocu_stream_query(stream)) == lib.OCU_NOT_READY:
        pass
    check(status)
    check(lib.ocu_stream_destroy(stream))
    assert lib.ocu_stream_sync(stream) == lib.OCU_INVALID_HANDLE
    assert lib.ocu_stream_destroy(stream) == lib.OCU_INVALID_HANDLE
    assert lib.ocu_stream_destroy(NULL) == lib.OCU_INVALID_HANDLE
    driver.free(there)


def test_a_destroyed_streams_work_is_still_done(driver):
    there = driver.alloc(0, 8 * BYTES)
    for byte in range(8):
        stream = driver.stream(0, lib.OCU_STREAM_NONBLOCKING)
        driver.fill(stream, there + byte * BYTES, byte + 1, BYTES, False)
        check(lib.ocu_stream_destroy(stream))
    driver.synchronize(0)
    found = get(driver, there, (8, BYTES))
    assert (found == np.arange(1, 9)[:, None]).all()
    driver.free(there)


def test_events_tell_the_time_between_them(driver):
    stream, there = driver.stream(0, 0), driver.alloc(0, 8 * BYTES)
    start, end, silent = (driver.event(0, flags) for flags in (0, 0, lib.OCU_EVENT_NO_TIMING))
    ms = ffi.new("float *")
    assert lib.ocu_event_elapsed(start, end, ms) == lib.OCU_INVALID_HANDLE  # never recorded
    assert lib.ocu_event_query(start) == lib.ocu_event_sync(start) == lib.OCU_OK
    check(lib.ocu_event_record(start, stream))
    driver.fill(stream, there, 1, 8 * BYTES, False)
    check(lib.ocu_event_record(end, stream))
    check(lib.ocu_event_sync(end))
    check(lib.ocu_event_elapsed(start, end, ms))
    assert 0 < ms[0] < 10_000
    check(lib.ocu_event_record(silent, stream))
    check(lib.ocu_event_sync(silent))
    assert lib.ocu_event_elapsed(start, silent, ms) == lib.OCU_INVALID_HANDLE
    for event in (start, end, silent):
        check(lib.ocu_event_destroy(event))
        assert lib.ocu_event_query(event) == lib.OCU_INVALID_HANDLE
    check(lib.ocu_stream_destroy(stream))
    driver.free(there)


def test_a_host_function_has_its_place_in_the_order_and_may_not_wait(driver):
    stream, there, seen, host = driver.stream(0, 0), driver.alloc(0, BYTES), [], ffi.new("void **")
    check(lib.ocu_alloc(lib.ocu_device_get(), BYTES, lib.OCU_MEM_HOST, host))
    last = ffi.cast("uint8_t *", host[0]) + BYTES - 1

    @ffi.callback("void(void *)")
    def look(_):
        seen.append((last[0], lib.ocu_stream_sync(stream)))

    for byte in (5, 6):
        driver.fill(stream, there, byte, BYTES, False)
        driver.copy(stream, int(ffi.cast("uintptr_t", host[0])), there, BYTES, False)
        check(lib.ocu_stream_host_call(stream, look, NULL))
    check(lib.ocu_stream_sync(stream))
    assert seen == [(5, lib.OCU_UNSUPPORTED), (6, lib.OCU_UNSUPPORTED)]
    check(lib.ocu_free(host[0]))
    check(lib.ocu_stream_destroy(stream))
    driver.free(there)


def test_an_address_tells_its_allocation_and_what_is_freed_is_known(driver):
    there, info = driver.alloc(0, 1000), ffi.new("ocu_pointer_info *")
    check(lib.ocu_pointer_query(p(there + 999), info))
    assert int(ffi.cast("uintptr_t", info.base)) == there
    assert (info.bytes, info.device, info.freed) == (1000, driver.number(0), 0)
    assert info.kind == lib.OCU_MEM_DEVICE
    assert lib.ocu_check(p(there), 1000, 1) == lib.OCU_OK
    assert lib.ocu_check(p(there), 1001, 1) == lib.OCU_ILLEGAL_ADDRESS
    assert lib.ocu_free(p(there + 256)) == lib.OCU_INVALID_POINTER
    driver.free(there)
    assert lib.ocu_check(p(there), 1, 0) == lib.OCU_ILLEGAL_ADDRESS
    check(lib.ocu_pointer_query(p(there), info))
    assert info.freed == 1
    assert lib.ocu_free(p(there)) == lib.OCU_INVALID_POINTER
    assert b"freed before" in ffi.string(lib.ocu_error())


def test_memory_freed_in_stream_order_is_not_handed_out_too_early(driver):
    stream, out = driver.stream(0, 0), ffi.new("void **")
    other = driver.stream(0, lib.OCU_STREAM_NONBLOCKING)
    kept = driver.alloc(0, 20 * BYTES)
    for turn in range(20):
        check(lib.ocu_alloc_async(stream, BYTES, out))
        mine = int(ffi.cast("uintptr_t", out[0]))
        driver.fill(stream, mine, turn, BYTES, False)
        driver.copy(stream, kept + turn * BYTES, mine, BYTES, False)
        check(lib.ocu_free_async(stream, out[0]))
        check(lib.ocu_alloc_async(other, BYTES, out))
        driver.fill(other, int(ffi.cast("uintptr_t", out[0])), 255, BYTES, False)
        check(lib.ocu_free_async(other, out[0]))
    found = get(driver, kept, (20, BYTES), stream=stream)
    assert (found == np.arange(20)[:, None]).all()
    check(lib.ocu_trim(0))
    driver.free(kept)
    check(lib.ocu_stream_destroy(stream))
    check(lib.ocu_stream_destroy(other))


def test_a_plan_for_another_target_is_refused_by_name(driver):
    foreign = ffi.new("ocu_plan_header *", {"magic": b"OCUPLAN1", "target": b"z80", "bytes": 128})
    foreign.code_offset = 128
    foreign.build_id = list(ffi.unpack(lib.ocu_build_id(), 16))
    data = bytearray(bytes(ffi.buffer(foreign)) + bytes(16))
    data[24:32] = lib.ocu_checksum(bytes(data[32:]), len(data) - 32).to_bytes(8, "little")
    with pytest.raises(NotImplementedError, match="the plan is for z80"):
        driver.load(bytes(data))


def test_products_of_odd_sizes_agree_with_numpy(driver):
    where = device(driver.name)
    for m, n, k in ((1, 1, 1), (7, 5, 3), (33, 65, 129), (0, 3, 2), (4, 4, 0)):
        a, b = (np.random.default_rng(m).standard_normal(s, np.float32) for s in ((m, k), (k, n)))
        found = np.asarray(gemm(asarray(a, where), asarray(b, where)))
        np.testing.assert_allclose(found, a.astype(np.float64) @ b, rtol=0, atol=1e-4)


def test_products_refuse_memory_that_the_device_does_not_reach(driver):
    if device(driver.name).on_host:
        pytest.skip("a CPU device reaches all memory")
    x = np.ones((4, 4), np.float32)
    there, one, zero = put(driver, x), ffi.new("float *", 1), ffi.new("float *", 0)
    sides = (x.ctypes.data, there), (there, x.ctypes.data)
    for a, c in sides:
        status = lib.ocu_gemm(NULL, lib.OCU_F32, 1, 4, 4, 4, one, p(a), 4, 1, 0, p(there), 4, 1, 0,
                              zero, p(c), 4, 1, 0, 0)  # fmt: skip
        assert status == lib.OCU_ILLEGAL_ADDRESS
        assert b"copy it to the device" in ffi.string(lib.ocu_error())
    assert lib.ocu_fill(NULL, p(x.ctypes.data), 0, 64, 1) == lib.OCU_ILLEGAL_ADDRESS
    with current(device("cpu")):
        status = lib.ocu_copy(NULL, p(x.ctypes.data), p(there), 64, 1)
        assert status == lib.OCU_ILLEGAL_ADDRESS
    assert b"copy it through the host" in ffi.string(lib.ocu_error())
    driver.free(there)


def test_events_join_devices_of_two_drivers(driver):
    stream, event = driver.stream(0, 0), driver.event(0, 0)
    cpu = device("cpu").driver
    far, theirs = cpu.stream(0, 0), cpu.event(0, 0)
    there, near = driver.alloc(0, 8 * BYTES), cpu.alloc(0, 8 * BYTES)
    driver.fill(stream, there, 9, 8 * BYTES, False)
    driver.copy(stream, near, there, 8 * BYTES, False)
    check(lib.ocu_event_record(event, stream))
    check(lib.ocu_stream_wait(far, event))
    cpu.fill(far, near, 8, 4 * BYTES, False)
    check(lib.ocu_event_record(theirs, far))
    check(lib.ocu_stream_wait(stream, theirs))
    driver.copy(stream, there, near, 8 * BYTES, False)
    found = get(driver, there, (2, 4 * BYTES), stream=stream)
    assert (found[0] == 8).all() and (found[1] == 9).all()
    for each in (stream, far):
        check(lib.ocu_stream_destroy(each))
    for each in (event, theirs):
        check(lib.ocu_event_destroy(each))
    driver.free(there)
    cpu.free(near)
