"""Counts and sums by the hour of the day or the day of the week, in a time zone."""

from __future__ import annotations

from typing import Any, Final

from udfs.event import Event
from udfs.expressions.clocks import zone_named
from udfs.expressions.inputs import Slot
from udfs.expressions.node import Node, Scope
from udfs.profile import Profile
from udfs.reducers.kind import Kind, On, Sizes, Slots, Step, check_read
from udfs.zones import UTC, Zone

_HOURS: Final = 24
_DAYS: Final = 7


class AddToCalendar(Step):
    """Adds a weight, or value times weight, to the hour or day of an event's time."""

    __slots__ = ("_by_hour", "_slot", "_value", "_weight", "_zone")

    def __init__(self, slot: int, zone: Zone, by_hour: bool, value: Node | None, weight: float) -> None:
        self._slot = slot
        self._zone = zone
        self._by_hour = by_hour
        self._value = value
        self._weight = weight

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Add to the hour or day."""
        zone, time_ms = self._zone, event.time_ms
        nth = zone.hour_of_day(time_ms) if self._by_hour else zone.day_of_week(time_ms)
        amount = self._weight if self._value is None else self._value.number(scope) * self._weight
        profile.values[self._slot + nth] += amount
        return 0


class Calendar(Kind):
    """`calendar`. Params: of, hour or day_of_week; zone, UTC if absent. Reads: ["nth", i], hour 0 or Monday first.

    What had no event is 0, whatever the default.
    """

    def sizes(self, params: dict[str, Any]) -> Sizes:
        """A value for each hour or day."""
        return Sizes(values=_HOURS if params["of"] == "hour" else _DAYS)

    def step(self, params: dict[str, Any], slots: Slots, on: On) -> Step:
        """Add to an hour or day."""
        zone = zone_named(str(params.get("zone", UTC)))
        return AddToCalendar(slots.value, zone, params["of"] == "hour", on.value, float(on.weight))

    def reader(self, params: dict[str, Any], slots: Slots, read: list[Any], default: float) -> Node:
        """Return the i-th hour or day."""
        check_read(read, "nth")
        return Slot(slots.value + int(read[1]))
