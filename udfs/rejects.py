"""Why an event is not folded: the reasons of dead letters, and the headers that explain a rejected record."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

HEADER_PREFIX = "driftline.errors."


class Reason(StrEnum):
    """What is wrong with a rejected record; the comment says what its producer should do."""

    UNDECODABLE = "UNDECODABLE"  # not the topic's format: check the producer's serializer and the settings events_*
    MISSING_FIELD = "MISSING_FIELD"  # a required field is absent: fix the producer
    INVALID_VALUE = "INVALID_VALUE"  # a field is outside its range: fix the producer
    KEY_MISMATCH = "KEY_MISMATCH"  # the record's key is not the event's user: fix the producer's partitioning
    CLOCK_SKEW = "CLOCK_SKEW"  # the event is ahead of its record: fix the device's clock
    TOO_LARGE = "TOO_LARGE"  # over `event_bytes_max`: shrink the event or raise the bound
    REFUSED_ID = "REFUSED_ID"  # a placeholder, or an id on `refused_ids`: fix the producer, or the list
    ID_REUSED = "ID_REUSED"  # another event had this id: give each event its own, and repeat events unchanged
    HEAL_REFUSED = "HEAL_REFUSED"  # an order of `driftline heal` that does not fit the state: its next run tries again
    LATE = "LATE"  # older than the committed events; on the late topic only


class Stage(StrEnum):
    """The step that rejected the record."""

    DECODE = "decode"
    VALIDATE = "validate"
    ORDER = "order"


class InvalidEventError(Exception):
    """A record that cannot be folded: it goes to the dead-letter or late topic and never stops the job."""

    def __init__(self, reason: Reason, message: str, stage: Stage = Stage.VALIDATE) -> None:
        super().__init__(message)
        self.reason = reason
        self.stage = stage


@dataclass(frozen=True, slots=True)
class Reject:
    """A record for the dead-letter or the late topic: its original bytes, and headers that say why."""

    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]


def late(behind_ms: int) -> InvalidEventError:
    """Return the reason for an event that is this far behind the user's newest one."""
    message = f"event_time_ms is {behind_ms} ms behind the user's newest; the bound is disorder_ms"
    return InvalidEventError(Reason.LATE, message, Stage.ORDER)


def reject(
    record: tuple[bytes | None, bytes | None], source: tuple[str, int, int], error: InvalidEventError, now_ms: int
) -> Reject:
    """Return a rejected record with the headers that explain it.

    Args:
        record: its key and value.
        source: topic, partition and offset that it was read from.
        error: why; its message must not quote the payload, which may be personal.
        now_ms: wall-clock time.
    """
    topic, partition, offset = source
    described = {
        "stage": error.stage.value,
        "reason": error.reason.value,
        "message": str(error),
        "topic": topic,
        "partition": str(partition),
        "offset": str(offset),
        "failed_at_ms": str(now_ms),
    }
    return Reject(*record, {HEADER_PREFIX + name: text.encode() for name, text in described.items()})
