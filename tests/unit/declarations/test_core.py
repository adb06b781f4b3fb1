"""Whatever is declared, the core can run it: each reducer has its steps and readers, each expression its node."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from declarations.costs import feature_costs, usual_bytes, worst_bytes
from tests.unit.declarations.projects import plan_of_features
from udfs.expressions.build import build
from udfs.expressions.node import Constant, Node
from udfs.plan.order import evaluation_order
from udfs.reducers.kind import On, Slots
from udfs.reducers.kinds import KINDS

SCOPES = st.sampled_from(["", ", scope: session", ", scope: previous_session"])
TIMES = st.sampled_from(["", ", window: 7d", ", window: 3d, hop: 1h", ", half_life: 2d", ", scope: session"])
WINDOWS = st.sampled_from(["", ", window: 7d", ", window: 2h", ", scope: session"])
FILTERS = st.sampled_from(["", ", where: live", ", where: seconds > 3 && artist != 'a'", ", where: hour(time) < 6"])
NUMBERS = st.sampled_from(["seconds", "value", "live"])
AMOUNTS = st.sampled_from(["seconds", "price", "value"])
BY = st.sampled_from(["", ", by: artist", ", by: genres, cap: 8", ", by: category"])


def _declaration(*parts: Any) -> st.SearchStrategy[str]:
    strategies = [st.just(part) if isinstance(part, str) else part for part in parts]
    return st.tuples(*strategies).map(lambda drawn: "{" + "".join(drawn) + "}")


AGGREGATES = st.one_of(
    _declaration("count: play", TIMES, FILTERS, BY),
    _declaration("sum: ", NUMBERS, ", of: play", TIMES, FILTERS, BY),
    _declaration("mean: ", NUMBERS, ", of: play", TIMES, FILTERS),
    _declaration("stddev: ", AMOUNTS, ", of: play", SCOPES),
    _declaration("min: ", AMOUNTS, ", of: play", WINDOWS, FILTERS),
    _declaration("max: ", AMOUNTS, ", of: play", WINDOWS),
    _declaration("first: ", NUMBERS, ", of: play", SCOPES),
    _declaration("last: ", NUMBERS, ", of: play, default: 3", SCOPES),
    _declaration("last_k: ", AMOUNTS, ", of: play, k: 3", FILTERS),
    _declaration("since: play, unit: d", FILTERS),
    _declaration("distinct: artist, of: [play, like]", SCOPES),
    _declaration("histogram: ", AMOUNTS, ", of: play, edges: [1, 2]"),
    _declaration("streak: play", FILTERS),
    _declaration("changes: artist, of: play", SCOPES),
    _declaration("count: play, calendar: hour", FILTERS),
)
DERIVED = st.sampled_from(["{ratio: [base, other]}", "{expr: base + other * 2}", "{expr: size(texts) + total(map)}"])


@settings(max_examples=60)
@given(st.lists(st.one_of(AGGREGATES, DERIVED), min_size=1, max_size=12))
def test_every_plan_can_be_built(declarations: list[str]) -> None:
    features = [f"f{chr(97 + index)}: {text}" for index, text in enumerate(declarations)]
    plan = plan_of_features(
        *features, "base: {count: play}", "other: {count: like}",
        "texts: {last: artist, of: play}", "map: {count: play, by: artist}",
    )  # fmt: skip
    assert json.loads(json.dumps(plan)) == plan
    assert len({reducer["key"] for reducer in plan["reducers"]}) == len(plan["reducers"])
    assert len({feature["name"] for feature in plan["features"]}) == len(plan["features"])
    for reducer in plan["reducers"]:
        _build_steps(reducer)
    nodes: list[Node] = [Constant(0.0) for _ in plan["features"]]
    for at in evaluation_order(plan["features"]):
        nodes[at] = _node(plan, plan["features"][at], nodes)


def _build_steps(reducer: dict[str, Any]) -> None:
    params = {"cap": 32} | reducer["params"] if reducer["kind"].startswith("by") else reducer["params"]
    assert sum(KINDS[reducer["kind"]].sizes(params)) > 0
    for entry in reducer["on"]:
        value, key = (None if entry[part] is None else build(entry[part], [], "UTC") for part in ("value", "key"))
        if entry["where"] is not None:
            build(entry["where"], [], "UTC")
        KINDS[reducer["kind"]].step(params, Slots(), On(value, key, float(entry["weight"])))


def _node(plan: dict[str, Any], feature: dict[str, Any], nodes: list[Node]) -> Node:
    if "expr" in feature:
        return build(feature["expr"], nodes, plan["time_zone"])
    reducer = plan["reducers"][feature["reducer"]]
    return KINDS[reducer["kind"]].reader(reducer["params"], Slots(), feature["read"], float(feature["default"]))


@given(st.lists(AGGREGATES, min_size=1, max_size=6))
@settings(max_examples=30)
def test_every_reducer_is_paid_for_once(declarations: list[str]) -> None:
    plan = plan_of_features(*(f"f{chr(97 + index)}: {text}" for index, text in enumerate(declarations)))
    costs = feature_costs(plan)
    assert sum(cost.worst for cost in costs) == sum(worst_bytes(reducer) for reducer in plan["reducers"])
    assert sum(cost.usual for cost in costs) == sum(usual_bytes(reducer) for reducer in plan["reducers"])
    assert all(0 <= cost.usual <= cost.worst for cost in costs)
    assert [cost.position for cost in costs if cost.position is not None] == list(
        range(sum(feature["vector"] for feature in plan["features"]))
    )
