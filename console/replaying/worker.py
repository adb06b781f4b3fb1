"""One process of a local replay: reads the lake, folds the records of its shards, and writes its users' scores."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa

from console.replaying.folding import Folding
from console.replaying.outputs import CHANNELS, OutputFiles
from driftline.catalogue import FeatureSet
from driftline.metrics import JobMetric
from driftline.model_scores import model_scores_of
from driftline.units import wall_clock_ms
from history.lake.location import locate
from history.lake.reading import Lake
from history.lake.sequence import Turn
from history.lake.shards import COLUMNS, blocks_of
from jobs import lineage
from jobs.bundle import Bound, Bundle, bind
from jobs.lineage import Submission
from jobs.model_watch import ModelFollower, followers_of
from jobs.pipeline import Models
from jobs.segment_writes import segment_write
from jobs.settings import ScoreEventsSettings
from sink_connectors.score_store import RedisScoreStore, ScoreStore, ShardReport
from sink_connectors.score_value import encode_values
from udfs.results import BlockResult

_GC_THRESHOLD: Final = (500_000, 20, 50)  # as in the job's operator: a block makes no cycles


class LakePart(NamedTuple):
    """What is read of a lake.

    Attributes:
        url, s3_endpoint: where the lake is.
        topic: whose records.
        since, until: the first and the last event date; empty: all.
    """

    url: str
    s3_endpoint: str
    topic: str
    since: str = ""
    until: str = ""

    def open(self) -> Lake:
        """Open it. Raises InputError where there is none, SettingError where it can be nowhere."""
        return Lake(locate(self.url, self.s3_endpoint).below(self.topic), self.since, self.until)


class Task(NamedTuple):
    """What a process does; it is pickled.

    Attributes:
        number: of the process.
        settings, bundle, submission: of the replay, as of a job.
        shards: the keys of its shards.
        lake: where the records are.
        turns: all stretches, in their order.
        segments_epoch: what declaring the segments has returned.
        out: a folder for what is not scores; None: it is only counted.
    """

    number: int
    settings: ScoreEventsSettings
    bundle: Bundle
    submission: Submission
    shards: Sequence[int]
    lake: LakePart
    turns: Sequence[Turn]
    segments_epoch: int
    out: Path | None


class Done(NamedTuple):
    """How far a process is: records of its shards that are folded, and users who are scored and written."""

    records: int = 0
    users: int = 0


class Ended(NamedTuple):
    """What a process has counted.

    Attributes:
        reports: what each of its shards has processed; to be written when all processes have ended.
        counts: of the job's metrics.
        users: who have a value, tombstones included.
        outranked: values that Redis has refused, because a later generation wrote the stored one.
    """

    reports: Mapping[int, ShardReport]
    counts: Mapping[str, int]
    users: int
    outranked: int


def work(task: Task, store: ScoreStore, tell: Callable[[Done], object]) -> Ended:
    """Do a task.

    Args:
        task: what to do.
        store: the scores of the namespace.
        tell: told what has been done since it was last told.

    Raises:
        DriftlineError: the lake, a model or Redis cannot be used.
    """
    worker = _Worker(task, store, tell)
    try:
        worker.fold()
        return worker.write()
    finally:
        worker.close()


def work_with_redis(task: Task, tell: Callable[[Done], object]) -> Ended:
    """Do a task in a process of its own. Raises as `work`."""
    gc.set_threshold(*_GC_THRESHOLD)
    gc.freeze()
    settings = task.settings
    store = RedisScoreStore.connect(
        settings.redis_address,
        namespace=settings.namespace,
        ttl_s=settings.user_ttl_ms / 1000,
        retry_s=settings.redis_retry_s,
    )
    with closing(store):
        return work(task, store, tell)


class _Worker:
    def __init__(self, task: Task, store: ScoreStore, tell: Callable[[Done], object]) -> None:
        self._task = task
        self._store = store
        self._tell = tell
        self._bound = bind(task.bundle, task.settings)
        states = lineage.resume({}, task.shards, task.settings, task.submission, self._bound)
        kept = CHANNELS if task.out is not None else ()
        self._folding = Folding(task.settings, self._bound, models_of(task.settings, self._bound), states, list(kept))
        self._segments = [segment.name for segment in self._bound.plan.segments]
        self._files = None if task.out is None else OutputFiles(task.out, task.number)
        self._counts: dict[str, int] = {}

    def fold(self) -> None:
        """Fold the records of the task's shards."""
        task, settings = self._task, self._task.settings
        for turn, table in tables_ahead(task.lake.open(), task.turns):
            blocks = blocks_of(
                table,
                turn.stretch.partition,
                shards=settings.shards,
                event_bytes_max=settings.event_bytes_max,
                wanted=task.shards,
            )
            for key, block in blocks.items():
                for result in self._folding.take(key, block, turn.watermark_ms, wall_clock_ms()):
                    self._note(result)
                self._tell(Done(records=len(block)))

    def write(self) -> Ended:
        """Score and write the users of each shard."""
        users = outranked = 0
        for key, shard in self._folding.shards.items():
            for result in self._folding.ended(key, wall_clock_ms()):
                self._note(result)
                values = encode_values(shard.generation, result.scored)
                members = segment_write(key, shard.generation, self._segments, self._task.segments_epoch, result)
                outranked += self._store.write(values, None, members=members).outranked
                users += len(values)
                self._tell(Done(users=len(values)))
        reports = {key: lineage.report(shard, with_types=True) for key, shard in self._folding.shards.items()}
        return Ended(reports, self._counts, users, outranked)

    def close(self) -> None:
        """Close the files."""
        if self._files is not None:
            self._files.close()

    def _note(self, result: BlockResult) -> None:
        for metric, number in result.counts.items():
            self._counts[metric.value] = self._counts.get(metric.value, 0) + number
        if self._files is not None:
            self._files.take(result)


def tables_ahead(lake: Lake, turns: Sequence[Turn]) -> Iterator[tuple[Turn, pa.Table]]:
    """Yield each stretch with its records; the next one is read meanwhile."""
    with ThreadPoolExecutor(1, "lake") as reader:

        def read(turn: Turn) -> pa.Table:
            return lake.read(turn.stretch.partition, turn.stretch.begin, turn.stretch.end, COLUMNS)

        if not turns:
            return
        coming = reader.submit(read, turns[0])
        for turn, next_turn in zip(turns, chain(turns[1:], [None]), strict=True):
            table = coming.result()
            if next_turn is not None:
                coming = reader.submit(read, next_turn)
            yield turn, table


def models_of(settings: ScoreEventsSettings, bound: Bound) -> Models:
    """Return the models in use, by score, as the job's operator has them. Raises ModelError where one is required."""

    def count(_: JobMetric) -> None:
        pass

    data = bound.plan.data
    followers: dict[str, ModelFollower] = followers_of(
        settings.models_dir,
        settings.model_poll_s,
        FeatureSet.of_plan(data),
        model_scores_of(data),
        required=bool(settings.require_model),
        count=count,
        s3_endpoint=settings.s3_endpoint,
    )
    for follower in followers.values():
        follower.open()
    return followers
