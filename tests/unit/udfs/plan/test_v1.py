"""The declared v1 is the one that was written by hand: the same state and the same features, bit by bit."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.catalogue import V1
from tests import hard_wired_v1, v1
from tests.builders import bounds, event
from tests.hard_wired_v1 import HardWired
from tests.unit.udfs.strategies import histories
from udfs.event import CUSTOM, FORGET, Event
from udfs.plan.layout import BASE


def bits(values: list[float]) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


@settings(max_examples=200)
@given(histories(), st.sampled_from([10, 32]))
def test_state_and_features_equal_the_hard_wired_ones(history: list[Event], categories_max: int) -> None:
    of_profile = bounds(categories_max=categories_max).profile
    plan = of_profile.plan
    profile, old = plan.blank(), HardWired()
    for each in sorted(each for each in history if each.type != FORGET):
        dropped = profile.fold(each, of_profile)
        assert dropped == old.fold(each, of_profile, categories_max)
        assert bits(profile.values) == bits(old.values)
        assert bits(plan.vector(profile)) == bits(hard_wired_v1.vector(old, hard_wired_v1.affinities(old)))
    assert profile.maps == [old.categories]
    assert profile.texts == [old.last_category]
    if not profile.empty:
        assert v1.affinities(profile) == hard_wired_v1.affinities(old)
        assert v1.engagement(profile) == hard_wired_v1.engagement(old)
        assert v1.churn_risk(profile) == hard_wired_v1.churn_risk(old)


def test_an_event_of_a_type_that_is_not_declared_counts_as_custom() -> None:
    of_profile = bounds().profile
    profile, old = of_profile.plan.blank(), HardWired()
    profile.fold(event(0, 77, category="hats"), of_profile)
    old.fold(event(0, CUSTOM, category="hats"), of_profile, 32)
    assert bits(profile.values) == bits(old.values)


def test_names_units_defaults_and_formulas_are_those_of_the_catalogue() -> None:
    features = [each for each in v1.plan().data["features"] if each["vector"]]
    declared = [(each["name"], each["unit"], each["default"], each["formula"]) for each in features]
    assert declared == [(each.name, each.unit, each.default, each.formula) for each in V1]


def test_its_layout_is_the_one_that_states_do_not_name() -> None:
    assert v1.plan().layout.id == BASE
