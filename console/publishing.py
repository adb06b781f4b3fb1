"""Publishing events to Kafka: in order per user, acknowledged by all replicas, within a bounded memory.

A record's timestamp is its event's time, so that history keeps its own; but never a time to come: the job tells a wrong
clock by an event that is ahead of its record.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import closing
from types import TracebackType
from typing import Any, Protocol

from kafka import KafkaProducer
from kafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, UnknownTopicOrPartitionError
from kafka.partitioner.default import murmur2

from console.extents import connect_consumer, extents_of, partitions_of
from console.settings import StackSettings
from console.topic_rules import RuleError, TopicRules, read_rules
from driftline.errors import InputError, ServiceUnavailable
from driftline.event.v1.event_pb2 import UserEvent
from driftline.settings import Format
from driftline.topics import EVENT_BYTES_MAX
from driftline.units import MIB, wall_clock_ms
from history.documents import DOCUMENT_BYTES_MAX

_CONNECT_MS_MAX = 8_000  # how long an unreachable Kafka is tried
_DELIVERY_MS_MAX = 30_000  # how long a record may wait for its acknowledgement
_ACKNOWLEDGED_S_MAX = 45.0  # the same, seen from outside, with time for the client to notice
_CLOSE_S_MAX = 2.0  # how long a failed publisher still waits
_BATCH_BYTES = 256 * 1024  # half the per-record cost of the client's default of 16 KiB
_LINGER_MS = 2  # all of it is latency of a single event; a busy producer gathers while its requests are on their way
# The client's own buffer has no bound. So every so often a record's acknowledgement is remembered, and the oldest of a
# few is awaited: at most about (_MARKS_MAX + 1) * _MARK_EVERY records, or twice that many bytes, are on their way.
_MARK_EVERY_RECORDS = 5_000
_MARK_EVERY_BYTES = 4 * MIB
_MARKS_MAX = 5
_USERS_MAX = 1_000_000  # whose key's hash is remembered: hashing in Python costs as much as sending
_METADATA_MS_MAX = 30_000  # how long a topic may have more partitions before users move as they do for other clients
_LOOK_MS = 1_000  # how often the client is asked what it knows of the topic


class Sent(Protocol):
    """What a producer returns for a record: done when the record is acknowledged or given up."""

    def get(self, timeout: float | None = None) -> Any:
        """Wait; raises what went wrong."""

    def add_errback(self, f: Callable[[BaseException], object]) -> Any:
        """Call `f` when the delivery fails, at once if it has."""


class Producer(Protocol):
    """The part of a Kafka client that publishing needs."""

    def partitions_for(self, topic: str) -> set[int] | None:
        """The partitions of a topic."""

    def send(
        self,
        topic: str,
        *,
        value: bytes,
        key: bytes,
        headers: list[tuple[str, bytes]] | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Sent:
        """Hand over a record."""

    def flush(self, timeout: float | None = None) -> None:
        """Wait until every record is acknowledged or given up."""

    def close(self, timeout: float | None = None) -> None:
        """Let go of the connections."""


class _Client(KafkaProducer):  # type: ignore[misc]  # ships no types
    """A producer that can be closed while records are pending: the parent's close raises then, and leaves it open."""

    def close(self, timeout: float | None = None, null_logger: bool = False) -> None:
        try:
            super().close(timeout, null_logger)
        except KafkaTimeoutError:
            self._sender.force_close()  # gives up what is pending
            super().close(timeout, null_logger)


def connect(settings: StackSettings) -> Producer:
    """A producer for the stack's Kafka. Raises ServiceUnavailable within ten seconds if there is none."""
    # The client logs each attempt; without a handler of the application's those lines would land on the terminal.
    logging.getLogger("kafka").addHandler(logging.NullHandler())
    try:
        producer: Producer = _Client(
            bootstrap_servers=settings.kafka_address.split(","),
            client_id="driftline-publisher",
            acks="all",
            enable_idempotence=True,  # retries neither repeat nor reorder
            linger_ms=_LINGER_MS,
            batch_size=_BATCH_BYTES,
            max_request_size=EVENT_BYTES_MAX,
            bootstrap_timeout_ms=_CONNECT_MS_MAX,
            max_block_ms=_CONNECT_MS_MAX,
            delivery_timeout_ms=_DELIVERY_MS_MAX,
            request_timeout_ms=_DELIVERY_MS_MAX - 10_000,
            metadata_max_age_ms=_METADATA_MS_MAX,
            metrics_enabled=False,
        )
    except (KafkaError, OSError, ValueError) as error:
        raise _unreachable(settings, error) from None
    return producer


