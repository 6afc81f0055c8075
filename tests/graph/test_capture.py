"""opencu.graph: what a capture keeps, how it is launched, what it refuses."""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import opencu
from opencu import tile
from opencu.blas import gemm
from opencu.drivers.status import check, ffi, lib
from opencu.graph import capture


@tile.kernel
def add_one(x, N: int):
    i = tile.pid(0)
    tile.store(x, i, tile.load(x, i, N) + 1)


def matrix(value, n=4, **how):
    x = opencu.empty((n, n), "float32", **how)
    x._numpy()[...] = value
    return x


@pytest.fixture(params=[False, True], ids=["blocking", "non_blocking"])
def stream(request):
    return opencu.Stream(non_blocking=request.param)


def run(graph, on=None):
    graph.launch(on)
    (on or graph.stream).synchronize()


def test_nothing_runs_before_the_launch_and_each_launch_runs_all(stream):
    a, c = matrix(1), matrix(0)
    with capture(stream) as g:
        gemm(a, a, c, beta=1, stream=stream)
        opencu.launch(add_one, (4,), c.T[0], stream=stream, N=1)
    assert g.nodes == 2 and c._numpy()[0, 0] == 0
    run(g)
    run(g, opencu.Stream())
    assert np.asarray(c).tolist() == [[10, 8, 8, 8]] * 4


def test_an_empty_graph_can_be_launched(stream):
    with capture(stream) as g:
        pass
    run(g)
    assert g.nodes == 0


def test_new_arrays_and_those_of_others_live_as_long_as_the_graph(stream):
    host = np.full((4, 4), 2, np.float32)
    shared = opencu.asarray(host)
    out, gone = matrix(0), weakref.ref(host)
    gemm(shared, shared, stream=stream)  # the stream is the memory's last one before the capture
    with capture(stream) as g:
        gemm(gemm(shared, shared, stream=stream), shared, out, stream=stream)
    del shared, host
    gc.collect()
    others = [matrix(9) for _ in range(100)]  # would take the memory of the product in between
    assert gone() is not None
    for _ in range(3):
        run(g)
    assert (np.asarray(out) == 128).all()
    assert all((np.asarray(x) == 9).all() for x in others)
    del g
    gc.collect()
    assert gone() is None


def test_arrays_dropped_in_the_block_do_not_end_the_capture(stream):
    unused = [matrix(1), matrix(2)]
    gemm(unused[1], unused[1], stream=stream)
    gemm(unused[0], unused[0])
    out = matrix(0)
    with capture(stream) as g:
        unused.clear()
        gc.collect()
        gemm(out, out, stream=stream)
    run(g)


def test_numbers_are_those_of_the_capture(stream):
    a, c = matrix(1), matrix(0)
    for alpha in (2, 3):
        with capture(stream) as g:
            gemm(a, a, c, alpha=alpha, stream=stream)
    run(g)
    assert (np.asarray(c) == 12).all()


def test_a_long_k_keeps_its_scratch(stream):
    a, out = opencu.zeros((8, 1 << 16), "float32"), matrix(0, 8)
    a._numpy()[...] = 1
    with capture(stream) as g:
        gemm(a, a.T, out, stream=stream)
    for _ in range(3):
        others = [matrix(7, 512) for _ in range(4)]
        run(g)
        assert (np.asarray(out) == 1 << 16).all()
        assert all((np.asarray(x) == 7).all() for x in others)


def test_streams_fork_and_join(stream):
    a, b, c = matrix(1), matrix(0), matrix(0)
    side = opencu.Stream()
    with capture(stream) as g:
        gemm(a, a, b, stream=stream)
        side.wait_event(stream.record_event())
        gemm(b, b, c, stream=side)
        stream.wait_event(side.record_event())
        gemm(c, a, b, stream=stream)
    side.synchronize()
    run(g)
    assert (np.asarray(c) == 64).all() and (np.asarray(b) == 256).all()


