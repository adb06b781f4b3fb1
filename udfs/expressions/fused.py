"""Nodes that do in one step what expressions often do in several. The results are the same, bit by bit."""

from __future__ import annotations

from driftline.units import DAY_MS
from udfs.expressions.arithmetic import Divide, Subtract
from udfs.expressions.clocks import RADIANS_BY_MS
from udfs.expressions.inputs import AsOf, Slot
from udfs.expressions.logic import Choice, Greater
from udfs.expressions.node import Constant, Node, Scope


class SlotDifference(Node):
    """A slot less another."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: int, right: int) -> None:
        self._left = left
        self._right = right

    def number(self, scope: Scope) -> float:
        """Return left - right."""
        values = scope.values
        return values[self._left] - values[self._right]


class SinceSlot(Node):
    """The time since that of a slot, in milliseconds."""

    __slots__ = ("_slot",)

    def __init__(self, slot: int) -> None:
        self._slot = slot

    def number(self, scope: Scope) -> float:
        """Return the as-of time - the slot."""
        return scope.as_of_ms - scope.values[self._slot]


class LessConstant(Node):
    """A number less a constant."""

    __slots__ = ("_constant", "_inner")

    def __init__(self, inner: Node, constant: float) -> None:
        self._inner = inner
        self._constant = constant

    def number(self, scope: Scope) -> float:
        """Return inner - constant."""
        return self._inner.number(scope) - self._constant


class ByConstant(Node):
    """A number divided by a constant that is not 0."""

    __slots__ = ("_constant", "_inner")

    def __init__(self, inner: Node, constant: float) -> None:
        self._inner = inner
        self._constant = constant

    def number(self, scope: Scope) -> float:
        """Return inner / constant."""
        return self._inner.number(scope) / self._constant


class MoreThan(Node):
    """Whether a number is larger than a constant."""

    __slots__ = ("constant", "inner")

    def __init__(self, inner: Node, constant: float) -> None:
        self.inner = inner
        self.constant = constant

    def truth(self, scope: Scope) -> bool:
        """Return inner > constant."""
        return self.inner.number(scope) > self.constant


class IfMoreThan(Node):
    """A number where another is larger than a constant, else a constant."""

    __slots__ = ("_constant", "_inner", "_otherwise", "_then")

    def __init__(self, inner: Node, constant: float, then: Node, otherwise: float) -> None:
        self._inner = inner
        self._constant = constant
        self._then = then
        self._otherwise = otherwise

    def number(self, scope: Scope) -> float:
        """Return it."""
        return self._then.number(scope) if self._inner.number(scope) > self._constant else self._otherwise


class UtcDayAngle(Node):
    """The time of day as an angle, in UTC."""

    __slots__ = ("_time",)

    def __init__(self, time: Node) -> None:
        self._time = time

    def number(self, scope: Scope) -> float:
        """Return it."""
        return (self._time.number(scope) % DAY_MS) * RADIANS_BY_MS


def fused(node: Node) -> Node:
    """Return a node that does the same in fewer steps, or the node itself."""
    if isinstance(node, Subtract):
        return _difference(node)
    if isinstance(node, Divide):
        divisor = node.right
        return ByConstant(node.left, divisor.value) if isinstance(divisor, Constant) and divisor.value else node
    if isinstance(node, Greater):
        bound = node.right
        return MoreThan(node.left, bound.value) if isinstance(bound, Constant) else node
    if isinstance(node, Choice):
        asked, otherwise = node.condition, node.otherwise
        if isinstance(asked, MoreThan) and isinstance(otherwise, Constant):
            return IfMoreThan(asked.inner, asked.constant, node.then, otherwise.value)
    return node


def _difference(node: Subtract) -> Node:
    left, right = node.left, node.right
    if isinstance(right, Slot):
        if isinstance(left, Slot):
            return SlotDifference(left.slot, right.slot)
        if isinstance(left, AsOf):
            return SinceSlot(right.slot)
    return LessConstant(left, right.value) if isinstance(right, Constant) else node
