"""Waiting until a submitted job runs, however long it restores; and saying at once why it does not."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from console.flink_rest import ENDED, FlinkRest
from driftline.errors import ServiceUnavailable, StackError

START_TIMEOUT_S = 60.0  # for what does not depend on how much state there is
FAILURES_MAX = 2  # a first one may be a TaskManager that was lost
_POLL_S = 0.2
_RESTORING = "INITIALIZING"
_NAME_SHOWN = 40  # characters of a task's name, which lists all that is chained in it
# Raised by our own code, and raised again by every attempt.
_FINAL = re.compile(r"(?:SettingError|OtherCodeError|StateFormatError)'?>?: *(.*)")


def await_tasks(flink: FlinkRest, job: str, job_id: str, *, restored: bool, report: Callable[[str], None]) -> None:
    """Return when all tasks of the job run.

    A task that restores its state may take as long as it takes. A restored job is never cancelled for being slow or
    for failing, because the state is in it; one that our own code refuses to run has changed nothing, and is.

    Args:
        flink: the cluster.
        job: its name, for messages.
        job_id: its id.
        restored: whether it goes on from a savepoint or a checkpoint.
        report: told how long the state has been restored for.

    Raises:
        StackError: the job ended, fails over and over, or its tasks are not placed within START_TIMEOUT_S.
        ServiceUnavailable: the cluster does not answer.
    """
    began_s = time.monotonic()
    placed_s = began_s
    while waiting := flink.tasks_waiting(job_id):
        now_s = time.monotonic()
        failures = flink.failures(job_id)
        _require_alive(flink, job, job_id, failures)
        restoring = [name for name, state in waiting.items() if state == _RESTORING]
        if len(restoring) == len(waiting):
            placed_s = now_s
            report(f"restoring the state of {len(restoring)} task(s) for {now_s - began_s:.0f} s")
        if len(failures) >= FAILURES_MAX or now_s - placed_s > START_TIMEOUT_S:
            states = ", ".join(f"{name[:_NAME_SHOWN]} is {state}" for name, state in waiting.items())
            _give_up(flink, job, job_id, failures[0] if failures else states, restored=restored)
        time.sleep(_POLL_S)


def _require_alive(flink: FlinkRest, job: str, job_id: str, failures: Sequence[str]) -> None:
    """Raise StackError where the job ended, or our own code refuses to run it, which no other attempt changes."""
    newest = failures[0] if failures else ""
    if refused := _FINAL.search(newest):
        _cancel(flink, job_id)
        message = f"{job} (job {job_id}) refused to run and was cancelled: {refused[1]}"
        raise StackError(message)
    if flink.state(job_id) in ENDED:
        message = f"{job} (job {job_id}) ended: {newest or 'no cause given'}"
        raise StackError(message)


def _give_up(flink: FlinkRest, job: str, job_id: str, cause: str, *, restored: bool) -> None:
    if restored:
        message = (
            f"{job} (job {job_id}) does not run yet: {cause}; it was left to go on trying, see {flink.url}; "
            "Flink's web UI or `flink cancel` ends it"
        )
        raise StackError(message)
    _cancel(flink, job_id)  # it would try again and again, and hold its slots
    message = f"{job} (job {job_id}) did not start and was cancelled: {cause}"
    raise StackError(message)


def _cancel(flink: FlinkRest, job_id: str) -> None:
    with suppress(ServiceUnavailable):
        flink.cancel(job_id)
