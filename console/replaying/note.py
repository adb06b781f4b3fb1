"""What a replay was asked for, and how far it has come: kept in Redis, so that every command knows it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from console.accounting import Part
from driftline.errors import InputError


class Phase(StrEnum):
    """Where a replay is. A job that is found stopped in a phase is submitted again with the settings of the phase."""

    LAKE = "lake"  # reads the lake; the topic may follow
    TOPIC = "topic"  # reads the topic
    LIVE = "live"  # has caught up, and goes on as a live job
    DONE = "done"  # has ended


@dataclass(frozen=True, kw_only=True)
class LakePart:
    """The part of a replay that comes from the lake.

    Attributes:
        url, s3_endpoint: where the lake is.
        since, until: the first and the last event date; empty: all.
        chunks_topic: names the stretches to read.
        events: how many rows they have.
    """

    url: str
    s3_endpoint: str = ""
    since: str = ""
    until: str = ""
    chunks_topic: str = ""
    events: int = 0


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A replay into a namespace.

    Attributes:
        topic: of the events.
        parts: what it reads of each partition.
        phase: where it is.
        lake: what of it comes from the lake; None: nothing.
        settings: of the job, as they were given; none that is a secret.
        parallelism: slots of the job.
        events_a_s_max: the bound of its rate; 0: none.
        only_users: a file of ids, a copy that stays; empty: all users.
        then_live: whether it goes on as a live job.
        promote: whether it then becomes the live namespace.
        began_ms: when it was asked for.
    """

    topic: str
    parts: Mapping[int, Part]
    phase: Phase = Phase.TOPIC
    lake: LakePart | None = None
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    parallelism: int = 1
    events_a_s_max: float = 0.0
    only_users: str = ""
    then_live: bool = False
    promote: bool = False
    began_ms: int = 0

    @property
    def needs_topic(self) -> bool:
        """Whether some of it comes from the topic."""
        return self.lake is None or not all(part.in_lake for part in self.parts.values())

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to do or to watch."""
        return self.phase in (Phase.LIVE, Phase.DONE)

    def lake_alone(self) -> Replay:
        """Return the replay as far as it comes from the lake."""
        parts = {
            number: part._replace(until=part.lake_until)
            for number, part in self.parts.items()
            if part.lake_until > part.start
        }
        return replace(self, parts=parts)

    def in_phase(self, phase: Phase) -> Replay:
        """Return the replay in another phase."""
        return replace(self, phase=phase)

    def encode(self) -> bytes:
        """Return it as JSON."""
        return json.dumps(asdict(replace(self, settings=dict(self.settings), parts=dict(self.parts)))).encode()

    @classmethod
    def decode(cls, note: bytes) -> Replay | None:
        """Return what `encode` made; None of nothing. Raises InputError on what another release has written."""
        if not note:
            return None
        try:
            given: dict[str, Any] = json.loads(note)
            parts = {int(number): Part(*part) for number, part in given.pop("parts").items()}
            lake = given.pop("lake")
            phase = Phase(given.pop("phase"))
            return cls(parts=parts, lake=None if lake is None else LakePart(**lake), phase=phase, **given)
        except (ValueError, KeyError, TypeError) as error:
            message = f"another release has written what is known of the replay: {error}"
            raise InputError(message) from None


def describe(replay: Replay) -> str:
    """Say in a few words what a replay is, for lists of namespaces."""
    origin = "topic" if replay.lake is None else "lake and topic" if replay.needs_topic else "lake"
    return {
        Phase.LAKE: f"replay of the {origin}",
        Phase.TOPIC: f"replay of the {origin}",
        Phase.LIVE: f"replay of the {origin}, live since",
        Phase.DONE: f"replay of the {origin}, done",
    }[replay.phase]
