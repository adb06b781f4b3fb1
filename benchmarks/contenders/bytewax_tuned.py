"""Bytewax as fast as its API allows: `stateful_batch` keeps timelines decoded, the sink predicts and writes in batches.

A user's state is encoded only when an epoch ends, and then only if the user was touched in it.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from benchmarks.contenders.duty import Task, accounts, decode, read_state, score_users, write_state
from udfs.event import Event
from udfs.timeline import Outcome, Timeline

EPOCH = timedelta(seconds=10)
BATCH_MAX = 1_000
Folded = tuple[str, tuple[Timeline, int]]  # user, timeline, events accepted


class Fold(StatefulBatchLogic[Event, tuple[Timeline, int], bytes]):
    """Folds what has come for one user."""

    def __init__(self, task: Task, state: bytes | None) -> None:
        self._timeline, self._done = read_state(state), accounts(task)

    def on_batch(self, values: list[Event]) -> tuple[list[tuple[Timeline, int]], bool]:
        """Called by Bytewax; emits the timeline once, however many events there are."""
        accepted = 0
        for event in values:
            outcome = self._timeline.offer(event)
            if outcome is Outcome.ACCEPTED:
                accepted += 1
            else:
                self._done.add(outcome)
        return ([(self._timeline, accepted)] if accepted else []), StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        """Called by Bytewax at the end of an epoch."""
        return write_state(self._timeline)


class ScorePartition(StatelessSinkPartition[Folded]):
    """Scores the users of a batch with one call of the model, and writes them with one script call."""

    def __init__(self, task: Task) -> None:
        self._model, self._store, self._done = task.load_model(), task.connect_store(), accounts(task)

    def write_batch(self, items: list[Folded]) -> None:
        """Called by Bytewax with what has come."""
        users = {user_id: timeline for user_id, (timeline, _) in items}
        self._store.write(score_users(list(users.items()), self._model), None)
        self._done.add(Outcome.ACCEPTED, sum(number for _, (_, number) in items))


class ScoreSink(DynamicSink[Folded]):
    """A partition a worker."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def build(self, step_id: str, worker_index: int, worker_count: int) -> ScorePartition:
        """Called by Bytewax."""
        return ScorePartition(self._task)


def decode_batch(records: list[KafkaSourceMessage[bytes, bytes]]) -> list[tuple[str, Event]]:
    """A call a batch, not an event."""
    return [decode(record.value) for record in records]


def main(task: Task) -> None:
    """Run until killed."""
    folder = Path(task.folder)
    init_db_dir(folder, 1)
    flow = Dataflow("scores")
    records = op.input("records", flow, KafkaSource([task.kafka], [task.topic], batch_size=BATCH_MAX))
    events = op.flat_map_batch("decode", records, decode_batch)
    folded = op.stateful_batch("fold", events, lambda state: Fold(task, state))
    op.output("redis", folded, ScoreSink(task))
    cli_main(flow, epoch_interval=EPOCH, recovery_config=RecoveryConfig(str(folder)))


if __name__ == "__main__":
    main(Task.from_json(sys.argv[1]))
