"""Maps from text to weight. Weights are added in descending order, because a dict's order depends on history."""

from __future__ import annotations

from udfs.expressions.node import Node, Scope
from udfs.expressions.numbers import rounded


def descending(weights: dict[str, float]) -> list[float]:
    """Return the weights, the largest first: the order of `ranked`, in which those that are equal are the same."""
    return sorted(weights.values(), reverse=True)


def added(ordered: list[float]) -> float:
    """Return the sum, added from left to right; `sum` of floats depends on Python's version."""
    total = 0.0
    for weight in ordered:
        total += weight
    return total


def share(weight: float, total: float) -> float:
    """Return a weight's share of the total to 12 decimals; 0 of nothing."""
    return rounded(weight / total) if total > 0.0 else 0.0


def ranked(weights: dict[str, float]) -> list[tuple[str, float]]:
    """Return the entries by weight, the largest first, ties by name."""
    return sorted(weights.items(), key=_rank)


def _rank(entry: tuple[str, float]) -> tuple[float, str]:
    return -entry[1], entry[0]


class TopKey(Node):
    """The key with the largest weight, of several the first by name; empty for an empty map."""

    __slots__ = ("_map",)

    def __init__(self, map_node: Node) -> None:
        self._map = map_node

    def text(self, scope: Scope) -> str:
        """Return it."""
        top, most, found = "", 0.0, False
        for key, weight in self._map.mapping(scope).items():
            if not found or weight > most or (weight == most and key < top):
                top, most, found = key, weight, True
        return top


class TopShare(Node):
    """The largest weight's share of the total, to 12 decimals; 0 for an empty map or a total that is not positive."""

    __slots__ = ("_map",)

    def __init__(self, map_node: Node) -> None:
        self._map = map_node

    def number(self, scope: Scope) -> float:
        """Return it."""
        weights = self._map.mapping(scope)
        if not weights:
            return 0.0
        ordered = descending(weights)
        return share(ordered[0], added(ordered))


class ShareOf(Node):
    """The share of a key's weight of the total, to 12 decimals; 0 for a key that is not in the map."""

    __slots__ = ("_key", "_map")

    def __init__(self, map_node: Node, key: Node) -> None:
        self._map = map_node
        self._key = key

    def number(self, scope: Scope) -> float:
        """Return it."""
        weights = self._map.mapping(scope)
        key = self._key.text(scope)
        if key not in weights:
            return 0.0
        return share(weights[key], added(descending(weights)))


class ValueOf(Node):
    """The weight of a key; 0 for a key that is not in the map."""

    __slots__ = ("_key", "_map")

    def __init__(self, map_node: Node, key: Node) -> None:
        self._map = map_node
        self._key = key

    def number(self, scope: Scope) -> float:
        """Return it."""
        return self._map.mapping(scope).get(self._key.text(scope), 0.0)


class Total(Node):
    """The sum of the weights."""

    __slots__ = ("_map",)

    def __init__(self, map_node: Node) -> None:
        self._map = map_node

    def number(self, scope: Scope) -> float:
        """Return it."""
        return added(descending(self._map.mapping(scope)))


class Entries(Node):
    """How many keys a map has."""

    __slots__ = ("_map",)

    def __init__(self, map_node: Node) -> None:
        self._map = map_node

    def number(self, scope: Scope) -> float:
        """Return it."""
        return float(len(self._map.mapping(scope)))
