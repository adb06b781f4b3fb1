"""What a submission finds of a job's earlier runs in a namespace, and what it goes on with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from console.flink_client import TIMEOUT_S
from console.replaying.note import Phase, Replay
from console.settings import StackSettings
from driftline.errors import InputError, ServiceUnavailable, StackError
from driftline.topics import EVENTS
from jobs.base_settings import JobSettings, ScoreStoreSettings
from jobs.replay_settings import ReplaySettings
from sink_connectors.replay_notes import ReplayNotes
from sink_connectors.score_store import RedisScoreStore

LATEST = "latest"
SUBMITTING_S_MAX = TIMEOUT_S + 30.0  # Flink's client, and what is asked before it runs
_COMPLETE = "_metadata"  # written last
_ID_SHOWN = 6  # characters of a job's id in the name of its savepoints


@dataclass(frozen=True)
class Savepoint:
    """A savepoint or a retained checkpoint; `path` is as `--from-savepoint` takes it."""

    path: str
    job_id: str
    completed_s: float  # since the epoch


def newest_savepoint(home: Path, job_ids: Sequence[str]) -> Savepoint | None:
    """Return the newest complete one of these jobs, below the stack's home; None where there is none."""
    return max(_complete(home / "flink", job_ids), key=lambda found: found.completed_s, default=None)


def _complete(flink: Path, job_ids: Sequence[str]) -> Iterator[Savepoint]:
    for job_id in job_ids:
        folders = [*(flink / "checkpoints" / job_id).glob("chk-*")]
        folders += (flink / "savepoints").glob(f"savepoint-{job_id[:_ID_SHOWN]}-*")
        for folder in folders:
            metadata = folder / _COMPLETE
            if metadata.is_file():
                yield Savepoint(folder.as_uri(), job_id, metadata.stat().st_mtime)


class Past:
    """The earlier runs of a job in a namespace: here of one that keeps nothing outside Flink but what it has sent.

    Args:
        job: its name.
        stack: where the services are.
        settings: of the job that is to run.
    """

    def __init__(self, job: str, stack: StackSettings, settings: JobSettings) -> None:
        self._job = job
        self._stack = stack
        self._namespace = settings.namespace

    def origin(self, asked: str | None, *, from_nothing: bool) -> str:
        """Return the path of what the job goes on from, empty where it begins from nothing.

        Args:
            asked: the path that was asked for, "latest", or None.
            from_nothing: whether it was asked to begin from nothing.

        Raises:
            InputError: there is no latest savepoint, or nobody said that what there is may be replaced.
        """
        if from_nothing:
            return ""
        if asked not in (None, LATEST):
            return asked or ""
        newest = None if self._stack.flink_rest else newest_savepoint(self._stack.home, self._job_ids())
        if asked is None:
            self._require_nothing(newest)
            return ""
        if newest is None:
            message = (
                f"no savepoint or retained checkpoint of namespace {self._namespace} below {self._stack.home}; "
                "give its path"
            )
            raise InputError(message)
        return newest.path

    def take_up(self, origin: str, report: Callable[[str], None]) -> None:
        """Make ready what the job finds outside Flink when it begins at `origin`.

        Raises:
            StackError: what comes next is no longer there.
        """

    def _job_ids(self) -> Sequence[str]:
        from console.local.checkpoints import remembered_jobs  # needs the extra `jobs`

        return remembered_jobs(self._stack, self._job, self._namespace)

    def _require_nothing(self, newest: Savepoint | None) -> None:
        """Raise InputError where beginning from nothing would replace something."""


class PastScores(Past):
    """The earlier runs of a job that keeps scores and progress in a namespace of Redis."""

    def __init__(self, job: str, stack: StackSettings, settings: ScoreStoreSettings, store: RedisScoreStore) -> None:
        super().__init__(job, stack, settings)
        self._settings = settings
        self._store = store

    def take_up(self, origin: str, report: Callable[[str], None]) -> None:
        """See Past. What Redis does not know of an older savepoint, Kafka's client finds in the job itself."""
        self._look_at_replay(origin)
        if not origin:
            self._store.forget_skipped()
            return
        from console.progress import TopicProgress, lost_text  # imports Kafka's client

        skipping = self._settings.deleted_offsets == "skip"
        topic = self._settings.topic(EVENTS)
        there = self._stack.model_copy(update={"events_topic": topic})
        try:
            with closing(TopicProgress(there, self._namespace)) as progress:
                lost = progress.look().lost
                if lost and skipping:
                    progress.skip(lost)
        except ServiceUnavailable as error:  # the cluster may reach a Kafka that this machine does not
            if skipping:
                raise
            report(f"not checked whether the next events are still there: {error}")
            return
        if lost and not skipping:
            message = f"{lost_text(topic, lost)}; --set deleted_offsets=skip goes on without them"
            raise StackError(message)

    def _look_at_replay(self, origin: str) -> None:
        """Forget a replay that is replaced by another job; refuse to go on with one as if it were a live job.

        A replay with an end has read behind it, and left that out: a job from its savepoint would miss it.
        """
        if isinstance(self._settings, ReplaySettings) and self._settings.is_replay:
            return
        with closing(ReplayNotes.connect(self._stack.redis_address, namespace=self._namespace)) as notes:
            replay = Replay.decode(notes.get())
            if replay is None or replay.phase is Phase.LIVE:
                return
            if origin:
                message = (
                    f"namespace {self._namespace} is a replay's, which has an end: a job from its savepoint would miss "
                    f"events; `driftline replay {self._namespace} --resume` goes on with it, and one with "
                    "--then-live goes on as a live job"
                )
                raise InputError(message)
            notes.forget()

    def _job_ids(self) -> Sequence[str]:
        return self._store.recorded().job_ids

    def _require_nothing(self, newest: Savepoint | None) -> None:
        if self._store.holds_anything():
            known = f" (the newest here: {newest.path})" if newest else ""
            message = (
                f"namespace {self._namespace} has scores, which {self._job} would replace by beginning from nothing: "
                f"continue with --from-savepoint PATH{known}, or say --from-nothing"
            )
            raise InputError(message)


@contextmanager
def past_of(job: str, stack: StackSettings, settings: JobSettings) -> Iterator[Past]:
    """Look at a job's past; where it keeps scores, no other submission into the namespace begins meanwhile.

    Raises:
        StackError: another command submits into the namespace.
        ServiceUnavailable: the job keeps scores, and Redis does not answer.
    """
    if not isinstance(settings, ScoreStoreSettings):
        yield Past(job, stack, settings)
        return
    with (
        closing(RedisScoreStore.connect(stack.redis_address, namespace=settings.namespace, retry_s=5.0)) as store,
        store.submitting(SUBMITTING_S_MAX) as alone,
    ):
        if not alone:
            message = (
                f"{job} is being submitted in namespace {settings.namespace} by another command, or that is being "
                "dropped; wait for it"
            )
            raise StackError(message)
        yield PastScores(job, stack, settings, store)
