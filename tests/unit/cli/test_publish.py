"""`driftline publish` as it is typed, with a publisher that keeps what it is given."""

from __future__ import annotations

import gzip
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli import app
from declarations.starting import write_project
from driftline.errors import InputError, SettingError

GOOD = '{"eventId":"e1","userId":"u1","type":"view","eventTimeMs":5}\n'
UNKNOWN = '{"eventId":"e2","userId":"u1","type":"remove_from_cart","eventTimeMs":6}\n'
SAMPLES = Path(__file__).parents[2] / "samples"
MAPPINGS = Path(__file__).parents[3] / "docs" / "mappings"


class Publisher:
    topic = "events"
    warning = ""
    sent: list[str] = []  # noqa: RUF012  (of one test)
    users = 1

    def __init__(self, *_: Any, **__: Any) -> None:
        self.sent.clear()

    @property
    def published(self) -> int:
        return len(self.sent)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def send(self, user_id: str, value: bytes, timestamp_ms: int) -> None:
        self.sent.append(user_id)

    def flush(self) -> None:
        pass

    def check_kept(self) -> None:
        pass


@pytest.fixture(autouse=True)
def publisher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.publishing.EventPublisher", Publisher)


def publish(*arguments: object, stdin: bytes = b"") -> Any:
    return CliRunner().invoke(app, ["publish", *map(str, arguments)], input=stdin)


def test_files_of_any_kind_and_the_standard_input_in_one_run(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    (tmp_path / "b").write_bytes(gzip.compress(b"[" + GOOD.encode() + b"]"))
    result = publish(tmp_path / "a", tmp_path / "b", "-", stdin=UNKNOWN.encode())
    assert result.exit_code == 0
    assert "published 3 events" in result.stderr
    assert "warning: events of types unknown here, folded as CUSTOM: 1 ('remove_from_cart' 1)" in result.stderr


def test_ids_that_the_job_refuses_are_published_and_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (GOOD + GOOD.replace("u1", "null") + GOOD.replace("u1", "bot-7")).encode()
    result = publish("-", stdin=lines)
    assert (result.exit_code, Publisher.sent) == (0, ["u1", "null", "bot-7"])
    assert "warning: events that the job refuses for their userId (refused_ids): 1 ('null' 1)" in result.stderr
    monkeypatch.setenv("DRIFTLINE_JOB_REFUSED_IDS", "bot-7")
    assert "userId (refused_ids): 1 ('bot-7' 1)" in publish("-", stdin=lines).stderr


def test_csv_by_a_mapping() -> None:
    result = publish(SAMPLES / "online-retail.csv", "--mapping", MAPPINGS / "online-retail.toml")
    assert result.exit_code == 0
    assert Publisher.sent == ["99850", *["99047"] * 4]
    assert "rows left out as the mapping says: 1" in result.stderr


def test_a_file_that_is_no_history_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_JOB_DISORDER_MS", "60000")
    result = publish(SAMPLES / "snowplow.csv", "--mapping", MAPPINGS / "snowplow.toml")
    assert result.exit_code == 0
    assert "warning: events more than 60 s behind their user's newest in the order of the files" in result.stderr
    assert "unless they repeat another: 3; sort the files" in result.stderr


def test_json_in_other_words_by_a_mapping() -> None:
    result = publish(SAMPLES / "unomi.json", "--mapping", MAPPINGS / "unomi.toml", "--skip-bad")
    assert result.exit_code == 0
    assert Publisher.sent == ["profile-1", "profile-1", "profile-2", "profile-2", "profile-2"]
    assert "lines left out because they are no events: 1" in result.stderr
    result = publish(SAMPLES / "unomi.json", "--mapping", MAPPINGS / "unomi.toml")
    assert str(result.exception).endswith(
        "unomi.json, line 166: has no userId, which is the record's key. Published were the 5 events before it"
    )


def test_a_run_in_which_nothing_was_good_fails() -> None:
    result = publish("-", "--skip-bad", stdin=b"x\ny\n")
    assert result.exit_code == 1
    assert isinstance(result.exception, InputError)
    assert "nothing in the standard input was an event: 2 are no events" in str(result.exception)


def test_a_missing_file_is_told_of_before_kafka_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.publishing.EventPublisher", None)
    result = publish(tmp_path / "missing")
    assert isinstance(result.exception, InputError)
    assert "No such file" in str(result.exception)


def test_words_that_the_project_declares_are_not_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(tmp_path / "media", "media")
    lines = (GOOD.replace("view", "play") + UNKNOWN.replace("e2", "e3")).encode()
    assert "folded as CUSTOM: 2 ('play' 1, 'remove_from_cart' 1)" in publish("-", stdin=lines).stderr
    monkeypatch.setenv("DRIFTLINE_DECLARATIONS", str(tmp_path / "media"))
    assert "folded as CUSTOM: 1 ('remove_from_cart' 1)" in publish("-", stdin=lines).stderr


@pytest.mark.parametrize(
    "variables",
    [
        {"EVENTS_FRAMING": "confluent"},
        {"EVENTS_FORMAT": "json", "EVENTS_MAPPING": str(MAPPINGS / "segment.toml")},
        {"EVENTS_FORMAT": "avro", "EVENTS_FRAMING": "confluent", "SCHEMA_REGISTRY_URL": "http://127.0.0.1:1"},
    ],
)
@pytest.mark.parametrize("command", [("publish", "-"), ("simulate", "--events", "1")])
def test_nothing_is_sent_to_a_topic_of_other_values(
    command: tuple[str, ...], variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Publisher.sent.clear()
    for name, value in variables.items():
        monkeypatch.setenv(f"DRIFTLINE_JOB_{name}", value)
    result = CliRunner().invoke(app, list(command), input=GOOD.encode())
    assert isinstance(result.exception, SettingError)
    assert "plain protobuf and JSON are what is published here" in str(result.exception)
    assert not Publisher.sent
