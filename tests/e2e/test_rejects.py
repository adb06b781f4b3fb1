"""Events that cannot be folded leave by their own topics, as they came but for oversized ones, and stop nothing."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from driftline.event.v1.event_pb2 import UserEvent
from driftline.units import wall_clock_ms
from tests.builders import HOUR, T0, message
from tests.e2e import records
from tests.e2e.namespace import Counters, Namespace
from tests.e2e.stack import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

PREFIX = "driftline.errors."
STEADY, TARDY = "steady", "tardy"
TOO_LARGE_BYTES = 5 * 1024 * 1024
MIB = 1024 * 1024
HEADERS = {"stage", "reason", "message", "topic", "partition", "offset", "failed_at_ms"}


class Record(NamedTuple):
    """What is sent, and why it should be rejected."""

    key: bytes | None
    value: bytes | None
    reason: str = ""
    stage: str = "validate"
    timestamp_ms: int = 0


class Sent(NamedTuple):
    """A record and what the broker said of it."""

    record: Record
    partition: int
    offset: int


def bad_records() -> list[Record]:
    """One of each kind."""
    now_ms = wall_clock_ms()
    key, fine = STEADY.encode(), encoded(message(STEADY, 50, event_id="unused"))
    ahead = message(STEADY, event_id="ahead", event_time_ms=now_ms + HOUR)
    return [
        Record(key, encoded(message(STEADY, 0, value=1.5)), "ID_REUSED", "order"),  # the first has no value, and waits
        Record(key, encoded(message(STEADY, 50, event_id="at-0")), "ID_REUSED", "order"),
        Record(b"undefined", encoded(message("undefined", 50, event_id="of nobody")), "REFUSED_ID"),
        Record(key, encoded(message(STEADY, 50, event_id="(not set)")), "REFUSED_ID"),
        Record(key, b"\xff\x00 no event \xfe" * 3, "UNDECODABLE", "decode"),
        Record(key, None, "UNDECODABLE", "decode"),
        Record(None, fine, "KEY_MISMATCH"),
        Record(b"somebody else", fine, "KEY_MISMATCH"),
        Record(key, encoded(message(STEADY, 50, event_id="")), "MISSING_FIELD"),
        Record(key, encoded(message(STEADY, 50, event_id="not a number", value=float("nan"))), "INVALID_VALUE"),
        Record(key, encoded(ahead), "CLOCK_SKEW", timestamp_ms=now_ms),
        Record(key, bytes(range(256)) * (TOO_LARGE_BYTES // 256), "TOO_LARGE", "decode"),
    ]


def encoded(event: UserEvent) -> bytes:
    return event.SerializeToString()


def good(user_id: str, at_ms: int) -> Record:
    event = message(user_id, at_ms)
    return Record(user_id.encode(), encoded(event), timestamp_ms=event.event_time_ms)


def send(edges: Namespace, sent_records: list[Record]) -> list[Sent]:
    """Send past all checks, one after the other, and wait for the broker's word on each."""
    topic = edges.topic("events")
    with records.producer(edges.stack.settings) as producer:
        pending = [
            (one, producer.send(topic, key=one.key, value=one.value, timestamp_ms=one.timestamp_ms or None))
            for one in sent_records
        ]
        acknowledged = [(one, future.get(timeout=30)) for one, future in pending]
    return [Sent(one, metadata.partition, metadata.offset) for one, metadata in acknowledged]


def arrived(edges: Namespace, topic: str, count: int) -> list[Any]:
    """The records of a topic once there are so many: a topic is written a moment after the counters."""

    def look() -> list[Any]:
        return records.read(edges.stack.settings, edges.topic(topic))

    return eventually(look, lambda found: len(found) >= count, f"{count} records in {topic}")


def assert_explained(found: list[Any], expected: list[Sent], topic: str) -> None:
    """Each record is there once: its bytes as they came, and where it came from in its headers."""
    by_source = {(sent.partition, sent.offset): sent.record for sent in expected}
    explained = {}
    for record in found:
        headers = {name.removeprefix(PREFIX): value.decode() for name, value in record.headers}
        assert set(headers) == HEADERS, headers
        assert headers["topic"] == topic
        assert headers["message"]
        assert abs(int(headers["failed_at_ms"]) - time.time() * 1000) < HOUR
        source = int(headers["partition"]), int(headers["offset"])
        assert source in by_source, headers
        sent = by_source[source]
        explained[source] = headers["reason"], headers["stage"]
        left_behind = sent.reason == "TOO_LARGE"  # its bytes stay where the headers say
        assert (record.key, record.value) == (sent.key, None if left_behind else sent.value), headers
    assert explained == {source: (sent.reason, sent.stage) for source, sent in by_source.items()}
    assert len(found) == len(expected)


