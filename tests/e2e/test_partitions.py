"""One user's events in several partitions: the answer is that of the sorted history, in whatever order they are read.

Two producers that hash differently, or a topic that was given more partitions, put a user's events into two of them.
Live they are read as they happen; from a backlog a poll returns a run of one partition, hours of event time, before the
next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest

from console.local.topics import topics
from driftline.event.v1.event_pb2 import UserEvent
from driftline.state.v1.state_pb2 import ShardState
from tests.builders import DAY, MINUTE, NOW, SECOND, States, block, fold_block, message, processor, scores_of, timelines
from tests.e2e import records
from tests.e2e.namespace import Counters, Namespace, assert_same_scores
from tests.e2e.sessions import ended_sessions, final_sessions
from tests.e2e.stack import RealStack, eventually
from tests.exported import exported
from udfs.event import ADD_TO_CART, CLICK, PURCHASE, SEARCH, VIEW

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

USERS = [f"two-{number}" for number in range(20)]
KINDS = (VIEW, CLICK, VIEW, ADD_TO_CART, SEARCH, PURCHASE, VIEW)
CATEGORIES = ("shoes", "", "hats", "bags")
ROUND_MS, STEP_MS = 140 * SECOND, 7 * SECOND
ROUNDS_A_SESSION, PAUSE_MS = 8, 35 * MINUTE
FIRST_S_MAX, FRESH_S_MAX, DISCOVERED_S_MAX = 60.0, 10.0, 60.0


class Round(NamedTuple):
    """An event of every user, all in one partition."""

    partition: int
    events: list[UserEvent]


def rounds(partitions: Sequence[int], start_ms: int = 0, first: int = 0) -> list[Round]:
    """A round for each of the partitions, one after the other in time, with pauses that end sessions."""
    made = []
    for number, partition in enumerate(partitions, start=first):
        at_ms = start_ms + number * ROUND_MS + number // ROUNDS_A_SESSION * PAUSE_MS
        made.append(Round(partition, [_event(user, number, at_ms + user * STEP_MS) for user in range(len(USERS))]))
    return made


def _event(user: int, number: int, at_ms: int) -> UserEvent:
    kind = KINDS[(user + number) % len(KINDS)]
    amount = {"value": 10.0 + number, "currency": "EUR"} if kind == PURCHASE else {}
    category = CATEGORIES[(user * 3 + number) % len(CATEGORIES)]
    return message(USERS[user], at_ms, type=kind, category=category, event_id=f"{at_ms}-{user}", **amount)


def space_of(stack: RealStack, name: str, partitions: int) -> Namespace:
    """A namespace whose topic has so many partitions; no model scores it, so that its scores are known."""
    events = stack.settings.events_topic
    records.create(stack.settings, {f"{name}.{events}": topics(stack.settings)[events]}, partitions)
    no_models = stack.home / "no-models"
    no_models.mkdir(exist_ok=True)
    return Namespace(stack, name, {"models_dir": no_models})


def produce(space: Namespace, history: Sequence[Round]) -> None:
    """Write the rounds, each record with its event's time; when it ends they are all in Kafka."""
    topic = space.topic("events")
    with records.producer(space.stack.settings) as client:
        for partition, events in history:
            for event in events:
                client.send(
                    topic,
                    key=event.user_id.encode(),
                    value=event.SerializeToString(),
                    partition=partition,
                    timestamp_ms=event.event_time_ms,
                )
        client.flush()


def feed(space: Namespace, history: Sequence[Round], first_s_max: float = FIRST_S_MAX) -> None:
    """Write the rounds to the running job, each once it has processed the one before."""
    sent, wait_s = space.processed(), first_s_max
    for number, one in enumerate(history):
        produce(space, [one])
        sent += len(one.events)
        eventually(space.processed, lambda seen: seen >= sent, f"round {number} is processed", wait_s)  # noqa: B023
        wait_s = FRESH_S_MAX


def events_of(history: Sequence[Round]) -> list[UserEvent]:
    """All events, sorted by time."""
    return sorted((event for one in history for event in one.events), key=lambda e: (e.event_time_ms, e.event_id))


def expected_export(history: Sequence[Round]) -> str:
    """What the pure core makes of the sorted history, one timeline a user."""
    result = fold_block(processor(), block(*events_of(history)), ShardState(), timelines(States()), NOW)
    found = scores_of(result)
    return "".join(exported(found[user_id]) + "\n" for user_id in sorted(found))


def assert_answer(space: Namespace, history: Sequence[Round]) -> None:
    """Everything is accepted, and the scores are those of the sorted history."""
    count = len(events_of(history))
    assert space.drain() == Counters(count, count, count, 0, 0, 0)
    assert_same_scores(space.export(), expected_export(history))


def assert_sessions(space: Namespace, history: Sequence[Round]) -> None:
    """The sessions that have ended are published, without waiting for partitions that hold nothing."""
    expected = ended_sessions(events_of(history))

    def look() -> dict[str, int]:
        return {name: session.events for name, session in final_sessions(space).items()}

    eventually(look, lambda found: found == expected, "the ended sessions are published", FRESH_S_MAX)


def test_a_backlog_gives_the_answer_that_was_given_live(stack: RealStack) -> None:
    history = rounds([3, 1] * 16)  # partitions 0 and 2 stay empty
    backlog = space_of(stack, "two-backlog", partitions=4)
    produce(backlog, history)
    backlog.submit()
    live = space_of(stack, "two-live", partitions=4)
    live.submit()
    feed(live, history)
    assert_answer(live, history)
    assert_sessions(live, history)
    assert_answer(backlog, history)

    more = rounds([3, 1] * 3, first=len(history))
    feed(backlog, more)
    assert_answer(backlog, [*history, *more])
    assert_sessions(backlog, [*history, *more])


def test_partitions_that_are_added_half_way_change_nothing(stack: RealStack) -> None:
    before = rounds([0, 1] * 6)
    moved = rounds([2, 3], first=len(before))  # every user is now in a partition that the job has to find
    mixed = rounds([0, 2, 1, 3] * 4, first=len(before) + len(moved))  # a producer that has not looked again is left
    history = [*before, *moved, *mixed]
    backlog = space_of(stack, "more-backlog", partitions=2)
    live = space_of(stack, "more-live", partitions=2)
    live.submit()
    produce(backlog, before)
    feed(live, before)
    for space in (backlog, live):
        records.add_partitions(stack.settings, space.topic("events"), 4)
    produce(backlog, [*moved, *mixed])
    backlog.submit()
    feed(live, moved, DISCOVERED_S_MAX)
    feed(live, mixed)
    assert_answer(live, history)
    assert_answer(backlog, history)


def test_partitions_that_are_a_month_ahead_make_no_event_late(stack: RealStack) -> None:
    history = [*rounds([1, 3] * 6), *rounds([0, 2] * 6, start_ms=30 * DAY)]
    space = space_of(stack, "month-ahead", partitions=5)
    produce(space, history)
    space.submit()
    assert_answer(space, history)
