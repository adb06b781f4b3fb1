"""Texts: constants, comparisons and searches, by code point and case as they are."""

from __future__ import annotations

from udfs.expressions.node import Node, Scope


class Text(Node):
    """A constant."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def text(self, scope: Scope) -> str:
        """Return it."""
        return self._value


class Size(Node):
    """How many code points a text has."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Node) -> None:
        self._inner = inner

    def number(self, scope: Scope) -> float:
        """Return it."""
        return float(len(self._inner.text(scope)))


class MatchesAny(Node):
    """Whether a text is one of a list."""

    __slots__ = ("_inner", "_texts")

    def __init__(self, inner: Node, texts: set[str]) -> None:
        self._inner = inner
        self._texts = texts

    def truth(self, scope: Scope) -> bool:
        """Return it."""
        return self._inner.text(scope) in self._texts


class TextEqual(Node):
    """Equal texts."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Node, right: Node) -> None:
        self._left = left
        self._right = right

    def truth(self, scope: Scope) -> bool:
        """Return it."""
        return self._left.text(scope) == self._right.text(scope)


class TextUnequal(Node):
    """Unequal texts."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Node, right: Node) -> None:
        self._left = left
        self._right = right

    def truth(self, scope: Scope) -> bool:
        """Return it."""
        return self._left.text(scope) != self._right.text(scope)


class Contains(Node):
    """Whether a text contains another; every text contains the empty one."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Node, right: Node) -> None:
        self._left = left
        self._right = right

    def truth(self, scope: Scope) -> bool:
        """Return it."""
        return self._right.text(scope) in self._left.text(scope)


class StartsWith(Node):
    """Whether a text starts with another."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Node, right: Node) -> None:
        self._left = left
        self._right = right

    def truth(self, scope: Scope) -> bool:
        """Return it."""
        return self._left.text(scope).startswith(self._right.text(scope))


class EndsWith(Node):
    """Whether a text ends with another."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Node, right: Node) -> None:
        self._left = left
        self._right = right

    def truth(self, scope: Scope) -> bool:
        """Return it."""
        return self._left.text(scope).endswith(self._right.text(scope))
