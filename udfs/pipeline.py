"""Where a block's processing is extended: gates before the timeline, stages after it. A capability is a file with one.

record -> decode -> gates -> timeline -> stages -> outputs
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from udfs.event import Event
from udfs.results import BlockResult
from udfs.timeline import Timeline


class Gate(Protocol):
    """A check of every event between decoding and its user's timeline; it may refuse the event or complete it."""

    def admit(self, user_id: str, event: Event) -> None:
        """Let the event pass; may change it in place, but not its user: the record's key has chosen the shard.

        Raises:
            InvalidEventError: the event is refused and becomes a dead letter.
        """


@dataclass(slots=True)
class Batch:
    """The users of a block whose timelines accepted an event; the stages read it and emit to its result."""

    touched: dict[str, Timeline]
    generation: int  # of the shard's state: the major version of the scores that are written
    now_ms: int  # wall-clock time; has an influence on when something is published, never on its content
    result: BlockResult
    # In a check: the users who have reached another age; `Timeline.age_s` and `aged` say which.
    aged: dict[str, Timeline] = field(default_factory=dict)


class Stage(Protocol):
    """A step after the timelines: it reads them, may update fields of theirs, and emits outputs."""

    def run(self, batch: Batch) -> None:
        """Process all users of a block at once, so that a model is called once a block."""

    def check(self, user_id: str, timeline: Timeline, due_ms: int, batch: Batch) -> bool:
        """Check a user who was due at `due_ms`; returns whether the timeline has to be written.

        It may emit, and have the user checked again (`BlockResult.wait`).
        """

    def checked(self, batch: Batch) -> None:
        """Process the users of `Batch.aged`, after every stage has checked every user of the call."""
