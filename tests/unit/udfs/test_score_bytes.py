"""The bytes that are written field by field equal those of the generated class."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from driftline.catalogue import CHURN_RISK, ENGAGEMENT, FEATURE_SET, PURCHASE_PROPENSITY, V1
from driftline.score_message import split_features
from driftline.serving.v1.scores_pb2 import UserScores
from tests.builders import bounds, event
from tests.unit.udfs.strategies import histories
from tests.v1 import affinities, churn_risk, engagement, plan, vector
from udfs import profile as p
from udfs.plan.reading import Reading
from udfs.profile import Profile
from udfs.score_bytes import Scorable, ScoreWriter
from udfs.scoring import Model, Scorer
from udfs.segments import Membership

BOUNDS = bounds(categories_max=12).profile
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=140)
NUMBERS = st.integers(1, 2**53)
UNIT = st.floats(0, 1)


def generated(
    user_id: str, profile: Profile, shares: list[tuple[str, float]], scores: dict[str, float], **rest: object
) -> bytes:
    """The message as the generated class writes it, without feature values."""
    message = UserScores(user_id=user_id, scores=scores, **{"feature_set": FEATURE_SET} | rest)  # type: ignore[arg-type]
    for category, share in shares:
        message.affinities.add(category=category, share=share)
    v = profile.values
    message.session.session_id = f"{user_id}:{int(v[p.SESSION_START_MS])}"
    message.session.start_time_ms = int(v[p.SESSION_START_MS])
    message.session.last_event_time_ms = message.as_of_event_time_ms = int(v[p.LAST_MS])
    message.session.events = int(v[p.SESSION_EVENTS])
    message.session.purchases = int(v[p.SESSION_PURCHASES])
    return message.SerializeToString(deterministic=True)


@given(
    TEXT,
    st.lists(st.tuples(TEXT, UNIT), max_size=10),
    st.dictionaries(TEXT, UNIT, max_size=4),
    st.tuples(*[NUMBERS] * 6, st.sampled_from([0, 1, 200])),
    st.sampled_from([{}, {"a": "20260101T000000-abc"}, {"b": "2-x", "purchase_propensity": "1-é"}]),
    st.lists(st.tuples(TEXT, TEXT), max_size=3, unique_by=lambda pair: pair[0]),
    st.lists(st.tuples(TEXT, st.lists(st.tuples(TEXT, UNIT), max_size=3)), max_size=2),
)
def test_any_message_is_written_as_the_generated_class_writes_it(  # noqa: PLR0917  (hypothesis gives them by name)
    user_id: str,
    shares: list[tuple[str, float]],
    scores: dict[str, float],
    numbers: tuple[int, ...],
    versions: dict[str, str],
    traits: list[tuple[str, str]],
    tops: list[tuple[str, list[tuple[str, float]]]],
) -> None:
    start_ms, last_ms, events, accepted, generation, written_at_ms, purchases = numbers
    profile = Profile()
    profile.values[p.SESSION_START_MS], profile.values[p.LAST_MS] = float(start_ms), float(last_ms)
    profile.values[p.SESSION_EVENTS] = float(events)
    profile.values[p.SESSION_PURCHASES] = float(purchases)
    names = sorted(scores, key=str.encode)
    writer = ScoreWriter("the set", "3f9c0d1a2b4c", names, versions, generation, written_at_ms)
    features = struct.pack("<40f", *range(40))
    traits = sorted(traits, key=lambda pair: pair[0].encode())
    reading = Reading(features, [], shares, traits, tops)
    made = writer.write(Scorable(user_id, profile, accepted, {}), reading, [scores[name] for name in names])
    rest: dict[str, object] = {"accepted_events": accepted, "generation": generation, "written_at_ms": written_at_ms}
    rest["model_version"] = versions.get("purchase_propensity", versions.get("a", ""))
    rest |= {"feature_set": "the set", "declaration": "3f9c0d1a2b4c", "traits": dict(traits)}
    rest["tops"] = [
        {"feature": name, "entries": [{"category": key, "share": share} for key, share in entries]}
        for name, entries in tops
    ]
    rest["model_versions"] = versions if len(versions) > 1 else {}
    assert split_features(made) == (features, generated(user_id, profile, shares, scores, **rest))
    assert list(UserScores.FromString(made).feature_values) == list(range(40))


class _Model:
    version = "v9"

    def predict(self, vectors: object) -> list[float] | None:
        return [0.25]


def scored_with(**models: Model | None) -> UserScores:
    """What is said of a user with one event."""
    profile = BOUNDS.plan.blank()
    profile.fold(event(0), BOUNDS)
    scorer = Scorer(plan(), {name: lambda model=model: model for name, model in models.items()})  # type: ignore[misc]
    (scored,) = scorer.score([Scorable("u", profile, 1, {})], 5, 6)
    return UserScores.FromString(scored.message)


def test_a_score_with_a_formula_and_a_model_is_the_model_s_and_says_so() -> None:
    formula = scored_with(churn_risk=None, purchase_propensity=None)
    assert formula.scores[CHURN_RISK] != 0.25 and not formula.model_version and not formula.model_versions
    model = scored_with(churn_risk=_Model(), purchase_propensity=None)
    assert model.scores.keys() == formula.scores.keys() == {CHURN_RISK, ENGAGEMENT}
    assert model.scores[CHURN_RISK] == 0.25 and model.scores[ENGAGEMENT] == formula.scores[ENGAGEMENT]
    assert (model.model_version, dict(model.model_versions)) == ("v9", {CHURN_RISK: "v9"})
    other = scored_with(churn_risk=None, purchase_propensity=_Model())
    assert other.scores[CHURN_RISK] == formula.scores[CHURN_RISK]
    assert (other.model_version, dict(other.model_versions)) == ("v9", {})
    both = scored_with(churn_risk=_Model(), purchase_propensity=_Model())
    assert dict(both.model_versions) == {CHURN_RISK: "v9", PURCHASE_PROPENSITY: "v9"}


@given(histories(), st.sampled_from([_Model(), None]))
def test_the_message_holds_what_was_scored(history: list[object], model: Model | None) -> None:
    profile = BOUNDS.plan.blank()
    for each in sorted(history):  # type: ignore[type-var]
        profile.fold(each, BOUNDS)  # type: ignore[arg-type]
    if profile.empty:
        assert Scorer(plan(), {}).score([], 5, 6) == []
        return
    (scored,) = Scorer(plan(), {PURCHASE_PROPENSITY: lambda: model}).score([Scorable("u", profile, 7, {})], 5, 6)
    assert scored.segments == []
    made = scored.message
    shares = affinities(profile)
    scores = {CHURN_RISK: churn_risk(profile), ENGAGEMENT: engagement(profile)}
    scores |= {PURCHASE_PROPENSITY: 0.25} if model else {}
    rest = {"model_version": "v9" if model else "", "accepted_events": 7, "generation": 5, "written_at_ms": 6}
    rest["declaration"] = plan().hash
    features = struct.pack(f"<{len(V1)}f", *vector(profile, shares))
    assert split_features(made) == (features, generated("u", profile, shares, scores, **rest))


@given(st.lists(st.tuples(TEXT, st.integers(0, 2**53)), max_size=5))
def test_memberships_are_written_as_the_generated_class_writes_them(segments: list[tuple[str, int]]) -> None:
    profile = Profile()
    profile.values[p.SESSION_START_MS] = profile.values[p.LAST_MS] = profile.values[p.SESSION_EVENTS] = 7.0
    written = ScoreWriter("v1", "", [], {}, 3, 4).write(
        Scorable("u1", profile, 2, {}), Reading(b"", [], [], [], []), [], [Membership(*one) for one in segments]
    )
    rest: dict[str, object] = {"accepted_events": 2, "generation": 3, "written_at_ms": 4}
    rest["segments"] = [{"name": name, "since_ms": since_ms} for name, since_ms in segments]
    assert split_features(written)[1] == generated("u1", profile, [], {}, **rest)
