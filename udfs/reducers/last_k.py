"""The last k values."""

from __future__ import annotations

from typing import Any

from udfs.event import Event
from udfs.expressions.node import Node, Scope
from udfs.profile import Profile
from udfs.reducers.kind import Kind, On, Sizes, Slots, Step, check_read, required


class Append(Step):
    """Appends each value, and drops the oldest over the bound."""

    __slots__ = ("_k", "_slot", "_value")

    def __init__(self, slot: int, k: int, value: Node) -> None:
        self._slot = slot
        self._k = k
        self._value = value

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Append the value."""
        series = profile.series_to_change(self._slot)
        series.append(self._value.number(scope))
        if len(series) > self._k:
            del series[0]
        return 0


class NthNode(Node):
    """Reads one of the values, counted from the newest."""

    __slots__ = ("_default", "_nth", "_slot")

    def __init__(self, slot: int, nth: int, default: float) -> None:
        self._slot = slot
        self._nth = nth
        self._default = default

    def number(self, scope: Scope) -> float:
        """Return the value, or the default if there are not as many."""
        series = scope.profile.series[self._slot]
        at = len(series) - 1 - self._nth
        return series[at] if at >= 0 else self._default


class LastK(Kind):
    """`last_k`. Params: k. Reads: ["nth", i], 0 is the newest; the default where there are not as many."""

    def sizes(self, params: dict[str, Any]) -> Sizes:
        """One series, of at most k values, newest last."""
        return Sizes(series=1)

    def step(self, params: dict[str, Any], slots: Slots, on: On) -> Step:
        """Append each value."""
        return Append(slots.series, int(params["k"]), required(on.value))

    def reader(self, params: dict[str, Any], slots: Slots, read: list[Any], default: float) -> Node:
        """Return the i-th newest."""
        check_read(read, "nth")
        return NthNode(slots.series, int(read[1]), default)
