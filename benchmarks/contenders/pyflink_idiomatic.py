"""A PyFlink DataStream job as the documentation teaches: a KeyedProcessFunction an event, value state, redis-py."""

from __future__ import annotations

import sys
from typing import Any

from pyflink.common import Types, WatermarkStrategy
from pyflink.common.serialization import ByteArraySchema
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.connectors.kafka import KafkaOffsetsInitializer, KafkaSource
from pyflink.datastream.state import ValueStateDescriptor

from benchmarks.contenders.duty import GuardedWriter, Task, accounts, decode, read_state, score_users, write_state
from udfs.event import Event
from udfs.timeline import Outcome


class ScoreEvent(KeyedProcessFunction):
    """Folds, predicts and writes one event a call."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def open(self, runtime_context: RuntimeContext) -> None:
        """Called by Flink before the first event."""
        self._state = runtime_context.get_state(ValueStateDescriptor("timeline", Types.PICKLED_BYTE_ARRAY()))
        self._model, self._writer, self._done = self._task.load_model(), GuardedWriter(self._task), accounts(self._task)

    def process_element(self, value: tuple[str, Event], ctx: KeyedProcessFunction.Context) -> list[Any]:
        """Called by Flink for every event."""
        user_id, event = value
        timeline = read_state(self._state.value())
        outcome = timeline.offer(event)
        if outcome is Outcome.ACCEPTED:
            self._state.update(write_state(timeline))
            for user, scores in score_users([(user_id, timeline)], self._model):
                self._writer.write(user, scores)
        self._done.add(outcome)
        return []


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
    events = records.map(decode, Types.PICKLED_BYTE_ARRAY())
    users = events.key_by(lambda event: event[0], Types.STRING())
    users.process(ScoreEvent(task), Types.STRING()).uid("score-event").print()
    job = env.execute_async(f"pyflink-idiomatic {mode}")
    print(f"submitted {task.namespace} as job {job.get_job_id()}")


if __name__ == "__main__":
    main(Task.from_json(sys.argv[1]), sys.argv[2])
