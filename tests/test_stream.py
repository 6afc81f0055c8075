"""Streams run their work in order, side by side; events mark places in it."""

import numpy as np
import pytest

import opencu

SIZE = 700  # a product of some milliseconds: longer than it takes to put it on a stream


@pytest.fixture
def matrix():
    return opencu.asarray(np.random.default_rng(1).standard_normal((SIZE, SIZE), np.float32))


def test_work_on_a_stream_is_done_in_order(matrix):
    stream = opencu.Stream()
    scaled = opencu.blas.gemm(matrix, matrix, alpha=0.01, stream=stream)
    again = opencu.blas.gemm(scaled, matrix, alpha=0.01, stream=stream)
    stream.synchronize()
    assert stream.query()
    host = np.asarray(matrix, np.float64)
    expected = host @ host @ host * 1e-4
    np.testing.assert_allclose(np.asarray(again), expected, atol=1e-3)


def test_reading_an_array_waits_for_the_work_on_it(matrix):
    out = opencu.zeros((SIZE, SIZE), "float32")
    for _ in range(3):
        opencu.blas.gemm(matrix, matrix, out, stream=opencu.Stream())
    host = np.asarray(matrix, np.float64)
    np.testing.assert_allclose(np.asarray(out), host @ host, atol=1e-2)


def test_memory_is_kept_until_the_work_on_it_is_done(matrix):
    host = np.asarray(matrix, np.float64)
    results = []
    for stream in (None, opencu.Stream(), opencu.Stream(non_blocking=True)):
        for _ in range(4):
            temporary = opencu.asarray(np.asarray(matrix).copy())
            results.append(opencu.blas.gemm(temporary, temporary, stream=stream))
            del temporary
    for result in results:
        np.testing.assert_allclose(np.asarray(result), host @ host, atol=1e-2)


def test_a_stream_waits_for_an_event_of_another(matrix):
    first, second = opencu.Stream(non_blocking=True), opencu.Stream(non_blocking=True)
    scaled = opencu.blas.gemm(matrix, matrix, alpha=0.01, stream=first)
    second.wait_event(first.record_event())
    again = opencu.blas.gemm(scaled, matrix, stream=second)
    second.synchronize()
    host = np.asarray(matrix, np.float64)
    np.testing.assert_allclose(np.asarray(again), host @ host @ host * 0.01, atol=0.1)


def test_events_time_the_work_between_them(matrix):
    start, end = opencu.Event(), opencu.Event()
    stream = opencu.Stream()
    start.record(stream)
    opencu.blas.gemm(matrix, matrix, stream=stream)
    end.record(stream)
    end.synchronize()
    assert end.query() and start.query()
    assert 0 < start.elapsed_time(end) < 60_000


def test_the_default_stream_is_ordered_with_blocking_streams(matrix):
    scaled = opencu.blas.gemm(matrix, matrix, alpha=0.01, stream=opencu.Stream())
    again = opencu.blas.gemm(scaled, matrix)
    host = np.asarray(matrix, np.float64)
    np.testing.assert_allclose(np.asarray(again), host @ host @ host * 0.01, atol=0.1)


def test_an_event_without_timing_has_no_time():
    start, end = opencu.Event(timing=False), opencu.Event()
    start.record()
    end.record()
    end.synchronize()
    with pytest.raises((RuntimeError, ValueError), match="timing"):
        start.elapsed_time(end)


def test_a_stream_says_where_it_is():
    stream = opencu.Stream()
    assert stream.device is opencu.device("cpu")
    assert f"{stream.ptr:#x}" in repr(stream)


def test_synchronize_waits_for_a_whole_device(matrix):
    streams = [opencu.Stream() for _ in range(3)]
    outs = [opencu.blas.gemm(matrix, matrix, stream=stream) for stream in streams]
    opencu.synchronize()
    assert all(stream.query() for stream in streams)
    opencu.synchronize("cpu")
    assert len(outs) == 3


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda s, e: opencu.Stream(non_blocking="no"), "non_blocking is 'no': expected True or F"),
        (lambda s, e: opencu.Event(timing=None), "timing is None: expected True or False"),
        (lambda s, e: s.wait_event(3), "event is 3: expected an opencu.Event"),
        (lambda s, e: s.record_event(0), "event is 0: expected an opencu.Event or None"),
        (lambda s, e: e.record(e), "stream is .*Event.*: expected an opencu.Stream or None"),
        (lambda s, e: e.elapsed_time(None), "end is None: expected an opencu.Event"),
    ],
)
def test_arguments_of_another_kind_are_refused_by_name(call, text):
    with pytest.raises(TypeError, match=text):
        call(opencu.Stream(), opencu.Event())
