"""The shipped set is v1: the features that models were trained on, in their order."""

from __future__ import annotations

import json

from declarations.compile import SHIPPED, plan_of, shipped_plan
from driftline.catalogue import CHURN_RISK, PURCHASE_PROPENSITY, SCORES, V1
from driftline.units import DAY_MS
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
    model = next(score for score in plan["scores"] if score["name"] == PURCHASE_PROPENSITY)
    assert model["label"] == {"kind": "event", "types": [4], "where": None, "within_ms": 1_800_000, "at_ages": True}
    assert model["folder"] == "."
    vector = [position for position, feature in enumerate(plan["features"]) if feature["vector"]]
    assert model["model"] == {"task": "classification", "features": vector, "estimator": None}


def test_churn_risk_is_its_formula_and_may_be_a_model_of_absence() -> None:
    plan = plan_of(None)
    churn = next(score for score in plan["scores"] if score["name"] == CHURN_RISK)
    label = churn["label"]
    assert (label["kind"], label["within_ms"], label["at_ages"]) == ("absence", 14 * DAY_MS, True)
    assert (churn["folder"], churn["model"]["task"]) == (CHURN_RISK, "classification")
    names = [plan["features"][at]["name"] for at in churn["model"]["features"]]
    assert not {"hour_sin", "hour_cos", "tenure_days", "top_category_share", "current_category_share"} & set(names)
    moved = {plan["features"][at]["name"] for key in ("rises_with", "falls_with") for at in churn["model"][key]}
    assert moved == {name for name in names if "rate_" in name or "activity_" in name or "hours_since" in name} - {
        "hours_since_previous_session"
    }


def test_that_churn_risk_may_be_a_model_changes_no_hash() -> None:
    """So values of before, and the feature sets that are known by the hash, stay what they were."""
    assert plan_of(None)["hash"] == "e85ed857cea2"


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
