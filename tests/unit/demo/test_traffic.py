"""What is mixed into the traffic ends where it is meant to: the decoder and a timeline decide, as in the job."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from random import Random

import pytest

from console.demo.traffic import Kind, Record, Sent, Shares, Traffic, encode, mix
from console.simulator import SimulatedEvent
from driftline.settings import Format
from jobs.pipeline import decoder_of
from tests.builders import NOW, T0, bounds, job_settings
from udfs.rejects import InvalidEventError, Reason
from udfs.timeline import Outcome, Timeline

SHARES = Shares(repeats=0.1, late=0.1, malformed=0.1)


def shopping(count: int, users: int = 3) -> Iterator[SimulatedEvent]:
    for number in range(count):
        time_ms = T0 + number * 1_000
        yield SimulatedEvent(f"e{number}", f"u{number % users}", "VIEW", time_ms, "i", "c", 1.0, "EUR", "WEB", "", ())


def mixed(count: int = 500, encoding: Format = "protobuf") -> list[Record]:
    return list(mix(shopping(count), SHARES, Random(1), encoding))


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
def test_each_kind_becomes_what_it_is_meant_to_be(encoding: Format) -> None:
    decoder = decoder_of(job_settings(events_format=encoding, event_bytes_max=10_000))
    timelines: dict[str, Timeline] = {}
    wanted = {Kind.EVENT: Outcome.ACCEPTED, Kind.REPEAT: Outcome.DUPLICATE, Kind.LATE: Outcome.LATE}
    reasons = set()
    for record in mixed(encoding=encoding):
        try:
            user_id, event = decoder.decode(record.user_id.encode(), record.value, record.timestamp_ms, NOW)
        except InvalidEventError as error:
            assert record.kind is Kind.MALFORMED
            reasons.add(error.reason)
            continue
        timeline = timelines.setdefault(user_id, Timeline.begin(bounds()))
        assert timeline.offer(event) is wanted[record.kind]
    assert reasons == {Reason.UNDECODABLE, Reason.MISSING_FIELD, Reason.KEY_MISMATCH, Reason.CLOCK_SKEW}


def test_the_events_stay_complete_and_in_order() -> None:
    values = [record.value for record in mixed() if record.kind is Kind.EVENT]
    assert values == [encode(event, "protobuf") for event in shopping(500)]


def test_every_kind_comes_about_as_often_as_asked_for() -> None:
    counts = {kind: sum(record.kind is kind for record in mixed(5_000)) for kind in Kind}
    assert counts[Kind.EVENT] == 5_000
    for kind in (Kind.REPEAT, Kind.LATE, Kind.MALFORMED):
        assert counts[kind] == pytest.approx(500, rel=0.2)


def test_nothing_is_mixed_in_where_nothing_is_asked_for() -> None:
    records = mix(shopping(100), Shares(repeats=0, late=0, malformed=0), Random(1), "protobuf")
    assert all(record.kind is Kind.EVENT for record in records)


class FakePublisher:
    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, int]] = []
        self.flushed = False

    def send(self, user_id: str, value: bytes, timestamp_ms: int) -> None:
        self.sent.append((user_id, value, timestamp_ms))

    def flush(self) -> None:
        self.flushed = True


def record(user_id: str, at_ms: int, kind: Kind = Kind.EVENT) -> Record:
    return Record(kind, user_id, b"", T0 + at_ms, T0 + at_ms)


def published(*records: Record, now_s: float = 5.0) -> tuple[Traffic, list[Sent]]:
    offered: list[Sent] = []
    traffic = Traffic(offered.append, clock=lambda: now_s)
    traffic.publish(records, FakePublisher(), threading.Event())
    return traffic, offered


def test_everything_is_sent_and_acknowledged() -> None:
    publisher = FakePublisher()
    Traffic(lambda _: None).publish([record("u1", 0), record("u2", 1)], publisher, threading.Event())
    assert [user_id for user_id, _, _ in publisher.sent] == ["u1", "u2"]
    assert publisher.flushed


def test_the_end_is_heard_before_the_next_record_and_what_was_sent_is_acknowledged() -> None:
    ending = threading.Event()
    ending.set()
    publisher = FakePublisher()
    Traffic(lambda _: None).publish([record("u1", 0)], publisher, ending)
    assert not publisher.sent
    assert publisher.flushed


def test_only_events_that_move_a_users_clock_are_offered_as_probes() -> None:
    _, offered = published(
        record("u1", 10),
        record("u1", 5),  # out of order: the scores are as of 10 already
        record("u1", 10),  # as new as the newest
        record("u1", 20, Kind.LATE),
        record("u2", 1),
        record("u1", 11),
    )
    assert offered == [Sent("u1", T0 + 10, 5.0), Sent("u2", T0 + 1, 5.0), Sent("u1", T0 + 11, 5.0)]


def test_out_of_order_counts_events_older_than_one_of_the_same_user() -> None:
    traffic, _ = published(record("u1", 10), record("u2", 5), record("u1", 5), record("u1", 10))
    assert traffic.out_of_order == 1
    assert traffic.newest_ms("u1") == T0 + 10
    assert traffic.newest_ms("nobody") == 0


def test_kinds_are_counted_and_only_events_are_activity() -> None:
    traffic, _ = published(record("u1", 0), record("u1", 1), record("u2", 2), record("u3", 0, Kind.REPEAT))
    assert traffic.counts == {Kind.EVENT: 3, Kind.REPEAT: 1}
    assert traffic.activity(within_s=1) == {"u1": 2, "u2": 1}


def test_activity_forgets() -> None:
    now_s = 0.0
    traffic = Traffic(lambda _: None, clock=lambda: now_s)
    traffic.publish([record("u1", 0)], FakePublisher(), threading.Event())
    now_s = 10.0
    assert traffic.activity(within_s=5) == {}
