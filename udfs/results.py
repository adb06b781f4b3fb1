"""What a block gives rise to, as data; the adapter writes and emits it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from driftline.metrics import JobMetric, JobNamed
from udfs.rejects import Reject
from udfs.timeline import Timeline


class Due(NamedTuple):
    """A user and the wall-clock time from which to look at him."""

    user_id: str
    at_ms: int


class Scored(NamedTuple):
    """What is now served of a user: a serialized UserScores, None for one who asked to be forgotten."""

    user_id: str
    accepted: int  # events in it: the version of these scores within their generation
    scores: bytes | None


class Output(NamedTuple):
    """A record on its way to a topic; without a value it is a tombstone."""

    key: str
    value: bytes | None


@dataclass(slots=True)
class BlockResult:
    """What a block gives rise to; the adapter writes and emits all of it before it returns."""

    timelines: dict[str, Timeline] = field(default_factory=dict)  # those that changed, to be put back
    scored: list[Scored] = field(default_factory=list)  # for the score store
    outputs: dict[str, list[Output]] = field(default_factory=dict)  # by channel, the role of a topic; in their order
    dead_letters: list[Reject] = field(default_factory=list)
    late: list[Reject] = field(default_factory=list)
    due: dict[int, list[str]] = field(default_factory=dict)  # users to look at again, by wall-clock time
    counts: dict[JobMetric, int] = field(default_factory=dict)
    named: dict[JobNamed, dict[str, int]] = field(default_factory=dict)  # counts by name
    taken: int = 0  # records of the block, or users, that were taken: the first ones

    def emit(self, channel: str, key: str, value: bytes | None) -> None:
        """Add a record for a topic, behind those that it has."""
        self.outputs.setdefault(channel, []).append(Output(key, value))

    def wait(self, user_id: str, at_ms: int) -> None:
        """Have the user looked at again, at or soon after this wall-clock time."""
        self.due.setdefault(at_ms, []).append(user_id)

    def count(self, metric: JobMetric, number: int = 1) -> None:
        """Add to a counter."""
        if number:
            self.counts[metric] = self.counts.get(metric, 0) + number

    def account(self, accepted: int, duplicate: int) -> None:
        """Count every record that was taken; those that left are in their lists."""
        late, dead_letter = len(self.late), len(self.dead_letters)
        self.taken = accepted + duplicate + late + dead_letter
        self.count(JobMetric.EVENTS_ACCEPTED, accepted)
        self.count(JobMetric.EVENTS_DUPLICATE, duplicate)
        self.count(JobMetric.EVENTS_LATE, late)
        self.count(JobMetric.EVENTS_DEAD_LETTER, dead_letter)

    def count_named(self, metric: JobNamed, name: str, number: int = 1) -> None:
        """Add to a counter by name."""
        names = self.named.setdefault(metric, {})
        names[name] = names.get(name, 0) + number
