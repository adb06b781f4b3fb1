"""Requests for erasure are obeyed by the running job, however late it reads them and whatever clocks have shown."""

from __future__ import annotations

import pytest

from driftline.event.v1.event_pb2 import UserEvent
from tests.builders import HOUR, MINUTE, SECOND, message
from tests.e2e import records
from tests.e2e.namespace import Counters, Namespace
from tests.e2e.stack import RealStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

FORGET = UserEvent.FORGET
LATER, FAST, USED = "erase-later", "erase-fast", "erase-used-id"


def history() -> list[UserEvent]:
    """In the order in which it is read."""
    return [
        message(LATER, 0, category="shoes"),
        message(LATER, 8 * HOUR, category="hats"),
        message(LATER, 10 * MINUTE, type=FORGET),  # asked for before the second event, processed after it
        message(FAST, 0),
        message(FAST, 2 * MINUTE),  # by a clock that is two minutes fast
        message(FAST, 30 * SECOND, type=FORGET),
        message(USED, 0, event_id="one"),
        message(USED, event_id="future", event_time_ms=2**63 - 1),
        message(USED, 1, event_id="one", type=FORGET),
    ]


def test_an_erasure_request_is_obeyed_whatever_came_before_it_is_read(stack: RealStack) -> None:
    erased = Namespace(stack, "erasure", {"disorder_ms": MINUTE})  # the first two are read behind the frontier
    job_id = erased.submit()
    events = history()
    with records.producer(stack.settings) as producer:
        for event in events:
            value = event.SerializeToString()
            stamp_ms = min(event.event_time_ms, message().event_time_ms + 9 * HOUR)
            sent = producer.send(
                erased.topic("events"),
                key=event.user_id.encode(),
                value=value,
                timestamp_ms=stamp_ms,
            )
            sent.get(timeout=30)
    assert erased.drain() == Counters(len(events), len(events), len(events) - 1, 0, 0, 1)
    scores = erased.scores()
    assert set(scores) == {LATER}
    (affinity,) = scores[LATER]["affinities"]
    assert (affinity["category"], int(scores[LATER]["acceptedEvents"])) == ("hats", 3)
    assert stack.flink.state(job_id) == "RUNNING"
    assert stack.flink.failure(job_id) == ""
