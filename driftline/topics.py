"""The topics of Driftline: what they are called, what their records are, who writes them and how they are kept.

The one register: the jobs' settings take their defaults from it, `driftline up` creates what the jobs read and write,
and docs/architecture.md lists it. A topic that others may read, as a contract, is described here; another may stand
beside the stage or job that writes it, as in tests/throwaway_output.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from driftline.units import DAY_MS, MIB

EVENT_BYTES_MAX: Final = 16 * MIB
MESSAGE_BYTES_MAX: Final = EVENT_BYTES_MAX + 64 * 1024  # a dead letter is an event and its headers
# A broker deletes and rolls by record timestamp, and events carry their own past. So what is kept for ever must not
# start a new segment whenever shuffled history steps by more than a week (the default of segment.ms): it would be
# thousands of small files. What is deleted must: only closed segments are.
_KEPT: Final = {"retention.ms": "-1", "retention.bytes": "-1", "segment.ms": str(3_650 * DAY_MS)}
_COMPACTED: Final = {
    "cleanup.policy": "compact",
    "retention.ms": "-1",
    "segment.bytes": str(64 * MIB),  # only closed segments are compacted
}


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A topic by the role that it has for a job.

    Attributes:
        role: what a job calls it; where the job has a setting `<role>_topic`, that gives it another name (in
            score-events the setting is in REMEMBERED, too: jobs/settings.py). A Python identifier that is no keyword of
            SQL, because it becomes a column.
        name: its name otherwise.
        key, value: of its records, in words.
        written_by: who writes it.
        retention_setting: the setting, `<role>_retention_days` of StackSettings (console/settings.py), of how many days
            it keeps a record; empty: for ever.
        compacted: whether it keeps the newest record of each key alone.
        options: of Kafka, beside those that follow from the above.
    """

    role: str
    name: str
    key: str = "user id"
    value: str
    written_by: str
    retention_setting: str = ""
    compacted: bool = False
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def config(self, retention_days: float = -1) -> dict[str, str]:
        """Return how Kafka is to keep it, records for so many days; -1: for ever."""
        if self.compacted:
            return _COMPACTED | dict(self.options)
        kept = _KEPT | dict(self.options)
        if retention_days < 0:
            return kept
        retention_ms = max(1, round(retention_days * DAY_MS))
        return kept | {"retention.ms": str(retention_ms), "segment.ms": str(min(retention_ms, DAY_MS))}


EVENTS: Final = Topic(
    role="events",
    name="events",
    value="UserEvent, as protobuf or JSON",
    written_by="your services, `driftline publish`",
    retention_setting="events_retention_days",
    options={"max.message.bytes": str(EVENT_BYTES_MAX)},
)
DEAD_LETTER: Final = Topic(
    role="dead_letter",
    name="events.dead-letter",
    key="as it came",
    value="as it came; headers say why it was rejected",
    written_by="score-events",
    retention_setting="dead_letter_retention_days",
    options={"max.message.bytes": str(MESSAGE_BYTES_MAX)},
)
LATE: Final = Topic(
    role="late",
    name="events.late",
    value="as it came; headers say how late it was",
    written_by="score-events",
    retention_setting="late_retention_days",
    options={"max.message.bytes": str(MESSAGE_BYTES_MAX)},
)
SESSIONS: Final = Topic(
    role="sessions",
    name="sessions",
    value="ClosedSession",
    written_by="score-events",
    retention_setting="sessions_retention_days",
)
SEGMENTS: Final = Topic(
    role="segments",
    name="segments",
    value="SegmentChange",
    written_by="score-events",
    retention_setting="segments_retention_days",
)
SCORES: Final = Topic(
    role="scores",
    name="scores",
    value="UserScores; none: the user was forgotten",
    written_by="score-events",
    compacted=True,
)
