"""`driftline heal` as it is typed, with topics, Redis and the job as fakes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

from console.cli import app
from console.cli import heal as heal_command
from console.cli.heal import MOVES
from console.dead_letters.records import DeadLetter
from tests.builders import DAY, HOUR, MINUTE, message
from tests.unit.healing.test_run import Stack
from udfs import heal as core


class World:
    """What the fakes share."""

    stack: ClassVar[Stack]
    begins: ClassVar[dict[int, int]]
    namespaces: ClassVar[list[str]]
    deleted: ClassVar[int]


class Topic:
    def __init__(self, settings: object, name: str, *, since_ms: int | None = None) -> None:
        stack = World.stack
        self._records = {"events": stack.events, "events.late": stack.late, "events.dead-letter": stack.dead}[name]
        self.total, self.deleted = len(self._records), World.deleted

    def __iter__(self) -> Iterator[DeadLetter]:
        return iter(list(self._records))

    def close(self) -> None:
        pass


class Publisher:
    def __init__(self, settings: object, *, topic: str) -> None:
        assert topic == "events"

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def post(self, user_id: str, value: bytes, timestamp_ms: int) -> Any:
        partition, offset = World.stack.send(user_id.encode(), value, timestamp_ms)

        class Metadata:
            def __init__(self) -> None:
                self.partition, self.offset = partition, offset

            def get(self, timeout: float) -> Metadata:
                return self

        return Metadata()


class Positions:
    @classmethod
    def connect(cls, url: str, *, namespace: str) -> Positions:
        World.namespaces.append(namespace)
        return cls()

    def get(self, topic: str) -> dict[int, int]:
        assert topic == "events.late"
        return World.begins

    def put(self, topic: str, offsets: Mapping[int, int]) -> None:
        World.begins = dict(offsets)

    def close(self) -> None:
        pass


class Processed:
    def __init__(self, settings: object, topic: str, redis_url: str, namespace: str) -> None:
        pass

    def look(self, sent: object) -> bool:
        return True

    def has(self, one: object) -> bool:
        return True

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A user with a late event."""
    World.stack, World.begins, World.namespaces, World.deleted = Stack(), {}, [], 0
    for at_ms in (0, DAY, HOUR):
        World.stack.event(message("u1", at_ms))
    monkeypatch.setenv("DRIFTLINE_JOB_DISORDER_MS", str(MINUTE))
    monkeypatch.setattr("console.dead_letters.topic.LetterTopic", Topic)
    monkeypatch.setattr("console.publishing.EventPublisher", Publisher)
    monkeypatch.setattr("sink_connectors.heal_positions.HealPositions", Positions)
    monkeypatch.setattr("console.healing.waiting.Processed", Processed)
    monkeypatch.setattr(heal_command, "_ANSWER_S", 0.0)
    return World.stack


def heal(*arguments: str, exit_code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, ["heal", *arguments])
    assert result.exit_code == exit_code, result.output + repr(result.exception)
    return result.stdout, result.stderr


def test_prints_what_it_did_and_remembers_where_it_was() -> None:
    assert heal()[0] == "users=1 late_events_healed=1 applied=1\n"
    assert World.begins == {0: 1}
    assert heal()[0] == "users=0 late_events_healed=0\n"
    assert heal("--since", "1d")[0].startswith("users=")


def test_a_dry_run_sends_and_remembers_nothing(world: Stack) -> None:
    before = len(world.events)
    out, err = heal("--dry-run")
    assert (out, err) == ("users=1 late_events_healed=0 heal=1\n", "a dry run: nothing was sent\n")
    assert (len(world.events), World.begins) == (before, {})


def test_audits_are_lines_of_json(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    out, err = heal("--json", "--audit", str(file))
    assert out == file.read_text()
    line = json.loads(out)
    assert (line["user_id"], line["verdict"], line["late_events"], line["offset"]) == ("u1", "applied", 1, 3)
    assert err == "users=1 late_events_healed=1 applied=1\n"


def test_users_that_are_named_are_looked_at_alone() -> None:
    assert heal("--user", "somebody")[0] == "users=0 late_events_healed=0\n"
    assert World.begins == {}
    assert heal("--user", "u1", "--rate", "100")[0] == "users=1 late_events_healed=1 applied=1\n"


def test_a_refused_order_says_what_to_do_and_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_JOB_SESSION_GAP_MS", str(2 * HOUR))  # not what the job has
    out, err = heal()
    assert out == "users=1 late_events_healed=0 refused=1\n"
    assert err.startswith("1 not healed, other-plan: ")
    assert World.begins == {0: 0}


def test_a_topic_without_its_beginning_is_named(world: Stack) -> None:
    del world.events[0]
    World.deleted = 1
    out, err = heal()
    assert out == "users=1 late_events_healed=0 refused=1\n"
    assert err.splitlines()[0].startswith("1 not healed, history-differs: ")
    assert err.splitlines()[1].startswith("the first 1 offsets of the events topic are deleted")


def test_every_cause_has_a_next_move() -> None:
    causes = {core.NO_STATE, core.OTHER_PLAN, core.FORGOTTEN, core.CUT_PASSED, core.HISTORY_DIFFERS}
    assert causes == set(MOVES)


def test_the_namespace_is_that_of_the_option() -> None:
    heal("--namespace", "rebuild", "--dry-run")
    assert World.namespaces == ["rebuild"]


def test_runs_are_repeated_until_the_command_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    class Stop:
        def is_set(self) -> bool:
            return False

        def wait(self, timeout: float) -> bool:
            waits.append(timeout)
            return len([each for each in waits if each > 1_000]) == 2

    class Stopping:
        def __enter__(self) -> Stop:
            return Stop()

        def __exit__(self, *error: object) -> None:
            pass

    monkeypatch.setattr(heal_command, "stop_on_signal", Stopping)
    out, _ = heal("--every", "1h")
    assert out == "users=1 late_events_healed=1 applied=1\nusers=0 late_events_healed=0\n"


@pytest.mark.parametrize("every", ["1", "0m", "soon"])
def test_a_time_that_is_none_is_refused(every: str) -> None:
    result = CliRunner().invoke(app, ["heal", "--every", every])
    assert result.exit_code == 1
    assert "--every must be a time like" in str(result.exception)
