"""Simulated events brought to Kafka at little cost, so that the load takes as little of the machine as it can.

    PYTHON -m benchmarks.traffic KAFKA TOPIC history --users 30000 --events 300000 [--everyone] [--disorder-ms 60000]
    PYTHON -m benchmarks.traffic KAFKA TOPIC live --users 40000 --rate 1000 --seconds 60 [--at-once]

PYTHON is that of the environment `plain` (benchmarks/venvs.py), which has Kafka's client in C. A history goes out as
fast as it can. Live traffic is simulated and encoded before it begins; the program then prints `ready`, waits for a
line, and stamps each event with the time at which it is due; --at-once makes it the traffic that is just over. At its
end it prints one JSON line about what it did.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from confluent_kafka import Producer

from console.simulator import SimulatedEvent, SimulationSpec, simulate, simulate_live, user_event
from console.simulator.shoppers import CATEGORIES
from console.simulator.spec import START_DEFAULT_MS
from driftline.event.v1.event_pb2 import UserEvent

SLEEP_MS_MIN = 2.0  # shorter waits than a scheduler's are not worth a call
POLL_EVERY = 1_000
FLUSH_S_MAX = 60.0


class Record(NamedTuple):
    """A Kafka record; in live traffic to come, the time is counted from its start and not in the value."""

    key: bytes
    value: bytes
    time_ms: int


class Played(NamedTuple):
    """What live traffic did."""

    published: int
    seconds: float
    behind_ms_max: float  # the latest that an event went out after it was due


def main() -> None:
    """Publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kafka")
    parser.add_argument("topic")
    parser.add_argument("kind", choices=["history", "live"])
    parser.add_argument("--users", type=int, required=True)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--events", type=int, help="of a history, besides those of --everyone")
    parser.add_argument("--days", type=float, help="that a history spans")
    parser.add_argument("--disorder-ms", type=int, default=0)
    parser.add_argument("--everyone", action="store_true", help="begin with one event of every user, in any order")
    parser.add_argument("--rate", type=float, help="of live traffic, events a second")
    parser.add_argument("--seconds", type=float, help="of live traffic")
    parser.add_argument("--at-once", action="store_true", help="publish live traffic as fast as Kafka takes it")
    options = parser.parse_args()
    producer = Producer(
        {
            "bootstrap.servers": options.kafka,
            "partitioner": "murmur2_random",  # as `driftline publish` and Kafka's Java client
            "enable.idempotence": True,
            "linger.ms": 5,
            "log_level": 3,  # errors; that the broker has just started is none
            "queue.buffering.max.messages": 200_000,
        }
    )
    if options.kind == "history":
        print(json.dumps({"published": publish_history(producer, options)}))
    elif options.at_once:
        print(json.dumps({"published": publish_live(producer, options)}))
    else:
        print(json.dumps(play(producer, options.topic, live(options))._asdict()))


def publish_history(producer: Producer, options: argparse.Namespace) -> int:
    """Publish a history as fast as Kafka takes it; return the number of events."""
    users: int = options.users
    spec = SimulationSpec(
        users=users,
        events=options.events,
        seed=options.seed,
        disorder_ms=options.disorder_ms,
        days=options.days,
    )
    events = map(user_event, simulate(spec))
    if options.everyone:
        _publish(producer, options.topic, first_events(users, options.seed))
        _flush(producer)
    published = _publish(producer, options.topic, events)
    _flush(producer)
    return published + (users if options.everyone else 0)


def first_events(users: int, seed: int) -> Iterator[UserEvent]:
    """One event of every user, in the hour before a history begins by default."""
    rng = random.Random(seed)
    order = list(range(users))
    rng.shuffle(order)
    for number, user in enumerate(order):
        time_ms = START_DEFAULT_MS - 3_600_000 + number * 3_600_000 // users
        category = CATEGORIES[user % len(CATEGORIES)]
        yield UserEvent(
            event_id=f"first{user}", user_id=f"u{user}", type=UserEvent.VIEW, event_time_ms=time_ms, category=category
        )


def live(options: argparse.Namespace) -> list[Record]:
    """Simulate and encode live traffic in advance."""
    spec = SimulationSpec(users=options.users, rate=options.rate, duration_s=options.seconds, seed=options.seed)
    began_s = time.time()
    events = simulate_live(spec, clock=lambda: began_s, sleep=lambda _: None)
    return [_without_time(event, int(began_s * 1_000)) for event in events]


def publish_live(producer: Producer, options: argparse.Namespace) -> int:
    """Publish live traffic whose last event is due now; return the number of events."""
    records = live(options)
    start_ms = int((time.time() - options.seconds) * 1_000)
    for number, record in enumerate(records):
        _produce(producer, options.topic, _due(record, start_ms + record.time_ms), number)
    _flush(producer)
    return len(records)


def play(producer: Producer, topic: str, records: Iterable[Record]) -> Played:
    """Publish each record when it is due, counted from the line that the program waits for."""
    records = list(records)
    print("ready", flush=True)
    sys.stdin.readline()
    start_ms, behind_ms_max = time.time() * 1_000, 0.0
    for number, record in enumerate(records):
        due_ms = start_ms + record.time_ms
        ahead_ms = due_ms - time.time() * 1_000
        if ahead_ms > SLEEP_MS_MIN:
            producer.poll(0)
            time.sleep(ahead_ms / 1_000)
        else:
            behind_ms_max = max(behind_ms_max, -ahead_ms)
        _produce(producer, topic, _due(record, int(due_ms)), number)
    _flush(producer)
    return Played(len(records), time.time() - start_ms / 1_000, behind_ms_max)


def _due(record: Record, time_ms: int) -> Record:
    """The record with its time. Fields of a protobuf message may come in any order: it goes behind the others."""
    return Record(record.key, record.value + UserEvent(event_time_ms=time_ms).SerializeToString(), time_ms)


def _without_time(event: SimulatedEvent, began_ms: int) -> Record:
    message = user_event(event)
    message.ClearField("event_time_ms")
    return Record(event.user_id.encode(), message.SerializeToString(), event.event_time_ms - began_ms)


def _publish(producer: Producer, topic: str, events: Iterable[UserEvent]) -> int:
    number = 0
    for number, event in enumerate(events, start=1):
        record = Record(event.user_id.encode(), event.SerializeToString(), event.event_time_ms)
        _produce(producer, topic, record, number)
    return number


def _produce(producer: Producer, topic: str, record: Record, number: int) -> None:
    while True:
        try:
            producer.produce(topic, record.value, record.key, timestamp=record.time_ms)
            break
        except BufferError:
            producer.poll(0.1)
    if not number % POLL_EVERY:
        producer.poll(0)


def _flush(producer: Producer) -> None:
    if left := producer.flush(FLUSH_S_MAX):
        sys.exit(f"Kafka did not acknowledge {left:,} events")


if __name__ == "__main__":
    main()
