"""Scores of users with an age: both evaluations in one message, and one call of each model."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.catalogue import PURCHASE_PROPENSITY
from driftline.score_message import age_of, served, split_features
from driftline.serving.v1.scores_pb2 import AsOfEvent, UserScores
from jobs.pipeline import bounds_of
from tests.builders import HOUR, bounds, job_settings
from tests.unit.declarations.projects import plan_of_files
from tests.unit.udfs.strategies import histories
from tests.v1 import plan
from udfs import profile as p
from udfs.event import CLICK, Event
from udfs.plan.plan import Plan
from udfs.plan.reading import Reading
from udfs.profile import Profile
from udfs.score_bytes import Evaluated, Scorable, ScoreWriter
from udfs.scoring import Scorer
from udfs.segments import Membership

GOLDEN = Path(__file__).parents[2] / "golden"
T0 = 1_767_225_600_000
DAY_S = 86_400
BOUNDS = bounds(categories_max=12).profile
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=140)
UNIT = st.floats(0, 1)
SHARES = st.lists(st.tuples(TEXT, UNIT), max_size=3)


class Counting:
    """A model whose score is the first feature's bytes, and which notes its calls."""

    version = "v9"

    def __init__(self) -> None:
        self.calls: list[int] = []

    def predict(self, vectors: Sequence[bytes]) -> list[float]:
        self.calls.append(len(vectors))
        return [_of(vector) for vector in vectors]


def _of(vector: bytes) -> float:
    return sum(vector) / (255 * len(vector))


def golden_user() -> tuple[ScoreWriter, Profile]:
    """The one whose bytes are in tests/golden/user_scores_*."""
    profile = Profile()
    v = profile.values
    v[p.SESSION_START_MS], v[p.LAST_MS], v[p.SESSION_EVENTS], v[p.SESSION_PURCHASES] = (
        T0 - 90_000.0,
        float(T0),
        7.0,
        1.0,
    )
    versions = {"é": "2-x", "purchase_propensity": "1"}
    return ScoreWriter("media", "3f9c0d1a2b4c", ["churn_risk", "é"], versions, 1_760_000_000_000, T0 + 40), profile


def event_evaluated() -> Evaluated:
    tops = [("by_artist", [("a", 1.0), ("b", 0.0)])]
    vector = struct.pack("<3f", 1.5, -2, 0)
    reading = Reading(vector, [], [("shoes", 0.75), ("hats", 0.0)], [("plan", "gold")], tops)
    return Evaluated(reading, [0.0, 0.5], [Membership("fans", T0 - 5)])


def test_bytes_without_an_age_are_those_of_the_release_before() -> None:
    writer, profile = golden_user()
    event = event_evaluated()
    made = writer.write(Scorable("u1", profile, 300, {}), event.reading, event.scores, event.segments)
    assert made == (GOLDEN / "user_scores_v1.bin").read_bytes()


def test_golden_bytes_with_an_age() -> None:
    writer, profile = golden_user()
    reading = Reading(struct.pack("<3f", 1.5, -2, 7), [], [("shoes", 1.0)], [("plan", "gold")], [("by_artist", [])])
    now = Evaluated(reading, [0.25, 0.5], [Membership("away", T0 + 1_000 * 7 * DAY_S)])
    made = writer.write_aged(Scorable("u1", profile, 300, {}, 7 * DAY_S, profile), now, event_evaluated())
    assert made == (GOLDEN / "user_scores_aged_v1.bin").read_bytes()
    assert made[:6] == b"\x95\x01" + (7 * DAY_S).to_bytes(4, "little")
    assert made[6:8] == b"\x5a\x0c"  # the features, as ever


