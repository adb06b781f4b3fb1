"""Counts and sums, for ever, of a session, or decaying; also weighted.

A decayed sum is the sum of weight * 2^(-age / half-life), kept by multiplying with 2^(-pause / half-life) before each
event: Cormode et al., "Forward decay", ICDE 2009, explain why that loses nothing.
"""

from __future__ import annotations

from typing import Any

from udfs.event import Event
from udfs.expressions.inputs import Slot
from udfs.expressions.node import Node, Scope
from udfs.profile import Profile
from udfs.reducers.kind import Kind, On, Sizes, Slots, Step, check_read


class AddWeight(Step):
    """Adds the same to a slot for each event."""

    __slots__ = ("_slot", "_weight")

    def __init__(self, slot: int, weight: float) -> None:
        self._slot = slot
        self._weight = weight

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Add the weight."""
        values, slot = profile.values, self._slot
        values[slot] = values[slot] + self._weight
        return 0


class AddValue(Step):
    """Adds an event's value to a slot."""

    __slots__ = ("_slot", "_value", "_weight")

    def __init__(self, slot: int, value: Node, weight: float) -> None:
        self._slot = slot
        self._value = value
        self._weight = weight

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Add the value times the weight."""
        profile.values[self._slot] += self._value.number(scope) * self._weight
        return 0


class Count(Kind):
    """`count` and `sum`. Params: half_life_ms, 0 or absent for none. Reads: ["value"]."""

    def sizes(self, params: dict[str, Any]) -> Sizes:
        """One value."""
        return Sizes(values=1)

    def half_life_ms(self, params: dict[str, Any]) -> float:
        """As given."""
        return float(params.get("half_life_ms", 0.0))

    def step(self, params: dict[str, Any], slots: Slots, on: On) -> Step:
        """Add the weight, or value times weight."""
        return AddWeight(slots.value, on.weight) if on.value is None else AddValue(slots.value, on.value, on.weight)

    def reader(self, params: dict[str, Any], slots: Slots, read: list[Any], default: float) -> Node:
        """Return the slot; a count of nothing is 0, whatever the default."""
        check_read(read, "value")
        return Slot(slots.value)
