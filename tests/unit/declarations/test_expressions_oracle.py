"""Compiled expressions give what cel-python's evaluator gives."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings

from declarations.expressions import Typed, compile_expression
from tests.unit.declarations.cel_oracle import ZONE, evaluate
from tests.unit.declarations.cel_strategies import KEYS, MAPS, NAMES, NUMBERS, TEXTS, Written, expressions, values
from udfs.expressions.build import build
from udfs.expressions.node import Node, Scope
from udfs.profile import LAST_MS, SESSIONS, Profile
from udfs.reducers.by import MapNode
from udfs.reducers.edge import TextNode

FEATURES: list[Node] = [*[TextNode(i) for i in range(len(TEXTS))], *[MapNode(i) for i in range(len(MAPS))]]
VALUES: dict[str, Any] = {
    "plays": 3.0,
    "skips": 0.0,
    "rate": math.nan,
    "in_cart": -2.5,
    "is_fan": True,
    "brand": "shoes",
    "top_artist": "",
    "affinity": {"shoes": 2.0, "hats": 2.0, "": 1.0},
    "spend": {},
    "as_of_ms": 1_767_225_600_000.0,
    "last_event_ms": 1_767_052_800_000.0,
    "sessions": 4.0,
}


def scope_of(values: Mapping[str, Any]) -> Scope:
    profile = Profile(texts=[values[name] for name in TEXTS], maps=[values[name] for name in MAPS])
    profile.values[LAST_MS] = values["last_event_ms"]
    profile.values[SESSIONS] = values["sessions"]
    scope = Scope(profile, [*[values[name] for name in NUMBERS], float(values["is_fan"])])
    scope.see_at(profile, values["as_of_ms"])
    return scope


def ours(typed: Typed, values: Mapping[str, Any]) -> float | bool | str:
    node = build(json.loads(json.dumps(typed.expr)), FEATURES, ZONE)
    scope = scope_of(values)
    if typed.type == "text":
        return node.text(scope)
    if typed.type == "bool":
        truth = node.truth(scope)
        assert node.number(scope) == float(truth)
        return truth
    return node.number(scope)


def same(a: float | bool | str, b: float | bool | str) -> bool:
    both = isinstance(a, float) and isinstance(b, float)
    return type(a) is type(b) and (a == b or (both and math.isnan(float(a)) and math.isnan(float(b))))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(expressions(), values())
@example(Written("-7 % 3", "-7.0 % 3.0"), VALUES)
@example(Written("7 / -0.0", "7.0 / -0.0"), VALUES)
@example(Written("pow(-0.0, -3)", "pow(-0.0, -3.0)"), VALUES)
@example(Written("pow(-8, 1.0 / 3)", "pow(-8.0, 1.0 / 3.0)"), VALUES)
@example(Written("pow(-10, 309)", "pow(-10.0, 309.0)"), VALUES)
@example(Written("exp(710) + exp2(1024)", "exp(710.0) + exp2(1024.0)"), VALUES)
@example(Written("log(0) - log10(-1)", "log(0.0) - log10(-1.0)"), VALUES)
@example(Written("log1p(-1)", "log1p(-1.0)"), VALUES)
@example(Written("rounded(1e300) + rounded(-0.7)", "rounded(1e300) + rounded(-0.7)"), VALUES)
@example(Written("floor(-1e300) + ceil(rate)", "floor(-1e300) + ceil(rate)"), VALUES)
@example(Written("min(1, rate, 0)", "min(1.0, rate, 0.0)"), VALUES)
@example(Written(*['brand in ["shoes"] && !is_fan || top(affinity) == "hats"'] * 2), VALUES)
@example(Written("1 - 2 - 3 * 4 / 8", "1.0 - 2.0 - 3.0 * 4.0 / 8.0"), VALUES)
def test_expressions_give_what_cel_python_gives(written: Written, values: dict[str, Any]) -> None:
    typed = compile_expression(written.ours, NAMES)
    expected = evaluate(written.cel, values)
    got = ours(typed, values)
    assert same(got, expected), (got, expected, typed.expr)
    assert typed.uses <= set(NAMES)


@pytest.mark.parametrize("key", KEYS)
def test_an_index_is_the_value_of_a_key_and_of_none_0(key: str) -> None:
    index = f"affinity[{json.dumps(key, ensure_ascii=True)}]"
    value = ours(compile_expression(index, NAMES), VALUES)
    assert value == VALUES["affinity"].get(key, 0.0)
    if key in VALUES["affinity"]:  # cel-python refuses others
        assert value == evaluate(index, VALUES)
