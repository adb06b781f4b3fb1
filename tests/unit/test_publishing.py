"""Publishing, against a producer that keeps what it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from driftline import publishing
from driftline.errors import InputError, ServiceUnavailable
from driftline.publishing import EventPublisher
from driftline.settings import StackSettings

SETTINGS: StackSettings = StackSettings.load(kafka_bootstrap="127.0.0.1:1", events_topic="events")


class FakeSent:
    """Settled from the beginning."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error
        self.waited = False

    def get(self, timeout: float | None = None) -> Any:
        assert timeout
        self.waited = True
        if self.error is not None:
            raise self.error

    def add_errback(self, f: Callable[[BaseException], object]) -> None:
        if self.error is not None:
            f(self.error)


class FakeProducer:
    def __init__(self, *, partitions: set[int] | None = None, failing: bytes = b"never") -> None:
        self.partitions = {0, 1, 2, 3} if partitions is None else partitions
        self.failing = failing
        self.records: list[tuple[str, bytes, bytes, int | None, int | None]] = []
        self.sent: list[FakeSent] = []
        self.flushes = 0
        self.closed = False

    def partitions_for(self, topic: str) -> set[int] | None:
        return self.partitions

    def send(
        self, topic: str, *, value: bytes, key: bytes, partition: int | None = None, timestamp_ms: int | None = None
    ) -> FakeSent:
        self.records.append((topic, key, value, partition, timestamp_ms))
        self.sent.append(FakeSent(MessageSizeTooLargeError("no room") if value == self.failing else None))
        return self.sent[-1]

    def flush(self, timeout: float | None = None) -> None:
        self.flushes += 1

    def close(self, timeout: float | None = None) -> None:
        self.closed = True


def publisher(producer: FakeProducer) -> EventPublisher:
    return EventPublisher(SETTINGS, connect=lambda _: producer)


def test_records_carry_key_time_and_topic() -> None:
    producer = FakeProducer()
    with publisher(producer) as opened:
        opened.send("ü1", b"value", 17)
    topic, key, value, partition, timestamp_ms = producer.records[0]
    assert (topic, key, value, timestamp_ms) == ("events", "ü1".encode(), b"value", 17)
    assert partition in producer.partitions
    assert producer.flushes == 1
    assert producer.closed


def test_users_go_where_kafka_s_own_clients_put_them() -> None:
    producer = FakeProducer()
    with publisher(producer) as opened:
        for user in ("u1", "u2", "u1", "a user", "21"):
            opened.send(user, b"", 1)
    # murmur2 of the key, as org.apache.kafka.clients.producer computes it: Utils.murmur2("21") = -973932308.
    assert producer.records[-1][3] == (-973932308 & 0x7FFFFFFF) % 4
    assert producer.records[0][3] == producer.records[2][3]
    assert (opened.published, opened.users) == (5, 4)


def test_a_failed_delivery_is_raised_at_the_end() -> None:
    producer = FakeProducer(failing=b"bad")
    with pytest.raises(ServiceUnavailable, match=r"did not acknowledge all of the 2 events sent to 'events'.*no room"):  # noqa: SIM117
        with publisher(producer) as opened:
            opened.send("u", b"bad", 1)
            opened.send("u", b"good", 1)
    assert producer.closed


def test_an_error_of_the_caller_is_not_hidden_and_what_was_sent_is_flushed() -> None:
    producer = FakeProducer(failing=b"bad")
    with pytest.raises(KeyError), publisher(producer) as opened:
        opened.send("u", b"bad", 1)
        raise KeyError
    assert producer.flushes == 1
    assert producer.closed


def test_what_is_on_its_way_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "_MARK_EVERY_RECORDS", 10)
    producer = FakeProducer()
    with publisher(producer) as opened:
        for _ in range(100):
            opened.send("u", b"", 1)
    assert [index for index, sent in enumerate(producer.sent) if sent.waited] == [9, 19, 29, 39, 49]


def test_a_failure_stops_a_long_run_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "_MARK_EVERY_RECORDS", 10)
    producer = FakeProducer(failing=b"bad")
    with pytest.raises(ServiceUnavailable), publisher(producer) as opened:
        for _ in range(1_000):
            opened.send("u", b"bad", 1)
    assert len(producer.records) == 10


def test_a_large_event_is_refused_before_it_is_sent() -> None:
    producer = FakeProducer()
    with pytest.raises(InputError, match="16,000,000 bytes"), publisher(producer) as opened:
        opened.send("u", bytes(16_000_000), 1)
    assert not producer.records


def test_a_missing_topic_is_named() -> None:
    producer = FakeProducer(partitions=set())
    with pytest.raises(ServiceUnavailable, match=r"has no topic 'events'.*DRIFTLINE_EVENTS_TOPIC"):
        publisher(producer).__enter__()
    assert producer.closed


def test_an_unreachable_kafka_names_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(**_: object) -> None:
        raise KafkaTimeoutError

    monkeypatch.setattr(publishing, "_Client", unreachable)
    with pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1:1 cannot be reached.*DRIFTLINE_KAFKA_PORT"):
        EventPublisher(SETTINGS).__enter__()
