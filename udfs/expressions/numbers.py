"""Functions of numbers. Nothing raises: what has no value is not a number, what is too large is infinite."""

from __future__ import annotations

import math
from math import copysign, exp2, inf, log1p, log10, nan
from typing import Final

from udfs.expressions.node import Node, Scope

_DIGITS: Final = 1e12  # scores are rounded to 12 decimals: processors differ in the last digits of logarithms
_WHOLE: Final = 2.0**53  # a float of this size has no decimals


def finite(x: float) -> bool:
    """Return whether a number is neither infinite nor nan."""
    return x - x == 0.0


def smaller(a: float, b: float) -> float:
    """Return the smaller number; nan if one is nan, so that a division by zero does not pass for the other."""
    return b if b < a or b != b else a  # noqa: PLR0124


def larger(a: float, b: float) -> float:
    """Return the larger number; nan if one is nan."""
    return b if b > a or b != b else a  # noqa: PLR0124


def rounded(x: float) -> float:
    """Return a number to 12 decimals, half up; what is not finite stays as it is."""
    scaled = x * _DIGITS + 0.5
    if not finite(scaled):
        return x
    return (float(int(scaled)) if -_WHOLE < scaled < _WHOLE else scaled) / _DIGITS


def floor(x: float) -> float:
    """Return the largest whole number that is not larger."""
    return float(math.floor(x)) if -_WHOLE < x < _WHOLE else x


def ceil(x: float) -> float:
    """Return the smallest whole number that is not smaller."""
    return float(math.ceil(x)) if -_WHOLE < x < _WHOLE else x


def log(x: float) -> float:
    """Return the natural logarithm: -infinite of 0, nan of less."""
    if x > 0.0:
        return math.log(x)
    return -inf if x == 0.0 else nan


def log_1p(x: float) -> float:
    """Return the natural logarithm of 1 + x: -infinite of -1, nan of less."""
    if x > -1.0:
        return log1p(x)
    return -inf if x == -1.0 else nan


def log_10(x: float) -> float:
    """Return the decimal logarithm: -infinite of 0, nan of less."""
    if x > 0.0:
        return log10(x)
    return -inf if x == 0.0 else nan


def exp(x: float) -> float:
    """Return e to the power of x."""
    try:
        return math.exp(x)
    except OverflowError:
        return inf


def exp_2(x: float) -> float:
    """Return 2 to the power of x."""
    try:
        return exp2(x)
    except OverflowError:
        return inf


def sqrt(x: float) -> float:
    """Return the square root: nan of less than 0."""
    return math.sqrt(x) if x >= 0.0 else nan


def power(base: float, exponent: float) -> float:
    """Return base to the power of exponent, as C's pow does."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -inf if base < 0.0 and exponent % 2.0 == 1.0 else inf
    except ValueError:
        if base != 0.0:
            return nan  # a root of less than 0
        return copysign(inf, base) if exponent % 2.0 == 1.0 else inf


def sine(x: float) -> float:
    """Return the sine of an angle in radians; nan of what is infinite."""
    return math.sin(x) if finite(x) else nan


def cosine(x: float) -> float:
    """Return the cosine of an angle in radians; nan of what is infinite."""
    return math.cos(x) if finite(x) else nan


class Minimum(Node):
    """The smaller of two numbers."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Node, right: Node) -> None:
        self._left = left
        self._right = right

    def number(self, scope: Scope) -> float:
        """Return it."""
        return smaller(self._left.number(scope), self._right.number(scope))


class Maximum(Node):
    """The larger of two numbers."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Node, right: Node) -> None:
        self._left = left
        self._right = right

    def number(self, scope: Scope) -> float:
        """Return it."""
        return larger(self._left.number(scope), self._right.number(scope))


class Coalesce(Node):
    """The first of two numbers if it is finite, else the second."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Node, right: Node) -> None:
        self._left = left
        self._right = right

    def number(self, scope: Scope) -> float:
        """Return it."""
        first = self._left.number(scope)
        return first if finite(first) else self._right.number(scope)


class Power(Node):
    """A power."""

    __slots__ = ("_base", "_exponent")

    def __init__(self, base: Node, exponent: Node) -> None:
        self._base = base
        self._exponent = exponent

    def number(self, scope: Scope) -> float:
        """Return it."""
        return power(self._base.number(scope), self._exponent.number(scope))


class Clamp(Node):
    """A number between two bounds; the upper one wins where they contradict each other."""

    __slots__ = ("_high", "_inner", "_low")

    def __init__(self, inner: Node, low: Node, high: Node) -> None:
        self._inner = inner
        self._low = low
        self._high = high

    def number(self, scope: Scope) -> float:
        """Return it; nan if one of the three is."""
        at_least = larger(self._inner.number(scope), self._low.number(scope))
        return smaller(at_least, self._high.number(scope))
