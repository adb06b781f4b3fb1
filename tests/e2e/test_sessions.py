"""Sessions that nothing changes are published once each, by the event that ends them or the quiet that follows."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format

from driftline.event.v1.event_pb2 import UserEvent
from driftline.event.v1.session_pb2 import ClosedSession
from driftline.jsonlines import format_event
from tests.builders import T0, message
from tests.e2e import records
from tests.e2e.namespace import Namespace
from tests.e2e.stack import eventually
from udfs.event import ADD_TO_CART, CLICK, PURCHASE, SEARCH, VIEW

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

WALKER = "walker"
BY_EVENT, BY_QUIET = ClosedSession.CLOSED_BY_EVENT, ClosedSession.CLOSED_BY_QUIET


def publish(edges: Namespace, file: Path, *events: UserEvent) -> None:
    file.write_text("".join(format_event(event) + "\n" for event in events))
    edges.publish(file)


def published(edges: Namespace) -> list[str]:
    """The walker's sessions on the topic, one line each, in order: all of a user's are in one partition."""
    found = records.read(edges.stack.settings, edges.topic("sessions"))
    return [line(ClosedSession.FromString(record.value)) for record in found if record.key == WALKER.encode()]


def line(closed: ClosedSession) -> str:
    return text_format.MessageToString(closed, as_one_line=True)


def walked(at_ms: int, kind: int = VIEW, **fields: float) -> UserEvent:
    return message(WALKER, at_ms, type=kind, **fields)


def session(start_ms: int, end_ms: int, closed_by: ClosedSession.ClosedBy.ValueType, **counts: float) -> str:
    start = T0 + start_ms
    ends = {"start_time_ms": start, "end_time_ms": T0 + end_ms}
    named = {"session_id": f"{WALKER}:{start}", "user_id": WALKER, "closed_by": closed_by, "revision": 1}
    return line(ClosedSession(**named, **ends, **counts))  # type: ignore[arg-type]


def test_sessions_close_once_by_event_and_by_quiet(edges: Namespace, tmp_path: Path) -> None:
    edges.ensure_job()
    publish(edges, tmp_path / "first.jsonl", message("warm-up"))
    edges.drain()  # the model is loaded: from here on a block takes milliseconds

    publish(
        edges,
        tmp_path / "walk.jsonl",
        walked(1_000, CLICK),
        walked(500, SEARCH),  # overtaken by half of the disorder bound: the session begins here
        walked(2_500, PURCHASE, value=19.5),
        walked(1_000, CLICK),  # a repeat
        walked(5_500),  # the gap exactly: still the same session
        walked(10_000, ADD_TO_CART),
        walked(20_000),
        walked(21_000, PURCHASE, value=5.0),
    )
    by_event = [
        session(500, 5_500, BY_EVENT, events=4, views=1, clicks=1, searches=1, purchases=1, purchase_value=19.5),
        session(10_000, 10_000, BY_EVENT, events=1, add_to_carts=1),
    ]
    by_quiet = session(20_000, 21_000, BY_QUIET, events=2, views=1, purchases=1, purchase_value=5.0)
    eventually(lambda: published(edges), lambda found: by_quiet in found, "the third session is published", 30)

    publish(edges, tmp_path / "return.jsonl", walked(40_000))  # ends the third one, which is published already
    last = session(40_000, 40_000, BY_QUIET, events=1, views=1)
    eventually(lambda: published(edges), lambda found: last in found, "the fourth session is published", 30)
    edges.drain()
    edges.stop()  # nothing is on its way any more
    assert "\n".join(published(edges)) == "\n".join([*by_event, by_quiet, last])


def test_sessions_that_one_block_closes_come_in_their_order(edges: Namespace, tmp_path: Path) -> None:
    edges.ensure_job()
    pauses = range(20)
    hops = [message("hopper", at_ms=100_000 + pause * 10_000) for pause in pauses]
    publish(edges, tmp_path / "hops.jsonl", *hops)
    edges.drain()

    def starts() -> list[int]:
        found = records.read(edges.stack.settings, edges.topic("sessions"))
        mine = [ClosedSession.FromString(record.value) for record in found if record.key == b"hopper"]
        return [closed.start_time_ms for closed in mine]

    found = eventually(starts, lambda seen: len(seen) == len(pauses), "the sessions are published", 30)
    assert found == [hop.event_time_ms for hop in hops]
