"""A PyFlink DataStream job an event at a time, as fast as its public API allows.

Keyed by shard, so that one timer serves many users. An event is only put into the shard's list (in state, so that no
checkpoint misses it); the shard's timer folds, stores, scores and writes whatever has gathered.
"""

from __future__ import annotations

import sys
from typing import Any

from pyflink.common import Types, WatermarkStrategy
from pyflink.common.serialization import ByteArraySchema
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.connectors.kafka import KafkaOffsetsInitializer, KafkaSource
from pyflink.datastream.state import ListStateDescriptor, MapStateDescriptor

from benchmarks.contenders.duty import Task, accounts, decode, read_state, score_users, write_state
from driftline.event.v1.event_pb2 import UserEvent
from udfs.hashing import hash64
from udfs.timeline import Outcome, Timeline

SHARDS = 4
FLUSH_MS = 100
KEPT_MAX = 10_000  # users


class ScoreShard(KeyedProcessFunction):
    """Gathers one event a call; does the work of a shard's events when its timer fires."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def open(self, runtime_context: RuntimeContext) -> None:
        """Called by Flink before the first event."""
        of_bytes = Types.PICKLED_BYTE_ARRAY()
        self._users = runtime_context.get_map_state(MapStateDescriptor("users", Types.STRING(), of_bytes))
        self._waiting = runtime_context.get_list_state(ListStateDescriptor("waiting", of_bytes))
        self._gathered: dict[int, list[bytes]] = {}  # what `waiting` holds, by shard: reading it back is slow
        self._kept: dict[str, Timeline] = {}
        self._model, self._store = self._task.load_model(), self._task.connect_store()
        self._done = accounts(self._task)

    def process_element(self, value: bytes, ctx: KeyedProcessFunction.Context) -> list[Any]:
        """Called by Flink for every event."""
        gathered = self._gathered_of(ctx.get_current_key())
        if not gathered:
            timers = ctx.timer_service()
            timers.register_processing_time_timer(timers.current_processing_time() + FLUSH_MS)
        self._waiting.add(value)
        gathered.append(value)
        return []

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> list[Any]:
        """Called by Flink when a shard is due."""
        gathered = self._gathered_of(ctx.get_current_key())
        counts = dict.fromkeys(Outcome, 0)
        touched: dict[str, Timeline] = {}
        for user_id, event in map(decode, gathered):
            timeline = self._timeline(user_id)
            outcome = timeline.offer(event)
            counts[outcome] += 1
            if outcome is Outcome.ACCEPTED:
                touched[user_id] = timeline
        if touched:
            self._store.write(score_users(list(touched.items()), self._model), None)
            self._users.put_all({user_id: write_state(timeline) for user_id, timeline in touched.items()})
        while len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        self._waiting.clear()
        gathered.clear()
        for outcome, number in counts.items():
            self._done.add(outcome, number)
        return []

    def _gathered_of(self, shard: int) -> list[bytes]:
        gathered = self._gathered.get(shard)
        if gathered is None:
            gathered = self._gathered[shard] = list(self._waiting.get() or ())
        return gathered

    def _timeline(self, user_id: str) -> Timeline:
        timeline = self._kept.pop(user_id, None)
        if timeline is None:
            timeline = read_state(self._users.get(user_id))
        self._kept[user_id] = timeline
        return timeline


def shard_of(record: bytes) -> int:
    """The shard of a record's user."""
    return hash64(UserEvent.FromString(record).user_id) % SHARDS


def main(task: Task, mode: str) -> None:
    """Submit the job in an execution mode: thread or process."""
    env = StreamExecutionEnvironment.get_execution_environment()
    env.set_parallelism(1)
    source = (
        KafkaSource.builder()
        .set_bootstrap_servers(task.kafka)
        .set_topics(task.topic)
        .set_group_id(task.namespace)
        .set_starting_offsets(KafkaOffsetsInitializer.earliest())
        .set_value_only_deserializer(ByteArraySchema())
        .build()
    )
    records = env.from_source(source, WatermarkStrategy.no_watermarks(), "records")
    shards = records.key_by(shard_of, Types.LONG())
    shards.process(ScoreShard(task), Types.STRING()).uid("score-shard").print()
    job = env.execute_async(f"pyflink-tuned {mode}")
    print(f"submitted {task.namespace} as job {job.get_job_id()}")


if __name__ == "__main__":
    main(Task.from_json(sys.argv[1]), sys.argv[2])
