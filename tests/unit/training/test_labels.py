"""Labels against a plain reading of all that follows."""

from __future__ import annotations

from math import fsum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import MINUTE, T0, event
from training.labels import PURCHASE_WITHIN_30_MIN, Label
from udfs.event import CLICK, PURCHASE, REFUND, VIEW, Event
from udfs.money import LEFT_OUT, NUMBERS

EURO, DOLLAR = NUMBERS["EUR"], NUMBERS["USD"]


def label(kind: str, types: list[int], within_ms: int = MINUTE, **rest: Any) -> Label:
    return Label.of_plan({"kind": kind, "types": types, "within_ms": within_ms, "where": None, **rest}, "UTC")


histories = st.lists(
    st.builds(
        lambda at_ms, number, kind, value: event(at_ms, kind, event_id=str(number), value=value),
        st.integers(0, 20).map(lambda step: step * 10_000),
        st.integers(0, 9),
        st.sampled_from([VIEW, CLICK, PURCHASE]),
        st.floats(-1e6, 1e6),
    ),
    max_size=25,
).map(sorted)
types = st.lists(st.sampled_from([VIEW, CLICK, PURCHASE]), max_size=2)
ABOVE_0 = [">", ["event", "value"], 0]


@given(histories, types, st.sampled_from([10_000, MINUTE, 1 << 40]), st.booleans())
def test_as_a_plain_reading_of_all_that_follows(
    events: list[Event], kinds: list[int], within_ms: int, above: bool
) -> None:
    where = ABOVE_0 if above else None
    happened = label("event", kinds, within_ms, where=where).of(events)
    absent = label("absence", kinds, within_ms, where=where).of(events)
    summed = label("sum", kinds, within_ms, where=where, value=["*", 2, ["event", "value"]]).of(events)
    for number, one in enumerate(events):
        following = [
            other
            for other in events
            if one.time_ms < other.time_ms <= one.time_ms + within_ms
            and (not kinds or other.type in kinds)
            and (other.value > 0 or not above)
        ]
        assert happened[number] == float(bool(following))
        assert absent[number] == float(not following)
        assert summed[number] == fsum(2 * other.value for other in following)


@given(histories, st.integers(0, 30), st.sampled_from([0, 10_000, MINUTE]))
def test_a_label_is_known_once_its_time_is_over(events: list[Event], end: int, within_ms: int) -> None:
    end_ms = T0 + end * 10_000
    known = label("event", [VIEW], within_ms).known(events, end_ms)
    assert [one.time_ms + within_ms <= end_ms for one in events] == [number < known for number in range(len(events))]


def test_a_sum_of_amounts_is_of_the_user_s_currency() -> None:
    amounts = [(0, 10.0, EURO), (1, 5.0, DOLLAR), (2, 2.0, 0), (3, 7.0, LEFT_OUT), (4, 1.0, EURO)]
    events = [
        Event(T0 + at_ms, str(at_ms), REFUND if at_ms == 4 else PURCHASE, value, "", -1, currency)
        for at_ms, value, currency in amounts
    ]
    start = event(-1)
    value = ["event", "value"]
    assert label("sum", [PURCHASE], value=value).of([start, *events])[0] == 12.0
    assert label("sum", [PURCHASE, REFUND], value=value).of([start, *events])[0] == 13.0
    assert label("sum", [PURCHASE], value=["*", 1, value]).of([start, *events])[0] == 24.0  # no amount, any more
    assert label("event", [PURCHASE]).of([start, *events])[0] == 1.0


def test_that_of_purchase_propensity() -> None:
    events = [event(0), event(30 * MINUTE, PURCHASE)]
    declared = label("event", [PURCHASE], 30 * MINUTE)
    assert declared == PURCHASE_WITHIN_30_MIN
    assert declared.of(events) == [1.0, 0.0]


def test_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="event, sum, absence, not 'mean'"):
        label("mean", [])


def test_what_is_no_number_adds_nothing() -> None:
    inverse = label("sum", [VIEW], value=["/", 1, ["event", "value"]])
    assert inverse.of([event(0), event(1, value=0.0), event(2, value=4.0)])[0] == 0.25


def test_a_moment_of_silence_looks_ahead_from_its_own_time() -> None:
    events = [event(0), event(100), event(300)]
    moments_ms = [T0, T0 + 50, T0 + 100, T0 + 150, T0 + 300, T0 + 400]
    assert label("absence", [], 100).of(events, moments_ms) == [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    assert label("event", [], 150).of(events, moments_ms) == [1.0, 1.0, 0.0, 1.0, 0.0, 0.0]


def test_absence_is_looked_at_in_silence_unless_it_is_declared_otherwise() -> None:
    assert label("absence", []).at_ages and not label("event", []).at_ages
    assert label("event", [], at_ages=True).at_ages and not label("absence", [], at_ages=False).at_ages
