"""What the client returns: plain frozen values, and how they are made of the contract's messages and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1 import scores_pb2

Status = Literal["OK", "NOT_FOUND", "INVALID_ARGUMENT"]

_STATUS: dict[int, Status] = {
    pb.RESULT_STATUS_OK: "OK",
    pb.RESULT_STATUS_NOT_FOUND: "NOT_FOUND",
    pb.RESULT_STATUS_INVALID_ARGUMENT: "INVALID_ARGUMENT",
}


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
class Scores:
    """One user's scores. What the mask left out has its default here.

    `scores` maps names to values, those of the shipped set within 0 and 1; `affinities` and `tops` are largest first;
    `traits` are the values of text features; `model_versions` are by score. `declaration` is the hash of what was
    declared, empty for the shipped set. Times are milliseconds since the epoch. `stale`: the score store did not
    answer, and these are the last scores that the server saw.
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
    stale: bool = False

    @property
    def as_of(self) -> datetime:
        """The user's newest event time, which the scores are as of, in UTC; ValueError beyond the year 9999."""
        return datetime.fromtimestamp(self.as_of_event_time_ms / 1000, tz=UTC)

    @property
    def version(self) -> tuple[int, int]:
        """Grows with every newer value of a user: generation, then accepted events. (0, 0) where both are masked."""
        return self.generation, self.accepted_events


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


def scores_of(message: scores_pb2.UserScores, *, user_id: str = "", stale: bool = False) -> Scores:
    """The value of a message; `user_id` fills in for one that a mask left out."""
    return Scores(
        user_id=message.user_id or user_id,
        scores=dict(message.scores),
        affinities=_shares_of(message.affinities),
        session=_session_of(message.session) if message.HasField("session") else None,
        feature_set=message.feature_set,
        model_version=message.model_version,
        as_of_event_time_ms=message.as_of_event_time_ms,
        accepted_events=message.accepted_events,
        generation=message.generation,
        written_at_ms=message.written_at_ms,
        declaration=message.declaration,
        segments=tuple(Membership(one.name, one.since_ms) for one in message.segments),
        traits=dict(message.traits),
        tops=tuple(Top(top.feature, _shares_of(top.entries)) for top in message.tops),
        model_versions=dict(message.model_versions),
        stale=stale,
    )


def scores_message(scores: Scores) -> scores_pb2.UserScores:
    """The inverse of scores_of, without `stale`, which the contract keeps beside the scores."""
    message = scores_pb2.UserScores(
        user_id=scores.user_id,
        scores=scores.scores,
        affinities=_shares_message(scores.affinities),
        feature_set=scores.feature_set,
        model_version=scores.model_version,
        as_of_event_time_ms=scores.as_of_event_time_ms,
        accepted_events=scores.accepted_events,
        generation=scores.generation,
        written_at_ms=scores.written_at_ms,
        declaration=scores.declaration,
        segments=[scores_pb2.SegmentMembership(name=one.segment, since_ms=one.since_ms) for one in scores.segments],
        traits=scores.traits,
        tops=[
            scores_pb2.DimensionShares(feature=top.feature, entries=_shares_message(top.entries)) for top in scores.tops
        ],
        model_versions=scores.model_versions,
    )
    if (session := scores.session) is not None:
        message.session.CopyFrom(
            scores_pb2.SessionSummary(
                session_id=session.session_id,
                start_time_ms=session.start_time_ms,
                last_event_time_ms=session.last_event_time_ms,
                events=session.events,
                purchases=session.purchases,
            )
        )
    return message


def result_of(message: pb.UserResult) -> Result:
    """The value of a message. A status that this client is too old to know becomes INVALID_ARGUMENT, without scores."""
    status = _STATUS.get(message.status, "INVALID_ARGUMENT")
    if status != "OK":
        return Result(message.user_id, status, stale=message.stale)
    scores = scores_of(message.scores, user_id=message.user_id, stale=message.stale)
    return Result(message.user_id, status, scores, message.stale)


def result_message(result: Result) -> pb.UserResult:
    """The inverse of result_of."""
    status = pb.ResultStatus.Value(f"RESULT_STATUS_{result.status}")
    message = pb.UserResult(user_id=result.user_id, status=status, stale=result.stale)
    if result.scores is not None:
        message.scores.CopyFrom(scores_message(result.scores))
    return message


def explanation_of(message: pb.ExplainScoresResponse, *, user_id: str = "") -> Explanation:
    """The value of a message."""
    features = (
        FeatureValue(f.name, f.value, f.default_value, f.unit, f.formula, f.complete_since_ms) for f in message.features
    )
    return Explanation(scores_of(message.scores, user_id=user_id, stale=message.stale), tuple(features))


def explanation_message(explanation: Explanation) -> pb.ExplainScoresResponse:
    """The inverse of explanation_of."""
    features = [
        pb.FeatureValue(
            name=f.name,
            value=f.value,
            default_value=f.default,
            unit=f.unit,
            formula=f.formula,
            complete_since_ms=f.complete_since_ms,
        )
        for f in explanation.features
    ]
    scores = explanation.scores
    return pb.ExplainScoresResponse(scores=scores_message(scores), features=features, stale=scores.stale)


def members_of(message: pb.ListSegmentMembersResponse) -> list[SegmentMember]:
    """The members of a message."""
    return [SegmentMember(one.user_id, one.since_ms) for one in message.members]


def page_message(page: SegmentPage) -> pb.ListSegmentMembersResponse:
    """The message of a page."""
    members = [pb.SegmentMember(user_id=one.user_id, since_ms=one.since_ms) for one in page.members]
    return pb.ListSegmentMembersResponse(members=members, next_page_token=page.next_page_token)


def counts_of(message: pb.ListSegmentsResponse) -> list[SegmentCount]:
    """The segments of a message."""
    return [SegmentCount(one.name, one.members, one.definition) for one in message.segments]


def counts_message(counts: Iterable[SegmentCount]) -> pb.ListSegmentsResponse:
    """The inverse of counts_of."""
    found = [pb.SegmentCount(name=one.name, members=one.members, definition=one.definition) for one in counts]
    return pb.ListSegmentsResponse(segments=found)


def _shares_of(message: Iterable[scores_pb2.CategoryAffinity]) -> tuple[Affinity, ...]:
    return tuple(Affinity(one.category, one.share) for one in message)


def _shares_message(shares: Iterable[Affinity]) -> list[scores_pb2.CategoryAffinity]:
    return [scores_pb2.CategoryAffinity(category=one.category, share=one.share) for one in shares]


def _session_of(message: scores_pb2.SessionSummary) -> Session:
    return Session(
        session_id=message.session_id,
        start_time_ms=message.start_time_ms,
        last_event_time_ms=message.last_event_time_ms,
        events=message.events,
        purchases=message.purchases,
    )
