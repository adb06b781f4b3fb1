"""Windows that slide by hops: counts, sums and extremes of the last n hops.

A series holds pairs [bucket, value, bucket, value, ...], ascending by bucket = floor(time_ms / hop_ms); buckets without
an event are absent. Memory is bounded by the hops, not by the events.
"""

from __future__ import annotations

from typing import Any

from udfs.event import Event
from udfs.expressions.node import Node, Scope
from udfs.profile import Profile
from udfs.reducers.kind import Kind, On, Sizes, Slots, Step, check_read, required


def add_to_bucket(series: list[float], bucket: int, amount: float, hops: int) -> None:
    """Add an amount to the newest bucket; a new one drops those that are older than it by more than `hops`."""
    at = float(bucket)
    if series and series[-2] == at:
        series[-1] += amount
        return
    if series:
        drop_before(series, at - hops)
    series.append(at)
    series.append(amount)


def drop_before(series: list[float], oldest: float) -> None:
    """Drop the buckets before `oldest`."""
    end = start_of(series, oldest)
    if end:
        del series[:end]


def start_of(series: list[float], oldest: float) -> int:
    """Return the index of the first bucket that is not before `oldest`."""
    if not series or series[0] >= oldest:
        return 0
    before, after = 0, len(series) >> 1  # of pairs, by halves: all before `before` are too old
    while before < after:
        middle = (before + after) >> 1
        if series[middle << 1] < oldest:
            before = middle + 1
        else:
            after = middle
    return after << 1


def sum_since(series: list[float], oldest: float) -> float:
    """Return the sum of the buckets from `oldest` on, added in ascending order."""
    total = 0.0
    for i in range(start_of(series, oldest) + 1, len(series), 2):
        total += series[i]
    return total


class AddToWindow(Step):
    """Adds a weight, or value times weight, to the event's bucket."""

    __slots__ = ("_hop_ms", "_hops", "_slot", "_value", "_weight")

    def __init__(self, slot: int, hop_ms: int, hops: int, value: Node | None, weight: float) -> None:
        self._slot = slot
        self._hop_ms = hop_ms
        self._hops = hops
        self._value = value
        self._weight = weight

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Add to the bucket."""
        amount = self._weight if self._value is None else self._value.number(scope) * self._weight
        add_to_bucket(profile.series_to_change(self._slot), event.time_ms // self._hop_ms, amount, self._hops)
        return 0


class ExtremeInWindow(Step):
    """Keeps the smallest or largest value of each bucket."""

    __slots__ = ("_hop_ms", "_hops", "_largest", "_slot", "_value")

    def __init__(self, slot: int, hop_ms: int, hops: int, value: Node, largest: bool) -> None:
        self._slot = slot
        self._hop_ms = hop_ms
        self._hops = hops
        self._value = value
        self._largest = largest

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Compare with the bucket."""
        value = self._value.number(scope)
        series = profile.series_to_change(self._slot)
        bucket = float(event.time_ms // self._hop_ms)
        if series and series[-2] == bucket:
            if value > series[-1] if self._largest else value < series[-1]:
                series[-1] = value
            return 0
        if series:
            drop_before(series, bucket - self._hops)
        series.append(bucket)
        series.append(value)
        return 0


class WindowSum(Node):
    """Reads the sum of the last n hops and of the current one as far as it has come."""

    __slots__ = ("_hop_ms", "_n", "_slot")

    def __init__(self, slot: int, hop_ms: int, n: int) -> None:
        self._slot = slot
        self._hop_ms = hop_ms
        self._n = n

    def number(self, scope: Scope) -> float:
        """Return the sum as of the as-of time."""
        series = scope.profile.series[self._slot]
        return sum_since(series, float(int(scope.as_of_ms) // self._hop_ms - self._n)) if series else 0.0


class WindowExtreme(Node):
    """Reads the smallest or largest value of the last n hops and of the current one as far as it has come."""

    __slots__ = ("_default", "_hop_ms", "_largest", "_n", "_slot")

    def __init__(self, slot: int, hop_ms: int, n: int, largest: bool, default: float) -> None:
        self._slot = slot
        self._hop_ms = hop_ms
        self._n = n
        self._largest = largest
        self._default = default

    def number(self, scope: Scope) -> float:
        """Return the extreme as of the as-of time, or the default if there was none."""
        series = scope.profile.series[self._slot]
        start = start_of(series, float(int(scope.as_of_ms) // self._hop_ms - self._n))
        if start == len(series):
            return self._default
        found = series[start + 1]
        for i in range(start + 3, len(series), 2):
            value = series[i]
            if value > found if self._largest else value < found:
                found = value
        return found


class Window(Kind):
    """`window`. Params: hop_ms; hops, the longest window that is read; agg, one of count, sum, min, max.

    Reads: ["sum", n] of counts and sums (0 when empty), ["min", n] and ["max", n] (the default when empty), n at most
    hops. Each reads n + 1 buckets: the one of the as-of time, which has just begun or is almost over, and the n before.
    So the whole window of n hops is inside, and at most one hop more: the granularity is one hop.
    """

    def sizes(self, params: dict[str, Any]) -> Sizes:
        """One series, of at most hops + 1 pairs."""
        return Sizes(series=1)

    def step(self, params: dict[str, Any], slots: Slots, on: On) -> Step:
        """Add to a bucket, or compare with it."""
        hop_ms, hops, agg = int(params["hop_ms"]), int(params["hops"]), str(params["agg"])
        if agg in {"count", "sum"}:
            return AddToWindow(slots.series, hop_ms, hops, on.value, float(on.weight))
        return ExtremeInWindow(slots.series, hop_ms, hops, required(on.value), agg == "max")

    def reader(self, params: dict[str, Any], slots: Slots, read: list[Any], default: float) -> Node:
        """Return the aggregate over the last n hops."""
        hop_ms, agg = int(params["hop_ms"]), str(params["agg"])
        if agg in {"count", "sum"}:
            check_read(read, "sum")
            return WindowSum(slots.series, hop_ms, int(read[1]))
        check_read(read, agg)
        return WindowExtreme(slots.series, hop_ms, int(read[1]), agg == "max", default)
