"""Topics for the tests: made as `driftline up` makes its own, read from end to end, written record by record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from console.settings import StackSettings
from driftline.topics import MESSAGE_BYTES_MAX
from tests.e2e.stack import eventually

_READ_S_MAX = 30


def create(settings: StackSettings, topics: Mapping[str, Mapping[str, str]], partitions: int = 0) -> None:
    """Create those of the topics, by name and configuration, that do not exist; 0 partitions: as many as `up` does."""
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka_address)
    try:
        existing = set(admin.list_topics())
        wanted = {
            name: {
                "num_partitions": partitions or settings.events_partitions,
                "replication_factor": 1,
                "configs": dict(config),
            }
            for name, config in topics.items()
            if name not in existing
        }
        if wanted:
            admin.create_topics(wanted, wait_for_metadata=True)
    finally:
        admin.close()


def add_partitions(settings: StackSettings, topic: str, count: int) -> None:
    """Let a topic have so many partitions; returns when clients see them."""
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka_address)
    try:
        admin.create_partitions({topic: count})

        def seen() -> int:
            (described,) = admin.describe_topics([topic])
            return len(described["partitions"])

        eventually(seen, lambda partitions: partitions == count, f"{topic} has {count} partitions")
    finally:
        admin.close()


def read(settings: StackSettings, topic: str) -> list[Any]:
    """Every record that the topic holds now; those of a partition in their order."""
    consumer = KafkaConsumer(
        bootstrap_servers=settings.kafka_address,
        max_partition_fetch_bytes=2 * MESSAGE_BYTES_MAX,
        fetch_max_bytes=4 * MESSAGE_BYTES_MAX,
    )
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        found: list[Any] = []
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for records in consumer.poll(timeout_ms=_READ_S_MAX * 1000).values():
                found += records
        return found
    finally:
        consumer.close()


@contextmanager
def producer(settings: StackSettings, **options: Any) -> Iterator[Any]:
    """A plain Kafka client that lets anything through."""
    options = {"acks": "all", "max_request_size": MESSAGE_BYTES_MAX} | options
    client = KafkaProducer(bootstrap_servers=settings.kafka_address, **options)
    try:
        yield client
    finally:
        client.close()


def delete_all(settings: StackSettings, topic: str) -> None:
    """Delete every record that the topic holds, as retention does in time."""
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka_address)
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka_address)
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        ends = consumer.end_offsets(partitions)
        admin.delete_records(ends)
        assert consumer.beginning_offsets(partitions) == ends
    finally:
        consumer.close()
        admin.close()
