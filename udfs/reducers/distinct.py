"""How many distinct texts there were: exact up to a bound, then an estimate.

The sketch keeps the k smallest distinct hashes ("k minimum values": Bar-Yossef et al., RANDOM 2002; its unbiased
estimator: Beyer et al., SIGMOD 2007). It depends on the set of texts alone, not on their order.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Final

from udfs.event import Event
from udfs.expressions.node import Node, Scope
from udfs.hashing import hash64
from udfs.joined import texts_of
from udfs.profile import Profile
from udfs.reducers.kind import Kind, On, Sizes, Slots, Step, check_read, required

_SHIFT: Final = 11  # leaves 53 bits, the whole numbers that a float holds exactly
_HASHES: Final = 2.0**53


class AddToSketch(Step):
    """Adds a text, or each of a list."""

    __slots__ = ("_exact", "_slot", "_value")

    def __init__(self, slot: int, exact: int, value: Node) -> None:
        self._slot = slot
        self._exact = exact
        self._value = value

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Add the text; an empty one is none."""
        for text in texts_of(self._value.text(scope)):
            _insert(profile.series_to_change(self._slot), text, self._exact)
        return 0


def _insert(series: list[float], text: str, exact: int) -> None:
    hashed = float(hash64(text) >> _SHIFT)
    size = len(series)
    if size >= exact and hashed >= series[-1]:
        return
    at = bisect_left(series, hashed)
    if at < size and series[at] == hashed:
        return
    series.insert(at, hashed)
    if size >= exact:
        series.pop()


class DistinctNode(Node):
    """Reads the number of distinct texts."""

    __slots__ = ("_exact", "_slot")

    def __init__(self, slot: int, exact: int) -> None:
        self._slot = slot
        self._exact = exact

    def number(self, scope: Scope) -> float:
        """Return the number, or the estimate of it."""
        series = scope.profile.series[self._slot]
        size = len(series)
        if size < self._exact:
            return float(size)
        # At least as many as are kept: a lower estimate is nearer to the truth, and the number never falls.
        largest = series[-1]
        return max(float(size), (size - 1) / (largest / _HASHES)) if largest > 0.0 else float(size)


class Distinct(Kind):
    """`distinct`. Params: exact, at least 3. Reads: ["count"].

    Below `exact` distinct texts the number is exact. From there on it is (exact - 1) / (the largest kept hash as a
    share of all hashes), at least `exact`, with a relative standard error of 1 / sqrt(exact - 2): 6.3% of 256.
    """

    def sizes(self, params: dict[str, Any]) -> Sizes:
        """One series, of at most `exact` hashes, ascending."""
        return Sizes(series=1)

    def step(self, params: dict[str, Any], slots: Slots, on: On) -> Step:
        """Add each text."""
        return AddToSketch(slots.series, int(params["exact"]), required(on.value))

    def reader(self, params: dict[str, Any], slots: Slots, read: list[Any], default: float) -> Node:
        """Return the number; nothing is 0, whatever the default."""
        check_read(read, "count")
        return DistinctNode(slots.series, int(params["exact"]))
