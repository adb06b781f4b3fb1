"""Which score of a plan is trained, and on what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftline.errors import InputError
from driftline.model_scores import ModelScore
from training.labels import Label
from training.learned_score import PROPENSITY, LearnedScore
from training.model import selected
from udfs.event import PURCHASE


def plan(*scores: dict[str, Any]) -> dict[str, Any]:
    names = [("a", True), ("text", False), ("b", True), ("c", True)]
    features = [{"name": name, "vector": vector, "hash": f"{name}-1"} for name, vector in names]
    return {"name": "media", "hash": "d1", "time_zone": "UTC", "features": features, "scores": list(scores)}


def declared(name: str, **model: Any) -> dict[str, Any]:
    label = {"kind": "event", "types": [PURCHASE], "where": None, "within_ms": 60_000}
    return {"name": name, "model": {"task": "classification", "features": [3, 0], **model}, "label": label}


FORMULA = {"name": "engagement", "expr": 1.0}


def test_all_that_training_needs_is_in_the_plan() -> None:
    estimator = {"name": "RandomForestClassifier", "params": {"n_estimators": 7}}
    learned = LearnedScore.of_plan(plan(FORMULA, declared("finish", estimator=estimator)))
    assert learned.score == ModelScore("finish", "classification", "finish", ("c", "a"))
    assert learned.label == Label("event", frozenset({PURCHASE}), 60_000)
    assert (learned.estimator.name, learned.estimator.params["n_estimators"]) == ("RandomForestClassifier", 7)
    assert (learned.feature_set.hash, learned.names, learned.columns) == ("d1", ("c", "a"), (2, 0))
    vectors = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32)
    assert selected(vectors, learned).tolist() == [[3, 1], [6, 4]]


def test_what_a_score_rises_and_falls_with_is_by_column() -> None:
    learned = LearnedScore.of_plan(plan(declared("finish", features=[3, 0, 2], rises_with=[0], falls_with=[2, 3])))
    assert learned.estimator.params["monotonic_cst"] == [-1, 1, -1]
    given = declared("finish", estimator={"name": "ExtraTreesClassifier", "params": {}}, rises_with=[3])
    assert LearnedScore.of_plan(plan(given)).estimator.params["monotonic_cst"] == [1, 0]


def test_a_score_with_a_formula_and_a_model_is_trained_by_its_name() -> None:
    learned = LearnedScore.of_plan(plan(declared("churn") | {"expr": 1.0}), "churn")
    assert learned.score == ModelScore("churn", "classification", "churn", ("c", "a"), has_formula=True)


def test_without_names_it_is_the_whole_vector_and_the_usual_estimator() -> None:
    learned = LearnedScore.of_plan(plan(declared("finish", features=[], estimator=None)))
    assert (learned.names, learned.columns) == (("a", "b", "c"), (0, 1, 2))
    assert learned.estimator.name == PROPENSITY.estimator.name
    vectors = np.zeros((2, 3), dtype=np.float32)
    assert selected(vectors, learned) is vectors


@pytest.mark.parametrize(
    ("names", "asked", "found"),
    [
        (["finish"], "", "finish"),
        (["finish", "purchase_propensity"], "", "purchase_propensity"),
        (["finish", "churn"], "churn", "churn"),
    ],
)
def test_which_score_is_meant(names: list[str], asked: str, found: str) -> None:
    made = plan(FORMULA, *map(declared, names))
    assert LearnedScore.of_plan(made, asked).score.name == found


@pytest.mark.parametrize(
    ("names", "asked", "why"),
    [
        ([], "", "feature set 'media' has no score that a model makes"),
        (["finish", "churn"], "", "several scores are made by models: finish, churn; name one"),
        (["finish"], "finnish", "unknown score of a model 'finnish'; did you mean finish?"),
        (["finish"], "engagement", "unknown score of a model 'engagement'"),
    ],
)
def test_a_score_that_is_not_there_is_named(names: list[str], asked: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        LearnedScore.of_plan(plan(FORMULA, *map(declared, names)), asked)
    assert why in str(caught.value)


def test_the_shipped_score_stands_beside_no_plan(tmp_path: Path) -> None:
    assert PROPENSITY.score.models(tmp_path).path == tmp_path
    assert PROPENSITY.columns == tuple(range(40))
