"""The Flink operator of the job score-events: an adapter around `udfs.block`, and nothing more.

All results of a block are written to the score store, to keyed state and to the outputs before the call returns. Flink
lets a checkpoint barrier through only between two elements, so at a barrier nothing is left to flush.
"""

from __future__ import annotations

import functools
import gc
from contextlib import closing
from time import monotonic, sleep
from typing import Any

from pyflink.common import Row, Time, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor, StateTtlConfig, ValueStateDescriptor

from driftline.catalogue import FeatureSet
from driftline.catalogue_message import catalogue_of
from driftline.metrics import JobGauge, JobMetric, JobNamed
from driftline.model_scores import model_scores_of
from driftline.state.v1.state_pb2 import QuietList, ShardState
from driftline.units import DAY_MS, wall_clock_ms
from jobs import lineage
from jobs.bundle import Bundle, bind
from jobs.code_version import code_version, require
from jobs.flink.named_counters import named_counters
from jobs.flink.subtask import Subtask
from jobs.lineage import Submission
from jobs.model_watch import Gauges, ModelFollower, followers_of, gauges_of
from jobs.operators.pacing import Pacing
from jobs.operators.rows import DEAD_LETTERS, LATE_EVENTS, reject_row, rows_of
from jobs.operators.throttle import Throttle
from jobs.pipeline import processor_of, stage_topics
from jobs.segment_writes import segment_write
from jobs.settings import ScoreEventsSettings
from sink_connectors.catalogue_store import CatalogueStore
from sink_connectors.redis_memory import MemoryWatch
from sink_connectors.score_store import RedisScoreStore, ShardReport
from sink_connectors.score_value import encode_values
from state_schemas import codec, names
from state_schemas.due import DueQueue
from state_schemas.layouts import StoredLayouts
from state_schemas.shards import ShardWriter
from state_schemas.users import Timelines
from udfs.block import Block
from udfs.packed_block import unpack_block
from udfs.results import BlockResult, Due
from udfs.shards import KEY_GROUPS, KEYS

# By default Python looks for reference cycles after 700 new objects. A block makes thousands of objects and no cycle;
# the collector took a tenth of the time. The cached users are a few hundred thousand objects, which a full collection
# visits for a tenth of a second, so caching users must not trigger it.
GC_THRESHOLD = (500_000, 20, 50)

CODE_VERSION = code_version(__name__)

# Due times are rounded up to a grid, so that users share timers. Its width, by which a quiet session may be published
# late, is a tenth of the session gap, at most 10 s; for what is due much later than a session gap it is wider (due.py).
GRIDS_PER_GAP = 10
GRID_MS_MAX = 10_000

# The time to live only frees space, by wall-clock time; the fold forgets idle users itself, by event time. The margin
# makes sure that no state is removed to which the fold would still have added an event.
STATE_TTL_MARGIN_MS = 7 * DAY_MS


_stores: dict[tuple[object, ...], RedisScoreStore] = {}


def _score_store(url: str, namespace: str, ttl_s: float, retry_s: float) -> RedisScoreStore:
    """Return the process's store. In thread mode failed operators are never closed, so one each would leak sockets."""
    key = (url, namespace, ttl_s, retry_s)
    store = _stores.get(key)
    if store is None or store.failed:
        store = _stores[key] = RedisScoreStore.connect(url, namespace=namespace, ttl_s=ttl_s, retry_s=retry_s)
    return store


def _put_catalogue(settings: ScoreEventsSettings, document: bytes) -> None:
    """Write what is served of the namespace, by name: servers read no declarations."""
    store = CatalogueStore.connect(settings.redis_address, namespace=settings.namespace, retry_s=settings.redis_retry_s)
    with closing(store):
        store.put(document)


