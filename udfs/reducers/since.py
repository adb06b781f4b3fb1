"""The time since the last event of some types."""

from __future__ import annotations

from typing import Any

from udfs.event import Event
from udfs.expressions.node import Node, Scope
from udfs.profile import Profile
from udfs.reducers.kind import Kind, On, Sizes, Slots, Step, check_read


class KeepTime(Step):
    """Keeps the time of the last event."""

    __slots__ = ("_slot",)

    def __init__(self, slot: int) -> None:
        self._slot = slot

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Set the time."""
        profile.values[self._slot] = float(event.time_ms)
        return 0


class SinceNode(Node):
    """Reads the time that has passed."""

    __slots__ = ("_default", "_slot", "_unit_ms")

    def __init__(self, slot: int, unit_ms: float, default: float) -> None:
        self._slot = slot
        self._unit_ms = unit_ms
        self._default = default

    def number(self, scope: Scope) -> float:
        """Return the time until the as-of time, in units."""
        then_ms = scope.values[self._slot]
        return (scope.as_of_ms - then_ms) / self._unit_ms if then_ms else self._default


class Since(Kind):
    """`since`. No params. Reads: ["since", unit_ms], the default if there was no such event.

    The slot holds the event's time in milliseconds, which is above 0; 0 is never.
    """

    def sizes(self, params: dict[str, Any]) -> Sizes:
        """One value."""
        return Sizes(values=1)

    def step(self, params: dict[str, Any], slots: Slots, on: On) -> Step:
        """Keep the time."""
        return KeepTime(slots.value)

    def reader(self, params: dict[str, Any], slots: Slots, read: list[Any], default: float) -> Node:
        """Return the time since then."""
        check_read(read, "since")
        return SinceNode(slots.value, float(read[1]), default)
