"""Every estimator of the list learns, is served by ONNX as it was fitted, and takes the parameters that it knows."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from driftline.catalogue import Feature, FeatureSet
from driftline.errors import InputError
from driftline.estimators import ESTIMATORS
from driftline.model_scores import ModelScore
from driftline.models import ModelFolder
from driftline.onnx_model import depends_on_neighbours
from training.estimators import ENTRIES, Estimator
from training.examples import Examples
from training.histories import LeftOut
from training.labels import Label
from training.learned_score import LearnedScore
from training.model import check_parity, evaluate, fit, served, split, to_onnx
from training.reports import RegressionReport, Report

NAMES = tuple("abcdefgh")
SET = FeatureSet("media", "d1", tuple(Feature(name, "", 0, "", f"{name}-1") for name in NAMES))
SMALL: dict[str, dict[str, Any]] = {
    "HistGradientBoosting": {"max_iter": 20},
    "GradientBoosting": {"n_estimators": 20},
    "RandomForest": {"n_estimators": 10},
    "ExtraTrees": {"n_estimators": 10},
}


def learned_of(task: str, estimator: str, params: dict[str, Any], features: tuple[str, ...] = ()) -> LearnedScore:
    label = Label("event" if task == "classification" else "sum", frozenset({8}), 60_000)
    return LearnedScore(ModelScore("finish", task, "finish", features), label, Estimator(task, estimator, params), SET)


def examples_of(task: str, number: int = 3_000) -> Examples:
    """Whole vectors on the scales that features have: counts, hours since, shares, truths."""
    rng = np.random.default_rng(3)
    never = np.where(rng.random(number) < 0.4, 2160.0, rng.exponential(100, number))
    columns = [rng.poisson(3, number), rng.exponential(500, number), rng.random(number), never]
    columns += [rng.integers(0, 2, number), *rng.normal(size=(3, number))]
    vectors = np.column_stack(columns).astype(np.float32)
    target = vectors[:, 0] * 20 + np.exp(vectors[:, 2] * 3) + np.where(never < 50, 30.0, 0.0)
    labels = (target > 70).astype(np.float64) if task == "classification" else target
    times_ms = np.sort(rng.integers(0, 10**10, number))
    hashes, ages_s = rng.integers(0, 2**60, number).astype(np.uint64), np.zeros(number, np.int64)
    return Examples(vectors, labels, times_ms, hashes, LeftOut(), ages_s)


EXAMPLES = {task: examples_of(task) for task in ESTIMATORS}


EVERY = [(task, name) for task, names in ESTIMATORS.items() for name in names]


def params_of(name: str) -> dict[str, Any]:
    return next((params for family, params in SMALL.items() if name.startswith(family)), {})


@pytest.mark.parametrize(("task", "name"), EVERY)
def test_learns_and_is_served_as_it_was_fitted(tmp_path: Path, task: str, name: str) -> None:
    learned, examples = learned_of(task, name, params_of(name), ("d", "a", "c", "b")), EXAMPLES[task]
    train, test = split(examples, learned)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        pipeline = fit(examples, train, learned)
    onnx = to_onnx(pipeline, learned)
    model = served(onnx, learned)
    check_parity(pipeline, model, examples.vectors, learned)
    assert not depends_on_neighbours(model, examples.vectors[:100])
    report = evaluate(model, examples, train, test, learned)
    if isinstance(report, Report):
        assert report.auc > 0.8 and report.brier < report.brier_base
    else:
        assert report.mae < report.mae_base and report.rmse < report.rmse_base and report.r2 > 0
    assert sum(count for *_, count in report.calibration) == report.test_examples
    folder = ModelFolder(tmp_path)
    stored = folder.store(
        onnx,
        trained_at_ms=1,
        stamp="1",
        metrics={},
        score="finish",
        task=task,
        feature_set=SET,
        features=learned.names,
        row_by_row=not learned.estimator.is_trees,
    )
    loaded = folder.load(stored.version, SET, score="finish", task=task)
    assert loaded.predict(examples.vectors[:50]) == model.predict(examples.vectors[:50])


def test_the_list_is_what_declarations_may_name() -> None:
    assert {name for _, name in EVERY} == set(ENTRIES)


@pytest.mark.parametrize(
    ("task", "name", "params", "why"),
    [
        ("regression", "Rigde", {}, "estimator 'Rigde' is not one for regression; did you mean Ridge?"),
        ("regression", "LogisticRegression", {}, "'LogisticRegression' is not one for regression"),
        ("classification", "SVC", {}, "known are: HistGradientBoostingClassifier, "),
        ("regression", "Ridge", {"alhpa": 1}, "Ridge has no parameter 'alhpa'; did you mean alpha?"),
        ("regression", "Ridge", {"alpha": -1}, "Ridge: The 'alpha' parameter of Ridge must be"),
        ("classification", "RandomForestClassifier", {"n_estimators": "many"}, "The 'n_estimators' parameter"),
    ],
)
def test_what_is_no_estimator_or_parameter_is_named(task: str, name: str, params: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError) as caught:
        Estimator(task, name, params)
    assert why in str(caught.value)


def test_randomness_has_a_seed() -> None:
    for given in ({}, {"random_state": None}):
        assert Estimator("classification", "RandomForestClassifier", given).params["random_state"] == 0
    assert Estimator("classification", "", {"random_state": 7}).params["random_state"] == 7


def test_values_that_are_neighbours_in_float32_are_told_apart_as_they_were_fitted() -> None:
    """As means of the same events are, that were added up in another order."""
    low = np.float32(9.1)
    pairs = [(low, np.nextafter(low, np.float32(10)))]
    while len(pairs) < 40:
        pairs.append((pairs[-1][1] + np.float32(1), np.nextafter(pairs[-1][1] + np.float32(1), np.float32(100))))
    for below, above in pairs:
        rows = np.where(np.arange(2_000) % 2, above, below).astype(np.float32)
        vectors = np.zeros((2_000, len(NAMES)), np.float32)
        vectors[:, 0] = rows
        examples = replace(
            EXAMPLES["classification"],
            vectors=vectors,
            labels=(rows == above).astype(np.float64),
            times_ms=np.arange(2_000),
            user_hashes=np.arange(2_000, dtype=np.uint64),
            ages_s=np.zeros(2_000, np.int64),
        )
        learned = learned_of("classification", "", {"max_iter": 2})
        pipeline = fit(examples, np.ones(2_000, dtype=np.bool_), learned)
        check_parity(pipeline, served(to_onnx(pipeline, learned), learned), vectors, learned)


def test_what_the_conversion_does_not_know_is_refused() -> None:
    learned = learned_of("regression", "HistGradientBoostingRegressor", {"loss": "poisson", "max_iter": 5})
    examples = EXAMPLES["regression"]
    train, test = split(examples, learned)
    pipeline = fit(examples, train, learned)
    with pytest.raises(InputError, match="cannot be served: converted to ONNX it differs"):
        check_parity(pipeline, served(to_onnx(pipeline, learned), learned), examples.vectors[test], learned)


def test_labels_that_an_estimator_refuses_are_one_error() -> None:
    learned, examples = learned_of("regression", "PoissonRegressor", {}), EXAMPLES["regression"]
    below_0 = replace(examples, labels=-examples.labels)
    with pytest.raises(InputError, match="estimator PoissonRegressor: "):
        fit(below_0, np.ones(len(below_0), dtype=np.bool_), learned)


def test_rows_of_a_product_of_matrices_run_alone() -> None:
    """Otherwise the last bit of a score would depend on how events are cut into blocks."""
    learned, examples = learned_of("regression", "Ridge", {}), EXAMPLES["regression"]
    pipeline = fit(examples, np.ones(len(examples), dtype=np.bool_), learned)
    onnx = to_onnx(pipeline, learned)
    assert not depends_on_neighbours(served(onnx, learned), examples.vectors[:200])


@pytest.mark.parametrize(
    ("labels", "why"),
    [(np.ones(3_000), "the same label of finish in all"), (np.arange(3_000) % 7.0, "")],
)
def test_a_regression_needs_labels_that_differ(labels: Any, why: str) -> None:
    learned, examples = learned_of("regression", "", {}), EXAMPLES["regression"]
    some = replace(examples, labels=labels)
    if not why:
        split(some, learned)
        return
    with pytest.raises(InputError, match=why):
        split(some, learned)


def test_a_report_says_how_a_regression_compares_with_the_mean() -> None:
    learned, examples = learned_of("regression", "LinearRegression", {}), EXAMPLES["regression"]
    train, test = split(examples, learned)
    model = served(to_onnx(fit(examples, train, learned), learned), learned)
    report = evaluate(model, examples, train, test, learned)
    assert isinstance(report, RegressionReport)
    labels, predicted = examples.labels[test], np.asarray(model.predict(examples.vectors[test]))
    assert report.mae == pytest.approx(np.abs(labels - predicted).mean(), rel=1e-3)
    assert report.mae_base == pytest.approx(np.abs(labels - examples.labels[train].mean()).mean(), rel=1e-3)
    assert report.r2 == pytest.approx(
        1 - np.square(labels - predicted).sum() / np.square(labels - labels.mean()).sum(), abs=1e-3
    )
    assert [low[0] <= high[0] for low, high in zip(report.calibration, report.calibration[1:], strict=False)]
