"""Believable shoppers, reproducible: what `driftline simulate` makes.

`simulate` makes a history, a pure function of its spec; `simulate_live` makes traffic that follows a clock.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from console.simulator.arrival import arrive
from console.simulator.history import make_history
from console.simulator.live import simulate_live
from console.simulator.naming import name_events
from console.simulator.records import SimulatedEvent, json_line, user_event
from console.simulator.shoppers import Shoppers
from console.simulator.spec import SimulationSpec, id_prefix, parse_start

__all__ = [
    "SimulatedEvent",
    "SimulationSpec",
    "json_line",
    "parse_start",
    "simulate",
    "simulate_live",
    "user_event",
]


def simulate(spec: SimulationSpec) -> Iterator[SimulatedEvent]:
    """The events of a history in the order in which they arrive. The same spec gives the same events.

    Disorder and duplicates change the order and repeat events, never the set. `rate` and `duration_s` are ignored.
    """
    users, events = make_history(spec, Shoppers.make(spec.users, spec.seed))
    arrivals = arrive(
        np.random.default_rng([spec.seed, 4]),
        events.time_ms,
        disorder_ms=spec.disorder_ms,
        duplicates=spec.duplicates,
    )
    leaving = (spec.leaving,) if spec.leaving else ()  # ids of before it was an option stay what they were
    prefix = id_prefix(spec.seed, spec.users, len(users), spec.history_start_ms, spec.history_ms, *leaving)
    return name_events(users[arrivals.rows], events.take(arrivals.rows), arrivals.rows, prefix)
