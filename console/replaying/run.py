"""Runs a replay: submits its job, phase by phase, and ends it or lets it go on as the live job.

What a replay was asked for, and where it is, stands in Redis before each step. So a command that is cut short leaves a
job that runs, and another command goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event
from typing import cast

from console.flink_rest import FlinkRest
from console.progress import Drained
from console.replaying.assignments import JOB, of_phase
from console.replaying.looking import Plan
from console.replaying.note import Phase, Replay
from console.replaying.topics import delete_chunks, make_outputs, publish_turns
from console.replaying.watching import Seen, Watch
from console.savepoints import LATEST
from console.settings import StackSettings
from console.submission import job_settings, require_room, submit
from driftline.errors import InputError
from jobs.register import spec_of
from jobs.settings import ScoreEventsSettings
from sink_connectors.replay_notes import ReplayNotes
from sink_connectors.score_store import RedisScoreStore

_SAVEPOINT_S = 300.0
_LATE_S = 1.0  # as much traffic may be left when a replay goes live, beside two blocks


class ReplayRun:
    """A replay into a namespace.

    Args:
        stack: where the services are, with the topic of the replay.
        namespace: to write.
        replay: what was asked for, and its phase.
        notes: where that is kept.
        secrets: settings of the job that are not kept.
        say: told what a user should read afterwards.
    """

    def __init__(
        self,
        stack: StackSettings,
        namespace: str,
        replay: Replay,
        notes: ReplayNotes,
        *,
        secrets: Mapping[str, str],
        say: Callable[[str], object],
    ) -> None:
        self.replay = replay
        self.savepoint = ""  # that it ended with, or went live from
        self._stack = stack
        self._namespace = namespace
        self._notes = notes
        self._secrets = secrets
        self.report: Callable[[str], None] = _nothing  # told what is being done; whoever shows it sets it
        self._say = say
        self._flink = FlinkRest(stack.flink_address)
        self._job_id = ""

    def begin(self, planned: Plan, store: RedisScoreStore) -> None:
        """Make the topics, and submit the job.

        Raises:
            StackError: there is no room, or the job does not start.
            ServiceUnavailable: a service does not answer.
        """
        settings = self._settings()
        require_room(self._flink, JOB, settings)
        self.report("making the topics")
        make_outputs(self._stack, spec_of(JOB), settings)
        if self.replay.lake is not None:
            publish_turns(self._stack, self.replay.lake.chunks_topic, planned.turns)
        self._notes.put(self.replay.encode())
        try:
            self._submit(None)
        except BaseException:
            if not self._runs():
                self._withdraw()
            raise
        store.note_skipped(planned.gaps)

    def take_up(self, store: RedisScoreStore) -> None:
        """Find the job, or submit it again from the newest checkpoint of the namespace.

        Raises:
            InputError: there is no checkpoint, but there is progress, which would be repeated.
        """
        job = self._flink.running(f"{JOB} {self._namespace}")
        if job is not None:
            self._job_id = job.job_id
            return
        make_outputs(self._stack, spec_of(JOB), self._settings())
        try:
            self._submit(LATEST)
        except InputError:
            if store.holds_anything():
                raise
            self._submit(None)  # it was cut short before its first checkpoint
        self._say(f"submitted again as job {self._job_id}")

    def go_on(self, show: Callable[[Seen], object], stop: Event) -> Drained | None:
        """Watch, and take each next step, until the replay has ended or is live.

        Returns:
            What was processed; None where `stop` was set. The job goes on then.
        """
        found: Drained | None = None
        while not self.replay.is_over:
            if (found := self._watch(show, stop)) is None:
                return None
            self._next()
        return found

    def catch_up(self, show: Callable[[Seen], object], stop: Event) -> bool:
        """Wait until the live job has caught up with what came in while it was submitted; not where `stop` was set."""
        return self._watch(show, stop) is not None

    def _watch(self, show: Callable[[Seen], object], stop: Event) -> Drained | None:
        late_s = _LATE_S + 2 * self._settings().block_ms / 1_000
        return Watch(self._stack, self._namespace, self.replay, self._job_id, late_s).until_done(show, stop)

    def later(self) -> str:
        """Return the command that submits the job again once it is live; without settings that are secret."""
        given = of_phase(spec_of(JOB), self._namespace, self.replay)
        settings = " ".join(f"--set {name}={value}" for name, value in sorted(given.items()))
        return f"driftline submit {JOB} --from-savepoint {LATEST} {settings}"

    def _next(self) -> None:
        """Stop the job with a savepoint, and submit it for the next phase, if there is one."""
        self.report("taking a savepoint")
        self.savepoint = self._flink.stop_with_savepoint(self._job_id, _SAVEPOINT_S)
        before = self.replay
        if before.phase is Phase.LAKE and before.needs_topic:
            self._enter(Phase.TOPIC)
            self._submit(self.savepoint)
        elif before.then_live:
            self._enter(Phase.LIVE)
            self._submit(self.savepoint)
        else:
            self._enter(Phase.DONE)
        if before.phase is Phase.LAKE:
            self._delete_chunks()

    def _enter(self, phase: Phase) -> None:
        self.replay = self.replay.in_phase(phase)
        self._notes.put(self.replay.encode())

    def _submit(self, savepoint: str | None) -> None:
        self._job_id, origin = submit(
            JOB,
            self._stack,
            self._settings(),
            savepoint,
            self.report,
            # That the namespace is empty was seen before; a replay that reads the lake has a source of its own there.
            from_nothing=savepoint is None,
            drops_state=self.replay.lake is not None,
        )
        self.savepoint = origin

    def _settings(self) -> ScoreEventsSettings:
        given = of_phase(spec_of(JOB), self._namespace, self.replay) | dict(self._secrets)
        return cast("ScoreEventsSettings", job_settings(JOB, self._stack, given))

    def _runs(self) -> bool:
        return self._flink.running(f"{JOB} {self._namespace}") is not None

    def _withdraw(self) -> None:
        """Leave nothing of a replay that did not begin."""
        self._notes.forget()
        self._delete_chunks()

    def _delete_chunks(self) -> None:
        if self.replay.lake is not None and (problem := delete_chunks(self._stack, self.replay.lake.chunks_topic)):
            self._say(problem)


def _nothing(_: str) -> None:
    """Show nothing."""
