"""What is known of the namespaces in Redis and of the jobs that write them, and what may be done to one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace

from console.flink_rest import ENDED, FlinkRest, Job
from console.replaying.note import Replay, describe
from console.settings import StackSettings
from driftline.errors import InputError, ServiceUnavailable
from driftline.units import wall_clock_ms
from jobs.register import JOBS
from sink_connectors.namespaces import RedisNamespaces, Survey
from sink_connectors.replay_notes import ReplayNotes
from sink_connectors.score_store import Progress, Recorded, RedisScoreStore
from sink_connectors.score_value import decode_value, job_key, offsets_key, progress_key

Report = Callable[[str], object]

_RETRY_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Namespace:
    """A row of `driftline namespaces`. None stands for what is not known, or was not asked for."""

    name: str
    live: bool = False
    previous: bool = False  # `driftline promote --rollback` makes it the live one
    dropping: bool  # a drop began, and did not end
    users: int | None  # tombstones included
    estimated_bytes: int | None  # from a sample
    job: str  # its name, empty where Flink does not know it any more
    job_id: str  # of the newest that has claimed the namespace, empty where none has
    running: bool | None
    generation: int  # 0: not known
    totals: Progress
    newest_write_seen_ms: int | None  # in the sample: the last write was then, or later
    replay: str = ""  # that fills or has filled it, in words


def list_namespaces(redis_url: str, jobs: Sequence[Job] | None, *, count: bool, report: Report) -> list[Namespace]:
    """Look at every namespace, by name.

    Args:
        redis_url: with the password.
        jobs: of the cluster; None where it does not answer.
        count: whether to count users and to estimate bytes, for which Redis sends the name of every key.
        report: told what is being done.

    Raises:
        ServiceUnavailable: Redis cannot be used.
        SettingError: it is a Cluster.
    """
    with closing(RedisNamespaces.connect(redis_url)) as there:
        survey = there.survey(count=count, seen=lambda seen, size: report(f"{seen:,} of {size:,} keys looked at"))
        live, before = there.live(), there.previous()
        found = []
        for name in survey.names:
            report(f"looking at {name}")
            with closing(RedisScoreStore.connect(redis_url, namespace=name, retry_s=_RETRY_S)) as store:
                one = _look_at(name, there, store, survey, jobs)
            found.append(replace(one, live=name == live, previous=name == before != live))
    return found


def _look_at(
    name: str, there: RedisNamespaces, store: RedisScoreStore, survey: Survey, jobs: Sequence[Job] | None
) -> Namespace:
    recorded = store.recorded()
    writer = None if jobs is None else _writer(jobs, name, recorded)
    return Namespace(
        name=name,
        dropping=there.is_dropping(name),
        users=None if survey.users is None else survey.users.get(name, 0),
        estimated_bytes=_estimate(there, survey, name),
        job=writer.name.partition(" ")[0] if writer else "",
        job_id=writer.job_id if writer else next(iter(recorded.job_ids), ""),
        running=None if jobs is None else bool(writers(jobs, name)),
        generation=recorded.generation,
        totals=Progress.total(store.read_progress().values()),
        newest_write_seen_ms=_newest_write_ms(there.values(survey.sampled.get(name, ()))),
        replay=describe(replay) if (replay := Replay.decode(there.replay_note(name))) else "",
    )


def jobs_of(flink: FlinkRest) -> list[Job] | None:
    """The jobs that the cluster remembers; None where it does not answer."""
    try:
        return flink.jobs()
    except ServiceUnavailable:
        return None


def writers(jobs: Sequence[Job], namespace: str) -> list[Job]:
    """Those that write scores into the namespace, or will once they have restarted."""
    names = {f"{spec.name} {namespace}" for spec in JOBS.values() if spec.keeps_scores}
    return [job for job in jobs if job.state not in ENDED and job.name in names]


def running_replays(stack: StackSettings) -> dict[str, Replay]:
    """Return the replays that run now, by namespace; without those of which Flink or Redis does not tell."""
    jobs = jobs_of(FlinkRest(stack.flink_address)) or []
    names = {job.name.partition(" ")[2] for job in jobs if job.state not in ENDED}
    found = {}
    for name in sorted(name for name in names if writers(jobs, name)):
        with suppress(ServiceUnavailable), closing(_notes(stack.redis_address, name)) as notes:
            replay = Replay.decode(notes.get())
            if replay is not None and not replay.is_over:
                found[name] = replay
    return found


def _notes(redis_url: str, namespace: str) -> ReplayNotes:
    return ReplayNotes.connect(redis_url, namespace=namespace, retry_s=0)


def require_droppable(there: RedisNamespaces, flink: FlinkRest, namespace: str, *, force: bool) -> None:
    """Raise InputError where somebody reads or writes the namespace; with `force` neither is asked.

    Raises:
        ServiceUnavailable: Redis or Flink does not answer.
    """
    if force:
        return
    if there.live() == namespace:
        message = (
            f"namespace {namespace} is the live one: promote another first; "
            "--force drops it nevertheless, and servers then find no scores"
        )
        raise InputError(message)
    if running := writers(flink.jobs(), namespace):
        message = (
            f"job {running[0].job_id} writes namespace {namespace}: `driftline stop {running[0].job_id}` first; "
            "--force drops it nevertheless, and users come back with their next events, without the totals of before"
        )
        raise InputError(message)


def describe_drop(there: RedisNamespaces, namespace: str, report: Report) -> str:
    """What dropping a namespace would delete. Raises InputError where there is nothing."""
    users = there.count(namespace, lambda seen, size: report(f"{seen:,} of {size:,} keys looked at"))
    if not users and not there.is_recorded(namespace):
        raise _nothing(namespace)
    hashes = ", ".join(key(namespace) for key in (job_key, progress_key, offsets_key))
    return f"the values of {users:,} users in namespace {namespace}, and {hashes}"


def drop(there: RedisNamespaces, namespace: str, *, force: bool, report: Report) -> int:
    """Drop a namespace, and return how many users had a value in it.

    Raises:
        InputError: it holds nothing, has become the live one, or a job is being submitted into it.
        ServiceUnavailable: Redis cannot be used any more; the rest is dropped by another call.
    """
    recorded, users = there.is_recorded(namespace), 0
    for page in there.drop(namespace, force=force, now_ms=wall_clock_ms()):
        users += page
        report(f"{users:,} users dropped")
    if not users and not recorded:
        raise _nothing(namespace)
    return users


def _nothing(namespace: str) -> InputError:
    return InputError(f"there is no namespace {namespace}; `driftline namespaces` lists those that there are")


def roll_back(redis_url: str, *, force: bool) -> tuple[str, str]:
    """Make the namespace live that was so before the last promotion; return it, and the one that it replaces.

    Raises:
        InputError: there is none, it has been dropped, or, without `force`, has no scores any more.
        ServiceUnavailable: Redis cannot be used.
    """
    with closing(RedisNamespaces.connect(redis_url)) as there:
        live, before = there.live(), there.previous()
        if before in {"", live}:  # the second where somebody has set the key by hand
            message = "there is nothing to go back to: Redis remembers no other namespace that was live"
            raise InputError(message)
        if not there.is_recorded(before):
            message = f"namespace {before}, which was live before {live}, has been dropped, or was never written"
            raise InputError(message)
        if not force:
            with closing(RedisScoreStore.connect(redis_url, namespace=before, retry_s=_RETRY_S)) as store:
                require_scores(store, before)
        there.roll_back(before, instead_of=live)
    return before, live


def require_scores(store: RedisScoreStore, namespace: str) -> None:
    """Raise InputError where no user has a value."""
    if next(store.user_ids(), None) is None:
        message = f"namespace {namespace} has no scores; --force promotes it nevertheless"
        raise InputError(message)


def _writer(jobs: Sequence[Job], namespace: str, recorded: Recorded) -> Job | None:
    """The job that writes the namespace, else the one that did last, where Flink still knows it."""
    by_id = {job.job_id: job for job in jobs}
    known: Iterator[Job] = (by_id[job_id] for job_id in recorded.job_ids if job_id in by_id)
    return next(iter(writers(jobs, namespace)), None) or next(known, None)


def _estimate(there: RedisNamespaces, survey: Survey, name: str) -> int | None:
    if survey.users is None:
        return None
    sample, users = there.memory_bytes(survey.sampled.get(name, ())), survey.users.get(name, 0)
    if users and not sample:  # Redis does not say
        return None
    hashes = there.memory_bytes([key(name) for key in (job_key, progress_key, offsets_key)])
    return sum(hashes) + (round(users * sum(sample) / len(sample)) if sample else 0)


def _newest_write_ms(values: Sequence[bytes]) -> int | None:
    """The newest time of writing among stored values; tombstones do not tell theirs."""
    from driftline.score_message import split_features  # protobuf
    from driftline.serving.v1.scores_pb2 import UserScores

    found = (UserScores.FromString(split_features(decode_value(value).scores)[1]).written_at_ms for value in values)
    return max(found, default=0) or None
