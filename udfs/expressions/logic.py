"""Comparisons of numbers, logic, and choices. Nothing equals nan, and nan is neither less nor more than a number."""

from __future__ import annotations

from udfs.expressions.node import Node, Scope


class Truth(Node):
    """True or false."""

    __slots__ = ("_value",)

    def __init__(self, value: bool) -> None:
        self._value = value

    def truth(self, scope: Scope) -> bool:
        """Return it."""
        return self._value


class Less(Node):
    """Less than."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Node, right: Node) -> None:
        self._left = left
        self._right = right

    def truth(self, scope: Scope) -> bool:
        """Return left < right."""
        return self._left.number(scope) < self._right.number(scope)


class LessOrEqual(Node):
    """Less than or equal."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Node, right: Node) -> None:
        self._left = left
        self._right = right

    def truth(self, scope: Scope) -> bool:
        """Return left <= right."""
        return self._left.number(scope) <= self._right.number(scope)


class Greater(Node):
    """Greater than."""

    __slots__ = ("left", "right")

    def __init__(self, left: Node, right: Node) -> None:
        self.left = left
        self.right = right

    def truth(self, scope: Scope) -> bool:
        """Return left > right."""
        return self.left.number(scope) > self.right.number(scope)


class GreaterOrEqual(Node):
    """Greater than or equal."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Node, right: Node) -> None:
        self._left = left
        self._right = right

    def truth(self, scope: Scope) -> bool:
        """Return left >= right."""
        return self._left.number(scope) >= self._right.number(scope)


class Equal(Node):
    """Equal numbers or truths."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Node, right: Node) -> None:
        self._left = left
        self._right = right

    def truth(self, scope: Scope) -> bool:
        """Return left == right."""
        return self._left.number(scope) == self._right.number(scope)


class Unequal(Node):
    """Unequal numbers or truths."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Node, right: Node) -> None:
        self._left = left
        self._right = right

    def truth(self, scope: Scope) -> bool:
        """Return left != right."""
        return self._left.number(scope) != self._right.number(scope)


class NumberIn(Node):
    """Whether a number is one of a list."""

    __slots__ = ("_inner", "_numbers")

    def __init__(self, inner: Node, numbers: set[float]) -> None:
        self._inner = inner
        self._numbers = numbers

    def truth(self, scope: Scope) -> bool:
        """Return it."""
        return self._inner.number(scope) in self._numbers


class And(Node):
    """Both; the second is not evaluated if the first is false."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Node, right: Node) -> None:
        self._left = left
        self._right = right

    def truth(self, scope: Scope) -> bool:
        """Return left && right."""
        return self._left.truth(scope) and self._right.truth(scope)


class Or(Node):
    """One or both; the second is not evaluated if the first is true."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Node, right: Node) -> None:
        self._left = left
        self._right = right

    def truth(self, scope: Scope) -> bool:
        """Return left || right."""
        return self._left.truth(scope) or self._right.truth(scope)


class Not(Node):
    """The opposite."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Node) -> None:
        self._inner = inner

    def truth(self, scope: Scope) -> bool:
        """Return !inner."""
        return not self._inner.truth(scope)


class Choice(Node):
    """One of two numbers, or of two truths; the other is not evaluated."""

    __slots__ = ("condition", "otherwise", "then")

    def __init__(self, condition: Node, then: Node, otherwise: Node) -> None:
        self.condition = condition
        self.then = then
        self.otherwise = otherwise

    def number(self, scope: Scope) -> float:
        """Return the number that is chosen."""
        return self.then.number(scope) if self.condition.truth(scope) else self.otherwise.number(scope)

    def truth(self, scope: Scope) -> bool:
        """Return the truth that is chosen."""
        return self.then.truth(scope) if self.condition.truth(scope) else self.otherwise.truth(scope)


class TextChoice(Node):
    """One of two texts; the other is not evaluated."""

    __slots__ = ("_condition", "_no", "_yes")

    def __init__(self, condition: Node, yes: Node, no: Node) -> None:
        self._condition = condition
        self._yes = yes
        self._no = no

    def text(self, scope: Scope) -> str:
        """Return the text that is chosen."""
        return self._yes.text(scope) if self._condition.truth(scope) else self._no.text(scope)
