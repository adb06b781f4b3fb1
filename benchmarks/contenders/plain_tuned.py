"""A Kafka consumer in plain Python, as fast as its clients allow: one model call and one write a batch.

The floor of guarantees, as in plain_idiomatic.
"""

from __future__ import annotations

import sys

from confluent_kafka import Consumer

from benchmarks.contenders.duty import Task, accounts, decode, read_state, score_users
from udfs.timeline import Outcome, Timeline

BATCH_MAX = 1_000
WAIT_S = 0.05


def main(task: Task) -> None:
    """Run until killed."""
    model, store, done = task.load_model(), task.connect_store(), accounts(task)
    timelines: dict[str, Timeline] = {}
    consumer = Consumer({"bootstrap.servers": task.kafka, "group.id": task.namespace, "auto.offset.reset": "earliest"})
    consumer.subscribe([task.topic])
    while True:
        counts = dict.fromkeys(Outcome, 0)
        touched: dict[str, Timeline] = {}
        for record in consumer.consume(BATCH_MAX, WAIT_S):
            if record.error():
                raise RuntimeError(record.error())
            user_id, event = decode(record.value() or b"")
            if user_id not in timelines:
                timelines[user_id] = read_state(None)
            timeline = timelines[user_id]
            outcome = timeline.offer(event)
            counts[outcome] += 1
            if outcome is Outcome.ACCEPTED:
                touched[user_id] = timeline
        if touched:
            store.write(score_users(list(touched.items()), model), None)
            for timeline in touched.values():
                timeline.clear_gathered()
        for outcome, number in counts.items():
            done.add(outcome, number)


if __name__ == "__main__":
    main(Task.from_json(sys.argv[1]))