def test_each_operation_tells_the_bytes_that_it_touches(stream):
    a, b, c = matrix(1), matrix(2), matrix(0)
    with capture(stream) as g:
        gemm(a[:2, 1:3], b[1:3], c[:2], stream=stream)
        gemm(a[::-1], b, c, beta=1, stream=stream)
        opencu.launch(add_one, (4,), c.T[1], stream=stream, N=1)
    reads, writes = (True, False), (False, True)
    assert set(g.ranges(0)) == {
        (a.ptr + 4, 24, *reads), (b.ptr + 16, 32, *reads), (c.ptr, 32, *writes)
    }  # fmt: skip
    whole = {(a.ptr, 64, *reads), (b.ptr, 64, *reads), (c.ptr, 64, *reads), (c.ptr, 64, *writes)}
    assert set(g.ranges(1)) == whole
    assert g.ranges(2) == [(c.ptr + 4, 60, True, True)]
    for node in (-1, 3):
        with pytest.raises(IndexError, match=f"node {node}: the graph has 3 operations"):
            g.ranges(node)


def test_a_launch_names_the_range_that_was_freed(stream):
    cpu = stream.device.driver
    kept, freed = cpu.alloc(0, 256), cpu.alloc(0, 256)
    with capture(stream) as g:
        cpu.fill(stream.handle, kept, 1, 256, False)
        cpu.copy(stream.handle, kept + 8, freed + 16, 100, False)
    cpu.free(freed)
    text = f"operation 1 of the graph reads 100 bytes at {freed + 16:#x}, which was freed"
    for _ in range(2):
        with pytest.raises(RuntimeError, match=text):
            g.launch()
    cpu.free(kept)
    with pytest.raises(RuntimeError, match="operation 0 of the graph writes 256 bytes"):
        g.launch()


def test_a_launch_that_is_refused_leaves_nothing_behind(stream):
    size = 1 << 22
    check(lib.ocu_trim(0))
    before = lib.ocu_counter(b"memory.cached")
    with capture(stream) as g:
        out = ffi.new("void **")
        check(lib.ocu_alloc_async(stream.handle, size, out))
        check(lib.ocu_fill(stream.handle, out[0], 1, size, 0))
        check(lib.ocu_free_async(stream.handle, out[0]))
    blocking = opencu.Stream()
    with pytest.raises(RuntimeError, match="default stream keeps order"), capture(blocking):
        check(lib.ocu_graph_launch(g._executable, ffi.NULL))
    run(g)
    del g
    gc.collect()
    assert lib.ocu_counter(b"memory.cached") >= before + size  # given back, not lost


def test_a_joined_stream_may_go_before_the_capture_ends(stream):
    a, c = matrix(1), matrix(0)
    with capture(stream) as g:
        side = opencu.Stream()
        side.wait_event(stream.record_event())
        gemm(a, a, c, stream=side)
        stream.wait_event(side.record_event())
        del side
        gc.collect()
        others = [opencu.Stream() for _ in range(3)]  # one has its slot
        assert (gemm(np.eye(4), np.eye(4), stream=others[0]) == np.eye(4)).all()
    run(g)
    assert (np.asarray(c) == 4).all()


