from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from driftline.client import messages as t
from driftline.client.types import (
    Affinity,
    AsOfEvent,
    Explanation,
    FeatureValue,
    Membership,
    Result,
    Scores,
    Session,
    Top,
)
from driftline.serving.v1 import score_service_pb2 as pb

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
INT64 = st.integers(-(2**63), 2**63 - 1)
SHARE = st.floats(0, 1)
SCORES = st.builds(
    Scores,
    user_id=TEXT,
    scores=st.dictionaries(TEXT, SHARE, max_size=3),
    affinities=st.lists(st.builds(Affinity, TEXT, SHARE), max_size=3).map(tuple),
    session=st.none() | st.builds(Session, TEXT, INT64, INT64, INT64, INT64),
    feature_set=TEXT,
    model_version=TEXT,
    as_of_event_time_ms=INT64,
    accepted_events=INT64,
    generation=INT64,
    written_at_ms=INT64,
    declaration=TEXT,
    segments=st.lists(st.builds(Membership, TEXT, INT64), max_size=2).map(tuple),
    traits=st.dictionaries(TEXT, TEXT, max_size=2),
    tops=st.lists(st.builds(Top, TEXT, st.lists(st.builds(Affinity, TEXT, SHARE), max_size=2).map(tuple))).map(tuple),
    model_versions=st.dictionaries(TEXT, TEXT, max_size=2),
    age_s=st.integers(0, 2**32 - 1),
    as_of_event=st.none()
    | st.builds(
        AsOfEvent,
        st.dictionaries(TEXT, SHARE, max_size=2),
        st.lists(st.builds(Affinity, TEXT, SHARE), max_size=2).map(tuple),
        st.lists(st.builds(Membership, TEXT, INT64), max_size=2).map(tuple),
        st.dictionaries(TEXT, TEXT, max_size=2),
        st.lists(st.builds(Top, TEXT)).map(tuple),
    ),
    stale=st.booleans(),
)
FEATURES = st.lists(
    st.builds(FeatureValue, TEXT, st.floats(width=32, allow_nan=False), SHARE, TEXT, TEXT, st.integers(0, 2**50)),
    max_size=3,
)


@given(SCORES)
def test_nothing_of_the_message_is_lost(scores: Scores) -> None:
    for result in (
        Result(scores.user_id, "OK", scores, scores.stale),
        Result(scores.user_id, "NOT_FOUND", stale=scores.stale),
        Result(scores.user_id, "INVALID_ARGUMENT"),
    ):
        assert t.result_of(t.result_message(result)) == result


@given(st.builds(Explanation, SCORES, FEATURES.map(tuple)))
def test_nothing_of_an_explanation_is_lost(explanation: Explanation) -> None:
    assert t.explanation_of(t.explanation_message(explanation)) == explanation


def test_every_field_of_the_contract_has_a_place() -> None:
    fields = {field.name for field in t.scores_message(Scores("u")).DESCRIPTOR.fields} - {
        "feature_values",
        "lists_digest",
    }
    assert fields | {"stale"} == set(Scores.__slots__)


def test_id_that_a_mask_left_out_is_the_asked_one() -> None:
    message = pb.UserResult(user_id="u", status=pb.RESULT_STATUS_OK)
    message.scores.model_version = "m"
    assert t.result_of(message).scores == Scores("u", model_version="m")


def test_status_of_a_newer_contract_is_no_scores() -> None:
    assert t.result_of(pb.UserResult(user_id="u", status=99)) == Result("u", "INVALID_ARGUMENT")  # type: ignore[arg-type]  # a number that this release does not know


def test_as_of_is_utc() -> None:
    assert Scores("u", as_of_event_time_ms=1_500).as_of == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)


def test_as_of_an_age_is_so_long_after_the_newest_event() -> None:
    aged = Scores("u", as_of_event_time_ms=1_500, age_s=86_400, generation=7, accepted_events=3)
    assert aged.as_of == datetime(1970, 1, 2, 0, 0, 1, 500_000, tzinfo=UTC)
    assert aged.version == (7, 3, 86_400)
