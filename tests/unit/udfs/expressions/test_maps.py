"""Maps: the same bytes as v1's features of categories, whatever the order of the entries."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from driftline.limits import AFFINITIES_MAX
from tests.hard_wired_v1 import HardWired, affinities, vector
from udfs.event import VIEW, Event
from udfs.expressions.build import build
from udfs.expressions.maps import Remembered, share
from udfs.expressions.node import Node, Ranking, Scope
from udfs.profile import LAST_MS, SESSIONS, Profile
from udfs.reducers.by import MapNode
from udfs.reducers.edge import TextNode

FEATURES: list[Node] = [MapNode(0), TextNode(0)]
MAP, KEY = ["map_feature", 0], ["text_feature", 1]
KEYS = [f"category-{i}" for i in range(AFFINITIES_MAX + 5)]
WEIGHTS = st.one_of(st.sampled_from([0.0, 0.1, 0.2, 0.3, 1.0, 1e-300]), st.floats(0, 1e6))
MAPS = st.dictionaries(st.sampled_from(KEYS), WEIGHTS)


def scope_of(weights: dict[str, float], key: str = "") -> Scope:
    profile = Profile(texts=[key], maps=[weights])
    profile.values[LAST_MS] = profile.values[SESSIONS] = 1.0
    return Scope(profile, [])


def number(expr: Sequence[object], scope: Scope) -> float:
    return build(expr, FEATURES, "UTC").number(scope)


@given(MAPS, st.sampled_from([*KEYS, ""]))
def test_shares_are_those_of_v1(weights: dict[str, float], key: str) -> None:
    scope = scope_of(weights, key)
    old = HardWired()
    old.values, old.categories, old.last_category = scope.profile.values, weights, key
    shares = affinities(old)
    features = vector(old, shares)
    assert number(["top_share", MAP], scope) == features[-4]
    assert number(["share_of", MAP, KEY], scope) == features[-3]
    assert build(["top_key", MAP], FEATURES, "UTC").text(scope) == (shares[0][0] if shares else "")
    ranking = Ranking(weights)
    assert [(name, share(weights[name], ranking.total)) for name in ranking.names[:AFFINITIES_MAX]] == shares


def test_a_remembered_map_is_computed_once_a_reading() -> None:
    scope, node = scope_of({"a": 1.0, "b": 3.0}), Remembered(MapNode(0))
    assert node.ranking(scope) is node.ranking(scope)
    assert node.ranking(scope).names == ["b", "a"]
    scope.see(Profile(maps=[{"c": 2.0}]))
    assert node.ranking(scope).names == ["c"]
    assert node.mapping(scope) == {"c": 2.0}


@given(MAPS, st.randoms())
def test_the_order_of_entries_does_not_matter(weights: dict[str, float], random: random.Random) -> None:
    entries = list(weights.items())
    random.shuffle(entries)
    scope, shuffled = scope_of(weights, KEYS[0]), scope_of(dict(entries), KEYS[0])
    for expr in (["total", MAP], ["top_share", MAP], ["share_of", MAP, KEY], ["size", ["top_key", MAP]]):
        assert number(expr, scope) == number(expr, shuffled)


@given(st.dictionaries(st.sampled_from(KEYS), st.floats(-1e6, 1e6)), st.sampled_from(KEYS))
def test_values_totals_and_sizes(weights: dict[str, float], key: str) -> None:
    scope = scope_of(weights, key)
    assert number(["value_of", MAP, KEY], scope) == weights.get(key, 0.0)
    assert number(["entries", MAP], scope) == len(weights)
    assert math.isclose(number(["total", MAP], scope), math.fsum(weights.values()), abs_tol=1e-6)
    top = build(["top_key", MAP], FEATURES, "UTC").text(scope)
    assert top == (min(weights, key=lambda name: (-weights[name], name)) if weights else "")


def test_nothing_raises_for_weights_that_are_not_finite() -> None:
    for weights in ({"a": math.inf, "b": math.inf}, {"a": math.nan, "b": 1.0}, {"a": math.inf, "b": -math.inf}):
        scope = scope_of(weights, "a")
        for expr in (["total", MAP], ["top_share", MAP], ["share_of", MAP, KEY], ["value_of", MAP, KEY]):
            number(expr, scope)
        assert build(["top_key", MAP], FEATURES, "UTC").text(scope) in weights


def test_a_map_of_an_event_in_the_fold_is_that_of_the_profile() -> None:
    scope = scope_of({"a": 3.0, "b": 1.0}, "b")
    scope.event = Event(1, "e", VIEW, 0.0, "a")
    assert number(["share_of", MAP, ["event", "category"]], scope) == 0.75
