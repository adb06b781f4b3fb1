"""The estimators that a score can be learned with: a closed list, each with defaults that suit features of users."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from sklearn import ensemble, linear_model, tree
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError

from driftline.errors import InputError
from driftline.estimators import ESTIMATORS
from driftline.settings import nearest

_BOOSTED: Final = {
    "max_iter": 100,
    "max_leaf_nodes": 15,
    "learning_rate": 0.08,
    "min_samples_leaf": 40,
    "l2_regularization": 1.0,
}
_TREES: Final = {"min_samples_leaf": 20}  # a leaf an example would make models of gigabytes
_LINEAR: Final = {"max_iter": 1_000}


class Entry(NamedTuple):
    """An estimator of the list.

    Attributes:
        make: its class.
        defaults: parameters where a declaration names none, instead of the class's own.
        is_trees: whether it is made of trees: features need no scale, and rows can be run together (OnnxModel).
    """

    make: Callable[..., Any]
    defaults: Mapping[str, Any] = {}
    is_trees: bool = False


ENTRIES: Final[Mapping[str, Entry]] = {
    "HistGradientBoostingClassifier": Entry(ensemble.HistGradientBoostingClassifier, _BOOSTED, True),
    "GradientBoostingClassifier": Entry(ensemble.GradientBoostingClassifier, _TREES, True),
    "RandomForestClassifier": Entry(ensemble.RandomForestClassifier, _TREES, True),
    "ExtraTreesClassifier": Entry(ensemble.ExtraTreesClassifier, _TREES, True),
    "DecisionTreeClassifier": Entry(tree.DecisionTreeClassifier, _TREES, True),
    "LogisticRegression": Entry(linear_model.LogisticRegression, _LINEAR),
    "HistGradientBoostingRegressor": Entry(ensemble.HistGradientBoostingRegressor, _BOOSTED, True),
    "GradientBoostingRegressor": Entry(ensemble.GradientBoostingRegressor, _TREES, True),
    "RandomForestRegressor": Entry(ensemble.RandomForestRegressor, _TREES, True),
    "ExtraTreesRegressor": Entry(ensemble.ExtraTreesRegressor, _TREES, True),
    "DecisionTreeRegressor": Entry(tree.DecisionTreeRegressor, _TREES, True),
    "LinearRegression": Entry(linear_model.LinearRegression),
    "Ridge": Entry(linear_model.Ridge),
    "Lasso": Entry(linear_model.Lasso, _LINEAR),
    "ElasticNet": Entry(linear_model.ElasticNet, _LINEAR),
    "HuberRegressor": Entry(linear_model.HuberRegressor, _LINEAR),
    "PoissonRegressor": Entry(linear_model.PoissonRegressor, _LINEAR),
    "TweedieRegressor": Entry(linear_model.TweedieRegressor, {"power": 1.5, **_LINEAR}),
}


class Estimator:
    """An estimator with its parameters; the same examples always fit the same one.

    Args:
        task: CLASSIFICATION or REGRESSION.
        name: of ESTIMATORS; empty: the task's first.
        params: the estimator's own, beside its defaults here. Randomness has the seed 0 where they give none.

    Raises:
        InputError: it is not in the list, is for another task, or has no such parameter or does not take its value.
    """

    def __init__(self, task: str, name: str = "", params: Mapping[str, Any] | None = None) -> None:
        self.name = name or ESTIMATORS[task][0]
        if self.name not in ESTIMATORS[task]:
            message = f"estimator {self.name!r} is not one for {task}{_meant(self.name, ESTIMATORS[task])}"
            raise InputError(message)
        entry = ENTRIES[self.name]
        self.is_trees = entry.is_trees
        self.params = _checked(self.name, entry, params or {})
        self._make = entry.make

    def pipeline(self) -> Pipeline:
        """Return what is fitted: the estimator, behind a scaler where it needs one."""
        step = ("trees" if self.is_trees else "model", self._make(**self.params))
        return Pipeline([step] if self.is_trees else [("scale", StandardScaler()), step])


def _checked(name: str, entry: Entry, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return all parameters, as the estimator itself accepts them."""
    own = tuple(inspect.signature(entry.make).parameters)
    for param in params:
        if param not in own:
            message = f"estimator {name} has no parameter {param!r}{_meant(param, own)}"
            raise InputError(message)
    seed = {"random_state": 0} if "random_state" in own else {}
    given = {param: value for param, value in params.items() if value is not None or param not in seed}
    made = {**entry.defaults, **seed, **given}
    try:
        entry.make(**made)._validate_params()  # noqa: SLF001  (what its fit() begins with)
    except InvalidParameterError as error:
        message = f"estimator {name}: {error}"
        raise InputError(message) from None
    return made


def _meant(word: str, known: tuple[str, ...]) -> str:
    found = nearest(word, known)
    return f"; did you mean {found}?" if found else f"; known are: {', '.join(known)}"
