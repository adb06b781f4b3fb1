"""What a declared score can be learned with, by the names of scikit-learn. What they are made of is in training/."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from driftline.onnx_model import CLASSIFICATION, REGRESSION

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
