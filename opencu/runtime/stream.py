"""Streams, in which work runs in order, and events, which mark places in that order."""

from typing import Any

from opencu.drivers.interface import Handle
from opencu.drivers.status import check, ffi, lib
from opencu.runtime.arguments import flag, instance
from opencu.runtime.device import Device, current
from opencu.runtime.device import device as find_device

NULL = ffi.NULL
# The memory that each capture under way keeps for its graph, by the capture's number.
captures: dict[int, set[Any]] = {}


class Stream:
    """Work put on one stream runs in order; streams run side by side.

    As with CUDA, a blocking stream (the default kind) keeps order with the device's default
    stream, which every call without a stream uses; a non-blocking one does not.
    """

    __slots__ = ("__weakref__", "device", "handle")

    def __init__(self, device: str | Device | None = None, *, non_blocking: bool = False):
        self.device = find_device(device)
        flags = lib.OCU_STREAM_NONBLOCKING if flag("non_blocking", non_blocking) else 0
        self.handle: Handle = self.device.driver.stream(self.device.index, flags)

    @property
    def ptr(self) -> int:
        """The stream's address, as C libraries take it (cublasSetStream)."""
        return int(ffi.cast("uintptr_t", self.handle))

    def synchronize(self) -> None:
        """Wait until the stream's work so far is done."""
        check(lib.ocu_stream_sync(self.handle))

    def query(self) -> bool:
        """Is the stream's work done?"""
        return _done(lib.ocu_stream_query(self.handle))

    def wait_event(self, event: "Event") -> None:
        """Let work that is put on the stream from now on wait for an event."""
        instance("event", event, Event, "an opencu.Event")
        check(lib.ocu_stream_wait(self.handle, event.handle))

    def record_event(self, event: "Event | None" = None) -> "Event":
        """Record an event (a new one unless given) behind the stream's work so far."""
        event = Event(self.device) if event is None else event
        instance("event", event, Event, "an opencu.Event or None")
        event.record(self)
        return event

    def __del__(self, destroy=lib.ocu_stream_destroy) -> None:
        if hasattr(self, "handle"):
            destroy(self.handle)
            self.handle = None  # memory that is collected in the same cycle looks at it

    def __repr__(self) -> str:
        return f"<opencu.Stream {self.ptr:#x} on {self.device.name}>"


class Event:
    """A place in a stream's order; with timing, elapsed_time tells how far apart two are."""

    __slots__ = ("__weakref__", "device", "handle")

    def __init__(self, device: str | Device | None = None, *, timing: bool = True):
        self.device = find_device(device)
        flags = 0 if flag("timing", timing) else lib.OCU_EVENT_NO_TIMING
        self.handle: Handle = self.device.driver.event(self.device.index, flags)

    def record(self, stream: Stream | None = None) -> None:
        """Mark the end of a stream's work so far (None: the default stream's)."""
        with current(self.device):
            check(lib.ocu_event_record(self.handle, handle_on(self.device, stream)))

    def synchronize(self) -> None:
        """Wait until the event has been reached."""
        check(lib.ocu_event_sync(self.handle))

    def query(self) -> bool:
        """Has the event been reached?"""
        return _done(lib.ocu_event_query(self.handle))

    def elapsed_time(self, end: "Event") -> float:
        """Milliseconds from this event to a later one; both must have been reached."""
        instance("end", end, Event, "an opencu.Event")
        out = ffi.new("float *")
        check(lib.ocu_event_elapsed(self.handle, end.handle, out))
        return out[0]

    def __del__(self, destroy=lib.ocu_event_destroy) -> None:
        if hasattr(self, "handle"):
            destroy(self.handle)


def handle_on(device: Device, stream: Stream | None) -> Handle:
    """A stream's handle, for work on data of a device; None is NULL, the current one's default."""
    if stream is None:
        return NULL
    instance("stream", stream, Stream, "an opencu.Stream or None")
    if stream.device is not device:
        raise ValueError(
            f"stream is on {stream.device.name}: expected one on {device.name}, where the data is"
        )
    return stream.handle


def captured(stream: Stream | str) -> set[Any] | None:
    """Where the memory goes that a capture on the stream uses; None if it does not capture."""
    if not isinstance(stream, Stream):
        return None
    state, number = ffi.new("int *"), ffi.new("uint64_t *")
    check(lib.ocu_capture_query(stream.handle, state, number, NULL))
    return captures.get(number[0]) if state[0] else None


def _done(status: int) -> bool:
    if status == lib.OCU_NOT_READY:
        return False
    check(status)
    return True
