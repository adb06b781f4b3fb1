"""Memory of a TaskManager that runs this job alone: many users, then a crowd whose timelines are as large as they get.

    python -m benchmarks.memory [--users 200000] [--bots 400] [--bot-events 1000] [--set NAME=VALUE ...]

Prints the largest resident size of each phase beside what flink-conf.yaml gives the process. A bot's events have ids
and categories as long as they may be, and come within the disorder bound, so that all of them wait in its tail.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kafka import KafkaProducer

from benchmarks.topic_runs import drain, submit
from benchmarks.workbench import Workbench, machine, say, workbench
from console.local.flink_conf import CONF_SOURCE, read_conf
from driftline.event.v1.event_pb2 import UserEvent
from driftline.units import wall_clock_ms

LOOK_S = 0.5
WARM_UP_S = 5.0
TASK_MANAGER = "taskmanager-1"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=200_000, help="users with an event each, twice")
    parser.add_argument("--bots", type=int, default=400, help="users at the bounds of their texts")
    parser.add_argument("--bot-events", type=int, default=1_000, help="events of each, in his tail together")
    parser.add_argument("--set", nargs="*", default=[], help="settings of the job, NAME=VALUE")
    options = parser.parse_args()
    phases: tuple[tuple[str, Callable[[Workbench], int]], ...] = (
        (f"{options.users:,} users", lambda bench: crowd(bench, options.users)),
        (
            f"{options.bots:,} bots of {options.bot_events:,} events",
            lambda b: army(b, options.bots, options.bot_events),
        ),
    )
    conf = read_conf(CONF_SOURCE)
    with workbench() as bench:
        submit(bench, "main", options.set)
        print(machine())
        print(f"process.size {conf['taskmanager.memory.process.size']}, off-heap for Python "
              f"{conf['taskmanager.memory.task.off-heap.size']}")  # fmt: skip
        for name, publish in phases:
            with largest(bench) as resident:
                began_s = time.monotonic()
                events = publish(bench)
                drain(bench, "main", 600)
                took_s = time.monotonic() - began_s
                time.sleep(WARM_UP_S)
            print(f"{name}: {events:,} events in {took_s:,.0f} s; resident {max(resident):,.0f} MiB", flush=True)


@contextmanager
def largest(bench: Workbench) -> Iterator[list[float]]:
    """Gather the resident MiB of the TaskManager meanwhile."""
    seen: list[float] = [bench.usage()[TASK_MANAGER][1]]
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_S):
            seen.append(bench.usage()[TASK_MANAGER][1])

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
        say(f"resident MiB: {[round(mib) for mib in seen[:: max(1, len(seen) // 12)]]}")


def crowd(bench: Workbench, users: int) -> int:
    """Publish two events of each user."""
    now_ms = wall_clock_ms()

    def events() -> Iterator[UserEvent]:
        for visit in range(2):
            for user in range(users):
                yield UserEvent(
                    event_id=f"3fa85f64-5717-4562-b3fc-{visit}{user:011d}",
                    user_id=f"user-{user:08d}",
                    type=UserEvent.VIEW,
                    event_time_ms=now_ms - (2 - visit) * 60_000,
                    category=f"category-{user % 30}",
                )

    return _publish(bench, events())


def army(bench: Workbench, bots: int, each: int) -> int:
    """Publish the events of bots, in turns."""
    now_ms = wall_clock_ms()

    def events() -> Iterator[UserEvent]:
        for number in range(each):
            for bot in range(bots):
                yield UserEvent(
                    event_id=f"{number:0128d}",
                    user_id=f"bot-{bot:08d}",
                    type=UserEvent.CLICK,
                    event_time_ms=now_ms + number - each,
                    category=f"{number % 500:0256d}",
                )

    return _publish(bench, events())


def _publish(bench: Workbench, events: Iterator[UserEvent]) -> int:
    producer = KafkaProducer(bootstrap_servers=bench.settings.kafka_address, linger_ms=20, batch_size=2**18)
    published = 0
    for event in events:
        published += 1
        producer.send(
            bench.settings.events_topic,
            key=event.user_id.encode(),
            value=event.SerializeToString(),
            timestamp_ms=event.event_time_ms,
        )
    producer.flush()
    producer.close()
    return published


if __name__ == "__main__":
    main()
