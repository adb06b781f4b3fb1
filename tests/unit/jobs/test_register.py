"""The register of jobs: an entry and a file are all that a job takes (tests/second_job.py)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import SettingsConfigDict
from typer.testing import CliRunner

from console import submission
from console.cli import app
from console.flink_rest import FlinkRest, Job
from console.local.topics import topics
from console.settings import StackSettings
from console.submission import job_settings
from driftline.errors import InputError, SettingError, StackError
from jobs import register
from jobs.base_settings import JobSettings
from jobs.register import JOBS, JobSpec, all_topics
from jobs.settings import ScoreEventsSettings
from tests.second_job import COPIES, ENTRY

ROOT = Path(__file__).resolve().parents[3]
JOB_ID = "c" * 32
GROUP = "DRIFTLINE_COPY_EVENTS_GROUP_ID"


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(JOBS, ENTRY.name, ENTRY)


class Cluster:
    """A cluster with jobs and free slots; Flink's client is a list of the arguments it was called with."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.commands: list[Sequence[str]] = []
        self.environment: dict[str, str] = {}
        self.answer = subprocess.CompletedProcess([], 0, f"submitted copy-events as job {JOB_ID}\n", "")
        self.jobs = [Job("a" * 32, "score-events main", "RUNNING"), Job("b" * 32, "copy-events old", "CANCELED")]
        patch.setattr(FlinkRest, "jobs", lambda _: self.jobs)
        patch.setattr(FlinkRest, "free_slots", lambda _: 1)
        patch.setattr(FlinkRest, "stop_with_savepoint", lambda _, job_id, __: f"file:/of/{job_id}")
        patch.setattr(submission, "await_tasks", lambda *_, **__: None)
        patch.setattr("console.flink_client.subprocess.run", self._run)
        patch.setattr("console.local.flink_client", lambda _, *arguments: ["flink", *arguments])
        patch.setattr("console.local.flink_env", lambda _: {"FLINK_HOME": "/flink"})

    def _run(self, command: Sequence[str], env: dict[str, str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        self.environment = env
        return self.answer


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    """Without Redis: asking for it fails the test."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a job that keeps no scores asked for Redis")

    monkeypatch.setattr("sink_connectors.score_store.RedisScoreStore.connect", refuse)
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path))
    return Cluster(monkeypatch)


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_its_settings_are_listed_with_its_own_prefix() -> None:
    listed = run("submit", "copy-events", "--settings").splitlines()
    assert listed[0] == "settings of copy-events: --set NAME=VALUE, or DRIFTLINE_COPY_EVENTS_<NAME> in the environment"
    assert "copies_topic = events.copies" in listed
    assert "group_id (required)" in listed
    assert not [line for line in listed if "redis" in line or "DRIFTLINE_JOB_" in line]
    assert "DRIFTLINE_JOB_<NAME>" in run("submit", "score-events", "--settings")


def test_it_is_submitted_with_its_file_and_its_settings_and_without_redis(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_KAFKA_PORT", "19092")
    monkeypatch.setenv(GROUP, "copies")
    said = run("submit", "copy-events", "--set", "copies_topic=c")
    assert f"copy-events runs as job {JOB_ID} in namespace main" in said
    assert "model" not in said
    assert cluster.commands == [["flink", "run", "--detached", "--python", str(ROOT / "tests/second_job.py")]]
    ours = {name: value for name, value in cluster.environment.items() if name.startswith("DRIFTLINE_")}
    assert ours == {
        "DRIFTLINE_COPY_EVENTS_KAFKA_BOOTSTRAP": "127.0.0.1:19092",
        "DRIFTLINE_COPY_EVENTS_EVENTS_TOPIC": "events",
        "DRIFTLINE_COPY_EVENTS_COPIES_TOPIC": "c",
        GROUP: "copies",
    }


def test_a_setting_that_has_to_be_given_is_named_and_nothing_else_is_shown() -> None:
    with pytest.raises(SettingError, match=r"^group_id is missing \(Kafka consumer group\)$"):
        job_settings("copy-events", StackSettings.load(), {"copies_topic": "secret"})
    with pytest.raises(SettingError, match="unknown setting 'grup_id'; did you mean group_id"):
        job_settings("copy-events", StackSettings.load(), {"grup_id": "g"})


def test_a_failed_submission_prints_the_job_s_own_line(cluster: Cluster) -> None:
    cluster.answer = subprocess.CompletedProcess([], 1, "", "copy-events: no checkpoints\nscore-events: other\n")
    with pytest.raises(StackError, match=r"^copy-events was not submitted: copy-events: no checkpoints$"):
        run("submit", "copy-events", "--set", "group_id=g")


def test_it_goes_on_from_the_newest_savepoint_of_its_own_name(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no savepoint or retained checkpoint of namespace main"):
        run("submit", "copy-events", "--set", "group_id=g", "--from-savepoint", "latest")
    assert cluster.commands == []
    (tmp_path / "flink").mkdir()
    run("submit", "copy-events", "--set", "group_id=g")  # and is remembered
    for job_id in (JOB_ID, "a" * 32):
        folder = tmp_path / "flink" / "checkpoints" / job_id / "chk-1"
        folder.mkdir(parents=True)
        (folder / "_metadata").touch()
    assert "it goes on from" in run("submit", "copy-events", "--set", "group_id=g", "--from-savepoint", "latest")
    newest = (tmp_path / "flink" / "checkpoints" / JOB_ID / "chk-1").as_uri()
    assert cluster.commands[-1][-2:] == ["--fromSavepoint", newest]


def test_it_runs_once_in_a_namespace(cluster: Cluster) -> None:
    cluster.jobs.append(Job(JOB_ID, "copy-events main", "RUNNING"))
    with pytest.raises(StackError, match="copy-events is running already in namespace main"):
        run("submit", "copy-events", "--set", "group_id=g")
    run("submit", "copy-events", "--set", "group_id=g", "--set", "namespace=second")


def test_stop_finds_it_by_name(cluster: Cluster) -> None:
    with pytest.raises(InputError, match="copy-events is not running"):
        run("stop", "copy-events")
    cluster.jobs.append(Job(JOB_ID, "copy-events main", "RUNNING"))
    assert run("stop", "copy-events") == f"file:/of/{JOB_ID}\n"
    assert run("stop", "d" * 32) == f"file:/of/{'d' * 32}\n"
    with pytest.raises(
        SettingError, match=r"^unknown job 'copy'; known are: score-events, archive-events, copy-events$"
    ):
        run("stop", "copy")


def test_what_is_for_scores_alone_says_so(cluster: Cluster) -> None:
    with pytest.raises(InputError, match=r"^copy-events does not report .*, so there is nothing to drain$"):
        run("drain", "copy-events")
    with pytest.raises(SettingError, match=r"^--new-generation is for jobs that write scores; copy-events writes none"):
        run("submit", "copy-events", "--from-savepoint", "p", "--new-generation")
    with pytest.raises(SettingError, match="unknown job 'x'; known are: score-events, archive-events, copy-events"):
        run("drain", "x")


def test_its_topics_are_created_with_the_others() -> None:
    assert COPIES in all_topics()
    assert [topic.name for topic in all_topics()].count("events") == 1
    assert "events.copies" in topics(StackSettings.load())


def test_its_variables_are_checked_by_its_own_settings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GROUP, "g")
    monkeypatch.setenv("DRIFTLINE_COPY_EVENTS_COPYS_TOPIC", "c")
    stack = StackSettings.load()
    ScoreEventsSettings.load()
    with pytest.raises(SettingError, match="did you mean DRIFTLINE_COPY_EVENTS_COPIES_TOPIC"):
        job_settings("copy-events", stack, {})
    monkeypatch.delenv("DRIFTLINE_COPY_EVENTS_COPYS_TOPIC")
    monkeypatch.setenv("DRIFTLINE_JOB_BLOK_MS", "5")
    assert job_settings("copy-events", stack, {}).namespace == "main"
    monkeypatch.setenv("DRIFTLINE_COPY_EVENT_GROUP_ID", "g")
    with pytest.raises(SettingError, match=f"did you mean {GROUP}"):
        StackSettings.load()


class NoPrefix(JobSettings):
    pass


class Within(JobSettings):
    model_config = SettingsConfigDict(env_prefix="DRIFTLINE_COPY_EVENTS_AGAIN_")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (replace(ENTRY, name="other", settings=NoPrefix), "env_prefix is '', not like DRIFTLINE_NAME_OF_THE_JOB_"),
        (replace(ENTRY, name="other", settings=Within), "other .* and copy-events .* have variables in common"),
        (replace(ENTRY, settings=ScoreEventsSettings), "copy-events .* and copy-events .* have variables in common"),
    ],
)
def test_an_entry_that_would_read_the_variables_of_another_is_refused(spec: JobSpec, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        register.register(ENTRY, spec)


@pytest.mark.parametrize("spec", JOBS.values(), ids=JOBS)
def test_every_job_has_its_file(spec: JobSpec) -> None:
    assert f'run("{spec.name}")' in (ROOT / spec.script).read_text()


@pytest.mark.parametrize("module", ["jobs.register", "console.settings", "console.cli"])
def test_the_register_is_read_where_there_is_no_flink(module: str) -> None:
    program = (
        f"import sys, json, {module}; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert {"jobs", "pydantic"} <= loaded
    assert loaded.isdisjoint({"pyflink", "pyarrow", "xxhash", "udfs", "state_schemas", "kafka", "onnxruntime", "numpy"})
    # Nor may a machine need what the lock of a server alone leaves out (requirements-serving.lock).
    assert loaded.isdisjoint({"filelock", "psutil", "zstandard", "sklearn", "skl2onnx"})


def test_a_model_that_is_there_at_submission_is_required_later(tmp_path: Path) -> None:
    settings: ScoreEventsSettings = ScoreEventsSettings.load(models_dir=tmp_path)
    assert settings.as_submitted().require_model is False
    (tmp_path / "current").touch()
    assert settings.as_submitted().require_model is True
    given: ScoreEventsSettings = ScoreEventsSettings.load(models_dir=tmp_path, require_model=False)
    assert given.as_submitted() == given


def test_models_are_required_later_where_every_score_has_one(tmp_path: Path) -> None:
    folder = tmp_path / "personalization"
    folder.mkdir()
    label = "{event: PURCHASE, within: 1h}"
    scores = (
        f"  a: {{model: classification, folder: ., label: {label}}}\n  b: {{model: classification, label: {label}}}"
    )
    scores += f"\n  c: {{expr: views, model: classification, label: {label}}}"  # is never without
    (folder / "p.yaml").write_text(f"project: {{name: p}}\nfeatures: {{views: {{count: VIEW}}}}\nscores:\n{scores}\n")
    settings: ScoreEventsSettings = ScoreEventsSettings.load(models_dir=tmp_path, declarations=folder)
    assert settings.model_folders == {"a": ".", "b": "b"}
    (tmp_path / "current").touch()
    assert settings.scores_without_model == ["b"]
    assert settings.as_submitted().require_model is False
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "current").touch()
    assert settings.as_submitted().require_model is True
