"""How many values lie between given edges."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from udfs.event import Event
from udfs.expressions.inputs import Slot
from udfs.expressions.node import Node, Scope
from udfs.profile import Profile
from udfs.reducers.kind import Kind, On, Sizes, Slots, Step, check_read, required


class AddToHistogram(Step):
    """Adds a weight to the bar of a value."""

    __slots__ = ("_edges", "_slot", "_value", "_weight")

    def __init__(self, slot: int, edges: list[float], value: Node, weight: float) -> None:
        self._slot = slot
        self._edges = edges
        self._value = value
        self._weight = weight

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Add the weight."""
        profile.values[self._slot + bisect_right(self._edges, self._value.number(scope))] += self._weight
        return 0


class Histogram(Kind):
    """`histogram`. Params: edges, ascending. Reads: ["nth", i], 0 to len(edges), of edges[i - 1] <= value < edges[i].

    The first bar has no lower end, the last one no upper end. An empty bar is 0, whatever the default.
    """

    def sizes(self, params: dict[str, Any]) -> Sizes:
        """A value for each bar."""
        return Sizes(values=len(params["edges"]) + 1)

    def step(self, params: dict[str, Any], slots: Slots, on: On) -> Step:
        """Add to a bar."""
        edges = [float(edge) for edge in params["edges"]]
        return AddToHistogram(slots.value, edges, required(on.value), on.weight)

    def reader(self, params: dict[str, Any], slots: Slots, read: list[Any], default: float) -> Node:
        """Return the i-th bar."""
        check_read(read, "nth")
        return Slot(slots.value + int(read[1]))
