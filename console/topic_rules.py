"""What a broker does to records of the past: a topic may delete, replace or refuse them by their timestamps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from console.settings import StackSettings
from driftline.errors import InputError, ServiceUnavailable
from driftline.units import DAY_MS

_TIMEOUT_MS = 10_000
_FOREVER = -1


class RuleError(InputError):
    """The topic would not keep what was to be published."""


@dataclass(frozen=True, kw_only=True)
class TopicRules:
    """The configuration of a topic, as far as it decides what becomes of a record. Kafka's own defaults."""

    topic: str
    deletes: bool = True  # cleanup.policy
    compacts: bool = False
    retention_ms: int = 7 * DAY_MS  # -1: for ever
    retention_bytes: int = _FOREVER
    append_time: bool = False  # the broker stamps records itself
    before_ms_max: int = 2**63 - 1  # how far a timestamp may lie back; none of ours lies ahead

    @classmethod
    def of(cls, topic: str, configs: Mapping[str, str | None]) -> TopicRules:
        """Read them from a topic's configuration; what is missing, as on an older broker, has the default."""
        given = {name: value for name, value in configs.items() if value not in (None, "")}
        policies = str(given.get("cleanup.policy", "delete")).split(",")
        oldest = given.get("message.timestamp.before.max.ms") or given.get("message.timestamp.difference.max.ms")
        return cls(
            topic=topic,
            deletes="delete" in policies,
            compacts="compact" in policies,
            retention_ms=int(given.get("retention.ms") or cls.retention_ms),
            retention_bytes=int(given.get("retention.bytes") or cls.retention_bytes),
            append_time=given.get("message.timestamp.type") == "LogAppendTime",
            before_ms_max=int(oldest or cls.before_ms_max),
        )

    def check_policy(self) -> None:
        """Raise RuleError if the topic keeps no history at all, of any time."""
        if self.compacts:
            policy = "compact,delete" if self.deletes else "compact"
            name, what = "cleanup.policy", "it keeps only the newest event of each user"
            raise self._error(name, policy, what, "delete")

    def check_time(self, timestamp_ms: int, now_ms: int) -> None:
        """Raise RuleError if the broker would refuse a record of this time, or delete it before it is read."""
        if timestamp_ms >= self.oldest_ms(now_ms):
            return
        shown = f"{(now_ms - timestamp_ms) / DAY_MS:,.1f} days old"
        if now_ms - timestamp_ms > self.before_ms_max:
            name, what = "message.timestamp.before.max.ms", f"the broker refuses an event that is {shown}"
            raise self._error(name, self.before_ms_max, what, str(2**63 - 1))
        name, what = "retention.ms", f"the broker deletes an event that is {shown}, perhaps before it is read"
        raise self._error(name, self.retention_ms, what, str(_FOREVER))

    def oldest_ms(self, now_ms: int) -> int:
        """The oldest timestamp that the topic takes and keeps."""
        if self.append_time:
            return 0
        kept_ms = self.retention_ms if self.deletes and self.retention_ms != _FOREVER else self.before_ms_max
        return now_ms - min(kept_ms, self.before_ms_max)

    def _error(self, name: str, value: object, what: str, remedy: str) -> RuleError:
        return RuleError(
            f"topic {self.topic} has {name}={value}: {what}; --force publishes anyway, and this mends it: "
            f"kafka-configs.sh --alter --entity-type topics --entity-name {self.topic} --add-config {name}={remedy}"
        )


def read_rules(settings: StackSettings, topic: str) -> TopicRules | None:
    """Ask the broker; None if it forbids the question. Raises ServiceUnavailable if it does not answer."""
    configs = read_configs(settings, [topic])
    return None if configs is None else TopicRules.of(topic, configs[topic])


def read_configs(settings: StackSettings, topics: list[str]) -> dict[str, dict[str, str | None]] | None:
    """The configurations of topics that exist, defaults included; None if the broker forbids the question."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
    admin = None
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=settings.kafka_address.split(","),
            request_timeout_ms=_TIMEOUT_MS,
            bootstrap_timeout_ms=_TIMEOUT_MS,
        )
        found = admin.describe_configs(resources, config_filter="all")["topic"]
    except (KafkaError, OSError) as error:
        if "Authorization" in type(error).__name__:
            return None
        message = f"Kafka at {settings.kafka_address} did not say how its topics are configured: {error}"
        raise ServiceUnavailable(message) from None
    finally:
        if admin is not None:
            admin.close()
    # The client passes over the broker's refusal: a topic without any configuration is one.
    if not all(found.get(topic) for topic in topics):
        return None
    return {topic: {name: config["value"] for name, config in configs.items()} for topic, configs in found.items()}
