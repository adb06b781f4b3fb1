"""Arithmetic as of C's doubles: nothing raises, a division by zero is infinite or not a number."""

from __future__ import annotations

from math import copysign, inf, nan

from udfs.expressions.node import Node, Scope


def quotient(dividend: float, divisor: float) -> float:
    """Return the quotient: infinite for a division by zero, not a number for 0 / 0."""
    if divisor != 0.0:
        return dividend / divisor
    if dividend == 0.0 or dividend != dividend:  # noqa: PLR0124  (true of nan alone)
        return nan
    return copysign(inf, dividend) * copysign(1.0, divisor)


def remainder(dividend: float, divisor: float) -> float:
    """Return what a division to a whole number leaves, with the dividend's sign; not a number for a divisor of 0."""
    if divisor == 0.0:
        return nan
    left = abs(dividend) % abs(divisor)
    return -left if dividend < 0.0 else left


class Add(Node):
    """A sum."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Node, right: Node) -> None:
        self._left = left
        self._right = right

    def number(self, scope: Scope) -> float:
        """Return left + right."""
        return self._left.number(scope) + self._right.number(scope)


class Subtract(Node):
    """A difference."""

    __slots__ = ("left", "right")

    def __init__(self, left: Node, right: Node) -> None:
        self.left = left
        self.right = right

    def number(self, scope: Scope) -> float:
        """Return left - right."""
        return self.left.number(scope) - self.right.number(scope)


class Multiply(Node):
    """A product."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Node, right: Node) -> None:
        self._left = left
        self._right = right

    def number(self, scope: Scope) -> float:
        """Return left * right."""
        return self._left.number(scope) * self._right.number(scope)


class Divide(Node):
    """A quotient."""

    __slots__ = ("left", "right")

    def __init__(self, left: Node, right: Node) -> None:
        self.left = left
        self.right = right

    def number(self, scope: Scope) -> float:
        """Return left / right."""
        return quotient(self.left.number(scope), self.right.number(scope))


class Remainder(Node):
    """What a division leaves."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Node, right: Node) -> None:
        self._left = left
        self._right = right

    def number(self, scope: Scope) -> float:
        """Return left % right."""
        return remainder(self._left.number(scope), self._right.number(scope))


class Negate(Node):
    """The number with the other sign."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Node) -> None:
        self._inner = inner

    def number(self, scope: Scope) -> float:
        """Return -inner."""
        return -self._inner.number(scope)
