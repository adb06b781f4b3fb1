"""The features of a plan: their nodes, and their values as of a profile's newest event."""

from __future__ import annotations

import struct
from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

from udfs.expressions.build import build
from udfs.expressions.inputs import Slot
from udfs.expressions.maps import Remembered
from udfs.expressions.node import Constant, Node, Scope
from udfs.expressions.numbers import finite
from udfs.plan.order import NUMERIC, evaluation_order, needed_by
from udfs.plan.reducers import Reducer

_FLOAT32_MAX: Final = 3.4028234663852886e38
_PAIR: Final = 2  # the fewest items that itemgetter returns as a tuple


class Computed:
    """A feature that is computed, and the next one; a chain of them needs no look at a list, and no check of types.

    Attributes:
        node: of the feature.
        at: its position.
        default: for a result that is not finite.
        next: what is computed after it.
    """

    __slots__ = ("at", "default", "next", "node")

    def __init__(self, node: Node, at: int, default: float, next: Computed | None) -> None:  # noqa: A002
        self.node = node
        self.at = at
        self.default = default
        self.next = next


class Features:
    """Evaluates the features of a plan, one profile after another.

    Args:
        features: the plan's, those that are slots of the profile in front (`copied_first`).
        reducers: what the plan's reducers are made of, and as made.
        zone: the plan's time zone.

    Attributes:
        nodes: by position.
        values: by position, of the profile that was evaluated last; a scope reads them.
        vector_names: the features that models see, in the declared order.
    """

    def __init__(self, features: list[dict[str, Any]], reducers: list[Reducer], zone: str) -> None:
        order = evaluation_order(features)
        self.nodes = _nodes(features, order, reducers, zone)
        self.values: list[float] = [0.0] * len(features)
        self._all = features
        self._numbers = [at for at in order if features[at]["kind"] in NUMERIC]
        self._copied = 0
        while self._copied < len(features) and isinstance(self.nodes[self._copied], Slot):
            self._copied += 1
        self._slots = _picked([_slot(node) for node in self.nodes[: self._copied]])
        self._computed = self._chain([at for at in self._numbers if at >= self._copied])
        seen = sorted([(f["place"], at) for at, f in enumerate(features) if f["vector"] and f["kind"] in NUMERIC])
        self.vector_names: list[str] = [features[at]["name"] for _, at in seen]
        self._vector = _picked([at for _, at in seen])
        self._struct = struct.Struct(f"<{len(seen)}f")

    def evaluate(self, scope: Scope) -> None:
        """Compute all values as of the scope's profile."""
        self.values[: self._copied] = self._slots(scope.values)
        self.compute(self._computed, scope)

    def compute(self, first: Computed | None, scope: Scope) -> None:
        """Compute the values of a chain."""
        values = self.values
        computed = first
        while computed is not None:
            value = computed.node.number(scope)
            if not finite(value):
                value = computed.default
            values[computed.at] = value
            computed = computed.next

    def needed_by(self, exprs: list[Any]) -> Computed | None:
        """Return the chain of what expressions need."""
        return self._chain(needed_by(self._all, self._numbers, exprs))

    def _chain(self, order: list[int]) -> Computed | None:
        first: Computed | None = None
        for at in reversed(order):
            first = Computed(self.nodes[at], at, float(self._all[at]["default"]), first)
        return first

    def node_named(self, name: str) -> Node | None:
        """Return the node of a feature; None if there is none of this name."""
        for feature, node in zip(self._all, self.nodes, strict=True):
            if feature["name"] == name:
                return node
        return None

    def served(self, kind: str) -> list[tuple[str, Node]]:
        """Return the features of a kind that are served beside the scores, by name."""
        return sorted(
            [
                (str(feature["name"]), node)
                for feature, node in zip(self._all, self.nodes, strict=True)
                if feature["served"] and feature["kind"] == kind
            ]
        )

    def vector(self) -> list[float]:
        """Return what models see, in the order of `vector_names`."""
        return list(self._vector(self.values))

    def by_name(self) -> dict[str, float]:
        """Return the values of all number features, those beside the vector included."""
        return {self._all[at]["name"]: self.values[at] for at in self._numbers}

    def packed(self) -> bytes:
        """Return the vector as float32, little-endian; what is too large for one is the largest."""
        packed: bytes
        try:
            packed = self._struct.pack(*self._vector(self.values))
        except OverflowError:
            largest = [min(max(value, -_FLOAT32_MAX), _FLOAT32_MAX) for value in self.vector()]
            packed = self._struct.pack(*largest)
        return packed


def _nodes(features: list[dict[str, Any]], order: list[int], reducers: list[Reducer], zone: str) -> list[Node]:
    nodes: list[Node] = [Constant(0.0) for _ in features]
    for at in order:
        feature = features[at]
        if "expr" in feature:
            nodes[at] = build(feature["expr"], nodes, zone)
        else:
            nodes[at] = reducers[feature["reducer"]].reader(feature["read"], float(feature["default"]))
        if feature["kind"] == "map":
            nodes[at] = Remembered(nodes[at])
    return nodes


def _slot(node: Node) -> int:
    return node.slot if isinstance(node, Slot) else -1


def _picked(positions: list[int]) -> Callable[[list[float]], tuple[float, ...]]:
    """Return what picks the items at positions, in a tenth of the time of a loop."""
    if len(positions) >= _PAIR:
        return itemgetter(*positions)
    return _Few(positions).pick


class _Few:
    """Picks one item or none, which itemgetter would not return as a tuple."""

    def __init__(self, positions: list[int]) -> None:
        self._positions = positions

    def pick(self, values: list[float]) -> tuple[float, ...]:
        """Pick them."""
        return tuple([values[at] for at in self._positions])
