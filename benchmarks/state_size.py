"""The encoded state of simulated users, and the value that Redis keeps of them, in bytes. No Flink, no Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from console.simulator import SimulationSpec, simulate, user_event
from driftline.catalogue import PURCHASE_PROPENSITY
from driftline.event.v1.event_pb2 import UserEvent
from driftline.state.v1.state_pb2 import ShardState
from jobs.pipeline import processor_of
from jobs.settings import ScoreEventsSettings
from sink_connectors.score_value import encode_values
from state_schemas.users import Timelines
from udfs.block import Block, BlockProcessor
from udfs.scoring import Model

EVENTS_MAX = 100_000
USERS_MAX = 500
BLOCK_EVENTS = 1_000
HISTORIES = ((10, 14.0), (100, 30.0), (1_000, 30.0))  # events a user, days
EVERYDAY_USERS, EVERYDAY_DAYS = 150, 30.0


class _States(dict[str, bytes]):
    """Encoded states by user."""

    put_all = dict.update


@dataclass(frozen=True)
class Folded:
    """What a history leaves: encoded states and stored values, by user, and how many events wait in each tail."""

    states: Mapping[str, bytes]
    values: Mapping[str, bytes]
    tail_events: Mapping[str, int]


def typical_states(model: Model) -> list[dict[str, Any]]:
    """Bytes of a user's state and stored value, for users of short and long histories."""
    return [_sizes(events, days, model) for events, days in HISTORIES]


def everyday_state(events_a_day: int, *, uuids: bool = False) -> dict[str, Any]:
    """Bytes of the state of users whose tail holds a day of about so many events, with the job's default settings.

    Args:
        events_a_day: of those users, give or take a quarter.
        uuids: whether the ids of the events are UUIDs; otherwise they are the simulator's, of some ten characters.
    """
    total = int(EVERYDAY_USERS * EVERYDAY_DAYS * events_a_day)
    history = SimulationSpec(users=EVERYDAY_USERS, events=total, days=EVERYDAY_DAYS, seed=3)
    events = map(user_event, simulate(history))
    folded = fold(map(_with_uuid, events) if uuids else events, ScoreEventsSettings.load(), {})
    chosen = [
        user_id for user_id, events in folded.tail_events.items() if abs(events - events_a_day) <= events_a_day // 4
    ]
    sizes = sorted(len(folded.states[user_id]) for user_id in chosen)
    return {
        "users": len(sizes),
        "tail_median": median(folded.tail_events[user_id] for user_id in chosen),
        "state_median": median(sizes),
        "state_max": sizes[-1],
    }


def _with_uuid(event: UserEvent) -> UserEvent:
    event.event_id = str(uuid5(NAMESPACE_OID, event.event_id))
    return event


def _sizes(events: int, days: float, model: Model) -> dict[str, Any]:
    count = min(USERS_MAX, EVENTS_MAX // events)
    history = simulate(SimulationSpec(users=count, events=count * events, days=days, seed=3))
    folded = fold(map(user_event, history), ScoreEventsSettings.load(), {PURCHASE_PROPENSITY: lambda: model})
    states, values = (sorted(map(len, found.values())) for found in (folded.states, folded.values))
    return {
        "events_a_user": events,
        "days": days,
        "state_median": median(states),
        "state_p99": states[int(len(states) * 0.99)],
        "value_median": median(values),
    }


def fold(
    events: Iterable[UserEvent], settings: ScoreEventsSettings, models: Mapping[str, Callable[[], Model | None]]
) -> Folded:
    """Fold events in the order in which they arrive, a block after the other, and return what they leave.

    Args:
        events: each is read when the newest event before it has happened.
        settings: of the job.
        models: what to score with, by score; a score without a model is absent.
    """
    processor = processor_of(settings, dict(models))
    states, shard, values = _States(), ShardState(generation=1_800_000_000_000), dict[str, bytes]()
    users = Timelines(states, processor.bounds, cached_max=0, cached_bytes_max=0)
    arriving, number, now_ms = iter(events), 0, 0
    while part := list(islice(arriving, BLOCK_EVENTS)):
        now_ms = max(now_ms, *(event.event_time_ms for event in part))
        values |= _process(processor, part, number, shard, users, now_ms)
        number += len(part)
    waiting = {user_id: len(timeline.waiting()) for user_id in states if (timeline := users.peek(user_id))}
    return Folded(states, values, waiting)


def _process(  # noqa: PLR0917  (what there is of a job)
    processor: BlockProcessor, part: list[UserEvent], first: int, shard: ShardState, users: Timelines, now_ms: int
) -> dict[str, bytes]:
    """Fold a block, keep its timelines, and return the values that Redis would get."""
    block = Block(
        [event.user_id.encode() for event in part],
        [event.SerializeToString() for event in part],
        [0] * len(part),
        list(range(first, first + len(part))),
        [event.event_time_ms for event in part],
    )
    result = processor.process(block, shard, users, now_ms)
    users.put_all(result.timelines)
    return dict(encode_values(shard.generation, result.scored))