def test_each_bad_record_is_explained_and_the_good_ones_are_scored(edges: Namespace) -> None:
    job_id = edges.ensure_job()
    bad = bad_records()
    mixed = [good(STEADY, 0), good(TARDY, 10_000)]
    for number, record in enumerate(bad, start=1):
        mixed += [record, good(STEADY, number * 100)]
    late = Record(TARDY.encode(), encoded(message(TARDY, 0)), "LATE", "order", message(TARDY, 0).event_time_ms)
    sent = send(edges, [*mixed, late, good(TARDY, 10_100)])

    accepted = len(bad) + 3
    assert edges.drain() == Counters(len(sent), len(sent), accepted, 0, 1, len(bad))
    for name, expected in (
        ("events.dead-letter", [one for one in sent if one.record.reason not in ("", "LATE")]),
        ("events.late", [one for one in sent if one.record.reason == "LATE"]),
    ):
        assert_explained(arrived(edges, name, len(expected)), expected, edges.topic("events"))
    scores = edges.scores()
    assert {user: int(line["acceptedEvents"]) for user, line in scores.items()} == {STEADY: len(bad) + 1, TARDY: 2}
    assert edges.stack.flink.state(job_id) == "RUNNING"
    assert edges.stack.flink.failure(job_id) == ""


def test_records_that_are_huge_when_decompressed_are_explained_and_stop_nothing(edges: Namespace) -> None:
    job_id = edges.ensure_job()
    before = edges.drain()
    letters = len(records.read(edges.stack.settings, edges.topic("events.dead-letter")))
    sizes = [20 * MIB, *[15 * MIB] * 6]  # more than the producer takes, and together more than a window should hold
    user = STEADY.encode()
    huge = [Record(user, bytes(size), "TOO_LARGE", "decode") for size in sizes]
    huge.append(Record(bytes(5 * MIB), None, "TOO_LARGE", "decode"))
    topic = edges.topic("events")
    with records.producer(edges.stack.settings, compression_type="gzip", max_request_size=32 * MIB) as producer:
        pending = [producer.send(topic, key=one.key, value=one.value, partition=0) for one in huge]
        placed = [future.get(timeout=60) for future in pending]
    (after_it,) = send(edges, [good(STEADY, 5_000)])
    assert after_it.offset >= 0

    counters = edges.drain()
    assert (counters.dead_letter, counters.accepted) == (before.dead_letter + len(huge), before.accepted + 1)
    assert counters.processed == counters.published == before.published + len(huge) + 1
    found = arrived(edges, "events.dead-letter", letters + len(huge))
    texts = {}
    for record in found:
        headers = {name.removeprefix(PREFIX): value.decode() for name, value in record.headers}
        if (source := (int(headers["partition"]), int(headers["offset"]))) in {(m.partition, m.offset) for m in placed}:
            assert (headers["reason"], record.value) == ("TOO_LARGE", None)
            texts[source] = headers["message"].split(";")[0]
    told = ["16777216 bytes or more", *[f"{15 * MIB} bytes"] * 6, f"the key has {5 * MIB} bytes"]
    assert texts == {(m.partition, m.offset): text for m, text in zip(placed, told, strict=True)}
    assert edges.stack.flink.state(job_id) == "RUNNING"
    assert edges.stack.flink.failure(job_id) == ""


def test_what_is_unknown_and_what_is_refused_is_counted_by_name(edges: Namespace, tmp_path: Path) -> None:
    job_id = edges.ensure_job()
    words = tmp_path / "words.jsonl"
    lines = [{"userId": TARDY, "eventId": f"word-{number}", "eventTimeMs": T0 + 20_000} for number in range(3)]
    types = ("begin_checkout", "begin_checkout", "null")
    words.write_text("".join(json.dumps(one | {"type": word}) + "\n" for one, word in zip(lines, types, strict=True)))
    edges.publish(words)
    odd = message(TARDY, 20_000, type=77)
    nobody = message("None", 20_000)
    before = edges.drain()
    send(edges, [Record(one.user_id.encode(), encoded(one), timestamp_ms=odd.event_time_ms) for one in (odd, nobody)])
    after = edges.drain()
    assert (after.accepted - before.accepted, after.dead_letter - before.dead_letter) == (1, 1)
    told = edges.stack.errors("drain", "--namespace", edges.name, env=edges.env)
    assert "folded as CUSTOM: 4 ('begin_checkout' 2, 'null' 1, 'number 77' 1)" in told

    def metrics() -> set[str]:
        vertices = [vertex["id"] for vertex in edges.stack.rest(f"/jobs/{job_id}")["vertices"]]
        found = (one["id"] for v in vertices for one in edges.stack.rest(f"/jobs/{job_id}/vertices/{v}/metrics"))
        return {name.partition(".driftline.")[2] for name in found}

    named = {"event_type.begin_checkout.unknown_types", "reason.REFUSED_ID.dead_letters"}
    eventually(metrics, lambda found: named <= found, "what is counted by name is among Flink's metrics")