class EventPublisher:
    """Publishes encoded events to the events topic; a context manager that waits for all acknowledgements at its end.

    Used by one thread. Raises ServiceUnavailable when Kafka cannot be reached or a record is not delivered, and
    RuleError before a record is sent that the topic would refuse or delete; what was acknowledged until then stays
    published.

    Args:
        settings: where Kafka is.
        connect: makes the producer.
        topic: the topic, if it is not that of the settings.
        rules: asks what the topic does to records; None: forbidden to know. Not called if `force`.
        force: publish also what the topic would refuse or delete.
        now_ms: the wall clock.
    """

    def __init__(
        self,
        settings: StackSettings,
        *,
        connect: Callable[[StackSettings], Producer] = connect,
        topic: str = "",
        rules: Callable[[StackSettings, str], TopicRules | None] = read_rules,
        force: bool = False,
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self.topic = topic or settings.events_topic
        self.published = 0
        self.warning = ""  # what the topic may do to the events, where that is not known or not certain
        self._settings = settings
        self._connect = connect
        self._read_rules = None if force else rules
        self._rules: TopicRules | None = None
        self._now_ms = now_ms
        self._oldest_ms = 0  # what the topic keeps, as of the last look
        self._look_at_ms = 0  # when to look again what the topic is like
        self._producer: Producer | None = None
        self._partitions: list[int] = []
        self._key_of: dict[str, tuple[bytes, int]] = {}  # with its hash
        self._more_users = False
        self._first_of: dict[int, Sent] = {}
        self._marks: deque[Sent] = deque()
        self._records_since_mark = 0
        self._bytes_since_mark = 0
        self._failure: BaseException | None = None

    @property
    def users(self) -> str:
        """How many different users have been published; above a million, that they are more."""
        return f"more than {_USERS_MAX:,}" if self._more_users else f"{len(self._key_of):,}"

    def __enter__(self) -> EventPublisher:
        """Connect, and find the topic's partitions and rules."""
        self._producer = self._connect(self._settings)
        try:
            self._look(self._now_ms())
            self._ask()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what was sent, also after an error of the caller's, which then is the one that is seen."""
        try:
            self.flush()
        except ServiceUnavailable:
            if error is None:
                raise
        finally:
            self._close()

    def send(
        self, user_id: str, value: bytes, timestamp_ms: int, headers: list[tuple[str, bytes]] | None = None
    ) -> None:
        """Hand over one event. Blocks while too many are on their way. Raises InputError if it is too large."""
        self.post(user_id, value, timestamp_ms, headers)

    def post(
        self, user_id: str, value: bytes, timestamp_ms: int, headers: list[tuple[str, bytes]] | None = None
    ) -> Sent:
        """Do as `send` does, and return what tells, once it is acknowledged, where the record stands."""
        if len(value) > DOCUMENT_BYTES_MAX:
            message = f"an event of {len(value):,} bytes is larger than the {DOCUMENT_BYTES_MAX:,} that one may have"
            raise InputError(message)
        now_ms = self._now_ms()
        if now_ms >= self._look_at_ms:
            self._look(now_ms)
        if timestamp_ms < self._oldest_ms and self._rules is not None:
            self._rules.check_time(timestamp_ms, now_ms)
        key, hashed = self._key_of.get(user_id) or self._hash(user_id)
        partition = self._partitions[hashed % len(self._partitions)]
        try:
            sent = self._connected().send(
                self.topic,
                value=value,
                key=key,
                headers=headers,
                partition=partition,
                timestamp_ms=min(timestamp_ms, now_ms),
            )
        except KafkaTimeoutError as error:
            raise _unreachable(self._settings, error) from None
        except KafkaError as error:
            raise self._undelivered(error) from None
        sent.add_errback(self._failed)
        if partition not in self._first_of:
            self._first_of[partition] = sent
        self.published += 1
        self._records_since_mark += 1
        self._bytes_since_mark += len(value)
        if self._records_since_mark >= _MARK_EVERY_RECORDS or self._bytes_since_mark >= _MARK_EVERY_BYTES:
            self._mark(sent)
        return sent

    def flush(self) -> None:
        """Wait until everything sent is acknowledged. Raises ServiceUnavailable if anything was not delivered."""
        try:
            self._connected().flush(timeout=_CLOSE_S_MAX if self._failure else _ACKNOWLEDGED_S_MAX)
        except KafkaError as error:
            self._failure = self._failure or error
        self._marks.clear()
        if self._failure is not None:
            raise self._undelivered(self._failure)

    def check_kept(self) -> None:
        """After `flush`: raise RuleError if the broker has begun to delete what was published."""
        with closing(connect_consumer(self._settings)) as consumer:
            extents = extents_of(consumer, partitions_of(consumer, self.topic))
        for partition, sent in self._first_of.items():
            first, begin = sent.get(timeout=_CLOSE_S_MAX).offset, extents[partition].begin
            if 0 <= first < begin:
                message = (
                    f"topic {self.topic} has deleted events that were just published: partition {partition} begins at "
                    f"offset {begin:,}, they began at {first:,}; see its retention.ms and retention.bytes"
                )
                raise RuleError(message)

    def _connected(self) -> Producer:
        if self._producer is None:
            message = "EventPublisher is used outside its `with` block"
            raise RuntimeError(message)
        return self._producer

    def _hash(self, user_id: str) -> tuple[bytes, int]:
        """The key of a user and its hash, as Kafka's own clients compute it."""
        key = user_id.encode()
        known = key, key_hash(key)
        if len(self._key_of) >= _USERS_MAX:
            self._key_of.clear()
            self._more_users = True
        self._key_of[user_id] = known
        return known

    def _look(self, now_ms: int) -> None:
        """Find the topic's partitions, which may have become more, and what it keeps."""
        try:
            self._partitions = sorted(self._connected().partitions_for(self.topic) or ())
        except KafkaError as error:
            raise self._unknown_topic(error) from None
        if not self._partitions:
            raise self._unknown_topic(None)
        if self._rules is not None:
            self._oldest_ms = self._rules.oldest_ms(now_ms)
        self._look_at_ms = now_ms + _LOOK_MS

    def _ask(self) -> None:
        """Find out what the topic does to records. Raises RuleError if it keeps no history."""
        if self._read_rules is None:
            return
        self._rules = self._read_rules(self._settings, self.topic)
        if self._rules is None:
            self.warning = (
                f"Kafka does not say how topic {self.topic} is configured (DescribeConfigs is forbidden): "
                "whether it keeps old events is not known"
            )
            return
        self._rules.check_policy()
        self._oldest_ms = self._rules.oldest_ms(self._now_ms())
        if self._rules.deletes and self._rules.retention_bytes >= 0:
            self.warning = (
                f"topic {self.topic} has retention.bytes={self._rules.retention_bytes}: of more than that a partition "
                "the broker deletes the oldest"
            )

    def _mark(self, sent: Sent) -> None:
        self._records_since_mark = self._bytes_since_mark = 0
        self._marks.append(sent)
        if len(self._marks) > _MARKS_MAX:
            try:
                self._marks.popleft().get(timeout=_ACKNOWLEDGED_S_MAX)
            except KafkaError as error:
                self._failure = self._failure or error
        if self._failure is not None:
            raise self._undelivered(self._failure)

    def _failed(self, error: BaseException) -> None:
        """Called by the client's thread."""
        self._failure = self._failure or error

    def _close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=_CLOSE_S_MAX)

    def _undelivered(self, error: BaseException) -> ServiceUnavailable:
        return ServiceUnavailable(
            f"Kafka at {self._settings.kafka_address} did not acknowledge all of the {self.published:,} events "
            f"sent to {self.topic!r}: {_reason(error)}"
        )

    def _unknown_topic(self, error: KafkaError | None) -> ServiceUnavailable:
        if error is not None and not isinstance(error, (KafkaTimeoutError, UnknownTopicOrPartitionError)):
            return self._undelivered(error)
        return ServiceUnavailable(
            f"Kafka at {self._settings.kafka_address} has no topic {self.topic!r}: "
            "create it with `driftline up`, or name another in DRIFTLINE_EVENTS_TOPIC"
        )


