"""Bytewax as its documentation teaches: `stateful_map` an event, a map that predicts, a sink that writes each value.

State is snapshotted into a recovery store every ten seconds, its default epoch.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from benchmarks.contenders.duty import GuardedWriter, Task, accounts, decode, read_state, score_users, write_state
from udfs.event import Event
from udfs.timeline import Outcome, Timeline

EPOCH = timedelta(seconds=10)


class RedisPartition(StatelessSinkPartition[tuple[str, bytes]]):
    """Writes every value by itself."""

    def __init__(self, task: Task) -> None:
        self._writer, self._done = GuardedWriter(task), accounts(task)

    def write_batch(self, items: list[tuple[str, bytes]]) -> None:
        """Called by Bytewax with what has come."""
        for user_id, value in items:
            self._writer.write(user_id, value)
            self._done.add(Outcome.ACCEPTED)


class RedisSink(DynamicSink[tuple[str, bytes]]):
    """A partition a worker."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def build(self, step_id: str, worker_index: int, worker_count: int) -> RedisPartition:
        """Called by Bytewax."""
        return RedisPartition(self._task)


def build(task: Task) -> Dataflow:
    """Lay out the flow."""
    model, done = task.load_model(), accounts(task)

    def fold(state: bytes | None, event: Event) -> tuple[bytes, Timeline | None]:
        timeline = read_state(state)
        outcome = timeline.offer(event)
        if outcome is not Outcome.ACCEPTED:
            done.add(outcome)
            return write_state(timeline), None
        return write_state(timeline), timeline

    flow = Dataflow("scores")
    records = op.input("records", flow, KafkaSource([task.kafka], [task.topic]))
    events = op.map("decode", records, lambda record: decode(record.value))
    folded = op.stateful_map("fold", events, fold)
    accepted = op.filter("accepted", folded, lambda user: user[1] is not None)
    values = op.map("predict", accepted, lambda user: score_users([user], model)[0])
    op.output("redis", values, RedisSink(task))
    return flow


def main(task: Task) -> None:
    """Run until killed."""
    folder = Path(task.folder)
    init_db_dir(folder, 1)
    cli_main(build(task), epoch_interval=EPOCH, recovery_config=RecoveryConfig(str(folder)))


if __name__ == "__main__":
    main(Task.from_json(sys.argv[1]))
