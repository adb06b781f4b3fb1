"""Passwords: where they may travel, and that nothing that is shown holds one."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any
from urllib.parse import quote

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from typer.testing import CliRunner

from console.cli import app
from console.client_settings import ClientSettings
from console.local import Stack
from console.local.home import Home
from console.local.scores_server import ScoresServer
from console.local.service import LOG_CONFIG
from console.settings import StackSettings, serve_settings
from console.submission import job_settings
from driftline.errors import ServiceUnavailable, SettingError
from driftline.redis_url import why_not, with_password, without_password
from jobs.base_settings import parse_assignments
from jobs.bundle import Bundle
from jobs.lineage import Submission
from jobs.operators.score_blocks import ScoreBlocks
from jobs.settings import ScoreEventsSettings
from serving.settings import ServeSettings
from serving.source import open_source
from sink_connectors.score_store import RedisScoreStore

SECRET = "hunter2secret"  # noqa: S105
URL = f"rediss://driftline:{SECRET}@127.0.0.1:1/0"
WITH_REDIS: list[Any] = [StackSettings, ScoreEventsSettings, ServeSettings]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("rediss://user:p@ss@host:1/2?password=x", "rediss://host:1/2"),
        ("redis://:secret@[::1]:6379", "redis://[::1]:6379"),
        ("unix://u:secret@/run/redis.sock?db=1", "unix:///run/redis.sock"),
        ("redis+sentinel://:secret@h1:1,h2:2/service/0", "redis+sentinel://h1:1,h2:2/service/0"),
        ("redis://:sec/ret@host:1/0", "redis://host:1/0"),
        ("redis://:sec?ret@host:1/0", "redis://host:1/0"),
        ("redis://:sec#ret@host:1/0", "redis://host:1/0"),
        ("redis://:secret", "redis://..."),
        ("redis://host:secret/0", "redis://..."),
        ("user:secret@host", "..."),
        ("secret", "..."),
    ],
)
def test_shown_url_has_no_secret(url: str, shown: str) -> None:
    assert without_password(url) == shown


MARK = "Zq9"  # in no name of a setting
PASSWORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126)).map(lambda text: f"{MARK}{text}{MARK}")


@hypothesis.settings(deadline=None)
@given(password=PASSWORDS)
def test_no_password_is_shown_however_it_is_written(password: str) -> None:
    for written in (quote(password, safe=""), password):
        url = f"redis://u:{written}@h:1/0"
        assert MARK not in without_password(url)
        for kind in WITH_REDIS:
            try:
                shown = repr(kind(redis_url=url))
            except ValidationError as error:
                shown = str(error)
            assert MARK not in shown


@pytest.mark.parametrize("kind", WITH_REDIS)
@pytest.mark.parametrize(
    "url", [f"redis://:{SECRET}/x@host:1/0", f"redis://host:{SECRET}/0", f"{SECRET}@host", f"redis://:{SECRET}"]
)
def test_a_url_that_is_none_is_refused_without_being_shown(kind: Any, url: str) -> None:
    with pytest.raises(SettingError, match=r"(?i)redis_url: expected redis://.*%2F") as caught:
        kind.load(redis_url=url)
    assert SECRET not in str(caught.value)
    for connect in (
        lambda: RedisScoreStore.connect(url),
        lambda: open_source(url, timeout_s=1),
    ):
        try:
            connect()
        except SettingError as error:
            assert SECRET not in str(error)


@pytest.mark.parametrize(
    ("kind", "name"),
    [*((kind, "redis_url") for kind in WITH_REDIS), (ServeSettings, "log_secret"), (ClientSettings, "token")],
)
def test_what_is_secret_is_shown_in_no_error(kind: Any, name: str) -> None:
    with pytest.raises(SettingError) as caught:
        kind.load(**{name: [SECRET]})
    assert name in str(caught.value).lower() and SECRET not in str(caught.value)


def test_an_argument_that_is_no_assignment_is_not_repeated() -> None:
    with pytest.raises(SettingError, match="argument 2 of --set is not NAME=VALUE") as caught:
        parse_assignments(["--set", "block_ms=1", "--set", f"redis://:{SECRET}@host"])
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("kind", WITH_REDIS)
def test_settings_show_no_password_and_hand_it_to_other_processes(kind: Any) -> None:
    settings = kind.load(redis_url=URL)
    assert SECRET not in f"{settings!r} {settings!s} {settings.model_dump(mode='json')}"
    assert settings.as_environment()[f"{kind.prefix()}REDIS_URL"] == URL
    assert settings.redis_address == URL


def test_another_process_reads_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ScoreEventsSettings.load(redis_url=URL, block_ms=70, require_model=True, models_dir="/a b")
    given = settings.as_environment(only_given=True)
    assert set(given) == {f"DRIFTLINE_JOB_{name}" for name in ("REDIS_URL", "BLOCK_MS", "REQUIRE_MODEL", "MODELS_DIR")}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert ScoreEventsSettings.load() == settings


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    file = tmp_path / "redis-password"
    file.write_text("p@ss/w?rd#ü\n")
    return file


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("redis://h:1/2?x=1", "redis://:p%40ss%2Fw%3Frd%23%C3%BC@h:1/2?x=1"),
        ("rediss://me@h", "rediss://me:p%40ss%2Fw%3Frd%23%C3%BC@h"),
        ("unix:///run/r.sock", "unix://:p%40ss%2Fw%3Frd%23%C3%BC@/run/r.sock"),
        ("redis+sentinel://me@a:1,b:2/s/0", "redis+sentinel://me:p%40ss%2Fw%3Frd%23%C3%BC@a:1,b:2/s/0"),
    ],
)
def test_the_password_comes_from_a_file(url: str, whole: str, password_file: Path) -> None:
    assert with_password(url, password_file) == whole
    assert all(
        kind.load(redis_url=url, redis_password_file=password_file).redis_address == whole for kind in WITH_REDIS
    )


@pytest.mark.parametrize("kind", WITH_REDIS)
def test_a_password_file_that_cannot_be_used_is_one_clear_error(kind: Any, tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for name, why in (("gone", "No such file"), ("bytes", "expected UTF-8")):
        settings = kind.load(redis_url="redis://h", redis_password_file=tmp_path / name)
        with pytest.raises(SettingError, match=rf"redis_password_file .*{name}: {why}"):
            _ = settings.redis_address
    with pytest.raises(SettingError, match="give one of them") as caught:
        kind.load(redis_url=URL, redis_password_file=tmp_path / "gone")
    assert SECRET not in str(caught.value)


def scoring_settings(stack: StackSettings, **given: str) -> ScoreEventsSettings:
    settings = job_settings("score-events", stack, given)
    assert isinstance(settings, ScoreEventsSettings)
    return settings


def test_with_a_password_file_the_job_holds_no_password(password_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    password_file.write_text(SECRET)
    stack = StackSettings.load(redis_url="redis://h:1/0", redis_password_file=password_file)
    settings = scoring_settings(stack)
    assert SECRET in settings.redis_address
    assert SECRET.encode() not in pickle.dumps(ScoreBlocks(settings, Submission(1, restored=False), Bundle("{}")))
    monkeypatch.setenv("DRIFTLINE_JOB_REDIS_URL", "redis://other")
    assert scoring_settings(stack).redis_password_file is None  # it belongs to the stack's Redis
    assert scoring_settings(stack, redis_url="redis://o").redis_password_file is None


def test_the_server_takes_the_stack_s_login(password_file: Path) -> None:
    stack = StackSettings.load(redis_url="redis://h:1/0", redis_password_file=password_file)
    assert serve_settings({}, stack).redis_address == stack.redis_address
    assert serve_settings({"redis_url": "redis://own"}, stack).redis_address == "redis://own"
    launch = ScoresServer(stack, Home(stack.home)).launch()
    assert launch.env["DRIFTLINE_REDIS_PASSWORD_FILE"] == str(password_file)
    assert "p@ss" not in f"{launch.command} {launch.env}"


def test_status_up_and_the_list_of_settings_show_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DRIFTLINE_REDIS_URL", URL)
    monkeypatch.setenv("DRIFTLINE_JOB_REDIS_URL", URL)
    for arguments in (["status"], ["status", "--json"], ["submit", "score-events", "--settings"], ["export-scores"]):
        done = CliRunner().invoke(app, arguments)
        assert SECRET not in f"{done.output} {done.exception}", arguments
    shown = json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)[0]
    assert shown["address"] == "rediss://127.0.0.1:1/0"
    with pytest.raises(ServiceUnavailable, match=r"redis at rediss://127.0.0.1:1/0 does not answer") as caught:
        Stack(StackSettings.load()).up()
    assert SECRET not in str(caught.value)


def test_a_login_for_flink_is_refused() -> None:
    with pytest.raises(SettingError, match=r"DRIFTLINE_FLINK_REST: a user and a password are not sent"):
        StackSettings.load(flink_rest=f"http://me:{SECRET}@host:8081")


def test_a_parser_s_own_words_are_shown_only_where_they_can_hold_no_password() -> None:
    error = ValueError(f"Port could not be cast to integer value as '{SECRET}'")
    assert SECRET not in why_not(f"redis://:{SECRET}/@h", error)
    assert SECRET not in why_not(f"redis://h:{SECRET}", error)
    assert why_not("http://host", ValueError("unknown scheme")) == "unknown scheme"


def test_a_secret_survives_pickling_into_the_job() -> None:
    settings = pickle.loads(pickle.dumps(ScoreEventsSettings.load(redis_url=URL)))  # noqa: S301
    assert settings.redis_url == SecretStr(URL)


def test_flink_s_client_does_not_log_its_environment() -> None:
    lines = LOG_CONFIG.read_text().splitlines()
    assert "logger.environment.name = org.apache.flink.client.python.PythonEnvUtils" in lines
    assert "logger.environment.level = warn" in lines