def key_hash(key: bytes) -> int:
    """Return the hash of a key as Kafka's own clients compute it; modulo the partitions it is the record's."""
    return int(murmur2(key)) & 0x7FFFFFFF


def publish_events(publisher: EventPublisher, events: Iterable[tuple[UserEvent, bytes]], encoding: Format) -> None:
    """Send events with their JSON, in order; to a JSON topic it goes as it was written.

    An InputError of the events' reader then also says how many were published. Does not wait for the last
    acknowledgements.
    """
    as_json = encoding == "json"
    try:
        for event, document in events:
            value = document if as_json else event.SerializeToString()
            publisher.send(event.user_id, value, event.event_time_ms)
    except InputError as error:
        message = f"{error}. Published were the {publisher.published:,} events before it"
        raise InputError(message) from None


def _unreachable(settings: StackSettings, error: BaseException) -> ServiceUnavailable:
    plain = isinstance(error, (KafkaTimeoutError, KafkaConnectionError))
    reason = "no answer" if plain else _reason(error)
    return ServiceUnavailable(
        f"Kafka at {settings.kafka_address} cannot be reached ({reason}): start it with `driftline up`, "
        "or name another in DRIFTLINE_KAFKA_BOOTSTRAP or DRIFTLINE_KAFKA_PORT"
    )


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
