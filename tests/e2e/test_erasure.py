"""Requests for erasure are obeyed by the running job, however late it reads them and whatever clocks have shown."""

from __future__ import annotations

import pytest

from driftline.event.v1.event_pb2 import UserEvent
from tests.builders import HOUR, MINUTE, SECOND, message
from tests.e2e import records
from tests.e2e.namespace import Namespace

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


def test_an_erasure_request_is_obeyed_whatever_came_before_it_is_read(edges: Namespace) -> None:
    job_id = edges.ensure_job()
    before = edges.drain()
    events = history()
    with records.producer(edges.stack.settings) as producer:
        for event in events:
            value = event.SerializeToString()
            stamp_ms = min(event.event_time_ms, message().event_time_ms + 9 * HOUR)
            sent = producer.send(
                edges.topic("events"),
                key=event.user_id.encode(),
                value=value,
                timestamp_ms=stamp_ms,
            )
            sent.get(timeout=30)
    after = edges.drain()
    assert (after.accepted - before.accepted, after.dead_letter - before.dead_letter) == (len(events) - 1, 1)
    assert (after.late, after.duplicate) == (before.late, before.duplicate)
    scores = edges.scores()
    assert not {FAST, USED} & set(scores)
    (affinity,) = scores[LATER]["affinities"]
    assert (affinity["category"], int(scores[LATER]["acceptedEvents"])) == ("hats", 3)
    assert edges.stack.flink.state(job_id) == "RUNNING"
    assert edges.stack.flink.failure(job_id) == ""