REFUSED = {
    "synchronize": (lambda s: s.synchronize(), "a stream that is capturing has no end to wait for"),
    "query": (lambda s: s.query(), "a stream that is capturing has no end to wait for"),
    "device": (lambda s: opencu.synchronize(), "a stream of the device is capturing"),
    "numpy": (lambda s: gemm(np.eye(4), np.eye(4), stream=s), "ordinary memory of the host"),
    "event": (lambda s: s.record_event().synchronize(), "recorded in a capture"),
    "outside": (
        lambda s: s.wait_event(opencu.Stream().record_event()),
        "recorded outside of the capture",
    ),
    "again": (lambda s: capture(s).__enter__(), "capturing already"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_would_replay_wrongly_is_refused(stream, what):
    call, text = REFUSED[what]
    a = matrix(1)
    with pytest.raises(RuntimeError, match=text), capture(stream) as g:
        gemm(a, a, stream=stream)
        call(stream)
    with pytest.raises(RuntimeError, match="has not ended well"):
        g.launch()
    assert (np.asarray(gemm(a, a, stream=stream)) == 4).all()  # the stream is as before


def test_a_refusal_that_is_caught_breaks_the_capture(stream):
    caught = pytest.raises(RuntimeError, match="no end to wait for")
    with pytest.raises(RuntimeError, match="failed before"), capture(stream), caught:
        stream.synchronize()


def test_the_default_stream_and_a_blocking_capture():
    a, stream = matrix(1), opencu.Stream()
    with pytest.raises(RuntimeError, match="default stream keeps order"), capture(stream):
        gemm(a, a)
    with capture(opencu.Stream(non_blocking=True)):
        assert (gemm(np.eye(4), np.eye(4)) == np.eye(4)).all()


def test_work_that_is_not_joined_is_named(stream):
    a, side = matrix(1), opencu.Stream()
    with pytest.raises(RuntimeError, match="which the first does not wait for"), capture(stream):
        side.wait_event(stream.record_event())
        gemm(a, a, stream=side)
    side.synchronize()


def test_an_exception_in_the_block_ends_the_capture(stream):
    with pytest.raises(KeyError), capture(stream):
        gemm(matrix(1), matrix(1), stream=stream)
        raise KeyError
    stream.synchronize()


@pytest.mark.parametrize("stream", [None, 0, "cpu"])
def test_only_a_stream_captures(stream):
    with pytest.raises(TypeError, match=r"expected an opencu\.Stream"), capture(stream):
        pass


def test_a_graph_outlives_its_stream():
    a, c, stream = matrix(1), matrix(0), opencu.Stream()
    with capture(stream) as g:
        gemm(a, a, c, stream=stream)
    g.stream = other = opencu.Stream()
    del stream
    gc.collect()
    run(g, other)
    assert (np.asarray(c) == 4).all()


# ---- any sequence: replayed as often, equal to the same calls run at once ------------------------

SIZES = [0, 1, 3, 16, 61]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["gemm", "copy", "fill", "wait"]),
        *[st.integers(0, 2)] * 4,
    ),
    max_size=24,
)


def step(streams, arrays, kind, s, x, y, z):
    """One call on stream s; a wait lets stream s follow stream x."""
    on, n = streams[s % len(streams)], arrays[0].shape[0]
    if kind == "gemm" and z not in (x, y):
        gemm(arrays[x], arrays[y], arrays[z], alpha=0.25 / max(n, 1), beta=0.5, stream=on)
    elif kind == "copy":
        to, source = (ffi.cast("void *", arrays[i].ptr) for i in (x, y))
        check(lib.ocu_copy(on.handle, to, source, arrays[x].nbytes, 0))
    elif kind == "fill":
        check(lib.ocu_fill(on.handle, ffi.cast("void *", arrays[x].ptr), y, arrays[x].nbytes, 0))
    elif kind == "wait":
        on.wait_event(streams[x % len(streams)].record_event())


@settings(max_examples=150, deadline=None)
@given(STEPS, st.integers(1, 3), st.sampled_from(SIZES), st.booleans(), st.integers(0, 3))
def test_any_sequence_replays_as_it_runs(steps, n_streams, n, non_blocking, launches):
    streams = [opencu.Stream(non_blocking=non_blocking) for _ in range(n_streams)]
    start = np.random.default_rng(n).standard_normal((3, n, n), np.float32)
    eager, graphed = ([matrix(x, n) for x in start] for _ in range(2))

    def all_steps(arrays):
        first, *others = streams
        for other in others:
            other.wait_event(first.record_event())
        for kind, s, *rest in steps:  # no stream races another: each waits for the last one
            step(streams, arrays, kind, s, *rest)
            for other in streams:
                if other is not streams[s % n_streams]:
                    other.wait_event(streams[s % n_streams].record_event())
        for other in others:
            first.wait_event(other.record_event())

    with capture(streams[0]) as g:
        all_steps(graphed)
    for _ in range(launches):
        g.launch()
        all_steps(eager)
    opencu.synchronize()
    for x, y in zip(eager, graphed):
        np.testing.assert_array_equal(x._numpy(), y._numpy())
