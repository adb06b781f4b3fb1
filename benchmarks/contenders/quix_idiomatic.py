"""Quix Streams as its documentation teaches: a stateful `apply` an event, then a function that predicts and writes."""

from __future__ import annotations

import sys

from quixstreams import Application, State

from benchmarks.contenders.duty import GuardedWriter, Task, accounts, decode, read_state, score_users, write_state
from udfs.timeline import Outcome, Timeline


def main(task: Task) -> None:
    """Run until killed."""
    model, writer, done = task.load_model(), GuardedWriter(task), accounts(task)

    def fold(record: bytes, state: State[str, bytes]) -> tuple[str, Timeline] | None:
        user_id, event = decode(record)
        timeline = read_state(state.get_bytes("timeline"))
        outcome = timeline.offer(event)
        if outcome is not Outcome.ACCEPTED:
            done.add(outcome)
            return None
        state.set_bytes("timeline", write_state(timeline))
        return user_id, timeline

    def predict_and_write(user: tuple[str, Timeline]) -> None:
        for user_id, value in score_users([user], model):
            writer.write(user_id, value)
        done.add(Outcome.ACCEPTED)

    app = Application(
        broker_address=task.kafka,
        consumer_group=task.namespace,
        auto_offset_reset="earliest",
        state_dir=task.folder,
        loglevel="WARNING",
    )
    events = app.dataframe(app.topic(task.topic, key_deserializer="str", value_deserializer="bytes"))
    users = events.apply(fold, stateful=True).filter(lambda user: user is not None)
    users.update(predict_and_write)
    app.run()


if __name__ == "__main__":
    main(Task.from_json(sys.argv[1]))
