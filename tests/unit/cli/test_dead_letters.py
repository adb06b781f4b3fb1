"""`driftline dead-letters` as it is typed, with topics that are lists."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

from console.cli import app, dead_letters_text
from console.dead_letters import topic as reading
from console.dead_letters.records import DeadLetter, Original, Place
from console.dead_letters.replay import Report
from console.topic_rules import RuleError
from driftline.errors import InputError, SettingError
from driftline.jsonlines import format_event
from tests.builders import NOW, T0, message
from tests.schema_registry import frame
from tests.topic_values import framed_avro, framed_protobuf
from tests.unit.dead_letters.builders import GOOD, TOPIC, letter
from udfs.rejects import Reason

JSON = format_event(message("u2", item_id="lamp")).encode()
LETTERS = [
    letter(Reason.KEY_MISMATCH, offset=1, key=b"somebody else"),
    letter(Reason.UNDECODABLE, offset=2, value=JSON, text="looks like JSON"),
    letter(Reason.TOO_LARGE, offset=3, value=None),
]
ORIGINALS: dict[int, Original] = {1: Original(b"somebody else", GOOD, T0 + 9, [("driftline.replayed_from", b"dl:4:5")])}


class Topic:
    opened: ClassVar[list[str]] = []

    def __init__(
        self, settings: object, name: str, *, since_ms: int | None = None, until_ms: int | None = None
    ) -> None:
        self.opened.append(name)
        self.total = len(LETTERS)
        self.read = 0

    def __iter__(self) -> Iterator[DeadLetter]:
        for self.read, one in enumerate(LETTERS, 1):
            yield one

    def close(self) -> None:
        pass


class Lookup:
    def __init__(self, settings: object) -> None:
        pass

    def at(self, place: Place) -> DeadLetter | None:
        return next((one for one in LETTERS if one.place == place), None)

    def complete(self, one: DeadLetter) -> DeadLetter:
        return one.with_original(ORIGINALS.get(one.place.offset))

    def close(self) -> None:
        pass


class Publisher:
    sent: ClassVar[list[tuple[str, bytes, int, Any]]] = []
    opened: ClassVar[list[dict[str, Any]]] = []
    too_old = False
    warning = ""

    def __init__(self, settings: object, **options: Any) -> None:
        self.opened.append(options)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def send(self, user_id: str, value: bytes, timestamp_ms: int, headers: Any = None) -> None:
        if self.too_old:
            message = "77 days old"
            raise RuleError(message)
        self.sent.append((user_id, value, timestamp_ms, headers))

    def flush(self) -> None:
        pass

    def check_kept(self) -> None:
        pass


@pytest.fixture(autouse=True)
def kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LetterTopic", Topic)
    monkeypatch.setattr(reading, "RecordLookup", Lookup)
    monkeypatch.setattr(reading, "letter_of", lambda record: record)
    monkeypatch.setattr("console.publishing.EventPublisher", Publisher)
    for kept in (Topic.opened, Publisher.sent, Publisher.opened):
        kept.clear()


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["dead-letters", *map(str, arguments)])


@pytest.mark.parametrize("command", ["stats", "list", "show", "replay"])
def test_every_command_explains_itself(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_stats() -> None:
    out = run("stats").output
    assert "KEY_MISMATCH" in out
    assert "3 in all" in out
    assert "most frequent keys: u1 2" in out
    assert json.loads(run("stats", "--json").output)["total"] == 3


def test_the_topics_are_those_of_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    run("stats")
    monkeypatch.setenv("DRIFTLINE_JOB_LATE_TOPIC", "mine.late")
    run("stats", "--late")
    run("list", "--late")
    assert Topic.opened == [TOPIC, "mine.late", "mine.late"]


def test_list_shows_no_payload_and_marks_resubmissions() -> None:
    lines = run("list").output.splitlines()
    assert (
        lines[0]
        == "0:1  2027-02-05T00:00:00.000Z  KEY_MISMATCH  events:3:17  somebody els\u2026  [replayed from dl:4:5]  why"
    )
    assert len(lines) == 3
    assert "lamp" not in "".join(lines)
    assert "replayed" not in run("list", "--no-look-up").output


def test_list_selects() -> None:
    assert run("list", "--reason", "too_large", "--reason", "KEY_MISMATCH", "--limit", 1).output.startswith("0:1 ")
    assert run("list", "--until", "2027-01-01T00:00:00Z").output == ""
    (line,) = run("list", "--reason", "UNDECODABLE", "--json").output.splitlines()
    found = json.loads(line)
    assert (found["offset"], found["value_bytes"], found["replayed_from"]) == (2, len(JSON), None)
    assert found["source"] == {"topic": "events", "partition": 3, "offset": 17}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("list", "--reason", "TO_LARGE"), "--reason: unknown reason 'TO_LARGE'; did you mean TOO_LARGE?"),
        (("list", "--since", "yesterday"), "--since must be a time like"),
        (("list", "--since", "1h", "--until", "2h"), "--since 1h must be before --until 2h"),
        (("show", "17"), "PARTITION:OFFSET such as 0:17, not '17'"),
        (("replay", "--to", "events.late"), "--to must be a topic that a job reads, such as events"),
        (("replay", "--mapping", "m", "--transform", "t"), "exclude each other"),
    ],
)
def test_misuse_names_the_option(arguments: tuple[str, ...], named: str) -> None:
    error = run(*arguments).exception
    assert isinstance(error, SettingError)
    assert named in str(error)


def test_show_prints_the_payload_only_when_asked() -> None:
    plain = run("show", "0:2").output
    assert "driftline.errors.reason: UNDECODABLE" in plain
    assert "lamp" not in plain
    assert '"itemId": "lamp"' in run("show", "0:2", "--payload").output
    known = run("show", "0:1", "--payload").output
    assert 'user_id: "u1"' in known
    assert "the record was replayed from: dl:4:5" in known
    assert run("show", "0:3", "--payload").output.endswith("no value\n")


def test_show_of_nothing_says_where_to_look() -> None:
    error = run("show", "0:9").exception
    assert isinstance(error, InputError)
    assert "holds no record at 0:9" in str(error)


def test_replay_sends_what_can_be_sent_and_exits_with_1() -> None:
    result = run("replay")
    assert result.exit_code == 1
    assert result.stdout == "read=3 matched=3 sent=1 skipped=0 failed=2\n"
    assert "failed 1: is no UserEvent in protobuf (0:2)" in result.stderr
    assert "no longer on its topic (0:3)" in result.stderr
    assert Publisher.sent == [("u1", GOOD, T0 + 9, [("driftline.replayed_from", b"events.dead-letter:0:1")])]
    assert Publisher.opened == [{"topic": "events", "force": False}]


def test_replay_by_a_function_to_another_topic(tmp_path: Path) -> None:
    (tmp_path / "mend.py").write_text(
        "from driftline.jsonlines import parse_event\n\n"
        "def mend(letter):\n    return parse_event(letter.value) if letter.reason == 'UNDECODABLE' else None\n"
    )
    result = run("replay", "--transform", f"{tmp_path}/mend.py:mend", "--to", "mended", "--reason", "UNDECODABLE")
    assert (result.exit_code, result.stdout) == (0, "read=3 matched=1 sent=1 skipped=0 failed=0\n")
    assert Publisher.sent[0][0] == "u2"
    assert Publisher.opened == [{"topic": "mended", "force": False}]


def test_a_dry_run_connects_to_nothing_that_it_could_send_to() -> None:
    result = run("replay", "--reason", "KEY_MISMATCH", "--dry-run")
    assert (result.exit_code, result.stdout) == (0, "read=3 matched=1 sent=1 skipped=0 failed=0\n")
    assert "nothing was sent" in result.stderr
    assert not Publisher.opened


def test_what_is_too_old_for_the_topic_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Publisher, "too_old", True)
    result = run("replay", "--reason", "KEY_MISMATCH")
    assert result.exit_code == 1
    assert "because of its age; --force sends it nevertheless (0:1)" in result.stderr


def test_late_events_are_late_again() -> None:
    assert "late again" in run("replay", "--late", "--dry-run").stderr
    assert "late again" not in run("replay", "--late", "--dry-run", "--to", "rebuild").stderr


def test_hostile_bytes_are_escaped() -> None:
    odd = replace(LETTERS[0], key=b"\x1b[2J\xff\n", headers=(("a\x07", b"\xe2\x80\xae"),))
    shown = "\n".join(dead_letters_text.details(odd))
    assert all(char.isprintable() or char == "\n" for char in shown)
    assert "key: \\x1b[2J\\xff\\n" in shown
    for value in (b"\x00\x1b[31m\xff", b'{"a":"\\u001b[31m"}', b'{"a":"\\ud800"}', b"[" * 100_000, b"\x08"):
        text = dead_letters_text.payload(value)
        assert all(char.isprintable() or char == "\n" for char in text)
        text.encode()
    assert "more characters" in dead_letters_text.payload(message("u1", item_id="x" * 100_000).SerializeToString())


def test_times_that_are_no_dates_are_shown_as_numbers() -> None:
    assert dead_letters_text.moment(NOW) == "2027-02-05T00:00:00.000Z"
    assert dead_letters_text.moment(10**19) == f"{10**19} ms"


def test_remarks_name_causes_by_number() -> None:
    report = Report(sent=1, events=3, doubtful={"LATE": 2})
    for number in range(7):
        report.fail(letter(offset=number), "a cause")
    first, second, third = dead_letters_text.remarks(report)
    assert first == "failed 7: a cause (0:0, 0:1, 0:2, 0:3, 0:4, ...)"
    assert second == "1 dead letters made 3 events"
    assert third.endswith("rejects again: LATE 2")


def test_a_framed_payload_is_shown_with_its_schema_s_id() -> None:
    shown = dead_letters_text.payload(framed_protobuf(message("u1", item_id="sku-1"), 9))
    assert shown.startswith("framed, with the schema 9 of a Schema Registry: UserEvent in protobuf:\n")
    assert 'item_id: "sku-1"' in shown
    assert dead_letters_text.payload(frame(b'{"a":1}')).endswith('Registry: JSON:\n{\n  "a": 1\n}')
    assert "neither JSON nor a UserEvent" in dead_letters_text.payload(framed_avro(message("u1")))
