"""What the job rejected is listed, mended and sent again, and the job takes exactly what was mended, once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from console.local.topics import topics
from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import format_event
from tests.builders import T0, message
from tests.e2e import records
from tests.e2e.namespace import Counters, Namespace
from tests.e2e.stack import RealStack, eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

USER = "ann"
NOTE = "x" * 300_000  # over event_bytes_max
MEND = """
from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import parse_event


def mend(letter):
    if letter.reason == "REFUSED_ID":
        return None
    if letter.value[:1] == b"{":
        return parse_event(letter.value)
    event = UserEvent.FromString(letter.value)
    event.event_id = event.event_id or f"mended-{letter.source}"
    event.properties.pop("note", None)
    return event
"""


class Broken(NamedTuple):
    reason: str
    key: bytes
    value: bytes


def broken() -> list[Broken]:
    """What is rejected: five kinds that can be mended or skipped, and one that cannot."""

    def event(at_ms: int, **fields: Any) -> UserEvent:
        return message(fields.pop("user_id", USER), at_ms, **fields)

    user = USER.encode()
    return [
        Broken("KEY_MISMATCH", b"somebody else", event(1_000).SerializeToString()),
        Broken("MISSING_FIELD", user, event(2_000, event_id="").SerializeToString()),
        Broken("UNDECODABLE", user, format_event(event(3_000)).encode()),
        Broken("TOO_LARGE", user, event(4_000, properties={"note": NOTE}).SerializeToString()),
        Broken("REFUSED_ID", b"undefined", event(5_000, user_id="undefined").SerializeToString()),
        Broken("INVALID_VALUE", user, event(6_000, value=1e13).SerializeToString()),
    ]


@pytest.fixture(scope="module")
def letters(stack: RealStack) -> Namespace:
    """A namespace of its own whose job runs. Sessions and models do not matter here."""
    made = Namespace(stack, "letters")
    made.submit()
    return made


def environment(letters: Namespace) -> dict[str, str]:
    ours = {name: letters.topic(name) for name in topics(letters.stack.settings)}
    return letters.env | {
        "DRIFTLINE_JOB_EVENTS_TOPIC": ours["events"],
        "DRIFTLINE_JOB_DEAD_LETTER_TOPIC": ours["events.dead-letter"],
        "DRIFTLINE_JOB_LATE_TOPIC": ours["events.late"],
    }


def dead_letters(letters: Namespace, *arguments: str, exit_code: int = 0) -> str:
    return letters.stack.driftline("dead-letters", *arguments, exit_code=exit_code, env=environment(letters))


def listed(letters: Namespace, count: int) -> list[dict[str, Any]]:
    """The list once it is so long: the topic is written a moment after the counters."""

    def look() -> list[dict[str, Any]]:
        return [json.loads(line) for line in dead_letters(letters, "list", "--json").splitlines()]

    return eventually(look, lambda found: len(found) >= count, f"{count} dead letters")


def test_mended_events_are_accepted_once_and_a_second_failure_shows(letters: Namespace, tmp_path: Path) -> None:
    (tmp_path / "mend.py").write_text(MEND)
    transform = ("--transform", f"{tmp_path}/mend.py:mend")
    bad = broken()
    with records.producer(letters.stack.settings) as producer:
        sent = [
            producer.send(letters.topic("events"), key=one.key, value=one.value, timestamp_ms=T0 + 10_000)
            for one in bad
        ]
        placed = [future.get(timeout=30) for future in sent]
    assert letters.drain() == Counters(6, 6, 0, 0, 0, 6)

    found = listed(letters, 6)
    sources = {(one["source"]["partition"], one["source"]["offset"]): one["reason"] for one in found}
    assert sources == {(m.partition, m.offset): one.reason for m, one in zip(placed, bad, strict=True)}
    assert [one["replayed_from"] for one in found] == [None] * 6
    for record in records.read(letters.stack.settings, letters.topic("events.dead-letter")):
        failed_ms = int(dict(record.headers)["driftline.errors.failed_at_ms"])
        assert 0 <= record.timestamp - failed_ms < 60_000  # --since and --until rely on it
    counted = json.loads(dead_letters(letters, "stats", "--json"))
    assert {one["reason"]: one["count"] for one in counted["reasons"]} == {one.reason: 1 for one in bad}
    assert dead_letters(letters, "list", "--since", "1h", "--until", "30m") == ""
    large = next(one for one in found if one["reason"] == "TOO_LARGE")
    shown = dead_letters(letters, "show", f"{large['partition']}:{large['offset']}", "--payload")
    assert "driftline.errors.reason: TOO_LARGE" in shown
    assert 'event_id: "at-4000"' in shown

    dry = dead_letters(letters, "replay", *transform, "--dry-run", exit_code=1)
    assert dry == "read=6 matched=6 sent=4 skipped=1 failed=1\n"
    assert letters.drain() == Counters(6, 6, 0, 0, 0, 6)
    assert dead_letters(letters, "replay", *transform, "--rate", "20", exit_code=1) == dry
    assert letters.drain() == Counters(10, 10, 4, 0, 0, 6)
    assert {user: int(line["acceptedEvents"]) for user, line in letters.scores().items()} == {USER: 4}
    resent = records.read(letters.stack.settings, letters.topic("events"))
    marked = [record for record in resent if dict(record.headers).get("driftline.replayed_from")]
    assert [record.key for record in marked] == [USER.encode()] * 4
    assert {record.timestamp for record in marked} == {T0 + 10_000}

    dead_letters(letters, "replay", *transform, exit_code=1)
    assert letters.drain() == Counters(14, 14, 4, 4, 0, 6)

    assert dead_letters(letters, "replay", "--reason", "REFUSED_ID") == "read=6 matched=1 sent=1 skipped=0 failed=0\n"
    assert letters.drain() == Counters(15, 15, 4, 4, 0, 7)
    again = [one for one in listed(letters, 7) if one["replayed_from"]]
    refused = next(one for one in found if one["reason"] == "REFUSED_ID")
    assert [one["reason"] for one in again] == ["REFUSED_ID"]
    assert again[0]["replayed_from"] == {
        "topic": letters.topic("events.dead-letter"),
        "partition": refused["partition"],
        "offset": refused["offset"],
    }
