"""A sample of events is folded by a plan, to see what features come to."""

from __future__ import annotations

import random

from console.sampling import Silent, Spread, fold_sample
from declarations.compile import plan_of
from declarations.starting import TEMPLATES
from jobs.pipeline import bounds_of
from jobs.settings import ScoreEventsSettings
from udfs.event import FORGET, VIEW, Event
from udfs.plan.plan import Plan
from udfs.profile import ProfileBounds

PLAY, LIKE = 11, 12
START_MS = 1_790_000_000_000
PLAN = Plan(plan_of(TEMPLATES["media"]), 32)


def _bounds() -> ProfileBounds:
    return bounds_of(ScoreEventsSettings.load(), PLAN).profile


def _play(at: int, artist: str = "a", seconds: float = 10.0) -> Event:
    return Event(
        START_MS + at, f"e{at}", PLAY, seconds, artist, numbers=(seconds, 0.0, 0.0), texts=("t", artist, "x\x1fy")
    )


def test_what_features_come_to() -> None:
    users = {
        "u": [_play(1), _play(2, "b", 50.0), Event(START_MS + 3, "l", LIKE, 0.0, "b", texts=("b",))],
        "v": [_play(1, seconds=60.0)],
    }
    sample = fold_sample(users, PLAN, _bounds())
    assert (sample.users, sample.events) == (2, 4)
    assert sample.types == {"play": 3, "like": 1, "subscribe": 0, "cancel": 0}
    features = {spread.name: spread for spread in sample.features}
    assert features["plays"] == Spread("plays", 1.0, 1.0, 1.5, 2.0)
    assert features["skips"] == Spread("skips", 0.5, 0.0, 0.5, 1.0)
    assert features["hours_since_like"].filled == 0.5
    assert features["genre_affinity"] == Spread("genre_affinity", 1.0, 2.0, 2.0, 2.0)
    assert features["top_artist"] == Spread("top_artist", 1.0, None, None, None)
    assert features["plan"] == Spread("plan", 0.0, None, None, None)
    assert [spread.name for spread in sample.scores] == ["churn_risk", "engagement"]
    assert sample.members == {"fans": 0, "binging": 0, "lapsed": 0}
    assert sample.silent == {"lapsed": Silent(7 * 86_400, 1.0)}


def test_repeats_and_the_order_of_arrival_change_nothing() -> None:
    events = [_play(at, random.Random(at).choice("abc"), at) for at in range(40)]
    mixed = [*events, *events[:9]]
    random.Random(1).shuffle(mixed)
    assert fold_sample({"u": events}, PLAN, _bounds()) == fold_sample({"u": mixed}, PLAN, _bounds())


def test_what_is_forgotten_counts_for_nothing() -> None:
    forget = Event(START_MS + 10, "f", FORGET, 0.0, "")
    sample = fold_sample({"u": [_play(1), forget], "v": [_play(1), forget, _play(11)]}, PLAN, _bounds())
    assert (sample.users, sample.events, sample.types["play"]) == (1, 1, 1)


def test_an_empty_sample() -> None:
    sample = fold_sample({}, PLAN, _bounds())
    assert (sample.users, sample.events) == (0, 0)
    assert sample.features[0] == Spread("plays", 0.0, None, None, None)


def test_built_in_types_are_counted_by_name() -> None:
    assert fold_sample({"u": [Event(START_MS, "v", VIEW, 0.0, "")]}, PLAN, _bounds()).types["VIEW"] == 1
