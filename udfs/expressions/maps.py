"""Maps from text to weight. Weights are added in descending order, because a dict's order depends on history."""

from __future__ import annotations

from udfs.expressions.node import Node, Ranking, Scope
from udfs.expressions.numbers import rounded


def share(weight: float, total: float) -> float:
    """Return a weight's share of the total to 12 decimals; 0 of nothing."""
    return rounded(weight / total) if total > 0.0 else 0.0


class Remembered(Node):
    """A map that several expressions read: computed and put in order once a reading."""

    __slots__ = ("_map", "_node", "_ranking", "_reading")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._reading = -1
        self._map: dict[str, float] = {}
        self._ranking: Ranking | None = None

    def mapping(self, scope: Scope) -> dict[str, float]:
        """Return it."""
        if scope.reading != self._reading:
            self._map = self._node.mapping(scope)
            self._ranking = None
            self._reading = scope.reading
        return self._map

    def ranking(self, scope: Scope) -> Ranking:
        """Return it in order of weight."""
        weights = self.mapping(scope)
        ranking = self._ranking
        if ranking is None:
            ranking = self._ranking = Ranking(weights)
        return ranking


class TopKey(Node):
    """The key with the largest weight, of several the first by name; empty for an empty map."""

    __slots__ = ("_map",)

    def __init__(self, map_node: Node) -> None:
        self._map = map_node

    def text(self, scope: Scope) -> str:
        """Return it."""
        names = self._map.ranking(scope).names
        return names[0] if names else ""


class TopShare(Node):
    """The largest weight's share of the total, to 12 decimals; 0 for an empty map or a total that is not positive."""

    __slots__ = ("_map",)

    def __init__(self, map_node: Node) -> None:
        self._map = map_node

    def number(self, scope: Scope) -> float:
        """Return it."""
        ranking = self._map.ranking(scope)
        return share(ranking.weights[ranking.names[0]], ranking.total) if ranking.names else 0.0


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
        return share(weights[key], self._map.ranking(scope).total)


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
        return self._map.ranking(scope).total


class Entries(Node):
    """How many keys a map has."""

    __slots__ = ("_map",)

    def __init__(self, map_node: Node) -> None:
        self._map = map_node

    def number(self, scope: Scope) -> float:
        """Return it."""
        return float(len(self._map.mapping(scope)))
