"""Streams, events and copies: each a case of streams.c."""

import pytest

CASES = {
    "in_order": "work on a stream runs in the order in which it was given",
    "short_work_inline": "short work runs on the caller when its stream is idle",
    "long_work_returns": "long work returns at once and a query says not ready until it is done",
    "legacy_waits_for_blocking": "the legacy default stream waits for blocking streams",
    "blocking_waits_for_legacy": "a blocking stream waits for the legacy default stream",
    "blocking_legacy_blocking": "the legacy default stream orders two blocking streams",
    "legacy_sync_waits_for_blocking": "synchronising the legacy stream waits for blocking streams",
    "nonblocking_is_free": "a non-blocking stream waits for nobody",
    "blocking_streams_are_independent": "blocking streams do not wait for one another",
    "exclusion": "launches of four threads on the legacy and a blocking stream never overlap",
    "second_thread_queues": "a second thread queues behind a call that runs inline",
    "host_functions": "a host function never runs on the caller",
    "host_may_not_wait": "a host function that waits is refused instead of waiting for itself",
    "blocked_host_function": "a host function that takes long holds up no other stream",
    "destroyed_work_completes": "work on a destroyed stream still completes",
    "bad_handles": "garbage and destroyed handles are refused everywhere",
    "many_streams": "streams can be made and destroyed without end",
    "event_waits_across_streams": "a stream waits for an event of another stream",
    "event_wait_is_of_the_last_record": "a wait is for the record before it, not a later one",
    "chain_of_events": "a chain of waits over forty streams resolves",
    "event_times": "elapsed time is that between the moments, and errors are as documented",
    "events_of_devices": "waiting works across devices, recording does not",
    "pageable_source_is_read": "a pageable source has been read when the copy returns",
    "copies_are_stream_ordered": "copies and fills take their place in the stream's order",
    "rectangles": "two-dimensional copies and fills touch exactly their rows",
    "freed_in_stream_order": "memory freed in stream order is reused only after the work before it",
    "free_waits_for_work": "free waits for the device's work before memory is reused",
}


@pytest.mark.parametrize("case", CASES, ids=[name.replace(" ", "-") for name in CASES.values()])
def test_streams(run, case):
    run("streams", case, OPENCU_CPU_DEVICES="2")


@pytest.mark.parametrize("case", ["in_order", "exclusion", "chain_of_events", "host_functions"])
def test_streams_work_with_one_thread(run, case):
    run("streams", case, OPENCU_THREADS="1")
