"""Models on disk and in use."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline

from driftline.catalogue import V1
from driftline.errors import ModelError
from driftline.models import ModelFolder, OnnxModel
from training.model import check_parity, to_onnx

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(3_000, len(V1))).astype(np.float32)


def fitted(seed: int = 0) -> Pipeline:
    labels = (ROWS[:, 0] + ROWS[:, 1] * ROWS[:, 2] > seed).astype(int)
    return Pipeline([("trees", HistGradientBoostingClassifier(max_iter=60, random_state=seed))]).fit(ROWS, labels)


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return fitted()


@pytest.fixture(scope="module")
def onnx(pipeline: Pipeline) -> bytes:
    return to_onnx(pipeline)


def store(folder: ModelFolder, onnx: bytes, stamp: str = "20260101T000000") -> str:
    return folder.store(onnx, trained_at_ms=1, stamp=stamp, metrics={"auc": 0.8}).version


def test_onnx_model_agrees_with_the_fitted_pipeline(pipeline: Pipeline, onnx: bytes) -> None:
    check_parity(pipeline, OnnxModel(onnx, "v"), ROWS)


def test_conversion_of_the_same_fit_gives_the_same_bytes(onnx: bytes) -> None:
    assert to_onnx(fitted()) == onnx


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=8))
def test_a_row_scores_the_same_whatever_rows_are_beside_it(sizes: list[int]) -> None:
    model, whole = _batch_model(), _batch_model().predict(ROWS)
    start = 0
    for size in sizes:
        assert model.predict(ROWS[start : start + size]) == whole[start : start + size]
        start += size


def _batch_model() -> OnnxModel:
    if not _cached:
        _cached.append(OnnxModel(to_onnx(fitted()), "v"))
    return _cached[0]


_cached: list[OnnxModel] = []


def test_stored_model_loads_and_is_current(tmp_path: Path, onnx: bytes) -> None:
    folder = ModelFolder(tmp_path / "models")
    assert folder.current_version() == ""
    version = store(folder, onnx)
    assert folder.current_version() == version
    model = folder.load(version)
    assert model.version == version
    assert model.predict(ROWS[:3]) == OnnxModel(onnx, "").predict(ROWS[:3])
    assert model.predict([row.tobytes() for row in ROWS[:3]]) == model.predict(ROWS[:3])


def test_storing_the_same_again_is_harmless(tmp_path: Path, onnx: bytes) -> None:
    folder = ModelFolder(tmp_path)
    assert store(folder, onnx) == store(folder, onnx)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([folder.current_version(), "current"])


def test_changed_content_is_refused(tmp_path: Path, onnx: bytes) -> None:
    folder = ModelFolder(tmp_path)
    version = store(folder, onnx)
    (tmp_path / version / "model.onnx").write_bytes(onnx + b"x")
    with pytest.raises(ModelError, match="hash"):
        folder.load(version)


def test_model_of_another_feature_set_is_refused(tmp_path: Path, onnx: bytes) -> None:
    folder = ModelFolder(tmp_path)
    manifest = tmp_path / store(folder, onnx) / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"feature_set": "v2"}))
    with pytest.raises(ModelError, match="feature set 'v2'"):
        folder.load(folder.current_version())


def test_missing_model_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="manifest"):
        ModelFolder(tmp_path).load("nowhere")
