"""The fold computes what docs/features.md defines, feature by feature, by an oracle that shares none of its code."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.catalogue import V1
from tests.builders import DAY, HOUR, MINUTE, SECOND, T0, bounds
from tests.unit.udfs.oracle import Oracle, alive
from tests.unit.udfs.strategies import Arrival, arrivals, histories
from tests.v1 import affinities, churn_risk, engagement, vector
from udfs.event import PURCHASE, REFUND, VIEW, Event
from udfs.features import after_silence
from udfs.money import LEFT_OUT, NUMBERS
from udfs.profile import Profile
from udfs.timeline import Timeline

CURRENCIES = (0, NUMBERS["EUR"], NUMBERS["EUR"], NUMBERS["USD"], LEFT_OUT)
CATEGORIES = [f"c{number:02}" for number in range(20)]  # more than are served, fewer than are kept


def folded(events: list[Event]) -> Profile:
    timeline = Timeline.begin(bounds())
    for e in events:
        timeline.offer(e)
    return timeline.profile()


@given(st.data(), histories(size_max=40, categories=["", *CATEGORIES]))
def test_every_feature_and_score_is_what_its_definition_says(data: st.DataObject, history: list[Event]) -> None:
    arrival: Arrival = data.draw(arrivals(history))
    check(history, arrival.events)


@given(st.integers(0, 2**32))
def test_definitions_hold_for_long_and_broad_histories(seed: int) -> None:
    """Histories that are drawn event by event are mostly short, with few categories."""
    rng, now, history = random.Random(seed), T0, []
    for number in range(60):
        now += rng.choice((0, SECOND, MINUTE, 29 * MINUTE, 31 * MINUTE, 3 * HOUR, 5 * DAY))
        kind = rng.choices((VIEW, *range(VIEW, REFUND + 1)), (30, *[5] * 8, 1, 5))[0]
        currency = rng.choice(CURRENCIES) if kind in (PURCHASE, REFUND) else 0
        value, category = round(rng.random() * 100, 2), rng.choice(("", *CATEGORIES))
        history.append(Event(now, f"e{number}", kind, value, category, now, currency))
    check(history, history)


def check(events: list[Event], arriving: list[Event]) -> None:
    """Compare the fold of the events as they arrive with the definitions over all of them."""
    profile = folded(arriving)
    if not alive(events):
        assert profile.empty
        return
    defined, shares = Oracle(events), affinities(profile)
    found = dict(zip((feature.name for feature in V1), vector(profile, shares), strict=True))
    assert found == pytest.approx(defined.features(), rel=1e-9, abs=1e-9)
    assert {"engagement": engagement(profile), "churn_risk": churn_risk(profile)} == pytest.approx(
        defined.scores(), rel=1e-9, abs=1e-11
    )
    assert dict(shares) == pytest.approx({name: defined.share(name) for name, _ in shares}, rel=1e-9, abs=1e-11)
    assert len(shares) == min(10, len(defined.shares()))


@given(histories(), st.integers(0, 400 * DAY))
def test_scores_after_silence_are_what_their_definition_says(history: list[Event], silence_ms: int) -> None:
    profile = folded(history)
    if profile.empty:
        return
    defined = Oracle(history)
    defined.now += silence_ms
    later = dict(
        zip(("engagement", "churn_risk"), after_silence(vector(profile, affinities(profile)), silence_ms), strict=True)
    )
    assert later == pytest.approx(defined.scores(), rel=1e-9, abs=1e-11)
