"""Counts and sums by a dimension: a map from text to weight, for ever or decaying."""

from __future__ import annotations

from typing import Any, Final

from udfs.event import Event
from udfs.expressions.node import Node, Scope
from udfs.joined import texts_of
from udfs.profile import Profile
from udfs.reducers.kind import Kind, On, Sizes, Slots, Step, check_read, required

CAP: Final = 32  # the most entries, where a plan says nothing else


class MapNode(Node):
    """Reads a map."""

    __slots__ = ("_slot",)

    def __init__(self, slot: int) -> None:
        self._slot = slot

    def mapping(self, scope: Scope) -> dict[str, float]:
        """Return the map itself; its order is history."""
        return scope.profile.maps[self._slot]


class AddByKey(Step):
    """Adds a weight, or value times weight, to the entry of a key, or of each key of a list."""

    __slots__ = ("_cap", "_key", "_slot", "_value", "_weight")

    def __init__(self, slot: int, cap: int, key: Node, value: Node | None, weight: float) -> None:
        self._slot = slot
        self._cap = cap
        self._key = key
        self._value = value
        self._weight = weight

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Add to the entry; an empty key has none. Returns how many entries were dropped."""
        amount = self._weight if self._value is None else self._value.number(scope) * self._weight
        weights = profile.maps[self._slot]
        dropped = 0
        for key in texts_of(self._key.text(scope)):
            dropped += _add(weights, key, amount, self._cap)
        return dropped


def _add(weights: dict[str, float], key: str, amount: float, cap: int) -> int:
    weights[key] = weights.get(key, 0.0) + amount
    if len(weights) <= cap:
        return 0
    del weights[smallest(weights)]
    return 1


def smallest(weights: dict[str, float]) -> str:
    """Return the key of the smallest (weight, key)."""
    found = ""
    least = 0.0
    for key, weight in weights.items():
        if not found or weight < least or (weight == least and key < found):
            found, least = key, weight
    return found


class By(Kind):
    """`by`. Params: cap, the most entries, 32 if absent; half_life_ms, 0 or absent for none. Reads: ["map"].

    Over the cap the entry with the smallest (weight, key) goes, which may be the new one.
    """

    def sizes(self, params: dict[str, Any]) -> Sizes:
        """One map, of at most `cap` entries."""
        return Sizes(maps=1)

    def half_life_ms(self, params: dict[str, Any]) -> float:
        """As given."""
        return float(params.get("half_life_ms", 0.0))

    def step(self, params: dict[str, Any], slots: Slots, on: On) -> Step:
        """Add to an entry."""
        return AddByKey(slots.map, int(params.get("cap", CAP)), required(on.key), on.value, float(on.weight))

    def reader(self, params: dict[str, Any], slots: Slots, read: list[Any], default: float) -> Node:
        """Return the map."""
        check_read(read, "map")
        return MapNode(slots.map)
