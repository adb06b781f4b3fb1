"""Models on disk and in use."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline

from driftline.catalogue import SHIPPED, V1, Feature, FeatureSet
from driftline.errors import ModelError
from driftline.model_scores import ModelScore, model_scores_of
from driftline.models import ModelFolder
from driftline.onnx_model import OnnxModel
from tests.onnx_models import graph
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
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([folder.current_version(), "current", "changes"])


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


def test_a_manifest_of_an_older_release_still_loads(tmp_path: Path, onnx: bytes) -> None:
    folder = ModelFolder(tmp_path)
    version = store(folder, onnx)
    manifest = tmp_path / version / "manifest.json"
    old = ("version", "feature_set", "features", "sha256", "trained_at_ms", "metrics")
    manifest.write_text(json.dumps({name: json.loads(manifest.read_text())[name] for name in old}))
    declared = FeatureSet("v1", "d1", tuple(Feature(one.name, "", 0, "", hash=one.name[:4]) for one in V1))
    for features in (SHIPPED, declared):
        assert folder.load(version, features).predict(ROWS[:3]) == OnnxModel(onnx, "").predict(ROWS[:3])
    assert folder.manifest(version).score == "purchase_propensity"


MEDIA = FeatureSet("media", "d1", tuple(Feature(name, "", 0, "", hash=f"{name}-1") for name in "abcd"))


def first_of(columns: int) -> bytes:
    """A model whose P(1) is its first input, as a column beside P(0)."""
    weights = np.zeros((columns, 2), dtype=np.float32)
    weights[0, 1] = 1
    held = helper.make_tensor("w", TensorProto.FLOAT, weights.shape, weights.flatten())
    return graph(
        helper.make_node("MatMul", ["features", "w"], ["probabilities"]), columns=columns, initializers=(held,)
    )


def store_of_media(folder: ModelFolder, *names: str) -> str:
    return folder.store(
        first_of(len(names)),
        trained_at_ms=1,
        stamp="1",
        metrics={},
        score="finish",
        feature_set=MEDIA,
        features=names,
    ).version


@given(st.permutations("abcd"), st.integers(1, 4), st.permutations("abcd"))
@settings(max_examples=25, deadline=None)
def test_a_model_finds_its_features_wherever_they_are(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], used: int, order: list[str]
) -> None:
    """Any features of the vector, in any order, also after the declaration has put them elsewhere."""
    folder = ModelFolder(tmp_path_factory.mktemp("models"))
    version = store_of_media(folder, *names[:used])
    by_name = {feature.name: feature for feature in MEDIA.features}
    moved = FeatureSet("media", "d2", (Feature("new", "", 0, "", "n"), *(by_name[name] for name in order)))
    row = np.array([[0.9, *(number / 8 for number in range(4))]], dtype=np.float32)
    expected = [order.index(names[0]) / 8]
    model = folder.load(version, moved)
    assert model.predict(row) == expected
    assert model.predict([row[0].tobytes()] * 2) == expected * 2


@pytest.mark.parametrize(
    ("features", "why"),
    [
        (MEDIA.features[:1], "its feature b is not in the vector of feature set 'media'"),
        ((MEDIA.features[0], Feature("b", "", 0, "", "b-2")), "its feature b has changed .* b-1 is now b-2.; train"),
    ],
)
def test_a_feature_that_is_gone_or_has_changed_is_named(
    tmp_path: Path, features: tuple[Feature, ...], why: str
) -> None:
    folder = ModelFolder(tmp_path)
    version = store_of_media(folder, "a", "b")
    with pytest.raises(ModelError, match=why):
        folder.load(version, FeatureSet("media", "d2", features))
    assert folder.load(version, FeatureSet("renamed", "d2", MEDIA.features)).version == version


@pytest.mark.parametrize("change", [{"task": "guessing"}, {"features": []}, {"features": [1]}, {"feature_hashes": 3}])
def test_a_manifest_with_what_cannot_be_is_none(tmp_path: Path, onnx: bytes, change: dict[str, object]) -> None:
    folder = ModelFolder(tmp_path)
    manifest = tmp_path / store(folder, onnx) / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | change))
    with pytest.raises(ModelError, match="not a model manifest"):
        folder.load(folder.current_version())


def test_the_scores_of_a_plan_that_models_make() -> None:
    plan = {
        "features": [{"name": "a"}, {"name": "b"}],
        "scores": [
            {"name": "engagement", "expr": 1.0},
            {"name": "finish", "model": {"task": "classification", "features": [1, 0]}},
            {"name": "spend", "model": {"task": "regression", "features": []}, "folder": "."},
        ],
    }
    finish, spend = model_scores_of(plan)
    assert (finish, spend) == (
        ModelScore("finish", "classification", "finish", ("b", "a")),
        ModelScore("spend", "regression", "."),
    )
    assert finish.models(Path("/m")).path == Path("/m/finish")
    assert spend.models(Path("/m")).path == Path("/m")


@pytest.mark.parametrize("folder", ["", "..", "a/b", "/etc", "current", ".hidden"])
def test_a_folder_that_leads_elsewhere_is_refused(folder: str) -> None:
    with pytest.raises(ModelError, match="folder should be a name"):
        ModelScore("finish", folder=folder)


def test_missing_model_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="manifest"):
        ModelFolder(tmp_path).load("nowhere")
