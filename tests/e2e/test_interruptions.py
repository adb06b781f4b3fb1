"""A history that is interrupted in the middle gives the scores that it would have given."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from tests.e2e.conftest import EVENTS, History, Reference
from tests.e2e.namespace import Counters, Feed, Namespace, assert_same_scores, savepoint_of
from tests.e2e.stack import RealStack, eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

HALF = EVENTS // 2
REPLAYED_MIN = 1_000
RESTARTS = 4  # each after more than redis_retry_s without Redis


def test_a_savepoint_resumes_on_twice_the_slots(stack: RealStack, history: History, reference: Reference) -> None:
    resumed = Namespace(stack, "resumed")
    resumed.submit()
    with Feed(resumed, history.lines) as feed:
        feed.trickle(lambda: resumed.processed() >= HALF // 8, "a part is processed", HALF)
        stopping = stack.begin("stop", "score-events", "--namespace", "resumed")
        feed.trickle(lambda: stopping.poll() is not None, "the job is stopped", HALF)
        savepoint = savepoint_of(stack.end(stopping))
        interrupted_at = resumed.processed()
    assert HALF // 8 <= interrupted_at <= HALF

    resumed.submit(parallelism=2, savepoint=savepoint)
    assert resumed.drain() == Counters(EVENTS, EVENTS, EVENTS, 0, 0, 0)
    assert_same_scores(resumed.export(), reference.export)


def test_a_killed_task_manager_loses_and_repeats_nothing(
    stack: RealStack, history: History, reference: Reference
) -> None:
    crashed = Namespace(stack, "crashed")
    job_id = crashed.submit(parallelism=2)
    victim = psutil.Process(stack.pid("taskmanager-2"))
    family = [victim, *victim.children(recursive=True)]
    with Feed(crashed, history.lines) as feed:
        lag = _CheckpointLag(crashed, job_id)
        feed.trickle(lag.is_long, "events follow a checkpoint", EVENTS - 2_000)
        os.kill(victim.pid, signal.SIGKILL)
        processed = crashed.processed()
        stack.driftline("status", exit_code=1)
        feed.send(1_000)  # events come in whether or not anybody reads them
        stack.up()
    assert stack.pid("taskmanager-2") != victim.pid

    assert crashed.drain() == Counters(EVENTS, EVENTS, EVENTS, 0, 0, 0)
    assert_same_scores(crashed.export(), reference.export)
    assert stack.rest(f"/jobs/{job_id}/checkpoints")["latest"]["restored"]["id"] == lag.checkpoint
    _assert_replayed(stack, job_id, processed)
    _, left = psutil.wait_procs(family, timeout=10)
    assert not left, "the killed TaskManager left processes behind"


def test_an_outage_of_redis_longer_than_it_is_retried_loses_and_repeats_nothing(
    stack: RealStack, history: History, reference: Reference
) -> None:
    away = Namespace(stack, "away", {"redis_retry_s": 1})
    job_id = away.submit()
    redis = psutil.Process(stack.pid("redis"))
    with Feed(away, history.lines) as feed:
        feed.trickle(lambda: away.processed() >= HALF // 8, "a part is processed", HALF)
        redis.suspend()
        try:
            feed.trickle(lambda: _restarts(stack, job_id) >= RESTARTS, "the job was restarted several times", HALF)
        finally:
            redis.resume()

    assert away.drain() == Counters(EVENTS, EVENTS, EVENTS, 0, 0, 0)
    assert_same_scores(away.export(), reference.export)
    assert stack.flink.state(job_id) == "RUNNING"


def _restarts(stack: RealStack, job_id: str) -> int:
    """How often Flink has restarted the job: the metric that an alert watches."""
    found = stack.rest(f"/jobs/{job_id}/metrics?get=numRestarts")
    return int(found[0]["value"]) if found else 0


class _CheckpointLag:
    """Tells when a job's newest checkpoint is well behind its progress: a crash then makes it read events again."""

    def __init__(self, namespace: Namespace, job_id: str) -> None:
        self._namespace = namespace
        self._path = f"/jobs/{job_id}/checkpoints"
        self._processed = 0
        self.checkpoint = 0

    def is_long(self) -> bool:
        """Whether that many events have been processed since, and no other checkpoint is on its way."""
        processed = self._namespace.processed()
        seen = self._namespace.stack.rest(self._path)
        newest = seen["latest"]["completed"]
        if newest is None or processed == 0:
            return False
        if newest["id"] != self.checkpoint:
            self.checkpoint, self._processed = newest["id"], processed
        return processed >= self._processed + REPLAYED_MIN and not seen["counts"]["in_progress"]


def _assert_replayed(stack: RealStack, job_id: str, processed_before: int) -> None:
    """Flink's counters begin again with a restart: they and what came before it are more than there are events."""
    flink = stack.flink
    (vertex,) = (vertex for vertex, name in flink.vertices(job_id).items() if "score blocks" in name)
    names = {name for name in flink.metrics(job_id, vertex) if name.endswith(".driftline.events_accepted")}

    def read_again() -> float:
        return processed_before + sum(flink.metric_sum(job_id, vertex, name) for name in names) - EVENTS

    eventually(read_again, lambda events: events >= REPLAYED_MIN, "events after the checkpoint were read twice")
