"""The results of a block, as data; the operator writes and emits them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from driftline.metrics import JobMetric, JobNamed
from udfs.rejects import Reject
from udfs.timeline import Timeline


class Due(NamedTuple):
    """A user who is to be checked, and the wall-clock time from which on."""

    user_id: str
    at_ms: int


class Scored(NamedTuple):
    """The new scores of a user: a serialized UserScores, or None after a FORGET."""

    user_id: str
    accepted: int  # number of accepted events: the version of these scores within their generation
    scores: bytes | None


Output = tuple[str, bytes | None]  # a record for a topic: key and value; without a value it is a tombstone


@dataclass(slots=True)
class BlockResult:
    """The results of a block; the operator writes and emits all of them before its call returns."""

    timelines: dict[str, Timeline] = field(default_factory=dict)  # those that changed and have to be written
    scored: list[Scored] = field(default_factory=list)  # for the score store
    # Of each user in `scored`, where segments are declared: since when the user is in each of them, -1 where not.
    members: dict[str, list[int]] = field(default_factory=dict)
    outputs: dict[str, list[Output]] = field(default_factory=dict)  # by channel, which is the role of a topic; in order
    dead_letters: list[Reject] = field(default_factory=list)
    late: list[Reject] = field(default_factory=list)
    due: dict[int, list[str]] = field(default_factory=dict)  # users to check, by wall-clock time
    counts: dict[JobMetric, int] = field(default_factory=dict)
    named: dict[JobNamed, dict[str, int]] = field(default_factory=dict)  # counts by name
    taken: int = 0  # how many records, or due users, were processed: the first ones

    def emit(self, channel: str, key: str, value: bytes | None) -> None:
        """Append a record for a topic."""
        self.outputs.setdefault(channel, []).append((key, value))

    def wait(self, user_id: str, at_ms: int) -> None:
        """Have the user checked at or soon after this wall-clock time."""
        self.due.setdefault(at_ms, []).append(user_id)

    def count(self, metric: JobMetric, number: int = 1) -> None:
        """Add to a counter."""
        if number:
            self.counts[metric] = self.counts.get(metric, 0) + number

    def account(self, accepted: int, duplicate: int, left_out: int = 0) -> None:
        """Count every record that was processed; late events and dead letters are counted by their lists."""
        late, dead_letter = len(self.late), len(self.dead_letters)
        self.taken = accepted + duplicate + late + dead_letter + left_out
        self.count(JobMetric.EVENTS_LEFT_OUT, left_out)
        self.count(JobMetric.EVENTS_ACCEPTED, accepted)
        self.count(JobMetric.EVENTS_DUPLICATE, duplicate)
        self.count(JobMetric.EVENTS_LATE, late)
        self.count(JobMetric.EVENTS_DEAD_LETTER, dead_letter)

    def count_named(self, metric: JobNamed, name: str, number: int = 1) -> None:
        """Add to a counter by name."""
        names = self.named.setdefault(metric, {})
        names[name] = names.get(name, 0) + number
