"""`driftline replay NAMESPACE --local`: the pure core over the lake, on this machine, without Flink and Kafka.

What it computes is what the job would have: the same records in an order that has the same events late, the same core,
the same models, the same values in Redis. It can not go on as a live job: its states end with it.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from console.accounting import Part
from console.flink_rest import FlinkRest
from console.namespaces import drop, jobs_of, writers
from console.replaying import outputs
from console.replaying.note import LakePart as NotedLake
from console.replaying.note import Phase, Replay
from console.replaying.processes import Stopped, run_all
from console.replaying.worker import Done, Ended, LakePart, Task
from console.savepoints import SUBMITTING_S_MAX
from console.settings import StackSettings
from driftline.catalogue_message import catalogue_of
from driftline.errors import InputError, StackError
from driftline.units import wall_clock_ms
from history.lake.sequence import Turn, in_sequence
from jobs import lineage
from jobs.bundle import Bundle, bind, bundle_of
from jobs.lineage import Submission
from jobs.settings import ScoreEventsSettings
from sink_connectors.catalogue_store import CatalogueStore
from sink_connectors.namespaces import RedisNamespaces
from sink_connectors.replay_notes import ReplayNotes
from sink_connectors.score_store import Progress, RedisScoreStore
from udfs.shards import shard_keys

LOCAL_ID: Final = "local-"  # what the id of such a job begins with, in the namespace's hash
_ID_CHARS: Final = 32  # as Flink's


class Look(NamedTuple):
    """How far a replay is.

    Attributes:
        records, total: folded, and to be folded.
        users: scored and written, which comes last.
    """

    records: int
    total: int
    users: int


class Replayed(NamedTuple):
    """What a replay has made.

    Attributes:
        totals: the four counters.
        users: who have a value, tombstones included.
        counts: of the job's metrics, by name.
        records: read.
        seconds: that it took.
        files: what was asked for besides scores, by name.
    """

    totals: Progress
    users: int
    counts: Mapping[str, int]
    records: int
    seconds: float
    files: Mapping[str, Path]


def replay_locally(
    settings: ScoreEventsSettings,
    *,
    processes: int = 0,
    since: str = "",
    until: str = "",
    users: Collection[str] = (),
    out: Path | None = None,
    report: Callable[[Look], object] = lambda _: None,
    stop: threading.Event | None = None,
) -> Replayed:
    """Fill the namespace of the settings from the lake that they name.

    The namespace should hold nothing (`make_room`).

    Args:
        settings: as of a job: its namespace, declarations, `lake_url`, `only_users` and the rest.
        processes: how many work side by side, each on a part of the shards; 0: one a core.
        since: the first event date, like 2026-01-05; empty: all.
        until: the last one, likewise.
        users: whose records count; empty: those that `only_users` names, or everybody's.
        out: a folder for sessions, changes of segments, late events and dead letters, as JSON lines; None: none.
        report: told now and then how far it is.
        stop: set to cut it short.

    Raises:
        Stopped: it was cut short; what the namespace holds then is of no use.
        InputError: there is no lake, or nothing in it.
        DriftlineError: the lake, a model, the declarations or Redis cannot be used.
    """
    began_s = time.monotonic()
    part = LakePart(settings.lake_url, settings.s3_endpoint, settings.events_topic, since, until)
    turns = list(in_sequence(part.open().stretches()))
    if not turns:
        message = f"the lake has no records of topic {settings.events_topic} with event dates in {since}..{until}"
        raise InputError(message)
    bundle = bundle_of(settings)
    if users:
        bundle = bundle._replace(only_users=tuple(sorted(set(users))))
    submission = Submission(wall_clock_ms(), restored=False)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        outputs.remove_parts(out)
    with closing(_store(settings)) as store:
        epoch = _begin(store, settings, bundle, submission)
        tasks = tasks_of(settings, bundle, submission, part, turns, epoch, out, processes or os.cpu_count() or 1)
        seen = _Seen(sum(turn.stretch.rows for turn in turns), report)
        ended = run_all(tasks, seen.take, stop or threading.Event())
        _end(store, settings, ended)
        _note(settings, part, turns, submission)
    return Replayed(
        totals=Progress.total(one.totals for each in ended for one in each.reports.values()),
        users=sum(each.users for each in ended),
        counts=_added(ended),
        records=seen.records,
        seconds=time.monotonic() - began_s,
        files={} if out is None else outputs.join(out, range(len(tasks))),
    )


def make_room(
    stack: StackSettings, settings: ScoreEventsSettings, *, replace: bool, report: Callable[[str], object]
) -> bool:
    """Have the namespace hold nothing; returns whether it held a replay that was cut short, which is begun again.

    Args:
        stack: where Flink is, which need not run.
        settings: of the replay.
        replace: whether other scores in it may be dropped.
        report: told what is being done.

    Raises:
        InputError: it is the live one, a job writes it, or it has scores that nobody said may go.
    """
    namespace = settings.namespace
    with closing(RedisNamespaces.connect(settings.redis_address)) as there, closing(_store(settings)) as store:
        if there.live() == namespace:
            message = f"namespace {namespace} is the live one, which a replay would overwrite: choose another name"
            raise InputError(message)
        if running := writers(jobs_of(FlinkRest(stack.flink_address)) or [], namespace):
            message = f"job {running[0].job_id} writes namespace {namespace}: choose another name, or stop it first"
            raise InputError(message)
        job_ids = store.recorded().job_ids
        totals = Progress.total(store.read_progress().values())
        unfinished = bool(job_ids) and job_ids[0].startswith(LOCAL_ID) and not totals.events
        if not job_ids and not store.holds_anything():
            return False
        if not (unfinished or replace):
            message = f"namespace {namespace} has scores: --replace drops them first; or choose another name"
            raise InputError(message)
        drop(there, namespace, force=False, report=report)
        return unfinished


def _store(settings: ScoreEventsSettings) -> RedisScoreStore:
    return RedisScoreStore.connect(settings.redis_address, namespace=settings.namespace, retry_s=settings.redis_retry_s)


def _begin(store: RedisScoreStore, settings: ScoreEventsSettings, bundle: Bundle, submission: Submission) -> int:
    """Claim the namespace as a job does, and say what is served; returns what declaring the segments has returned."""
    bound = bind(bundle, settings)
    states = lineage.resume({}, shard_keys(settings.shards), settings, submission, bound)
    job_id = (LOCAL_ID + uuid.uuid4().hex)[:_ID_CHARS]
    with store.submitting(SUBMITTING_S_MAX) as alone:
        if not alone:
            message = f"a job is being submitted into namespace {settings.namespace}, or it is being dropped"
            raise StackError(message)
        claim = lineage.claim(states, job_id, settings, unproven=False)
        lineage.require_claimed(store.claim(claim), settings, submission)
        store.forget_skipped()
    epoch = store.declare_segments({segment.name: segment.definition for segment in bound.plan.segments})
    url, namespace, retry_s = settings.redis_address, settings.namespace, settings.redis_retry_s
    with closing(CatalogueStore.connect(url, namespace=namespace, retry_s=retry_s)) as catalogue:
        catalogue.put(catalogue_of(bound.plan.data, {}))
    return epoch


def tasks_of(  # noqa: PLR0917  (what tasks are made of)
    settings: ScoreEventsSettings,
    bundle: Bundle,
    submission: Submission,
    lake: LakePart,
    turns: list[Turn],
    epoch: int,
    out: Path | None,
    processes: int,
) -> list[Task]:
    """Return a task for each process, with its part of the shards."""
    keys = shard_keys(settings.shards)
    number = min(processes, len(keys))
    return [Task(at, settings, bundle, submission, keys[at::number], lake, turns, epoch, out) for at in range(number)]


def _end(store: RedisScoreStore, settings: ScoreEventsSettings, ended: list[Ended]) -> None:
    """Write what the shards have processed: from now on the replay counts as finished."""
    if any(part.outranked for part in ended):
        message = f"a job of a later generation has begun to write namespace {settings.namespace} meanwhile"
        raise StackError(message)
    for part in ended:
        for key, shard_report in part.reports.items():
            store.write([], (key, shard_report))


def _note(settings: ScoreEventsSettings, lake: LakePart, turns: Sequence[Turn], submission: Submission) -> None:
    """Keep what was replayed, as of a replay by a job: so `drain`, `status` and `namespaces` know where it ends."""
    parts: dict[int, Part] = {}
    for stretch in (turn.stretch for turn in turns):
        known = parts.get(stretch.partition, Part(stretch.begin, stretch.end))
        end = max(known.until or 0, stretch.end)
        parts[stretch.partition] = Part(min(known.start, stretch.begin), end, lake_until=end)
    noted = NotedLake(
        url=lake.url,
        s3_endpoint=lake.s3_endpoint,
        since=lake.since,
        until=lake.until,
        events=sum(turn.stretch.rows for turn in turns),
    )
    replay = Replay(topic=lake.topic, parts=parts, phase=Phase.DONE, lake=noted, began_ms=submission.generation)
    url, namespace, retry_s = settings.redis_address, settings.namespace, settings.redis_retry_s
    with closing(ReplayNotes.connect(url, namespace=namespace, retry_s=retry_s)) as notes:
        notes.put(replay.encode())


def _added(ended: list[Ended]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for part in ended:
        counts.update(part.counts)
    return dict(sorted(counts.items()))


class _Seen:
    """Adds up what the processes tell."""

    def __init__(self, total: int, report: Callable[[Look], object]) -> None:
        self.records = self._users = 0
        self._total = total
        self._report = report

    def take(self, done: Done) -> None:
        self.records += done.records
        self._users += done.users
        self._report(Look(self.records, max(self._total, self.records), self._users))


__all__ = ["Look", "Replayed", "Stopped", "make_room", "replay_locally"]
