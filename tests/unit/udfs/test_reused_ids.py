"""An event with the id of another event is told from a repeat, and becomes a dead letter."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.metrics import JobMetric, JobNamed
from driftline.state.v1.state_pb2 import ShardState
from state_schemas.user_state import encode_user
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    T0,
    block,
    bounds,
    event,
    fold_block,
    message,
    processor,
    timelines,
)
from training.examples import make_examples
from udfs.event import CLICK, FORGET, PURCHASE, VIEW, Event
from udfs.timeline import Outcome, Timeline

ACCEPTED, DUPLICATE, LATE, ID_REUSED = Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.LATE, Outcome.ID_REUSED
FIRST: dict[str, Any] = {"kind": PURCHASE, "event_id": "x", "value": 5.0, "category": "shoes"}


def one(at_ms: int = 0, currency: int = 0, **changed: Any) -> Event:
    made = event(at_ms, **(FIRST | changed))
    made.currency = currency
    return made


@pytest.mark.parametrize(
    ("other", "fields"),
    [
        (one(1), ["event_time_ms"]),
        (one(-HOUR), ["event_time_ms"]),
        (one(DAY), ["event_time_ms"]),
        (one(kind=VIEW), ["type"]),
        (one(value=5.5), ["value"]),
        (one(category=""), ["category"]),
        (one(currency=978), ["currency"]),
        (one(kind=CLICK, value=0.0, category="hats"), ["type", "value", "category"]),
        (one(1, kind=VIEW), ["event_time_ms"]),
    ],
)
def test_differing_fields_are_named_while_the_earlier_event_is_in_the_tail(other: Event, fields: list[str]) -> None:
    timeline = Timeline.begin(bounds())
    timeline.offer(event(-SECOND))
    timeline.offer(one())
    timeline.offer(event(SECOND))
    before = encode_user(timeline)
    assert timeline.offer(other) is ID_REUSED
    assert timeline.differing(other) == fields
    assert encode_user(timeline) == before


def test_a_repeat_is_a_duplicate_whatever_its_record_is_stamped_with() -> None:
    timeline = Timeline.begin(bounds())
    timeline.offer(one())
    repeat = one()
    repeat.known_ms = T0 - 1
    assert timeline.offer(repeat) is DUPLICATE


def test_once_the_earlier_event_is_committed_only_another_time_is_recognised() -> None:
    timeline = Timeline.begin(bounds())
    timeline.offer(one())
    timeline.offer(event(HOUR))
    assert timeline.offer(one(value=6.0)) is DUPLICATE
    assert timeline.offer(one(1)) is ID_REUSED
    assert timeline.offer(one(HOUR)) is ID_REUSED


def test_an_id_that_a_forget_has_used_is_used() -> None:
    timeline = Timeline.begin(bounds())
    timeline.offer(event(0, FORGET, event_id="x"))
    assert timeline.offer(one(MINUTE)) is ID_REUSED
    assert timeline.offer(one(MINUTE, event_id="y")) is ACCEPTED


def test_a_repeat_of_what_was_forgotten_is_a_duplicate() -> None:
    timeline = Timeline.begin(bounds())
    timeline.offer(one())
    timeline.offer(event(SECOND, FORGET))
    assert timeline.offer(one()) is DUPLICATE


def test_a_forget_keeps_its_own_rules_under_a_used_id() -> None:
    timeline = Timeline.begin(bounds())
    timeline.offer(one())
    assert timeline.offer(event(SECOND, FORGET, event_id="x")) is ACCEPTED
    assert timeline.profile().empty
    assert timeline.offer(event(SECOND, FORGET, event_id="x")) is DUPLICATE


def test_a_repeat_from_a_partition_that_is_behind_is_one_although_the_id_was_used_again_since() -> None:
    timeline = Timeline.begin(bounds())
    assert timeline.offer(one(), read_ms=T0, watermark_ms=T0) is ACCEPTED
    assert timeline.offer(one(25 * HOUR), read_ms=T0 + 25 * HOUR, watermark_ms=T0) is ACCEPTED
    assert timeline.offer(one(), read_ms=T0, watermark_ms=T0) is DUPLICATE
    assert timeline.offer(one(25 * HOUR), read_ms=T0 + 25 * HOUR, watermark_ms=T0) is DUPLICATE
    assert timeline.offer(one(value=6.0), read_ms=T0, watermark_ms=T0) is ID_REUSED
    assert timeline.offer(one(HOUR), read_ms=T0 + HOUR, watermark_ms=T0) is ID_REUSED


OFFERS = st.builds(
    lambda at_ms, name, value: event(at_ms, event_id=name, value=value),
    st.integers(0, 3 * MINUTE) | st.integers(0, 3 * DAY),
    st.sampled_from("abc"),
    st.sampled_from([0.0, 1.0]),
)


@given(st.lists(OFFERS, max_size=30))
def test_outcomes_are_those_of_a_plain_model(offers: list[Event]) -> None:
    timeline = Timeline.begin(bounds())
    accepted: dict[str, Event] = {}
    newest_ms = 0
    for offered in offers:
        frontier_ms = newest_ms - MINUTE
        used = accepted.get(offered.event_id)
        remembered = used is not None and used.time_ms >= newest_ms - DAY
        if used is not None and remembered and abs(used.time_ms - offered.time_ms) <= DAY:
            differs = used.time_ms != offered.time_ms or (used.time_ms >= frontier_ms and used.value != offered.value)
            expected = ID_REUSED if differs else DUPLICATE
        elif offered.time_ms < frontier_ms:
            expected = LATE
        else:
            expected = ACCEPTED
            accepted[offered.event_id] = offered
            newest_ms = max(newest_ms, offered.time_ms)
        assert timeline.offer(offered) is expected


def test_a_reused_id_is_a_dead_letter_as_it_came_that_names_fields_and_no_values() -> None:
    first = message(type=PURCHASE, value=31337.5, category="private", event_id="secret")
    again = message(type=PURCHASE, value=31337.5, category="private", event_id="secret")
    other = message(type=PURCHASE, value=4141.5, category="other", event_id="secret")
    anew = message(type=PURCHASE, value=31337.5, category="private", event_id="secret", event_time_ms=T0 + 1)
    records, shard = block(first, again, other, anew), ShardState()
    result = fold_block(processor(), records, shard, timelines(), NOW)
    assert (shard.accepted, shard.duplicate, shard.late, shard.dead_letter) == (1, 1, 0, 2)
    assert [dead.value for dead in result.dead_letters] == list(records.values[2:])
    told = [dead.headers["driftline.errors.message"].decode() for dead in result.dead_letters]
    assert told == [
        "event_id was used before, by an event with another value and another category",
        "event_id was used before, by an event with another event_time_ms",
    ]
    for dead in result.dead_letters:
        assert dead.headers["driftline.errors.reason"] == b"ID_REUSED"
        assert dead.headers["driftline.errors.stage"] == b"order"
    assert result.counts[JobMetric.EVENTS_DEAD_LETTER] == 2
    assert result.named[JobNamed.DEAD_LETTERS] == {"ID_REUSED": 2}


def test_training_leaves_reused_ids_out_for_the_same_reason() -> None:
    history = [one(), one(), one(value=6.0), one(MINUTE), event(5 * HOUR, event_id="end")]
    left_out = make_examples({"u": history}, bounds()).left_out
    assert (left_out.counts["DUPLICATE"], left_out.counts["ID_REUSED"]) == (1, 2)
