"""Mean and standard deviation in one pass.

Welford's recurrence (Technometrics 4, 1962) keeps the mean and the sum of squared deviations from it. Sums of squares
would lose the digits of a small deviation from a large mean.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

from udfs.event import Event
from udfs.expressions.node import Node, Scope
from udfs.profile import Profile
from udfs.reducers.kind import Kind, On, Sizes, Slots, Step, check_read, required

_DEVIATES_FROM = 2.0  # values: one alone has no deviation


class AddMoments(Step):
    """Adds a value to count, mean and sum of squared deviations."""

    __slots__ = ("_slot", "_value")

    def __init__(self, slot: int, value: Node) -> None:
        self._slot = slot
        self._value = value

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Add the value."""
        value = self._value.number(scope)
        values = profile.values
        slot = self._slot
        count = values[slot] + 1.0
        deviation = value - values[slot + 1]
        mean = values[slot + 1] + deviation / count
        values[slot] = count
        values[slot + 1] = mean
        values[slot + 2] += deviation * (value - mean)
        return 0


class MeanNode(Node):
    """Reads the mean."""

    __slots__ = ("_default", "_slot")

    def __init__(self, slot: int, default: float) -> None:
        self._slot = slot
        self._default = default

    def number(self, scope: Scope) -> float:
        """Return the mean, or the default of no values."""
        values = scope.values
        return values[self._slot + 1] if values[self._slot] else self._default


class DeviationNode(Node):
    """Reads the standard deviation."""

    __slots__ = ("_default", "_slot")

    def __init__(self, slot: int, default: float) -> None:
        self._slot = slot
        self._default = default

    def number(self, scope: Scope) -> float:
        """Return the population's standard deviation, or the default of less than two values."""
        values = scope.values
        count = values[self._slot]
        if count < _DEVIATES_FROM:
            return self._default
        squares = values[self._slot + 2]
        return sqrt(squares / count) if squares > 0.0 else 0.0


class Moments(Kind):
    """`moments`. No params. Reads: ["stddev"], of the population, and ["mean"]; the default below two, or one."""

    def sizes(self, params: dict[str, Any]) -> Sizes:
        """Count, mean, sum of squared deviations."""
        return Sizes(values=3)

    def step(self, params: dict[str, Any], slots: Slots, on: On) -> Step:
        """Add each value."""
        return AddMoments(slots.value, required(on.value))

    def reader(self, params: dict[str, Any], slots: Slots, read: list[Any], default: float) -> Node:
        """Return one of the moments."""
        check_read(read, "mean", "stddev")
        return MeanNode(slots.value, default) if read[0] == "mean" else DeviationNode(slots.value, default)
