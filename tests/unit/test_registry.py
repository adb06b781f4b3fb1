"""The registry of a score's models: stages, promotion, rollback; on disk, and in what is read like a bucket."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pyarrow.fs as pafs
import pytest

from driftline.catalogue import SHIPPED, V1, Feature, FeatureSet
from driftline.errors import InputError, ModelError
from driftline.location import Location
from driftline.model_bucket import BucketModelFiles, ModelCache
from driftline.model_changes import Action, Stage
from driftline.model_scores import ModelScore
from driftline.models import ModelFolder
from driftline.registry import ModelRegistry
from tests.onnx_models import constant


def bucket(path: Path, cache: Path) -> ModelFolder:
    files = BucketModelFiles(lambda: Location(pafs.LocalFileSystem(), str(path)), "s3://b/models", ModelCache(cache))
    return ModelFolder(Path("unused"), files=files)


@pytest.fixture(params=["folder", "bucket"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> ModelRegistry:
    path = tmp_path / "models"
    path.mkdir()
    if request.param == "bucket":
        (path / "changes").mkdir()  # which nobody has to make in a bucket
        folder = bucket(path, tmp_path / "cache")
    else:
        folder = ModelFolder(path)
    return ModelRegistry(ModelScore(), SHIPPED, folder)


def store(registry: ModelRegistry, stamp: str, *, live: bool = False, p: float = 0.5) -> str:
    if isinstance(registry.folder.files, BucketModelFiles):
        version_folder(registry, constant(1 - p, p), stamp)
    manifest = registry.folder.store(
        constant(1 - p, p), trained_at_ms=int(stamp), stamp=stamp, metrics={"auc": p}, live=live
    )
    return manifest.version


def version_folder(registry: ModelRegistry, onnx: bytes, stamp: str) -> None:
    """A file system has folders, which a bucket has not."""
    registry.folder.files._location.files.create_dir(  # type: ignore[attr-defined]
        registry.folder.files._at(f"{stamp}-{hashlib.sha256(onnx).hexdigest()[:8]}")  # type: ignore[attr-defined]
    )


def stages(registry: ModelRegistry) -> dict[str, Stage]:
    return {one.name: one.stage for one in registry.versions()}


def test_a_candidate_becomes_live_and_another_one_again(registry: ModelRegistry) -> None:
    first, second = store(registry, "1", live=True), store(registry, "2", p=0.75)
    assert stages(registry) == {first: Stage.LIVE, second: Stage.CANDIDATE}
    assert registry.promote("2-", 5, note="better") == second
    assert stages(registry) == {first: Stage.CANDIDATE, second: Stage.LIVE}
    assert registry.rollback(6) == (first, second)
    assert stages(registry) == {first: Stage.LIVE, second: Stage.CANDIDATE}
    told = [(one.at_ms, one.action, one.version, one.before, one.note) for one in registry.folder.changes()]
    assert told == [
        (1, Action.TRAIN, first, "", ""),
        (5, Action.PROMOTE, second, first, "better"),
        (6, Action.ROLLBACK, first, second, ""),
    ]
    with pytest.raises(InputError, match=f"nothing is known .* before {first}"):
        registry.rollback(7)


def test_a_retired_model_stays_and_is_left_out(registry: ModelRegistry) -> None:
    first, second, third = (store(registry, one, live=True) for one in "123")
    with pytest.raises(InputError, match=r"is the live model .*: promote another one first"):
        registry.retire(third, 4)
    assert registry.retire(second, 4) == second
    assert stages(registry)[second] is Stage.RETIRED
    with pytest.raises(InputError, match="is retired; --force"):
        registry.promote(second, 5)
    assert registry.rollback(6) == (first, third)
    assert registry.promote(second, 7, force=True) == second
    assert stages(registry)[second] is Stage.LIVE


def test_what_cannot_be_used_is_not_promoted(registry: ModelRegistry, tmp_path: Path) -> None:
    first, second = store(registry, "1", live=True), store(registry, "2")
    (tmp_path / "models" / second / "model.onnx").write_bytes(b"half")
    with pytest.raises(ModelError, match="does not match the hash"):
        registry.promote(second, 5, force=True)
    assert registry.live() == first
    features = FeatureSet("v2", "", tuple(Feature(f"x{n}", "", 0, "") for n in range(len(V1))))
    other = ModelRegistry(ModelScore(), features, registry.folder)
    assert "made for feature set 'v1'" in other.version(first, tried=True).problem


def test_versions_are_named_by_a_beginning_that_no_other_has(registry: ModelRegistry) -> None:
    with pytest.raises(InputError, match="there is no model of purchase_propensity"):
        registry.version("1")
    first, _ = store(registry, "20260101"), store(registry, "20260102")
    assert registry.version("20260101").name == first
    with pytest.raises(InputError, match="several models of purchase_propensity begin with '2026'"):
        registry.version("2026")
    with pytest.raises(InputError, match="unknown model of purchase_propensity '20260109'; did you mean"):
        registry.version("20260109")
    with pytest.raises(InputError, match="is the live model"):
        registry.promote(registry.promote(first, 1), 2)


def test_a_current_that_names_nothing_is_replaced(registry: ModelRegistry, tmp_path: Path) -> None:
    first = store(registry, "1")
    (tmp_path / "models" / "current").write_bytes(b"\xff\xfe")
    assert stages(registry) == {first: Stage.CANDIDATE}
    registry.promote(first, 2)
    assert registry.live() == first


def test_a_reader_sees_the_old_or_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash behind the record of a promotion leaves the old model live, and a rollback goes on from it."""
    registry = ModelRegistry(ModelScore(), SHIPPED, ModelFolder(tmp_path))
    first, second, third = store(registry, "1", live=True), store(registry, "2", live=True), store(registry, "3")

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(os, "getpid", lambda: 7)
        write = registry.folder.files.write
        patched.setattr(
            registry.folder.files, "write", lambda name, content: crash() if name == "current" else write(name, content)
        )
        registry.promote(third, 9)
    assert registry.live() == second
    assert registry.rollback(10) == (first, second)


def test_a_copy_is_kept_by_its_hash(tmp_path: Path) -> None:
    folder = bucket(tmp_path / "models", tmp_path / "cache")
    local = ModelFolder(tmp_path / "models")
    version = local.store(constant(0.5, 0.5), trained_at_ms=1, stamp="1", metrics={}).version
    assert folder.load(version).version == version
    (copy,) = (tmp_path / "cache").iterdir()
    assert copy.name == folder.manifest(version).sha256
    (tmp_path / "models" / version / "model.onnx").unlink()
    assert folder.load(version).version == version
    copy.write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"model\.onnx"):
        folder.load(version)
    assert not copy.exists()


def test_the_cache_keeps_what_was_used_last(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path / "cache", kept=2)
    contents = [bytes([number]) * 10 for number in range(3)]
    hashes = [hashlib.sha256(one).hexdigest() for one in contents]
    for number in (0, 1):
        cache.put(hashes[number], contents[number])
        os.utime(tmp_path / "cache" / hashes[number], (number + 1, number + 1))
    assert cache.get(hashes[0]) == contents[0]  # used now
    cache.put(hashes[2], contents[2])
    assert {one.name for one in (tmp_path / "cache").iterdir()} == {hashes[0], hashes[2]}
    cache.put("wrong", contents[0])
    assert cache.get("wrong") is None
    unusable = ModelCache(tmp_path / "cache" / hashes[0])
    unusable.put(hashes[1], contents[1])
    assert unusable.get(hashes[1]) is None
