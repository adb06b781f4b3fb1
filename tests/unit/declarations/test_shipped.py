"""The shipped set is v1: the features that models were trained on, in their order."""

from __future__ import annotations

import json

from declarations.compile import SHIPPED, plan_of, shipped_plan
from driftline.catalogue import SCORES, V1
from udfs.expressions.build import build
from udfs.reducers.kinds import KINDS


def test_vector_is_that_of_v1() -> None:
    vector = [feature for feature in plan_of(None)["features"] if feature["vector"]]
    assert [(each["name"], each["unit"], each["default"]) for each in vector] == [
        (feature.name, feature.unit, feature.default) for feature in V1
    ]
    assert [each["formula"] for each in vector] == [feature.formula for feature in V1]


def test_scores_are_those_of_v1() -> None:
    plan = plan_of(None)
    assert {score["name"] for score in plan["scores"]} == set(SCORES)
    model = next(score for score in plan["scores"] if "model" in score)
    assert model["label"] == {"kind": "event", "types": [4], "where": None, "within_ms": 1_800_000}
    assert model["folder"] == "."
    vector = [position for position, feature in enumerate(plan["features"]) if feature["vector"]]
    assert model["model"] == {"task": "classification", "features": vector, "estimator": None}


def test_plan_is_plain_data_and_the_same_by_path() -> None:
    assert json.loads(json.dumps(shipped_plan())) == shipped_plan() == plan_of(SHIPPED)


def test_the_core_knows_every_kind_and_expression() -> None:
    plan = shipped_plan()
    assert {reducer["kind"] for reducer in plan["reducers"]} <= KINDS.keys()
    for entry in [*plan["features"], *plan["scores"]]:
        if "expr" in entry and "map" not in str(entry["expr"]):
            build(entry["expr"], [], plan["time_zone"])


def test_keys_say_what_reducers_compute() -> None:
    keys = [reducer["key"] for reducer in shipped_plan()["reducers"]]
    assert len(set(keys)) == len(keys)
    for key in (
        "count(of=PURCHASE)",
        "count(of=VIEW,scope=session)",
        "count(half_life_ms=604800000,of=CUSTOM+REFUND)",
        "sum(money=true,of=PURCHASE,value=value)",
        "count(money=left_out,of=PURCHASE)",
        "since(of=ADD_TO_CART)",
        "count(half_life_ms=2592000000,of=any)",
        "edge(of=SURVEY_RESPONSE,value=value,which=last)",
    ):
        assert key in keys
