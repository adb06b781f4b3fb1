"""On how many days in a row there was an event."""

from __future__ import annotations

from typing import Any

from udfs.event import Event
from udfs.expressions.clocks import zone_named
from udfs.expressions.node import Node, Scope
from udfs.profile import Profile
from udfs.reducers.kind import Kind, On, Sizes, Slots, Step, check_read
from udfs.zones import UTC, Zone


class ExtendStreak(Step):
    """Counts the day of an event, once."""

    __slots__ = ("_slot", "_zone")

    def __init__(self, slot: int, zone: Zone) -> None:
        self._slot = slot
        self._zone = zone

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Extend the streak, or begin another."""
        values = profile.values
        slot = self._slot
        day = float(self._zone.day(event.time_ms))
        days = values[slot + 1]
        if days and day <= values[slot]:  # an earlier day: the clocks were set back over midnight
            return 0
        values[slot + 1] = days + 1.0 if days and day == values[slot] + 1.0 else 1.0
        values[slot] = day
        return 0


class StreakNode(Node):
    """Reads the length of the streak."""

    __slots__ = ("_slot", "_zone")

    def __init__(self, slot: int, zone: Zone) -> None:
        self._slot = slot
        self._zone = zone

    def number(self, scope: Scope) -> float:
        """Return the days, or 0 if a whole day has passed without an event."""
        values = scope.values
        days = values[self._slot + 1]
        if not days:
            return 0.0
        today = float(self._zone.day(int(scope.as_of_ms)))
        return days if today <= values[self._slot] + 1.0 else 0.0


class Streak(Kind):
    """`streak`. Params: zone, UTC if absent. Reads: ["days"].

    A streak lasts until a whole local day is missing. So it is read as of the day of the as-of time, which is at least
    that of the newest event of any type: the last counted day may be that day or the one before it, which leaves today
    to go on; else it is 0.
    """

    def sizes(self, params: dict[str, Any]) -> Sizes:
        """The number of the last day, and the days until then."""
        return Sizes(values=2)

    def step(self, params: dict[str, Any], slots: Slots, on: On) -> Step:
        """Count the day."""
        return ExtendStreak(slots.value, zone_named(str(params.get("zone", UTC))))

    def reader(self, params: dict[str, Any], slots: Slots, read: list[Any], default: float) -> Node:
        """Return the days; none are 0, whatever the default."""
        check_read(read, "days")
        return StreakNode(slots.value, zone_named(str(params.get("zone", UTC))))
