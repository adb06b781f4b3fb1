"""The topics that Driftline needs, and creating those that are missing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from driftline.settings import StackSettings
from driftline.stack.service import NotReady

EVENT_BYTES_MAX = 16 * 1024 * 1024
MESSAGE_BYTES_MAX = EVENT_BYTES_MAX + 64 * 1024  # a dead letter is an event and its headers
_TIMEOUT_MS = 10_000
_DAY_MS = 86_400_000
# A broker deletes and rolls by record timestamp, and events carry their own past. So keep everything, and do not start
# a new segment whenever shuffled history steps by more than a week (the default of segment.ms): it would be thousands
# of small files.
_KEEP = {"retention.ms": "-1", "retention.bytes": "-1", "segment.ms": str(3_650 * _DAY_MS)}
_LARGE = {"max.message.bytes": str(EVENT_BYTES_MAX)}
_LARGER = {"max.message.bytes": str(MESSAGE_BYTES_MAX)}
_COMPACTED = {
    "cleanup.policy": "compact",
    "retention.ms": "-1",
    "segment.bytes": str(64 * 1024 * 1024),  # only closed segments are compacted
}


def topics(settings: StackSettings) -> dict[str, dict[str, str]]:
    """Every topic of the contract with its configuration."""
    return {
        settings.events_topic: _KEEP | _LARGE,
        "events.dead-letter": _KEEP | _LARGER,
        "events.late": _KEEP | _LARGER,
        "sessions": dict(_KEEP),
        "scores": dict(_COMPACTED),
    }


def topic_names(settings: StackSettings) -> set[str]:
    """The topics that exist. Raises NotReady when Kafka does not tell within a few seconds."""
    with _admin(settings) as admin:
        return set(admin.list_topics())


def create_topics(settings: StackSettings) -> list[str]:
    """Create the missing topics and return their names; existing ones stay as they are.

    Raises NotReady when Kafka cannot create them now, for example because its broker is still registering.
    """
    from kafka.errors import TopicAlreadyExistsError  # noqa: PLC0415

    with _admin(settings) as admin:
        existing = set(admin.list_topics())
        missing = {name: config for name, config in topics(settings).items() if name not in existing}
        if not missing:
            return []
        wanted = {
            name: {"num_partitions": settings.events_partitions, "replication_factor": -1, "configs": config}
            for name, config in missing.items()
        }
        with suppress(TopicAlreadyExistsError):  # someone else's `up` against the same Kafka was faster
            admin.create_topics(wanted, timeout_ms=_TIMEOUT_MS, wait_for_metadata=True)
        return sorted(missing)


@contextmanager
def _admin(settings: StackSettings) -> Iterator[Any]:
    """A Kafka admin client; its trouble becomes NotReady, and its log lines stay out of the terminal."""
    from kafka import KafkaAdminClient  # noqa: PLC0415  (takes half a second to import)
    from kafka.errors import KafkaError  # noqa: PLC0415

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
