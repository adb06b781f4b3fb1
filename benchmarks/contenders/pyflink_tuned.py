"""A PyFlink DataStream job an event at a time, as fast as its public API allows.

Keyed by shard, so that one timer serves many users: an event only folds and stores its user, marks it as changed (in
state, so that no checkpoint misses it), and the shard's timer scores and writes all changed users at once.
"""

from __future__ import annotations

import sys
from typing import Any

from pyflink.common import Types, WatermarkStrategy
from pyflink.common.serialization import ByteArraySchema
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.connectors.kafka import KafkaOffsetsInitializer, KafkaSource
from pyflink.datastream.state import MapStateDescriptor

from benchmarks.contenders.duty import Task, accounts, decode, read_state, score_users, write_state
from driftline.event.v1.event_pb2 import UserEvent
from udfs.hashing import hash64
from udfs.user import Outcome, Timeline

SHARDS = 16
FLUSH_MS = 50
KEPT_MAX = 10_000  # users


class ScoreShard(KeyedProcessFunction):
    """Folds one event a call; scores and writes a shard's changed users when its timer fires."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def open(self, runtime_context: RuntimeContext) -> None:
        """Called by Flink before the first event."""
        self._users = runtime_context.get_map_state(
            MapStateDescriptor("users", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        )
        self._changed = runtime_context.get_map_state(MapStateDescriptor("changed", Types.STRING(), Types.LONG()))
        self._model, self._store, self._done = (
            self._task.load_model(),
            self._task.connect_store(),
            accounts(self._task),
        )
        self._kept: dict[str, Timeline] = {}
        self._waiting: dict[int, dict[str, int]] = {}  # what `changed` says, by shard: events accepted by user

    def process_element(self, value: bytes, ctx: KeyedProcessFunction.Context) -> list[Any]:
        """Called by Flink for every event."""
        user_id, event = decode(value)
        timeline = self._timeline(user_id)
        outcome = timeline.offer(event)
        if outcome is not Outcome.ACCEPTED:
            self._done.add(outcome)
            return []
        self._users.put(user_id, write_state(timeline))
        shard = ctx.get_current_key()
        waiting = self._waiting.get(shard)
        if waiting is None:
            waiting = self._waiting[shard] = dict(self._changed.items())
        if not waiting:
            timers = ctx.timer_service()
            timers.register_processing_time_timer(timers.current_processing_time() + FLUSH_MS)
        if user_id not in waiting:
            self._changed.put(user_id, 1)
        waiting[user_id] = waiting.get(user_id, 0) + 1
        return []

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> list[Any]:
        """Called by Flink when a shard is due."""
        waiting = self._waiting.get(ctx.get_current_key()) or dict(self._changed.items())
        users = [(user_id, self._timeline(user_id)) for user_id in waiting]
        self._store.write(score_users(users, self._model), None)
        self._changed.clear()
        self._done.add(Outcome.ACCEPTED, sum(waiting.values()))
        self._waiting[ctx.get_current_key()] = {}
        return []

    def _timeline(self, user_id: str) -> Timeline:
        timeline = self._kept.pop(user_id, None)
        if timeline is None:
            timeline = read_state(self._users.get(user_id))
        self._kept[user_id] = timeline
        if len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]
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
