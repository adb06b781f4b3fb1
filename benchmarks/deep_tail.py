"""What the disorder bound costs the core: CPU an event and bytes a user, in order and with events that come late.

    python -m benchmarks.deep_tail [--users 4000] [--events 400000] [--late-share 0.05] [--late-by-h 24]

Users have a hundred events within two weeks. Each bound folds the same history twice: in order, and with a share of the
events arriving late by a time that the bound allows, a day where it is longer. No Kafka, Redis, RocksDB or model takes
part; states are bytes in a dict, and each block decodes and encodes its users. Figures of one run can be compared with
each other, because the kinds take turns.
"""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import dataclass
from statistics import mean, median, quantiles

from benchmarks.state_size import fold
from benchmarks.workbench import machine
from console.simulator import SimulationSpec, simulate, user_event
from driftline.event.v1.event_pb2 import UserEvent
from driftline.units import DAY_MS, HOUR_MS, MINUTE_MS
from jobs.settings import ScoreEventsSettings

BOUNDS_MS = (MINUTE_MS, HOUR_MS, DAY_MS, 7 * DAY_MS, 30 * DAY_MS)


@dataclass
class Measured:
    """One fold of the history.

    Attributes:
        cpu_us: an event.
        state_bytes: of each user at the end.
    """

    cpu_us: float
    state_bytes: list[int]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=4_000)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--late-share", type=float, default=0.05)
    parser.add_argument("--late-by-h", type=float, default=24)
    options = parser.parse_args()
    spec = SimulationSpec(users=options.users, events=options.events, seed=5)
    history = [user_event(event) for event in simulate(spec)]
    print(f"machine: {machine()}\n{len(history):,} events of {options.users:,} users; us of CPU an event, bytes a user")
    for bound_ms in BOUNDS_MS:
        late_by_ms = min(int(options.late_by_h * HOUR_MS), bound_ms)
        in_order = measured(history, bound_ms)
        late = measured(arrivals(history, options.late_share, late_by_ms), bound_ms)
        sizes = in_order.state_bytes
        print(
            f"bound {bound_ms / HOUR_MS:7,.2f} h: in order {in_order.cpu_us:5.2f}, {options.late_share:.0%} late by "
            f"{late_by_ms / HOUR_MS:5.2f} h {late.cpu_us:5.2f} ({in_order.cpu_us / late.cpu_us:.2f} of the rate); "
            f"state mean {mean(sizes):,.0f}, median {median(sizes):,.0f}, "
            f"p99 {quantiles(sizes, n=100)[98]:,.0f}",
            flush=True,
        )


def arrivals(history: list[UserEvent], share: float, by_ms: int) -> list[UserEvent]:
    """The history in the order of arrival, where a share of the events arrives late."""
    rng = random.Random(7)
    delayed = [event.event_time_ms + (by_ms if rng.random() < share else 0) for event in history]
    return [history[at] for at in sorted(range(len(history)), key=delayed.__getitem__)]


def measured(history: list[UserEvent], bound_ms: int) -> Measured:
    """Fold a history with a bound."""
    horizon_ms = max(bound_ms, DAY_MS)
    settings: ScoreEventsSettings = ScoreEventsSettings.load(disorder_ms=bound_ms, dedupe_horizon_ms=horizon_ms)
    began_s = time.process_time()
    folded = fold(history, settings, {})
    cpu_us = (time.process_time() - began_s) / len(history) * 1e6
    return Measured(cpu_us, [len(state) for state in folded.states.values()])


if __name__ == "__main__":
    main()
