"""Whether a model may take the place of the live one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.model_gate import WORSE_MAX, can_be_compared, compared, worse_of
from driftline.estimators import CLASSIFICATION, REGRESSION

GOOD = {"auc": 0.8, "brier": 0.1, "brier_base": 0.2}


@pytest.mark.parametrize(
    ("candidate", "worse"),
    [
        ({"auc": 0.795}, []),
        ({"auc": 0.78}, ["AUC"]),
        ({"brier": 0.12}, ["Brier skill"]),
        ({"auc": 0.5, "brier": 0.2}, ["AUC", "Brier skill"]),
        ({"brier": 0.05, "brier_base": 0.1}, []),  # rarer: the error is smaller for that alone
        ({"auc": 0.99, "brier": 0.01}, []),
    ],
)
def test_a_clearly_worse_classifier_is_known(candidate: dict[str, Any], worse: list[str]) -> None:
    assert worse_of(compared(CLASSIFICATION, GOOD | candidate, GOOD)) == worse


def test_a_clearly_worse_regression_is_known() -> None:
    live = {"rmse": 2.0, "rmse_base": 4.0, "mae": 1.0, "mae_base": 2.0, "r2": 0.7}
    assert worse_of(compared(REGRESSION, live | {"rmse": 2.1}, live)) == ["skill of the squared error"]
    assert worse_of(compared(REGRESSION, live | {"mae": 1.5}, live)) == ["skill of the absolute error"]
    assert worse_of(compared(REGRESSION, live, live)) == []


def test_a_model_without_a_report_is_not_judged() -> None:
    for ours, theirs in (({"source": "x.onnx"}, GOOD), (GOOD, {"source": "x.onnx"}), ({"brier": 0.1}, GOOD)):
        measured = compared(CLASSIFICATION, ours, theirs)
        assert not can_be_compared(measured) and not worse_of(measured)
    assert can_be_compared(compared(CLASSIFICATION, GOOD, GOOD))


RATES = st.floats(0, 1, allow_nan=False)


@given(RATES, RATES)
def test_never_are_both_worse_than_each_other(one: float, other: float) -> None:
    ours, theirs = GOOD | {"auc": one}, GOOD | {"auc": other}
    both = worse_of(compared(CLASSIFICATION, ours, theirs)), worse_of(compared(CLASSIFICATION, theirs, ours))
    assert not (both[0] and both[1])
    assert bool(both[0] or both[1]) == (abs(one - other) > WORSE_MAX)
