"""The topics that Driftline needs, and creating those that are missing."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from console.local.service import NotReady
from console.settings import StackSettings
from driftline.errors import ServiceUnavailable
from driftline.topics import EVENTS
from jobs.register import all_topics

_TIMEOUT_MS = 10_000


def topics(settings: StackSettings) -> dict[str, dict[str, str]]:
    """Every topic that a job reads or writes, with its configuration."""
    found: dict[str, dict[str, str]] = {}
    for topic in all_topics():
        name = settings.events_topic if topic is EVENTS else topic.name
        days = getattr(settings, topic.retention_setting) if topic.retention_setting else -1
        found[name] = topic.config(days)
    return found


@dataclass(frozen=True)
class TopicStatus:
    """A topic as it is, beside what the settings say of it."""

    name: str
    exists: bool
    partitions: int = 0
    offsets: int = 0  # held now: events, and what transactions leave
    cleanup_policy: str = ""
    retention_ms: int | None = None  # None where the broker does not tell; -1: for ever
    wanted_retention_ms: int = -1

    @property
    def as_wanted(self) -> bool:
        """Whether it keeps its records as long as the settings say, as far as is known."""
        return self.retention_ms in (None, self.wanted_retention_ms)


def describe_topics(settings: StackSettings) -> list[TopicStatus]:
    """Every topic of the contract. Raises ServiceUnavailable without Kafka."""
    from console.extents import connect_consumer, extents_of, partitions_of  # Kafka's client
    from console.topic_rules import read_configs

    found = []
    with closing(connect_consumer(settings)) as consumer:
        existing = consumer.topics()
        for name, wanted in topics(settings).items():
            wanted_ms = int(wanted["retention.ms"])
            if name not in existing:
                found.append(TopicStatus(name, False, wanted_retention_ms=wanted_ms))
                continue
            configs = (read_configs(settings, [name]) or {}).get(name, {})
            retention = configs.get("retention.ms")
            extents = extents_of(consumer, partitions_of(consumer, name)).values()
            held = sum(extent.end - extent.begin for extent in extents)
            policy, kept_ms = configs.get("cleanup.policy") or "", None if retention is None else int(retention)
            found.append(TopicStatus(name, True, len(extents), held, policy, kept_ms, wanted_ms))
    return found


def apply_retention(settings: StackSettings) -> list[str]:
    """Give the existing topics the retention of the settings, and return the names of those that had another.

    Raises ServiceUnavailable without Kafka, or where the broker forbids it.
    """
    from kafka.admin import ConfigResource, ConfigResourceType

    changed = [topic.name for topic in describe_topics(settings) if topic.exists and not topic.as_wanted]
    wanted = topics(settings)
    resources = [
        ConfigResource(
            ConfigResourceType.TOPIC,
            name,
            {key: value for key, value in wanted[name].items() if key in ("retention.ms", "segment.ms")},
        )
        for name in changed
    ]
    try:
        if resources:
            with _admin(settings) as admin:
                admin.alter_configs(resources)
    except NotReady as error:
        message = f"Kafka at {settings.kafka_address} did not change its topics: {error}"
        raise ServiceUnavailable(message) from None
    return changed


def topic_names(settings: StackSettings) -> set[str]:
    """The topics that exist. Raises NotReady when Kafka does not tell within a few seconds."""
    with _admin(settings) as admin:
        return set(admin.list_topics())


def create_topics(settings: StackSettings) -> list[str]:
    """Create the missing topics and return their names; existing ones stay as they are.

    Raises NotReady when Kafka cannot create them now, for example because its broker is still registering.
    """
    return make_topics(settings, topics(settings))


def make_topics(settings: StackSettings, configs: Mapping[str, Mapping[str, str]], *, partitions: int = 0) -> list[str]:
    """Create those of these topics that are missing, by name with their configuration, and return their names.

    Args:
        settings: where Kafka is.
        configs: by name.
        partitions: of each; 0: as many as `up` gives them.

    Raises:
        NotReady: as create_topics.
    """
    from kafka.errors import TopicAlreadyExistsError

    with _admin(settings) as admin:
        existing = set(admin.list_topics())
        missing = {name: config for name, config in configs.items() if name not in existing}
        if not missing:
            return []
        wanted = {
            name: {
                "num_partitions": partitions or settings.events_partitions,
                "replication_factor": -1,
                "configs": dict(config),
            }
            for name, config in missing.items()
        }
        with suppress(TopicAlreadyExistsError):  # someone else's `up` against the same Kafka was faster
            admin.create_topics(wanted, timeout_ms=_TIMEOUT_MS, wait_for_metadata=True)
        return sorted(missing)


def delete_topic(settings: StackSettings, name: str) -> None:
    """Delete a topic, if there is one. Raises NotReady when Kafka does not do it."""
    from kafka.errors import UnknownTopicOrPartitionError

    with _admin(settings) as admin, suppress(UnknownTopicOrPartitionError):
        admin.delete_topics([name], timeout_ms=_TIMEOUT_MS)


@contextmanager
def _admin(settings: StackSettings) -> Iterator[Any]:
    """A Kafka admin client; its trouble becomes NotReady, and its log lines stay out of the terminal."""
    from kafka import KafkaAdminClient  # takes half a second to import
    from kafka.errors import KafkaError

    log = logging.getLogger("kafka")
    level = log.level
    log.setLevel(logging.CRITICAL)
    admin = None
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=settings.kafka_address.split(","),
            request_timeout_ms=_TIMEOUT_MS,
            bootstrap_timeout_ms=3_000,
        )
        yield admin
    except (KafkaError, OSError) as error:
        message = str(error) or type(error).__name__
        raise NotReady(message) from None
    finally:
        if admin is not None:
            admin.close()
        log.setLevel(level)
