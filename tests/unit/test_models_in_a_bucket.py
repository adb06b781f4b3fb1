"""Models in a bucket of a server that speaks S3, as a trainer, the commands and a running job use them."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from console.cli import app
from driftline.catalogue import SHIPPED, V1
from driftline.errors import ModelError, SettingError
from driftline.metrics import JobMetric
from driftline.model_changes import Stage
from driftline.model_files import files_at
from driftline.model_scores import ModelScore
from driftline.registry import ModelRegistry
from jobs.model_watch import ModelFollower, ModelWatcher, watcher
from tests.builders import job_settings
from tests.onnx_models import constant
from tests.redis_server import free_port
from tests.s3_server import S3Server, require_s3_server

ROW = array("f", [0.0] * len(V1)).tobytes()
FINISH = ModelScore("finish", folder="finish")


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    require_s3_server()
    with S3Server() as running:
        yield running


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where copies of models are kept."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def registry_of(server: S3Server, prefix: str, score: ModelScore = FINISH) -> ModelRegistry:
    return ModelRegistry(score, SHIPPED, score.models(f"{server.url}/{prefix}", server.endpoint))


def store(registry: ModelRegistry, stamp: str, p: float, *, live: bool = False) -> str:
    return registry.folder.store(
        constant(1 - p, p), trained_at_ms=1, stamp=stamp, metrics={}, score=registry.score.name, live=live
    ).version


def test_the_registry_is_the_same_in_a_bucket(server: S3Server) -> None:
    registry = registry_of(server, "registry")
    registry.folder.check()
    assert (registry.live(), registry.versions()) == ("", [])
    first, second = store(registry, "1", 0.25, live=True), store(registry, "2", 0.75)
    store(registry_of(server, "registry", ModelScore()), "9", 0.5)  # its versions lie beside the folder of finish
    assert registry.promote(second, 5) == second
    assert [(one.name, one.stage) for one in registry.versions()] == [(first, Stage.CANDIDATE), (second, Stage.LIVE)]
    assert registry.rollback(6) == (first, second)
    registry.retire(second, 7)
    assert [str(one.action) for one in registry.folder.changes()] == ["train", "promote", "rollback", "retire"]
    assert len(registry_of(server, "registry", ModelScore()).versions()) == 1


def test_a_job_follows_a_bucket_and_keeps_its_model_while_that_does_not_answer(
    server: S3Server, temporary: Path
) -> None:
    registry, counts = registry_of(server, "job"), Counter[JobMetric]()
    first = store(registry, "1", 0.25, live=True)
    watched = ModelWatcher(Path("unused"), 1.0, folder=registry.folder, score=FINISH)
    follower = ModelFollower(watched, True, lambda metric: counts.update([metric]))
    watched.look()
    follower.open()
    assert (follower.version, follower.predict([ROW])) == (first, [0.25])
    second = store(registry, "2", 0.75, live=True)
    watched.look()
    assert follower() is follower and (follower.version, follower.predict([ROW])) == (second, [0.75])
    assert len(list(temporary.glob("driftline-models-*/*"))) == 2
    store(registry, "3", 0.5, live=True)
    server.pause()
    watched.look()
    server.resume()
    assert "s3://lake/job/finish/current: " in watched.problem
    assert follower() is follower and (follower.version, follower.predict([ROW])) == (second, [0.75])
    watched.look()
    assert follower() is follower and follower.predict([ROW]) == [0.5]
    assert counts == {JobMetric.MODEL_LOADS: 3, JobMetric.MODEL_LOAD_FAILURES: 1}


def test_a_model_is_read_again_that_could_not_be_read_to_the_end(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = registry_of(server, "broken-off")
    version = store(registry, "1", 0.25, live=True)
    watched = ModelWatcher(Path("unused"), 1.0, folder=registry.folder, score=FINISH)
    with monkeypatch.context() as patched:
        patched.setattr(registry.folder.files, "read_hashed", broken_off)
        watched.look()
        watched.look()
    assert (watched.model, watched.failures) == (None, 1)
    watched.look()
    assert watched.model is not None and watched.model.version == version


def broken_off(*_: object) -> bytes:
    raise ConnectionResetError


def test_a_process_has_one_watcher_of_a_bucket(server: S3Server) -> None:
    version = store(registry_of(server, "process"), "1", 0.25, live=True)
    watched = watcher(f"{server.url}/process", 3_600.0, SHIPPED, FINISH, server.endpoint)
    assert watched.await_look(60.0) and watched.model is not None and watched.model.version == version
    assert watcher(f"{server.url}/process", 3_600.0, SHIPPED, FINISH, server.endpoint) is watched


def test_a_model_that_was_changed_in_the_bucket_is_refused(server: S3Server) -> None:
    registry = registry_of(server, "changed")
    version = store(registry, "1", 0.25, live=True)
    registry.folder.files.write(f"{version}/model.onnx", constant(0.1, 0.9))
    with pytest.raises(ModelError, match="does not match the hash"):
        registry.require_usable(version)


def test_a_bucket_that_is_not_there_is_one_clear_error(server: S3Server) -> None:
    with pytest.raises(ModelError, match="there is no bucket nowhere"):
        FINISH.models("s3://nowhere/x", server.endpoint).check()
    gone = FINISH.models("s3://lake/x", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ModelError, match="models_dir s3://lake/x/finish does not answer"):
        gone.check()
    with pytest.raises(SettingError, match="models_dir='ftp://x' should be a folder or s3"):
        files_at("ftp://x")


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def test_commands_and_settings_take_a_bucket(server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_S3_ENDPOINT", server.endpoint)
    monkeypatch.setenv("DRIFTLINE_JOB_MODELS_DIR", f"{server.url}/commands")
    (tmp_path / "m.onnx").write_bytes(constant(0.5, 0.5))
    settings = job_settings(models_dir=f"{server.url}/commands", s3_endpoint=server.endpoint)
    assert settings.as_submitted().require_model is False
    run("models", "add", "purchase_propensity", str(tmp_path / "m.onnx"))
    assert settings.as_submitted().require_model is True
    (found,) = json.loads(run("models", "list", "--json").stdout)["purchase_propensity"]
    assert (found["stage"], found["problem"]) == ("live", "")
