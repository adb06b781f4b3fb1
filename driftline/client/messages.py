"""How the values that the client returns are made of the contract's messages, and back."""

from __future__ import annotations

from collections.abc import Iterable

from driftline.client.types import (
    Affinity,
    AsOfEvent,
    Explanation,
    FeatureValue,
    Membership,
    Result,
    Scores,
    SegmentCount,
    SegmentMember,
    SegmentPage,
    Session,
    Status,
    Top,
)
from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1 import scores_pb2

_STATUS: dict[int, Status] = {
    pb.RESULT_STATUS_OK: "OK",
    pb.RESULT_STATUS_NOT_FOUND: "NOT_FOUND",
    pb.RESULT_STATUS_INVALID_ARGUMENT: "INVALID_ARGUMENT",
}


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
        segments=_segments_of(message.segments),
        traits=dict(message.traits),
        tops=_tops_of(message.tops),
        model_versions=dict(message.model_versions),
        age_s=message.age_s,
        as_of_event=_as_of_event_of(message.as_of_event) if message.HasField("as_of_event") else None,
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
        segments=_segments_message(scores.segments),
        traits=scores.traits,
        tops=_tops_message(scores.tops),
        model_versions=scores.model_versions,
        age_s=scores.age_s,
        as_of_event=None if scores.as_of_event is None else _as_of_event_message(scores.as_of_event),
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


def _segments_of(message: Iterable[scores_pb2.SegmentMembership]) -> tuple[Membership, ...]:
    return tuple(Membership(one.name, one.since_ms) for one in message)


def _segments_message(segments: Iterable[Membership]) -> list[scores_pb2.SegmentMembership]:
    return [scores_pb2.SegmentMembership(name=one.segment, since_ms=one.since_ms) for one in segments]


def _tops_of(message: Iterable[scores_pb2.DimensionShares]) -> tuple[Top, ...]:
    return tuple(Top(top.feature, _shares_of(top.entries)) for top in message)


def _tops_message(tops: Iterable[Top]) -> list[scores_pb2.DimensionShares]:
    return [scores_pb2.DimensionShares(feature=top.feature, entries=_shares_message(top.entries)) for top in tops]


def _as_of_event_of(message: scores_pb2.AsOfEvent) -> AsOfEvent:
    return AsOfEvent(
        scores=dict(message.scores),
        affinities=_shares_of(message.affinities),
        segments=_segments_of(message.segments),
        traits=dict(message.traits),
        tops=_tops_of(message.tops),
    )


def _as_of_event_message(event: AsOfEvent) -> scores_pb2.AsOfEvent:
    return scores_pb2.AsOfEvent(
        scores=event.scores,
        affinities=_shares_message(event.affinities),
        segments=_segments_message(event.segments),
        traits=event.traits,
        tops=_tops_message(event.tops),
    )


def _session_of(message: scores_pb2.SessionSummary) -> Session:
    return Session(
        session_id=message.session_id,
        start_time_ms=message.start_time_ms,
        last_event_time_ms=message.last_event_time_ms,
        events=message.events,
        purchases=message.purchases,
    )
