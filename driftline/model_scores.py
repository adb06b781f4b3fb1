"""The scores that models make, as a plan declares them, and where below models_dir each one's models are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from driftline.catalogue import PURCHASE_PROPENSITY
from driftline.errors import InputError, ModelError
from driftline.estimators import CLASSIFICATION
from driftline.model_files import CURRENT, ROOT, files_at, is_url
from driftline.models import CHANGES, ModelFolder
from driftline.settings import unknown

_RESERVED: Final = (CURRENT, CHANGES)
_FOLDER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True)
class ModelScore:
    """A score that a model makes.

    Attributes:
        name: of the score.
        task: CLASSIFICATION or REGRESSION.
        folder: below models_dir, ROOT for models_dir itself.
        features: what a model is trained on, names of the plan's vector; empty: the whole vector.
        has_formula: whether a formula makes the score while no model is trained.

    Raises:
        ModelError: the folder's name leads elsewhere.
    """

    name: str = PURCHASE_PROPENSITY
    task: str = CLASSIFICATION
    folder: str = ROOT
    features: tuple[str, ...] = ()
    has_formula: bool = False

    def __post_init__(self) -> None:
        if self.folder != ROOT and (not _FOLDER.fullmatch(self.folder) or self.folder in _RESERVED):
            message = f"score {self.name}: folder should be a name of a folder below models_dir, not {self.folder!r}"
            raise ModelError(message)

    @classmethod
    def of_plan(cls, plan: Mapping[str, Any], declared: Mapping[str, Any]) -> ModelScore:
        """Return one of the plan's scores, `declared` being its entry in `plan["scores"]`, with a `model`."""
        model, name = declared["model"], declared["name"]
        features = tuple(plan["features"][position]["name"] for position in model.get("features") or ())
        return cls(name, model["task"], declared.get("folder") or name, features, "expr" in declared)

    def models(self, models_dir: Path | str, s3_endpoint: str = "") -> ModelFolder:
        """Return the folder of its models; that folder need not exist yet, but `models_dir` must where it is used.

        Args:
            models_dir: a folder, or s3://bucket/prefix.
            s3_endpoint: URL of a server that speaks S3; empty: that of AWS.

        Raises:
            SettingError: it is neither a folder nor such a URL.
        """
        files = files_at(models_dir, self.folder, s3_endpoint)
        if is_url(models_dir):
            return ModelFolder(Path(self.folder), files=files)
        return ModelFolder(Path(models_dir) / self.folder, Path(models_dir), files)


def model_scores_of(plan: Mapping[str, Any]) -> tuple[ModelScore, ...]:
    """Return the plan's scores that models make, in its order."""
    return tuple(ModelScore.of_plan(plan, declared) for declared in plan["scores"] if declared.get("model"))


def model_entry(plan: Mapping[str, Any], name: str = "") -> Mapping[str, Any]:
    """Return the plan's entry of a score that a model makes.

    Args:
        plan: the plan.
        name: of the score; empty: the only one that a model makes, or purchase_propensity.

    Raises:
        InputError: there is no such score, or more than one where none is named.
    """
    models: dict[str, Mapping[str, Any]] = {one["name"]: one for one in plan["scores"] if one.get("model")}
    if not models:
        message = f"feature set {plan['name']!r} has no score that a model makes; declare one with `model:`"
        raise InputError(message)
    if not name and len(models) > 1 and PURCHASE_PROPENSITY not in models:
        message = f"several scores are made by models: {', '.join(models)}; name one"
        raise InputError(message)
    wanted = name or (PURCHASE_PROPENSITY if PURCHASE_PROPENSITY in models else next(iter(models)))
    if wanted not in models:
        raise InputError(unknown("score of a model", wanted, models))
    return models[wanted]
