"""What the client returns: plain frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

Status = Literal["OK", "NOT_FOUND", "INVALID_ARGUMENT"]


@dataclass(frozen=True, slots=True)
class Affinity:
    """A category and its share of the user's decayed attention, within 0 and 1."""

    category: str
    share: float


@dataclass(frozen=True, slots=True)
class Session:
    """The user's newest session. Times are milliseconds since the epoch."""

    session_id: str = ""
    start_time_ms: int = 0
    last_event_time_ms: int = 0
    events: int = 0
    purchases: int = 0


@dataclass(frozen=True, slots=True)
class Membership:
    """That a user is in a segment, since an event time in milliseconds since the epoch."""

    segment: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class Top:
    """The largest entries of a feature that is a map, such as counts by a dimension; a category is an entry's key."""

    feature: str
    entries: tuple[Affinity, ...] = ()


@dataclass(frozen=True, slots=True)
class SegmentMember:
    """A member of a segment, since an event time in milliseconds since the epoch."""

    user_id: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class SegmentPage:
    """Some members of a segment, and the token to ask for the next ones with; empty behind the last."""

    members: tuple[SegmentMember, ...]
    next_page_token: str = ""


@dataclass(frozen=True, slots=True)
class SegmentCount:
    """A declared segment: how many members it has, and the content hash of its declaration."""

    name: str
    members: int
    definition: str = ""


@dataclass(frozen=True, slots=True)
class AsOfEvent:
    """What of a user's scores depends on time, as it was as of the newest event; as in Scores."""

    scores: Mapping[str, float] = field(default_factory=dict)
    affinities: tuple[Affinity, ...] = ()
    segments: tuple[Membership, ...] = ()
    traits: Mapping[str, str] = field(default_factory=dict)
    tops: tuple[Top, ...] = ()


@dataclass(frozen=True, slots=True)
class Scores:
    """One user's scores. What the mask left out has its default here.

    `scores` maps names to values, those of the shipped set within 0 and 1; `affinities` and `tops` are largest first;
    `traits` are the values of text features; `model_versions` are by score. `declaration` is the hash of what was
    declared, empty for the shipped set. Times are milliseconds since the epoch. `age_s`: the scores, affinities,
    segments, traits and tops are as of so many seconds after the newest event; 0: as of that event. `as_of_event` is
    what they were as of the newest event, where there is an age and the mask names it. `stale`: the score store did
    not answer, and these are the last scores that the server saw.
    """

    user_id: str
    scores: Mapping[str, float] = field(default_factory=dict)
    affinities: tuple[Affinity, ...] = ()
    session: Session | None = None
    feature_set: str = ""
    model_version: str = ""
    as_of_event_time_ms: int = 0
    accepted_events: int = 0
    generation: int = 0
    written_at_ms: int = 0
    declaration: str = ""
    segments: tuple[Membership, ...] = ()
    traits: Mapping[str, str] = field(default_factory=dict)
    tops: tuple[Top, ...] = ()
    model_versions: Mapping[str, str] = field(default_factory=dict)
    age_s: int = 0
    as_of_event: AsOfEvent | None = None
    stale: bool = False

    @property
    def as_of(self) -> datetime:
        """The time that the scores are as of, in UTC: the user's newest event, and the age.

        Raises:
            ValueError, OverflowError: it is beyond the year 9999.
        """
        return datetime.fromtimestamp(self.as_of_event_time_ms / 1000, tz=UTC) + timedelta(seconds=self.age_s)

    @property
    def version(self) -> tuple[int, int, int]:
        """Grows with every newer value of a user: generation, accepted events, age. Zeros where they are masked."""
        return self.generation, self.accepted_events, self.age_s


@dataclass(frozen=True, slots=True)
class Result:
    """How the look-up of one user ended. `scores` is None unless `status` is OK.

    `stale` is as in Scores: also that there are no scores may be what the server saw last.
    """

    user_id: str
    status: Status
    scores: Scores | None = None
    stale: bool = False


@dataclass(frozen=True, slots=True)
class FeatureValue:
    """One feature as the model saw it.

    `default` is its value where there is nothing to compute it from. `complete_since_ms` is since when it counts every
    event of the user; 0 where it always has.
    """

    name: str
    value: float
    default: float
    unit: str
    formula: str
    complete_since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Explanation:
    """A user's scores and every feature of their feature set, in its order."""

    scores: Scores
    features: tuple[FeatureValue, ...]
