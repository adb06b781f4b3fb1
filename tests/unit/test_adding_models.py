"""Models that users bring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from console.adding_models import add_model
from driftline.catalogue import Feature, FeatureSet
from driftline.errors import InputError
from driftline.manifest import Manifest
from driftline.model_scores import ModelScore

SET = FeatureSet("media", "d1", tuple(Feature(name, "", 0, "", f"{name}-1") for name in "abcd"))
FINISH = ModelScore("finish", "classification", "finish", ("b", "d"))
LISTEN = ModelScore("listen", "regression", "listen")
RNG = np.random.default_rng(0)
ROWS = RNG.random((200, 4), dtype=np.float32)


def add(onnx: bytes, score: ModelScore, root: Path, *names: str) -> Manifest:
    return add_model(
        onnx, score, SET, score.models(root), names=names, now_ms=7, stamp="20260101T000000", source="x.onnx"
    )


def linear() -> bytes:
    rows = ROWS[:, [1, 3]]
    fitted = LogisticRegression().fit(rows, rows[:, 0] > rows[:, 1])
    return bytes(to_onnx(fitted, rows[:1], target_opset=18).SerializeToString())


def tree() -> bytes:
    fitted = DecisionTreeRegressor(max_depth=4).fit(ROWS[:, [2]], 100 * ROWS[:, 2])
    return bytes(to_onnx(fitted, ROWS[:1, [2]], target_opset=18).SerializeToString())


def test_a_model_as_its_library_writes_it_is_served(tmp_path: Path) -> None:
    """Not as `driftline train` makes them: an input of another name, probabilities as a map a row."""
    manifest = add(linear(), FINISH, tmp_path)
    assert (manifest.features, manifest.score, manifest.row_by_row) == (("b", "d"), "finish", True)
    assert manifest.feature_hashes == {"b": "b-1", "d": "d-1"}
    folder = FINISH.models(tmp_path)
    model = folder.load(folder.current_version(), SET, score="finish", task="classification")
    fitted = LogisticRegression().fit(ROWS[:, [1, 3]], ROWS[:, 1] > ROWS[:, 3])
    assert np.allclose(model.predict(ROWS), fitted.predict_proba(ROWS[:, [1, 3]])[:, 1], atol=1e-5)


def test_a_regression_of_named_features(tmp_path: Path) -> None:
    manifest = add(tree(), LISTEN, tmp_path, "c")
    assert (manifest.features, manifest.task, manifest.row_by_row) == (("c",), "regression", False)
    folder = LISTEN.models(tmp_path)
    found = folder.load(manifest.version, SET).predict(ROWS)
    assert np.abs(np.asarray(found) - 100 * ROWS[:, 2]).max() < 10


@pytest.mark.parametrize(
    ("onnx", "score", "names", "why"),
    [
        (b"half", FINISH, (), "not an ONNX model"),
        (linear(), FINISH, ("a", "b", "c"), "not a model for classification of these 3 features: .*"),
        (linear(), FINISH, ("b", "plays"), "unknown feature of the vector 'plays'; known are: a, b, c, d"),
        (linear(), FINISH, ("b", "b"), "a feature is named twice"),
        (tree(), FINISH, ("c",), "not all within 0..1"),
    ],
)
def test_what_cannot_be_served_is_refused(
    tmp_path: Path, onnx: bytes, score: ModelScore, names: tuple[str, ...], why: str
) -> None:
    with pytest.raises(InputError, match=why):
        add(onnx, score, tmp_path, *names)
    assert not score.models(tmp_path).path.exists()
