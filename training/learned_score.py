"""What is trained: a score that a model makes, with its label, its features and its estimator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from driftline.catalogue import SHIPPED, FeatureSet
from driftline.estimators import CLASSIFICATION
from driftline.model_scores import ModelScore, model_entry
from training.estimators import Estimator
from training.labels import PURCHASE_WITHIN_30_MIN, Label


@dataclass(frozen=True)
class LearnedScore:
    """A score that a model makes.

    Attributes:
        score: its name, task and folder, and the names of its features.
        label: what is predicted.
        estimator: what it is learned with.
        feature_set: the features of whole vectors, of which the model's are some.
    """

    score: ModelScore
    label: Label
    estimator: Estimator
    feature_set: FeatureSet

    @classmethod
    def of_plan(cls, plan: Mapping[str, Any], name: str = "") -> LearnedScore:
        """Return a score of a plan (docs/decisions/0032-declarations.md).

        Args:
            plan: the plan.
            name: of the score; empty: the only one that a model makes, or purchase_propensity.

        Raises:
            InputError: there is no such score, or more than one where none is named; its estimator is not accepted.
            ModelError: its folder is not below that of the models.
        """
        declared = model_entry(plan, name)
        score = ModelScore.of_plan(plan, declared)
        estimator, params = _estimator_of(declared["model"])
        return cls(
            score,
            Label.of_plan(declared["label"], plan.get("time_zone", "UTC")),
            Estimator(score.task, estimator, params | _directions(declared["model"])),
            FeatureSet.of_plan(plan),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the model's features, in the order of its columns."""
        return self.score.features or self.feature_set.names

    @property
    def columns(self) -> tuple[int, ...]:
        """The position of each of the model's features in a whole vector."""
        positions = {name: position for position, name in enumerate(self.feature_set.names)}
        return tuple(positions[name] for name in self.names)

    @property
    def is_classification(self) -> bool:
        """Whether the label is 0 or 1."""
        return self.score.task == CLASSIFICATION


PROPENSITY: Final = LearnedScore(ModelScore(), PURCHASE_WITHIN_30_MIN, Estimator(CLASSIFICATION), SHIPPED)


def _estimator_of(model: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return name and parameters of `estimator`, which is a name or an object of both; empty where there is none."""
    declared = model.get("estimator") or ""
    if isinstance(declared, str):
        return declared, dict(model.get("params") or {})
    return declared.get("name", ""), dict(declared.get("params") or {})


def _directions(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return scikit-learn's parameter for what the score rises and falls with: 1, -1 or 0 a column."""
    rises, falls = model.get("rises_with", ()), model.get("falls_with", ())
    if not rises and not falls:
        return {}
    return {"monotonic_cst": [int(at in rises) - int(at in falls) for at in model["features"]]}
