"""Waiting for a submitted job: restoring takes as long as it takes, and what fails over and over is said at once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from console import starting
from console.flink_rest import FlinkRest
from driftline.errors import StackError

CAUSE = "pemja.core.PythonException: <class 'driftline.errors.SettingError'>: the restored state was made with shards=8"
OUTAGE = "pemja.core.PythonException: <class 'driftline.errors.ServiceUnavailable'>: Redis at redis://r does not answer"


class Cluster(FlinkRest):
    """Shows one state of the tasks, and one list of failures, after the other; the last ones stay."""

    def __init__(self, states: Sequence[dict[str, str]], failures: Sequence[list[str]] = ([],)) -> None:
        super().__init__("http://cluster")
        self._states, self._failures = list(states), list(failures)
        self.looks = 0
        self.cancelled: list[str] = []
        self.ended = "RUNNING"

    def tasks_waiting(self, job_id: str) -> dict[str, str]:
        self.looks += 1
        return self._states.pop(0) if len(self._states) > 1 else self._states[0]

    def failures(self, job_id: str) -> list[str]:
        return self._failures.pop(0) if len(self._failures) > 1 else self._failures[0]

    def state(self, job_id: str) -> str:
        return self.ended

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds pass with every look."""
    now_s = [0.0]
    monkeypatch.setattr("console.starting.time.monotonic", lambda: now_s[0])
    monkeypatch.setattr("console.starting.time.sleep", lambda _: now_s.__setitem__(0, now_s[0] + 10))


def wait(cluster: Cluster, *, restored: bool = True) -> list[str]:
    reported: list[str] = []
    starting.await_tasks(cluster, "score-events", "abc", restored=restored, report=reported.append)
    return reported


def test_a_restore_of_ten_minutes_is_waited_for_and_shown() -> None:
    cluster = Cluster([{"score blocks": "INITIALIZING"}] * 60 + [{}])
    reported = wait(cluster)
    assert cluster.cancelled == []
    assert reported[-1] == "restoring the state of 1 task(s) for 590 s"


def test_a_restore_counts_anew_after_tasks_were_placed_late() -> None:
    slow = [{"a": "SCHEDULED"}] * 5 + [{"a": "INITIALIZING"}] * 30 + [{"a": "DEPLOYING"}] * 5 + [{}]
    assert wait(Cluster(slow))


@pytest.mark.parametrize("state", ["CREATED", "SCHEDULED", "DEPLOYING"])
def test_tasks_that_are_not_placed_have_a_deadline(state: str) -> None:
    cluster = Cluster([{"score blocks": state, "source": "INITIALIZING"}])
    with pytest.raises(StackError, match=f"did not start and was cancelled: score blocks is {state}"):
        wait(cluster, restored=False)
    assert cluster.cancelled == ["abc"]
    assert cluster.looks < 10


def test_a_restored_job_is_left_alone_when_it_is_not_placed_in_time() -> None:
    cluster = Cluster([{"score blocks": "SCHEDULED"}])
    with pytest.raises(StackError, match="was left to go on trying"):
        wait(cluster)
    assert cluster.cancelled == []


def test_what_fails_again_is_reported_at_once_with_its_cause() -> None:
    for restored in (True, False):
        cluster = Cluster([{"score blocks": "INITIALIZING"}], [[], [OUTAGE], [OUTAGE, OUTAGE]])
        with pytest.raises(StackError, match="Redis at redis://r does not answer"):
            wait(cluster, restored=restored)
        assert cluster.looks == 3
        assert cluster.cancelled == ([] if restored else ["abc"])


def test_one_failure_may_be_overcome() -> None:
    wait(Cluster([{"a": "SCHEDULED"}, {"a": "INITIALIZING"}, {}], [[], [OUTAGE]]))


def test_what_our_code_refuses_is_cancelled_after_the_first_attempt() -> None:
    cluster = Cluster([{"score blocks": "CANCELED"}], [[CAUSE]])
    with pytest.raises(
        StackError, match=r"refused to run and was cancelled: the restored state was made with shards=8$"
    ):
        wait(cluster)
    assert (cluster.looks, cluster.cancelled) == (1, ["abc"])


def test_a_job_that_ended_says_why() -> None:
    cluster = Cluster([{"a": "FAILED"}], [["out of memory"]])
    cluster.ended = "FAILED"
    with pytest.raises(StackError, match="ended: out of memory"):
        wait(cluster)
