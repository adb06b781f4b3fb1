"""The smallest and the largest value."""

from __future__ import annotations

from typing import Any

from udfs.event import Event
from udfs.expressions.node import Node, Scope
from udfs.profile import Profile
from udfs.reducers.kind import Kind, On, Sizes, Slots, Step, check_read, required


class FlaggedNode(Node):
    """Reads a slot whose next slot says whether it has been set."""

    __slots__ = ("_default", "_slot")

    def __init__(self, slot: int, default: float) -> None:
        self._slot = slot
        self._default = default

    def number(self, scope: Scope) -> float:
        """Return the value, or the default before there is one."""
        values = scope.values
        return values[self._slot] if values[self._slot + 1] else self._default


class KeepExtreme(Step):
    """Keeps the smallest or largest value."""

    __slots__ = ("_largest", "_slot", "_value")

    def __init__(self, slot: int, value: Node, largest: bool) -> None:
        self._slot = slot
        self._value = value
        self._largest = largest

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Compare with the value."""
        value = self._value.number(scope)
        values = profile.values
        slot = self._slot
        if not values[slot + 1]:
            values[slot] = value
            values[slot + 1] = 1.0
        elif value > values[slot] if self._largest else value < values[slot]:
            values[slot] = value
        return 0


class Extreme(Kind):
    """`extreme`. Params: agg, min or max. Reads: ["value"], the default before the first."""

    def sizes(self, params: dict[str, Any]) -> Sizes:
        """The value, and whether there is one."""
        return Sizes(values=2)

    def step(self, params: dict[str, Any], slots: Slots, on: On) -> Step:
        """Compare each value."""
        return KeepExtreme(slots.value, required(on.value), params["agg"] == "max")

    def reader(self, params: dict[str, Any], slots: Slots, read: list[Any], default: float) -> Node:
        """Return the value."""
        check_read(read, "value")
        return FlaggedNode(slots.value, default)
