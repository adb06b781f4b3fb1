"""Models that were trained elsewhere: checked, and stored as the live one of a score or a candidate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import onnx as onnx_format
from numpy.typing import NDArray

from driftline.catalogue import FeatureSet
from driftline.errors import InputError
from driftline.manifest import Manifest
from driftline.model_changes import Action
from driftline.model_scores import ModelScore
from driftline.models import ModelFolder
from driftline.onnx_model import OnnxModel, depends_on_neighbours
from driftline.settings import unknown

_ROWS = 300
# Operations that give a row the same bits whatever rows are beside it. A product of matrices or a function that is
# computed several values at a time may not, and what is not here is run one row at a time.
_BY_ROW: Final = frozenset(
    {
        "ArrayFeatureExtractor",
        "Add",
        "Cast",
        "Concat",
        "Div",
        "Flatten",
        "Gather",
        "Identity",
        "Mul",
        "Reshape",
        "Scaler",
        "Slice",
        "Squeeze",
        "Sub",
        "TreeEnsemble",
        "TreeEnsembleClassifier",
        "TreeEnsembleRegressor",
        "Unsqueeze",
        "ZipMap",
    }
)


def add_model(
    onnx: bytes,
    score: ModelScore,
    features: FeatureSet,
    folder: ModelFolder,
    *,
    names: Sequence[str] = (),
    now_ms: int,
    stamp: str,
    source: str,
    live: bool = True,
) -> Manifest:
    """Check that a model can be served, and store it, as the live one of its score or as a candidate.

    Args:
        onnx: the model: one input of n rows with a column a feature; a probability or an estimate a row.
        score: the score that it makes.
        features: of the plan, in the order of whole vectors.
        folder: where the score's models are.
        names: what the model's columns are; empty: the features that the score is declared with.
        now_ms: wall-clock time.
        stamp: first part of the version's name.
        source: where the model is from, for people.
        live: whether it becomes the live one.

    Raises:
        InputError: a name is not in the vector, or the model cannot be served.
    """
    chosen = tuple(names) or score.features or features.names
    for name in chosen:
        if name not in features.names:
            raise InputError(unknown("feature of the vector", name, features.names))
    if len(set(chosen)) < len(chosen):
        message = "a feature is named twice"
        raise InputError(message)
    row_by_row = _row_by_row(onnx, score, features, chosen)
    return folder.store(
        onnx,
        trained_at_ms=now_ms,
        stamp=stamp,
        metrics={"source": source},
        score=score.name,
        task=score.task,
        feature_set=features,
        features=chosen,
        row_by_row=row_by_row,
        live=live,
        action=Action.ADD,
    )


def _row_by_row(onnx: bytes, score: ModelScore, features: FeatureSet, names: Sequence[str]) -> bool:
    """Run the model, and return whether its rows must be run one at a time. Raises InputError where it cannot be."""
    try:
        operations = {node.op_type for node in onnx_format.load_model_from_string(onnx).graph.node}
    except Exception as error:  # protobuf's, of which it tells little
        message = f"not an ONNX model: {error}"
        raise InputError(message) from error
    columns = [features.names.index(name) for name in names]
    width = len(features.features)

    def run(*, row_by_row: bool) -> OnnxModel:
        return OnnxModel(onnx, "", task=score.task, columns=columns, width=width, row_by_row=row_by_row)

    alone = not operations <= _BY_ROW
    try:
        model = run(row_by_row=alone)
        model.predict(_rows(width))
    except Exception as error:  # onnxruntime's own exceptions share no public base
        message = f"not a model for {score.task} of these {len(names)} features: {error}"
        raise InputError(message) from error
    return alone or depends_on_neighbours(model, _rows(width))


def _rows(width: int) -> NDArray[np.float32]:
    """Vectors on the scales that features have: shares, counts and hours."""
    rng = np.random.default_rng(0)
    scale = 10.0 ** rng.integers(-1, 4, width)
    rows: NDArray[np.float32] = (rng.exponential(1.0, (_ROWS, width)) * scale).astype(np.float32)
    return rows
