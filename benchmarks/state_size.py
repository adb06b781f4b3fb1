"""The encoded state of simulated users, and the value that Redis keeps of them, in bytes. No Flink, no Redis."""

from __future__ import annotations

from statistics import median
from typing import Any

from console.simulator import SimulationSpec, simulate, user_event
from driftline.catalogue import PURCHASE_PROPENSITY
from driftline.state.v1.state_pb2 import ShardState
from jobs.pipeline import processor_of
from jobs.settings import ScoreEventsSettings
from sink_connectors.score_value import encode_values
from state_schemas.users import Timelines
from udfs.block import Block
from udfs.scoring import Model

EVENTS_MAX = 100_000
USERS_MAX = 500
HISTORIES = ((10, 14.0), (100, 30.0), (1_000, 30.0))  # events a user, days


class _States(dict[str, bytes]):
    """Encoded states by user."""

    put_all = dict.update


def typical_states(model: Model) -> list[dict[str, Any]]:
    """Bytes of a user's state and stored value, for users of short and long histories."""
    return [_sizes(events, days, model) for events, days in HISTORIES]


def _sizes(events: int, days: float, model: Model) -> dict[str, Any]:
    settings: ScoreEventsSettings = ScoreEventsSettings.load()
    processor = processor_of(settings, {PURCHASE_PROPENSITY: lambda: model})
    states, shard, values = _States(), ShardState(generation=1_800_000_000_000), dict[str, bytes]()
    users = Timelines(states, processor.bounds, cached_max=0, cached_bytes_max=0)
    count = min(USERS_MAX, EVENTS_MAX // events)
    history = simulate(SimulationSpec(users=count, events=count * events, days=days, seed=3))
    records = [
        (event.user_id.encode(), user_event(event).SerializeToString(), event.event_time_ms) for event in history
    ]
    for start in range(0, len(records), 1_000):
        part = records[start : start + 1_000]
        keys, encoded, times_ms = zip(*part, strict=True)
        block = Block(keys, encoded, [0] * len(part), list(range(start, start + len(part))), times_ms)
        result = processor.process(block, shard, users, times_ms[-1])
        users.put_all(result.timelines)
        values |= dict(encode_values(shard.generation, result.scored))
    state_sizes, value_sizes = sorted(map(len, states.values())), sorted(map(len, values.values()))
    return {
        "events_a_user": events,
        "days": days,
        "state_median": median(state_sizes),
        "state_p99": state_sizes[int(len(state_sizes) * 0.99)],
        "value_median": median(value_sizes),
    }
