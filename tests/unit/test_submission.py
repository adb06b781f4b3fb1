"""Submitting: what is refused before Flink's client is called, and what is not undone when it fails."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from console import submission
from console.flink_rest import Job
from console.savepoints import newest_savepoint
from console.settings import StackSettings
from driftline.errors import InputError, StackError
from jobs.register import JobSpec
from sink_connectors.score_store import Claim, Progress, RedisScoreStore, ShardReport
from sink_connectors.score_value import encode_value
from tests.builders import job_settings
from tests.redis_server import RedisServer

pytestmark = pytest.mark.redis

A, B = "aaaaaa" + "0" * 26, "bbbbbb" + "0" * 26


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def stack(redis_server: RedisServer, tmp_path: Path) -> StackSettings:
    settings: StackSettings = StackSettings.load(home=tmp_path, redis_port=redis_server.port)
    return settings


@pytest.fixture
def store(redis_server: RedisServer) -> Iterator[RedisScoreStore]:
    with closing(RedisScoreStore.connect(redis_server.url, retry_s=5)) as made:
        yield made


class Flink:
    """A cluster with room; the client is a list of the savepoints that it was called with."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.jobs: list[Job] = []
        self.free = [1]  # slots, at each look; the last for ever
        self.before: Callable[[], object] = lambda: None
        patch.setattr(submission, "FlinkRest", lambda _: self)
        patch.setattr(submission, "run_job", self._run)
        patch.setattr(submission, "await_tasks", lambda *_, **__: None)
        patch.setattr("console.extents._CONNECT_MS_MAX", 50)  # there is no Kafka

    def running(self, name: str) -> Job | None:
        return next((job for job in self.jobs if job.name == name), None)

    def free_slots(self) -> int:
        return self.free.pop(0) if len(self.free) > 1 else self.free[0]

    def slots(self) -> int:
        return 1

    def _run(self, spec: JobSpec, _stack: object, settings: object, savepoint: str, **_: object) -> str:
        self.before()
        self.calls.append(savepoint)
        self.jobs.append(Job(A, f"{spec.name} main", "RUNNING"))
        return A


@pytest.fixture
def flink(monkeypatch: pytest.MonkeyPatch) -> Flink:
    return Flink(monkeypatch)


def submit(stack: StackSettings, savepoint: str | None = None, *, from_nothing: bool = False) -> str:
    submitted = submission.submit("score-events", stack, job_settings(), savepoint, from_nothing=from_nothing)
    if savepoint != "latest":
        assert submitted.savepoint == (savepoint or "")
    return submitted.job_id


def checkpoint(stack: StackSettings, job_id: str, number: int, at_s: int, *, complete: bool = True) -> Path:
    return saved(stack.home / "flink" / "checkpoints" / job_id / f"chk-{number}", at_s, complete=complete)


def saved(folder: Path, at_s: int, *, complete: bool = True) -> Path:
    folder.mkdir(parents=True)
    if complete:
        (folder / "_metadata").write_bytes(b"")
        os.utime(folder / "_metadata", (at_s, at_s))
    return folder


def test_the_first_job_of_a_namespace_needs_no_word(stack: StackSettings, flink: Flink) -> None:
    assert submit(stack) == A
    assert flink.calls == [""]


def test_a_slot_that_comes_back_in_a_moment_is_waited_for(
    stack: StackSettings, flink: Flink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "_POLL_S", 0.001)
    flink.free = [0, 0, 1]
    assert submit(stack) == A


def test_slots_that_do_not_come_back_are_missing(
    stack: StackSettings, flink: Flink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "_SLOTS_BACK_S", 0.01)
    monkeypatch.setattr(submission, "_POLL_S", 0.001)
    flink.free = [0]
    with pytest.raises(StackError, match="needs 1 free slot"):
        submit(stack)


def test_a_job_that_was_made_and_saw_no_event_is_none_to_lose(
    stack: StackSettings, flink: Flink, store: RedisScoreStore
) -> None:
    store.claim(Claim(8, {250: 1}, {250: Progress()}, A))
    submit(stack)


@pytest.mark.parametrize("left", ["scores", "progress"])
def test_a_namespace_with_a_past_wants_to_be_told(
    stack: StackSettings, flink: Flink, store: RedisScoreStore, left: str
) -> None:
    if left == "scores":  # those of a release that recorded no progress
        store.write([("u", encode_value(1, 1, b"x"))], None)
    else:
        store.write([], (250, ShardReport(Progress(late=1))))
    with pytest.raises(InputError, match="--from-savepoint PATH, or say --from-nothing"):
        submit(stack)
    assert flink.calls == []
    submit(stack, from_nothing=True)
    flink.jobs.clear()
    submit(stack, "file:/somewhere")
    assert flink.calls == ["", "file:/somewhere"]


def test_the_newest_savepoint_of_the_namespace_is_named_and_taken(
    stack: StackSettings, flink: Flink, store: RedisScoreStore
) -> None:
    store.write([], (250, ShardReport(Progress(accepted=1))))
    with pytest.raises(InputError, match="no savepoint or retained checkpoint of namespace main"):
        submit(stack, "latest")
    store.claim(Claim(8, {250: 1}, {250: Progress(accepted=1)}, A))
    checkpoint(stack, A, 7, at_s=1_000)
    newest = saved(stack.home / "flink" / "savepoints" / f"savepoint-{A[:6]}-1234", at_s=2_000)
    checkpoint(stack, A, 8, at_s=3_000, complete=False)
    checkpoint(stack, B, 9, at_s=4_000)  # of another namespace
    with pytest.raises(InputError, match=newest.as_uri()):
        submit(stack)
    submit(stack, "latest")
    assert flink.calls == [newest.as_uri()]


def test_no_job_no_savepoint(tmp_path: Path) -> None:
    assert newest_savepoint(tmp_path, []) is None
    assert newest_savepoint(tmp_path, [A]) is None


def test_a_client_that_fails_leaves_progress_as_it_was(
    stack: StackSettings, flink: Flink, store: RedisScoreStore
) -> None:
    store.write([], (250, ShardReport(Progress(accepted=5))))

    def fail() -> None:
        message = "score-events was not submitted: no connector"
        raise StackError(message)

    flink.before = fail
    with pytest.raises(StackError, match="no connector"):
        submit(stack, from_nothing=True)
    assert store.read_progress() == {250: Progress(accepted=5)}
    flink.before = lambda: None
    submit(stack, from_nothing=True)  # and the lock is free again


def test_of_two_submissions_at_once_one_wins(stack: StackSettings, flink: Flink) -> None:
    inside, done = threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        assert done.wait(10)

    flink.before = wait
    results: list[str] = []
    first = threading.Thread(target=lambda: results.append(submit(stack)))
    first.start()
    assert inside.wait(10)
    with pytest.raises(StackError, match="is being submitted in namespace main by another command"):
        submit(stack)
    done.set()
    first.join(10)
    assert (results, flink.calls) == ([A], [""])
    with pytest.raises(StackError, match="is running already"):
        submit(stack)