@given(
    st.integers(1, 2**32 - 1),
    st.dictionaries(TEXT, st.tuples(UNIT, UNIT), max_size=3),
    st.tuples(SHARES, SHARES),
    st.lists(st.tuples(TEXT, st.integers(0, 2**53)), max_size=3),
    st.lists(st.tuples(TEXT, TEXT), max_size=2, unique_by=lambda pair: pair[0]),
    st.lists(st.tuples(TEXT, SHARES), max_size=2),
    st.lists(st.floats(width=32, allow_nan=False), max_size=5_000 // 4),
)
def test_any_message_with_an_age_is_written_as_the_generated_class_writes_it(  # noqa: PLR0917  (by name)
    age_s: int,
    scores: dict[str, tuple[float, float]],
    shares: tuple[list[tuple[str, float]], list[tuple[str, float]]],
    segments: list[tuple[str, int]],
    traits: list[tuple[str, str]],
    tops: list[tuple[str, list[tuple[str, float]]]],
    features: list[float],
) -> None:
    names = sorted(scores, key=str.encode)
    traits = sorted(traits, key=lambda pair: pair[0].encode())
    vector = struct.pack(f"<{len(features)}f", *features)
    profile = golden_user()[1]
    members = [Membership(*one) for one in segments]
    now = Evaluated(Reading(b"1234", [], shares[0], [], []), [scores[name][0] for name in names])
    event = Evaluated(Reading(vector, [], shares[1], traits, tops), [scores[name][1] for name in names], members)
    writer = ScoreWriter("s", "", names, {}, 3, 4)
    made = writer.write_aged(Scorable("u1", profile, 2, {}, age_s, profile), now, event)
    before, content, rest = _taken_apart(made)
    expected = AsOfEvent(scores={name: scores[name][1] for name in names}, feature_values=features)
    for category, share in shares[1]:
        expected.affinities.add(category=category, share=share)
    for name, since_ms in segments:
        expected.segments.add(name=name, since_ms=since_ms)
    expected.traits.update(traits)
    for name, entries in tops:
        listed = [{"category": key, "share": share} for key, share in entries]
        expected.tops.add(feature=name, entries=listed)
    assert content == expected.SerializeToString(deterministic=True)
    unaged = writer.write(Scorable("u1", profile, 2, {}), now.reading, now.scores)
    assert (age_of(made), before, rest) == (age_s, b"1234", split_features(unaged)[1])
    assert served(made) == made[:6] + rest


def _taken_apart(made: bytes) -> tuple[bytes, bytes, bytes]:
    """The features, as_of_event, and what is behind it."""
    features, rest = split_features(made)
    parsed = UserScores.FromString(rest)
    behind = served(made)[6:]
    field = rest[6 : len(rest) - len(behind)]
    body = parsed.as_of_event.SerializeToString(deterministic=True)
    assert field.endswith(body)
    assert field[:2] == b"\x9a\x01"
    return features, body, behind


USERS = st.lists(st.tuples(histories(), st.integers(0, 60 * DAY_S)), min_size=1, max_size=4)


@given(USERS, st.booleans())
def test_an_aged_user_has_what_there_is_at_both_times(users: list[tuple[list[Event], int]], modelled: bool) -> None:
    scorable = []
    for number, (history, age_s) in enumerate(users):
        profile = BOUNDS.plan.blank()
        for each in sorted(history):
            profile.fold(each, BOUNDS)
        if not profile.empty:
            aged = plan().aged(profile, age_s) if age_s else None
            scorable.append(Scorable(f"u{number}", profile, 7, {}, age_s, aged))
    model = Counting()
    scorer = Scorer(plan(), {PURCHASE_PROPENSITY: lambda: model} if modelled else {})
    made = [UserScores.FromString(one.message) for one in scorer.score(scorable, 5, 6)]
    plain = [Scorable(user.user_id, user.profile, 7, {}) for user in scorable]
    as_of_event = [UserScores.FromString(one.message) for one in scorer.score(plain, 5, 6)]
    aged_users = sum(user.aged is not None for user in scorable)
    assert model.calls == ([len(scorable) + aged_users, len(scorable)] if modelled and scorable else [])
    for user, message, event in zip(scorable, made, as_of_event, strict=True):
        if user.aged is None:
            assert message == event
            continue
        _assert_event(message, event)
        reading = plan().reading(user.aged, user.profile.values[p.LAST_MS] + 1_000.0 * user.age_s)
        assert struct.pack(f"<{len(message.feature_values)}f", *message.feature_values) == reading.vector
        assert [(one.category, one.share) for one in message.affinities] == reading.affinities
        for (name, _), score in zip(plan().formulas, reading.scores, strict=True):
            assert message.scores[name] == score
        assert (PURCHASE_PROPENSITY in message.scores) is modelled
        assert message.scores.get(PURCHASE_PROPENSITY, 0) == (_of(reading.vector) if modelled else 0)


def _assert_event(message: UserScores, event: UserScores) -> None:
    """The message's as_of_event is what the event alone gave; what does not depend on time is the same."""
    for field in AsOfEvent.DESCRIPTOR.fields:
        assert getattr(message.as_of_event, field.name) == getattr(event, field.name), field.name
    for name in ("user_id", "as_of_event_time_ms", "accepted_events", "generation", "session", "model_version"):
        assert getattr(message, name) == getattr(event, name)


def test_no_users_are_no_call() -> None:
    model = Counting()
    assert Scorer(plan(), {PURCHASE_PROPENSITY: lambda: model}).score([], 5, 6) == []
    assert model.calls == []


@pytest.mark.parametrize("age_s", [1, 3_600, 2**31])
def test_the_event_time_stays_that_of_the_newest_event(age_s: int) -> None:
    writer, profile = golden_user()
    event = event_evaluated()
    made = UserScores.FromString(writer.write_aged(Scorable("u1", profile, 3, {}, age_s, profile), event, event))
    assert (made.as_of_event_time_ms, made.age_s, made.session.last_event_time_ms) == (T0, age_s, T0)


HERE = """
project: {name: here, ages: [1h, 1d]}
features:
  clicks: {count: CLICK}
  hours_away: {expr: (as_of_ms - last_event_ms) / 3600000}
scores:
  presence: {expr: 1 / (1 + hours_away)}
  staying: {model: classification, label: {event: CLICK, within: 1h}, features: [hours_away]}
segments:
  here: {when: hours_away < 1}
  away: {when: hours_away >= 1}
  stayers: {when: staying > 0.5}
  leavers: {when: staying <= 0.5}
"""


class Staying:
    """A model whose score is 1 at an event and 0.25 from an hour on."""

    version = "s1"

    def predict(self, vectors: Sequence[bytes]) -> list[float]:
        return [0.25 if struct.unpack("<2f", vector)[1] >= 1 else 1.0 for vector in vectors]


def here_scored(published: dict[str, int], age_s: int, model: Staying | None) -> tuple[UserScores, list[Membership]]:
    """A user who has clicked at T0, scored; the message and the memberships that go to the lists."""
    made = Plan(plan_of_files(here=HERE), 64)
    profile = made.blank()
    profile.fold(Event(T0, "e1", CLICK, 0.0, "", T0), bounds_of(job_settings(), made).profile)
    user = Scorable("u", profile, 1, published)
    if age_s:
        user = Scorable("u", profile, 1, published, age_s, made.aged(profile, age_s))
    (one,) = Scorer(made, {"staying": lambda: model}).score([user], 5, 6)
    return UserScores.FromString(one.message), list(one.segments)


def listed(segments: object) -> list[tuple[str, int]]:
    return [(one.name, (one.since_ms - T0) // HOUR) for one in segments]  # type: ignore[attr-defined]


def test_memberships_are_as_of_the_age_and_beside_them_those_as_of_the_event() -> None:
    message, segments = here_scored({"here": T0, "stayers": T0}, 7 * 3_600, Staying())
    assert listed(message.segments) == listed(segments) == [("away", 1), ("leavers", 7)]
    assert listed(message.as_of_event.segments) == [("here", 0), ("stayers", 0)]
    assert dict(message.scores) == {"presence": 0.125, "staying": 0.25}
    assert dict(message.as_of_event.scores) == {"presence": 1.0, "staying": 1.0}


def test_what_an_earlier_age_began_goes_on_and_was_not_so_as_of_the_event() -> None:
    published = {"here": -(T0 + HOUR), "away": T0 + HOUR, "stayers": -(T0 + 2 * HOUR), "leavers": T0 + 2 * HOUR}
    message, segments = here_scored(published, 24 * 3_600, Staying())
    assert listed(message.segments) == listed(segments) == [("away", 1), ("leavers", 2)]
    assert listed(message.as_of_event.segments) == [("here", 0), ("stayers", 0)]


def test_while_a_model_is_missing_members_stay_at_either_time() -> None:
    published = {"stayers": T0, "leavers": T0 + 2 * HOUR}
    message, _ = here_scored(published, 24 * 3_600, None)
    assert listed(message.segments) == [("away", 1), ("stayers", 0), ("leavers", 2)]
    assert listed(message.as_of_event.segments) == [("here", 0), ("stayers", 0)]
    assert "staying" not in message.scores
