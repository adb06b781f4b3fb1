"""What a stored model is: its manifest, and whether it fits the features that a job computes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from driftline.catalogue import PURCHASE_PROPENSITY, FeatureSet
from driftline.errors import ModelError
from driftline.estimators import CLASSIFICATION, TASKS


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a stored model is. Those of older releases lack what has a default.

    Attributes:
        feature_set: name of the set that it was made for.
        features: what the columns of its input are; any features of the set's vector, in any order.
        sha256: of model.onnx.
        metrics: what its training reported; anything in JSON.
        score: the score that it makes.
        task: CLASSIFICATION or REGRESSION.
        feature_hashes: of the definitions of `features`, by name; none where they were not known.
        declaration: hash of the declaration that it was trained for.
        row_by_row: whether its rows must be run one at a time (OnnxModel).
        lineage: where it is from (training/lineage.py); anything in JSON, empty where that is not known.
    """

    version: str
    feature_set: str
    features: tuple[str, ...]
    sha256: str
    trained_at_ms: int
    metrics: dict[str, Any]
    score: str = PURCHASE_PROPENSITY
    task: str = CLASSIFICATION
    feature_hashes: Mapping[str, str] = field(default_factory=dict)
    declaration: str = ""
    row_by_row: bool = False
    lineage: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, content: bytes, where: str) -> Manifest:
        """Read a manifest; what a later release has added is not looked at. Raises ModelError where it is none."""
        try:
            document = json.loads(content)
            known = {one.name: document[one.name] for one in fields(cls) if one.name in document}
            manifest = cls(**{**known, "features": tuple(document["features"])})
            manifest._check()
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            message = f"{where}: not a model manifest: {error}"
            raise ModelError(message) from error
        return manifest

    def columns_in(self, features: FeatureSet) -> tuple[int, ...]:
        """Return the position of each of the model's features in the set's vector.

        A feature is found by its name, and its definition must be the one that the model was made with. Where the hash
        of a definition is not known, the set must have the name of the model's.

        Raises:
            ModelError: names the first feature that is not there, or has changed since.
        """
        positions = {feature.name: position for position, feature in enumerate(features.features)}
        for name in self.features:
            known = self.feature_hashes.get(name, "")
            computed = features.features[positions[name]].hash if name in positions else ""
            if known and computed and known != computed:
                message = (
                    f"its feature {name} has changed since it was trained (definition {known} is now {computed}); "
                    f"train it again"
                )
                raise ModelError(message)
            if not (known and computed) and self.feature_set != features.name:
                message = f"made for feature set {self.feature_set!r}; this release computes {features.name!r}"
                raise ModelError(message)
            if name not in positions:
                message = f"its feature {name} is not in the vector of feature set {features.name!r}"
                raise ModelError(message)
        return tuple(positions[name] for name in self.features)

    def _check(self) -> None:
        """Raise ValueError where a field holds what it cannot."""
        if not self.features or not all(isinstance(name, str) for name in self.features):
            message = "features should be names, at least one"
            raise ValueError(message)
        if self.task not in TASKS:
            message = f"task should be one of: {', '.join(TASKS)}"
            raise ValueError(message)
        if not isinstance(self.feature_hashes, dict):
            message = "feature_hashes should be an object"
            raise ValueError(message)
