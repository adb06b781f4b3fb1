"""What a model of a score does, and what it can be learned with, by scikit-learn's names (training/estimators.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CLASSIFICATION: Final = "classification"  # gives the probability that the label is 1
REGRESSION: Final = "regression"  # gives an estimate of the label
TASKS: Final = (CLASSIFICATION, REGRESSION)
ESTIMATORS: Final[Mapping[str, tuple[str, ...]]] = {
    CLASSIFICATION: (
        "HistGradientBoostingClassifier",
        "GradientBoostingClassifier",
        "RandomForestClassifier",
        "ExtraTreesClassifier",
        "DecisionTreeClassifier",
        "LogisticRegression",
    ),
    REGRESSION: (
        "HistGradientBoostingRegressor",
        "GradientBoostingRegressor",
        "RandomForestRegressor",
        "ExtraTreesRegressor",
        "DecisionTreeRegressor",
        "LinearRegression",
        "Ridge",
        "Lasso",
        "ElasticNet",
        "HuberRegressor",
        "PoissonRegressor",
        "TweedieRegressor",
    ),
}  # the first of each is taken where none is named
# Those that can be made to rise or fall with a feature, whatever the examples say.
MONOTONIC: Final = frozenset(
    f"{family}{task}"
    for family in ("HistGradientBoosting", "RandomForest", "ExtraTrees", "DecisionTree")
    for task in ("Classifier", "Regressor")
)