class ScoreBlocks(KeyedProcessFunction):  # type: ignore[misc]  # pyflink has no types
    """Folds and scores one block in each call.

    Args:
        settings: the job's settings.
        submission: how it was submitted. Its generation is the major version of the scores of every new shard; a
            restored shard keeps the generation in its state.
        bundle: its declarations and the mapping of its values, compiled.
    """

    def __init__(self, settings: ScoreEventsSettings, submission: Submission, bundle: Bundle) -> None:
        self._settings = settings
        self._bundle = bundle
        self._submission = submission
        self._code_version = CODE_VERSION

    def open(self, runtime_context: RuntimeContext) -> None:
        """Bind state, metrics, the model and the score store, and restore the shards; called before the first block.

        Raises SettingError if the state was made with other settings, or if a later job has the namespace.
        """
        require(self._code_version, CODE_VERSION)
        gc.set_threshold(*GC_THRESHOLD)
        # The objects of a failed operator are in reference cycles that hold its whole Java task: 2 MB of heap for each
        # restart, which a night without Redis would fill. With the threshold above, Python would collect them too late.
        gc.collect()
        settings = self._settings
        self._pacing = Pacing()
        self._throttle = Throttle(settings.events_a_s_max / settings.parallelism)
        states = self._bind_states(runtime_context)
        self._bind_metrics(runtime_context)
        self._bound = bind(self._bundle, settings)
        self._plan = self._bound.plan
        self._models = self._follow_models()
        self._gauges.show(gauges_of(self._models))
        self._channels = [topic.role for topic in stage_topics()]
        self._processor = processor_of(settings, self._models, self._bound)
        self._layouts = StoredLayouts(self._plan.layout)
        self._users = Timelines(
            states,
            self._processor.bounds,
            settings.users_kept_max,
            settings.users_kept_bytes_max,
            self._layouts,
        )
        self._segments = [segment.name for segment in self._plan.segments]
        self._store = _score_store(
            settings.redis_address, settings.namespace, settings.user_ttl_ms / 1000, settings.redis_retry_s
        )
        self._memory = MemoryWatch(self._store.memory)
        self._gauges.show(self._memory.gauges(monotonic()))
        self._watermarks: dict[int, int] = {}  # by shard, as of its last block
        self._shards = self._restore_shards(Subtask(runtime_context))

    def _follow_models(self) -> dict[str, ModelFollower]:
        """Return the follower of each score's models, opened."""
        settings, data = self._settings, self._plan.data
        followers = followers_of(
            settings.models_dir,
            settings.model_poll_s,
            FeatureSet.of_plan(data),
            model_scores_of(data),
            required=bool(settings.require_model),
            count=self._count,
            s3_endpoint=settings.s3_endpoint,
        )
        for follower in followers.values():
            follower.open()
        return followers

    def _bind_states(self, runtime_context: RuntimeContext) -> Any:
        """Bind the keyed states; returns that of the users."""

        def map_state(name: str, value_type: Any) -> Any:
            return runtime_context.get_map_state(MapStateDescriptor(name, Types.LONG(), value_type))

        self._quiet = map_state(names.QUIET, Types.PICKLED_BYTE_ARRAY())
        self._due = map_state(names.DUE, Types.PICKLED_BYTE_ARRAY())
        self._due_pages = map_state(names.DUE_PAGES, Types.LONG())
        self._queues: dict[int, DueQueue] = {}  # by shard; only this operator uses them
        self._shard = runtime_context.get_state(ValueStateDescriptor(names.SHARD, Types.PICKLED_BYTE_ARRAY()))
        users = MapStateDescriptor(names.USERS, Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        ttl = StateTtlConfig.new_builder(Time.milliseconds(self._settings.user_ttl_ms + STATE_TTL_MARGIN_MS))
        # Given because PyFlink's own default would start a second JVM to make a Duration.
        ttl = ttl.disable_cleanup_in_background().cleanup_in_rocksdb_compact_filter(1_000, Time.days(30))
        users.enable_time_to_live(ttl.build())
        return runtime_context.get_map_state(users)

    def _bind_metrics(self, runtime_context: RuntimeContext) -> None:
        group = runtime_context.get_metrics_group().add_group("driftline")
        self._counters = {metric: group.counter(metric.value) for metric in JobMetric}
        self._named = named_counters(group, self._settings.hot_users_named_max)
        self._gauges = Gauges(group)

    def _restore_shards(self, subtask: Subtask) -> dict[int, ShardWriter]:
        """Compare the state with the settings, claim the namespace, and return every shard of this subtask by its key.

        Nothing is written to Redis or keyed state until all checks have passed; this operator is their only writer.
        """
        settings, keys = self._settings, subtask.keys
        found: dict[int, ShardState] = {}
        for key in keys:
            subtask.select(key)
            if (state := self._shard.value()) is not None:
                found[key] = codec.decode(state, ShardState)
        unproven = self._submission.restored and not found
        states = lineage.resume(found, lineage.own_shards(settings, keys), settings, self._submission, self._bound)
        for shard in found.values():
            for layout in shard.layouts:
                self._layouts.add(layout)
        claim = lineage.claim(states, subtask.job_id, settings, unproven=unproven)
        lineage.require_claimed(self._store.claim(claim), settings, self._submission)
        self._epoch = self._store.declare_segments(
            {segment.name: segment.definition for segment in self._plan.segments}
        )
        _put_catalogue(settings, catalogue_of(self._plan.data, lineage.complete_since_ms(states.values())))
        shards = {key: ShardWriter(state) for key, state in states.items()}
        for key, writer in shards.items():  # also of those without events: a restored job then always finds state
            subtask.select(key)
            self._shard.update(writer.encode())
        return shards

    def process_element(self, value: Row | bytes, ctx: KeyedProcessFunction.Context) -> list[Any]:
        """Fold one block, of columns or packed.

        Raises ServiceUnavailable after `redis_retry_s` without Redis, which restarts the job.
        """
        if value is None or value[0] is None:  # the window fired twice because the clock was set back
            self._count(JobMetric.BLOCKS_EMPTY)
            return []
        block = unpack_block(value) if isinstance(value, bytes) else Block(*value)
        key = int(ctx.get_current_key())
        writer = self._shards[key]
        shard = writer.state
        # The current watermark may be ahead of records that wait in a window. That of the shard's previous block is not
        # ahead of any record in this block, because a shard's windows are emitted in order.
        watermark_ms = self._watermarks.get(key, 0)
        self._watermarks[key] = max(watermark_ms, ctx.timer_service().current_watermark())
        outputs: list[Any] = []
        parts = 0
        events_max = self._throttle.events_max or self._settings.block_events_max
        for part in block.split(min(events_max, self._settings.block_events_max), self._settings.block_bytes_max):
            if wait_s := self._throttle.wait_s(len(part), monotonic()):
                sleep(wait_s)
            while len(part):
                now_ms = wall_clock_ms()
                result = self._processor.process(part, shard, self._users, now_ms, watermark_ms)
                outputs += self._flush(result, shard, now_ms, ctx)
                part = part.part(result.taken)  # noqa: PLW2901  (the records that are left)
                parts += 1
        self._count(JobMetric.BLOCKS, parts)
        if parts > 1:
            self._count(JobMetric.BLOCKS_SPLIT)
        self._shard.update(writer.encode())
        self._gauges.show(gauges_of(self._models))
        self._gauges.show(self._memory.gauges(monotonic()))
        return outputs

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> list[Any]:
        """Check some of the shard's users who are due; a timer a moment later checks more.

        Raises as `process_element` does: scores of ages are written to Redis.
        """
        at_ms = max(timestamp, wall_clock_ms())  # the clock may have been set back since the timer was set
        key = int(ctx.get_current_key())
        queue = self._due_queue(key)
        self._take_over_list(timestamp, queue)
        if (rest_until_ms := self._pacing.rest_until(at_ms)) > at_ms:
            ctx.timer_service().register_processing_time_timer(rest_until_ms)
            return []
        began_s = monotonic()
        behind_ms = queue.behind_ms(at_ms)
        outputs = self._check_due(queue, at_ms, key, ctx)
        next_ms = self._pacing.ended(at_ms, 1 + int((monotonic() - began_s) * 1_000), behind_ms)
        if queue.has_due(at_ms):
            ctx.timer_service().register_processing_time_timer(next_ms)
        behind = {JobGauge.TIMER_MS_MAX: self._pacing.longest_ms, JobGauge.CHECKS_BEHIND_S: behind_ms // 1_000}
        self._gauges.show(behind)
        return outputs

    def _take_over_list(self, timestamp: int, queue: DueQueue) -> None:
        """Queue the users whom an older release has listed for this timer: no later one would find its list."""
        if (listed := self._quiet.get(timestamp)) is not None:
            self._quiet.remove(timestamp)
            queue.put(timestamp, [Due(user_id, timestamp) for user_id in codec.decode(listed, QuietList).user_ids])

    def _check_due(self, queue: DueQueue, at_ms: int, key: int, ctx: Any) -> list[Any]:
        due_ms, due = queue.take(at_ms)
        shard = self._shards[key].state
        result = self._processor.check_due(due, shard, self._users, at_ms)
        queue.put(due_ms, due[result.taken :])
        self._wait(queue, result, at_ms, ctx)
        self._write(result, key, shard.generation, None, cache=False)  # who is silent is not read again soon
        result.count(JobMetric.QUIET_CHECKS, result.taken)
        return self._emit(result)

    def _flush(self, result: BlockResult, shard: ShardState, now_ms: int, ctx: Any) -> list[Any]:
        key = int(ctx.get_current_key())
        self._wait(self._due_queue(key), result, now_ms, ctx)
        report = lineage.report(shard, with_types=JobNamed.UNKNOWN_TYPES in result.named)
        self._write(result, key, shard.generation, (key, report), cache=True)
        return self._emit(result)

    def _write(
        self, result: BlockResult, key: int, generation: int, report: tuple[int, ShardReport] | None, *, cache: bool
    ) -> None:
        """Write the timelines to keyed state, and the scores and the report, if there are any, to Redis."""
        # Keyed state is written while Redis works: neither is final before the next checkpoint.
        write_state = functools.partial(self._users.put_all, result.timelines, cache=cache)
        values = encode_values(generation, result.scored)
        members = segment_write(key, generation, self._segments, self._epoch, result)
        written = self._store.write(values, report, write_state, members)
        result.count(JobMetric.SCORES_WRITTEN, written.accepted)
        result.count(JobMetric.SCORES_OUTRANKED, written.outranked)

    def _emit(self, result: BlockResult) -> list[Any]:
        """Count, and return the rows and side outputs of the result."""
        for metric, number in result.counts.items():
            self._count(metric, number)
        for named, numbers in result.named.items():
            for name, number in numbers.items():
                self._named[named].add(name, number)
        outputs: list[Any] = [(DEAD_LETTERS, reject_row(dead)) for dead in result.dead_letters]
        outputs += [(LATE_EVENTS, reject_row(late)) for late in result.late]
        return outputs + rows_of(result.outputs, self._channels)

    def _wait(self, queue: DueQueue, result: BlockResult, now_ms: int, ctx: Any) -> None:
        due = [Due(user_id, at_ms) for at_ms, user_ids in result.due.items() for user_id in user_ids]
        for timer_ms in queue.add(due, now_ms):
            ctx.timer_service().register_processing_time_timer(timer_ms)

    def _due_queue(self, key: int) -> DueQueue:
        queue = self._queues.get(key)
        if queue is None:
            gap_ms = self._settings.session_gap_ms
            grid_ms = min(GRID_MS_MAX, max(1, gap_ms // GRIDS_PER_GAP))
            offset_ms = KEYS.index(key) * grid_ms // KEY_GROUPS
            queue = DueQueue(self._due, self._due_pages, grid_ms=grid_ms, offset_ms=offset_ms, fine_ms=gap_ms)
            self._queues[key] = queue
        return queue

    def _count(self, metric: JobMetric, number: int = 1) -> None:
        self._counters[metric].inc(number)
