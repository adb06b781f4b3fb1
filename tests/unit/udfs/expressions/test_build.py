"""Nodes of a plan's expressions read what they name, and other data is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs import profile as p
from udfs.event import VIEW, Event
from udfs.expressions.build import build
from udfs.expressions.inputs import SLOTS
from udfs.expressions.node import Node, Scope
from udfs.profile import Profile
from udfs.reducers.by import MapNode
from udfs.reducers.edge import TextNode


def node(expr: Any, features: list[Node] | None = None) -> Node:
    return build(expr, features or [], "UTC")


def scope(*features: float) -> Scope:
    made = Scope(Profile(texts=["", "shoes"]), list(features))
    made.event = Event(1_000, "e", VIEW, 2.5, "hats", numbers=(7.0, 8.0), texts=("x", "y"))
    return made


@pytest.mark.parametrize("slot", SLOTS)
def test_slots_are_those_of_the_profile(slot: str) -> None:
    here = scope()
    at = p.LAST_MS if slot == "newest_ms" else getattr(p, slot.upper())
    here.profile.values[at] = 42.0
    assert node(["slot", slot]).number(here) == 42.0


def test_the_as_of_time_is_no_slot() -> None:
    here = scope()
    here.profile.values[p.LAST_MS], here.profile.values[p.SESSION_START_MS] = 42.0, 40.0
    here.see_at(here.profile, 52.0)
    assert node(["slot", "last_ms"]).number(here) == 52.0
    assert node(["slot", "newest_ms"]).number(here) == 42.0
    assert node(["-", ["slot", "last_ms"], ["slot", "newest_ms"]]).number(here) == 10.0
    assert node(["-", ["slot", "newest_ms"], ["slot", "session_start_ms"]]).number(here) == 2.0
    assert node(["hour", ["slot", "last_ms"]]).number(here) == 0.0
    here.see(here.profile)
    assert node(["slot", "last_ms"]).number(here) == 42.0


def test_features_are_read_by_position() -> None:
    here = scope(1.0, 2.0, 0.0)
    features: list[Node] = [TextNode(1), MapNode(0)]
    assert node(["feature", 1]).number(here) == 2.0
    assert [node(["feature", i]).truth(here) for i in (0, 2)] == [True, False]
    assert node(["text_feature", 0], features) is features[0]
    assert node(["map_feature", 1], features) is features[1]
    assert node(["size", ["text_feature", 0]], features).number(here) == 5.0


def test_an_event_has_its_own_fields_and_declared_ones() -> None:
    here = scope()
    assert node(["event", "value"]).number(here) == 2.5
    assert node(["event", "time_ms"]).number(here) == 1_000.0
    assert node(["event", "category"]).text(here) == "hats"
    assert node(["number_field", 1]).number(here) == 8.0
    assert node(["text_field", 1]).text(here) == "y"


def test_a_field_that_an_older_event_does_not_have_is_empty() -> None:
    here = scope()
    assert node(["number_field", 2]).number(here) == 0.0
    assert node(["text_field", 2]).text(here) == ""


def test_a_score_that_there_is_not_is_not_a_number() -> None:
    here = scope()
    here.scores = {"engagement": 0.5}
    assert node(["score", "engagement"]).number(here) == 0.5
    assert math.isnan(node(["score", "finish"]).number(here))
    assert not node([">", ["score", "finish"], 0.0]).truth(here)
    assert not node(["<=", ["score", "finish"], 0.0]).truth(here)


def test_constants() -> None:
    here = scope()
    assert node(2).number(here) == 2.0
    assert node(2.5).truth(here)
    assert node(["text", "a"]).text(here) == "a"
    assert node(["bool", True]).number(here) == 1.0


@given(st.floats(), st.floats())
def test_a_truth_is_1_or_0_as_a_number(a: float, b: float) -> None:
    here = scope(a, b)
    for op in ("<", "<=", ">", ">=", "==", "!="):
        comparison = node([op, ["feature", 0], ["feature", 1]])
        assert comparison.number(here) == float(comparison.truth(here))
    assert node(["<", ["feature", 0], ["feature", 1]]).truth(here) == (a < b)
    assert node(["!=", ["feature", 0], ["feature", 1]]).truth(here) == (a != b)
    assert node(["number_in", ["feature", 0], 1.0, 0.0]).truth(here) == (a in {1.0, 0.0})


@given(st.booleans(), st.booleans(), st.booleans())
def test_logic(a: bool, b: bool, c: bool) -> None:
    here = scope(float(a), float(b), float(c))
    one, two, three = ["feature", 0], ["feature", 1], ["feature", 2]
    assert node(["&&", one, two, three]).truth(here) == (a and b and c)
    assert node(["||", one, two, three]).truth(here) == (a or b or c)
    assert node(["!", one]).truth(here) == (not a)
    assert node(["?:", one, two, three]).truth(here) == (b if a else c)
    assert node(["?:", one, 5.0, 6.0]).number(here) == (5.0 if a else 6.0)
    assert node(["text_?:", one, ["text", "x"], ["text", "y"]]).text(here) == ("x" if a else "y")


@given(st.text("ab", max_size=4), st.text("ab", max_size=2))
def test_texts(text: str, other: str) -> None:
    here = scope()
    pair = [["text", text], ["text", other]]
    assert node(["contains", *pair]).truth(here) == (other in text)
    assert node(["starts_with", *pair]).truth(here) == text.startswith(other)
    assert node(["ends_with", *pair]).truth(here) == text.endswith(other)
    assert node(["text_==", *pair]).truth(here) == (text == other)
    assert node(["text_!=", *pair]).truth(here) == (text != other)
    assert node(["size", pair[0]]).number(here) == len(text)
    assert node(["matches_any", pair[0], "ab", other]).truth(here) == (text in {"ab", other})


@pytest.mark.parametrize(
    "expr",
    [
        None,
        True,
        "plays",
        [],
        [1.0],
        ["plays"],
        ["+", 1.0],
        ["+", 1.0, 2.0, 3.0],
        ["neg", 1.0, 2.0],
        ["?:", 1.0, 2.0],
        ["min"],
        ["hour"],
        ["matches_any"],
        ["number_in"],
        ["slot", "carts"],
        ["event", "type"],
        ["feature"],
    ],
)
def test_other_data_is_no_expression(expr: Any) -> None:
    with pytest.raises(ValueError, match="not an expression of a plan"):
        node(expr)
