"""How much of the events topic a job has processed: offsets in Kafka against the totals that the job keeps in Redis."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from driftline.errors import InputError, ServiceUnavailable
from driftline.settings import StackSettings
from sink_connectors.score_store import Progress, RedisScoreStore


@dataclass(frozen=True)
class Drained:
    """A look at a topic and the job that reads it."""

    published: int
    totals: Progress

    @property
    def done(self) -> bool:
        """Whether every published event is accounted for."""
        return self.totals.events >= self.published


class TopicProgress:
    """Compares a topic with the progress of a namespace; `look` as often as needed, then `close`.

    Raises:
        ServiceUnavailable: Kafka or Redis cannot be reached.
        InputError: the topic does not exist.
    """

    def __init__(self, settings: StackSettings, namespace: str = "") -> None:
        self._topic = settings.events_topic
        self.namespace = namespace or settings.namespace or _live_namespace(settings)
        self._store = RedisScoreStore.connect(settings.redis_address, namespace=self.namespace, retry_s=5.0)
        try:
            self._consumer = KafkaConsumer(bootstrap_servers=settings.kafka_address, request_timeout_ms=10_000)
            partitions = self._consumer.partitions_for_topic(self._topic)
        except KafkaError as error:
            message = f"Kafka at {settings.kafka_address} cannot be used: {error}; see DRIFTLINE_KAFKA_PORT"
            raise ServiceUnavailable(message) from None
        if not partitions:
            message = f"topic {self._topic} does not exist; `driftline up` creates it"
            raise InputError(message)
        self._partitions = [TopicPartition(self._topic, number) for number in sorted(partitions)]

    def look(self) -> Drained:
        """Compare now. The count of records is that of offsets: the topic is neither compacted nor transactional."""
        try:
            ends = self._consumer.end_offsets(self._partitions)
            begins = self._consumer.beginning_offsets(self._partitions)
        except KafkaError as error:
            message = f"Kafka: {error}"
            raise ServiceUnavailable(message) from None
        published = sum(ends.values()) - sum(begins.values())
        return Drained(published, Progress.total(self._store.read_progress().values()))

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()
        self._store.close()


def _live_namespace(settings: StackSettings) -> str:
    with closing(RedisScoreStore.connect(settings.redis_address, retry_s=5.0)) as store:
        return store.live_namespace()
