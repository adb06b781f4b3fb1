"""Reports tell examples at events and at ages apart."""

from __future__ import annotations

import numpy as np
import pytest

from console.cli.train import _of_part
from training.reports import AT_AGES, AT_EVENTS, classification_report, parts_of, regression_report

AGES_S = np.array([0, 3_600, 0, 3_600, 86_400, 0])
LABELS = np.array([1.0, 1.0, 0.0, 1.0, 1.0, 1.0])
PREDICTED = np.array([0.9, 0.5, 0.4, 1.0, 0.0, 0.2])


def test_a_classification_at_events_and_at_ages() -> None:
    parts = parts_of(AGES_S, PREDICTED, LABELS, None)
    assert parts == {
        AT_EVENTS: {
            "test_examples": 3,
            "base_rate": 0.6667,
            "auc": 0.5,
            "brier": round((0.01 + 0.16 + 0.64) / 3, 5),
            "brier_base": round(2 / 9, 5),
        },
        # All of them have the same label, so there is no order to be right about.
        AT_AGES: {
            "test_examples": 3,
            "base_rate": 1.0,
            "auc": None,
            "brier": round((0.25 + 0 + 1) / 3, 5),
            "brier_base": 0.0,
        },
    }
    report = classification_report(PREDICTED, LABELS, train_examples=9, left_out={}, parts=parts)
    assert report.parts == parts and report.test_examples == 6


def test_a_regression_at_events_and_at_ages() -> None:
    parts = parts_of(AGES_S, PREDICTED, LABELS, 0.5)
    assert parts[AT_EVENTS] == {
        "test_examples": 3,
        "mean": 0.6667,
        "mae": pytest.approx(1.3 / 3, abs=1e-4),
        "mae_base": 0.5,
    }
    assert parts[AT_AGES]["mae"] == 0.5
    report = regression_report(PREDICTED, LABELS, train_mean=0.5, train_examples=9, left_out={}, parts=parts)
    assert report.parts == parts


def test_without_examples_at_ages_there_is_nothing_to_tell_apart() -> None:
    assert parts_of(np.zeros(6, np.int64), PREDICTED, LABELS, None) == {}
    assert parts_of(np.full(6, 60), PREDICTED, LABELS, None).keys() == {AT_AGES}


def test_how_a_part_is_printed() -> None:
    parts = parts_of(AGES_S, PREDICTED, LABELS, None)
    told = [_of_part({**part, "train_examples": 1_000}) for part in parts.values()]
    assert told == [
        "1,000 for training, 3 for the test; AUC 0.500, Brier score 0.2700 (guessing: 0.2222)",
        "1,000 for training, 3 for the test; Brier score 0.4167 (guessing: 0.0000)",
    ]
    part = parts_of(AGES_S, PREDICTED, LABELS, 0.5)[AT_AGES]
    said = _of_part({**part, "train_examples": 7})
    assert said == "7 for training, 3 for the test; mean absolute error 0.5 (the mean alone: 0.5)"
