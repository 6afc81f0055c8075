"""Graphs: calls on streams, captured once and launched again and again at little cost for each.

stream = opencu.Stream()
with opencu.graph.capture(stream) as g:
    y = opencu.blas.gemm(a, b, stream=stream)   # kept, not run
    opencu.blas.gemm(y, b, c, stream=stream)
g.launch()                                      # both, in order
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from opencu.drivers.status import check, ffi, lib
from opencu.runtime.arguments import instance
from opencu.runtime.device import current
from opencu.runtime.stream import Stream, captures, handle_on

__all__ = ["Graph", "Range", "capture"]


class Range(NamedTuple):
    """Bytes that an operation touches."""

    address: int
    nbytes: int
    read: bool
    written: bool


class Graph:
    """What a capture recorded. Keeps the memory of all arrays in it alive, also of new ones."""

    def __init__(self, stream: Stream):
        self.stream = stream
        self.nodes = 0  # operations
        self._memories: set[Any] = set()
        self._executable: Any = None

    def launch(self, stream: Stream | None = None) -> None:
        """Put the graph's work on a stream of its device, that of the capture unless given.

        Launches of one graph run one after the other. RuntimeError: the capture did not end well.
        """
        if self._executable is None:
            raise RuntimeError("the graph was not captured: its `with` block has not ended well")
        device = self.stream.device
        handle = handle_on(device, stream or self.stream)
        with current(device):
            check(lib.ocu_graph_launch(self._executable, handle))

    def ranges(self, node: int) -> list[Range]:
        """Which bytes of device memory an operation touches, `node` counting from 0 in the order of
        the calls. Copies, fills and products are known exactly; of another kernel every pointer is
        told, to the end of its allocation.

        IndexError: there is no such operation.
        """
        if not 0 <= node < self.nodes:
            raise IndexError(f"node {node}: the graph has {self.nodes} operations")
        first, n = ffi.new("ocu_range const **"), ffi.new("size_t *")
        check(lib.ocu_graph_ranges(self._executable, 1, node, first, n))
        how = lib.OCU_READS, lib.OCU_WRITES
        return [
            Range(int(ffi.cast("uintptr_t", r.p)), r.bytes, *(bool(r.how & each) for each in how))
            for r in first[0][0 : n[0]]
        ]

    def _end(self) -> None:
        recorded, made = (ffi.new("ocu_graph **") for _ in range(2))
        nodes = ffi.new("size_t *")
        check(lib.ocu_capture_end(self.stream.handle, recorded))
        try:
            check(lib.ocu_graph_nodes(recorded[0], 0, nodes))
            check(lib.ocu_graph_instantiate(recorded[0], made))
        finally:
            lib.ocu_graph_destroy(recorded[0], 0)
        self.nodes, self._executable = nodes[0], made[0]

    def __del__(self, destroy=lib.ocu_graph_destroy) -> None:
        if getattr(self, "_executable", None) is not None:
            destroy(self._executable, 1)


@contextmanager
def capture(stream: Stream) -> Iterator[Graph]:
    """Record the work that the block puts on a stream, and on streams that wait for events recorded
    in it and are waited for in the end, instead of running it.

    Numbers (alpha, beta, a kernel's) are those of the capture; arrays are read when the graph runs.
    Nothing that is captured can be waited for, read or computed with numpy in the block; such a
    call raises RuntimeError and no graph is made. TypeError: not a stream.
    """
    instance("stream", stream, Stream, "an opencu.Stream")
    graph = Graph(stream)
    state, number = ffi.new("int *"), ffi.new("uint64_t *")
    check(lib.ocu_capture_begin(stream.handle, lib.OCU_CAPTURE_RELAXED))
    check(lib.ocu_capture_query(stream.handle, state, number, ffi.NULL))
    captures[number[0]] = graph._memories
    try:
        yield graph
    except BaseException:
        unused = ffi.new("ocu_graph **")
        if lib.ocu_capture_end(stream.handle, unused) == lib.OCU_OK:
            lib.ocu_graph_destroy(unused[0], 0)
        raise
    finally:
        del captures[number[0]]
    graph._end()
