"""Files that are no history: what the job will call late is said while they are published."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from driftline.event.v1.event_pb2 import UserEvent
from history.order import OrderWatch
from tests.builders import DAY, MINUTE, NOW, T0, bounds, event, message
from tests.unit.udfs.strategies import histories
from udfs.event import FORGET, VIEW, Event
from udfs.timeline import Outcome, Timeline


@given(st.data(), histories(kinds=st.just(VIEW)))
def test_what_is_behind_is_what_the_fold_calls_late(data: st.DataObject, history: list[Event]) -> None:
    order, timeline, late = (
        OrderWatch(NOW, disorder_ms=MINUTE, clock_skew_ms_max=5 * MINUTE),
        Timeline.begin(bounds()),
        0,
    )
    for arrived in data.draw(st.permutations(history)):
        order(message("u", event_time_ms=arrived.time_ms, event_id=arrived.event_id))
        late += timeline.offer(arrived) is Outcome.LATE
    assert order.behind == late
    assert bool(order.warning()) == bool(late)


def test_users_are_told_apart_and_forgets_and_clocks_that_are_ahead_make_nothing_late() -> None:
    order = OrderWatch(T0 + DAY, disorder_ms=MINUTE, clock_skew_ms_max=5 * MINUTE)
    for user, at_ms, kind in [
        ("a", DAY, VIEW),
        ("b", 0, VIEW),  # another user
        ("a", 0, FORGET),
        ("b", 90 * DAY, VIEW),  # no clock can have shown it
        ("b", 1, VIEW),
        ("a", DAY - MINUTE, VIEW),
        ("a", DAY - MINUTE - 1, VIEW),
    ]:
        order(UserEvent(user_id=user, event_time_ms=event(at_ms).time_ms, type=kind))  # type: ignore[arg-type]
    assert order.behind == 1
    assert "newest in the order of the files" in order.warning()
