"""The topics of a replay: those that its job writes, and the one that names the stretches of the lake to read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kafka.errors import KafkaError

from console.local.service import NotReady
from console.local.topics import delete_topic, make_topics
from console.publishing import connect
from console.settings import StackSettings
from driftline.errors import ServiceUnavailable
from jobs.base_settings import JobSettings
from jobs.register import JobSpec

if TYPE_CHECKING:
    from history.lake.sequence import Turn

_KEPT = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
_WAIT_S = 30.0


def output_names(spec: JobSpec, namespace: str) -> dict[str, str]:
    """Return the settings that name the outputs of a job in a namespace: <namespace>.scores, <namespace>.late ..."""
    return {f"{topic.role}_topic": f"{namespace}.{topic.name.removeprefix('events.')}" for topic in spec.writes()}


def make_outputs(stack: StackSettings, spec: JobSpec, settings: JobSettings) -> list[str]:
    """Create the topics that a job writes, where they are missing, kept as `driftline up` keeps its own.

    Returns:
        Their names.

    Raises:
        ServiceUnavailable: Kafka does not create them.
    """
    configs = {}
    for topic in spec.writes():
        days = getattr(stack, topic.retention_setting) if topic.retention_setting else -1
        configs[settings.topic(topic)] = topic.config(days)
    try:
        return make_topics(stack, configs)
    except NotReady as error:
        message = f"Kafka at {stack.kafka_address} did not create {', '.join(configs)}: {error}"
        raise ServiceUnavailable(message) from None


def publish_turns(stack: StackSettings, topic: str, turns: Iterable[Turn]) -> None:
    """Make the topic that names the stretches of the lake, in their order: one partition, kept until it is deleted.

    A record's timestamp is the watermark of its turn, so that Flink's watermark is what it would be over the topic.

    Raises:
        ServiceUnavailable: Kafka does not take it.
    """
    from history.lake.chunks import records_of  # arrow

    try:
        make_topics(stack, {topic: _KEPT}, partitions=1)
    except NotReady as error:
        message = f"Kafka at {stack.kafka_address} did not create {topic}: {error}"
        raise ServiceUnavailable(message) from None
    producer = connect(stack)
    try:
        sent = [
            producer.send(topic, value=value.encode(), key=b"", timestamp_ms=time_ms)
            for value, time_ms in records_of(turns)
        ]
        producer.flush(_WAIT_S)
        for one in sent:
            one.get(_WAIT_S)
    except KafkaError as error:
        message = f"Kafka at {stack.kafka_address} did not take what {topic} is to hold: {error}"
        raise ServiceUnavailable(message) from None
    finally:
        producer.close(_WAIT_S)


def delete_chunks(stack: StackSettings, topic: str) -> str:
    """Delete the topic of `publish_turns`; returns what to say where that does not go, which does no harm."""
    try:
        delete_topic(stack, topic)
    except NotReady as error:
        return f"the topic {topic} is not needed any more, and could not be deleted: {error}"
    return ""
