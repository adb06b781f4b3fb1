from __future__ import annotations

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import given
from hypothesis import strategies as st

from driftline.limits import MASK_PATHS_MAX
from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.scores_pb2 import AsOfEvent, CategoryAffinity, SessionSummary, UserScores
from serving.masks import PATHS, _resolved, read_mask
from serving.requests import Refused
from tests.stored import with_age_in_front

WHOLE = UserScores(
    user_id="u",
    scores={"purchase_propensity": 0.5, "engagement": 0.25, "churn_risk": 0.0},
    affinities=[CategoryAffinity(category="shoes", share=1)],
    session=SessionSummary(session_id="s", events=3),
    feature_set="v1",
    accepted_events=7,
    age_s=3_600,
    as_of_event=AsOfEvent(scores={"engagement": 0.5}, affinities=[CategoryAffinity(category="hats", share=1)]),
)


def masked(*paths: str) -> UserScores:
    request = pb.GetScoresRequest(user_id="u")
    request.read_mask.paths.extend(paths)
    mask = read_mask(request)
    assert mask is not None
    return UserScores.FromString(mask.apply(WHOLE.SerializeToString()))


def test_no_mask_and_an_empty_one_mean_every_field() -> None:
    empty = pb.GetScoresRequest()
    empty.read_mask.SetInParent()
    assert read_mask(pb.GetScoresRequest()) is None
    assert read_mask(empty) is None


def test_fields_nested_fields_and_single_scores() -> None:
    assert masked("affinities", "session.events") == UserScores(
        affinities=WHOLE.affinities, session=SessionSummary(events=3)
    )
    assert masked("scores.engagement", "scores.churn_risk") == UserScores(scores={"engagement": 0.25, "churn_risk": 0})
    assert masked("scores.engagement", "scores") == UserScores(scores=WHOLE.scores)
    assert masked("scores.declared_2", "user_id") == UserScores(user_id="u")
    assert masked("scores.engagement", "scores.declared_2") == UserScores(scores={"engagement": 0.25})


@given(st.lists(st.sampled_from([*PATHS, "scores.engagement", "scores.churn_risk"]), max_size=MASK_PATHS_MAX))
def test_every_known_path_keeps_a_part_of_the_message(paths: list[str]) -> None:
    if paths:
        both = UserScores()
        both.CopyFrom(WHOLE)
        both.MergeFrom(masked(*paths))
        del both.affinities[1:]
        del both.as_of_event.affinities[1:]
        assert both == WHOLE


@given(st.lists(st.sampled_from(PATHS), min_size=1, max_size=64))
def test_keeps_what_protobuf_itself_would(paths: list[str]) -> None:
    expected = UserScores()
    FieldMask(paths=paths).MergeMessage(WHOLE, expected)
    assert masked(*paths) == expected


def test_what_a_newer_writer_stored_is_not_in_a_mask() -> None:
    request = pb.GetScoresRequest(user_id="u")
    request.read_mask.paths.append("user_id")
    mask = read_mask(request)
    assert mask is not None
    unknown = b"\xa0\x06\x01"  # field 100, which the contract has not
    assert mask.apply(WHOLE.SerializeToString() + unknown) == UserScores(user_id="u").SerializeToString()


def test_what_was_as_of_the_event_comes_without_its_features_and_only_when_asked_for() -> None:
    whole = UserScores()
    whole.CopyFrom(WHOLE)
    whole.as_of_event.feature_values.extend([1, 2])
    stored = with_age_in_front(whole, b"1234")

    def of(*paths: str) -> UserScores:
        request = pb.GetScoresRequest(user_id="u")
        request.read_mask.paths.extend(paths)
        mask = read_mask(request)
        assert mask is not None
        return UserScores.FromString(mask.apply(stored))

    assert of("as_of_event", "age_s") == UserScores(age_s=3_600, as_of_event=WHOLE.as_of_event)
    assert of("scores.engagement", "age_s") == UserScores(scores={"engagement": 0.25}, age_s=3_600)


def test_at_most_64_paths_however_they_repeat() -> None:
    assert masked(*["user_id"] * MASK_PATHS_MAX) == UserScores(user_id="u")
    with pytest.raises(Refused, match="at most 64 paths, not 26,000") as caught:
        masked(*["user_id"] * 26_000)
    assert caught.value.code.name == "INVALID_ARGUMENT"


def test_order_and_repetition_make_no_other_mask() -> None:
    """What is remembered of masks is bounded by the paths that there are, not by what callers send."""
    masked("user_id", "session.events")
    before = _resolved.cache_info().currsize
    masked("session.events", "user_id", "user_id")
    masked(*["session.events", "user_id"] * 32)
    masked("scores.a", "scores.b")
    masked(*["scores.b", "scores.a"] * 32)
    assert _resolved.cache_info().currsize == before + 1


@pytest.mark.parametrize(
    "path",
    ["", "nope", "feature_values", "scores.", "scores.A", "scores.a.b", f"scores.{'x' * 65}", "session.a", "userId"],
)
def test_unknown_path_is_refused_with_the_accepted_ones(path: str) -> None:
    with pytest.raises(Refused, match=r"known are: .*, scores\.NAME") as caught:
        masked("user_id", path)
    assert caught.value.code.name == "INVALID_ARGUMENT"
