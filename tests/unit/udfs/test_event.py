from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from udfs.event import VIEW, Event

events = st.builds(
    Event,
    st.integers(0, 3),
    st.sampled_from(["a", "b", "c"]),
    st.integers(1, 9),
    st.floats(allow_nan=False),
    st.sampled_from(["", "shoes"]),
)


@given(events, events)
def test_order_is_by_time_then_id(one: Event, other: Event) -> None:
    assert (one < other) == ((one.time_ms, one.event_id) < (other.time_ms, other.event_id))


@given(events, events)
def test_equal_events_are_equal_in_every_field(one: Event, other: Event) -> None:
    def fields(event: Event) -> tuple[object, ...]:
        return event.time_ms, event.event_id, event.type, event.value, event.category

    assert (one == other) == (fields(one) == fields(other))
    assert one != other or hash(one) == hash(other)


@given(events)
def test_a_pickled_event_is_restored_unchanged(event: Event) -> None:
    assert pickle.loads(pickle.dumps(event)) == event  # noqa: S301


def test_repr_has_every_field() -> None:
    assert repr(Event(5, "e", VIEW, 1.5, "shoes")) == "Event(5, 'e', 1, 1.5, 'shoes', 5, 0, (), ())"
