"""Settings: defaults, sources, and errors that name the setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from console.client_settings import ClientSettings
from console.settings import StackSettings
from console.submission import job_settings
from driftline.errors import SettingError
from driftline.settings import Settings
from jobs.base_settings import parse_assignments
from jobs.register import JOBS
from jobs.settings import ScoreEventsSettings
from serving.settings import ServeSettings


def test_environment_sets_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_KAFKA_PORT", "19092")
    monkeypatch.setenv("DRIFTLINE_REDIS_URL", "redis://elsewhere:1/2")
    settings = StackSettings.load()
    assert (settings.kafka_address, settings.redis_address) == ("127.0.0.1:19092", "redis://elsewhere:1/2")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"block_ms": "abc"}, ["block_ms", "'abc'", "how long a shard's events gather"]),
        ({"block_ms": "1"}, ["block_ms", "greater than or equal to 5"]),
        ({"events_format": "xml"}, ["events_format", "'protobuf', 'json' or 'avro'"]),
        ({"blok_ms": "5"}, ["unknown setting 'blok_ms'", "block_ms"]),
        ({"dedupe_horizon_ms": "10"}, ["dedupe_horizon_ms (10)", "disorder_ms (86400000)"]),
        ({"namespace": "a{b}"}, ["namespace"]),
        ({"shards": "12"}, ["shards", "1, 2, 4, 8, 16, 32, 64 or 128", "'12'"]),
        ({"parallelism": "32"}, ["shards (8)", "parallelism (32)"]),
    ],
)
def test_error_names_the_setting_and_what_it_accepts(given: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SettingError) as caught:
        ScoreEventsSettings.load(**given)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_bad_environment_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_KAFKA_PORT", "many")
    with pytest.raises(SettingError, match=r"DRIFTLINE_KAFKA_PORT.*'many'"):
        StackSettings.load()


def test_assignments() -> None:
    assert parse_assignments(["--set", "a=1", "--set", "b=x=y"]) == {"a": "1", "b": "x=y"}
    with pytest.raises(SettingError, match="NAME=VALUE"):
        parse_assignments(["block_ms"])


def test_job_settings_follow_the_stack_and_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_JOB_BLOCK_MS", "70")
    monkeypatch.setenv("DRIFTLINE_JOB_EVENTS_TOPIC", "from-environment")
    stack = StackSettings.load(kafka_port=19092)
    settings = job_settings("score-events", stack, {})
    assert isinstance(settings, ScoreEventsSettings)
    assert settings.kafka_bootstrap == "127.0.0.1:19092"
    assert settings.block_ms == 70
    assert settings.events_topic == "from-environment"
    flagged = job_settings("score-events", stack, {"block_ms": "80"})
    assert isinstance(flagged, ScoreEventsSettings)
    assert flagged.block_ms == 80
    with pytest.raises(SettingError, match="known are: score-events"):
        job_settings("score", stack, {})


def test_the_job_gets_the_stack_s_declarations_unless_it_has_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    def declarations(**given: str) -> object:
        settings = job_settings("score-events", StackSettings.load(), given)
        assert isinstance(settings, ScoreEventsSettings)
        return settings.declarations

    assert declarations() is None
    monkeypatch.setenv("DRIFTLINE_DECLARATIONS", "personalization")
    assert declarations() == tmp_path / "personalization"
    monkeypatch.setenv("DRIFTLINE_JOB_DECLARATIONS", "other")
    assert declarations() == tmp_path / "other"
    assert declarations(declarations="flagged") == tmp_path / "flagged"


@pytest.mark.parametrize(
    ("kind", "variable", "says"),
    [
        (ServeSettings, "DRIFTLINE_SERVE_WORKER", "did you mean DRIFTLINE_SERVE_WORKERS?"),
        (ServeSettings, "driftline_serve_redis_timeout", "did you mean DRIFTLINE_SERVE_REDIS_TIMEOUT_MS?"),
        (ServeSettings, "DRIFTLINE_SERVE_QXZ", "known are: DRIFTLINE_SERVE_HOST, "),
        (ClientSettings, "DRIFTLINE_CLIENT_CA", "did you mean DRIFTLINE_CLIENT_CA_FILE?"),
        (ScoreEventsSettings, "DRIFTLINE_JOB_BLOK_MS", "did you mean DRIFTLINE_JOB_BLOCK_MS?"),
        (StackSettings, "DRIFTLINE_KAFKA_PROT", "did you mean DRIFTLINE_KAFKA_PORT?"),
        (StackSettings, "DRIFTLINE_SERVER_WORKERS", "did you mean DRIFTLINE_SERVE_WORKERS?"),
        (StackSettings, "DRIFTLINE_REST_PROT", "did you mean DRIFTLINE_REST_PORT?"),
    ],
)
def test_misspelt_variable_is_named_with_the_nearest(
    kind: Any, variable: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "2")
    with pytest.raises(SettingError) as caught:
        kind.load()
    assert f"unknown variable '{variable.upper()}'; {says}" in str(caught.value)


@pytest.mark.parametrize("kind", [StackSettings, ScoreEventsSettings, ServeSettings, ClientSettings])
def test_what_belongs_to_others_is_left_alone(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (
        *(
            other
            for other in ("DRIFTLINE_SERVE_WORKER", "DRIFTLINE_JOB_BLOK_MS")
            if not other.startswith(kind.prefix())
        ),
        "DRIFTLINE_REST_PORT",  # of a flag
        "DRIFTLINE_PAGER",  # somebody else's
        "DRIFTLINE_REDIS_HOST",
        "DRIFTLINE_SERVICE_HOST",  # made by Kubernetes, for services called driftline and driftline-serve
        "DRIFTLINE_PORT_50051_TCP_ADDR",
        "DRIFTLINE_SERVE_SERVICE_PORT_GRPC",
    ):
        monkeypatch.setenv(variable, "2")
    kind.load()


@pytest.mark.parametrize("other", ["dead_letter_topic", "late_topic", "sessions_topic", "scores_topic"])
def test_no_topic_of_a_job_feeds_another(other: str) -> None:
    with pytest.raises(SettingError, match=f"{other} and events_topic are both 'clicks'"):
        ScoreEventsSettings.load(events_topic="clicks", **{other: "clicks"})
    with pytest.raises(SettingError, match="scores_topic and sessions_topic are both 'one'"):
        ScoreEventsSettings.load(sessions_topic="one", scores_topic="one")


def test_no_variable_is_read_by_two() -> None:
    others: list[type[Settings]] = [StackSettings, ServeSettings, ClientSettings]
    theirs = {f"{kind.prefix()}{name.upper()}" for kind in others for name in kind.model_fields}
    prefixes = [spec.prefix for spec in JOBS.values()]
    assert [(prefix, name) for prefix in prefixes for name in theirs if name.startswith(prefix)] == []
