"""Watching a replay's job until it has read what it is to read."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from threading import Event
from typing import NamedTuple

from console.flink_rest import ENDED, FlinkRest
from console.pace import Pace, has_caught_up
from console.progress import Drained, TopicProgress, lost_text
from console.replaying.note import Phase, Replay
from console.settings import StackSettings
from driftline.errors import InputError, ServiceUnavailable, StackError

_LOOK_S = 0.5
_LOST_S = 3.0  # as long stands still what looks as if it were missing: it may be inside the job
_AWAY_S = 60.0  # as long may Flink, Kafka or Redis be away


class Seen(NamedTuple):
    """A replay as it is now."""

    phase: Phase
    records: int  # that were read
    all_records: int  # that there are to read, as far as is known
    checkpoints: int
    trouble: str = ""


class Watch:
    """Watches the job of a replay in one phase.

    Args:
        stack: where the services are.
        namespace: of the replay.
        replay: as it was asked for.
        job_id: of the job.
        late_s: a replay that goes live has caught up when so many seconds of traffic are left.
    """

    def __init__(self, stack: StackSettings, namespace: str, replay: Replay, job_id: str, late_s: float) -> None:
        self._flink = FlinkRest(stack.flink_address)
        self._stack = stack
        self._namespace = namespace
        self._replay = replay
        self._job_id = job_id
        self._late_s = late_s
        self._added = Pace()
        self._still_since_s = self._heard_s = time.monotonic()
        self._before: object = None
        self._trouble = ""

    def until_done(self, show: Callable[[Seen], object], stop: Event) -> Drained | None:
        """Return what was processed when all of the phase is; None when it is to stop watching.

        Raises:
            StackError: the job failed, or the cluster does not know it any more.
            InputError: records were deleted before they were read.
            ServiceUnavailable: a service is away for too long.
        """
        part = self._replay.lake_alone() if self._replay.phase is Phase.LAKE else self._replay
        with closing(TopicProgress(self._stack, self._namespace, part)) as progress:
            while not stop.is_set():
                try:
                    found = progress.look()
                    checkpoints = self._checkpoints()
                except ServiceUnavailable as error:
                    self._bear(error)
                    stop.wait(_LOOK_S)
                    continue
                self._heard_s = now_s = time.monotonic()
                show(self._seen(found, checkpoints, now_s))
                if self._is_over(found):
                    return found
                self._require_readable(found, now_s)
                stop.wait(_LOOK_S)
        return None

    def _is_over(self, found: Drained) -> bool:
        if found.lost:
            return False
        if self._replay.then_live and self._replay.phase is not Phase.LAKE:
            left = found.published - found.totals.events
            return found.done or has_caught_up(left, self._added.rate_s, self._late_s)
        return found.done

    def _seen(self, found: Drained, checkpoints: int, now_s: float) -> Seen:
        left = found.published - found.totals.events
        self._added.note(now_s, found.records + left)
        everything = found.records + left
        if self._replay.phase is Phase.LAKE and self._replay.lake is not None:  # not every offset is a record there
            everything = max(found.records, self._replay.lake.events)
        return Seen(self._replay.phase, found.records, everything, checkpoints, self._trouble)

    def _checkpoints(self) -> int:
        """Return how many the job has completed. Raises StackError where it has ended, or is not known any more."""
        job = next((one for one in self._flink.jobs() if one.job_id == self._job_id), None)
        if job is None:
            message = (
                f"the cluster does not know job {self._job_id} any more; `driftline replay {self._namespace} --resume` "
                "submits it again from its newest checkpoint"
            )
            raise StackError(message)
        failure = self._flink.failure(self._job_id) if job.state != "RUNNING" else ""
        if job.state in ENDED:
            message = (
                f"the job of the replay ({self._job_id}) has ended: {failure or job.state}; `driftline replay "
                f"{self._namespace} --resume` submits it again from its newest checkpoint"
            )
            raise StackError(message)
        self._trouble = failure
        return int(self._flink.get(f"/jobs/{self._job_id}/checkpoints")["counts"]["completed"])

    def _require_readable(self, found: Drained, now_s: float) -> None:
        """Raise InputError where records are gone that the job has not read, once it stands still."""
        if (found.lost, found.totals) != self._before:
            self._still_since_s, self._before = now_s, (found.lost, found.totals)
        elif found.lost and now_s > self._still_since_s + _LOST_S:
            self._flink.cancel(self._job_id)  # it would fail again and again, and hold its slots
            message = (
                f"{lost_text(self._replay.topic, found.lost)}; the job was cancelled, and `driftline replay "
                f"{self._namespace} --resume --set deleted_offsets=skip` goes on without them"
            )
            raise InputError(message)

    def _bear(self, error: ServiceUnavailable) -> None:
        self._trouble = str(error)
        if time.monotonic() > self._heard_s + _AWAY_S:
            message = f"{error}; the replay may go on: `driftline replay {self._namespace} --resume` watches it again"
            raise ServiceUnavailable(message) from None
