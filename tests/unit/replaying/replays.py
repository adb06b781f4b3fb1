"""Replays of one history: record by record as the job does it, and from a lake in the processes of one process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from console.cli.scores import export_lines
from console.replaying.local import tasks_of
from console.replaying.worker import LakePart, work
from driftline.event.v1.session_pb2 import ClosedSession
from driftline.topics import SESSIONS
from history.lake.sequence import in_sequence
from jobs import lineage
from jobs.bundle import Bound, bind, bundle_of
from jobs.lineage import Submission
from jobs.pipeline import Models, processor_of
from jobs.segment_writes import segment_write
from jobs.settings import ScoreEventsSettings
from sink_connectors.in_memory_store import InMemoryScoreStore
from sink_connectors.score_store import Progress, ShardReport
from sink_connectors.score_value import encode_values
from state_schemas.layouts import StoredLayouts
from state_schemas.user_state import decode_user
from state_schemas.users import Timelines
from tests.builders import States
from tests.lakes import TOPIC, TopicRecord
from tests.unit.udfs.test_one_answer import take
from udfs.block import Block
from udfs.published import session_message
from udfs.results import BlockResult
from udfs.shards import shard_keys, shard_of

SUBMISSION = Submission(7, restored=False)


class Made(NamedTuple):
    """What a replay has left."""

    exported: str
    members: dict[str, dict[str, int]]
    reports: dict[int, ShardReport]
    sessions: dict[str, bytes]

    @property
    def totals(self) -> Progress:
        return Progress.total(report.totals for report in self.reports.values())


def of_store(store: InMemoryScoreStore, sessions: dict[str, bytes]) -> Made:
    members = {name: dict(store.segment_members(name)) for name in store.segments()}
    return Made("".join(export_lines(store)), members, store.read_reports(), sessions)


def record_by_record(
    settings: ScoreEventsSettings, records: Sequence[TopicRecord], models: Models, now_ms: int, block_events: int = 1
) -> Made:
    """What a live job leaves of the records."""
    return of_store(*live_job(settings, records, models, now_ms, block_events))


def live_job(
    settings: ScoreEventsSettings, records: Sequence[TopicRecord], models: Models, now_ms: int, block_events: int = 1
) -> tuple[InMemoryScoreStore, dict[str, bytes]]:
    """Fold records in small blocks, as a live job would, and write each block's scores; returns the sessions, too."""
    bound = bind(bundle_of(settings), settings)
    processor = processor_of(settings, models, bound)
    shards = lineage.resume({}, shard_keys(settings.shards), settings, SUBMISSION, bound)
    states = States()
    users = Timelines(states, processor.bounds, 100, 2**26, StoredLayouts(bound.plan.layout))
    store = _declared(bound)
    sessions: dict[str, bytes] = {}
    for key, block, watermark_ms in _live_blocks(records, settings.shards, block_events):
        while len(block):
            result = processor.process(block, shards[key], users, now_ms, watermark_ms)
            users.put_all(result.timelines)
            _write(store, key, shards[key].generation, bound, result)
            store.write([], (key, lineage.report(shards[key], with_types=True)))
            take(sessions, _sessions(result))
            block = block.part(result.taken)  # noqa: PLW2901
    for key, shard in shards.items():
        store.write([], (key, lineage.report(shard, with_types=True)))
    for user_id, state in states.items():
        timeline = decode_user(state, processor.bounds, StoredLayouts(bound.plan.layout))
        timeline.close_quiet()
        take(sessions, [session_message(user_id, closed) for closed in timeline.closed])
    return store, sessions


def _live_blocks(records: Sequence[TopicRecord], shards: int, events: int) -> Iterator[tuple[int, Block, int]]:
    """Blocks of each shard in the order of arrival, with the watermark as of the shard's block before."""
    newest_ms: dict[int, int] = dict.fromkeys({record.partition for record in records}, 0)
    before_ms: dict[int, int] = defaultdict(int)
    waiting: dict[int, list[TopicRecord]] = defaultdict(list)
    for record in records:
        key = shard_of(None if len(record.key or b"") > 4_096 else record.key, shards)
        waiting[key].append(record)
        newest_ms[record.partition] = max(newest_ms[record.partition], record.record_time_ms)
        if len(waiting[key]) == events:
            yield key, _block(waiting.pop(key)), before_ms[key]
            before_ms[key] = min(newest_ms.values())
    for key, left in waiting.items():
        yield key, _block(left), before_ms[key]


def _block(records: Sequence[TopicRecord]) -> Block:
    bounded = [
        record
        if len(record.key or b"") <= 4_096
        else record._replace(key=None, payload=b"\x00%d %d" % (len(record.payload or b""), len(record.key or b"")))
        for record in records
    ]
    return Block(
        [record.key for record in bounded],
        [record.payload for record in bounded],
        [record.partition for record in bounded],
        [record.offset for record in bounded],
        [record.record_time_ms for record in bounded],
    )


def _declared(bound: Bound) -> InMemoryScoreStore:
    store = InMemoryScoreStore()
    store.declare_segments({segment.name: segment.definition for segment in bound.plan.segments})
    return store


def _write(store: InMemoryScoreStore, key: int, generation: int, bound: Bound, result: BlockResult) -> None:
    names = [segment.name for segment in bound.plan.segments]
    members = segment_write(key, generation, names, 1, result)
    store.write(encode_values(generation, result.scored), None, members=members)


def _sessions(result: BlockResult) -> list[ClosedSession]:
    return [ClosedSession.FromString(value or b"") for _, value in result.outputs.get(SESSIONS.role, [])]


def from_lake(settings: ScoreEventsSettings, lake: Path, processes: int, out: Path | None = None, **dates: Any) -> Made:
    """What a local replay leaves."""
    return of_store(local_replay(settings, lake, processes, out, **dates), {})


def local_replay(
    settings: ScoreEventsSettings, lake: Path, processes: int, out: Path | None = None, **dates: Any
) -> InMemoryScoreStore:
    """Do the tasks of a local replay, one after the other."""
    part = LakePart(str(lake), "", TOPIC, **dates)
    bundle = bundle_of(settings)
    store = _declared(bind(bundle, settings))
    turns = list(in_sequence(part.open().stretches()))
    tasks = tasks_of(settings, bundle, SUBMISSION, part, turns, 1, out, processes)
    for task in tasks:
        for key, report in work(task, store, lambda _: None).reports.items():
            store.write([], (key, report))
    return store
