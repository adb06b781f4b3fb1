"""A history that is interrupted in the middle gives the scores that it would have given."""

from __future__ import annotations

import os
import signal
import subprocess

import psutil
import pytest

from tests.e2e.conftest import EVENTS, History, Reference
from tests.e2e.namespace import Counters, Feed, Namespace, assert_same_scores, savepoint_of
from tests.e2e.stack import COMMAND_S_MAX, RealStack, check_exit, eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

HALF = EVENTS // 2


def test_a_savepoint_resumes_on_twice_the_slots(stack: RealStack, history: History, reference: Reference) -> None:
    resumed = Namespace(stack, "resumed")
    resumed.submit()
    with Feed(resumed, history.lines) as feed:
        feed.trickle(lambda: resumed.processed() >= HALF // 4, "a part is processed", HALF)
        stopping = stack.begin("stop", "score-events", "--namespace", "resumed")
        feed.trickle(lambda: stopping.poll() is not None, "the job is stopped", HALF)
        savepoint = _savepoint(stopping)
        interrupted_at = resumed.processed()
    assert HALF // 4 <= interrupted_at <= HALF

    resumed.submit(parallelism=2, savepoint=savepoint)
    assert resumed.drain() == Counters(EVENTS, EVENTS, EVENTS, 0, 0, 0)
    assert_same_scores(resumed.export(), reference.export)


def test_a_killed_task_manager_loses_and_repeats_nothing(
    stack: RealStack, history: History, reference: Reference
) -> None:
    crashed = Namespace(stack, "crashed")
    job_id = crashed.submit(parallelism=2)
    with Feed(crashed, history.lines) as feed:
        feed.trickle(lambda: crashed.processed() > 0, "the first events are processed", HALF)
        first = _completed_checkpoint(stack, job_id)
        feed.trickle(lambda: _completed_checkpoint(stack, job_id) > first, "a checkpoint completes", EVENTS - 4_000)
        checkpoint, processed = _completed_checkpoint(stack, job_id), crashed.processed()
        feed.trickle(lambda: crashed.processed() >= processed + 1_000, "events follow it", EVENTS - 2_000)
        victim = psutil.Process(stack.pid("taskmanager-2"))
        family = [victim, *victim.children(recursive=True)]
        processed = crashed.processed()
        os.kill(victim.pid, signal.SIGKILL)
        stack.driftline("status", exit_code=1)
        feed.send(1_000)  # events come in whether or not anybody reads them
        stack.up()
    assert stack.pid("taskmanager-2") != victim.pid

    assert crashed.drain() == Counters(EVENTS, EVENTS, EVENTS, 0, 0, 0)
    assert_same_scores(crashed.export(), reference.export)
    restored = stack.rest(f"/jobs/{job_id}/checkpoints")
    assert restored["counts"]["restored"] == 1
    assert restored["latest"]["restored"]["id"] >= checkpoint
    _, left = psutil.wait_procs(family, timeout=10)
    assert not left, "the killed TaskManager left processes behind"
    _assert_replayed(stack, job_id, processed)


def _savepoint(stopping: subprocess.Popen[str]) -> str:
    out, err = stopping.communicate(timeout=COMMAND_S_MAX)
    check_exit(("stop",), stopping.returncode, 0, out, err)
    return savepoint_of(out)


def _completed_checkpoint(stack: RealStack, job_id: str) -> int:
    completed = stack.rest(f"/jobs/{job_id}/checkpoints")["latest"]["completed"]
    return int(completed["id"]) if completed else 0


def _assert_replayed(stack: RealStack, job_id: str, processed_before: int) -> None:
    """Flink's counters begin again with a restart: they and what came before it are more than there are events."""
    flink = stack.flink
    (vertex,) = (vertex for vertex, name in flink.vertices(job_id).items() if "score blocks" in name)
    names = {name for name in flink.metrics(job_id, vertex) if name.endswith(".driftline.events_accepted")}

    def read_again() -> float:
        return processed_before + sum(flink.metric_sum(job_id, vertex, name) for name in names) - EVENTS

    eventually(read_again, lambda events: events >= 1_000, "events after the checkpoint were read twice", 20)
