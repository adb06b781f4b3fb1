"""How a model does on examples of users that it was not fitted on, later than all it was fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

BINS: Final = 10
AT_EVENTS: Final = "at_events"
AT_AGES: Final = "at_ages"
Parts = dict[str, dict[str, float | None]]  # numbers by name, by AT_EVENTS and AT_AGES; None: not defined
Bins = list[tuple[float, float, int]]  # a bin of equal numbers of examples: mean prediction, mean label, examples


@dataclass(frozen=True, kw_only=True)
class Report:
    """How a classifier does."""

    auc: float  # area under the ROC curve
    average_precision: float  # area under precision over recall
    base_rate: float  # share of positives: the average precision of guessing
    brier: float  # mean squared error of the probability
    brier_base: float  # the same for always predicting base_rate
    calibration_error: float  # expected calibration error over BINS quantile bins
    calibration: Bins
    train_examples: int
    test_examples: int
    left_out: dict[str, int]  # what of the history made no example, by cause
    parts: Parts  # at events and at ages; empty where there are no examples at ages


@dataclass(frozen=True, kw_only=True)
class RegressionReport:
    """How a regression does, in the unit of its label."""

    mae: float  # mean absolute error
    mae_base: float  # the same for always predicting the mean of the training examples
    rmse: float  # root of the mean squared error
    rmse_base: float
    r2: float  # 1 - squared errors / those of the mean of the test examples: 0 is no better than that mean
    mean: float  # of the label
    calibration_error: float  # mean distance between prediction and label over BINS quantile bins
    calibration: Bins
    train_examples: int
    test_examples: int
    left_out: dict[str, int]
    parts: Parts


def classification_report(
    predicted: NDArray[np.float64],
    labels: NDArray[np.float64],
    *,
    train_examples: int,
    left_out: dict[str, int],
    parts: Parts | None = None,
) -> Report:
    """Report on probabilities. `labels` are 0 and 1, some of either."""
    base_rate = float(labels.mean())
    bins = calibration(predicted, labels)
    return Report(
        auc=round(float(roc_auc_score(labels, predicted)), 4),
        average_precision=round(float(average_precision_score(labels, predicted)), 4),
        base_rate=round(base_rate, 4),
        brier=round(float(brier_score_loss(labels, predicted)), 5),
        brier_base=round(base_rate * (1 - base_rate), 5),
        calibration_error=round(_error(bins), 5),
        calibration=bins,
        train_examples=train_examples,
        test_examples=len(labels),
        left_out=left_out,
        parts=parts or {},
    )


def regression_report(
    predicted: NDArray[np.float64],
    labels: NDArray[np.float64],
    *,
    train_mean: float,
    train_examples: int,
    left_out: dict[str, int],
    parts: Parts | None = None,
) -> RegressionReport:
    """Report on estimates. `labels` are not all the same."""
    bins = calibration(predicted, labels)
    squared = float(np.square(labels - predicted).mean())
    return RegressionReport(
        mae=_digits(np.abs(labels - predicted).mean()),
        mae_base=_digits(np.abs(labels - train_mean).mean()),
        rmse=_digits(np.sqrt(squared)),
        rmse_base=_digits(np.sqrt(np.square(labels - train_mean).mean())),
        r2=round(1 - squared / float(labels.var()), 4),
        mean=_digits(labels.mean()),
        calibration_error=_digits(_error(bins)),
        calibration=bins,
        train_examples=train_examples,
        test_examples=len(labels),
        left_out=left_out,
        parts=parts or {},
    )


def parts_of(
    ages_s: NDArray[np.int64], predicted: NDArray[np.float64], labels: NDArray[np.float64], train_mean: float | None
) -> Parts:
    """Report on test examples at events and at ages apart; empty where none is at an age.

    Args:
        ages_s: of each example.
        predicted: for each.
        labels: of each.
        train_mean: of a regression, the mean label of the training examples; None: it is a classification.
    """
    if not ages_s.any():
        return {}
    masks = ((AT_EVENTS, ages_s == 0), (AT_AGES, ages_s > 0))
    return {name: _part(predicted[mask], labels[mask], train_mean) for name, mask in masks if mask.any()}


def _part(
    predicted: NDArray[np.float64], labels: NDArray[np.float64], train_mean: float | None
) -> dict[str, float | None]:
    squared = float(np.square(labels - predicted).mean())
    if train_mean is not None:
        return {
            "test_examples": len(labels),
            "mean": _digits(labels.mean()),
            "mae": _digits(np.abs(labels - predicted).mean()),
            "mae_base": _digits(np.abs(labels - train_mean).mean()),
        }
    base_rate = float(labels.mean())
    differ = 0 < base_rate < 1
    return {
        "test_examples": len(labels),
        "base_rate": round(base_rate, 4),
        "auc": round(float(roc_auc_score(labels, predicted)), 4) if differ else None,
        "brier": round(squared, 5),
        "brier_base": round(base_rate * (1 - base_rate), 5),
    }


def calibration(predicted: NDArray[np.float64], labels: NDArray[np.float64]) -> Bins:
    """Return up to BINS bins of equal numbers of examples, from the lowest to the highest prediction."""
    order = np.argsort(predicted, kind="stable")
    return [
        (_digits(predicted[part].mean()), _digits(labels[part].mean()), len(part))
        for part in np.array_split(order, BINS)
        if len(part)
    ]


def _error(bins: Bins) -> float:
    return sum(abs(p - y) * n for p, y, n in bins) / sum(n for *_, n in bins)


def _digits(value: Any) -> float:
    """At least four decimals, and of a large number six digits in all."""
    number = float(value)
    return round(number, 4) if abs(number) < 100 else float(f"{number:.6g}")  # noqa: PLR2004
