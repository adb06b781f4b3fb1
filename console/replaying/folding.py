"""The pure core over some shards, with states in memory: what the job's operator does, without Flink."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from driftline.state.v1.state_pb2 import ShardState
from history.lake.reading import STRETCH_OFFSETS
from jobs.bundle import Bound
from jobs.pipeline import STAGES, Made, Models, StageEntry, processor_of
from jobs.settings import ScoreEventsSettings
from state_schemas.layouts import StoredLayouts
from state_schemas.users import Timelines
from udfs.block import Block
from udfs.pipeline import Batch, Stage
from udfs.plan.plan import Plan
from udfs.results import BlockResult
from udfs.timeline import Timeline

PAGE_USERS: Final = 1_000  # scored together in the end, with one call of each model
_DUE_MS: Final = 1  # an entry of the due queue that has come up long ago


class States(dict[str, bytes]):
    """Users' states, packed, in memory; with the face of a keyed state."""

    def put_all(self, states: dict[str, bytes]) -> None:
        """Replace the users' states."""
        self.update(states)


class Folding:
    """Folds the blocks of some shards, and scores their users once, when all blocks have been folded.

    Memory holds the packed states of all users, and `users_kept_max` of them decoded. What is scored is as if it had
    been scored with every block. One exception is a plan with segments over the scores of models, whose members are
    known only since they were first seen to be: its users are scored with each block, too, as in the job.

    Args:
        settings: of the job.
        bound: its declarations and mapping.
        models: of the scores that have one.
        shards: the states of the shards, by their keys; updated in place.
        kept: the channels whose outputs are wanted: a stage that makes only others does not run with each block.
    """

    def __init__(
        self,
        settings: ScoreEventsSettings,
        bound: Bound,
        models: Models,
        shards: Mapping[int, ShardState],
        kept: Collection[str] = (),
    ) -> None:
        made = Made(settings, bound.plan, models)
        built = [(entry, entry.build(made)) for entry in STAGES]
        self._with_blocks = [stage for entry, stage in built if _runs_with_blocks(entry, bound.plan, kept)]
        self._at_end = [stage for entry, stage in built if entry.at_end]
        self._stages: list[Stage] = [stage for _, stage in built if stage in self._with_blocks or stage in self._at_end]
        self._on_models = any(segment.on_models for segment in bound.plan.segments)
        self._processor = processor_of(settings, models, bound, self._with_blocks)
        self._events_max = max(settings.block_events_max, STRETCH_OFFSETS)
        self._bytes_max = settings.block_bytes_max
        self.shards = dict(shards)
        self._states = {key: States() for key in shards}
        layouts, number = StoredLayouts(bound.plan.layout), max(1, len(shards))
        self._users = {
            key: Timelines(
                states,
                self._processor.bounds,
                settings.users_kept_max // number,
                settings.users_kept_bytes_max // number,
                layouts,
            )
            for key, states in self._states.items()
        }

    def take(self, key: int, block: Block, watermark_ms: int, now_ms: int) -> Iterator[BlockResult]:
        """Fold a block of a shard; yields what it gives rise to, in parts, without scores.

        Args:
            key: of the shard.
            block: its next records.
            watermark_ms: no record of this block or a later one is older, as far as is known.
            now_ms: wall-clock time.
        """
        users, shard = self._users[key], self.shards[key]
        for part in block.split(self._events_max, self._bytes_max):
            while len(part):
                result = self._processor.process(part, shard, users, now_ms, watermark_ms)
                users.put_all(result.timelines)
                yield result
                part = part.part(result.taken)  # noqa: PLW2901  (the records that are left)

    def user_ids(self, key: int) -> list[str]:
        """The users of a shard who have a state."""
        return list(self._states[key])

    def timeline(self, key: int, user_id: str) -> Timeline | None:
        """A user's timeline, to be read; None for one without a state."""
        return self._users[key].peek(user_id)

    def ended(self, key: int, now_ms: int) -> Iterator[BlockResult]:
        """Score all users of a shard, and check them once, as the job's timers do; call it after all blocks.

        Who has been silent for an age is scored as of that, too, and the sessions of who is quiet are published.

        Yields:
            The results of PAGE_USERS users at a time.
        """
        user_ids = self.user_ids(key)
        for start in range(0, len(user_ids), PAGE_USERS):
            yield self._scored(key, user_ids[start : start + PAGE_USERS], now_ms)

    def _scored(self, key: int, user_ids: Sequence[str], now_ms: int) -> BlockResult:
        users, result = self._users[key], BlockResult()
        read = {user_id: users.peek(user_id) for user_id in user_ids}
        timelines = {user_id: timeline for user_id, timeline in read.items() if timeline is not None}
        batch = Batch(timelines if self._on_models else {}, self.shards[key].generation, now_ms, result)
        if self._on_models:
            self._run_at_end(batch)
        for user_id, timeline in timelines.items():
            timeline.last_arrival_ms, timeline.check_at_ms = timeline.newest_ms, _DUE_MS
            for stage in self._stages:
                stage.check(user_id, timeline, _DUE_MS, batch)
        if not self._on_models:  # what is as of an age has in it what is as of the newest event
            batch.touched = {user_id: one for user_id, one in timelines.items() if user_id not in batch.aged}
            self._run_at_end(batch)
        for stage in self._stages:
            stage.checked(batch)
        # Of who was scored twice the last one counts.
        result.scored = list({scored.user_id: scored for scored in result.scored}.values())
        return result

    def _run_at_end(self, batch: Batch) -> None:
        for stage in self._at_end if batch.touched else ():
            stage.run(batch)


def _runs_with_blocks(entry: StageEntry, plan: Plan, kept: Collection[str]) -> bool:
    if entry.at_end:
        return bool(entry.writes) and any(segment.on_models for segment in plan.segments)
    return not entry.writes or any(topic.role in kept for topic in entry.writes)
