"""Quix Streams as fast as its API allows: timelines kept decoded beside the state, and a batching sink.

The sink predicts and writes once a checkpoint and partition. A checkpoint a second bounds how long a score waits.
"""

from __future__ import annotations

import sys

from quixstreams import Application, State
from quixstreams.sinks import BatchingSink, SinkBatch

from benchmarks.contenders.duty import Task, accounts, decode, read_state, score_users, write_state
from udfs.timeline import Outcome, Timeline

COMMIT_S = 1.0
KEPT_MAX = 50_000  # users


class ScoreSink(BatchingSink):
    """Scores the users of a batch with one call of the model, and writes them with one script call."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._model, self._store, self._done = task.load_model(), task.connect_store(), accounts(task)

    def write(self, batch: SinkBatch) -> None:
        """Called for every partition at a checkpoint, before offsets and state are committed."""
        users = {item.value[0]: item.value[1] for item in batch}
        self._store.write(score_users(list(users.items()), self._model), None)
        self._done.add(Outcome.ACCEPTED, batch.size)


def main(task: Task) -> None:
    """Run until killed."""
    done = accounts(task)
    kept: dict[str, Timeline] = {}

    def fold(record: bytes, state: State[str, bytes]) -> tuple[str, Timeline] | None:
        user_id, event = decode(record)
        timeline = kept.pop(user_id, None)
        if timeline is None:
            timeline = read_state(state.get_bytes("timeline"))
        kept[user_id] = timeline
        if len(kept) > KEPT_MAX:
            del kept[next(iter(kept))]
        outcome = timeline.offer(event)
        if outcome is not Outcome.ACCEPTED:
            done.add(outcome)
            return None
        state.set_bytes("timeline", write_state(timeline))
        return user_id, timeline

    app = Application(
        broker_address=task.kafka,
        consumer_group=task.namespace,
        auto_offset_reset="earliest",
        state_dir=task.folder,
        commit_interval=COMMIT_S,
        loglevel="WARNING",
    )
    events = app.dataframe(app.topic(task.topic, key_deserializer="bytes", value_deserializer="bytes"))
    events.apply(fold, stateful=True).filter(lambda user: user is not None).sink(ScoreSink(task))
    app.run()


if __name__ == "__main__":
    main(Task.from_json(sys.argv[1]))
