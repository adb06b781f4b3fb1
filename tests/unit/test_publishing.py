"""Publishing, against a producer that keeps what it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from console import publishing
from console.publishing import EventPublisher
from console.settings import StackSettings
from console.topic_rules import RuleError, TopicRules
from driftline.errors import InputError, ServiceUnavailable

SETTINGS: StackSettings = StackSettings.load(kafka_bootstrap="127.0.0.1:1", events_topic="events")


KEEPS_ALL = TopicRules(topic="events", retention_ms=-1)
DAY_MS = 86_400_000
NOW_MS = 1_760_000_000_000


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
        self.headers: list[list[tuple[str, bytes]] | None] = []
        self.sent: list[FakeSent] = []
        self.flushes = 0
        self.closed = False

    def partitions_for(self, topic: str) -> set[int] | None:
        return self.partitions

    def send(
        self,
        topic: str,
        *,
        value: bytes,
        key: bytes,
        headers: list[tuple[str, bytes]] | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> FakeSent:
        self.headers.append(headers)
        self.records.append((topic, key, value, partition, timestamp_ms))
        self.sent.append(FakeSent(MessageSizeTooLargeError("no room") if value == self.failing else None))
        return self.sent[-1]

    def flush(self, timeout: float | None = None) -> None:
        self.flushes += 1

    def close(self, timeout: float | None = None) -> None:
        self.closed = True


def publisher(producer: FakeProducer, rules: TopicRules | None = KEEPS_ALL, **more: Any) -> EventPublisher:
    return EventPublisher(SETTINGS, connect=lambda _: producer, rules=lambda *_: rules, **more)


def test_records_carry_key_time_and_topic() -> None:
    producer = FakeProducer()
    with publisher(producer) as opened:
        opened.send("ü1", b"value", 17)
    topic, key, value, partition, timestamp_ms = producer.records[0]
    assert (topic, key, value, timestamp_ms) == ("events", "ü1".encode(), b"value", 17)
    assert partition in producer.partitions
    assert producer.flushes == 1
    assert producer.closed


def test_headers_go_with_the_event_that_has_some() -> None:
    producer = FakeProducer()
    with publisher(producer) as opened:
        opened.send("u1", b"", 1, [("from", b"there")])
        opened.send("u1", b"", 2)
    assert producer.headers == [[("from", b"there")], None]


def test_users_go_where_kafka_s_own_clients_put_them() -> None:
    producer = FakeProducer()
    with publisher(producer) as opened:
        for user in ("u1", "u2", "u1", "a user", "21"):
            opened.send(user, b"", 1)
    # murmur2 of the key, as org.apache.kafka.clients.producer computes it: Utils.murmur2("21") = -973932308.
    assert producer.records[-1][3] == (-973932308 & 0x7FFFFFFF) % 4
    assert producer.records[0][3] == producer.records[2][3]
    assert (opened.published, opened.users) == (5, "4")


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


def test_a_record_is_never_ahead_of_the_clock() -> None:
    producer = FakeProducer()
    with publisher(producer, now_ms=lambda: NOW_MS) as opened:
        for time_ms in (5, NOW_MS, NOW_MS + 1, NOW_MS * 1_000):  # the last one was meant to be milliseconds
            opened.send("u", b"", time_ms)
    assert [record[4] for record in producer.records] == [5, NOW_MS, NOW_MS, NOW_MS]


def test_history_that_the_topic_would_delete_is_refused_with_the_remedy() -> None:
    producer = FakeProducer()
    rules = TopicRules(topic="events", retention_ms=7 * DAY_MS)
    with pytest.raises(RuleError) as caught, publisher(producer, rules, now_ms=lambda: NOW_MS) as opened:
        opened.send("u", b"young", NOW_MS - 7 * DAY_MS)
        opened.send("u", b"old", NOW_MS - 8 * DAY_MS)
    assert [record[2] for record in producer.records] == [b"young"]
    assert "retention.ms=604800000" in str(caught.value)
    assert "8.0 days old" in str(caught.value)
    assert "retention.ms=-1" in str(caught.value)
    assert "--force" in str(caught.value)
    with publisher(producer, rules, now_ms=lambda: NOW_MS, force=True) as opened:
        opened.send("u", b"old", NOW_MS - 8 * DAY_MS)
    assert len(producer.records) == 2


def test_what_was_young_enough_becomes_too_old_in_a_long_run() -> None:
    times = iter([NOW_MS] * 4 + [NOW_MS + 3 * DAY_MS] * 2)
    rules = TopicRules(topic="events", retention_ms=7 * DAY_MS)
    with pytest.raises(RuleError), publisher(FakeProducer(), rules, now_ms=lambda: next(times)) as opened:
        opened.send("u", b"", NOW_MS - 6 * DAY_MS)
        opened.send("u", b"", NOW_MS - 6 * DAY_MS)
        opened.send("u", b"", NOW_MS - 6 * DAY_MS)


def test_a_compacted_topic_is_refused_before_anything_is_sent() -> None:
    producer = FakeProducer()
    rules = TopicRules(topic="events", deletes=False, compacts=True, retention_ms=-1)
    with pytest.raises(RuleError, match=r"cleanup\.policy=compact.*newest event of each user"):
        publisher(producer, rules).__enter__()
    assert producer.closed
    assert not producer.records


def test_rules_that_may_not_be_known_are_a_warning() -> None:
    with publisher(FakeProducer(), None) as opened:
        opened.send("u", b"", 1)
    assert "not known" in opened.warning
    with publisher(FakeProducer(), TopicRules(topic="events", retention_ms=-1, retention_bytes=1_000)) as opened:
        assert "retention.bytes=1000" in opened.warning
    with publisher(FakeProducer()) as opened:
        assert not opened.warning


def test_rules_are_read_from_a_topic_s_configuration() -> None:
    configs = {"retention.ms": "1000", "retention.bytes": "-1", "cleanup.policy": "compact,delete"}
    configs |= {"message.timestamp.type": "LogAppendTime", "message.timestamp.before.max.ms": "77"}
    assert TopicRules.of("t", configs) == TopicRules(
        topic="t", compacts=True, retention_ms=1_000, append_time=True, before_ms_max=77
    )
    assert TopicRules.of("t", {"message.timestamp.difference.max.ms": "5"}) == TopicRules(topic="t", before_ms_max=5)


@pytest.mark.parametrize(
    ("rules", "age_ms", "refused_for"),
    [
        ({}, 7 * DAY_MS, ""),
        ({}, 7 * DAY_MS + 1, "retention.ms"),
        ({"retention_ms": -1}, 20_000 * DAY_MS, ""),
        ({"retention_ms": -1, "before_ms_max": DAY_MS}, DAY_MS + 1, "message.timestamp.before.max.ms"),
        ({"before_ms_max": DAY_MS}, DAY_MS + 1, "message.timestamp.before.max.ms"),
        ({"append_time": True, "before_ms_max": 1}, 20_000 * DAY_MS, ""),
        ({"deletes": False, "retention_ms": 1}, DAY_MS, ""),
    ],
)
def test_the_age_that_a_topic_takes(rules: dict[str, Any], age_ms: int, refused_for: str) -> None:
    topic_rules = TopicRules(topic="events", **rules)
    if not refused_for:
        topic_rules.check_time(NOW_MS - age_ms, NOW_MS)
        return
    with pytest.raises(RuleError, match=refused_for):
        topic_rules.check_time(NOW_MS - age_ms, NOW_MS)


def test_users_move_when_the_topic_has_more_partitions() -> None:
    clock = iter(range(NOW_MS, NOW_MS + 100 * publishing._LOOK_MS, publishing._LOOK_MS))
    producer = FakeProducer()
    with publisher(producer, now_ms=lambda: next(clock)) as opened:
        opened.send("21", b"", 1)
        producer.partitions = set(range(7))
        opened.send("21", b"", 1)
    hashed = -973932308 & 0x7FFFFFFF
    assert [record[3] for record in producer.records] == [hashed % 4, hashed % 7]
    assert opened.users == "1"


def test_what_is_remembered_of_users_is_bounded_and_their_number_stays_true(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "_USERS_MAX", 10)
    with publisher(FakeProducer()) as opened:
        for number in range(10):
            opened.send(f"u{number}", b"", 1)
        assert opened.users == "10"
        for number in range(1_000):
            opened.send(f"v{number}", b"", 1)
            assert sum(len(kept) for kept in vars(opened).values() if isinstance(kept, dict | set)) <= 10 + 4
    assert opened.users == "more than 10"
