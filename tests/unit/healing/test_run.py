"""A run of healing over topics that are lists, and what the job makes of its orders."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest

from console.dead_letters.records import DeadLetter, Place
from console.healing.facts import LateUsers, late_users, next_begins, refusals, rejected_places
from console.healing.run import Run, Sent
from driftline.errors import InputError
from driftline.event.v1.event_pb2 import UserEvent
from driftline.state.v1.state_pb2 import ShardState
from history.healing import Job
from jobs.bundle import bound_for
from jobs.pipeline import decoder_of, folding_of
from jobs.plans import plan_for
from tests.builders import (
    DAY,
    HOUR,
    NOW,
    SECOND,
    States,
    bounds,
    fold_block,
    job_settings,
    message,
    processor,
    timelines,
)
from udfs.block import Block
from udfs.rejects import Reject

TOPIC = "events"


@dataclass
class Stack:
    """A job, its events topic, and the topics of what it did not fold."""

    events: list[DeadLetter] = field(default_factory=list)
    late: list[DeadLetter] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._shard, self._users, self._processor = ShardState(), timelines(States()), processor()

    def send(self, key: bytes, value: bytes, timestamp_ms: int) -> tuple[int, int]:
        place = Place(TOPIC, 0, len(self.events))
        self.events.append(DeadLetter(place=place, key=key, value=value, headers=(), written_ms=timestamp_ms))
        block = Block([key], [value], [0], [place.offset], [timestamp_ms])
        result = fold_block(self._processor, block, self._shard, self._users, NOW)
        for rejects, topic, name in ((result.late, self.late, "late"), (result.dead_letters, self.dead, "dead")):
            topic += [self._letter(reject, Place(name, 0, len(topic))) for reject in rejects]
        return place.partition, place.offset

    def event(self, event: UserEvent) -> None:
        self.send(event.user_id.encode(), event.SerializeToString(), event.event_time_ms)

    @staticmethod
    def _letter(reject: Reject, place: Place) -> DeadLetter:
        headers = tuple(reject.headers.items())
        return DeadLetter(place=place, key=reject.key, value=reject.value, headers=headers, written_ms=NOW)

    def found(self, begins: dict[int, int] | None = None, users: frozenset[bytes] = frozenset()) -> LateUsers:
        return late_users(self.late, TOPIC, begins=begins or {}, users=users)

    def run(self, late: LateUsers | None = None, *, dry: bool = False) -> Run:
        found = late or self.found()
        rejected = rejected_places(self.dead, TOPIC, found.first)
        run = Run("h1", job(), found, rejected, None if dry else self._order)
        for keys in run.passes(1):
            run.heal(run.read(keys, list(self.events)), as_fast_as_possible)
        return run

    def _order(self, user_id: str, value: bytes, timestamp_ms: int) -> Callable[[], tuple[int, int]]:
        place = self.send(user_id.encode(), value, timestamp_ms)
        return lambda: place

    def answer(self, run: Run) -> Run:
        run.answer(lambda _: True, refusals(self.dead, TOPIC))
        return run


def as_fast_as_possible(keys: Iterable[bytes]) -> Iterable[bytes]:
    return keys


def job() -> Job:
    settings = job_settings()
    return Job(
        decoder=decoder_of(settings),
        bounds=bounds(),
        plan=plan_for(settings),
        folding=folding_of(settings, bound_for(settings)),
        event_bytes_max=settings.event_bytes_max,
        now_ms=NOW,
    )


@pytest.fixture
def stack() -> Stack:
    """Two users with a late event each, and one without."""
    made = Stack()
    for user_id in ("u1", "u2", "u3"):
        made.event(message(user_id, 0))
        made.event(message(user_id, DAY))
    for user_id in ("u1", "u2"):
        made.event(message(user_id, HOUR))
    assert len(made.late) == 2
    return made


def test_users_with_late_events_are_healed(stack: Stack) -> None:
    run = stack.answer(stack.run())
    assert run.summary() == {"users": 2, "late_events_healed": 2, "applied": 2}
    assert [audit.line()["user_id"] for audit in run.audits.values()] == ["u1", "u2"]
    assert not stack.dead
    assert stack.run().summary() == {"users": 2, "late_events_healed": 0, "in-place": 2}


def test_a_dry_run_sends_nothing(stack: Stack) -> None:
    before = len(stack.events)
    assert stack.run(dry=True).summary() == {"users": 2, "late_events_healed": 0, "heal": 2}
    assert len(stack.events) == before


def test_the_next_run_begins_behind_the_last(stack: Stack) -> None:
    late = stack.found()
    run = stack.answer(stack.run(late))
    begins = next_begins(late, {}, run.open_users(), NOW, DAY)
    assert begins == {0: 2}
    assert not stack.found(begins).first
    stack.event(message("u3", HOUR))
    assert set(stack.found(begins).first) == {b"u3"}


def test_who_was_refused_is_tried_again(stack: Stack) -> None:
    late = stack.found()
    run = Run("h1", job(), late, {}, stack._order)
    (keys,) = run.passes(2)
    histories = run.read(keys, list(stack.events))
    stack.event(message("u2", DAY - 50 * SECOND))  # arrives meanwhile, before the cut
    run.heal(histories, as_fast_as_possible)
    stack.answer(run)
    audits = {audit.user_id: audit for audit in run.audits.values()}
    assert (audits["u1"].verdict, audits["u2"].verdict) == ("applied", "refused")
    assert audits["u2"].cause.startswith("history-differs: ")
    assert next_begins(late, {}, run.open_users(), NOW, DAY) == {0: 1}
    assert next_begins(late, {}, run.open_users(), NOW + 2 * DAY, DAY) == {0: 2}, "given up"
    again = stack.answer(stack.run(stack.found({0: 1})))
    assert again.summary() == {"users": 1, "late_events_healed": 1, "applied": 1}


def test_what_the_topic_refuses_and_what_the_job_has_not_read_is_open(stack: Stack) -> None:
    def refuse(user_id: str, value: bytes, timestamp_ms: int) -> Callable[[], tuple[int, int]]:
        message = "too old"
        raise InputError(message)

    run = Run("h1", job(), stack.found(), {}, refuse)
    run.heal(run.read([b"u1"], list(stack.events)), as_fast_as_possible)
    assert (run.audits[b"u1"].verdict, run.audits[b"u1"].cause, run.open_users()) == ("not-sent", "too old", [b"u1"])
    run = stack.run()
    run.answer(lambda one: one.key == b"u1", {})
    assert [audit.verdict for audit in run.audits.values()] == ["applied", "sent"]
    assert run.open_users() == [b"u2"]
    assert run.sent[0] == Sent(b"u1", (0, run.audits[b"u1"].offset))


def test_users_may_be_chosen(stack: Stack) -> None:
    assert set(stack.found(users=frozenset({b"u2"})).first) == {b"u2"}
    assert not late_users(stack.late, TOPIC, begins={}, since_ms=NOW + 1).first
    assert not late_users(stack.late, "others", begins={}).first
