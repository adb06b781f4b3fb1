"""Events that came too late are put in place in the running job, and the scores are those of a job that had them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from driftline.event.v1.event_pb2 import UserEvent
from driftline.event.v1.session_pb2 import ClosedSession
from driftline.jsonlines import format_event
from tests.builders import DAY, HOUR, MINUTE, message
from tests.e2e import records
from tests.e2e.namespace import Namespace, assert_same_scores
from tests.e2e.stack import RealStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

USERS = [f"healed-{number}" for number in range(12)]


def late_by(user_id: str) -> list[UserEvent]:
    """What comes days after it happened."""
    return [
        message(user_id, 2 * HOUR, type="ADD_TO_CART", value=20.0, category="hats"),
        message(user_id, 2 * HOUR + MINUTE, type="PURCHASE", value=20.0, category="hats"),
    ]


def in_time(user_id: str) -> list[UserEvent]:
    return [
        message(user_id, 0, category="shoes"),
        message(user_id, 5 * MINUTE, type="SEARCH"),
        message(user_id, 3 * DAY, category="bags"),
        message(user_id, 3 * DAY + MINUTE, type="CLICK", category="bags"),
    ]


def meanwhile(user_id: str) -> list[UserEvent]:
    """What comes after the late ones."""
    return [message(user_id, 3 * DAY + 20 * MINUTE, type="CLICK", category="bags")]


def write(file: Path, events: list[UserEvent]) -> Path:
    file.write_text("".join(f"{format_event(event)}\n" for event in events))
    return file


def sessions(run: Namespace) -> dict[str, tuple[int, int]]:
    """What a consumer has who keeps the highest revision of each session: when it ended, and its events."""
    kept: dict[str, ClosedSession] = {}
    for record in records.read(run.stack.settings, run.topic("sessions")):
        closed = ClosedSession.FromString(record.value)
        before = kept.get(closed.session_id)
        if before is None or closed.revision > before.revision:
            kept[closed.session_id] = closed
            for superseded in (closed.supersedes_session_id, *closed.also_supersedes_session_ids):
                kept.pop(superseded, None)
    return {name: (closed.end_time_ms, closed.events) for name, closed in kept.items()}


def heal(run: Namespace, *options: str) -> str:
    return run.stack.driftline("heal", *run.arguments, *options, env=run.env)


def test_late_events_are_healed_in_the_running_job(stack: RealStack, tmp_path: Path) -> None:
    first = [event for user_id in USERS for event in in_time(user_id)]
    late = [event for user_id in USERS for event in late_by(user_id)]
    more = [event for user_id in USERS for event in meanwhile(user_id)]
    healed, ordered = Namespace(stack, "healed"), Namespace(stack, "in-order")
    job_id = healed.submit()
    healed.publish(write(tmp_path / "first.jsonl", first))
    assert healed.drain().late == 0
    healed.publish(write(tmp_path / "late.jsonl", late))
    assert healed.drain().late == len(late)

    assert f"users={len(USERS)} " in heal(healed, "--dry-run")
    healed.publish(write(tmp_path / "more.jsonl", more))
    audit = tmp_path / "audit.jsonl"
    out = heal(healed, "--audit", str(audit))
    assert out == f"users={len(USERS)} late_events_healed={len(late)} applied={len(USERS)}\n"
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    assert sorted(line["user_id"] for line in lines) == sorted(USERS)
    assert {(line["verdict"], line["late_events"]) for line in lines} == {("applied", 2)}
    assert heal(healed) == "users=0 late_events_healed=0\n"  # the next one begins behind them
    assert "in_place" in heal(healed, "--since", "1d")
    counters = healed.drain()
    assert counters.accepted == len(first) + len(more) + len(USERS)
    assert (counters.processed, counters.dead_letter) == (counters.published, 0)
    assert stack.flink.state(job_id) == "RUNNING"
    healed.stop()

    ordered.publish(write(tmp_path / "all.jsonl", sorted([*first, *late, *more], key=lambda one: one.event_time_ms)))
    ordered.submit()
    assert ordered.drain().late == 0
    assert_same_scores(healed.export(), ordered.export())
    assert sessions(healed) == sessions(ordered)
    ordered.stop()
