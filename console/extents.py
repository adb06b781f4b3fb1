"""Which offsets a topic holds."""

from __future__ import annotations

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from console.accounting import Extent
from console.settings import StackSettings
from driftline.errors import InputError, ServiceUnavailable

_REQUEST_MS_MAX = 10_000
_CONNECT_MS_MAX = 8_000  # how long an unreachable Kafka is tried


def connect_consumer(settings: StackSettings, **options: int) -> KafkaConsumer:
    """A consumer of the stack's Kafka without a group; `options` are its client's. Raises ServiceUnavailable."""
    try:
        return KafkaConsumer(
            bootstrap_servers=settings.kafka_address.split(","),
            isolation_level=settings.isolation_level,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            bootstrap_timeout_ms=_CONNECT_MS_MAX,
            request_timeout_ms=_REQUEST_MS_MAX,
            **options,
        )
    except (KafkaError, OSError) as error:
        message = f"Kafka at {settings.kafka_address} cannot be used: {error}; see DRIFTLINE_KAFKA_PORT"
        raise ServiceUnavailable(message) from None


def partitions_of(consumer: KafkaConsumer, topic: str) -> list[TopicPartition]:
    """The partitions of a topic, ascending. Raises InputError if there is none, ServiceUnavailable without Kafka."""
    try:
        numbers = consumer.partitions_for_topic(topic)
    except KafkaError as error:
        message = f"Kafka: {error}"
        raise ServiceUnavailable(message) from None
    if not numbers:
        message = f"topic {topic} does not exist; `driftline up` creates it"
        raise InputError(message)
    return [TopicPartition(topic, number) for number in sorted(numbers)]


def extents_of(consumer: KafkaConsumer, partitions: list[TopicPartition]) -> dict[int, Extent]:
    """The offsets that each partition holds now. Raises ServiceUnavailable when Kafka does not tell."""
    try:
        begins = consumer.beginning_offsets(partitions)
        ends = consumer.end_offsets(partitions)
    except KafkaError as error:
        message = f"Kafka: {error}"
        raise ServiceUnavailable(message) from None
    return {
        partition.partition: Extent(begins[partition], max(ends[partition], begins[partition]))
        for partition in partitions
    }
