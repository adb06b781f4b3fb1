"""Whether a model may take the place of the live one, by what their reports say. Pure.

Skill is what a model is better than a guess that knows the mean alone: 1 - its error / that of the guess. Unlike the
error itself it can be compared where the share of the label differs between two tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from driftline.estimators import CLASSIFICATION

WORSE_MAX: Final = 0.01  # of AUC and of skill, which move by as much between two tests of the same model


class Measured(NamedTuple):
    """A number of two reports.

    Attributes:
        name: of the number, for people.
        candidate, live: its value; None where a report lacks it.
        is_worse: whether the candidate is worse by more than WORSE_MAX.
    """

    name: str
    candidate: float | None
    live: float | None
    is_worse: bool = False


def compared(task: str, candidate: Mapping[str, Any], live: Mapping[str, Any]) -> list[Measured]:
    """Compare what two models' reports say.

    Args:
        task: CLASSIFICATION or REGRESSION.
        candidate: the metrics of its manifest, or of a test of both; a model that was brought from elsewhere has none.
        live: those of the other one.
    """
    if task == CLASSIFICATION:
        judged = [
            _judged("AUC", candidate.get("auc"), live.get("auc")),
            _judged("Brier skill", _skill(candidate, "brier"), _skill(live, "brier")),
        ]
        shown = [("Brier score", "brier"), ("average precision", "average_precision")]
    else:
        judged = [
            _judged("skill of the squared error", _skill(candidate, "rmse", 2), _skill(live, "rmse", 2)),
            _judged("skill of the absolute error", _skill(candidate, "mae"), _skill(live, "mae")),
        ]
        shown = [("root mean squared error", "rmse"), ("mean absolute error", "mae"), ("R2", "r2")]
    shown += [("calibration error", "calibration_error"), ("test examples", "test_examples")]
    return [*judged, *[Measured(name, _number(candidate.get(key)), _number(live.get(key))) for name, key in shown]]


def worse_of(measured: list[Measured]) -> list[str]:
    """Return in which numbers the candidate is worse."""
    return [one.name for one in measured if one.is_worse]


def can_be_compared(measured: list[Measured]) -> bool:
    """Whether both have any number that is judged."""
    return any(one.candidate is not None and one.live is not None for one in measured[:2])


def _judged(name: str, candidate: Any, live: Any) -> Measured:
    ours, theirs = _number(candidate), _number(live)
    return Measured(name, ours, theirs, ours is not None and theirs is not None and ours < theirs - WORSE_MAX)


def _skill(metrics: Mapping[str, Any], error: str, power: int = 1) -> float | None:
    found, base = _number(metrics.get(error)), _number(metrics.get(f"{error}_base"))
    return None if found is None or not base else round(1 - (found / base) ** power, 4)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
