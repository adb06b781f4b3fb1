"""A Kafka consumer in plain Python, as the guides of confluent-kafka and redis-py teach: one record at a time.

The floor of guarantees: users' timelines are a dictionary, and a crash loses them while the offsets stay committed.
"""

from __future__ import annotations

import sys

from confluent_kafka import Consumer

from benchmarks.contenders.duty import GuardedWriter, Task, accounts, decode, read_state, score_users
from udfs.timeline import Outcome, Timeline


def main(task: Task) -> None:
    """Run until killed."""
    model, writer, done = task.load_model(), GuardedWriter(task), accounts(task)
    timelines: dict[str, Timeline] = {}
    consumer = Consumer({"bootstrap.servers": task.kafka, "group.id": task.namespace, "auto.offset.reset": "earliest"})
    consumer.subscribe([task.topic])
    while True:
        record = consumer.poll(1.0)
        if record is None:
            continue
        if record.error():
            raise RuntimeError(record.error())
        user_id, event = decode(record.value() or b"")
        if user_id not in timelines:
            timelines[user_id] = read_state(None)
        timeline = timelines[user_id]
        outcome = timeline.offer(event)
        if outcome is Outcome.ACCEPTED:
            timeline.clear_gathered()
            for user, value in score_users([(user_id, timeline)], model):
                writer.write(user, value)
        done.add(outcome)


if __name__ == "__main__":
    main(Task.from_json(sys.argv[1]))
