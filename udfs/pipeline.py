"""The seams of a block's way: gates before the timeline, stages after it. A new capability is a file with one of them.

record -> decode -> gates -> timeline -> stages -> outputs
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from udfs.event import Event
from udfs.results import BlockResult
from udfs.timeline import Timeline


class Gate(Protocol):
    """What an event passes between decoding and its user's timeline: it may refuse the event or complete it."""

    def admit(self, user_id: str, event: Event) -> None:
        """Let the event pass, changed in place if need be. Its user stays: the record's key has chosen the shard.

        Raises:
            InvalidEventError: the event is refused, and becomes a dead letter.
        """


@dataclass(slots=True)
class Batch:
    """The users of a block whose timelines took an event, for the stages to read and to emit from."""

    touched: dict[str, Timeline]
    generation: int  # of the shard's state: the major version of what is written
    now_ms: int  # wall-clock time: decides when something is published, never what
    result: BlockResult


class Stage(Protocol):
    """What follows from the timelines: it reads them, keeps in them what the state has a place for, and emits."""

    def run(self, batch: Batch) -> None:
        """Take all users of a block at once; a model is called once a block."""

    def look(self, user_id: str, timeline: Timeline, due_ms: int, batch: Batch) -> bool:
        """Take a user who was to be looked at from `due_ms` on; returns whether the timeline has to be written.

        It may emit and have the user looked at again. Scores need an event: the number of events is their version.
        """
