"""Nodes of the functions of one number; udfs/expressions/numbers.py has the functions."""

from __future__ import annotations

from udfs.expressions.node import Node, Scope
from udfs.expressions.numbers import (
    ceil,
    cosine,
    exp,
    exp_2,
    floor,
    log,
    log_1p,
    log_10,
    rounded,
    sine,
    sqrt,
)


class Absolute(Node):
    """The number without its sign."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Node) -> None:
        self._inner = inner

    def number(self, scope: Scope) -> float:
        """Return it."""
        return abs(self._inner.number(scope))


class Log(Node):
    """A natural logarithm."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Node) -> None:
        self._inner = inner

    def number(self, scope: Scope) -> float:
        """Return it."""
        return log(self._inner.number(scope))


class Log1p(Node):
    """A natural logarithm of 1 + x."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Node) -> None:
        self._inner = inner

    def number(self, scope: Scope) -> float:
        """Return it."""
        return log_1p(self._inner.number(scope))


class Log10(Node):
    """A decimal logarithm."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Node) -> None:
        self._inner = inner

    def number(self, scope: Scope) -> float:
        """Return it."""
        return log_10(self._inner.number(scope))


class Exp(Node):
    """A power of e."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Node) -> None:
        self._inner = inner

    def number(self, scope: Scope) -> float:
        """Return it."""
        return exp(self._inner.number(scope))


class Exp2(Node):
    """A power of 2."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Node) -> None:
        self._inner = inner

    def number(self, scope: Scope) -> float:
        """Return it."""
        return exp_2(self._inner.number(scope))


class SquareRoot(Node):
    """A square root."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Node) -> None:
        self._inner = inner

    def number(self, scope: Scope) -> float:
        """Return it."""
        return sqrt(self._inner.number(scope))


class Floor(Node):
    """A number rounded down."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Node) -> None:
        self._inner = inner

    def number(self, scope: Scope) -> float:
        """Return it."""
        return floor(self._inner.number(scope))


class Ceil(Node):
    """A number rounded up."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Node) -> None:
        self._inner = inner

    def number(self, scope: Scope) -> float:
        """Return it."""
        return ceil(self._inner.number(scope))


class Rounded(Node):
    """A number to 12 decimals."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Node) -> None:
        self._inner = inner

    def number(self, scope: Scope) -> float:
        """Return it."""
        return rounded(self._inner.number(scope))


class Sine(Node):
    """A sine."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Node) -> None:
        self._inner = inner

    def number(self, scope: Scope) -> float:
        """Return it."""
        return sine(self._inner.number(scope))


class Cosine(Node):
    """A cosine."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Node) -> None:
        self._inner = inner

    def number(self, scope: Scope) -> float:
        """Return it."""
        return cosine(self._inner.number(scope))
